//! One network in every form that is read (`tests/data/forms.py`) is one graph.

use ncut::graph::{Convention, GraphParams};
use ncut::measure::read_network;
use ncut::model::Arch;
use ndarray::Array2;
use std::path::Path;

use crate::harness::Work;

const FORMS: [&str; 8] = [
    "names.safetensors",
    "state-dict.pth",
    "scripted.pt",
    "traced.pt",
    "frozen.pt",
    "dynamo.onnx",
    "folded.onnx",
    "export.pt2",
];

#[test]
fn every_form_of_a_network_is_the_same_graph() {
    for convention in [Convention::Paper, Convention::Authors, Convention::Residual] {
        let graph = |form: &str| -> (Vec<usize>, Array2<f64>) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/forms-{form}"));
            let params = GraphParams { convention, ..GraphParams::default() };
            let (graph, _) = read_network(&path, Arch::Auto, params).unwrap();
            (graph.node_sets.iter().map(|set| set.size).collect(), graph.adjacency().to_dense())
        };
        let (sizes, expected) = graph(FORMS[0]);
        let wanted: &[usize] = match convention {
            Convention::Paper => &[4, 4, 4, 4, 4, 6, 6, 6],
            Convention::Authors => &[4, 4, 4, 4, 4, 6, 4, 6],
            Convention::Residual => &[4, 4, 4, 6, 6],
        };
        assert_eq!(sizes, wanted, "{convention:?}");
        let largest = expected.iter().copied().fold(0.0, f64::max);
        for form in FORMS {
            let (found_sizes, found) = graph(form);
            assert_eq!(found_sizes, sizes, "{form} {convention:?}");
            // weights that were folded beforehand are rounded to f32
            let off = (&found - &expected).iter().map(|x| x.abs()).fold(0.0, f64::max);
            assert!(off < 1e-6 * largest, "{form} {convention:?}: {off} of {largest}");
        }
    }
}

/// As `tests/data/forms.py` computes it from the weights: factors in front of a sum and in it count, those of an activation do not.
#[test]
fn factors_that_all_channels_have_in_common_count() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let rows: Vec<Vec<f64>> =
        serde_json::from_str(&std::fs::read_to_string(data.join("scaled.json")).unwrap()).unwrap();
    for form in ["scripted.pt", "traced.pt", "dynamo.onnx", "folded.onnx", "export.pt2"] {
        let path = data.join(format!("scaled-{form}"));
        let (graph, _) = read_network(&path, Arch::Auto, GraphParams::default()).unwrap();
        let off =
            graph.adjacency().to_dense().indexed_iter().map(|((i, j), x)| (x - rows[i][j]).abs()).fold(0.0, f64::max);
        assert!(off < 1e-6, "{form}: {off}");
    }
}

/// What is written into a part of a tensor changes the tensor: no graph, rather than one without the layer that was added.
#[test]
fn writing_into_a_part_is_refused() {
    for form in ["scripted.pt", "traced.pt", "export.pt2"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/written-{form}"));
        let error = read_network(&path, Arch::Auto, GraphParams::default()).unwrap_err();
        assert!(error.problem.contains("of a part, through which no graph is drawn"), "{form}: {error}");
    }
}

/// Weights of other types than float32 are converted, and it is said.
#[test]
fn the_type_of_weights_is_said() {
    let work = Work::new();
    for (file, wanted) in
        [("mlp-f16", Some("float16")), ("mlp-bf16", Some("bfloat16")), ("mlp-f64", Some("float64")), ("mlp-f32", None)]
    {
        let path = format!("{}/tests/data/{file}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let measured = work.measured(&["measure", &path, "-k", "2", "--shuffles", "0"]);
        assert_eq!(measured["model"]["weights"].as_str(), wanted, "{file}");
        let shown = work.ncut(&["measure", &path, "-k", "2", "--shuffles", "0"]).ok().stdout;
        assert_eq!(shown.contains("converted to float64"), wanted.is_some_and(|kind| kind != "float64"), "{file}");
    }
}
