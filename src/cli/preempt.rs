//! `ncut preempt FILE`: does a run that is interrupted give the same numbers as one that is not?

use super::run::GridOptions;
use super::{Global, note, print};
use crate::InputError;
use crate::experiment::grid::Run;
use crate::experiment::store::RunDirectory;
use crate::rng::{Purpose, stream};
use anyhow::Context as _;
use clap::Args;
use rand::Rng;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Interrupt a run of a grid file again and again, by SIGTERM, SIGUSR1 and SIGKILL, and compare its weights, metrics and
/// measurements with those of the same run left alone, bit for bit.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Preempt {
    #[command(flatten)]
    grid: GridOptions,
    /// How often it is interrupted
    #[arg(long, value_name = "N", default_value_t = 20)]
    times: u32,
    /// Seed of the moments
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

const SIGNALS: [&str; 3] = ["TERM", "USR1", "KILL"];

impl Preempt {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let runs = self.grid.runs()?;
        let Some(run) = runs.first() else { return Ok(ExitCode::SUCCESS) };
        let folder = tempfile::tempdir().context("failed to make a temporary directory")?;
        let (alone, interrupted) = (folder.path().join("alone"), folder.path().join("interrupted"));
        note(&format!("{}: left alone", run.label()));
        let start = Instant::now();
        let mut child = self.start(run, &alone, global)?;
        let status = child.wait().context("failed to wait")?;
        if !RunDirectory::new(&alone, run).is_done() {
            let problem = format!("ended with {status} and no result");
            return Err(InputError::new(run.label(), problem, "see what 'ncut run' says of it").into());
        }
        let whole = start.elapsed();
        let mut moments = stream(self.seed, Purpose::Interruption, 0, 0);
        let (mut done, mut tries) = (0, 0);
        // a run that is nearly through has little left to interrupt: then it begins anew
        while done < self.times {
            tries += 1;
            if RunDirectory::new(&interrupted, run).is_done() {
                self.compare(run, &alone, &interrupted)?;
                std::fs::remove_dir_all(&interrupted).context("failed to begin anew")?;
            }
            let after = whole.mul_f64(moments.gen_range(0.02..0.3));
            let mut child = self.start(run, &interrupted, global)?;
            let signal = SIGNALS[done as usize % SIGNALS.len()];
            if interrupt(&mut child, after, signal)? {
                done += 1;
                note(&format!("{done}: SIG{signal} after {:.2} s", after.as_secs_f64()));
            }
            if tries > 20 * (self.times + 1) {
                return Err(
                    InputError::new(run.label(), "is too short to be interrupted", "give it more epochs").into()
                );
            }
        }
        self.start(run, &interrupted, global)?.wait().context("failed to wait")?;
        self.compare(run, &alone, &interrupted)?;
        print(&format!("{}: interrupted {done} times, the same to the bit as left alone\n", run.label()))?;
        Ok(ExitCode::SUCCESS)
    }

    /// This program, doing the one run.
    fn start(&self, run: &Run, out: &Path, global: &Global) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("failed to find this program's own path")?;
        let mut command = Command::new(program);
        command.arg("run").arg(&self.grid.file).arg("--out").arg(out);
        command.args(self.grid.passed_on()).args(["--only", &run.experiment, "--seeds", &run.replicate.to_string()]);
        command.args(["--where", &exactly(run), "--jobs", "1", "--device", &global.device]);
        command.arg("--data-dir").arg(global.data_dir());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("failed to start this program again")
    }

    fn compare(&self, run: &Run, alone: &Path, interrupted: &Path) -> anyhow::Result<()> {
        let (a, b) = (RunDirectory::new(alone, run), RunDirectory::new(interrupted, run));
        let mut files: Vec<(PathBuf, PathBuf)> = vec![(a.metrics(), b.metrics())];
        files.extend(["unpruned", "pruned"].map(|state| (a.network(state), b.network(state))));
        for (a, b) in files.iter().filter(|(a, _)| a.exists()) {
            if std::fs::read(a).ok() != std::fs::read(b).ok() {
                anyhow::bail!("{} differs after interruptions", b.display());
            }
        }
        if measured(&a.result())? != measured(&b.result())? {
            anyhow::bail!("{} differs after interruptions", b.result().display());
        }
        Ok(())
    }
}

/// A condition that only the run's own settings fulfil.
fn exactly(run: &Run) -> String {
    let equal =
        |(name, value): (&String, &serde_json::Value)| format!("{name} == {}", value.to_string().replace('"', "'"));
    let conditions: Vec<String> = run.settings().values().iter().map(equal).collect();
    conditions.join(" and ")
}

/// Sends `signal` once `after` has passed; false if the process ended before.
fn interrupt(child: &mut Child, after: Duration, signal: &str) -> anyhow::Result<bool> {
    let start = Instant::now();
    while start.elapsed() < after {
        if child.try_wait().context("failed to wait")?.is_some() {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent =
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).stderr(Stdio::null()).status();
    let sent = sent.context("failed to start kill")?.success();
    child.wait().context("failed to wait")?;
    Ok(sent)
}

/// A result without what depends on the clock.
fn measured(path: &Path) -> anyhow::Result<serde_json::Value> {
    let bytes = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
    let mut value: serde_json::Value = serde_json::from_slice(&bytes).context("failed to read a result")?;
    without_timings(&mut value);
    Ok(value)
}

fn without_timings(value: &mut serde_json::Value) {
    if let Some(map) = value.as_object_mut() {
        map.remove("timing_s");
        map.values_mut().for_each(without_timings);
    }
}
