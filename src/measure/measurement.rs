//! The result: plain data, in the form of the JSON of `ncut measure` and `ncut cluster`.

use crate::graph::{Convention, GraphLayers, Norm};
use crate::stats::permutation::valid_p_value;
use crate::stats::shuffle::NullModel;
use serde::{Deserialize, Serialize};

/// Version of the JSON.
pub const SCHEMA: u32 = 1;

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
    /// How layers were joined where the file does not say it, or was not asked ([`crate::model::Architecture::assumed`]).
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
    /// Whether the last is the one that sequential stopping waited for ([`super::Shuffling::stop_at`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// Something to know before believing the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// For programs: `disconnected`, `unbalanced`, `near-zero`, `near-isolated`, `negligible-weights`, `few-points`, `no-layers`,
    /// `constant-null`, `taken-for-a-chain`.
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
    /// At the how-many-th shuffle below the network they were to stop ([`super::Shuffling::stop_at`]).
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
