//! The share of the weight that crosses between groups of neurons chosen beforehand.

use crate::nn::channels::over_positions;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// Which matrices of a chain a penalty looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layers {
    /// Every one.
    All,
    /// Those between two hidden layers: neither the first nor the last.
    Hidden,
}

impl Layers {
    /// Whether matrix `layer` of `layers` is among them.
    pub fn contains(self, layer: usize, layers: usize) -> bool {
        self == Self::All || layer > 0 && layer + 1 < layers
    }
}

/// What a weight counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// `|w|`, what the graph's edges weigh.
    Absolute,
    /// `w²`.
    Square,
}

/// What the total weight of a matrix is to the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Total {
    /// A variable: the gradient is the share's. Weights inside blocks are pushed to grow, which lowers the share as well;
    /// a few become twenty times as large as others, and such networks' shuffles have low and scattered n-cuts.
    Variable,
    /// A constant: the gradient is that of the weight that crosses, in units of the total, and weights inside are left to
    /// the loss.
    Constant,
}

/// The share of weight outside the blocks that tags make.
///
/// ```text
/// mean over layers l of  1 − Σ_{ij: t_i = t_j} |W_l,ij|^p / Σ_ij |W_l,ij|^p
/// ```
///
/// In `[0, 1]`, to be minimised: 0 when no weight joins neurons with different tags. It knows nothing of the volumes of
/// the groups, so tags of unequal groups ask for unequal parts. Scaling a layer does not change it.
///
/// # Deviations
///
/// A layer without weights crosses nothing and counts 0.
///
/// # Cost
///
/// Value and gradient in closed form: four passes over the weights, and two over those inside, a K-th of them for K
/// equal groups. No products of matrices, and nothing that waits for a device.
#[derive(Debug)]
pub struct BlockShare {
    looked_at: Vec<Blocks>,
    power: Power,
    total: Total,
}

/// What the tags make of a matrix.
#[derive(Debug)]
struct Blocks {
    layer: usize,
    /// Of the weight.
    shape: Vec<i64>,
    /// Where the entries are whose tags are equal, row by row, i64.
    inside: Tensor,
}

/// A matrix's share outside the blocks and its gradient, which is `scale · slope`.
struct Share {
    crossing: Tensor,
    slope: Tensor,
    scale: Tensor,
}

impl BlockShare {
    /// `tags` are one tensor for each node set, the input's first, `(n,)`, i64; any values, equal ones belong together.
    /// `shapes` are those of the weights, `(d_out, d_in)`, or with several between two neurons or channels
    /// ([`crate::nn::channels`]), each of which counts.
    pub fn new(
        tags: &[Tensor],
        shapes: &[Vec<i64>],
        layers: Layers,
        power: Power,
        total: Total,
        device: Device,
    ) -> Self {
        let looked_at = (tags.windows(2).zip(shapes).enumerate())
            .filter(|(layer, _)| layers.contains(*layer, shapes.len()))
            .map(|(layer, (pair, shape))| {
                let equal = pair[1].to_device(device).unsqueeze(1).eq_tensor(&pair[0].to_device(device).unsqueeze(0));
                let inside = over_positions(&equal, shape).flatten(0, -1).nonzero().flatten(0, -1);
                Blocks { layer, shape: shape.clone(), inside }
            })
            .collect();
        Self { looked_at, power, total }
    }

    /// The penalty of `weights`, `(d_out, d_in)` each, any float kind; a scalar of that kind, differentiable once.
    ///
    /// 0 without a gradient if no matrix is looked at.
    ///
    /// # Panics
    ///
    /// If the shapes are not those of the tags.
    pub fn penalty(&self, weights: &[Tensor]) -> Tensor {
        let sum = self.looked_at.iter().fold(zero(weights), |sum, blocks| {
            let weight = &weights[blocks.layer];
            let Share { crossing, slope, scale } = tch::no_grad(|| self.share(weight, blocks));
            // linear in the weight, with the share's value and gradient
            let linear = weight.flatten(0, -1).dot(&slope) * scale;
            sum + crossing + &linear - linear.detach()
        });
        sum / self.count()
    }

    /// Adds the gradient of `coefficient` times the penalty to `gradients`, one of each weight's shape, in place; returns the
    /// penalty.
    ///
    /// What backpropagation of [`BlockShare::penalty`] would add, in half the time.
    ///
    /// # Panics
    ///
    /// If the shapes are not those of the tags.
    pub fn add_gradients(&self, weights: &[Tensor], gradients: &[&Tensor], coefficient: f64) -> Tensor {
        tch::no_grad(|| {
            let sum = self.looked_at.iter().fold(zero(weights), |sum, blocks| {
                let weight = &weights[blocks.layer];
                let Share { crossing, slope, scale } = self.share(weight, blocks);
                let scale = scale * (coefficient / self.count());
                let _ = gradients[blocks.layer].shallow_clone().addcmul_(&slope.view_as(weight), &scale);
                sum + crossing
            });
            sum / self.count()
        })
    }

    fn count(&self) -> f64 {
        self.looked_at.len().max(1) as f64
    }

    /// ```text
    /// p = 1:  ∂/∂W = sign(W) (share inside − [inside]) / Σ|W|        p = 2:  2 W (share inside − [inside]) / ΣW²
    /// ```
    ///
    /// with 1 for the share inside where the total is a constant.
    fn share(&self, weight: &Tensor, blocks: &Blocks) -> Share {
        assert_eq!(weight.size(), blocks.shape, "a layer has one tag a neuron");
        let weight = weight.detach().flatten(0, -1);
        let (mut slope, factor) = match self.power {
            Power::Absolute => (weight.sign(), 1.0),
            Power::Square => (weight.copy(), 2.0),
        };
        let total = weight.dot(&slope);
        // nothing crosses where nothing is
        let exists = total.gt(0.0).to_kind(total.kind());
        let total = total.where_self(&total.gt(0.0), &total.ones_like());
        let slope_inside = slope.index_select(0, &blocks.inside);
        let share = weight.index_select(0, &blocks.inside).dot(&slope_inside) / &total;
        let outside = match self.total {
            Total::Variable => share.shallow_clone(),
            Total::Constant => share.ones_like(),
        };
        let _ = slope.g_mul_(&outside).index_copy_(0, &blocks.inside, &(slope_inside * (outside - 1.0)));
        Share { crossing: exists - &share, slope, scale: total.reciprocal() * factor }
    }
}

fn zero(weights: &[Tensor]) -> Tensor {
    Tensor::zeros([], (weights[0].kind(), weights[0].device()))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{arrays, assert_close, assert_gradient, cases, chain};
    use super::*;
    use tch::Kind;

    const TAGS: [&[i64]; 4] = [&[0, 1, 2, 7, 1], &[1, 0, 2, 7], &[0, 1, 1, 2, 7, 2], &[0, 1, 2]];

    fn tags() -> Vec<Tensor> {
        TAGS.iter().map(|tags| Tensor::from_slice(tags)).collect()
    }

    fn shapes(weights: &[Tensor]) -> Vec<Vec<i64>> {
        weights.iter().map(Tensor::size).collect()
    }

    #[test]
    fn is_the_share_of_the_sum_over_pairs() {
        for (case, weights) in cases().iter().enumerate().filter(|(case, _)| *case != 3) {
            for (layers, looked_at) in [(Layers::All, 0..3), (Layers::Hidden, 1..2)] {
                for (power, p) in [(Power::Absolute, 1), (Power::Square, 2)] {
                    let mut shares = Vec::new();
                    for (layer, weight) in arrays(weights).iter().enumerate().filter(|(l, _)| looked_at.contains(l)) {
                        let (mut inside, mut total) = (0.0, 0.0);
                        for ((i, j), w) in weight.indexed_iter() {
                            total += w.abs().powi(p);
                            if TAGS[layer][i] == TAGS[layer + 1][j] {
                                inside += w.abs().powi(p);
                            }
                        }
                        shares.push(if total > 0.0 { 1.0 - inside / total } else { 0.0 });
                    }
                    let share = BlockShare::new(&tags(), &shapes(weights), layers, power, Total::Variable, Device::Cpu);
                    let what = format!("case {case}, {layers:?}, {power:?}");
                    assert_close(&share.penalty(weights), shares.iter().sum::<f64>() / shares.len() as f64, &what);
                    assert_gradient(|w| share.penalty(w), weights, &what);
                    let ones: Vec<Tensor> = weights.iter().map(Tensor::ones_like).collect();
                    let value = share.add_gradients(weights, &ones.iter().collect::<Vec<_>>(), 0.5);
                    let of_loss = |w: &[Tensor]| {
                        let sum = w.iter().map(|w| w.sum(Kind::Double)).sum::<Tensor>();
                        sum + share.penalty(w) * 0.5
                    };
                    let inputs: Vec<Tensor> = weights.iter().map(|w| w.copy().set_requires_grad(true)).collect();
                    let backward =
                        Tensor::run_backward(&[of_loss(&inputs)], &inputs.iter().collect::<Vec<_>>(), false, false);
                    assert!(value.equal(&share.penalty(weights)));
                    assert!(ones.iter().zip(&backward).all(|(a, b)| a.allclose(b, 1e-12, 1e-12, false)), "{what}");
                }
            }
        }
    }

    /// The derivative of Σ outside / c at the c that is there.
    #[test]
    fn a_constant_total_leaves_weights_inside_alone() {
        let weights = &cases()[0];
        let share =
            BlockShare::new(&tags(), &shapes(weights), Layers::All, Power::Absolute, Total::Constant, Device::Cpu);
        let gradients: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
        let _ = share.add_gradients(weights, &gradients.iter().collect::<Vec<_>>(), 3.0);
        for (layer, (w, gradient)) in arrays(weights).iter().zip(arrays(&gradients)).enumerate() {
            let total: f64 = w.iter().map(|w| w.abs()).sum();
            for ((i, j), w) in w.indexed_iter() {
                let crosses = TAGS[layer][i] != TAGS[layer + 1][j];
                let expected = if crosses && *w != 0.0 { w.signum() / total } else { 0.0 };
                assert!((gradient[[i, j]] - expected).abs() < 1e-12, "{layer} {i} {j}");
            }
        }
    }

    #[test]
    fn no_hidden_matrix_no_penalty() {
        let share = {
            let shapes = shapes(&chain(&[5, 4, 6], 0));
            BlockShare::new(&tags()[..3], &shapes, Layers::Hidden, Power::Absolute, Total::Variable, Device::Cpu)
        };
        assert_eq!(share.penalty(&chain(&[5, 4, 6], 0)).double_value(&[]), 0.0);
    }
}
