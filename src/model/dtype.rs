//! Types of elements, and their bytes as numbers.

use std::fmt;

/// Type of the elements of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an `F32`.
    BF16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
    /// One byte, 0 or 1.
    Bool,
    /// Signed integer of so many bytes: 1, 2, 4 or 8.
    Int(u8),
    /// Unsigned integer of so many bytes: 1, 2, 4 or 8.
    UInt(u8),
    /// Anything else, by a word for messages: complex, quantised, text, …
    Other(&'static str),
}

impl Dtype {
    /// Whether [`TensorFile::read`](super::TensorFile::read) turns tensors of it into `f64`.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether its elements are numbers: floats or integers.
    pub(crate) fn is_number(self) -> bool {
        self.is_float() || matches!(self, Self::Int(_) | Self::UInt(_))
    }

    /// Bytes of one element; `None` for [`Dtype::Other`].
    pub fn size(self) -> Option<usize> {
        match self {
            Self::F16 | Self::BF16 => Some(2),
            Self::F32 => Some(4),
            Self::F64 => Some(8),
            Self::Bool => Some(1),
            Self::Int(size) | Self::UInt(size) => Some(size.into()),
            Self::Other(_) => None,
        }
    }

    /// The numbers in `bytes`, whose incomplete last element, if any, is left out.
    ///
    /// 64-bit integers beyond 2⁵³ are rounded. `None` for [`Dtype::Other`].
    pub(crate) fn decode(self, bytes: &[u8], big_endian: bool) -> Option<Vec<f64>> {
        Some(match self {
            Self::F16 => map(bytes, big_endian, |b| half::f16::from_le_bytes(b).to_f64()),
            Self::BF16 => map(bytes, big_endian, |b| half::bf16::from_le_bytes(b).to_f64()),
            Self::F32 => map(bytes, big_endian, |b| f32::from_le_bytes(b).into()),
            Self::F64 => map(bytes, big_endian, f64::from_le_bytes),
            Self::UInt(8) => map(bytes, big_endian, |b| u64::from_le_bytes(b) as f64),
            _ => self.decode_integers(bytes, big_endian)?.into_iter().map(|value| value as f64).collect(),
        })
    }

    /// The integers in `bytes`; `None` for floats, unsigned 64-bit integers and [`Dtype::Other`].
    pub(crate) fn decode_integers(self, bytes: &[u8], big_endian: bool) -> Option<Vec<i64>> {
        Some(match self {
            Self::Bool => map(bytes, big_endian, |[b]| i64::from(b != 0)),
            Self::Int(1) => map(bytes, big_endian, |b| i8::from_le_bytes(b).into()),
            Self::Int(2) => map(bytes, big_endian, |b| i16::from_le_bytes(b).into()),
            Self::Int(4) => map(bytes, big_endian, |b| i32::from_le_bytes(b).into()),
            Self::Int(8) => map(bytes, big_endian, i64::from_le_bytes),
            Self::UInt(1) => map(bytes, big_endian, |b| u8::from_le_bytes(b).into()),
            Self::UInt(2) => map(bytes, big_endian, |b| u16::from_le_bytes(b).into()),
            Self::UInt(4) => map(bytes, big_endian, |b| u32::from_le_bytes(b).into()),
            _ => return None,
        })
    }
}

/// `convert` of each run of `N` bytes, put in little-endian order first.
fn map<const N: usize, T>(bytes: &[u8], big_endian: bool, convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (elements, _) = bytes.as_chunks::<N>();
    let ordered = |mut element: [u8; N]| {
        if big_endian {
            element.reverse();
        }
        element
    };
    elements.iter().map(|&element| convert(ordered(element))).collect()
}

/// The names of NumPy and PyTorch: `float32`, `int64`, …
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F16 => f.write_str("float16"),
            Self::BF16 => f.write_str("bfloat16"),
            Self::F32 => f.write_str("float32"),
            Self::F64 => f.write_str("float64"),
            Self::Bool => f.write_str("bool"),
            Self::Int(size) => write!(f, "int{}", 8 * size),
            Self::UInt(size) => write!(f, "uint{}", 8 * size),
            Self::Other(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_each_float_type_decode_to_the_same_number() {
        // -1.5 is exact in all four formats.
        assert_eq!(Dtype::F16.decode(&[0x00, 0xbe], false), Some(vec![-1.5]));
        assert_eq!(Dtype::BF16.decode(&[0xc0, 0xbf], false), Some(vec![-1.5]));
        assert_eq!(Dtype::F32.decode(&[0xbf, 0xc0, 0, 0], true), Some(vec![-1.5]));
        assert_eq!(Dtype::F64.decode(&[0, 0, 0, 0, 0, 0, 0xf8, 0xbf], false), Some(vec![-1.5]));
    }

    #[test]
    fn integers_keep_their_sign_and_width() {
        assert_eq!(Dtype::Int(2).decode_integers(&[0xff, 0xfe], true), Some(vec![-2]));
        assert_eq!(Dtype::UInt(4).decode_integers(&[0xff; 4], false), Some(vec![u32::MAX.into()]));
        assert_eq!(Dtype::UInt(8).decode(&[0xff; 8], false), Some(vec![18446744073709551615.0]));
        assert_eq!(Dtype::F32.decode_integers(&[0; 4], false), None);
        assert_eq!(Dtype::Other("complex64").decode(&[0; 8], false), None);
    }
}
