//! The reference networks against what NumPy, SciPy and scikit-learn say of them.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Work, assert_all_close, assert_close, mean, number, numbers, sd, shared};

fn check(name: &str, solvers: &[&str]) {
    let Some(folder) = shared() else { return };
    let folder = folder.join("reference");
    let expected = &expected(&folder)[name];
    let model = folder.join(format!("{name}.safetensors")).display().to_string();
    let work = Work::new();
    // the default, against 50 shuffles
    let m = work.measured(&["measure", &model]);
    assert_eq!((&m["graph"]["nodes"], &m["graph"]["edges"]), (&expected["nodes"], &expected["edges"]));
    assert_all_close(&numbers(&m["eigenvalues"]), &numbers(&expected["eigenvalues"]), 1e-8);
    assert_eq!(m["settings"]["restarts"], 25);
    let (ncut, most) = (number(&m["ncut"]), number(&expected["ncut_max"]));
    assert!(ncut <= most + 0.01, "{name}: n-cut {ncut}, scikit-learn's is at most {most}");
    // no clustering is below the bound of the eigenvalues
    assert!(ncut >= numbers(&m["eigenvalues"]).iter().sum::<f64>());
    let ours = numbers(&m["null"]["ncuts"]);
    let se = ((sd(&ours, 0).powi(2) + number(&expected["shuffle_sd"]).powi(2)) / 50.0).sqrt();
    assert_eq!(ours.len(), 50);
    assert_close(mean(&ours), number(&expected["shuffle_mean"]), 4.0 * se);
    for solver in solvers {
        let m = work.measured(&["measure", &model, "--shuffles", "0", "--solver", solver]);
        assert_eq!(&m["settings"]["solver"], solver);
        assert_all_close(&numbers(&m["eigenvalues"]), &numbers(&expected["eigenvalues"]), 1e-8);
        assert!(number(&m["ncut"]) <= most + 0.01, "{name}, {solver}: n-cut {}", m["ncut"]);
    }
}

fn expected(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

#[test]
fn small() {
    check("mlp_small", &["arpack", "lanczos", "dense"]);
}

#[test]
fn initial() {
    check("mlp_init", &["arpack", "lanczos"]);
}

#[test]
fn pruned() {
    check("mlp_pruned", &["arpack", "lanczos"]);
}

#[test]
fn modular() {
    check("mlp_modular_pruned", &["arpack", "lanczos"]);
}
