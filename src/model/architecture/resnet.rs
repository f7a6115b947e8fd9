//! Residual networks, by the names that torchvision and timm give them, ImageNet's and CIFAR's.

use super::{Tensors, pointwise};
use crate::InputError;
use crate::dataflow::{Dataflow, Kind, Value};

/// PyTorch's default.
const EPSILON: f64 = 1e-5;

/// `conv1`, then stages `layerS.B` of blocks of two or three convolutions, each followed by batch normalisation; ReLU after the sum.
///
/// A block whose shortcut has a convolution (`downsample` or `shortcut`) adds that; one that has none and gives more channels than it is
/// given, as in the CIFAR networks of He et al. (2016, option A), adds its input with zeros around.
/// timm's deep stems (`conv1.0`, `conv1.3`, `conv1.6`) and pooled shortcuts are read too.
pub(super) fn dataflow(tensors: &Tensors) -> Result<(String, Dataflow), InputError> {
    let mut net = Dataflow::default();
    let mut value = net.push("input", Kind::Input, &[]);
    let mut width;
    if tensors.has("conv1.0.weight") {
        width = None;
        for (convolution, norm) in [("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")] {
            value = tensors.convolution(&mut net, convolution, value, width)?;
            value = tensors.batch_norm(&mut net, norm, EPSILON, value)?;
            value = pointwise(&mut net, value);
            width = tensors.outputs(convolution);
        }
    } else {
        value = tensors.convolution(&mut net, "conv1", value, None)?;
        value = tensors.batch_norm(&mut net, "bn1", EPSILON, value)?;
        value = pointwise(&mut net, value);
        width = tensors.outputs("conv1");
    }
    let mut blocks = Vec::new();
    for stage in 1.. {
        let count = (0..).take_while(|block| tensors.has(&format!("layer{stage}.{block}.conv1.weight"))).count();
        if count == 0 {
            break;
        }
        blocks.push(count);
        for block in 0..count {
            (value, width) = residual_block(tensors, &mut net, &format!("layer{stage}.{block}"), value, width)?;
        }
    }
    value = pointwise(&mut net, value);
    value = net.push("", Kind::Flatten { pixels: Some(1) }, &[value]);
    if let Some(head) = ["fc", "linear"].into_iter().find(|head| tensors.has(&format!("{head}.weight"))) {
        value = tensors.dense(&mut net, head, value)?;
    }
    net.outputs = vec![value];
    let convolutions = if tensors.has("layer1.0.conv3.weight") { 3 } else { 2 };
    Ok((format!("resnet{}", 2 + convolutions * blocks.iter().sum::<usize>()), net))
}

fn residual_block(
    tensors: &Tensors,
    net: &mut Dataflow,
    name: &str,
    input: Value,
    given: Option<usize>,
) -> Result<(Value, Option<usize>), InputError> {
    let (mut value, mut width) = (input, given);
    for number in 1..=if tensors.has(&format!("{name}.conv3.weight")) { 3 } else { 2 } {
        if number > 1 {
            value = pointwise(net, value);
        }
        let convolution = format!("{name}.conv{number}");
        value = tensors.convolution(net, &convolution, value, width)?;
        value = tensors.batch_norm(net, &format!("{name}.bn{number}"), EPSILON, value)?;
        width = tensors.outputs(&convolution);
    }
    let mut shortcut = input;
    let places = [("downsample.0", "downsample.1"), ("downsample.1", "downsample.2"), ("shortcut.0", "shortcut.1")];
    let convolution = places.into_iter().find(|(place, norm)| {
        tensors.has(&format!("{name}.{place}.weight")) && tensors.has(&format!("{name}.{norm}.running_var"))
    });
    match (convolution, given, width) {
        (Some((place, norm)), ..) => {
            shortcut = tensors.convolution(net, &format!("{name}.{place}"), shortcut, given)?;
            shortcut = tensors.batch_norm(net, &format!("{name}.{norm}"), EPSILON, shortcut)?;
        }
        (None, Some(given), Some(width)) if width > given => {
            let before = (width - given) / 2;
            shortcut = net.push(name, Kind::Pad { before, after: width - given - before }, &[shortcut]);
        }
        _ => {}
    }
    let sum = net.push(name, Kind::Add, &[value, shortcut]);
    Ok((pointwise(net, sum), width))
}
