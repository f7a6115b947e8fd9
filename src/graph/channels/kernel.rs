//! A layer's weight as a matrix between the channels it reads and those it gives.

use crate::dataflow::{Kind, Layout};
use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, Slice};
use serde::{Deserialize, Serialize};

/// What becomes of the weights between two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// L1: the sum of magnitudes by the paper; by its authors' code the matrix norm, the largest sum of a column.
    #[default]
    L1,
    /// L2: the root of the sum of squares by the paper; by its authors' code the spectral norm.
    L2,
}

/// Whether a norm is of a slice's entries, or of the matrix that the slice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Entries,
    Matrix,
}

/// Sets all but the largest magnitudes to 0: `round(size (1 − fraction))` stay, and ties with the last of them.
pub(super) fn prune(weight: &mut ArrayD<f64>, fraction: f64) {
    let kept = (weight.len() as f64 * (1.0 - fraction)).round() as usize;
    let mut magnitudes: Vec<f64> = weight.iter().map(|w| w.abs()).collect();
    if kept < magnitudes.len() {
        let threshold = super::super::mlp::magnitude_threshold(&mut magnitudes, kept);
        weight.mapv_inplace(|w| if w.abs() >= threshold { w } else { 0.0 });
    }
}

/// Sets magnitudes below `least` to 0; none if that is 0.
pub(super) fn drop_below(weight: &mut ArrayD<f64>, least: f64) {
    if least > 0.0 {
        weight.mapv_inplace(|w| if w.abs() >= least { w } else { 0.0 });
    }
}

/// Norms of the weights between channels, `(channels read, channels given)`: of a convolution's slices, or of a dense layer's weights from
/// each channel's pixels. `inputs` is the number of channels read.
///
/// # Panics
///
/// If the layer has no weight, or reads other than so many channels.
pub(super) fn matrix(weight: &ArrayD<f64>, kind: &Kind, inputs: usize, norm: Norm, of: Of) -> Array2<f64> {
    match kind {
        Kind::Convolution { groups, .. } => convolution(weight, *groups, norm, of),
        Kind::Dense { layout, .. } => {
            let weight = weight.view().into_dimensionality::<Ix2>().expect("a dense layer's weight has two axes");
            dense(if *layout == Layout::OutIn { weight } else { weight.reversed_axes() }, inputs, norm)
        }
        _ => panic!("{kind:?} has no weight"),
    }
}

fn convolution(weight: &ArrayD<f64>, groups: usize, norm: Norm, of: Of) -> Array2<f64> {
    let (outputs, within) = (weight.shape()[0], weight.shape()[1]);
    let mut norms = Array2::zeros((within * groups, outputs));
    for (output, kernels) in weight.axis_iter(Axis(0)).enumerate() {
        let first = output / (outputs / groups) * within;
        for (input, kernel) in kernels.axis_iter(Axis(0)).enumerate() {
            norms[[first + input, output]] = match of {
                Of::Entries => entrywise(kernel.iter().copied(), norm),
                Of::Matrix => {
                    let rows = if kernel.ndim() > 1 { kernel.shape()[0] } else { 1 };
                    let columns = kernel.len() / rows;
                    let kernel = kernel.to_shape((rows, columns)).expect("all elements are there").mapv(f64::abs);
                    induced(kernel.view(), norm)
                }
            };
        }
    }
    norms
}

fn dense(weight: ArrayView2<f64>, inputs: usize, norm: Norm) -> Array2<f64> {
    let positions = weight.ncols() / inputs;
    assert_eq!(inputs * positions, weight.ncols(), "a dense layer reads other than {inputs} channels");
    let mut norms = Array2::zeros((inputs, weight.nrows()));
    for (output, row) in weight.rows().into_iter().enumerate() {
        for input in 0..inputs {
            let pixels = row.slice_axis(Axis(0), Slice::from(input * positions..(input + 1) * positions));
            norms[[input, output]] = entrywise(pixels.iter().copied(), norm);
        }
    }
    norms
}

fn entrywise(weights: impl Iterator<Item = f64>, norm: Norm) -> f64 {
    match norm {
        Norm::L1 => weights.map(f64::abs).sum(),
        Norm::L2 => weights.map(|w| w * w).sum::<f64>().sqrt(),
    }
}

/// ‖K‖₁ = max_b Σ_a K_ab, or ‖K‖₂, the largest singular value, of a matrix without negative entries.
fn induced(kernel: ArrayView2<f64>, norm: Norm) -> f64 {
    match norm {
        Norm::L1 => kernel.columns().into_iter().map(|column| column.sum()).fold(0.0, f64::max),
        Norm::L2 => {
            let gram = kernel.t().dot(&kernel);
            let gram = faer::Mat::from_fn(gram.nrows(), gram.ncols(), |a, b| gram[[a, b]]);
            let squares = gram.self_adjoint_eigenvalues(faer::Side::Lower);
            squares.map_or(f64::NAN, |squares| squares.into_iter().fold(0.0, f64::max).sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::TensorName;
    use ndarray::{IxDyn, array};

    /// The authors' tests have 18 and 16.848 of this kernel; entrywise it is 45 and 16.882.
    #[test]
    fn norms_of_the_authors_kernel() {
        let kernel = ArrayD::from_shape_fn(IxDyn(&[1, 1, 3, 3]), |i| (3 * i[2] + i[3] + 1) as f64);
        for (norm, of, expected) in [
            (Norm::L1, Of::Matrix, 18.0),
            (Norm::L1, Of::Entries, 45.0),
            (Norm::L2, Of::Matrix, 16.848_103_352_614_21),
            (Norm::L2, Of::Entries, 285f64.sqrt()),
        ] {
            let found = convolution(&kernel, 1, norm, of)[[0, 0]];
            assert!((found - expected).abs() < 1e-9, "{norm:?} {of:?}: {found}");
        }
    }

    #[test]
    fn groups_join_their_own_channels_alone() {
        let weight = ArrayD::from_shape_fn(IxDyn(&[4, 2, 1]), |i| -((1 + 2 * i[0] + i[1]) as f64));
        let expected = array![[1., 3., 0., 0.], [2., 4., 0., 0.], [0., 0., 5., 7.], [0., 0., 6., 8.]];
        assert_eq!(convolution(&weight, 2, Norm::L1, Of::Entries), expected);
    }

    #[test]
    fn a_channels_pixels_add_up_in_either_layout() {
        let weight = array![[1., -2., 3., 4.], [0., 5., -6., 0.]].into_dyn();
        let expected = array![[3., 5.], [7., 6.]];
        let name = |shape: &[usize]| TensorName { name: "w".into(), shape: shape.to_vec() };
        let out_in = Kind::Dense { weight: name(&[2, 4]), layout: Layout::OutIn };
        assert_eq!(matrix(&weight, &out_in, 2, Norm::L1, Of::Entries), expected);
        let in_out = Kind::Dense { weight: name(&[4, 2]), layout: Layout::InOut };
        assert_eq!(matrix(&weight.t().into_owned(), &in_out, 2, Norm::L1, Of::Matrix), expected);
    }

    #[test]
    fn pruning_keeps_the_largest() {
        let mut weight = array![[3.0, -1.0], [0.5, -2.0]].into_dyn();
        prune(&mut weight, 0.5);
        assert_eq!(weight, array![[3.0, 0.0], [0.0, -2.0]].into_dyn());
    }
}
