//! The graph of a network that a run has trained.

use super::settings::Settings;
use super::types::Model;
use crate::InputError;
use crate::graph::{GraphLayers, NeuronGraph, mlp_graph};
use crate::measure::{ModelInfo, read_network};
use crate::model::TensorFile;
use crate::nn::Network;
use crate::nn::channels::Convention;
use crate::train::checkpoint::load_network;
use std::path::Path;
use tch::Device;

/// The graph of the network at `path`, one of a run with `settings`, and what it is: `cnn 1-64-64-64-128-10` is one with convolutions.
///
/// # Errors
///
/// The file cannot be read or is no such network, or its weights are no finite numbers.
pub(super) fn network_graph(path: &Path, settings: &Settings) -> Result<(NeuronGraph, ModelInfo), InputError> {
    let Settings { graph_layers, convention, fold_batch_norm, .. } = settings;
    if settings.model == Model::Mlp {
        return read_network(path, *graph_layers);
    }
    let remedy = "train the network again";
    let architecture = settings.architecture().map_err(|problem| InputError::new(path.display(), problem, remedy))?;
    let widths: Vec<String> = architecture.channels().iter().map(usize::to_string).collect();
    let sha256 = TensorFile::open(path)?.sha256().to_string();
    let network = load_network(path, architecture, Device::Cpu)?;
    let graph = graph(&network, *graph_layers, *convention, *fold_batch_norm).map_err(|name| {
        InputError::new(path.display(), format!("{name} has weights that are no finite numbers"), remedy)
    })?;
    let architecture = format!("cnn {}", widths.join("-"));
    Ok((graph, ModelInfo { path: path.display().to_string(), sha256, architecture, graph_layers: Some(*graph_layers) }))
}

/// The layer whose weights are not finite is an error.
fn graph(
    network: &Network,
    layers: GraphLayers,
    convention: Convention,
    fold_batch_norm: bool,
) -> Result<NeuronGraph, String> {
    let mut matrices = network.matrices(convention, fold_batch_norm);
    if let Some((name, _)) = matrices.iter().find(|(_, matrix)| !matrix.iter().all(|weight| weight.is_finite())) {
        return Err(name.clone());
    }
    if layers == GraphLayers::All {
        return Ok(mlp_graph(matrices));
    }
    matrices.truncate(network.architecture().convolutions());
    let (first, _) = matrices.remove(0);
    let mut graph = mlp_graph(matrices);
    graph.node_sets[0].name = first;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Architecture, Initialization, Layer, Shape};
    use tch::Tensor;

    /// conv, norm, conv, norm, dense: what leads out of channel i of the first is |γ_i| / √(v_i + ε) times its kernels' norms.
    #[test]
    fn batch_norm_is_folded_into_what_reads_it() {
        let layers = vec![
            Layer::Convolution { outputs: 3, kernel: 3 },
            Layer::BatchNorm,
            Layer::Convolution { outputs: 2, kernel: 3 },
            Layer::BatchNorm,
            Layer::Flatten,
            Layer::Dense { outputs: 2 },
        ];
        let architecture = Architecture::new(Shape::Image { channels: 1, height: 2, width: 2 }, layers).unwrap();
        let network = Network::new(architecture, Initialization::GlorotUniform, 4, Device::Cpu);
        tch::no_grad(|| {
            let [first, second] = [0, 1].map(|norm: usize| &network.norms[norm]);
            first.scale.detach().copy_(&Tensor::from_slice(&[-2.0f32, 0.5, 1.0]));
            first.variance.detach().copy_(&Tensor::from_slice(&[4.0f32, 0.25, 9.0]));
            second.variance.detach().copy_(&Tensor::from_slice(&[16.0f32, 1.0]));
        });
        let of = |layers, convention, fold| graph(&network, layers, convention, fold).unwrap().adjacency().to_dense();
        let folded = of(GraphLayers::Convolutions, Convention::Authors, true);
        let at = |layer: usize, place: [i64; 4]| network.weights[layer].double_value(&place).abs();
        let factors = [2.0 / 4.001f64.sqrt(), 0.5 / 0.251f64.sqrt(), 1.0 / 9.001f64.sqrt()];
        assert_eq!(folded.dim(), (5, 5));
        for (i, o) in (0..3).flat_map(|i| (0..2).map(move |o| (i, o))) {
            let column = |b: i64| (0..3).map(|a| at(1, [o as i64, i as i64, a, b])).sum::<f64>();
            let norm = (0..3).map(column).fold(0.0, f64::max);
            assert!((folded[[i, 3 + o]] - factors[i] * norm).abs() < 1e-6, "{i} {o}");
        }
        let raw = of(GraphLayers::Convolutions, Convention::Authors, false);
        assert!((raw[[0, 3]] * factors[0] - folded[[0, 3]]).abs() < 1e-6);
        // and behind the flattening
        let whole = of(GraphLayers::All, Convention::Paper, true);
        let pixels: f64 = (0..4).map(|p| network.weights[2].double_value(&[1, p]).abs()).sum();
        assert_eq!(whole.dim(), (8, 8));
        assert!((whole[[4, 7]] - pixels / 16.001f64.sqrt()).abs() < 1e-6);
        assert!(of(GraphLayers::All, Convention::Paper, false)[[0, 1]] == whole[[0, 1]]);
    }
}
