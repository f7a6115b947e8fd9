//! Experiments: a grid file to runs, runs to directories of results.
//!
//! ```text
//! grid file ─► grid (conditions) ─► store (identity, directory) ─► run (train, measure) ─► result.json
//! ```

pub mod claim;
pub mod grid;
pub mod predicate;
pub mod run;
pub mod settings;
pub mod store;
