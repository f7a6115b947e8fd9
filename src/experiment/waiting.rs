//! Runs that wait for one of a command's threads, and which is next.
//!
//! When fewer wait than there are threads, those at work make room for them at the end of an epoch and queue up behind them: so the
//! last runs end together, and not one of them alone after all others. A run whose networks another one is training does not count:
//! it will have them from that one ([`super::networks`]).

use super::claim::{Attempt, Claim, claim};
use super::grid::Run;
use super::store::{RunDirectory, network_key};
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a thread takes.
#[derive(Debug)]
pub struct Next<'a> {
    /// To be trained in one pass; most often one.
    pub runs: Vec<&'a Run>,
    /// Whether another process was doing the run when it was asked for last.
    pub is_elsewhere: bool,
    /// What earlier turns took.
    pub spent: Duration,
    /// [`network_key`] of each.
    keys: Vec<u64>,
    held: Option<Attempt>,
}

impl<'a> Next<'a> {
    fn new(runs: Vec<&'a Run>) -> Self {
        let keys = runs.iter().map(|run| network_key(run)).collect();
        Self { runs, is_elsewhere: false, spent: Duration::ZERO, keys, held: None }
    }

    /// Keeps other processes from a run that made room.
    pub fn hold(&mut self, out: &Path) {
        self.held = match self.runs.first().map(|run| claim(&RunDirectory::new(out, run))) {
            Some(Ok(Claim::Ours(attempt))) => Some(attempt),
            _ => None,
        };
    }

    /// Lets go of what [`Next::hold`] keeps, so that the run can be gone on with.
    pub fn let_go(&mut self) {
        self.held = None;
    }
}

/// The queue; runs differ by their addresses.
#[derive(Debug)]
pub struct Waiting<'a> {
    state: Mutex<State<'a>>,
    threads: usize,
    others_wait: &'a AtomicBool,
}

#[derive(Debug)]
struct State<'a> {
    queue: VecDeque<Next<'a>>,
    /// Runs that were taken and have not ended, by key.
    begun: HashMap<u64, &'a Run>,
}

impl State<'_> {
    /// Whether a run that has begun is trained alike.
    fn has_twin(&self, next: &Next) -> bool {
        next.runs.iter().zip(&next.keys).any(|(run, key)| {
            let begun = self.begun.get(key);
            begun.is_some_and(|begun| !std::ptr::eq(*begun, *run))
        })
    }
}

impl<'a> Waiting<'a> {
    /// Groups of runs for so many threads; `others_wait` is kept as [`super::run::Context::others_wait`] has it.
    pub fn new(groups: Vec<Vec<&'a Run>>, threads: usize, others_wait: &'a AtomicBool) -> Self {
        let queue = groups.into_iter().map(Next::new).collect();
        Self { state: Mutex::new(State { queue, begun: HashMap::new() }), threads, others_wait }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State<'a>) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut state);
        let waits = |next: &&Next| !next.is_elsewhere && !state.has_twin(next);
        let waiting = state.queue.iter().filter(waits).take(self.threads).count();
        self.others_wait.store((1..self.threads).contains(&waiting), Ordering::Relaxed);
        changed
    }

    /// The first that no run at work will spare the training, or else the first.
    pub fn take(&self) -> Option<Next<'a>> {
        self.change(|state| {
            let place = state.queue.iter().position(|next| !state.has_twin(next)).unwrap_or(0);
            let next = state.queue.remove(place)?;
            for (run, key) in next.runs.iter().zip(&next.keys) {
                state.begun.entry(*key).or_insert(run);
            }
            Some(next)
        })
    }

    /// Behind all others.
    pub fn put_last(&self, next: Next<'a>) {
        self.change(|state| state.queue.push_back(next));
    }

    /// Before all others, one by one.
    pub fn put_first(&self, runs: Vec<&'a Run>) {
        self.change(|state| runs.into_iter().rev().for_each(|run| state.queue.push_front(Next::new(vec![run]))));
    }

    /// A run that was taken is done, has failed, or is another process'.
    pub fn ended(&self, run: &Run) {
        self.change(|state| state.begun.retain(|_, begun| !std::ptr::eq(*begun, run)));
    }

    /// How many runs wait.
    pub fn count(&self) -> usize {
        self.change(|state| state.queue.iter().map(|next| next.runs.len()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Settings;

    fn run(clusters: &str, replicate: u64) -> Run {
        let settings = serde_yaml::from_str(&format!("clusters: {clusters}")).unwrap();
        let _: &Settings = &settings;
        Run::new("e", settings, replicate)
    }

    #[test]
    fn room_is_made_for_few_that_need_training() {
        let others_wait = AtomicBool::default();
        let waits = || others_wait.load(Ordering::Relaxed);
        let runs: Vec<Run> = (0..5).map(|replicate| run("3", replicate)).collect();
        let waiting = Waiting::new(runs.iter().map(|run| vec![run]).collect(), 2, &others_wait);
        let [first, second] = [(); 2].map(|()| waiting.take().unwrap());
        assert!(!waits(), "three wait for two threads");
        waiting.ended(first.runs[0]);
        let third = waiting.take().unwrap();
        assert!(!waits(), "two wait");
        waiting.ended(second.runs[0]);
        let fourth = waiting.take().unwrap();
        assert!(waits(), "one waits");
        waiting.put_last(third);
        let fifth = waiting.take().unwrap();
        assert_eq!((fifth.runs[0].replicate, waits(), waiting.count()), (4, true, 1));
        waiting.ended(fourth.runs[0]);
        assert_eq!(waiting.take().unwrap().runs[0].replicate, 2);
        assert!(!waits() && waiting.take().is_none());
    }

    /// Runs that are measured in other ways have the networks of the one that is trained, also while it waits for its turn.
    #[test]
    fn no_room_is_made_for_what_would_be_trained_twice() {
        let others_wait = AtomicBool::default();
        let waits = || others_wait.load(Ordering::Relaxed);
        let runs = [run("3", 0), run("4", 0), run("3", 1)];
        let waiting = Waiting::new(runs.iter().map(|run| vec![run]).collect(), 2, &others_wait);
        let first = waiting.take().unwrap();
        assert!(waits(), "the third, not the second");
        let other = waiting.take().unwrap();
        assert_eq!((other.runs[0].replicate, waits()), (1, false));
        waiting.put_last(first);
        let again = waiting.take().unwrap();
        assert_eq!((&again.runs[0].settings().clusters, waits()), (&runs[0].settings().clusters, false));
        waiting.ended(again.runs[0]);
        assert!(waits(), "its networks are there, and nobody trains them");
    }
}
