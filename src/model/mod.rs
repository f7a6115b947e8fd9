//! Files of named tensors that other programs wrote: safetensors, `.npz`, TorchScript and PyTorch state dicts, ONNX and
//! `torch.export`.
//!
//! Opening a file indexes it; each tensor is read when asked for. Sizes that a file claims are compared with its real
//! length before memory is taken for them, and no code in a file is ever run.

mod architecture;
mod archive;
mod aten;
mod dense_chain;
mod draft;
mod dtype;
mod heap;
mod name_order;
mod npy;
mod npz;
mod onnx;
mod pickle;
mod pytorch;
mod pytorch_stream;
mod safetensors;
mod torch_export;
mod torch_globals;
mod torchscript;

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use sha2::{Digest, Sha256};

pub use architecture::{Arch, Architecture, architecture};
pub(crate) use archive::Archive;
pub use dense_chain::{DenseLayer, dense_chain, other_order};
pub use dtype::Dtype;
pub(crate) use npy::NpyHeader;

use crate::InputError;
use crate::dataflow::{Dataflow, TensorName};

/// Elements of a tensor whose strides let it have more of them than are stored, as after `expand`.
const MAX_EXPANDED: usize = 1 << 20;

/// How a [`TensorFile`] is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON header, then raw bytes.
    SafeTensors,
    /// Zip archive of NPY files.
    Npz,
    /// Zip archive of a pickle and storages: TorchScript, or a state dict.
    PyTorch,
    /// Protocol buffer of a graph and its tensors, perhaps with files of tensors beside it.
    Onnx,
    /// Zip archive of a graph and its tensors.
    TorchExport,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SafeTensors => "safetensors",
            Self::Npz => "NumPy .npz",
            Self::PyTorch => "PyTorch",
            Self::Onnx => "ONNX",
            Self::TorchExport => "torch.export",
        })
    }
}

/// A tensor in a [`TensorFile`], not yet read.
#[derive(Debug, Clone)]
pub struct TensorEntry {
    /// Dotted path of modules or keys (`layers.0.weight`), or the name of the array.
    pub name: String,
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// Type of the stored elements.
    pub dtype: Dtype,
    blob: Blob,
    /// First byte in the blob.
    start: u64,
    /// Steps along each axis, in elements.
    strides: Vec<usize>,
    big_endian: bool,
}

/// What holds the bytes of a tensor.
#[derive(Debug, Clone, Copy)]
enum Blob {
    /// The file itself.
    File,
    /// A member of the archive.
    Member(usize),
    /// One of the files beside it.
    Beside(usize),
}

enum Content {
    Plain(File),
    Zip(Archive),
}

/// A file of named tensors: opened and indexed, not read.
pub struct TensorFile {
    path: PathBuf,
    format: Format,
    sha256: String,
    entries: Vec<TensorEntry>,
    content: Content,
    beside: Vec<onnx::Beside>,
}

impl TensorFile {
    /// Recognises the format by content, lists the tensors and hashes the file.
    ///
    /// # Errors
    ///
    /// If `path` is no readable regular file; is empty, cut short or damaged; is in no known format, or in another
    /// than its extension promises; or holds no tensors, or two of one name.
    pub fn open(path: &Path) -> Result<Self, InputError> {
        let (mut file, length) = open_regular(path)?;
        let mut start = Vec::new();
        file.by_ref().take(16).read_to_end(&mut start).map_err(|error| InputError::io(path, &error))?;
        file.rewind().map_err(|error| InputError::io(path, &error))?;
        let hashed = file.try_clone().map_err(|error| InputError::io(path, &error))?;
        let mut beside = Vec::new();
        let (format, entries, content) = if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            let archive = Archive::open(path, file)?;
            let (format, entries) = index_archive(path, &archive)?;
            (format, entries, Content::Zip(archive))
        } else if safetensors::recognise(&start, length) {
            promised(path, Format::SafeTensors)?;
            (Format::SafeTensors, safetensors::index(path, &file, length)?, Content::Plain(file))
        } else if pytorch_stream::recognise(&start) {
            promised(path, Format::PyTorch)?;
            (Format::PyTorch, pytorch_stream::index(path, &file, length)?, Content::Plain(file))
        } else if onnx::recognise(&start) {
            promised(path, Format::Onnx)?;
            let entries;
            (entries, beside) = onnx::index(path, &file, length)?;
            (Format::Onnx, entries, Content::Plain(file))
        } else {
            return Err(unrecognised(path, &start));
        };
        if entries.is_empty() {
            let has_program = matches!(&content, Content::Zip(archive) if archive.members().iter().any(|member| member.name.ends_with(".py")));
            let remedy = match has_program {
                true => "save the network before torch.jit.optimize_for_inference, or export it to ONNX",
                false => "save at least one weight matrix",
            };
            return Err(InputError::new(path.display(), "holds no tensors", remedy));
        }
        let mut names = HashSet::new();
        if let Some(twice) = entries.iter().find(|entry| !names.insert(&entry.name)) {
            let problem = format!("holds two tensors named '{}'", twice.name);
            return Err(InputError::new(path.display(), problem, "save it again with one tensor of each name"));
        }
        let sha256 = hash(path, &hashed, &beside)?;
        Ok(Self { path: path.into(), format, sha256, entries, content, beside })
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format found.
    pub fn format(&self) -> Format {
        self.format
    }

    /// SHA-256 of the whole file, 64 lower-case hexadecimal digits; of an ONNX model with tensors in files beside it, of
    /// the model followed by these, in the order in which it names them.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The tensors in order: of their bytes (safetensors), of the archive (`.npz`), of registration (PyTorch,
    /// `torch.export`), of the file (ONNX).
    pub fn entries(&self) -> &[TensorEntry] {
        &self.entries
    }

    /// What the network does, where the file says so; `None` for files of named tensors alone.
    ///
    /// Its operations name tensors of [`TensorFile::entries`].
    ///
    /// # Errors
    ///
    /// If the program in the file is damaged, or nothing that can be followed.
    pub fn dataflow(&self) -> Result<Option<Dataflow>, InputError> {
        match (self.format, &self.content) {
            (Format::Onnx, Content::Plain(file)) => {
                onnx::dataflow(&self.path, file, &self.entries, &self.beside).map(Some)
            }
            (Format::TorchExport, Content::Zip(archive)) => match torch_export::recognise(archive)? {
                Some(package) => torch_export::dataflow(archive, package, &self.entries).map(Some),
                None => Ok(None),
            },
            (Format::PyTorch, Content::Zip(archive)) => torchscript::dataflow(archive),
            _ => Ok(None),
        }
    }

    /// Reads a tensor of [`TensorFile::entries`] as `f64`, shape `entry.shape`.
    ///
    /// # Errors
    ///
    /// If its type is not a float of 16, 32 or 64 bits; it reaches beyond its file; a checksum fails; or it holds NaN
    /// or infinite values (the message says where the first is, and how many there are).
    pub fn read(&self, entry: &TensorEntry) -> Result<ArrayD<f64>, InputError> {
        let place = || format!("{}, tensor '{}'", self.path.display(), entry.name);
        if !entry.dtype.is_float() {
            let problem = format!("is of type {}", entry.dtype);
            return Err(InputError::new(place(), problem, "convert it to float16, bfloat16, float32 or float64"));
        }
        self.numbers(entry)
    }

    /// [`TensorFile::read`], of integers too.
    fn numbers(&self, entry: &TensorEntry) -> Result<ArrayD<f64>, InputError> {
        let place = || format!("{}, tensor '{}'", self.path.display(), entry.name);
        let (from, to, count) = self.extent(entry)?;
        let values = entry.dtype.decode(&self.bytes(entry, from, to)?, entry.big_endian).unwrap_or_default();
        let values = if entry.strides == c_strides(&entry.shape) || count == 0 {
            values
        } else {
            gather(&values, &entry.shape, &entry.strides)
        };
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        if let Some(first) = values.iter().position(|value| !value.is_finite()) {
            let problem =
                format!("holds {bad} NaN or infinite values, the first at {:?}", unravel(first, &entry.shape));
            return Err(InputError::new(place(), problem, "use weights from before training diverged"));
        }
        let found = values.len();
        ArrayD::from_shape_vec(IxDyn(&entry.shape), values).map_err(|_| {
            InputError::new(place(), format!("has {found} of {count} elements"), "fetch or save the file again")
        })
    }

    /// Type of the first matrix or kernel that is not float32, if there is one.
    pub fn unusual_weights(&self) -> Option<String> {
        let mut weights = self.entries.iter().filter(|entry| entry.shape.len() > 1 && entry.dtype.is_float());
        weights.find(|entry| entry.dtype != Dtype::F32).map(|entry| entry.dtype.to_string())
    }

    /// Whether weights are stored as whole numbers with a scale.
    fn is_quantised(&self) -> bool {
        let in_program = match &self.content {
            Content::Zip(archive) => archive.members().iter().any(|member| member.name.contains("/nn/quantized/")),
            Content::Plain(_) => false,
        };
        in_program || self.entries.iter().any(|entry| entry.dtype == Dtype::Other("quantised"))
    }

    /// Reads the tensor of that name, in that shape, f64. A single number may be an integer.
    ///
    /// # Errors
    ///
    /// As [`TensorFile::read`]; or there is none of that name, or it has other than so many elements.
    pub fn tensor(&self, tensor: &TensorName) -> Result<ArrayD<f64>, InputError> {
        let place = || format!("{}, tensor '{}'", self.path.display(), tensor.name);
        let Some(entry) = self.entries.iter().find(|entry| entry.name == tensor.name) else {
            return Err(InputError::new(place(), "is not there", "fetch or save the file again"));
        };
        let is_single = entry.shape.iter().all(|&extent| extent == 1) && entry.dtype.is_number();
        let values = if is_single { self.numbers(entry) } else { self.read(entry) };
        values?.into_shape_with_order(IxDyn(&tensor.shape)).map_err(|_| {
            let problem = format!("has shape {:?} where {:?} is read", entry.shape, tensor.shape);
            InputError::new(place(), problem, "fetch or save the file again")
        })
    }

    /// First byte and end in the blob, and number of elements, after comparing them with the blob's size.
    fn extent(&self, entry: &TensorEntry) -> Result<(u64, u64, usize), InputError> {
        let held = match (entry.blob, &self.content) {
            (Blob::Member(member), Content::Zip(archive)) => {
                archive.members().get(member).map_or(0, |member| member.size)
            }
            (Blob::Beside(number), _) => self.beside[number].length,
            (_, Content::Plain(file)) => file.metadata().map_err(|error| InputError::io(&self.path, &error))?.len(),
            _ => 0,
        };
        let place = || format!("{}, tensor '{}'", self.path.display(), entry.name);
        let claim = |bytes: &str| {
            let problem = format!("needs {bytes} for shape {:?}, but only {held} are there", entry.shape);
            InputError::new(place(), problem, "the file is cut short or damaged: fetch or save it again")
        };
        let count = entry.shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent));
        let count = count.ok_or_else(|| claim("more bytes than can be counted"))?;
        // The furthest element lies at the far end of every axis.
        let reach = || {
            let mut reach = 1u64;
            for (&extent, &stride) in entry.shape.iter().zip(&entry.strides) {
                reach = reach.checked_add((extent as u64 - 1).checked_mul(stride as u64)?)?;
            }
            reach.checked_mul(entry.dtype.size()? as u64)?.checked_add(entry.start)
        };
        let end = if count == 0 { Some(entry.start) } else { reach() };
        let end = end.ok_or_else(|| claim("more bytes than can be counted"))?;
        if end > held {
            return Err(claim(&format!("{end} bytes")));
        }
        let stored = (end - entry.start) / entry.dtype.size().unwrap_or(1) as u64;
        if count as u64 > stored && count > MAX_EXPANDED {
            let problem = format!("has {count} elements, of which only {stored} are stored");
            return Err(InputError::new(place(), problem, "save it with .contiguous()"));
        }
        Ok((entry.start, end, count))
    }

    fn bytes(&self, entry: &TensorEntry, from: u64, to: u64) -> Result<Vec<u8>, InputError> {
        match (&self.content, entry.blob) {
            (Content::Zip(archive), Blob::Member(member)) => {
                // The whole member, because its checksum covers the whole.
                let mut bytes = archive.read(member, u64::MAX)?;
                bytes.truncate(to as usize);
                Ok(bytes.split_off(bytes.len().min(from as usize)))
            }
            (_, Blob::Beside(number)) => {
                let path = &self.beside[number].path;
                let (file, _) = open_regular(path)?;
                let mut bytes = vec![0; (to - from) as usize];
                file.read_exact_at(&mut bytes, from).map_err(|error| InputError::io(path, &error))?;
                Ok(bytes)
            }
            (Content::Plain(file), _) => {
                let io = |error| InputError::io(&self.path, &error);
                let mut bytes = vec![0; (to - from) as usize];
                file.read_exact_at(&mut bytes, from).map_err(io)?;
                Ok(bytes)
            }
            (Content::Zip(_), Blob::File) => Ok(Vec::new()),
        }
    }
}

/// Opens a regular file that is not empty; also its length.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64), InputError> {
    let io = |error| InputError::io(path, &error);
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if metadata.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(InputError::new(path.display(), "is not a regular file", "save it to disk first"));
    }
    if metadata.len() == 0 {
        return Err(InputError::new(path.display(), "is empty", "fetch or save the file again"));
    }
    Ok((File::open(path).map_err(io)?, metadata.len()))
}

fn index_archive(path: &Path, archive: &Archive) -> Result<(Format, Vec<TensorEntry>), InputError> {
    if let Some(member) = pytorch::pickle_member(archive) {
        promised(path, Format::PyTorch)?;
        return Ok((Format::PyTorch, pytorch::index(archive, member)?));
    }
    if let Some(package) = torch_export::recognise(archive)? {
        promised(path, Format::TorchExport)?;
        return Ok((Format::TorchExport, torch_export::index(archive, package)?));
    }
    if archive.members().iter().any(|member| member.name.ends_with(".npy")) {
        promised(path, Format::Npz)?;
        return Ok((Format::Npz, npz::index(archive)?));
    }
    let problem = "is a zip archive without arrays (*.npy) or a PyTorch pickle (*/data.pkl)";
    Err(InputError::new(
        path.display(),
        problem,
        "save the weights with numpy.savez or torch.save(model.state_dict(), FILE)",
    ))
}

/// Complains if the extension promises another format than the one found.
fn promised(path: &Path, found: Format) -> Result<(), InputError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    let (promise, extensions) = match extension.as_str() {
        "safetensors" => (Format::SafeTensors, ".safetensors"),
        "npz" => (Format::Npz, ".npz"),
        "pt" | "pth" | "ckpt" => (Format::PyTorch, ".pt"),
        "onnx" => (Format::Onnx, ".onnx"),
        "pt2" => (Format::TorchExport, ".pt2"),
        _ => return Ok(()),
    };
    if promise == found {
        return Ok(());
    }
    let wanted = match found {
        Format::SafeTensors => ".safetensors",
        Format::Npz => ".npz",
        Format::PyTorch => ".pt",
        Format::Onnx => ".onnx",
        Format::TorchExport => ".pt2",
    };
    let problem = format!("holds {found} data, but its name promises {extensions}");
    Err(InputError::new(path.display(), problem, format!("rename it to end in {wanted}")))
}

/// What to say of a file in none of the formats, by its first bytes.
fn unrecognised(path: &Path, start: &[u8]) -> InputError {
    let state_dict = "save it again with torch.save(model.state_dict(), FILE) of PyTorch 1.6 or newer";
    let (problem, remedy) = match start {
        [0x80, 2..=5, ..] => ("is a Python pickle, which only running its code could restore", state_dict),
        _ if start.starts_with(b"\x93NUMPY") => ("is a single NumPy array", "save it as .npz with numpy.savez"),
        _ if start.starts_with(b"\x89HDF\r\n") => ("is an HDF5 file", "save the weights as .npz or .safetensors"),
        _ if start.starts_with(b"GGUF") => ("is a GGUF file", "save the weights as .safetensors"),
        _ => (
            "is in none of the formats safetensors, .npz, PyTorch, ONNX and torch.export, or damaged at its start",
            "check that it is a file of weights, or fetch or save it again",
        ),
    };
    InputError::new(path.display(), problem, remedy)
}

/// Reads by position: that of the handle is shared with the archive's.
fn hash(path: &Path, file: &File, beside: &[onnx::Beside]) -> Result<String, InputError> {
    let mut hasher = Sha256::new();
    hash_file(&mut hasher, path, file)?;
    for onnx::Beside { path, .. } in beside {
        hash_file(&mut hasher, path, &open_regular(path)?.0)?;
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn hash_file(hasher: &mut Sha256, path: &Path, file: &File) -> Result<(), InputError> {
    let mut buffer = vec![0; 1 << 16];
    let mut position = 0;
    loop {
        match file.read_at(&mut buffer, position) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                position += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(InputError::io(path, &error)),
        }
    }
}

/// Steps along each axis, in elements, when the last index runs fastest.
///
/// Axes of extent 1 count as others do; overflow is left to the check of the extent.
fn c_strides(shape: &[usize]) -> Vec<usize> {
    let mut step = 1usize;
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let stride = step;
            step = step.saturating_mul(extent.max(1));
            stride
        })
        .collect();
    strides.reverse();
    strides
}

/// Elements in C order of the strided window `shape` on `values`, which reaches to its last element.
fn gather(values: &[f64], shape: &[usize], strides: &[usize]) -> Vec<f64> {
    let mut offsets = vec![0usize];
    for (&extent, &stride) in shape.iter().zip(strides) {
        offsets = offsets.iter().flat_map(|&offset| (0..extent).map(move |i| offset + i * stride)).collect();
    }
    // A file that shrank since it was opened leaves fewer values; the caller counts.
    offsets.into_iter().filter_map(|offset| values.get(offset).copied()).collect()
}

/// Index on each axis of element `position` in C order.
fn unravel(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let i = position % extent.max(1);
            position /= extent.max(1);
            i
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod exported;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
