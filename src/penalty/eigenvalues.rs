//! The eigenvalue penalty: the sum of the smallest eigenvalues of L_sym after the first, as a function of the weights.
//!
//! ```text
//! A = |weights|, d = A 1, S = D^-1/2 A D^-1/2, L_sym = I − S = Σ λ_i u_i u_iᵀ, λ_1 ≤ λ_2 ≤ …
//! penalty = λ_2 + … + λ_{1 + count}
//! ∂λ / ∂|w| = (1 − λ) (u_p²/d_p + u_q²/d_q) − 2 u_p u_q / √(d_p d_q)      for the weight w between neurons p and q
//! ```
//!
//! The graph of a chain of layers has two sides, odd and even layers, so that S = [[0, B], [Bᵀ, 0]] and 1 − λ are the
//! singular values of B. Both paths work on the Gram matrix of B on its smaller side, which is half as large as L_sym or
//! less: [`EigenSolver::Eigh`] has torch decompose it and differentiate through the decomposition,
//! [`EigenSolver::Lanczos`] finds the wanted eigenvectors alone, starting from those of the step before, and applies the
//! formula above. Where several eigenvalues are equal their sum still has a gradient if all or none of them are in the
//! sum, and both paths give it; else they give one of its subgradients. Neurons without weights are not in the graph:
//! they get no gradient.
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
    /// `linalg_eigh` and its derivative by torch.
    Eigh,
    /// A few eigenvectors by the block Lanczos method, and the closed form of the gradient.
    Lanczos,
}

/// Neurons on the graph's smaller side up to which all eigenvalues are as quick to have as a few.
pub const EIGH_SIDE: usize = 160;

/// λ_2 + … + λ_{1 + count} of a chain of layers, with what it remembers from step to step.
#[derive(Debug)]
pub struct EigenvaluePenalty {
    count: usize,
    /// `(small side, BLOCK)`, f64: eigenvectors of the last step, zero before the first. On the fast path only.
    start: Option<Tensor>,
    /// Of odd or even layers.
    side: usize,
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
        let fast = match solver {
            EigenSolver::Eigh => false,
            EigenSolver::Lanczos => true,
            EigenSolver::Auto => neurons > EIGH_SIDE,
        };
        // where there are too few neurons for an iteration, all eigenvalues are as cheap
        let start = (fast && lanczos::fits(count + 1, neurons))
            .then(|| Tensor::zeros([neurons as i64, BLOCK as i64], (Kind::Double, Device::Cpu)));
        Self { count, start, side }
    }

    /// The sum, a scalar of the weights' kind, differentiable with respect to `weights`, `(d_out, d_in)` each.
    pub fn sum(&self, weights: &[Tensor]) -> Tensor {
        let found = self.start.as_ref().and_then(|start| tch::no_grad(|| self.by_lanczos(weights, start)));
        let Some((value, gradients)) = found else { return self.by_eigh(weights) };
        let kind = weights[0].kind();
        let products = weights.iter().zip(&gradients).map(|(w, gradient)| (w.abs() * gradient.to_kind(kind)).sum(kind));
        let linear = products.reduce(|sum, term| sum + term).unwrap_or_else(|| unreachable!("a network has layers"));
        // its gradient is the closed form, its value the sum of eigenvalues
        let offset = value.to_kind(kind) - linear.detach();
        linear + offset
    }

    /// What is remembered from step to step, sharing its memory.
    pub fn memory(&self) -> Option<Tensor> {
        self.start.as_ref().map(Tensor::shallow_clone)
    }

    /// The sum, f64, and its derivative by each |w|; `None` where there are no vectors to be had, as with weights that are
    /// no numbers any more.
    fn by_lanczos(&self, weights: &[Tensor], start: &Tensor) -> Option<(Tensor, Vec<Tensor>)> {
        let device = weights[0].device();
        let magnitudes: Vec<Tensor> = weights.iter().map(|w| w.abs().to_kind(Kind::Double)).collect();
        let blocks = Blocks::new(&magnitudes);
        let mut operator = Gram::new(&blocks.gram(self.side), &blocks.null_vector(self.side));
        let params = LanczosParams { wanted: self.count, tolerance: 1e-9, basis: 64, restarts: 1000 };
        let mut rng = stream(0, Purpose::StartVector, 0, 0);
        let pairs = lanczos::largest_from(&mut operator, rows_of(start), params, &mut rng).ok()?;
        let vectors: Vec<Tensor> = pairs.vectors.iter().map(|v| Tensor::from_slice(v)).collect();
        let vectors = Tensor::stack(&vectors, 1);
        let remembered = self.count.min(BLOCK) as i64;
        start.narrow(1, 0, remembered).copy_(&vectors.narrow(1, 0, remembered));
        let theta = Tensor::from_slice(&pairs.values).clamp_min(0.0).sqrt().to_device(device);
        let gradients = blocks.gradients(self.side, &vectors.to_device(device), &theta);
        Some(((1.0f64 - theta).sum(Kind::Double), gradients))
    }

    fn by_eigh(&self, weights: &[Tensor]) -> Tensor {
        let half = half(weights, self.side).abs();
        let kind = half.kind();
        // A neuron without weights has zeros in its row, whatever they are multiplied by.
        let scale = |dim: i64| half.sum_dim_intlist(dim, true, kind).clamp_min(LEAST_DEGREE).rsqrt();
        let b = &half * scale(1) * scale(0);
        let (squares, _) = b.matmul(&b.tr()).linalg_eigh("L");
        let (neurons, count) = (squares.size()[0], self.count as i64);
        // ascending; the last is λ_1's. A root's derivative at 0 is infinite
        let theta = squares.narrow(0, neurons - 1 - count, count).clamp_min(1e-12).sqrt();
        (1.0f64 - theta).sum(kind)
    }
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

/// The normalised blocks of S, `P_l = D_{l+1}^-1/2 |W_l| D_l^-1/2`, `(d_out, d_in)`.
struct Blocks {
    /// d^-1/2 of each layer's neurons, 0 where d is 0.
    scale: Vec<Tensor>,
    blocks: Vec<Tensor>,
}

impl Blocks {
    fn new(magnitudes: &[Tensor]) -> Self {
        let layers = magnitudes.len();
        let kind = magnitudes[0].kind();
        let scale: Vec<Tensor> = (0..=layers)
            .map(|layer| {
                let into = (layer > 0).then(|| magnitudes[layer - 1].sum_dim_intlist(1, false, kind));
                let out = magnitudes.get(layer).map(|w| w.sum_dim_intlist(0, false, kind));
                let degree = match (into, out) {
                    (Some(into), Some(out)) => into + out,
                    (Some(degree), None) | (None, Some(degree)) => degree,
                    (None, None) => unreachable!("a layer of neurons has weights"),
                };
                let isolated = degree.detach().eq(0.0).to_kind(kind);
                // 1 where the degree is 0, so that no infinite derivative meets the zero
                (degree + &isolated).rsqrt() * (1.0 - isolated)
            })
            .collect();
        let block = |(layer, w): (usize, &Tensor)| w * scale[layer + 1].unsqueeze(1) * scale[layer].unsqueeze(0);
        let blocks = magnitudes.iter().enumerate().map(block).collect();
        Self { scale, blocks }
    }

    /// Layers of neurons on a side.
    fn layers(&self, side: usize) -> impl Iterator<Item = usize> + use<'_> {
        (side..self.scale.len()).step_by(2)
    }

    /// The square of S on the layers of `side`, `(n, n)`: its eigenvalues are the squares of 1 − λ.
    fn gram(&self, side: usize) -> Tensor {
        let count = self.layers(side).count();
        let options = (self.blocks[0].kind(), self.blocks[0].device());
        let width = |layer: usize| self.scale[layer].size()[0];
        let mut parts: Vec<Vec<Option<Tensor>>> = (0..count).map(|_| (0..count).map(|_| None).collect()).collect();
        for (i, layer) in self.layers(side).enumerate() {
            let before = (layer > 0).then(|| {
                let p = &self.blocks[layer - 1];
                p.matmul(&p.tr())
            });
            let after = self.blocks.get(layer).map(|p| p.tr().matmul(p));
            parts[i][i] = match (before, after) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
            if i + 1 < count {
                let next = self.blocks[layer + 1].matmul(&self.blocks[layer]);
                parts[i][i + 1] = Some(next.tr());
                parts[i + 1][i] = Some(next);
            }
        }
        let layers: Vec<usize> = self.layers(side).collect();
        let rows: Vec<Tensor> = parts
            .into_iter()
            .enumerate()
            .map(|(i, row)| {
                let zeros = |j: usize| Tensor::zeros([width(layers[i]), width(layers[j])], options);
                let row: Vec<Tensor> =
                    row.into_iter().enumerate().map(|(j, part)| part.unwrap_or_else(|| zeros(j))).collect();
                Tensor::cat(&row, 1)
            })
            .collect();
        Tensor::cat(&rows, 0)
    }

    /// √d on the layers of `side`, `(n,)`: the eigenvector of λ_1 = 0 up to its length, if the graph is connected.
    fn null_vector(&self, side: usize) -> Tensor {
        let roots: Vec<Tensor> = self
            .layers(side)
            .map(|layer| {
                let scale = &self.scale[layer];
                let isolated = scale.eq(0.0).to_kind(scale.kind());
                (scale + &isolated).reciprocal() * (1.0 - isolated)
            })
            .collect();
        Tensor::cat(&roots, 0)
    }

    /// Σ ∂λ / ∂|w| over the eigenvectors whose parts on `side` are the unit columns of `vectors`, with 1 − λ = `theta`.
    fn gradients(&self, side: usize, vectors: &Tensor, theta: &Tensor) -> Vec<Tensor> {
        let widths: Vec<i64> = self.layers(side).map(|layer| self.scale[layer].size()[0]).collect();
        let mut u: Vec<Option<Tensor>> = (0..self.scale.len()).map(|_| None).collect();
        for (part, layer) in vectors.split_with_sizes(&widths, 0).into_iter().zip(self.layers(side)) {
            u[layer] = Some(part);
        }
        // the other side's parts: Bᵀ v / θ, or nothing where θ is 0
        let inverse = theta.clamp_min(1e-12).reciprocal() * theta.gt(1e-6).to_kind(Kind::Double);
        for layer in self.layers(1 - side) {
            let before = (layer > 0).then(|| self.blocks[layer - 1].matmul(u[layer - 1].as_ref()?).into()).flatten();
            let after = self.blocks.get(layer).and_then(|p| Some(p.tr().matmul(u[layer + 1].as_ref()?)));
            let sum: Option<Tensor> = match (before, after) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
            u[layer] = sum.map(|sum| sum * inverse.unsqueeze(0));
        }
        // û = u / √d of eigenvectors of unit length on both sides together
        let u: Vec<Tensor> = u
            .into_iter()
            .zip(&self.scale)
            .map(|(u, scale)| match u {
                Some(u) => u * scale.unsqueeze(1) * std::f64::consts::FRAC_1_SQRT_2,
                None => unreachable!("every layer is on a side"),
            })
            .collect();
        let own: Vec<Tensor> = u.iter().map(|u| u.square().matmul(theta)).collect();
        (0..self.blocks.len())
            .map(|l| own[l + 1].unsqueeze(1) + own[l].unsqueeze(0) - 2.0 * u[l + 1].matmul(&u[l].tr()))
            .collect()
    }
}

fn rows_of(tensor: &Tensor) -> Vec<Row> {
    let mut values = vec![0.0; tensor.numel()];
    tensor.contiguous().copy_data(&mut values, tensor.numel());
    values.chunks_exact(BLOCK).map(|row| std::array::from_fn(|b| row[b])).collect()
}

/// A dense Gram matrix outside of one known eigenvector.
struct Gram {
    values: Vec<f64>,
    /// Of unit length.
    known: Vec<f64>,
}

impl Gram {
    fn new(gram: &Tensor, known: &Tensor) -> Self {
        let copy = |tensor: &Tensor| {
            let mut values = vec![0.0; tensor.numel()];
            tensor.to_device(Device::Cpu).contiguous().copy_data(&mut values, tensor.numel());
            values
        };
        let mut known = copy(known);
        let length = known.iter().map(|x| x * x).sum::<f64>().sqrt();
        known.iter_mut().for_each(|x| *x /= length);
        Self { values: copy(gram), known }
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
        let sum = penalty.sum(weights);
        (sum.double_value(&[]), Tensor::run_backward(&[&sum], weights, false, false))
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
            let magnitudes: Vec<Tensor> = joined.iter().map(|w| w.detach().abs()).collect();
            Blocks::new(&magnitudes).gram(1).linalg_eigh("L")
        };
        let n = values.size()[0];
        let (second, third) = (values.double_value(&[n - 2]), values.double_value(&[n - 3]));
        assert!((second - third).abs() < 1e-12, "a pair: {second} {third}");
        for solver in [EigenSolver::Eigh, EigenSolver::Lanczos] {
            let error = error_of(&joined, 2, solver);
            assert!(error < 1e-6, "{solver:?}: {error}");
            // half a pair has a subgradient only, which is no NaN
            let (_, half) = gradients(&penalty(&joined, 1, solver), &joined);
            assert!(half.iter().all(|g| g.isfinite().all().int64_value(&[]) == 1));
        }
    }

    /// The fast path against torch's, cold and warm.
    #[test]
    fn paths_agree() {
        for kind in [Kind::Double, Kind::Float] {
            let weights = chain(&[60, 50, 40, 50, 10], kind, 3);
            let fast = penalty(&weights, 3, EigenSolver::Lanczos);
            for _ in 0..2 {
                let (value, gradient) = gradients(&fast, &weights);
                let doubles: Vec<Tensor> =
                    weights.iter().map(|w| w.detach().to_kind(Kind::Double).set_requires_grad(true)).collect();
                let (expected, exact) = gradients(&penalty(&doubles, 3, EigenSolver::Eigh), &doubles);
                assert!((value - expected).abs() < 1e-5, "{value} {expected}");
                for (g, e) in gradient.iter().zip(&exact) {
                    let error = (g.to_kind(Kind::Double) - e).norm().double_value(&[]) / e.norm().double_value(&[]);
                    assert!(error < 1e-5, "{error}");
                }
                tch::no_grad(|| weights.iter().for_each(|w| drop(w.detach().g_mul_scalar_(1.01))));
            }
        }
    }
}
