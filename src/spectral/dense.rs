//! Symmetric eigenproblems of small dense matrices, by faer.

use super::eigsh::EigshError;
use faer::{Mat, Side};

/// All eigenvalues, ascending, and eigenvectors (columns) of the symmetric `(n, n)` matrix whose lower triangle is
/// given by `entry(i, j)`, `i ≥ j`.
pub(crate) fn symmetric_eigen(
    n: usize,
    entry: impl Fn(usize, usize) -> f64,
) -> Result<(Vec<f64>, Mat<f64>), EigshError> {
    let matrix = Mat::from_fn(n, n, |i, j| if i >= j { entry(i, j) } else { entry(j, i) });
    let eigen = matrix.self_adjoint_eigen(Side::Lower).map_err(|_| EigshError::Dense { size: n })?;
    let values = eigen.S().column_vector().iter().copied().collect();
    Ok((values, eigen.U().to_owned()))
}
