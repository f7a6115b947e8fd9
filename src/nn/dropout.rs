//! Dropout.

use crate::rng::{Purpose, stream};
use rand::RngCore;
use tch::{Device, Tensor};

/// What a unit's output is multiplied by, at each [`Layer::Dropout`](super::Layer::Dropout): `(batch, units)`, 0 or
/// `1 / (1 − rate)`.
#[derive(Debug)]
pub struct DropoutMasks(pub(super) Vec<Tensor>);

impl DropoutMasks {
    /// The mask of the `number`-th layer that drops.
    pub(crate) fn at(&self, number: usize) -> &Tensor {
        &self.0[number]
    }

    /// Drops each unit with probability `rate` (to 2^-16), in `(0, 1)`, times its layer's share of it; `layers` are
    /// [`Architecture::dropouts`](super::Architecture::dropouts).
    ///
    /// The masks of training step `step` come from their own stream: the same on every device and after a restart.
    pub fn draw(layers: &[(usize, f64)], batch: usize, rate: f64, seed: u64, step: u64, device: Device) -> Self {
        let mut rng = stream(seed, Purpose::Dropout, step, 0);
        let draw = |&(size, share): &(usize, f64)| {
            let rate = rate * share;
            let threshold = (rate * 65536.0).round() as u32;
            let kept = (1.0 / (1.0 - rate)) as f32;
            let mut random = vec![0u8; 2 * batch * size];
            rng.fill_bytes(&mut random);
            let mask: Vec<f32> = random
                .chunks_exact(2)
                .map(|b| if u32::from(u16::from_le_bytes([b[0], b[1]])) < threshold { 0.0 } else { kept })
                .collect();
            Tensor::from_slice(&mask).view([batch as i64, size as i64]).to_device(device)
        };
        Self(layers.iter().map(draw).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_masks_keep_the_mean_and_repeat() {
        let draw = |step| {
            let DropoutMasks(masks) = DropoutMasks::draw(&[(400, 0.5), (500, 1.0)], 100, 0.25, 1, step, Device::Cpu);
            masks
        };
        let masks = draw(7);
        assert_eq!(masks.len(), 2);
        assert_eq!(masks[1].size(), [100, 500]);
        // sd of the mean of 50,000 draws is 0.577 / 224 = 0.0026
        assert!((masks[1].mean(None).double_value(&[]) - 1.0).abs() < 0.013);
        let dropped = |mask: &Tensor| 1.0 - mask.count_nonzero(None::<i64>).double_value(&[]) / mask.numel() as f64;
        assert!((dropped(&masks[0]) - 0.125).abs() < 0.009 && (dropped(&masks[1]) - 0.25).abs() < 0.01);
        assert!(masks[0].equal(&draw(7)[0]) && !masks[0].equal(&draw(8)[0]));
    }
}
