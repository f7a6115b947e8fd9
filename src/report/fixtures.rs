//! Runs in every state, for the tests of what is made of them.

use super::conditions;
use super::pictures::{Picture, pictures};
use super::record::RunRecord;
use crate::experiment::grid::Run;
use crate::experiment::metrics::Epoch;
use crate::experiment::run::RunResult;
use crate::experiment::settings::{Setting, Settings};
use crate::experiment::status::Status;
use crate::experiment::table::Table;
use crate::experiment::yaml;
use crate::measure::NullInfo;
use crate::stats::permutation::{mean_and_sd, p_value, z_score};
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

fn settings(yaml: &str) -> Settings {
    let mut settings = Settings::default();
    for (key, node) in yaml::parse("", yaml).unwrap().map("").unwrap() {
        Setting::read(&key.name, node.value()).unwrap().apply(&mut settings);
    }
    settings
}

/// A condition of two runs, done with and without pruning, and one of which the four others are.
pub(super) fn records() -> Vec<RunRecord> {
    let record = |yaml: &str, condition: &str, replicate, status, n, result: Option<Value>| {
        let settings = settings(yaml);
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

/// An unpruned network with an n-cut of `ncut` beside those of its shuffles, if there are any.
pub(super) fn network(yaml: &str, replicate: u64, ncut: f64, ncuts: &[f64]) -> (Run, RunResult) {
    let settings = settings(yaml);
    let result = json!({"unpruned": end_state(0.0, None, &[]), "pruned": null, "replicate": replicate,
        "settings": serde_json::to_value(&settings).unwrap(), "timing_s": {"train": 0.0, "measure": 0.5, "total": 0.5}});
    let mut result: RunResult = serde_json::from_value(result).unwrap();
    let measurement = &mut result.unpruned.measurement;
    measurement.ncut = ncut;
    if !ncuts.is_empty() {
        let (mean, sd) = mean_and_sd(ncuts).unwrap();
        let (kind, shuffles) = (settings.null_model, ncuts.len());
        measurement.null = Some(NullInfo { kind, shuffles, ncuts: ncuts.into(), mean, sd, stopped: false });
        (measurement.p_value, measurement.z_score) = (Some(p_value(ncut, ncuts)), z_score(ncut, ncuts));
    }
    (Run::new("e", settings, replicate), result)
}

/// What a report has of it.
pub(super) fn record((run, result): &(Run, RunResult)) -> RunRecord {
    RunRecord {
        damage: None,
        run: run.clone(),
        condition: run.condition.name.clone(),
        status: Status::Done,
        epochs: Vec::new(),
        written_s: 0.0,
        result: Some(result.clone()),
    }
}

/// The pictures of `results`, each experiment of which has this section.
pub(super) fn drawn(section: &str, results: &[(Run, RunResult)]) -> Vec<Picture> {
    let table = Table::read(&yaml::parse("f", section).unwrap()).unwrap();
    let conditions = conditions(&results.iter().map(record).collect::<Vec<_>>());
    let sections: Vec<_> = results.iter().map(|(run, _)| (run.experiment.to_string(), table.clone())).collect();
    let results: Vec<(&Run, &RunResult)> = results.iter().map(|(run, result)| (run, result)).collect();
    pictures(&sections, &conditions, &results).0
}

/// Places of elements that begin with `begin`, up to the next quote.
pub(super) fn places(svg: &str, begin: &str) -> Vec<(f64, f64)> {
    let numbers = |part: &str| {
        let numbers = part.split(['"', ')', 'L', 'M']).next().unwrap().split(' ').map(|x| x.parse().unwrap());
        let [x, y] = numbers.collect::<Vec<f64>>()[..] else { panic!("{part}") };
        (x, y)
    };
    svg.split(begin).skip(1).map(numbers).collect()
}

/// Every element is closed in its turn, and text holds no markup.
pub(super) fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap();
        assert!(!text.contains('>') && !tag.contains('&') || tag.contains("&lt;") || tag.contains("&amp;"), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split(' ').next().unwrap()),
        }
    }
    assert!(open.is_empty() && !svg.contains("NaN") && !svg.contains("inf"));
}
