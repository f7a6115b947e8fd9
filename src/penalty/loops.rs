//! Four-node loops: AI-RG's penalty (2018), as meant, as written and as run.
//!
//! A layered network has no triangles; its smallest loops have four nodes, either one, two and one in three consecutive
//! layers, or two and two in consecutive layers (butterflies). *Learning modularity from scratch* (AI-RG, 2018,
//! <https://github.com/AI-RG/modular>) reinforces the former:
//!
//! ```text
//! loss + a · (Σ W⁴ − c · √loops),   a = 0.05, c = 0.01
//! ```
//!
//! Everything here is a sum over a chain's layers or consecutive pairs of them; `W` `(n, h)` is a layer and `V` `(h, m)` the
//! next, `(d_in, d_out)`, the transposes of the tensors. More loops were to make a network modular, so a loss *subtracts*
//! these. They do not: without other losses, Σ W⁴ − c √loops is least at equal |W| of rank one, which is one module.

use crate::nn::channels::by_channel;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// Which loops are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// `Σ_ijkl W_ij W_ik V_jl V_kl = ‖WV‖_F²`: what AI-RG's README means. Includes j = k, an edge pair walked forth and back.
    /// Signed, so paths cancel.
    Loops,
    /// The same of `|W|` and `|V|`: of the graph.
    LoopsAbs,
    /// `‖WV‖_F² − Σ_j ‖W_·j‖² ‖V_j·‖²`: j ≠ k alone. May be negative.
    LoopsNondegenerate,
    /// The same of `|W|` and `|V|`.
    LoopsAbsNondegenerate,
    /// `Σ_{i≠a, j≠k} B_ij B_ik B_aj B_ak = ‖BᵀB‖_F² − Σ_j ‖B_·j‖⁴ − Σ_i ‖B_i·‖⁴ + Σ B⁴` of each layer, `B = |W|`: the other
    /// smallest loops, which that README overlooks.
    Butterflies,
    /// `Σ_ijkl W_ij W_ik V_jl V_jl = Σ_i (Σ_k W_ik) (Σ_j W_ij ‖V_j·‖²)`: that README's formulas to the letter, last index
    /// mistyped. k occurs once, so this counts no loops.
    ReadmeLiteral,
    /// `vec(Mᵀ) · vec(M)`, `M = WV`, `vec` row by row: what AI-RG's `run.py` computes. Its
    /// `tensordot(M, M, axes=[[1, 0], [0, 1]])` asks for `Σ M_ab M_ba`, and TensorFlow 1.x flattens without comparing
    /// sizes. So unrelated entries are paired, unless M is square (`tr M²`) or has one row (`‖WV‖_F²`). May be negative.
    /// Which are paired depends on the order of M's rows: of an image that was flattened, TensorFlow's is pixel after pixel.
    AsCoded,
}

/// Where the square root is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// Nowhere.
    None,
    /// `√(Σ loops)`, as in `run.py`.
    OfSum,
    /// `Σ √loops`, a root for each pair of layers (for butterflies, each layer).
    PerPair,
}

/// Loops of a chain, `weights` `(d_out, d_in)` each, any float kind; a scalar of that kind, to be increased.
///
/// The sum over consecutive pairs of layers; over single layers for butterflies. 0 if there are none.
///
/// # Deviations
///
/// The root of a count of 0 or less is 0 and has no gradient there; `run.py` then gives NaN. (Where the loops without j = k, or the
/// butterflies, cancel to nothing, rounding may leave a small positive count, and the root a steep slope.)
pub fn loops(weights: &[Tensor], kind: LoopKind, root: Root) -> Tensor {
    rooted(counts(weights, None, kind), root)
}

/// Layers that follow each other, and what the first of them reads.
#[derive(Debug)]
pub struct Chain {
    /// `(d_out, d_in)` each.
    pub weights: Vec<Tensor>,
    /// Channels of the image that the first layer's inputs are, channel after channel, if they are one.
    pub image_channels: Option<usize>,
}

/// The same over several chains, `run.py`'s sum being over (1, 2) and (3, 4) of its four layers. It skips (2, 3), whose shapes differ
/// by the flattening.
///
/// # Panics
///
/// If there is no chain.
pub fn loops_of_chains(chains: &[Chain], kind: LoopKind, root: Root) -> Tensor {
    let of_chain = |Chain { weights, image_channels }: &Chain| counts(weights, *image_channels, kind);
    rooted(chains.iter().map(of_chain).reduce(joined).unwrap_or_else(|| panic!("there is a chain")), root)
}

/// The counts of pairs of layers, or of layers, with a zero of their kind.
struct Counts(Vec<Tensor>, Tensor);

fn joined(Counts(mut counts, zero): Counts, Counts(others, _): Counts) -> Counts {
    counts.extend(others);
    Counts(counts, zero)
}

fn rooted(Counts(counts, zero): Counts, root: Root) -> Tensor {
    match root {
        Root::None => counts.iter().fold(zero, |sum, count| sum + count),
        Root::OfSum => positive_root(&counts.iter().fold(zero, |sum, count| sum + count)),
        Root::PerPair => counts.iter().fold(zero, |sum, count| sum + positive_root(count)),
    }
}

fn counts(weights: &[Tensor], image_channels: Option<usize>, kind: LoopKind) -> Counts {
    let pairs = |weights: &[Tensor], count: &dyn Fn(&Tensor, &Tensor) -> Tensor| -> Vec<Tensor> {
        weights.windows(2).map(|pair| count(&pair[0], &pair[1])).collect()
    };
    let absolute = || weights.iter().map(Tensor::abs).collect::<Vec<_>>();
    let counts = match kind {
        LoopKind::Loops => pairs(weights, &all_loops),
        LoopKind::LoopsAbs => pairs(&absolute(), &all_loops),
        LoopKind::LoopsNondegenerate => pairs(weights, &nondegenerate),
        LoopKind::LoopsAbsNondegenerate => pairs(&absolute(), &nondegenerate),
        LoopKind::Butterflies => weights.iter().map(butterflies).collect(),
        LoopKind::ReadmeLiteral => pairs(weights, &readme_literal),
        LoopKind::AsCoded => (weights.windows(2).enumerate())
            .map(|(pair, of)| as_coded(&of[0], &of[1], image_channels.filter(|_| pair == 0)))
            .collect(),
    };
    Counts(counts, Tensor::zeros([], (weights[0].kind(), weights[0].device())))
}

fn positive_root(count: &Tensor) -> Tensor {
    let positive = count.gt(0.0);
    // the root's slope at 0 is infinite, so what is not positive must not get into it
    count.where_self(&positive, &count.ones_like()).sqrt() * positive.to_kind(count.kind())
}

fn sum_of_squares(x: &Tensor) -> Tensor {
    x.square().sum(x.kind())
}

/// Of tensors: `w` is Wᵀ `(h, n)`, `v` is Vᵀ `(m, h)`, and `v.matmul(w)` is (WV)ᵀ; as in the others.
fn all_loops(w: &Tensor, v: &Tensor) -> Tensor {
    sum_of_squares(&v.matmul(w))
}

fn nondegenerate(w: &Tensor, v: &Tensor) -> Tensor {
    all_loops(w, v) - squares(w, 1).dot(&squares(v, 0))
}

/// Squared norms along a dimension.
fn squares(x: &Tensor, dim: i64) -> Tensor {
    x.square().sum_dim_intlist(dim, false, x.kind())
}

fn butterflies(w: &Tensor) -> Tensor {
    let (rows, columns) = (w.size()[0], w.size()[1]);
    // the smaller of the two matrices with the same norm
    let gram = if rows < columns { w.abs().matmul(&w.abs().tr()) } else { w.abs().tr().matmul(&w.abs()) };
    let degenerate = sum_of_squares(&squares(w, 0)) + sum_of_squares(&squares(w, 1));
    sum_of_squares(&gram) - degenerate + sum_of_squares(&w.square())
}

fn readme_literal(w: &Tensor, v: &Tensor) -> Tensor {
    w.sum_dim_intlist(0i64, false, w.kind()).dot(&w.tr().mv(&squares(v, 0)))
}

fn as_coded(w: &Tensor, v: &Tensor, image_channels: Option<usize>) -> Tensor {
    let mut m = v.matmul(w);
    if let Some(channels) = image_channels {
        // from channel after channel to pixel after pixel
        m = by_channel(&m, channels).transpose(1, 2).flatten(1, -1);
    }
    m.flatten(0, -1).dot(&m.tr().flatten(0, -1))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{array, arrays, assert_close, assert_gradient, cases};
    use super::*;
    use LoopKind::*;
    use ndarray::Array2;
    use tch::{Device, Kind};

    /// `Σ term(W_ij, W_ik, V_jl, V_kl, V_jl)` over i, l and the j, k that count.
    fn four_indices(w: &Array2<f64>, v: &Array2<f64>, equal: bool, term: impl Fn([f64; 5]) -> f64) -> f64 {
        let mut sum = 0.0;
        for i in 0..w.nrows() {
            for j in 0..w.ncols() {
                for k in (0..w.ncols()).filter(|k| equal || *k != j) {
                    for l in 0..v.ncols() {
                        sum += term([w[[i, j]], w[[i, k]], v[[j, l]], v[[k, l]], v[[j, l]]]);
                    }
                }
            }
        }
        sum
    }

    /// As TensorFlow 1.x evaluates the ill-formed tensordot: transpose, flatten, multiply.
    fn tensordot(w: &Array2<f64>, v: &Array2<f64>) -> f64 {
        let m = w.dot(v);
        let left: Vec<f64> = (0..m.ncols()).flat_map(|b| m.column(b).to_vec()).collect();
        let right: Vec<f64> = (0..m.nrows()).flat_map(|a| m.row(a).to_vec()).collect();
        left.iter().zip(&right).map(|(x, y)| x * y).sum()
    }

    fn brute_butterflies(b: &Array2<f64>) -> f64 {
        let mut sum = 0.0;
        for (i, a) in (0..b.nrows()).flat_map(|i| (0..b.nrows()).map(move |a| (i, a))).filter(|(i, a)| i != a) {
            for (j, k) in (0..b.ncols()).flat_map(|j| (0..b.ncols()).map(move |k| (j, k))).filter(|(j, k)| j != k) {
                sum += (b[[i, j]] * b[[i, k]] * b[[a, j]] * b[[a, k]]).abs();
            }
        }
        sum
    }

    /// The counts of each pair of layers, or layer.
    fn brute(weights: &[Tensor], kind: LoopKind) -> Vec<f64> {
        let loops = |[a, b, c, d, _]: [f64; 5]| a * b * c * d;
        let absolute = |[a, b, c, d, _]: [f64; 5]| (a * b * c * d).abs();
        let arrays = arrays(weights);
        match kind {
            Butterflies => arrays.iter().map(brute_butterflies).collect(),
            _ => (arrays.windows(2))
                .map(|pair| match kind {
                    Loops => four_indices(&pair[0], &pair[1], true, loops),
                    LoopsAbs => four_indices(&pair[0], &pair[1], true, absolute),
                    LoopsNondegenerate => four_indices(&pair[0], &pair[1], false, loops),
                    LoopsAbsNondegenerate => four_indices(&pair[0], &pair[1], false, absolute),
                    ReadmeLiteral => four_indices(&pair[0], &pair[1], true, |[a, b, c, _, d]| a * b * c * d),
                    AsCoded => tensordot(&pair[0], &pair[1]),
                    Butterflies => unreachable!("above"),
                })
                .collect(),
        }
    }

    #[test]
    fn closed_forms_are_the_sums_over_four_indices() {
        let kinds = [Loops, LoopsAbs, LoopsNondegenerate, LoopsAbsNondegenerate, Butterflies, ReadmeLiteral, AsCoded];
        let mut negative = 0;
        for (case, weights) in cases().iter().enumerate() {
            for kind in kinds {
                let counts = brute(weights, kind);
                let root = |x: f64| if x > 0.0 { x.sqrt() } else { 0.0 };
                negative += counts.iter().filter(|x| **x < -1e-12).count();
                let sum: f64 = counts.iter().sum();
                for (place, expected) in [
                    (Root::None, sum),
                    (Root::OfSum, root(sum)),
                    (Root::PerPair, counts.iter().copied().map(root).sum()),
                ] {
                    let what = format!("case {case}, {kind:?}, {place:?}");
                    // the root of a count of 0 is that of its rounding, and has no derivative
                    if place == Root::None || counts.iter().all(|x| x.abs() > 1e-12) {
                        assert_close(&loops(weights, kind, place), expected, &what);
                        assert_gradient(|w| loops(w, kind, place), weights, &what);
                    }
                }
            }
        }
        assert!(negative > 0, "no case has a negative count");
    }

    #[test]
    fn roots_of_nothing_have_no_gradient() {
        let zeros: Vec<Tensor> =
            (0..3).map(|_| Tensor::zeros([3, 3], (Kind::Double, Device::Cpu)).set_requires_grad(true)).collect();
        for kind in [Loops, LoopsNondegenerate, Butterflies, AsCoded] {
            for root in [Root::OfSum, Root::PerPair] {
                let value = loops(&zeros, kind, root);
                let gradients = Tensor::run_backward(&[&value], &zeros.iter().collect::<Vec<_>>(), false, false);
                assert_eq!(value.double_value(&[]), 0.0);
                assert!(gradients.iter().all(|g| array(g).iter().all(|g| *g == 0.0)), "{kind:?}");
            }
        }
    }
}
