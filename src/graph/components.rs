//! Connected components.

use super::NeuronGraph;
use super::disjoint_sets::DisjointSets;

/// The connected components of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Number of components.
    pub count: usize,
    /// Component of each node, numbered by their first node: `(nodes,)`.
    pub of: Vec<u32>,
}

impl Components {
    /// Joins the ends of edges until all nodes are together or there are no more edges.
    pub fn of(graph: &NeuronGraph) -> Self {
        let mut sets = DisjointSets::new(graph.nodes());
        let offsets = graph.offsets();
        // One edge of each row, and all of the first: enough where blocks are dense.
        for all in [false, true] {
            for block in &graph.blocks {
                let (rows, columns) = (offsets[block.source] as u32, offsets[block.target] as u32);
                for (i, row) in block.weights.outer_iterator().enumerate() {
                    if sets.count() == 1 {
                        break;
                    }
                    let edges = if all || i == 0 { row.indices() } else { &row.indices()[..row.nnz().min(1)] };
                    edges.iter().for_each(|j| sets.join(rows + i as u32, columns + j));
                }
            }
        }
        let mut number = vec![u32::MAX; graph.nodes()];
        let mut count = 0;
        let of = (0..graph.nodes() as u32)
            .map(|node| {
                let number = &mut number[sets.least(node) as usize];
                if *number == u32::MAX {
                    *number = count;
                    count += 1;
                }
                *number
            })
            .collect();
        Self { count: count as usize, of }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use ndarray::array;

    #[test]
    fn counts_and_numbers_by_first_node() {
        let first = array![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 3.0, 0.0]];
        let second = array![[0.0, 0.0], [0.0, 4.0], [0.0, 0.0]];
        let graph = mlp_graph(vec![("a".into(), first), ("b".into(), second)]);
        assert_eq!(Components::of(&graph), Components { count: 4, of: vec![0, 1, 1, 0, 1, 2, 3, 1] });
    }

    /// A chain that the first pass leaves in pieces.
    #[test]
    fn edges_beyond_the_first_of_a_row_count() {
        let first = array![[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]];
        let graph = mlp_graph(vec![("a".into(), first)]);
        assert_eq!(Components::of(&graph), Components { count: 1, of: vec![0; 6] });
    }
}
