//! safetensors: a JSON header with name, type, shape and place of each tensor, then their bytes without gaps.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};

use crate::InputError;
use crate::model::dtype::Dtype;
use crate::model::{Blob, TensorEntry, c_strides};

/// The format's own limit.
const MAX_HEADER: u64 = 100_000_000;

/// Whether a file of `length` bytes that begins with `start` can be in this format, which has no magic number.
pub(super) fn recognise(start: &[u8], length: u64) -> bool {
    let Some((header, rest)) = start.split_first_chunk::<8>() else { return false };
    let header = u64::from_le_bytes(*header);
    rest.first() == Some(&b'{') && (header <= length - 8 || header <= MAX_HEADER)
}

/// The tensors of `file`, a file of `length` bytes, by their place in it.
pub(super) fn index(path: &Path, mut file: &File, length: u64) -> Result<Vec<TensorEntry>, InputError> {
    let broken = |problem: String| InputError::new(path.display(), problem, "fetch or save the file again");
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|error| InputError::io(path, &error))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > length - 8 {
        return Err(broken(format!("its header claims {size} bytes in a file of {length} bytes")));
    }
    let mut header = Vec::new();
    file.take(size).read_to_end(&mut header).map_err(|error| InputError::io(path, &error))?;
    let Header(mut tensors) = serde_json::from_slice(&header)
        .map_err(|error| broken(format!("its header is not as it should be: {error}")))?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut end = 0;
    let mut entries = Vec::new();
    for (name, info) in tensors {
        let place = format!("{}, tensor '{name}'", path.display());
        let damaged = |problem: String| InputError::new(&place, problem, "fetch or save the file again");
        let (from, to) = info.data_offsets;
        let dtype = dtype(&info.dtype).ok_or_else(|| {
            InputError::new(&place, format!("is of the unknown type {}", info.dtype), "save it as F32")
        })?;
        if from != end || to < from {
            return Err(damaged(format!("lies at bytes {from} to {to}, where {end} should be the first")));
        }
        let elements = info.shape.iter().try_fold(1u64, |product, &extent| product.checked_mul(extent as u64));
        if let Some(element) = dtype.size()
            && elements.and_then(|elements| elements.checked_mul(element as u64)) != Some(to - from)
        {
            return Err(damaged(format!("has {} bytes for shape {:?} of {dtype}", to - from, info.shape)));
        }
        end = to;
        let strides = c_strides(&info.shape);
        let start = (8 + size).saturating_add(from);
        entries.push(TensorEntry {
            name,
            shape: info.shape,
            dtype,
            blob: Blob::File,
            start,
            strides,
            big_endian: false,
        });
    }
    let expected = (8 + size).saturating_add(end);
    if expected != length {
        return Err(broken(format!("is {length} bytes long, but its header describes {expected}")));
    }
    Ok(entries)
}

/// `None` for types that came after this version; those that hold no plain numbers are [`Dtype::Other`].
fn dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "F16" => Dtype::F16,
        "BF16" => Dtype::BF16,
        "F32" => Dtype::F32,
        "F64" => Dtype::F64,
        "BOOL" => Dtype::Bool,
        "I8" => Dtype::Int(1),
        "I16" => Dtype::Int(2),
        "I32" => Dtype::Int(4),
        "I64" => Dtype::Int(8),
        "U8" => Dtype::UInt(1),
        "U16" => Dtype::UInt(2),
        "U32" => Dtype::UInt(4),
        "U64" => Dtype::UInt(8),
        "C64" | "C128" => Dtype::Other("complex"),
        _ if name.starts_with("F8") => Dtype::Other("float8"),
        _ if name.starts_with("F6") => Dtype::Other("float6"),
        _ if name.starts_with("F4") => Dtype::Other("float4"),
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Read as a list of pairs: a map would hide names that occur twice.
struct Header(Vec<(String, Info)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;
        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        let named = |error: A::Error| -> A::Error {
                            de::Error::custom(format_args!("tensor '{name}': {error}"))
                        };
                        let info = map.next_value().map_err(named)?;
                        tensors.push((name, info));
                    }
                }
                Ok(Header(tensors))
            }
        }
        deserializer.deserialize_map(Tensors)
    }
}

#[cfg(test)]
mod tests {
    use crate::InputError;
    use crate::model::fixtures::{check, open, write};
    use crate::model::{Dtype, Format, TensorFile};

    fn parse(header: &str, data: usize) -> Result<TensorFile, InputError> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        TensorFile::open(write(".safetensors", &bytes).path())
    }

    #[test]
    fn four_float_types_as_the_python_package_saved_them() {
        for (name, dtype) in [("f16", Dtype::F16), ("bf16", Dtype::BF16), ("f32", Dtype::F32), ("f64", Dtype::F64)] {
            let name = format!("mlp-{name}.safetensors");
            let file = open(&name);
            assert_eq!((file.format(), file.entries()[0].dtype), (Format::SafeTensors, dtype));
            check(&file, &name);
        }
    }

    #[test]
    fn tensors_come_in_order_of_their_bytes() {
        let header = r#"{"__metadata__":{"by":"me"},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},
                         "a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}"#;
        let file = parse(header, 16).unwrap();
        assert_eq!(file.entries().iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn headers_that_do_not_fit_the_file_are_errors() {
        let tensor = |shape: &str, offsets: &str| {
            format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{offsets}]}}}}"#)
        };
        for (header, data, wanted) in [
            (tensor("2,2", "0,16"), 12, "header describes"),
            (tensor("2,2", "0,16"), 20, "header describes"),
            (tensor("2,2", "0,18446744073709551615"), 16, "bytes for shape"),
            (tensor("4294967296,4294967296", "0,0"), 0, "bytes for shape"),
            (tensor("2,2", "8,24"), 24, "should be the first"),
            (tensor("2,2", "16,0"), 16, "should be the first"),
            (tensor("-2,2", "0,16"), 16, "tensor 'w'"),
            (r#"{"w":{"dtype":"F32"}}"#.into(), 0, "missing field"),
            (r#"{"w":{"dtype":"X9","shape":[],"data_offsets":[0,4]}}"#.into(), 4, "unknown type X9"),
            (r#"{"w":"#.into(), 0, "not as it should be"),
        ] {
            let error = parse(&header, data).err().unwrap();
            assert!(error.to_string().contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn two_tensors_of_one_name_are_an_error() {
        let info = |from, to| format!(r#""w":{{"dtype":"F32","shape":[1],"data_offsets":[{from},{to}]}}"#);
        let error = parse(&format!("{{{},{}}}", info(0, 4), info(4, 8)), 8).err().unwrap();
        assert!(error.problem.contains("two tensors") && error.problem.contains("'w'"), "{error}");
    }

    #[test]
    fn a_header_longer_than_the_file_is_an_error() {
        let mut bytes = 90_000_000u64.to_le_bytes().to_vec();
        bytes.extend(b"{\"w\":");
        let error = TensorFile::open(write(".safetensors", &bytes).path()).err().unwrap();
        assert!(error.problem.contains("claims 90000000 bytes"), "{error}");
    }
}
