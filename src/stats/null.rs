//! The null distribution: n-cuts of shuffled graphs, computed on all threads or on a device.

use super::shuffle::{NullModel, shuffle};
use crate::batched;
use crate::graph::NeuronGraph;
use crate::rng::{Purpose, stream};
use crate::spectral::clustering::{ClusterParams, by_volume, cluster};
use crate::spectral::eigsh::EigshError;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tch::Device;

/// A shuffle that could not be clustered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("shuffle {shuffle}, of which {nodes} nodes have edges: {cause}")]
pub struct NullError {
    /// Its number.
    pub shuffle: u64,
    /// Nodes left in it after those without edges were dropped.
    pub nodes: usize,
    /// Why.
    pub cause: EigshError,
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
    let error = |cause| NullError { shuffle: i, nodes: shuffled.nodes(), cause };
    Ok(clustering.map_err(error)?.partition.ncut())
}

/// Where shuffles are clustered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// One on each thread.
    #[default]
    Threads,
    /// Many at once on a device; there the n-cuts are those of threads but where rounding decides on a label ([`batched`]).
    Device(Device),
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
    engine: Engine,
    shuffles: &[u64],
    done: impl Fn(u64, f64) -> ControlFlow<()> + Sync,
) -> Result<Vec<(u64, f64)>, NullError> {
    let stopped = AtomicBool::new(false);
    let report = |i: u64, ncut: Result<f64, NullError>| {
        if let Ok(ncut) = ncut
            && done(i, ncut).is_break()
        {
            stopped.store(true, Ordering::Relaxed);
        }
        ncut.map(|ncut| (i, ncut))
    };
    match engine {
        Engine::Threads => {
            // behind one that failed none is begun; before it all are, so that the first error is the same on any threads
            let failed = AtomicUsize::new(usize::MAX);
            let one = |(place, &i): (usize, &u64)| {
                if stopped.load(Ordering::Relaxed) || failed.load(Ordering::Relaxed) < place {
                    return None;
                }
                let found = report(i, shuffled_ncut(graph, model, params, i));
                if found.is_err() {
                    failed.fetch_min(place, Ordering::Relaxed);
                }
                Some(found)
            };
            let results: Vec<Result<(u64, f64), NullError>> = shuffles.par_iter().enumerate().filter_map(one).collect();
            results.into_iter().collect()
        }
        Engine::Device(device) => {
            let mut found = Vec::with_capacity(shuffles.len());
            for batch in shuffles.chunks(batched::at_once(graph, params)) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let drawn = |&i: &u64| shuffle(graph, model, &mut stream(params.seed, Purpose::Shuffle, i, 0));
                let graphs: Vec<NeuronGraph> = batch.par_iter().map(drawn).collect();
                let indices: Vec<u64> = batch.iter().map(|i| 1 + i).collect();
                let labels = batched::labels(&graphs, params, &indices, device);
                let results: Vec<Result<(u64, f64), NullError>> = batch
                    .par_iter()
                    .zip(graphs.into_par_iter().zip(labels))
                    .map(|(&i, (graph_of_shuffle, labels))| match labels {
                        // nodes without edges have no part in an n-cut
                        Some(labels) => report(i, Ok(by_volume(&graph_of_shuffle, labels, params.k).1.ncut())),
                        None => report(i, shuffled_ncut(graph, model, params, i)),
                    })
                    .collect();
                for result in results {
                    found.push(result?);
                }
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use rand::Rng;

    /// Shards of a distribution are parts of the whole, and a stop loses nothing that was computed.
    #[test]
    fn shards_and_stops_change_no_number() {
        let mut rng = stream(1, Purpose::InitialWeights, 0, 0);
        let mut layer = |d_in, d_out| ndarray::Array2::from_shape_simple_fn((d_in, d_out), || rng.gen_range(-1.0..1.0));
        let graph = mlp_graph(vec![("a".into(), layer(20, 15)), ("b".into(), layer(15, 10))]);
        let params = ClusterParams::new(3, 5);
        let go_on = |_, _| ControlFlow::Continue(());
        let all: Vec<u64> = (0..12).collect();
        let whole = null_distribution(&graph, NullModel::Layer, params, Engine::Threads, &all, go_on).unwrap();
        let mut shards = Vec::new();
        for shard in 0..3 {
            let own: Vec<u64> = all.iter().copied().filter(|i| i % 3 == shard).collect();
            shards.extend(null_distribution(&graph, NullModel::Layer, params, Engine::Threads, &own, go_on).unwrap());
        }
        shards.sort_by_key(|(i, _)| *i);
        assert_eq!(shards, whole);
        let some =
            null_distribution(&graph, NullModel::Layer, params, Engine::Threads, &all, |_, _| ControlFlow::Break(()))
                .unwrap();
        assert!(!some.is_empty() && some.len() < 12, "{}", some.len());
        assert!(some.iter().all(|found| whole.contains(found)));
    }

    fn chain(widths: &[usize], sparsity: f64, seed: u64) -> NeuronGraph {
        let mut rng = stream(seed, Purpose::InitialWeights, 0, 0);
        let mut entry = || if rng.gen_range(0.0..1.0) < sparsity { 0.0 } else { rng.gen_range(-1.0..1.0) };
        let layers = widths.windows(2).map(|pair| {
            let weights = ndarray::Array2::from_shape_simple_fn((pair[0], pair[1]), &mut entry);
            ("w".to_string(), weights)
        });
        mlp_graph(layers.collect())
    }

    /// A chain and an edge from its first set to its third, so that there are no two sides.
    fn with_shortcut() -> NeuronGraph {
        let mut graph = chain(&[90, 80, 70, 60], 0.3, 2);
        let weights = chain(&[90, 70], 0.5, 3).blocks.remove(0).weights;
        graph.blocks.push(crate::graph::Block { source: 0, target: 2, weights });
        graph
    }

    /// Threads are the oracle: dense and pruned, with nodes that lose their edges, with pieces, with two sides and without, of few
    /// nodes, and of few points.
    #[test]
    fn a_device_finds_the_ncuts_of_threads() {
        let pieces = chain(&[300, 200, 200], 0.995, 5);
        for (graph, batched) in [
            (chain(&[220, 200, 190, 10], 0.0, 1), true),
            (chain(&[220, 200, 190, 10], 0.93, 4), true),
            (with_shortcut(), true),
            (chain(&[30, 20, 10], 0.2, 6), false),
            (pieces, false),
        ] {
            let params = ClusterParams { restarts: Some(6), ..ClusterParams::new(7, 3) };
            let go_on = |_, _| ControlFlow::Continue(());
            let all: Vec<u64> = (0..5).collect();
            let by = |engine| null_distribution(&graph, NullModel::Layer, params, engine, &all, go_on).unwrap();
            let (threads, device) = (by(Engine::Threads), by(Engine::Device(Device::Cpu)));
            for (a, b) in threads.iter().zip(&device) {
                assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-9, "{a:?} {b:?}");
            }
            let graphs: Vec<NeuronGraph> = all
                .iter()
                .map(|&i| shuffle(&graph, NullModel::Layer, &mut stream(params.seed, Purpose::Shuffle, i, 0)))
                .collect();
            let labels = batched::labels(&graphs, params, &[1, 2, 3, 4, 5], Device::Cpu);
            let expected = if batched { 4..=5 } else { 0..=0 };
            let on_device = labels.iter().flatten().count();
            assert!(expected.contains(&on_device), "{on_device} of 5 on the device, {} nodes", graph.nodes());
        }
    }
}
