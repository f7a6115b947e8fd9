//! Convolutions to a graph.

use super::mlp::block;
use super::{NeuronGraph, NodeSet};
use ndarray::{Array2, ArrayD, Axis};
use serde::{Deserialize, Serialize};

/// Which layers of a convolutional network its graph has. A chain of dense layers is always there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphLayers {
    /// The output channels of convolutions: the image and the dense layers behind are left out (paper, section 1.1).
    #[default]
    Convolutions,
    /// The image's channels and the neurons of dense layers too.
    All,
}

/// A layer's name and weight: `(d_out, d_in)` of a dense one, `(d_out, channels, rows, columns)` of a convolution.
pub type NamedWeight = (String, ArrayD<f64>);

/// The graph of convolutions and dense layers that follow each other: every channel and every neuron is a node, and an edge weighs
/// what leads from one to the other.
///
/// ```text
/// A_io = Σ_ab |K_oi,ab|  between channels        A_ij = Σ_p |W_j,(i,p)|  from channel i, with pixels p, to neuron j
/// ```
///
/// Between channels that is the entrywise L1 norm of a kernel's slice, as in the paper; what its authors' code has in its place is the
/// matrix norm. An image is flattened channel after channel, as PyTorch does it. Biases are left out. The first node set of
/// [`GraphLayers::All`] is called `input`.
///
/// # Errors
///
/// Fewer than two convolutions, with [`GraphLayers::Convolutions`]: how many there are.
///
/// # Panics
///
/// If a layer does not read what the one before it gives, or there are no layers.
///
/// # References
///
/// * Filan et al. (2021), *Clusterability in Neural Networks*, section 1.1.
pub fn channel_graph(weights: Vec<NamedWeight>, layers: GraphLayers) -> Result<NeuronGraph, usize> {
    let convolutions = weights.iter().filter(|(_, weight)| weight.ndim() == 4).count();
    if layers == GraphLayers::Convolutions && convolutions < 2 {
        return Err(convolutions);
    }
    let inputs = weights[0].1.shape()[1];
    let mut node_sets = vec![NodeSet { name: "input".into(), size: inputs }];
    let mut blocks = Vec::with_capacity(weights.len());
    for (source, (name, weight)) in weights.into_iter().enumerate() {
        let matrix = magnitudes(&weight, node_sets[source].size, &name);
        blocks.push(block(source, source + 1, &matrix));
        node_sets.push(NodeSet { name, size: matrix.ncols() });
    }
    if layers == GraphLayers::Convolutions {
        node_sets.remove(0);
        blocks.remove(0);
        node_sets.truncate(convolutions);
        blocks.truncate(convolutions - 1);
        blocks.iter_mut().for_each(|block| (block.source, block.target) = (block.source - 1, block.target - 1));
    }
    Ok(NeuronGraph { node_sets, blocks })
}

/// `Σ |w|` over a channel's weights, `(channels, d_out)`.
fn magnitudes(weight: &ArrayD<f64>, channels: usize, name: &str) -> Array2<f64> {
    let outputs = weight.shape()[0];
    let positions = weight.len() / (outputs * channels).max(1);
    assert_eq!(
        outputs * channels * positions,
        weight.len(),
        "layer {name} does not take what the layer before it gives"
    );
    let mut sums = Array2::zeros((channels, outputs));
    for (output, weights) in weight.axis_iter(Axis(0)).enumerate() {
        for (input, w) in weights.iter().enumerate() {
            sums[[input / positions, output]] += w.abs();
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::IxDyn;

    /// Weights of both signs, some of them 0, for 2 → 3 → 2 channels of 2 × 2 pixels → 4 → 2 neurons.
    fn weights() -> Vec<NamedWeight> {
        let shapes: [&[usize]; 4] = [&[3, 2, 3, 3], &[2, 3, 5, 5], &[4, 8], &[2, 4]];
        let weight = |(layer, shape): (usize, &&[usize])| {
            let mut next = layer as f64;
            let value = |_| {
                next = (next * 7.0 + 3.0) % 11.0;
                next - 5.0
            };
            (format!("w{layer}"), ArrayD::from_shape_fn(IxDyn(shape), value))
        };
        shapes.iter().enumerate().map(weight).collect()
    }

    #[test]
    fn edges_are_sums_over_taps_and_pixels() {
        let weights = weights();
        let graph = channel_graph(weights.clone(), GraphLayers::All).unwrap();
        let found: Array2<f64> = graph.adjacency().to_dense();
        let mut expected = Array2::<f64>::zeros((13, 13));
        let mut join = |a: usize, b: usize, weight: f64| {
            expected[[a, b]] += weight.abs();
            expected[[b, a]] += weight.abs();
        };
        for (layer, (first, inputs, outputs, kernel)) in [(0, 2, 3, 3), (2, 3, 2, 5)].into_iter().enumerate() {
            for (o, i) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
                for (a, b) in (0..kernel).flat_map(|a| (0..kernel).map(move |b| (a, b))) {
                    join(first + i, first + inputs + o, weights[layer].1[[o, i, a, b]]);
                }
            }
        }
        for neuron in 0..4 {
            for (channel, row, column) in (0..8).map(|p| (p / 4, p / 2 % 2, p % 2)) {
                join(5 + channel, 7 + neuron, weights[2].1[[neuron, 4 * channel + 2 * row + column]]);
            }
            (0..2).for_each(|output| join(7 + neuron, 11 + output, weights[3].1[[output, neuron]]));
        }
        assert_eq!(found, expected);
        let names: Vec<&str> = graph.node_sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["input", "w0", "w1", "w2", "w3"]);

        let between = channel_graph(weights.clone(), GraphLayers::Convolutions).unwrap();
        assert_eq!(between.adjacency().to_dense(), expected.slice(ndarray::s![2..7, 2..7]));
        assert_eq!(between.node_sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["w0", "w1"]);
        assert_eq!(channel_graph(weights[1..].to_vec(), GraphLayers::Convolutions).unwrap_err(), 1);
    }
}
