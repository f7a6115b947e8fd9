//! Graphs of one shape as tensors: their blocks stacked, and the operator whose largest eigenvalues are wanted.

use crate::graph::{Block, NeuronGraph};
use tch::{Device, Kind, Tensor};

/// A block of all graphs: which rows and columns of the operator's matrix it fills.
struct Stacked {
    /// First row, and their number.
    rows: (i64, i64),
    /// First column, and their number.
    columns: (i64, i64),
    /// `(graphs, rows, columns)`, f64.
    weights: Tensor,
}

/// Graphs of one shape on a device. Where their edges join two sides, rows are the nodes of the smaller side and columns those of
/// the larger; else both are all nodes, and each block is also its own mirror image.
pub(super) struct Layout {
    /// Nodes of each graph, those without edges included.
    pub(super) nodes: usize,
    /// How many graphs.
    pub(super) count: i64,
    /// Number of rows.
    pub(super) rows: i64,
    /// Whether there are two sides, so that [`Layout::apply`] is B Bᵀ in the place of S.
    pub(super) halved: bool,
    blocks: Vec<Stacked>,
    /// Node of each row, then of each column; i64.
    node_of: [Tensor; 2],
    /// 1/√d, 0 for nodes without edges, `(graphs, nodes, 1)`.
    scale: Tensor,
    /// √d / √Σd, `(graphs, nodes, 1)`.
    null: Tensor,
}

impl Layout {
    /// # Panics
    ///
    /// See [`super::labels`].
    pub(super) fn new(graphs: &[&NeuronGraph], degrees: &[&[f64]], device: Device) -> Self {
        let first = graphs[0];
        let sides = first.two_sides();
        let small = sides.as_ref().map(|sides| {
            let nodes_of = |side: u8| -> usize {
                first.node_sets.iter().zip(sides).filter(|(_, s)| **s == side).map(|(set, _)| set.size).sum()
            };
            u8::from(nodes_of(0) > nodes_of(1))
        });
        let side_of = |set: usize| match (&sides, small) {
            (Some(sides), Some(small)) => usize::from(sides[set] != small),
            _ => 0,
        };
        let offsets = first.offsets();
        let mut node_of: [Vec<i64>; 2] = [vec![], vec![]];
        let mut first_of = vec![0; first.node_sets.len()];
        for set in 0..first.node_sets.len() {
            let nodes = &mut node_of[side_of(set)];
            first_of[set] = nodes.len() as i64;
            nodes.extend(offsets[set] as i64..offsets[set + 1] as i64);
        }
        if sides.is_none() {
            node_of[1] = node_of[0].clone();
        }
        let blocks = (0..first.blocks.len()).map(|b| {
            let (source, target) = (first.blocks[b].source, first.blocks[b].target);
            assert_ne!(source, target, "a node set joined to itself");
            let stacked: Vec<Tensor> = graphs
                .iter()
                .map(|graph| {
                    let block = &graph.blocks[b];
                    assert_eq!((block.source, block.target), (source, target), "graphs of different shapes");
                    dense(block).to_device(device)
                })
                .collect();
            let weights = Tensor::stack(&stacked, 0);
            let size = |set: usize| (first_of[set], first.node_sets[set].size as i64);
            match side_of(source) == 0 {
                true => Stacked { rows: size(source), columns: size(target), weights },
                false => Stacked { rows: size(target), columns: size(source), weights: weights.transpose(1, 2) },
            }
        });
        let blocks = blocks.collect();
        let count = graphs.len() as i64;
        let nodes = first.nodes();
        let degrees: Vec<f64> = degrees.iter().flat_map(|degrees| degrees.iter().copied()).collect();
        let degrees = Tensor::from_slice(&degrees).view([count, nodes as i64, 1]).to_device(device);
        let has_edges = degrees.gt(0.0).to_kind(Kind::Double);
        Self {
            nodes,
            count,
            rows: node_of[0].len() as i64,
            halved: sides.is_some(),
            blocks,
            node_of: node_of.map(|nodes| Tensor::from_slice(&nodes).to_device(device)),
            scale: degrees.clamp_min(f64::MIN_POSITIVE).rsqrt() * has_edges,
            null: (&degrees / degrees.sum_dim_intlist(1i64, true, Kind::Double)).sqrt(),
        }
    }

    /// Where they lie.
    pub(super) fn device(&self) -> Device {
        self.scale.device()
    }

    fn of_side(&self, of_nodes: &Tensor, side: usize) -> Tensor {
        of_nodes.index_select(1, &self.node_of[side])
    }

    /// The eigenvector of eigenvalue 1 on the rows, of unit length, `(graphs, rows, 1)`.
    pub(super) fn null(&self) -> Tensor {
        let null = self.of_side(&self.null, 0);
        let length = null.square().sum_dim_intlist(1i64, true, Kind::Double).sqrt();
        null / length
    }

    /// 1 where a row's node has edges, else 0, `(graphs, rows, 1)`.
    pub(super) fn has_edges(&self) -> Tensor {
        self.of_side(&self.scale, 0).gt(0.0).to_kind(Kind::Double)
    }

    /// W x on the rows, x on the columns; `(graphs, length, vectors)`.
    fn to_rows(&self, x: &Tensor) -> Tensor {
        let product = Tensor::zeros([self.count, self.rows, x.size()[2]], (Kind::Double, self.device()));
        for Stacked { rows, columns, weights } in &self.blocks {
            let _ = product.narrow(1, rows.0, rows.1).baddbmm_(weights, &x.narrow(1, columns.0, columns.1));
        }
        product
    }

    /// Wᵀ x on the columns, x on the rows.
    fn to_columns(&self, x: &Tensor) -> Tensor {
        let columns = self.node_of[1].size()[0];
        let product = Tensor::zeros([self.count, columns, x.size()[2]], (Kind::Double, self.device()));
        for Stacked { rows, columns, weights } in &self.blocks {
            let from = x.narrow(1, rows.0, rows.1);
            let _ = product.narrow(1, columns.0, columns.1).baddbmm_(&weights.transpose(1, 2), &from);
        }
        product
    }

    /// S x where all nodes are rows, B Bᵀ x where there are two sides; `(graphs, rows, vectors)`.
    pub(super) fn apply(&self, x: &Tensor) -> Tensor {
        if self.halved {
            return self.b(&self.b_transposed(x));
        }
        let scaled = x * &self.scale;
        (self.to_rows(&scaled) + self.to_columns(&scaled)) * &self.scale
    }

    fn b(&self, x: &Tensor) -> Tensor {
        self.to_rows(&(x * self.of_side(&self.scale, 1))) * self.of_side(&self.scale, 0)
    }

    /// Bᵀ x, where there are two sides: x on the rows, the product on the columns.
    pub(super) fn b_transposed(&self, x: &Tensor) -> Tensor {
        self.to_columns(&(x * self.of_side(&self.scale, 0))) * self.of_side(&self.scale, 1)
    }

    /// Vectors of all nodes from their parts on rows and columns.
    pub(super) fn join(&self, rows: &Tensor, columns: &Tensor) -> Tensor {
        let shape = [self.count, self.nodes as i64, rows.size()[2]];
        let joined = Tensor::zeros(shape, (Kind::Double, self.device()));
        joined.index_copy(1, &self.node_of[0], rows).index_copy(1, &self.node_of[1], columns)
    }

    /// S x of all nodes, `(graphs, nodes, vectors)`.
    pub(super) fn multiply(&self, x: &Tensor) -> Tensor {
        if !self.halved {
            return self.apply(x);
        }
        self.join(&self.b(&self.of_side(x, 1)), &self.b_transposed(&self.of_side(x, 0)))
    }

    /// D^-1/2 x of all nodes; 0 where there are no edges.
    pub(super) fn embed(&self, x: &Tensor) -> Tensor {
        x * &self.scale
    }

    /// The eigenvector of eigenvalue 1, `(graphs, nodes, 1)`.
    pub(super) fn null_of_nodes(&self) -> &Tensor {
        &self.null
    }
}

/// The weights of a block, zeros too.
fn dense(Block { weights, .. }: &Block) -> Tensor {
    let (rows, columns) = weights.shape();
    let shape = [rows as i64, columns as i64];
    if weights.nnz() == rows * columns {
        return Tensor::from_slice(weights.data()).view(shape);
    }
    let mut entries = vec![0.0; rows * columns];
    for (row, entries) in weights.outer_iterator().zip(entries.chunks_exact_mut(columns)) {
        row.iter().for_each(|(j, weight)| entries[j] = *weight);
    }
    Tensor::from_slice(&entries).view(shape)
}
