//! The null distribution: n-cuts of shuffled graphs, computed on all threads.

use super::shuffle::{NullModel, shuffle};
use crate::graph::NeuronGraph;
use crate::rng::{Purpose, stream};
use crate::spectral::clustering::{ClusterParams, cluster};
use crate::spectral::eigsh::EigshError;
use rayon::prelude::*;

/// A shuffle that could not be clustered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("shuffle {shuffle}, of which {nodes} nodes have edges: {source}")]
pub struct NullError {
    /// Its number.
    pub shuffle: u64,
    /// Nodes left in it after those without edges were dropped.
    pub nodes: usize,
    /// Why.
    pub source: EigshError,
}

/// The n-cut of shuffle `i` of `graph`: shuffled, nodes without edges dropped, clustered as the network was.
///
/// # Errors
///
/// [`NullError`], for the reasons of [`cluster`].
///
/// # Determinism
///
/// Draws from the streams of `(params.seed, i)` alone.
pub fn shuffled_ncut(graph: &NeuronGraph, model: NullModel, params: ClusterParams, i: u64) -> Result<f64, NullError> {
    let shuffled = shuffle(graph, model, &mut stream(params.seed, Purpose::Shuffle, i, 0));
    let (shuffled, _) = shuffled.without_isolated();
    let clustering = cluster(&shuffled, ClusterParams { index: 1 + i, ..params });
    let error = |source| NullError { shuffle: i, nodes: shuffled.nodes(), source };
    Ok(clustering.map_err(error)?.partition.ncut())
}

/// The n-cuts of shuffles `0 .. shuffles`, in that order. `done` is called after each, from any thread.
///
/// # Errors
///
/// The first shuffle's error, by number.
pub fn null_distribution(
    graph: &NeuronGraph,
    model: NullModel,
    params: ClusterParams,
    shuffles: usize,
    done: impl Fn() + Sync,
) -> Result<Vec<f64>, NullError> {
    let results: Vec<Result<f64, NullError>> = (0..shuffles as u64)
        .into_par_iter()
        .map(|i| {
            let ncut = shuffled_ncut(graph, model, params, i);
            done();
            ncut
        })
        .collect();
    results.into_iter().collect()
}
