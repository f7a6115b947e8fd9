//! The second seed's convolutional network, from a grid file to its graph.

use safetensors::SafeTensors;
use serde_json::Value;

use crate::harness::{Work, assert_all_close, names, numbers};

const GRID: &str = "experiments:
  airg:
    fixed: {dataset: mnist-sample, model: airg-cnn, n_train: 64, batch_size: 32, adam_epsilon: 1e-8, epochs: 2it,
            pruning_epochs: 1it, l4: 0.05, loop_penalty: 5e-4, shuffles: 3, clusters: 3}
  whole:
    base: airg
    fixed: {graph_layers: all}
";

fn only_run(work: &Work, experiment: &str) -> std::path::PathBuf {
    let folder = work.path(&format!("runs/{experiment}"));
    let condition = names(&folder).into_iter().find(|name| folder.join(name).is_dir()).unwrap();
    folder.join(condition).join("r0")
}

#[test]
fn is_trained_pruned_and_measured() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    work.ncut(&["run", "grid.yaml", "--jobs", "1"]).ok();
    let (channels, whole) = (only_run(&work, "airg"), only_run(&work, "whole"));
    let read = |run: &std::path::Path| -> Value {
        serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap()
    };
    for (run, layers, nodes) in [(&channels, "convolutions", 96), (&whole, "all", 1131)] {
        let result = read(run);
        for state in ["unpruned", "pruned"] {
            let end = &result[state];
            assert_eq!(end["model"]["architecture"], "cnn 1-32-64-1024-10");
            assert_eq!(end["model"]["graph_layers"], layers);
            assert_eq!(end["labels"].as_array().unwrap().len(), nodes);
            assert_eq!(end["null"]["shuffles"], 3);
            // the measurement is that of `measure` on the file, seeds apart
            let file = run.join(format!("{state}.safetensors")).display().to_string();
            let m = work.measured(&["measure", &file, "-k", "3", "--shuffles", "0", "--layers", layers]);
            assert_eq!((&end["graph"], &end["model"]["sha256"]), (&m["graph"], &m["model"]["sha256"]));
            assert_all_close(&numbers(&end["eigenvalues"]), &numbers(&m["eigenvalues"]), 1e-8);
        }
        assert_eq!(result["unpruned"]["graph"]["edges"], if layers == "all" { 77_856 } else { 2048 });
        assert_eq!(result["pruned"]["sparsity"].as_f64().map(|s| (s * 1000.0).round()), Some(900.0));
    }
    let network = |run: &std::path::Path| std::fs::read(run.join("unpruned.safetensors")).unwrap();
    assert_eq!(network(&channels), network(&whole));
    let bytes = network(&channels);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in [("layers.1.weight", &[64, 32, 5, 5][..]), ("layers.2.weight", &[1024, 3136])] {
        assert_eq!(file.tensor(name).unwrap().shape(), shape);
    }

    let file = channels.join("unpruned.safetensors").display().to_string();
    work.ncut(&["graph", &file, "-o", "g.npz", "--layers", "all"]).ok();
    let layers = work.json("g.npz.layers.json");
    assert!(layers.to_string().contains(r#""size":1024"#), "{layers}");
    work.expect_input_error(&["measure", &file, "--prune", "0.5"], &["--prune", "convolutional", "; "]);
    work.expect_input_error(&["measure", &file, "--convention", "authors"], &["--convention", "convolutional", "; "]);
}

#[test]
fn settings_that_it_does_not_have_are_refused() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    for (set, wanted) in [
        ("hidden=[64]", &["grid.yaml: airg: hidden", "layers of its own", "; leave it out"][..]),
        ("dropout=0.5", &["dropout", "; leave it out"]),
        ("l2_convention=authors", &["l2_convention", "; leave it out"]),
        ("clusters=96", &["96 clusters of a network of 96 nodes", "; use at most 95"]),
        ("adam_epsilon=0", &["adam_epsilon", "above 0"]),
        ("loop_penalty_flatten=folded", &["loop_penalty_flatten", "fold"]),
    ] {
        work.expect_input_error(&["run", "grid.yaml", "--only", "airg", "--set", set], wanted);
    }
}
