//! Clusterable initialisation: weights between neurons of one tag start larger, all others smaller.

use super::channels::{by_channel, over_positions};
use super::tags::Tags;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// Which weight matrices are modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaggedLayers {
    /// All but the first, the one that reads the input: what the authors trained with.
    AfterFirst,
    /// Every one: what the authors' figure A.1 shows.
    All,
    /// Those between two hidden layers: the paper's words.
    Hidden,
    /// Convolutions, but for the first: what the authors did with convolutional networks.
    Convolutions,
}

impl TaggedLayers {
    /// Whether matrix `layer` of `layers`, a convolution's or not, is among them.
    pub fn contains(self, layer: usize, layers: usize, is_convolution: bool) -> bool {
        match self {
            Self::AfterFirst => layer > 0,
            Self::All => true,
            Self::Hidden => layer > 0 && layer + 1 < layers,
            Self::Convolutions => layer > 0 && is_convolution,
        }
    }
}

/// How a network is made clusterable at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterableInit {
    /// Which matrices are modified.
    pub layers: TaggedLayers,
    /// β, the factor of weights between neurons of different tags, in `[0, 1)`.
    pub beta: f64,
}

/// Multiplies each weight between neurons of one tag by 1 + (1 − β)(c − 1), every other by β, in place.
///
/// The mean of |w| is kept in expectation over the c tags. `weights` are `(d_out, d_in)`, or several between two neurons or channels
/// ([`super::channels`]), all of which are multiplied alike; β is in `[0, 1)`, the paper's
/// for MLPs is 0.6 with c = 10, so that weights within a tag grow by 4.6, and for convolutions 0.8.
///
/// # References
///
/// * Filan et al. (2021), *Clusterability in Neural Networks*, section 4.2.
///
/// # Panics
///
/// If the tags are not those of the weights' layers.
pub fn clusterable_init(weights: &mut [Tensor], tags: &Tags, ClusterableInit { layers, beta }: ClusterableInit) {
    let count = weights.len();
    assert_eq!(tags.of.len(), count + 1, "tags of every layer of neurons");
    let within = 1.0 + (1.0 - beta) * (tags.count as f64 - 1.0);
    tch::no_grad(|| {
        for (layer, weight) in weights.iter_mut().enumerate() {
            if !layers.contains(layer, count, weight.dim() == 4) {
                continue;
            }
            let of = tags.tensors(weight.device());
            let same = of[layer + 1].unsqueeze(1).eq_tensor(&of[layer].unsqueeze(0)).to_kind(Kind::Float);
            let factor = same * (within - beta) + beta;
            let shape = weight.size();
            let _ = by_channel(&weight.detach(), tags.of[layer].len()).g_mul_(&over_positions(&factor, &shape));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn weights_within_a_tag_grow_and_others_shrink() {
        let tags = Tags { count: 3, of: vec![vec![0, 1], vec![1, 2, 0], vec![0, 1]] };
        for (layers, modified) in [
            (TaggedLayers::AfterFirst, [false, true]),
            (TaggedLayers::All, [true, true]),
            (TaggedLayers::Hidden, [false, false]),
        ] {
            let mut weights = vec![
                Tensor::ones([3, 2], (Kind::Float, Device::Cpu)),
                Tensor::ones([2, 3], (Kind::Float, Device::Cpu)),
            ];
            clusterable_init(&mut weights, &tags, ClusterableInit { layers, beta: 0.6 });
            for (l, weight) in weights.iter().enumerate() {
                for (o, &out) in tags.of[l + 1].iter().enumerate() {
                    for (i, &input) in tags.of[l].iter().enumerate() {
                        let factor = if !modified[l] {
                            1.0
                        } else if out == input {
                            1.8
                        } else {
                            0.6
                        };
                        assert!((weight.double_value(&[o as i64, i as i64]) - factor).abs() < 1e-6, "{layers:?}");
                    }
                }
            }
        }
    }

    /// Of image, two convolutions and a dense layer behind, the second convolution alone.
    #[test]
    fn convolutions_are_modified_slice_by_slice() {
        let tags = Tags { count: 2, of: vec![vec![0], vec![0, 1], vec![0, 1], vec![1, 0]] };
        let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
        let mut weights = vec![ones(&[2, 1, 3, 3]), ones(&[2, 2, 3, 3]), ones(&[2, 8])];
        clusterable_init(&mut weights, &tags, ClusterableInit { layers: TaggedLayers::Convolutions, beta: 0.75 });
        assert!(weights[0].equal(&weights[0].ones_like()) && weights[2].equal(&weights[2].ones_like()));
        let expected = Tensor::from_slice(&[1.25f32, 0.75, 0.75, 1.25]).view([2, 2, 1, 1]).expand([2, 2, 3, 3], false);
        assert!(weights[1].equal(&expected));
    }
}
