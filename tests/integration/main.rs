//! Tests of the `ncut` command as a user runs it, by its files, output and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that panics is a test that fails, also in a helper")]

mod bad_input;
mod graphs;
mod harness;
mod kill;
mod measure;
mod random_init;
mod reference;
mod run;
