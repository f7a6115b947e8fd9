//! The null distribution: n-cuts of shuffled graphs, computed on all threads.

use super::shuffle::{NullModel, shuffle};
use crate::graph::NeuronGraph;
use crate::rng::{Purpose, stream};
use crate::spectral::clustering::{ClusterParams, cluster};
use crate::spectral::eigsh::EigshError;
use rayon::prelude::*;

/// The n-cut of shuffle `i` of `graph`: shuffled, nodes without edges dropped, clustered as the network was.
///
/// # Errors
///
/// As [`cluster`].
///
/// # Determinism
///
/// Draws from the streams of `(params.seed, i)` alone.
pub fn shuffled_ncut(graph: &NeuronGraph, model: NullModel, params: ClusterParams, i: u64) -> Result<f64, EigshError> {
    let shuffled = shuffle(graph, model, &mut stream(params.seed, Purpose::Shuffle, i, 0));
    let (shuffled, _) = shuffled.without_isolated();
    Ok(cluster(&shuffled, ClusterParams { index: 1 + i, ..params })?.partition.ncut())
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
) -> Result<Vec<f64>, EigshError> {
    let results: Vec<Result<f64, EigshError>> = (0..shuffles as u64)
        .into_par_iter()
        .map(|i| {
            let ncut = shuffled_ncut(graph, model, params, i);
            done();
            ncut
        })
        .collect();
    results.into_iter().collect()
}
