//! Signals that ask long work to save its state and stop.

use crate::experiment::stop::Stop;
use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// Exit code of work that was asked to stop.
pub(super) const INTERRUPTED: u8 = 130;

/// Whether the next Ctrl-C ends the program at once.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Whether SIGTERM does.
static TERMINATES: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Ctrl-C and SIGTERM end at once: everything that is worth keeping is on the disk already.
pub(super) fn end_at_once() -> anyhow::Result<()> {
    for (signal, at_once) in [(SIGINT, &AT_ONCE), (SIGTERM, &TERMINATES)] {
        flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(at_once))
            .with_context(|| format!("failed to listen for signal {signal}"))?;
    }
    Ok(())
}

/// From now on Ctrl-C, SIGTERM and SIGUSR1 ask `stop`; only a second Ctrl-C ends the program at once.
pub(super) fn listen(stop: &Stop) -> anyhow::Result<()> {
    AT_ONCE.store(false, Ordering::SeqCst);
    TERMINATES.store(false, Ordering::SeqCst);
    for signal in [SIGINT, SIGTERM, SIGUSR1] {
        flag::register_usize(signal, stop.flag(), signal as usize)
            .with_context(|| format!("failed to listen for signal {signal}"))?;
    }
    flag::register(SIGUSR1, stop.warning()).context("failed to listen for warnings of time")?;
    // after `end_at_once`, whose action the first Ctrl-C finds unset
    flag::register(SIGINT, AT_ONCE.clone()).context("failed to listen for Ctrl-C")?;
    Ok(())
}
