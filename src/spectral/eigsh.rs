//! The smallest eigenvalues of L_sym and their eigenvectors, by one of several solvers.

use super::arpack;
use super::block_matrix::BlockMatrix;
use super::dense::symmetric_eigen;
use super::lanczos::{self, LanczosParams, SymmetricOperator};
use super::laplacian::{BLOCK, Form, NormalizedAdjacency, Row};
use crate::rng::{Purpose, stream};
use ndarray::Array2;
use serde::Serialize;
use wide::f64x4;

/// How the eigenvectors are computed. All agree to [`EigshParams::tolerance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// `Lanczos`, or `Dense` where the matrix is too small for it.
    #[default]
    Auto,
    /// ARPACK in shift-invert mode on a sparse Cholesky factor of L_sym − σI ([`arpack`]). Not re-entrant, so one at a
    /// time in a process.
    Arpack,
    /// Block Lanczos of our own ([`lanczos`]), re-entrant, on the smaller side of a layered graph.
    Lanczos,
    /// All eigenvalues of a dense matrix, O(n³).
    Dense,
}

/// What [`eigsh`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct EigshParams {
    /// Number of eigenpairs, `1 ≤ k < n`.
    pub k: usize,
    /// Which solver.
    pub solver: Solver,
    /// Bound on the residual ‖L_sym u − λ u‖ of each unit vector u, as the iteration estimates it; the result is checked
    /// anew and refused at 100 times the bound. An eigenvalue is within its residual of a true one, and, with a gap g to
    /// the others, within the residual's square over g. Default 1e-8; ARPACK goes to machine precision whatever it is.
    pub tolerance: f64,
    /// Seed of the start vectors.
    pub seed: u64,
}

impl EigshParams {
    /// Default tolerance and solver.
    pub fn new(k: usize, seed: u64) -> Self {
        Self { k, solver: Solver::Auto, tolerance: 1e-8, seed }
    }
}

/// The k smallest eigenvalues of L_sym with eigenvectors.
#[derive(Debug, Clone)]
pub struct Eigenpairs {
    /// Ascending, `(k,)`, in `[0, 2]`. An eigenvalue 0 for each connected component comes first and is exact.
    pub values: Vec<f64>,
    /// Orthonormal columns, `(n, k)`. The sign is such that the entry of largest magnitude is positive.
    pub vectors: Array2<f64>,
    /// Largest ‖L_sym u − λ u‖, computed anew from the result.
    pub residual: f64,
    /// The solver that ran; what was asked for if there are at least k components and none was needed.
    pub solver: Solver,
}

/// Why there are no eigenpairs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EigshError {
    /// `k` is outside `1 ≤ k < n`.
    #[error("{k} clusters of a graph of {nodes} nodes; choose a number from 1 to {}", nodes.saturating_sub(1))]
    TooMany {
        /// Clusters asked for.
        k: usize,
        /// Nodes of the graph.
        nodes: usize,
    },
    /// So many of the eigenpairs are wanted that no iteration has room for them.
    #[error(
        "{k} eigenpairs of {nodes} leave an iteration no room; use fewer clusters, or --solver dense, which takes O(n³)"
    )]
    NoRoom {
        /// Clusters asked for.
        k: usize,
        /// Nodes of the graph.
        nodes: usize,
    },
    /// An iteration ended before all pairs were found.
    #[error(
        "{solver} found {} of {wanted} eigenvalues to the tolerance{}; try another --solver",
        converged.len(),
        residual.map(|r| format!(" (worst residual {r:.1e})")).unwrap_or_default()
    )]
    NotConverged {
        /// `arpack` or `lanczos`.
        solver: &'static str,
        /// Pairs asked for, those of the components excepted.
        wanted: usize,
        /// Eigenvalues of the operator that did converge.
        converged: Vec<f64>,
        /// Largest residual among the wanted pairs, where it is known.
        residual: Option<f64>,
    },
    /// The factorisation of L_sym − σI failed.
    #[error("the factorisation of the shifted Laplacian failed: {reason}; try --solver lanczos")]
    Factor {
        /// The library's reason.
        reason: String,
    },
    /// ARPACK refused or gave up.
    #[error("ARPACK {routine}: {reason} (info = {info}); try --solver lanczos")]
    Arpack {
        /// Which of its routines.
        routine: &'static str,
        /// The code.
        info: i32,
        /// What the code means.
        reason: &'static str,
    },
    /// The dense solver did not converge.
    #[error("the dense eigenvalue solver failed on a {size} x {size} matrix")]
    Dense {
        /// Rows of the matrix.
        size: usize,
    },
    /// The result does not satisfy the equation.
    #[error("{solver:?} returned a pair with residual {residual:.1e}, above {bound:.1e}; try another --solver")]
    Residual {
        /// The solver that ran.
        solver: Solver,
        /// ‖L_sym u − λ u‖ found.
        residual: f64,
        /// What is allowed.
        bound: f64,
    },
}

/// Below this size of the matrix solved, the dense solver is used: it is as fast there, and exact about multiplicity.
const DENSE: usize = 160;
/// Largest matrix that the dense solver is given where Lanczos' basis does not fit.
const DENSE_LIMIT: usize = 3000;
/// A singular value of B below this is not trusted from BᵀB, whose eigenvalue is its square.
const SMALL_SINGULAR: f64 = 1e-4;

/// The `k` smallest eigenvalues of L_sym = I − S, ascending, and orthonormal eigenvectors.
///
/// The null space is known: for each component C the vector D^1/2 1_C, so its vectors are written down and left out of
/// the iteration. If there are at least k components, the k of largest volume are returned.
///
/// # Errors
///
/// See [`EigshError`]. Every result is checked against the matrix before it is returned.
///
/// # Determinism
///
/// Depends on the matrix and the seed alone. Safe to call from many threads at once.
pub fn eigsh(s: &NormalizedAdjacency, params: EigshParams) -> Result<Eigenpairs, EigshError> {
    let (n, k) = (s.nodes(), params.k);
    if k == 0 || k >= n {
        return Err(EigshError::TooMany { k, nodes: n });
    }
    let mut null = null_vectors(s);
    null.truncate(k);
    let rest = k - null.len();
    let mut values = vec![0.0; null.len()];
    let mut vectors = null;
    let mut solver = params.solver;
    if rest > 0 {
        let (found, vecs, used) = solve(s, rest, params)?;
        // rounding puts what is next to 0 below it, and in any order
        let mut pairs: Vec<_> = found.into_iter().map(|value| value.clamp(0.0, 2.0)).zip(vecs).collect();
        pairs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        for (value, vector) in pairs {
            values.push(value);
            vectors.push(vector);
        }
        solver = used;
    }
    let mut matrix = Array2::zeros((n, k));
    for (mut column, vector) in matrix.columns_mut().into_iter().zip(&vectors) {
        let largest = vector.iter().copied().fold(0.0, |m: f64, x| if x.abs() > m.abs() { x } else { m });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        column.iter_mut().zip(vector).for_each(|(out, x)| *out = sign * x);
    }
    let residual = residual(s, &values, &vectors);
    let bound = (100.0 * params.tolerance).max(1e-10);
    if residual.is_nan() || residual > bound {
        return Err(EigshError::Residual { solver, residual, bound });
    }
    Ok(Eigenpairs { values, vectors: matrix, residual, solver })
}

/// D^1/2 1_C / √vol(C) for each component C, largest volume first.
fn null_vectors(s: &NormalizedAdjacency) -> Vec<Vec<f64>> {
    let mut volume = vec![0.0; s.components.count];
    for (&component, degree) in s.components.of.iter().zip(&s.degrees) {
        volume[component as usize] += degree;
    }
    let mut order: Vec<usize> = (0..volume.len()).collect();
    order.sort_by(|&a, &b| volume[b].total_cmp(&volume[a]).then(a.cmp(&b)));
    order
        .into_iter()
        .map(|c| {
            let entries = s.components.of.iter().zip(&s.degrees);
            entries.map(|(&of, d)| if of as usize == c { (d / volume[c]).sqrt() } else { 0.0 }).collect()
        })
        .collect()
}

type Found = (Vec<f64>, Vec<Vec<f64>>, Solver);

/// Which way eigenvectors are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// The solver.
    pub solver: Solver,
    /// Rows of the matrix that it is given.
    pub rows: usize,
    /// Whether that is B Bᵀ on the smaller side of a graph of two sides, in the place of S.
    pub halved: bool,
}

/// The way that [`eigsh`] takes for k eigenvectors; `None` where the graph has k components or more, whose vectors are written
/// down. It is left for that of the whole matrix if the smaller side turns out to hold too few of them.
pub fn way(s: &NormalizedAdjacency, k: usize, solver: Solver) -> Option<Way> {
    let components = s.components.count;
    let rest = k.checked_sub(components).filter(|rest| *rest > 0)?;
    let of_whole = whole_way(s, rest, solver);
    let (Form::Bipartite { small, .. }, Solver::Auto | Solver::Lanczos) = (&s.form, solver) else {
        return Some(of_whole);
    };
    let rows = small.len();
    let free = rows.saturating_sub(components);
    let iterates = lanczos::fits(rest, free) && (rows > DENSE || solver == Solver::Lanczos);
    Some(match iterates {
        true => Way { solver: Solver::Lanczos, rows, halved: true },
        false if rest <= free && rows <= DENSE_LIMIT => Way { solver: Solver::Dense, rows, halved: true },
        false => of_whole,
    })
}

fn whole_way(s: &NormalizedAdjacency, rest: usize, solver: Solver) -> Way {
    let free = s.nodes() - s.components.count;
    let solver = match solver {
        Solver::Arpack if arpack::fits(rest, free) => Solver::Arpack,
        Solver::Lanczos if lanczos::fits(rest, free) => Solver::Lanczos,
        Solver::Auto if lanczos::fits(rest, free) && s.nodes() > DENSE => Solver::Lanczos,
        _ => Solver::Dense,
    };
    Way { solver, rows: s.nodes(), halved: false }
}

/// The `rest` smallest eigenvalues outside the null space.
fn solve(s: &NormalizedAdjacency, rest: usize, params: EigshParams) -> Result<Found, EigshError> {
    if let (Some(Way { solver, halved: true, .. }), Form::Bipartite { small, large, weights }) =
        (way(s, params.k, params.solver), &s.form)
    {
        let half = Half { s, small, large, weights };
        if let Some(found) = half.solve(rest, solver, params)? {
            return Ok(found);
        }
    }
    match whole_way(s, rest, params.solver).solver {
        Solver::Arpack => {
            let (values, vectors) = arpack::smallest(s, rest, params.seed)?;
            Ok((values, vectors, Solver::Arpack))
        }
        Solver::Lanczos => {
            let mut whole = Whole::new(s);
            let pairs = lanczos::largest(&mut whole, lanczos_params(rest, params.tolerance), &mut start(params))?;
            Ok((pairs.values.iter().map(|theta| 1.0 - theta).collect(), pairs.vectors, Solver::Lanczos))
        }
        _ if s.nodes() > DENSE_LIMIT && params.solver != Solver::Dense => {
            Err(EigshError::NoRoom { k: params.k, nodes: s.nodes() })
        }
        _ => dense(s, rest),
    }
}

fn start(params: EigshParams) -> crate::rng::ChaCha8Rng {
    stream(params.seed, Purpose::StartVector, 0, 0)
}

/// A basis of 20 vectors for each wanted one, at least 240, needs no restart on any network of the paper's sizes.
fn lanczos_params(wanted: usize, tolerance: f64) -> LanczosParams {
    LanczosParams { wanted, tolerance, of_square: false, basis: (20 * wanted).max(240), restarts: 200 }
}

/// All eigenpairs of S, those after the components' ones.
fn dense(s: &NormalizedAdjacency, rest: usize) -> Result<Found, EigshError> {
    let n = s.nodes();
    let mut matrix = Array2::<f64>::zeros((n, n));
    s.each_in_lower_triangle(|i, j, value| {
        matrix[[i, j]] = value;
        matrix[[j, i]] = value;
    });
    // Moving the components' eigenvalue 1 to −2 leaves the others, so that no null vector is found twice.
    for null in null_vectors(s) {
        let support: Vec<usize> = (0..n).filter(|&i| null[i] != 0.0).collect();
        for &i in &support {
            support.iter().for_each(|&j| matrix[[i, j]] -= 3.0 * null[i] * null[j]);
        }
    }
    let (values, vectors) = symmetric_eigen(n, |i, j| matrix[[i, j]])?;
    let columns = (0..rest).map(|i| n - 1 - i);
    let (values, vectors) =
        columns.map(|c| (1.0 - values[c], vectors.col(c).iter().copied().collect::<Vec<f64>>())).unzip();
    Ok((values, vectors, Solver::Dense))
}

/// The components' vectors on some of the nodes, of which every component has one.
struct ComponentVectors {
    /// Component of each of the nodes.
    component: Vec<u32>,
    /// Entry of its component's unit vector at each of the nodes.
    entry: Vec<f64>,
    components: usize,
}

impl ComponentVectors {
    fn new(s: &NormalizedAdjacency, nodes: impl Iterator<Item = usize> + Clone) -> Self {
        let component: Vec<u32> = nodes.clone().map(|i| s.components.of[i]).collect();
        let mut volumes = vec![0.0; s.components.count];
        component.iter().zip(nodes.clone()).for_each(|(&c, i)| volumes[c as usize] += s.degrees[i]);
        let entry = component.iter().zip(nodes).map(|(&c, i)| (s.degrees[i] / volumes[c as usize]).sqrt()).collect();
        Self { component, entry, components: s.components.count }
    }

    /// Takes them out of `x`.
    fn remove(&self, x: &mut [Row]) {
        let mut sums = vec![f64x4::ZERO; self.components];
        for ((row, &c), &entry) in x.iter().zip(&self.component).zip(&self.entry) {
            let sum = &mut sums[c as usize];
            *sum = f64x4::from(entry).mul_add(f64x4::from(*row), *sum);
        }
        for ((row, &c), &entry) in x.iter_mut().zip(&self.component).zip(&self.entry) {
            *row = f64x4::from(entry).mul_neg_add(sums[c as usize], f64x4::from(*row)).to_array();
        }
    }
}

/// S on all nodes.
struct Whole<'a> {
    s: &'a NormalizedAdjacency,
    known: ComponentVectors,
}

impl<'a> Whole<'a> {
    fn new(s: &'a NormalizedAdjacency) -> Self {
        Self { s, known: ComponentVectors::new(s, 0..s.nodes()) }
    }
}

impl SymmetricOperator for Whole<'_> {
    fn dimension(&self) -> usize {
        self.s.nodes()
    }

    fn free(&self) -> usize {
        self.s.nodes() - self.s.components.count
    }

    fn apply(&mut self, x: &[Row], y: &mut [Row]) {
        self.s.multiply(x, y);
    }

    fn project(&self, x: &mut [Row]) {
        self.known.remove(x);
    }
}

/// B Bᵀ on the smaller side of a bipartite graph; B is the part of S that the weights W of A become.
struct Half<'a> {
    s: &'a NormalizedAdjacency,
    small: &'a [u32],
    large: &'a [u32],
    weights: &'a BlockMatrix,
}

/// [`Half`] with room for what is multiplied and the product in between.
struct HalfOperator<'a> {
    half: &'a Half<'a>,
    known: ComponentVectors,
    scaled: Vec<Row>,
    middle: Vec<Row>,
}

impl SymmetricOperator for HalfOperator<'_> {
    fn dimension(&self) -> usize {
        self.half.small.len()
    }

    fn free(&self) -> usize {
        self.half.small.len() - self.half.s.components.count
    }

    fn apply(&mut self, x: &[Row], y: &mut [Row]) {
        let Half { s, small, large, weights } = *self.half;
        for ((scaled, x), &node) in self.scaled.iter_mut().zip(x).zip(small) {
            *scaled = x.map(|x| s.scale[node as usize] * x);
        }
        weights.multiply_transposed(&self.scaled, &mut self.middle);
        for (row, &node) in self.middle.iter_mut().zip(large) {
            *row = row.map(|x| x / s.degrees[node as usize]);
        }
        weights.multiply(&self.middle, y);
        for (row, &node) in y.iter_mut().zip(small) {
            *row = row.map(|y| s.scale[node as usize] * y);
        }
    }

    fn project(&self, x: &mut [Row]) {
        self.known.remove(x);
    }
}

impl Half<'_> {
    /// Singular triplets of B after the components' ones, or `None` if this side does not hold enough of them: then
    /// the whole matrix has to be solved.
    fn solve(&self, rest: usize, solver: Solver, params: EigshParams) -> Result<Option<Found>, EigshError> {
        let vectors: Vec<Vec<f64>> = if solver == Solver::Dense {
            self.dense(rest)?
        } else {
            let room = |nodes: &[u32]| vec![[0.0; BLOCK]; nodes.len()];
            let known = ComponentVectors::new(self.s, self.small.iter().map(|&i| i as usize));
            let mut operator = HalfOperator { half: self, known, scaled: room(self.small), middle: room(self.large) };
            let lanczos = LanczosParams { of_square: true, ..lanczos_params(rest, params.tolerance) };
            lanczos::largest(&mut operator, lanczos, &mut start(params))?.vectors
        };
        let mut values = Vec::with_capacity(rest);
        let mut whole = Vec::with_capacity(rest);
        let others = self.other_sides(&vectors);
        for (v, mut other) in vectors.into_iter().zip(others) {
            let theta = other.iter().map(|x| x * x).sum::<f64>().sqrt();
            if theta < SMALL_SINGULAR {
                return Ok(None);
            }
            other.iter_mut().for_each(|x| *x /= theta);
            let mut u = vec![0.0; self.s.nodes()];
            for (nodes, part) in [(self.small, &v), (self.large, &other)] {
                nodes.iter().zip(part).for_each(|(&i, x)| u[i as usize] = x * std::f64::consts::FRAC_1_SQRT_2);
            }
            values.push(1.0 - theta);
            whole.push(u);
        }
        Ok(Some((values, whole, solver)))
    }

    /// Bᵀ v of some vectors v.
    fn other_sides(&self, vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let scale = |nodes: &[u32], p: usize| self.s.scale[nodes[p] as usize];
        let mut others = Vec::with_capacity(vectors.len());
        for chunk in vectors.chunks(BLOCK) {
            let entry = |p: usize, b: usize| chunk.get(b).map_or(0.0, |v| scale(self.small, p) * v[p]);
            let x: Vec<Row> = (0..self.small.len()).map(|p| std::array::from_fn(|b| entry(p, b))).collect();
            let mut y = vec![[0.0; BLOCK]; self.large.len()];
            self.weights.multiply_transposed(&x, &mut y);
            let other = |b: usize| y.iter().enumerate().map(|(q, row)| scale(self.large, q) * row[b]).collect();
            others.extend((0..chunk.len()).map(other));
        }
        others
    }

    fn dense(&self, rest: usize) -> Result<Vec<Vec<f64>>, EigshError> {
        let n = self.small.len();
        let mut b = Array2::<f64>::zeros((n, self.large.len()));
        self.weights.each_entry(|p, q, weight| {
            b[[p, q]] = weight * self.s.scale[self.small[p] as usize] * self.s.scale[self.large[q] as usize];
        });
        let mut gram = b.dot(&b.t());
        let degree = |p: usize| self.s.degrees[self.small[p] as usize];
        let component = |p: usize| self.s.components.of[self.small[p] as usize] as usize;
        let mut volume = vec![0.0; self.s.components.count];
        (0..n).for_each(|p| volume[component(p)] += degree(p));
        for a in 0..n {
            for b in (0..n).filter(|&b| component(b) == component(a)) {
                gram[[a, b]] -= 3.0 * (degree(a) * degree(b)).sqrt() / volume[component(a)];
            }
        }
        let (_, vectors) = symmetric_eigen(n, |i, j| gram[[i, j]])?;
        Ok((0..rest).map(|i| vectors.col(n - 1 - i).iter().copied().collect()).collect())
    }
}

/// Largest ‖L_sym u − λ u‖ over the pairs.
fn residual(s: &NormalizedAdjacency, values: &[f64], vectors: &[Vec<f64>]) -> f64 {
    let n = s.nodes();
    let mut worst = 0.0f64;
    for (values, vectors) in values.chunks(BLOCK).zip(vectors.chunks(BLOCK)) {
        let mut x = vec![[0.0; BLOCK]; n];
        for (b, vector) in vectors.iter().enumerate() {
            x.iter_mut().zip(vector).for_each(|(row, v)| row[b] = *v);
        }
        let mut y = vec![[0.0; BLOCK]; n];
        s.multiply(&x, &mut y);
        for (b, lambda) in values.iter().enumerate() {
            let square: f64 = x.iter().zip(&y).map(|(x, y)| (x[b] - y[b] - lambda * x[b]).powi(2)).sum();
            worst = if square.is_nan() { f64::NAN } else { worst.max(square.sqrt()) };
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{NeuronGraph, NodeSet, mlp_graph};
    use crate::rng::Purpose;
    use rand::Rng;
    use rayon::prelude::*;
    use std::f64::consts::PI;

    fn graph_of(n: usize, edges: impl IntoIterator<Item = (usize, usize, f64)>) -> NeuronGraph {
        let mut matrix = sprs::TriMatI::<f64, u32>::new((n, n));
        for (i, j, weight) in edges {
            matrix.add_triplet(i, j, weight);
            matrix.add_triplet(j, i, weight);
        }
        NeuronGraph::from_adjacency(&matrix.to_csr(), vec![NodeSet { name: "all".into(), size: n }])
    }

    /// The same edges with every second node in another node set, so that the halved form is used.
    fn in_two_sides(graph: &NeuronGraph) -> NeuronGraph {
        let (a, n) = (graph.adjacency(), graph.nodes());
        let place = |i: usize| if i.is_multiple_of(2) { i / 2 } else { n.div_ceil(2) + i / 2 };
        let mut matrix = sprs::TriMatI::<f64, u32>::new((n, n));
        a.iter().for_each(|(weight, (i, j))| matrix.add_triplet(place(i as usize), place(j as usize), *weight));
        let sets = [("even", n.div_ceil(2)), ("odd", n / 2)].map(|(name, size)| NodeSet { name: name.into(), size });
        NeuronGraph::from_adjacency(&matrix.to_csr(), sets.to_vec())
    }

    /// A random net, connected with probability practically one.
    fn random_net(seed: u64, widths: &[usize], density: f64) -> NeuronGraph {
        let mut rng = stream(seed, Purpose::InitialWeights, 0, 0);
        let layers = widths.windows(2).map(|pair| {
            let weight = Array2::from_shape_simple_fn((pair[0], pair[1]), || match rng.gen_range(0.0..1.0) {
                x if x < density => rng.gen_range(-1.0..1.0),
                _ => 0.0,
            });
            ("w".to_string(), weight)
        });
        mlp_graph(layers.collect()).without_isolated().0
    }

    fn check(graph: &NeuronGraph, k: usize, solver: Solver, expected: impl Fn(usize) -> f64) {
        let s = NormalizedAdjacency::new(graph);
        let pairs = eigsh(&s, EigshParams { solver, ..EigshParams::new(k, 1) }).expect("converges");
        for (j, value) in pairs.values.iter().enumerate() {
            assert!(
                (value - expected(j)).abs() < 1e-8,
                "{solver:?}, n = {}: λ_{j} = {value}, not {}",
                graph.nodes(),
                expected(j)
            );
        }
        let gram = pairs.vectors.t().dot(&pairs.vectors);
        for ((i, j), value) in gram.indexed_iter() {
            assert!((value - f64::from(i == j)).abs() < 1e-7, "{solver:?}: u_{i} · u_{j} = {value}");
        }
    }

    const SOLVERS: [Solver; 4] = [Solver::Auto, Solver::Arpack, Solver::Lanczos, Solver::Dense];

    /// F. Chung (1997), *Spectral Graph Theory*, section 1.1.
    #[test]
    fn spectra_of_paths_cycles_and_complete_graphs() {
        for n in [12, 400] {
            let path = graph_of(n, (1..n).map(|i| (i - 1, i, 2.5)));
            let cycle = graph_of(n, (0..n).map(|i| (i, (i + 1) % n, 1.0)));
            let complete = graph_of(n, (0..n).flat_map(|i| (0..i).map(move |j| (i, j, 0.3))));
            for solver in SOLVERS {
                let on_path = |j: usize| 1.0 - (PI * j as f64 / (n - 1) as f64).cos();
                check(&path, 5, solver, on_path);
                check(&in_two_sides(&path), 5, solver, on_path);
                let on_cycle = |j: usize| 1.0 - (2.0 * PI * j.div_ceil(2) as f64 / n as f64).cos();
                check(&cycle, 5, solver, on_cycle);
                check(&in_two_sides(&cycle), 5, solver, on_cycle);
                check(&complete, 4, solver, |j| if j == 0 { 0.0 } else { n as f64 / (n - 1) as f64 });
            }
        }
    }

    #[test]
    fn eigenvalue_zero_once_a_component() {
        let triangles = |count: usize| {
            let triangle = |t: usize| [(3 * t, 3 * t + 1, 1.0), (3 * t + 1, 3 * t + 2, 1.0), (3 * t, 3 * t + 2, 1.0)];
            graph_of(3 * count, (0..count).flat_map(triangle))
        };
        for solver in SOLVERS {
            // each triangle has 0, 3/2, 3/2
            check(&triangles(4), 6, solver, |j| if j < 4 { 0.0 } else { 1.5 });
            check(&triangles(100), 7, solver, |_| 0.0);
        }
        let s = NormalizedAdjacency::new(&triangles(4));
        assert_eq!(s.components.count, 4);
        // exactly zero, and each piece's vector constant on it after the scaling by √d
        let pairs = eigsh(&s, EigshParams::new(4, 0)).expect("no iteration needed");
        assert_eq!(pairs.values, [0.0; 4]);
    }

    /// Seven dense pieces joined by next to nothing: rounding leaves eigenvalues on both sides of 0.
    #[test]
    fn eigenvalues_next_to_zero_ascend_from_it() {
        let of_piece = |p: usize| (0..40).flat_map(move |i| (0..i).map(move |j| (40 * p + i, 40 * p + j, 1.0)));
        for bridge in [1e-16, 1e-20, 1e-30] {
            let bridges = (1..7).map(|p| (40 * p - 1, 40 * p, bridge));
            let graph = graph_of(280, (0..7).flat_map(of_piece).chain(bridges));
            for graph in [&graph, &in_two_sides(&graph)] {
                let s = NormalizedAdjacency::new(graph);
                for solver in SOLVERS {
                    let found = eigsh(&s, EigshParams { solver, ..EigshParams::new(9, 1) }).expect("converges").values;
                    assert!(found[0] == 0.0 && found.is_sorted() && found[6] < 1e-8, "{solver:?}: {found:?}");
                    assert!(found[7] > 0.5 && found[8] <= 2.0, "{solver:?}: {found:?}");
                }
            }
        }
    }

    /// More copies than a block has vectors, with other eigenvalues wanted after them: the d-dimensional hypercube has
    /// 2j/d with multiplicity C(d, j).
    #[test]
    fn every_copy_of_multiple_eigenvalues() {
        let d = 9;
        let edges = (0..1usize << d).flat_map(|i| (0..d).map(move |b| (i, i ^ 1 << b, 1.0)).filter(|(i, j, _)| i < j));
        let cube = graph_of(1 << d, edges);
        let expected = |j: usize| [0.0, 2.0 / 9.0, 4.0 / 9.0][usize::from(j > 0) + usize::from(j > d)];
        SOLVERS.into_iter().for_each(|solver| check(&cube, 14, solver, expected));
        // eight equal networks side by side, in layers: each eigenvalue eight times
        let one = random_net(6, &[30, 28, 10], 0.6);
        let weights: Vec<Array2<f64>> = one.blocks.iter().map(|block| block.weights.to_dense()).collect();
        let layers = weights.iter().map(|w| {
            let (rows, columns) = w.dim();
            let repeated = Array2::from_shape_fn((8 * rows, 8 * columns), |(i, j)| match i / rows == j / columns {
                true => w[[i % rows, j % columns]],
                false => 0.0,
            });
            ("w".to_string(), repeated)
        });
        let eight = mlp_graph(layers.collect());
        let single = eigsh(&NormalizedAdjacency::new(&one), EigshParams::new(4, 0)).expect("dense").values;
        SOLVERS.into_iter().for_each(|solver| check(&eight, 20, solver, |j| single[j / 8]));
    }

    /// Trees have long tails of small eigenvalues, on which a basis loses its orthogonality first.
    #[test]
    fn a_binary_tree() {
        let tree = graph_of(1023, (1..1023).map(|i| ((i - 1) / 2, i, 1.0)));
        let s = NormalizedAdjacency::new(&tree);
        let reference = eigsh(&s, EigshParams { solver: Solver::Dense, ..EigshParams::new(12, 0) }).expect("dense");
        SOLVERS.into_iter().for_each(|solver| check(&tree, 12, solver, |j| reference.values[j]));
    }

    #[test]
    fn solvers_agree_on_random_nets() {
        for (seed, widths, density) in [(1, vec![60, 200, 170, 10], 0.3), (2, vec![300, 250, 40], 0.05)] {
            let graph = random_net(seed, &widths, density);
            let s = NormalizedAdjacency::new(&graph);
            let whole = NormalizedAdjacency::general_form(&graph);
            let values = |s: &NormalizedAdjacency, solver| {
                eigsh(s, EigshParams { solver, ..EigshParams::new(12, 5) }).expect("converges").values
            };
            let reference = values(&s, Solver::Dense);
            for other in [values(&s, Solver::Arpack), values(&s, Solver::Lanczos), values(&whole, Solver::Lanczos)] {
                for (a, b) in reference.iter().zip(&other) {
                    assert!((a - b).abs() < 1e-10, "{a} against {b}");
                }
            }
        }
    }

    /// More eigenvectors than the smaller side has: the others have λ ≥ 1 and are not among its singular vectors.
    #[test]
    fn more_clusters_than_the_smaller_side_holds() {
        let graph = random_net(3, &[30, 4], 1.0);
        let s = NormalizedAdjacency::new(&graph);
        let auto = eigsh(&s, EigshParams::new(8, 0)).expect("dense");
        assert!(auto.values[3] < 1.0 && auto.values[4..].iter().all(|value| (value - 1.0).abs() < 1e-8));
    }

    /// ARPACK keeps state between calls; its lock and our own solver must make threads invisible.
    #[test]
    fn eight_at_once_equal_one_by_one_bit_for_bit() {
        let graphs: Vec<NeuronGraph> = (0..8).map(|seed| random_net(seed, &[80, 170, 165, 10], 0.2)).collect();
        for solver in [Solver::Auto, Solver::Arpack] {
            let solve = |graph: &NeuronGraph| {
                let pairs = eigsh(&NormalizedAdjacency::new(graph), EigshParams { solver, ..EigshParams::new(10, 0) });
                let pairs = pairs.expect("converges");
                (pairs.values, pairs.vectors)
            };
            let one_by_one: Vec<_> = graphs.iter().map(solve).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("threads");
            let at_once: Vec<_> = pool.install(|| graphs.par_iter().map(solve).collect());
            assert!(one_by_one == at_once, "{solver:?}");
        }
    }

    #[test]
    fn not_converging_is_an_error_with_what_did() {
        let graph = random_net(4, &[300, 300, 10], 0.5);
        let s = NormalizedAdjacency::new(&graph);
        let mut whole = Whole::new(&s);
        let params = LanczosParams { basis: 32, restarts: 1, ..lanczos_params(12, 1e-12) };
        match lanczos::largest(&mut whole, params, &mut stream(0, Purpose::StartVector, 0, 0)) {
            Err(EigshError::NotConverged { wanted: 12, converged, residual, .. }) => {
                assert!(converged.len() < 12 && residual.is_some_and(|r| r > 1e-12));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn k_is_checked() {
        let s = NormalizedAdjacency::new(&graph_of(3, [(0, 1, 1.0), (1, 2, 1.0)]));
        for k in [0, 3, 4] {
            assert!(matches!(eigsh(&s, EigshParams::new(k, 0)), Err(EigshError::TooMany { .. })));
        }
        for k in [1, 2] {
            assert_eq!(eigsh(&s, EigshParams::new(k, 0)).expect("k is fine").values.len(), k);
        }
    }
}
