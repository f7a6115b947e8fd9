//! Weight decay: sums of powers of single weights.

use super::loops::l4;
use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What L2 decay puts on the first layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum L2Convention {
    /// Σw², as on the others.
    Paper,
    /// Σ|w|, of the same weight: what the code behind the paper's MLPs has there.
    Authors,
}

/// `l1 Σ|w| + l2 Σw² + l4 Σw⁴` over all weight matrices; biases are left out, and there is no ½.
///
/// # References
///
/// * L1 and L2: Filan et al. (2021), *Clusterability in Neural Networks*, appendix A.3.
/// * L4: the quartic decay of *Learning modularity from scratch* (AI-RG, 2018).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// Of Σ|w|.
    pub l1: f64,
    /// Of Σw².
    pub l2: f64,
    /// What `l2` means on the first layer.
    pub l2_convention: L2Convention,
    /// Of Σw⁴.
    pub l4: f64,
}

impl Decay {
    /// `loss` with the decay of `weights` added: a scalar, or `(networks,)` with that of weights which are stacked along the
    /// first axis.
    pub fn add_to(&self, mut loss: Tensor, weights: &[Tensor]) -> Tensor {
        let stacked = loss.dim() == 1;
        let sum = |terms: Tensor| match stacked {
            true => terms.flatten(1, -1).sum_dim_intlist(1, false, terms.kind()),
            false => terms.sum(terms.kind()),
        };
        if self.l1 > 0.0 {
            loss = weights.iter().fold(loss, |loss, w| loss + sum(w.abs()) * self.l1);
        }
        if self.l2 > 0.0 {
            loss = weights.iter().enumerate().fold(loss, |loss, (layer, w)| {
                let absolute = layer == 0 && self.l2_convention == L2Convention::Authors;
                loss + sum(if absolute { w.abs() } else { w.square() }) * self.l2
            });
        }
        if self.l4 > 0.0 {
            assert!(!stacked, "the seed's decay is of one network");
            loss = &loss + l4(weights) * self.l4;
        }
        loss
    }
}

impl Default for Decay {
    /// None.
    fn default() -> Self {
        Self { l1: 0.0, l2: 0.0, l2_convention: L2Convention::Paper, l4: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_powers() {
        let weights = [Tensor::from_slice(&[1.0f64, -2.0]), Tensor::from_slice(&[0.5f64, 0.0])];
        let value = |decay: Decay| decay.add_to(Tensor::from(10.0f64), &weights).double_value(&[]);
        assert_eq!(value(Decay::default()), 10.0);
        assert!((value(Decay { l1: 0.1, ..Decay::default() }) - 10.35).abs() < 1e-6);
        assert!((value(Decay { l2: 0.1, ..Decay::default() }) - 10.525).abs() < 1e-6);
        assert!((value(Decay { l4: 0.1, ..Decay::default() }) - 11.70625).abs() < 1e-6);
        let authors = Decay { l2: 0.1, l2_convention: L2Convention::Authors, ..Decay::default() };
        assert!((value(authors) - 10.325).abs() < 1e-6);
    }
}
