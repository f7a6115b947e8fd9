//! Spectral clustering of a weighted graph, from its matrix alone: no networks, no tensors.
//!
//! ```text
//! graph ─► laplacian (S = D^-1/2 A D^-1/2, A in a block_matrix) ─► eigsh (lanczos | arpack | dense) ─► embedding ─► kmeans ─► ncut
//! ```
//!
//! [`clustering::cluster`] is the whole pipeline.

pub mod agreement;
pub mod arpack;
pub mod block_matrix;
pub mod clustering;
pub mod cost;
pub mod davidson;
pub(crate) mod dense;
pub mod eigsh;
pub mod kmeans;
pub mod lanczos;
pub mod laplacian;
pub mod ncut;
