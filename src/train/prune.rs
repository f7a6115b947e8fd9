//! Magnitude pruning on a polynomial schedule.

use super::length::Length;
use tch::{Kind, Tensor};

/// How the share of weights that is cut grows with the step t of the pruning phase, of T steps.
///
/// ```text
/// s(t) = s_T + (s_0 − s_T) (1 − t/T)³
/// ```
///
/// # References
///
/// * M. Zhu, S. Gupta (2017), *To prune, or not to prune*, Eq. (1); the paper's values are 0.5, 0.9 and 10.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PruningSchedule {
    /// s_0, share cut at the first step, in `[0, 1)`.
    pub initial_sparsity: f64,
    /// s_T, share cut at the end, in `[0, 1)`.
    pub final_sparsity: f64,
    /// Between two choices of what is cut, at least 1; the first is made before the phase's first step.
    pub every: Length,
}

impl PruningSchedule {
    /// s(t), for `step ≤ steps`.
    pub fn sparsity(&self, step: usize, steps: usize) -> f64 {
        let left = 1.0 - step as f64 / steps as f64;
        self.final_sparsity + (self.initial_sparsity - self.final_sparsity) * left.powi(3)
    }
}

/// Which weights are kept: one tensor of zeros and ones for each weight matrix. Every layer is cut by itself, first and
/// last included, biases never.
#[derive(Debug)]
pub struct Masks(pub(super) Vec<Tensor>);

impl Masks {
    /// Everything is kept.
    pub fn new(weights: &[Tensor]) -> Self {
        Self(weights.iter().map(|w| w.detach().ones_like()).collect())
    }

    /// Chooses anew what is cut: the share `sparsity` of each layer, in `[0, 1)`.
    ///
    /// Adam moves the cut weights too, so at the next choice each stands one step away from zero, and comes back if that
    /// is more than the threshold, as in tensorflow-model-optimization 0.1.1.
    pub fn choose(&mut self, weights: &[Tensor], sparsity: f64) {
        self.0 = weights.iter().map(|w| mask(w, sparsity)).collect();
    }

    /// Cuts what is left to cut after the last step, if the schedule's end fell between two choices.
    pub fn finish(&mut self, weights: &mut [Tensor], schedule: &PruningSchedule) {
        for (weight, chosen) in weights.iter().zip(&mut self.0) {
            let kept = kept(weight, schedule.final_sparsity);
            if chosen.sum(Kind::Int64).int64_value(&[]) > kept as i64 {
                *chosen = mask(weight, schedule.final_sparsity);
            }
        }
        self.apply(weights);
    }

    /// Sets the cut weights to zero.
    pub fn apply(&self, weights: &mut [Tensor]) {
        tch::no_grad(|| {
            for (weight, mask) in weights.iter().zip(&self.0) {
                let _ = weight.detach().g_mul_(mask);
            }
        });
    }
}

fn kept(weight: &Tensor, sparsity: f64) -> usize {
    (weight.numel() as f64 * (1.0 - sparsity)).round() as usize
}

/// 1 for the `round(size (1 − sparsity))` largest magnitudes and their ties, 0 for the others.
fn mask(weight: &Tensor, sparsity: f64) -> Tensor {
    mask_each(&weight.unsqueeze(0), sparsity).squeeze_dim(0)
}

/// The same of each of some weights of one shape, which are stacked along the first axis.
pub(super) fn mask_each(weights: &Tensor, sparsity: f64) -> Tensor {
    let magnitudes = weights.detach().abs();
    let each = magnitudes.flatten(1, -1);
    let kept = kept(&each.select(0, 0), sparsity);
    if kept == 0 {
        return magnitudes.zeros_like();
    }
    let (threshold, _) = each.kthvalue(each.size()[1] - kept as i64 + 1, 1, true);
    each.ge_tensor(&threshold).to_kind(Kind::Float).view_as(&magnitudes)
}

/// Share of all entries that is exactly zero.
pub fn sparsity(weights: &[Tensor]) -> f64 {
    let zeros: i64 = weights.iter().map(|w| w.eq(0.0).sum(Kind::Int64).int64_value(&[])).sum();
    zeros as f64 / weights.iter().map(|w| w.numel()).sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedule_is_cubic() {
        let schedule = PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every: Length::Steps(10) };
        assert!((schedule.sparsity(0, 100) - 0.5).abs() < 1e-15);
        assert!((schedule.sparsity(50, 100) - (0.9 - 0.4 / 8.0)).abs() < 1e-15);
        assert!((schedule.sparsity(100, 100) - 0.9).abs() < 1e-15);
    }

    #[test]
    fn cuts_the_smallest_keeps_ties_and_holds_between_choices() {
        let mut weights = vec![Tensor::from_slice(&[1.0f32, -2.0, 3.0, 0.5, -2.0, 0.1]).set_requires_grad(true)];
        let mut masks = Masks::new(&weights);
        masks.choose(&weights, 0.5);
        masks.apply(&mut weights);
        let values = |w: &[Tensor]| Vec::<f32>::try_from(&w[0].detach()).expect("one dimension");
        assert_eq!(values(&weights), [0.0, -2.0, 3.0, 0.0, -2.0, 0.0]);
        let _ = tch::no_grad(|| weights[0].detach().g_add_scalar_(0.1));
        masks.apply(&mut weights);
        assert_eq!(sparsity(&weights), 0.5);
    }
}
