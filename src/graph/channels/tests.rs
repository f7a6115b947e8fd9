use super::*;
use crate::dataflow::{Factor, Layout, Operation, Value};
use ndarray::{Array2, Axis, IxDyn};
use std::collections::HashMap;

/// A network with weights of its own.
#[derive(Clone, Default)]
struct Net {
    flow: Dataflow,
    weights: HashMap<String, ArrayD<f64>>,
}

impl Net {
    fn new() -> Self {
        let mut net = Self::default();
        net.flow.push("input", Kind::Input, &[]);
        net
    }

    /// Keeps a tensor of both signs, some zero, another for each name.
    fn tensor(&mut self, name: &str, shape: &[usize]) -> TensorName {
        let mut next = self.weights.len() as f64;
        let weight = ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            next = (next * 7.0 + 3.0) % 11.0;
            next - 5.0
        });
        self.keep(name, weight)
    }

    fn keep(&mut self, name: &str, weight: ArrayD<f64>) -> TensorName {
        let shape = weight.shape().to_vec();
        self.weights.insert(name.into(), weight);
        TensorName { name: name.into(), shape }
    }

    fn conv(&mut self, name: &str, input: Value, shape: &[usize], groups: usize) -> Value {
        let weight = self.tensor(name, shape);
        self.flow.push(name, Kind::Convolution { weight, groups }, &[input])
    }

    fn norm(&mut self, name: &str, input: Value, channels: usize) -> Value {
        let gamma = Some(self.tensor(&format!("{name}.gamma"), &[channels]));
        let variance = self.tensor(&format!("{name}.variance"), &[channels]);
        self.weights.get_mut(&variance.name).unwrap().mapv_inplace(|v| v * v + 0.5);
        self.flow.push(name, Kind::BatchNorm { gamma, variance, epsilon: 0.25 }, &[input])
    }

    fn dense(&mut self, name: &str, input: Value, outputs: usize, inputs: usize) -> Value {
        let weight = self.tensor(name, &[outputs, inputs]);
        self.flow.push(name, Kind::Dense { weight, layout: Layout::OutIn }, &[input])
    }

    fn op(&mut self, kind: Kind, inputs: &[Value]) -> Value {
        self.flow.push("", kind, inputs)
    }

    fn graph(&self, params: GraphParams) -> Result<NeuronGraph, InputError> {
        let read = |tensor: &TensorName| Ok(self.weights[&tensor.name].clone());
        channel_graph(Weighted { dataflow: self.flow.clone(), path: "net", read: &read }, params)
    }

    fn paper(&self) -> Array2<f64> {
        self.graph(GraphParams::default()).unwrap().adjacency().to_dense()
    }
}

fn convention(convention: Convention) -> GraphParams {
    GraphParams { convention, ..GraphParams::default() }
}

/// Chain of 2 → 3 → 2 channels of 2 × 2 pixels → 4 → 2 neurons.
fn chain() -> Net {
    let mut net = Net::new();
    let mut value = net.conv("a", 0, &[3, 2, 3, 3], 1);
    value = net.op(Kind::Pointwise, &[value]);
    value = net.conv("b", value, &[2, 3, 5, 5], 1);
    value = net.op(Kind::Flatten { pixels: None }, &[value]);
    value = net.dense("c", value, 4, 8);
    value = net.dense("d", value, 2, 4);
    net.flow.outputs = vec![value];
    net
}

#[test]
fn edges_are_sums_over_taps_and_pixels() {
    let net = chain();
    let all = GraphParams { layers: GraphLayers::All, ..GraphParams::default() };
    let graph = net.graph(all).unwrap();
    let found: Array2<f64> = graph.adjacency().to_dense();
    let mut expected = Array2::<f64>::zeros((13, 13));
    let mut join = |a: usize, b: usize, weight: f64| {
        expected[[a, b]] += weight.abs();
        expected[[b, a]] += weight.abs();
    };
    for (name, first, inputs) in [("a", 0, 2), ("b", 2, 3)] {
        for (i, &weight) in net.weights[name].indexed_iter() {
            join(first + i[1], first + inputs + i[0], weight);
        }
    }
    for (i, &weight) in net.weights["c"].indexed_iter() {
        join(5 + i[1] / 4, 7 + i[0], weight);
    }
    for (i, &weight) in net.weights["d"].indexed_iter() {
        join(7 + i[1], 11 + i[0], weight);
    }
    assert_eq!(found, expected);
    let names: Vec<&str> = graph.node_sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["input", "a", "b", "c", "d"]);
    let between = expected.slice(ndarray::s![2..7, 2..7]);
    assert_eq!(net.paper(), between);
    assert_eq!(net.graph(convention(Convention::Residual)).unwrap().adjacency().to_dense(), between);
}

/// Grouped and plain convolutions, batch normalisation before and behind, sums, concatenation, slices, channels of zeros, two paths
/// between the same channels, an auxiliary head.
fn branching() -> Net {
    let mut net = Net::new();
    let stem = net.conv("stem", 0, &[4, 3, 3, 3], 1);
    let stem = net.norm("stem.bn", stem, 4);
    let stem = net.op(Kind::Pointwise, &[stem]);
    let left = net.conv("left", stem, &[6, 2, 1, 3], 2);
    let left = net.op(Kind::Identity, &[left]);
    let left = net.norm("left.bn", left, 6);
    let right = net.norm("right.bn", stem, 4);
    let right = net.conv("right", right, &[2, 4, 1, 1], 1);
    net.conv("auxiliary", stem, &[5, 4, 1, 1], 1);
    let both = net.op(Kind::Concat, &[left, right, stem]);
    let norm = net.norm("both.bn", both, 12);
    let some = net.op(Kind::Slice { from: 3, to: 11 }, &[norm]);
    let wide = net.conv("wide", some, &[8, 8, 3, 1], 1);
    let padded = net.op(Kind::Pad { before: 1, after: 3 }, &[stem]);
    let padded = net.op(Kind::Scale { factor: Factor::Number(-0.3) }, &[padded]);
    let sum = net.op(Kind::Add, &[wide, padded, some]);
    let scale = net.tensor("scale", &[8, 1, 1]);
    let scaled = net.op(Kind::Scale { factor: Factor::Over(scale) }, &[sum]);
    let last = net.conv("last", scaled, &[2, 8, 2, 2], 1);
    let last = net.op(Kind::Flatten { pixels: None }, &[last]);
    let dense = net.dense("dense", last, 3, 8);
    net.flow.outputs = vec![dense];
    net
}

/// One marked channel at a time is sent through the operations, magnitudes in the place of weights, and stops at the next convolutions.
/// `belongs`: batch normalisations by the convolution that they belong to.
fn marked(net: &Net, belongs: &[(&str, &str)]) -> Array2<f64> {
    let operations = &net.flow.operations;
    let is_convolution = |o: &&Operation| matches!(o.kind, Kind::Convolution { .. }) && o.name != "auxiliary";
    let convolutions: Vec<&Operation> = operations.iter().filter(is_convolution).collect();
    let sizes: Vec<usize> = convolutions.iter().map(|o| net.weights[&o.name].shape()[0]).collect();
    let first: Vec<usize> = (0..sizes.len()).map(|l| sizes[..l].iter().sum()).collect();
    let scale = |name: &str| -> Vec<f64> {
        let (gamma, variance) = (&net.weights[&format!("{name}.gamma")], &net.weights[&format!("{name}.variance")]);
        gamma.iter().zip(variance).map(|(g, v)| g.abs() / (v + 0.25).sqrt()).collect()
    };
    let total = sizes.iter().sum();
    let mut edges = Array2::zeros((total, total));
    for (source, &size) in sizes.iter().enumerate() {
        for mark in 0..size {
            let mut values: Vec<Vec<f64>> = Vec::new();
            for operation in operations {
                let given = |i: usize| values[operation.inputs[i]].clone();
                values.push(match &operation.kind {
                    Kind::Input => vec![0.0; 3],
                    Kind::Convolution { groups, .. } => {
                        let weight = &net.weights[&operation.name];
                        let (outputs, within) = (weight.shape()[0], weight.shape()[1]);
                        if let Some(target) = convolutions.iter().position(|o| o.name == operation.name) {
                            for (i, &w) in weight.indexed_iter() {
                                let input = i[0] / (outputs / groups) * within + i[1];
                                let own = belongs.iter().find(|(layer, _)| *layer == operation.name);
                                let own = own.map_or(1.0, |(_, norm)| scale(norm)[i[0]]);
                                let weight = given(0)[input] * w.abs() * own;
                                edges[[first[source] + mark, first[target] + i[0]]] += weight;
                                edges[[first[target] + i[0], first[source] + mark]] += weight;
                            }
                        }
                        let mut out = vec![0.0; outputs];
                        if operation.name == convolutions[source].name {
                            out[mark] = 1.0;
                        }
                        out
                    }
                    Kind::BatchNorm { .. } if belongs.iter().any(|(_, norm)| *norm == operation.name) => given(0),
                    Kind::BatchNorm { .. } => given(0).iter().zip(scale(&operation.name)).map(|(x, s)| x * s).collect(),
                    Kind::Scale { factor: Factor::Over(divisor) } => {
                        given(0).iter().zip(&net.weights[&divisor.name]).map(|(x, s)| x / s.abs()).collect()
                    }
                    Kind::Scale { factor: Factor::Number(factor) } => {
                        given(0).iter().map(|x| x * factor.abs()).collect()
                    }
                    Kind::Scale { factor: Factor::Times(_) } => unreachable!("there is none"),
                    Kind::Add => {
                        (0..given(0).len()).map(|c| (0..operation.inputs.len()).map(|i| given(i)[c]).sum()).collect()
                    }
                    Kind::Concat => (0..operation.inputs.len()).flat_map(given).collect(),
                    Kind::Slice { from, to } => given(0)[*from..*to].to_vec(),
                    Kind::Pad { before, after } => [vec![0.0; *before], given(0), vec![0.0; *after]].concat(),
                    Kind::Dense { .. } => Vec::new(),
                    Kind::Pointwise | Kind::Identity | Kind::Flatten { .. } | Kind::Unsupported { .. } => given(0),
                });
            }
        }
    }
    edges
}

fn assert_close(found: &Array2<f64>, expected: &Array2<f64>) {
    assert_eq!(found.dim(), expected.dim());
    let largest = expected.iter().copied().fold(0.0, f64::max);
    let off = (found - expected).iter().map(|x| x.abs()).fold(0.0, f64::max);
    assert!(off <= 1e-14 * largest, "{off} of {largest}");
}

#[test]
fn edges_are_what_a_marked_channel_leaves_at_the_next_convolutions() {
    let net = branching();
    let expected = marked(&net, &[("stem", "stem.bn"), ("left", "left.bn")]);
    let directed = expected.iter().filter(|x| **x > 0.0).count();
    assert!(directed > 200, "{directed}");
    assert_close(&net.paper(), &expected);
    let names: Vec<String> =
        net.graph(GraphParams::default()).unwrap().node_sets.into_iter().map(|set| set.name).collect();
    assert_eq!(names, ["stem", "left", "right", "wide", "last"]);
}

#[test]
fn folding_batch_normalisation_beforehand_changes_nothing() {
    let net = branching();
    let mut folded = net.clone();
    for (layer, norm) in [("stem", "stem.bn"), ("left", "left.bn")] {
        let factor = |o: usize| {
            let of = |part: &str| net.weights[&format!("{norm}.{part}")][[o]];
            of("gamma") / (of("variance") + 0.25).sqrt()
        };
        let weight = folded.weights.get_mut(layer).unwrap();
        weight.axis_iter_mut(Axis(0)).enumerate().for_each(|(o, mut kernels)| kernels *= factor(o));
        let place = folded.flow.operations.iter().position(|o| o.name == norm).unwrap();
        folded.flow.operations[place].kind = Kind::Pointwise;
    }
    assert_close(&folded.paper(), &net.paper());
}

#[test]
fn names_and_the_order_of_channels_do_not_matter() {
    let net = branching();
    let mut other = net.clone();
    // the stem's outputs reversed within the two groups that read them, and so all that reads them
    let order = [1, 0, 3, 2];
    let pick = |net: &mut Net, name: &str, axis: usize, order: &[usize]| {
        let weight = net.weights.get_mut(name).unwrap();
        *weight = weight.select(Axis(axis), order);
    };
    for name in ["stem", "stem.bn.gamma", "stem.bn.variance", "right.bn.gamma", "right.bn.variance"] {
        pick(&mut other, name, 0, &order);
    }
    pick(&mut other, "right", 1, &order);
    pick(&mut other, "left", 1, &[1, 0]);
    // it ends the concatenation, of which eight channels are read, and is added to the wide ones
    for part in ["gamma", "variance"] {
        pick(&mut other, &format!("both.bn.{part}"), 0, &[0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 11, 10]);
    }
    let graph = |net: &Net| net.graph(GraphParams { prune: 0.5, ..GraphParams::default() }).unwrap();
    let renamed = |mut net: Net| {
        net.flow.operations.iter_mut().for_each(|operation| operation.name = format!("x.{}", operation.name));
        graph(&net).adjacency().to_dense()
    };
    assert_eq!(renamed(net.clone()), graph(&net).adjacency().to_dense());
    let up_to_right: Vec<usize> = [1, 0, 3, 2].into_iter().chain(4..12).collect();
    let (a, b): (Array2<f64>, Array2<f64>) = (net.paper(), other.paper());
    for (i, &u) in up_to_right.iter().enumerate() {
        for (j, &v) in up_to_right.iter().enumerate() {
            assert!((b[[i, j]] - a[[u, v]]).abs() < 1e-12 * (1.0 + a[[u, v]]), "{i} {j}");
        }
    }
}

/// Weights themselves are compared with it, before they are summed to an edge or multiplied by what a norm does.
#[test]
fn small_weights_are_no_part_of_an_edge() {
    let mut net = Net::new();
    let first = net.conv("first", 0, &[3, 2, 3, 3], 1);
    let first = net.norm("bn", first, 3);
    let second = net.conv("second", first, &[4, 3, 3, 3], 1);
    net.flow.outputs = vec![second];
    let least = 2.5;
    let mut without = net.clone();
    for name in ["first", "second"] {
        without.weights.get_mut(name).unwrap().mapv_inplace(|w| if w.abs() < least { 0.0 } else { w });
    }
    let dense = |net: &Net, least_weight| {
        net.graph(GraphParams { least_weight, ..GraphParams::default() }).unwrap().adjacency().to_dense()
    };
    assert_eq!(dense(&net, least), dense(&without, 0.0));
    assert_ne!(dense(&net, least), dense(&net, 0.0));
}

/// The authors' test: convolutions with fresh batch normalisation have blocks as without; twice γ and a quarter of the variance make them four times as large.
#[test]
fn batch_normalisation_on_the_authors_paths() {
    let net = |gamma: f64, variance: f64| {
        let mut net = Net::new();
        let mut value = 0;
        for (layer, shape) in [[3, 2, 3, 3], [4, 3, 3, 3], [2, 4, 3, 3], [3, 2, 3, 3]].iter().enumerate() {
            value = net.conv(&format!("conv{layer}"), value, shape, 1);
            let gamma = Some(net.keep(&format!("gamma{layer}"), ArrayD::from_elem(IxDyn(&[shape[0]]), gamma)));
            let variance = net.keep(&format!("variance{layer}"), ArrayD::from_elem(IxDyn(&[shape[0]]), variance));
            value = net.op(Kind::BatchNorm { gamma, variance, epsilon: 1e-3 }, &[value]);
        }
        value = net.op(Kind::Flatten { pixels: None }, &[value]);
        value = net.dense("dense", value, 5, 12);
        value = net.dense("output", value, 2, 5);
        net.flow.outputs = vec![value];
        net.graph(convention(Convention::Authors)).unwrap()
    };
    let (fresh, grown) = (net(1.0, 1.0), net(2.0, 0.25));
    let sizes: Vec<usize> = fresh.node_sets.iter().map(|set| set.size).collect();
    assert_eq!(sizes, [3, 4, 2, 3]);
    let names: Vec<&str> = fresh.node_sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["conv1", "conv2", "conv3", "dense"]);
    let plain = {
        let mut net = Net::new();
        net.conv("conv0", 0, &[3, 2, 3, 3], 1);
        net.keep("gamma0", ArrayD::zeros(IxDyn(&[1])));
        net.keep("variance0", ArrayD::zeros(IxDyn(&[1])));
        let weight = net.tensor("conv1", &[4, 3, 3, 3]);
        let kind = Kind::Convolution { weight, groups: 1 };
        kernel::matrix(&net.weights["conv1"], &kind, 3, Norm::L1, kernel::Of::Matrix)
    };
    let block: Array2<f64> = fresh.blocks[0].weights.to_dense();
    assert!(block.iter().zip(&plain).all(|(a, b)| (a / b - 1.0).abs() < 1e-3), "{block} {plain}");
    for (a, b) in grown.blocks.iter().zip(&fresh.blocks) {
        let ratios = a.weights.data().iter().zip(b.weights.data()).map(|(a, b)| a / b);
        assert!(ratios.into_iter().all(|ratio| (ratio / 4.0 - 1.0).abs() < 0.01));
    }
}

/// Pre-activation residual networks: blocks of `convolutions`, each behind batch normalisation and ReLU; the first of a stage has a
/// convolution in its shortcut, behind its first activation. Widths are a sixteenth of the real ones.
fn pre_activation(blocks: [usize; 4], bottleneck: bool) -> Net {
    let mut net = Net::new();
    let mut value = net.conv("conv0", 0, &[4, 3, 1, 1], 1);
    let mut width = 4;
    for (stage, count) in blocks.into_iter().enumerate() {
        let inner = 4 << stage;
        let outer = if bottleneck { 4 * inner } else { inner };
        for block in 0..count {
            let name = |part: &str| format!("s{}u{}{part}", stage + 1, block + 1);
            let first = net.op(Kind::Pointwise, &[value]);
            let widths = if bottleneck { vec![inner, inner, outer] } else { vec![inner, outer] };
            let (mut inside, mut given) = (first, width);
            for (number, gives) in widths.into_iter().enumerate() {
                inside = net.conv(&name(&format!("c{}", number + 1)), inside, &[gives, given, 1, 1], 1);
                (inside, given) = (net.op(Kind::Pointwise, &[inside]), gives);
            }
            let shortcut = if block == 0 { net.conv(&name("sc"), first, &[outer, width, 1, 1], 1) } else { value };
            value = net.op(Kind::Add, &[inside, shortcut]);
            width = outer;
        }
    }
    value = net.op(Kind::Flatten { pixels: None }, &[value]);
    value = net.dense("dense", value, 2, width);
    net.flow.outputs = vec![value];
    net
}

#[test]
fn the_authors_residual_networks_have_as_many_nodes_as_theirs() {
    for (blocks, bottleneck, sets, nodes) in
        [([2, 2, 2, 2], false, 21, 4416), ([3, 4, 6, 3], false, 37, 8128), ([3, 4, 6, 3], true, 53, 24_576)]
    {
        let graph = pre_activation(blocks, bottleneck).graph(convention(Convention::Authors)).unwrap();
        assert_eq!((graph.node_sets.len(), 16 * graph.nodes()), (sets, nodes));
    }
}

#[test]
fn the_authors_resnet_18_is_joined_as_theirs() {
    let graph = pre_activation([2, 2, 2, 2], false).graph(convention(Convention::Authors)).unwrap();
    let mut joined: Vec<(usize, usize)> =
        graph.blocks.iter().map(|block| (block.source + 1, block.target + 1)).collect();
    joined.sort_unstable();
    let rows: [&[usize]; 20] = [
        &[2],
        &[4, 6, 8],
        &[4, 6, 8],
        &[5],
        &[6, 8],
        &[7],
        &[9, 11, 13],
        &[9, 11, 13],
        &[10],
        &[11, 13],
        &[12],
        &[14, 16, 18],
        &[14, 16, 18],
        &[15],
        &[16, 18],
        &[17],
        &[19, 21],
        &[19, 21],
        &[20],
        &[21],
    ];
    let expected: Vec<(usize, usize)> =
        rows.iter().enumerate().flat_map(|(row, to)| to.iter().map(move |&to| (row + 1, to))).collect();
    assert_eq!(joined, expected);
}

#[test]
fn a_concatenation_is_a_node_set_for_each_branch_and_reader_by_the_authors() {
    let net = branching();
    let graph = net.graph(convention(Convention::Authors)).unwrap();
    let sets: Vec<(&str, usize)> = graph.node_sets.iter().map(|set| (set.name.as_str(), set.size)).collect();
    // a slice of the concatenation begins in `left` and ends in the stem; the sum of undivided values is one
    let expected = [
        ("left", 4),
        ("right", 4),
        ("wide, branch 1", 3),
        ("wide, branch 2", 2),
        ("wide, branch 3", 3),
        ("last", 8),
        ("dense", 2),
    ];
    assert_eq!(sets, expected);
}

#[test]
fn channels_that_are_added_are_one_node_of_the_stream() {
    let mut net = Net::new();
    let stem = net.conv("stem", 0, &[2, 1, 1, 1], 1);
    let hidden = net.conv("a1", stem, &[3, 2, 1, 1], 1);
    let out = net.conv("a2", hidden, &[2, 3, 1, 1], 1);
    let sum = net.op(Kind::Add, &[out, stem]);
    let sum = net.op(Kind::Pointwise, &[sum]);
    let last = net.conv("b", sum, &[2, 2, 1, 1], 1);
    net.flow.outputs = vec![last];
    let graph = net.graph(convention(Convention::Residual)).unwrap();
    let sets: Vec<(&str, usize)> = graph.node_sets.iter().map(|set| (set.name.as_str(), set.size)).collect();
    assert_eq!(sets, [("stem", 2), ("a1", 3), ("b", 2)]);
    let w = |name: &str, o: usize, i: usize| net.weights[name][[o, i, 0, 0]].abs();
    let mut expected = Array2::<f64>::zeros((7, 7));
    for s in 0..2 {
        (0..3).for_each(|h| expected[[s, 2 + h]] = w("a1", h, s) + w("a2", s, h));
        (0..2).for_each(|o| expected[[s, 5 + o]] = w("b", o, s));
    }
    let expected = &expected + &expected.t();
    assert_eq!(graph.adjacency().to_dense(), expected);
}

/// Two images of other sizes, flattened and joined: what a unit of the whole is to a dense layer does not matter to convolutions.
#[test]
fn dense_layers_behind_matter_where_they_are_nodes_alone() {
    let mut net = Net::new();
    let one = net.conv("one", 0, &[3, 2, 3, 3], 1);
    let two = net.conv("two", one, &[2, 3, 3, 3], 1);
    let again = net.op(
        Kind::Convolution { weight: TensorName { name: "two".into(), shape: vec![2, 3, 3, 3] }, groups: 1 },
        &[one],
    );
    net.flow.operations[again].name = "two".into();
    let (left, right) =
        (net.op(Kind::Flatten { pixels: None }, &[two]), net.op(Kind::Flatten { pixels: None }, &[again]));
    let units = net.op(Kind::Concat, &[left, right]);
    let dense = net.dense("dense", units, 5, 11);
    net.flow.outputs = vec![dense];
    let graph = net.graph(GraphParams::default()).unwrap();
    let names: Vec<&str> = graph.node_sets.iter().map(|set| set.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "two (2)"]);
    let error = net.graph(GraphParams { layers: GraphLayers::All, ..GraphParams::default() }).unwrap_err().to_string();
    assert!(error.contains("joins flattened images"), "{error}");
}

/// What is done to the input before the first layer leaves it what it is, and its channels are nodes where all layers are.
#[test]
fn an_input_that_is_scaled_sliced_or_doubled_has_its_nodes() {
    let all = GraphParams { layers: GraphLayers::All, ..GraphParams::default() };
    for (kinds, width) in [
        (vec![Kind::Scale { factor: Factor::Number(0.5) }], 4),
        (vec![Kind::Slice { from: 1, to: 5 }], 5),
        (vec![Kind::Pad { before: 1, after: 0 }, Kind::Flatten { pixels: Some(1) }], 3),
    ] {
        let mut net = Net::new();
        let mut value = 0;
        for kind in &kinds {
            value = net.op(kind.clone(), &[value]);
        }
        let hidden = net.dense("hidden", value, 3, 4);
        let dense = net.dense("dense", hidden, 2, 3);
        net.flow.outputs = vec![dense];
        let graph = net.graph(all).unwrap();
        let sizes: Vec<usize> = graph.node_sets.iter().map(|set| set.size).collect();
        assert_eq!(sizes, [width, 3, 2], "{kinds:?}");
        if let [Kind::Scale { .. }] = kinds[..] {
            assert!((graph.adjacency().to_dense()[[1, 4]] - 0.5 * net.weights["hidden"][[0, 1]].abs()).abs() < 1e-12);
        }
    }
}

/// Pixels of several sizes in one vector: nobody could tell whose they are.
#[test]
fn flattened_images_of_several_sizes_are_no_channels() {
    for (pixels, is_read) in [([Some(4), Some(4)], true), ([Some(4), Some(1)], false), ([None, None], false)] {
        let mut net = Net::new();
        let one = net.conv("one", 0, &[2, 2, 1, 1], 1);
        let parts = pixels.map(|pixels| net.op(Kind::Flatten { pixels }, &[one]));
        let units = net.op(Kind::Concat, &parts);
        let dense = net.dense("dense", units, 5, 16);
        net.flow.outputs = vec![dense];
        let graph = net.graph(GraphParams { layers: GraphLayers::All, ..GraphParams::default() });
        assert_eq!(graph.is_ok(), is_read, "{pixels:?}");
        if let Err(error) = graph {
            assert!(error.to_string().contains("joins flattened images"), "{error}");
        }
    }
}

#[test]
fn what_has_no_hidden_channels_is_said() {
    let mut net = Net::new();
    let pooled = net.op(Kind::Pointwise, &[0]);
    net.flow.outputs = vec![pooled];
    let error = net.graph(GraphParams::default()).unwrap_err().to_string();
    assert!(error.contains("no hidden channels"), "{error}");
    let value = net.conv("only", pooled, &[2, 1, 1, 1], 1);
    net.flow.outputs = vec![value];
    let error = net.graph(GraphParams::default()).unwrap_err().to_string();
    assert!(error.contains("has 1 convolution"), "{error}");
    let bad = net.conv("wide", value, &[2, 3, 1, 1], 1);
    net.flow.outputs = vec![bad];
    let error = net.graph(GraphParams::default()).unwrap_err().to_string();
    assert!(error.contains("net, wide: reads 3 channels and is given 2"), "{error}");
    net.flow.operations.pop();
    let bad = net.op(Kind::Unsupported { operation: "aten::conv_transpose2d".into() }, &[value]);
    net.flow.outputs = vec![bad];
    let error = net.graph(GraphParams::default()).unwrap_err().to_string();
    assert!(error.contains("aten::conv_transpose2d"), "{error}");
}
