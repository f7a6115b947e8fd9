//! `ncut run FILE`.

use super::progress::GridProgress;
use super::{Global, check_outputs, signals};
use crate::experiment::check::check;
use crate::experiment::claim::holder;
use crate::experiment::grid::{Grid, Run as GridRun, Selection, read};
use crate::experiment::networks;
use crate::experiment::predicate::Predicate;
use crate::experiment::run::{Context, Outcome, RunError, Stage, execute, execute_training_together};
use crate::experiment::stop::Stop;
use crate::experiment::store::RunDirectory;
use crate::experiment::waiting::Waiting;
use crate::report::record::records;
use crate::slurm::history::{History, name};
use crate::train::{device, host};
use crate::{InputError, report};
use clap::Args;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tch::Device;

/// Train and measure the runs of a grid file that are not done yet.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Run {
    #[command(flatten)]
    grid: GridOptions,
    /// Threads that each run trains on; networks differ between numbers of threads, in their last bits at first
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    threads_per_run: u16,
    /// Replicates of a condition that are trained in one pass, where they can be [default: 1; on a GPU all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    together: Option<u16>,
    /// Stop everything once so many runs have failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_failures: Option<u32>,
    #[command(flatten)]
    again: Again,
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
    /// These replicates instead of the file's, as 0,1,2
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    seeds: Option<Vec<u64>>,
    /// Give every run this setting
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where results go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(super) out: PathBuf,
    /// Runs at the same time, where this command runs them or says how long that takes [default: as many as threads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) jobs: Option<u16>,
}

/// As a shell reads it: quotes only where they are needed.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-%+=:,@".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

impl GridOptions {
    pub(super) fn grid(&self) -> Result<Grid, InputError> {
        let (only, seeds, set) = (self.only.clone(), self.seeds.clone(), self.set.clone());
        let predicate = self.predicate.as_deref().map(|text| Predicate::parse("--where", text)).transpose()?;
        read(&self.file, &Selection { only, predicate, seeds, set })
    }

    /// The command that does these runs, but for `--only`: as it was given, so that it works in the same folder.
    pub(super) fn run_command(&self) -> String {
        let mut command = format!("ncut run {}", quoted(&self.file.to_string_lossy()));
        let mut add = |name: &str, value: &str| command.push_str(&format!(" {name} {}", quoted(value)));
        self.predicate.iter().for_each(|predicate| add("--where", predicate));
        if let Some(seeds) = &self.seeds {
            add("--seeds", &seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
        }
        self.set.iter().for_each(|set| add("--set", set));
        if self.out != Path::new("runs") {
            add("--out", &self.out.to_string_lossy());
        }
        command
    }

    /// What another call of this program needs to resolve the same settings.
    pub(super) fn passed_on(&self) -> Vec<String> {
        self.set.iter().flat_map(|set| ["--set".to_string(), set.clone()]).collect()
    }

    /// Whether results can be written to `outputs`, and none over what `grid` was read from or over `others`.
    pub(super) fn check_outputs(&self, grid: &Grid, others: &[&Path], outputs: &[&Path]) -> Result<(), InputError> {
        let read = std::iter::once(&self.file).chain(&grid.bases).map(PathBuf::as_path);
        check_outputs(&read.chain(others.iter().copied()).collect::<Vec<_>>(), outputs)
    }

    pub(super) fn runs(&self) -> Result<Vec<GridRun>, InputError> {
        Ok(self.grid()?.runs)
    }
}

/// Which runs to do once more.
#[derive(Debug, Args)]
pub(super) struct Again {
    /// Do these from their beginning: failed, all, or where 'EXPR'; what they have is put aside as r0.replaced-1
    #[arg(long, value_name = "WHICH")]
    rerun: Option<String>,
}

impl Again {
    /// Which of `runs` are to be done once more, of those that were begun, here or in `history`, and that nobody is doing
    /// now.
    pub(super) fn chosen(&self, runs: &[GridRun], out: &Path, history: &History) -> Result<Vec<bool>, InputError> {
        let Some(which) = &self.rerun else { return Ok(vec![false; runs.len()]) };
        let (failed, predicate) = match which.split_once(' ') {
            None if which == "failed" => (true, None),
            None if which == "all" => (false, None),
            Some(("where", text)) => (false, Some(Predicate::parse("--rerun where", text)?)),
            _ => {
                let problem = format!("'{which}' is no choice of runs");
                return Err(InputError::new("--rerun", problem, "write failed, all, or where 'dropout==0'"));
            }
        };
        if let Some(predicate) = predicate.as_ref()
            && !runs.iter().any(|run| predicate.holds(run.settings()))
        {
            let problem = format!("none of {} runs fulfils the condition", runs.len());
            return Err(InputError::new("--rerun where", problem, "change it, or see the settings in the file"));
        }
        let damaged = |run: &GridRun| -> Result<bool, InputError> {
            Ok(records(std::slice::from_ref(run), out)?.iter().any(|record| record.damage.is_some()))
        };
        let chosen = |run: &GridRun| {
            let directory = RunDirectory::new(out, run);
            let name = name(run);
            let ended = history.ended.contains_key(&name);
            let begun = match failed {
                true => ended || directory.error().exists() || damaged(run)?,
                false => ended || directory.path().exists(),
            };
            Ok(begun
                && !history.queued.contains_key(&name)
                && predicate.as_ref().is_none_or(|predicate| predicate.holds(run.settings()))
                && holder(&directory).is_none())
        };
        runs.iter().map(chosen).collect()
    }
}

impl Run {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let Grid { runs, tables, .. } = self.grid.grid()?;
        host::prepare();
        let stop = Stop::default();
        signals::listen(&stop)?;
        let device = device::device(&global.device)?;
        let (data, out) = (global.data_dir(), self.grid.out.clone());
        let context = Context::new(data, out, device, self.threads_per_run.into(), stop.clone());
        let chosen = self.again.chosen(&runs, &context.out, &History::default())?;
        let again: Vec<&GridRun> =
            runs.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(run, _)| run).collect();
        let is_done = |(run, chosen): (_, &bool)| (run, !chosen && RunDirectory::new(&context.out, run).is_done());
        let begun: Vec<(&GridRun, bool)> = runs.iter().zip(&chosen).map(is_done).collect();
        let of = |wanted| begun.iter().filter(move |(_, is_done)| *is_done == wanted).map(|(run, _)| *run);
        let (done, missing): (Vec<&GridRun>, Vec<&GridRun>) = (of(true).collect(), of(false).collect());
        check(&missing, &context, &self.grid.file)?;
        again.iter().try_for_each(|run| RunDirectory::new(&context.out, run).set_aside().map(drop))?;
        // a result that cannot be read is told of now, not after hours, and stops none of the others
        let damaged: Vec<String> =
            records(&runs, &context.out)?.into_iter().filter_map(|record| record.damage).collect();
        damaged.iter().for_each(|damage| super::note(&format!("ncut: {damage}")));
        for run in &done {
            RunDirectory::new(&context.out, run).tidy();
            // a run of a version that did not note it
            if !networks::is_noted(&context.out, run) {
                networks::note(&context.out, run)?;
            }
        }
        let progress = GridProgress::new(runs.len(), done.len());
        if !again.is_empty() {
            let count = again.len();
            progress.line(&format!("{count} of {} runs begin anew; what they had is put aside", runs.len()));
        }
        if !done.is_empty() {
            progress.line(&format!("{} of {} runs are done already", done.len(), runs.len()));
        }
        let jobs = self.grid.jobs.map_or(global.threads(), usize::from).clamp(1, missing.len().max(1));
        let most = self.max_failures.map_or(usize::MAX, |most| most as usize);
        let together = self.together.map_or(if context.device == Device::Cpu { 1 } else { usize::MAX }, usize::from);
        let groups = groups(&begun, together);
        let Worked { failures, unfinished } = work(groups, jobs, Stage::All, most, &context, &progress);
        progress.close();
        if failures.len() >= most {
            super::note(&format!("ncut: stopped after {} failures; what is done and begun stays", failures.len()));
        } else if unfinished > 0 {
            super::note("ncut: stopped; run this again to go on from here");
            return Ok(ExitCode::from(signals::INTERRUPTED));
        }

        let records = records(&runs, &context.out)?;
        let conditions = report::conditions(&records);
        let command = self.grid.run_command();
        let pages = report::write_pages(&records, &tables, &context.out, &command)?;
        let code = match failures.is_empty() {
            true if damaged.is_empty() => ExitCode::SUCCESS,
            true => ExitCode::FAILURE,
            false => {
                let of = format!("{} of {} runs failed", failures.len(), runs.len());
                super::note(&format!("ncut: {of}; mend the cause and run this again: what is done stays"));
                ExitCode::from(if failures.iter().all(RunError::is_input) { 1 } else { 2 })
            }
        };
        let mut text = report::text::conditions(&conditions, &command);
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

/// What came of a list of runs.
pub(super) struct Worked {
    /// Why some failed.
    pub(super) failures: Vec<RunError>,
    /// How many are neither done nor failed, because it was to stop.
    pub(super) unfinished: usize,
}

/// Those of `runs` that are not done, in groups of up to `most` of one condition. Which run is in whose group does not
/// depend on what is done, so that runs that go on do so beside the ones that they were with.
fn groups<'a>(runs: &[(&'a GridRun, bool)], most: usize) -> Vec<Vec<&'a GridRun>> {
    let alike = |(a, _): &(&GridRun, bool), (b, _): &(&GridRun, bool)| {
        a.experiment == b.experiment && a.settings() == b.settings()
    };
    let missing = |group: &[(&'a GridRun, bool)]| -> Vec<&'a GridRun> {
        group.iter().filter(|(_, is_done)| !is_done).map(|(run, _)| *run).collect()
    };
    let groups = runs.chunk_by(alike).flat_map(|condition| condition.chunks(most)).map(missing);
    groups.filter(|group| !group.is_empty()).collect()
}

/// Does `groups` of runs on `jobs` threads, each taking the next one; those of a group are trained in one pass as far as they can
/// be. The last ones take turns ([`Waiting`]). A failure is shown at once and the others go on. Runs that another process is doing are waited for, and taken over if it
/// dies. Stops when asked to, or after `most` failures.
pub(super) fn work(
    groups: Vec<Vec<&GridRun>>,
    jobs: usize,
    stage: Stage,
    most: usize,
    context: &Context,
    progress: &GridProgress,
) -> Worked {
    let waiting = Waiting::new(groups, jobs, &context.others_wait);
    let (failures, stopped) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let fail = |run: &GridRun, error: RunError| {
        progress.finished(run, &format!("failed: {error}"));
        let mut failures = failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        failures.push(error);
        if failures.len() >= most {
            context.stop.request(signal_hook::consts::SIGTERM);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !context.stop.is_requested()
                    && let Some(mut next) = waiting.take()
                {
                    let &[run] = &next.runs[..] else {
                        // what goes wrong goes wrong again in the run that it is due to
                        let train = || execute_training_together(&next.runs, context, progress);
                        let _ = catch_unwind(AssertUnwindSafe(train));
                        waiting.put_first(next.runs);
                        continue;
                    };
                    if next.is_elsewhere {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    next.let_go();
                    let start = Instant::now();
                    // a fault in one run is not to take the others with it
                    let outcome = catch_unwind(AssertUnwindSafe(|| execute(run, stage, context, progress)));
                    if !matches!(outcome, Ok(Ok(Outcome::MadeRoom))) {
                        waiting.ended(run);
                    }
                    match outcome {
                        Ok(Ok(Outcome::Done)) => {
                            let directory = RunDirectory::new(&context.out, run);
                            let seconds = (next.spent + start.elapsed()).as_secs_f64();
                            progress
                                .finished(run, &format!("done in {seconds:.0} s, in {}", directory.path().display()));
                        }
                        Ok(Ok(Outcome::Elsewhere(holder))) => {
                            if !next.is_elsewhere {
                                progress.line(&format!("{}: {holder} is doing it", run.label()));
                            }
                            next.is_elsewhere = true;
                            waiting.put_last(next);
                        }
                        Ok(Ok(Outcome::MadeRoom)) => {
                            progress.made_room(run);
                            (next.spent, next.is_elsewhere) = (next.spent + start.elapsed(), false);
                            next.hold(&context.out);
                            waiting.put_last(next);
                        }
                        Ok(Ok(Outcome::Stopped)) => {
                            stopped.fetch_add(1, Ordering::Relaxed);
                            progress.stopped(run);
                        }
                        Ok(Err(error)) => fail(run, error),
                        Err(_) => fail(run, RunError::Fault("see the line above".into())),
                    }
                }
            });
        }
    });
    Worked {
        failures: failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()),
        unfinished: stopped.into_inner() + waiting.count(),
    }
}
