//! The multi-layer perceptron: dense layers with ReLU between them.

use crate::rng::{ChaCha8Rng, Purpose, stream};
use ndarray::Array2;
use rand::{Rng, RngCore};
use tch::{Device, Tensor};

/// Weights `(d_out, d_in)` and biases `(d_out,)` of each layer, f32, on one device. ReLU follows every layer but the
/// last.
#[derive(Debug)]
pub struct Mlp {
    /// One for each layer, requiring gradients.
    pub weights: Vec<Tensor>,
    /// One for each layer, requiring gradients.
    pub biases: Vec<Tensor>,
}

/// What a unit's output is multiplied by, for each hidden layer: `(batch, width)`, 0 or `1 / (1 − rate)`.
#[derive(Debug)]
pub struct DropoutMasks(Vec<Tensor>);

impl DropoutMasks {
    /// Drops each unit with probability `rate` (to 2^-16), in `(0, 1)`, for the hidden layers of `widths`.
    ///
    /// The masks of training step `step` come from their own stream: the same on every device and after a restart.
    pub fn draw(widths: &[usize], batch: usize, rate: f64, seed: u64, step: u64, device: Device) -> Self {
        let mut rng = stream(seed, Purpose::Dropout, step, 0);
        let threshold = (rate * 65536.0).round() as u32;
        let kept = (1.0 / (1.0 - rate)) as f32;
        let draw = |&width: &usize| {
            let mut random = vec![0u8; 2 * batch * width];
            rng.fill_bytes(&mut random);
            let mask: Vec<f32> = random
                .chunks_exact(2)
                .map(|b| if u32::from(u16::from_le_bytes([b[0], b[1]])) < threshold { 0.0 } else { kept })
                .collect();
            Tensor::from_slice(&mask).view([batch as i64, width as i64]).to_device(device)
        };
        Self(widths[1..widths.len() - 1].iter().map(draw).collect())
    }
}

impl Mlp {
    /// Glorot-uniform weights, zero biases.
    ///
    /// ```text
    /// W ~ U(−√(6 / (d_in + d_out)), √(6 / (d_in + d_out)))
    /// ```
    ///
    /// `widths` are those of the input, the hidden layers and the output. Layer l draws from its own stream of `seed`.
    ///
    /// # References
    ///
    /// * X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*,
    ///   Eq. (16); the default of Keras, which the paper uses.
    pub fn glorot(widths: &[usize], seed: u64, device: Device) -> Self {
        let layer = |(layer, pair): (usize, &[usize])| {
            let weight = glorot_uniform(pair[0], pair[1], &mut stream(seed, Purpose::InitialWeights, layer as u64, 0));
            let shape = [pair[1] as i64, pair[0] as i64];
            let bias = Tensor::zeros([shape[0]], (tch::Kind::Float, device)).set_requires_grad(true);
            (Tensor::from_slice(&weight).view(shape).to_device(device).set_requires_grad(true), bias)
        };
        let (weights, biases) = widths.windows(2).enumerate().map(layer).unzip();
        Self { weights, biases }
    }

    /// Logits `(batch, classes)` of inputs `(batch, d_in)`.
    pub fn forward(&self, input: &Tensor, dropout: Option<&DropoutMasks>) -> Tensor {
        let last = self.weights.len() - 1;
        let mut x = input.shallow_clone();
        for (layer, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            x = x.linear(weight, Some(bias));
            if layer < last {
                x = x.relu();
                if let Some(DropoutMasks(masks)) = dropout {
                    x = x.g_mul(&masks[layer]);
                }
            }
        }
        x
    }

    /// Every weight and bias, in the order weight 0, bias 0, weight 1, …
    pub fn parameters(&self) -> Vec<&Tensor> {
        self.weights.iter().zip(&self.biases).flat_map(|(weight, bias)| [weight, bias]).collect()
    }

    /// Names of [`Mlp::parameters`]: `layers.0.weight`, `layers.0.bias`, …
    pub fn parameter_names(&self) -> Vec<String> {
        (0..self.weights.len()).flat_map(|l| [format!("layers.{l}.weight"), format!("layers.{l}.bias")]).collect()
    }

    /// The weight matrices as `(name, (d_in, d_out))`, f64: where tensors end and the graph begins.
    pub fn weight_matrices(&self) -> Vec<(String, Array2<f64>)> {
        let matrix = |(layer, weight): (usize, &Tensor)| {
            let (rows, columns) = weight.size2().unwrap_or_else(|_| unreachable!("weights have two dimensions"));
            let mut values = vec![0f32; (rows * columns) as usize];
            weight.detach().to_device(Device::Cpu).contiguous().copy_data(&mut values, (rows * columns) as usize);
            let transposed = Array2::from_shape_fn((columns as usize, rows as usize), |(i, o)| {
                f64::from(values[o * columns as usize + i])
            });
            (format!("layers.{layer}.weight"), transposed)
        };
        self.weights.iter().enumerate().map(matrix).collect()
    }
}

/// `(d_out, d_in)` row by row.
fn glorot_uniform(d_in: usize, d_out: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let limit = (6.0 / (d_in + d_out) as f32).sqrt();
    (0..d_in * d_out).map(|_| rng.gen_range(-limit..limit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_the_composition_of_layers() {
        let mlp = Mlp::glorot(&[3, 4, 2], 5, Device::Cpu);
        let x = [0.5f64, -1.0, 2.0];
        let matrices = mlp.weight_matrices();
        let hidden: Vec<f64> =
            (0..4).map(|o| (0..3).map(|i| x[i] * matrices[0].1[[i, o]]).sum::<f64>().max(0.0)).collect();
        let logits = mlp.forward(&Tensor::from_slice(&[0.5f32, -1.0, 2.0]).view([1, 3]), None);
        for o in 0..2 {
            let expected: f64 = (0..4).map(|h| hidden[h] * matrices[1].1[[h, o]]).sum();
            assert!((logits.double_value(&[0, o as i64]) - expected).abs() < 1e-6);
        }
        let limit = (6.0f64 / 7.0).sqrt();
        assert!(matrices[0].1.iter().all(|w| w.abs() <= limit));
    }

    #[test]
    fn dropout_masks_keep_the_mean_and_repeat() {
        let draw = |step| {
            let DropoutMasks(masks) = DropoutMasks::draw(&[3, 400, 500, 2], 100, 0.25, 1, step, Device::Cpu);
            masks
        };
        let masks = draw(7);
        assert_eq!(masks.len(), 2);
        assert_eq!(masks[1].size(), [100, 500]);
        // sd of the mean of 50,000 draws is 0.577 / 224 = 0.0026
        assert!((masks[1].mean(None).double_value(&[]) - 1.0).abs() < 0.013);
        assert!(masks[0].equal(&draw(7)[0]) && !masks[0].equal(&draw(8)[0]));
    }
}
