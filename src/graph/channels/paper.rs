//! Output channels of layers as nodes, as the paper has them.

use super::arrival::{Arrival, Arrivals};
use super::kernel::{Of, matrix};
use super::{Network, NodeSets};
use crate::InputError;
use crate::graph::{Block, NeuronGraph, NodeSet, mlp};
use ndarray::{Array2, ArrayView1};
use std::collections::BTreeMap;

pub(super) fn graph(network: &Network) -> Result<NeuronGraph, InputError> {
    let sets = NodeSets::new(network);
    let arrivals = Arrivals::new(network, &sets)?;
    let mut blocks: Vec<Block> = Vec::new();
    each_layer(network, &sets, &arrivals, |target, weights, given| {
        let mut by_source: BTreeMap<usize, Array2<f64>> = BTreeMap::new();
        for arrival in given {
            let shape = (sets.sizes[arrival.set], weights.ncols());
            let block = by_source.entry(arrival.set).or_insert_with(|| Array2::zeros(shape));
            for i in 0..arrival.len {
                block.row_mut(arrival.node + i).scaled_add(arrival.factor(i), &weights.row(arrival.at + i));
            }
        }
        blocks.extend(by_source.into_iter().map(|(source, weights)| mlp::block(source, target, &weights)));
    })?;
    Ok(NeuronGraph { node_sets: sets.named(network), blocks })
}

/// Calls `found(node set, weights, arrivals)` with the weights, `(channels read, channels given)`, of every layer that others' channels reach,
/// and with what arrives there, in the order of layers.
pub(super) fn each_layer(
    network: &Network,
    sets: &NodeSets,
    arrivals: &Arrivals,
    mut found: impl FnMut(usize, Array2<f64>, &[Arrival]),
) -> Result<(), InputError> {
    for (value, operation) in network.dataflow.operations.iter().enumerate() {
        let (Some(target), Some(&input)) = (sets.of[value], operation.inputs.first()) else { continue };
        if arrivals.of[input].is_empty() {
            continue;
        }
        let inputs = network.channels[input].unwrap_or(0);
        let mut weights =
            matrix(&network.weight(&operation.kind)?, &operation.kind, inputs, network.params.norm, Of::Entries);
        if let Some(scale) = &arrivals.output_scale[value] {
            weights *= &ArrayView1::from(scale);
        }
        found(target, weights, &arrivals.of[input]);
    }
    Ok(())
}

impl NodeSets {
    /// One for each layer of the graph, in the order in which they are done.
    pub(super) fn new(network: &Network) -> Self {
        let (mut of, mut sizes) = (Vec::new(), Vec::new());
        for (value, operation) in network.dataflow.operations.iter().enumerate() {
            let size = network.channels[value].filter(|_| network.is_layer(&operation.kind));
            of.push(size.map(|size| {
                sizes.push(size);
                sizes.len() - 1
            }));
        }
        Self { of, sizes }
    }

    fn named(&self, network: &Network) -> Vec<NodeSet> {
        let operations = network.dataflow.operations.iter().zip(&self.of);
        let layers = operations.filter_map(|(operation, set)| set.map(|set| (operation, set)));
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut named = Vec::new();
        for (operation, set) in layers {
            // A layer that is run twice is two.
            let times = seen.entry(&operation.name).and_modify(|times| *times += 1).or_insert(1);
            let name = if *times == 1 { operation.name.clone() } else { format!("{} ({times})", operation.name) };
            named.push(NodeSet { name, size: self.sizes[set] });
        }
        named
    }
}
