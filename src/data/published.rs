//! A published file: its names on disk, and whether a copy of it is right.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use md5::{Digest, Md5};

use super::idx::GZIP_MAGIC;

/// A file of a published data set.
///
/// What identifies it is its contents. Mirrors and distributions compress them anew, so the published MD5 of the `.gz`
/// proves a copy right, but another one does not prove it wrong.
#[derive(Debug, Clone, Copy)]
pub struct PublishedFile {
    /// Its name without `.gz`, such as `train-images-idx3-ubyte`.
    pub name: &'static str,
    /// Published MD5 of the `.gz`.
    pub gzip_md5: &'static str,
    /// MD5 of the contents, decompressed.
    pub content_md5: &'static str,
    /// Length of the contents, in bytes.
    pub content_bytes: u64,
}

/// How a right copy is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    Gzip,
    Plain,
}

/// Why a copy is not right; reads on after the name of the file.
#[derive(Debug)]
pub(super) enum Fault {
    Unreadable(io::Error),
    Gzip { reason: io::Error, expected: &'static str, found: String },
    Contents { expected: &'static str, found: String, bytes: u64, expected_bytes: u64 },
    Endless { expected_bytes: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Unreadable(e) => write!(f, "cannot be read ({e})"),
            Fault::Gzip { reason, expected, found } => {
                write!(f, "is damaged gzip ({reason}; MD5 is {found}, published {expected})")
            }
            Fault::Contents { expected, found, bytes, expected_bytes } => {
                write!(f, "fails its checksum (MD5 of the contents is {found}, expected {expected}")?;
                if bytes != expected_bytes {
                    write!(f, "; {bytes} bytes, expected {expected_bytes}")?;
                }
                write!(f, ")")
            }
            Fault::Endless { expected_bytes } => write!(f, "is far longer than the {expected_bytes} bytes expected"),
        }
    }
}

impl PublishedFile {
    /// The names it may have on disk, in the order in which they are looked for. The one with a dot is that of
    /// some unpackers.
    pub(super) fn names(&self) -> [String; 4] {
        let dotted = self.name.replacen("-idx", ".idx", 1);
        [format!("{}.gz", self.name), self.name.to_owned(), format!("{dotted}.gz"), dotted]
    }

    /// The name of a copy stored so.
    pub(super) fn name_as(&self, storage: Storage) -> String {
        match storage {
            Storage::Gzip => format!("{}.gz", self.name),
            Storage::Plain => self.name.to_owned(),
        }
    }

    /// The first of its names that is in `dir`.
    pub(super) fn locate(&self, dir: &Path) -> Option<PathBuf> {
        self.names().into_iter().map(|name| dir.join(name)).find(|path| path.is_file())
    }

    /// More bytes than any copy has, stored or decompressed: where to stop reading what may be endless.
    pub(super) fn bound(&self) -> u64 {
        2 * self.content_bytes + (1 << 20)
    }

    /// Compares the copy at `path` with the checksums.
    pub(super) fn check(&self, path: &Path) -> Result<Storage, Fault> {
        let mut file = BufReader::new(File::open(path).map_err(Fault::Unreadable)?);
        let stored = md5(&mut file, self.bound()).map_err(Fault::Unreadable)?;
        if stored.md5 == self.gzip_md5 {
            return Ok(Storage::Gzip);
        }
        let (contents, storage) = if stored.starts_as_gzip {
            file.rewind().map_err(Fault::Unreadable)?;
            let expected = self.gzip_md5;
            let contents = md5(&mut MultiGzDecoder::new(file), self.bound());
            (contents.map_err(|reason| Fault::Gzip { reason, expected, found: stored.md5 })?, Storage::Gzip)
        } else {
            (stored, Storage::Plain)
        };
        if contents.bytes >= self.bound() {
            return Err(Fault::Endless { expected_bytes: self.content_bytes });
        }
        if contents.md5 != self.content_md5 {
            let (expected, expected_bytes) = (self.content_md5, self.content_bytes);
            return Err(Fault::Contents { expected, found: contents.md5, bytes: contents.bytes, expected_bytes });
        }
        Ok(storage)
    }
}

struct Summary {
    md5: String,
    bytes: u64,
    starts_as_gzip: bool,
}

/// MD5 of the file at `path`, of which at most `bound` bytes are read.
pub(super) fn md5_of_file(path: &Path, bound: u64) -> io::Result<String> {
    Ok(md5(&mut File::open(path)?, bound)?.md5)
}

/// Reads at most `bound` bytes.
fn md5(bytes: &mut impl Read, bound: u64) -> io::Result<Summary> {
    let mut bytes = bytes.take(bound);
    let mut hash = Md5::new();
    let mut start = Vec::new();
    (&mut bytes).take(GZIP_MAGIC.len() as u64).read_to_end(&mut start)?;
    hash.update(&start);
    let mut buffer = vec![0; 1 << 16];
    let mut count = start.len() as u64;
    loop {
        let n = match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hash.update(&buffer[..n]);
        count += n as u64;
    }
    Ok(Summary { md5: hex(&hash.finalize()), bytes: count, starts_as_gzip: start == GZIP_MAGIC })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// MD5 of `bytes` in hexadecimal, as `md5sum` prints it.
pub(super) fn md5_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Md5::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// RFC 1321, A.5: MD5("message digest") = f96b697d7cb7938d525a2f31aaf161d0.
    const MESSAGE: PublishedFile = PublishedFile {
        name: "m-idx1-ubyte",
        gzip_md5: "none",
        content_md5: "f96b697d7cb7938d525a2f31aaf161d0",
        content_bytes: 14,
    };

    fn check(bytes: &[u8]) -> Result<Storage, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        MESSAGE.check(file.path()).map_err(|fault| fault.to_string())
    }

    fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_any_compression_are_right() {
        assert_eq!(check(b"message digest"), Ok(Storage::Plain));
        assert_eq!(check(&gzip(b"message digest", 9)), Ok(Storage::Gzip));
        assert_eq!(check(&gzip(b"message digest", 0)), Ok(Storage::Gzip));
    }

    #[test]
    fn a_wrong_copy_is_told_with_both_checksums() {
        // RFC 1321, A.5: MD5("abc")
        let fault = "fails its checksum (MD5 of the contents is 900150983cd24fb0d6963f7d28e17f72, \
                     expected f96b697d7cb7938d525a2f31aaf161d0; 3 bytes, expected 14)";
        assert_eq!(check(b"abc"), Err(fault.into()));
        assert_eq!(check(&gzip(b"abc", 9)), Err(fault.into()));
        assert!(!check(b"message digesT").unwrap_err().contains("bytes"));
        let whole = gzip(b"message digest", 9);
        assert!(check(&whole[..20]).unwrap_err().starts_with("is damaged gzip"));
    }

    #[test]
    fn an_endless_copy_is_not_read_to_its_end() {
        let zeros = gzip(&vec![0; 4 << 20], 9);
        assert!(zeros.len() < 1 << 14);
        assert_eq!(check(&zeros), Err("is far longer than the 14 bytes expected".into()));
    }

    #[test]
    fn names_with_and_without_a_dot() {
        assert_eq!(MESSAGE.names(), ["m-idx1-ubyte.gz", "m-idx1-ubyte", "m.idx1-ubyte.gz", "m.idx1-ubyte"]);
    }
}
