use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::InputError;
use crate::dataflow::Dataflow;
use crate::model::TensorFile;
use crate::model::exported::{lines, use_all};
use crate::model::fixtures::{path, write};

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn int(field: u64, value: i64) -> Vec<u8> {
    [number(field << 3), number(value as u64)].concat()
}

fn message(field: u64, content: &[u8]) -> Vec<u8> {
    [number(field << 3 | 2), number(content.len() as u64), content.to_vec()].concat()
}

/// Float 1 or int64 7.
fn tensor(name: &str, shape: &[i64], data_type: i64, raw: &[u8]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|&extent| int(1, extent)).collect();
    [dims, int(2, data_type), message(8, name.as_bytes()), message(9, raw)].concat()
}

fn floats(name: &str, shape: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = (0..shape.iter().product::<i64>()).flat_map(|i| (i as f32).to_le_bytes()).collect();
    tensor(name, shape, 1, &values)
}

fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, &[values.len() as i64], 7, &raw)
}

fn scalar(name: &str, value: i64) -> Vec<u8> {
    tensor(name, &[], 7, &value.to_le_bytes())
}

/// `Op a b -> c`, then attributes `name=1` or `name=1,2`.
fn node(text: &str) -> Vec<u8> {
    let (call, outputs) = text.split_once("->").unwrap();
    let mut words = call.split_whitespace();
    let mut bytes = message(4, words.next().unwrap().as_bytes());
    for input in words {
        // An input that is left out has an empty name.
        bytes.extend(message(1, input.trim_matches('-').as_bytes()));
    }
    for word in outputs.split_whitespace() {
        match word.split_once('=') {
            None => bytes.extend(message(2, word.as_bytes())),
            Some((name, values)) => {
                let numbers: Vec<i64> = values.split(',').map(|value| value.parse().unwrap()).collect();
                let list = values.contains(',');
                let numbers: Vec<u8> = numbers.iter().flat_map(|&n| int(if list { 8 } else { 3 }, n)).collect();
                bytes.extend(message(5, &[message(1, name.as_bytes()), numbers].concat()));
            }
        }
    }
    bytes
}

/// From `image` of 4 axes to `out`.
fn model(nodes: &[&str], tensors: &[Vec<u8>]) -> Vec<u8> {
    let mut graph = Vec::new();
    nodes.iter().for_each(|text| graph.extend(message(1, &node(text))));
    tensors.iter().for_each(|tensor| graph.extend(message(5, tensor)));
    let axes: Vec<u8> = [2, 3, 8, 8].iter().flat_map(|&extent| message(1, &int(1, extent))).collect();
    let image = [message(1, b"image"), message(2, &message(1, &[int(1, 1), message(2, &axes)].concat()))].concat();
    graph.extend(message(11, &image));
    graph.extend(message(12, &message(1, b"out")));
    [int(1, 8), message(7, &graph), message(8, &int(2, 17))].concat()
}

fn follow(bytes: &[u8]) -> Result<Dataflow, InputError> {
    use_all(&TensorFile::open(write(".onnx", bytes).path())?)
}

/// Behind a convolution to 4 channels, `x`.
fn behind(nodes: &[&str], tensors: &[Vec<u8>]) -> Result<Vec<String>, InputError> {
    let nodes: Vec<&str> = [&["Conv image w -> x"], nodes].concat();
    let flow = follow(&model(&nodes, &[&[floats("w", &[4, 3, 1, 1])], tensors].concat()))?;
    Ok(lines(flow)[2..].to_vec())
}

#[test]
fn operators_do_to_channels_what_they_should() {
    let dense = "Dense [16, 2] InOut [2]";
    for (nodes, tensors, expected) in [
        // A SiLU, and a GELU in its parts.
        (&["Sigmoid x -> s", "Mul x s -> out"][..], vec![], &["[1]"][..]),
        (
            &["Div x c -> a", "Erf a -> b", "Add b c -> d", "Mul d x -> e", "Mul e c -> f", "Mul f c -> out"],
            vec![floats("c", &[])],
            &["Scale c [1]", "[2]"],
        ),
        (
            &["Mul x c -> a", "Sigmoid a -> s", "Mul a s -> b", "Mul b c -> out"],
            vec![floats("c", &[])],
            &["Scale c [1]", "Scale c [2]", "[3]"],
        ),
        // A hard swish; a factor of its own behind an activation.
        (
            &["Add x c -> a", "Clip a z s -> b", "Mul x b -> d", "Div d s -> out"],
            vec![floats("c", &[]), floats("z", &[]), floats("s", &[])],
            &["[1]"],
        ),
        (&["Relu x -> a", "Mul a n -> out"], vec![scalar("n", 2)], &["Scale n [1]", "[2]"]),
        // Constants: for each channel, for all, and biases.
        (&["Mul g x -> out"], vec![floats("g", &[4, 1, 1])], &["Scale g [1]", "[2]"]),
        (&["Mul x g -> out"], vec![floats("g", &[1, 1, 1, 1])], &["Scale g [1]", "[2]"]),
        (&["Div x g -> out"], vec![floats("g", &[4, 1, 1])], &["Scale 1/g [1]", "[2]"]),
        (&["Add x g -> a", "Sub a g -> out"], vec![floats("g", &[4, 1, 1])], &["[1]"]),
        (&["Add x x -> out"], vec![], &["Add [1, 1]", "[2]"]),
        (
            &["Conv x v -> y", "Sub x y -> out"],
            vec![floats("v", &[4, 4, 1, 1])],
            &["Convolution [4, 4, 1, 1] 1 [1]", "Add [1, 2]", "[3]"],
        ),
        // Zeros beside channels.
        (&["Concat g x -> out axis=1"], vec![floats("g", &[2, 3, 8, 8])], &["Pad { before: 3, after: 0 } [1]", "[2]"]),
        // A softmax that no layer reads.
        (&["Softmax x -> out axis=1"], vec![], &["[1]"]),
        // Channels.
        (
            &["Split x n -> a b axis=1", "Concat b a -> out axis=-3"],
            vec![ints("n", &[1, 3])],
            &["Slice { from: 0, to: 1 } [1]", "Slice { from: 1, to: 4 } [1]", "Concat [3, 2]", "[4]"],
        ),
        (
            &["Slice x a b c -> out"],
            vec![ints("a", &[-3, 2]), ints("b", &[i64::MAX, 3]), ints("c", &[1, 3])],
            &["Slice { from: 1, to: 4 } [1]", "[2]"],
        ),
        (&["Slice x a b c -> out"], vec![ints("a", &[1]), ints("b", &[3]), ints("c", &[2])], &["[1]"]),
        (&["Pad x p -> out"], vec![ints("p", &[0, 0, 1, 1, 0, 0, 1, 1])], &["[1]"]),
        (&["Pad x p -> out"], vec![ints("p", &[0, 1, 0, 0, 0, 2, 0, 0])], &["Pad { before: 1, after: 2 } [1]", "[2]"]),
        // One channel out of several, as preprocessing has it.
        (
            &["Gather x i -> a axis=1", "Unsqueeze a j -> out"],
            vec![scalar("i", 2), ints("j", &[1])],
            &["Slice { from: 2, to: 3 } [1]", "[2]"],
        ),
        // Units.
        (
            &["GlobalAveragePool x -> a", "Flatten a -> b", "MatMul b d -> c", "Add c e -> out"],
            vec![floats("d", &[16, 2]), floats("e", &[2])],
            &["Flatten [1]", dense, "[3]"],
        ),
        (
            &["ReduceMean x -> b axes=2,3 keepdims=0", "Gemm b d -> out"],
            vec![floats("d", &[16, 2])],
            &["Flatten [1]", dense, "[3]"],
        ),
        (
            &["GlobalMaxPool x -> a", "Squeeze a j -> b", "Transpose d -> e perm=1,0", "MatMul b e -> out"],
            vec![floats("d", &[2, 4]), ints("j", &[2, 3])],
            &["Flatten [1]", "Dense [2, 4] OutIn [2]", "[3]"],
        ),
        (
            &[
                "Shape x -> s",
                "Gather s i -> n",
                "Unsqueeze n j -> m",
                "Constant -> k value_int=-1",
                "Unsqueeze k j -> l",
                "Concat m l -> t axis=0",
                "Reshape x t -> b",
                "MatMul b d -> out",
            ],
            vec![floats("d", &[16, 2]), scalar("i", 0), ints("j", &[0])],
            &["Flatten [1]", dense, "[3]"],
        ),
        // A shape that nobody could tell, but units are asked for.
        (
            &["NonZero d -> t", "Reshape x t -> b", "MatMul b d -> out"],
            vec![floats("d", &[16, 2])],
            &["Flatten [1]", dense, "[3]"],
        ),
    ] {
        assert_eq!(behind(nodes, &tensors).unwrap(), expected, "{nodes:?}");
    }
}

#[test]
fn what_no_graph_can_be_drawn_through_is_named() {
    for (nodes, tensors, expected) in [
        (&["Conv x v -> y", "Mul x y -> out"][..], vec![floats("v", &[4, 4, 1, 1])], "Mul of two values"),
        (&["Softmax x -> y axis=1", "Conv y v -> out"], vec![floats("v", &[4, 4, 1, 1])], "operation Softmax,"),
        (
            &["Conv x v -> y", "Mul y g -> out"],
            vec![floats("v", &[1, 4, 1, 1]), floats("g", &[4, 1, 1])],
            "Mul of one channel",
        ),
        (&["Conv x v -> y", "Add x y -> out"], vec![floats("v", &[1, 4, 1, 1])], "Add of one channel and several"),
        (&["Mul x g -> out"], vec![floats("g", &[8])], "Mul by a factor for each pixel"),
        (&["Mul x g -> out"], vec![floats("g", &[4, 8, 8])], "Mul by a factor for each pixel"),
        (&["Transpose x -> out perm=0,2,3,1"], vec![], "operation Transpose,"),
        (&["Reshape x t -> out"], vec![ints("t", &[0, 2, 2, 8, 8])], "Reshape to [2, 2, 2, 8, 8]"),
        (&["ConvTranspose x w -> out"], vec![], "operation ConvTranspose,"),
        (&["Conv x v -> out"], vec![], "has a dangling edge: it takes 'v'"),
        (&["Add x z -> y", "Relu y -> z", "Relu z -> out"], vec![], "cycle"),
        (&["Relu x -> out", "Sigmoid x -> out"], vec![], "gives 'out', which something else gives too"),
        (&["If x -> out"], vec![], "operation If,"),
        (&["If -> out"], vec![], "operation If,"),
        (&["QLinearConv x w -> out"], vec![], "quantised"),
        (&["DequantizeLinear q -> v", "Conv x v -> out"], vec![tensor("q", &[1], 3, &[0])], "quantised"),
        (&["Conv x q -> out"], vec![tensor("q", &[4, 4, 1, 1], 3, &[0; 16])], "quantised"),
        (&["Relu w -> out"], vec![], "returns nothing that depends on its input"),
        (&["Conv x v -> out"], vec![tensor("v", &[1 << 40, 1 << 40], 1, &[])], "more bytes than can be counted"),
        (&["Conv x v -> out"], vec![tensor("v", &[4, 4, 1, 1], 1, &[0; 60])], "has 60 bytes for shape"),
        (&["Conv x v -> out"], vec![tensor("v", &[-4, 4], 1, &[])], "of a negative shape"),
        (&["Conv x w -> out"], vec![], "is given 4"),
    ] {
        let error = behind(nodes, &tensors).unwrap_err();
        assert!(error.to_string().contains(expected), "{nodes:?}: {error}");
    }
}

#[test]
fn nodes_may_come_in_any_order_and_constants_as_nodes() {
    let backwards = model(&["Relu y -> out", "Conv image w -> y"], &[floats("w", &[4, 3, 1, 1])]);
    assert_eq!(lines(follow(&backwards).unwrap()), ["Input []", "Convolution [4, 3, 1, 1] 1 [0]", "[1]"]);
    let mut constant = node("Constant -> w");
    constant.extend(message(5, &[message(1, b"value"), message(5, &floats("", &[4, 3, 1, 1]))].concat()));
    // The graph again, with the node in front: behind version, tag and one byte of length.
    let old = model(&["Conv image w -> out"], &[]);
    let length = usize::from(old[3]);
    assert!(length < 0x80);
    let graph = [message(1, &constant), old[4..4 + length].to_vec()].concat();
    let bytes = [int(1, 8), message(7, &graph)].concat();
    let file = TensorFile::open(write(".onnx", &bytes).path()).unwrap();
    assert_eq!(
        file.read(&file.entries()[0]).unwrap().iter().copied().collect::<Vec<_>>(),
        Vec::from_iter((0..12).map(f64::from))
    );
    assert_eq!(lines(use_all(&file).unwrap()), ["Input []", "Convolution [4, 3, 1, 1] 1 [0]", "[1]"]);
}

#[test]
fn data_beside_the_model_stay_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = std::fs::read(path("net-beside.onnx")).unwrap();
    let data = std::fs::read(path("net-beside.onnx.data")).unwrap();
    let place = folder.path().join("m.onnx");
    std::fs::write(&place, &model).unwrap();
    let error = TensorFile::open(&place).err().unwrap();
    assert!(error.problem.contains("no such file") && error.remedy.contains("beside"), "{error}");
    std::fs::write(folder.path().join("net-beside.onnx.data"), &data).unwrap();
    let whole = TensorFile::open(&place).unwrap().sha256().to_string();
    let mut other = data.clone();
    other[3] ^= 1;
    std::fs::write(folder.path().join("net-beside.onnx.data"), &other).unwrap();
    assert_ne!(TensorFile::open(&place).unwrap().sha256(), whole);
    std::fs::write(folder.path().join("net-beside.onnx.data"), &data[..data.len() - 1]).unwrap();
    let error = TensorFile::open(&place).err().unwrap();
    assert!(error.problem.contains("which has 1139 bytes"), "{error}");
    for trick in ["/dev/zero/a/b/c/d/ef", "../../../../dev/zero", "a/../../../dev/zero1"] {
        let mut tricked = model.clone();
        while let Some(at) = tricked.windows(20).position(|window| window == b"net-beside.onnx.data") {
            tricked[at..at + 20].copy_from_slice(trick.as_bytes());
        }
        std::fs::write(&place, tricked).unwrap();
        let error = TensorFile::open(&place).err().unwrap();
        assert!(error.problem.contains("not beside the model"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_never_more_than_an_error() {
    let whole = std::fs::read(path("net-unfolded.onnx")).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    // What comes behind the graph is not needed.
    let complete = (0..whole.len()).filter(|&length| follow(&whole[..length]).is_ok()).count();
    assert!(complete < 20, "{complete}");
    let mut accepted = 0;
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..rng.gen_range(1..4) {
            let at = rng.gen_range(0..bytes.len());
            bytes[at] = if rng.r#gen() { rng.r#gen() } else { bytes[at] ^ 1 << rng.gen_range(0..8) };
        }
        accepted += usize::from(follow(&bytes).is_ok());
    }
    // Most bytes are weights, which may be anything finite.
    assert!((300..3000).contains(&accepted), "{accepted}");
}
