//! Clusterings of many graphs of one shape at once, as tensors on a device: the steps of [`crate::spectral::clustering::cluster`] in
//! lockstep, for the shuffles of a network on a GPU.
//!
//! ```text
//! graphs ─► layout (blocks stacked) ─► lanczos (no restarts) ─► embeddings ─► kmeans (all starts of all graphs) ─► labels
//! ```
//!
//! It draws what the CPU draws, from the same streams, and computes in f64 throughout, so that its labels are the CPU's but where
//! rounding decides. What it does not do (pieces, copies of an eigenvalue, clusters that run empty, spaces without room)
//! it leaves out, and the CPU does it.

mod kmeans;
mod lanczos;
mod layout;

use crate::graph::NeuronGraph;
use crate::graph::components::Components;
use crate::spectral::clustering::ClusterParams;
use crate::spectral::eigsh::{EigshParams, Solver};
use crate::spectral::kmeans::Engine;
use layout::Layout;
use rayon::prelude::*;
use tch::Device;

/// Bytes that the graphs at once may take on a device.
const AT_ONCE: usize = 6 << 30;

/// How many graphs of the shape of `graph` are clustered at once, at least 1: as many as 6 GiB hold of their blocks, dense,
/// and of their bases. It depends on nothing else, so that the same graphs share a batch everywhere.
pub fn at_once(graph: &NeuronGraph, params: ClusterParams) -> usize {
    let sizes = |set: usize| graph.node_sets[set].size;
    let entries: usize = graph.blocks.iter().map(|block| sizes(block.source) * sizes(block.target)).sum();
    let basis = graph.nodes() * lanczos::capacity(params.k.saturating_sub(1), usize::MAX);
    (AT_ONCE / (8 * (2 * entries + basis)).max(1)).clamp(1, 256)
}

/// The cluster of each node of some graphs, `(nodes,)` each, numbered arbitrarily, with 0 for nodes without edges; `None` where the
/// CPU is to cluster a graph. `indices[i]` is [`ClusterParams::index`] of graph i.
///
/// # Determinism
///
/// On a GPU the order of sums is the library's.
///
/// # Panics
///
/// If the graphs differ in their node sets or in which of them are joined, or one joins a node set to itself.
pub fn labels(graphs: &[NeuronGraph], params: ClusterParams, indices: &[u64], device: Device) -> Vec<Option<Vec<u32>>> {
    assert_eq!(graphs.len(), indices.len(), "an index for each graph");
    let mut labels = vec![None; graphs.len()];
    let is_usual = matches!(params.solver, Solver::Auto | Solver::Lanczos) && params.engine == Engine::Lloyd;
    if !is_usual {
        return labels;
    }
    let degrees: Vec<Vec<f64>> = graphs.par_iter().map(NeuronGraph::degrees).collect();
    let is_whole = |(graph, degrees): (&NeuronGraph, &Vec<f64>)| {
        let isolated = degrees.iter().filter(|degree| **degree == 0.0).count();
        params.k < graph.nodes() - isolated && Components::of(graph).count == 1 + isolated
    };
    let whole: Vec<bool> = graphs.par_iter().zip(&degrees).map(is_whole).collect();
    let chosen: Vec<usize> = (0..graphs.len()).filter(|&i| whole[i]).collect();
    if chosen.is_empty() || params.k < 2 {
        return labels;
    }
    let _no_gradients = tch::no_grad_guard();
    let layout = Layout::new(
        &chosen.iter().map(|&i| &graphs[i]).collect::<Vec<_>>(),
        &chosen.iter().map(|&i| degrees[i].as_slice()).collect::<Vec<_>>(),
        device,
    );
    let eigsh = EigshParams::new(params.k, params.seed);
    let Some(found) = lanczos::embeddings(&layout, eigsh) else { return labels };
    let kept = |i: usize| (0..layout.nodes).filter(|&node| degrees[i][node] > 0.0).collect::<Vec<_>>();
    let clouds = chosen.iter().map(|&i| {
        let kept = kept(i);
        kmeans::Cloud { restarts: params.restarts_for(kept.len()), kept, index: indices[i] }
    });
    let clouds: Vec<kmeans::Cloud> = clouds.collect();
    let clustered = kmeans::labels(&found.embeddings, &clouds, params.k, params.seed);
    for ((&i, clustered), good) in chosen.iter().zip(clustered).zip(found.good) {
        labels[i] = clustered.filter(|_| good);
    }
    labels
}
