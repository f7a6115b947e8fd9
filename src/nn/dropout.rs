//! Dropout.

use crate::rng::{Purpose, stream};
use rand::RngCore;
use tch::{Device, Tensor};

/// What a unit's output is multiplied by, at each [`Layer::Dropout`](super::Layer::Dropout): `(batch, units)`, 0 or
/// `1 / (1 − rate)`.
#[derive(Debug)]
pub struct DropoutMasks(pub(super) Vec<Tensor>);

impl DropoutMasks {
    /// Drops each unit with probability `rate` (to 2^-16), in `(0, 1)`; `sizes` are those of
    /// [`Architecture::dropout_sizes`](super::Architecture::dropout_sizes).
    ///
    /// The masks of training step `step` come from their own stream: the same on every device and after a restart.
    pub fn draw(sizes: &[usize], batch: usize, rate: f64, seed: u64, step: u64, device: Device) -> Self {
        let mut rng = stream(seed, Purpose::Dropout, step, 0);
        let threshold = (rate * 65536.0).round() as u32;
        let kept = (1.0 / (1.0 - rate)) as f32;
        let draw = |&size: &usize| {
            let mut random = vec![0u8; 2 * batch * size];
            rng.fill_bytes(&mut random);
            let mask: Vec<f32> = random
                .chunks_exact(2)
                .map(|b| if u32::from(u16::from_le_bytes([b[0], b[1]])) < threshold { 0.0 } else { kept })
                .collect();
            Tensor::from_slice(&mask).view([batch as i64, size as i64]).to_device(device)
        };
        Self(sizes.iter().map(draw).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_masks_keep_the_mean_and_repeat() {
        let draw = |step| {
            let DropoutMasks(masks) = DropoutMasks::draw(&[400, 500], 100, 0.25, 1, step, Device::Cpu);
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
