//! Penalties.
pub mod decay;
pub mod eigenvalues;
mod sum;

pub use sum::{Penalties, PenaltyParams};
