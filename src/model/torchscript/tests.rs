use std::collections::BTreeSet;
use std::io::Write;

use crate::InputError;
use crate::dataflow::{Dataflow, Kind};
use crate::model::TensorFile;
use crate::model::fixtures::{open, path, write};

/// Layer, or the network's input, and channel.
type Reached = BTreeSet<(usize, usize)>;

/// A layer as `net.json` has it: weight's shape, groups, and for each input what reaches it.
type Layer = (Vec<usize>, usize, Vec<Reached>);

/// The layers of a dataflow, each with its name, by following every channel by itself.
fn layers(dataflow: &Dataflow) -> Vec<(String, Layer)> {
    let mut reached: Vec<Vec<Reached>> = vec![];
    let mut layers: Vec<(String, Layer)> = vec![];
    for operation in &dataflow.operations {
        let of = |i: usize| reached[operation.inputs[i]].clone();
        let layer = |weight: &crate::dataflow::TensorName, groups, reads: Vec<Reached>| {
            let own = (0..weight.shape[0]).map(|channel| Reached::from([(layers.len(), channel)])).collect();
            ((operation.name.clone(), (weight.shape.clone(), groups, reads)), own)
        };
        let gives = match &operation.kind {
            Kind::Input => vec![Reached::new(); 3],
            Kind::Convolution { weight, groups } => {
                let (found, own) = layer(weight, *groups, of(0));
                layers.push(found);
                own
            }
            Kind::Dense { weight, .. } => {
                let given = of(0);
                let repeat = weight.shape[1] / given.len();
                let reads = given.iter().flat_map(|reached| vec![reached.clone(); repeat]).collect();
                let (found, own) = layer(weight, 1, reads);
                layers.push(found);
                own
            }
            Kind::Add => of(0).iter().zip(of(1)).map(|(one, other)| one | &other).collect(),
            Kind::Concat => (0..operation.inputs.len()).flat_map(of).collect(),
            Kind::Slice { from, to } => of(0)[*from..*to].to_vec(),
            Kind::Pad { before, after } => {
                [vec![Reached::new(); *before], of(0), vec![Reached::new(); *after]].concat()
            }
            Kind::Unsupported { operation } => panic!("{operation}"),
            Kind::BatchNorm { .. } | Kind::Scale { .. } | Kind::Pointwise | Kind::Identity | Kind::Flatten { .. } => {
                of(0)
            }
        };
        reached.push(gives);
    }
    layers
}

#[test]
fn every_form_of_a_network_is_the_same_and_as_its_derivatives_have_it() {
    let expected = std::fs::read_to_string(path("net.json")).unwrap();
    let expected: Vec<serde_json::Value> = serde_json::from_str(&expected).unwrap();
    let parse = |layer: &serde_json::Value| -> (String, Layer) {
        let get = |key: &str| layer[key].clone();
        let layer: Layer = (
            serde_json::from_value(get("weight")).unwrap(),
            serde_json::from_value(get("groups")).unwrap(),
            serde_json::from_value(get("reads")).unwrap(),
        );
        (get("name").as_str().unwrap().to_string(), layer)
    };
    let expected: Vec<(String, Layer)> = expected.iter().map(parse).collect();
    for (name, norms) in [("net-scripted.pt", 3), ("net-traced.pt", 3), ("net-frozen.pt", 1)] {
        let file = open(name);
        let dataflow = file.dataflow().unwrap().unwrap().live();
        assert_eq!(dataflow.channels(name).unwrap().last(), Some(&Some(2)), "{name}");
        for ((found, layer), (called, wanted)) in layers(&dataflow).iter().zip(&expected) {
            assert_eq!(layer, wanted, "{name} {found}");
            // Freezing leaves no names.
            assert!(found == called || name == "net-frozen.pt" && found.starts_with("CONSTANTS.c"), "{name} {found}");
        }
        assert_eq!(layers(&dataflow).len(), expected.len());
        let count =
            |kind: fn(&Kind) -> bool| dataflow.operations.iter().filter(|operation| kind(&operation.kind)).count();
        // Freezing folds all batch norms but the one that no convolution is before.
        assert_eq!(count(|kind| matches!(kind, Kind::BatchNorm { epsilon: 1e-5, .. })), norms, "{name}");
        assert_eq!(count(|kind| matches!(kind, Kind::Scale { .. })), 1, "{name}");
        for tensor in dataflow.tensors() {
            let entry = file.entries().iter().find(|entry| entry.name == tensor.name);
            let entry = entry.unwrap_or_else(|| panic!("{name} lacks {}", tensor.name));
            assert_eq!(file.read(entry).unwrap().shape(), tensor.shape, "{name}");
        }
    }
}

#[test]
fn chains_have_a_dataflow_and_mere_weights_none() {
    for name in ["scripted.pt", "traced.pt"] {
        let dataflow = open(name).dataflow().unwrap().unwrap();
        let names: Vec<&str> = dataflow.operations.iter().map(|operation| &*operation.name).collect();
        assert_eq!((names[1], names[3], names.len()), ("fc1", "fc2", 4), "{name}");
    }
    for name in ["state-dict.pt", "mlp.npz", "mlp-f32.safetensors"] {
        assert_eq!(open(name).dataflow().unwrap(), None, "{name}");
    }
}

/// What becomes of an archive whose network has this code, and one attribute `w` of so many channels.
fn followed(code: &str) -> Result<Option<Dataflow>, InputError> {
    let file = tempfile::Builder::new().suffix(".pt").tempfile().unwrap();
    let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
    let mut pickle =
        b"\x80\x02c__torch__\nNet\n)\x81}(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage".to_vec();
    pickle.extend(b"ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0(K\x02K\x02K\x01K\x01t(K\x02K\x01K\x01K\x01t\x89NtR");
    pickle.extend(b"ub.");
    for (name, bytes) in [
        ("net/data.pkl", &pickle[..]),
        ("net/data/0", &[0; 16]),
        ("net/constants.pkl", b"\x80\x02)."),
        ("net/code/__torch__.py", code.as_bytes()),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    TensorFile::open(file.path())?.dataflow()
}

/// A network of these statements.
fn network(body: &str) -> String {
    let body = body.replace('\n', "\n    ");
    format!(
        "class Net(Module):\n  w : Tensor\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    {body}\n"
    )
}

/// The kinds of the operations on which the output of these statements depends, behind the input.
fn kinds(body: &str) -> Vec<Kind> {
    let dataflow = followed(&network(body)).unwrap().unwrap().live();
    dataflow.operations.into_iter().skip(1).map(|operation| operation.kind).collect()
}

#[test]
fn operators_on_channels() {
    let unsupported = |name: &str| Kind::Unsupported { operation: name.into() };
    let slice = |from, to| Kind::Slice { from, to };
    let pad = |before, after| Kind::Pad { before, after };
    for (body, wanted) in [
        // What is done in place reaches all who read the tensor.
        ("y = torch.relu(x)\n_0 = torch.relu_(y)\nreturn y", vec![Kind::Pointwise, Kind::Pointwise]),
        ("y = torch.slice(x, 1, 0, 2)\n_0 = torch.relu_(y)\nreturn x", vec![unsupported("aten::relu_ of a part")]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.slice(y, 1, -1)", vec![slice(1, 2)]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.cat([torch.mul(y, 0.), y], 1)", vec![pad(2, 0)]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.cat([y, y], -3)", vec![Kind::Concat]),
        (
            "y = torch.conv2d(x, self.w, None)\nreturn torch.cat([y, y], 2)",
            vec![unsupported("aten::cat along another axis than the channels")],
        ),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.view(y, [torch.size(y, 0), 2, -1])", vec![Kind::Pointwise]),
        (
            "y = torch.conv2d(x, self.w, None)\nreturn torch.view(y, [-1, 1, 2, 5, 5])",
            vec![unsupported("aten::view to [-1, 1, 2, 5, 5]")],
        ),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.pad(y, [1, 1, 1, 1, 0, 3])", vec![pad(0, 3)]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.pad(y, [1, 1, 1, 1])", vec![Kind::Pointwise]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.mean(y, [-1, -2], True)", vec![Kind::Pointwise]),
        (
            "y = torch.conv2d(x, self.w, None)\nreturn torch.mean(y, [1])",
            vec![unsupported("aten::mean over other axes than those of pixels")],
        ),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.mul(y, torch.sigmoid(y))", vec![Kind::Pointwise]),
        ("y = torch.conv2d(x, self.w, None)\nreturn torch.dropout(y, 0.5, False)", vec![Kind::Identity]),
        (
            "y = torch.conv2d(x, self.w, None)\nreturn torch.where(torch.gt(y, 0), y, torch.mul(y, 0.1))",
            vec![Kind::Pointwise],
        ),
        ("return torch.sub(x, torch.mean(x, [2, 3], True))", vec![Kind::Pointwise, Kind::Add]),
        (
            "y = torch.conv2d(x, self.w, None)\nreturn torch.permute(y, [0, 2, 3, 1])",
            vec![unsupported("aten::permute")],
        ),
        ("y = torch.conv2d(x, self.w, None)\nreturn ops.quantized.add(y, y)", vec![unsupported("quantized::add")]),
        (
            "y = torch.conv2d(x, self.w, None)\nz = torch.conv2d(y, torch.neg(self.w), None)\nreturn z",
            vec![unsupported("aten::conv2d with a weight that is computed")],
        ),
        (
            "y = torch._convolution(x, self.w, None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1)\nreturn y",
            vec![unsupported("aten::_convolution that is transposed")],
        ),
        // A branch on pixels: one way raises, or both do the same to channels.
        (
            "if torch.gt(torch.size(x, 3), 7):\n  y = x\nelse:\n  ops.prim.RaiseException(\"small\")\n  y = uninitialized(Tensor)\nreturn y",
            vec![],
        ),
        ("if torch.gt(torch.size(x, 3), 7):\n  y = torch.relu(x)\nelse:\n  y = x\nreturn y", vec![Kind::Pointwise]),
        // Numbers, lists and loops are followed.
        (
            "l = annotate(List[int], [])\nfor i in range(3):\n  _0 = torch.append(l, torch.mul(i, 2))\ny = torch.conv2d(x, self.w, None)\nreturn torch.pad(y, [0, 0, 0, 0, l[-1], torch.len(l)])",
            vec![pad(4, 3)],
        ),
        (
            "n = 0\nwhile torch.lt(n, 2):\n  n = torch.add(n, 1)\nif torch.eq(n, 2) if self.training else torch.__isnot__(n, None):\n  y = torch.relu(x)\nelse:\n  y = torch.t(x)\nreturn (y, None)",
            vec![Kind::Pointwise],
        ),
    ] {
        let mut found = kinds(body);
        found.retain(|kind| !matches!(kind, Kind::Convolution { .. }));
        assert_eq!(found, wanted, "{body}");
    }
    // A softmax is allowed where no layer reads it.
    let y = "y = torch.softmax(torch.conv2d(x, self.w, None), 1)";
    assert_eq!(kinds(&format!("{y}\nreturn y"))[1], Kind::Pointwise);
    assert_eq!(kinds(&format!("{y}\nreturn torch.conv2d(y, self.w, None)"))[1], unsupported("aten::softmax"));
}

#[test]
fn programs_that_cannot_be_followed_end_in_one_error() {
    let deep = format!("return {}x{}", "torch.relu(".repeat(5000), ")".repeat(5000));
    let chain = format!("return x{}", ".y".repeat(5000));
    let blocks: String =
        (0..60).map(|i| format!("{}if True:\n", "  ".repeat(i))).collect::<String>() + &"  ".repeat(60) + "pass";
    let growth = "l = [1]\nwhile True:\n  l = torch.add(l, l)\nreturn x";
    let nested = "l = (1,)\nwhile True:\n  l = (l, l)\nreturn x";
    let returned = "l = (x, 1)\nfor i in range(1000):\n  l = (l, l)\nreturn l";
    for (body, wanted) in [
        (&*deep, "more than 100 levels"),
        (&chain, "more than 100 levels"),
        (&format!("return {}x", "not ".repeat(100_000)), "more than 100 levels"),
        (&format!("return {}1", "-".repeat(100_000)), "more than 100 levels"),
        (&format!("return {}", "(".repeat(100_000)), "within brackets"),
        (&blocks, "more than 50 blocks"),
        (growth, "does not end within"),
        (nested, "does not end within"),
        (returned, "calls itself"),
        ("return (self).forward(x, )", "calls itself"),
        ("for i in range(9223372036854775807):\n  pass\nreturn x", "does not end within"),
        ("while True:\n  pass\nreturn x", "does not end within"),
        ("while torch.gt(torch.size(x, 2), 1):\n  pass\nreturn x", "only a run would tell"),
        (
            "if torch.gt(torch.size(x, 2), 1):\n  y = torch.relu(x)\nelse:\n  y = torch.conv2d(x, self.w, None)\nreturn y",
            "only a run would decide",
        ),
        ("return self.v", "'v', which the module lacks"),
        ("return (self).other(x, )", "'other' of __torch__.Net, which the archive lacks"),
        ("return __torch__.a.b.f(x, )", "__torch__.a.b.f, which the archive lacks"),
        ("return CONSTANTS.c0", "CONSTANTS.c0, which the archive lacks"),
        ("return y", "no variable 'y'"),
        ("return [x][1]", "lacks"),
        ("return 1", "returns no tensor"),
        ("ops.prim.RaiseException(\"no\")\nreturn x", "raises an exception in inference: no"),
        ("return \"", "text without an end"),
        ("return x $ y", "unexpected letter '$'"),
        ("return x x", "where a line should end"),
        ("x = \nreturn x", "where an expression should be"),
        ("self(x)", "no function"),
        ("a, b = x\nreturn a", "takes 2 values"),
    ] {
        let error = followed(&network(body)).err().unwrap_or_else(|| panic!("{body:.80} was accepted"));
        assert!(error.problem.contains(wanted), "{body:.80}: {error}");
        assert!(error.place.contains(".pt, code/__torch__.py") || error.place.ends_with(".pt, forward"), "{error}");
    }
    assert_eq!(followed("class Net(Module):\n  w : Tensor\n").unwrap(), None);
}

#[test]
fn damaged_archives_end_in_one_error() {
    // Every cut of a program, and about five hundred flipped bytes of an archive.
    let code = network("y = torch.conv2d(x, self.w, None)\nif True:\n  z = torch.relu(y)\nelse:\n  z = y\nreturn z");
    for length in 0..code.len() {
        let _ = followed(&code[..length]);
    }
    let bytes = std::fs::read(path("net-traced.pt")).unwrap();
    for at in (0..bytes.len()).step_by((bytes.len() / 500) | 1) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let _ = TensorFile::open(write("", &damaged).path()).and_then(|file| file.dataflow());
    }
}
