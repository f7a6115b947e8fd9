//! `ncut submit FILE` and what it shares with `ncut plan`: the arrays and the exact texts.

use super::run::{Again, GridOptions};
use super::{Global, print};
use crate::InputError;
use crate::experiment::check::check;
use crate::experiment::claim::{Claim, claim};
use crate::experiment::grid::{Grid, Run};
use crate::experiment::run::Context;
use crate::experiment::status::{Status, status};
use crate::experiment::stop::Stop;
use crate::experiment::store::RunDirectory;
use crate::slurm::array::{Array, ArrayStage, arrays};
use crate::slurm::history::{History, name};
use crate::slurm::profile::Profile;
use crate::slurm::retry::{Choice, choose};
use crate::slurm::sbatch::{Taker, check as check_taker, submit};
use crate::slurm::script::{dependency, script};
use crate::slurm::submission::{
    Frozen, ReportPlan, folder, freeze, frozen_binary, next_directory, script_path, write_record,
};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tch::Device;

/// Hand the runs of a grid file that are not done yet to Slurm.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Submit {
    #[command(flatten)]
    grid: GridOptions,
    #[command(flatten)]
    site: Site,
    #[command(flatten)]
    again: Again,
    /// Run the scripts here, one element after the other, instead of handing them to Slurm: to try them
    #[arg(long)]
    fake_slurm: bool,
}

/// Where jobs will run.
#[derive(Debug, Args)]
pub(super) struct Site {
    /// The cluster's profile [default: NCUT_CLUSTER, else ~/.config/ncut/cluster.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
}

/// A submission that nothing is written of yet.
pub(super) struct Prepared {
    pub(super) arrays: Vec<Array>,
    pub(super) scripts: Vec<String>,
    pub(super) runs: Vec<Run>,
    pub(super) frozen: Frozen,
    /// Runs that failed too often: which and why.
    pub(super) given_up: Vec<(String, String)>,
    /// Runs that are in the queue already.
    pub(super) queued: usize,
}

impl Site {
    /// Whether there is a profile.
    pub(super) fn is_given(&self) -> bool {
        Profile::load(self.profile.as_deref()).is_ok_and(|profile| profile != Profile::default())
    }

    /// What would be submitted of `runs`, of which some are to be done anew. Nothing is written.
    pub(super) fn prepare(
        &self,
        runs: &[Run],
        statuses: &[Status],
        history: &History,
        out: &Path,
        global: &Global,
        anew: &[bool],
    ) -> Result<Prepared, InputError> {
        let profile = Profile::load(self.profile.as_deref())?;
        let (mut chosen, mut given_up) = (Vec::new(), Vec::new());
        for ((run, status), anew) in runs.iter().zip(statuses).zip(anew) {
            match choose(run, *status, history, &profile, *anew) {
                Choice::Submit(resources) => chosen.push((run.clone(), *resources)),
                Choice::Leave => {}
                Choice::GiveUp(why) => given_up.push((run.label(), why)),
            }
        }
        let (arrays, runs) = arrays(chosen, if runs.is_empty() { 1 } else { profile.array_size() });
        let out = absolute(out);
        let frozen = Frozen {
            directory: next_directory(&out, &runs),
            binary: frozen_binary(&out)?,
            data_dir: absolute(&global.data_dir()),
            device: global.device.clone(),
        };
        let text = |(number, array): (usize, &Array)| script(array, number, &frozen, profile.gpu_option);
        let scripts = arrays.iter().enumerate().map(text).collect();
        Ok(Prepared { arrays, scripts, runs, frozen, given_up, queued: history.queued.len() })
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// How far each run is.
pub(super) fn statuses(runs: &[Run], out: &Path) -> Result<Vec<Status>, InputError> {
    runs.iter().map(|run| status(&RunDirectory::new(out, run))).collect()
}

/// What is known of those that are not done.
pub(super) fn history(runs: &[Run], statuses: &[Status], out: &Path) -> History {
    let unfinished = runs.iter().zip(statuses).filter(|(_, status)| **status != Status::Done).map(|(run, _)| run);
    History::of(out, &unfinished.collect::<Vec<_>>())
}

impl Submit {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let taker = if self.fake_slurm { Taker::Fake } else { Taker::Slurm };
        let Grid { runs, tables, .. } = self.grid.grid()?;
        check_taker(taker)?;
        let out = &self.grid.out;
        check_path(&absolute(out))?;
        // two at once would put everything into the queue twice
        let folder = folder(out);
        std::fs::create_dir_all(&folder).map_err(|e| InputError::io(&folder, &e))?;
        let _ours = match claim(&RunDirectory::at(folder.clone()))? {
            Claim::Ours(attempt) => attempt,
            Claim::Theirs(who) => {
                let problem = format!("{who} is submitting from here");
                return Err(InputError::new(folder.display(), problem, "wait for it, then see 'ncut status'").into());
            }
            Claim::Done => return Err(InputError::new(folder.display(), "holds a result.json", "delete that").into()),
        };
        let mut statuses = statuses(&runs, out)?;
        let known = history(&runs, &statuses, out);
        if known.silent && !self.fake_slurm {
            let remedy = "try again when Slurm answers (scontrol ping): what is in the queue is not known";
            return Err(InputError::new("squeue", "gave no answer", remedy).into());
        }
        let anew = self.again.chosen(&runs, out, &known)?;
        statuses.iter_mut().zip(&anew).filter(|(_, anew)| **anew).for_each(|(status, _)| *status = Status::Missing);
        let Prepared { arrays, scripts, runs: chosen, frozen, given_up, queued } =
            self.site.prepare(&runs, &statuses, &known, out, global, &anew)?;
        given_up.iter().for_each(|(run, why)| super::note(&format!("ncut: {run} is left out: {why}")));
        if chosen.is_empty() {
            let done = statuses.iter().filter(|status| **status == Status::Done).count();
            print(&format!("nothing to submit: of {} runs {done} are done, {queued} in the queue\n", runs.len()))?;
            return Ok(ExitCode::from(u8::from(!given_up.is_empty())));
        }
        let context = Context::new(global.data_dir(), out.clone(), Device::Cpu, 1, Stop::default());
        check(&chosen.iter().collect::<Vec<_>>(), &context, &self.grid.file)?;
        let report = ReportPlan { runs: runs.clone(), tables, command: self.grid.run_command() };
        let mut record = freeze(&frozen, &chosen, &arrays, &scripts, &report)?;
        let anew: Vec<&Run> = runs.iter().zip(&anew).filter(|(_, anew)| **anew).map(|(run, _)| run).collect();
        record.anew = anew.iter().map(|run| name(run)).collect();
        write_record(&frozen.directory, &record)?;
        let mut aside = Vec::new();
        for run in anew {
            let directory = RunDirectory::new(out, run);
            aside.extend(directory.set_aside()?.map(|to| (directory, to)));
        }

        let (mut jobs, mut text, mut refused): (Vec<Option<String>>, String, Option<InputError>) = Default::default();
        for (number, array) in arrays.iter().enumerate() {
            // what waits for something that was refused would wait for ever; a report is made of what there is
            let possible = match array.stage {
                ArrayStage::Run(_) => array.after.iter().all(|before| jobs[*before].is_some()),
                ArrayStage::Collect => jobs.iter().any(Option::is_some),
            };
            let mut job = None;
            if possible {
                let path = script_path(&frozen.directory, number);
                match submit(taker, &path, dependency(array, &jobs).as_deref(), array.elements(), number) {
                    Ok(number) => job = Some(number),
                    Err(error) => refused = refused.or(Some(error)),
                }
            }
            if let Some(job) = &job {
                record.arrays[number].job = Some(job.clone());
                // after each, so that whatever is in the queue is known
                write_record(&frozen.directory, &record)?;
                text.push_str(&format!("{job}: {} ({})\n", array.name, elements(array)));
            }
            jobs.push(job);
        }
        let taken = jobs.iter().flatten().count();
        if taken == 0 {
            // as if nothing had been asked for
            for (directory, to) in aside {
                let _ = std::fs::rename(to, directory.path());
            }
            let _ = std::fs::remove_dir_all(&frozen.directory);
        }
        let of = arrays.iter().zip(&jobs).filter(|(array, job)| job.is_some() && array.stage != ArrayStage::Collect);
        let runs: std::collections::HashSet<usize> =
            of.flat_map(|(array, _)| array.first..array.first + array.runs).collect();
        if taken > 0 {
            let status = self.grid.run_command().replacen("ncut run", "ncut status", 1);
            text.push_str(&format!("{} runs submitted; `{status}` shows how far they are\n", runs.len()));
        }
        print(&text)?;
        match refused {
            None => Ok(ExitCode::SUCCESS),
            Some(e) => {
                let so_far = format!("{taken} of {} arrays are in the queue", arrays.len());
                Err(InputError::new(&e.place, format!("{} ({so_far})", e.problem), &e.remedy).into())
            }
        }
    }
}

/// Slurm replaces % in the names of outputs, and takes backslashes and quotes away.
fn check_path(out: &Path) -> Result<(), InputError> {
    let text = out.display().to_string();
    match text.chars().find(|c| matches!(c, '%' | '\\' | '"' | '\n')) {
        None => Ok(()),
        Some(c) => {
            let problem = format!("{c:?} in a path, which Slurm does not keep");
            Err(InputError::new(format!("--out {text}"), problem, "name another directory"))
        }
    }
}

/// How many elements of how many runs.
pub(super) fn elements(array: &Array) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let throttle = array.resources.max_running.map(|most| format!(", {most} at once")).unwrap_or_default();
    format!("{} of {}{throttle}", many(array.elements(), "element"), many(array.runs, "run"))
}
