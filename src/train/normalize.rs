//! Algorithm 2 of the paper: every hidden neuron's incoming weights and bias brought to one norm, its outgoing weights
//! rescaled in return.

use super::adam::Adam;
use crate::nn::Network;
use crate::nn::channels::by_channel;
use tch::{Kind, Tensor};

/// Norm of a neuron's incoming weights and bias together, after normalisation.
pub const NORM: f64 = std::f64::consts::SQRT_2;

/// For each hidden neuron, layer after layer: with s = ‖(incoming weights, bias)‖ / √2, divides those by s and multiplies
/// the outgoing weights by s. ReLU and max-pools pass a positive factor on, so the network's function is what it was. So are the hidden
/// channels of convolutions, of which a kernel's weights are incoming.
///
/// Without it, a penalty on the scale-free spectrum of L_sym can be met by scales alone: a neuron with large incoming and
/// small outgoing weights computes the same as one with equal ones, in another graph.
///
/// Adam's moments follow: of a weight that is multiplied by a factor, the gradient is divided by it, and its square by
/// the factor's. A neuron without incoming weights and bias is dead; its outgoing weights become 0, and so do their
/// moments.
///
/// # References
///
/// * Filan et al. (2021), *Clusterability in Neural Networks*, appendix A.10, algorithm 2. Applied after the step, not
///   before it, so that the saved network is normalised; the authors left Adam's moments as they were.
pub(super) fn normalize_neurons(network: &Network, adam: &mut Adam) {
    tch::no_grad(|| {
        for layer in 0..network.weights.len() - 1 {
            let incoming = network.weights[layer].detach();
            let bias = network.biases[layer].detach();
            let outgoing = network.weights[layer + 1].detach();
            let squares: Tensor =
                incoming.flatten(1, -1).square().sum_dim_intlist(1, false, Kind::Float) + bias.square();
            let scale = squares.sqrt() / NORM;
            let alive = scale.gt(f64::from(f32::MIN_POSITIVE).sqrt()).to_kind(Kind::Float);
            // dead neurons keep their zeros
            let divisor: Tensor = &scale * &alive + (1.0f64 - &alive);
            let factor = &scale * &alive;
            let neurons = bias.numel();
            let by_output = |weight: &Tensor| weight.flatten(1, -1);
            let by_input = |weight: &Tensor| by_channel(weight, neurons);
            let _ = by_output(&incoming).g_div_(&divisor.unsqueeze(1));
            let _ = bias.shallow_clone().g_div_(&divisor);
            let _ = by_input(&outgoing).g_mul_(&factor.view([1, -1, 1]));

            // parameters come as weight 0, bias 0, weight 1, …
            let [w, b, next] = [2 * layer, 2 * layer + 1, 2 * layer + 2];
            let shrink = &alive / &divisor;
            for (moments, grow, shrink) in [
                (&mut adam.first, divisor.shallow_clone(), shrink.shallow_clone()),
                (&mut adam.second, divisor.square(), shrink.square()),
            ] {
                let _ = by_output(&moments[w]).g_mul_(&grow.unsqueeze(1));
                let _ = moments[b].g_mul_(&grow);
                let _ = by_input(&moments[next]).g_mul_(&shrink.view([1, -1, 1]));
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Architecture, Initialization, Layer, Shape};
    use crate::rng::{Purpose, stream};
    use crate::train::adam::EPSILON;
    use rand::Rng;
    use tch::Device;

    fn random(shape: &[i64], seed: u64) -> Tensor {
        let mut rng = stream(seed, Purpose::InitialWeights, 0, 0);
        let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| rng.gen_range(-1.0..1.0)).collect();
        Tensor::from_slice(&values).view(shape)
    }

    fn network() -> Network {
        let network = Network::mlp(&[6, 5, 4, 3], 1, Device::Cpu);
        tch::no_grad(|| network.biases.iter().for_each(|b| b.detach().copy_(&random(&b.size(), 2))));
        network
    }

    #[test]
    fn function_is_unchanged_and_norms_are_root_two() {
        let network = network();
        let _ = network.weights[1].detach().get(2).fill_(0.0);
        let _ = network.biases[1].detach().get(2).fill_(0.0);
        let input = random(&[50, 6], 3);
        let before = network.forward(&input);
        let mut adam = Adam::new(&network.parameters(), 1e-3, EPSILON);
        normalize_neurons(&network, &mut adam);
        let after = network.forward(&input);
        assert!((&before - &after).abs().max().double_value(&[]) < 1e-5);
        for layer in 0..2 {
            for neuron in 0..network.weights[layer].size()[0] {
                let squares = network.weights[layer].get(neuron).square().sum(Kind::Double)
                    + network.biases[layer].get(neuron).square();
                let norm = squares.double_value(&[]).sqrt();
                let expected = if (layer, neuron) == (1, 2) { 0.0 } else { NORM };
                assert!((norm - expected).abs() < 1e-6, "{layer} {neuron}: {norm}");
            }
        }
        let out = network.weights[2].narrow(1, 2, 1).abs().max().double_value(&[]);
        assert_eq!(out, 0.0, "a dead neuron says nothing");
        // a second time nothing changes
        let once: Vec<Tensor> = network.parameters().into_iter().map(|p| p.detach().copy()).collect();
        normalize_neurons(&network, &mut adam);
        for (once, twice) in once.iter().zip(network.parameters()) {
            assert!((once - twice).abs().max().double_value(&[]) < 1e-6);
        }
    }

    /// Two convolutions with a pool, and a dense layer that reads pixels.
    fn convolutional() -> Network {
        let layers = vec![
            Layer::Convolution { outputs: 4, kernel: 3 },
            Layer::MaxPool { size: 2 },
            Layer::Relu,
            Layer::Convolution { outputs: 3, kernel: 5 },
            Layer::Relu,
            Layer::Flatten,
            Layer::Dense { outputs: 5 },
            Layer::Relu,
            Layer::Dense { outputs: 2 },
        ];
        let architecture = Architecture::new(Shape::Image { channels: 2, height: 4, width: 6 }, layers).unwrap();
        let start = Initialization::TruncatedNormal { deviation: 0.5, bias: 0.1 };
        Network::new(architecture, start, 4, Device::Cpu)
    }

    #[test]
    fn channels_are_normalised_as_neurons_are() {
        let network = convolutional();
        let input = random(&[20, 48], 5);
        let before = network.forward(&input);
        let mut adam = Adam::new(&network.parameters(), 1e-3, EPSILON);
        normalize_neurons(&network, &mut adam);
        let after = network.forward(&input);
        let error = (&before - &after).abs().max().double_value(&[]) / before.abs().max().double_value(&[]);
        assert!(error < 1e-5, "{error}");
        for (weight, bias) in network.weights.iter().zip(&network.biases).take(3) {
            let norms = weight.flatten(1, -1).square().sum_dim_intlist(1, false, Kind::Double) + bias.square();
            assert!((norms.sqrt() - NORM).abs().max().double_value(&[]) < 1e-6);
        }
    }

    /// Moments of gradients seen before are those that the normalised network would have had.
    #[test]
    fn moments_follow_the_weights() {
        check_moments(&network(), &random(&[20, 6], 4));
        check_moments(&convolutional(), &random(&[20, 48], 4));
    }

    fn check_moments(network: &Network, input: &Tensor) {
        let gradients = |network: &Network| {
            let loss = network.forward(input).square().sum(Kind::Float);
            Tensor::run_backward(&[&loss], &network.parameters(), false, false)
        };
        let mut adam = Adam::new(&network.parameters(), 0.0, EPSILON);
        adam.step(&network.parameters(), &gradients(network));
        normalize_neurons(network, &mut adam);
        let mut fresh = Adam::new(&network.parameters(), 0.0, EPSILON);
        fresh.step(&network.parameters(), &gradients(network));
        for (moved, exact) in adam.first.iter().chain(&adam.second).zip(fresh.first.iter().chain(&fresh.second)) {
            let error = (moved - exact).abs().max().double_value(&[]) / exact.abs().max().double_value(&[]);
            assert!(error < 1e-4, "{error}");
        }
    }
}
