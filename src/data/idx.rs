//! IDX files, the format of MNIST, plain or in gzip (told apart by their first bytes, not by their names).
//!
//! ```text
//! images   00 00 08 03 | n | height | width | n · height · width pixels
//! labels   00 00 08 01 | n | n labels                                      u32 big-endian, values u8
//! ```
//!
//! # References
//!
//! * Y. LeCun, C. Cortes, C. J. C. Burges, *The MNIST database of handwritten digits*, "File formats".

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::Split;
use crate::InputError;

/// Most values that a file may claim, 1 GiB: twenty times MNIST, and within the memory of any machine that trains on
/// it.
const MAX_VALUES: u128 = 1 << 30;

/// First two bytes of every gzip file (RFC 1952, §2.3.1).
pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Images,
    Labels,
}

impl Kind {
    const fn magic(self) -> u32 {
        match self {
            Kind::Images => 0x0803,
            Kind::Labels => 0x0801,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Kind::Images => "images",
            Kind::Labels => "labels",
        }
    }

    /// Bytes before the values.
    const fn header(self) -> usize {
        match self {
            Kind::Images => 16,
            Kind::Labels => 8,
        }
    }
}

/// An IDX file that is being read: its name and remedy for errors, and its bytes.
struct Source<'a> {
    place: &'a dyn Display,
    remedy: &'a str,
    bytes: Box<dyn Read + 'a>,
    gzip: bool,
}

/// Reads a file of images and the file of their labels.
///
/// `classes` is what labels must stay below; `remedy` ends each error about the contents, as "fetch it again with …".
///
/// # Errors
///
/// A file cannot be read; is damaged gzip; starts with another magic number, in particular that of the other kind; is
/// longer or shorter than its header claims; claims no values or more than 2³⁰. The files are of different length. A
/// label is out of range.
pub fn read_split(images: &Path, labels: &Path, classes: usize, remedy: &str) -> Result<Split, InputError> {
    let open = |path: &Path| File::open(path).map(BufReader::new).map_err(|e| InputError::io(path, &e));
    let (image_bytes, label_bytes) = (open(images)?, open(labels)?);
    let (images, labels) = (images.display(), labels.display());
    parse_split((&images, image_bytes), (&labels, label_bytes), classes, remedy)
}

/// [`read_split`] of bytes under any name.
pub(super) fn parse_split(
    images: (&dyn Display, impl BufRead),
    labels: (&dyn Display, impl BufRead),
    classes: usize,
    remedy: &str,
) -> Result<Split, InputError> {
    let (shape, pixels) = Source::new(images.0, remedy, images.1)?.values(Kind::Images)?;
    let (_, classes_found) = Source::new(labels.0, remedy, labels.1)?.values(Kind::Labels)?;
    if shape[0] != classes_found.len() {
        let problem = format!("holds {} labels, but {} holds {} images", classes_found.len(), images.0, shape[0]);
        return Err(InputError::new(labels.0, problem, remedy));
    }
    if let Some(i) = classes_found.iter().position(|&label| usize::from(label) >= classes) {
        let problem = format!("label {i} is {}, expected 0 to {}", classes_found[i], classes - 1);
        return Err(InputError::new(labels.0, problem, remedy));
    }
    Ok(Split::grey(pixels, classes_found, shape[1], shape[2]))
}

impl<'a> Source<'a> {
    fn new(place: &'a dyn Display, remedy: &'a str, mut stored: impl BufRead + 'a) -> Result<Self, InputError> {
        let start = stored.fill_buf().map_err(|e| InputError::io(Path::new(&place.to_string()), &e))?;
        let gzip = start.starts_with(&GZIP_MAGIC);
        let bytes: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(stored)) } else { Box::new(stored) };
        Ok(Self { place, remedy, bytes, gzip })
    }

    /// Shape and values. Memory grows with the bytes that are there, never with what the header claims.
    fn values(mut self, kind: Kind) -> Result<(Vec<usize>, Vec<u8>), InputError> {
        let header = self.read_up_to(kind.header())?;
        let numbers: Vec<u32> = header.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
        if let Some(&magic) = numbers.first().filter(|&&magic| magic != kind.magic()) {
            return Err(self.wrong_magic(kind, magic));
        }
        if header.len() < kind.header() {
            return Err(self.fault(format!(
                "is cut short: expected a header of {} bytes, found {}",
                kind.header(),
                header.len()
            )));
        }
        let shape: Vec<usize> = numbers[1..].iter().map(|&n| n as usize).collect();
        let claim = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        // three u32 can exceed u64
        let claimed: u128 = shape.iter().map(|&n| n as u128).product();
        if claimed == 0 {
            return Err(self.fault(format!("holds no {}: its header says {claim}", kind.word())));
        }
        if claimed > MAX_VALUES {
            return Err(self.fault(format!("its header claims {claim} values, more than the {MAX_VALUES} allowed")));
        }
        let claimed = claimed as usize;
        let values = self.read_up_to(claimed)?;
        let expected = kind.header() + claimed;
        if values.len() < claimed {
            let found = kind.header() + values.len();
            return Err(self.fault(format!("is cut short: expected {expected} bytes ({claim} values), found {found}")));
        }
        let extra = self.count_rest()?;
        if extra > 0 {
            let found = expected as u64 + extra;
            return Err(self.fault(format!("is too long: expected {expected} bytes ({claim} values), found {found}")));
        }
        Ok((shape, values))
    }

    fn wrong_magic(&self, kind: Kind, magic: u32) -> InputError {
        let other = if kind == Kind::Images { Kind::Labels } else { Kind::Images };
        if magic == other.magic() {
            let problem = format!("holds {}, not {}: the two files seem to be swapped", other.word(), kind.word());
            return self.fault(problem);
        }
        let (expected, word) = (kind.magic(), kind.word());
        self.fault(format!("starts with {magic:#010x}, an IDX file of {word} with {expected:#010x}"))
    }

    fn read_up_to(&mut self, count: usize) -> Result<Vec<u8>, InputError> {
        let mut bytes = Vec::new();
        match (&mut self.bytes).take(count as u64).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(e) => Err(self.unreadable(&e)),
        }
    }

    /// Bytes left, counted without keeping them; in gzip this also checks the checksum at its end.
    fn count_rest(&mut self) -> Result<u64, InputError> {
        // a small gzip file can unfold to any length: stop where the answer is clear
        let rest = io::copy(&mut (&mut self.bytes).take(MAX_VALUES as u64), &mut io::sink());
        rest.map_err(|e| self.unreadable(&e))
    }

    fn unreadable(&self, error: &io::Error) -> InputError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if self.gzip && matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) {
            return self.fault(format!("is damaged gzip ({error})"));
        }
        InputError::io(Path::new(&self.place.to_string()), error)
    }

    fn fault(&self, problem: String) -> InputError {
        InputError::new(self.place, problem, self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn file(magic: u32, shape: &[u32], values: &[u8]) -> Vec<u8> {
        let numbers = std::iter::once(&magic).chain(shape);
        numbers.flat_map(|n| n.to_be_bytes()).chain(values.iter().copied()).collect()
    }

    fn images() -> Vec<u8> {
        file(0x0803, &[2, 2, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255])
    }

    fn labels() -> Vec<u8> {
        file(0x0801, &[2], &[9, 0])
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn parse(images: &[u8], labels: &[u8]) -> Result<Split, InputError> {
        parse_split((&"I", images), (&"L", labels), 10, "fetch it again")
    }

    fn error(images: &[u8], labels: &[u8]) -> String {
        let error = parse(images, labels).unwrap_err();
        assert_eq!(error.remedy, "fetch it again");
        format!("{}: {}", error.place, error.problem)
    }

    #[test]
    fn plain_and_gzip_read_the_same() {
        let split = parse(&images(), &labels()).unwrap();
        assert_eq!((split.len(), split.height, split.width), (2, 2, 3));
        assert_eq!(split.pixels().unwrap()[6..], [6, 7, 8, 9, 10, 255]);
        assert_eq!(split.classes().unwrap(), [9, 0]);
        assert_eq!(parse(&gzip(&images()), &gzip(&labels())).unwrap(), split);
    }

    #[test]
    fn names_do_not_say_whether_it_is_gzip() {
        let dir = tempfile::tempdir().unwrap();
        let (i, l) = (dir.path().join("images.gz"), dir.path().join("labels"));
        std::fs::write(&i, images()).unwrap();
        std::fs::write(&l, gzip(&labels())).unwrap();
        assert_eq!(read_split(&i, &l, 10, "").unwrap(), parse(&images(), &labels()).unwrap());
        let missing = read_split(&dir.path().join("none"), &l, 10, "").unwrap_err();
        assert!(missing.place.ends_with("none"), "{missing}");
        assert!(read_split(dir.path(), &l, 10, "").is_err());
    }

    #[test]
    fn wrong_magic_and_swapped_files() {
        assert_eq!(
            error(&file(0x0D03, &[1, 1, 1], &[0; 4]), &labels()),
            "I: starts with 0x00000d03, an IDX file of images with 0x00000803"
        );
        assert_eq!(error(&labels(), &images()), "I: holds labels, not images: the two files seem to be swapped");
        assert_eq!(error(&images(), &images()), "L: holds images, not labels: the two files seem to be swapped");
    }

    #[test]
    fn too_short_and_too_long_are_told_in_bytes() {
        let (i, l) = (images(), labels());
        for pack in [|b: &[u8]| b.to_vec(), gzip] {
            assert_eq!(
                error(&pack(&i[..27]), &pack(&l)),
                "I: is cut short: expected 28 bytes (2 × 2 × 3 values), found 27"
            );
            assert_eq!(error(&pack(&i[..9]), &pack(&l)), "I: is cut short: expected a header of 16 bytes, found 9");
            assert_eq!(error(&pack(&[]), &pack(&l)), "I: is cut short: expected a header of 16 bytes, found 0");
            let long = [&l[..], &[1, 2, 3]].concat();
            assert_eq!(error(&pack(&i), &pack(&long)), "L: is too long: expected 10 bytes (2 values), found 13");
        }
    }

    #[test]
    fn different_numbers_and_labels_out_of_range() {
        assert_eq!(error(&images(), &file(0x0801, &[3], &[1, 2, 3])), "L: holds 3 labels, but I holds 2 images");
        assert_eq!(error(&images(), &file(0x0801, &[2], &[9, 10])), "L: label 1 is 10, expected 0 to 9");
    }

    #[test]
    fn damaged_gzip_names_the_file() {
        let whole = gzip(&images());
        let cut = &whole[..whole.len() - 9];
        assert!(error(cut, &labels()).starts_with("I: is damaged gzip"));
        let mut flipped = whole.clone();
        let checksum = whole.len() - 8;
        flipped[checksum] ^= 1;
        assert!(error(&flipped, &labels()).starts_with("I: is damaged gzip"));
        let garbage = [&whole[..], b"garbage behind the end"].concat();
        assert!(error(&garbage, &labels()).starts_with("I: is damaged gzip"));
    }

    #[test]
    fn hostile_headers_take_no_memory() {
        let huge = file(0x0803, &[u32::MAX, u32::MAX, u32::MAX], &[0; 8]);
        assert!(error(&huge, &labels()).contains("more than the 1073741824 allowed"));
        // within the limit, but not there
        let claim = file(0x0803, &[1 << 10, 1 << 10, 1 << 10], &[0; 8]);
        assert!(error(&gzip(&claim), &labels()).ends_with("found 24"));
        assert_eq!(
            error(&file(0x0803, &[0, 28, 28], &[]), &labels()),
            "I: holds no images: its header says 0 × 28 × 28"
        );
        assert!(error(&file(0x0803, &[2, 0, 28], &[]), &labels()).contains("2 × 0 × 28"));
    }
}
