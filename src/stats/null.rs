//! The null distribution: n-cuts of shuffled graphs, computed on all threads.

use super::shuffle::{NullModel, shuffle};
use crate::graph::NeuronGraph;
use crate::rng::{Purpose, stream};
use crate::spectral::clustering::{ClusterParams, cluster};
use crate::spectral::eigsh::EigshError;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// The n-cuts of `shuffles`, by number, which need not be all of a distribution: each is the same whoever computes it.
/// `done` is called after each with its number and n-cut, from any thread; once it breaks, no further one is begun, and
/// those that were never begun are missing from the answer.
///
/// # Errors
///
/// The first shuffle's error, in the order of `shuffles`.
pub fn null_distribution(
    graph: &NeuronGraph,
    model: NullModel,
    params: ClusterParams,
    shuffles: &[u64],
    done: impl Fn(u64, f64) -> ControlFlow<()> + Sync,
) -> Result<Vec<(u64, f64)>, NullError> {
    let stopped = AtomicBool::new(false);
    let results: Vec<Result<(u64, f64), NullError>> = shuffles
        .par_iter()
        .filter_map(|&i| {
            if stopped.load(Ordering::Relaxed) {
                return None;
            }
            let ncut = shuffled_ncut(graph, model, params, i);
            if let Ok(ncut) = ncut
                && done(i, ncut).is_break()
            {
                stopped.store(true, Ordering::Relaxed);
            }
            Some(ncut.map(|ncut| (i, ncut)))
        })
        .collect();
    results.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use crate::spectral::eigsh::Solver;
    use crate::spectral::kmeans::Engine;
    use rand::Rng;

    /// Shards of a distribution are parts of the whole, and a stop loses nothing that was computed.
    #[test]
    fn shards_and_stops_change_no_number() {
        let mut rng = stream(1, Purpose::InitialWeights, 0, 0);
        let mut layer = |d_in, d_out| ndarray::Array2::from_shape_simple_fn((d_in, d_out), || rng.gen_range(-1.0..1.0));
        let graph = mlp_graph(vec![("a".into(), layer(20, 15)), ("b".into(), layer(15, 10))]);
        let params =
            ClusterParams { k: 3, restarts: None, solver: Solver::Auto, engine: Engine::Lloyd, seed: 5, index: 0 };
        let go_on = |_, _| ControlFlow::Continue(());
        let all: Vec<u64> = (0..12).collect();
        let whole = null_distribution(&graph, NullModel::Layer, params, &all, go_on).unwrap();
        let mut shards = Vec::new();
        for shard in 0..3 {
            let own: Vec<u64> = all.iter().copied().filter(|i| i % 3 == shard).collect();
            shards.extend(null_distribution(&graph, NullModel::Layer, params, &own, go_on).unwrap());
        }
        shards.sort_by_key(|(i, _)| *i);
        assert_eq!(shards, whole);
        let some = null_distribution(&graph, NullModel::Layer, params, &all, |_, _| ControlFlow::Break(())).unwrap();
        assert!(!some.is_empty() && some.len() < 12, "{}", some.len());
        assert!(some.iter().all(|found| whole.contains(found)));
    }
}
