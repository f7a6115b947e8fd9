//! `ncut status FILE` and `ncut logs FILE`.

use super::run::GridOptions;
use super::submit::{history, statuses};
use super::table::aligned;
use super::{print, write_json};
use crate::InputError;
use crate::experiment::grid::Run;
use crate::experiment::run::Failure;
use crate::experiment::status::Status;
use crate::experiment::store::RunDirectory;
use crate::slurm::history::{History, name};
use crate::slurm::queue::ElementState;
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How far the runs of a grid file are, here and in Slurm's queue.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct StatusOf {
    #[command(flatten)]
    grid: GridOptions,
    /// A line for every run, not only for those that failed
    #[arg(long)]
    all: bool,
    /// Write one object a run as JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The last lines of what runs wrote.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Logs {
    #[command(flatten)]
    grid: GridOptions,
    /// Only of runs that failed
    #[arg(long)]
    failed: bool,
    /// Lines of each
    #[arg(long, value_name = "N", default_value_t = 20)]
    tail: usize,
}

/// A run as `--json` has it.
#[derive(Debug, Serialize)]
struct Line<'a> {
    experiment: &'a str,
    condition: &'a str,
    replicate: u64,
    /// done, running, queued, failed, partial or missing.
    status: &'static str,
    /// Why it failed or waits, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The last line of its job's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_line: Option<String>,
}

const COLUMNS: [&str; 6] = ["done", "running", "queued", "failed", "partial", "missing"];

/// One line a run.
fn lines<'a>(runs: &'a [Run], statuses: &[Status], history: &History, out: &Path) -> Vec<Line<'a>> {
    let line = |(run, status): (&'a Run, &Status)| {
        let (mut word, mut reason, mut last_line) = (status.as_str(), None, None);
        match (status, history.queued.get(&name(run))) {
            (Status::Done | Status::Running, _) => {}
            (_, Some(ElementState::Pending(why))) => (word, reason) = ("queued", Some(why.clone())),
            (_, Some(_)) => word = "running",
            (status, None) => {
                if let Some(ended) = history.ended.get(&name(run)).and_then(|ended| ended.last()) {
                    // a job that ended without its run being done has failed, whatever it left
                    word = "failed";
                    let why = ended.reason.map_or("its job ended without a word", |reason| reason.as_str());
                    reason = Some(why.to_string());
                    last_line = Some(ended.last_line.clone()).filter(|line| !line.is_empty());
                }
                if *status == Status::Failed {
                    let bytes = std::fs::read(RunDirectory::new(out, run).error()).unwrap_or_default();
                    reason = serde_json::from_slice::<Failure>(&bytes).ok().map(|failure| failure.message).or(reason);
                }
            }
        }
        let condition = run.condition.name.as_str();
        Line { experiment: &run.experiment, condition, replicate: run.replicate, status: word, reason, last_line }
    };
    runs.iter().zip(statuses).map(line).collect()
}

impl StatusOf {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let grid = self.grid.grid()?;
        self.grid.check_outputs(&grid, &[], &self.json.as_deref().into_iter().collect::<Vec<_>>())?;
        let runs = grid.runs;
        let statuses = statuses(&runs, &self.grid.out)?;
        let history = history(&runs, &statuses, &self.grid.out);
        let lines = lines(&runs, &statuses, &history, &self.grid.out);
        if let Some(path) = &self.json {
            write_json(path, &lines)?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut text = aligned(&counts_by(lines.iter().map(|line| (line.experiment, line.status))));
        const SHOWN: usize = 20;
        let told = |line: &&Line| self.all || line.status == "failed";
        let most = if self.all { usize::MAX } else { SHOWN };
        for (line, run) in lines.iter().zip(&runs).filter(|(line, _)| told(line)).take(most) {
            let reason = line.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let _ = writeln!(text, "{}: {}{reason}", run.label(), line.status);
            if let Some(last) = line.last_line.as_ref().filter(|last| Some(*last) != line.reason.as_ref()) {
                let _ = writeln!(text, "    {last}");
            }
        }
        let failed = lines.iter().filter(|line| line.status == "failed").count();
        if !self.all && failed > SHOWN {
            let _ = writeln!(text, "… and {} more that failed (--all shows them)", failed - SHOWN);
        }
        if history.silent {
            text.push_str("Slurm gave no answer: what is in the queue is not known\n");
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A row an experiment, with how many of its runs are how far, and one of their sums if there are several; a header before.
pub(super) fn counts_by<'a>(runs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Vec<String>> {
    let mut experiments: Vec<(&str, [usize; 6])> = Vec::new();
    for (experiment, status) in runs {
        if experiments.last().is_none_or(|(name, _)| *name != experiment) {
            experiments.push((experiment, [0; 6]));
        }
        if let Some((_, counts)) = experiments.last_mut()
            && let Some(i) = COLUMNS.iter().position(|column| *column == status)
        {
            counts[i] += 1;
        }
    }
    if experiments.len() > 1 {
        let mut sum = [0; 6];
        experiments.iter().for_each(|(_, counts)| sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count));
        experiments.push(("all", sum));
    }
    let mut rows: Vec<Vec<String>> =
        vec![["experiment", "runs"].into_iter().chain(COLUMNS).map(String::from).collect()];
    for (name, counts) in experiments {
        let runs: usize = counts.iter().sum();
        let numbers = std::iter::once(runs).chain(counts).map(|count| count.to_string());
        rows.push(std::iter::once(name.to_string()).chain(numbers).collect());
    }
    rows
}

impl Logs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let runs = self.grid.runs()?;
        let out = &self.grid.out;
        let statuses = statuses(&runs, out)?;
        let history = history(&runs, &statuses, out);
        let lines = lines(&runs, &statuses, &history, out);
        let mut text = String::new();
        for (run, line) in runs.iter().zip(&lines) {
            if self.failed && line.status != "failed" {
                continue;
            }
            let mut files = vec![RunDirectory::new(out, run).log()];
            files.extend(history.ended.get(&name(run)).and_then(|ended| ended.last()).map(|ended| ended.log.clone()));
            for file in files.iter().filter(|file| file.exists()) {
                let whole = std::fs::read(file).map_err(|e| InputError::io(file, &e))?;
                let whole = String::from_utf8_lossy(&whole).into_owned();
                let all: Vec<&str> = whole.lines().collect();
                let _ = writeln!(text, "==> {} ({}): {}", run.label(), line.status, file.display());
                all[all.len().saturating_sub(self.tail)..].iter().for_each(|line| text.push_str(&format!("{line}\n")));
            }
        }
        if text.is_empty() {
            text = format!("no {}run has a log in {}\n", if self.failed { "failed " } else { "" }, out.display());
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}
