//! `measure_at`: what a run measures on the way, and that nothing else of it changes by that.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Work, keys, names, without};

const FIXED: &str =
    "dataset: mnist-sample, hidden: [16], epochs: 2, pruning_epochs: 2, n_train: 256, shuffles: 5, clusters: 3";

fn work(experiments: &[(&str, &str)]) -> Work {
    let work = Work::new();
    let blocks: String =
        experiments.iter().map(|(name, rest)| format!("  {name}: {{fixed: {{{FIXED}{rest}}}}}\n")).collect();
    work.write("grid.yaml", format!("experiments:\n{blocks}"));
    work
}

/// The only condition's run of an experiment.
fn run(work: &Work, experiment: &str) -> PathBuf {
    let folder = work.path("runs").join(experiment);
    let condition = names(&folder).into_iter().map(|name| folder.join(name)).find(|path| path.is_dir()).unwrap();
    condition.join("r0")
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap()
}

fn log(run: &Path) -> String {
    std::fs::read_to_string(run.join("log.txt")).unwrap()
}

/// Of the same network, which both train: that of `plain` is there, but not those on its way.
#[test]
fn a_curve_changes_nothing_else() {
    let work = work(&[("plain", ""), ("curve", ", measure_at: [3, 0, 1, 2, 4, 1]")]);
    work.ncut(&["run", "grid.yaml", "--only", "plain"]).ok();
    work.ncut(&["run", "grid.yaml", "--only", "curve"]).ok();
    let [plain, curve] = ["plain", "curve"].map(|name| run(&work, name));
    assert_eq!(names(&plain), names(&curve));
    assert!(log(&curve).contains(" starting\n"), "{}", log(&curve));
    for file in ["metrics.jsonl", "unpruned.safetensors", "pruned.safetensors"] {
        assert!(std::fs::read(plain.join(file)).unwrap() == std::fs::read(curve.join(file)).unwrap(), "{file} differs");
    }
    let [without_curve, with_curve] = [&plain, &curve].map(|run| result(run));
    let own = ["timing_s", "settings", "training"];
    assert_eq!(without(&without_curve, &own), without(&with_curve, &own));
    assert!(!keys(&without_curve).contains(&"training"));
    assert_eq!(with_curve["settings"]["measure_at"], json!([0, 1, 2, 3, 4]));

    let points = with_curve["training"].as_array().unwrap();
    let of = |name: &str| points.iter().map(|point| point[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("epoch"), [0, 1, 2, 3, 4]);
    assert_eq!(of("pruning"), [false, false, false, true, true]);
    let metrics = std::fs::read_to_string(curve.join("metrics.jsonl")).unwrap();
    for (line, point) in metrics.lines().zip(&points[1..]) {
        let record: Value = serde_json::from_str(line).unwrap();
        for (name, of_record) in [
            ("train_loss", "loss"),
            ("train_accuracy", "accuracy"),
            ("test_accuracy", "test_accuracy"),
            ("sparsity", "sparsity"),
        ] {
            assert_eq!(point[name], record[of_record], "{name}: {point}");
        }
    }
    assert_eq!((&points[0]["test_accuracy"], &points[0]["train_loss"]), (&Value::Null, &Value::Null));
    // the network has changed from each to the next, and its end is the end state
    assert!(of("ncut").windows(2).all(|pair| pair[0] != pair[1]));
    for (point, state) in [(&points[2], "unpruned"), (&points[4], "pruned")] {
        let end = &with_curve[state];
        for name in ["ncut", "p_value", "z_score", "effective_clusters", "modularity_q", "test_loss", "sparsity"] {
            assert_eq!(point[name], end[name], "{state} {name}");
        }
        assert_eq!((&point["null_mean"], &point["null_sd"]), (&end["null"]["mean"], &end["null"]["sd"]));
        assert_eq!((&point["lambda_2"], &point["largest_share"]), (&end["eigenvalues"][1], &end["volumes"][0]));
    }
}

/// A run of the same identity is copied whole, one that asks for what phases end with shares the networks, and another trains.
#[test]
fn networks_of_another_run() {
    let at = ", measure_at: [1, 2]";
    let work = work(&[("first", at), ("same", at), ("ends", ", measure_at: [2, 4]"), ("other", ", measure_at: [3]")]);
    work.ncut(&["run", "grid.yaml", "--jobs", "1"]).ok();
    let logs = ["first", "same", "ends", "other"].map(|name| log(&run(&work, name)));
    assert!(logs[1].contains("the result of first/"), "{}", logs[1]);
    assert!(logs[2].contains("the networks of first/"), "{}", logs[2]);
    assert!(logs[3].contains(" starting\n") && !logs[3].contains("networks of"), "{}", logs[3]);
    let training = |name: &str| result(&run(&work, name))["training"].clone();
    assert_eq!(training("first"), training("same"));
    assert_eq!(training("first")[1], training("ends")[0]);
    assert_eq!(training("other")[0]["epoch"], 3);
}

/// Trained in one pass, in steps with partial epochs, and with convolutions.
#[test]
fn every_way_to_train_has_its_points() {
    let work = work(&[("tiny", ", measure_at: [0, 1, 3]")]);
    let epochs = |args: &[&str], out: &str, replicates: usize| {
        work.ncut(&[&["run", "grid.yaml", "--out", out], args].concat()).ok();
        let folder = work.path(out).join("tiny");
        let condition = names(&folder).into_iter().map(|name| folder.join(name)).find(|path| path.is_dir()).unwrap();
        assert_eq!(names(&condition).len(), replicates);
        for replicate in names(&condition) {
            let run = condition.join(&replicate);
            let points = result(&run)["training"].as_array().unwrap().clone();
            assert_eq!(points.iter().map(|point| &point["epoch"]).collect::<Vec<_>>(), [0, 1, 3], "{replicate}");
            assert!(names(&run).iter().all(|name| !name.contains("epoch-") && !name.contains("training")));
        }
    };
    epochs(&["--seeds", "0,1,2", "--together", "3"], "together", 3);
    epochs(&["--set", "epochs=3it", "--set", "pruning_epochs=1it", "--set", "measure_at=[0,1,3]"], "steps", 1);
    let convolutional = ["model=cnn", "hidden=[256,256,256,256]", "channels=4", "n_train=64", "shuffles=2"];
    let convolutional: Vec<&str> = convolutional.iter().flat_map(|value| ["--set", value]).collect();
    epochs(&convolutional, "convolutional", 1);
}

#[test]
fn epochs_beyond_the_last_are_named_with_their_place() {
    let work = work(&[("tiny", ", measure_at: [0, 4, 5]")]);
    let place = ["grid.yaml:2:", "measure_at: epoch 5 of a run that has 4, pruning included", "use at most 4"];
    for command in ["run", "plan"] {
        work.expect_input_error(&[command, "grid.yaml"], &place);
    }
    let set = ["plan", "grid.yaml", "--set", "measure_at=[9]"];
    work.expect_input_error(&set, &["--set measure_at=[9]: measure_at: epoch 9", "use at most 4"]);
    work.expect_input_error(&["plan", "grid.yaml", "--set", "measure_at=[1it]"], &["measure_at: ", "whole number"]);
    work.expect_input_error(&["plan", "grid.yaml", "--set", "measure_at=4"], &["measure_at: "]);
}

#[test]
fn reports_have_a_row_a_point_and_a_picture() {
    let work = work(&[("plain", ""), ("curve", ", measure_at: [0, 1, 4]")]);
    work.ncut(&["run", "grid.yaml"]).ok();
    let text = work.ncut(&["report", "grid.yaml", "--training", "-"]).ok().stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(
        header.iter().take(7).collect::<Vec<_>>(),
        ["experiment", "condition", "settings", "replicate", "epoch", "pruning", "ncut"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let training = result(&run(&work, "curve"))["training"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 3);
    for (row, point) in rows.iter().zip(&training) {
        assert_eq!(&row[0], "curve");
        for (name, cell) in header.iter().zip(row).skip(4) {
            let found = if cell.is_empty() { Value::Null } else { serde_json::from_str(cell).unwrap() };
            assert_eq!(found, point[name], "{name}");
        }
    }
    let svg = String::from_utf8(work.read("runs/curve/training.svg")).unwrap();
    assert!(svg.contains("curve: n-cut through training") && !work.path("runs/plain/training.svg").exists());
    assert!(String::from_utf8(work.read("runs/curve/report.html")).unwrap().contains(&svg));
    let report = work.ncut(&["report", "grid.yaml", "--html", "page.html"]).ok();
    assert!(report.stderr.contains("picture: runs/curve/training.svg"), "{report}");
    // one row a run is what it was
    let csv = work.ncut(&["report", "grid.yaml", "--csv", "-"]).ok().stdout;
    assert_eq!(csv.lines().count(), 3);
    let none = work.ncut(&["report", "grid.yaml", "--only", "plain", "--training", "-"]).ok().stdout;
    assert_eq!(none.lines().count(), 1, "{none}");
}
