//! A matrix of non-negative weights in dense and sparse blocks, and its products with several vectors at once.
//!
//! A dense block is stored once and multiplied from either side, in f32 where that loses nothing: products with large
//! blocks take as long as reading them.

use crate::graph::Block;
use crate::prefetch::prefetch;
use wide::f64x4;

/// Vectors that are worked on together: a matrix of this many columns, stored row by row.
pub const BLOCK: usize = 4;

/// One row of [`BLOCK`] vectors.
pub type Row = [f64; BLOCK];

/// Share of entries that are not zero from which a block is stored dense.
const DENSE_FROM: f64 = 0.3;

/// Where a block of a graph lies in a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The block.
    pub block: &'a Block,
    /// Row and column of the matrix where its first entry is.
    pub first: (usize, usize),
    /// Whether its rows are columns of the matrix.
    pub transposed: bool,
    /// Whether its mirror image is part of the matrix too.
    pub mirrored: bool,
}

/// `(rows, columns)`.
#[derive(Debug, Clone)]
pub struct BlockMatrix {
    sparse: SparseRows,
    /// Columns of `sparse` as rows; none of a symmetric matrix.
    sparse_transposed: Option<SparseRows>,
    dense: Vec<DenseBlock>,
}

#[derive(Debug, Clone)]
struct DenseBlock {
    first: (usize, usize),
    transposed: bool,
    mirrored: bool,
    panels: Panels,
}

#[derive(Debug, Clone)]
enum Panels {
    F32(Panelled<f32>),
    F64(Panelled<f64>),
}

impl BlockMatrix {
    /// Puts `places`, which do not overlap, into a `(rows, columns)` matrix.
    pub fn new((rows, columns): (usize, usize), places: &[Place]) -> Self {
        let mut matrix = Self::symmetric(rows, places);
        matrix.sparse_transposed = Some(matrix.sparse.transposed(columns));
        matrix
    }

    /// The same where the whole is a symmetric `(n, n)` matrix.
    pub fn symmetric(n: usize, places: &[Place]) -> Self {
        let size = |place: &Place| place.block.weights.rows() * place.block.weights.cols();
        let is_dense = |place: &Place| {
            let entries = place.block.weights.nnz();
            entries > 0 && entries as f64 >= DENSE_FROM * size(place) as f64
        };
        let (dense, sparse): (Vec<&Place>, Vec<&Place>) = places.iter().partition(|place| is_dense(place));
        let sparse = SparseRows::collect(n, |visit| {
            for Place { block, first, transposed, mirrored } in &sparse {
                for (i, row) in block.weights.outer_iterator().enumerate() {
                    for (&j, &weight) in row.indices().iter().zip(row.data()) {
                        let (i, j) = if *transposed { (j as usize, i) } else { (i, j as usize) };
                        let (i, j) = (first.0 + i, first.1 + j);
                        visit(i, j, weight);
                        if *mirrored {
                            visit(j, i, weight);
                        }
                    }
                }
            }
        });
        let dense = dense
            .into_iter()
            .map(|&Place { block, first, transposed, mirrored }| {
                let fits = block.weights.data().iter().all(|&weight| f64::from(weight as f32) == weight);
                let panels = match fits {
                    true => Panels::F32(Panelled::new(block, |weight| weight as f32)),
                    false => Panels::F64(Panelled::new(block, |weight| weight)),
                };
                DenseBlock { first, transposed, mirrored, panels }
            })
            .collect();
        Self { sparse, sparse_transposed: None, dense }
    }

    /// `y = M x`; `x` `(columns, BLOCK)`, `y` `(rows, BLOCK)`.
    pub fn multiply(&self, x: &[Row], y: &mut [Row]) {
        self.sparse.multiply(x, y);
        for block in &self.dense {
            match block.mirrored {
                true => block.add_both_products(x, y),
                false => block.add_product(x, y, false),
            }
        }
    }

    /// `y = Mᵀ x`; `x` `(rows, BLOCK)`, `y` `(columns, BLOCK)`.
    pub fn multiply_transposed(&self, x: &[Row], y: &mut [Row]) {
        let Some(transposed) = &self.sparse_transposed else { return self.multiply(x, y) };
        transposed.multiply(x, y);
        self.dense.iter().for_each(|block| block.add_product(x, y, true));
    }

    /// Calls `visit(row, column, value)` with each entry that is not zero.
    pub fn each_entry(&self, mut visit: impl FnMut(usize, usize, f64)) {
        self.sparse.each_entry(&mut visit);
        for DenseBlock { first, transposed, mirrored, panels } in &self.dense {
            let mut put = |i: usize, j: usize, value: f64| {
                let (i, j) = if *transposed { (j, i) } else { (i, j) };
                visit(first.0 + i, first.1 + j, value);
                if *mirrored {
                    visit(first.1 + j, first.0 + i, value);
                }
            };
            match panels {
                Panels::F32(panels) => panels.each_entry(&mut put),
                Panels::F64(panels) => panels.each_entry(&mut put),
            }
        }
    }
}

impl DenseBlock {
    /// Adds this block's part of `y = M x` and its mirror image's.
    fn add_both_products(&self, x: &[Row], y: &mut [Row]) {
        let (rows, columns) = match self.transposed {
            false => self.first,
            true => (self.first.1, self.first.0),
        };
        match &self.panels {
            Panels::F32(panels) => panels.add_both_products(x, y, rows, columns),
            Panels::F64(panels) => panels.add_both_products(x, y, rows, columns),
        }
    }

    /// Adds this block's part of `y = M x`, or of `y = Mᵀ x`.
    fn add_product(&self, x: &[Row], y: &mut [Row], from_below: bool) {
        let (from, to) = if from_below { (self.first.0, self.first.1) } else { (self.first.1, self.first.0) };
        let (x, y) = (&x[from..], &mut y[to..]);
        match (&self.panels, self.transposed != from_below) {
            (Panels::F32(panels), false) => panels.add_product(x, y),
            (Panels::F32(panels), true) => panels.add_transposed_product(x, y),
            (Panels::F64(panels), false) => panels.add_product(x, y),
            (Panels::F64(panels), true) => panels.add_transposed_product(x, y),
        }
    }
}

/// Rows of a dense matrix that are stored together, column by column; padding rows are zero.
const PANEL: usize = 8;
/// Panels that one pass over the columns takes.
const TOGETHER: usize = 32;

/// Columns of a panel between what is multiplied and what is fetched meanwhile: 2 kB of f32. Left to itself, a processor stops
/// fetching at every page's end.
const FETCHED_AHEAD: usize = 64;

/// A dense matrix in panels.
#[derive(Debug, Clone)]
struct Panelled<T> {
    rows: usize,
    columns: usize,
    /// Entry `(PANEL p + r, c)` is number r of element `p * columns + c`.
    data: Vec<[T; PANEL]>,
}

impl<T: Copy + Default + Into<f64>> Panelled<T> {
    fn new(block: &Block, convert: impl Fn(f64) -> T) -> Self {
        let (rows, columns) = block.weights.shape();
        let mut data = vec![[T::default(); PANEL]; rows.div_ceil(PANEL) * columns];
        for (i, row) in block.weights.outer_iterator().enumerate() {
            let panel = &mut data[i / PANEL * columns..][..columns];
            row.indices()
                .iter()
                .zip(row.data())
                .for_each(|(&j, &weight)| panel[j as usize][i % PANEL] = convert(weight));
        }
        Self { rows, columns, data }
    }

    /// `y += W x`.
    fn add_product(&self, x: &[Row], y: &mut [Row]) {
        let x = &x[..self.columns];
        for (panel, y) in self.data.chunks_exact(self.columns).zip(y[..self.rows].chunks_mut(PANEL)) {
            // of each vector, its part of the panel's rows
            let mut sums = [[f64x4::ZERO; 2]; BLOCK];
            for (w, x) in panel.iter().zip(x) {
                let [upper, lower] = [first_half(w), second_half(w)];
                for b in 0..BLOCK {
                    let x = f64x4::from(x[b]);
                    sums[b][0] = upper.mul_add(x, sums[b][0]);
                    sums[b][1] = lower.mul_add(x, sums[b][1]);
                }
            }
            for (r, y) in y.iter_mut().enumerate() {
                for b in 0..BLOCK {
                    y[b] += sums[b][r / 4].as_array_ref()[r % 4];
                }
            }
        }
    }

    /// `y += W x` and `y += Wᵀ x` at once, for a matrix with its mirror image: rows begin at `rows` of both vectors, columns at
    /// `columns`, and neither overlaps the other. One pass over a matrix that no cache holds, where two would read it twice.
    fn add_both_products(&self, x: &[Row], y: &mut [Row], rows: usize, columns: usize) {
        let (y_rows, y_columns) = match rows < columns {
            true => {
                let (before, after) = y.split_at_mut(columns);
                (&mut before[rows..][..self.rows], &mut after[..self.columns])
            }
            false => {
                let (before, after) = y.split_at_mut(rows);
                (&mut after[..self.rows], &mut before[columns..][..self.columns])
            }
        };
        let (x_rows, x_columns) = (&x[rows..][..self.rows], &x[columns..][..self.columns]);
        let panels = self.data.chunks_exact(self.columns).zip(x_rows.chunks(PANEL)).zip(y_rows.chunks_mut(PANEL));
        for ((panel, x_rows), y_rows) in panels {
            let x_rows: [f64x4; PANEL] =
                std::array::from_fn(|r| x_rows.get(r).map_or(f64x4::ZERO, |row| f64x4::from(*row)));
            let mut sums = [f64x4::ZERO; PANEL];
            for (c, ((w, x), y)) in panel.iter().zip(x_columns).zip(y_columns.iter_mut()).enumerate() {
                prefetch(panel, c + FETCHED_AHEAD);
                let x = f64x4::from(*x);
                let mut of_column = [f64x4::from(*y), f64x4::ZERO];
                for r in 0..PANEL {
                    let w = f64x4::from(w[r].into());
                    sums[r] = w.mul_add(x, sums[r]);
                    of_column[r % 2] = w.mul_add(x_rows[r], of_column[r % 2]);
                }
                *y = (of_column[0] + of_column[1]).to_array();
            }
            for (y, sum) in y_rows.iter_mut().zip(sums) {
                *y = (f64x4::from(*y) + sum).to_array();
            }
        }
    }

    /// `y += Wᵀ x`.
    fn add_transposed_product(&self, x: &[Row], y: &mut [Row]) {
        let vectors = |rows: &[Row; PANEL]| -> [[f64x4; 2]; BLOCK] {
            std::array::from_fn(|b| [0, 4].map(|r| f64x4::from(std::array::from_fn(|l| rows[r + l][b]))))
        };
        let (whole, rest) = x[..self.rows].as_chunks::<PANEL>();
        let mut by_panel: Vec<[[f64x4; 2]; BLOCK]> = whole.iter().map(vectors).collect();
        if !rest.is_empty() {
            let mut padded = [[0.0; BLOCK]; PANEL];
            padded[..rest.len()].copy_from_slice(rest);
            by_panel.push(vectors(&padded));
        }
        // as many panels at a time as stay in the cache while columns pass
        for (panels, x) in self.data.chunks(TOGETHER * self.columns).zip(by_panel.chunks(TOGETHER)) {
            for first in (0..self.columns).step_by(2) {
                // an odd last column is multiplied twice and counted once
                let columns = [first, (first + 1).min(self.columns - 1)];
                let mut sums = [[f64x4::ZERO; BLOCK]; 2];
                for (p, x) in x.iter().enumerate() {
                    for u in 0..2 {
                        let w = &panels[p * self.columns + columns[u]];
                        for (half, w) in [first_half(w), second_half(w)].into_iter().enumerate() {
                            (0..BLOCK).for_each(|b| sums[u][b] = w.mul_add(x[b][half], sums[u][b]));
                        }
                    }
                }
                for (y, sums) in y[first..self.columns].iter_mut().zip(sums) {
                    (0..BLOCK).for_each(|b| y[b] += sums[b].reduce_add());
                }
            }
        }
    }

    fn each_entry(&self, visit: &mut impl FnMut(usize, usize, f64)) {
        for i in 0..self.rows {
            let panel = &self.data[i / PANEL * self.columns..][..self.columns];
            for (j, w) in panel.iter().enumerate() {
                let value: f64 = w[i % PANEL].into();
                if value != 0.0 {
                    visit(i, j, value);
                }
            }
        }
    }
}

fn first_half<T: Copy + Into<f64>>(w: &[T; PANEL]) -> f64x4 {
    f64x4::from([w[0].into(), w[1].into(), w[2].into(), w[3].into()])
}

fn second_half<T: Copy + Into<f64>>(w: &[T; PANEL]) -> f64x4 {
    f64x4::from([w[4].into(), w[5].into(), w[6].into(), w[7].into()])
}

/// A sparse matrix by rows.
#[derive(Debug, Clone)]
struct SparseRows {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<f64>,
}

impl SparseRows {
    /// `each` calls its argument with every entry `(row, column, value)`; it is gone through twice.
    fn collect(rows: usize, each: impl Fn(&mut dyn FnMut(usize, usize, f64))) -> Self {
        let mut indptr = vec![0usize; rows + 1];
        each(&mut |i, _, _| indptr[i + 1] += 1);
        for i in 0..rows {
            indptr[i + 1] += indptr[i];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; indptr[rows]];
        let mut data = vec![0.0; indptr[rows]];
        each(&mut |i, j, value| {
            indices[next[i]] = j as u32;
            data[next[i]] = value;
            next[i] += 1;
        });
        Self { indptr, indices, data }
    }

    fn transposed(&self, columns: usize) -> Self {
        Self::collect(columns, |visit| self.each_entry(&mut |i, j, value| visit(j, i, value)))
    }

    fn each_entry(&self, visit: &mut impl FnMut(usize, usize, f64)) {
        for (i, range) in self.indptr.windows(2).enumerate() {
            let range = range[0]..range[1];
            for (&j, &value) in self.indices[range.clone()].iter().zip(&self.data[range]) {
                visit(i, j as usize, value);
            }
        }
    }

    /// `y = M x`.
    fn multiply(&self, x: &[Row], y: &mut [Row]) {
        for (range, out) in self.indptr.windows(2).zip(y) {
            let range = range[0]..range[1];
            let (indices, data) = (&self.indices[range.clone()], &self.data[range]);
            let mut sums = [f64x4::ZERO; 4];
            let whole = indices.len() / 4 * 4;
            for (indices, data) in indices[..whole].chunks_exact(4).zip(data.chunks_exact(4)) {
                for u in 0..4 {
                    sums[u] = f64x4::from(data[u]).mul_add(f64x4::from(x[indices[u] as usize]), sums[u]);
                }
            }
            for (&j, &value) in indices[whole..].iter().zip(&data[whole..]) {
                sums[0] = f64x4::from(value).mul_add(f64x4::from(x[j as usize]), sums[0]);
            }
            *out = (sums[0] + sums[1] + (sums[2] + sums[3])).to_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Csr;
    use crate::rng::{ChaCha8Rng, Purpose, stream};
    use ndarray::Array2;
    use rand::Rng;

    /// A node set all of whose nodes are isolated leaves blocks without rows or columns.
    #[test]
    fn blocks_of_no_nodes_are_nothing() {
        let empty = |rows, columns| Block { source: 0, target: 1, weights: Csr::zero((rows, columns)) };
        let blocks = [empty(3, 0), empty(0, 2), empty(0, 0)];
        let place = |block| Place { block, first: (0, 3), transposed: false, mirrored: true };
        let matrix = BlockMatrix::symmetric(5, &blocks.each_ref().map(place));
        let mut y = vec![[f64::NAN; BLOCK]; 5];
        matrix.multiply(&[[1.0; BLOCK]; 5], &mut y);
        assert!(y.iter().all(|row| *row == [0.0; BLOCK]));
    }

    /// Dense (f32 and f64), sparse and half-empty blocks in all positions against the same matrix written out.
    #[test]
    fn products_are_those_of_the_matrix_written_out() {
        let mut rng = stream(0, Purpose::InitialWeights, 0, 0);
        let random = |rng: &mut ChaCha8Rng, (rows, columns), density: f64, exact: bool| {
            let dense = Array2::from_shape_simple_fn((rows, columns), || match rng.gen_range(0.0..1.0) < density {
                true if exact => f64::from(rng.gen_range(0.5f32..1.0)),
                true => rng.gen_range(0.5..1.0),
                false => 0.0,
            });
            Block { source: 0, target: 1, weights: Csr::csr_from_dense(dense.view(), 0.0) }
        };
        for mirrored in [false, true] {
            let blocks = [
                random(&mut rng, (13, 9), 1.0, true),
                random(&mut rng, (9, 21), 0.1, false),
                random(&mut rng, (8, 5), 0.5, false),
                random(&mut rng, (3, 16), 0.4, true),
            ];
            let n = 80;
            let places: Vec<Place> = blocks
                .iter()
                .zip([((0, 40), false), ((13, 50), true), ((34, 71), false), ((40, 76), true)])
                .map(|(block, (first, transposed))| Place { block, first, transposed, mirrored })
                .collect();
            let mut written_out = Array2::<f64>::zeros((n, n));
            for place in &places {
                for (weight, (i, j)) in &place.block.weights {
                    let (i, j) = (i as usize, j as usize);
                    let (i, j) = if place.transposed { (j, i) } else { (i, j) };
                    written_out[[place.first.0 + i, place.first.1 + j]] = *weight;
                    if mirrored {
                        written_out[[place.first.1 + j, place.first.0 + i]] = *weight;
                    }
                }
            }
            let matrix = if mirrored { BlockMatrix::symmetric(n, &places) } else { BlockMatrix::new((n, n), &places) };
            assert_eq!(matrix.dense.len(), 3);
            let x: Vec<Row> = (0..n).map(|_| std::array::from_fn(|_| rng.gen_range(-1.0..1.0))).collect();
            let x_matrix = Array2::from_shape_fn((n, BLOCK), |(i, b)| x[i][b]);
            for transposed in [false, true] {
                let mut y = vec![[f64::NAN; BLOCK]; n];
                let expected = match transposed {
                    false => {
                        matrix.multiply(&x, &mut y);
                        written_out.dot(&x_matrix)
                    }
                    true => {
                        matrix.multiply_transposed(&x, &mut y);
                        written_out.t().dot(&x_matrix)
                    }
                };
                for ((i, b), value) in expected.indexed_iter() {
                    assert!((y[i][b] - value).abs() < 1e-13, "{} against {value}", y[i][b]);
                }
            }
            let mut entries = Array2::<f64>::zeros((n, n));
            matrix.each_entry(|i, j, value| entries[[i, j]] += value);
            assert_eq!(entries, written_out);
        }
    }
}
