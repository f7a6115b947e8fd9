//! Being asked to stop: a flag that long work looks at between its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by whoever asks (a signal handler) and whoever is asked. It holds the number of the signal, 0 for none.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Whether to save and stop.
    pub fn is_requested(&self) -> bool {
        self.signal().is_some()
    }

    /// The signal that asked.
    pub fn signal(&self) -> Option<i32> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }

    /// Asks; later ones do not change who was first.
    pub fn request(&self, signal: i32) {
        let _ = self.0.compare_exchange(0, signal as usize, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The flag itself, for a signal handler to write to.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        self.0.clone()
    }
}
