//! Experiments: a grid file to runs, runs to directories of results.
//!
//! ```text
//! yaml ─► file (blocks) ─► grid (runs) ─► store (identity, directory) ─► check ─► run (train, measure) ─► result.json
//!          │ base, axis, predicate, resources, table      └► claim (who does it)
//! ```

pub mod axis;
mod base;
pub mod check;
pub mod claim;
pub mod cost;
pub mod end_state;
pub mod figure;
pub mod file;
pub mod gc;
pub mod grid;
pub mod metrics;
mod network_graph;
pub mod networks;
pub mod predicate;
pub mod resources;
pub mod run;
pub mod schema;
pub mod settings;
pub mod shuffles;
pub mod status;
pub mod stop;
pub mod store;
pub mod table;
mod training;
pub mod training_curve;
pub mod types;
pub mod waiting;
pub mod yaml;
