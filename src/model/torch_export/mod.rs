//! Archives of `torch.export.save`: a graph of ATen operators as JSON, and the bytes of each weight as a member.
//!
//! Understood is the archive of PyTorch 2.9 and newer: `NAME/models/model.json`, `NAME/data/weights/…` with
//! `model_weights_config.json`, and constants likewise.

mod program;

use std::collections::HashMap;

use serde::Deserialize;

use crate::InputError;
use crate::dataflow::Dataflow;
use crate::model::archive::Archive;
use crate::model::dtype::Dtype;
use crate::model::{Blob, TensorEntry};

/// Graphs of the largest networks have some megabytes.
const MAX_JSON: u64 = 1 << 26;

const NEWER: &str = "export it again with torch.export.save of PyTorch 2.9 or newer";

/// What an archive of this format has in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package {
    /// The member with the graph.
    program: usize,
    /// Bytes of the members' folder, with its `/`.
    root: usize,
}

/// The parts of such an archive; `None` if it is another one.
///
/// # Errors
///
/// If it is one of an older form.
pub(super) fn recognise(archive: &Archive) -> Result<Option<Package>, InputError> {
    let outdated = |problem: &str| Err(InputError::new(archive.path().display(), problem, NEWER));
    let members = || archive.members().iter().enumerate();
    if members().any(|(_, member)| member.name.rsplit('/').next() == Some("serialized_exported_program.json")) {
        return outdated("is a torch.export archive of PyTorch before 2.8");
    }
    let model = |name: &str| {
        let (root, file) = name.rsplit_once("models/")?;
        let outermost = root.is_empty() || root.find('/') == Some(root.len() - 1);
        (outermost && file.ends_with(".json") && !file.contains('/')).then_some(root.len())
    };
    let mut programs = members().filter_map(|(program, member)| Some(Package { program, root: model(&member.name)? }));
    match (programs.next(), programs.next()) {
        (None, _) => {
            let compiled = members().any(|(_, member)| member.name.ends_with("/archive_format"));
            if compiled { outdated("is a torch.export archive without a graph (models/model.json)") } else { Ok(None) }
        }
        (Some(_), Some(_)) => {
            let remedy = "save each program in a file of its own";
            Err(InputError::new(archive.path().display(), "holds several programs", remedy))
        }
        (found, None) => Ok(found),
    }
}

/// The tensors: parameters and buffers as they were registered, then constants.
pub(super) fn index(archive: &Archive, package: Package) -> Result<Vec<TensorEntry>, InputError> {
    let root = &archive.members()[package.program].name[..package.root];
    let model = &archive.members()[package.program].name[package.root + "models/".len()..];
    let model = model.strip_suffix(".json").unwrap_or(model);
    if archive.find(&format!("{root}data/weights/{model}.pt")).is_some() {
        let problem = "keeps its weights as a pickle, as PyTorch 2.8 did";
        return Err(InputError::new(archive.path().display(), problem, NEWER));
    }
    let big_endian = match archive.find(&format!("{root}byteorder")) {
        Some(order) => archive.read(order, 16)?.trim_ascii() == b"big",
        None => false,
    };
    let mut entries = Vec::new();
    for folder in ["weights", "constants"] {
        let config = format!("{root}data/{folder}/{model}_{folder}_config.json");
        let Some(member) = archive.find(&config) else { continue };
        let Config { config } = parse(archive, member)?;
        let mut tensors: Vec<_> = config.into_iter().collect();
        // Numbered in the order in which they were saved.
        tensors.sort_by_cached_key(|(name, payload)| {
            let digits = payload.path_name.rsplit('_').next().and_then(|digits| digits.parse::<u64>().ok());
            (digits, name.clone())
        });
        for (name, payload) in tensors {
            let path = format!("{root}data/{folder}/{}", payload.path_name);
            // Custom objects have no axes.
            if payload.tensor_meta.is_some() {
                entries.push(entry(archive, name, &path, payload, big_endian)?);
            }
        }
    }
    Ok(entries)
}

/// What the network does; `entries` are from [`index`].
pub(super) fn dataflow(archive: &Archive, package: Package, entries: &[TensorEntry]) -> Result<Dataflow, InputError> {
    let place = format!("{}, model.json", archive.path().display());
    program::follow(&place, &parse::<program::Program>(archive, package.program)?, entries)
}

fn parse<T: for<'de> Deserialize<'de>>(archive: &Archive, member: usize) -> Result<T, InputError> {
    let bytes = archive.read(member, MAX_JSON)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("{}, member '{}'", archive.path().display(), archive.members()[member].name);
        InputError::new(place, format!("is not as it should be: {error}"), NEWER)
    })
}

fn entry(
    archive: &Archive,
    name: String,
    path: &str,
    payload: Payload,
    big_endian: bool,
) -> Result<TensorEntry, InputError> {
    let place = format!("{}, tensor '{name}'", archive.path().display());
    let fault = |problem: String| InputError::new(&place, problem, "the file is damaged: export the network again");
    let meta = payload.tensor_meta.unwrap_or_default();
    let dtype = if payload.use_pickle { Dtype::Other("pickled") } else { dtype(meta.dtype) };
    let numbers = |sizes: &[Size]| sizes.iter().map(|size| size.as_int).collect::<Option<Vec<usize>>>();
    let (Some(shape), Some(strides)) = (numbers(&meta.sizes), numbers(&meta.strides)) else {
        return Err(fault("has a shape that is no list of numbers".into()));
    };
    let member = archive.find(path).ok_or_else(|| fault(format!("lies in '{path}', which the archive lacks")))?;
    let held = archive.members()[member].size;
    if shape.len() != strides.len() {
        return Err(fault(format!("has {} axes and {} strides", shape.len(), strides.len())));
    }
    let size = dtype.size().unwrap_or(0) as u64;
    let start = meta.storage_offset.unwrap_or_default().as_int.unwrap_or(0) as u64;
    let furthest = shape.iter().zip(&strides).try_fold(start, |reach, (&extent, &stride)| {
        reach.checked_add((extent.max(1) as u64 - 1).checked_mul(stride as u64)?)
    });
    let counted = shape.iter().try_fold(1usize, |all, &extent| all.checked_mul(extent.max(1)));
    let needed = match furthest.and_then(|furthest| furthest.checked_add(1)?.checked_mul(size)) {
        Some(_) if shape.contains(&0) => Some(0),
        needed => needed.filter(|_| counted.is_some()),
    };
    if needed.is_none_or(|needed| needed > held) {
        return Err(fault(format!("reaches beyond '{path}', which has {held} bytes, with shape {shape:?}")));
    }
    let start = start.checked_mul(size).filter(|&start| start <= held);
    let start = start.ok_or_else(|| fault(format!("begins beyond '{path}', which has {held} bytes")))?;
    Ok(TensorEntry { name, shape, dtype, blob: Blob::Member(member), start, strides, big_endian })
}

/// Types of `ScalarType` in the schema.
fn dtype(code: u64) -> Dtype {
    match code {
        1 => Dtype::UInt(1),
        2 => Dtype::Int(1),
        3 => Dtype::Int(2),
        4 => Dtype::Int(4),
        5 => Dtype::Int(8),
        6 => Dtype::F16,
        7 => Dtype::F32,
        8 => Dtype::F64,
        9..=11 => Dtype::Other("complex"),
        12 => Dtype::Bool,
        13 => Dtype::BF16,
        28 => Dtype::UInt(2),
        29..=32 => Dtype::Other("float8"),
        _ => Dtype::Other("unknown"),
    }
}

#[derive(Deserialize)]
struct Config {
    config: HashMap<String, Payload>,
}

#[derive(Deserialize)]
struct Payload {
    path_name: String,
    #[serde(default)]
    use_pickle: bool,
    tensor_meta: Option<Meta>,
}

/// Type and axes of a tensor.
#[derive(Deserialize, Default)]
struct Meta {
    dtype: u64,
    sizes: Vec<Size>,
    #[serde(default)]
    strides: Vec<Size>,
    storage_offset: Option<Size>,
}

/// A number, or an expression of symbols.
#[derive(Deserialize, Default, Clone, Copy)]
struct Size {
    as_int: Option<usize>,
}

#[cfg(test)]
mod tests;
