//! Networks: parameters and forward passes, on torch tensors. f32.

mod mlp;

pub use mlp::{DropoutMasks, Mlp};
