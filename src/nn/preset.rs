//! Networks that can be asked for by name.

use super::architecture::{Architecture, ArchitectureError};
use super::initialization::Initialization;
use super::layer::{Layer, Shape};

/// A kind of network, for any data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preset {
    /// Dense layers with ReLU between them; the networks of Filan et al. (2021) on MNIST.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
    },
    /// The network of *Learning modularity from scratch* (AI-RG, 2018):
    ///
    /// ```text
    /// 5 × 5 convolution to 32 channels, 2 × 2 max-pool, ReLU, the same to 64, dense 1024, ReLU, dense
    /// ```
    ///
    /// 3,274,634 parameters on MNIST.
    ///
    /// # Deviations
    ///
    /// There ReLU comes before the pool, here after: the numbers are the same, the work a quarter. The dense layer reads channel
    /// after channel, there pixel after pixel.
    AirgCnn,
}

impl Preset {
    /// The network for images of `[channels, height, width]` and so many outputs.
    ///
    /// # Errors
    ///
    /// The images are too small.
    pub fn architecture(&self, image: [usize; 3], outputs: usize) -> Result<Architecture, ArchitectureError> {
        let [channels, height, width] = image;
        match self {
            Self::Mlp { hidden } => {
                let input = channels * height * width;
                let widths: Vec<usize> =
                    std::iter::once(input).chain(hidden.iter().copied()).chain([outputs]).collect();
                Ok(Architecture::mlp(&widths))
            }
            Self::AirgCnn => {
                let block =
                    |outputs| [Layer::Convolution { outputs, kernel: 5 }, Layer::MaxPool { size: 2 }, Layer::Relu];
                let dense = [Layer::Flatten, Layer::Dense { outputs: 1024 }, Layer::Relu, Layer::Dense { outputs }];
                let layers = [block(32), block(64)].concat().into_iter().chain(dense).collect();
                Architecture::new(Shape::Image { channels, height, width }, layers)
            }
        }
    }

    /// How its weights and biases start.
    pub fn initialization(&self) -> Initialization {
        match self {
            Self::Mlp { .. } => Initialization::GlorotUniform,
            Self::AirgCnn => Initialization::TruncatedNormal { deviation: 0.1, bias: 0.1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes as in the seed's text.
    #[test]
    fn the_seeds_network() {
        let network = Preset::AirgCnn.architecture([1, 28, 28], 10).unwrap();
        assert_eq!(network.weights(), [vec![32, 1, 5, 5], vec![64, 32, 5, 5], vec![1024, 3136], vec![10, 1024]]);
        assert_eq!(network.channels(), [1, 32, 64, 1024, 10]);
        assert_eq!(network.weight_count() + 32 + 64 + 1024 + 10, 3_274_634);
        assert_eq!(network.multiplications(), (784 * 800 + 196 * 51_200 + 3_211_264 + 10_240) as f64);
        assert!(Preset::AirgCnn.architecture([1, 3, 3], 10).is_err());
    }
}
