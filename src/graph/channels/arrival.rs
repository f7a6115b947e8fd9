//! Which nodes' channels arrive where, along paths that cross no other layer of the graph.

use super::{Network, NodeSets};
use crate::InputError;
use crate::dataflow::{Kind, Value};
use std::rc::Rc;

/// Consecutive channels of a node set that arrive as consecutive channels of a value.
#[derive(Debug, Clone)]
pub(super) struct Arrival {
    /// The node set.
    pub set: usize,
    /// The first of its nodes.
    pub node: usize,
    /// The channel of the value that it is.
    pub at: usize,
    /// How many.
    pub len: usize,
    /// What each was multiplied by on the way; `None` for nothing.
    pub factor: Option<Rc<[f64]>>,
}

impl Arrival {
    /// What its channel `i` was multiplied by.
    pub fn factor(&self, i: usize) -> f64 {
        self.factor.as_ref().map_or(1.0, |factor| factor[i])
    }

    /// The part of it within channels `from..to` of the value, which become channels `0..`.
    fn window(&self, from: usize, to: usize) -> Option<Self> {
        let (first, last) = (self.at.max(from), (self.at + self.len).min(to));
        let cut = |factor: &Rc<[f64]>| factor[first - self.at..last - self.at].into();
        (first < last).then(|| Self {
            set: self.set,
            node: self.node + first - self.at,
            at: first - from,
            len: last - first,
            factor: self.factor.as_ref().map(cut),
        })
    }

    /// Multiplied by the value's channels' `scale`.
    fn scaled(&self, scale: &[f64]) -> Self {
        let scale = &scale[self.at..self.at + self.len];
        let factor = match &self.factor {
            None => scale.into(),
            Some(factor) => factor.iter().zip(scale).map(|(a, b)| a * b).collect(),
        };
        Self { factor: Some(factor), ..self.clone() }
    }
}

/// What is known of each value of a network.
pub(super) struct Arrivals {
    /// What arrives at each value.
    pub of: Vec<Vec<Arrival>>,
    /// What the outputs of each layer are multiplied by, by the batch normalisation that belongs to it.
    pub output_scale: Vec<Option<Vec<f64>>>,
}

impl Arrivals {
    pub(super) fn new(network: &Network, sets: &NodeSets) -> Result<Self, InputError> {
        let operations = &network.dataflow.operations;
        let owners = owners(network);
        let mut output_scale: Vec<Option<Vec<f64>>> = vec![None; operations.len()];
        let mut of: Vec<Vec<Arrival>> = Vec::with_capacity(operations.len());
        for (value, operation) in operations.iter().enumerate() {
            let given = |input: usize| of[operation.inputs[input]].iter();
            let arrivals = match &operation.kind {
                kind if network.is_layer(kind) => {
                    let whole = |set: usize| Arrival { set, node: 0, at: 0, len: sets.sizes[set], factor: None };
                    sets.of[value].map(whole).into_iter().collect()
                }
                Kind::Input | Kind::Convolution { .. } | Kind::Dense { .. } | Kind::Unsupported { .. } => Vec::new(),
                Kind::BatchNorm { .. } | Kind::Scale { .. } => match (owners[value], given(0).len()) {
                    (Some(layer), _) => {
                        if let Some(scale) = network.scale(value)? {
                            let before = output_scale[layer].take().unwrap_or_else(|| vec![1.0; scale.len()]);
                            output_scale[layer] = Some(before.iter().zip(&scale).map(|(a, b)| a * b).collect());
                        }
                        given(0).cloned().collect()
                    }
                    // behind the layers of the graph
                    (None, 0) => Vec::new(),
                    (None, _) => match network.scale(value)? {
                        Some(scale) => given(0).map(|arrival| arrival.scaled(&scale)).collect(),
                        None => given(0).cloned().collect(),
                    },
                },
                Kind::Pointwise | Kind::Identity | Kind::Flatten { .. } => given(0).cloned().collect(),
                Kind::Add => (0..operation.inputs.len()).flat_map(given).cloned().collect(),
                Kind::Concat => {
                    let mut first = 0;
                    let mut all = Vec::new();
                    for (input, &value) in operation.inputs.iter().enumerate() {
                        all.extend(given(input).map(|arrival| Arrival { at: arrival.at + first, ..arrival.clone() }));
                        first += network.channels[value].unwrap_or(0);
                    }
                    all
                }
                Kind::Slice { from, to } => given(0).filter_map(|arrival| arrival.window(*from, *to)).collect(),
                Kind::Pad { before, .. } => {
                    given(0).map(|arrival| Arrival { at: arrival.at + before, ..arrival.clone() }).collect()
                }
            };
            of.push(arrivals);
        }
        Ok(Self { of, output_scale })
    }
}

/// The layer of the graph whose outputs a batch normalisation or scale belongs to: nothing but such ones, dropout and shifts lie between, and
/// nothing else reads what does.
fn owners(network: &Network) -> Vec<Option<Value>> {
    let operations = &network.dataflow.operations;
    let readers = network.dataflow.readers();
    let mut owners = vec![None; operations.len()];
    for (value, operation) in operations.iter().enumerate() {
        if let (Kind::BatchNorm { .. } | Kind::Scale { .. } | Kind::Identity, &[input]) =
            (&operation.kind, &operation.inputs[..])
            && readers[input] == 1
            && !network.dataflow.outputs.contains(&input)
        {
            let before = &operations[input].kind;
            let is_layer = network.is_layer(before) && *before != Kind::Input;
            owners[value] = if is_layer { Some(input) } else { owners[input] };
        }
    }
    owners
}
