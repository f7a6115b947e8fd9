//! One network as several exporters write it (`tests/data/exported.py`): the same dataflow, the same weights.

use std::collections::HashMap;

use crate::InputError;
use crate::dataflow::{Dataflow, Factor, Kind, Value};
use crate::model::fixtures::{open, path};
use crate::model::{Format, TensorFile};

/// What the outputs depend on but pointwise operations, one line each: what it does, and the lines it takes.
pub(super) fn lines(flow: Dataflow) -> Vec<String> {
    let flow = flow.live();
    let mut lines = Vec::new();
    let mut line_of: Vec<usize> = Vec::new();
    for operation in &flow.operations {
        let inputs: Vec<Value> = operation.inputs.iter().map(|&input| line_of[input]).collect();
        let word = match &operation.kind {
            Kind::Pointwise | Kind::Identity => {
                line_of.push(inputs[0]);
                continue;
            }
            Kind::Convolution { weight, groups } => format!("Convolution {:?} {groups}", weight.shape),
            Kind::Dense { weight, layout } => format!("Dense {:?} {layout:?}", weight.shape),
            Kind::BatchNorm { gamma, variance, epsilon } => {
                let gamma = gamma.as_ref().map(|gamma| &gamma.shape);
                format!("BatchNorm {gamma:?} {:?} {epsilon:.6}", variance.shape)
            }
            Kind::Scale { factor: Factor::Times(tensor) } => format!("Scale {}", tensor.name),
            Kind::Scale { factor: Factor::Over(tensor) } => format!("Scale 1/{}", tensor.name),
            Kind::Flatten { .. } => "Flatten".into(),
            kind => format!("{kind:?}"),
        };
        line_of.push(lines.len());
        lines.push(format!("{word} {inputs:?}"));
    }
    lines.push(format!("{:?}", flow.outputs.iter().map(|&output| line_of[output]).collect::<Vec<_>>()));
    lines
}

/// Opens, follows and reads all, as a user of the file would.
pub(super) fn use_all(file: &TensorFile) -> Result<Dataflow, InputError> {
    let flow = file.dataflow()?.unwrap_or_default().live();
    flow.channels("file")?;
    file.entries().iter().filter(|entry| entry.dtype.is_float()).try_for_each(|entry| file.read(entry).map(|_| ()))?;
    Ok(flow)
}

const UNFOLDED: [&str; 4] = ["net-unfolded.onnx", "net-beside.onnx", "net.pt2", "net-core.pt2"];
const FOLDED: [&str; 2] = ["net-script.onnx", "net-dynamo.onnx"];

#[test]
fn one_network_is_one_dataflow_in_every_format() {
    let folded = [
        "Input []",
        "Convolution [4, 3, 3, 3] 1 [0]",
        "Convolution [4, 2, 3, 3] 2 [1]",
        "Add [2, 1]",
        "Convolution [2, 4, 1, 1] 1 [1]",
        "Concat [3, 4]",
        "Flatten [5]",
        "Dense [3, 24] OutIn [6]",
        "[7]",
    ];
    for name in FOLDED {
        assert_eq!(lines(use_all(&open(name)).unwrap()), folded, "{name}");
    }
    let unfolded = [
        "Input []",
        "Convolution [4, 3, 3, 3] 1 [0]",
        "BatchNorm Some([4]) [4] 0.000010 [1]",
        "Convolution [4, 2, 3, 3] 2 [2]",
        "Add [3, 2]",
        "Convolution [2, 4, 1, 1] 1 [2]",
        "Concat [4, 5]",
        "Flatten [6]",
        "Dense [3, 24] OutIn [7]",
        "[8]",
    ];
    for name in UNFOLDED {
        assert_eq!(lines(use_all(&open(name)).unwrap()), unfolded, "{name}");
    }
}

#[test]
fn layers_are_called_as_their_modules_and_files_as_their_formats() {
    for name in UNFOLDED.into_iter().chain(FOLDED) {
        let file = open(name);
        let format = if name.ends_with(".onnx") { Format::Onnx } else { Format::TorchExport };
        assert_eq!(file.format(), format, "{name}");
        let flow = file.dataflow().unwrap().unwrap().live();
        let is_layer = |kind: &Kind| matches!(kind, Kind::Convolution { .. } | Kind::Dense { .. });
        let layers = flow.operations.iter().filter(|operation| is_layer(&operation.kind));
        // This exporter names a weight anew when it folds batch norm into it.
        let stem = if name == "net-script.onnx" { "/stem/Conv" } else { "stem" };
        let layers: Vec<&str> = layers.map(|layer| layer.name.as_str()).collect();
        assert_eq!(layers, [stem, "body", "side", "fc"], "{name}");
    }
}

#[test]
fn weights_are_those_that_were_exported() {
    let expected: HashMap<String, Vec<f64>> =
        serde_json::from_str(&std::fs::read_to_string(path("exported.json")).unwrap()).unwrap();
    for name in UNFOLDED.into_iter().chain(FOLDED) {
        let file = open(name);
        let mut found = 0;
        for entry in file.entries().iter().filter(|entry| entry.dtype.is_float()) {
            let mut values = match expected.get(&entry.name) {
                Some(values) => values.clone(),
                None if entry.shape == [4, 3, 3, 3] => expected["stem.weight"].clone(),
                None => continue,
            };
            if FOLDED.contains(&name) && entry.shape == [4, 3, 3, 3] {
                for (i, value) in values.iter_mut().enumerate() {
                    *value *= expected["bn.weight"][i / 27] / (expected["bn.running_var"][i / 27] + 1e-5).sqrt();
                }
            }
            let read = file.read(entry).unwrap();
            assert_eq!(read.len(), values.len(), "{name} {}", entry.name);
            let close = read.iter().zip(&values).all(|(read, value)| (read - value).abs() < 1e-7);
            assert!(close, "{name} {}: {read} instead of {values:?}", entry.name);
            found += 1;
        }
        assert_eq!(found, if FOLDED.contains(&name) { 7 } else { 11 }, "{name}");
    }
}
