//! Files of `torch.save` before PyTorch 1.6, and since then with `_use_new_zipfile_serialization=False`: older weights of
//! torchvision are such.
//!
//! Five pickles one after the other (a magic number, the version of the protocol, sizes of C's types, what was saved, and the
//! keys of its storages), then each storage in the order of the keys: the number of its elements as eight bytes, and the
//! elements, all in little-endian order.

use crate::InputError;
use crate::model::heap::{Fault, Heap, Id, Value};
use crate::model::pickle;
use crate::model::pytorch::{Place, tensors};
use crate::model::torch_globals::Storage;
use crate::model::{Blob, TensorEntry};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;

/// The first pickle's number, as it is written.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Bytes of all pickles.
const MAX_PICKLES: u64 = 1 << 26;

/// Whether a file that begins so is one.
pub(super) fn recognise(start: &[u8]) -> bool {
    matches!(start, [0x80, 2..=5, rest @ ..] if rest.starts_with(MAGIC))
}

/// The tensors, as those of an archive are listed ([`super::pytorch::index`]).
///
/// # Errors
///
/// If the file is cut short or damaged, or names what only running its code could restore.
pub(super) fn index(path: &Path, file: &File, length: u64) -> Result<Vec<TensorEntry>, InputError> {
    let mut bytes = vec![0; length.min(MAX_PICKLES) as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|error| InputError::io(path, &error))?;
    let load = |at| {
        pickle::load_from(&bytes, at).map_err(|(at, Fault { problem, remedy })| {
            InputError::new(format!("{}, byte {at}", path.display()), problem, remedy)
        })
    };
    let mut at = 0;
    for _header in 0..3 {
        (_, _, at) = load(at)?;
    }
    let (heap, root, at) = load(at)?;
    let (key_heap, keys, mut start) = load(at)?;
    let damaged = |problem: String| {
        InputError::new(path.display(), problem, "the file is cut short or damaged: fetch or save it again")
    };
    let storages: HashMap<&str, &Storage> = heap.storages().map(|storage| (&*storage.key, storage)).collect();
    let mut places: HashMap<Rc<str>, (u64, u64)> = HashMap::new();
    for key in texts(&key_heap, keys).ok_or_else(|| damaged("has no list of its storages".into()))? {
        let Some(storage) = storages.get(&*key) else {
            return Err(damaged(format!("has a storage '{key}' that no tensor lies in")));
        };
        let mut elements = [0; 8];
        let from = start as u64;
        file.read_exact_at(&mut elements, from).map_err(|_| damaged(format!("ends before storage '{key}'")))?;
        let elements = u64::from_le_bytes(elements);
        if elements != storage.elements {
            let problem = format!("has {elements} elements in storage '{key}', where {} should be", storage.elements);
            return Err(damaged(problem));
        }
        let size = storage.dtype.map_or(Some(1), |dtype| dtype.size());
        let size = size.ok_or_else(|| damaged(format!("has elements of unknown size in storage '{key}'")))?;
        let held = elements.checked_mul(size as u64).filter(|&held| held <= length.saturating_sub(from + 8));
        let held = held.ok_or_else(|| damaged(format!("ends amid storage '{key}'")))?;
        places.insert(key, (from + 8, held));
        start = (from + 8 + held) as usize;
    }
    let locate = |storage: &Storage| match places.get(&storage.key) {
        Some(&(start, bytes)) => Ok(Place { blob: Blob::File, start, bytes, name: storage.key.to_string() }),
        None => Err(format!("lies in storage '{}', which the file lacks", storage.key)),
    };
    let entries = tensors(path, &heap, root, &locate)?;
    let ends: BTreeMap<u64, u64> = places.values().map(|&(start, bytes)| (start, start + bytes)).collect();
    for entry in &entries {
        let end = ends.range(..=entry.start).next_back().map_or(0, |(_, &end)| end);
        if reach(entry).is_none_or(|reach| reach > end) {
            let place = format!("{}, tensor '{}'", path.display(), entry.name);
            let problem = format!("reaches beyond its storage with shape {:?}", entry.shape);
            return Err(InputError::new(place, problem, "the file is damaged: fetch or save it again"));
        }
    }
    Ok(entries)
}

/// Behind the last byte of a tensor; its start where it has no elements, or where their size is not known.
fn reach(entry: &TensorEntry) -> Option<u64> {
    let (Some(size), false) = (entry.dtype.size(), entry.shape.contains(&0)) else { return Some(entry.start) };
    let mut elements = 1u64;
    for (&extent, &stride) in entry.shape.iter().zip(&entry.strides) {
        elements = elements.checked_add((extent as u64 - 1).checked_mul(stride as u64)?)?;
    }
    elements.checked_mul(size as u64)?.checked_add(entry.start)
}

/// A list of strings.
fn texts(heap: &Heap, list: Id) -> Option<Vec<Rc<str>>> {
    let Value::List(items) = heap.get(list) else { return None };
    let text = |&item: &Id| match heap.get(item) {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().map(text).collect()
}
