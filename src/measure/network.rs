//! From a model file to its graph.

use super::measurement::ModelInfo;
use crate::InputError;
use crate::dataflow::Kind;
use crate::graph::{GraphParams, NeuronGraph, Weighted, channel_graph, mlp_graph};
use crate::model::{self, Arch, Architecture, TensorEntry, TensorFile, dense_chain};
use std::path::Path;

/// The graph of a model file, and what the file is: a chain of dense layers, called `mlp 784-256-10`, or a network with convolutions, called
/// by its architecture, or as `cnn 1-32-64-1024-10`.
///
/// # Errors
///
/// As [`TensorFile::open`], [`dense_chain`], [`model::architecture`] and [`channel_graph`].
pub fn read_network(
    path: &Path,
    architecture: Arch,
    params: GraphParams,
) -> Result<(NeuronGraph, ModelInfo), InputError> {
    let file = TensorFile::open(path)?;
    let info = |architecture: String, graph_layers| {
        let (path, sha256) = (path.display().to_string(), file.sha256().into());
        ModelInfo { path, sha256, architecture, graph_layers, weights: file.unusual_weights(), assumed: None }
    };
    // Batch normalisations and masks are for those that know what they do.
    let is_plain = |entry: &TensorEntry| {
        entry.shape.len() < 3
            && ![".running_var", "weight_mask", "weight_orig"].iter().any(|part| entry.name.ends_with(part))
    };
    let is_named_mlp = architecture == Arch::Auto && file.entries().iter().all(is_plain) && file.dataflow()?.is_none();
    if architecture == Arch::Mlp || is_named_mlp {
        let layers = dense_chain(&file)?;
        let assumed = model::other_order(&file, &layers);
        let mut graph = mlp_graph(layers.into_iter().map(|layer| (layer.name, layer.weight)).collect());
        graph.drop_below(params.least_weight);
        if params.prune > 0.0 {
            graph.prune(params.prune);
        }
        let widths: Vec<String> = graph.node_sets.iter().map(|set| set.size.to_string()).collect();
        return Ok((graph, ModelInfo { assumed, ..info(format!("mlp {}", widths.join("-")), None) }));
    }
    let Architecture { name, dataflow, assumed } = model::architecture(&file, architecture)?;
    let is_convolutional = dataflow.operations.iter().any(|o| matches!(o.kind, Kind::Convolution { .. }));
    let network = Weighted { dataflow, path: &path.display().to_string(), read: &|tensor| file.tensor(tensor) };
    let graph = channel_graph(network, params)?;
    Ok((graph, ModelInfo { assumed, ..info(name, is_convolutional.then_some(params.layers)) }))
}
