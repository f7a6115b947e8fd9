//! The reference networks against what NumPy 2.4.6, SciPy 1.17.1 and scikit-learn 1.9.1 say of them: eigenvalues by dense
//! LAPACK in f64, n-cuts of ten clusterings (k = 12, n_init = 25) and of 50 layer shuffles. The smallest ships with the
//! project: 49-64-64-64-10, Glorot-uniform.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Work, assert_all_close, assert_close, mean, number, numbers, sd, shared};

fn check_shared(name: &str, solvers: &[&str]) {
    if let Some(folder) = shared() {
        check(&folder.join("reference"), name, solvers);
    }
}

fn check(folder: &Path, name: &str, solvers: &[&str]) {
    let expected = &expected(folder)[name];
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
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference");
    check(&shipped, "mlp_small", &["arpack", "lanczos", "dense"]);
}

#[test]
fn initial() {
    check_shared("mlp_init", &["arpack", "lanczos"]);
}

#[test]
fn pruned() {
    check_shared("mlp_pruned", &["arpack", "lanczos"]);
}

#[test]
fn modular() {
    check_shared("mlp_modular_pruned", &["arpack", "lanczos"]);
}
