//! ARPACK in shift-invert mode: the smallest eigenvalues of L_sym as the largest of (L_sym − σI)⁻¹.
//!
//! ```text
//! (L_sym − σI)⁻¹ u = ν u          λ = σ + 1/ν
//! ```
//!
//! * The shift σ = [`SHIFT`] lies below the spectrum, so that L_sym − σI is positive definite and a sparse Cholesky
//!   factorisation (supernodal, faer) exists whatever the graph; it is close enough that λ = 0.01 and λ = 1 are a
//!   factor 50 apart in ν.
//! * The tolerance is 0, which ARPACK takes as machine precision relative to ν.
//! * The start vector is drawn from the seed; ARPACK's own one depends on earlier calls.
//!
//! # Concurrency
//!
//! ARPACK keeps its state in Fortran `SAVE` variables. Two iterations at once corrupt each other without notice, so a
//! lock lets one run at a time; use [`super::lanczos`] for many graphs in parallel.
//!
//! # References
//!
//! * R. Lehoucq, D. Sorensen, C. Yang (1998), *ARPACK Users' Guide*, section 3.2 (shift-invert, mode 3).

#![expect(unsafe_code, reason = "ARPACK is a Fortran library; this file is the only one that calls it")]

use super::eigsh::EigshError;
use super::laplacian::NormalizedAdjacency;
use crate::rng::{Purpose, stream};
use arpack_ng_sys::{dsaupd_c, dseupd_c};
use faer::linalg::solvers::SolveCore;
use faer::sparse::linalg::solvers::{Llt, SymbolicLlt};
use faer::sparse::{SparseColMat, Triplet};
use faer::{Conj, MatMut, Side};
use rand::Rng;
use std::sync::Mutex;

/// σ, below the spectrum of L_sym by a hundredth of a unit.
pub const SHIFT: f64 = -0.01;
/// Eigenvalues that differ by less are taken for the same.
const SAME: f64 = 1e-9;
/// Implicit restarts before giving up.
const RESTARTS: i32 = 1000;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Basis vectors that ARPACK works with, as SciPy chooses them.
fn basis_size(wanted: usize, free: usize) -> usize {
    (2 * wanted + 1).max(20).min(free)
}

/// Whether the iteration has room for `wanted` pairs in a space of `free` dimensions.
pub(super) fn fits(wanted: usize, free: usize) -> bool {
    let basis = basis_size(wanted, free);
    wanted + 1 < basis && basis < free
}

/// The `wanted` smallest eigenvalues of L_sym after those of the components, ascending, with unit vectors.
pub(super) fn smallest(
    s: &NormalizedAdjacency,
    wanted: usize,
    seed: u64,
) -> Result<(Vec<f64>, Vec<Vec<f64>>), EigshError> {
    let factor = factorise(s)?;
    let n = s.nodes();
    let free = n - s.components.count;
    let mut project = Projection::new(s);
    let mut rng = stream(seed, Purpose::StartVector, 0, 0);
    let mut pairs: Vec<(f64, Vec<f64>)> = Vec::with_capacity(wanted);
    // One start vector sees a multiple eigenvalue once, and later copies by rounding alone. So the search is repeated
    // outside of what was found until nothing smaller is left.
    loop {
        let room = free.saturating_sub(project.found.len());
        let missing = wanted.saturating_sub(pairs.len());
        if missing == 0 && room <= 3 {
            break;
        }
        let mut start: Vec<f64> = (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect();
        project.remove(&mut start);
        let solve = |x: &[f64], y: &mut [f64]| {
            y.copy_from_slice(x);
            factor.solve_in_place_with_conj(Conj::No, MatMut::from_column_major_slice_mut(y, n, 1));
            project.remove(y);
        };
        let asked = missing.max(1);
        let (nu, vectors) = iterate(n, asked, basis_size(asked, room), start, solve)?;
        if nu.is_empty() {
            let converged = pairs.into_iter().map(|(value, _)| value).collect();
            return Err(EigshError::NotConverged { solver: "arpack", wanted, converged, residual: None });
        }
        project.found.extend(vectors.iter().cloned());
        let largest = pairs.iter().map(|(value, _)| *value).fold(0.0, f64::max);
        let smaller = nu.iter().any(|nu| SHIFT + 1.0 / nu < largest - SAME);
        pairs.extend(nu.iter().map(|nu| SHIFT + 1.0 / nu).zip(vectors));
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.truncate(wanted);
        if missing == 0 && !smaller {
            break;
        }
    }
    Ok(pairs.into_iter().unzip())
}

/// Cholesky factor of L_sym − σI = (1 − σ) I − S.
fn factorise(s: &NormalizedAdjacency) -> Result<Llt<u32, f64>, EigshError> {
    let n = s.nodes();
    let mut entries: Vec<_> = (0..n as u32).map(|i| Triplet::new(i, i, 1.0 - SHIFT)).collect();
    s.each_in_lower_triangle(|i, j, value| entries.push(Triplet::new(i as u32, j as u32, -value)));
    let factor_error = |reason: String| EigshError::Factor { reason };
    let matrix =
        SparseColMat::<u32, f64>::try_new_from_triplets(n, n, &entries).map_err(|e| factor_error(format!("{e:?}")))?;
    let symbolic = SymbolicLlt::try_new(matrix.symbolic(), Side::Lower).map_err(|e| factor_error(format!("{e:?}")))?;
    Llt::try_new_with_symbolic(symbolic, matrix.as_ref(), Side::Lower).map_err(|e| factor_error(format!("{e:?}")))
}

/// Takes the components' vectors D^1/2 1_C, and eigenvectors found already, out of a vector.
struct Projection<'a> {
    s: &'a NormalizedAdjacency,
    volume: Vec<f64>,
    found: Vec<Vec<f64>>,
}

impl<'a> Projection<'a> {
    fn new(s: &'a NormalizedAdjacency) -> Self {
        let mut volume = vec![0.0; s.components.count];
        s.components.of.iter().zip(&s.degrees).for_each(|(&c, d)| volume[c as usize] += d);
        Self { s, volume, found: Vec::new() }
    }

    fn remove(&self, x: &mut [f64]) {
        let of = &self.s.components.of;
        let mut sum = vec![0.0; self.volume.len()];
        for ((x, &c), d) in x.iter().zip(of).zip(&self.s.degrees) {
            sum[c as usize] += x * d.sqrt();
        }
        for ((x, &c), d) in x.iter_mut().zip(of).zip(&self.s.degrees) {
            *x -= d.sqrt() * sum[c as usize] / self.volume[c as usize];
        }
        for u in &self.found {
            let along: f64 = u.iter().zip(&*x).map(|(u, x)| u * x).sum();
            x.iter_mut().zip(u).for_each(|(x, u)| *x -= along * u);
        }
    }
}

/// Drives the reverse communication of dsaupd (mode 3, largest magnitude) with `solve(x, y)`: y = (L_sym − σI)⁻¹ x.
///
/// Returns the ν and their vectors: `nev` of them, or fewer if the start vector's space holds no more or
/// the restarts are used up.
fn iterate(
    n: usize,
    nev: usize,
    ncv: usize,
    mut resid: Vec<f64>,
    solve: impl Fn(&[f64], &mut [f64]),
) -> Result<(Vec<f64>, Vec<Vec<f64>>), EigshError> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let [n_int, nev_int, ncv_int] = [n, nev, ncv].map(|x| x as i32);
    let lworkl = ncv * (ncv + 8);
    let mut v = vec![0.0f64; n * ncv];
    let mut workd = vec![0.0f64; 3 * n];
    let mut workl = vec![0.0f64; lworkl];
    let mut iparam = [0i32; 11];
    iparam[0] = 1; // exact shifts
    iparam[2] = RESTARTS;
    iparam[3] = 1; // block size, the only one there is
    iparam[6] = 3; // shift-invert
    let mut ipntr = [0i32; 11];
    let (mut ido, mut info) = (0i32, 1i32); // info = 1: resid holds the start vector
    let tol = 0.0;
    loop {
        // SAFETY: every array has the length that dsaupd's documentation asks for (resid n, v n·ncv, workd 3n, workl
        // ncv² + 8ncv, iparam and ipntr 11), all live across the call, and the lock keeps its SAVE variables ours.
        unsafe {
            dsaupd_c(
                &mut ido,
                c"I".as_ptr(),
                n_int,
                c"LM".as_ptr(),
                nev_int,
                tol,
                resid.as_mut_ptr(),
                ncv_int,
                v.as_mut_ptr(),
                n_int,
                iparam.as_mut_ptr(),
                ipntr.as_mut_ptr(),
                workd.as_mut_ptr(),
                workl.as_mut_ptr(),
                lworkl as i32,
                &mut info,
            );
        }
        let (x, y) = (ipntr[0] as usize, ipntr[1] as usize); // 1-based positions in workd
        match ido {
            -1 | 1 => {
                let input = workd[x - 1..x - 1 + n].to_vec();
                solve(&input, &mut workd[y - 1..y - 1 + n]);
            }
            2 => workd.copy_within(x - 1..x - 1 + n, y - 1),
            _ => break,
        }
    }
    if info < 0 {
        return Err(EigshError::Arpack { routine: "dsaupd", info, reason: dsaupd_reason(info) });
    }
    let found = iparam[4].max(0) as usize;
    let select = vec![0i32; ncv];
    let mut d = vec![0.0f64; nev];
    let mut z = vec![0.0f64; n * nev];
    let mut extract_info = 0i32;
    if found > 0 {
        // SAFETY: the arrays are those that dsaupd filled, untouched, with d of length nev and z of n·nev; select has
        // ncv entries and is only read when howmny is not "A".
        unsafe {
            dseupd_c(
                1,
                c"A".as_ptr(),
                select.as_ptr(),
                d.as_mut_ptr(),
                z.as_mut_ptr(),
                n_int,
                0.0, // sigma: d is then 1/ν, taken back below
                c"I".as_ptr(),
                n_int,
                c"LM".as_ptr(),
                nev_int,
                tol,
                resid.as_mut_ptr(),
                ncv_int,
                v.as_mut_ptr(),
                n_int,
                iparam.as_mut_ptr(),
                ipntr.as_mut_ptr(),
                workd.as_mut_ptr(),
                workl.as_mut_ptr(),
                lworkl as i32,
                &mut extract_info,
            );
        }
    }
    let nu: Vec<f64> = d.iter().map(|d| 1.0 / d).collect();
    if extract_info != 0 {
        return Err(EigshError::Arpack {
            routine: "dseupd",
            info: extract_info,
            reason: "the eigenvectors could not be extracted",
        });
    }
    Ok((nu.into_iter().take(found).collect(), z.chunks_exact(n).take(found).map(<[f64]>::to_vec).collect()))
}

fn dsaupd_reason(info: i32) -> &'static str {
    match info {
        -8 => "LAPACK's tridiagonal eigenvalue routine failed",
        -9 => "the start vector is zero",
        -9999 => "no Arnoldi factorisation could be built",
        -7..=-1 => "an argument is out of its range",
        _ => "see the ARPACK users' guide",
    }
}
