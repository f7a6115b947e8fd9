//! Lesions of convolutional networks: channels are silenced.

use super::{Computation, add};
use crate::nn::{Network, weigh};
use tch::{Device, Kind, Tensor};

/// Small enough that what lesions start from fits in memory: a tenth of a gigabyte for the paper's small network.
pub(super) const BATCH: i64 = 100;

/// The computation on a batch of examples, as far as lesions leave it as it is.
pub(super) struct IntactChannels {
    network: Network,
    /// What each layer with a weight is given.
    inputs: Vec<Tensor>,
    /// What each layer with a weight gives; the last are the logits.
    sums: Vec<Tensor>,
    /// What the reader of each layer is given where that gives 0, one example: not 0 behind a batch normalisation.
    silence: Vec<Tensor>,
    /// `(batch,)`.
    labels: Tensor,
}

impl IntactChannels {
    pub(super) fn new(network: &Network, examples: &Tensor, labels: Tensor) -> Self {
        let network = shared(network);
        let (mut inputs, mut sums, mut silence) = (vec![network.as_image(examples)], Vec::new(), Vec::new());
        for layer in 0..network.weights.len() {
            let sum = network.weigh(layer, &inputs[layer]);
            if layer + 1 < network.weights.len() {
                inputs.push(network.between(layer, &sum));
                silence.push(network.between(layer, &sum.narrow(0, 0, 1).zeros_like()));
            }
            sums.push(sum);
        }
        Self { network, inputs, sums, silence, labels }
    }

    fn device(&self) -> Device {
        self.labels.device()
    }
}

/// The same memory, for another thread, without gradients.
fn shared(network: &Network) -> Network {
    let tensors = network.parameters().into_iter().chain(network.statistics()).map(Tensor::detach).collect();
    Network::of_parameters(network.architecture().clone(), tensors)
}

/// The part of `tensor`, `(batch, channels, …)` or a weight, flattened or not, that is of the channels `which`.
fn of_channels(tensor: &Tensor, channels: i64, which: &Tensor) -> Tensor {
    match tensor.dim() {
        4 => tensor.index_select(1, which),
        _ => tensor.view([tensor.size()[0], channels, -1]).index_select(1, which).flatten(1, -1),
    }
}

impl Computation for IntactChannels {
    fn shallow_clone(&self) -> Self {
        let share = |tensors: &[Tensor]| tensors.iter().map(Tensor::shallow_clone).collect();
        Self {
            network: shared(&self.network),
            inputs: share(&self.inputs),
            sums: share(&self.sums),
            silence: share(&self.silence),
            labels: self.labels.shallow_clone(),
        }
    }

    /// What a silenced channel gives is 0, before ReLU, pool and batch normalisation.
    ///
    /// To the layer that reads the first ones, they are a correction.
    fn right_without(&self, silenced: &[Vec<usize>]) -> Vec<i64> {
        let network = &self.network;
        let last = network.weights.len() - 1;
        let index = |channels: &[usize]| {
            let channels: Vec<i64> = channels.iter().map(|&channel| channel as i64).collect();
            Tensor::from_slice(&channels).to_device(self.device())
        };
        let mut sums = self.sums[last].shallow_clone();
        if let Some(first) = silenced.iter().position(|set| !set.is_empty()) {
            let which = index(&silenced[first]);
            let of = |tensor: &Tensor| of_channels(tensor, network.biases[first].size()[0], &which);
            let lost = of(&self.inputs[first + 1]) - of(&self.silence[first]);
            sums = &self.sums[first + 1] - weigh(&of(&network.weights[first + 1]), None, &lost);
            for layer in first + 1..last {
                if let Some(set) = silenced.get(layer).filter(|set| !set.is_empty()) {
                    let _ = sums.index_fill_(1, &index(set), 0.0);
                }
                sums = network.weigh(layer + 1, &network.between(layer, &sums));
            }
        }
        let mut right = vec![0; sums.size()[1] as usize];
        let found = sums.argmax(-1, false).eq_tensor(&self.labels);
        add(&mut right, &self.labels.masked_select(&found.to_kind(Kind::Bool)));
        right
    }

    fn examples(&self) -> Vec<i64> {
        let mut examples = vec![0; self.sums.last().map_or(0, |logits| logits.size()[1] as usize)];
        add(&mut examples, &self.labels);
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LesionParams, lesions};
    use super::*;
    use crate::nn::{Architecture, Initialization, Layer, Shape};
    use crate::rng::{Purpose, stream};
    use crate::train::Examples;
    use rand::Rng;
    use std::ops::ControlFlow;

    /// Two convolutions with a pool and batch normalisations, and two dense layers behind, with all numbers drawn.
    fn network() -> Network {
        let layers = vec![
            Layer::Convolution { outputs: 5, kernel: 3 },
            Layer::Relu,
            Layer::MaxPool { size: 4 },
            Layer::BatchNorm,
            Layer::Convolution { outputs: 6, kernel: 3 },
            Layer::Relu,
            Layer::BatchNorm,
            Layer::Flatten,
            Layer::Dense { outputs: 7 },
            Layer::Relu,
            Layer::Dense { outputs: 10 },
        ];
        let architecture = Architecture::new(Shape::Image { channels: 1, height: 28, width: 28 }, layers).unwrap();
        let network = Network::new(architecture, Initialization::GlorotUniform, 4, Device::Cpu);
        let mut rng = stream(3, Purpose::InitialWeights, 9, 0);
        tch::no_grad(|| {
            let others = network.norms.iter().flat_map(|norm| [&norm.scale, &norm.shift, &norm.mean, &norm.variance]);
            for tensor in network.biases.iter().chain(others) {
                let values: Vec<f32> = (0..tensor.numel()).map(|_| rng.gen_range(0.1..0.6)).collect();
                tensor.detach().copy_(&Tensor::from_slice(&values));
            }
        });
        network
    }

    /// Against networks in which the silenced channels have no kernel and no bias.
    #[test]
    fn silencing_is_zeroing_kernels() {
        let network = network();
        let dataset =
            crate::data::load("mnist-sample", std::path::Path::new(""), crate::data::generated::SEED).unwrap();
        let test = Examples::new(&dataset.test, 230, Device::Cpu);
        // so that it does not say the same of each
        let bias = network.biases[3].detach();
        let mean = |(x, _): (Tensor, Tensor)| network.forward(&x).detach().mean_dim(0i64, false, Kind::Float);
        let means: Vec<Tensor> = test.in_order(230).map(mean).collect();
        tch::no_grad(|| bias.shallow_clone().copy_(&(&bias - &means[0])));
        let right = |network: &Network| -> i64 {
            let right = |(x, classes): (Tensor, Tensor)| {
                network.forward(&x).argmax(-1, false).eq_tensor(&classes).sum(Kind::Int64).int64_value(&[])
            };
            test.in_order(50).map(right).sum()
        };
        // labels of convolutions alone, and of the whole graph
        let channels = [0, 1, 0, 2, 1, 0, 2, 2, -1, 1, 0];
        let whole: Vec<i64> = [1].into_iter().chain(channels).chain([0, 1, 2, 0, 2, 1, 2]).chain([0; 10]).collect();
        for labels in [&channels[..], &whole] {
            let go_on = || ControlFlow::Continue(());
            let found = lesions(&network, labels, &test, LesionParams { random_sets: 2, seed: 1 }, go_on).unwrap();
            assert_eq!((found.accuracy * 230.0).round() as i64, right(&network));
            let hidden = if labels.len() == 11 { 2 } else { 3 };
            assert_eq!(found.layers.len(), hidden);
            let offset = if hidden == 2 { 0 } else { 1 };
            let alone =
                found.layers.iter().enumerate().flat_map(|(layer, of)| of.iter().map(move |l| (Some(layer), l)));
            for (only, lesion) in found.clusters.iter().map(|lesion| (None, lesion)).chain(alone) {
                let copies = network.parameters().into_iter().chain(network.statistics()).map(Tensor::detach_copy);
                let cut = Network::of_parameters(network.architecture().clone(), copies.collect());
                let mut node = offset;
                for layer in 0..hidden {
                    let width = cut.biases[layer].size()[0];
                    for channel in
                        (0..width).filter(|&channel| labels[node + channel as usize] == lesion.cluster as i64)
                    {
                        if only.is_none_or(|only| only == layer) {
                            let _ = cut.weights[layer].get(channel).fill_(0.0);
                            let _ = cut.biases[layer].get(channel).fill_(0.0);
                        }
                    }
                    node += width as usize;
                }
                assert_eq!((lesion.accuracy * 230.0).round() as i64, right(&cut), "{only:?} {lesion:?}");
            }
            assert!(found.clusters.iter().any(|lesion| lesion.drop != 0.0), "{found:?}");
        }
    }
}
