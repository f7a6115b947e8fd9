//! Block Davidson: the largest eigenvalues of a symmetric operator near one whose decomposition is known.
//!
//! ```text
//! M ≈ V D Vᵀ:      t = V (D − θ)⁻¹ Vᵀ (M x − θ x)      widens the space that holds the Ritz pair (θ, x)
//! ```
//!
//! Where M moves by little from one problem to the next, as with weights in training, two or three such widenings do
//! what a Krylov space needs tens of vectors for.
//!
//! # References
//!
//! * R. Morgan, D. Scott (1986), *Generalizations of Davidson's method for computing eigenvalues of sparse symmetric
//!   matrices*, SIAM J. Sci. Stat. Comput. 7(3), section 3.

use super::dense::symmetric_eigen;
use super::eigsh::EigshError;
use super::lanczos::{RitzPairs, SymmetricOperator, combine, inner, largest_norm, orthonormalise, subtract};
use super::laplacian::{BLOCK, Row};
use crate::rng::ChaCha8Rng;
use faer::Mat;

/// `V D Vᵀ`, as a basis to correct vectors in.
#[derive(Debug, Clone, Copy)]
pub struct Decomposition<'a> {
    /// D, `(n,)`.
    pub values: &'a [f64],
    /// Vᵀ, `(n, n)`: an eigenvector a row.
    pub vectors: &'a [f64],
}

/// What [`largest_near`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DavidsonParams {
    /// Number of eigenpairs, at most [`BLOCK`].
    pub wanted: usize,
    /// Bound on ‖M v − θ v‖ for unit v.
    pub tolerance: f64,
    /// Widenings before giving up; no more than the space has room for.
    pub iterations: usize,
}

/// What [`largest_near`] finds.
#[derive(Debug, Clone)]
pub struct Found {
    /// The wanted ones.
    pub pairs: RitzPairs,
    /// `(n, BLOCK)`: theirs and the next vectors, to start from next time.
    pub block: Vec<Row>,
    /// Widenings that it took.
    pub iterations: usize,
}

/// No correction divides by less: a vector that is nearly an eigenvector's multiple is in the space already.
const LEAST_SHIFT: f64 = 1e-4;

/// The `wanted` largest eigenvalues outside of the space that [`SymmetricOperator::project`] removes, from `start`,
/// `(n, BLOCK)`, which should hold what they were for `near`. An eigenvector that nothing in `start` or in the difference
/// of the two operators leads to is not found.
///
/// # Errors
///
/// [`EigshError::NotConverged`].
///
/// # Panics
///
/// If more than [`BLOCK`] are wanted, or shapes differ.
pub fn largest_near(
    operator: &mut impl SymmetricOperator,
    start: Vec<Row>,
    near: Decomposition,
    params: DavidsonParams,
    rng: &mut ChaCha8Rng,
) -> Result<Found, EigshError> {
    let n = operator.dimension();
    assert!(params.wanted <= BLOCK && start.len() == n && near.vectors.len() == n * n, "shapes");
    let capacity = (params.iterations + 1).min(operator.free() / BLOCK);
    let mut projected = Mat::<f64>::zeros(capacity * BLOCK, capacity * BLOCK);
    let (mut basis, mut products): (Vec<Vec<Row>>, Vec<Vec<Row>>) = (Vec::new(), Vec::new());
    let mut next = start;
    operator.project(&mut next);
    loop {
        let scale = largest_norm(&next);
        for _ in 0..2 {
            for block in &basis {
                let common = inner(block, &next);
                subtract(&mut next, block, &common);
            }
        }
        orthonormalise(operator, &basis, &mut next, scale, rng);
        let mut product = vec![[0.0; BLOCK]; n];
        operator.apply(&next, &mut product);
        operator.project(&mut product);
        basis.push(next);
        let last = basis.len() - 1;
        for (i, block) in basis.iter().enumerate() {
            for (a, row) in inner(block, &product).iter().enumerate() {
                for (b, value) in row.iter().enumerate() {
                    projected[(i * BLOCK + a, last * BLOCK + b)] = *value;
                }
            }
        }
        products.push(product);

        let m = basis.len() * BLOCK;
        // The upper triangle was computed; the lower one is its mirror.
        let (values, vectors) = symmetric_eigen(m, |i, j| projected[(j, i)])?;
        let columns: [usize; BLOCK] = std::array::from_fn(|b| m - 1 - b);
        let theta = columns.map(|column| values[column]);
        let [x, mut residual] = [&basis, &products].map(|blocks| combine(blocks, &vectors, &columns).swap_remove(0));
        let mut squares = [0.0; BLOCK];
        for (residual, x) in residual.iter_mut().zip(&x) {
            for b in 0..BLOCK {
                residual[b] -= theta[b] * x[b];
                squares[b] += residual[b] * residual[b];
            }
        }
        let residuals: Vec<f64> = squares[..params.wanted].iter().map(|square| square.sqrt()).collect();
        if residuals.iter().all(|&r| r <= params.tolerance) {
            let vectors = (0..params.wanted).map(|b| x.iter().map(|row| row[b]).collect()).collect();
            let pairs = RitzPairs { values: theta[..params.wanted].to_vec(), vectors, residuals };
            return Ok(Found { pairs, block: x, iterations: basis.len() - 1 });
        }
        let are_numbers = residuals.iter().all(|r| r.is_finite());
        if !are_numbers || basis.len() == capacity {
            let converged =
                residuals.iter().zip(theta).filter(|(r, _)| **r <= params.tolerance).map(|(_, value)| value).collect();
            return Err(EigshError::NotConverged {
                solver: "davidson",
                wanted: params.wanted,
                converged,
                residual: residuals.into_iter().reduce(f64::max),
            });
        }
        next = near.correct(&residual, theta);
        operator.project(&mut next);
    }
}

impl Decomposition<'_> {
    /// `V (D − θ)⁻¹ Vᵀ r`, each column with its own θ.
    fn correct(self, residual: &[Row], theta: Row) -> Vec<Row> {
        let mut corrected = vec![[0.0; BLOCK]; residual.len()];
        for (vector, value) in self.vectors.chunks_exact(residual.len()).zip(self.values) {
            let mut part = [0.0; BLOCK];
            for (v, row) in vector.iter().zip(residual) {
                (0..BLOCK).for_each(|b| part[b] += v * row[b]);
            }
            for b in 0..BLOCK {
                let shift = value - theta[b];
                part[b] /= shift.signum() * shift.abs().max(LEAST_SHIFT);
            }
            for (v, row) in vector.iter().zip(&mut corrected) {
                (0..BLOCK).for_each(|b| row[b] += v * part[b]);
            }
        }
        corrected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    struct Dense(Vec<Vec<f64>>);

    impl SymmetricOperator for Dense {
        fn dimension(&self) -> usize {
            self.0.len()
        }
        fn free(&self) -> usize {
            self.0.len()
        }
        fn apply(&mut self, x: &[Row], y: &mut [Row]) {
            for (row, y) in self.0.iter().zip(y) {
                *y = std::array::from_fn(|b| row.iter().zip(x).map(|(m, x)| m * x[b]).sum());
            }
        }
        fn project(&self, _: &mut [Row]) {}
    }

    fn decomposed(matrix: &Dense) -> (Vec<f64>, Vec<f64>) {
        let n = matrix.dimension();
        let (values, vectors) = symmetric_eigen(n, |i, j| matrix.0[i][j]).unwrap();
        (values, (0..n * n).map(|i| vectors[(i % n, i / n)]).collect())
    }

    /// A matrix that wanders, against its dense decomposition, with the basis of where it was first.
    #[test]
    fn follows_a_matrix_that_moves() {
        const N: usize = 40;
        let mut rng = stream(1, Purpose::StartVector, 0, 0);
        let mut noise = |size: f64| -> Vec<Vec<f64>> {
            let lower: Vec<Vec<f64>> = (0..N).map(|i| (0..=i).map(|_| rng.gen_range(-size..size)).collect()).collect();
            (0..N).map(|i| (0..N).map(|j| lower[i.max(j)][i.min(j)]).collect()).collect()
        };
        let mut matrix = Dense(noise(0.1));
        let (values, vectors) = decomposed(&matrix);
        let mut block: Vec<Row> = (0..N).map(|i| std::array::from_fn(|b| vectors[(N - 1 - b) * N + i])).collect();
        let params = DavidsonParams { wanted: 3, tolerance: 1e-10, iterations: 8 };
        let mut random = stream(2, Purpose::StartVector, 0, 0);
        for step in 0..10 {
            let near = Decomposition { values: &values, vectors: &vectors };
            let found = largest_near(&mut matrix, block, near, params, &mut random).unwrap();
            assert_eq!(found.iterations == 0, step == 0, "exact at first only");
            let (exact, exact_vectors) = decomposed(&matrix);
            for (i, (value, vector)) in found.pairs.values.iter().zip(&found.pairs.vectors).enumerate() {
                assert!((value - exact[N - 1 - i]).abs() < 1e-12, "{step}: {value} {}", exact[N - 1 - i]);
                let dot: f64 = vector.iter().zip(&exact_vectors[(N - 1 - i) * N..]).map(|(a, b)| a * b).sum();
                assert!((dot.abs() - 1.0).abs() < 1e-12, "{step}: {dot}");
            }
            block = found.block;
            for (row, noise) in matrix.0.iter_mut().zip(noise(1e-3)) {
                row.iter_mut().zip(noise).for_each(|(m, noise)| *m += noise);
            }
        }
    }
}
