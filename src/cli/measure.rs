//! `ncut measure MODEL`.

use super::network::{ConventionOption, NetworkOptions, check_least_weight, check_prune};
use super::{Global, check_outputs, is_stdout, print, progress, table, write_json, write_text};
use crate::InputError;
use crate::allocator::keep_freed_memory;
use crate::diagnosis::choice::BEYOND;
use crate::diagnosis::ladder::LEAST_SHUFFLES;
use crate::diagnosis::{self, Diagnosis, DiagnosisParams};
use crate::explain::explain;
use crate::graph::{GraphParams, NeuronGraph};
use crate::measure::{self, MeasureParams, Measurement, ModelInfo, Shuffling, read_network};
use crate::report::page;
use crate::spectral::clustering::ClusterParams;
use crate::spectral::eigsh::Solver;
use crate::spectral::kmeans::Engine;
use crate::stats::null;
use crate::stats::shuffle::NullModel;
use crate::train::device;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tch::Device;

/// Measure a network: its clusters, n-cut, null distribution, p and Z.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Measure {
    /// .safetensors, TorchScript or PyTorch state dict .pt/.pth, ONNX, torch.export .pt2, or .npz
    model: PathBuf,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    options: MeasureOptions,
}

/// Options that `measure` and `cluster` share.
#[derive(Debug, Args)]
pub(super) struct MeasureOptions {
    /// Number of clusters
    #[arg(short = 'k', long, value_name = "N", default_value_t = 12)]
    clusters: usize,
    /// Number of shuffled networks to compare with; 0 for none
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    shuffles: u32,
    /// Take the shuffles of an earlier result (its --json) of the same network and options, and do only what is missing
    #[arg(long, value_name = "FILE")]
    more: Option<PathBuf>,
    /// Stop at the N-th shuffle below the network's n-cut: p is then N / shuffles done, right to about 1/√N of itself
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    stop_at: Option<u32>,
    /// What a shuffle keeps: each layer's weights, or their places too
    #[arg(long, value_enum, default_value = "layer")]
    null: Null,
    /// Seed of shuffles, start vectors and k-means
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Drop this share of each layer's smallest weights first, in [0, 1)
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    pub(super) prune: f64,
    /// Take weights of a smaller magnitude for zero, before any are dropped
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    pub(super) least_weight: f64,
    /// k-means starts [default: 25 up to 2,000 nodes, else 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    restarts: Option<u16>,
    /// How eigenvectors are computed
    #[arg(long, value_enum, default_value = "auto")]
    solver: SolverOption,
    /// Which k-means runs
    #[arg(long, value_enum, default_value = "lloyd")]
    kmeans: KMeansOption,
    /// What the nodes of a convolutional network are; all agree on chains of dense layers
    #[arg(long, value_enum, default_value = "paper")]
    convention: ConventionOption,
    /// Say whether to believe it: its n-cut against null models that keep more and more of the network, and which number of clusters
    /// stands out; as many shuffles of each null model as --shuffles
    #[arg(long, conflicts_with = "stop_at")]
    diagnose: bool,
    /// Largest number of clusters that --diagnose looks at, each in every shuffle [default: 4 more than --clusters]
    #[arg(long, value_name = "N", requires = "diagnose", value_parser = clap::value_parser!(u16).range(2..=100))]
    most_clusters: Option<u16>,
    /// Say first which way is taken, why, and what it is expected to cost
    #[arg(long)]
    explain: bool,
    /// Write the result as JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page that shows the result
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Null {
    /// All entries of each matrix are permuted
    Layer,
    /// The values are permuted among the non-zero places
    LayerNonzero,
    /// New values, distributed as the weights, at the non-zero places
    LayerNonzeroDistribution,
    /// New values, distributed as the weights, at random places
    LayerAllDistribution,
    /// Rewired: every node keeps its number of edges in each matrix
    Degrees,
    /// The entries of each row are permuted: nodes keep what they send on
    Rows,
    /// The entries of each column are permuted: nodes keep what they receive
    Columns,
    /// A new initialisation of dense layers, as sparse
    Fresh,
}

impl From<Null> for NullModel {
    fn from(null: Null) -> Self {
        match null {
            Null::Layer => Self::Layer,
            Null::LayerNonzero => Self::LayerNonzero,
            Null::LayerNonzeroDistribution => Self::LayerNonzeroDistribution,
            Null::LayerAllDistribution => Self::LayerAllDistribution,
            Null::Degrees => Self::Degrees,
            Null::Rows => Self::Rows,
            Null::Columns => Self::Columns,
            Null::Fresh => Self::Fresh,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SolverOption {
    /// lanczos, or dense where the matrix is small
    Auto,
    /// ARPACK, shift-invert on a sparse Cholesky factor; one at a time
    Arpack,
    /// Block Lanczos, on all threads
    Lanczos,
    /// All eigenvalues of a dense matrix
    Dense,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KMeansOption {
    /// Greedy k-means++ and Lloyd's iteration
    Lloyd,
    /// The kmeans crate, as a check
    Crate,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Output<'a> {
    #[serde(flatten)]
    measurement: &'a Measurement,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnosis: Option<&'a Diagnosis>,
}

impl Measure {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        self.options.check(&[&self.model])?;
        let params = self.network.params(self.options.convention, self.options.prune, self.options.least_weight);
        let (graph, model) = read_network(&self.model, self.network.architecture(), params)?;
        self.options.measure(graph, model, Some(params), start.elapsed().as_secs_f64(), global)
    }
}

impl MeasureOptions {
    /// Refuses what no option may be, and results in the place of `inputs`.
    pub(super) fn check(&self, inputs: &[&Path]) -> Result<(), InputError> {
        check_prune(self.prune)?;
        check_least_weight(self.least_weight)?;
        let outputs: Vec<&Path> = [&self.json, &self.html].into_iter().flatten().map(PathBuf::as_path).collect();
        check_outputs(inputs, &outputs)
    }

    /// Refuses what nothing can be said of.
    fn check_diagnosis(&self, layered: bool) -> Result<(), InputError> {
        if !layered {
            let problem = "the graph has no layers, so there are no null models to compare it with";
            return Err(InputError::new("--diagnose", problem, "put a FILE.layers.json beside it (see ncut graph)"));
        }
        if self.clusters < 2 {
            let problem = "one cluster is the whole network, whose n-cut is 0";
            return Err(InputError::new("--diagnose", problem, "give -k 2 or more"));
        }
        if let Some(most) = self.most_clusters.filter(|most| usize::from(*most) < self.clusters) {
            let problem = format!("{most} is less than the {} clusters measured", self.clusters);
            return Err(InputError::new("--most-clusters", problem, format!("give {} or more", self.clusters)));
        }
        if (self.shuffles as usize) < LEAST_SHUFFLES {
            let problem = format!("with {} shuffles no p is below 0.05", self.shuffles);
            return Err(InputError::new("--diagnose", problem, format!("give --shuffles {LEAST_SHUFFLES} or more")));
        }
        Ok(())
    }

    /// Measures `graph` and shows the result. `layers`: whether the graph has layers to shuffle, and how it was drawn.
    pub(super) fn measure(
        &self,
        graph: NeuronGraph,
        model: ModelInfo,
        layers: Option<GraphParams>,
        load: f64,
        global: &Global,
    ) -> anyhow::Result<ExitCode> {
        keep_freed_memory();
        let device = device::device(&global.device)?;
        let params = MeasureParams {
            cluster: ClusterParams {
                k: self.clusters,
                restarts: self.restarts.map(usize::from),
                solver: match self.solver {
                    SolverOption::Auto => Solver::Auto,
                    SolverOption::Arpack => Solver::Arpack,
                    SolverOption::Lanczos => Solver::Lanczos,
                    SolverOption::Dense => Solver::Dense,
                },
                engine: match self.kmeans {
                    KMeansOption::Lloyd => Engine::Lloyd,
                    KMeansOption::Crate => Engine::Crate,
                },
                seed: self.seed,
                index: 0,
            },
            null: layers.map(|_| self.null.into()),
            shuffles: self.shuffles as usize,
            engine: match device {
                Device::Cuda(_) => null::Engine::Device(device),
                _ => null::Engine::Threads,
            },
            prune: self.prune,
            least_weight: self.least_weight,
            convention: self.convention.into(),
            norm: layers.unwrap_or_default().norm,
            batch_norm: layers.unwrap_or_default().batch_norm,
        };
        let dense_layers = model.architecture.starts_with("mlp ");
        if matches!(self.null, Null::Fresh) && !dense_layers {
            let problem = format!(
                "'{}' is no network of dense layers, and how others are initialised is not known",
                model.architecture
            );
            return Err(InputError::new("--null fresh", problem, "choose another null model, as layer").into());
        }
        if self.diagnose {
            self.check_diagnosis(layers.is_some())?;
        }
        let diagnosing = self.diagnose.then(|| DiagnosisParams {
            cluster: params.cluster,
            shuffles: self.shuffles as usize,
            dense_layers,
            most_clusters: self.most_clusters.map_or(self.clusters + BEYOND, usize::from),
        });
        if self.explain {
            let (connected, _) = graph.clone().without_isolated();
            if (1..connected.nodes()).contains(&self.clusters) {
                explain(&connected, params, rayon::current_num_threads()).iter().for_each(|line| eprintln!("{line}"));
                if let Some(params) = diagnosing {
                    let (count, most) = (diagnosis::clusterings(&connected, params), params.most_clusters);
                    eprintln!(
                        "diagnosis: {count} steps more, each a clustering or the eigenvalues of up to {most} clusters; not in the time above"
                    );
                }
            }
        }
        let shown = (self.diagnose || self.html.is_some()).then(|| graph.clone());
        let shuffling = Shuffling {
            done: self.more.as_ref().map_or(Ok(Vec::new()), |path| earlier(path, &model, params))?,
            stop_at: self.stop_at.map(|most| most as usize),
        };
        let bar = progress::Shuffles::new(if layers.is_some() { self.shuffles as usize } else { 0 });
        let result = measure::measure(graph, params, shuffling, |found| bar.show(found));
        bar.close();
        let mut result: Measurement = result.map_err(|e| anyhow::Error::new(e).context(model.path.clone()))?;
        result.warnings.extend(model.warning());
        result.model = Some(model);
        result.timing_s.load = load;
        result.timing_s.total += load;
        let diagnosis = match shown.as_ref().zip(diagnosing) {
            Some((graph, params)) => {
                let bar = progress::Steps::new("diagnosis", diagnosis::clusterings(graph, params));
                let found = diagnosis::diagnose(graph, &result, params, || bar.step());
                bar.close();
                Some(found.map_err(|e| anyhow::Error::new(e).context("--diagnose"))?)
            }
            None => None,
        };
        // what was asked for is written as far as it can be, whatever goes wrong with a part of it
        let page = self.html.as_ref().zip(shown.as_ref());
        let html = page
            .map_or(Ok(()), |(path, graph)| write_text(path, &page::measurement(&result, diagnosis.as_ref(), graph)));
        let json = self
            .json
            .as_ref()
            .map_or(Ok(()), |path| write_json(path, &Output { measurement: &result, diagnosis: diagnosis.as_ref() }));
        let table = match [&self.json, &self.html].into_iter().flatten().any(|path| is_stdout(path)) {
            true => Ok(()),
            false => {
                let diagnosis = diagnosis.as_ref().map_or(String::new(), table::diagnosis);
                print(&format!("{}{diagnosis}", table::measurement(&result)))
            }
        };
        html.and(json).and(table)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// n-cuts of the shuffles of the result at `path`, which is to be of this model and these parameters but for their number.
fn earlier(path: &Path, model: &ModelInfo, params: MeasureParams) -> Result<Vec<f64>, InputError> {
    let other = |problem: String| InputError::new(path.display(), problem, "measure without --more");
    let text = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
    let earlier: Measurement =
        serde_json::from_slice(&text).map_err(|e| other(format!("is no result of measure --json: {e}")))?;
    let its = &earlier.settings;
    let same_restarts = params.cluster.restarts.is_none_or(|restarts| restarts == its.restarts);
    let differs = [
        (
            "network",
            earlier.model.as_ref().map(|m| (&m.sha256, &m.architecture)) != Some((&model.sha256, &model.architecture)),
        ),
        ("version of ncut", earlier.version != crate::VERSION),
        ("--clusters", its.clusters != params.cluster.k),
        ("--null", its.null != params.null),
        ("--seed", its.seed != params.cluster.seed),
        ("--prune", its.prune != params.prune),
        ("--least-weight", its.least_weight != params.least_weight),
        ("--restarts", !same_restarts),
        ("--kmeans", its.kmeans != measure::engine_name(params.cluster.engine)),
        ("--convention", its.convention != params.convention),
        ("--norm", its.norm != params.norm),
        ("--batch-norm", its.batch_norm != params.batch_norm),
        ("--layers", earlier.model.as_ref().is_some_and(|m| m.graph_layers != model.graph_layers)),
    ];
    match differs.into_iter().find(|(_, differs)| *differs) {
        Some((what, _)) => Err(other(format!("is of another {what}"))),
        None => Ok(earlier.null.map_or(Vec::new(), |null| null.ncuts)),
    }
}
