//! Networks: parameters, their initialisation and forward passes, on torch tensors. f32.

pub mod clusterable_init;
mod mlp;
pub mod tags;

pub use mlp::{DropoutMasks, Mlp};
