//! Tags: a hidden label of each neuron, of which clusterable initialisation and block penalties make modules.

use crate::rng::{Purpose, stream};
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

/// How many neurons of a layer have a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagSizes {
    /// As it comes: each neuron draws its own, as in the paper.
    Random,
    /// As many as any other, give or take one. Which neurons have it is drawn; the tags with one more take turns over the layers.
    Equal,
}

/// A tag in `0..count` for each neuron, by layer, input first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// Number of tags, c.
    pub count: usize,
    /// One list for each layer of neurons, as long as the layer is wide.
    pub of: Vec<Vec<usize>>,
}

impl Tags {
    /// Input and hidden neurons are given one of `count` tags each, uniformly; output neuron j is given tag j, or a random
    /// one where there are more outputs than tags.
    ///
    /// `widths` are those of the input, the hidden layers and the output. Layer l draws from its own stream of `seed`.
    ///
    /// # References
    ///
    /// * Filan et al. (2021), *Clusterability in Neural Networks*, section 4.2. The paper tags hidden neurons; that the
    ///   output is tagged by class, so that the last matrix is modified too, is what the authors' code does.
    ///
    /// # Panics
    ///
    /// If `count` is 0.
    pub fn draw(widths: &[usize], count: usize, sizes: TagSizes, seed: u64) -> Self {
        let layer = |(layer, &width): (usize, &usize)| -> Vec<usize> {
            if layer + 1 == widths.len() && width <= count {
                return (0..width).collect();
            }
            let mut rng = stream(seed, Purpose::Tags, layer as u64, 0);
            match sizes {
                TagSizes::Random => (0..width).map(|_| rng.gen_range(0..count)).collect(),
                TagSizes::Equal => {
                    // where a layer's neurons do not divide evenly, other tags get one more in another layer
                    let mut tags: Vec<usize> = (0..width).map(|neuron| (neuron + layer * width) % count).collect();
                    tags.shuffle(&mut rng);
                    tags
                }
            }
        };
        Self { count, of: widths.iter().enumerate().map(layer).collect() }
    }

    /// As tensors `(width,)`, i64.
    pub fn tensors(&self, device: Device) -> Vec<Tensor> {
        let layer = |tags: &Vec<usize>| Tensor::from_slice(&tags.iter().map(|&tag| tag as i64).collect::<Vec<_>>());
        self.of.iter().map(|tags| layer(tags).to_device(device)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_their_own_tag_and_others_a_uniform_one() {
        let tags = Tags::draw(&[2000, 1000, 10], 10, TagSizes::Random, 3);
        assert_eq!(tags.of[2], (0..10).collect::<Vec<_>>());
        // sd of a tag's share of 2,000 is 13.4
        let counts: Vec<usize> = (0..10).map(|tag| tags.of[0].iter().filter(|&&t| t == tag).count()).collect();
        assert!(counts.iter().all(|&n| (130..270).contains(&n)) && counts.iter().sum::<usize>() == 2000, "{counts:?}");
        assert_eq!(tags, Tags::draw(&[2000, 1000, 10], 10, TagSizes::Random, 3));
        assert_ne!(tags.of[1], Tags::draw(&[2000, 1000, 10], 10, TagSizes::Random, 4).of[1]);
        let few = Tags::draw(&[5, 20], 3, TagSizes::Random, 0);
        assert!(few.of[1].iter().all(|&tag| tag < 3));
    }

    #[test]
    fn equal_sizes_differ_by_one_at_most() {
        let tags = Tags::draw(&[784, 256, 256, 10], 12, TagSizes::Equal, 5);
        for layer in &tags.of[..3] {
            let counts: Vec<usize> = (0..12).map(|tag| layer.iter().filter(|&&t| t == tag).count()).collect();
            let (least, most) = (layer.len() / 12, layer.len().div_ceil(12));
            assert!(counts.iter().all(|n| (least..=most).contains(n)), "{counts:?}");
        }
        assert_ne!(tags.of[1], tags.of[2]);
        assert!(tags.of[1].windows(2).filter(|pair| pair[1] == (pair[0] + 1) % 12).count() < 60, "drawn, not in turn");
    }
}
