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
use super::training_curve::{TrainingPoint, curve, points_on_the_way};
use crate::data::{self, Dataset};
use crate::measure::MeasureError;
use crate::train::EpochRecord;
use crate::{InputError, aside};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
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
/// interruption; but for training together ([`execute_training_together`]) that left replicates at different steps.
///
/// # Errors
///
/// [`RunError`]; what was done stays, and `error.json` says why.
///
/// # Panics
///
/// If [`super::check::check`] would have found fault with the run.
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
    let result = prepare(run, &directory)
        .map_err(RunError::from)
        .and_then(|()| attempted(run, stage, context, &directory, &attempt, observer));
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
            prepare(run, &directory)?;
            attempts.push((*run, directory, attempt));
        }
    }
    let ours: Vec<(&Run, &RunDirectory)> = attempts.iter().map(|(run, directory, _)| (*run, directory)).collect();
    train_together(&ours, context, observer)
}

/// What an attempt begins with: the settings, and no error of an earlier one.
fn prepare(run: &Run, directory: &RunDirectory) -> Result<(), InputError> {
    let _ = std::fs::remove_file(directory.error());
    let config = serde_yaml::to_string(run.settings()).unwrap_or_default();
    let config = format!("# ncut {}, replicate {}\n{config}", crate::VERSION, run.replicate);
    aside::write(&directory.config(), config.as_bytes())
}

fn attempted(
    run: &Run,
    stage: Stage,
    context: &Context,
    directory: &RunDirectory,
    attempt: &Attempt,
    observer: &impl Observer,
) -> Result<Outcome, RunError> {
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
