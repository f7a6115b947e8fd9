//! Tags: a hidden label of each neuron, of which clusterable initialisation and block penalties make modules.

use crate::rng::{Purpose, stream};
use rand::Rng;
use tch::{Device, Tensor};

/// A tag in `0..count` for each neuron, by layer, input first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// Number of tags, c.
    pub count: usize,
    /// One list for each layer of neurons, as long as the layer is wide.
    pub of: Vec<Vec<usize>>,
}

impl Tags {
    /// Input and hidden neurons are given one of `count` tags each, independently and uniformly; output neuron j is given
    /// tag j, or a random one where there are more outputs than tags.
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
    pub fn draw(widths: &[usize], count: usize, seed: u64) -> Self {
        let layer = |(layer, &width): (usize, &usize)| -> Vec<usize> {
            if layer + 1 == widths.len() && width <= count {
                return (0..width).collect();
            }
            let mut rng = stream(seed, Purpose::Tags, layer as u64, 0);
            (0..width).map(|_| rng.gen_range(0..count)).collect()
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
        let tags = Tags::draw(&[2000, 1000, 10], 10, 3);
        assert_eq!(tags.of[2], (0..10).collect::<Vec<_>>());
        // sd of a tag's share of 2,000 is 13.4
        let counts: Vec<usize> = (0..10).map(|tag| tags.of[0].iter().filter(|&&t| t == tag).count()).collect();
        assert!(counts.iter().all(|&n| (130..270).contains(&n)) && counts.iter().sum::<usize>() == 2000, "{counts:?}");
        assert_eq!(tags, Tags::draw(&[2000, 1000, 10], 10, 3));
        assert_ne!(tags.of[1], Tags::draw(&[2000, 1000, 10], 10, 4).of[1]);
        let few = Tags::draw(&[5, 20], 3, 0);
        assert!(few.of[1].iter().all(|&tag| tag < 3));
    }
}
