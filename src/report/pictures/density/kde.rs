//! Kernel density estimates.

use std::f64::consts::TAU;

/// A Gaussian kernel density estimate.
///
/// ```text
/// f(x) = 1 / (n h √2π) · Σ_i exp(−(x − x_i)² / 2h²)        h = s · n^(−1/5)
/// ```
///
/// with the sample's standard deviation s, ddof = 1: Scott's rule as SciPy's `gaussian_kde` has it.
///
/// # References
///
/// * D. W. Scott (1992), *Multivariate Density Estimation*, section 6.3.1.
pub(super) struct Kde<'a> {
    values: &'a [f64],
    /// h.
    pub(super) bandwidth: f64,
}

impl<'a> Kde<'a> {
    /// `None` of fewer than two values, or of equal ones, whose density has no width.
    pub(super) fn scott(values: &'a [f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let bandwidth = variance.sqrt() * n.powf(-0.2);
        // of equal values rounding may leave a little
        let least = 1e-12 * mean.abs();
        (values.len() > 1 && bandwidth > least && bandwidth.is_finite()).then_some(Self { values, bandwidth })
    }

    /// f(x).
    pub(super) fn density(&self, x: f64) -> f64 {
        let h = self.bandwidth;
        let sum: f64 = self.values.iter().map(|value| (-0.5 * ((x - value) / h).powi(2)).exp()).sum();
        sum / (self.values.len() as f64 * h * TAU.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    #[test]
    fn a_density_is_the_sum_of_its_kernels_and_has_mass_one() {
        let mut rng = stream(0, Purpose::Shuffle, 4, 0);
        for n in [2, 5, 100] {
            let values: Vec<f64> = (0..n).map(|_| 10.0 + rng.gen_range(-1.0..1.0) * rng.gen_range(0.0..0.3)).collect();
            let kde = Kde::scott(&values).unwrap();
            let mean = values.iter().sum::<f64>() / n as f64;
            let sd = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n as f64 - 1.0)).sqrt();
            let h = sd / (n as f64).powf(0.2);
            assert!((kde.bandwidth - h).abs() < 1e-14);
            let (from, to, steps) = (mean - 3.0, mean + 3.0, 20_000);
            let step = (to - from) / f64::from(steps);
            let mut mass = 0.0;
            for i in 0..steps {
                let x = from + (f64::from(i) + 0.5) * step;
                mass += kde.density(x) * step;
                if i % 500 == 0 {
                    let mut explicit = 0.0;
                    for value in &values {
                        let z = (x - value) / h;
                        explicit += (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() / h / n as f64;
                    }
                    assert!((kde.density(x) - explicit).abs() < 1e-12 * (1.0 + explicit));
                }
            }
            assert!((mass - 1.0).abs() < 1e-3, "{mass}");
        }
        for values in [&[][..], &[1.0], &[0.1; 30], &[f64::NAN, 1.0]] {
            assert!(Kde::scott(values).is_none(), "{values:?}");
        }
    }
}
