//! Runs as jobs of a Slurm cluster. No process of ours waits for them: everything is in the queue when `submit` returns,
//! and all state is on disk.
//!
//! ```text
//! runs that are missing ─► array (by resources and stage, split) ─► submission (frozen on disk) ─► script ─► sbatch
//!                                                                        │
//!                              element of an array: `ncut worker` ◄──────┘ reads its runs there
//! status: run directories, the submissions' records, one `squeue`, one `sacct`, and what Slurm wrote into the log
//! ```

pub mod array;
pub mod history;
pub mod profile;
pub mod queue;
pub mod retry;
pub mod sbatch;
pub mod script;
pub mod submission;
