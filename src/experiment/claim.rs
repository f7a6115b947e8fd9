//! Who is doing a run: processes that share an output directory, on one machine or many, never do a run twice at the
//! same time, and a run whose process was killed is taken over.
//!
//! A run directory holds a file for each attempt, `attempt-1.json`, `attempt-2.json`, …; the one with the highest number
//! has the run. An attempt is begun by creating the next file, which only one process can, also on a network file
//! system; no lock is held, so none dies with its owner. Its owner deletes it when it is through. If its owner is gone,
//! the next attempt may begin.
//!
//! An owner on this machine is gone if its process is; any other, if the file was not touched for [`SILENCE`], while
//! living owners touch theirs every [`HEARTBEAT`].

use super::store::RunDirectory;
use crate::{InputError, aside};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

/// How often a living owner touches its file.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// After how long without a touch an owner on another machine is taken for gone. Clocks may differ by some minutes.
pub const SILENCE: Duration = Duration::from_secs(600);

/// A process, so that it can be found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    host: String,
    /// Boot and process namespace: process numbers mean something within these alone.
    machine: String,
    pid: u32,
    /// When the process started, in the kernel's ticks since boot: numbers are used again.
    started: u64,
    /// The element of a job array that it is, as Slurm numbers it.
    #[serde(default)]
    job: Option<String>,
}

/// What came of asking for a run.
#[derive(Debug)]
pub enum Claim {
    /// It is this process' until the attempt is dropped.
    Ours(Attempt),
    /// A living process has it: where.
    Theirs(String),
    /// Its result is there.
    Done,
}

/// A run that this process has. Dropping it gives the run up.
#[derive(Debug)]
pub struct Attempt {
    path: PathBuf,
    directory: PathBuf,
    number: u64,
    // dropped before the file is deleted, which ends the heartbeat
    stop: Option<mpsc::Sender<()>>,
}

/// Asks for the run of `directory`, which exists.
///
/// # Errors
///
/// The directory cannot be read or written.
pub fn claim(directory: &RunDirectory) -> Result<Claim, InputError> {
    let dir = directory.path();
    loop {
        if directory.is_done() {
            return Ok(Claim::Done);
        }
        let latest = latest(dir)?;
        if let Some(number) = latest
            && let Some(holder) = living_owner(&attempt_path(dir, number))
        {
            return Ok(Claim::Theirs(holder));
        }
        let number = latest.unwrap_or(0) + 1;
        let path = attempt_path(dir, number);
        let owner = serde_json::to_vec(&this_process()).unwrap_or_default();
        let begun = match aside::write_new(&path, &owner) {
            // who finished meanwhile tidied up, and with it what was being written
            Err(_) if directory.is_done() => return Ok(Claim::Done),
            begun => begun?,
        };
        // if somebody was faster: look again
        if begun {
            let attempt = Attempt::begin(path, dir.to_path_buf(), number);
            // one that was begun after the directory was looked at, under a number that had become free
            let earlier = attempts(dir)?.into_iter().filter(|other| *other < number);
            if let Some(holder) = earlier.filter_map(|other| living_owner(&attempt_path(dir, other))).next() {
                return Ok(Claim::Theirs(holder));
            }
            // whoever had it may have finished between the two looks
            return Ok(if directory.is_done() { Claim::Done } else { Claim::Ours(attempt) });
        }
    }
}

impl Attempt {
    fn begin(path: PathBuf, directory: PathBuf, number: u64) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let touched = path.clone();
        std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
                // opened without creating: a file that was deleted stays so
                if let Ok(file) = File::options().write(true).open(&touched) {
                    let _ = file.set_modified(SystemTime::now());
                }
            }
        });
        Self { path, directory, number, stop: Some(stop) }
    }

    /// Whether no later attempt took the run over, believing this process gone.
    pub fn is_current(&self) -> bool {
        latest(&self.directory).is_ok_and(|latest| latest == Some(self.number))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.stop = None;
        let _ = std::fs::remove_file(&self.path);
    }
}

fn attempt_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("attempt-{number}.json"))
}

/// The number of an attempt's file, if `name` is that of one.
pub(super) fn attempt_number(name: &str) -> Option<u64> {
    name.strip_prefix("attempt-")?.strip_suffix(".json")?.parse().ok()
}

fn attempts(dir: &Path) -> Result<Vec<u64>, InputError> {
    let entries = std::fs::read_dir(dir).map_err(|e| InputError::io(dir, &e))?;
    Ok(entries.flatten().filter_map(|entry| attempt_number(&entry.file_name().to_string_lossy())).collect())
}

fn latest(dir: &Path) -> Result<Option<u64>, InputError> {
    Ok(attempts(dir)?.into_iter().max())
}

/// Who has the run of `directory` now: a process that is alive, or may be. Nothing is changed.
pub fn holder(directory: &RunDirectory) -> Option<String> {
    holder_of(directory, latest(directory.path()).ok()??)
}

/// Who has the attempt of that number, the highest there is.
pub(super) fn holder_of(directory: &RunDirectory, number: u64) -> Option<String> {
    living_owner(&attempt_path(directory.path(), number))
}

/// Who has the attempt, if it may be alive: host and process.
fn living_owner(path: &Path) -> Option<String> {
    // a file that is gone was given up
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let silent = SystemTime::now().duration_since(modified).unwrap_or_default() > SILENCE;
    let owner: Option<Owner> = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let this = this_process();
    match owner {
        None => (!silent).then(|| "an unknown process".into()),
        Some(owner) if owner.machine == this.machine => {
            (started(owner.pid) == Some(owner.started)).then(|| format!("process {} here", owner.pid))
        }
        // Slurm gave the job to this machine: the one before was cut off, with its node
        Some(owner) if owner.job.is_some() && owner.job == this.job => None,
        Some(owner) => (!silent).then(|| format!("process {} on {}", owner.pid, owner.host)),
    }
}

fn this_process() -> Owner {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_string()).unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let pid = std::process::id();
    Owner {
        host: read("/proc/sys/kernel/hostname"),
        machine: format!("{} {}", read("/proc/sys/kernel/random/boot_id"), namespace.display()),
        pid,
        started: started(pid).unwrap_or(0),
        job: std::env::var("SLURM_ARRAY_JOB_ID")
            .and_then(|job| Ok(format!("{job}_{}", std::env::var("SLURM_ARRAY_TASK_ID")?)))
            .ok(),
    }
}

/// When a process started (proc(5), field 22 of `stat`), or `None` if there is none, or only its corpse.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the second field is the program's name in brackets, which may hold anything
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::grid::Run;
    use crate::experiment::settings::Settings;

    fn directory(out: &Path) -> RunDirectory {
        let run = Run::new("e", Settings::default(), 0);
        let directory = RunDirectory::new(out, &run);
        std::fs::create_dir_all(directory.path()).unwrap();
        directory
    }

    fn ours(claim: Claim) -> Attempt {
        match claim {
            Claim::Ours(attempt) => attempt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_at_a_time_until_given_up() {
        let out = tempfile::tempdir().unwrap();
        let directory = directory(out.path());
        let attempt = ours(claim(&directory).unwrap());
        assert!(matches!(claim(&directory).unwrap(), Claim::Theirs(who) if who.contains("here")));
        assert_eq!(holder(&directory), Some(format!("process {} here", std::process::id())));
        assert!(attempt.is_current());
        drop(attempt);
        assert_eq!(holder(&directory), None);
        drop(ours(claim(&directory).unwrap()));
        std::fs::write(directory.result(), "{}").unwrap();
        assert!(matches!(claim(&directory).unwrap(), Claim::Done));
        assert_eq!(latest(directory.path()).unwrap(), None);
    }

    /// A process that is no more; one with the same number that started at another time; one elsewhere that fell silent.
    #[test]
    fn the_runs_of_the_gone_are_taken_over() {
        let out = tempfile::tempdir().unwrap();
        let directory = directory(out.path());
        let mut gone = std::process::Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let here = this_process();
        let elsewhere = Owner { machine: "another".into(), ..here.clone() };
        let cases = [
            (Owner { pid: gone.id(), ..here.clone() }, Duration::ZERO, true),
            (Owner { started: here.started + 1, ..here.clone() }, Duration::ZERO, true),
            (elsewhere.clone(), SILENCE + HEARTBEAT, true),
            (elsewhere, HEARTBEAT, false),
            (here, SILENCE + HEARTBEAT, false),
        ];
        for (owner, silence, taken_over) in cases {
            let path = attempt_path(directory.path(), 7);
            std::fs::write(&path, serde_json::to_vec(&owner).unwrap()).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now() - silence).unwrap();
            assert_eq!(holder(&directory).is_none(), taken_over, "{owner:?}");
            let found = claim(&directory).unwrap();
            assert_eq!(
                matches!(&found, Claim::Ours(attempt) if attempt.number == 8),
                taken_over,
                "{owner:?}: {found:?}"
            );
        }
    }

    #[test]
    fn of_many_that_ask_at_once_one_gets_it() {
        let out = tempfile::tempdir().unwrap();
        let directory = directory(out.path());
        for _ in 0..50 {
            let got: Vec<Attempt> = std::thread::scope(|scope| {
                let ask = || match claim(&directory).unwrap() {
                    Claim::Ours(attempt) => Some(attempt),
                    _ => None,
                };
                let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
                asking.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(got.len(), 1);
        }
    }
}
