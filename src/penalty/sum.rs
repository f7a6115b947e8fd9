//! All penalties of a run together.

use super::decay::Decay;
use super::eigenvalues::{EigenSolver, EigenvaluePenalty};
use tch::Tensor;

/// Weights and variants of all penalties; a weight of 0 leaves one out.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyParams {
    /// Decay of single weights.
    pub decay: Decay,
    /// Weight of [`EigenvaluePenalty`].
    pub eigenvalues: f64,
    /// Its number of eigenvalues.
    pub eigenvalue_count: usize,
    /// Its way.
    pub eigen_solver: EigenSolver,
}

/// What is added to the loss, with what it remembers from step to step.
#[derive(Debug)]
pub struct Penalties {
    params: PenaltyParams,
    eigenvalues: Option<EigenvaluePenalty>,
}

impl Penalties {
    /// Of networks of these `widths`, input and output included. Nothing is remembered yet.
    pub fn new(params: PenaltyParams, widths: &[usize]) -> Self {
        let eigenvalues = (params.eigenvalues > 0.0)
            .then(|| EigenvaluePenalty::new(widths, params.eigenvalue_count, params.eigen_solver));
        Self { params, eigenvalues }
    }

    /// `loss` with every penalty on `weights`, `(d_out, d_in)` each, added.
    pub fn add_to(&self, loss: Tensor, weights: &[Tensor]) -> Tensor {
        let mut loss = self.params.decay.add_to(loss, weights);
        if let Some(eigenvalues) = &self.eigenvalues {
            loss = loss + eigenvalues.sum(weights) * self.params.eigenvalues;
        }
        loss
    }

    /// What is remembered, by name, sharing its memory: part of the state of training.
    pub fn memory(&self) -> Vec<(&'static str, Tensor)> {
        let eigenvectors = self.eigenvalues.as_ref().and_then(EigenvaluePenalty::memory);
        eigenvectors.map(|vectors| ("penalty.eigenvectors", vectors)).into_iter().collect()
    }
}
