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
    /// The small convolutional network of Filan et al. (2021):
    ///
    /// ```text
    /// conv, ReLU, conv, max-pool, ReLU, conv, max-pool, ReLU, dense 128, ReLU, dense
    /// ```
    ///
    /// The paper has ReLU before the pool: the numbers are the same, the work of ReLU a quarter.
    ///
    ///
    /// Convolutions have 3 × 3 kernels and as many channels each. In training with dropout, the paper drops a quarter of what a block of
    /// convolution, pool and ReLU gives, and half of the dense layer: the network's rate is that of the dense layer, and blocks have half
    /// of it.
    Cnn {
        /// Channels of each convolution. The paper has 64; its figure A.2 was made with 128.
        channels: usize,
    },
    /// The VGG-16 of Filan et al. (2021) for images of 32 × 32: 13 convolutions of 3 × 3 kernels, in groups of 64, 64 | 128, 128 | 256,
    /// 256, 256 | 512, 512, 512 | 512, 512, 512 channels with a 2 × 2 max-pool at the end of each, then dense 512, dense 512, dense. There
    /// is the pool after each, if there is one, then a ReLU, but for the last layer, then batch normalisation, but for the second dense
    /// layer. The paper has ReLU before the pool, which gives the same numbers.
    ///
    /// Dropout follows the normalisation, at the network's rate behind the last convolution and the first dense layer, 0.5 in the paper,
    /// and at a smaller one behind others: 0.3 behind the first convolution, 0.4 behind those that have another of their group after them.
    ///
    /// # References
    ///
    /// * S. Liu, W. Deng (2015), *Very deep convolutional neural network based image classification using small training sample size*,
    ///   with one dense layer less.
    Vgg,
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
            Self::Cnn { channels: of_each } => {
                let layers = [false, true, true].into_iter().flat_map(|pools| {
                    let pool = pools.then_some(Layer::MaxPool { size: 2 });
                    let convolution = [Layer::Convolution { outputs: *of_each, kernel: 3 }];
                    convolution.into_iter().chain(pool).chain([Layer::Relu, Layer::Dropout { percent: 50 }])
                });
                let hidden = [Layer::Dense { outputs: 128 }, Layer::Relu, Layer::Dropout { percent: 100 }];
                let dense = [Layer::Flatten].into_iter().chain(hidden).chain([Layer::Dense { outputs }]);
                Architecture::new(Shape::Image { channels, height, width }, layers.chain(dense).collect())
            }
            Self::Vgg => Architecture::new(Shape::Image { channels, height, width }, vgg(outputs)),
        }
    }

    /// How its weights and biases start.
    pub fn initialization(&self) -> Initialization {
        match self {
            Self::Mlp { .. } | Self::Cnn { .. } | Self::Vgg => Initialization::GlorotUniform,
            Self::AirgCnn => Initialization::TruncatedNormal { deviation: 0.1, bias: 0.1 },
        }
    }
}

/// Channels of the convolutions, in groups that end with a pool.
const VGG: [&[usize]; 5] = [&[64, 64], &[128, 128], &[256, 256, 256], &[512, 512, 512], &[512, 512, 512]];

fn vgg(outputs: usize) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (group, channels) in VGG.into_iter().enumerate() {
        for (place, &outputs) in channels.iter().enumerate() {
            let is_last = place + 1 == channels.len();
            layers.push(Layer::Convolution { outputs, kernel: 3 });
            layers.extend(is_last.then_some(Layer::MaxPool { size: 2 }));
            layers.extend([Layer::Relu, Layer::BatchNorm]);
            let percent = match (group, is_last) {
                (0, false) => Some(60),
                (_, false) => Some(80),
                (4, true) => Some(100),
                (_, true) => None,
            };
            layers.extend(percent.map(|percent| Layer::Dropout { percent }));
        }
    }
    let dense = [Layer::Dense { outputs: 512 }, Layer::Relu];
    layers.push(Layer::Flatten);
    layers.extend(dense);
    layers.extend([Layer::BatchNorm, Layer::Dropout { percent: 100 }]);
    layers.extend(dense);
    layers.push(Layer::Dense { outputs });
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes as in AI-RG's code.
    #[test]
    fn the_network_of_airg() {
        let network = Preset::AirgCnn.architecture([1, 28, 28], 10).unwrap();
        assert_eq!(network.weights(), [vec![32, 1, 5, 5], vec![64, 32, 5, 5], vec![1024, 3136], vec![10, 1024]]);
        assert_eq!(network.channels(), [1, 32, 64, 1024, 10]);
        assert_eq!(network.weight_count() + 32 + 64 + 1024 + 10, 3_274_634);
        assert_eq!(network.multiplications(), [784 * 800, 196 * 51_200, 3_211_264, 10_240].map(f64::from));
        assert!(Preset::AirgCnn.architecture([1, 3, 3], 10).is_err());
    }

    #[test]
    fn the_papers_small_network() {
        let network = Preset::Cnn { channels: 64 }.architecture([1, 28, 28], 10).unwrap();
        let kernels = |inputs| vec![64, inputs, 3, 3];
        assert_eq!(network.weights(), [kernels(1), kernels(64), kernels(64), vec![128, 3136], vec![10, 128]]);
        // after the pools, at half the rate but behind the dense layer
        let units = [(64 * 784, 0.5), (64 * 196, 0.5), (64 * 49, 0.5), (128, 1.0)];
        assert_eq!(network.dropouts(), units);
        let stacked = Preset::Cnn { channels: 128 }.architecture([2, 28, 28], 10).unwrap();
        assert_eq!(stacked.channels(), [2, 128, 128, 128, 128, 10]);
    }

    /// 4,224 channels in 13 convolutions, and dropout of .3, .4 and .5 where its training code has it.
    #[test]
    fn the_papers_vgg() {
        let network = Preset::Vgg.architecture([3, 32, 32], 10).unwrap();
        assert_eq!(network.channels()[1..14].iter().sum::<usize>(), 4224);
        assert_eq!(network.weights()[13..], [vec![512, 512], vec![512, 512], vec![10, 512]]);
        assert_eq!(network.normalised(), (0..14).collect::<Vec<_>>());
        let rates: Vec<(usize, u32)> =
            network.dropouts().iter().map(|&(size, share)| (size, (50.0 * share).round() as u32)).collect();
        let square = |channels: usize, side: usize| channels * side * side;
        assert_eq!(
            rates,
            [
                (square(64, 32), 30),
                (square(128, 16), 40),
                (square(256, 8), 40),
                (square(256, 8), 40),
                (square(512, 4), 40),
                (square(512, 4), 40),
                (square(512, 2), 40),
                (square(512, 2), 40),
                (512, 50),
                (512, 50)
            ]
        );
        assert!(Preset::Vgg.architecture([1, 28, 28], 10).is_err());
    }
}
