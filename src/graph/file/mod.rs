//! Graph files: Matrix Market and SciPy's sparse `.npz`, with the layers of their nodes beside them.
//!
//! Graphs are undirected: an adjacency matrix is symmetric, whatever triangle or order the file stores.

mod csr_npz;
mod layers;
mod matrix_market;

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

use sprs::{CsMatI, CsMatViewI};

use crate::InputError;
use crate::aside::write_with;
use crate::model::open_regular;

pub use layers::{LayerRange, LayersFile, layers_path, read_layers, write_layers};

/// Relative difference up to which the two triangles count as equal: rounding in another order, not direction.
const SYMMETRY_TOLERANCE: f64 = 1e-9;

/// Nodes that a graph may have in a file of any length; with more, the file must have at least a byte for each.
const MAX_FREE_NODES: u64 = 1 << 20;

/// Reads a graph; the format is recognised by content.
///
/// Yields CSR `(n, n)`: symmetric, both triangles stored, indices sorted, duplicates summed, explicit zeros absent.
/// Self-loops are kept, once on the diagonal. Entries of the two triangles that differ by rounding only, relative 1e-9,
/// are replaced by their mean.
///
/// # Errors
///
/// If the file cannot be read, is cut short or damaged, or in another format than its extension promises; the matrix
/// is not square or symmetric, holds negative, NaN, infinite or complex values, or no edge; an index is out of range;
/// or there are more than `u32::MAX` nodes or entries. The message names the line or the array.
pub fn read_graph(path: &Path) -> Result<CsMatI<f64, u32>, InputError> {
    let (mut file, length) = open_regular(path)?;
    let mut start = Vec::new();
    let read = (&file).take(14).read_to_end(&mut start).and_then(|_| file.rewind());
    read.map_err(|error| InputError::io(path, &error))?;
    let zip = start.starts_with(b"PK\x03\x04");
    let market = start.to_ascii_lowercase().starts_with(b"%%matrixmarket");
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("mtx") if zip => {
            let remedy = "rename it to end in .npz";
            return Err(InputError::new(path.display(), "is a zip archive, but its name promises .mtx", remedy));
        }
        Some("npz") if market => {
            let remedy = "rename it to end in .mtx";
            return Err(InputError::new(path.display(), "is a Matrix Market file, but its name promises .npz", remedy));
        }
        _ => {}
    }
    if zip {
        csr_npz::read(path, file)
    } else if market {
        matrix_market::read(path, file, length)
    } else {
        let problem = "is neither a Matrix Market file (first line %%MatrixMarket …) nor an .npz archive";
        let remedy = "save the graph with scipy.io.mmwrite or scipy.sparse.save_npz";
        Err(InputError::new(path.display(), problem, remedy))
    }
}

/// Writes a graph as SciPy's CSR (`.npz`) or as Matrix Market (`.mtx`, lower triangle), by the extension.
///
/// `adjacency` is as [`read_graph`] yields it, and comes back the same. The file appears under its name when it is
/// complete.
///
/// # Errors
///
/// If the extension is another, or the file cannot be written.
pub fn write_graph(path: &Path, adjacency: CsMatViewI<f64, u32>) -> Result<(), InputError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz") => write_with(path, |file| buffered(file, |out| csr_npz::write(out, adjacency))),
        Some("mtx") => write_with(path, |file| buffered(file, |out| matrix_market::write(out, adjacency))),
        _ => {
            let problem = "has none of the extensions of graph files";
            Err(InputError::new(path.display(), problem, "let its name end in .npz or .mtx"))
        }
    }
}

fn buffered(
    file: &mut File,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

/// Number of nodes of an `rows` by `columns` matrix, if the file can have so many.
fn node_count(place: &str, rows: u64, columns: u64, length: u64) -> Result<u32, InputError> {
    if rows != columns {
        let problem = format!("the matrix is {rows} by {columns}, not square");
        return Err(InputError::new(place, problem, "save the adjacency matrix of the graph"));
    }
    match u32::try_from(rows) {
        Ok(nodes) if rows <= MAX_FREE_NODES || rows <= length => Ok(nodes),
        Ok(_) => {
            let problem = format!("claims {rows} nodes in a file of {length} bytes");
            Err(InputError::new(place, problem, "drop the nodes without edges, or save the file again"))
        }
        Err(_) => {
            let problem = format!("has {rows} nodes, more than the {} that can be numbered", u32::MAX);
            Err(InputError::new(place, problem, "cluster a part of the graph"))
        }
    }
}

/// Checks a weight found at `place`.
fn weight(place: impl FnOnce() -> String, value: f64) -> Result<f64, InputError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    let (problem, remedy) = if value.is_finite() {
        (format!("the weight {value} is negative"), "take absolute values, or shift the weights")
    } else {
        (format!("the weight {value} is not finite"), "remove the edge, or mend its weight")
    };
    Err(InputError::new(place(), problem, remedy))
}

/// A full matrix from its entries, of which `(row, column, weight)` counts from 0; `base` is what the file counts from.
fn assemble(
    path: &Path,
    nodes: u32,
    mut entries: Vec<(u32, u32, f64)>,
    base: u64,
) -> Result<CsMatI<f64, u32>, InputError> {
    // Stable, so that duplicates are summed in the order of the file.
    entries.sort_by_key(|&(row, column, _)| (row, column));
    entries.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 += next.2;
        }
        same
    });
    entries.retain(|&(_, _, weight)| weight != 0.0);
    if entries.is_empty() {
        return Err(InputError::new(path.display(), "the graph has no edges", "save a graph with at least one edge"));
    }
    if u32::try_from(entries.len()).is_err() {
        let problem = format!("the graph has {} entries, more than can be numbered", entries.len());
        return Err(InputError::new(path.display(), problem, "cluster a part of the graph"));
    }
    if let Some(&(row, column, _)) = entries.iter().find(|(_, _, weight)| !weight.is_finite()) {
        let place = format!("{}, entry ({}, {})", path.display(), u64::from(row) + base, u64::from(column) + base);
        return Err(InputError::new(place, "its duplicates sum to infinity", "scale the weights down"));
    }
    let mirrored = |&(row, column, weight): &(u32, u32, f64)| {
        let found = entries.binary_search_by_key(&(column, row), |&(row, column, _)| (row, column));
        let other = found.map_or(0.0, |position| entries[position].2);
        if (weight - other).abs() <= SYMMETRY_TOLERANCE * weight.max(other) {
            // Halved first: the sum of two large weights could overflow.
            return Ok(if weight == other { weight } else { 0.5 * weight + 0.5 * other });
        }
        let (row, column) = (u64::from(row) + base, u64::from(column) + base);
        let problem =
            format!("entry ({row}, {column}) is {weight}, but ({column}, {row}) is {other}: the graph is directed");
        Err(InputError::new(path.display(), problem, "save an undirected graph, for example (A + A.T) / 2"))
    };
    let weights = entries.iter().map(mirrored).collect::<Result<Vec<f64>, _>>()?;
    let mut starts = vec![0u32; nodes as usize + 1];
    for &(row, ..) in &entries {
        starts[row as usize + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let columns = entries.into_iter().map(|(_, column, _)| column).collect();
    let shape = (nodes as usize, nodes as usize);
    CsMatI::try_new(shape, starts, columns, weights).map_err(|(.., error)| {
        InputError::new(path.display(), format!("is no sparse matrix ({error})"), "save the graph again")
    })
}

#[cfg(test)]
mod tests;
