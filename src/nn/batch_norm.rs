//! Batch normalisation.

use tch::{Device, Kind, Tensor};

/// ε, as Keras has it; PyTorch's is 1e-5.
pub const EPSILON: f64 = 1e-3;
/// Share of each step in the running statistics; Keras calls one less it, 0.99, the momentum.
const MOMENTUM: f64 = 0.01;

/// What a [`Layer::BatchNorm`](super::Layer::BatchNorm) does with the channels, or units, of the layer with a weight before it:
///
/// ```text
/// y = γ (x − m) / √(v + ε) + β
/// ```
///
/// m and v are mean and variance of a channel over the pixels and examples of a step in training, of which running means are kept and
/// used in evaluation. γ and β are trained, but never pruned, and no penalty sees them.
///
/// # References
///
/// * S. Ioffe, C. Szegedy (2015), *Batch normalization*. The running variance is of ddof = 1, as in PyTorch and Keras's kernels for
///   images; of units, Keras has ddof = 0.
#[derive(Debug)]
pub struct BatchNorm {
    /// Number of the layer before it, of those with a weight, from 0.
    pub layer: usize,
    /// γ, `(channels,)`, requiring gradients.
    pub scale: Tensor,
    /// β, `(channels,)`, requiring gradients.
    pub shift: Tensor,
    /// Running mean, `(channels,)`.
    pub mean: Tensor,
    /// Running variance, `(channels,)`.
    pub variance: Tensor,
}

impl BatchNorm {
    /// γ = 1, β = 0, mean 0 and variance 1.
    pub(super) fn new(layer: usize, channels: usize, device: Device) -> Self {
        let full = |value: f64| Tensor::full([channels as i64], value, (Kind::Float, device));
        Self {
            layer,
            scale: full(1.0).set_requires_grad(true),
            shift: full(0.0).set_requires_grad(true),
            mean: full(0.0),
            variance: full(1.0),
        }
    }

    /// Of `(batch, channels)` or `(batch, channels, height, width)`. Training takes several numbers of each channel, and moves the running
    /// statistics.
    pub(super) fn forward(&self, x: &Tensor, training: bool) -> Tensor {
        let Self { scale, shift, mean, variance, .. } = self;
        x.batch_norm(Some(scale), Some(shift), Some(mean), Some(variance), training, MOMENTUM, EPSILON, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of each channel by hand, in f64.
    #[test]
    fn normalises_each_channel_and_remembers() {
        let values: Vec<f32> = (0..2 * 3 * 4).map(|i| ((i * 7) % 11) as f32 - 4.0).collect();
        let x = Tensor::from_slice(&values).view([2, 3, 2, 2]);
        let norm = BatchNorm::new(0, 3, Device::Cpu);
        tch::no_grad(|| {
            let _ = norm.scale.detach().get(1).fill_(-2.0);
            let _ = norm.shift.detach().get(1).fill_(0.5);
        });
        let trained = norm.forward(&x, true);
        let evaluated = norm.forward(&x, false);
        for channel in 0..3 {
            let own: Vec<f64> = (0..2)
                .flat_map(|n| (0..4).map(move |p| (n * 3 + channel) * 4 + p))
                .map(|i| f64::from(values[i]))
                .collect();
            let mean = own.iter().sum::<f64>() / 8.0;
            let squares = own.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            let (running_mean, running_variance) = (0.01 * mean, 0.99 + 0.01 * squares / 7.0);
            let (scale, shift) = if channel == 1 { (-2.0, 0.5) } else { (1.0, 0.0) };
            let at = |tensor: &Tensor| tensor.double_value(&[1, channel as i64, 0, 1]);
            let normalised = |mean: f64, variance: f64| scale * (own[5] - mean) / (variance + EPSILON).sqrt() + shift;
            assert!((at(&trained) - normalised(mean, squares / 8.0)).abs() < 1e-5);
            assert!((at(&evaluated) - normalised(running_mean, running_variance)).abs() < 1e-5);
        }
    }
}
