//! Networks as they are initialised: the figures of the paper's appendix (figure A.1).

use ncut::graph::mlp_graph;
use ncut::nn::Mlp;
use ncut::spectral::clustering::{ClusterParams, cluster};
use rayon::prelude::*;

/// The authors' 100 networks have mean 10.2952 and sd 0.0318 (their `random_init_data.pkl`).
#[test]
fn hundred_initial_networks_have_the_published_mean() {
    let ncuts: Vec<f64> = (0..100)
        .into_par_iter()
        .map(|seed| {
            let network = Mlp::glorot(&[784, 256, 256, 256, 256, 10], seed, tch::Device::Cpu);
            let clustering = cluster(&mlp_graph(network.weight_matrices()), ClusterParams::new(12, seed)).unwrap();
            clustering.partition.ncut()
        })
        .collect();
    let mean = ncuts.iter().sum::<f64>() / 100.0;
    let sd = (ncuts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 99.0).sqrt();
    println!("n-cut of 100 initial networks: {mean:.4} ± {sd:.4}");
    assert!((mean - 10.295).abs() < 0.01, "mean {mean}");
    assert!((0.02..0.05).contains(&sd), "sd {sd}");
}
