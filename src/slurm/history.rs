//! What became of runs that were submitted: those in the queue, and those whose jobs have ended without a result.

use super::queue::{Element, ElementState, LastWords, Reason, last_words, sacct, squeue};
use super::submission::{self, ArrayRecord};
use crate::experiment::grid::Run;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A job that has ended before its run was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Why, where that is known.
    pub reason: Option<Reason>,
    /// Memory that it had, in MiB.
    pub mem: u64,
    /// Time that it had, in seconds.
    pub time: u64,
    /// What it wrote.
    pub log: PathBuf,
    /// The last line of that.
    pub last_line: String,
    /// Where it ran.
    pub node: Option<String>,
}

/// What is known of the runs of an output directory.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Runs in the queue, by name ([`name`]).
    pub queued: HashMap<String, ElementState>,
    /// For other runs that are not done: the jobs that tried, oldest first.
    pub ended: HashMap<String, Vec<Ended>>,
    /// Whether Slurm was asked and did not answer, so that nothing is known of the queue.
    pub silent: bool,
}

/// `experiment/condition/r0`, which is also its directory in the output directory.
pub fn name(run: &Run) -> String {
    format!("{}/{}/r{}", run.experiment, run.condition.name, run.replicate)
}

/// How the numbers of jobs begin that were run by the shell.
const FAKE: &str = "fake-";

/// For how long a job that was handed over may be unknown to `squeue`.
const NEW: Duration = Duration::from_secs(10);

/// Whether jobs of the submission were handed over just now.
fn is_new(directory: &Path) -> bool {
    let modified = std::fs::metadata(directory.join("submission.json")).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| SystemTime::now().duration_since(modified).unwrap_or_default() < NEW)
}

impl History {
    /// Asks Slurm if anything was ever submitted from `out`; `unfinished` are the runs without a result.
    pub fn of(out: &Path, unfinished: &[&Run]) -> Self {
        let mut submissions = submission::all(out);
        for (_, record) in &mut submissions {
            // what the shell ran here is in no queue
            record.arrays.retain(|array| array.job.as_ref().is_none_or(|job| !job.starts_with(FAKE)));
        }
        let mut history = Self::default();
        let wanted: HashSet<String> = unfinished.iter().map(|run| name(run)).collect();
        if wanted.is_empty() || submissions.iter().all(|(_, record)| record.arrays.iter().all(|a| a.job.is_none())) {
            return history;
        }
        let queue = squeue();
        history.silent = queue.is_none();
        let queue = queue.unwrap_or_default();
        // elements of our own that do wanted runs, oldest submission first
        let mut elements: Vec<(Element, &Path, &ArrayRecord, Vec<String>)> = Vec::new();
        for (directory, record) in &submissions {
            let names = submission::run_names(directory);
            for array in &record.arrays {
                let Some(job) = &array.job else { continue };
                for index in 0..array.runs.div_ceil(array.pack.max(1)) {
                    let first = array.first + index * array.pack;
                    let last = (first + array.pack).min(array.first + array.runs).min(names.len());
                    let own = names.get(first..last).unwrap_or_default();
                    let own: Vec<String> = own.iter().filter(|name| wanted.contains(*name)).cloned().collect();
                    if !own.is_empty() {
                        elements.push(((job.clone(), index as u32), directory, array, own));
                    }
                }
            }
        }
        for (element, _, _, names) in &elements {
            if let Some(state) = queue.get(element) {
                for name in names {
                    // of several jobs of a run, one that runs says more than one that waits
                    let known = history.queued.entry(name.clone()).or_insert_with(|| state.clone());
                    if *state == ElementState::Running {
                        *known = state.clone();
                    }
                }
            }
        }
        let gone = |element: &Element| !queue.contains_key(element);
        let mut jobs: Vec<String> =
            elements.iter().filter(|(e, _, array, _)| array.finishes && gone(e)).map(|(e, ..)| e.0.clone()).collect();
        jobs.dedup();
        let accounted = if history.silent { HashMap::new() } else { sacct(&jobs) };
        let mut submission = None;
        for (element, directory, array, names) in elements {
            if submission.replace(directory) != Some(directory) {
                let record = submissions.iter().find(|(other, _)| other == directory).map(|(_, record)| record);
                record.iter().flat_map(|record| &record.anew).for_each(|name| drop(history.ended.remove(name)));
            }
            let still = match accounted.get(&element) {
                Some(ElementState::Pending(_) | ElementState::Running) => true,
                Some(ElementState::Ended(_)) => false,
                None => !gone(&element),
            };
            if still || history.silent {
                continue;
            }
            let log = directory.join(format!("logs/{}_{}.out", element.0, element.1));
            let words = last_words(&log);
            if !array.finishes && words.as_ref().is_none_or(|words| words.reason.is_none()) {
                continue; // a part of a run that ended well, or never began
            }
            if words.is_none() && is_new(directory) {
                // squeue may not list it yet
                let state = ElementState::Pending("just submitted".into());
                for name in names {
                    history.queued.entry(name).or_insert_with(|| state.clone());
                }
                continue;
            }
            // a job that never wrote anything was taken out of the queue
            let words = words.unwrap_or(LastWords { reason: Some(Reason::Cancelled), ..LastWords::default() });
            let reason = match accounted.get(&element) {
                Some(ElementState::Ended(reason)) => Some(*reason),
                _ => words.reason,
            };
            for name in names {
                // the finish of a run whose training or shuffles failed never begins
                let known = history.ended.get(&name).and_then(|ended| ended.last());
                if !log.exists() && known.is_some_and(|ended| ended.log.starts_with(directory)) {
                    continue;
                }
                let (log, last_line, node) = (log.clone(), words.line.clone(), words.node.clone());
                let ended = Ended { reason, mem: array.mem, time: array.time, log, last_line, node };
                history.ended.entry(name).or_default().push(ended);
            }
        }
        history
    }
}
