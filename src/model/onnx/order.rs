//! The order of a graph's nodes: each behind those whose values it takes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::path::Path;

use super::messages::Model;
use crate::InputError;

/// Numbers of the nodes in an order in which they can be done: that of the file, where it is one.
///
/// # Errors
///
/// If a node takes what nothing gives; nodes wait for each other; or two nodes give one value.
pub(super) fn order(path: &Path, model: &Model) -> Result<Vec<usize>, InputError> {
    let fault = |node: usize, problem: String| {
        let node = &model.nodes[node];
        let place = format!("{}, node '{}' ({})", path.display(), node.name, node.operator);
        InputError::new(place, problem, "the graph is damaged: export the network again")
    };
    let given: HashSet<&str> = (model.inputs.iter().map(|(name, _)| name.as_str()))
        .chain(model.tensors.iter().map(|tensor| tensor.name.as_str()))
        .collect();
    let mut giver = HashMap::new();
    for (number, node) in model.nodes.iter().enumerate() {
        // The tensor of a Constant node is listed under the name of its output.
        let constant = node.operator == "Constant";
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            let taken = given.contains(output.as_str()) && !constant;
            if taken || giver.insert(output.as_str(), number).is_some() {
                return Err(fault(number, format!("gives '{output}', which something else gives too")));
            }
        }
    }
    let mut readers = vec![vec![]; model.nodes.len()];
    let mut awaited = vec![0usize; model.nodes.len()];
    for (number, node) in model.nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|input| !input.is_empty() && !given.contains(input.as_str())) {
            let Some(&giver) = giver.get(input.as_str()) else {
                return Err(fault(number, format!("has a dangling edge: it takes '{input}', which nothing gives")));
            };
            readers[giver].push(number);
            awaited[number] += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..awaited.len()).filter(|&number| awaited[number] == 0).map(Reverse).collect();
    let mut order = Vec::new();
    while let Some(Reverse(number)) = ready.pop() {
        order.push(number);
        for &reader in &readers[number] {
            awaited[reader] -= 1;
            if awaited[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match awaited.iter().position(|&awaited| awaited > 0) {
        Some(number) => Err(fault(number, "waits for its own output: the graph has a cycle".into())),
        None => Ok(order),
    }
}
