//! Networks as they are initialised: figures A.1 and A.2 of the paper's appendix.

use ncut::dataflow::TensorName;
use ncut::graph::{Convention, GraphParams, Weighted, channel_graph, mlp_graph};
use ncut::nn::clusterable_init::{ClusterableInit, TaggedLayers, clusterable_init};
use ncut::nn::tags::{TagSizes, Tags};
use ncut::nn::{Network, Preset};
use ncut::spectral::clustering::{ClusterParams, cluster};
use ndarray::ArrayD;
use rayon::prelude::*;

const WIDTHS: [usize; 6] = [784, 256, 256, 256, 256, 10];

fn mean_and_sd(ncuts: &[f64]) -> (f64, f64) {
    let n = ncuts.len() as f64;
    let mean = ncuts.iter().sum::<f64>() / n;
    (mean, (ncuts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// Mean and standard deviation (ddof = 1) of the n-cuts of so many networks.
fn ncuts(networks: u64, layers: Option<TaggedLayers>) -> (f64, f64) {
    let ncut = |seed| {
        let mut network = Network::mlp(&WIDTHS, seed, tch::Device::Cpu);
        if let Some(layers) = layers {
            let init = ClusterableInit { layers, beta: 0.6 };
            clusterable_init(&mut network.weights, &Tags::draw(&WIDTHS, 10, TagSizes::Random, seed), init);
        }
        let graph = mlp_graph(network.weight_matrices());
        cluster(&graph, ClusterParams::new(12, seed)).unwrap().partition.ncut()
    };
    mean_and_sd(&(0..networks).into_par_iter().map(ncut).collect::<Vec<f64>>())
}

/// The same of small convolutional networks with so many channels a layer; `beta` is that of clusterable initialisation.
fn ncuts_of_channels(networks: u64, channels: usize, beta: Option<f64>, convention: Convention) -> (f64, f64) {
    let preset = Preset::Cnn { channels };
    let ncut = |seed| {
        let architecture = preset.architecture([1, 28, 28], 10).unwrap();
        let tags = Tags::draw(&architecture.channels(), 10, TagSizes::Random, seed);
        let mut network = Network::new(architecture, preset.initialization(), seed, tch::Device::Cpu);
        if let Some(beta) = beta {
            let init = ClusterableInit { layers: TaggedLayers::Convolutions, beta };
            clusterable_init(&mut network.weights, &tags, init);
        }
        let names = network.parameter_names();
        let read = |tensor: &TensorName| {
            let place = names.iter().position(|name| *name == tensor.name).unwrap();
            let weight: Vec<f64> = network.parameters()[place].detach().flatten(0, -1).try_into().unwrap();
            Ok(ArrayD::from_shape_vec(tensor.shape.clone(), weight).unwrap())
        };
        let weighted = Weighted { dataflow: network.architecture().dataflow(), path: "cnn", read: &read };
        let graph = channel_graph(weighted, GraphParams { convention, ..GraphParams::default() }).unwrap();
        cluster(&graph, ClusterParams::new(12, seed)).unwrap().partition.ncut()
    };
    mean_and_sd(&(0..networks).into_par_iter().map(ncut).collect::<Vec<f64>>())
}

/// The authors' 100 networks have mean 10.2952 and sd 0.0318 (their `random_init_data.pkl`).
#[test]
fn hundred_initial_networks_have_the_published_mean() {
    let (mean, sd) = ncuts(100, None);
    println!("n-cut of 100 initial networks: {mean:.4} ± {sd:.4}");
    assert!((mean - 10.295).abs() < 0.01, "mean {mean}");
    assert!((0.02..0.05).contains(&sd), "sd {sd}");
}

/// With every matrix modified, 6.7990 ± 0.0340 in the authors' file; with all but the first, as they train, 7.42 ± 0.02,
/// and with hidden ones alone 7.49, of a few networks of an independent program with scikit-learn's k-means. 100 of ours, as
/// they train, have 7.399 ± 0.024, and scikit-learn finds what we find.
#[test]
fn clusterable_initialisation_has_the_published_mean() {
    for (layers, published, within) in
        [(TaggedLayers::All, 6.799, 0.02), (TaggedLayers::AfterFirst, 7.42, 0.04), (TaggedLayers::Hidden, 7.49, 0.04)]
    {
        let (mean, sd) = ncuts(30, Some(layers));
        println!("n-cut of 30 initial networks, {layers:?}: {mean:.4} ± {sd:.4}");
        assert!((mean - published).abs() < within, "{layers:?}: mean {mean}");
        assert!((0.01..0.06).contains(&sd), "{layers:?}: sd {sd}");
    }
}

/// The authors' 100 networks of 128 channels have mean 10.9230 and sd 0.0066, and 9.2488 ± 0.0306 with clusterable initialisation; 64
/// channels, as the paper has them, 10.894 ± 0.012 by either convention in an independent program.
#[test]
fn channels_have_the_published_mean() {
    for (channels, beta, convention, published, within, deviation) in [
        (64, None, Convention::Authors, 10.894, 0.006, 0.012),
        (64, None, Convention::Paper, 10.894, 0.006, 0.012),
        (128, None, Convention::Authors, 10.923, 0.004, 0.0066),
        (128, Some(0.8), Convention::Authors, 9.249, 0.018, 0.031),
    ] {
        let (mean, sd) = ncuts_of_channels(40, channels, beta, convention);
        println!("n-cut of 40 initial networks, {channels} channels, {beta:?}, {convention:?}: {mean:.4} ± {sd:.4}");
        assert!((mean - published).abs() < within, "{channels} channels, {beta:?}: mean {mean}");
        assert!((0.6..1.7).contains(&(sd / deviation)), "{channels} channels, {beta:?}: sd {sd}");
    }
}
