//! The graph of the network that a run trains.

use super::settings::Settings;
use super::types::Model;
use crate::InputError;
use crate::graph::{GraphLayers, GraphParams, NeuronGraph, Weighted, channel_graph};
use crate::measure::{ModelInfo, read_network};
use crate::model::{Arch, TensorFile};
use crate::nn::Architecture;
use crate::nn::tags::Tags;
use crate::spectral::agreement::adjusted_rand_index;
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

/// Those of `layers`, one for each layer of neurons or channels, input first, that are in the graph that is measured.
fn in_graph<T>(layers: Vec<T>, architecture: &Architecture, which: GraphLayers) -> Vec<T> {
    if architecture.is_dense() || which == GraphLayers::All {
        return layers;
    }
    let behind_input = layers.into_iter().skip(1);
    behind_input.zip(architecture.are_convolutions()).filter(|(_, is)| *is).map(|(layer, _)| layer).collect()
}

/// Nodes of the graph that is measured.
pub(super) fn graph_nodes(architecture: &Architecture, layers: GraphLayers) -> usize {
    in_graph(architecture.channels(), architecture, layers).into_iter().sum()
}

/// How far the clusters of a network's graph, `labels` of its nodes with −1 for those that were dropped, are the tags that it was trained
/// with from `seed`: the adjusted Rand index over the nodes that were not. `None` if it was trained without.
pub(super) fn tag_agreement(labels: &[i64], settings: &Settings, seed: u64) -> Result<Option<f64>, String> {
    if !settings.has_tags() {
        return Ok(None);
    }
    let architecture = settings.architecture()?;
    let tags = Tags::draw(&architecture.channels(), settings.tags.get(), settings.tag_sizes, seed);
    let tags = in_graph(tags.of, &architecture, settings.graph_layers).concat();
    assert_eq!(tags.len(), labels.len(), "a label for each node");
    let kept = labels.iter().zip(tags).filter(|(label, _)| **label >= 0);
    let (labels, tags): (Vec<u32>, Vec<u32>) = kept.map(|(label, tag)| (*label as u32, tag as u32)).unzip();
    Ok(Some(adjusted_rand_index(&labels, &tags)))
}
