//! The graph of a network: neurons, or channels, are nodes, absolute weights are edges.
//!
//! A graph keeps the *blocks* it is made of (which node set, which matrix), because null models permute within a block,
//! solvers use the layered structure, and pictures show it. The adjacency matrix is a view of the blocks.

mod channels;
pub mod components;
mod disjoint_sets;
pub mod file;
mod mlp;

pub use channels::{Convention, GraphLayers, GraphParams, Norm, Weighted, channel_graph};
pub use mlp::mlp_graph;
use sprs::CsMatI;
use std::collections::BTreeMap;
use std::ops::Range;

/// Sparse matrix in CSR form, f64 with 32-bit indices; indices sorted in each row, explicit zeros absent.
pub type Csr = CsMatI<f64, u32>;

/// A layer's neurons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSet {
    /// As in the model file, or `input`.
    pub name: String,
    /// Number of neurons.
    pub size: usize,
}

/// The edges between two node sets.
#[derive(Debug, Clone)]
pub struct Block {
    /// Index of the node set of the rows.
    pub source: usize,
    /// Index of the node set of the columns. If it equals `source`, `weights` is symmetric and holds both triangles.
    pub target: usize,
    /// `(size of source, size of target)`, entries > 0.
    pub weights: Csr,
}

/// An undirected weighted graph in blocks. Nodes are numbered node set by node set.
#[derive(Debug, Clone)]
pub struct NeuronGraph {
    /// In layer order.
    pub node_sets: Vec<NodeSet>,
    /// At most one for each pair of node sets.
    pub blocks: Vec<Block>,
}

impl NeuronGraph {
    /// Cuts a symmetric adjacency matrix into the blocks of consecutive node sets. Blocks without edges are left out.
    ///
    /// # Panics
    ///
    /// If the sizes of `node_sets` do not add up to the matrix's dimension.
    pub fn from_adjacency(adjacency: &Csr, node_sets: Vec<NodeSet>) -> Self {
        let offsets = offsets(&node_sets);
        assert_eq!(offsets[node_sets.len()], adjacency.rows(), "node sets do not cover the adjacency matrix");
        let set_of: Vec<usize> = node_sets.iter().enumerate().flat_map(|(set, s)| vec![set; s.size]).collect();
        let mut rows: BTreeMap<(usize, usize), BlockRows> = BTreeMap::new();
        for (i, row) in adjacency.outer_iterator().enumerate() {
            let source = set_of[i];
            let mut entries = row.iter().filter(|(j, _)| source <= set_of[*j]).peekable();
            while let Some((j, _)) = entries.peek() {
                // columns are sorted, so those of one block follow each other
                let target = set_of[*j];
                let block = rows.entry((source, target)).or_default();
                while let Some((j, &weight)) = entries.next_if(|(j, _)| set_of[*j] == target) {
                    block.push(i - offsets[source], j - offsets[target], weight);
                }
            }
        }
        let block = |((source, target), rows): ((usize, usize), BlockRows)| {
            let shape = (node_sets[source].size, node_sets[target].size);
            Block { source, target, weights: rows.into_csr(shape) }
        };
        let blocks = rows.into_iter().map(block).collect();
        Self { node_sets, blocks }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.node_sets.iter().map(|set| set.size).sum()
    }

    /// Number of undirected edges, self-loops included.
    pub fn edges(&self) -> usize {
        self.blocks
            .iter()
            .map(|block| match block.source == block.target {
                false => block.weights.nnz(),
                true => {
                    let loops = block.weights.iter().filter(|(_, (i, j))| i == j).count();
                    (block.weights.nnz() - loops) / 2 + loops
                }
            })
            .sum()
    }

    /// First node of each node set, and the number of nodes at the end: `(node sets + 1,)`.
    pub fn offsets(&self) -> Vec<usize> {
        offsets(&self.node_sets)
    }

    /// `d_i = Σ_j A_ij`, `(nodes,)`.
    pub fn degrees(&self) -> Vec<f64> {
        let mut degrees = vec![0.0; self.nodes()];
        let offsets = self.offsets();
        for Block { source, target, weights } in &self.blocks {
            let ranges: Vec<_> = weights.indptr().iter_outer_sz().collect();
            let row = |range: Option<&Range<usize>>| range.map_or(&[][..], |range| &weights.data()[range.clone()]);
            for (degrees, ranges) in degrees[offsets[*source]..].chunks_mut(4).zip(ranges.chunks(4)) {
                let sums = sums(std::array::from_fn(|r| row(ranges.get(r))));
                degrees.iter_mut().zip(sums).for_each(|(degree, sum)| *degree += sum);
            }
            if source == target {
                continue;
            }
            let columns = &mut degrees[offsets[*target]..][..weights.cols()];
            for row in weights.outer_iterator() {
                match row.nnz() == columns.len() {
                    true => columns.iter_mut().zip(row.data()).for_each(|(degree, weight)| *degree += weight),
                    false => row.iter().for_each(|(j, weight)| columns[j] += weight),
                }
            }
        }
        degrees
    }

    /// Calls `visit(i, j, weight, mirrored)` for each stored entry, in block and row order. `mirrored` says that the
    /// entry `(j, i)` is part of the adjacency matrix but not visited by itself.
    pub fn each_entry(&self, mut visit: impl FnMut(usize, usize, f64, bool)) {
        let offsets = self.offsets();
        for block in &self.blocks {
            let (rows, columns) = (offsets[block.source], offsets[block.target]);
            for (i, row) in block.weights.outer_iterator().enumerate() {
                for (&j, &weight) in row.indices().iter().zip(row.data()) {
                    visit(rows + i, columns + j as usize, weight, block.source != block.target);
                }
            }
        }
    }

    /// The adjacency matrix A, `(nodes, nodes)`, symmetric, both triangles stored.
    pub fn adjacency(&self) -> Csr {
        let nodes = self.nodes();
        let mut indptr = vec![0usize; nodes + 1];
        self.each_entry(|i, j, _, mirrored| {
            indptr[i + 1] += 1;
            indptr[j + 1] += usize::from(mirrored);
        });
        for i in 0..nodes {
            indptr[i + 1] += indptr[i];
        }
        let mut next = indptr.clone();
        let mut indices = vec![0u32; indptr[nodes]];
        let mut data = vec![0.0; indptr[nodes]];
        let mut put = |i: usize, j: usize, weight: f64| {
            indices[next[i]] = j as u32;
            data[next[i]] = weight;
            next[i] += 1;
        };
        self.each_entry(|i, j, weight, mirrored| {
            put(i, j, weight);
            if mirrored {
                put(j, i, weight);
            }
        });
        let indptr = indptr.into_iter().map(|p| p as u32).collect();
        CsMatI::new_from_unsorted((nodes, nodes), indptr, indices, data)
            .expect("blocks are disjoint, so the adjacency is well formed")
    }

    /// Divides every weight by the largest if sums or squares of weights might leave the range of f64. No measure depends
    /// on the scale.
    pub fn rescale(&mut self) {
        const SAFE: std::ops::Range<f64> = 1e-100..1e100;
        let largest = self.blocks.iter().flat_map(|block| block.weights.data()).copied().fold(0.0, f64::max);
        if largest > 0.0 && !SAFE.contains(&largest) {
            for block in &mut self.blocks {
                block.weights.data_mut().iter_mut().for_each(|weight| *weight /= largest);
            }
        }
    }

    /// The graph without its zero-degree nodes, and which nodes it kept: `(nodes,)`.
    ///
    /// Only neurons all of whose weights are zero go (paper, footnote 1); small components stay.
    pub fn without_isolated(self) -> (Self, Vec<bool>) {
        let kept: Vec<bool> = self.degrees().iter().map(|&d| d > 0.0).collect();
        if kept.iter().all(|&k| k) {
            return (self, kept);
        }
        let offsets = self.offsets();
        // new number of each node within its node set
        let mut number = vec![0u32; kept.len()];
        let mut node_sets = self.node_sets.clone();
        for (set, node_set) in node_sets.iter_mut().enumerate() {
            let mut next = 0;
            for node in offsets[set]..offsets[set + 1] {
                number[node] = next;
                next += u32::from(kept[node]);
            }
            node_set.size = next as usize;
        }
        let blocks = self
            .blocks
            .iter()
            .map(|block| {
                let (rows, columns) = (offsets[block.source], offsets[block.target]);
                let mut indptr = vec![0u32];
                for (i, row) in block.weights.outer_iterator().enumerate() {
                    if kept[rows + i] {
                        indptr.push(indptr[indptr.len() - 1] + row.nnz() as u32);
                    }
                }
                let indices = block.weights.indices().iter().map(|&j| number[columns + j as usize]).collect();
                let shape = (node_sets[block.source].size, node_sets[block.target].size);
                let weights = CsMatI::new(shape, indptr, indices, block.weights.data().to_vec());
                Block { weights, ..*block }
            })
            .collect();
        (Self { node_sets, blocks }, kept)
    }

    /// A side (0 or 1) for each node set such that every block joins the two sides, if there is such a split. A chain
    /// of layers has one: even and odd layers.
    pub fn two_sides(&self) -> Option<Vec<u8>> {
        const UNSEEN: u8 = 2;
        let mut side = vec![UNSEEN; self.node_sets.len()];
        for first in 0..side.len() {
            if side[first] != UNSEEN {
                continue;
            }
            side[first] = 0;
            let mut stack = vec![first];
            while let Some(set) = stack.pop() {
                for block in &self.blocks {
                    let other = match set {
                        s if s == block.source => block.target,
                        s if s == block.target => block.source,
                        _ => continue,
                    };
                    if side[other] == UNSEEN {
                        side[other] = 1 - side[set];
                        stack.push(other);
                    } else if side[other] == side[set] {
                        return None;
                    }
                }
            }
        }
        Some(side)
    }
}

/// The sum of each row from its first entry to its last; in step, so that an addition need not wait for the one before it.
fn sums(rows: [&[f64]; 4]) -> [f64; 4] {
    let shortest = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let mut sums = [0.0; 4];
    let [a, b, c, d] = rows.map(|row| row[..shortest].iter());
    for (((a, b), c), d) in a.zip(b).zip(c).zip(d) {
        sums.iter_mut().zip([a, b, c, d]).for_each(|(sum, weight)| *sum += weight);
    }
    std::array::from_fn(|r| rows[r][shortest..].iter().fold(sums[r], |sum, weight| sum + weight))
}

fn offsets(node_sets: &[NodeSet]) -> Vec<usize> {
    let mut offsets = vec![0];
    for set in node_sets {
        offsets.push(offsets[offsets.len() - 1] + set.size);
    }
    offsets
}

/// Entries of one block in row order.
#[derive(Default)]
struct BlockRows {
    row_of: Vec<u32>,
    indices: Vec<u32>,
    data: Vec<f64>,
}

impl BlockRows {
    fn push(&mut self, row: usize, column: usize, weight: f64) {
        self.row_of.push(row as u32);
        self.indices.push(column as u32);
        self.data.push(weight);
    }

    fn into_csr(self, shape: (usize, usize)) -> Csr {
        let mut indptr = vec![0u32; shape.0 + 1];
        for &row in &self.row_of {
            indptr[row as usize + 1] += 1;
        }
        for row in 0..shape.0 {
            indptr[row + 1] += indptr[row];
        }
        CsMatI::new(shape, indptr, self.indices, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn chain() -> NeuronGraph {
        let first = array![[1.0, 0.0, -2.0], [0.0, 0.0, 3.0]];
        let second = array![[4.0, 0.0], [0.0, 0.0], [-5.0, 0.0]];
        mlp_graph(vec![("a".into(), first), ("b".into(), second)])
    }

    #[test]
    fn adjacency_is_block_tridiagonal_and_symmetric() {
        let dense: Array2<f64> = chain().adjacency().to_dense();
        assert_eq!(dense, dense.t());
        assert_eq!(dense[[0, 2]], 1.0);
        assert_eq!(dense[[0, 4]], 2.0);
        assert_eq!(dense[[4, 5]], 5.0);
        assert_eq!(chain().edges(), 5);
        assert_eq!(chain().degrees(), dense.rows().into_iter().map(|row| row.sum()).collect::<Vec<_>>());
    }

    #[test]
    fn isolated_nodes_are_dropped_and_remembered() {
        let (reduced, kept) = chain().without_isolated();
        assert_eq!(kept, [true, true, true, false, true, true, false]);
        assert_eq!(reduced.node_sets.iter().map(|s| s.size).collect::<Vec<_>>(), [2, 2, 1]);
        let full: Array2<f64> = chain().adjacency().to_dense();
        let dense: Array2<f64> = reduced.adjacency().to_dense();
        let old: Vec<usize> = (0..7).filter(|&i| kept[i]).collect();
        for (i, &a) in old.iter().enumerate() {
            for (j, &b) in old.iter().enumerate() {
                assert_eq!(dense[[i, j]], full[[a, b]]);
            }
        }
    }

    #[test]
    fn blocks_survive_the_way_through_an_adjacency_matrix() {
        let graph = chain();
        let again = NeuronGraph::from_adjacency(&graph.adjacency(), graph.node_sets.clone());
        assert_eq!(again.adjacency(), graph.adjacency());
        assert_eq!(again.blocks.len(), 2);
        assert_eq!(again.two_sides(), Some(vec![0, 1, 0]));
        let whole = vec![NodeSet { name: "all".into(), size: 7 }];
        let single = NeuronGraph::from_adjacency(&graph.adjacency(), whole);
        assert_eq!((single.edges(), single.two_sides()), (5, None));
    }
}
