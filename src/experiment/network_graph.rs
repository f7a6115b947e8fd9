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

/// Which layers of neurons or channels, input first, have weights that begin by their tags or are held to them.
fn tagged_layers(settings: &Settings, architecture: &Architecture) -> Vec<bool> {
    let are_convolutions = architecture.are_convolutions();
    let count = are_convolutions.len();
    let convolutions = are_convolutions.iter().take_while(|is| **is).count();
    let seen = settings.penalty_layers.range(convolutions, count);
    let is_shared = |layer: usize| {
        settings.has_share()
            && seen.contains(&layer)
            && settings.block_share_layers.contains(layer - seen.start, seen.len())
    };
    let begins = |layer: usize| {
        settings.clusterable_init && settings.clusterable_init_layers.contains(layer, count, are_convolutions[layer])
    };
    let mut layers = vec![false; count + 1];
    for layer in (0..count).filter(|layer| begins(*layer) || is_shared(*layer)) {
        (layers[layer], layers[layer + 1]) = (true, true);
    }
    layers
}

/// How far the clusters of a network's graph, `labels` of its nodes with −1 for those that were dropped, are the tags that it was trained
/// with from `seed`: the adjusted Rand index over the nodes that were not, in layers whose tags have done something. `None` if none has.
pub(super) fn tag_agreement(labels: &[i64], settings: &Settings, seed: u64) -> Result<Option<f64>, String> {
    if !settings.has_tags() {
        return Ok(None);
    }
    let architecture = settings.architecture()?;
    let tags = Tags::draw(&architecture.channels(), settings.tags.get(), settings.tag_sizes, seed);
    let of_layer = |(tags, is_tagged): (Vec<usize>, bool)| -> Vec<_> {
        tags.into_iter().map(|tag| is_tagged.then_some(tag as u32)).collect()
    };
    let tags = tags.of.into_iter().zip(tagged_layers(settings, &architecture)).map(of_layer).collect();
    let tags = in_graph(tags, &architecture, settings.graph_layers).concat();
    assert_eq!(tags.len(), labels.len(), "a label for each node");
    let kept = labels.iter().zip(tags).filter(|(label, _)| **label >= 0);
    let (labels, tags): (Vec<u32>, Vec<u32>) = kept.filter_map(|(label, tag)| Some((*label as u32, tag?))).unzip();
    Ok((!tags.is_empty()).then(|| adjusted_rand_index(&labels, &tags)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Setting;
    use crate::experiment::yaml;

    fn settings(yaml: &str) -> Settings {
        let mut settings = Settings::default();
        for (key, node) in yaml::parse("", yaml).unwrap().map("").unwrap() {
            Setting::read(&key.name, node.value()).unwrap().apply(&mut settings);
        }
        settings
    }

    /// Input, two hidden layers and output; an image, three convolutions, a dense layer and the output.
    #[test]
    fn tags_of_layers_that_nothing_looks_at_do_not_count() {
        let of = |yaml: &str| {
            let settings = settings(yaml);
            tagged_layers(&settings, &settings.architecture().unwrap())
        };
        for (yaml, expected) in [
            ("{hidden: [8, 6]}", "0000"),
            ("{hidden: [8, 6], clusterable_init: true}", "0111"),
            ("{hidden: [8, 6], clusterable_init: true, clusterable_init_layers: all}", "1111"),
            ("{hidden: [8, 6], clusterable_init: true, clusterable_init_layers: hidden}", "0110"),
            ("{hidden: [8, 6], block_share: 1}", "1111"),
            ("{hidden: [8, 6], block_share: 1, block_share_layers: hidden}", "0110"),
            ("{hidden: [8, 6], block_share: 1, block_share_layers: hidden, clusterable_init: true}", "0111"),
            ("{hidden: [8, 6], block_share_pruning: 1}", "1111"),
            ("{hidden: [8, 6], block_share_pruning: 1, pruning_epochs: 0}", "0000"),
            ("{model: cnn, clusterable_init: true, clusterable_init_layers: convolutions}", "011100"),
            ("{model: cnn, block_share: 1, penalty_layers: convolutions}", "011100"),
            ("{model: cnn, block_share: 1, block_share_layers: hidden}", "011110"),
        ] {
            let found: String = of(yaml).iter().map(|is| if *is { '1' } else { '0' }).collect();
            assert_eq!(found, expected, "{yaml}");
        }
        let settings = settings("{hidden: [8, 6], clusterable_init: true, tags: 4}");
        let tags = Tags::draw(&[784, 8, 6, 10], 4, settings.tag_sizes, 7);
        let labels = |input: i64, dropped: i64| -> Vec<i64> {
            let behind = tags.of[1..].concat().into_iter().map(|tag| tag as i64);
            [input; 784].into_iter().chain([dropped; 1]).chain(behind.skip(1)).collect()
        };
        for input in [-1, 3] {
            assert_eq!(tag_agreement(&labels(input, -1), &settings, 7), Ok(Some(1.0)));
        }
        let other = tag_agreement(&labels(0, -1), &settings, 8).unwrap().unwrap();
        assert!(other < 0.5, "{other}");
        assert_eq!(tag_agreement(&[-1; 808], &settings, 7), Ok(None));
    }
}
