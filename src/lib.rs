//! ncut
mod aside;
pub mod cli;
pub mod data;
pub mod error;
pub mod experiment;
pub mod graph;
pub mod measure;
pub mod model;
mod names;
pub mod nn;
pub mod report;
pub mod rng;
pub mod spectral;
pub mod stats;
pub mod train;
pub use error::InputError;
/// Version of the program with the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("NCUT_COMMIT"));
