use super::*;
use crate::graph::{Convention, GraphParams, NeuronGraph, Weighted, channel_graph};
use crate::model::dense_chain::tests::file;

type Tensor = (String, Vec<usize>);

fn conv(name: &str, outputs: usize, inputs: usize) -> Tensor {
    (format!("{name}.weight"), vec![outputs, inputs, 1, 1])
}

fn norm(name: &str, channels: usize) -> Vec<Tensor> {
    ["weight", "bias", "running_mean", "running_var"].map(|part| (format!("{name}.{part}"), vec![channels])).to_vec()
}

fn read(tensors: &[Tensor], arch: Arch) -> Result<(String, Dataflow, TensorFile), InputError> {
    let tensors: Vec<(&str, &[usize])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let file = file(&tensors);
    let found = architecture(&file, arch)?;
    Ok((found.name, found.dataflow, file))
}

fn graph(tensors: &[Tensor], convention: Convention) -> (String, NeuronGraph) {
    let (name, dataflow, file) = read(tensors, Arch::Auto).unwrap();
    let network = Weighted { dataflow, path: "file", read: &|tensor| file.tensor(tensor) };
    (name, channel_graph(network, GraphParams { convention, ..GraphParams::default() }).unwrap())
}

/// torchvision's ResNets, a sixteenth as wide, alphabetically as safetensors has them.
fn resnet(blocks: [usize; 4], bottleneck: bool) -> Vec<Tensor> {
    let mut tensors = vec![conv("conv1", 4, 3)];
    tensors.extend(norm("bn1", 4));
    let mut width = 4;
    for (stage, count) in blocks.into_iter().enumerate() {
        let inner = 4 << stage;
        let outer = if bottleneck { 4 * inner } else { inner };
        for block in 0..count {
            let name = format!("layer{}.{block}", stage + 1);
            let widths = if bottleneck { vec![inner, inner, outer] } else { vec![inner, outer] };
            let mut given = width;
            for (number, gives) in widths.into_iter().enumerate() {
                tensors.push(conv(&format!("{name}.conv{}", number + 1), gives, given));
                tensors.extend(norm(&format!("{name}.bn{}", number + 1), gives));
                given = gives;
            }
            if block == 0 && width != outer {
                tensors.push(conv(&format!("{name}.downsample.0"), outer, width));
                tensors.extend(norm(&format!("{name}.downsample.1"), outer));
            }
            width = outer;
        }
    }
    tensors.push(("fc.weight".into(), vec![10, width]));
    tensors.sort();
    tensors
}

/// Their nodes, from the architecture: outputs of all convolutions; by the authors, inputs of all but the first, and of the dense layer.
#[test]
fn resnets_of_torchvision() {
    for (blocks, bottleneck, name, paper, authors) in [
        // 64 + 4·64 + (4·128 + 128) + (4·256 + 256) + (4·512 + 512); 4·64 + (2·64 + 3·128) + (2·128 + 3·256) + (2·256 + 3·512) + 512
        ([2, 2, 2, 2], false, "resnet18", 4800, 4352),
        ([3, 4, 6, 3], false, "resnet34", 8512, 8064),
        ([3, 4, 6, 3], true, "resnet50", 26_560, 24_576),
    ] {
        let tensors = resnet(blocks, bottleneck);
        for (convention, nodes) in [(Convention::Paper, paper), (Convention::Authors, authors)] {
            let (found, graph) = graph(&tensors, convention);
            assert_eq!((found.as_str(), 16 * graph.nodes()), (name, nodes), "{convention:?}");
        }
        // one node a channel of each stage's stream, and of what lies within blocks
        let (_, graph) = graph(&tensors, Convention::Residual);
        let inner = if bottleneck { 2 } else { 1 };
        let within: usize = blocks.iter().enumerate().map(|(stage, count)| inner * count * (64 << stage)).sum();
        let streams = if bottleneck { 64 + 256 + 512 + 1024 + 2048 } else { 64 + 128 + 256 + 512 };
        assert_eq!(16 * graph.nodes(), within + streams, "{name}");
        let arch = if name == "resnet18" { Arch::ResNet(34) } else { Arch::ResNet(18) };
        let error = read(&tensors, arch).err().unwrap().to_string();
        assert!(error.contains(&format!("are those of {name}")), "{error}");
    }
}

/// Convolutions of Inception v3: name, outputs and inputs, a sixteenth as many (32 → 2, 80 → 5); the image has 3.
fn inception() -> Vec<Tensor> {
    let mut list: Vec<(String, usize, usize)> = vec![
        ("Conv2d_1a_3x3".into(), 2, 3),
        ("Conv2d_2a_3x3".into(), 2, 2),
        ("Conv2d_2b_3x3".into(), 4, 2),
        ("Conv2d_3b_1x1".into(), 5, 4),
        ("Conv2d_4a_3x3".into(), 12, 5),
    ];
    let mut block = |name: &str, layers: &[(&str, usize, usize)]| {
        list.extend(layers.iter().map(|(layer, outputs, inputs)| (format!("{name}.{layer}"), *outputs, *inputs)));
    };
    for (name, given, pool) in [("Mixed_5b", 12, 2), ("Mixed_5c", 16, 4), ("Mixed_5d", 18, 4)] {
        block(
            name,
            &[
                ("branch1x1", 4, given),
                ("branch5x5_1", 3, given),
                ("branch5x5_2", 4, 3),
                ("branch3x3dbl_1", 4, given),
                ("branch3x3dbl_2", 6, 4),
                ("branch3x3dbl_3", 6, 6),
                ("branch_pool", pool, given),
            ],
        );
    }
    block(
        "Mixed_6a",
        &[("branch3x3", 24, 18), ("branch3x3dbl_1", 4, 18), ("branch3x3dbl_2", 6, 4), ("branch3x3dbl_3", 6, 6)],
    );
    for (name, c) in [("Mixed_6b", 8), ("Mixed_6c", 10), ("Mixed_6d", 10), ("Mixed_6e", 12)] {
        block(
            name,
            &[
                ("branch1x1", 12, 48),
                ("branch7x7_1", c, 48),
                ("branch7x7_2", c, c),
                ("branch7x7_3", 12, c),
                ("branch7x7dbl_1", c, 48),
                ("branch7x7dbl_2", c, c),
                ("branch7x7dbl_3", c, c),
                ("branch7x7dbl_4", c, c),
                ("branch7x7dbl_5", 12, c),
                ("branch_pool", 12, 48),
            ],
        );
    }
    block(
        "Mixed_7a",
        &[
            ("branch3x3_1", 12, 48),
            ("branch3x3_2", 20, 12),
            ("branch7x7x3_1", 12, 48),
            ("branch7x7x3_2", 12, 12),
            ("branch7x7x3_3", 12, 12),
            ("branch7x7x3_4", 12, 12),
        ],
    );
    for (name, given) in [("Mixed_7b", 80), ("Mixed_7c", 128)] {
        block(
            name,
            &[
                ("branch1x1", 20, given),
                ("branch3x3_1", 24, given),
                ("branch3x3_2a", 24, 24),
                ("branch3x3_2b", 24, 24),
                ("branch3x3dbl_1", 28, given),
                ("branch3x3dbl_2", 24, 28),
                ("branch3x3dbl_3a", 24, 24),
                ("branch3x3dbl_3b", 24, 24),
                ("branch_pool", 12, given),
            ],
        );
    }
    block("AuxLogits", &[("conv0", 8, 48), ("conv1", 48, 8)]);
    let mut tensors = vec![("fc.weight".to_string(), vec![10, 128])];
    for (name, outputs, inputs) in &list {
        tensors.push(conv(&format!("{name}.conv"), *outputs, *inputs));
        tensors.extend(norm(&format!("{name}.bn"), *outputs));
    }
    tensors.push(("AuxLogits.fc.weight".into(), vec![10, 48]));
    tensors.sort();
    tensors
}

#[test]
fn inception_has_the_authors_node_sets() {
    let tensors = inception();
    let (name, by_authors) = graph(&tensors, Convention::Authors);
    assert_eq!((name.as_str(), by_authors.node_sets.len(), 16 * by_authors.nodes()), ("inception_v3", 231, 42_272));
    // 94 convolutions, of which the auxiliary head's are none
    let (_, by_paper) = graph(&tensors, Convention::Paper);
    let outputs: usize =
        tensors.iter().filter(|t| t.0.ends_with("conv.weight") && !t.0.starts_with("Aux")).map(|t| t.1[0]).sum();
    assert_eq!((by_paper.node_sets.len(), by_paper.nodes()), (94, outputs));
}

#[test]
fn vgg_is_known_with_and_without_batch_normalisation_and_by_timms_names() {
    for layers in [16, 19] {
        for (normalised, classifier) in [(false, "classifier"), (true, "classifier"), (false, "timm")] {
            let convolutions = match layers {
                16 => vec![64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512],
                _ => vec![64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512],
            };
            let mut tensors = Vec::new();
            let (mut number, mut given) = (0, 3);
            for &outputs in &convolutions {
                tensors.push(conv(&format!("features.{number}"), outputs, given));
                if normalised {
                    tensors.extend(norm(&format!("features.{}", number + 1), outputs));
                }
                number += if normalised { 3 } else { 2 };
                given = outputs;
            }
            if classifier == "timm" {
                tensors.push(("pre_logits.fc1.weight".into(), vec![6, 512, 2, 2]));
                tensors.push(conv("pre_logits.fc2", 6, 6));
                tensors.push(("head.fc.weight".into(), vec![5, 6]));
            } else {
                for (number, outputs, inputs) in [(0, 6, 2048), (3, 6, 6), (6, 5, 6)] {
                    tensors.push((format!("classifier.{number}.weight"), vec![outputs, inputs]));
                    tensors.push((format!("classifier.{number}.bias"), vec![outputs]));
                }
            }
            tensors.sort();
            let nodes = convolutions.iter().sum();
            for convention in [Convention::Paper, Convention::Authors] {
                let (name, graph) = graph(&tensors, convention);
                assert_eq!(name, format!("vgg{layers}{}", if normalised { "_bn" } else { "" }));
                assert_eq!((graph.nodes(), graph.node_sets.len()), (nodes, convolutions.len()));
            }
            assert_eq!(nodes, if layers == 16 { 4224 } else { 5504 });
        }
    }
}

#[test]
fn tensors_of_something_else_are_an_error() {
    let mut tensors = resnet([2, 2, 2, 2], false);
    tensors.push(("layer1.0.se.fc1.weight".into(), vec![2, 4, 1, 1]));
    let error = read(&tensors, Arch::Auto).err().unwrap().to_string();
    assert!(error.contains("tensor 'layer1.0.se.fc1.weight': has no place in resnet18"), "{error}");
    tensors.retain(|(name, _)| !name.contains("bn2.running_var"));
    let error = read(&tensors, Arch::Auto).err().unwrap().to_string();
    assert!(error.contains("is there without 'layer1.0.bn2.running_var'"), "{error}");
    let chain = [conv("b", 4, 3), conv("a", 5, 4), ("x.running_var".into(), vec![9])];
    let error = read(&chain, Arch::Auto).err().unwrap().to_string();
    assert!(error.contains("normalise 9 channels, and 'a' before it gives 5"), "{error}");
    let error = read(&[conv("a", 4, 3), conv("b", 5, 6)], Arch::Auto).err().unwrap().to_string();
    assert!(error.contains("do not follow each other"), "{error}");
    let error = read(&[conv("a", 4, 3), ("z.weight".into(), vec![2, 4, 3])], Arch::Auto).err().unwrap().to_string();
    assert!(error.contains("has 3 axes"), "{error}");
}

#[test]
fn chains_are_ordered_by_name_or_as_in_the_file() {
    let names = |tensors: &[Tensor]| {
        let (name, net, _) = read(tensors, Arch::Auto).unwrap();
        let layers = net.operations.iter().filter(|o| matches!(o.kind, Kind::Convolution { .. } | Kind::Dense { .. }));
        (name, layers.map(|o| o.name.clone()).collect::<Vec<_>>().join(" "))
    };
    let dense = |name: &str, outputs: usize, inputs: usize| (name.to_string(), vec![outputs, inputs]);
    let by_name = [dense("l.10.weight", 2, 6), conv("l.1", 4, 1), conv("l.2", 3, 4), dense("l.9.weight", 6, 12)];
    assert_eq!(names(&by_name), ("cnn 1-4-3-6-2".into(), "l.1 l.2 l.9 l.10".into()));
    let as_in_file = [conv("z", 4, 1), conv("y", 3, 4), dense("x.weight", 6, 12)];
    assert_eq!(names(&as_in_file).1, "z y x");
    let convolutions_first = [dense("classifier.0.weight", 2, 3), conv("features.0", 4, 1), conv("features.3", 3, 4)];
    assert_eq!(names(&convolutions_first).1, "features.0 features.3 classifier.0");
}

/// The convolution that the edges into each channel were multiplied behind: norms have variances of their own.
#[test]
fn batch_normalisations_follow_the_layers_of_their_sequence_numbers_or_parents() {
    let followed = |names: &[&str]| -> Result<String, String> {
        let is_norm =
            |name: &str| name.contains('b') && !name.starts_with("conv") && !matches!(name, "block1.0" | "block2.1");
        let mut tensors: Vec<Tensor> = Vec::new();
        for name in names {
            match is_norm(name) {
                true => tensors.extend(norm(name, 4)),
                false => tensors.push(conv(name, 4, 4)),
            }
        }
        let (_, net, _) = read(&tensors, Arch::Auto).map_err(|error| error.to_string())?;
        let mut shown = Vec::new();
        for operation in &net.operations {
            match operation.kind {
                Kind::Convolution { .. } => shown.push(operation.name.clone()),
                Kind::BatchNorm { .. } => shown.last_mut().unwrap().push_str(&format!("+{}", operation.name)),
                _ => {}
            }
        }
        Ok(shown.join(" "))
    };
    for (names, wanted) in [
        (&["conv1", "conv2", "conv3", "b1", "b2"][..], "conv1+b1 conv2+b2 conv3"),
        (&["b1", "b2", "b3", "c1", "c2", "c3"], "c1+b1 c2+b2 c3+b3"),
        (&["conv1", "conv2", "conv3", "nb1"], "conv1+nb1 conv2 conv3"),
        (&["abs.0", "abs.1", "convs.0", "convs.1"], "convs.0+abs.0 convs.1+abs.1"),
        (&["head.b", "head.c", "stem.b", "stem.c"], "head.c+head.b stem.c+stem.b"),
        (&["enc1.bn1", "enc1.c1", "enc2.bn1", "enc2.c1"], "enc1.c1+enc1.bn1 enc2.c1+enc2.bn1"),
        (&["a_c", "c_b", "d_c", "e_b", "f_c"], "a_c+c_b d_c+e_b f_c"),
        (&["conv1a", "conv1b", "bn1a", "bn1b"], "conv1a+bn1a conv1b+bn1b"),
        (
            &["conv2d_1", "conv2d_2", "batch_normalization_1", "batch_normalization_2"],
            "conv2d_1+batch_normalization_1 conv2d_2+batch_normalization_2",
        ),
        (&["conv1", "layer1.bn", "layer1.conv3x3"], "conv1 layer1.conv3x3+layer1.bn"),
        (&["conv", "conv2", "bn", "bn2"], "conv+bn conv2+bn2"),
    ] {
        assert_eq!(followed(names).as_deref(), Ok(wanted), "{names:?}");
    }
    for (names, wanted) in [
        (
            &["a_b", "b_b", "c", "d"][..],
            "'a_b.*': are of a batch normalisation, and nothing says which layer it follows",
        ),
        (&["block1.0", "block2.0", "block2.1"], "nothing says whether an activation lies between"),
        (&["c1", "b1", "d", "nb1"], "follows 'c1' by name, and so does"),
    ] {
        let error = followed(names).unwrap_err();
        assert!(error.contains(wanted), "{names:?}: {error}");
    }
    // Names that begin like this program's own, of another: its ε is PyTorch's, and what was assumed is told.
    let mut tensors = vec![conv("layers.0.conv", 4, 4), conv("layers.1.conv", 4, 4)];
    tensors.extend(norm("layers.0.norm", 4));
    let tensors: Vec<(&str, &[usize])> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let found = architecture(&file(&tensors), Arch::Auto).unwrap();
    assert!(found.assumed.unwrap().contains("(ε = 1e-5) 'layers.0.norm' behind 'layers.0.conv'"));
    let epsilons = found.dataflow.operations.iter().filter_map(|operation| match operation.kind {
        Kind::BatchNorm { epsilon, .. } => Some(epsilon),
        _ => None,
    });
    assert_eq!(epsilons.collect::<Vec<_>>(), [1e-5]);
    // What weights are computed from, and modules without a part, are no layers.
    for (extra, wanted) in [
        (
            ("c.weight_mask".to_string(), vec![4, 4, 1, 1]),
            "tensor 'c.weight_mask': is a part of 'c.weight', which pruning",
        ),
        (("d.bias".to_string(), vec![4]), "tensor 'd.bias': is there without 'd.weight'"),
        (("d.running_mean".to_string(), vec![4]), "is there without 'd.running_var'"),
        (("mean".to_string(), vec![1, 4, 1, 1]), "tensor 'mean': has no place in cnn 4-4-4"),
    ] {
        let error = read(&[conv("a", 4, 4), conv("c", 4, 4), extra], Arch::Auto).err().unwrap().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    // One sequence of numbers, of which the shapes are one: features.1 is no neighbour of classifier.1.
    let mut tensors =
        vec![conv("features.0", 4, 3), conv("features.2", 4, 4), ("classifier.1.weight".into(), vec![4, 4])];
    tensors.extend(norm("features.1", 4));
    let (_, net, _) = read(&tensors, Arch::Auto).unwrap();
    let at = net.operations.iter().position(|operation| operation.name == "features.1").unwrap();
    assert_eq!(net.operations[net.operations[at].inputs[0]].name, "features.0");
}
