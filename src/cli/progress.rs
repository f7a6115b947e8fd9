//! Progress: bars on a terminal, plain lines elsewhere. All of it goes to standard error.

use crate::experiment::grid::Run;
use crate::experiment::run::Observer;
use crate::measure::Found;
use crate::stats::permutation::{mean_and_sd, z_score};
use crate::train::EpochRecord;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A measurement as it comes: a bar over its shuffles, and what they say so far; hidden if there are none or standard error is not
/// a terminal.
pub(super) struct Shuffles {
    bar: ProgressBar,
    so_far: Mutex<(Option<f64>, Vec<f64>)>,
}

impl Shuffles {
    pub(super) fn new(count: usize) -> Self {
        let bar = match count {
            0 => ProgressBar::hidden(),
            n => ProgressBar::new(n as u64).with_style(style("{msg} {bar:24} {pos}/{len} shuffles, {eta} left")),
        };
        Self { bar, so_far: Mutex::default() }
    }

    pub(super) fn show(&self, found: Found) {
        let mut so_far = self.so_far.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (network, shuffles) = &mut *so_far;
        match found {
            Found::Network(ncut) => *network = Some(ncut),
            Found::Shuffle(ncut) => {
                shuffles.push(ncut);
                self.bar.inc(1);
            }
        }
        if let Some(ncut) = *network {
            let null = mean_and_sd(shuffles).map(|(mean, sd)| format!(", shuffled {mean:.3} ± {sd:.3}"));
            let z = z_score(ncut, shuffles).map(|z| format!(", Z {z:+.1}"));
            self.bar.set_message(format!("n-cut {ncut:.3}{}{}", null.unwrap_or_default(), z.unwrap_or_default()));
        }
    }

    pub(super) fn close(&self) {
        self.bar.finish_and_clear();
    }
}

/// Work of so many steps; hidden if standard error is not a terminal.
pub(super) struct Steps(ProgressBar);

impl Steps {
    pub(super) fn new(what: &'static str, count: usize) -> Self {
        let bar = ProgressBar::new(count as u64).with_style(style("{msg} {bar:24} {pos}/{len}, {eta} left"));
        Self(bar.with_message(what))
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn close(&self) {
        self.0.finish_and_clear();
    }
}

/// Shows the runs of a grid: a bar for each run at work and one for all of them.
pub(super) struct GridProgress {
    terminal: bool,
    bars: MultiProgress,
    all: ProgressBar,
    at_work: Mutex<HashMap<String, AtWork>>,
}

struct AtWork {
    bar: ProgressBar,
    start: Instant,
    done_at_start: usize,
    done: usize,
    total: usize,
    epochs: usize,
    last: String,
    /// Whether it waits for its turn.
    made_room: bool,
}

impl GridProgress {
    pub(super) fn new(runs: usize, done: usize) -> Self {
        let bars = MultiProgress::new();
        let all = ProgressBar::new(runs as u64).with_style(style("{pos}/{len} runs {bar:16} {elapsed}"));
        let all = bars.add(all.with_position(done as u64));
        Self { terminal: std::io::stderr().is_terminal(), bars, all, at_work: Mutex::default() }
    }

    /// A line that stays.
    pub(super) fn line(&self, text: &str) {
        match self.terminal {
            true => {
                let _ = self.bars.println(text);
            }
            false => super::note(text),
        }
    }

    /// A run has ended, one way or the other.
    pub(super) fn finished(&self, run: &Run, line: &str) {
        if let Some(state) = self.states().remove(&run.label()) {
            state.bar.finish_and_clear();
        }
        self.all.inc(1);
        self.line(&format!("{}: {line}", run.label()));
    }

    /// A run has stopped because it was asked to.
    pub(super) fn stopped(&self, run: &Run) {
        if let Some(state) = self.states().remove(&run.label()) {
            state.bar.finish_and_clear();
        }
        self.line(&format!("{}: stopped, its state is saved", run.label()));
    }

    /// A run has made room for another, and goes on later.
    pub(super) fn made_room(&self, run: &Run) {
        if let Some(state) = self.states().get_mut(&run.label()) {
            state.bar.finish_and_clear();
            state.made_room = true;
        }
    }

    pub(super) fn close(&self) {
        self.all.finish_and_clear();
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, AtWork>> {
        self.at_work.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn bar(&self, run: &Run) -> Option<ProgressBar> {
        self.states().get(&run.label()).map(|state| state.bar.clone())
    }
}

impl Observer for GridProgress {
    fn training(&self, run: &Run, done: usize, total: usize, epochs: usize) {
        // everything is set before the bar is among the others: it would draw itself beside them
        let bar = ProgressBar::new(total as u64)
            .with_style(style("{prefix} {bar:16} {eta} left, {wide_msg}"))
            .with_prefix(run.label())
            .with_message("training");
        let bar = self.bars.insert_before(&self.all, bar);
        // what earlier attempts did must not make the time left look short
        bar.set_position(done as u64);
        bar.reset_eta();
        let last = String::from("training");
        let made_room = false;
        let state = AtWork { bar, start: Instant::now(), done_at_start: done, done, total, epochs, last, made_room };
        let before = self.states().insert(run.label(), state);
        if done > 0 && !before.is_some_and(|before| before.made_room) {
            self.line(&format!("{}: going on after step {done} of {total}", run.label()));
        }
    }

    fn step(&self, run: &Run, done: usize) {
        if let Some(state) = self.states().get_mut(&run.label()) {
            state.done = done;
            state.bar.set_position(done as u64);
        }
    }

    fn epoch(&self, run: &Run, record: &EpochRecord) {
        let mut states = self.states();
        let Some(state) = states.get_mut(&run.label()) else { return };
        let scores = match (record.accuracy, record.test_accuracy) {
            (Some(train), Some(test)) => format!("accuracy {train:.4}, test {test:.4}"),
            _ => format!("test loss {:.4}", record.test_loss),
        };
        state.last = format!("loss {:.4}, {scores}, sparsity {:.3}", record.loss, record.sparsity);
        let done = (state.done + 1).saturating_sub(state.done_at_start).max(1);
        let left = state.total.saturating_sub(state.done);
        let left = state.start.elapsed().as_secs_f64() / done as f64 * left as f64;
        state.bar.set_message(format!("epoch {}/{} {}", record.epoch, state.epochs, state.last));
        if !self.terminal {
            super::note(&format!(
                "{}: epoch {}/{}: {}, {left:.0} s left",
                run.label(),
                record.epoch,
                state.epochs,
                state.last
            ));
        }
    }

    fn measuring(&self, run: &Run, state: &str, shuffles: usize) {
        if let Some(bar) = self.bar(run) {
            bar.set_style(style("{prefix} {bar:16} shuffle {pos}/{len}, {wide_msg}"));
            bar.set_length(shuffles as u64);
            bar.set_position(0);
            bar.set_message(format!("measuring {state}"));
        }
        if !self.terminal {
            super::note(&format!("{}: measuring {state} against {shuffles} shuffles", run.label()));
        }
    }

    fn shuffle(&self, run: &Run) {
        if self.terminal
            && let Some(bar) = self.bar(run)
        {
            bar.inc(1);
        }
    }

    fn lesions(&self, run: &Run, state: &str, random_sets: usize) {
        if let Some(bar) = self.bar(run) {
            bar.set_style(style("{prefix} {wide_msg}"));
            bar.set_message(format!("silencing clusters of {state}"));
        }
        if !self.terminal {
            super::note(&format!("{}: silencing clusters of {state} beside {random_sets} random sets", run.label()));
        }
    }
}
