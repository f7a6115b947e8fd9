//! The eigenvalue penalty: the sum of the smallest eigenvalues of L_sym after the first, as a function of the weights.
//!
//! ```text
//! A = |weights|, d = A 1, S = D^-1/2 A D^-1/2, L_sym = I − S = Σ λ_i u_i u_iᵀ, λ_1 ≤ λ_2 ≤ …
//! penalty = λ_2 + … + λ_{1 + count}
//! ∂λ / ∂|w| = (1 − λ) (u_p²/d_p + u_q²/d_q) − 2 u_p u_q / √(d_p d_q)      for the weight w between neurons p and q
//! ```
//!
//! The graph of a chain of layers has two sides, odd and even layers, so that S = [[0, B], [Bᵀ, 0]] and 1 − λ are the
//! singular values of B. All ways work on the Gram matrix of B on its smaller side, which is half as large as L_sym or
//! less. Where several eigenvalues are equal their sum still has a gradient if all or none of them are in the sum, and
//! every way gives it; else it gives one of its subgradients. Neurons without weights are not in the graph: they get no
//! gradient.
//!
//! | way | eigenvectors | gradient |
//! |---|---|---|
//! | [`EigenSolver::Eigh`] | torch's `linalg_eigh` | the formula above |
//! | [`EigenSolver::Lanczos`] | the wanted ones alone, from those of the step before | the formula above |
//! | [`EigenSolver::Autograd`] | torch's `linalg_eigh` | torch's, through the decomposition |
//!
//! # References
//!
//! * Filan et al. (2021), *Clusterability in Neural Networks*, section 4.1 and appendix A.9. The formula given there has
//!   other coefficients on its terms, and is not the gradient; that of the authors' code is half of it.
//! * J. Magnus (1985), *On differentiating eigenvalues and eigenvectors*, Econometric Theory 1(2), theorem 1.

use crate::rng::{Purpose, stream};
use crate::spectral::lanczos::{self, LanczosParams, SymmetricOperator};
use crate::spectral::laplacian::{BLOCK, Row};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// How the eigenvalues and their gradient are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EigenSolver {
    /// [`EigenSolver::Eigh`] up to [`EIGH_SIDE`] neurons on the smaller side, else [`EigenSolver::Lanczos`].
    Auto,
    /// `linalg_eigh`, and the closed form of the gradient.
    Eigh,
    /// A few eigenvectors by the block Lanczos method, and the closed form of the gradient.
    Lanczos,
    /// `linalg_eigh` and its derivative by torch: twice as slow as `Eigh`, and what it is checked against.
    Autograd,
}

/// Neurons on the graph's smaller side up to which all eigenvalues are as quick to have as a few.
pub const EIGH_SIDE: usize = 160;

/// λ_2 + … + λ_{1 + count} of a chain of layers, with what it remembers from step to step.
#[derive(Debug)]
pub struct EigenvaluePenalty {
    count: usize,
    way: Way,
    /// Of odd or even layers.
    side: usize,
}

#[derive(Debug)]
enum Way {
    Autograd,
    Eigh,
    Lanczos {
        /// `(small side, BLOCK)`, f64: eigenvectors of the last step, zero before the first.
        start: Tensor,
    },
}

/// Eigenvalues of a Gram matrix, and their eigenvectors one after the other.
struct Pairs {
    squares: Vec<f64>,
    vectors: Vec<Vec<f64>>,
}

impl EigenvaluePenalty {
    /// The `count` eigenvalues after the first, at least 1, of networks of these `widths`, input and output included.
    ///
    /// # Panics
    ///
    /// If the smaller side has no more neurons than `count`.
    pub fn new(widths: &[usize], count: usize, solver: EigenSolver) -> Self {
        let neurons = |side: usize| widths.iter().skip(side).step_by(2).sum::<usize>();
        let side = usize::from(neurons(1) <= neurons(0));
        let neurons = neurons(side);
        assert!(neurons > count, "{count} eigenvalues of {neurons} neurons");
        let lanczos = || {
            // where there are too few neurons for an iteration, all eigenvalues are as cheap
            let start = || Tensor::zeros([neurons as i64, BLOCK as i64], (Kind::Double, Device::Cpu));
            if lanczos::fits(count + 1, neurons) { Way::Lanczos { start: start() } } else { Way::Eigh }
        };
        let way = match solver {
            EigenSolver::Autograd => Way::Autograd,
            EigenSolver::Lanczos => lanczos(),
            EigenSolver::Auto if neurons > EIGH_SIDE => lanczos(),
            EigenSolver::Auto | EigenSolver::Eigh => Way::Eigh,
        };
        Self { count, way, side }
    }

    /// The sum, a scalar of the weights' kind, as torch differentiates it with respect to `weights`, `(d_out, d_in)` each;
    /// `None` where the gradient has a closed form ([`EigenvaluePenalty::add_gradients`]).
    pub fn differentiable(&self, weights: &[Tensor]) -> Option<Tensor> {
        matches!(self.way, Way::Autograd).then(|| by_torch(weights, self.side, self.count))
    }

    /// Adds the gradient of `coefficient` times the sum to `gradients`, one of each weight's shape, in place, and returns
    /// the sum. Nothing is added, and the sum is no number, where weights are none.
    ///
    /// 0, and nothing is added, for [`EigenSolver::Autograd`].
    pub fn add_gradients(&self, weights: &[Tensor], gradients: &[&Tensor], coefficient: f64) -> f64 {
        tch::no_grad(|| {
            let chain = match self.way {
                Way::Autograd => return 0.0,
                Way::Eigh | Way::Lanczos { .. } => Chain::new(weights),
            };
            let pairs = match &self.way {
                Way::Lanczos { start } => self.by_lanczos(&chain, start),
                Way::Eigh | Way::Autograd => None,
            };
            // an iteration may fail where all eigenvectors at once do not
            let Some(pairs) = pairs.or_else(|| self.by_eigh(&chain, weights[0].kind())) else { return f64::NAN };
            let theta: Vec<f64> = pairs.squares.iter().map(|square| square.max(0.0).sqrt()).collect();
            let scaled: Vec<_> =
                pairs.vectors.iter().zip(&theta).map(|(v, &theta)| chain.scaled(self.side, v, theta)).collect();
            for (layer, gradient) in gradients.iter().enumerate() {
                let slopes = chain.slopes(layer, &scaled, &theta, coefficient, gradient.kind());
                let _ = gradient.shallow_clone().g_add_(&slopes.to_device(gradient.device()));
            }
            theta.iter().map(|theta| 1.0 - theta).sum()
        })
    }

    /// What is remembered from step to step, sharing its memory.
    pub fn memory(&self) -> Option<Tensor> {
        match &self.way {
            Way::Lanczos { start } => Some(start.shallow_clone()),
            Way::Autograd | Way::Eigh => None,
        }
    }

    /// `None` if the iteration does not converge, as with weights that are no numbers any more.
    fn by_lanczos(&self, chain: &Chain, start: &Tensor) -> Option<Pairs> {
        let mut operator = Gram::new(&chain.gram(self.side, Kind::Double), chain.null_vector(self.side));
        let params = LanczosParams { wanted: self.count, tolerance: 1e-9, basis: 64, restarts: 1000 };
        let mut rng = stream(0, Purpose::StartVector, 0, 0);
        let pairs = lanczos::largest_from(&mut operator, rows_of(start), params, &mut rng).ok()?;
        for (column, vector) in pairs.vectors.iter().take(BLOCK).enumerate() {
            start.narrow(1, column as i64, 1).copy_(&Tensor::from_slice(vector).unsqueeze(1));
        }
        Some(Pairs { squares: pairs.values, vectors: pairs.vectors })
    }

    /// In arithmetic of `kind`; `None` for weights that are no numbers.
    fn by_eigh(&self, chain: &Chain, kind: Kind) -> Option<Pairs> {
        let gram = chain.gram(self.side, kind);
        let (squares, vectors) = gram.f_linalg_eigh("L").ok()?;
        let (neurons, count) = (gram.size()[0], self.count as i64);
        // ascending; the last is λ_1's
        let first = neurons - 1 - count;
        let vectors = values(&vectors.narrow(1, first, count).tr().contiguous());
        let vectors = vectors.chunks_exact(neurons as usize).map(<[f64]>::to_vec).collect();
        let squares = values(&squares.narrow(0, first, count));
        squares.iter().all(|square| square.is_finite()).then_some(Pairs { squares, vectors })
    }
}

/// The sum as a function of the weights that torch can differentiate.
fn by_torch(weights: &[Tensor], side: usize, count: usize) -> Tensor {
    let half = half(weights, side).abs();
    let kind = half.kind();
    // A neuron without weights has zeros in its row, whatever they are multiplied by.
    let scale = |dim: i64| half.sum_dim_intlist(dim, true, kind).clamp_min(LEAST_DEGREE).rsqrt();
    let b = &half * scale(1) * scale(0);
    let Ok((squares, _)) = b.matmul(&b.tr()).f_linalg_eigh("L") else { return half.sum(kind) * f64::NAN };
    let (neurons, count) = (squares.size()[0], count as i64);
    // a root's derivative at 0 is infinite
    let theta = squares.narrow(0, neurons - 1 - count, count).clamp_min(1e-12).sqrt();
    (1.0f64 - theta).sum(kind)
}

/// No degree of a neuron with weights is below.
const LEAST_DEGREE: f64 = 1e-30;

/// The weights between the neurons of `side` and those of the other, `(side, other)`: `[[A, B], [0, C]]` and so on.
fn half(weights: &[Tensor], side: usize) -> Tensor {
    let layers = weights.len() + 1;
    let width = |layer: usize| if layer == 0 { weights[0].size()[1] } else { weights[layer - 1].size()[0] };
    let block = |layer: usize, other: usize| match () {
        () if other + 1 == layer => weights[other].shallow_clone(),
        () if layer + 1 == other => weights[layer].tr(),
        () => Tensor::zeros([width(layer), width(other)], (weights[0].kind(), weights[0].device())),
    };
    let row = |layer| {
        let blocks: Vec<Tensor> = (1 - side..layers).step_by(2).map(|other| block(layer, other)).collect();
        Tensor::cat(&blocks, 1)
    };
    Tensor::cat(&(side..layers).step_by(2).map(row).collect::<Vec<_>>(), 0)
}

/// A tensor's numbers, row by row.
fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let count = tensor.numel();
    if tensor.kind() == Kind::Float {
        let mut values = vec![0f32; count];
        tensor.copy_data(&mut values, count);
        return values.into_iter().map(f64::from).collect();
    }
    let mut values = vec![0.0; count];
    tensor.to_kind(Kind::Double).copy_data(&mut values, count);
    values
}

/// `(rows, columns)` of a kind, each row as `fill` leaves it; it is given the row's number and what it left last.
fn rows(kind: Kind, rows: usize, columns: usize, mut fill: impl FnMut(usize, &mut [f64])) -> Tensor {
    let mut buffer = vec![0.0; columns];
    let flat = if kind == Kind::Float {
        let mut flat = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            fill(row, &mut buffer);
            flat.extend(buffer.iter().map(|&x| x as f32));
        }
        Tensor::from_slice(&flat)
    } else {
        let mut flat = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            fill(row, &mut buffer);
            flat.extend_from_slice(&buffer);
        }
        Tensor::from_slice(&flat).to_kind(kind)
    };
    flat.view([rows as i64, columns as i64])
}

/// Σ term(x_i, y_i), in eight sums, so that one addition need not wait for the last.
fn lanes(x: &[f64], y: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| term(*x, *y)).sum();
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        (0..8).for_each(|lane| sums[lane] += term(x[lane], y[lane]));
    }
    sums.iter().sum::<f64>() + rest
}

/// A chain's weights and degrees, in f64 in the processor's memory: for small networks the work between decompositions would
/// else be calls of torch for the most part.
struct Chain {
    /// Of neurons, input and output included.
    widths: Vec<usize>,
    /// `(d_out, d_in)`, row by row, with signs.
    weights: Vec<Vec<f64>>,
    /// d^-1/2 of each layer's neurons, 0 where d is 0.
    scale: Vec<Vec<f64>>,
}

impl Chain {
    fn new(weights: &[Tensor]) -> Self {
        let widths: Vec<usize> = std::iter::once(weights[0].size()[1])
            .chain(weights.iter().map(|w| w.size()[0]))
            .map(|width| width as usize)
            .collect();
        let weights: Vec<Vec<f64>> = weights.iter().map(values).collect();
        let mut scale: Vec<Vec<f64>> = widths.iter().map(|&width| vec![0.0; width]).collect();
        for (layer, weight) in weights.iter().enumerate() {
            let (before, after) = scale.split_at_mut(layer + 1);
            for (row, degree) in weight.chunks_exact(widths[layer]).zip(&mut after[0]) {
                before[layer].iter_mut().zip(row).for_each(|(degree, w)| *degree += w.abs());
                *degree += lanes(row, row, |w, _| w.abs());
            }
        }
        for degree in scale.iter_mut().flatten() {
            *degree = if *degree == 0.0 { 0.0 } else { degree.sqrt().recip() };
        }
        Self { widths, weights, scale }
    }

    /// Layers of neurons on a side.
    fn layers(&self, side: usize) -> impl Iterator<Item = usize> + use<> {
        (side..self.widths.len()).step_by(2)
    }

    /// A row of a layer's weights.
    fn row(&self, layer: usize, row: usize) -> &[f64] {
        &self.weights[layer][row * self.widths[layer]..][..self.widths[layer]]
    }

    /// `P_l = D_{l+1}^-1/2 |W_l| D_l^-1/2`, `(d_out, d_in)`: a block of S.
    fn block(&self, layer: usize, kind: Kind) -> Tensor {
        rows(kind, self.widths[layer + 1], self.widths[layer], |row, block| {
            let out = self.scale[layer + 1][row];
            for ((block, w), into) in block.iter_mut().zip(self.row(layer, row)).zip(&self.scale[layer]) {
                *block = w.abs() * out * into;
            }
        })
    }

    /// The square of S on the layers of `side`, `(n, n)`, on and below the diagonal: its eigenvalues are the squares of
    /// 1 − λ.
    fn gram(&self, side: usize, kind: Kind) -> Tensor {
        let blocks: Vec<Tensor> = (0..self.weights.len()).map(|layer| self.block(layer, kind)).collect();
        let neurons: usize = self.layers(side).map(|layer| self.widths[layer]).sum();
        let gram = Tensor::zeros([neurons as i64; 2], (kind, Device::Cpu));
        let mut first = 0;
        for layer in self.layers(side) {
            let width = self.widths[layer] as i64;
            let columns = gram.narrow(1, first, width);
            let mut own = columns.narrow(0, first, width);
            if layer > 0 {
                let into = &blocks[layer - 1];
                let _ = own.addmm_(into, &into.tr());
            }
            if let Some(out) = blocks.get(layer) {
                let _ = own.addmm_(&out.tr(), out);
            }
            if let Some(over) = blocks.get(layer + 1) {
                let _ = columns.narrow(0, first + width, over.size()[0]).addmm_(over, &blocks[layer]);
            }
            first += width;
        }
        gram
    }

    /// √d on the layers of `side`, `(n,)`: the eigenvector of λ_1 = 0 up to its length, if the graph is connected.
    fn null_vector(&self, side: usize) -> Vec<f64> {
        let root = |&scale: &f64| if scale == 0.0 { 0.0 } else { scale.recip() };
        self.layers(side).flat_map(|layer| self.scale[layer].iter().map(root)).collect()
    }

    /// û = D^-1/2 u, by layer, of the eigenvector u of S, of unit length, whose part on `side` is a multiple of `vector`.
    fn scaled(&self, side: usize, vector: &[f64], theta: f64) -> Vec<Vec<f64>> {
        let mut u: Vec<Vec<f64>> = self.widths.iter().map(|&width| vec![0.0; width]).collect();
        let mut rest = vector;
        for layer in self.layers(side) {
            let (own, others) = rest.split_at(self.widths[layer]);
            for ((u, own), scale) in u[layer].iter_mut().zip(own).zip(&self.scale[layer]) {
                *u = own * scale;
            }
            rest = others;
        }
        // the other side's part: Bᵀ v / θ, or nothing where θ is 0
        for layer in 0..self.weights.len() {
            let (before, after) = u.split_at_mut(layer + 1);
            let (into, out) = (&mut before[layer], &mut after[0]);
            for (p, out) in out.iter_mut().enumerate() {
                let row = self.row(layer, p);
                if layer % 2 == side {
                    *out += lanes(row, into, |w, u| w.abs() * u);
                } else {
                    into.iter_mut().zip(row).for_each(|(u, w)| *u += *out * w.abs());
                }
            }
        }
        let inverse = if theta > 1e-6 { theta.recip() } else { 0.0 };
        for layer in self.layers(1 - side) {
            for (u, scale) in u[layer].iter_mut().zip(&self.scale[layer]) {
                *u *= inverse * scale * scale;
            }
        }
        u.iter_mut().flatten().for_each(|u| *u *= std::f64::consts::FRAC_1_SQRT_2);
        u
    }

    /// `coefficient` · Σ ∂λ / ∂w for each weight of a layer, over the eigenvectors with [`Chain::scaled`] and 1 − λ = `theta`.
    fn slopes(&self, layer: usize, scaled: &[Vec<Vec<f64>>], theta: &[f64], coefficient: f64, kind: Kind) -> Tensor {
        let own = |layer: usize, neuron: usize| -> f64 {
            scaled.iter().zip(theta).map(|(u, theta)| theta * u[layer][neuron] * u[layer][neuron]).sum()
        };
        let into: Vec<f64> = (0..self.widths[layer]).map(|q| own(layer, q)).collect();
        rows(kind, self.widths[layer + 1], self.widths[layer], |p, slopes| {
            let out = own(layer + 1, p);
            slopes.iter_mut().zip(&into).for_each(|(slope, into)| *slope = into + out);
            for u in scaled {
                let twice = 2.0 * u[layer + 1][p];
                slopes.iter_mut().zip(&u[layer]).for_each(|(slope, u)| *slope -= twice * u);
            }
            for (slope, w) in slopes.iter_mut().zip(self.row(layer, p)) {
                *slope *= if *w == 0.0 { 0.0 } else { coefficient.copysign(*w) };
            }
        })
    }
}

fn rows_of(tensor: &Tensor) -> Vec<Row> {
    values(tensor).chunks_exact(BLOCK).map(|row| std::array::from_fn(|b| row[b])).collect()
}

/// A dense Gram matrix outside of one known eigenvector.
struct Gram {
    values: Vec<f64>,
    /// Of unit length.
    known: Vec<f64>,
}

impl Gram {
    /// Of what is on and below the diagonal of `gram`.
    fn new(gram: &Tensor, mut known: Vec<f64>) -> Self {
        let length = known.iter().map(|x| x * x).sum::<f64>().sqrt();
        known.iter_mut().for_each(|x| *x /= length);
        Self { values: values(&(gram.tril(0) + gram.tril(-1).tr())), known }
    }
}

impl SymmetricOperator for Gram {
    fn dimension(&self) -> usize {
        self.known.len()
    }

    fn free(&self) -> usize {
        self.known.len() - 1
    }

    fn apply(&mut self, x: &[Row], y: &mut [Row]) {
        for (row, out) in self.values.chunks_exact(x.len()).zip(y) {
            let mut sums = [[0.0; BLOCK]; 4];
            let (values, vectors) = (row.chunks_exact(4), x.chunks_exact(4));
            let rest = values.remainder().iter().zip(vectors.remainder());
            // four sums, so that one addition need not wait for the last
            for (values, vectors) in values.zip(vectors) {
                for lane in 0..4 {
                    for b in 0..BLOCK {
                        sums[lane][b] += values[lane] * vectors[lane][b];
                    }
                }
            }
            for (value, vector) in rest {
                (0..BLOCK).for_each(|b| sums[0][b] += value * vector[b]);
            }
            *out = std::array::from_fn(|b| (sums[0][b] + sums[1][b]) + (sums[2][b] + sums[3][b]));
        }
    }

    fn project(&self, x: &mut [Row]) {
        let mut sums = [0.0; BLOCK];
        for (row, known) in x.iter().zip(&self.known) {
            (0..BLOCK).for_each(|b| sums[b] += known * row[b]);
        }
        for (row, known) in x.iter_mut().zip(&self.known) {
            (0..BLOCK).for_each(|b| row[b] -= known * sums[b]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    fn chain(widths: &[usize], kind: Kind, seed: u64) -> Vec<Tensor> {
        let mut rng = stream(seed, Purpose::InitialWeights, 0, 0);
        widths
            .windows(2)
            .map(|pair| {
                let values: Vec<f64> = (0..pair[0] * pair[1]).map(|_| rng.gen_range(-1.0..1.0)).collect();
                let weight = Tensor::from_slice(&values).view([pair[1] as i64, pair[0] as i64]).to_kind(kind);
                weight.set_requires_grad(true)
            })
            .collect()
    }

    /// The same sum from L_sym written out whole, isolated neurons left out.
    fn slowly(weights: &[Tensor], count: usize) -> f64 {
        let widths: Vec<i64> = widths(weights).into_iter().map(|n| n as i64).collect();
        let n: i64 = widths.iter().sum();
        let mut a = Tensor::zeros([n, n], (Kind::Double, Device::Cpu));
        let mut first = 0;
        for (l, w) in weights.iter().enumerate() {
            let w = w.detach().abs().to_kind(Kind::Double);
            let next = first + widths[l];
            a.narrow(0, next, widths[l + 1]).narrow(1, first, widths[l]).copy_(&w);
            a.narrow(0, first, widths[l]).narrow(1, next, widths[l + 1]).copy_(&w.tr());
            first = next;
        }
        let kept = a.sum_dim_intlist(1, false, Kind::Double).nonzero().squeeze();
        a = a.index_select(0, &kept).index_select(1, &kept);
        let scale = a.sum_dim_intlist(1, false, Kind::Double).rsqrt();
        let s = &a * scale.unsqueeze(1) * scale.unsqueeze(0);
        let l_sym = Tensor::eye(kept.size()[0], (Kind::Double, Device::Cpu)) - s;
        let (values, _) = l_sym.linalg_eigh("L");
        values.narrow(0, 1, count as i64).sum(Kind::Double).double_value(&[])
    }

    fn widths(weights: &[Tensor]) -> Vec<usize> {
        let first = weights[0].size()[1];
        std::iter::once(first).chain(weights.iter().map(|w| w.size()[0])).map(|n| n as usize).collect()
    }

    fn penalty(weights: &[Tensor], count: usize, solver: EigenSolver) -> EigenvaluePenalty {
        EigenvaluePenalty::new(&widths(weights), count, solver)
    }

    fn gradients(penalty: &EigenvaluePenalty, weights: &[Tensor]) -> (f64, Vec<Tensor>) {
        if let Some(sum) = penalty.differentiable(weights) {
            return (sum.double_value(&[]), Tensor::run_backward(&[&sum], weights, false, false));
        }
        // it is added to what is there
        let gradients: Vec<Tensor> = weights.iter().map(|w| w.detach().zeros_like()).collect();
        let add = |coefficient| penalty.add_gradients(weights, &gradients.iter().collect::<Vec<_>>(), coefficient);
        let (sum, _) = (add(3.0), add(1.0));
        (sum, gradients.iter().map(|g| g / 4.0).collect())
    }

    /// Largest error of the gradient against central differences, relative to its largest entry.
    fn error_of(weights: &[Tensor], count: usize, solver: EigenSolver) -> f64 {
        let (value, analytic) = gradients(&penalty(weights, count, solver), weights);
        assert!((value - slowly(weights, count)).abs() < 1e-9, "{value} {}", slowly(weights, count));
        let largest = analytic.iter().map(|g| g.abs().max().double_value(&[])).fold(0.0, f64::max);
        let mut worst = 0.0f64;
        for (weight, gradient) in weights.iter().zip(&analytic) {
            for i in (0..weight.numel() as i64).step_by(3) {
                let flat = weight.detach().view([-1]);
                let old = flat.double_value(&[i]);
                let at = |x: f64| {
                    let _ = flat.narrow(0, i, 1).fill_(x);
                    slowly(weights, count)
                };
                let h = 1e-5;
                // an absent edge is no variable
                let difference = if old == 0.0 { 0.0 } else { (at(old + h) - at(old - h)) / (2.0 * h) };
                let _ = at(old);
                worst = worst.max((gradient.reshape([-1]).double_value(&[i]) - difference).abs());
            }
        }
        worst / largest
    }

    #[test]
    fn gradient_is_that_of_central_differences() {
        for (widths, solver) in [
            (vec![7, 6, 5, 4], EigenSolver::Eigh),
            (vec![3, 8, 2], EigenSolver::Eigh),
            (vec![6, 7, 4, 5], EigenSolver::Autograd),
            (vec![7, 24, 8, 5], EigenSolver::Lanczos),
        ] {
            let mut weights = chain(&widths, Kind::Double, 1);
            let error = error_of(&weights, 3.min(widths[0] - 1), solver);
            assert!(error < 1e-6, "{widths:?}: {error}");
            // neurons of every layer without any weight
            for l in 0..weights.len() {
                let _ = weights[l].detach().get(0).fill_(0.0);
                let _ = weights[l].detach().narrow(1, 1, 1).fill_(0.0);
                if l + 1 < weights.len() {
                    let _ = weights[l + 1].detach().narrow(1, 0, 1).fill_(0.0);
                }
                if l > 0 {
                    let _ = weights[l - 1].detach().get(1).fill_(0.0);
                }
            }
            if widths.len() > 3 {
                let error = error_of(&weights, 2, solver);
                assert!(error < 1e-6, "isolated, {widths:?}: {error}");
            }
            weights.clear();
        }
    }

    /// Three copies of one network beside each other, joined through equal weights: eigenvalues come in equal pairs.
    #[test]
    fn equal_eigenvalues_have_a_gradient() {
        let copy = chain(&[5, 4, 3], Kind::Double, 2);
        let joined: Vec<Tensor> = copy
            .iter()
            .map(|w| {
                let bridge = w.detach().abs() * 0.1;
                let row = |i: usize| {
                    let parts: Vec<Tensor> =
                        (0..3).map(|j| if i == j { w.detach() } else { bridge.shallow_clone() }).collect();
                    Tensor::cat(&parts, 1)
                };
                Tensor::cat(&[row(0), row(1), row(2)], 0).set_requires_grad(true)
            })
            .collect();
        let (values, _) = {
            let detached: Vec<Tensor> = joined.iter().map(Tensor::detach).collect();
            Chain::new(&detached).gram(1, Kind::Double).linalg_eigh("L")
        };
        let n = values.size()[0];
        let (second, third) = (values.double_value(&[n - 2]), values.double_value(&[n - 3]));
        assert!((second - third).abs() < 1e-12, "a pair: {second} {third}");
        for solver in [EigenSolver::Eigh, EigenSolver::Lanczos, EigenSolver::Autograd] {
            let error = error_of(&joined, 2, solver);
            assert!(error < 1e-6, "{solver:?}: {error}");
            // half a pair has a subgradient only, which is no NaN
            let (_, half) = gradients(&penalty(&joined, 1, solver), &joined);
            assert!(half.iter().all(|g| g.isfinite().all().int64_value(&[]) == 1));
        }
    }

    /// Relative errors of each matrix's gradient against torch's derivative in f64, and of the sum.
    fn errors(penalty_: &EigenvaluePenalty, weights: &[Tensor]) -> f64 {
        let (value, gradient) = gradients(penalty_, weights);
        let doubles: Vec<Tensor> =
            weights.iter().map(|w| w.detach().to_kind(Kind::Double).set_requires_grad(true)).collect();
        let (expected, exact) = gradients(&penalty(&doubles, 3, EigenSolver::Autograd), &doubles);
        let of = |(g, e): (&Tensor, &Tensor)| {
            (g.to_kind(Kind::Double) - e).norm().double_value(&[]) / e.norm().double_value(&[])
        };
        gradient.iter().zip(&exact).map(of).fold((value - expected).abs(), f64::max)
    }

    /// The closed forms; the iteration cold and warm. It is in f64 whatever the weights are, a decomposition is in their
    /// arithmetic, and as exact as torch's own derivative there.
    #[test]
    fn ways_agree() {
        for (kind, solver) in [
            (Kind::Double, EigenSolver::Eigh),
            (Kind::Double, EigenSolver::Lanczos),
            (Kind::Float, EigenSolver::Lanczos),
        ] {
            let weights = chain(&[60, 50, 40, 50, 10], kind, 3);
            let quick = penalty(&weights, 3, solver);
            for _ in 0..2 {
                let error = errors(&quick, &weights);
                assert!(error < 1e-5, "{kind:?} {solver:?}: {error}");
                tch::no_grad(|| weights.iter().for_each(|w| drop(w.detach().g_mul_scalar_(1.01))));
            }
        }
        let weights = chain(&[60, 50, 40, 50, 10], Kind::Float, 3);
        let error_of = |solver| errors(&penalty(&weights, 3, solver), &weights);
        let (closed, torchs) = (error_of(EigenSolver::Eigh), error_of(EigenSolver::Autograd));
        assert!(closed < 2.0 * torchs, "{closed} {torchs}");
    }

    #[test]
    fn weights_that_are_no_numbers_have_no_eigenvalues() {
        let weights = chain(&[20, 30, 20, 10], Kind::Float, 4);
        let _ = weights[1].detach().get(2).fill_(f64::NAN);
        for solver in [EigenSolver::Eigh, EigenSolver::Lanczos, EigenSolver::Autograd] {
            assert!(gradients(&penalty(&weights, 3, solver), &weights).0.is_nan(), "{solver:?}");
        }
    }
}
