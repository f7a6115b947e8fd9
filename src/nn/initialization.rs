//! How weights and biases start.

use crate::rng::ChaCha8Rng;
use rand::Rng;
use std::f64::consts::TAU;

/// The distribution of initial weights, and the value of initial biases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initialization {
    /// Biases 0, and
    ///
    /// ```text
    /// W ~ U(−√(6 / (d_in + d_out)), √(6 / (d_in + d_out))),  d of a convolution: channels × pixels of a kernel
    /// ```
    ///
    /// # References
    ///
    /// * X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*,
    ///   Eq. (16); the default of Keras, which the paper uses.
    GlorotUniform,
    /// Normal, drawn again beyond two deviations: the standard deviation of what is left is 0.88 `deviation`.
    TruncatedNormal {
        /// Standard deviation before the cut.
        deviation: f64,
        /// Of every bias.
        bias: f64,
    },
}

impl Initialization {
    /// A weight of `shape`, `(outputs, inputs)` or `(outputs, channels, kernel, kernel)`, row by row.
    pub fn weight(self, shape: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
        let size = 0..shape.iter().product::<usize>();
        match self {
            Self::GlorotUniform => {
                let pixels: usize = shape[2..].iter().product();
                let limit = (6.0 / ((shape[0] + shape[1]) * pixels) as f32).sqrt();
                size.map(|_| rng.gen_range(-limit..limit)).collect()
            }
            Self::TruncatedNormal { deviation, .. } => {
                size.map(|_| (deviation * truncated_normal(rng)) as f32).collect()
            }
        }
    }

    /// Every bias.
    pub fn bias(self) -> f64 {
        match self {
            Self::GlorotUniform => 0.0,
            Self::TruncatedNormal { bias, .. } => bias,
        }
    }
}

/// Standard normal within two deviations.
fn truncated_normal(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        // Box and Muller's method, one of its two numbers
        let (radius, angle): (f64, f64) = (1.0 - rng.r#gen::<f64>(), rng.r#gen());
        let normal = (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos();
        if normal.abs() < 2.0 {
            return normal;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};

    /// Moments against those of the density: variance 1 − 4 φ(2) / (2 Φ(2) − 1) = 0.7737, fourth moment 1.2261.
    #[test]
    fn truncated_normal_has_its_moments() {
        let mut rng = stream(0, Purpose::InitialWeights, 0, 0);
        let normal = Initialization::TruncatedNormal { deviation: 0.1, bias: 0.1 };
        let weights = normal.weight(&[200, 40, 5, 5], &mut rng);
        let moment = |p: i32| weights.iter().map(|w| f64::from(*w / 0.1).powi(p)).sum::<f64>() / weights.len() as f64;
        assert!(weights.iter().all(|w| w.abs() <= 0.2));
        assert!(moment(1).abs() < 0.008 && (moment(2) - 0.7737).abs() < 0.008, "{} {}", moment(1), moment(2));
        let density = |x: f64| (-x * x / 2.0).exp();
        let steps: Vec<f64> = (0..4000).map(|i| (f64::from(i) + 0.5) / 1000.0 - 2.0).collect();
        let fourth =
            steps.iter().map(|x| x.powi(4) * density(*x)).sum::<f64>() / steps.iter().map(|x| density(*x)).sum::<f64>();
        assert!((moment(4) - fourth).abs() < 0.03, "{} {fourth}", moment(4));
    }

    #[test]
    fn glorot_limits_count_the_kernels_pixels() {
        let mut rng = stream(0, Purpose::InitialWeights, 0, 0);
        let weights = Initialization::GlorotUniform.weight(&[20, 30, 3, 3], &mut rng);
        let limit = (6.0f32 / 450.0).sqrt();
        let largest = weights.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
        assert!(largest <= limit && largest > 0.99 * limit);
    }
}
