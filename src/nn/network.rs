//! A network: layers with their weights and biases.

use super::architecture::Architecture;
use super::batch_norm::BatchNorm;
use super::channels;
use super::dropout::DropoutMasks;
use super::initialization::Initialization;
use super::layer::{Layer, Shape};
use super::precision::Precision;
use crate::rng::{Purpose, stream};
use ndarray::Array2;
use tch::{Device, Kind, Tensor};

/// Weights and biases of the layers that have them, and batch normalisations, f32, on one device.
#[derive(Debug)]
pub struct Network {
    architecture: Architecture,
    /// `(d_out, d_in)` or `(d_out, channels, kernel, kernel)`, requiring gradients.
    pub weights: Vec<Tensor>,
    /// `(d_out,)`, requiring gradients.
    pub biases: Vec<Tensor>,
    /// In the order of their layers.
    pub norms: Vec<BatchNorm>,
}

impl Network {
    /// A fresh network. The weight of layer l, of those with a weight, is drawn from its own stream of `seed`.
    pub fn new(architecture: Architecture, initialization: Initialization, seed: u64, device: Device) -> Self {
        let layer = |(layer, shape): (usize, Vec<usize>)| {
            let mut rng = stream(seed, Purpose::InitialWeights, layer as u64, 0);
            let weight = Tensor::from_slice(&initialization.weight(&shape, &mut rng));
            let bias = Tensor::full([shape[0] as i64], initialization.bias(), (Kind::Float, device));
            let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
            (weight.view(&shape[..]).to_device(device).set_requires_grad(true), bias.set_requires_grad(true))
        };
        let (weights, biases) = architecture.weights().into_iter().enumerate().map(layer).unzip();
        let channels = architecture.channels();
        let norm = |layer: usize| BatchNorm::new(layer, channels[layer + 1], device);
        let norms = architecture.normalised().into_iter().map(norm).collect();
        Self { architecture, weights, biases, norms }
    }

    /// A multi-layer perceptron with Glorot-uniform weights. `widths` are those of the input, the hidden layers and the output.
    pub fn mlp(widths: &[usize], seed: u64, device: Device) -> Self {
        Self::new(Architecture::mlp(widths), Initialization::GlorotUniform, seed, device)
    }

    /// A network of these parameters, in the order of [`Network::parameters`], and then the running statistics of
    /// [`Network::statistics`].
    ///
    /// # Panics
    ///
    /// If their shapes are not those of the architecture.
    pub fn of_parameters(architecture: Architecture, tensors: Vec<Tensor>) -> Self {
        let shapes: Vec<_> = architecture.tensors().into_iter().map(|(_, shape)| shape).collect();
        assert_eq!(tensors.iter().map(Tensor::size).collect::<Vec<_>>(), shapes, "one tensor for each parameter");
        let mut tensors = tensors.into_iter();
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (place, tensor) in tensors.by_ref().take(2 * architecture.weights().len()).enumerate() {
            if place % 2 == 0 { weights.push(tensor) } else { biases.push(tensor) }
        }
        let normalised = architecture.normalised();
        let affine: Vec<Tensor> = tensors.by_ref().take(2 * normalised.len()).collect();
        let running: Vec<Tensor> = tensors.collect();
        let norm = |((layer, affine), running): ((usize, &[Tensor]), &[Tensor])| {
            let [[scale, shift], [mean, variance]] =
                [affine, running].map(|two| [0, 1].map(|i| two[i].shallow_clone()));
            BatchNorm { layer, scale, shift, mean, variance }
        };
        let norms = normalised.into_iter().zip(affine.chunks(2)).zip(running.chunks(2)).map(norm).collect();
        Self { architecture, weights, biases, norms }
    }

    /// Its layers.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Logits `(batch, classes)` of inputs `(batch, numbers of an example)`, as the network is tested: nothing is dropped, and batches are
    /// normalised by their running statistics.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        self.pass(input, false, None, Precision::F32)
    }

    /// The same in training: units are dropped as the masks say, and batches are normalised by their own statistics, which move the
    /// running ones. Logits are f32 in any precision.
    pub fn forward_in_training(&self, input: &Tensor, dropout: Option<&DropoutMasks>, precision: Precision) -> Tensor {
        self.pass(input, true, dropout, precision)
    }

    fn pass(&self, input: &Tensor, training: bool, dropout: Option<&DropoutMasks>, precision: Precision) -> Tensor {
        let mut x = self.as_image(input);
        let mut masks = dropout.iter().flat_map(|DropoutMasks(masks)| masks);
        let mut weighed = 0;
        for &layer in self.architecture.layers() {
            x = match layer {
                Layer::Dense { .. } => {
                    weighed += 1;
                    self.weigh(weighed - 1, &x.to_kind(Kind::Float))
                }
                Layer::Convolution { .. } => {
                    weighed += 1;
                    let [weight, bias] =
                        [&self.weights, &self.biases].map(|of| of[weighed - 1].to_kind(precision.kind()));
                    weigh(&weight, Some(&bias), &x.to_kind(precision.kind()))
                }
                Layer::Dropout { .. } => match masks.next() {
                    Some(mask) => &x * as_image_like(mask, &x),
                    None => x,
                },
                _ => self.unweighed(layer, weighed - 1, &x, training),
            }
        }
        x
    }

    /// Examples in rows as the first layer takes them: images `(batch, channels, height, width)` with the channels of a pixel side by
    /// side in memory, as convolutions and pools are fastest.
    pub(crate) fn as_image(&self, input: &Tensor) -> Tensor {
        match self.architecture.input() {
            Shape::Units(_) => input.shallow_clone(),
            Shape::Image { channels, height, width } => {
                let [channels, height, width] = [channels, height, width].map(|extent| extent as i64);
                let images = input.view([-1, channels, height, width]).permute([0, 2, 3, 1]).contiguous();
                // of one channel, permuting back would not say which layout is meant
                let strides = [height * width * channels, 1, width * channels, channels];
                images.as_strided([input.size()[0], channels, height, width], strides, None)
            }
        }
    }

    /// What layer `layer`, of those with a weight, makes of `x`.
    pub(crate) fn weigh(&self, layer: usize, x: &Tensor) -> Tensor {
        weigh(&self.weights[layer], Some(&self.biases[layer]), x)
    }

    /// What the layers between `layer` and the next one with a weight make of `x`, which `layer` gives, when the network is tested.
    pub(crate) fn between(&self, layer: usize, x: &Tensor) -> Tensor {
        let is_weighed = |kind: &&Layer| matches!(kind, Layer::Dense { .. } | Layer::Convolution { .. });
        let layers = self.architecture.layers();
        let places = layers.iter().enumerate().filter(|(_, kind)| is_weighed(kind)).map(|(place, _)| place);
        let behind = places.skip(layer).map(|place| place + 1).next().unwrap_or(layers.len());
        let between = layers[behind..].iter().take_while(|kind| !is_weighed(kind));
        between.fold(x.shallow_clone(), |x, &kind| self.unweighed(kind, layer, &x, false))
    }

    /// What `kind`, which has no weight and drops nothing, makes of `x`; `weighed` is the number of the last layer with a weight.
    fn unweighed(&self, kind: Layer, weighed: usize, x: &Tensor, training: bool) -> Tensor {
        match kind {
            Layer::Relu => x.relu(),
            Layer::MaxPool { size } => {
                let size = [size as i64; 2];
                x.max_pool2d(size, size, [0, 0], [1, 1], false)
            }
            Layer::Flatten => x.flatten(1, -1),
            Layer::BatchNorm => match self.norms.iter().find(|norm| norm.layer == weighed) {
                Some(norm) => norm.forward(x, training),
                None => unreachable!("there are those of the architecture"),
            },
            Layer::Dense { .. } | Layer::Convolution { .. } | Layer::Dropout { .. } => x.shallow_clone(),
        }
    }

    /// Every weight and bias, in the order weight 0, bias 0, weight 1, …; after them scale and shift of each batch normalisation.
    pub fn parameters(&self) -> Vec<&Tensor> {
        let of_norms = self.norms.iter().flat_map(|norm| [&norm.scale, &norm.shift]);
        self.weights.iter().zip(&self.biases).flat_map(|(weight, bias)| [weight, bias]).chain(of_norms).collect()
    }

    /// Names of [`Network::parameters`]: `layers.0.weight`, `layers.0.bias`, …, and `layers.0.norm.weight`, `layers.0.norm.bias`. Layers
    /// without a weight are not counted.
    pub fn parameter_names(&self) -> Vec<String> {
        self.architecture.tensors().into_iter().take(self.parameters().len()).map(|(name, _)| name).collect()
    }

    /// Running mean and variance of each batch normalisation: what is learnt without a gradient, and part of the network.
    pub fn statistics(&self) -> Vec<&Tensor> {
        self.norms.iter().flat_map(|norm| [&norm.mean, &norm.variance]).collect()
    }

    /// Names of [`Network::statistics`]: `layers.0.norm.running_mean`, `layers.0.norm.running_var`, …
    pub fn statistics_names(&self) -> Vec<String> {
        self.architecture.tensors().into_iter().skip(self.parameters().len()).map(|(name, _)| name).collect()
    }

    /// Those of `gradients`, one for each of [`Network::parameters`] and perhaps more, that are of weights.
    pub fn of_weights<'a>(&self, gradients: &'a [Tensor]) -> Vec<&'a Tensor> {
        gradients.iter().step_by(2).take(self.weights.len()).collect()
    }

    /// The weights as matrices between nodes, `(name, (nodes before, d_out))`, f64: where tensors end and the graph begins.
    /// Of convolutions, and behind them, Σ|w| of a channel's weights ([`channels`]).
    pub fn weight_matrices(&self) -> Vec<(String, Array2<f64>)> {
        let channels = self.architecture.channels();
        let matrix = |(layer, weight): (usize, &Tensor)| {
            (format!("layers.{layer}.weight"), channels::array(weight, channels[layer]))
        };
        self.weights.iter().enumerate().map(matrix).collect()
    }
}

/// `mask`, `(batch, units)`, for `x`, the units of which are in its order in memory.
fn as_image_like(mask: &Tensor, x: &Tensor) -> Tensor {
    let mask = match x.size()[..] {
        [batch, channels, height, width] => mask.view([batch, height, width, channels]).permute([0, 3, 1, 2]),
        _ => mask.shallow_clone(),
    };
    mask.to_kind(x.kind())
}

/// A dense layer, or a convolution that keeps the size of images, as the weight's axes say.
pub(crate) fn weigh(weight: &Tensor, bias: Option<&Tensor>, x: &Tensor) -> Tensor {
    match weight.size()[..] {
        [_, _, rows, columns] => x.conv2d(weight, bias, [1, 1], [rows / 2, columns / 2], [1, 1], 1),
        _ => x.linear(weight, bias),
    }
}

impl Architecture {
    /// Names and shapes of [`Network::parameters`], then of [`Network::statistics`].
    pub fn tensors(&self) -> Vec<(String, Vec<i64>)> {
        let weights = self.weights();
        let of_layer = |(layer, shape): (usize, &Vec<usize>)| {
            let weight = shape.iter().map(|&d| d as i64).collect();
            [(format!("layers.{layer}.weight"), weight), (format!("layers.{layer}.bias"), vec![shape[0] as i64])]
        };
        let of_norms = |names: [&'static str; 2]| {
            let channels = |layer: usize| vec![weights[layer][0] as i64];
            let normalised = self.normalised().into_iter();
            normalised.flat_map(move |layer| names.map(|name| (format!("layers.{layer}.norm.{name}"), channels(layer))))
        };
        let layers = weights.iter().enumerate().flat_map(of_layer);
        layers.chain(of_norms(["weight", "bias"])).chain(of_norms(["running_mean", "running_var"])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Preset;
    use ndarray::ArrayD;

    fn array(tensor: &Tensor) -> ArrayD<f64> {
        let shape: Vec<usize> = tensor.size().iter().map(|&d| d as usize).collect();
        let values = Vec::<f64>::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap();
        ArrayD::from_shape_vec(shape, values).unwrap()
    }

    #[test]
    fn forward_is_the_composition_of_layers() {
        let mlp = Network::mlp(&[3, 4, 2], 5, Device::Cpu);
        let x = [0.5f64, -1.0, 2.0];
        let matrices = mlp.weight_matrices();
        let hidden: Vec<f64> =
            (0..4).map(|o| (0..3).map(|i| x[i] * matrices[0].1[[i, o]]).sum::<f64>().max(0.0)).collect();
        let logits = mlp.forward(&Tensor::from_slice(&[0.5f32, -1.0, 2.0]).view([1, 3]));
        for o in 0..2 {
            let expected: f64 = (0..4).map(|h| hidden[h] * matrices[1].1[[h, o]]).sum();
            assert!((logits.double_value(&[0, o as i64]) - expected).abs() < 1e-6);
        }
    }

    /// Every number on the way is rounded to 8 bits, a relative error of up to 2^-9. No ReLU and no pool, where rounding may choose another
    /// way.
    #[test]
    fn bf16_is_f32_to_its_rounding() {
        let convolution = Layer::Convolution { outputs: 8, kernel: 3 };
        let dense = [Layer::Flatten, Layer::Dense { outputs: 10 }];
        let layers = [convolution, Layer::Dropout { percent: 50 }, convolution].into_iter().chain(dense);
        let image = Shape::Image { channels: 1, height: 8, width: 8 };
        let architecture = Architecture::new(image, layers.collect()).unwrap();
        let network = Network::new(architecture, Initialization::GlorotUniform, 3, Device::Cpu);
        let mut rng = stream(1, Purpose::DataSet, 0, 0);
        let images = Tensor::from_slice(&Initialization::GlorotUniform.weight(&[16, 64], &mut rng)).view([16, 64]);
        let masks = DropoutMasks::draw(&network.architecture().dropouts(), 16, 0.5, 0, 0, Device::Cpu);
        let [(logits, gradient), (rounded, of_rounded)] = [Precision::F32, Precision::Bf16].map(|precision| {
            let logits = network.forward_in_training(&images, Some(&masks), precision);
            let gradients =
                Tensor::run_backward(&[logits.square().sum(Kind::Float)], &network.parameters(), false, false);
            (logits.detach(), gradients[0].flatten(0, -1))
        });
        let error = |a: &Tensor, b: &Tensor| f64::try_from((a - b).norm() / a.norm()).unwrap();
        assert_eq!((rounded.kind(), of_rounded.kind()), (Kind::Float, Kind::Float));
        let errors = [error(&logits, &rounded), error(&gradient, &of_rounded)];
        assert!(errors.iter().all(|error| (1e-5..6e-3).contains(error)), "{errors:?}");
    }

    /// Convolution with zeros around, ReLU, and then the pool, pixel by pixel in f64; a dense layer after that.
    #[test]
    fn forward_is_the_explicit_convolution() {
        let layers = vec![
            Layer::Convolution { outputs: 4, kernel: 5 },
            Layer::MaxPool { size: 2 },
            Layer::Relu,
            Layer::Convolution { outputs: 3, kernel: 3 },
            Layer::Relu,
            Layer::Flatten,
            Layer::Dense { outputs: 2 },
        ];
        let architecture = Architecture::new(Shape::Image { channels: 2, height: 6, width: 7 }, layers).unwrap();
        let start = Initialization::TruncatedNormal { deviation: 0.3, bias: 0.1 };
        let network = Network::new(architecture, start, 1, Device::Cpu);
        let image: Vec<f32> = start.weight(&[2, 6, 7], &mut stream(0, Purpose::DataSet, 0, 0));
        let found = network.forward(&Tensor::from_slice(&image).view([1, -1]));

        let mut x = ArrayD::from_shape_vec(vec![2, 6, 7], image.iter().map(|&x| f64::from(x)).collect()).unwrap();
        for (layer, kernel, pool) in [(0, 5, 2), (1, 3, 1)] {
            let weight = array(&network.weights[layer]);
            let (rows, columns, half) = (x.shape()[1], x.shape()[2], kernel / 2);
            let at = |o: usize, row: usize, column: usize| {
                let mut sum = 0.1;
                for (c, a, b) in (0..x.shape()[0])
                    .flat_map(|c| (0..kernel).map(move |a| (c, a)))
                    .flat_map(|(c, a)| (0..kernel).map(move |b| (c, a, b)))
                {
                    let (r, s) = ((row + a).wrapping_sub(half), (column + b).wrapping_sub(half));
                    if r < rows && s < columns {
                        sum += weight[[o, c, a, b]] * x[[c, r, s]];
                    }
                }
                sum.max(0.0)
            };
            x = ArrayD::from_shape_fn(vec![weight.shape()[0], rows / pool, columns / pool], |i| {
                let of_window = (0..pool * pool).map(|p| at(i[0], i[1] * pool + p / pool, i[2] * pool + p % pool));
                of_window.fold(0.0, f64::max)
            });
        }
        let weight = array(&network.weights[2]);
        for o in 0..2 {
            let expected: f64 = 0.1 + x.iter().enumerate().map(|(i, x)| x * weight[[o, i]]).sum::<f64>();
            let found = found.double_value(&[0, o as i64]);
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn weights_are_glorot_uniform_and_streams_differ_by_layer() {
        let mlp = Network::mlp(&[100, 50, 50], 0, Device::Cpu);
        let limit = (6.0f64 / 150.0).sqrt();
        let largest = mlp.weights[0].abs().max().double_value(&[]);
        assert!(largest <= limit && largest > 0.98 * limit);
        let variance = mlp.weights[0].var(true).double_value(&[]);
        assert!((variance / (limit * limit / 3.0) - 1.0).abs() < 0.05);
        assert_ne!(mlp.weights[0].double_value(&[0, 0]), mlp.weights[1].double_value(&[0, 0]));
    }

    #[test]
    fn the_network_of_airg_starts_as_theirs() {
        let airg = Preset::AirgCnn;
        let network = Network::new(airg.architecture([1, 28, 28], 10).unwrap(), airg.initialization(), 3, Device::Cpu);
        assert_eq!(network.parameters().iter().map(|p| p.numel()).sum::<usize>(), 3_274_634);
        assert_eq!(network.parameter_names()[2], "layers.1.weight");
        assert!(network.biases.iter().all(|b| b.eq(f64::from(0.1f32)).all().int64_value(&[]) == 1));
        assert_eq!(network.forward(&Tensor::zeros([2, 784], (Kind::Float, Device::Cpu))).size(), [2, 10]);
    }
}
