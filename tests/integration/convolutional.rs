//! Convolutional networks, from a grid file to their graphs.

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
    // a chain has the same nodes by every convention; the authors' norm of a slice is the smaller
    let edge = |convention: &str| {
        work.ncut(&["graph", &file, "-o", "g.mtx", "--convention", convention, "--prune", "0.5"]).ok();
        let text = std::fs::read_to_string(work.path("g.mtx")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('%')).collect();
        (lines[0].to_string(), lines[1].rsplit(' ').next().unwrap().parse::<f64>().unwrap())
    };
    let (paper, authors) = (edge("paper"), edge("authors"));
    assert_eq!((&paper.0, paper.1), (&edge("residual").0, edge("residual").1));
    assert!(paper.0 == authors.0 && authors.1 < paper.1, "{paper:?} {authors:?}");
}

#[test]
fn settings_that_it_does_not_have_are_refused() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    for (set, wanted) in [
        ("hidden=[64]", &["--set hidden=[64]: hidden", "layers of its own", "; leave it out"][..]),
        ("dropout=0.5", &["dropout", "; leave it out"]),
        ("l2_convention=authors", &["l2_convention", "; leave it out"]),
        ("channels=32", &["channels", "layers of its own", "; leave it out"]),
        ("fold_batch_norm=false", &["fold_batch_norm", "no batch normalisation", "; leave it out"]),
        ("data_seed=1", &["data_seed", "nothing in this data set is drawn", "; leave it out, or name one"]),
        ("clusters=96", &["96 clusters of a network of 96 nodes", "; use at most 95"]),
        ("adam_epsilon=0", &["adam_epsilon", "above 0"]),
        ("loop_penalty_flatten=folded", &["loop_penalty_flatten", "fold"]),
    ] {
        work.expect_input_error(&["run", "grid.yaml", "--only", "airg", "--set", set], wanted);
    }
}

#[test]
fn settings_of_one_model_are_refused_for_others() {
    let work = Work::new();
    work.write("grid.yaml", "experiments:\n  mlp: {fixed: {dataset: mnist-sample}}\n");
    for (set, wanted) in [
        (
            &["convention=authors"][..],
            &["--set convention=authors: convention", "no convolutions", "; leave it out"][..],
        ),
        (&["penalty_layers=convolutions"], &["penalty_layers", "no convolutions"]),
        (&["clusterable_init_layers=convolutions"], &["clusterable_init_layers", "no convolutions"]),
        (&["channels=32"], &["channels", "; leave it out, or train a cnn"]),
        (&["model=vgg"], &["dataset", "too small to be pooled", "larger images"]),
        (
            &["model=cnn", "penalty_layers=convolutions", "eigen_penalty=0.1", "channels=2"],
            &["eigen_penalty_count", "2 neurons on a side", "at most 1"],
        ),
    ] {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        work.expect_input_error(&[&["run", "grid.yaml"], &set[..]].concat(), wanted);
    }
}

/// With dropout, penalties on the channels' graph, pruning and lesions; trained once for both conventions.
#[test]
fn the_papers_network_is_measured_in_both_conventions() {
    let work = Work::new();
    let grid = "experiments:
  cnn:
    fixed: {dataset: mnist-sample, model: cnn, channels: 8, n_train: 64, batch_size: 32, dropout: 0.5, epochs: 2it,
            pruning_epochs: 1it, penalty_layers: convolutions, block_share: 0.1, eigen_penalty: 0.01, clusterable_init: true,
            clusterable_init_layers: convolutions, clusterable_init_beta: 0.8, shuffles: 2, clusters: 3, lesions: 2}
    grid: {convention: [paper, authors]}
";
    work.write("grid.yaml", grid);
    work.ncut(&["run", "grid.yaml", "--jobs", "1"]).ok();
    let folder = work.path("runs/cnn");
    let [paper, authors] = ["paper", "authors"].map(|convention| {
        let of = |name: &String| {
            let config = std::fs::read_to_string(folder.join(name).join("r0/config.yaml")).unwrap_or_default();
            config.contains(&format!("\nconvention: {convention}\n"))
        };
        folder.join(names(&folder).into_iter().find(of).unwrap()).join("r0")
    });
    let read = |run: &std::path::Path| -> Value {
        serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap()
    };
    let [one, other] = [&paper, &authors].map(|run| read(run));
    for state in ["unpruned", "pruned"] {
        let network = |run: &std::path::Path| std::fs::read(run.join(format!("{state}.safetensors"))).unwrap();
        assert_eq!(network(&paper), network(&authors));
        assert_ne!(one[state]["ncut"], other[state]["ncut"]);
        for end in [&one[state], &other[state]] {
            assert_eq!(end["model"]["architecture"], "cnn 1-8-8-8-128-10");
            assert_eq!(end["labels"].as_array().unwrap().len(), 24);
            assert_eq!(end["lesions"]["layers"].as_array().unwrap().len(), 3);
            assert_eq!(end["lesions"]["accuracy"], end["test_accuracy"]);
            let labels = numbers(&end["labels"]);
            for (cluster, lesion) in end["lesions"]["clusters"].as_array().unwrap().iter().enumerate() {
                let channels =
                    labels.chunks(8).map(|layer| layer.iter().filter(|&&l| l == cluster as f64).count() as f64);
                assert_eq!(numbers(&lesion["neurons"]), channels.collect::<Vec<_>>());
            }
        }
    }
    let logs = [&paper, &authors].map(|run| std::fs::read_to_string(run.join("log.txt")).unwrap());
    assert_eq!(logs.iter().filter(|log| log.contains("which was trained alike")).count(), 1, "{logs:?}");
}
