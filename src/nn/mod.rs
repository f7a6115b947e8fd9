//! Networks: parameters, their initialisation and forward passes, on torch tensors. f32.
//!
//! An [`Architecture`] says which [`Layer`]s follow each other; a [`Network`] is one with weights and biases. A [`Preset`] is an
//! architecture that can be asked for by name, with its initialisation. To add a network of layers that there are: a variant of
//! [`Preset`]. To add a layer: a variant of [`Layer`], its shape in [`Architecture::new`], and what it does in [`Network`].

mod architecture;
pub mod batch_norm;
pub mod channels;
pub mod clusterable_init;
mod dataflow;
mod dropout;
mod initialization;
mod layer;
mod network;
mod precision;
mod preset;
pub mod tags;

pub use architecture::{Architecture, ArchitectureError};
pub use dropout::DropoutMasks;
pub use initialization::Initialization;
pub use layer::{Layer, Shape};
pub use network::Network;
pub(crate) use network::weigh;
pub use precision::Precision;
pub use preset::Preset;
