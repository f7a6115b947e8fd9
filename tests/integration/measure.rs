//! `ncut measure`: the JSON of the contract, other outputs, and what may not change the numbers.

use std::process::Stdio;

use ndarray::Array2;
use serde_json::{Value, json};

use crate::harness::{
    BINARY, Work, assert_all_close, assert_close, keys, mean, number, numbers, random_network, sd, without,
};

const WIDTHS: [usize; 4] = [120, 90, 90, 10];

fn work_with_network() -> Work {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&WIDTHS, 1));
    work
}

/// The whole adjacency matrix, `|W|` between consecutive layers.
fn adjacency(weights: &[Array2<f32>]) -> Array2<f64> {
    let widths: Vec<usize> = weights.iter().map(|w| w.ncols()).chain([weights[weights.len() - 1].nrows()]).collect();
    let nodes = widths.iter().sum();
    let mut adjacency = Array2::zeros((nodes, nodes));
    let mut offset = 0;
    for (weight, width) in weights.iter().zip(&widths) {
        for ((o, i), &w) in weight.indexed_iter() {
            let (a, b) = (offset + i, offset + width + o);
            adjacency[[a, b]] = f64::from(w.abs());
            adjacency[[b, a]] = f64::from(w.abs());
        }
        offset += width;
    }
    adjacency
}

#[test]
fn json_has_the_keys_and_types_of_the_contract() {
    let work = work_with_network();
    let m = work.measured(&[
        "measure",
        "net.safetensors",
        "-k",
        "5",
        "--shuffles",
        "6",
        "--seed",
        "3",
        "--solver",
        "lanczos",
    ]);
    assert_eq!(
        keys(&m),
        [
            "clusters",
            "effective_clusters",
            "eigenvalues",
            "graph",
            "labels",
            "model",
            "modularity_q",
            "ncut",
            "ncut_per_cluster",
            "null",
            "p_value",
            "schema",
            "settings",
            "sizes",
            "timing_s",
            "version",
            "volumes",
            "warnings",
            "z_score"
        ]
    );
    assert_eq!((&m["schema"], &m["clusters"]), (&json!(1), &json!(5)));
    assert_eq!(keys(&m["model"]), ["architecture", "path", "sha256"]);
    assert_eq!(m["model"]["path"], "net.safetensors");
    assert_eq!(m["model"]["architecture"], "mlp 120-90-90-10");
    let sha256 = m["model"]["sha256"].as_str().unwrap();
    assert!(sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{sha256}");
    assert_eq!(
        m["graph"],
        json!({
            "nodes": 310, "edges": 120 * 90 + 90 * 90 + 90 * 10, "dropped_nodes": 0, "components": 1,
            "layers": [
                {"name": "input", "size": 120},
                {"name": "layers.0.weight", "size": 90},
                {"name": "layers.1.weight", "size": 90},
                {"name": "layers.2.weight", "size": 10},
            ]
        })
    );
    assert_eq!(numbers(&m["eigenvalues"]).len(), 5);
    assert!(numbers(&m["eigenvalues"]).is_sorted());
    assert_eq!(m["labels"].as_array().unwrap().len(), 310);
    assert!(m["labels"].as_array().unwrap().iter().all(|label| label.as_i64().is_some_and(|l| (0..5).contains(&l))));
    assert_eq!(m["sizes"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).sum::<u64>(), 310);
    assert_close(numbers(&m["volumes"]).iter().sum(), 1.0, 1e-12);
    assert_close(number(&m["ncut_per_cluster"]), number(&m["ncut"]) / 5.0, 1e-12);
    assert_eq!(keys(&m["null"]), ["kind", "mean", "ncuts", "sd", "shuffles"]);
    assert_eq!((&m["null"]["kind"], &m["null"]["shuffles"]), (&json!("layer"), &json!(6)));
    for name in ["ncut", "effective_clusters", "modularity_q", "p_value", "z_score"] {
        assert!(m[name].is_f64(), "{name} is {}", m[name]);
    }
    for warning in m["warnings"].as_array().unwrap() {
        assert_eq!(keys(warning), ["code", "message"]);
    }
    for (name, wanted) in [
        ("clusters", json!(5)),
        ("shuffles", json!(6)),
        ("null", json!("layer")),
        ("seed", json!(3)),
        ("prune", json!(0.0)),
        ("restarts", json!(25)),
        ("solver", json!("lanczos")),
        ("convention", json!("paper")),
        ("device", json!("cpu")),
    ] {
        assert_eq!(m["settings"][name], wanted, "{name}");
    }
    assert_eq!(keys(&m["timing_s"]), ["cluster", "graph", "load", "null", "total"]);
    assert!(m["timing_s"].as_object().unwrap().values().all(|seconds| number(seconds) >= 0.0));
    assert!(m["version"].as_str().unwrap().starts_with(env!("CARGO_PKG_VERSION")));
}

#[test]
fn defaults_are_those_of_the_contract() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[20, 16, 12], 1));
    let m = work.measured(&["measure", "net.safetensors"]);
    assert_eq!((&m["clusters"], &m["null"]["shuffles"], &m["null"]["kind"]), (&json!(12), &json!(50), &json!("layer")));
    assert_eq!((&m["settings"]["seed"], &m["settings"]["restarts"]), (&json!(0), &json!(25)));
}

/// n-cut, Q, volumes and their entropy, from the labels and the matrices alone.
#[test]
fn figures_follow_from_the_labels() {
    let weights = random_network(&WIDTHS, 1);
    let work = work_with_network();
    let m = work.measured(&["measure", "net.safetensors", "-k", "4", "--shuffles", "0"]);
    let labels: Vec<usize> = m["labels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as usize).collect();
    let adjacency = adjacency(&weights);
    let total: f64 = adjacency.sum();
    let (mut within, mut volume, mut sizes) = ([0.0; 4], [0.0; 4], [0; 4]);
    for ((i, j), weight) in adjacency.indexed_iter() {
        volume[labels[i]] += weight;
        within[labels[i]] += if labels[i] == labels[j] { *weight } else { 0.0 };
    }
    labels.iter().for_each(|&label| sizes[label] += 1);
    let shares: Vec<f64> = volume.iter().map(|v| v / total).collect();
    assert_close(number(&m["ncut"]), (0..4).map(|c| 1.0 - within[c] / volume[c]).sum(), 1e-10);
    assert_close(number(&m["modularity_q"]), (0..4).map(|c| within[c] / total - shares[c].powi(2)).sum(), 1e-10);
    assert_all_close(&numbers(&m["volumes"]), &shares, 1e-12);
    assert_close(number(&m["effective_clusters"]), shares.iter().map(|s| -s * s.ln()).sum::<f64>().exp(), 1e-10);
    assert_eq!(m["sizes"], json!(sizes));
    // Cheeger's side that always holds: the sum of the k smallest eigenvalues bounds the n-cut from below
    assert!(numbers(&m["eigenvalues"]).iter().sum::<f64>() <= number(&m["ncut"]) + 1e-9);
}

#[test]
fn p_and_z_follow_from_the_shuffles() {
    let work = work_with_network();
    for kind in ["layer", "layer-nonzero"] {
        let m = work.measured(&["measure", "net.safetensors", "-k", "4", "--shuffles", "9", "--null", kind]);
        let ncuts = numbers(&m["null"]["ncuts"]);
        assert_eq!((ncuts.len(), &m["null"]["kind"]), (9, &json!(kind)));
        let below = ncuts.iter().filter(|ncut| **ncut < number(&m["ncut"])).count();
        assert_close(number(&m["p_value"]), (below as f64 + 1.0) / 10.0, 1e-15);
        assert_close(number(&m["null"]["mean"]), mean(&ncuts), 1e-12);
        assert_close(number(&m["null"]["sd"]), sd(&ncuts, 0), 1e-12);
        assert_close(number(&m["z_score"]), (number(&m["ncut"]) - mean(&ncuts)) / sd(&ncuts, 0), 1e-6);
        assert!(sd(&ncuts, 0) > 0.0);
    }
}

/// On places without zeros the two null models draw from the same distribution, on sparse ones they do not: a
/// permutation among the non-zero places keeps two halves apart.
#[test]
fn layer_nonzero_keeps_the_topology() {
    let mut weights = random_network(&[16, 16, 16], 5);
    for weight in &mut weights {
        weight.indexed_iter_mut().for_each(|((o, i), w)| *w *= f32::from((o < 8) == (i < 8)));
    }
    let work = Work::new();
    work.network("net.safetensors", &weights);
    let of = |null| {
        let m = work.measured(&["measure", "net.safetensors", "-k", "2", "--shuffles", "5", "--null", null]);
        numbers(&m["null"]["ncuts"])
    };
    assert!(of("layer-nonzero").iter().all(|ncut| ncut.abs() < 1e-9));
    assert!(of("layer").iter().all(|ncut| *ncut > 0.1));
}

#[test]
fn without_shuffles_there_is_no_null_distribution() {
    let work = work_with_network();
    let m = work.measured(&["measure", "net.safetensors", "--shuffles", "0"]);
    assert_eq!((&m["null"], &m["p_value"], &m["z_score"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(m.get("null").is_some() && m.get("p_value").is_some() && m.get("z_score").is_some());
}

#[test]
fn neurons_without_weights_are_dropped_and_labelled_minus_one() {
    let mut weights = random_network(&[12, 10, 8], 2);
    weights[0].column_mut(3).fill(0.0);
    weights[0].row_mut(9).fill(0.0);
    weights[1].column_mut(9).fill(0.0);
    // its outgoing weights remain, so it stays
    weights[0].row_mut(4).fill(0.0);
    let work = Work::new();
    work.network("net.safetensors", &weights);
    let m = work.measured(&["measure", "net.safetensors", "-k", "3", "--shuffles", "3"]);
    let labels = m["labels"].as_array().unwrap();
    let dropped: Vec<usize> = (0..30).filter(|&i| labels[i] == -1).collect();
    assert_eq!(dropped, [3, 12 + 9]);
    assert_eq!(m["graph"]["nodes"], 28);
    assert_eq!(m["graph"]["dropped_nodes"], 2);
    assert_eq!(m["graph"]["edges"], 11 * 8 + 9 * 8);
    assert_eq!(m["graph"]["layers"][0]["size"], 12);
    assert_eq!(m["sizes"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).sum::<u64>(), 28);
}

/// Its outputs have no edges, and with them goes a whole node set.
#[test]
fn a_last_matrix_of_zeros_is_no_layer() {
    let work = Work::new();
    let mut weights = random_network(&[10, 9, 8, 4], 1);
    weights[2].fill(0.0);
    work.network("zeros.safetensors", &weights);
    work.network("without.safetensors", &weights[..2]);
    let [zeros, without] = ["zeros.safetensors", "without.safetensors"]
        .map(|name| work.measured(&["measure", name, "-k", "2", "--shuffles", "3"]));
    assert_eq!((&zeros["ncut"], &zeros["graph"]["dropped_nodes"]), (&without["ncut"], &4.into()));
}

#[test]
fn threads_do_not_change_a_digit() {
    let work = work_with_network();
    for options in [&["--solver", "lanczos"], &["--solver", "arpack"], &["--null", "layer-nonzero"]] {
        let args = [&["measure", "net.safetensors", "-k", "6", "--shuffles", "8"], &options[..]].concat();
        let [one, two] = ["1", "2"].map(|n| work.measured(&[&args[..], &["--threads", n]].concat()));
        assert_eq!(without(&one, &["timing_s"]), without(&two, &["timing_s"]), "{options:?}");
        if options[0] == "--solver" {
            assert_eq!(one["settings"]["solver"], options[1]);
        }
    }
}

#[test]
fn the_seed_decides() {
    let work = work_with_network();
    let of = |seed| work.measured(&["measure", "net.safetensors", "-k", "6", "--shuffles", "5", "--seed", seed]);
    let [first, again, other] = ["7", "7", "8"].map(of);
    assert_eq!(without(&first, &["timing_s"]), without(&again, &["timing_s"]));
    assert_ne!(first["null"]["ncuts"], other["null"]["ncuts"]);
}

#[test]
fn solvers_agree() {
    let work = work_with_network();
    let of = |solver| work.measured(&["measure", "net.safetensors", "-k", "6", "--shuffles", "0", "--solver", solver]);
    let dense = of("dense");
    for solver in ["auto", "lanczos", "arpack"] {
        let m = of(solver);
        assert_all_close(&numbers(&m["eigenvalues"]), &numbers(&dense["eigenvalues"]), 1e-8);
        assert_close(number(&m["ncut"]), number(&dense["ncut"]), 0.05);
    }
}

#[test]
fn prune_keeps_the_largest_tenth_of_each_layer() {
    let mut weights = random_network(&[30, 24, 16, 6], 4);
    let work = Work::new();
    work.network("dense.safetensors", &weights);
    let mut kept = 0;
    for weight in &mut weights {
        let keep = (weight.len() as f64 * 0.1).round() as usize;
        let mut magnitudes: Vec<f32> = weight.iter().map(|w| w.abs()).collect();
        magnitudes.sort_by(|a, b| b.total_cmp(a));
        weight.mapv_inplace(|w| if w.abs() >= magnitudes[keep - 1] { w } else { 0.0 });
        kept += keep;
    }
    work.network("sparse.safetensors", &weights);
    let options = ["-k", "4", "--shuffles", "3", "--json", "-"];
    let pruned = work.ncut(&[&["measure", "dense.safetensors", "--prune", "0.9"], &options[..]].concat()).json();
    let sparse = work.ncut(&[&["measure", "sparse.safetensors"], &options[..]].concat()).json();
    assert_eq!(pruned["graph"]["edges"], kept);
    assert_eq!(pruned["settings"]["prune"], 0.9);
    let rest = ["timing_s", "model", "settings"];
    assert_eq!(without(&pruned, &rest), without(&sparse, &rest));
}

#[test]
fn weights_below_the_least_are_zero() {
    let mut weights = random_network(&[30, 24, 16, 6], 4);
    let work = Work::new();
    work.network("all.safetensors", &weights);
    weights.iter_mut().for_each(|weight| weight.mapv_inplace(|w| if w.abs() < 0.05 { 0.0 } else { w }));
    work.network("large.safetensors", &weights);
    let options = ["-k", "4", "--shuffles", "3", "--json", "-"];
    let least = ["measure", "all.safetensors", "--least-weight", "0.05"];
    let (all, large) = (
        work.ncut(&[&least, &options[..]].concat()),
        work.ncut(&[&["measure", "large.safetensors"], &options[..]].concat()),
    );
    let (all, large) = (all.json(), large.json());
    assert_eq!((&all["settings"]["least_weight"], &large["settings"]["least_weight"]), (&0.05.into(), &0.0.into()));
    let rest = ["timing_s", "model", "settings"];
    assert_eq!(without(&all, &rest), without(&large, &rest));
    assert_ne!(large["graph"]["edges"], 30 * 24 + 24 * 16 + 16 * 6);
}

#[test]
fn every_format_of_a_network_gives_the_same_graph() {
    let work = Work::new();
    let graph = |name: &str| {
        work.fixture(name, name);
        work.ncut(&["graph", name, "-o", "g.mtx"]).ok();
        work.read("g.mtx")
    };
    let figures = |name: &str| {
        let m = work.measured(&["measure", name, "-k", "3", "--shuffles", "4"]);
        without(&m, &["timing_s", "model", "name"])
    };
    let wanted = graph("mlp-f32.safetensors");
    for name in [
        "mlp-f16.safetensors",
        "mlp-bf16.safetensors",
        "mlp-f64.safetensors",
        "state-dict.pt",
        "checkpoint.pt",
        "protocol-5.pt",
        "scripted.pt",
        "traced.pt",
        "mlp.npz",
        "mlp-compressed.npz",
    ] {
        assert!(graph(name) == wanted, "{name} gives another graph");
    }
    let wanted = figures("mlp-f32.safetensors");
    for name in ["state-dict.pt", "scripted.pt", "mlp.npz"] {
        assert_eq!(figures(name), wanted, "{name}");
    }
}

#[test]
fn files_hold_what_the_screen_shows() {
    let work = Work::new();
    // a name that must not become markup
    work.network("a<b>&c.safetensors", &random_network(&WIDTHS, 1));
    let args = ["measure", "a<b>&c.safetensors", "-k", "4", "--shuffles", "5"];
    let to_files = ["--json", "m.json", "--html", "m.html"];
    let table = work.ncut(&[&args[..], &to_files].concat()).ok().stdout;
    let m = work.json("m.json");
    assert_eq!(without(&m, &["timing_s"]), without(&work.measured(&args), &["timing_s"]));
    for wanted in [
        "a<b>&c.safetensors (mlp 120-90-90-10)".into(),
        "310 nodes, 19,800 edges".into(),
        format!("{:.4} of 4 clusters", number(&m["ncut"])),
        format!("{:.4} ± {:.4} (5 shuffles, layer)", number(&m["null"]["mean"]), number(&m["null"]["sd"])),
        format!("{:.4} (", number(&m["p_value"])),
        format!("{:+.2}", number(&m["z_score"])),
    ] {
        assert!(table.contains(&wanted), "no '{wanted}' in:\n{table}");
    }
    let page = String::from_utf8(work.read("m.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    for wanted in [
        "a&lt;b&gt;&amp;c.safetensors",
        &format!("{:.4}", number(&m["ncut"])),
        "<svg",
        "<image href=\"data:image/png;base64,",
    ] {
        assert!(page.contains(wanted), "no '{wanted}' in the page");
    }
    for unwanted in ["<b>", "http://", "https://", "src="] {
        assert!(!page.contains(unwanted), "'{unwanted}' in the page");
    }
    assert_eq!(work.names("."), ["a<b>&c.safetensors", "m.html", "m.json"]);
}

/// As with `ncut measure … | head -1`.
#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let work = work_with_network();
    let mut command = work.command(BINARY, &["measure", "net.safetensors", "--shuffles", "0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr)), (Some(0), "".into()));
}

#[test]
fn help_and_version_are_no_errors() {
    let work = Work::new();
    let version = work.ncut(&["--version"]).ok();
    assert!(version.stdout.starts_with(&format!("ncut {}", env!("CARGO_PKG_VERSION"))), "{version}");
    for command in ["measure", "run", "data"] {
        let help = work.ncut(&[command, "--help"]).ok();
        assert!(help.stdout.contains("Usage: ncut") && help.stderr.is_empty(), "{help}");
    }
}

#[test]
fn shuffles_are_added_to_an_earlier_result() {
    let work = work_with_network();
    work.network("other.safetensors", &random_network(&WIDTHS, 2));
    fn with<'a>(options: &[&'a str]) -> Vec<&'a str> {
        [&["measure", "net.safetensors", "-k", "4"], options].concat()
    }
    work.ncut(&with(&["--shuffles", "7", "--json", "few.json"])).ok();
    let whole = work.measured(&with(&["--shuffles", "20"]));
    for (earlier, most) in [("few.json", "20"), ("more.json", "12")] {
        let more = work.measured(&with(&["--shuffles", most, "--more", earlier]));
        work.write("more.json", more.to_string());
        let n = more["null"]["shuffles"].as_u64().unwrap() as usize;
        assert_eq!(n.to_string(), most);
        assert_eq!(numbers(&more["null"]["ncuts"]), numbers(&whole["null"]["ncuts"])[..n]);
        if n == 20 {
            assert_eq!(without(&more, &["timing_s"]), without(&whole, &["timing_s"]));
        }
    }
    // taken, not done again
    let mut altered: Value = serde_json::from_slice(&std::fs::read(work.path("few.json")).unwrap()).unwrap();
    altered["null"]["ncuts"][3] = json!(0.25);
    work.write("altered.json", altered.to_string());
    let more = work.measured(&with(&["--shuffles", "9", "--more", "altered.json"]));
    assert_eq!(number(&more["null"]["ncuts"][3]), 0.25);

    let refused = |options: &[&str], why: &str| {
        work.expect_input_error(&with(&[options, &["--more", "few.json"]].concat()), &["few.json", why, "--more"]);
    };
    refused(&["--seed", "1"], "another --seed");
    refused(&["--restarts", "3"], "another --restarts");
    refused(&["--null", "layer-nonzero"], "another --null");
    work.expect_input_error(&["measure", "other.safetensors", "-k", "4", "--more", "few.json"], &["another network"]);
    work.write("text.json", "{}");
    work.expect_input_error(&with(&["--more", "text.json"]), &["text.json", "no result"]);
    work.expect_input_error(&with(&["--more", "gone.json"]), &["gone.json"]);
}

/// The whole distribution is the oracle: where the N-th shuffle below the network stands, and nothing behind it.
#[test]
fn sequential_stopping_ends_at_the_shuffle_that_it_waits_for() {
    let work = work_with_network();
    let measure = ["measure", "net.safetensors", "-k", "4", "--shuffles", "40"];
    let whole = work.measured(&measure);
    let (network, ncuts) = (number(&whole["ncut"]), numbers(&whole["null"]["ncuts"]));
    let lower: Vec<usize> = (0..40).filter(|&i| ncuts[i] < network).collect();
    assert!((3..35).contains(&lower.len()), "this network is to be one among its shuffles: {}", lower.len());
    for most in [1, 3, lower.len(), lower.len() + 1] {
        for threads in ["1", "3"] {
            let stopped =
                work.measured(&[&measure[..], &["--stop-at", &most.to_string(), "--threads", threads]].concat());
            let null = &stopped["null"];
            match lower.get(most - 1) {
                Some(place) => {
                    assert_eq!(numbers(&null["ncuts"]), ncuts[..=*place]);
                    assert_eq!((&null["shuffles"], &null["stopped"]), (&json!(place + 1), &json!(true)));
                    assert_close(number(&stopped["p_value"]), most as f64 / (place + 1) as f64, 1e-15);
                }
                None => {
                    assert_eq!(null, &whole["null"]);
                    assert_eq!(stopped["p_value"], whole["p_value"]);
                }
            }
        }
    }
    let table = work.ncut(&[&measure[..], &["--stop-at", "3"]].concat()).ok();
    assert!(table.stdout.contains("stopped at shuffle"), "{table}");
    work.expect_input_error(&[&measure[..], &["--stop-at", "0"]].concat(), &["--stop-at"]);
}
