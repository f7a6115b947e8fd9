//! One measurement: a graph to clusters, n-cut, null distribution and what to think of it.
//!
//! ```text
//! model file ─► network ─► Subject ─┬─► clustering ────────┐
//!                                   └─► shuffles' n-cuts ──┴─► measurement, with warnings
//! ```

mod measurement;
mod network;
mod warnings;

pub use measurement::{GraphInfo, LayerInfo, Measurement, ModelInfo, NullInfo, SCHEMA, SettingsInfo, Timing, Warning};
pub use network::read_network;
pub use warnings::giant_share;

use crate::graph::{Convention, NeuronGraph, NodeSet, Norm};
use crate::spectral::clustering::{ClusterParams, Clustering, cluster};
use crate::spectral::eigsh::{EigshError, Solver};
use crate::spectral::kmeans::Engine;
use crate::stats::null::{self, NullError, null_distribution};
use crate::stats::permutation::{mean_and_sd, p_value, sequential_p_value, z_score};
use crate::stats::shuffle::NullModel;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tch::Device;
use warnings::warnings;

/// What to measure and how.
#[derive(Debug, Clone, Copy)]
pub struct MeasureParams {
    /// The clustering.
    pub cluster: ClusterParams,
    /// The null model, or `None` where the graph has no layers to shuffle.
    pub null: Option<NullModel>,
    /// Number of shuffles; 0 for none.
    pub shuffles: usize,
    /// Where they are clustered; the network is on the CPU.
    pub engine: null::Engine,
    /// Share of each layer's smallest weights that were dropped first, in `[0, 1)`: noted, not done again ([`crate::graph::GraphParams::prune`]).
    pub prune: f64,
    /// Weights of a smaller magnitude were taken for 0; noted too.
    pub least_weight: f64,
    /// What the nodes are; noted too.
    pub convention: Convention,
    /// What the edges weigh; noted too.
    pub norm: Norm,
    /// Whether batch normalisation counts; noted too.
    pub batch_norm: bool,
}

/// How a null distribution comes about, when not from nothing and to its end.
#[derive(Debug, Clone, Default)]
pub struct Shuffling {
    /// n-cuts of the first shuffles, which need not be computed again.
    pub done: Vec<f64>,
    /// Stops at the shuffle that is the n-th, n being this, an n-cut below the network's ([`sequential_p_value`]).
    pub stop_at: Option<usize>,
}

/// What [`measure`] has found on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found {
    /// The network's n-cut.
    Network(f64),
    /// A shuffle's.
    Shuffle(f64),
}

/// Why there is no measurement.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MeasureError {
    /// Every weight is zero.
    #[error(
        "the graph has no edges: every weight between its layers is zero, or no path joins two of them; measure a trained network, prune less, or choose another --convention"
    )]
    NoEdges,
    /// Clustering failed.
    #[error(transparent)]
    Eigenvectors(#[from] EigshError),
    /// A shuffle could not be clustered.
    #[error(transparent)]
    Null(#[from] NullError),
}

impl MeasureError {
    /// Whether the user's input is at fault.
    pub fn is_input(&self) -> bool {
        match self {
            Self::NoEdges => true,
            Self::Eigenvectors(error) | Self::Null(NullError { cause: error, .. }) => {
                matches!(error, EigshError::TooMany { .. } | EigshError::NoRoom { .. })
            }
        }
    }
}

/// A graph on its way to a measurement: nodes of degree zero are dropped, and nothing is clustered yet.
#[derive(Debug)]
pub struct Subject {
    graph: NeuronGraph,
    /// For each node of the original graph, whether it is still there.
    kept: Vec<bool>,
    layers: Vec<LayerInfo>,
    params: MeasureParams,
    seconds: f64,
}

impl Subject {
    /// Prepares `graph`: drops nodes of degree zero.
    ///
    /// # Errors
    ///
    /// No edge is left.
    pub fn new(mut graph: NeuronGraph, params: MeasureParams) -> Result<Self, MeasureError> {
        let start = Instant::now();
        graph.rescale();
        let layers = graph.node_sets.iter().map(|NodeSet { name, size }| LayerInfo { name: name.clone(), size: *size });
        let layers = layers.collect();
        let (graph, kept) = graph.without_isolated();
        if graph.edges() == 0 {
            return Err(MeasureError::NoEdges);
        }
        Ok(Self { graph, kept, layers, params, seconds: start.elapsed().as_secs_f64() })
    }

    /// The n-cuts of some of its shuffles, by number; as [`null_distribution`].
    ///
    /// # Errors
    ///
    /// As [`null_distribution`].
    pub fn shuffled(
        &self,
        model: NullModel,
        shuffles: &[u64],
        done: impl Fn(u64, f64) -> ControlFlow<()> + Sync,
    ) -> Result<Vec<(u64, f64)>, NullError> {
        null_distribution(&self.graph, model, self.params.cluster, self.params.engine, shuffles, done)
    }

    /// Clusters it.
    ///
    /// # Errors
    ///
    /// As [`cluster`].
    pub fn cluster(&self) -> Result<Clustering, MeasureError> {
        Ok(cluster(&self.graph, self.params.cluster)?)
    }

    /// Compares its clustering with the n-cuts of its shuffles, in the order of their numbers; empty for none. Of
    /// `timing`, `cluster` and `null` are taken over.
    pub fn measurement(self, clustering: Clustering, ncuts: Vec<f64>, timing: Timing) -> Measurement {
        let Self { graph, kept, layers, params, seconds } = self;
        let ncut = clustering.partition.ncut();
        let null = params.null.zip(mean_and_sd(&ncuts)).map(|(kind, (mean, sd))| NullInfo {
            kind,
            shuffles: ncuts.len(),
            ncuts,
            mean,
            sd,
            stopped: false,
        });
        let ncuts = null.as_ref().map(|null| null.ncuts.as_slice());
        let k = params.cluster.k;
        let mut next = clustering.labels.iter();
        let labels =
            kept.iter().map(|&kept| if kept { next.next().map_or(-1, |&l| i64::from(l)) } else { -1 }).collect();
        Measurement {
            schema: SCHEMA,
            model: None,
            graph: GraphInfo {
                nodes: graph.nodes(),
                edges: graph.edges(),
                dropped_nodes: kept.iter().filter(|kept| !**kept).count(),
                components: clustering.components,
                layers,
            },
            clusters: k,
            ncut,
            ncut_per_cluster: ncut / k as f64,
            labels,
            sizes: clustering.partition.sizes.clone(),
            volumes: clustering.partition.volume_shares(),
            effective_clusters: clustering.partition.effective_clusters(),
            modularity_q: clustering.partition.modularity(),
            p_value: ncuts.map(|ncuts| p_value(ncut, ncuts)),
            z_score: ncuts.and_then(|ncuts| z_score(ncut, ncuts)),
            warnings: warnings(&graph, &clustering, ncut, null.as_ref(), params),
            settings: SettingsInfo {
                clusters: k,
                shuffles: params.shuffles,
                null: params.null,
                seed: params.cluster.seed,
                prune: params.prune,
                least_weight: params.least_weight,
                restarts: params.cluster.restarts_for(graph.nodes()),
                solver: solver_name(clustering.solver).into(),
                kmeans: engine_name(params.cluster.engine).into(),
                convention: params.convention,
                norm: params.norm,
                batch_norm: params.batch_norm,
                stop_at: None,
                device: match params.engine {
                    null::Engine::Device(Device::Cuda(index)) => format!("cuda:{index}"),
                    null::Engine::Threads | null::Engine::Device(_) => "cpu".into(),
                },
            },
            eigenvalues: clustering.eigenvalues,
            null,
            timing_s: Timing { load: 0.0, graph: seconds, total: seconds + timing.cluster + timing.null, ..timing },
            version: crate::VERSION.into(),
        }
    }
}

/// Clusters `graph` and its shuffles.
///
/// Nodes of degree zero are dropped before anything else, and again from each shuffle. `found` is called as n-cuts are known,
/// from any thread. Of `shuffling.done`, which are the first shuffles of the same graph and parameters, no more are taken than there
/// are to be.
///
/// # Errors
///
/// [`MeasureError`].
///
/// # Determinism
///
/// The same graph and parameters give the same result but for [`Timing`], on any number of threads.
pub fn measure(
    graph: NeuronGraph,
    params: MeasureParams,
    shuffling: Shuffling,
    found: impl Fn(Found) + Sync,
) -> Result<Measurement, MeasureError> {
    let subject = Subject::new(graph, params)?;
    let start = Instant::now();
    let Shuffling { done: mut ncuts, stop_at } = shuffling;
    ncuts.truncate(params.shuffles);
    // where it stops depends on the order of the shuffles alone, so some may be computed in vain
    let mut at_once = if stop_at.is_some() { 2 * rayon::current_num_threads() } else { params.shuffles };
    let failed = AtomicBool::new(false);
    let more = |done: usize, at_once: usize| -> Result<Vec<f64>, NullError> {
        let Some(model) = params.null else { return Ok(Vec::new()) };
        let next: Vec<u64> = (done..params.shuffles).take(at_once).map(|i| i as u64).collect();
        let computed = subject.shuffled(model, &next, |_, ncut| {
            found(Found::Shuffle(ncut));
            if failed.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(computed.into_iter().map(|(_, ncut)| ncut).collect())
    };
    let network = || {
        let clustering = subject.cluster();
        failed.store(clustering.is_err(), Ordering::Relaxed);
        let clustering = clustering?;
        found(Found::Network(clustering.partition.ncut()));
        ncuts.iter().for_each(|ncut| found(Found::Shuffle(*ncut)));
        Ok::<_, MeasureError>((clustering, start.elapsed().as_secs_f64()))
    };
    // whether any is wanted beyond those that are known, the network decides
    let is_wanted = stop_at.is_none() || ncuts.is_empty();
    let first = || if is_wanted { more(ncuts.len(), at_once) } else { Ok(Vec::new()) };
    let (network, mut computed) = rayon::join(network, first);
    let (clustering, cluster) = network?;
    let ncut = clustering.partition.ncut();
    let place = |ncuts: &[f64]| stop_at.and_then(|most| place_of_lower(ncut, ncuts, most));
    loop {
        match computed {
            Ok(computed) => ncuts.extend(computed),
            // a shuffle that fails behind the place where it stops would never have been asked for
            Err(_) if stop_at.is_some() && at_once > 1 => at_once = 1,
            Err(error) => return Err(error.into()),
        }
        if params.null.is_none() || ncuts.len() >= params.shuffles || place(&ncuts).is_some() {
            break;
        }
        computed = more(ncuts.len(), at_once);
    }
    let stopped = place(&ncuts);
    ncuts.truncate(stopped.map_or(usize::MAX, |place| place + 1));
    let timing = Timing { cluster, null: start.elapsed().as_secs_f64() - cluster, ..Timing::default() };
    let mut measurement = subject.measurement(clustering, ncuts, timing);
    measurement.settings.stop_at = stop_at;
    if let (Some(place), Some(most), Some(null)) = (stopped, stop_at, &mut measurement.null) {
        null.stopped = true;
        measurement.p_value = Some(sequential_p_value(most, place + 1));
    }
    Ok(measurement)
}

/// Where in `ncuts` the `most`-th stands that is below the network's.
fn place_of_lower(network: f64, ncuts: &[f64], most: usize) -> Option<usize> {
    let lower = ncuts.iter().enumerate().filter(|(_, ncut)| **ncut < network);
    lower.map(|(place, _)| place).nth(most.checked_sub(1)?)
}

/// As options name it.
pub fn engine_name(engine: Engine) -> &'static str {
    if engine == Engine::Crate { "crate" } else { "lloyd" }
}

fn solver_name(solver: Solver) -> &'static str {
    match solver {
        Solver::Auto => "auto",
        Solver::Arpack => "arpack",
        Solver::Lanczos => "lanczos",
        Solver::Dense => "dense",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use crate::rng::{Purpose, stream};
    use crate::stats::null::shuffled_ncut;
    use rand::Rng;

    pub(super) fn params(k: usize) -> MeasureParams {
        MeasureParams {
            cluster: ClusterParams { restarts: Some(2), ..ClusterParams::new(k, 0) },
            null: Some(NullModel::Layer),
            shuffles: 30,
            engine: null::Engine::Threads,
            prune: 0.0,
            least_weight: 0.0,
            convention: Convention::default(),
            norm: Norm::default(),
            batch_norm: true,
        }
    }

    /// Where it stops, and so whether a shuffle that cannot be clustered was asked for, does not depend on the threads.
    #[test]
    fn shuffles_behind_the_place_where_it_stops_cannot_fail() {
        let mut rng = stream(5, Purpose::InitialWeights, 0, 0);
        let mut layer = |rows, columns| {
            let weight = || if rng.gen_range(0.0..1.0) < 0.1 { rng.gen_range(0.1..1.0) } else { 0.0 };
            ("w".to_string(), ndarray::Array2::from_shape_simple_fn((rows, columns), weight))
        };
        let graph = mlp_graph(vec![layer(40, 30), layer(30, 30), layer(30, 10)]);
        let (connected, _) = graph.clone().without_isolated();
        let mut seen = 0;
        for k in connected.nodes() - 12..connected.nodes() {
            let Ok(network) = cluster(&connected, params(k).cluster) else { continue };
            let one = |i| shuffled_ncut(&connected, NullModel::Layer, params(k).cluster, i);
            let before: Vec<f64> = (0..30).map_while(|i| one(i).ok()).collect();
            let lower = before.iter().filter(|ncut| **ncut < network.partition.ncut()).count();
            if before.len() == 30 || lower == 0 {
                continue;
            }
            seen += 1;
            let shuffling = || Shuffling { done: Vec::new(), stop_at: Some(lower) };
            let by = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| measure(graph.clone(), params(k), shuffling(), |_| ()).map(|found| found.p_value))
            };
            let expected = by(1).unwrap();
            assert!(expected.is_some() && by(8).unwrap() == expected);
            let all = Shuffling { done: Vec::new(), stop_at: None };
            let error = measure(graph.clone(), params(k), all, |_| ()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("shuffle {}, ", before.len())), "{error}");
        }
        assert!(seen > 0);
    }
}
