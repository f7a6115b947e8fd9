//! Thick-restart block Lanczos with full reorthogonalisation: the largest eigenvalues of a symmetric operator.
//!
//! Re-entrant: all state is in the call, so that many graphs are solved at once, unlike ARPACK. [`BLOCK`] vectors are
//! carried together, which shares the pass over the matrix between them and finds eigenvalues of multiplicity up to
//! [`BLOCK`] at once.
//!
//! # References
//!
//! * K. Wu, H. Simon (2000), *Thick-restart Lanczos method for large symmetric eigenvalue problems*, SIAM J. Matrix
//!   Anal. Appl. 22(2), section 3. The projected matrix is computed from the orthogonalisation instead of being
//!   assumed arrow-shaped.
//! * G. Golub, R. Underwood (1977), *The block Lanczos method for computing eigenvalues*.

use super::dense::symmetric_eigen;
use super::eigsh::EigshError;
use super::laplacian::{BLOCK, Row};
use crate::rng::ChaCha8Rng;
use faer::Mat;
use rand::Rng;
use wide::f64x4;

/// A symmetric operator on vectors of length `dimension`.
pub trait SymmetricOperator {
    /// Length of its vectors.
    fn dimension(&self) -> usize;
    /// Dimension of the space that [`SymmetricOperator::project`] leaves.
    fn free(&self) -> usize;
    /// `y = M x`, both `(dimension, BLOCK)`.
    fn apply(&mut self, x: &[Row], y: &mut [Row]);
    /// Removes from `x` what lies in a known invariant subspace that the solver is to leave out.
    fn project(&self, x: &mut [Row]);
}

/// What [`largest`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct LanczosParams {
    /// Number of eigenpairs.
    pub wanted: usize,
    /// Bound on ‖M v − θ v‖ for unit v; with `of_square`, on ‖M v − θ v‖ / √θ.
    pub tolerance: f64,
    /// Whether M is B Bᵀ for some B of which singular triplets are wanted, whose residual this is but for √2.
    pub of_square: bool,
    /// Columns of the basis at which it is restarted; at least `2 wanted + 2 BLOCK` are used.
    pub basis: usize,
    /// Restarts before giving up.
    pub restarts: usize,
}

/// Eigenpairs of an operator.
#[derive(Debug, Clone)]
pub struct RitzPairs {
    /// Descending, `(wanted,)`.
    pub values: Vec<f64>,
    /// Unit vectors, each `(dimension,)`.
    pub vectors: Vec<Vec<f64>>,
    /// Of each, what [`LanczosParams::tolerance`] bounds.
    pub residuals: Vec<f64>,
}

/// Whether a space of `free` dimensions has room for a basis that finds `wanted` pairs.
pub fn fits(wanted: usize, free: usize) -> bool {
    2 * wanted + 4 * BLOCK <= free
}

/// The `wanted` algebraically largest eigenvalues outside the space that [`SymmetricOperator::project`] removes, with
/// every copy of multiple ones.
///
/// A start block sees at most [`BLOCK`] copies of an eigenvalue. Where it found as many, the search is repeated outside of
/// what was found until nothing larger than the smallest accepted eigenvalue is left.
///
/// # Errors
///
/// [`EigshError::NotConverged`] with how many pairs had converged when the restarts were used up.
///
/// # Panics
///
/// If the space is too small ([`fits`]).
pub fn largest(
    operator: &mut impl SymmetricOperator,
    params: LanczosParams,
    rng: &mut ChaCha8Rng,
) -> Result<RitzPairs, EigshError> {
    let start = vec![[0.0; BLOCK]; operator.dimension()];
    largest_from(operator, start, params, rng)
}

/// As [`largest`], from a start block `(dimension, BLOCK)`, as near to the wanted vectors as is known; columns that are zero or depend
/// on others are random.
///
/// # Errors
///
/// See [`largest`].
///
/// # Panics
///
/// If the space is too small ([`fits`]) or the block is not as long as the operator's vectors.
pub fn largest_from(
    operator: &mut impl SymmetricOperator,
    start: Vec<Row>,
    params: LanczosParams,
    rng: &mut ChaCha8Rng,
) -> Result<RitzPairs, EigshError> {
    assert_eq!(start.len(), operator.dimension(), "rows of the start block");
    let mut pairs = iterate(operator, start, params, rng)?;
    if !pairs.values.windows(BLOCK).any(|copies| copies[0] - copies[BLOCK - 1] < SAME) {
        return Ok(pairs);
    }
    loop {
        let smallest = pairs.values[params.wanted - 1];
        let mut rest = Outside { operator: &mut *operator, found: &pairs.vectors };
        let wanted = params.wanted.min(rest.free().saturating_sub(4 * BLOCK) / 2);
        if wanted == 0 {
            return Ok(pairs);
        }
        let random = vec![[0.0; BLOCK]; rest.dimension()];
        let more = iterate(&mut rest, random, LanczosParams { wanted, ..params }, rng)?;
        if more.values[0] <= smallest + params.tolerance {
            return Ok(pairs);
        }
        // what is dropped is smaller than all that is kept, so it cannot hide what the next search is after
        let mut all: Vec<(f64, Vec<f64>, f64)> = Vec::new();
        for RitzPairs { values, vectors, residuals, .. } in [pairs, more] {
            all.extend(values.into_iter().zip(vectors).zip(residuals).map(|((value, vector), r)| (value, vector, r)));
        }
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.truncate(params.wanted);
        pairs = RitzPairs { values: vec![], vectors: vec![], residuals: vec![] };
        for (value, vector, residual) in all {
            pairs.values.push(value);
            pairs.vectors.push(vector);
            pairs.residuals.push(residual);
        }
    }
}

/// Eigenvalues that differ by less may be copies of one.
const SAME: f64 = 1e-6;

/// An operator outside of some of its eigenvectors.
struct Outside<'a, O> {
    operator: &'a mut O,
    found: &'a [Vec<f64>],
}

impl<O: SymmetricOperator> SymmetricOperator for Outside<'_, O> {
    fn dimension(&self) -> usize {
        self.operator.dimension()
    }

    fn free(&self) -> usize {
        self.operator.free() - self.found.len()
    }

    fn apply(&mut self, x: &[Row], y: &mut [Row]) {
        self.operator.apply(x, y);
    }

    fn project(&self, x: &mut [Row]) {
        self.operator.project(x);
        for v in self.found {
            let mut sums = [0.0; BLOCK];
            for (row, v) in x.iter().zip(v) {
                (0..BLOCK).for_each(|b| sums[b] += v * row[b]);
            }
            for (row, v) in x.iter_mut().zip(v) {
                (0..BLOCK).for_each(|b| row[b] -= v * sums[b]);
            }
        }
    }
}

/// Of a block's norm, what must be left of each column after the basis was taken out for rounding not to show; else it is
/// taken out again.
const ONCE_IS_ENOUGH: f64 = 0.01;

/// One search from one start block, as [`largest`] but for copies.
fn iterate(
    operator: &mut impl SymmetricOperator,
    start: Vec<Row>,
    params: LanczosParams,
    rng: &mut ChaCha8Rng,
) -> Result<RitzPairs, EigshError> {
    let (n, free) = (operator.dimension(), operator.free());
    assert!(fits(params.wanted, free), "a space of {free} dimensions is too small for {} eigenpairs", params.wanted);
    // in blocks; the block after the basis needs room too
    let capacity = params.basis.max(2 * params.wanted + 2 * BLOCK).min(free - BLOCK) / BLOCK;
    let mut basis: Vec<Vec<Row>> = Vec::with_capacity(capacity + 1);
    let mut projected = Mat::<f64>::zeros(capacity * BLOCK, capacity * BLOCK);
    let mut restarts = 0;

    let mut next = start;
    operator.project(&mut next);
    let scale = largest_norm(&next);
    orthonormalise(operator, &basis, &mut next, scale, rng);
    let mut check_at = (3 * params.wanted).div_ceil(BLOCK);
    let mut last_check: Option<(usize, f64)> = None;
    loop {
        let j = basis.len();
        let mut product = vec![[0.0; BLOCK]; n];
        operator.apply(&next, &mut product);
        operator.project(&mut product);
        let scale = largest_norm(&product);
        basis.push(next);
        // The last blocks first: they have the most in common with the product, and taking that out last would bring back
        // what rounding left them of the others.
        for pass in 0..2 {
            for (i, block) in basis.iter().enumerate().rev() {
                let coefficients = inner(block, &product);
                subtract(&mut product, block, &coefficients);
                for (a, row) in coefficients.iter().enumerate() {
                    for (b, value) in row.iter().enumerate() {
                        projected[(i * BLOCK + a, j * BLOCK + b)] += value;
                    }
                }
            }
            if pass == 0 && smallest_norm(&product) > ONCE_IS_ENOUGH * scale {
                break;
            }
        }
        let coupling = orthonormalise(operator, &basis, &mut product, scale, rng);
        next = product;

        let full = basis.len() == capacity;
        if basis.len() < check_at && !full {
            continue;
        }
        let m = basis.len() * BLOCK;
        // The upper triangle was computed; the lower one is its mirror.
        let (values, vectors) = symmetric_eigen(m, |i, j| projected[(j, i)])?;
        let residual = |column: usize| -> f64 {
            (0..BLOCK)
                .map(|a| (0..BLOCK).map(|b| coupling[a][b] * vectors[(m - BLOCK + b, column)]).sum::<f64>().powi(2))
                .sum::<f64>()
                .sqrt()
        };
        let scaled = |column: usize| match params.of_square {
            true => residual(column) / values[column].max(f64::MIN_POSITIVE).sqrt(),
            false => residual(column),
        };
        let residuals: Vec<f64> = (0..params.wanted).map(|i| scaled(m - 1 - i)).collect();
        let worst = residuals.iter().copied().fold(0.0, f64::max);
        let converged = residuals.iter().filter(|&&r| r <= params.tolerance).count();
        if converged == params.wanted || (full && restarts == params.restarts) {
            let columns: Vec<usize> = (0..params.wanted).map(|i| m - 1 - i).collect();
            let found = combine(&basis, &vectors, &columns);
            let pairs = RitzPairs {
                values: columns.iter().map(|&c| values[c]).collect(),
                vectors: (0..params.wanted)
                    .map(|i| found[i / BLOCK].iter().map(|row| row[i % BLOCK]).collect())
                    .collect(),
                residuals,
            };
            return match converged == params.wanted {
                true => Ok(pairs),
                false => Err(EigshError::NotConverged {
                    solver: "lanczos",
                    wanted: params.wanted,
                    converged: pairs
                        .values
                        .iter()
                        .zip(&pairs.residuals)
                        .filter(|(_, r)| **r <= params.tolerance)
                        .map(|(v, _)| *v)
                        .collect(),
                    residual: Some(worst),
                }),
            };
        }
        if full {
            // Keep the wanted Ritz vectors and as many again; they and `next` span the new space.
            let kept = ((params.wanted + BLOCK + capacity * BLOCK) / 2).div_ceil(BLOCK).min(capacity - 1);
            let columns: Vec<usize> = (0..kept * BLOCK).map(|i| m - 1 - i).collect();
            basis = combine(&basis, &vectors, &columns);
            projected.fill(0.0);
            for (i, &column) in columns.iter().enumerate() {
                projected[(i, i)] = values[column];
            }
            restarts += 1;
            last_check = None;
            check_at = kept + 2;
        } else {
            check_at = next_check(basis.len(), (worst, params.tolerance), last_check, n);
            last_check = Some((basis.len(), worst));
        }
    }
}

/// The basis size at which to look again: part of the way to where the residual would be below `tolerance` if it went on
/// falling as between two checks, for it falls faster and faster. A larger part of it, and further at once, for vectors of few
/// entries, of which another look costs as much as several more blocks.
fn next_check(size: usize, (residual, tolerance): (f64, f64), last: Option<(usize, f64)>, entries: usize) -> usize {
    const NEAR: usize = 2;
    let (part, far) = if entries < 2000 { (0.6, 26) } else { (0.5, 20) };
    let step = match last {
        Some((earlier, before)) if residual < before => {
            let per_block = (before / residual).ln() / (size - earlier) as f64;
            (part * (residual / tolerance).ln() / per_block).ceil() as usize
        }
        _ => 6,
    };
    size + step.clamp(NEAR, far)
}

/// `xᵀ y`, `(BLOCK, BLOCK)`.
pub(super) fn inner(x: &[Row], y: &[Row]) -> [Row; BLOCK] {
    // two sums, so that an addition need not wait for the one before it
    let mut sums = [[f64x4::ZERO; BLOCK]; 2];
    let mut add = |half: usize, x: &Row, y: &Row| {
        let y = f64x4::from(*y);
        (0..BLOCK).for_each(|a| sums[half][a] = f64x4::from(x[a]).mul_add(y, sums[half][a]));
    };
    let (x_pairs, y_pairs) = (x.chunks_exact(2), y.chunks_exact(2));
    x_pairs.remainder().iter().zip(y_pairs.remainder()).for_each(|(x, y)| add(0, x, y));
    for (x, y) in x_pairs.zip(y_pairs) {
        add(0, &x[0], &y[0]);
        add(1, &x[1], &y[1]);
    }
    std::array::from_fn(|a| (sums[0][a] + sums[1][a]).to_array())
}

/// `y -= x c`.
pub(super) fn subtract(y: &mut [Row], x: &[Row], c: &[Row; BLOCK]) {
    let c = c.map(f64x4::from);
    for (y, x) in y.iter_mut().zip(x) {
        *y = (0..BLOCK).fold(f64x4::from(*y), |y, a| f64x4::from(x[a]).mul_neg_add(c[a], y)).to_array();
    }
}

fn norms(x: &[Row]) -> Row {
    let squares = x.iter().map(|row| f64x4::from(*row)).fold(f64x4::ZERO, |sum, row| row.mul_add(row, sum));
    squares.sqrt().to_array()
}

/// Largest norm of a column.
pub(super) fn largest_norm(x: &[Row]) -> f64 {
    norms(x).into_iter().fold(0.0, f64::max)
}

fn smallest_norm(x: &[Row]) -> f64 {
    norms(x).into_iter().fold(f64::INFINITY, f64::min)
}

/// Makes the columns of `x`, from which what they share with the basis and with what the operator leaves out has been
/// taken, orthonormal: `x = q r`.
/// Returns r; a column of which only rounding noise is left, measured by the `scale` that `x` had before, is replaced by
/// a random one, and its part of r is zero.
pub(super) fn orthonormalise(
    operator: &impl SymmetricOperator,
    basis: &[Vec<Row>],
    x: &mut [Row],
    scale: f64,
    rng: &mut ChaCha8Rng,
) -> [Row; BLOCK] {
    /// Of the scale, what must be left of a column for its direction to be more than noise.
    const DEPENDENT: f64 = 1e-12;
    /// What may be lost of a column before rounding of what was taken out shows in its direction.
    const CANCELLED: f64 = 0.1;
    let mut r = [[0.0; BLOCK]; BLOCK];
    for b in 0..BLOCK {
        let norm = |x: &[Row]| x.iter().map(|row| row[b] * row[b]).sum::<f64>().sqrt();
        for _ in 0..2 {
            let sums = remove_earlier_columns(x, b);
            (0..b).for_each(|a| r[a][b] += sums[a]);
        }
        let left = norm(x);
        let mut clean = left > CANCELLED * scale;
        if left > DEPENDENT * scale && left > f64::MIN_POSITIVE.sqrt() {
            r[b][b] = left;
            let inverse = 1.0 / left;
            x.iter_mut().for_each(|row| row[b] *= inverse);
        } else {
            x.iter_mut().for_each(|row| row[b] = rng.gen_range(-0.5..0.5));
            clean = false;
        }
        for _ in 0..if clean { 0 } else { 3 } {
            operator.project(x);
            for block in basis {
                let mut sums = [0.0; BLOCK];
                for (row, q) in x.iter().zip(block) {
                    (0..BLOCK).for_each(|a| sums[a] += q[a] * row[b]);
                }
                for (row, q) in x.iter_mut().zip(block) {
                    row[b] -= (0..BLOCK).map(|a| sums[a] * q[a]).sum::<f64>();
                }
            }
            remove_earlier_columns(x, b);
            let norm = norm(x);
            x.iter_mut().for_each(|row| row[b] /= norm);
        }
    }
    r
}

/// Makes column b orthogonal to the columns before it, which are orthonormal; returns what they had in common.
fn remove_earlier_columns(x: &mut [Row], b: usize) -> Row {
    let mut sums = [f64x4::ZERO; 2];
    if b == 0 {
        return [0.0; BLOCK];
    }
    let times = |row: &Row, sum: f64x4| f64x4::from(*row).mul_add(f64x4::from(row[b]), sum);
    let pairs = x.chunks_exact(2);
    pairs.remainder().iter().for_each(|row| sums[0] = times(row, sums[0]));
    pairs.for_each(|pair| (0..2).for_each(|half| sums[half] = times(&pair[half], sums[half])));
    let mut sums = (sums[0] + sums[1]).to_array();
    sums[b..].fill(0.0);
    for row in x {
        row[b] -= (0..b).map(|a| sums[a] * row[a]).sum::<f64>();
    }
    sums
}

/// `basis · vectors[:, columns]` in blocks; columns that do not fill the last block are zero.
pub(super) fn combine(basis: &[Vec<Row>], vectors: &Mat<f64>, columns: &[usize]) -> Vec<Vec<Row>> {
    columns
        .chunks(BLOCK)
        .map(|chunk| {
            let mut sum = vec![[0.0; BLOCK]; basis[0].len()];
            for (i, block) in basis.iter().enumerate() {
                let mut minus = [[0.0; BLOCK]; BLOCK];
                for (a, row) in minus.iter_mut().enumerate() {
                    for (b, &column) in chunk.iter().enumerate() {
                        row[b] = -vectors[(i * BLOCK + a, column)];
                    }
                }
                subtract(&mut sum, block, &minus);
            }
            sum
        })
        .collect()
}
