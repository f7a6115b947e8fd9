//! Weights between channels: the matrix that a convolution, or a dense layer behind one, is in the graph.
//!
//! A weight is seen as `(d_out, channels, positions)`, where `channels` are the nodes that the layer reads: neurons with one position
//! each; channels with the pixels of a kernel; or, behind a flattening, which goes channel after channel, channels with the pixels of an
//! image.

use tch::{Kind, Tensor};

/// `weight` as `(d_out, channels, positions)`, sharing its memory.
///
/// # Panics
///
/// If the weight's inputs are not so many for each channel, or its memory is not contiguous.
pub fn by_channel(weight: &Tensor, channels: usize) -> Tensor {
    weight.view([weight.size()[0], channels as i64, -1])
}

/// What becomes of a channel's several weights to a neuron or channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// `Σ w`: what a constant image is multiplied by; taps of different signs cancel. AI-RG's (2018).
    Signed,
    /// `Σ |w|`, the entrywise L1 norm: the edges of the graph.
    Magnitude,
}

/// The matrix between channels, `(d_out, channels)`; the weight itself, signs and all, where each has one position.
///
/// # Panics
///
/// As [`by_channel`].
pub fn matrix(weight: &Tensor, channels: usize, reduction: Reduction) -> Tensor {
    if weight.size() == [weight.size()[0], channels as i64] {
        return weight.shallow_clone();
    }
    let weight = by_channel(weight, channels);
    let weight = if reduction == Reduction::Magnitude { weight.abs() } else { weight };
    weight.sum_dim_intlist(2i64, false, weight.kind())
}

/// The matrices of a chain whose node sets have these sizes, input first.
///
/// # Panics
///
/// As [`by_channel`].
pub fn matrices(weights: &[Tensor], channels: &[usize], reduction: Reduction) -> Vec<Tensor> {
    weights.iter().zip(channels).map(|(weight, &channels)| matrix(weight, channels, reduction)).collect()
}

/// `matrix`, `(d_out, channels)`, repeated over the positions of weights of `shape`: `(d_out, channels, positions)`.
pub fn over_positions(matrix: &Tensor, shape: &[i64]) -> Tensor {
    let (rows, channels) = (matrix.size()[0], matrix.size()[1]);
    let positions = shape.iter().product::<i64>() / (rows * channels).max(1);
    matrix.unsqueeze(2).expand([rows, channels, positions], false)
}

/// The matrix of a weight in the graph, f64, as `(channels, d_out)`: where tensors end and the graph begins. Signed where each channel has
/// one position.
pub(super) fn array(weight: &Tensor, channels: usize) -> ndarray::Array2<f64> {
    let weight = weight.detach().to_device(tch::Device::Cpu).to_kind(Kind::Double);
    let matrix = matrix(&weight, channels, Reduction::Magnitude);
    let (rows, columns) = (matrix.size()[0] as usize, channels);
    let mut values = vec![0f64; rows * columns];
    matrix.contiguous().copy_data(&mut values, rows * columns);
    ndarray::Array2::from_shape_fn((columns, rows), |(i, o)| values[o * columns + i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn positions_are_summed() {
        let counted = |shape: &[i64]| {
            let values = Tensor::arange(shape.iter().product::<i64>(), (Kind::Double, Device::Cpu));
            (values * -1.0).view(shape)
        };
        let kernels = counted(&[3, 2, 5, 5]);
        let flattened = counted(&[3, 8]);
        for (weight, positions) in [(kernels, 25), (flattened, 4)] {
            for (reduction, sign) in [(Reduction::Signed, -1.0), (Reduction::Magnitude, 1.0)] {
                let found = matrix(&weight, 2, reduction);
                for place in 0..6 {
                    let sum: i64 = (0..positions).map(|position| place * positions + position).sum();
                    assert_eq!(found.double_value(&[place / 2, place % 2]), sign * sum as f64);
                }
            }
        }
        let dense = counted(&[3, 8]);
        assert!(matrix(&dense, 8, Reduction::Magnitude).equal(&dense));
    }
}
