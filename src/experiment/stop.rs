//! Being asked to stop: a flag that long work looks at between its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Shared by whoever asks (a signal handler) and whoever is asked.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Number of the signal that asked last, 0 for none.
    signal: Arc<AtomicUsize>,
    /// Whether one of them was the warning that the time is nearly up.
    warned: Arc<AtomicBool>,
}

impl Stop {
    /// Whether to save and stop.
    pub fn is_requested(&self) -> bool {
        self.signal().is_some()
    }

    /// The signal that asked last.
    pub fn signal(&self) -> Option<i32> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Asks.
    pub fn request(&self, signal: i32) {
        self.signal.store(signal as usize, Ordering::Relaxed);
    }

    /// Whether somebody warned that the time is nearly up, whatever was asked since.
    pub fn is_warned(&self) -> bool {
        self.warned.load(Ordering::Relaxed)
    }

    /// For a signal handler to write the signal's number to.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        self.signal.clone()
    }

    /// For the handler of the warning to set.
    pub fn warning(&self) -> Arc<AtomicBool> {
        self.warned.clone()
    }
}
