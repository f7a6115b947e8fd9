//! `ncut run FILE`.

use super::Global;
use super::progress::{GridProgress, label};
use crate::experiment::grid::{Run as GridRun, Selection, runs};
use crate::experiment::predicate::Predicate;
use crate::experiment::run::{Context, Outcome, RunError, check, execute};
use crate::experiment::store::RunDirectory;
use crate::measure::MeasureError;
use crate::train::device;
use crate::{InputError, report};
use clap::Args;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Train and measure the runs of a grid file that are not done yet.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Run {
    #[command(flatten)]
    grid: GridOptions,
    /// Runs at the same time, each training on one thread [default: as many as threads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

/// Which runs of which file, and where their results are.
#[derive(Debug, Args)]
pub(super) struct GridOptions {
    /// The grid file
    pub(super) file: PathBuf,
    /// Only these experiments
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only runs whose settings fulfil this, as 'dropout==0 and l1==0'
    #[arg(long = "where", value_name = "EXPR")]
    predicate: Option<String>,
    /// These replicates instead of the file's
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    seeds: Option<Vec<u64>>,
    /// Give every run this setting
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where results go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(super) out: PathBuf,
}

impl GridOptions {
    pub(super) fn runs(&self) -> Result<Vec<GridRun>, InputError> {
        let (only, seeds, set) = (self.only.clone(), self.seeds.clone(), self.set.clone());
        let predicate = self.predicate.as_deref().map(|text| Predicate::parse("--where", text)).transpose()?;
        runs(&self.file, &Selection { only, predicate, seeds, set })
    }
}

impl Run {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let runs = self.grid.runs()?;
        // Small products gain little from two threads, and with one a network does not depend on how many there are.
        tch::set_num_threads(1);
        let context = Context::new(global.data_dir(), self.grid.out.clone(), device::device(&global.device)?);
        let (done, missing): (Vec<&GridRun>, Vec<&GridRun>) =
            runs.iter().partition(|run| RunDirectory::new(&context.out, run).is_done());
        check(&missing, &context, &self.grid.file)?;
        // a result that cannot be read is told of now, not after hours
        report::results(&runs, &context.out)?;
        done.iter().for_each(|run| RunDirectory::new(&context.out, run).tidy());
        let progress = GridProgress::new(runs.len(), done.len());
        if !done.is_empty() {
            progress.line(&format!("{} of {} runs are done already", done.len(), runs.len()));
        }
        let jobs = self.jobs.map_or(global.threads(), usize::from).clamp(1, missing.len().max(1));
        let failures = work(&missing, jobs, &context, &progress);
        progress.close();

        let conditions = report::collect(&runs, &context.out)?;
        let pages = report::write_pages(&conditions, &runs, &context.out)?;
        let code = match failures.is_empty() {
            true => ExitCode::SUCCESS,
            false => {
                let of = format!("{} of {} runs failed", failures.len(), runs.len());
                super::note(&format!("ncut: {of}; mend the cause and run this again: what is done stays"));
                ExitCode::from(if failures.iter().all(is_input) { 1 } else { 2 })
            }
        };
        let mut text = report::text::conditions(&conditions);
        pages.iter().for_each(|page| text.push_str(&format!("report: {}\n", page.display())));
        // a reader that went away changes nothing of what came of the runs
        match super::print(&text) {
            Err(error) if !super::is_broken_pipe(&error) => Err(error),
            _ => Ok(code),
        }
    }
}

/// Between two looks at a run that another process is doing.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

fn is_input(error: &RunError) -> bool {
    match error {
        RunError::Input(_) => true,
        RunError::Measure(_, error) => MeasureError::is_input(error),
    }
}

/// Does `runs` on `jobs` threads, each taking the next one; a failure is shown at once and the others go on. Runs that
/// another process is doing are waited for, and taken over if it dies.
fn work(runs: &[&GridRun], jobs: usize, context: &Context, progress: &GridProgress) -> Vec<RunError> {
    let waiting: Mutex<VecDeque<(&GridRun, bool)>> = Mutex::new(runs.iter().map(|run| (*run, false)).collect());
    let failures = Mutex::new(Vec::new());
    let take = || waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front();
    let put_back = |run| waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push_back((run, true));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((run, asked_before)) = take() {
                    if asked_before {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    let start = Instant::now();
                    match execute(run, context, progress) {
                        Ok(Outcome::Done) => {
                            let directory = RunDirectory::new(&context.out, run);
                            progress.finished(run, &summary(directory.path(), start.elapsed().as_secs_f64()));
                        }
                        Ok(Outcome::Elsewhere(holder)) => {
                            if !asked_before {
                                progress.line(&format!("{}: {holder} is doing it", label(run)));
                            }
                            put_back(run);
                        }
                        Err(error) => {
                            progress.finished(run, &format!("failed: {error}"));
                            failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(error);
                        }
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn summary(directory: &Path, seconds: f64) -> String {
    format!("done in {seconds:.0} s, in {}", directory.display())
}
