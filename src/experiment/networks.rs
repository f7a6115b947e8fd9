//! Networks that are trained once: runs that differ only in how they are measured have the same ones. Runs of one identity
//! in several experiments have the same result, too, and such that differ in the number of shuffles share those that both have.
//!
//! ```text
//! OUT/.networks/<key, 12 hexadecimal digits>     the run directory, below OUT, that has them
//! ```
//!
//! The key is a hash of the settings that concern training and of the replicate ([`network_key`]). Two processes
//! that miss each other's networks both train, and get the same.
//!
//! Networks on the way (`measure_at`) go when their run is done, so a run that measures such ones has to train them itself, unless
//! it is the same run.

use super::grid::Run;
use super::metrics;
use super::run::RunResult;
use super::settings::Settings;
use super::shuffles::Owner;
use super::store::{RunDirectory, network_key};
use super::training_curve::on_the_way;
use crate::InputError;
use crate::aside::{self, Aside};
use crate::measure::Measurement;
use crate::train::EpochRecord;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder in the output directory.
pub const FOLDER: &str = ".networks";

fn entry(out: &Path, run: &Run) -> PathBuf {
    out.join(FOLDER).join(format!("{:012x}", network_key(run)))
}

/// Notes that `run` has its networks, unless some run already does.
///
/// # Errors
///
/// The note cannot be written.
pub fn note(out: &Path, run: &Run) -> Result<(), InputError> {
    if find(out, run).is_some() {
        return Ok(());
    }
    let directory = RunDirectory::new(out, run);
    let folder = out.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| InputError::io(&folder, &e))?;
    // written in the run's own directory, where its next owner removes what a killed process leaves
    let mut note = Aside::new(directory.path())?;
    note.file().write_all(name(out, &directory).as_bytes()).map_err(|e| InputError::io(directory.path(), &e))?;
    note.rename(std::path::absolute(entry(out, run)).map_err(|e| InputError::io(out, &e))?)
}

/// Whether some run is noted, be it still there or not: a glance, for thousands of runs.
pub fn is_noted(out: &Path, run: &Run) -> bool {
    entry(out, run).exists()
}

/// The directory of a run with the networks and metrics that `run` would have, if one is noted and still has them.
fn find(out: &Path, run: &Run) -> Option<RunDirectory> {
    let below = std::fs::read_to_string(entry(out, run)).ok()?;
    let directory = RunDirectory::at(out.join(below));
    let config = std::fs::read_to_string(directory.config()).ok()?;
    let settings: Settings = serde_yaml::from_str(&config).ok()?;
    let states: &[&str] = if settings.pruning_epochs.is_none() { &["unpruned"] } else { &["unpruned", "pruned"] };
    let is_whole = settings.training_only() == run.settings().training_only()
        && !directory.checkpoint().exists()
        && states.iter().all(|state| directory.network(state).exists());
    is_whole.then_some(directory)
}

/// The result of a run of the same settings and replicate in another experiment, as its file has it, and that run's
/// name; `None` if there is none of this version.
pub fn result(out: &Path, run: &Run) -> Option<(Vec<u8>, String)> {
    let donor = find(out, run)?;
    let bytes = std::fs::read(donor.result()).ok()?;
    let found: RunResult = serde_json::from_slice(&bytes).ok()?;
    let is_same = found.settings == *run.settings()
        && found.replicate == run.replicate
        && found.unpruned.measurement.version == crate::VERSION;
    is_same.then(|| (bytes, name(out, &donor)))
}

/// The n-cuts of the first shuffles of a network of `run`, from the result of a run that was trained and is measured alike but for how
/// much is measured, and that run's name; `None` if there is none of this network and version.
pub(super) fn shuffles(out: &Path, run: &Run, state: &str, owner: &Owner) -> Option<(Vec<f64>, String)> {
    let donor = find(out, run)?;
    let found: RunResult = serde_json::from_slice(&std::fs::read(donor.result()).ok()?).ok()?;
    let Settings { shuffles, lesions, measure_at, .. } = run.settings().clone();
    let is_alike = Settings { shuffles, lesions, measure_at, ..found.settings } == *run.settings();
    let end_state = match state {
        "unpruned" => found.unpruned,
        "pruned" => found.pruned?,
        _ => return None,
    };
    let Measurement { model, null, version, .. } = end_state.measurement;
    let is_of_owner = model.is_some_and(|model| model.sha256 == owner.network) && version == owner.version;
    (is_alike && is_of_owner).then_some((null?.ncuts, name(out, &donor)))
}

fn name(out: &Path, directory: &RunDirectory) -> String {
    directory.path().strip_prefix(out).unwrap_or(directory.path()).display().to_string()
}

/// Gives `run` the networks and metrics of a run that was trained in the same way, if there is one with `epochs` epochs:
/// its records and name. None to a run that measures networks on the way and whose result is not there either.
///
/// # Errors
///
/// A file cannot be written.
pub fn adopt(out: &Path, run: &Run, epochs: usize) -> Result<Option<(Vec<EpochRecord>, String)>, InputError> {
    let own = RunDirectory::new(out, run);
    let Some(donor) = find(out, run).filter(|donor| donor.path() != own.path()) else { return Ok(None) };
    if !on_the_way(run.settings()).is_empty() && result(out, run).is_none() {
        return Ok(None);
    }
    let text = std::fs::read(donor.metrics()).unwrap_or_default();
    let Some(records) = metrics::records(&text).filter(|records| records.len() == epochs) else { return Ok(None) };
    for state in ["unpruned", "pruned"] {
        let from = donor.network(state);
        if from.exists() {
            let bytes = std::fs::read(&from).map_err(|e| InputError::io(&from, &e))?;
            aside::write(&own.network(state), &bytes)?;
        }
    }
    aside::write(&own.metrics(), &text)?;
    Ok(Some((records, name(out, &donor))))
}
