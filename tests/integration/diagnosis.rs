//! `ncut measure --diagnose` and `ncut selftest`.

use serde_json::{Value, json};

use crate::harness::{Work, fixture, keys, mean, number, numbers, random_network, sd};

const SELFTEST: [&str; 13] = [
    "selftest",
    "--widths",
    "30,20,20,10",
    "-k",
    "3",
    "--networks",
    "4",
    "--planted",
    "3",
    "--strengths",
    "0,200",
    "--shuffles",
    "20",
];

/// Each rung of the ladder is what a measurement against that null model gives.
#[test]
fn the_ladder_is_of_single_measurements() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[40, 30, 20], 1));
    let args = ["measure", "net.safetensors", "-k", "4", "--prune", "0.8", "--restarts", "5", "--shuffles", "20"];
    let diagnosed = work.measured(&[&args[..], &["--diagnose", "--most-clusters", "6"]].concat());
    let diagnosis = &diagnosed["diagnosis"];
    assert_eq!(keys(diagnosis), ["choice_of_k", "effect_size", "ladder", "p_interval", "verdict"]);
    let ladder = diagnosis["ladder"].as_array().unwrap();
    let kinds: Vec<&str> = ladder.iter().map(|rung| rung["kind"].as_str().unwrap()).collect();
    let all = [
        "fresh",
        "layer-all-distribution",
        "layer",
        "degrees",
        "layer-nonzero-distribution",
        "layer-nonzero",
        "rows",
        "columns",
    ];
    assert_eq!(kinds, all);
    for rung in ladder {
        let alone = work.measured(&[&args[..], &["--null", rung["kind"].as_str().unwrap()]].concat());
        assert_eq!(rung["ncuts"], alone["null"]["ncuts"]);
        let ncuts = numbers(&rung["ncuts"]);
        assert_eq!((number(&rung["mean"]), number(&rung["sd"])), (mean(&ncuts), sd(&ncuts, 0)));
        assert_eq!((&rung["p_value"], &rung["z_score"]), (&alone["p_value"], &alone["z_score"]));
        assert_eq!(alone.get("diagnosis"), None);
    }
    let candidates = diagnosis["choice_of_k"]["candidates"].as_array().unwrap();
    let range: Vec<&Value> = candidates.iter().map(|candidate| &candidate["clusters"]).collect();
    assert_eq!(range, [2, 3, 4, 5, 6].map(|k| json!(k)).iter().collect::<Vec<_>>());
    // the four clusters of the range are those that were measured
    assert!((number(&candidates[2]["ncut_per_cluster"]) - number(&diagnosed["ncut_per_cluster"])).abs() < 1e-6);
    let text = work.ncut(&[&args[..], &["--diagnose", "--html", "page.html"]].concat()).ok().stdout;
    for wanted in all.into_iter().chain(["verdict: ", "number of clusters: ", "significance: "]) {
        assert!(text.contains(wanted), "no '{wanted}' in:\n{text}");
    }
    assert!(String::from_utf8(work.read("page.html")).unwrap().contains("Should I believe it?"));
}

/// Planted parts that nothing else joins are found; so the whole way from networks to rates works, on any number of threads.
#[test]
fn selftest_finds_what_it_planted() {
    let work = Work::new();
    let on = |threads: &str| -> Value {
        let args = [&SELFTEST[..], &["--json", "-", "--threads", threads]].concat();
        serde_json::from_str(&work.ncut(&args).ok().stdout).unwrap()
    };
    let found = on("1");
    assert_eq!(found, on("2"));
    assert_eq!(found["without_parts"]["networks"], json!(4));
    let planted = found["with_parts"].as_array().unwrap();
    assert!(number(&planted[0]["recovery"]) < 0.5, "{planted:?}");
    assert!(number(&planted[1]["recovery"]) > 0.95 && planted[1]["found_clusterable"] == json!(3), "{planted:?}");
    work.network("net.safetensors", &random_network(&[30, 20, 10], 1));
    let of_file = ["selftest", "net.safetensors", "-k", "3", "--networks", "2", "--planted", "1", "--shuffles", "20"];
    let text = work.ncut(&of_file).ok().stdout;
    assert!(text.contains("weights × 101") && text.contains("false positives: "), "{text}");
}

#[test]
fn what_cannot_be_diagnosed() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[12, 10, 8], 1));
    let net = ["measure", "net.safetensors", "-k", "3"];
    work.expect_input_error(
        &[&net[..], &["--diagnose", "--shuffles", "19"]].concat(),
        &["--diagnose", "19", "--shuffles 20"],
    );
    work.expect_input_error(&[&net[..], &["--most-clusters", "5"]].concat(), &["--diagnose"]);
    let graph = fixture("graph-general.mtx").display().to_string();
    work.expect_input_error(
        &["cluster", &graph, "-k", "2", "--diagnose"],
        &["--diagnose", "no layers", ".layers.json"],
    );
    let convolutions = fixture("net-scripted.pt").display().to_string();
    work.expect_input_error(
        &["measure", &convolutions, "-k", "3", "--null", "fresh"],
        &["--null fresh", "dense layers"],
    );
    work.write(
        "grid.yaml",
        "experiments:\n  a: {fixed: {dataset: mnist-sample, model: cnn, null_model: fresh, n_train: 64, epochs: 1, pruning_epochs: 0}}\n",
    );
    work.expect_input_error(&["run", "grid.yaml"], &["null_model", "fresh", "convolutions"]);
    work.expect_input_error(
        &["measure", "net.safetensors", "-k", "1", "--diagnose"],
        &["--diagnose", "one cluster", "-k 2"],
    );
    work.expect_input_error(
        &[&net[..], &["--diagnose", "--most-clusters", "2"]].concat(),
        &["--most-clusters", "2 is less"],
    );
    work.expect_input_error(&[&net[..], &["--diagnose", "--stop-at", "2"]].concat(), &["--stop-at"]);
    work.expect_input_error(&["selftest", "--widths", "99999,99999"], &["--widths", "9999800001 weights"]);
    work.expect_input_error(&["selftest", "-k", "0"], &["--clusters", "give 2 or more"]);
    work.network("zero.safetensors", &[ndarray::Array2::zeros((8, 8))]);
    work.expect_input_error(&["selftest", "zero.safetensors", "-k", "3"], &["zero.safetensors", "no edges"]);
    work.expect_input_error(&["selftest", "--widths", "5"], &["--widths", "one width"]);
    work.expect_input_error(&["selftest", "--strengths", "-1"], &["--strengths", "-1"]);
    work.expect_input_error(&["selftest", "--shuffles", "5"], &["--shuffles"]);
    work.expect_input_error(&["selftest", "--widths", "9,5", "-k", "14"], &["--widths", "14 clusters", "14 nodes"]);
}
