//! Milliseconds of a training step with and without each penalty: `cargo bench --bench training_step`.
//!
//! Steps of all variants alternate, so that whatever else the machine does meets them alike; medians, and their ratio to
//! the step without penalty.

use ncut::data::{Dataset, Split, Task};
use ncut::experiment::settings::{Setting, Settings};
use ncut::train::{Trainer, host};
use serde_json::{Value, json};
use std::time::Instant;
use tch::Device;

const STEPS: usize = 60;

/// What is trained: its name, rows and columns of an image, and its settings.
type Network = (&'static str, usize, Vec<(&'static str, Value)>);

fn dataset(side: usize) -> Dataset {
    let pixels = side * side;
    let split = |n: usize| {
        let noise = |i: usize| ((i * 2_654_435_761) >> 7) as u8;
        let labels = (0..n).map(|i| noise(i) % 10).collect();
        Split::grey((0..n * pixels).map(noise).collect(), labels, side, side)
    };
    Dataset { name: "noise".into(), train: split(12_800), test: split(10), task: Task::Classification { classes: 10 } }
}

fn trainer((_, side, network): &Network, given: &[(&str, Value)]) -> Trainer {
    let mut settings = Settings::default();
    for (name, value) in network.iter().chain(given) {
        Setting::read(name, value.clone()).expect("a setting").apply(&mut settings);
    }
    Trainer::new(settings.train_params(0), &dataset(*side), 12_800, Device::Cpu)
}

fn main() {
    let threads: i32 = std::env::var("NCUT_BENCH_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    host::prepare();
    tch::set_num_threads(threads);
    let loops = |kind| vec![("loop_penalty", json!(0.01)), ("loop_penalty_kind", json!(kind))];
    let eigenvalues = |solver| vec![("eigen_penalty", json!(0.03)), ("eigen_penalty_solver", json!(solver))];
    let variants: Vec<(&str, Vec<(&str, Value)>)> = vec![
        ("no penalty", vec![]),
        ("l1", vec![("l1", json!(5e-5))]),
        ("dropout", vec![("dropout", json!(0.05))]),
        ("l4 and loops", vec![("l4", json!(0.05)), ("loop_penalty", json!(5e-4))]),
        ("loop_penalty, loops-abs", loops("loops-abs")),
        ("loop_penalty, butterflies", loops("butterflies")),
        ("loop_penalty, readme-literal", loops("readme-literal")),
        ("loop_penalty, as-coded", loops("as-coded")),
        ("loop_penalty, loops-normalised", loops("loops-normalised")),
        ("loop_penalty, trace-s4", loops("trace-s4")),
        ("loop_penalty, volume-modules", loops("volume-modules")),
        ("block_share", vec![("block_share", json!(1))]),
        ("block_share and l4", vec![("block_share", json!(1)), ("l4", json!(2e-9))]),
        ("block_share, l4 and dropout", vec![("block_share", json!(1)), ("l4", json!(2e-9)), ("dropout", json!(0.05))]),
        ("block_share, decoupled", vec![("block_share", json!(1)), ("penalty_step", json!("decoupled"))]),
        ("soft_ncut", vec![("soft_ncut", json!(0.1))]),
        ("soft_modularity", vec![("soft_modularity", json!(1))]),
        ("normalize_neurons", vec![("normalize_neurons", json!(true))]),
        ("eigen_penalty, eigh", eigenvalues("eigh")),
        (
            "eigen_penalty, eigh, normalize_neurons",
            [eigenvalues("eigh"), vec![("normalize_neurons", json!(true))]].concat(),
        ),
        ("eigen_penalty, autograd", eigenvalues("autograd")),
        ("eigen_penalty, lanczos", eigenvalues("lanczos")),
    ];
    let mlp = |hidden: Value| vec![("hidden", hidden), ("pruning_epochs", json!(0))];
    let airg = vec![("model", json!("airg-cnn")), ("batch_size", json!(100)), ("pruning_epochs", json!(0))];
    let networks: [Network; 3] = [
        ("49-64-64-64-10, batch 128", 7, mlp(json!([64, 64, 64]))),
        ("784-256-256-256-256-10, batch 128", 28, mlp(json!([256, 256, 256, 256]))),
        ("airg-cnn, batch 100", 28, airg),
    ];
    for network in networks {
        println!("{}, {threads} threads, {STEPS} steps each", network.0);
        let mut trainers: Vec<Trainer> = variants.iter().map(|(_, given)| trainer(&network, given)).collect();
        let mut times = vec![Vec::new(); trainers.len()];
        for _ in 0..STEPS {
            for (trainer, times) in trainers.iter_mut().zip(&mut times) {
                let start = Instant::now();
                trainer.step();
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let medians: Vec<f64> = times
            .into_iter()
            .map(|mut times| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            })
            .collect();
        for ((name, _), median) in variants.iter().zip(&medians) {
            println!("  {name:<40} {median:8.2} ms  {:5.2} x", median / medians[0]);
        }
    }
}
