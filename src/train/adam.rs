//! Adam.

use tch::{Kind, Tensor};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
/// Keras's ε.
#[cfg(test)]
pub(super) const EPSILON: f64 = 1e-7;

/// First and second moments of each parameter.
///
/// ```text
/// m ← β₁ m + (1 − β₁) g          v ← β₂ v + (1 − β₂) g²
/// w ← w − α √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε)
/// ```
///
/// β₁ = 0.9, β₂ = 0.999.
///
/// # References
///
/// * D. Kingma, J. Ba (2015), *Adam: a method for stochastic optimization*, the form at the end of section 2, as in Keras
///   and TensorFlow, whose ε are 1e-7 and 1e-8. PyTorch's ε stands inside the bias correction.
#[derive(Debug)]
pub struct Adam {
    pub(super) learning_rate: f64,
    epsilon: f64,
    pub(super) steps: i32,
    pub(super) first: Vec<Tensor>,
    pub(super) second: Vec<Tensor>,
}

impl Adam {
    /// Zero moments; `epsilon` is above 0.
    pub fn new(parameters: &[&Tensor], learning_rate: f64, epsilon: f64) -> Self {
        let zeros = || parameters.iter().map(|p| p.detach().zeros_like()).collect();
        Self { learning_rate, epsilon, steps: 0, first: zeros(), second: zeros() }
    }

    /// Moves `parameters` by one step along `gradients`, in place.
    pub fn step(&mut self, parameters: &[&Tensor], gradients: &[Tensor]) {
        // βᵗ is zero long before
        self.steps = self.steps.saturating_add(1);
        let rate = self.learning_rate * (1.0 - BETA_2.powi(self.steps)).sqrt() / (1.0 - BETA_1.powi(self.steps));
        tch::no_grad(|| {
            for (((parameter, g), m), v) in parameters.iter().zip(gradients).zip(&mut self.first).zip(&mut self.second)
            {
                let _ = m.lerp_(g, 1.0 - BETA_1);
                let _ = v.lerp_(&g.square(), 1.0 - BETA_2);
                // −(√v + ε) / rate, so that one division and addition remain
                let mut denominator = v.sqrt();
                let _ = denominator.g_add_scalar_(self.epsilon).g_mul_scalar_(-1.0 / rate);
                let _ = parameter.detach().addcdiv_(m, &denominator);
            }
        });
        debug_assert!(parameters.iter().all(|p| p.kind() == Kind::Float));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same recurrence in f64, written out.
    #[test]
    fn follows_the_recurrence() {
        let parameter = Tensor::from_slice(&[1.0f32, -2.0]).set_requires_grad(true);
        let mut adam = Adam::new(&[&parameter], 0.01, EPSILON);
        let (mut w, mut m, mut v) = ([1.0f64, -2.0], [0.0f64; 2], [0.0f64; 2]);
        for t in 1..=5 {
            let g = [0.3 * t as f64, -1.0 / t as f64];
            adam.step(&[&parameter], &[Tensor::from_slice(&g).to_kind(Kind::Float)]);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let rate = 0.01 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t));
                w[i] -= rate * m[i] / (v[i].sqrt() + 1e-7);
            }
        }
        for (i, expected) in w.iter().enumerate() {
            assert!((parameter.double_value(&[i as i64]) - expected).abs() < 1e-6);
        }
    }
}
