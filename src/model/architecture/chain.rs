//! Convolutions and dense layers that follow each other, with batch normalisation or without: VGG is one of them.

use super::Tensors;
use crate::InputError;
use crate::dataflow::{Dataflow, Kind, Layout, TensorName};
use crate::model::TensorEntry;
use crate::model::dense_chain::natural;
use std::cmp::Ordering;

/// PyTorch's default.
const EPSILON: f64 = 1e-5;

/// Keras' default, of networks that this program trained: there the normalisation is called after the layer that it follows, and comes behind its activation.
const OWN_EPSILON: f64 = 1e-3;

/// Output channels of the convolutions of VGG, by number of layers.
const VGG: [(u8, &[usize]); 4] = [
    (11, &[64, 128, 256, 256, 512, 512, 512, 512]),
    (13, &[64, 64, 128, 128, 256, 256, 512, 512, 512, 512]),
    (16, &[64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]),
    (19, &[64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512]),
];

/// A layer, or a batch normalisation.
struct Module<'a> {
    /// Without `.weight` or `.running_var`.
    name: &'a str,
    entry: &'a TensorEntry,
}

impl Module<'_> {
    fn is_batch_norm(&self) -> bool {
        self.entry.shape.len() == 1
    }

    /// As far as shapes say: a timm VGG has its first two dense layers as convolutions of the whole image.
    fn is_convolution(&self) -> bool {
        self.entry.shape.len() > 2 && !self.name.starts_with("pre_logits.")
    }

    fn is_own_batch_norm(&self) -> bool {
        self.is_batch_norm() && self.name.starts_with("layers.") && self.name.ends_with(".norm")
    }

    /// `(inputs, outputs)` of a layer.
    fn ends(&self) -> (usize, usize) {
        let outputs = self.entry.shape[0];
        (self.entry.shape[1..].iter().product(), outputs)
    }
}

/// Modules are ordered by name, digits as numbers; if they do not follow each other so, as in the file; and else with the groups of names
/// that have convolutions first, as `features` before `classifier`.
pub(super) fn dataflow(tensors: &Tensors) -> Result<(String, Dataflow), InputError> {
    let path = tensors.file.path().display();
    let mut modules = Vec::new();
    for entry in tensors.file.entries() {
        let place = || format!("{path}, tensor '{}'", entry.name);
        match (entry.shape.len(), entry.name.strip_suffix(".running_var")) {
            (1, Some(name)) => modules.push(Module { name, entry }),
            (2.., _) if entry.shape.contains(&0) => {
                let problem = format!("is a layer without weights, of shape {:?}", entry.shape);
                return Err(InputError::new(place(), problem, "save layers with at least one input and one output"));
            }
            (2 | 4, _) => {
                modules.push(Module { name: entry.name.strip_suffix(".weight").unwrap_or(&entry.name), entry })
            }
            (3 | 5.., _) => {
                let problem = format!(
                    "has {} axes, and chains of two-dimensional convolutions and dense layers are read by name",
                    entry.shape.len()
                );
                return Err(InputError::new(place(), problem, "export the network as TorchScript or ONNX"));
            }
            _ => {}
        }
    }
    let with_convolutions = |name: &str| {
        let group = name.split('.').next();
        modules.iter().any(|module| module.entry.shape.len() > 2 && module.name.split('.').next() == group)
    };
    let by_name = |a: &&Module, b: &&Module| natural(a.name, b.name);
    let convolutions_first = |a: &&Module, b: &&Module| {
        with_convolutions(b.name).cmp(&with_convolutions(a.name)).then_with(|| natural(a.name, b.name))
    };
    let sorted = |order: &dyn Fn(&&Module, &&Module) -> Ordering| {
        let mut sorted: Vec<&Module> = modules.iter().collect();
        sorted.sort_by(order);
        sorted
    };
    let orders = [sorted(&by_name), modules.iter().collect(), sorted(&convolutions_first)];
    let Some(order) = orders.iter().find(|order| broken_link(order).is_none()) else {
        let (a, b) = broken_link(&orders[2]).unwrap_or((&modules[0], &modules[0]));
        let problem = format!(
            "'{}' {:?} and '{}' {:?} do not follow each other as (out, in, rows, columns) and (out, in)",
            a.name, a.entry.shape, b.name, b.entry.shape
        );
        let remedy = "export the network as TorchScript or ONNX, which say how layers are joined, or save the layers of a chain under names in their order";
        return Err(InputError::new(path, problem, remedy));
    };
    let mut net = Dataflow::default();
    let mut value = net.push("input", Kind::Input, &[]);
    let mut before: Option<&Module> = None;
    let mut flat = false;
    for module in order {
        let weight = tensors.get(&module.entry.name)?;
        if module.is_batch_norm() {
            if !before.is_some_and(|before| is_directly_behind(before.name, module.name)) {
                value = super::pointwise(&mut net, value);
            }
            let epsilon = if module.is_own_batch_norm() { OWN_EPSILON } else { EPSILON };
            value = tensors.batch_norm(&mut net, module.name, epsilon, value)?;
        } else {
            if before.is_some() {
                value = super::pointwise(&mut net, value);
            }
            value = if module.is_convolution() {
                net.push(module.name, Kind::Convolution { weight, groups: 1 }, &[value])
            } else {
                if !flat {
                    value = net.push("", Kind::Flatten, &[value]);
                    flat = true;
                }
                let (inputs, outputs) = module.ends();
                let weight = TensorName { shape: vec![outputs, inputs], ..weight };
                net.push(module.name, Kind::Dense { weight, layout: Layout::OutIn }, &[value])
            };
        }
        before = Some(module);
    }
    net.outputs = vec![value];
    Ok((name(order), net))
}

/// Whether a normalisation reads a layer itself and not its activation, as far as names say: numbers of one sequence that follow each other.
fn is_directly_behind(layer: &str, norm: &str) -> bool {
    fn place(name: &str) -> Option<(&str, usize)> {
        let (group, number) = name.rsplit_once('.').unwrap_or(("", name));
        Some((group, number.parse().ok()?))
    }
    match (place(layer), place(norm)) {
        (Some((a, layer)), Some((b, norm))) if a == b => norm == layer + 1,
        _ => norm.strip_prefix(layer) != Some(".norm"),
    }
}

/// The first two modules of which the later does not read what the earlier gives.
fn broken_link<'a>(modules: &[&'a Module<'a>]) -> Option<(&'a Module<'a>, &'a Module<'a>)> {
    let mut given: Option<&Module> = None;
    for &module in modules {
        let follows = match given {
            None => !module.is_batch_norm(),
            Some(before) => {
                let outputs = before.ends().1;
                match (before.is_convolution(), module.is_batch_norm(), module.is_convolution()) {
                    (_, true, _) => module.entry.shape[0] == outputs,
                    (true, _, true) => module.entry.shape[1] == outputs,
                    (false, _, true) => false,
                    (true, _, false) => module.ends().0.is_multiple_of(outputs),
                    (false, _, false) => module.ends().0 == outputs,
                }
            }
        };
        if !follows {
            return Some((given.unwrap_or(module), module));
        }
        if !module.is_batch_norm() {
            given = Some(module);
        }
    }
    None
}

fn name(order: &[&Module]) -> String {
    let of = |kind: &dyn Fn(&&&Module) -> bool| -> Vec<usize> {
        order.iter().filter(kind).map(|module| module.entry.shape[0]).collect()
    };
    let inputs = order.first().map(|layer| layer.entry.shape[1]);
    let layers = inputs.into_iter().chain(of(&|module| !module.is_batch_norm())).collect();
    chain_name(&of(&|module| module.is_convolution()), layers, order.iter().any(|module| module.is_batch_norm()))
}

/// `vgg16`, `cnn 1-32-64-10` or `mlp 784-256-10`, of output channels of convolutions and of all layers, those of the input first.
pub(super) fn chain_name(convolutions: &[usize], layers: Vec<usize>, normalised: bool) -> String {
    if let Some((layers, _)) = VGG.iter().find(|(_, vgg)| *vgg == convolutions) {
        return format!("vgg{layers}{}", if normalised { "_bn" } else { "" });
    }
    let widths: Vec<String> = layers.into_iter().map(|width| width.to_string()).collect();
    format!("{} {}", if convolutions.is_empty() { "mlp" } else { "cnn" }, widths.join("-"))
}
