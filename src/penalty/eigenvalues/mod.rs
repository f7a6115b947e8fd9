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
//! | [`EigenSolver::Eigh`] | torch's `linalg_eigh` every [`EIGH_EVERY`] steps, corrected by Davidson's method | the formula above |
//! | [`EigenSolver::Lanczos`] | the wanted ones alone, from those of the step before | the formula above |
//! | [`EigenSolver::Autograd`] | torch's `linalg_eigh` | torch's, through the decomposition |
//!
//! # References
//!
//! * Filan et al. (2021), *Clusterability in Neural Networks*, section 4.1 and appendix A.9. The formula given there has
//!   other coefficients on its terms, and is not the gradient; that of the authors' code is half of it.
//! * J. Magnus (1985), *On differentiating eigenvalues and eigenvectors*, Econometric Theory 1(2), theorem 1.

mod chain;

use crate::rng::{Purpose, stream};
use crate::spectral::davidson::{DavidsonParams, Decomposition, largest_near};
use crate::spectral::lanczos::{self, LanczosParams, RitzPairs};
use crate::spectral::laplacian::{BLOCK, Row};
use chain::{Chain, Gram, values};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// How the eigenvalues and their gradient are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EigenSolver {
    /// [`EigenSolver::Eigh`] up to [`EIGH_SIDE`] neurons on the smaller side, else [`EigenSolver::Lanczos`].
    Auto,
    /// `linalg_eigh` every [`EIGH_EVERY`] steps, its eigenvectors corrected at each; the closed form of the gradient. At every
    /// step where more than [`BLOCK`] eigenvalues are wanted, or fewer than 24 neurons are on a side.
    Eigh,
    /// A few eigenvectors by the block Lanczos method, and the closed form of the gradient; `Eigh` where there are too few
    /// neurons for an iteration ([`lanczos::fits`]).
    Lanczos,
    /// `linalg_eigh` and its derivative by torch: twice as slow as `Eigh`, and what it is checked against.
    Autograd,
}

/// Neurons on the graph's smaller side up to which [`EigenSolver::Auto`] decomposes.
pub const EIGH_SIDE: usize = 160;

/// Steps that one decomposition serves.
pub const EIGH_EVERY: usize = 20;

/// Widenings of the space around the last eigenvectors before another decomposition is called for.
const ITERATIONS: usize = 8;

/// Bound on ‖S² v − θ² v‖ of the eigenvectors that iterations find.
const TOLERANCE: f64 = 1e-8;

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
    /// All eigenvectors anew at each step: where there are too few neurons for an iteration.
    Small,
    Eigh(Decomposed),
    Lanczos {
        /// `(small side, BLOCK)`, f64: eigenvectors of the last step, zero before the first.
        start: Tensor,
    },
}

/// A decomposition, and what has been found since. f64 in the processor's memory.
#[derive(Debug)]
struct Decomposed {
    /// `(n,)`.
    values: Tensor,
    /// `(n, n)`, an eigenvector a row.
    vectors: Tensor,
    /// `(n, BLOCK)`: eigenvectors of the last step.
    start: Tensor,
    /// `(1,)`: steps that it has served; 0 before the first, and where it no longer serves.
    age: Tensor,
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
        let n = neurons as i64;
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Double, Device::Cpu));
        let start = zeros(&[n, BLOCK as i64]);
        let wants_lanczos = solver == EigenSolver::Lanczos || (solver == EigenSolver::Auto && neurons > EIGH_SIDE);
        let way = if solver == EigenSolver::Autograd {
            Way::Autograd
        } else if wants_lanczos && lanczos::fits(count + 1, neurons) {
            Way::Lanczos { start }
        } else if count <= BLOCK && lanczos::fits(BLOCK, neurons) {
            Way::Eigh(Decomposed { values: zeros(&[n]), vectors: zeros(&[n, n]), start, age: zeros(&[1]) })
        } else {
            Way::Small
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
            let pairs = |chain: &Chain| match &self.way {
                Way::Lanczos { start } => self.by_lanczos(chain, start),
                Way::Eigh(decomposed) => self.by_eigh(chain, decomposed, weights[0].kind()),
                Way::Small | Way::Autograd => None,
            };
            if matches!(self.way, Way::Autograd) {
                return 0.0;
            }
            let chain = Chain::new(weights);
            // an iteration may fail where all eigenvectors at once do not
            let Some(pairs) = pairs(&chain).or_else(|| self.all_at_once(&chain)) else { return f64::NAN };
            let theta: Vec<f64> = pairs.values.iter().map(|square| square.max(0.0).sqrt()).collect();
            let scaled: Vec<_> =
                pairs.vectors.iter().zip(&theta).map(|(v, &theta)| chain.scaled(self.side, v, theta)).collect();
            for (layer, gradient) in gradients.iter().enumerate() {
                let slopes = chain.slopes(layer, &scaled, &theta, coefficient, gradient.kind());
                let _ = gradient.shallow_clone().g_add_(&slopes.to_device(gradient.device()));
            }
            theta.iter().map(|theta| 1.0 - theta).sum()
        })
    }

    /// What is remembered from step to step, by name, sharing its memory.
    pub fn memory(&self) -> Vec<(&'static str, Tensor)> {
        match &self.way {
            Way::Lanczos { start } => vec![("penalty.eigenvectors", start.shallow_clone())],
            Way::Eigh(Decomposed { values, vectors, start, age }) => vec![
                ("penalty.eigenvectors", start.shallow_clone()),
                ("penalty.decomposition.values", values.shallow_clone()),
                ("penalty.decomposition.vectors", vectors.shallow_clone()),
                ("penalty.decomposition.age", age.shallow_clone()),
            ],
            Way::Autograd | Way::Small => vec![],
        }
    }

    /// `None` if the iteration does not converge, as with weights that are no numbers any more.
    fn by_lanczos(&self, chain: &Chain, start: &Tensor) -> Option<RitzPairs> {
        let mut operator = Gram::new(&chain.gram(self.side, Kind::Double), chain.null_vector(self.side));
        let params =
            LanczosParams { wanted: self.count, tolerance: TOLERANCE, of_square: false, basis: 64, restarts: 1000 };
        let mut rng = stream(0, Purpose::StartVector, 0, 0);
        let pairs = lanczos::largest_from(&mut operator, rows_of(start), params, &mut rng).ok()?;
        for (column, vector) in pairs.vectors.iter().take(BLOCK).enumerate() {
            start.narrow(1, column as i64, 1).copy_(&Tensor::from_slice(vector).unsqueeze(1));
        }
        Some(pairs)
    }

    /// Decomposes in arithmetic of `kind`, corrects in f64; `None` if that does not converge.
    fn by_eigh(&self, chain: &Chain, decomposed: &Decomposed, kind: Kind) -> Option<RitzPairs> {
        let Decomposed { values: all, vectors, start, age } = decomposed;
        let gram = chain.gram(self.side, Kind::Double);
        let served = age.double_value(&[0]) as usize;
        if served.is_multiple_of(EIGH_EVERY) {
            let (squares, columns) = gram.to_kind(kind).f_linalg_eigh("L").ok()?;
            all.shallow_clone().copy_(&squares);
            vectors.shallow_clone().copy_(&columns.tr());
            // descending, after λ_1's
            let top = columns.narrow(1, gram.size()[0] - 1 - BLOCK as i64, BLOCK as i64).flip([1]);
            start.shallow_clone().copy_(&top);
        }
        let mut operator = Gram::new(&gram, chain.null_vector(self.side));
        let (all, vectors) = (values(all), values(vectors));
        let near = Decomposition { values: &all, vectors: &vectors };
        let params = DavidsonParams { wanted: self.count, tolerance: TOLERANCE, iterations: ITERATIONS };
        let mut rng = stream(0, Purpose::StartVector, 0, 0);
        let found = largest_near(&mut operator, rows_of(start), near, params, &mut rng);
        let _ = age.shallow_clone().fill_(if found.is_ok() { (served + 1) as f64 } else { 0.0 });
        let found = found.ok()?;
        start.shallow_clone().copy_(&Tensor::from_slice(found.block.as_flattened()).view_as(start));
        Some(found.pairs)
    }

    /// In f64; `None` for weights that are no numbers.
    fn all_at_once(&self, chain: &Chain) -> Option<RitzPairs> {
        let gram = chain.gram(self.side, Kind::Double);
        let (squares, vectors) = gram.f_linalg_eigh("L").ok()?;
        let (neurons, count) = (gram.size()[0], self.count as i64);
        // ascending; the last is λ_1's
        let first = neurons - 1 - count;
        let vectors = values(&vectors.narrow(1, first, count).tr().contiguous());
        let vectors = vectors.chunks_exact(neurons as usize).map(<[f64]>::to_vec).collect();
        let values = values(&squares.narrow(0, first, count));
        let residuals = vec![0.0; self.count];
        values.iter().all(|square| square.is_finite()).then_some(RitzPairs { values, vectors, residuals })
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

fn rows_of(tensor: &Tensor) -> Vec<Row> {
    values(tensor).chunks_exact(BLOCK).map(|row| std::array::from_fn(|b| row[b])).collect()
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

    impl EigenvaluePenalty {
        /// Whether it is had as the solver's name says, and not by all eigenvectors at each step.
        fn iterates(&self) -> bool {
            matches!(self.way, Way::Eigh(_) | Way::Lanczos { .. })
        }
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
            for i in (0..weight.numel() as i64).step_by((weight.numel() / 40).max(3)) {
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
        for (widths, solver, iterates) in [
            (vec![7, 6, 5, 4], EigenSolver::Eigh, false),
            (vec![3, 8, 2], EigenSolver::Eigh, false),
            (vec![6, 7, 4, 5], EigenSolver::Autograd, false),
            (vec![7, 24, 8, 5], EigenSolver::Lanczos, false),
            (vec![30, 26, 28, 25], EigenSolver::Eigh, true),
            (vec![30, 26, 28, 25], EigenSolver::Lanczos, true),
        ] {
            let mut weights = chain(&widths, Kind::Double, 1);
            assert_eq!(penalty(&weights, 2, solver).iterates(), iterates, "{widths:?} {solver:?}");
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
    fn three_copies(widths: &[usize]) -> Vec<Tensor> {
        let joined: Vec<Tensor> = chain(widths, Kind::Double, 2)
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
        joined
    }

    #[test]
    fn equal_eigenvalues_have_a_gradient() {
        for (widths, iterates) in [(&[5, 4, 3][..], false), (&[10, 9, 11, 8], true)] {
            let joined = three_copies(widths);
            for solver in [EigenSolver::Eigh, EigenSolver::Lanczos, EigenSolver::Autograd] {
                let expected = iterates && solver != EigenSolver::Autograd;
                assert_eq!(penalty(&joined, 2, solver).iterates(), expected, "{widths:?} {solver:?}");
                let error = error_of(&joined, 2, solver);
                assert!(error < 1e-6, "{widths:?} {solver:?}: {error}");
                // half a pair has a subgradient only, which is no NaN
                let (_, half) = gradients(&penalty(&joined, 1, solver), &joined);
                assert!(half.iter().all(|g| g.isfinite().all().int64_value(&[]) == 1));
            }
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

    /// The closed forms; the iteration cold, and warm for longer than a decomposition serves, while weights change as in training. It is
    /// in f64 whatever the weights are, a decomposition is in their arithmetic, and as exact as torch's own derivative there.
    #[test]
    fn ways_agree() {
        for (kind, solver) in [
            (Kind::Double, EigenSolver::Eigh),
            (Kind::Double, EigenSolver::Lanczos),
            (Kind::Float, EigenSolver::Lanczos),
        ] {
            let weights = chain(&[60, 50, 40, 50, 10], kind, 3);
            let quick = penalty(&weights, 3, solver);
            assert!(quick.iterates());
            let mut rng = stream(4, Purpose::InitialWeights, 0, 0);
            for step in 0..EIGH_EVERY + 3 {
                let error = errors(&quick, &weights);
                assert!(error < 1e-5, "{kind:?} {solver:?}, step {step}: {error}");
                if let Way::Eigh(Decomposed { age, .. }) = &quick.way {
                    // two evaluations a step
                    assert_eq!(age.double_value(&[0]), (2 * step + 2) as f64, "a decomposition was called for early");
                }
                for weight in &weights {
                    let noise: Vec<f64> = (0..weight.numel()).map(|_| rng.gen_range(-0.01..0.01)).collect();
                    let _ = weight.detach().g_add_(&Tensor::from_slice(&noise).view_as(weight).to_kind(kind));
                }
            }
        }
        let weights = chain(&[60, 50, 40, 50, 10], Kind::Float, 3);
        let error_of = |solver| errors(&penalty(&weights, 3, solver), &weights);
        let (closed, torchs) = (error_of(EigenSolver::Eigh), error_of(EigenSolver::Autograd));
        assert!(closed < 2.0 * torchs, "{closed} {torchs}");
    }

    /// f32 weights of the paper's network, with gradients of the size that training has.
    #[test]
    fn the_papers_network_has_torchs_gradient() {
        let weights = chain(&[784, 256, 256, 256, 256, 10], Kind::Float, 5);
        let quick = penalty(&weights, 3, EigenSolver::Auto);
        assert!(matches!(quick.way, Way::Lanczos { .. }));
        let mut rng = stream(6, Purpose::InitialWeights, 0, 0);
        for step in 0..2 {
            let error = errors(&quick, &weights);
            assert!(error < 1e-5, "step {step}: {error}");
            for weight in &weights {
                let noise: Vec<f32> = (0..weight.numel()).map(|_| rng.gen_range(-1e-3..1e-3)).collect();
                let _ = weight.detach().g_add_(&Tensor::from_slice(&noise).view_as(weight));
            }
        }
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
