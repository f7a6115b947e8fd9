//! One run: train a network, prune it, measure both end states.

use super::claim::{Claim, claim};
use super::grid::Run;
use super::settings::Settings;
use super::store::{RunDirectory, seed};
use crate::data::{self, Dataset};
use crate::measure::{MeasureError, MeasureParams, Measurement, ModelInfo, measure, read_network};
use crate::spectral::clustering::ClusterParams;
use crate::spectral::kmeans::Engine;
use crate::train::{EpochRecord, Trainer};
use crate::{InputError, aside};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tch::Device;

/// A network's measurement with how well it classifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndState {
    /// The measurement.
    #[serde(flatten)]
    pub measurement: Measurement,
    /// Running accuracy of the last epoch, dropout active, in `[0, 1]` ([`EpochRecord::accuracy`]).
    pub train_accuracy: f64,
    /// Running loss of the last epoch.
    pub train_loss: f64,
    /// Accuracy on the test set, in `[0, 1]`.
    pub test_accuracy: f64,
    /// Cross-entropy on the test set.
    pub test_loss: f64,
    /// Share of the weights that is exactly zero.
    pub sparsity: f64,
}

/// Seconds that a run took since it was last taken up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunTiming {
    /// Training.
    pub train: f64,
    /// Both measurements.
    pub measure: f64,
    /// Both.
    pub total: f64,
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
    /// Seconds.
    pub timing_s: RunTiming,
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
}

/// What happens in a run, for whoever shows it.
pub trait Observer: Sync {
    /// Training starts, or goes on, after `done` of `total` epochs of `steps` steps.
    fn training(&self, run: &Run, done: usize, total: usize, steps: usize);
    /// A step of an epoch is done.
    fn step(&self, run: &Run, epoch: usize, step: usize);
    /// An epoch is done.
    fn epoch(&self, run: &Run, record: &EpochRecord);
    /// A measurement of `shuffles` shuffles starts.
    fn measuring(&self, run: &Run, state: &str, shuffles: usize);
    /// A shuffle is done.
    fn shuffle(&self, run: &Run);
}

/// What runs share.
pub struct Context {
    /// Where data sets lie.
    pub data_dir: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Where tensors live.
    pub device: Device,
    datasets: Mutex<HashMap<String, Arc<Dataset>>>,
}

impl Context {
    /// No data set is read yet.
    pub fn new(data_dir: PathBuf, out: PathBuf, device: Device) -> Self {
        Self { data_dir, out, device, datasets: Mutex::default() }
    }

    /// Each data set is read once.
    fn dataset(&self, name: &str) -> Result<Arc<Dataset>, InputError> {
        let mut datasets = self.datasets.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(dataset) = datasets.get(name) {
            return Ok(dataset.clone());
        }
        let dataset = Arc::new(data::load(name, &self.data_dir)?);
        datasets.insert(name.into(), dataset.clone());
        Ok(dataset)
    }
}

/// The most weights of a network that is trained: 4 GB, and as much again for each of Adam's moments.
pub const MOST_WEIGHTS: usize = 1_000_000_000;

/// Finds what would make runs fail before the first one starts: an output directory that cannot be made, a data set that
/// is not there, more examples than it has, a network beyond [`MOST_WEIGHTS`], pruning that would have to grow weights
/// back, more clusters than the network has nodes.
///
/// # Errors
///
/// The first such fault; `file` is the grid file, for its place.
pub fn check(runs: &[&Run], context: &Context, file: &Path) -> Result<(), InputError> {
    std::fs::create_dir_all(&context.out).map_err(|e| InputError::io(&context.out, &e))?;
    for run in runs {
        let dataset = context.dataset(run.settings.dataset.as_str())?;
        let place = |setting: &str| format!("{}: {}: {setting}", file.display(), run.experiment);
        let (wanted, available) = (run.settings.n_train.map_or(0, |n| n.get()), dataset.train.len());
        if wanted > available {
            let problem = format!("{wanted} training examples of {}, which has {available}", dataset.name);
            return Err(InputError::new(place("n_train"), problem, format!("use at most {available}")));
        }
        let widths: Vec<usize> = std::iter::once(dataset.train.height * dataset.train.width)
            .chain(run.settings.hidden.iter().map(|width| width.get()))
            .chain([dataset.classes])
            .collect();
        let nodes: usize = widths.iter().sum();
        let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        if weights > MOST_WEIGHTS {
            let problem = format!("a network of {weights} weights");
            return Err(InputError::new(place("hidden"), problem, format!("stay below {MOST_WEIGHTS}")));
        }
        let Settings { initial_sparsity, final_sparsity, .. } = run.settings;
        if f64::from(initial_sparsity) > f64::from(final_sparsity) {
            let problem = "pruning begins with more than it ends with (final_sparsity)";
            return Err(InputError::new(place("initial_sparsity"), problem, "begin with less"));
        }
        if run.settings.clusters.get() >= nodes {
            let problem = format!("{} clusters of a network of {nodes} neurons", run.settings.clusters.get());
            return Err(InputError::new(place("clusters"), problem, format!("use at most {}", nodes - 1)));
        }
    }
    Ok(())
}

/// What became of a run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its result is there, written now or before.
    Done,
    /// Another process is doing it: which.
    Elsewhere(String),
}

/// Does `run`, or what is left of it, and writes its result. A run that is done, or that another process is doing, is not
/// touched.
///
/// Training goes on from the last epoch's checkpoint; the result is the same as without interruption.
///
/// # Errors
///
/// [`RunError`]; what was done stays.
///
/// # Panics
///
/// If [`check`] would have found fault with the run.
pub fn execute(run: &Run, context: &Context, observer: &impl Observer) -> Result<Outcome, RunError> {
    let directory = RunDirectory::new(&context.out, run);
    std::fs::create_dir_all(directory.path()).map_err(|e| InputError::io(directory.path(), &e))?;
    let attempt = match claim(&directory)? {
        Claim::Ours(attempt) => attempt,
        Claim::Theirs(holder) => return Ok(Outcome::Elsewhere(holder)),
        Claim::Done => {
            directory.tidy();
            return Ok(Outcome::Done);
        }
    };
    let dataset = context.dataset(run.settings.dataset.as_str())?;
    let config = serde_yaml::to_string(&run.settings).unwrap_or_default();
    aside::write(&directory.config(), config.as_bytes())?;
    let start = Instant::now();
    let records = train(run, context, &dataset, &directory, observer)?;
    let train_seconds = start.elapsed().as_secs_f64();

    let epochs = run.settings.epochs.get();
    let unpruned = end_state(run, "unpruned", &directory.unpruned(), &records[epochs - 1], observer)?;
    let pruned = match run.settings.pruning_epochs.get() {
        0 => None,
        _ => Some(end_state(run, "pruned", &directory.pruned(), &records[records.len() - 1], observer)?),
    };
    let total = start.elapsed().as_secs_f64();
    let timing_s = RunTiming { train: train_seconds, measure: total - train_seconds, total };
    let result = RunResult { settings: run.settings.clone(), replicate: run.replicate, unpruned, pruned, timing_s };
    if !attempt.is_current() {
        return Ok(Outcome::Elsewhere("a process that took this one for gone".into()));
    }
    log(&directory, &format!("done in {total:.1} s"))?;
    let json = serde_json::to_vec_pretty(&result).unwrap_or_default();
    aside::write(&directory.result(), &json)?;
    directory.tidy();
    Ok(Outcome::Done)
}

/// Trains to the end and leaves the networks and metrics on disk; one record an epoch.
fn train(
    run: &Run,
    context: &Context,
    dataset: &Dataset,
    directory: &RunDirectory,
    observer: &impl Observer,
) -> Result<Vec<EpochRecord>, RunError> {
    let settings = &run.settings;
    let n_train = settings.n_train.map_or(dataset.train.len(), |n| n.get());
    let mut trainer = Trainer::new(settings.train_params(seed(run)), dataset, n_train, context.device);
    let mut records = Vec::new();
    if directory.checkpoint().exists() {
        match trainer.load_checkpoint(&directory.checkpoint()) {
            Ok(_) if !networks_are_there(run, directory, trainer.epochs_done()) => {
                log(directory, "starting again: a network that was saved is gone")?;
                trainer = Trainer::new(settings.train_params(seed(run)), dataset, n_train, context.device);
            }
            Ok(earlier) => {
                records = earlier;
                log(directory, &format!("going on after epoch {}", trainer.epochs_done()))?;
            }
            Err(error) => log(directory, &format!("starting again: {error}"))?,
        }
    } else {
        log(directory, "starting")?;
    }
    observer.training(run, trainer.epochs_done(), trainer.total_epochs(), trainer.steps_per_epoch());
    while trainer.epochs_done() < trainer.total_epochs() {
        let epoch = trainer.epochs_done() + 1;
        let record = trainer.epoch(|step| observer.step(run, epoch, step));
        observer.epoch(run, &record);
        log(directory, &format!("epoch {epoch}: {}", serde_json::to_string(&record).unwrap_or_default()))?;
        records.push(record);
        let lines: String = records.iter().map(|r| serde_json::to_string(r).unwrap_or_default() + "\n").collect();
        aside::write(&directory.metrics(), lines.as_bytes())?;
        if epoch == settings.epochs.get() {
            trainer.save_network(&directory.unpruned())?;
        }
        if epoch == trainer.total_epochs() && settings.pruning_epochs.get() > 0 {
            trainer.save_network(&directory.pruned())?;
        }
        // last, so that whatever a checkpoint says is done is on disk
        trainer.save_checkpoint(&directory.checkpoint(), &records)?;
    }
    Ok(records)
}

/// Whether the networks that were saved in the first `epochs_done` epochs still are.
fn networks_are_there(run: &Run, directory: &RunDirectory, epochs_done: usize) -> bool {
    let (epochs, pruning_epochs) = (run.settings.epochs.get(), run.settings.pruning_epochs.get());
    let unpruned = epochs_done < epochs || directory.unpruned().exists();
    let pruned = pruning_epochs == 0 || epochs_done < epochs + pruning_epochs || directory.pruned().exists();
    unpruned && pruned
}

fn end_state(
    run: &Run,
    state: &str,
    network: &Path,
    record: &EpochRecord,
    observer: &impl Observer,
) -> Result<EndState, RunError> {
    let Settings { clusters, shuffles, null_model, restarts, solver, .. } = run.settings;
    observer.measuring(run, state, shuffles.get());
    let start = Instant::now();
    let (graph, model) = read_network(network)?;
    let load = start.elapsed().as_secs_f64();
    let params = MeasureParams {
        cluster: ClusterParams {
            k: clusters.get(),
            restarts: restarts.map(|n| n.get()),
            solver: solver.into(),
            engine: Engine::Lloyd,
            seed: seed(run),
            index: 0,
        },
        null: Some(null_model),
        shuffles: shuffles.get(),
        prune: 0.0,
    };
    let mut measurement = measure(graph, params, || observer.shuffle(run))
        .map_err(|error| RunError::Measure(network.display().to_string(), error))?;
    let path = network.file_name().unwrap_or_default().to_string_lossy().into_owned();
    measurement.model = Some(ModelInfo { path, ..model });
    measurement.timing_s.load = load;
    measurement.timing_s.total += load;
    Ok(EndState {
        measurement,
        train_accuracy: record.accuracy,
        train_loss: record.loss,
        test_accuracy: record.test_accuracy,
        test_loss: record.test_loss,
        sparsity: record.sparsity,
    })
}

/// Appends a line with the time, in seconds since 1970.
fn log(directory: &RunDirectory, line: &str) -> Result<(), InputError> {
    let path = directory.log();
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(|e| InputError::io(&path, &e))?;
    writeln!(file, "{seconds} {line}").map_err(|e| InputError::io(&path, &e))
}
