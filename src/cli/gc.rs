//! `ncut gc FILE`.

use super::{note, print};
use crate::InputError;
use crate::experiment::gc::{Item, Reason, delete, find};
use crate::experiment::grid::{Selection, read};
use crate::slurm::queue::squeue;
use crate::slurm::submission::{all, delete as delete_submission, spent};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// List what lies among the results that a grid file does not need, and delete it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Gc {
    /// The grid file, of which all runs are needed
    file: PathBuf,
    /// Where results are
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Delete what is listed
    #[arg(long)]
    delete: bool,
}

impl Gc {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let items = find(&read(&self.file, &Selection::default())?.runs, &self.out)?;
        // jobs in the queue may need anything of their submission, also if the file has changed since
        let queue = if all(&self.out).is_empty() { Some(Default::default()) } else { squeue() };
        let jobs: Vec<String> =
            all(&self.out).into_iter().flat_map(|(_, record)| record.arrays).filter_map(|a| a.job).collect();
        let waiting = queue.as_ref().is_some_and(|queue| queue.keys().any(|(job, _)| jobs.contains(job)));
        if waiting && self.delete {
            let problem = "jobs that were submitted from here are in the queue";
            return Err(
                InputError::new(self.out.display(), problem, "wait for them, or scancel them, then delete").into()
            );
        }
        let spent = if waiting || queue.is_none() { Vec::new() } else { spent(&self.out) };
        if items.is_empty() && spent.is_empty() {
            print(&format!("{}: nothing that {} does not need\n", self.out.display(), self.file.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        // what goes is shown before it does
        print(&list(&items, &spent))?;
        if !self.delete {
            print("nothing was deleted: --delete does it\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        for item in &items {
            delete(item)?.iter().for_each(|kept| note(&format!("kept {kept}")));
        }
        spent.iter().try_for_each(|(path, _)| delete_submission(path))?;
        print("deleted\n")?;
        Ok(ExitCode::SUCCESS)
    }
}

fn list(items: &[Item], spent: &[(PathBuf, u64)]) -> String {
    let submission = || "submission that is through".to_string();
    let reasons: Vec<String> = items.iter().map(reason).chain(spent.iter().map(|_| submission())).collect();
    let width = reasons.iter().map(|reason| reason.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let all = items.iter().map(|item| (&item.path, item.bytes)).chain(spent.iter().map(|(path, bytes)| (path, *bytes)));
    for ((path, bytes), reason) in all.clone().zip(&reasons) {
        text.push_str(&format!("{:>9}  {reason:<width$}  {}\n", size(bytes), path.display()));
    }
    let total = all.map(|(_, bytes)| bytes).sum();
    text + &format!("{:>9}  in all\n", size(total))
}

fn reason(item: &Item) -> String {
    let what = match item.reason {
        Reason::Experiment => "experiment not in the file",
        Reason::Condition => "condition not in the file",
        Reason::Replicate => "replicate not in the file",
        Reason::Replaced => "earlier result put aside",
        Reason::Checkpoint => "checkpoint of a finished run",
        Reason::Attempt => "attempt at a finished run",
        Reason::Temporary => "temporary file",
    };
    let count = |n: usize, what: &str| match n {
        0 => None,
        1 => Some(format!("1 {what}")),
        n => Some(format!("{n} {what}s")),
    };
    let holds = [count(item.results, "result"), count(item.unfinished, "unfinished run")];
    match holds.into_iter().flatten().collect::<Vec<_>>() {
        none if none.is_empty() => what.into(),
        holds => format!("{what}: {}", holds.join(", ")),
    }
}

/// `12.3 MB`.
fn size(bytes: u64) -> String {
    let scaled = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1e6)),
        _ => format!("{:.1} GB", scaled(1e9)),
    }
}
