//! The normalised adjacency matrix S of a graph, and with it the symmetric normalised Laplacian L_sym = I − S.
//!
//! ```text
//! S_ij = A_ij / √(d_i d_j)          L_sym = I − D^-1/2 A D^-1/2
//! ```
//!
//! The smallest eigenvalues λ of L_sym are 1 − θ for the largest eigenvalues θ of S, with the same eigenvectors; those
//! of the paper's L_norm = D^-1 L are the same λ, its eigenvectors are D^-1/2 u.

use crate::graph::NeuronGraph;
use crate::graph::components::Components;

/// Vectors that are worked on together: a matrix of this many columns, stored row by row.
pub const BLOCK: usize = 4;

/// One row of [`BLOCK`] vectors.
pub type Row = [f64; BLOCK];

/// A sparse matrix by rows, for products with several vectors at once.
#[derive(Debug, Clone)]
pub struct SparseRows {
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
        Self::collect(columns, |visit| {
            for i in 0..self.rows() {
                let range = self.indptr[i]..self.indptr[i + 1];
                for (&j, &value) in self.indices[range.clone()].iter().zip(&self.data[range]) {
                    visit(j as usize, i, value);
                }
            }
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Columns of the entries of row `i`.
    pub fn row_indices(&self, i: usize) -> &[u32] {
        &self.indices[self.indptr[i]..self.indptr[i + 1]]
    }

    /// The entries of row `i`: column and value.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.indptr[i]..self.indptr[i + 1];
        self.indices[range.clone()].iter().map(|&j| j as usize).zip(self.data[range].iter().copied())
    }

    /// `y = M x`; `x` `(columns, BLOCK)`, `y` `(rows, BLOCK)`.
    pub fn multiply(&self, x: &[Row], y: &mut [Row]) {
        for (i, out) in y.iter_mut().enumerate() {
            let range = self.indptr[i]..self.indptr[i + 1];
            let mut sum = [0.0; BLOCK];
            for (&j, &value) in self.indices[range.clone()].iter().zip(&self.data[range]) {
                let xj = &x[j as usize];
                for c in 0..BLOCK {
                    sum[c] += value * xj[c];
                }
            }
            *out = sum;
        }
    }
}

/// How S is stored.
#[derive(Debug, Clone)]
pub enum Form {
    /// A graph whose edges all join two sides: S = [[0, B], [Bᵀ, 0]] with the smaller side first. Its eigenvalues are
    /// ± the singular values of B, so that everything can be had from the smaller side.
    Bipartite {
        /// Nodes of the smaller side, ascending; rows of B.
        small: Vec<u32>,
        /// Nodes of the larger side, ascending; columns of B.
        large: Vec<u32>,
        /// B, `(small, large)`.
        rows: SparseRows,
        /// Bᵀ, `(large, small)`.
        columns: SparseRows,
    },
    /// S itself, `(n, n)`, both triangles.
    General(SparseRows),
}

/// S = D^-1/2 A D^-1/2 with what a solver needs to know of the graph.
#[derive(Debug, Clone)]
pub struct NormalizedAdjacency {
    /// d_i > 0, `(n,)`.
    pub degrees: Vec<f64>,
    /// The matrix.
    pub form: Form,
    /// Connected components; L_sym has an eigenvalue 0 for each.
    pub components: Components,
}

impl NormalizedAdjacency {
    /// # Panics
    ///
    /// If some node has degree zero: drop those first ([`NeuronGraph::without_isolated`]).
    pub fn new(graph: &NeuronGraph) -> Self {
        let degrees = graph.degrees();
        let scale: Vec<f64> = degrees.iter().map(|d| 1.0 / d.sqrt()).collect();
        assert!(scale.iter().all(|s| s.is_finite()), "a node of degree zero reached the Laplacian");
        match graph.two_sides() {
            Some(side_of_set) => Self::bipartite(graph, degrees, &scale, &side_of_set),
            None => Self::general(graph, degrees, &scale),
        }
    }

    /// The same matrix stored whole, whatever the graph's shape.
    #[cfg(test)]
    pub fn general_form(graph: &NeuronGraph) -> Self {
        let degrees = graph.degrees();
        let scale: Vec<f64> = degrees.iter().map(|d| 1.0 / d.sqrt()).collect();
        Self::general(graph, degrees, &scale)
    }

    fn general(graph: &NeuronGraph, degrees: Vec<f64>, scale: &[f64]) -> Self {
        let matrix = SparseRows::collect(degrees.len(), |visit| {
            graph.each_entry(|i, j, weight, mirrored| {
                let value = weight * scale[i] * scale[j];
                visit(i, j, value);
                if mirrored {
                    visit(j, i, value);
                }
            });
        });
        let components = Components::search(degrees.len(), |i| (matrix.row_indices(i), 0));
        Self { degrees, form: Form::General(matrix), components }
    }

    fn bipartite(graph: &NeuronGraph, degrees: Vec<f64>, scale: &[f64], side_of_set: &[u8]) -> Self {
        let side: Vec<u8> =
            graph.node_sets.iter().zip(side_of_set).flat_map(|(set, &side)| vec![side; set.size]).collect();
        let of_side = |wanted| -> Vec<u32> { (0..side.len() as u32).filter(|&i| side[i as usize] == wanted).collect() };
        let (mut small, mut large, mut small_side) = (of_side(0), of_side(1), 0);
        if small.len() > large.len() {
            (small, large, small_side) = (large, small, 1);
        }
        let mut position = vec![0usize; side.len()];
        for nodes in [&small, &large] {
            for (p, &node) in nodes.iter().enumerate() {
                position[node as usize] = p;
            }
        }
        let rows = SparseRows::collect(small.len(), |visit| {
            graph.each_entry(|i, j, weight, _| {
                let (row, column) = if side[i] == small_side { (i, j) } else { (j, i) };
                visit(position[row], position[column], weight * scale[i] * scale[j]);
            });
        });
        let columns = rows.transposed(large.len());
        let split = small.len();
        let by_side = Components::search(side.len(), |p| match p < split {
            true => (rows.row_indices(p), split),
            false => (columns.row_indices(p - split), 0),
        });
        let mut of = vec![0; side.len()];
        for (&node, &component) in small.iter().chain(&large).zip(&by_side.of) {
            of[node as usize] = component;
        }
        let components = Components { count: by_side.count, of };
        Self { degrees, form: Form::Bipartite { small, large, rows, columns }, components }
    }

    /// Number of nodes n.
    pub fn nodes(&self) -> usize {
        self.degrees.len()
    }

    /// `y = S x`, both `(n, BLOCK)` in node order.
    pub fn multiply(&self, x: &[Row], y: &mut [Row]) {
        match &self.form {
            Form::General(matrix) => matrix.multiply(x, y),
            Form::Bipartite { small, large, rows, columns } => {
                for (matrix, to, from) in [(rows, small, large), (columns, large, small)] {
                    let gathered: Vec<Row> = from.iter().map(|&i| x[i as usize]).collect();
                    let mut product = vec![[0.0; BLOCK]; to.len()];
                    matrix.multiply(&gathered, &mut product);
                    for (&i, row) in to.iter().zip(product) {
                        y[i as usize] = row;
                    }
                }
            }
        }
    }

    /// The entries of row `i` of S in node order of its columns' side: `visit(j, S_ij)`.
    pub fn each_in_row(&self, i: usize, mut visit: impl FnMut(usize, f64)) {
        match &self.form {
            Form::General(matrix) => matrix.row(i).for_each(|(j, value)| visit(j, value)),
            Form::Bipartite { small, large, rows, columns } => match small.binary_search(&(i as u32)) {
                Ok(p) => rows.row(p).for_each(|(j, value)| visit(large[j] as usize, value)),
                Err(_) => {
                    let p = large.binary_search(&(i as u32)).unwrap_or_else(|_| unreachable!("every node has a side"));
                    columns.row(p).for_each(|(j, value)| visit(small[j] as usize, value));
                }
            },
        }
    }
}
