//! Block Lanczos on many graphs in lockstep: what [`crate::spectral::lanczos`] does without restarts, on tensors.

use super::layout::Layout;
use crate::rng::{Purpose, stream};
use crate::spectral::dense::symmetric_eigen;
use crate::spectral::eigsh::EigshParams;
use crate::spectral::lanczos::fits;
use rand::Rng;
use rayon::prelude::*;
use tch::{Kind, Tensor};

/// Vectors carried together.
const BLOCK: usize = crate::spectral::laplacian::BLOCK;
/// Columns of the basis for each wanted vector, and at least: enough for networks of the paper's sizes ([`crate::spectral::eigsh`]).
const PER_WANTED: usize = 20;
const LEAST: usize = 240;
/// Blocks from one look at the residuals to the next.
const LOOK: usize = 4;
/// Eigenvalues nearer than this may be copies, of which a block sees [`BLOCK`] at most.
const SAME: f64 = 1e-6;
/// A singular value below this is not trusted from its square.
const SMALL_SINGULAR: f64 = 1e-4;

/// Columns of a basis for `wanted` vectors in a space of `free` dimensions.
pub(super) fn capacity(wanted: usize, free: usize) -> usize {
    (PER_WANTED * wanted).max(LEAST).min(free.saturating_sub(BLOCK)) / BLOCK * BLOCK
}

/// The rows that k-means is given, of each graph.
pub(super) struct Embeddings {
    /// u_j[i] / √d_i, j = 1 … k, `(graphs, nodes, k)`; 0 of nodes without edges.
    pub(super) embeddings: Tensor,
    /// Whether a graph's vectors were found, and all of them.
    pub(super) good: Vec<bool>,
}

/// Ritz pairs of one graph, from the projected matrix.
struct Ritz {
    /// Descending, `(wanted,)`.
    values: Vec<f64>,
    /// `(columns of the basis, wanted)` in row order.
    vectors: Vec<f64>,
    /// Whether all residuals are below the tolerance.
    converged: bool,
}

/// The embeddings of connected graphs; `None` if there is no room for so many vectors.
pub(super) fn embeddings(layout: &Layout, params: EigshParams) -> Option<Embeddings> {
    let wanted = params.k - 1;
    let free = layout.rows as usize - 1;
    if !fits(wanted, free) {
        return None;
    }
    let (basis, ritz) = iterate(layout, wanted, free, params);
    let columns = basis.size()[2];
    let flat: Vec<f64> = ritz.iter().flat_map(|ritz| ritz.vectors.iter().copied()).collect();
    let vectors = Tensor::from_slice(&flat).view([layout.count, columns, wanted as i64]).to_device(layout.device());
    let found = basis.bmm(&vectors);
    let values: Vec<f64> = ritz.iter().flat_map(|ritz| ritz.values.iter().copied()).collect();
    let values = Tensor::from_slice(&values).view([layout.count, 1, wanted as i64]).to_device(layout.device());
    let (theta, vectors) = match layout.halved {
        false => (values, found),
        true => {
            let other = layout.b_transposed(&found);
            let theta = length(&other);
            let joined = layout.join(&found, &(other / theta.clamp_min(f64::MIN_POSITIVE)));
            (theta, joined * std::f64::consts::FRAC_1_SQRT_2)
        }
    };
    // anew from the result, as of any solver
    let residual = length(&(layout.multiply(&vectors) - &vectors * &theta));
    let bound = 100.0 * params.tolerance;
    let sound = residual.le(bound).logical_and(&theta.ge(if layout.halved { SMALL_SINGULAR } else { -1.0 }));
    let sound = to_host(&sound.all_dim(2, false).view(-1));
    let is_distinct = |ritz: &Ritz| ritz.values.windows(BLOCK).all(|copies| copies[0] - copies[BLOCK - 1] >= SAME);
    let good = ritz.iter().zip(sound).map(|(ritz, sound)| sound && ritz.converged && is_distinct(ritz)).collect();
    let all = Tensor::cat(&[layout.null_of_nodes(), &vectors], 2);
    Some(Embeddings { embeddings: layout.embed(&all), good })
}

/// Lengths of columns, `(graphs, 1, vectors)`.
fn length(x: &Tensor) -> Tensor {
    x.square().sum_dim_intlist(1i64, true, Kind::Double).sqrt()
}

/// A basis `(graphs, rows, columns)` of the Krylov space, and the Ritz pairs in it.
fn iterate(layout: &Layout, wanted: usize, free: usize, params: EigshParams) -> (Tensor, Vec<Ritz>) {
    let (block, capacity) = (BLOCK as i64, capacity(wanted, free));
    let options = (Kind::Double, layout.device());
    let basis = Tensor::zeros([layout.count, layout.rows, capacity as i64], options);
    let projected = Tensor::zeros([layout.count, capacity as i64, capacity as i64], options);
    let null = layout.null();
    let project = |x: Tensor| &x - null.bmm(&null.transpose(1, 2).bmm(&x));

    let mut rng = stream(params.seed, Purpose::StartVector, 0, 0);
    let start: Vec<f64> = (0..layout.rows * block).map(|_| rng.gen_range(-0.5..0.5)).collect();
    let start = Tensor::from_slice(&start).view([1, layout.rows, block]).to_device(layout.device());
    let mut failed = Tensor::zeros([layout.count], (Kind::Bool, layout.device()));
    let mut next = orthonormal(&project(start * layout.has_edges()), &mut failed).0;
    let mut look = (3 * wanted).next_multiple_of(BLOCK);
    for j in (0..capacity as i64).step_by(BLOCK) {
        basis.narrow(2, j, block).copy_(&next);
        let columns = j + block;
        let known = basis.narrow(2, 0, columns);
        let mut product = project(layout.apply(&next));
        for _ in 0..2 {
            let shared = known.transpose(1, 2).bmm(&product);
            product -= known.bmm(&shared);
            let _ = projected.narrow(1, 0, columns).narrow(2, j, block).g_add_(&shared);
        }
        let (q, coupling) = orthonormal(&product, &mut failed);
        next = q;
        let full = columns as usize == capacity;
        if (columns as usize) < look && !full {
            continue;
        }
        look = columns as usize + LOOK * BLOCK;
        let given_up = to_host(&failed);
        let projected = projected.narrow(1, 0, columns).narrow(2, 0, columns);
        let found = ritz_pairs(&projected, &coupling, &given_up, (wanted, layout.halved, params.tolerance));
        if full || found.iter().zip(given_up).all(|(ritz, given_up)| ritz.converged || given_up) {
            return (known, found);
        }
    }
    unreachable!("the last block fills the basis")
}

/// Ritz pairs of each graph: of its projected matrix, of which the upper triangle counts, `(graphs, columns, columns)`, and the part
/// of the next block in the product with the last, `(graphs, BLOCK, BLOCK)`. Where `given_up` says so, zeros.
fn ritz_pairs(
    projected: &Tensor,
    coupling: &Tensor,
    given_up: &[bool],
    (wanted, halved, tolerance): (usize, bool, f64),
) -> Vec<Ritz> {
    let m = projected.size()[1] as usize;
    let (projected, coupling): (Vec<f64>, Vec<f64>) = (to_host(&projected.reshape(-1)), to_host(&coupling.reshape(-1)));
    let of_graph = |((t, coupling), given_up): ((&[f64], &[f64]), &bool)| {
        let none = || Ritz { values: vec![0.0; wanted], vectors: vec![0.0; m * wanted], converged: false };
        if *given_up || t.iter().chain(coupling).any(|x| !x.is_finite()) {
            return none();
        }
        let Ok((values, vectors)) = symmetric_eigen(m, |i, j| t[j * m + i]) else { return none() };
        let is_small = |column: usize| {
            let last = |a: usize| vectors[(m - BLOCK + a, column)];
            let row = |a: usize| (0..BLOCK).map(|b| coupling[a * BLOCK + b] * last(b)).sum::<f64>();
            let residual = (0..BLOCK).map(|a| row(a).powi(2)).sum::<f64>().sqrt();
            residual <= tolerance * if halved { values[column].max(f64::MIN_POSITIVE).sqrt() } else { 1.0 }
        };
        let columns = || (0..wanted).map(|i| m - 1 - i);
        Ritz {
            values: columns().map(|column| values[column]).collect(),
            vectors: (0..m).flat_map(|row| columns().map(move |column| (row, column))).map(|at| vectors[at]).collect(),
            converged: columns().all(is_small),
        }
    };
    projected.par_chunks(m * m).zip(coupling.par_chunks(BLOCK * BLOCK)).zip(given_up).map(of_graph).collect()
}

/// `x = q r` with orthonormal columns of q, `(graphs, rows, BLOCK)`, by Cholesky twice; where the columns are as good as dependent, that
/// is noted in `failed`.
fn orthonormal(x: &Tensor, failed: &mut Tensor) -> (Tensor, Tensor) {
    let mut once = |x: &Tensor| {
        let (lower, info) = x.transpose(1, 2).bmm(x).linalg_cholesky_ex(false, false);
        *failed = failed.logical_or(&info.not_equal(0));
        let upper = lower.transpose(1, 2);
        (upper.linalg_solve_triangular(x, true, false, false), upper)
    };
    let (q, first) = once(x);
    let (q, second) = once(&q);
    (q, second.bmm(&first))
}

/// The entries of a tensor of one dimension.
fn to_host<T>(x: &Tensor) -> Vec<T>
where
    Vec<T>: TryFrom<Tensor, Error = tch::TchError>,
{
    Vec::try_from(x.to_device(tch::Device::Cpu)).unwrap_or_else(|e| unreachable!("a tensor of one dimension: {e}"))
}
