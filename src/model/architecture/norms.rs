//! Which layer of a chain each batch normalisation follows, by names and places.

use super::chain::Module;
use crate::InputError;
use crate::model::name_order::{natural, numbers, pattern};
use std::cmp::Ordering;
use std::path::Display;

/// For each layer of `layers`, the batch normalisation that follows it. `places` are all modules in the order in which the layers are taken.
///
/// In this order, as far as it says one thing: the layer before it of its own sequence of numbers (`features.3` and `features.4`); the one
/// layer with its numbers (`conv2` and `bn2`), of the same parent if several have them, and a convolution before a dense layer; the one layer
/// of its parent (`stem.conv` and `stem.bn`); the layer before it, if each follows one directly.
///
/// # Errors
///
/// If that leaves open whose one is, gives a layer two, or one of another width than the layer has.
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
        let Some(layer) =
            by_sequence(layers, norm).or_else(|| by_name(layers, norm)).or_else(|| by_place(layers, places, norm))
        else {
            return Err(refuse("are of a batch normalisation, and nothing says which layer it follows".into()));
        };
        let name = layers[layer].name;
        // Registered the other way round, as where an activation lies between a layer and the normalisation before it.
        if keeps_order
            && let Some(before) = by_place(layers, places, norm)
            && before != layer
        {
            let other = layers[before].name;
            return Err(refuse(format!(
                "are of a batch normalisation that follows '{name}' by name and '{other}' by its place"
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

/// The last layer before it of the sequence of numbers that it belongs to.
fn by_sequence(layers: &[&Module], norm: &Module) -> Option<usize> {
    let of_sequence = |name: &str| pattern(name) == pattern(norm.name);
    let before = |layer: &&Module| of_sequence(layer.name) && natural(layer.name, norm.name) == Ordering::Less;
    layers.iter().rposition(before)
}

/// The one layer that shares its numbers or, where none does, its parent.
fn by_name(layers: &[&Module], norm: &Module) -> Option<usize> {
    let parent = |name: &str| name.rsplit_once('.').map_or(String::new(), |(parent, _)| parent.to_string());
    let same_numbers = |layer: &&Module| !numbers(norm.name).is_empty() && numbers(layer.name) == numbers(norm.name);
    // A network of this program has the layer's name itself for a parent.
    let same_parent = |layer: &&Module| parent(layer.name) == parent(norm.name) || layer.name == parent(norm.name);
    let fits = |layer: &&Module| layer.ends().1 == norm.entry.shape[0];
    let one = |filter: &dyn Fn(&&Module) -> bool| {
        let mut found = layers.iter().enumerate().filter(|(_, layer)| filter(layer));
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    };
    one(&same_numbers)
        .or_else(|| one(&|layer| same_numbers(layer) && same_parent(layer)))
        .or_else(|| one(&|layer| same_numbers(layer) && fits(layer)))
        .or_else(|| one(&|layer| same_numbers(layer) && fits(layer) && layer.is_convolution()))
        .or_else(|| one(&same_parent).filter(|_| norm.name.contains('.')))
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
