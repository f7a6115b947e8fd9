//! The graph of the network that a run trains.

use super::settings::Settings;
use super::types::Model;
use crate::InputError;
use crate::graph::{GraphLayers, GraphParams, NeuronGraph, Weighted, channel_graph};
use crate::measure::{ModelInfo, read_network};
use crate::model::{Arch, TensorFile};
use crate::nn::Architecture;
use std::path::Path;

/// The graph of the network at `path`, one of a run with `settings`, and what it is: `cnn 1-64-64-64-128-10` is one with convolutions.
///
/// # Errors
///
/// The file cannot be read or is no such network, or its weights are no finite numbers.
pub(super) fn network_graph(path: &Path, settings: &Settings) -> Result<(NeuronGraph, ModelInfo), InputError> {
    let params = GraphParams {
        convention: settings.convention,
        layers: settings.graph_layers,
        batch_norm: settings.fold_batch_norm,
        least_weight: settings.least_weight.into(),
        ..GraphParams::default()
    };
    if settings.model == Model::Mlp {
        return read_network(path, Arch::Mlp, params);
    }
    let fault = |problem: String| InputError::new(path.display(), problem, "train the network again");
    let architecture = settings.architecture().map_err(|problem| fault(problem.to_string()))?;
    let file = TensorFile::open(path)?;
    let named = path.display().to_string();
    let network = Weighted { dataflow: architecture.dataflow(), path: &named, read: &|tensor| file.tensor(tensor) };
    let graph = channel_graph(network, params)?;
    let widths: Vec<String> = architecture.channels().iter().map(usize::to_string).collect();
    let info = ModelInfo {
        path: named.clone(),
        sha256: file.sha256().into(),
        architecture: format!("cnn {}", widths.join("-")),
        graph_layers: Some(settings.graph_layers),
        weights: None,
        assumed: None,
    };
    Ok((graph, info))
}

/// Nodes of the graph that is measured.
pub(super) fn graph_nodes(architecture: &Architecture, layers: GraphLayers) -> usize {
    let channels = architecture.channels();
    if architecture.is_dense() || layers == GraphLayers::All {
        return channels.iter().sum();
    }
    channels[1..].iter().zip(architecture.are_convolutions()).filter(|(_, is)| *is).map(|(channels, _)| channels).sum()
}
