//! Dense layers to a graph.

use super::{Block, Csr, NeuronGraph, NodeSet};
use ndarray::Array2;
use sprs::CsMatI;

/// The graph of a chain of dense layers: every neuron is a node, input and output ones too, and `|W_l|` are the edges
/// between layers l and l + 1. Biases are left out (paper, section 1.1).
///
/// `layers` are `(name, weight)` with `weight` `(d_in, d_out)`, f64. The first node set is called `input`.
///
/// # Panics
///
/// If a layer's `d_in` is not the `d_out` before it, or there are no layers.
pub fn mlp_graph(layers: Vec<(String, Array2<f64>)>) -> NeuronGraph {
    let mut node_sets = vec![NodeSet { name: "input".into(), size: layers[0].1.nrows() }];
    let mut blocks = Vec::with_capacity(layers.len());
    for (source, (name, weight)) in layers.into_iter().enumerate() {
        assert_eq!(weight.nrows(), node_sets[source].size, "layer {name} does not take what the layer before it gives");
        node_sets.push(NodeSet { name, size: weight.ncols() });
        blocks.push(block(source, source + 1, &weight));
    }
    NeuronGraph { node_sets, blocks }
}

/// The edges `|weight|`, `(size of source, size of target)`.
pub(super) fn block(source: usize, target: usize, weight: &Array2<f64>) -> Block {
    Block { source, target, weights: absolute(weight) }
}

fn absolute(weight: &Array2<f64>) -> Csr {
    let mut indptr = vec![0u32];
    let mut indices = Vec::new();
    let mut data = Vec::new();
    for row in weight.rows() {
        for (j, &w) in row.iter().enumerate() {
            if w != 0.0 {
                indices.push(j as u32);
                data.push(w.abs());
            }
        }
        indptr.push(indices.len() as u32);
    }
    CsMatI::new(weight.dim(), indptr, indices, data)
}

/// The smallest of the `kept` largest magnitudes.
pub(super) fn magnitude_threshold(magnitudes: &mut [f64], kept: usize) -> f64 {
    match kept {
        0 => f64::INFINITY,
        _ => *magnitudes.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a)).1,
    }
}

impl NeuronGraph {
    /// Drops `fraction` of each block's matrix, the smallest weights first; zeros count as weights, but not in a block within one
    /// node set, as a graph without layers has: there it is `fraction` of the edges.
    /// `round(size (1 − fraction))` weights stay, and ties with the last of them.
    ///
    /// # Panics
    ///
    /// If `fraction` is outside `[0, 1)`.
    pub fn prune(&mut self, fraction: f64) {
        assert!((0.0..1.0).contains(&fraction), "pruning fraction {fraction} is outside [0, 1)");
        for block in &mut self.blocks {
            let size = match block.source == block.target {
                true => block.weights.nnz(),
                false => block.weights.rows() * block.weights.cols(),
            };
            let kept = (size as f64 * (1.0 - fraction)).round() as usize;
            if kept >= block.weights.nnz() {
                continue;
            }
            let threshold = magnitude_threshold(&mut block.weights.data().to_vec(), kept);
            block.drop_below(threshold);
        }
    }

    /// Drops edges of a weight below `least`; none if that is 0.
    pub fn drop_below(&mut self, least: f64) {
        if least > 0.0 {
            self.blocks.iter_mut().for_each(|block| block.drop_below(least));
        }
    }
}

impl Block {
    fn drop_below(&mut self, least: f64) {
        let mut indptr = vec![0u32];
        let (mut indices, mut data) = (Vec::new(), Vec::new());
        for row in self.weights.outer_iterator() {
            for (j, &weight) in row.iter().filter(|(_, w)| **w >= least) {
                indices.push(j as u32);
                data.push(weight);
            }
            indptr.push(indices.len() as u32);
        }
        self.weights = CsMatI::new(self.weights.shape(), indptr, indices, data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn pruning_keeps_the_largest_and_their_ties() {
        let mut graph = mlp_graph(vec![("a".into(), array![[1.0, -2.0, 3.0], [0.0, 2.0, 0.5]])]);
        graph.prune(0.5); // 3 of 6 stay: 3, 2, 2
        assert_eq!(graph.blocks[0].weights.data(), [2.0, 3.0, 2.0]);
        graph.prune(2.0 / 3.0); // 2 of 6 would stay, and the tie
        assert_eq!(graph.edges(), 3);
        graph.prune(0.999);
        assert_eq!(graph.edges(), 0);
    }

    #[test]
    fn edges_below_the_least_weight_are_dropped() {
        let mut graph = mlp_graph(vec![("a".into(), array![[1e-9, -2.0, 1e-8], [0.0, -1e-40, 0.5]])]);
        graph.drop_below(1e-8);
        assert_eq!((graph.blocks[0].weights.data(), graph.edges()), (&[2.0, 1e-8, 0.5][..], 3));
        graph.drop_below(0.0);
        assert_eq!(graph.edges(), 3);
    }

    #[test]
    fn of_a_graph_without_layers_a_share_of_the_edges_is_pruned() {
        let mut adjacency = sprs::TriMatI::<f64, u32>::new((20, 20));
        for i in 0..10 {
            adjacency.add_triplet(i, 19 - i, 1.0 + i as f64);
            adjacency.add_triplet(19 - i, i, 1.0 + i as f64);
        }
        let all = vec![crate::graph::NodeSet { name: "all".into(), size: 20 }];
        let mut graph = NeuronGraph::from_adjacency(&adjacency.to_csr(), all);
        graph.prune(0.3);
        assert_eq!((graph.edges(), graph.adjacency().data().iter().sum::<f64>()), (7, 2.0 * 49.0));
    }
}
