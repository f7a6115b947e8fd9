//! How the step size changes over a phase of training.

use serde::{Deserialize, Serialize};

/// The step size of each step of a phase, as a factor of the setting's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRateSchedule {
    /// 1 throughout, as the paper trains.
    Constant,
    /// From 1 down to 0 along half a cosine, in each phase anew: (1 + cos(π t / T)) / 2 at step t of T, from 0.
    ///
    /// A penalty on |w| has the same slope however small a weight is, so that Adam at a constant step size carries
    /// weights back and forth across zero by about that size.
    ///
    /// # References
    ///
    /// * I. Loshchilov, F. Hutter (2017), *SGDR: stochastic gradient descent with warm restarts*, Eq. (5).
    Cosine,
    /// So before pruning, 1 during it.
    CosineBeforePruning,
}

impl LearningRateSchedule {
    /// The factor of step `step`, from 0, of a phase of `steps`.
    pub fn factor(self, step: usize, steps: usize, pruning: bool) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::CosineBeforePruning if pruning => 1.0,
            Self::Cosine | Self::CosineBeforePruning => {
                0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LearningRateSchedule::{Constant, Cosine, CosineBeforePruning};

    #[test]
    fn begins_whole_and_ends_near_nothing() {
        assert_eq!((Constant.factor(7, 8, false), Cosine.factor(0, 8, false)), (1.0, 1.0));
        assert!((Cosine.factor(4, 8, true) - 0.5).abs() < 1e-12);
        assert_eq!(CosineBeforePruning.factor(5, 8, false), Cosine.factor(5, 8, false));
        assert_eq!(CosineBeforePruning.factor(5, 8, true), 1.0);
        // a mean of half over a whole phase, but for the step that it begins with
        let mean = (0..1000).map(|t| Cosine.factor(t, 1000, false)).sum::<f64>() / 1000.0;
        assert!((mean - 0.5005).abs() < 1e-12);
        assert!(Cosine.factor(999, 1000, false) < 3e-6);
    }
}
