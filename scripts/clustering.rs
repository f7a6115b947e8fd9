//! Milliseconds of each part of a clustering on one thread, k = 12; medians: `cargo bench --bench clustering [-- NAME… FILE…]`.
//!
//! Of shuffles of graphs of the paper's sizes, with weights as they are initialised; or of the graph of a model file as it is,
//! in the authors' convention, for `scripts/bench`.

use ncut::graph::{Block, Convention, GraphParams, NeuronGraph, NodeSet};
use ncut::measure::read_network;
use ncut::model::Arch;
use ncut::rng::{ChaCha8Rng, Purpose, stream};
use ncut::spectral::eigsh::{EigshParams, eigsh};
use ncut::spectral::kmeans::{Engine, KMeansParams, kmeans};
use ncut::spectral::laplacian::NormalizedAdjacency;
use ncut::spectral::ncut::Partition;
use ncut::stats::shuffle::{NullModel, shuffle};
use rand::Rng;
use sprs::CsMatI;
use std::path::Path;
use std::time::Instant;

/// Name, sizes of the node sets, `(source, target)` of the blocks, share of the entries that are zero, k-means starts, times.
type Shape = (&'static str, Vec<usize>, Vec<(usize, usize)>, f64, usize, usize);

fn chain(sizes: &[usize]) -> Vec<(usize, usize)> {
    (1..sizes.len()).map(|i| (i - 1, i)).collect()
}

fn shapes() -> Vec<Shape> {
    let mlp = vec![784, 256, 256, 256, 256, 10];
    let vgg = [vec![64; 2], vec![128; 2], vec![256; 3], vec![512; 6]].concat();
    // each stage's last layer feeds two stages ahead too, as shortcuts do, so that no two sides exist
    let resnet: Vec<usize> = [(64, 3), (128, 4), (256, 6), (512, 3)]
        .iter()
        .flat_map(|&(width, count)| [width, width, 4 * width].repeat(count))
        .collect();
    let mut skips = chain(&resnet);
    skips.extend((2..resnet.len() - 3).step_by(3).map(|i| (i, i + 3)));
    vec![
        ("mlp-pruned", mlp.clone(), chain(&mlp), 0.9, 25, 51),
        ("mlp-dense", mlp.clone(), chain(&mlp), 0.0, 25, 51),
        ("vgg-16", vgg.clone(), chain(&vgg), 0.0, 100, 11),
        ("resnet-50", resnet.clone(), skips, 0.0, 100, 3),
    ]
}

fn graph((_, sizes, pairs, zeros, ..): &Shape, rng: &mut ChaCha8Rng) -> NeuronGraph {
    let node_sets = sizes.iter().enumerate().map(|(i, &size)| NodeSet { name: i.to_string(), size }).collect();
    let blocks = pairs
        .iter()
        .map(|&(source, target)| {
            let shape = (sizes[source], sizes[target]);
            let (mut indptr, mut indices, mut data) = (vec![0u32], Vec::new(), Vec::new());
            for _ in 0..shape.0 {
                for column in 0..shape.1 {
                    let weight: f32 = rng.gen_range(0.0..1.0);
                    if f64::from(weight) > *zeros {
                        indices.push(column as u32);
                        data.push(f64::from(weight));
                    }
                }
                indptr.push(indices.len() as u32);
            }
            Block { source, target, weights: CsMatI::new(shape, indptr, indices, data) }
        })
        .collect();
    NeuronGraph { node_sets, blocks }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (files, names): (Vec<&String>, Vec<&String>) = wanted.iter().partition(|name| name.ends_with(".safetensors"));
    let shapes = shapes().into_iter().filter(|shape| wanted.is_empty() || names.iter().any(|name| *name == shape.0));
    for shape in shapes {
        let (name, _, _, _, restarts, times) = shape;
        time(name, &graph(&shape, &mut stream(0, Purpose::InitialWeights, 0, 0)), true, restarts, times);
    }
    for file in files {
        let params = GraphParams { convention: Convention::Authors, ..GraphParams::default() };
        let (graph, _) = read_network(Path::new(file), Arch::Auto, params).expect("a model file");
        let (restarts, times) = if graph.nodes() < 2000 { (25, 21) } else { (100, 5) };
        time(file, &graph, false, restarts, times);
    }
}

fn time(name: &str, network: &NeuronGraph, shuffled: bool, restarts: usize, times: usize) {
    println!("{name}: {} nodes, {} edges, {restarts} starts, {times} times", network.nodes(), network.edges());
    let mut parts: Vec<(&str, Vec<f64>)> =
        ["shuffle", "drop isolated", "normalise", "eigenvectors", "k-means", "n-cut", "all"]
            .map(|part| (part, Vec::new()))
            .into();
    for index in 0..times as u64 {
        let begin = Instant::now();
        let mut last = begin;
        let mut part = 0;
        let mut lap = || {
            let now = Instant::now();
            parts[part].1.push((now - last).as_secs_f64() * 1e3);
            (last, part) = (now, part + 1);
        };
        let graph = match shuffled {
            true => shuffle(network, NullModel::Layer, &mut stream(0, Purpose::Shuffle, index, 0)),
            false => network.clone(),
        };
        lap();
        let (graph, _) = graph.without_isolated();
        lap();
        let s = NormalizedAdjacency::new(&graph);
        lap();
        let pairs = eigsh(&s, EigshParams::new(12, index)).expect("converges");
        lap();
        let mut embedding = pairs.vectors;
        for (mut row, degree) in embedding.rows_mut().into_iter().zip(&s.degrees) {
            row /= degree.sqrt();
        }
        let params = KMeansParams { k: 12, restarts, engine: Engine::Lloyd, seed: 0, index };
        let found = kmeans(embedding.view(), params);
        lap();
        let ncut = Partition::new(&graph, &found.labels, 12).ncut();
        lap();
        parts[6].1.push(begin.elapsed().as_secs_f64() * 1e3);
        if index == 0 {
            println!("  n-cut {ncut:.15}, inertia {:.15e}, λ_12 {:.15}", found.inertia, pairs.values[11]);
        }
    }
    for (part, mut times) in parts {
        times.sort_by(f64::total_cmp);
        println!("  {part:<14} {:9.2} ms", times[times.len() / 2]);
    }
}
