//! ONNX: a protocol buffer of nodes, whose tensors lie in the file or in files beside it.
//!
//! Only the graph is read; tensors are stepped over, and read by position when asked for.

mod messages;
mod numbers;
mod operations;
mod order;
mod wire;

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::InputError;
use crate::dataflow::Dataflow;
use crate::model::dtype::Dtype;
use crate::model::{Blob, TensorEntry, c_strides, open_regular};

use messages::{Elements, MAX_SMALL, Model, Tensor};
use wire::{Source, Span};

/// A file of tensors beside the model.
pub(super) struct Beside {
    /// As opened.
    pub path: PathBuf,
    /// In bytes.
    pub length: u64,
}

/// Whether a file can be in this format, which has no magic number: a version, then another field of a model.
pub(super) fn recognise(start: &[u8]) -> bool {
    // Tags of producer, version, domain, version, text, graph, operator sets, properties, functions.
    let next = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca];
    matches!(start, [0x08, 1..=0x3f, tag, ..] if next.contains(tag))
}

/// The tensors of `file`, a file of `length` bytes, in its order, and the files that hold some of them.
pub(super) fn index(path: &Path, file: &File, length: u64) -> Result<(Vec<TensorEntry>, Vec<Beside>), InputError> {
    let source = Source::new(path, file, length);
    let mut beside = Vec::new();
    let mut entries = Vec::new();
    for tensor in messages::model(&source)?.tensors {
        entries.push(entry(path, tensor, &mut beside)?);
    }
    Ok((entries, beside))
}

/// What the network does; `entries` and `beside` are from [`index`].
pub(super) fn dataflow(
    path: &Path,
    file: &File,
    entries: &[TensorEntry],
    beside: &[Beside],
) -> Result<Dataflow, InputError> {
    let length = file.metadata().map_err(|error| InputError::io(path, &error))?.len();
    let source = Source::new(path, file, length);
    let model = messages::model(&source)?;
    if model.tensors.len() != entries.len() {
        return Err(source.damaged(0, "has changed since it was opened"));
    }
    let small = small_tensors(&source, &model, entries, beside)?;
    operations::follow(path, &model, entries, small)
}

fn entry(path: &Path, tensor: Tensor, beside: &mut Vec<Beside>) -> Result<TensorEntry, InputError> {
    let Tensor { name, shape, data_type, elements } = tensor;
    let place = || format!("{}, tensor '{name}'", path.display());
    let damaged = |problem: String| InputError::new(place(), problem, "the file is damaged: fetch or save it again");
    let dtype = dtype(data_type).ok_or_else(|| damaged(format!("is of the unknown type {data_type}")))?;
    // Empty tensors too have a shape that can be multiplied.
    let counted = shape.iter().try_fold(1u64, |all, &extent| all.checked_mul(extent.max(1)));
    let count = counted.map(|counted| if shape.contains(&0) { 0 } else { counted });
    let needed = count.and_then(|count| count.checked_mul(dtype.size().unwrap_or(0) as u64));
    let needed = needed.ok_or_else(|| damaged(format!("has more bytes than can be counted for shape {shape:?}")))?;
    let agree = |held: u64| match dtype.size() {
        Some(_) if held != needed => Err(damaged(format!("has {held} bytes for shape {shape:?} of {dtype}"))),
        _ => Ok(()),
    };
    let (dtype, blob, start) = match elements {
        Elements::Inside(Span { start, end }) => {
            agree(end - start)?;
            (dtype, Blob::File, start)
        }
        Elements::Beside { location, offset, length } => {
            agree(length.unwrap_or(needed))?;
            let number = find_beside(path, &name, &location, beside)?;
            let held = beside[number].length;
            if offset.checked_add(needed).is_none_or(|end| end > held) {
                let problem =
                    format!("lies at byte {offset} of '{location}', which has {held} bytes where {needed} belong");
                return Err(InputError::new(place(), problem, "fetch or save that file again"));
            }
            (dtype, Blob::Beside(number), offset)
        }
        Elements::Scattered(_) if needed == 0 => (dtype, Blob::File, 0),
        Elements::Scattered(_) => match dtype {
            Dtype::F16 | Dtype::BF16 => (Dtype::Other("16-bit floats kept as integers"), Blob::File, 0),
            Dtype::F32 | Dtype::F64 => (Dtype::Other("floats kept in pieces"), Blob::File, 0),
            _ => (dtype, Blob::File, 0),
        },
    };
    let shape: Option<Vec<usize>> = shape.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let shape = shape.ok_or_else(|| damaged("has a shape beyond memory".into()))?;
    let strides = c_strides(&shape);
    Ok(TensorEntry { name, shape, dtype, blob, start, strides, big_endian: false })
}

/// The number of a file that a tensor names, which must lie beside the model or below.
fn find_beside(path: &Path, tensor: &str, location: &str, beside: &mut Vec<Beside>) -> Result<usize, InputError> {
    let place = || format!("{}, tensor '{tensor}'", path.display());
    let named = Path::new(location);
    let inside = named.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || location.is_empty() {
        let problem = format!("lies in '{location}', which is not beside the model");
        return Err(InputError::new(place(), problem, "save it with its data in the same directory"));
    }
    let joined = path.parent().unwrap_or(Path::new("")).join(named);
    if let Some(number) = beside.iter().position(|file| file.path == joined) {
        return Ok(number);
    }
    let (_, length) = open_regular(&joined).map_err(|error| {
        let problem = format!("lies in '{location}', which cannot be read ({})", error.problem);
        InputError::new(place(), problem, "put that file beside the model")
    })?;
    beside.push(Beside { path: joined, length });
    Ok(beside.len() - 1)
}

/// What operators ask of a small tensor.
#[derive(Default)]
struct Small {
    /// Its elements, if they are whole numbers.
    integers: Option<Vec<i64>>,
    /// All its bytes are zero.
    zero: bool,
}

/// The elements of each tensor that is small.
fn small_tensors(
    source: &Source,
    model: &Model,
    entries: &[TensorEntry],
    beside: &[Beside],
) -> Result<Vec<Small>, InputError> {
    let mut small = Vec::new();
    for (tensor, entry) in model.tensors.iter().zip(entries) {
        let count: u64 = tensor.shape.iter().product();
        let length = count.saturating_mul(dtype(tensor.data_type).and_then(Dtype::size).unwrap_or(8) as u64);
        if length > MAX_SMALL {
            small.push(Small::default());
            continue;
        }
        let bytes = match (&tensor.elements, entry.blob) {
            (Elements::Scattered(values), _) => {
                let integers = Some(values.clone()).filter(|values| values.len() as u64 == count);
                let zero = integers.as_ref().is_some_and(|values| values.iter().all(|&value| value == 0));
                small.push(Small { integers, zero });
                continue;
            }
            (Elements::Inside(span), _) => source.bytes(*span, MAX_SMALL)?,
            (Elements::Beside { offset, .. }, Blob::Beside(number)) => {
                let (file, held) = open_regular(&beside[number].path)?;
                let end = offset.saturating_add(length).min(held);
                let span = Span { start: (*offset).min(end), end };
                Source::new(&beside[number].path, &file, held).bytes(span, MAX_SMALL)?
            }
            _ => Vec::new(),
        };
        let zero = bytes.iter().all(|&byte| byte == 0);
        small.push(Small { integers: entry.dtype.decode_integers(&bytes, false), zero });
    }
    Ok(small)
}

/// Types of `TensorProto.DataType`.
fn dtype(code: u64) -> Option<Dtype> {
    Some(match code {
        1 => Dtype::F32,
        2 => Dtype::UInt(1),
        3 => Dtype::Int(1),
        4 => Dtype::UInt(2),
        5 => Dtype::Int(2),
        6 => Dtype::Int(4),
        7 => Dtype::Int(8),
        8 => Dtype::Other("text"),
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::UInt(4),
        13 => Dtype::UInt(8),
        14 | 15 => Dtype::Other("complex"),
        16 => Dtype::BF16,
        17..=20 | 24 => Dtype::Other("float8"),
        21 | 22 | 25 | 26 => Dtype::Other("quantised to 4 bits or fewer"),
        23 => Dtype::Other("float4"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
