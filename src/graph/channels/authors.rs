//! Input channels of convolutions as nodes, once for each reader, as the paper's authors ran it on ImageNet models.

use super::Network;
use super::kernel::{Of, matrix};
use crate::InputError;
use crate::dataflow::{Kind, Value};
use crate::graph::{NeuronGraph, NodeSet, mlp};
use ndarray::{Array2, ArrayD, s};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Channels that no concatenation lies between: a node set, once a layer reads them.
#[derive(Clone)]
struct Piece {
    len: usize,
    /// None for an image.
    writers: Vec<Writer>,
}

/// Consecutive outputs of a convolution that arrive as consecutive channels of a piece.
#[derive(Clone)]
struct Writer {
    convolution: Value,
    output: usize,
    at: usize,
    len: usize,
    factor: Option<Rc<[f64]>>,
}

impl Writer {
    fn window(&self, from: usize, to: usize) -> Option<Self> {
        let (first, last) = (self.at.max(from), (self.at + self.len).min(to));
        (first < last).then(|| Self {
            output: self.output + first - self.at,
            at: first - from,
            len: last - first,
            factor: self.factor.as_ref().map(|factor| factor[first - self.at..last - self.at].into()),
            ..*self
        })
    }
}

/// Each convolution's input channels are a node set, one for each branch where it reads a concatenation (to the leaves of nested ones), and
/// so are those of the first dense layers; the block of a convolution joins its own node sets to those of every layer that reads it without
/// another convolution between. The image is left out, and with it the first convolution's weights. A convolution of each channel by itself
/// (depthwise) is a factor on the way.
///
/// Node sets are in the order of their readers, dense ones last, and called by them, with the number of the branch where there are several.
pub(super) fn graph(network: &Network) -> Result<NeuronGraph, InputError> {
    let operations = &network.dataflow.operations;
    let readers = readers(network)?;
    // node sets of each reader's pieces, in the order of convolutions, then dense layers
    let mut node_sets = Vec::new();
    let mut set_of: BTreeMap<(Value, usize), usize> = BTreeMap::new();
    for dense in [false, true] {
        let of_kind =
            readers.iter().filter(|(reader, _)| matches!(operations[**reader].kind, Kind::Dense { .. }) == dense);
        for (&reader, pieces) in of_kind {
            let name = &operations[reader].name;
            let nodes = pieces.iter().enumerate().filter(|(_, piece)| !piece.writers.is_empty());
            for (branch, piece) in nodes {
                let name = if pieces.len() == 1 { name.clone() } else { format!("{name}, branch {}", branch + 1) };
                set_of.insert((reader, branch), node_sets.len());
                node_sets.push(NodeSet { name, size: piece.len });
            }
        }
    }
    let mut blocks = Vec::new();
    for (&convolution, own) in &readers {
        let sources: Vec<(usize, usize, usize)> = own
            .iter()
            .enumerate()
            .scan(0, |first, (branch, piece)| {
                let at = *first;
                *first += piece.len;
                Some((branch, at, piece.len))
            })
            .filter_map(|(branch, at, len)| Some((*set_of.get(&(convolution, branch))?, at, len)))
            .collect();
        if sources.is_empty() || !matches!(operations[convolution].kind, Kind::Convolution { .. }) {
            continue;
        }
        let weights = norms(network, convolution, &network.weight(&operations[convolution].kind)?);
        for (&(reader, branch), &target) in &set_of {
            let piece = &readers[&reader][branch];
            let writers: Vec<&Writer> = piece.writers.iter().filter(|w| w.convolution == convolution).collect();
            if writers.is_empty() {
                continue;
            }
            for &(source, first, len) in &sources {
                let mut block = Array2::zeros((len, piece.len));
                for writer in &writers {
                    for o in 0..writer.len {
                        let factor = writer.factor.as_ref().map_or(1.0, |factor| factor[o]);
                        let column = weights.slice(s![first..first + len, writer.output + o]);
                        block.column_mut(writer.at + o).scaled_add(factor, &column);
                    }
                }
                blocks.push(mlp::block(source, target, &block));
            }
        }
    }
    Ok(NeuronGraph { node_sets, blocks })
}

fn norms(network: &Network, convolution: Value, weight: &ArrayD<f64>) -> Array2<f64> {
    let operation = &network.dataflow.operations[convolution];
    let inputs = network.channels[operation.inputs[0]].unwrap_or(0);
    matrix(weight, &operation.kind, inputs, network.params.norm, Of::Matrix)
}

/// What each convolution, and each dense layer that convolutions reach, reads.
fn readers(network: &Network) -> Result<BTreeMap<Value, Vec<Piece>>, InputError> {
    let mut readers = BTreeMap::new();
    let mut of: Vec<Vec<Piece>> = Vec::new();
    for (value, operation) in network.dataflow.operations.iter().enumerate() {
        let given = |input: usize| of[operation.inputs[input]].clone();
        let pieces = match &operation.kind {
            Kind::Input => vec![Piece { len: network.channels[value].unwrap_or(0), writers: Vec::new() }],
            Kind::Convolution { weight, groups } if *groups > 1 && weight.shape[..2] == [*groups, 1] => {
                let norms = norms(network, value, &network.weight(&operation.kind)?);
                scaled(given(0), &norms.diag().to_vec())
            }
            Kind::Convolution { weight, .. } => {
                readers.insert(value, given(0));
                let len = weight.shape[0];
                vec![Piece { len, writers: vec![Writer { convolution: value, output: 0, at: 0, len, factor: None }] }]
            }
            Kind::Dense { .. } => {
                let pieces = given(0);
                if pieces.iter().any(|piece| !piece.writers.is_empty()) {
                    readers.insert(value, pieces);
                }
                Vec::new()
            }
            Kind::BatchNorm { .. } | Kind::Scale { .. } => match given(0) {
                pieces if pieces.is_empty() => pieces,
                pieces => match network.scale(value)? {
                    Some(scale) => scaled(pieces, &scale),
                    None => pieces,
                },
            },
            Kind::Pointwise | Kind::Identity | Kind::Flatten { .. } => given(0),
            Kind::Add => sum((0..operation.inputs.len()).map(given).collect()),
            Kind::Concat => (0..operation.inputs.len()).flat_map(given).collect(),
            Kind::Slice { from, to } => window(given(0), *from, *to),
            Kind::Pad { before, after } => {
                let zeros = |len| (len > 0).then(|| Piece { len, writers: Vec::new() });
                zeros(*before).into_iter().chain(given(0)).chain(zeros(*after)).collect()
            }
            Kind::Unsupported { .. } => Vec::new(),
        };
        of.push(pieces);
    }
    Ok(readers)
}

fn scaled(mut pieces: Vec<Piece>, scale: &[f64]) -> Vec<Piece> {
    let mut first = 0;
    for piece in &mut pieces {
        for writer in &mut piece.writers {
            let scale = &scale[first + writer.at..first + writer.at + writer.len];
            writer.factor = Some(match &writer.factor {
                None => scale.into(),
                Some(factor) => factor.iter().zip(scale).map(|(a, b)| a * b).collect(),
            });
        }
        first += piece.len;
    }
    pieces
}

/// Channels `from..to`.
fn window(pieces: Vec<Piece>, from: usize, to: usize) -> Vec<Piece> {
    let mut first = 0;
    let mut within = Vec::new();
    for piece in pieces {
        let (a, b) = (from.max(first) - first, to.clamp(first, first + piece.len) - first);
        if a < b {
            let writers = piece.writers.iter().filter_map(|writer| writer.window(a, b)).collect();
            within.push(Piece { len: b - a, writers });
        }
        first += piece.len;
    }
    within
}

/// All writers of values that are added. Where they are not divided alike, they are one piece.
fn sum(values: Vec<Vec<Piece>>) -> Vec<Piece> {
    let lengths = |pieces: &[Piece]| pieces.iter().map(|piece| piece.len).collect::<Vec<_>>();
    let alike = values.windows(2).all(|pair| lengths(&pair[0]) == lengths(&pair[1]));
    let values = values.into_iter().map(|pieces| if alike { pieces } else { whole(pieces) });
    values
        .reduce(|mut all, pieces| {
            all.iter_mut().zip(pieces).for_each(|(piece, other)| piece.writers.extend(other.writers));
            all
        })
        .unwrap_or_default()
}

fn whole(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut one = Piece { len: 0, writers: Vec::new() };
    for piece in pieces {
        one.writers.extend(piece.writers.into_iter().map(|writer| Writer { at: writer.at + one.len, ..writer }));
        one.len += piece.len;
    }
    vec![one]
}
