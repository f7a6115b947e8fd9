//! Runs in every state, for the tests of what is made of them.

use super::record::RunRecord;
use crate::experiment::grid::Run;
use crate::experiment::metrics::Epoch;
use crate::experiment::settings::{Setting, Settings};
use crate::experiment::status::Status;
use crate::experiment::yaml;
use serde_json::{Value, json};

/// An end state with an n-cut of `ncut`; without shuffles unless `z` is given.
fn end_state(ncut: f64, z: Option<f64>, codes: &[&str]) -> Value {
    let shuffled = z.map(|_| json!({"kind": "layer", "shuffles": 2, "ncuts": [10.0, 10.5], "mean": 10.25, "sd": 0.25}));
    let warnings: Vec<Value> = codes.iter().map(|code| json!({"code": code, "message": "a, \"b\""})).collect();
    json!({
        "schema": 1, "model": null, "clusters": 12, "ncut": ncut, "ncut_per_cluster": ncut / 12.0,
        "graph": {"nodes": 1818, "edges": 40000, "dropped_nodes": 0, "components": 1, "layers": []},
        "eigenvalues": [0.0, 0.25, 0.5], "labels": [], "sizes": [], "volumes": [0.75, 0.25], "effective_clusters": 10.5, "modularity_q": 0.1 + 0.2,
        "null": shuffled, "p_value": z.map(|_| 1.0 / 3.0), "z_score": z, "warnings": warnings,
        "settings": {"clusters": 12, "shuffles": 2, "null": "layer", "seed": 0, "prune": 0.0, "restarts": 25,
            "solver": "lanczos", "kmeans": "lloyd", "convention": "paper", "device": "cpu"},
        "timing_s": {"load": 0.0, "graph": 0.0, "cluster": 0.0, "null": 0.0, "total": 0.0}, "version": "0.1.0 (abc)",
        "train_accuracy": 0.875, "train_loss": 1e-7, "test_accuracy": 0.75, "test_loss": 0.5, "sparsity": 0.0
    })
}

fn epochs(n: u32) -> Vec<Epoch> {
    let epoch = |epoch| {
        let x = f64::from(epoch);
        let (accuracy, test_accuracy) = (Some(1.0 - 1.0 / (x + 1.0)), Some(0.5));
        let loss = (epoch != 2).then_some(1.0 / x);
        Epoch {
            epoch,
            pruning: epoch > n.div_ceil(2),
            loss,
            accuracy,
            test_loss: Some(0.25),
            test_accuracy,
            sparsity: Some(0.0),
        }
    };
    (1..=n).map(epoch).collect()
}

/// A condition of two runs, done with and without pruning, and one of which the four others are.
pub(super) fn records() -> Vec<RunRecord> {
    let record = |yaml: &str, condition: &str, replicate, status, n, result: Option<Value>| {
        let mut settings = Settings::default();
        for (key, node) in yaml::parse("", yaml).unwrap().map("").unwrap() {
            Setting::read(&key.name, node.value()).unwrap().apply(&mut settings);
        }
        let result = result.map(|mut result| {
            (result["settings"], result["replicate"]) = (serde_json::to_value(&settings).unwrap(), json!(replicate));
            serde_json::from_value(result).unwrap()
        });
        let run = Run::new("e", settings, replicate);
        RunRecord {
            run,
            condition: condition.into(),
            status,
            epochs: epochs(n),
            written_s: 1.7e9 + 0.5,
            result,
            damage: None,
        }
    };
    let timing_s = json!({"train": 1.0, "measure": 0.5, "total": 1.5});
    let both = json!({"unpruned": end_state(10.0, Some(-1.0), &[]), "timing_s": timing_s,
        "pruned": end_state(8.333333333333332, None, &["disconnected", "no-layers"])});
    let one = json!({"unpruned": end_state(10.0, None, &[]), "pruned": null, "timing_s": timing_s});
    let other = "{dropout: 0.5, hidden: [64, 32], epochs: 2, pruning_epochs: 2}";
    vec![
        record("{}", "default-44136fa3", 0, Status::Done, 40, Some(both)),
        record("{}", "default-44136fa3", 1, Status::Done, 0, Some(one)),
        record(other, "dropout=0.5,…-00000000", 0, Status::Running, 3, None),
        record(other, "dropout=0.5,…-00000000", 1, Status::Failed, 1, None),
        record(other, "dropout=0.5,…-00000000", 2, Status::Partial, 1, None),
        record(other, "dropout=0.5,…-00000000", 3, Status::Missing, 0, None),
    ]
}
