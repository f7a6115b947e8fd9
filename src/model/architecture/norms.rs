//! Which layer of a chain each batch normalisation follows, by names and places.

use super::chain::Module;
use crate::InputError;
use crate::model::name_order::{natural, numbers, pattern};
use std::cmp::Ordering;
use std::path::Display;

/// For each layer of `layers`, the batch normalisation that follows it. `places` are all modules in the order in which the layers are taken;
/// `keeps_order`: that in which they were made.
///
/// In this order, as far as it says one thing: the layer before it of its own sequence of numbers (`features.3` and `features.4`); the layer
/// that has its name without the norm (`conv1_bn`), or what is left of it without words for layers too (`conv1` and `bn1`, `conv1a` and `bn1a`),
/// or its numbers, of the same parent if several have them, and a convolution before a dense layer; the one layer of its parent (`stem.conv`
/// and `stem.bn`); the layer before it, if each follows one directly.
///
/// # Errors
///
/// If that leaves open whose one is, gives a layer two or one of another width than the layer has, or is not what its place says where
/// places do.
pub(super) fn behind<'a>(
    layers: &[&'a Module<'a>],
    places: &[&'a Module<'a>],
    keeps_order: bool,
    path: &Display,
) -> Result<Vec<Option<&'a Module<'a>>>, InputError> {
    let remedy = "export the network as TorchScript or ONNX, which say how layers are joined";
    let mut found: Vec<Option<&Module>> = vec![None; layers.len()];
    for norm in places.iter().filter(|module| module.is_batch_norm()) {
        let refuse = |problem: String| InputError::new(format!("{path}, tensors '{}.*'", norm.name), problem, remedy);
        let paired =
            by_sequence(layers, norm).or_else(|| by_name(layers, norm)).or_else(|| by_place(layers, places, norm));
        let Some(layer) = paired else {
            return Err(refuse("are of a batch normalisation, and nothing says which layer it follows".into()));
        };
        let name = layers[layer].name;
        if let Some(problem) = out_of_place(layers[layer], places, norm).filter(|_| keeps_order) {
            return Err(refuse(format!("are of a batch normalisation that follows '{name}' by name, {problem}")));
        }
        if starts_a_group(name, norm.name) {
            return Err(refuse(format!(
                "are of a batch normalisation that begins a group, and nothing says whether an activation lies between '{name}' and it"
            )));
        }
        let (width, outputs) = (norm.entry.shape[0], layers[layer].ends().1);
        if width != outputs {
            return Err(refuse(format!("normalise {width} channels, and '{name}' before it gives {outputs}")));
        }
        if let Some(other) = found[layer].replace(norm) {
            let other = other.name;
            return Err(refuse(format!(
                "are of a batch normalisation that follows '{name}' by name, and so does '{other}'"
            )));
        }
    }
    Ok(found)
}

/// What speaks against a pair, where the order is that in which modules were made: the normalisation comes before its layer, or directly
/// behind another one and alone.
fn out_of_place(layer: &Module, places: &[&Module], norm: &Module) -> Option<String> {
    let place = |module: &Module| places.iter().position(|place| std::ptr::eq(*place, module));
    let (layer_place, at) = (place(layer)?, place(norm)?);
    if at < layer_place {
        return Some("and lies before it".into());
    }
    let before = places[at - 1];
    let is_alone = places.get(at + 1).is_none_or(|next| !next.is_batch_norm());
    (is_alone && !before.is_batch_norm() && !std::ptr::eq(before, layer))
        .then(|| format!("and '{}' by its place", before.name))
}

/// Whether it is the first of a sequence of numbers, and the layer ends another one: `block1.0` and `block2.0`, but not `convs.0` and `norms.0`.
fn starts_a_group(layer: &str, norm: &str) -> bool {
    let split = |name: &str| {
        let (group, number) = name.rsplit_once('.')?;
        Some((group.to_string(), number.parse::<usize>().ok()?))
    };
    match (split(layer), split(norm)) {
        (Some((a, _)), Some((b, 0))) => a != b && pattern(&a) == pattern(&b),
        _ => false,
    }
}

/// The last layer before it of the sequence of numbers that it belongs to.
fn by_sequence(layers: &[&Module], norm: &Module) -> Option<usize> {
    let of_sequence = |name: &str| pattern(name) == pattern(norm.name);
    let before = |layer: &&Module| of_sequence(layer.name) && natural(layer.name, norm.name) == Ordering::Less;
    layers.iter().rposition(before)
}

/// The one layer whose name goes with it.
fn by_name(layers: &[&Module], norm: &Module) -> Option<usize> {
    let parent = |name: &str| name.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_string());
    let own = without(norm.name, &NORMS);
    let rest = without(&own, &LAYERS);
    let same_numbers =
        |layer: &Module| !numbers(&own).is_empty() && numbers(&without(layer.name, &SIZES)) == numbers(&own);
    // A network of this program has the layer's name itself for a parent.
    let same_parent = |layer: &Module| {
        parent(layer.name) == parent(norm.name) && norm.name.contains('.') || layer.name == parent(norm.name)
    };
    let same_rest = |layer: &Module| without(layer.name, &LAYERS) == rest;
    let fits = |layer: &Module| layer.ends().1 == norm.entry.shape[0];
    let one = |filter: &dyn Fn(&Module) -> bool| {
        let mut found = layers.iter().enumerate().filter(|(_, layer)| filter(layer));
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    };
    one(&|layer| layer.name.to_lowercase() == own)
        .or_else(|| one(&|layer| same_numbers(layer) && same_parent(layer)))
        .or_else(|| one(&|layer| same_rest(layer)))
        .or_else(|| one(&same_parent))
        .or_else(|| one(&same_numbers))
        .or_else(|| one(&|layer| same_numbers(layer) && fits(layer)))
        .or_else(|| one(&|layer| same_numbers(layer) && fits(layer) && layer.is_convolution()))
}

/// Sizes of kernels and numbers of axes, which number nothing.
const SIZES: [&str; 7] = ["1d", "2d", "3d", "1x1", "3x3", "5x5", "7x7"];
/// Words for batch normalisations; longer ones first.
const NORMS: [&str; 14] = [
    "batch_normalization",
    "batchnormalization",
    "batch_norm",
    "batchnorm",
    "norms",
    "norm",
    "bns",
    "bn",
    "1d",
    "2d",
    "3d",
    "1x1",
    "3x3",
    "5x5",
];
/// Words for layers.
const LAYERS: [&str; 15] = [
    "convolutions",
    "convolution",
    "convs",
    "conv",
    "linears",
    "linear",
    "dense",
    "fcs",
    "fc",
    "1d",
    "2d",
    "3d",
    "1x1",
    "3x3",
    "5x5",
];

/// A name without these words and what then joins nothing, in lower case.
fn without(name: &str, words: &[&str]) -> String {
    let name = words.iter().fold(name.to_lowercase(), |name, word| name.replace(word, ""));
    let parts: Vec<&str> =
        name.split('.').map(|part| part.trim_matches(['_', '-'])).filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

/// The layer directly before it, if every batch normalisation has one directly before it, and no layer lies without one in their midst.
fn by_place(layers: &[&Module], places: &[&Module], norm: &Module) -> Option<usize> {
    let norms: Vec<usize> = (0..places.len()).filter(|&at| places[at].is_batch_norm()).collect();
    let (&first, &last) = (norms.first()?, norms.last()?);
    let alternate = first > 0
        && places[first - 1..=last]
            .chunks(2)
            .all(|pair| !pair[0].is_batch_norm() && pair.len() == 2 && pair[1].is_batch_norm());
    if !alternate {
        return None;
    }
    let at = places.iter().position(|place| std::ptr::eq(*place, norm))?;
    layers.iter().position(|layer| std::ptr::eq(*layer, places[at - 1]))
}
