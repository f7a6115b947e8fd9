//! A run and all that is known of it: what the tables of runs are views of.

use crate::InputError;
use crate::experiment::grid::Run;
use crate::experiment::metrics::{self, Epoch};
use crate::experiment::run::RunResult;
use crate::experiment::status::{Status, status};
use crate::experiment::store::{RunDirectory, condition_name};
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A run of a grid file and what there is of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The run.
    pub run: Run,
    /// The name of its condition's directory.
    pub condition: String,
    /// How far it has come.
    pub status: Status,
    /// Its epochs so far.
    pub epochs: Vec<Epoch>,
    /// When the epochs, or else the result, were written: seconds since 1970, 0 without either.
    pub written_s: f64,
    /// What it came to.
    pub result: Option<RunResult>,
    /// Why its result cannot be read, where there is one that cannot; then the run counts as failed.
    pub damage: Option<String>,
}

/// One record a run, in the order of `runs`.
///
/// # Errors
///
/// A run's directory cannot be listed.
pub fn records(runs: &[Run], out: &Path) -> Result<Vec<RunRecord>, InputError> {
    let directories = runs.iter().map(|run| RunDirectory::new(out, run)).collect::<Vec<_>>();
    runs.iter().zip(&directories).map(|(run, directory)| record(run, directory)).collect()
}

fn record(run: &Run, directory: &RunDirectory) -> Result<RunRecord, InputError> {
    let status = status(directory)?;
    let mut record = RunRecord {
        run: run.clone(),
        condition: directory.condition(),
        status,
        epochs: Vec::new(),
        written_s: 0.0,
        result: None,
        damage: None,
    };
    if status != Status::Missing {
        record.epochs = metrics::read(directory);
        let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let written = modified(&directory.metrics()).or_else(|| modified(&directory.result()));
        record.written_s = written.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0.0, |t| t.as_secs_f64());
    }
    if status == Status::Done {
        match result(run, directory) {
            Ok(result) => record.result = result,
            Err(damage) => (record.status, record.damage) = (Status::Failed, Some(damage.to_string())),
        }
    }
    Ok(record)
}

/// The result of `run`, if it is there.
fn result(run: &Run, directory: &RunDirectory) -> Result<Option<RunResult>, InputError> {
    let path = directory.result();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(InputError::io(&path, &e)),
    };
    let result: RunResult = serde_json::from_slice(&bytes).map_err(|e| {
        let problem = if e.is_eof() { "is cut off" } else { "is not a result of this version" };
        InputError::new(path.display(), format!("{problem}: {e}"), "do the run once more: --rerun failed")
    })?;
    let name = condition_name(&result.settings);
    if (&*name, result.replicate) != (&*directory.condition(), run.replicate) {
        let problem = format!("is the result of {name}/r{}, not of the run that it lies with", result.replicate);
        return Err(InputError::new(
            path.display(),
            problem,
            "put it back there, or do the run once more: --rerun failed",
        ));
    }
    Ok(Some(result))
}
