//! The NPY format of NumPy: the header before the data of each array in an `.npz`.

use crate::InputError;
use crate::model::archive::Archive;
use crate::model::dtype::Dtype;

/// NumPy pads headers to multiples of 64 bytes and seldom needs more than 128; records with many fields need more,
/// and are refused anyway.
const MAX_HEADER: u64 = 1 << 16;

/// What the header of one array says.
pub(crate) struct NpyHeader {
    /// Extent of each axis; `()` for a scalar.
    pub shape: Vec<usize>,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Bytes of one element, also for [`Dtype::Other`]; 0 where the array is pickled.
    pub item_size: usize,
    /// Whether the bytes of each element are in big-endian order.
    pub big_endian: bool,
    /// Whether the first index runs fastest.
    pub fortran_order: bool,
    /// Bytes before the data.
    pub data_start: usize,
}

impl NpyHeader {
    /// Reads the header of member `index`.
    ///
    /// # Errors
    ///
    /// If the member is no NPY file, or its header is damaged, longer than 64 KiB or of an unknown version.
    pub fn read(archive: &Archive, index: usize) -> Result<Self, InputError> {
        let bytes = archive.read_up_to(index, MAX_HEADER)?;
        parse(&bytes).map_err(|problem| {
            let place = format!("{}, member '{}'", archive.path().display(), archive.members()[index].name);
            InputError::new(place, problem, "save it again with numpy.savez")
        })
    }

    /// Number of elements; `None` beyond `usize`.
    pub fn len(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent))
    }
}

/// Version, length and Python dictionary, as in `numpy.lib.format`.
fn parse(bytes: &[u8]) -> Result<NpyHeader, String> {
    let short = || "its NPY header is cut short or longer than 64 KiB".to_string();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("is not in the NPY format")?;
    let (text_start, text_length) = match *rest {
        [1, _, a, b, ..] => (10, u16::from_le_bytes([a, b]).into()),
        [2 | 3, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        [major, minor, ..] if major > 3 => return Err(format!("is of the unknown NPY version {major}.{minor}")),
        _ => return Err(short()),
    };
    let data_start = text_start + text_length;
    let text = bytes.get(text_start..data_start).ok_or_else(short)?;
    let text = str::from_utf8(text).map_err(|_| "its NPY header is not text")?;
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    let mut scanner = Scanner { rest: text };
    scanner.expect('{')?;
    while !scanner.accept('}') {
        let key = scanner.string()?;
        scanner.expect(':')?;
        match key {
            "descr" if scanner.next_is('[') => return Err("is an array of records, not of numbers".into()),
            "descr" => descr = Some(scanner.string()?),
            "fortran_order" => fortran_order = Some(scanner.boolean()?),
            "shape" => shape = Some(scanner.integers()?),
            _ => return Err(format!("has the unknown key '{key}' in its NPY header")),
        }
        if !scanner.accept(',') {
            scanner.expect('}')?;
            break;
        }
    }
    let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
        return Err("lacks descr, fortran_order or shape in its NPY header".into());
    };
    let (dtype, item_size, big_endian) = element(descr)?;
    Ok(NpyHeader { shape, dtype, item_size, big_endian, fortran_order, data_start })
}

/// Type, size in bytes and whether it is big-endian, of an array-protocol string such as `<f4`.
fn element(descr: &str) -> Result<(Dtype, usize, bool), String> {
    let unknown = || format!("is of the unknown type '{descr}'");
    let mut letters = descr.chars();
    let order = letters.next().filter(|order| "<>|=".contains(*order)).ok_or_else(unknown)?;
    let kind = letters.next().ok_or_else(unknown)?;
    // Times have their unit behind the size: <M8[ns].
    let digits = letters.as_str().split('[').next().unwrap_or_default();
    let size: usize = if kind == 'O' { 0 } else { digits.parse().map_err(|_| unknown())? };
    let dtype = match (kind, size) {
        ('f', 2) => Dtype::F16,
        ('f', 4) => Dtype::F32,
        ('f', 8) => Dtype::F64,
        ('f', _) => Dtype::Other("long double"),
        ('b', 1) => Dtype::Bool,
        ('i', 1 | 2 | 4 | 8) => Dtype::Int(size as u8),
        ('u', 1 | 2 | 4 | 8) => Dtype::UInt(size as u8),
        ('c', _) => Dtype::Other("complex"),
        ('S' | 'a' | 'U', _) => Dtype::Other("text"),
        ('m' | 'M', 8) => Dtype::Other("a time"),
        ('V', _) => Dtype::Other("raw bytes (perhaps bfloat16, which NumPy cannot name)"),
        ('O', _) => Dtype::Other("pickled Python objects"),
        _ => return Err(unknown()),
    };
    // The size of U is in code points of four bytes.
    let item_size = if kind == 'U' { size.checked_mul(4).ok_or_else(unknown)? } else { size };
    Ok((dtype, item_size, order == '>' || (order == '=' && cfg!(target_endian = "big"))))
}

/// Reads the few Python literals that an NPY header may hold.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn next_is(&mut self, wanted: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.starts_with(wanted)
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.next_is(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) { Ok(()) } else { Err(format!("lacks a '{wanted}' in its NPY header")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.next_is('"') { '"' } else { '\'' };
        self.expect(quote)?;
        let (string, rest) = self.rest.split_once(quote).ok_or("has an open string in its NPY header")?;
        self.rest = rest;
        Ok(string)
    }

    /// The run of letters and digits that comes next.
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let (word, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()));
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, String> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            word => Err(format!("has '{word}' where its NPY header should say True or False")),
        }
    }

    fn integers(&mut self) -> Result<Vec<usize>, String> {
        let mut integers = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            // Python 2 wrote long integers as 5L.
            let word = self.word();
            let digits = word.strip_suffix('L').unwrap_or(word);
            integers.push(digits.parse().map_err(|_| format!("has '{word}' in the shape of its NPY header"))?);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(integers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(dictionary: &str) -> Vec<u8> {
        let length = u16::try_from(dictionary.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes()].concat()
    }

    #[test]
    fn headers_as_numpy_writes_them() {
        let bytes = header("{'descr': '>f8', 'fortran_order': True, 'shape': (3, 4), }          \n");
        let parsed = parse(&bytes).unwrap();
        assert_eq!((parsed.shape.as_slice(), parsed.dtype, parsed.item_size), (&[3, 4][..], Dtype::F64, 8));
        assert!(parsed.big_endian && parsed.fortran_order);
        assert_eq!(parsed.data_start, bytes.len());
        let scalar = parse(&header("{'descr': '|S3', 'fortran_order': False, 'shape': ()}\n")).unwrap();
        assert_eq!((scalar.len(), scalar.dtype, scalar.item_size), (Some(1), Dtype::Other("text"), 3));
        assert_eq!(parse(&header("{'shape': (5L,), 'descr': '<U7', 'fortran_order': False}")).unwrap().item_size, 28);
    }

    #[test]
    fn damaged_headers_are_errors() {
        let cut = &header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}")[..30];
        for (bytes, wanted) in [
            (cut.to_vec(), "cut short"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "cut short"),
            (b"\x93NUMPY\x09\x01".to_vec(), "version 9.1"),
            (b"PK\x03\x04".to_vec(), "not in the NPY format"),
            (header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"), "records"),
            (header("{'descr': '<q4', 'fortran_order': False, 'shape': (3,)}"), "unknown type '<q4'"),
            (header("{'descr': '<f4', 'fortran_order': False}"), "lacks"),
            (header("{'descr': '<f4', 'fortran_order': 1, 'shape': (3,)}"), "True or False"),
            (header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}"), "shape"),
            (header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), "shape"),
            (header("{'descr': '<é"), "open string"),
        ] {
            let problem = parse(&bytes).err().unwrap_or_default();
            assert!(problem.contains(wanted), "{wanted}: {problem}");
        }
    }
}
