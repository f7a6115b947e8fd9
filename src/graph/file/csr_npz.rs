//! Compressed sparse matrices as `scipy.sparse.save_npz` writes them.

use std::fs::File;
use std::io::{self, Cursor, Seek, Write};
use std::path::Path;

use sprs::{CsMatI, CsMatViewI};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{assemble, node_count, weight};
use crate::InputError;
use crate::model::{Archive, Dtype, NpyHeader};
use crate::npy;

/// Members are shorter than this without ZIP64; a margin is left for the header.
const ZIP64_FROM: usize = (u32::MAX - 1024) as usize;

/// Reads CSR or CSC, which for a symmetric matrix are the same.
pub(super) fn read(path: &Path, file: File) -> Result<CsMatI<f64, u32>, InputError> {
    let archive = Archive::open(path, file)?;
    let format = array(&archive, "format", None)?;
    // Text of one or four bytes a letter, padded with zeros.
    let letters = String::from_utf8_lossy(&format.bytes).replace('\0', "");
    if !matches!(letters.as_str(), "csr" | "csc") {
        let problem = format!("array 'format' is '{letters}', neither csr nor csc");
        return Err(InputError::new(path.display(), problem, "save it with scipy.sparse.save_npz(FILE, A.tocsr())"));
    }
    let indptr = integers(&archive, "indptr")?;
    let [rows, columns] = integers(&archive, "shape")?[..] else {
        return Err(broken(&archive, "shape", "does not hold two numbers".into()));
    };
    let (Ok(rows), Ok(columns)) = (u64::try_from(rows), u64::try_from(columns)) else {
        return Err(broken(&archive, "shape", "holds negative numbers".into()));
    };
    // Every node has its element of indptr, so that no length of a file need be compared.
    let nodes = node_count(&place(&archive, "shape"), rows, columns, u64::MAX)?;
    if indptr.len() as u64 != rows + 1 {
        let problem = format!("has {} elements, not one more than the {rows} rows", indptr.len());
        return Err(broken(&archive, "indptr", problem));
    }
    let indices = integers(&archive, "indices")?;
    let data = array(&archive, "data", Some(1))?;
    let Some(data) = data.header.dtype.decode(&data.bytes, data.header.big_endian) else {
        let problem = format!("array 'data' is of type {}", data.header.dtype);
        return Err(InputError::new(path.display(), problem, "save a matrix of real numbers"));
    };
    if indices.len() != data.len() {
        let problem = format!("has {} elements, but 'data' has {}", indices.len(), data.len());
        return Err(broken(&archive, "indices", problem));
    }
    if indptr[0] != 0 || indptr.last().copied() != i64::try_from(data.len()).ok() {
        let problem = format!("does not lead from 0 to the {} elements of 'data'", data.len());
        return Err(broken(&archive, "indptr", problem));
    }
    let mut entries = Vec::new();
    for (row, ends) in (0..nodes).zip(indptr.windows(2)) {
        // Monotonic from 0 to data.len(), or refused: the conversions are exact, and the range lies within.
        let (from, to) = (ends[0] as usize, ends[1] as usize);
        if ends[0] > ends[1] || to > data.len() {
            let problem = format!("falls from {} to {} at element {}, or beyond the end", ends[0], ends[1], row + 1);
            return Err(broken(&archive, "indptr", problem));
        }
        for at in from..to {
            let column = u32::try_from(indices[at]).ok().filter(|&column| column < nodes).ok_or_else(|| {
                let problem = format!("has {} at element {at}, which is not from 0 to {}", indices[at], nodes - 1);
                broken(&archive, "indices", problem)
            })?;
            let value = weight(|| format!("{}, entry ({row}, {column})", path.display()), data[at])?;
            entries.push((row, column, value));
        }
    }
    assemble(path, nodes, entries, 0)
}

struct Array {
    header: NpyHeader,
    bytes: Vec<u8>,
}

/// The array of that name, with as many bytes as its shape needs, and with so many axes, if that is given.
fn array(archive: &Archive, name: &str, axes: Option<usize>) -> Result<Array, InputError> {
    let Some(member) = archive.find(&format!("{name}.npy")) else {
        let names: Vec<&str> = archive.members().iter().take(5).map(|member| member.name.as_str()).collect();
        let problem = format!("lacks the array '{name}' of a sparse matrix; it holds {}", names.join(" "));
        return Err(InputError::new(archive.path().display(), problem, "save it with scipy.sparse.save_npz"));
    };
    let header = NpyHeader::read(archive, member)?;
    if let Some(axes) = axes.filter(|&axes| axes != header.shape.len()) {
        return Err(broken(archive, name, format!("has shape {:?}, not {axes} axes", header.shape)));
    }
    let needed = header.len().and_then(|count| count.checked_mul(header.item_size)?.checked_add(header.data_start));
    let held = archive.members()[member].size;
    let Some(needed) = needed.filter(|&needed| needed as u64 == held) else {
        return Err(broken(
            archive,
            name,
            format!("has {held} bytes, which is not what shape {:?} needs", header.shape),
        ));
    };
    let mut bytes = archive.read(member, needed as u64)?;
    let bytes = bytes.split_off(header.data_start);
    Ok(Array { header, bytes })
}

fn integers(archive: &Archive, name: &str) -> Result<Vec<i64>, InputError> {
    let Array { header, bytes } = array(archive, name, Some(1))?;
    header.dtype.decode_integers(&bytes, header.big_endian).ok_or_else(|| {
        let problem = format!("is of type {}, not of signed integers", header.dtype);
        broken(archive, name, problem)
    })
}

fn place(archive: &Archive, name: &str) -> String {
    format!("{}, array '{name}'", archive.path().display())
}

fn broken(archive: &Archive, name: &str, problem: String) -> InputError {
    InputError::new(place(archive, name), problem, "save the graph again with scipy.sparse.save_npz")
}

/// Writes `adjacency` so that `scipy.sparse.load_npz` reads it: indices as int32 where they fit, weights as float64.
pub(super) fn write(file: &mut impl Write, adjacency: CsMatViewI<f64, u32>) -> io::Result<()> {
    let (entries, nodes) = (adjacency.nnz(), adjacency.rows());
    let narrow = i32::try_from(entries).is_ok() && i32::try_from(nodes).is_ok();
    let index = if narrow { Dtype::Int(4) } else { Dtype::Int(8) };
    // Little-endian, so that an i32 is the first half of an i64.
    let integer = move |value: u32| i64::from(value).to_le_bytes().into_iter().take(if narrow { 4 } else { 8 });
    // in memory, where it cannot fail: a ZipWriter that is dropped amid its archive prints what it thinks of that
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let large = 8 * entries.max(nodes) > ZIP64_FROM;
    member(&mut zip, "indices", index, &[entries], large, adjacency.indices().iter().copied().flat_map(integer))?;
    let starts = adjacency.indptr();
    member(&mut zip, "indptr", index, &[nodes + 1], large, starts.to_proper().iter().copied().flat_map(integer))?;
    member(&mut zip, "format", Dtype::Other("|S3"), &[], large, *b"csr")?;
    let shape = [nodes as u64, nodes as u64].into_iter().flat_map(u64::to_le_bytes);
    member(&mut zip, "shape", Dtype::Int(8), &[2], large, shape)?;
    let weights = adjacency.data().iter().flat_map(|weight| weight.to_le_bytes());
    member(&mut zip, "data", Dtype::F64, &[entries], large, weights)?;
    file.write_all(zip.finish()?.get_ref())
}

/// Writes one array; [`Dtype::Other`] holds NumPy's own name of the type.
fn member(
    zip: &mut ZipWriter<impl Write + Seek>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
    large: bool,
    bytes: impl IntoIterator<Item = u8>,
) -> io::Result<()> {
    let descr = match dtype {
        Dtype::Other(descr) => descr,
        Dtype::Int(4) => "<i4",
        Dtype::Int(_) => "<i8",
        _ => "<f8",
    };
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(large);
    zip.start_file(format!("{name}.npy"), options)?;
    zip.write_all(&npy::header(descr, shape))?;
    let mut buffered = io::BufWriter::with_capacity(1 << 16, zip);
    for byte in bytes {
        buffered.write_all(&[byte])?;
    }
    buffered.flush()
}
