//! Tests of the `ncut` command as a user runs it, by its files, output and exit codes.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, in its harness too")]

mod again;
mod bad_input;
mod convolutional;
mod diagnosis;
mod forms;
mod gc;
mod graphs;
mod grid_files;
mod grid_scale;
mod harness;
mod interrupt;
mod kill;
mod measure;
mod pages;
mod random_init;
mod reference;
mod report;
mod run;
mod slurm;
mod training_curve;
