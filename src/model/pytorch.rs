//! Archives of PyTorch ≥ 1.6: state dicts and checkpoints (`torch.save`), and TorchScript (`torch.jit.save`).
//!
//! Both are zip archives with a pickle, `NAME/data.pkl`, that describes each tensor as a strided window on one of the
//! members `NAME/data/0`, `NAME/data/1`, ….

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::InputError;
use crate::model::archive::Archive;
use crate::model::heap::{Heap, Id, Value};
use crate::model::pickle;
use crate::model::torch_globals::{Storage, Tensor};
use crate::model::{Blob, TensorEntry, torchscript};

/// A pickle has some hundred bytes for each tensor; the elements lie elsewhere.
const MAX_PICKLE: u64 = 1 << 26;

/// Modules in modules; no network comes near, and recursion must end.
const MAX_DEPTH: usize = 64;

/// Bytes of a dotted name.
const MAX_NAME: usize = 1000;

/// Where checkpoints keep the weights among epochs and optimisers, by precedence.
const WEIGHTS: [&str; 8] = ["state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights"];

/// Parts of checkpoints that hold tensors, but no weights.
const NOT_WEIGHTS: [&str; 6] = ["optimizer", "optimiser", "optim", "scheduler", "lr_scheduler", "scaler"];

/// Member that holds the pickle, by which such an archive is recognised.
pub(super) fn pickle_member(archive: &Archive) -> Option<usize> {
    archive.members().iter().position(|member| prefix(&member.name).is_some())
}

/// `NAME` of `NAME/data.pkl`.
fn prefix(member: &str) -> Option<&str> {
    member.strip_suffix("/data.pkl").filter(|name| !name.contains('/'))
}

/// The tensors in the order of registration; `member` is from [`pickle_member`].
///
/// Of a checkpoint, only the tensors of the dictionary under the first of the keys [`WEIGHTS`] that it has, with
/// their names there; without one, everything but [`NOT_WEIGHTS`]. Then, as `CONSTANTS.c0` and so on, those in the program of
/// a TorchScript archive: all of them where there are no others (`torch.jit.freeze`), else those that its dataflow names.
pub(super) fn index(archive: &Archive, member: usize) -> Result<Vec<TensorEntry>, InputError> {
    let mut entries = Pickled::read(archive, member, "data")?.entries;
    if let Some(constants) = constants_member(archive, member) {
        let mut constants = Pickled::read(archive, constants, "constants")?.entries;
        if !entries.is_empty() && !constants.is_empty() {
            // A program that cannot be followed names none; who asks for its dataflow is told why.
            let dataflow = torchscript::dataflow(archive).ok().flatten().unwrap_or_default();
            let named: HashSet<&str> = dataflow.tensors().map(|tensor| &*tensor.name).collect();
            constants.retain(|constant| named.contains(&*constant.name));
        }
        entries.extend(constants);
    }
    Ok(entries)
}

/// Member that holds the constants of the program, which TorchScript archives alone have; `member` is from [`pickle_member`].
pub(super) fn constants_member(archive: &Archive, member: usize) -> Option<usize> {
    archive.find(&format!("{}/constants.pkl", prefix(&archive.members()[member].name)?))
}

/// A pickle of an archive, and the tensors in it.
pub(super) struct Pickled {
    /// Its values.
    pub heap: Heap,
    /// Which of them is the whole.
    pub root: Id,
    /// Tensors in the order of registration.
    pub entries: Vec<TensorEntry>,
    /// Dotted path under which objects and tensors were met first.
    pub names: HashMap<Id, String>,
}

impl Pickled {
    /// Reads `NAME/data.pkl`, or `NAME/constants.pkl`, whose storages lie in `NAME/{storages}`.
    pub fn read(archive: &Archive, member: usize, storages: &'static str) -> Result<Self, InputError> {
        let prefix = archive.members()[member].name.split('/').next().unwrap_or_default();
        let big_endian = match archive.find(&format!("{prefix}/byteorder")) {
            Some(order) => archive.read(order, 16)?.trim_ascii() == b"big",
            None => false,
        };
        let bytes = archive.read(member, MAX_PICKLE)?;
        let (heap, root) = pickle::load(&bytes).map_err(|(at, fault)| {
            let place = format!("{}, {storages}.pkl, byte {at}", archive.path().display());
            InputError::new(place, fault.problem, fault.remedy)
        })?;
        let locate = |storage: &Storage| {
            let path = format!("{prefix}/{storages}/{}", storage.key);
            match archive.find(&path) {
                Some(member) => {
                    let bytes = archive.members()[member].size;
                    Ok(Place { blob: Blob::Member(member), start: 0, bytes, name: path })
                }
                None => Err(format!("lies in '{path}', which the archive lacks")),
            }
        };
        let pickle = format!("{}, {storages}.pkl", archive.path().display());
        let mut walk = Walk::new(archive.path(), pickle, &heap, &locate, big_endian);
        match heap.get(root) {
            Value::Tuple(constants) if storages == "constants" => {
                (0..)
                    .zip(constants)
                    .try_for_each(|(i, &constant)| walk.visit(constant, &format!("CONSTANTS.c{i}"), 0))?;
            }
            _ => walk.visit(weights(&heap, root), "", 0)?,
        }
        let Walk { entries, names, .. } = walk;
        Ok(Self { heap, root, entries, names })
    }
}

/// The state dict in a checkpoint; of anything else, `root`.
fn weights(heap: &Heap, root: Id) -> Id {
    let Value::Dict(pairs) = heap.get(root) else { return root };
    if pairs.iter().any(|&(_, value)| matches!(heap.get(value), Value::Tensor(_))) {
        return root;
    }
    let named = |wanted: &str| {
        pairs.iter().find(|&&(key, value)| {
            matches!(heap.get(key), Value::Text(key) if &**key == wanted) && matches!(heap.get(value), Value::Dict(_))
        })
    };
    WEIGHTS.iter().find_map(|wanted| named(wanted)).map_or(root, |&(_, value)| value)
}

/// Where the elements of a storage lie.
pub(super) struct Place {
    /// What holds them.
    pub blob: Blob,
    /// First byte there.
    pub start: u64,
    /// Number of bytes.
    pub bytes: u64,
    /// What it is called.
    pub name: String,
}

/// Where a storage lies, or what is wrong with it.
type Locate<'a> = &'a dyn Fn(&Storage) -> Result<Place, String>;

/// The tensors of a pickle whose storages lie in the same file, as [`index`] has them.
pub(super) fn tensors(path: &Path, heap: &Heap, root: Id, locate: Locate) -> Result<Vec<TensorEntry>, InputError> {
    let mut walk = Walk::new(path, path.display().to_string(), heap, locate, false);
    walk.visit(weights(heap, root), "", 0)?;
    Ok(walk.entries)
}

struct Walk<'a> {
    path: &'a Path,
    /// What the pickle is called.
    pickle: String,
    locate: Locate<'a>,
    big_endian: bool,
    heap: &'a Heap,
    /// Containers met before: cycles end, and shared ones are listed once, under their first name.
    seen: HashSet<Id>,
    entries: Vec<TensorEntry>,
    names: HashMap<Id, String>,
}

impl<'a> Walk<'a> {
    fn new(path: &'a Path, pickle: String, heap: &'a Heap, locate: Locate<'a>, big_endian: bool) -> Self {
        Self { path, pickle, locate, big_endian, heap, seen: HashSet::new(), entries: vec![], names: HashMap::new() }
    }

    fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<(), InputError> {
        let heap = self.heap;
        match heap.get(id) {
            Value::Tensor(tensor) => {
                // torch.save of a tensor alone leaves it without a name.
                let name = if name.is_empty() { "tensor" } else { name };
                let entry = self.entry(tensor, name)?;
                self.entries.push(entry);
                self.names.entry(id).or_insert_with(|| name.to_string());
                return Ok(());
            }
            Value::Dict(_) | Value::List(_) | Value::Tuple(_) | Value::Object { .. } => {}
            _ => return Ok(()),
        }
        if !self.seen.insert(id) {
            return Ok(());
        }
        if depth > MAX_DEPTH || name.len() > MAX_NAME {
            let place = self.pickle.clone();
            let problem = format!("nests deeper than {MAX_DEPTH} levels or {MAX_NAME} letters");
            return Err(InputError::new(place, problem, "save only model.state_dict()"));
        }
        match heap.get(id) {
            Value::Object { state, .. } => {
                self.names.insert(id, name.to_string());
                state.map_or(Ok(()), |state| self.visit(state, name, depth + 1))
            }
            Value::List(items) | Value::Tuple(items) => {
                items.iter().enumerate().try_for_each(|(i, &item)| self.visit(item, &dotted(name, &i), depth + 1))
            }
            Value::Dict(pairs) => pairs.iter().try_for_each(|&(key, value)| match heap.get(key) {
                Value::Text(key) if name.is_empty() && NOT_WEIGHTS.contains(&&**key) => Ok(()),
                Value::Text(key) => self.visit(value, &dotted(name, key), depth + 1),
                Value::Int(key) => self.visit(value, &dotted(name, key), depth + 1),
                _ => self.visit(value, &dotted(name, &"?"), depth + 1),
            }),
            _ => Ok(()),
        }
    }

    fn entry(&self, tensor: &Tensor, name: &str) -> Result<TensorEntry, InputError> {
        let Tensor { storage, dtype, offset, shape, strides } = tensor;
        let fault = |problem: String| {
            let place = format!("{}, tensor '{name}'", self.path.display());
            Err(InputError::new(place, problem, "the file is damaged: fetch or save it again"))
        };
        let place = match (self.locate)(storage) {
            Ok(place) => place,
            Err(problem) => return fault(problem),
        };
        let path = &place.name;
        let start = match dtype.size() {
            Some(size) => {
                let storage_size = storage.dtype.map_or(Some(1), |dtype| dtype.size()).unwrap_or(1) as u64;
                let claimed = storage.elements.checked_mul(storage_size);
                let held = place.bytes;
                if claimed.is_none_or(|claimed| claimed > held) {
                    return fault(format!("needs {} elements of '{path}', which has {held} bytes", storage.elements));
                }
                offset.checked_mul(size as u64).and_then(|start| start.checked_add(place.start))
            }
            None => Some(place.start),
        };
        let Some(start) = start else { return fault(format!("begins at element {offset} of '{path}'")) };
        Ok(TensorEntry {
            name: name.into(),
            shape: shape.clone(),
            dtype: *dtype,
            blob: place.blob,
            start,
            strides: strides.clone(),
            big_endian: self.big_endian,
        })
    }
}

fn dotted(name: &str, key: &dyn std::fmt::Display) -> String {
    if name.is_empty() { key.to_string() } else { format!("{name}.{key}") }
}
