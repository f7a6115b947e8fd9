//! Convolutions and dense layers that follow each other, with batch normalisation or without: VGG is one of them.

use super::{Tensors, norms};
use crate::InputError;
use crate::dataflow::{Dataflow, Kind, Layout, TensorName};
use crate::model::TensorEntry;
use crate::model::name_order::{is_order_of_layers, natural};
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
pub(super) struct Module<'a> {
    /// Without `.weight` or `.running_var`.
    pub name: &'a str,
    pub entry: &'a TensorEntry,
}

impl Module<'_> {
    pub fn is_batch_norm(&self) -> bool {
        self.entry.shape.len() == 1
    }

    /// As far as shapes say: a timm VGG has its first two dense layers as convolutions of the whole image.
    pub fn is_convolution(&self) -> bool {
        self.entry.shape.len() > 2 && !self.name.starts_with("pre_logits.")
    }

    /// Whether it is one of this program's, behind that layer.
    fn is_own_batch_norm(&self, layer: &str) -> bool {
        let is_own = super::is_own(&format!("{layer}.weight")) && !layer.ends_with(".norm");
        is_own && self.name.strip_suffix(".norm") == Some(layer)
    }

    /// `(inputs, outputs)` of a layer.
    pub fn ends(&self) -> (usize, usize) {
        let outputs = self.entry.shape[0];
        (self.entry.shape[1..].iter().product(), outputs)
    }
}

/// Layers are in the order of the file where that is the one in which they were made, else ordered by name, digits as numbers; if they do
/// not follow each other so, the other way round; and else with the groups of names that have convolutions first, as `features` before
/// `classifier`. The third value says what was assumed.
pub(super) fn dataflow(tensors: &Tensors) -> Result<(String, Dataflow, String), InputError> {
    let path = tensors.file.path().display();
    let modules = modules(tensors)?;
    let layers_of =
        |order: &[&'_ Module]| -> Vec<usize> { (0..order.len()).filter(|&at| !order[at].is_batch_norm()).collect() };
    let shared = shared_parents(&modules);
    let group = |name: &str| name.split('.').nth(shared).map(str::to_string);
    let with_convolutions =
        |name: &str| modules.iter().any(|module| module.entry.shape.len() > 2 && group(module.name) == group(name));
    let by_name = |a: &&Module, b: &&Module| natural(a.name, b.name);
    let convolutions_first = |a: &&Module, b: &&Module| {
        with_convolutions(b.name).cmp(&with_convolutions(a.name)).then_with(|| natural(a.name, b.name))
    };
    let sorted = |order: &dyn Fn(&&Module, &&Module) -> Ordering| {
        let mut sorted: Vec<&Module> = modules.iter().collect();
        sorted.sort_by(order);
        sorted
    };
    let names = modules.iter().filter(|module| !module.is_batch_norm()).map(|module| module.name);
    let keeps_order = is_order_of_layers(tensors.file.format(), names);
    let mut orders =
        [(sorted(&by_name), false), (modules.iter().collect(), true), (sorted(&convolutions_first), false)];
    if keeps_order {
        orders.swap(0, 1);
    }
    let broken = |order: &[&'_ Module<'_>]| {
        let layers = layers_of(order);
        broken_link(&layers.iter().map(|&at| order[at]).collect::<Vec<_>>()).map(|(a, b)| (layers[a], layers[b]))
    };
    let Some((order, of_file)) = orders.iter().find(|(order, _)| broken(order).is_none()) else {
        let order = &orders[2].0;
        let (a, b) = broken(order).map_or((order[0], order[0]), |(a, b)| (order[a], order[b]));
        let problem = format!(
            "'{}' {:?} and '{}' {:?} do not follow each other as (out, in, rows, columns) and (out, in)",
            a.name, a.entry.shape, b.name, b.entry.shape
        );
        let remedy = "export the network as TorchScript or ONNX, which say how layers are joined, or save the layers of a chain under names in their order";
        return Err(InputError::new(path, problem, remedy));
    };
    let layers: Vec<&Module> = layers_of(order).into_iter().map(|at| order[at]).collect();
    if layers.is_empty() {
        return Err(InputError::new(path, "holds no layer, so no graph", "save the weights of the layers too"));
    }
    let norms = norms::behind(&layers, order, keeps_order && *of_file, &path)?;
    let mut net = Dataflow::default();
    let mut value = net.push("input", Kind::Input, &[]);
    let mut flat = false;
    for (number, (layer, norm)) in layers.iter().zip(&norms).enumerate() {
        if number > 0 {
            value = super::pointwise(&mut net, value);
        }
        let weight = tensors.get(&layer.entry.name)?;
        value = if layer.is_convolution() {
            net.push(layer.name, Kind::Convolution { weight, groups: 1 }, &[value])
        } else {
            if !flat {
                value = net.push("", Kind::Flatten { pixels: None }, &[value]);
                flat = true;
            }
            let (inputs, outputs) = layer.ends();
            let weight = TensorName { shape: vec![outputs, inputs], ..weight };
            net.push(layer.name, Kind::Dense { weight, layout: Layout::OutIn }, &[value])
        };
        if let Some(norm) = norm {
            if !is_directly_behind(layer.name, norm.name) {
                value = super::pointwise(&mut net, value);
            }
            let epsilon = if norm.is_own_batch_norm(layer.name) { OWN_EPSILON } else { EPSILON };
            value = tensors.batch_norm(&mut net, norm.name, epsilon, value)?;
        }
    }
    net.outputs = vec![value];
    let mut assumed = format!("one after the other as {}", if *of_file { "in the file" } else { "their names sort" });
    const SHOWN: usize = 4;
    let pairs = layers.iter().zip(&norms).filter_map(|(layer, norm)| norm.map(|norm| (norm.name, layer.name)));
    let pairs: Vec<String> = pairs.map(|(norm, layer)| format!("'{norm}' behind '{layer}'")).collect();
    if !pairs.is_empty() {
        let more = if pairs.len() > SHOWN { format!(" and {} more", pairs.len() - SHOWN) } else { String::new() };
        assumed += &format!(", batch normalisations (ε = 1e-5) {}{more}", pairs[..pairs.len().min(SHOWN)].join(", "));
    }
    let name = name(&layers, norms.iter().any(Option::is_some));
    Ok((name, net, assumed))
}

/// How many parts all names begin with.
fn shared_parents(modules: &[Module]) -> usize {
    let part = |at: usize| modules.iter().map(move |module| module.name.split('.').nth(at));
    let is_shared = |at: &usize| {
        let first = part(*at).next().flatten();
        first.is_some() && part(*at).all(|part| part == first) && part(at + 1).all(|next| next.is_some())
    };
    (0..).take_while(is_shared).count()
}

/// The layers and batch normalisations, in the order of the file. Where names end in `.weight`, tensors called otherwise are no layers.
fn modules<'a>(tensors: &Tensors<'a>) -> Result<Vec<Module<'a>>, InputError> {
    let path = tensors.file.path().display();
    let is_weight = |entry: &&TensorEntry| entry.shape.len() > 1 && entry.name.ends_with(".weight");
    let named = tensors.file.entries().iter().any(|entry| is_weight(&entry));
    let mut modules = Vec::new();
    for entry in tensors.file.entries() {
        let place = || format!("{path}, tensor '{}'", entry.name);
        match (entry.shape.len(), entry.name.strip_suffix(".running_var")) {
            (1, Some(name)) => modules.push(Module { name, entry }),
            (2.., _) if entry.shape.contains(&0) => {
                let problem = format!("is a layer without weights, of shape {:?}", entry.shape);
                return Err(InputError::new(place(), problem, "save layers with at least one input and one output"));
            }
            (2.., _) if named && !is_weight(&entry) => {}
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
    Ok(modules)
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

/// The first two layers of which the later does not read what the earlier gives.
fn broken_link(layers: &[&Module]) -> Option<(usize, usize)> {
    let follow = |before: &Module, layer: &Module| {
        let outputs = before.ends().1;
        match (before.is_convolution(), layer.is_convolution()) {
            (true, true) => layer.entry.shape[1] == outputs,
            (false, true) => false,
            (true, false) => layer.ends().0.is_multiple_of(outputs),
            (false, false) => layer.ends().0 == outputs,
        }
    };
    layers.windows(2).position(|pair| !follow(pair[0], pair[1])).map(|at| (at, at + 1))
}

fn name(layers: &[&Module], normalised: bool) -> String {
    let outputs = |layer: &&Module| layer.entry.shape[0];
    let convolutions: Vec<usize> =
        layers.iter().copied().filter(|layer| layer.is_convolution()).map(|layer| outputs(&layer)).collect();
    let inputs = layers.first().map(|layer| layer.entry.shape[1]);
    chain_name(&convolutions, inputs.into_iter().chain(layers.iter().map(outputs)).collect(), normalised)
}

/// `vgg16`, `cnn 1-32-64-10` or `mlp 784-256-10`, of output channels of convolutions and of all layers, those of the input first.
pub(super) fn chain_name(convolutions: &[usize], layers: Vec<usize>, normalised: bool) -> String {
    if let Some((layers, _)) = VGG.iter().find(|(_, vgg)| *vgg == convolutions) {
        return format!("vgg{layers}{}", if normalised { "_bn" } else { "" });
    }
    let widths: Vec<String> = layers.into_iter().map(|width| width.to_string()).collect();
    format!("{} {}", if convolutions.is_empty() { "mlp" } else { "cnn" }, widths.join("-"))
}
