//! The normalised adjacency matrix S of a graph, and with it the symmetric normalised Laplacian L_sym = I − S.
//!
//! ```text
//! S_ij = A_ij / √(d_i d_j)          L_sym = I − D^-1/2 A D^-1/2
//! ```
//!
//! The smallest eigenvalues λ of L_sym are 1 − θ for the largest eigenvalues θ of S, with the same eigenvectors; those
//! of the paper's L_norm = D^-1 L are the same λ, its eigenvectors are D^-1/2 u.

pub use super::block_matrix::{BLOCK, Row};
use super::block_matrix::{BlockMatrix, Place};
use crate::graph::NeuronGraph;
use crate::graph::components::Components;

/// How A is stored.
#[derive(Debug, Clone)]
pub enum Form {
    /// A graph whose edges all join two sides: A = [[0, W], [Wᵀ, 0]] with the smaller side first, and so is S with B in the
    /// place of W. The eigenvalues of S are ± the singular values of B, so that everything can be had from the smaller side.
    Bipartite {
        /// Nodes of the smaller side, ascending; rows of W.
        small: Vec<u32>,
        /// Nodes of the larger side, ascending; columns of W.
        large: Vec<u32>,
        /// W, `(small, large)`.
        weights: BlockMatrix,
    },
    /// A itself, `(n, n)`.
    General(BlockMatrix),
}

/// S = D^-1/2 A D^-1/2 with what a solver needs to know of the graph.
#[derive(Debug, Clone)]
pub struct NormalizedAdjacency {
    /// d_i > 0, `(n,)`.
    pub degrees: Vec<f64>,
    /// 1 / √d_i, `(n,)`.
    pub scale: Vec<f64>,
    /// A.
    pub form: Form,
    /// Connected components; L_sym has an eigenvalue 0 for each.
    pub components: Components,
}

impl NormalizedAdjacency {
    /// # Panics
    ///
    /// If some node has degree zero: drop those first ([`NeuronGraph::without_isolated`]).
    pub fn new(graph: &NeuronGraph) -> Self {
        let form = match graph.two_sides() {
            Some(side_of_set) => bipartite(graph, &side_of_set),
            None => general(graph),
        };
        Self::of(graph, form)
    }

    /// The same matrix stored whole, whatever the graph's shape.
    #[cfg(test)]
    pub fn general_form(graph: &NeuronGraph) -> Self {
        Self::of(graph, general(graph))
    }

    fn of(graph: &NeuronGraph, form: Form) -> Self {
        let degrees = graph.degrees();
        let scale: Vec<f64> = degrees.iter().map(|d| 1.0 / d.sqrt()).collect();
        assert!(scale.iter().all(|s| s.is_finite()), "a node of degree zero reached the Laplacian");
        Self { degrees, scale, form, components: Components::of(graph) }
    }

    /// Number of nodes n.
    pub fn nodes(&self) -> usize {
        self.degrees.len()
    }

    /// `y = S x`, both `(n, BLOCK)` in node order.
    pub fn multiply(&self, x: &[Row], y: &mut [Row]) {
        let scaled = |i: usize| x[i].map(|x| self.scale[i] * x);
        match &self.form {
            Form::General(weights) => {
                let x: Vec<Row> = (0..x.len()).map(scaled).collect();
                weights.multiply(&x, y);
                y.iter_mut().zip(&self.scale).for_each(|(row, scale)| *row = row.map(|y| scale * y));
            }
            Form::Bipartite { small, large, weights } => {
                for (to, from) in [(small, large), (large, small)] {
                    let gathered: Vec<Row> = from.iter().map(|&i| scaled(i as usize)).collect();
                    let mut product = vec![[0.0; BLOCK]; to.len()];
                    match std::ptr::eq(to, small) {
                        true => weights.multiply(&gathered, &mut product),
                        false => weights.multiply_transposed(&gathered, &mut product),
                    }
                    for (&i, row) in to.iter().zip(product) {
                        y[i as usize] = row.map(|y| self.scale[i as usize] * y);
                    }
                }
            }
        }
    }

    /// Calls `visit(i, j, S_ij)` with each entry of the lower triangle, `i ≥ j`, that is not zero.
    pub fn each_in_lower_triangle(&self, mut visit: impl FnMut(usize, usize, f64)) {
        let mut put = |i: usize, j: usize, weight: f64| {
            visit(i.max(j), i.min(j), weight * self.scale[i] * self.scale[j]);
        };
        match &self.form {
            Form::General(weights) => weights.each_entry(|i, j, weight| {
                if i >= j {
                    put(i, j, weight);
                }
            }),
            Form::Bipartite { small, large, weights } => {
                weights.each_entry(|p, q, weight| put(small[p] as usize, large[q] as usize, weight));
            }
        }
    }
}

fn general(graph: &NeuronGraph) -> Form {
    let offsets = graph.offsets();
    let places: Vec<Place> = graph
        .blocks
        .iter()
        .map(|block| Place {
            block,
            first: (offsets[block.source], offsets[block.target]),
            transposed: false,
            // a block within a node set has both triangles already
            mirrored: block.source != block.target,
        })
        .collect();
    Form::General(BlockMatrix::symmetric(graph.nodes(), &places))
}

fn bipartite(graph: &NeuronGraph, side_of_set: &[u8]) -> Form {
    let mut sides = [Vec::new(), Vec::new()];
    let mut first_of_set = Vec::with_capacity(side_of_set.len());
    let mut node = 0u32;
    for (set, &side) in graph.node_sets.iter().zip(side_of_set) {
        let nodes = &mut sides[usize::from(side)];
        first_of_set.push(nodes.len());
        nodes.extend(node..node + set.size as u32);
        node += set.size as u32;
    }
    let small_side = u8::from(sides[0].len() > sides[1].len());
    let [mut small, mut large] = sides;
    if small_side == 1 {
        std::mem::swap(&mut small, &mut large);
    }
    let places: Vec<Place> = graph
        .blocks
        .iter()
        .map(|block| {
            let transposed = side_of_set[block.source] != small_side;
            let (row, column) = if transposed { (block.target, block.source) } else { (block.source, block.target) };
            Place { block, first: (first_of_set[row], first_of_set[column]), transposed, mirrored: false }
        })
        .collect();
    let weights = BlockMatrix::new((small.len(), large.len()), &places);
    Form::Bipartite { small, large, weights }
}
