//! `ncut worker DIR`: one element of a job array. Called by the scripts that `ncut submit` writes.

use super::progress::GridProgress;
use super::run::{Worked, work};
use super::{Global, signals};
use crate::InputError;
use crate::experiment::check::check;
use crate::experiment::run::{Context, RunError, Stage};
use crate::experiment::stop::Stop;
use crate::report::{self, record::records};
use crate::slurm::queue::ATTEMPT;
use crate::slurm::submission::{ReportPlan, read_report, read_runs};
use crate::train::{device, host};
use anyhow::Context as _;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Do one element of a job array (called by the scripts of `ncut submit`).
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// Directory of the submission
    directory: PathBuf,
    /// Number of the array
    #[arg(long)]
    array: usize,
    /// all, train, shuffles:I/N or collect
    #[arg(long)]
    stage: String,
    /// Number of the array's first run
    #[arg(long)]
    first: usize,
    /// Runs of the array
    #[arg(long)]
    runs: usize,
    /// Runs of an element
    #[arg(long)]
    pack: usize,
    /// How often the element may go back into the queue when its time is up
    #[arg(long, default_value_t = 3)]
    timeouts: usize,
}

impl Worker {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let stop = Stop::default();
        signals::listen(&stop)?;
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let index = variable("SLURM_ARRAY_TASK_ID");
        let Ok(index) = index.parse::<usize>() else {
            let remedy = "this command is for the scripts of 'ncut submit'; use 'ncut run' elsewhere";
            return Err(InputError::new("SLURM_ARRAY_TASK_ID", format!("is '{index}', no index"), remedy).into());
        };
        let restarts = variable("SLURM_RESTART_COUNT");
        let restarts = if restarts.is_empty() { "0" } else { &restarts };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let line = format!("array {}, element {index}, job {}", self.array, variable("SLURM_JOB_ID"));
        super::note(&format!("{ATTEMPT} {line}, restart {restarts}, on {}, {}", host.trim(), crate::VERSION));

        let out = self.directory.parent().and_then(Path::parent).unwrap_or(Path::new(".")).to_path_buf();
        if self.stage == "collect" {
            let ReportPlan { runs, tables, command } = read_report(&self.directory)?;
            for page in report::write_pages(&records(&runs, &out)?, &tables, &out, &command)? {
                super::note(&format!("report: {}", page.display()));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let stage = self.stage()?;
        let first = (self.first + index * self.pack).min(self.first + self.runs);
        let runs = read_runs(&self.directory, first..(first + self.pack).min(self.first + self.runs))?;
        host::prepare();
        let context = Context::new(global.data_dir(), out, device::device(&global.device)?, 1, stop.clone());
        let all: Vec<_> = runs.iter().collect();
        check(&all, &context, &self.directory)?;
        let progress = GridProgress::new(runs.len(), 0);
        let jobs = global.threads().clamp(1, runs.len().max(1));
        let Worked { failures, unfinished } =
            work(all.into_iter().map(|run| vec![run]).collect(), jobs, stage, usize::MAX, &context, &progress);
        progress.close();
        if unfinished > 0 {
            if stop.is_warned() {
                self.requeue(index)?;
            }
            return Ok(ExitCode::from(signals::INTERRUPTED));
        }
        if failures.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        super::note(&format!("ncut: {} of {} runs failed", failures.len(), runs.len()));
        Ok(ExitCode::from(if failures.iter().all(RunError::is_input) { 1 } else { 2 }))
    }

    fn stage(&self) -> Result<Stage, InputError> {
        let wrong =
            || InputError::new("--stage", format!("'{}' is no stage", self.stage), "write all, train or shuffles:I/N");
        match self.stage.as_str() {
            "all" => Ok(Stage::All),
            "train" => Ok(Stage::Train),
            text => {
                let numbers = text.strip_prefix("shuffles:").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
                match (numbers.0.parse::<u64>(), numbers.1.parse::<u64>()) {
                    (Ok(shard), Ok(of)) if shard < of => Ok(Stage::Shuffles { shard, of }),
                    _ => Err(wrong()),
                }
            }
        }
    }

    /// The time is nearly up and everything is saved: back into the queue, unless that happened too often already.
    fn requeue(&self, index: usize) -> anyhow::Result<()> {
        let folder = self.directory.join("timeouts");
        std::fs::create_dir_all(&folder).map_err(|e| InputError::io(&folder, &e))?;
        let path = folder.join(format!("{}_{index}", self.array));
        let before = std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        let job = std::env::var("SLURM_ARRAY_JOB_ID").unwrap_or_default();
        if before >= self.timeouts {
            super::note(&format!(
                "ncut: its time is up, for the {}th time: not queued again; submit with more time",
                before + 1
            ));
            return Ok(());
        }
        let mut file =
            std::fs::File::options().create(true).append(true).open(&path).map_err(|e| InputError::io(&path, &e))?;
        writeln!(file, "timeout").map_err(|e| InputError::io(&path, &e))?;
        drop(file);
        super::note(&format!(
            "ncut worker saved its state; back into the queue ({} of {} times)",
            before + 1,
            self.timeouts
        ));
        let status =
            Command::new("scontrol").args(["requeue", &format!("{job}_{index}")]).stdin(Stdio::null()).status();
        let status = status.context("failed to start scontrol")?;
        if !status.success() {
            super::note("ncut: its time is up, and Slurm refused to queue it again; submit again");
        }
        Ok(())
    }
}
