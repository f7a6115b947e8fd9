//! One run: train a network, prune it, measure both end states. It can stop at any step and any shuffle.

use super::claim::{Attempt, Claim, claim};
use super::cost::peak_memory;
use super::end_state::{EndState, end_state, shuffle_shard};
use super::grid::Run;
use super::networks;
use super::settings::Settings;
use super::stop::Stop;
use super::store::RunDirectory;
use super::training::{train, train_together};
use super::training_curve::{self, TrainingPoint, curve, points_on_the_way};
use super::types::Model;
use crate::data::{self, Dataset, Task};
use crate::graph::{Convention, GraphLayers};
use crate::measure::MeasureError;
use crate::nn::Architecture;
use crate::nn::clusterable_init::TaggedLayers;
use crate::penalty::PenaltyLayers;
use crate::penalty::block_share::Layers;
use crate::stats::shuffle::NullModel;
use crate::train::EpochRecord;
use crate::train::augmentation::Augmentation;
use crate::{InputError, aside};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tch::Device;

/// Seconds that a run took, and what else depends on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunTiming {
    /// Training, over all attempts; 0 for networks that another run had trained.
    pub train: f64,
    /// All measurements, since they were last taken up.
    pub measure: f64,
    /// Both.
    pub total: f64,
    /// Threads that measured.
    #[serde(default)]
    pub threads: u32,
    /// The most memory, in bytes, of the process that finished the run, other runs at the same time included.
    #[serde(default)]
    pub peak_memory: Option<u64>,
}

/// `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Resolved.
    pub settings: Settings,
    /// Number of the replicate.
    pub replicate: u64,
    /// Before pruning.
    pub unpruned: EndState,
    /// At the end; none without pruning epochs.
    pub pruned: Option<EndState>,
    /// After each epoch of `measure_at`, ascending; none if that is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Vec<TrainingPoint>>,
    /// Seconds.
    pub timing_s: RunTiming,
}

impl RunResult {
    /// Milliseconds of training per step of the optimiser, the tests after epochs included; `None` for a run that was
    /// given the networks of another or had no steps.
    pub fn ms_per_step(&self) -> Option<f64> {
        let steps = self.settings.steps().filter(|steps| *steps > 0)?;
        (self.timing_s.train > 0.0).then(|| 1000.0 * self.timing_s.train / steps as f64)
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file or setting.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The measurement.
    #[error("{0}: {1}")]
    Measure(String, MeasureError),
    /// A fault of ours.
    #[error("a fault of ours: {0}")]
    Fault(String),
}

impl RunError {
    /// Whether the user's input is at fault.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Input(_) => true,
            Self::Measure(_, error) => error.is_input(),
            Self::Fault(_) => false,
        }
    }
}

/// `error.json`: why the last attempt failed. It goes when the next one begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// In one line.
    pub message: String,
    /// Whether the user's input is at fault.
    pub input: bool,
    /// Of the program.
    pub version: String,
}

/// How far to go with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To its result.
    All,
    /// Until both networks are trained.
    Train,
    /// Shuffles `shard`, `shard + of`, `shard + 2 of`, … of both networks, which are trained.
    Shuffles {
        /// Below `of`.
        shard: u64,
        /// Number of shards.
        of: u64,
    },
}

/// What happens in a run, for whoever shows it.
pub trait Observer: Sync {
    /// Training starts, or goes on, after `done` of `total` steps, in so many `epochs`.
    fn training(&self, run: &Run, done: usize, total: usize, epochs: usize);
    /// So many steps are done.
    fn step(&self, run: &Run, done: usize);
    /// An epoch is done.
    fn epoch(&self, run: &Run, record: &EpochRecord);
    /// A measurement of `shuffles` shuffles starts.
    fn measuring(&self, run: &Run, state: &str, shuffles: usize);
    /// A shuffle is done.
    fn shuffle(&self, run: &Run);
    /// Clusters are silenced, each beside `random_sets` sets.
    fn lesions(&self, run: &Run, state: &str, random_sets: usize);
}

/// What runs share.
pub struct Context {
    /// Where data sets lie.
    pub data_dir: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Where tensors live.
    pub device: Device,
    /// On how many threads a run trains, at least 1. Sums are split over them: networks differ between numbers of threads, in
    /// their last bits at first.
    pub threads_per_run: usize,
    /// Looked at after each step and each shuffle: state is saved, and the run stops.
    pub stop: Stop,
    /// Looked at after each epoch: whether a run that trains makes room, for others that wait ([`super::waiting`]).
    pub others_wait: AtomicBool,
    datasets: Mutex<HashMap<(String, usize), Arc<Dataset>>>,
}

impl Context {
    /// No data set is read yet.
    pub fn new(data_dir: PathBuf, out: PathBuf, device: Device, threads_per_run: usize, stop: Stop) -> Self {
        Self {
            data_dir,
            out,
            device,
            threads_per_run,
            stop,
            others_wait: AtomicBool::default(),
            datasets: Mutex::default(),
        }
    }

    /// Each data set is read once.
    pub(super) fn dataset(&self, settings: &Settings) -> Result<Arc<Dataset>, InputError> {
        let key = (settings.dataset.as_str().to_string(), settings.data_seed.get());
        let mut datasets = self.datasets.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(dataset) = datasets.get(&key) {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(data::load(&key.0, &self.data_dir, key.1 as u64)?);
        datasets.insert(key, dataset.clone());
        Ok(dataset)
    }
}

/// The most weights of a network that is trained: 4 GB, and as much again for each of Adam's moments.
pub const MOST_WEIGHTS: usize = 1_000_000_000;

/// Finds what would make runs fail before the first one starts: an output directory that cannot be made, a data set that
/// is not there, and what [`check_settings`] finds.
///
/// # Errors
///
/// The first such fault; `file` is the grid file, for its place.
pub fn check(runs: &[&Run], context: &Context, file: &Path) -> Result<(), InputError> {
    std::fs::create_dir_all(&context.out).map_err(|e| InputError::io(&context.out, &e))?;
    for run in runs {
        context.dataset(run.settings())?;
    }
    check_settings(runs, file)
}

/// Finds settings that cannot be: more examples than the data set has, a network beyond [`MOST_WEIGHTS`], settings that
/// its kind of network or of data does not have, measurements after its last epoch, pruning that would have to grow weights back, more clusters, tags or
/// eigenvalues than the network has nodes. Nothing is read or written.
///
/// # Errors
///
/// The first such fault; `file` is the grid file, for its place.
pub fn check_settings(runs: &[&Run], file: &Path) -> Result<(), InputError> {
    for run in runs {
        let dataset = data::describe(run.settings().dataset.as_str())?;
        let place = |setting: &str| match run.condition.sources.iter().find(|source| source.setting == setting) {
            Some(source) => format!("{}: {setting}", source.at),
            None => format!("{}: {}: {setting}", file.display(), run.experiment),
        };
        let (wanted, available) = (run.settings().n_train.map_or(0, |n| n.get()), dataset.train);
        if wanted > available {
            let problem = format!("{wanted} training examples of {}, which has {available}", dataset.name);
            return Err(InputError::new(place("n_train"), problem, format!("use at most {available}")));
        }
        if let Some((setting, problem, remedy)) = unfit(run.settings()) {
            return Err(InputError::new(place(setting), problem, remedy));
        }
        if let Some((epoch, last)) = training_curve::beyond(run.settings()) {
            let problem = format!("epoch {epoch} of a run that has {last}, pruning included");
            return Err(InputError::new(place("measure_at"), problem, format!("use at most {last}")));
        }
        let architecture = run.settings().architecture().map_err(|problem| {
            let remedy = "name a data set with larger images, or another model";
            InputError::new(place("dataset"), format!("{}: {problem}", dataset.name), remedy)
        })?;
        let widths = architecture.channels();
        let seen = run.settings().penalty_layers.range(architecture.convolutions(), widths.len() - 1);
        let seen = &widths[seen.start..=seen.end];
        let nodes = graph_nodes(&architecture, run.settings().graph_layers);
        let weights = architecture.weight_count();
        if weights > MOST_WEIGHTS {
            let problem = format!("a network of {weights} weights");
            return Err(InputError::new(place("hidden"), problem, format!("stay below {MOST_WEIGHTS}")));
        }
        let (batch, examples) =
            (run.settings().batch_size.get(), run.settings().n_train.map_or(available, |n| n.get()));
        if !architecture.normalised().is_empty() && (batch == 1 || examples % batch == 1) {
            let problem =
                format!("of {examples} examples in steps of {batch}, a step has one, which is normalised by no other");
            return Err(InputError::new(place("batch_size"), problem, "use another"));
        }
        let Settings { initial_sparsity, final_sparsity, .. } = run.settings();
        if f64::from(*initial_sparsity) > f64::from(*final_sparsity) {
            let problem = "pruning begins with more than it ends with (final_sparsity)";
            return Err(InputError::new(place("initial_sparsity"), problem, "begin with less"));
        }
        if run.settings().lesions.get() > 0 && !matches!(dataset.task, Task::Classification { .. }) {
            let problem = format!("lesions cost accuracy, and {} has no classes", dataset.name);
            return Err(InputError::new(place("lesions"), problem, "leave it out"));
        }
        if run.settings().augmentation != Augmentation::None && dataset.height == 1 {
            let problem = format!("the inputs of {} are no images", dataset.name);
            return Err(InputError::new(place("augmentation"), problem, "leave it out"));
        }
        let side = |parity: usize| seen.iter().skip(parity).step_by(2).sum::<usize>();
        let (count, least) = (run.settings().eigen_penalty_count.get(), side(0).min(side(1)));
        if f64::from(run.settings().eigen_penalty) > 0.0 && count >= least {
            let problem = format!("{count} eigenvalues of a network with {least} neurons on a side");
            let remedy = match least - 1 {
                0 => "use wider layers".into(),
                most => format!("use at most {most}"),
            };
            return Err(InputError::new(place("eigen_penalty_count"), problem, remedy));
        }
        let neurons: usize = widths.iter().sum();
        if run.settings().tags.get() > neurons {
            let problem = format!("{} tags of {neurons} neurons", run.settings().tags.get());
            return Err(InputError::new(place("tags"), problem, format!("use at most {neurons}")));
        }
        let share = f64::from(run.settings().block_share);
        if share > 0.0 && run.settings().block_share_layers == Layers::Hidden && seen.len() < 4 {
            let problem = "no matrix is between two hidden layers: block_share would do nothing";
            return Err(InputError::new(place("block_share_layers"), problem, "use all, or more layers"));
        }
        if run.settings().clusters.get() >= nodes {
            let unit = if architecture.is_dense() { "neurons" } else { "nodes" };
            let problem = format!("{} clusters of a network of {nodes} {unit}", run.settings().clusters.get());
            return Err(InputError::new(place("clusters"), problem, format!("use at most {}", nodes - 1)));
        }
    }
    Ok(())
}

/// A setting that the model does not have, with the problem and its remedy.
fn unfit(settings: &Settings) -> Option<(&'static str, &'static str, &'static str)> {
    let defaults = Settings::default();
    let convolutional = settings.model != Model::Mlp;
    let no_convolutions = "this model has no convolutions";
    let other = |setting, problem| (setting, problem, "leave it out, or train another model");
    [
        (
            settings.data_seed != defaults.data_seed && data::is_drawn(settings.dataset.as_str()) == Ok(false),
            ("data_seed", "nothing in this data set is drawn", "leave it out, or name one that is (lines, random, …)"),
        ),
        (
            convolutional && settings.hidden != defaults.hidden,
            ("hidden", "this model has layers of its own", "leave it out, or train an mlp"),
        ),
        (
            settings.model != Model::Cnn && settings.channels != defaults.channels,
            ("channels", "this model has layers of its own", "leave it out, or train a cnn"),
        ),
        (
            settings.model == Model::AirgCnn && f64::from(settings.dropout) > 0.0,
            other("dropout", "this model has no dropout"),
        ),
        (
            convolutional && settings.l2_convention != defaults.l2_convention,
            ("l2_convention", "the authors' code has Σ|w| in MLPs alone", "leave it out"),
        ),
        (
            settings.model == Model::Vgg && settings.normalize_neurons,
            other("normalize_neurons", "this model normalises batches, and its neurons have no scale of their own"),
        ),
        (
            !convolutional && settings.penalty_layers == PenaltyLayers::Convolutions,
            other("penalty_layers", no_convolutions),
        ),
        (
            !convolutional && settings.clusterable_init_layers == TaggedLayers::Convolutions,
            other("clusterable_init_layers", no_convolutions),
        ),
        (!convolutional && settings.convention != Convention::Paper, other("convention", no_convolutions)),
        (
            convolutional && settings.null_model == NullModel::Fresh,
            other("null_model", "'fresh' draws dense layers' weights, and this model has convolutions"),
        ),
        (
            settings.convention == Convention::Authors && settings.graph_layers == GraphLayers::All,
            other("convention", "the authors' has no nodes for the image and dense layers (graph_layers: all)"),
        ),
        (
            settings.model != Model::Vgg && !settings.fold_batch_norm,
            other("fold_batch_norm", "this model has no batch normalisation"),
        ),
    ]
    .into_iter()
    .find_map(|(is_set, fault)| is_set.then_some(fault))
}

/// Nodes of the graph that is measured.
pub(super) fn graph_nodes(architecture: &Architecture, layers: GraphLayers) -> usize {
    let channels = architecture.channels();
    if architecture.is_dense() || layers == GraphLayers::All {
        return channels.iter().sum();
    }
    channels[1..].iter().zip(architecture.are_convolutions()).filter(|(_, is)| *is).map(|(channels, _)| channels).sum()
}

/// What became of a run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as far as it was to go, now or before.
    Done,
    /// Another process is doing it: which.
    Elsewhere(String),
    /// It was asked to stop, and goes on from there when it is asked for again.
    Stopped,
    /// It made room for one that waits ([`Context::others_wait`]), and goes on likewise.
    MadeRoom,
}

/// Does `run`, or what is left of it, as far as `stage`. A run that is done, or that another process is doing, is not
/// touched.
///
/// Wherever it was interrupted, it goes on from its last step and its last shuffle, and the result is the same as without
/// interruption.
///
/// # Errors
///
/// [`RunError`]; what was done stays, and `error.json` says why.
///
/// # Panics
///
/// If [`check`] would have found fault with the run.
pub fn execute(run: &Run, stage: Stage, context: &Context, observer: &impl Observer) -> Result<Outcome, RunError> {
    let directory = RunDirectory::new(&context.out, run);
    if let Stage::Shuffles { shard, of } = stage {
        return shuffle_shard(run, &directory, shard, of, context, observer);
    }
    std::fs::create_dir_all(directory.path()).map_err(|e| InputError::io(directory.path(), &e))?;
    let attempt = match claim(&directory)? {
        Claim::Ours(attempt) => attempt,
        Claim::Theirs(holder) => return Ok(Outcome::Elsewhere(holder)),
        Claim::Done => {
            directory.tidy();
            return Ok(Outcome::Done);
        }
    };
    let _ = std::fs::remove_file(directory.error());
    let result = attempted(run, stage, context, &directory, &attempt, observer);
    if let Err(error) = &result {
        let failure = Failure { message: error.to_string(), input: error.is_input(), version: crate::VERSION.into() };
        let _ = log(&directory, &format!("failed: {error}"));
        aside::write(&directory.error(), &serde_json::to_vec_pretty(&failure).unwrap_or_default())?;
    }
    result
}

/// Trains `runs`, of one condition, in one pass, as far as they can be; [`execute`] goes on from there. Those that are done, that
/// another process is doing, or that are not as far as the others, are not touched.
///
/// # Errors
///
/// [`RunError`]: a run that [`execute`] fails too, or the disk. What was done stays.
pub fn execute_training_together(runs: &[&Run], context: &Context, observer: &impl Observer) -> Result<(), RunError> {
    let mut attempts = Vec::new();
    for run in runs {
        let directory = RunDirectory::new(&context.out, run);
        std::fs::create_dir_all(directory.path()).map_err(|e| InputError::io(directory.path(), &e))?;
        if let Claim::Ours(attempt) = claim(&directory)? {
            attempts.push((*run, directory, attempt));
        }
    }
    let ours: Vec<(&Run, &RunDirectory)> = attempts.iter().map(|(run, directory, _)| (*run, directory)).collect();
    train_together(&ours, context, observer)
}

fn attempted(
    run: &Run,
    stage: Stage,
    context: &Context,
    directory: &RunDirectory,
    attempt: &Attempt,
    observer: &impl Observer,
) -> Result<Outcome, RunError> {
    let config = serde_yaml::to_string(run.settings()).unwrap_or_default();
    let config = format!("# ncut {}, replicate {}\n{config}", crate::VERSION, run.replicate);
    aside::write(&directory.config(), config.as_bytes())?;
    let Some(trained) = train(run, context, directory, observer)? else {
        return Ok(if context.stop.is_requested() { Outcome::Stopped } else { Outcome::MadeRoom });
    };
    if stage == Stage::Train {
        return Ok(Outcome::Done);
    }
    if let Some((json, from)) = networks::result(&context.out, run) {
        aside::write(&directory.result(), &json)?;
        log(directory, &format!("the result of {from}, which is the same run"))?;
        directory.tidy();
        return Ok(Outcome::Done);
    }
    let start = Instant::now();
    // before the end states, whose lesions are not kept
    let Some(points) = points_on_the_way(run, directory, &trained.records, context, observer)? else {
        return Ok(Outcome::Stopped);
    };
    let mut states = Vec::new();
    for (state, record) in trained.end_states() {
        match end_state(run, state, directory, record, context, observer)? {
            Some(state) => states.push(state),
            None => return Ok(Outcome::Stopped),
        }
    }
    let mut states = states.into_iter();
    let Some(unpruned) = states.next() else { return Err(RunError::Fault("no end state".into())) };
    let measure = start.elapsed().as_secs_f64();
    let timing_s = RunTiming {
        train: trained.seconds,
        measure,
        total: trained.seconds + measure,
        threads: rayon::current_num_threads() as u32,
        peak_memory: peak_memory(),
    };
    let (settings, pruned) = (run.settings().clone(), states.next());
    let training = curve(&settings, points, &trained.records, &unpruned, pruned.as_ref());
    let result = RunResult { settings, replicate: run.replicate, unpruned, pruned, training, timing_s };
    if !attempt.is_current() {
        return Ok(Outcome::Elsewhere("a process that took this one for gone".into()));
    }
    let json = serde_json::to_vec_pretty(&result).unwrap_or_default();
    aside::write(&directory.result(), &json)?;
    // after the result, so that a run whose process is killed here does not say it twice
    log(directory, &format!("done in {:.1} s", timing_s.total))?;
    directory.tidy();
    Ok(Outcome::Done)
}

pub(super) fn signal(context: &Context) -> i32 {
    context.stop.signal().unwrap_or_default()
}

/// Appends a line with the time, in seconds since 1970.
pub(super) fn log(directory: &RunDirectory, line: &str) -> Result<(), InputError> {
    let path = directory.log();
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| InputError::io(&path, &e))?;
    writeln!(file, "{seconds} {line}").map_err(|e| InputError::io(&path, &e))
}
