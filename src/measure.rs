//! One measurement: a graph to clusters, n-cut, null distribution and what to think of it. The form of the result is
//! the JSON of `ncut measure` and `ncut cluster`.

use crate::InputError;
use crate::dataflow::Kind;
use crate::graph::{
    Convention, GraphLayers, GraphParams, NeuronGraph, NodeSet, Norm, Weighted, channel_graph, mlp_graph,
};
use crate::model::{self, Arch, Architecture, TensorEntry, TensorFile, dense_chain};
use crate::spectral::clustering::{ClusterParams, Clustering, cluster};
use crate::spectral::eigsh::{EigshError, Solver};
use crate::spectral::kmeans::Engine;
use crate::stats::null::{self, NullError, null_distribution};
use crate::stats::permutation::{mean_and_sd, p_value, sequential_p_value, valid_p_value, z_score};
use crate::stats::shuffle::NullModel;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tch::Device;

/// Version of the JSON.
pub const SCHEMA: u32 = 1;

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
    /// Share of each layer's smallest weights that were dropped first, in `[0, 1)`: noted, not done again ([`GraphParams::prune`]).
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

/// Where a graph came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// As given.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// What it was taken for, as `mlp 784-256-10`, `cnn 1-32-64-1024-10`, or `graph`.
    pub architecture: String,
    /// Which layers of a convolutional network the graph has; none of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph_layers: Option<GraphLayers>,
    /// Type of the weights in the file where it is not float32, as `float16`; they are measured as float64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// How layers were joined where the file does not say it, or was not asked ([`model::Architecture::assumed`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<String>,
}

impl ModelInfo {
    /// What to be wary of where something was [assumed](ModelInfo::assumed).
    pub fn warning(&self) -> Option<Warning> {
        let message =
            |assumed| format!("{assumed}; if they are joined otherwise, export the network as TorchScript or ONNX");
        self.assumed.as_ref().map(|assumed| Warning::new("taken-for-a-chain", message(assumed)))
    }

    /// Path, architecture and type of the weights, for people.
    pub fn describe(&self) -> String {
        let converted = self.weights.as_ref().filter(|weights| *weights != "float64");
        let weights = converted.map_or(String::new(), |weights| format!(", {weights} weights converted to float64"));
        format!("{} ({}{weights})", self.path, self.architecture)
    }
}

/// A node set as found, before nodes are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Its name.
    pub name: String,
    /// Number of its nodes.
    pub size: usize,
}

/// The graph that was clustered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphInfo {
    /// Nodes left after those of degree zero were dropped.
    pub nodes: usize,
    /// Undirected edges, each counted once.
    pub edges: usize,
    /// Nodes of degree zero, dropped.
    pub dropped_nodes: usize,
    /// Connected components.
    pub components: usize,
    /// Node sets before dropping.
    pub layers: Vec<LayerInfo>,
}

/// n-cuts of the shuffled graphs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NullInfo {
    /// The null model.
    pub kind: NullModel,
    /// How many.
    pub shuffles: usize,
    /// In the order of the shuffles' numbers.
    pub ncuts: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, ddof = 0.
    pub sd: f64,
    /// Whether the last is the one that sequential stopping waited for ([`Shuffling::stop_at`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
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

/// Something to know before believing the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// For programs: `disconnected`, `unbalanced`, `near-zero`, `near-isolated`, `few-points`, `no-layers`, `constant-null`, `device`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Warning {
    /// A warning with its code.
    pub fn new(code: &str, message: String) -> Self {
        Self { code: code.into(), message }
    }
}

/// Every option as it was resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingsInfo {
    /// Number of clusters.
    pub clusters: usize,
    /// Number of shuffles.
    pub shuffles: usize,
    /// The null model.
    pub null: Option<NullModel>,
    /// Seed.
    pub seed: u64,
    /// Share of weights dropped beforehand.
    pub prune: f64,
    /// Weights of a smaller magnitude were dropped before that.
    #[serde(default)]
    pub least_weight: f64,
    /// k-means starts.
    pub restarts: usize,
    /// The solver that ran.
    pub solver: String,
    /// The k-means that ran.
    pub kmeans: String,
    /// What the nodes of convolutional networks are; the conventions agree on chains of dense layers.
    pub convention: Convention,
    /// What their edges weigh.
    #[serde(default)]
    pub norm: Norm,
    /// Whether batch normalisation counts in them.
    #[serde(default = "yes")]
    pub batch_norm: bool,
    /// Where shuffles were clustered.
    pub device: String,
    /// At the how-many-th shuffle below the network they were to stop ([`Shuffling::stop_at`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<usize>,
}

fn yes() -> bool {
    true
}

/// Wall-clock time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// Reading the file.
    pub load: f64,
    /// Building the graph.
    pub graph: f64,
    /// Clustering the network.
    pub cluster: f64,
    /// Clustering its shuffles, after that: the first ones are clustered beside it.
    pub null: f64,
    /// All of it.
    pub total: f64,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Where the graph came from.
    pub model: Option<ModelInfo>,
    /// The graph.
    pub graph: GraphInfo,
    /// k.
    pub clusters: usize,
    /// The n-cut of the best clustering found, in `[0, k]`.
    pub ncut: f64,
    /// n-cut / k, in `[0, 1]`.
    pub ncut_per_cluster: f64,
    /// The k smallest of L_sym, ascending.
    pub eigenvalues: Vec<f64>,
    /// Cluster of each node in layer order before dropping; −1 where dropped.
    pub labels: Vec<i64>,
    /// Nodes of each cluster.
    pub sizes: Vec<usize>,
    /// Share of the total volume of each cluster, descending.
    pub volumes: Vec<f64>,
    /// exp of the entropy of `volumes`, in `[1, k]`.
    pub effective_clusters: f64,
    /// Newman's Q of the partition.
    pub modularity_q: f64,
    /// The null distribution, if there is one.
    pub null: Option<NullInfo>,
    /// `(r + 1) / (n + 1)`, r = shuffles strictly below the network.
    pub p_value: Option<f64>,
    /// `(ncut − mean) / sd`.
    pub z_score: Option<f64>,
    /// What to know before believing the number.
    pub warnings: Vec<Warning>,
    /// Every option as resolved.
    pub settings: SettingsInfo,
    /// Seconds.
    pub timing_s: Timing,
    /// Of the program.
    pub version: String,
}

impl Measurement {
    /// λ_i of L_sym, counted from 1: λ_1 is 0. `None` beyond the k that are known.
    pub fn lambda(&self, i: usize) -> Option<f64> {
        self.eigenvalues.get(i.checked_sub(1)?).copied()
    }

    /// The p-value that conclusions are drawn from: [`valid_p_value`], for which ties count against the network. `p_value` itself where shuffles
    /// stopped at it.
    pub fn valid_p_value(&self) -> Option<f64> {
        let null = self.null.as_ref()?;
        if null.stopped { self.p_value } else { Some(valid_p_value(self.ncut, &null.ncuts)) }
    }

    /// Whether its n-cut is below those of all shuffles.
    pub fn is_lowest(&self) -> Option<bool> {
        self.null.as_ref().map(|null| valid_p_value(self.ncut, &null.ncuts) <= 1.0 / (null.ncuts.len() + 1) as f64)
    }

    /// Share of the total volume that the largest cluster holds, in `[1 / k, 1]`.
    pub fn largest_share(&self) -> f64 {
        self.volumes.iter().copied().fold(0.0, f64::max)
    }
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

/// The graph of a model file, and what the file is: a chain of dense layers, called `mlp 784-256-10`, or a network with convolutions, called
/// by its architecture, or as `cnn 1-32-64-1024-10`.
///
/// # Errors
///
/// As [`TensorFile::open`], [`dense_chain`], [`model::architecture`] and [`channel_graph`].
pub fn read_network(
    path: &Path,
    architecture: Arch,
    params: GraphParams,
) -> Result<(NeuronGraph, ModelInfo), InputError> {
    let file = TensorFile::open(path)?;
    let info = |architecture: String, graph_layers| {
        let (path, sha256) = (path.display().to_string(), file.sha256().into());
        ModelInfo { path, sha256, architecture, graph_layers, weights: file.unusual_weights(), assumed: None }
    };
    // Batch normalisations and masks are for those that know what they do.
    let is_plain = |entry: &TensorEntry| {
        entry.shape.len() < 3
            && ![".running_var", "weight_mask", "weight_orig"].iter().any(|part| entry.name.ends_with(part))
    };
    let is_named_mlp = architecture == Arch::Auto && file.entries().iter().all(is_plain) && file.dataflow()?.is_none();
    if architecture == Arch::Mlp || is_named_mlp {
        let layers = dense_chain(&file)?;
        let assumed = model::other_order(&file, &layers);
        let mut graph = mlp_graph(layers.into_iter().map(|layer| (layer.name, layer.weight)).collect());
        graph.drop_below(params.least_weight);
        if params.prune > 0.0 {
            graph.prune(params.prune);
        }
        let widths: Vec<String> = graph.node_sets.iter().map(|set| set.size.to_string()).collect();
        return Ok((graph, ModelInfo { assumed, ..info(format!("mlp {}", widths.join("-")), None) }));
    }
    let Architecture { name, dataflow, assumed } = model::architecture(&file, architecture)?;
    let is_convolutional = dataflow.operations.iter().any(|o| matches!(o.kind, Kind::Convolution { .. }));
    let network = Weighted { dataflow, path: &path.display().to_string(), read: &|tensor| file.tensor(tensor) };
    let graph = channel_graph(network, params)?;
    Ok((graph, ModelInfo { assumed, ..info(name, is_convolutional.then_some(params.layers)) }))
}

/// Share of the volume above which one of k clusters is called a giant: of two, one always holds half.
pub fn giant_share(k: usize) -> f64 {
    if k == 2 { 0.75 } else { 0.5 }
}

/// Share of the volume, in units of a cluster's fair share, below which a cluster is called a crumb.
const CRUMB: f64 = 0.1;
/// Share of a crumb's weight that leaves it, below which it hangs on by a thread.
const THREAD: f64 = 0.1;
/// n-cut per cluster below which the parts are called practically separate.
const NEAR_ZERO: f64 = 1e-3;
/// Weight of an edge, in units of the largest, below which it is called negligible.
const NEGLIGIBLE: f64 = 1e-7;
/// Share of negligible edges above which they are told of.
const NEGLIGIBLE_SHARE: f64 = 0.001;

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

fn warnings(
    graph: &NeuronGraph,
    clustering: &Clustering,
    ncut: f64,
    null: Option<&NullInfo>,
    params: MeasureParams,
) -> Vec<Warning> {
    let k = params.cluster.k;
    let partition = &clustering.partition;
    let shares = partition.volume_shares();
    let largest = shares.iter().copied().fold(0.0, f64::max);
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| warnings.push(Warning::new(code, message));
    if clustering.components > 1 {
        let count = clustering.components;
        warn(
            "disconnected",
            format!("the graph falls into {count} unconnected pieces, so some parts are separate by topology alone"),
        );
    }
    if k > 1 && largest > giant_share(k) {
        warn(
            "unbalanced",
            format!(
                "one cluster holds {:.0} % of the volume and the other {} share the rest, so the n-cut does not speak of \
                 parts of comparable size ({:.1} effective clusters of {k}, Q = {:.3})",
                100.0 * largest,
                k - 1,
                partition.effective_clusters(),
                partition.modularity()
            ),
        );
    }
    if k > 1 && ncut < NEAR_ZERO * k as f64 && clustering.components == 1 {
        warn("near-zero", format!("the n-cut is practically zero ({ncut:.1e}): small groups hang on by tiny weights"));
    }
    let crumbs: Vec<usize> = (0..k)
        .filter(|&c| partition.sizes[c] > 0 && shares[c] < CRUMB / k as f64)
        .filter(|&c| partition.cuts[c] < THREAD * partition.volumes[c])
        .collect();
    if !crumbs.is_empty() && clustering.components == 1 {
        let (count, nodes) = (crumbs.len(), crumbs.iter().map(|&c| partition.sizes[c]).sum::<usize>());
        let share = 100.0 * crumbs.iter().map(|&c| shares[c]).sum::<f64>();
        warn(
            "near-isolated",
            format!(
                "{count} of {k} clusters are crumbs, {nodes} nodes with {share:.2} % of the volume that hardly anything joins to the \
                 rest, and each takes nearly 1 off the n-cut"
            ),
        );
    }
    let edges = || graph.blocks.iter().flat_map(|block| block.weights.data());
    let bound = NEGLIGIBLE * edges().copied().fold(0.0, f64::max);
    let share = edges().filter(|weight| **weight < bound).count() as f64 / edges().count().max(1) as f64;
    if share > NEGLIGIBLE_SHARE {
        warn(
            "negligible-weights",
            format!(
                "{:.1} % of the edges weigh less than {bound:.1e}, as those of dead neurons do where weights decay, and clusters may \
                 be made of such edges: see whether the n-cut stays with --least-weight, of more than that where edges are single weights",
                100.0 * share
            ),
        );
    }
    let used = partition.sizes.iter().filter(|size| **size > 0).count();
    if used < k {
        warn(
            "few-points",
            format!("only {used} of {k} clusters have nodes: the embedding has no more different points"),
        );
    }
    if params.null.is_none() {
        warn(
            "no-layers",
            "the file names no layers, so there is nothing to shuffle: no null distribution, no p-value".into(),
        );
    }
    if null.is_some_and(|null| z_score(ncut, &null.ncuts).is_none()) {
        warn(
            "constant-null",
            "all shuffles have the same n-cut up to rounding, so there is no Z-score, and the p-value says nothing"
                .into(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use crate::rng::{Purpose, stream};
    use crate::stats::null::shuffled_ncut;
    use rand::Rng;

    #[test]
    fn edges_that_hardly_weigh_anything_are_told_of() {
        let mut rng = stream(7, Purpose::InitialWeights, 0, 0);
        let mut layer = |small: f64| {
            let weight = || rng.gen_range(0.1..1.0) * if rng.gen_range(0.0..1.0) < small { 1e-9 } else { 1.0 };
            ("w".to_string(), ndarray::Array2::from_shape_simple_fn((40, 40), weight))
        };
        for (small, told) in [(0.2, true), (0.005, true), (0.0, false)] {
            let mut graph = mlp_graph(vec![layer(small), layer(small)]);
            for told in [told, false] {
                let shuffling = Shuffling { done: Vec::new(), stop_at: None };
                let params = MeasureParams { shuffles: 0, ..params(3) };
                let found = measure(graph.clone(), params, shuffling, |_| ()).unwrap().warnings;
                let message = found.iter().find(|warning| warning.code == "negligible-weights").map(|w| &w.message);
                assert_eq!(message.is_some(), told, "{small}: {found:?}");
                assert!(
                    message.is_none_or(|text| text.contains(" less than 1.0e-7") && text.contains("--least-weight"))
                );
                graph.drop_below(1.1e-7);
            }
        }
    }

    fn params(k: usize) -> MeasureParams {
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
