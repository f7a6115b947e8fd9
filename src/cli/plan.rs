//! `ncut plan FILE`: what `run` and `submit` would do, and what it would cost. Nothing is written.

use super::run::{Again, GridOptions};
use super::status::counts_by;
use super::submit::{Prepared, Site, elements, history, statuses};
use super::table::aligned;
use super::{Global, print, write_json};
use crate::InputError;
use crate::experiment::check::check_settings;
use crate::experiment::cost::Rates;
use crate::experiment::grid::{Grid, Run, readable};
use crate::experiment::resources::{memory_text, time_text};
use crate::experiment::settings::{NAMES, Settings};
use crate::experiment::status::Status;
use crate::experiment::store::RunDirectory;
use crate::slurm::array::Array;
use crate::slurm::script::{dependency, shell};
use crate::slurm::submission::script_path;
use clap::Args;
use serde_json::json;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say what run and submit would do with a grid file, and what that would cost; write nothing.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Plan {
    #[command(flatten)]
    grid: GridOptions,
    #[command(flatten)]
    site: Site,
    /// Print the settings of this run as resolved, and where each comes from: an experiment, its condition's directory, or experiment/condition/r0
    #[arg(long, value_name = "NAME")]
    show: Option<String>,
    /// List every run with how far it is
    #[arg(long)]
    runs: bool,
    /// Print the texts for sbatch also if neither the grid file nor a profile speaks of Slurm
    #[arg(long)]
    slurm: bool,
    /// Write the plan as JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    again: Again,
}

/// What is still to be done of an experiment, and its cost.
#[derive(Debug, Default, Clone, Copy)]
struct Work {
    runs: usize,
    seconds: f64,
    memory: f64,
}

impl Plan {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let grid = self.grid.grid()?;
        if let Some(name) = &self.show {
            return show(name, &grid, &self.grid.out);
        }
        let outputs: Vec<&Path> = self.json.as_deref().into_iter().collect();
        self.grid.check_outputs(&grid, &self.site.profile.as_deref().into_iter().collect::<Vec<_>>(), &outputs)?;
        let Grid { runs, .. } = grid;
        check_settings(&runs.iter().collect::<Vec<_>>(), &self.grid.file)?;
        let out = &self.grid.out;
        let mut statuses = statuses(&runs, out)?;
        let before = history(&runs, &statuses, out);
        let chosen = self.again.chosen(&runs, out, &before)?;
        // as they will be when what they have is put aside
        statuses
            .iter_mut()
            .zip(&chosen)
            .filter(|(_, chosen)| **chosen)
            .for_each(|(status, _)| *status = Status::Missing);
        let known = history(&runs, &statuses, out);
        let prepared = self.site.prepare(&runs, &statuses, &known, out, global, &chosen)?;
        let rates = Rates::measured(&runs, out);

        let words: Vec<&str> = runs
            .iter()
            .zip(&statuses)
            .map(|(run, status)| match status {
                Status::Done | Status::Running => status.as_str(),
                _ if known.queued.contains_key(&crate::slurm::history::name(run)) => "queued",
                _ => status.as_str(),
            })
            .collect();
        let left = |run: &Run, status: &Status| -> Option<Work> {
            let cost = rates.cost(run.settings());
            let work = Work { runs: 1, seconds: cost.seconds(), memory: cost.memory };
            (*status != Status::Done).then_some(work)
        };
        let mut by_experiment: Vec<(&str, Work)> = Vec::new();
        for (run, status) in runs.iter().zip(&statuses) {
            if by_experiment.last().is_none_or(|(name, _)| *name != &*run.experiment) {
                by_experiment.push((&run.experiment, Work::default()));
            }
            if let (Some(work), Some((_, sum))) = (left(run, status), by_experiment.last_mut()) {
                sum.runs += 1;
                sum.seconds += work.seconds;
                sum.memory = sum.memory.max(work.memory);
            }
        }
        let total = by_experiment.iter().fold(Work::default(), |sum, (_, work)| Work {
            runs: sum.runs + work.runs,
            seconds: sum.seconds + work.seconds,
            memory: sum.memory.max(work.memory),
        });
        let jobs = self.grid.jobs.map_or(global.threads(), usize::from).min(total.runs.max(1)).min(global.threads());
        let wall = total.seconds / jobs as f64;
        if let Some(path) = &self.json {
            let count = |word: &str| words.iter().filter(|other| **other == word).count();
            let arrays: Vec<_> = prepared
                .arrays
                .iter()
                .zip(&prepared.scripts)
                .map(|(array, script)| {
                    json!({"name": array.name, "elements": array.elements(), "runs": array.runs, "first": array.first,
                       "after": array.after, "sbatch": script})
                })
                .collect();
            let value = json!({
                "runs": runs.len(), "done": count("done"), "running": count("running"), "queued": count("queued"),
                "failed": count("failed"), "partial": count("partial"), "missing": count("missing"),
                "core_hours": total.seconds / 3600.0, "seconds_here": wall, "memory_bytes": total.memory,
                "measured_runs": rates.from, "arrays": arrays,
            });
            write_json(path, &value)?;
            return Ok(ExitCode::SUCCESS);
        }

        let mut rows = counts_by(runs.iter().zip(&words).map(|(run, word)| (&*run.experiment, *word)));
        rows[0].extend(["time each", "core-hours", "memory"].map(String::from));
        for (row, (_, work)) in rows[1..].iter_mut().zip(by_experiment.iter().chain([&("all", total)])) {
            match work.runs {
                0 => row.extend([String::new(), String::new(), String::new()]),
                n => row.extend([
                    duration(work.seconds / n as f64),
                    format!("{:.2}", work.seconds / 3600.0),
                    memory_text((work.memory / (1 << 20) as f64).ceil() as u64),
                ]),
            }
        }
        let mut text = aligned(&rows);
        if self.runs {
            text.push('\n');
            for ((run, word), status) in runs.iter().zip(&words).zip(&statuses) {
                let cost = left(run, status).map(|work| format!(", {}", duration(work.seconds))).unwrap_or_default();
                let directory = RunDirectory::new(out, run);
                let _ = writeln!(text, "{}: {word}{cost}, in {}", run.label(), directory.path().display());
            }
        }
        text.push('\n');
        let source = match rates.from {
            0 => "built-in rates, none of these runs being done yet".to_string(),
            n => format!("{n} of the runs that are done"),
        };
        if total.runs == 0 {
            text.push_str("nothing is left to do\n");
        } else {
            let _ = writeln!(
                text,
                "here: {} runs, about {} with --jobs {jobs} ({:.2} core-hours; estimated from {source})",
                total.runs,
                duration(wall),
                total.seconds / 3600.0
            );
        }
        let speaks =
            self.slurm || self.site.is_given() || runs.iter().any(|run| run.condition.resources != Default::default());
        if speaks {
            text.push_str(&slurm(&prepared, &rates));
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The arrays, what they may cost at most, and the exact texts.
fn slurm(prepared: &Prepared, rates: &Rates) -> String {
    let mut text = String::new();
    for (run, why) in &prepared.given_up {
        let _ = writeln!(text, "left out: {run}: {why}");
    }
    if prepared.arrays.is_empty() {
        let _ = writeln!(text, "Slurm: nothing to submit, {} runs in the queue", prepared.queued);
        return text;
    }
    let _ = writeln!(text, "Slurm: {} arrays, {} runs", prepared.arrays.len(), prepared.runs.len());
    let cores = |array: &Array| f64::from(array.resources.cpus.unwrap_or(1)) * array.elements() as f64;
    for (number, array) in prepared.arrays.iter().enumerate() {
        let r = &array.resources;
        let _ = write!(
            text,
            "  {number}  {}: {}, each {} cpus, {}, at most {}",
            array.name,
            elements(array),
            r.cpus.unwrap_or(1),
            memory_text(r.mem.unwrap_or(0)),
            time_text(r.time.unwrap_or(0)),
        );
        let gpus = f64::from(r.gpus.unwrap_or(0)) * array.elements() as f64;
        let hours = r.time.unwrap_or(0) as f64 / 3600.0;
        let most = if gpus > 0.0 {
            format!("{:.1} GPU-hours", gpus * hours)
        } else {
            format!("{:.1} core-hours", cores(array) * hours)
        };
        let _ = writeln!(text, " ({most} at most)");
        // the longest element, its runs one after the other on as many cores as it has
        let longest = (0..array.elements())
            .map(|i| {
                prepared.runs[array.runs_of(i)].iter().map(|run| rates.cost(run.settings()).seconds()).sum::<f64>()
            })
            .fold(0.0, f64::max)
            / f64::from(r.cpus.unwrap_or(1)).min(array.pack() as f64).max(1.0);
        if array.name != "ncut-report" && longest > r.time.unwrap_or(u64::MAX) as f64 {
            let _ = writeln!(
                text,
                "     an element may need {}: it will save its state and queue again (at most {} times)",
                duration(longest),
                r.timeouts.unwrap_or(0)
            );
        }
    }
    let names: Vec<Option<String>> = (0..prepared.arrays.len()).map(|i| Some(format!("<job {i}>"))).collect();
    for (number, (array, script)) in prepared.arrays.iter().zip(&prepared.scripts).enumerate() {
        let wait = dependency(array, &names).map(|option| format!("{option} ")).unwrap_or_default();
        let path = script_path(&prepared.frozen.directory, number);
        let _ = write!(text, "\n$ sbatch --parsable {wait}{}\n{script}", shell(&path));
    }
    text
}

/// Every setting of the runs that `name` names, with its place.
fn show(name: &str, grid: &Grid, out: &Path) -> anyhow::Result<ExitCode> {
    let names = |run: &Run| {
        let condition = format!("{}/{}", run.experiment, run.condition.name);
        let replicate = format!("{condition}/r{}", run.replicate);
        [run.experiment.to_string(), run.condition.name.clone(), condition, replicate]
    };
    let wanted = name.trim_end_matches('/');
    let wanted = wanted.strip_prefix(&format!("{}/", out.display())).unwrap_or(wanted);
    let found: Vec<&Run> = grid.runs.iter().filter(|run| names(run).iter().any(|name| name == wanted)).collect();
    if found.is_empty() {
        let mut known: Vec<&str> = grid.runs.iter().map(|run| &*run.experiment).collect();
        known.dedup();
        let near =
            crate::names::nearest(wanted, &known).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        let remedy = format!(
            "{near}name an experiment ({}) or the directory of a condition (plan --runs lists them)",
            known.join(", ")
        );
        return Err(InputError::new("--show", format!("nothing is called '{name}'"), remedy).into());
    }
    let defaults = Settings::default().values();
    let mut text = String::new();
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for run in &found {
        let condition = (&*run.experiment, run.condition.name.as_str());
        if shown.contains(&condition) {
            continue;
        }
        shown.push(condition);
        let same = found.iter().filter(|other| (&*other.experiment, other.condition.name.as_str()) == condition);
        let replicates: Vec<String> = same.map(|run| run.replicate.to_string()).collect();
        let directory = RunDirectory::new(out, run);
        let place = directory.path().parent().unwrap_or(Path::new("")).display().to_string();
        let _ = writeln!(text, "# {place}, replicates {}", replicates.join(", "));
        let values = run.settings().values();
        let mut rows = Vec::new();
        for name in NAMES {
            let value = serde_json::to_string(&values[*name]).unwrap_or_default();
            let value = if values[*name].is_string() { readable(&values[*name]) } else { value };
            let source = run.condition.sources.iter().find(|source| source.setting == *name);
            let source = match source {
                Some(source) if source.section == "--set" => "--set".to_string(),
                Some(source) => format!("{} ({})", source.at, source.section),
                None => "default".to_string(),
            };
            let changed = if values[*name] == defaults[*name] && source != "default" { ", the default" } else { "" };
            rows.push(vec![format!("{name}: {value}"), format!("# {source}{changed}")]);
        }
        text.push_str(&aligned(&rows));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// `40 s`, `12 min`, `3.5 h`, `2.1 days`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{:.0} s", s.ceil()),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
