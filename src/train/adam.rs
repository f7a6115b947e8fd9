//! Adam.

use tch::{Device, Kind, Tensor};

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
    pub(super) epsilon: f64,
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
                let mut parameter = parameter.detach();
                if let (Some(w), Some(g), Some(m), Some(v)) =
                    (host_values(&mut parameter), host_values(&mut g.detach()), host_values(m), host_values(v))
                {
                    in_one_pass(w, g, m, v, rate as f32, self.epsilon as f32);
                    continue;
                }
                let _ = m.lerp_(g, 1.0 - BETA_1);
                let _ = v.lerp_(&g.square(), 1.0 - BETA_2);
                // −(√v + ε) / rate, so that one division and addition remain
                let mut denominator = v.sqrt();
                let _ = denominator.g_add_scalar_(self.epsilon).g_mul_scalar_(-1.0 / rate);
                let _ = parameter.addcdiv_(m, &denominator);
            }
        });
        debug_assert!(parameters.iter().all(|p| p.kind() == Kind::Float));
    }
}

/// Every value is read and written once, where tensor by tensor operations go over them a dozen times: 0.16 ms for 0.75 in
/// a step of the paper's MLP.
fn in_one_pass(w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: f32, epsilon: f32) {
    for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
        *m += (1.0 - BETA_1) as f32 * (g - *m);
        *v += (1.0 - BETA_2) as f32 * (g * g - *v);
        *w -= rate * *m / (v.sqrt() + epsilon);
    }
}

/// The values of a tensor in this machine's own memory, in their order there, if it is dense and f32.
#[expect(unsafe_code, reason = "tch lends no slices of a tensor's memory")]
fn host_values(tensor: &mut Tensor) -> Option<&mut [f32]> {
    let lent = tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous();
    // SAFETY: the tensor is contiguous, of `numel` f32, and lives as long as the slice; parameters, gradients and moments
    // share no memory with each other.
    lent.then(|| unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same recurrence in f64, written out; with gradients as they lie in memory, and in another order.
    #[test]
    fn follows_the_recurrence() {
        for transposed in [false, true] {
            let parameter = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 3.0]).view([2, 2]).set_requires_grad(true);
            let mut adam = Adam::new(&[&parameter], 0.01, EPSILON);
            let (mut w, mut m, mut v) = ([1.0f64, -2.0, 0.5, 3.0], [0.0f64; 4], [0.0f64; 4]);
            for t in 1..=5 {
                let g = [0.3 * t as f64, -1.0 / t as f64, 0.0, 1e-3];
                let gradient = Tensor::from_slice(&g).to_kind(Kind::Float).view([2, 2]);
                let gradient = if transposed { gradient.tr().contiguous().tr() } else { gradient };
                assert_eq!(gradient.is_contiguous(), !transposed);
                adam.step(&[&parameter], &[gradient]);
                for i in 0..4 {
                    m[i] = 0.9 * m[i] + 0.1 * g[i];
                    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                    let rate = 0.01 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t));
                    w[i] -= rate * m[i] / (v[i].sqrt() + 1e-7);
                }
            }
            for (i, expected) in w.iter().enumerate() {
                let found = parameter.double_value(&[i as i64 / 2, i as i64 % 2]);
                assert!((found - expected).abs() < 1e-6, "{i}: {found}, {expected}");
            }
        }
    }
}
