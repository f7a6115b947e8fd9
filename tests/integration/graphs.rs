//! `ncut graph` and `ncut cluster`: graphs through files, and graphs whose spectrum is known.

use std::f64::consts::PI;

use serde_json::{Value, json};

use crate::harness::{Work, assert_all_close, assert_close, codes, market, number, numbers, random_network, without};

/// The measurement without what names its source.
fn figures(measurement: &Value) -> Value {
    without(measurement, &["timing_s", "model"])
}

#[test]
fn a_graph_file_with_layers_measures_as_its_network() {
    let work = Work::new();
    let mut weights = random_network(&[90, 80, 70, 10], 3);
    // a neuron to drop: its number must survive the way through the file
    weights[0].row_mut(5).fill(0.0);
    weights[1].column_mut(5).fill(0.0);
    work.network("net.safetensors", &weights);
    let options = ["-k", "5", "--shuffles", "6"];
    let direct = work.measured(&[&["measure", "net.safetensors"], &options[..]].concat());
    for (file, solver) in [("g.npz", "auto"), ("g.mtx", "auto"), ("g.npz", "arpack")] {
        work.ncut(&["graph", "net.safetensors", "-o", file]).ok();
        let args = [&options[..], &["--solver", solver]].concat();
        let of_graph = work.measured(&[&["cluster", file], &args[..]].concat());
        let wanted = match solver {
            "auto" => direct.clone(),
            _ => work.measured(&[&["measure", "net.safetensors"], &args[..]].concat()),
        };
        assert_eq!(figures(&of_graph), figures(&wanted), "{file} {solver}");
        assert_eq!(of_graph["model"]["architecture"], "graph");
        assert_eq!(of_graph["labels"][90 + 5], -1);
    }
    let layers = work.json("g.npz.layers.json");
    assert_eq!(layers[1], json!({"name": "layers.0.weight", "first_node": 90, "size": 80}));
    assert_eq!(layers, work.json("g.mtx.layers.json"));
}

#[test]
fn without_layers_there_is_nothing_to_shuffle() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[60, 50, 40], 3));
    let direct = work.measured(&["measure", "net.safetensors", "-k", "4", "--shuffles", "3"]);
    for file in ["g.npz", "g.mtx"] {
        work.ncut(&["graph", "net.safetensors", "-o", file]).ok();
        std::fs::remove_file(work.path(&format!("{file}.layers.json"))).unwrap();
        let m = work.measured(&["cluster", file, "-k", "4"]);
        assert!(codes(&m).contains(&"no-layers"), "{m}");
        assert_eq!((&m["null"], &m["p_value"], &m["z_score"]), (&Value::Null, &Value::Null, &Value::Null));
        assert_all_close(&numbers(&m["eigenvalues"]), &numbers(&direct["eigenvalues"]), 1e-8);
        assert_close(number(&m["ncut"]), number(&direct["ncut"]), 0.05);
        assert_eq!(m["labels"].as_array().unwrap().len(), 150);
    }
    assert!(!codes(&direct).contains(&"no-layers"));
}

#[test]
fn two_bridged_triangles_have_an_ncut_of_two_sevenths() {
    let edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)].map(|(i, j)| (i, j, 1.0));
    let work = Work::new();
    work.write("g.mtx", market(6, &edges));
    for solver in ["auto", "arpack", "lanczos", "dense"] {
        let m = work.measured(&["cluster", "g.mtx", "-k", "2", "--solver", solver]);
        assert_close(number(&m["ncut"]), 2.0 / 7.0, 1e-12);
        assert_eq!((&m["graph"]["nodes"], &m["graph"]["edges"]), (&json!(6), &json!(7)));
        let labels = m["labels"].as_array().unwrap();
        assert!(labels[..3].iter().all(|l| *l == labels[0]) && labels[3..].iter().all(|l| *l == labels[3]), "{m}");
        assert_close(number(&m["modularity_q"]), 6.0 / 7.0 - 0.5, 1e-12);
        assert_close(number(&m["effective_clusters"]), 2.0, 1e-12);
    }
}

#[test]
fn components_are_clusters_without_a_cut() {
    // a triangle, a square, and a pair, with a node without edges between them
    let edges =
        [(0, 1), (1, 2), (0, 2), (4, 5), (5, 6), (6, 7), (4, 7), (8, 9)].map(|(i, j)| (i, j, 0.5 + 0.25 * i as f64));
    let work = Work::new();
    work.write("g.mtx", market(10, &edges));
    for solver in ["auto", "arpack", "lanczos", "dense"] {
        let m = work.measured(&["cluster", "g.mtx", "-k", "3", "--solver", solver]);
        assert!(codes(&m).contains(&"disconnected"), "{m}");
        assert_eq!((&m["graph"]["components"], &m["graph"]["dropped_nodes"]), (&json!(3), &json!(1)));
        assert_close(number(&m["ncut"]), 0.0, 1e-12);
        assert_all_close(&numbers(&m["eigenvalues"]), &[0.0; 3], 1e-12);
        let labels: Vec<i64> = m["labels"].as_array().unwrap().iter().map(|l| l.as_i64().unwrap()).collect();
        assert_eq!(labels[3], -1);
        let of = |nodes: &[usize]| nodes.iter().map(|&i| labels[i]).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(
            [of(&[0, 1, 2]).len(), of(&[4, 5, 6, 7]).len(), of(&[8, 9]).len(), of(&[0, 4, 8]).len()],
            [1, 1, 1, 3]
        );
    }
    // one more than there are components
    let m = work.measured(&["cluster", "g.mtx", "-k", "4"]);
    assert!(numbers(&m["eigenvalues"])[3] > 0.1);
}

#[test]
fn weights_are_relative() {
    let edges: Vec<_> = (0..12).flat_map(|i| (0..i).map(move |j| (i, j, 1.0 + ((i * j) % 5) as f64))).collect();
    let work = Work::new();
    let of = |scale: f64| {
        let scaled: Vec<_> = edges.iter().map(|&(i, j, w)| (i, j, w * scale)).collect();
        work.write("g.mtx", market(12, &scaled));
        work.measured(&["cluster", "g.mtx", "-k", "3"])
    };
    let [one, tiny, huge] = [1.0, 1e-200, 1e200].map(of);
    for other in [tiny, huge] {
        assert_all_close(&numbers(&other["eigenvalues"]), &numbers(&one["eigenvalues"]), 1e-12);
        assert_close(number(&other["ncut"]), number(&one["ncut"]), 1e-12);
    }
}

/// The k smallest of `n` eigenvalues by `value`.
fn smallest(n: usize, k: usize, value: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = (0..n).map(|j| value(j as f64)).collect();
    all.sort_by(f64::total_cmp);
    all.truncate(k);
    all
}

fn check_spectrum(edges: &[(usize, usize)], n: usize, value: impl Fn(f64) -> f64) {
    let edges: Vec<_> = edges.iter().map(|&(i, j)| (i, j, 2.5)).collect();
    let work = Work::new();
    work.write("g.mtx", market(n, &edges));
    let large: &[_] = if n > 12 { &[("lanczos", 3)] } else { &[] };
    for &(solver, k) in [("auto", 8), ("arpack", 8)].iter().chain(large) {
        let m = work.measured(&["cluster", "g.mtx", "-k", &k.to_string(), "--solver", solver]);
        assert_eq!(m["graph"]["edges"], edges.len());
        assert_all_close(&numbers(&m["eigenvalues"]), &smallest(n, k, &value), 1e-8);
    }
}

#[test]
fn eigenvalues_of_paths() {
    for n in [12, 400] {
        let edges: Vec<_> = (1..n).map(|i| (i - 1, i)).collect();
        check_spectrum(&edges, n, |j| 1.0 - (PI * j / (n - 1) as f64).cos());
    }
}

#[test]
fn eigenvalues_of_cycles() {
    for n in [12, 400] {
        let edges: Vec<_> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        check_spectrum(&edges, n, |j| 1.0 - (2.0 * PI * j / n as f64).cos());
    }
}

#[test]
fn eigenvalues_of_complete_graphs() {
    for n in [12, 400] {
        let edges: Vec<_> = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        check_spectrum(&edges, n, |j| if j == 0.0 { 0.0 } else { n as f64 / (n - 1) as f64 });
    }
}

/// K_{m,m} has the eigenvalue 1 in the middle, 2m − 2 times.
#[test]
fn eigenvalues_of_complete_bipartite_graphs() {
    for m in [6, 100] {
        let edges: Vec<_> = (0..m).flat_map(|i| (m..2 * m).map(move |j| (i, j))).collect();
        let last = (2 * m - 1) as f64;
        check_spectrum(&edges, 2 * m, |j| {
            if j == 0.0 {
                0.0
            } else if j == last {
                2.0
            } else {
                1.0
            }
        });
    }
}

#[test]
fn shuffles_that_are_alike_support_no_conclusion() {
    let work = Work::new();
    // all weights are 1: every shuffle is the network
    work.network("net.safetensors", &[ndarray::Array2::ones((40, 30)), ndarray::Array2::ones((20, 40))]);
    let m = work.measured(&["measure", "net.safetensors", "-k", "3", "--shuffles", "30"]);
    assert!(codes(&m).contains(&"constant-null") && m["z_score"].is_null(), "{m}");
}
