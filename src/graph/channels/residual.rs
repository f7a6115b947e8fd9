//! Channels of the residual stream as nodes: what is added to each other is one.

use super::arrival::Arrivals;
use super::paper::each_layer;
use super::{Network, NodeSets};
use crate::InputError;
use crate::dataflow::Kind;
use crate::graph::disjoint_sets::DisjointSets;
use crate::graph::{NeuronGraph, NodeSet, mlp};
use ndarray::Array2;
use std::collections::BTreeMap;

/// As the paper's graph, with the channels that meet in a sum as one node, and their node sets as one, called by its first layer.
///
/// A layer reads a channel of the stream once, however many wrote to it; what they were multiplied by on the way, should it differ,
/// is the largest.
///
/// # Errors
///
/// A layer that reads and writes the same stream, as a residual block of one layer.
pub(super) fn graph(network: &Network) -> Result<NeuronGraph, InputError> {
    let sets = NodeSets::new(network);
    let arrivals = Arrivals::new(network, &sets)?;
    let streams = Streams::new(network, &sets, &arrivals);
    let mut blocks: BTreeMap<(usize, usize), Array2<f64>> = BTreeMap::new();
    let mut within = None;
    each_layer(network, &sets, &arrivals, |layer, weights, given| {
        let b = streams.of_set[layer];
        // (stream, node) → the channel of the layer's input that it is, and the factor
        let mut read: BTreeMap<(usize, usize, usize), f64> = BTreeMap::new();
        for arrival in given {
            for i in 0..arrival.len {
                let node = streams.of_node[arrival.set][arrival.node + i];
                let factor = read.entry((streams.of_set[arrival.set], node, arrival.at + i)).or_insert(0.0);
                *factor = factor.max(arrival.factor(i));
            }
        }
        for ((a, node, channel), factor) in read {
            if a == b {
                within = Some(layer);
            }
            let shape = (streams.sizes[a.min(b)], streams.sizes[a.max(b)]);
            let block = blocks.entry((a.min(b), a.max(b))).or_insert_with(|| Array2::zeros(shape));
            for (&weight, &output) in weights.row(channel).iter().zip(&streams.of_node[layer]) {
                block[if a < b { [node, output] } else { [output, node] }] += factor * weight;
            }
        }
    })?;
    if let Some(layer) = within.and_then(|set| sets.of.iter().position(|&of| of == Some(set))) {
        let place = format!("{}, {}", network.path, network.dataflow.operations[layer].name);
        let problem = "reads the residual stream that it writes, so that the stream would have edges within itself";
        return Err(InputError::new(place, problem, "measure with --convention paper"));
    }
    let name = |stream: usize| {
        let first = streams.of_set.iter().position(|&s| s == stream);
        let layer = first.and_then(|set| sets.of.iter().position(|&of| of == Some(set)));
        layer.map_or(String::new(), |layer| network.dataflow.operations[layer].name.clone())
    };
    let node_sets = streams.sizes.iter().enumerate().map(|(stream, &size)| NodeSet { name: name(stream), size });
    Ok(NeuronGraph {
        node_sets: node_sets.collect(),
        blocks: blocks.into_iter().map(|((a, b), weights)| mlp::block(a, b, &weights)).collect(),
    })
}

/// Where each node of the paper's graph is in the stream.
struct Streams {
    /// By node set.
    of_set: Vec<usize>,
    /// Number of a node in its stream, by node set and node.
    of_node: Vec<Vec<usize>>,
    sizes: Vec<usize>,
}

impl Streams {
    fn new(network: &Network, sets: &NodeSets, arrivals: &Arrivals) -> Self {
        let mut first = vec![0];
        for size in &sets.sizes {
            first.push(first[first.len() - 1] + size);
        }
        let mut nodes = DisjointSets::new(first[first.len() - 1]);
        let mut joined = DisjointSets::new(sets.sizes.len());
        for (value, operation) in network.dataflow.operations.iter().enumerate() {
            if operation.kind != Kind::Add {
                continue;
            }
            let mut at = vec![None; network.channels[value].unwrap_or(0)];
            for arrival in &arrivals.of[value] {
                for i in 0..arrival.len {
                    let node = first[arrival.set] + arrival.node + i;
                    let (met, set) = *at[arrival.at + i].get_or_insert((node, arrival.set));
                    nodes.join(met as u32, node as u32);
                    joined.join(set as u32, arrival.set as u32);
                }
            }
        }
        // streams and their nodes are numbered in the order in which they first appear
        let mut stream_of = BTreeMap::new();
        let mut number_of = BTreeMap::new();
        let (mut of_set, mut of_node, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for (set, &size) in sets.sizes.iter().enumerate() {
            let stream = *stream_of.entry(joined.least(set as u32)).or_insert_with(|| {
                sizes.push(0);
                sizes.len() - 1
            });
            of_set.push(stream);
            let number = |i: usize| {
                *number_of.entry(nodes.least((first[set] + i) as u32)).or_insert_with(|| {
                    sizes[stream] += 1;
                    sizes[stream] - 1
                })
            };
            of_node.push((0..size).map(number).collect());
        }
        Self { of_set, of_node, sizes }
    }
}
