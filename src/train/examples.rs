//! Examples as training takes them: on the device, a batch at a time.

use crate::data::{Inputs, Split, Targets};
use tch::{Device, Kind, Tensor};

/// Inputs and targets on the device.
#[derive(Debug)]
pub struct Examples {
    /// `(n, inputs)`, u8 of pixels or f32.
    inputs: Tensor,
    /// Classes `(n,)`, i64, or values `(n, outputs)`, f32.
    targets: Tensor,
    /// Channels, height and width of an input.
    pub(super) image: [i64; 3],
}

impl Examples {
    /// The first `count` examples of a split.
    ///
    /// # Panics
    ///
    /// If it has fewer.
    pub fn new(split: &Split, count: usize, device: Device) -> Self {
        let width = split.input_len();
        let inputs = match &split.inputs {
            Inputs::Pixels(pixels) => Tensor::from_slice(&pixels[..count * width]),
            Inputs::Reals(reals) => Tensor::from_slice(&reals[..count * width]),
        };
        let targets = match &split.targets {
            Targets::Classes(classes) => Tensor::from_slice(&classes[..count]).to_kind(Kind::Int64),
            Targets::Reals { values, width } => {
                Tensor::from_slice(&values[..count * width]).view([count as i64, *width as i64])
            }
        };
        let inputs = inputs.view([count as i64, width as i64]).to_device(device);
        let image = [split.channels, split.height, split.width].map(|extent| extent as i64);
        Self { inputs, targets: targets.to_device(device), image }
    }

    /// The same, in the same memory.
    pub(super) fn shared(&self) -> Self {
        let Self { inputs, targets, image } = self;
        Self { inputs: inputs.shallow_clone(), targets: targets.shallow_clone(), image: *image }
    }

    pub(super) fn len(&self) -> i64 {
        self.targets.size()[0]
    }

    pub(super) fn are_classified(&self) -> bool {
        self.targets.kind() == Kind::Int64
    }

    /// All of them in order, up to `size` at a time, each as [`Examples::batch`] gives them.
    pub(crate) fn in_order(&self, size: i64) -> impl Iterator<Item = (Tensor, Tensor)> {
        let inputs = self.inputs.split(size, 0).into_iter();
        inputs.map(|inputs| to_unit(&inputs)).zip(self.targets.split(size, 0))
    }

    /// What the network is given `(batch, inputs)`, f32, and the targets.
    pub(super) fn batch(&self, indices: &Tensor) -> (Tensor, Tensor) {
        (to_unit(&self.inputs.index_select(0, indices)), self.targets.index_select(0, indices))
    }
}

/// Pixels / 255; reals as they are.
fn to_unit(inputs: &Tensor) -> Tensor {
    if inputs.kind() == Kind::Uint8 { inputs.to_kind(Kind::Float) / 255.0 } else { inputs.shallow_clone() }
}
