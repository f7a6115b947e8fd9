//! Networks with channels to a graph: what a layer's channels are joined to, and how strongly.
//!
//! There are three answers, because a channel of a network with skips or branches can be seen in three ways.
//!
//! | [`Convention`] | a node is | the question it answers |
//! |---|---|---|
//! | [`Paper`](Convention::Paper) | an output channel of a convolution | which convolutions' channels feed which others', whatever lies between |
//! | [`Authors`](Convention::Authors) | an input channel of one convolution, or of the first dense layer | what the published figures are: a channel that several layers read is as many nodes, each of which a shuffle treats apart |
//! | [`Residual`](Convention::Residual) | a channel of the residual stream, or of a convolution that no sum follows | do parts of the network keep to their own share of the stream, which all blocks read and write |
//!
//! In a chain of convolutions the three are one, up to the norm.

mod arrival;
mod authors;
mod kernel;
mod paper;
mod residual;

use super::NeuronGraph;
use crate::InputError;
use crate::dataflow::{Dataflow, Factor, Kind, Operation, TensorName};
pub use kernel::Norm;
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

/// Which layers of a convolutional network its graph has. A network of dense layers is always there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GraphLayers {
    /// The channels of convolutions: the image and the dense layers behind are left out (paper, section 1.1).
    #[default]
    Convolutions,
    /// The image's channels and the neurons of dense layers too.
    All,
}

/// What the nodes are, and which norm of a kernel's slice is an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// Output channels of convolutions; entrywise norms; batch normalisation behind a convolution belongs to it, any other to its readers.
    #[default]
    Paper,
    /// What the paper's authors ran: input channels of convolutions, once for each that reads them, and for each branch of a concatenation;
    /// matrix norms; batch normalisation on every path on its own.
    Authors,
    /// As [`Convention::Paper`], with channels that are added to each other as one node, shared by all their writers and readers.
    Residual,
}

/// How a network becomes a graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphParams {
    /// What the nodes are.
    pub convention: Convention,
    /// What an edge weighs.
    pub norm: Norm,
    /// Which layers are in it.
    pub layers: GraphLayers,
    /// Whether batch normalisation counts. The authors meant it to, but never did it for their VGG on CIFAR-10.
    pub batch_norm: bool,
    /// Share of each layer's smallest weights that are taken for 0, in `[0, 1)`.
    pub prune: f64,
    /// Weights of a smaller magnitude are taken for 0, before any are pruned. Decay drives the weights of dead neurons to 1e-8 and
    /// less, and denormal ones; no edge that a network uses.
    pub least_weight: f64,
}

impl Default for GraphParams {
    fn default() -> Self {
        Self {
            convention: Convention::Paper,
            norm: Norm::L1,
            layers: GraphLayers::Convolutions,
            batch_norm: true,
            prune: 0.0,
            least_weight: 0.0,
        }
    }
}

/// A network whose weights can be read.
pub struct Weighted<'a> {
    /// What it does. What its outputs do not depend on is left out.
    pub dataflow: Dataflow,
    /// Its file, for messages.
    pub path: &'a str,
    /// Reads one of the tensors that the dataflow names, f64.
    pub read: &'a dyn Fn(&TensorName) -> Result<ArrayD<f64>, InputError>,
}

/// The graph of a network: channels are nodes, and an edge weighs what leads from one to the other.
///
/// ```text
/// A_io = Σ_ab |K_oi,ab|  between channels        A_ij = Σ_p |W_j,(i,p)|  from channel i, with pixels p, to neuron j
/// ```
///
/// for each path from channel i to the layer of kernels K that crosses no other layer of the graph, times |γ| / √(variance + ε) of the batch
/// normalisations that belong to it; several paths add up. Biases are left out. An image is flattened channel after channel. Layers are
/// in the order in which they are done; the first node set of [`GraphLayers::All`] is called `input`.
///
/// Batch normalisation is folded as inference engines do it: directly behind a layer or with nothing but dropout, shifts and scales between,
/// and the only reader of it, it scales that layer's outputs (and so the edges that lead to them); elsewhere, what passes through it. So a network that was folded beforehand
/// has the same graph.
///
/// # Errors
///
/// What does not fit in the dataflow ([`Dataflow::channels`]); no layer or only one that could be a node set; a weight that cannot be
/// read, or a variance below 0.
///
/// # References
///
/// * Filan et al. (2021), *Clusterability in Neural Networks*, section 1.1.
///
/// # Deviations
///
/// The authors' code has the matrix norm of a kernel's slice where the paper has the entrywise one, and keeps the sign of γ, so that some
/// of its edges are negative; [`Convention::Authors`] has the first and not the second.
pub fn channel_graph(network: Weighted, params: GraphParams) -> Result<NeuronGraph, InputError> {
    let network = Network::new(network, params)?;
    match params.convention {
        Convention::Paper => paper::graph(&network),
        Convention::Authors => authors::graph(&network),
        Convention::Residual => residual::graph(&network),
    }
}

/// Without what is behind flattened images, if there are convolutions before and nothing there that no graph is drawn through: how dense
/// layers are joined does not matter then.
fn without_units(mut dataflow: Dataflow) -> Dataflow {
    let operations = &dataflow.operations;
    let mut behind = vec![false; operations.len()];
    for (value, operation) in operations.iter().enumerate() {
        behind[value] =
            matches!(operation.kind, Kind::Flatten { .. }) || operation.inputs.iter().any(|&input| behind[input]);
    }
    let matters = |kind: &Kind| matches!(kind, Kind::Convolution { .. } | Kind::Unsupported { .. });
    let any_convolution = operations.iter().any(|operation| matches!(operation.kind, Kind::Convolution { .. }));
    if !any_convolution || operations.iter().zip(&behind).any(|(operation, &behind)| behind && matters(&operation.kind))
    {
        return dataflow;
    }
    let images = operations.iter().zip(&behind).filter(|(_, behind)| **behind);
    let images = images.flat_map(|(operation, _)| operation.inputs.iter().copied()).filter(|&input| !behind[input]);
    dataflow.outputs = dataflow.outputs.iter().copied().filter(|&output| !behind[output]).chain(images).collect();
    dataflow.live()
}

/// A network that was looked through.
struct Network<'a> {
    dataflow: Dataflow,
    path: &'a str,
    read: &'a dyn Fn(&TensorName) -> Result<ArrayD<f64>, InputError>,
    params: GraphParams,
    /// Of each value; `None` if nothing depends on it.
    channels: Vec<Option<usize>>,
}

/// The node sets of the layers that the graph has.
struct NodeSets {
    /// The one of each operation, if it is such a layer.
    of: Vec<Option<usize>>,
    /// Number of nodes of each.
    sizes: Vec<usize>,
}

impl<'a> Network<'a> {
    fn new(network: Weighted<'a>, mut params: GraphParams) -> Result<Self, InputError> {
        let Weighted { dataflow, path, read } = network;
        let mut dataflow = dataflow.live();
        if params.layers == GraphLayers::Convolutions && params.convention != Convention::Authors {
            dataflow = without_units(dataflow);
        }
        let channels = dataflow.channels(path)?;
        let count = |layer: fn(&Kind) -> bool| dataflow.operations.iter().filter(|o| layer(&o.kind)).count();
        let convolutions = count(|kind| matches!(kind, Kind::Convolution { .. }));
        let dense = count(|kind| matches!(kind, Kind::Dense { .. }));
        if convolutions == 0 {
            params.layers = GraphLayers::All;
        }
        let few = |problem: &str, remedy: &str| Err(InputError::new(path, problem, remedy));
        let is_unknown =
            |(operation, channels): (&Operation, &Option<usize>)| operation.kind == Kind::Input && channels.is_none();
        let unknown = params.layers == GraphLayers::All && dataflow.operations.iter().zip(&channels).any(is_unknown);
        match (convolutions, params.layers) {
            (0, _) if dense == 0 => few(
                "has no hidden channels: its output depends on no convolution and no dense layer",
                "measure a network with layers of weights",
            ),
            (1, GraphLayers::Convolutions) => few(
                "has 1 convolution, and a graph of convolutions has two or more",
                "measure all its layers (--layers all)",
            ),
            (1.., GraphLayers::All) if params.convention == Convention::Authors => few(
                "was to have all its layers for nodes, and the authors' convention has those that convolutions read alone",
                "leave --layers all out",
            ),
            _ if unknown => few(
                "does not say how many channels or units its input has",
                "export it without what is done to the input before the first layer",
            ),
            _ => Ok(Self { dataflow, path, read, params, channels }),
        }
    }

    /// Whether the layer's channels are nodes.
    fn is_layer(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Convolution { .. } => true,
            Kind::Dense { .. } | Kind::Input => self.params.layers == GraphLayers::All,
            _ => false,
        }
    }

    /// A layer's weight, small ones dropped and pruned if that is asked for.
    fn weight(&self, kind: &Kind) -> Result<ArrayD<f64>, InputError> {
        let (Kind::Convolution { weight, .. } | Kind::Dense { weight, .. }) = kind else {
            panic!("{kind:?} has no weight");
        };
        let mut weight = (self.read)(weight)?;
        kernel::drop_below(&mut weight, self.params.least_weight);
        if self.params.prune > 0.0 {
            kernel::prune(&mut weight, self.params.prune);
        }
        Ok(weight)
    }

    /// What a batch normalisation or scale multiplies the magnitude of each channel by; `None` for nothing.
    fn scale(&self, operation: usize) -> Result<Option<Vec<f64>>, InputError> {
        let operation = &self.dataflow.operations[operation];
        let place = || format!("{}, {}", self.path, operation.name);
        let factors: Vec<f64> = match &operation.kind {
            Kind::BatchNorm { .. } if !self.params.batch_norm => return Ok(None),
            Kind::BatchNorm { gamma, variance, epsilon } => {
                let deviation = (self.read)(variance)?;
                if let Some(low) = deviation.iter().find(|&&variance| variance + epsilon <= 0.0) {
                    let problem = format!("normalises by a variance of {low} with ε = {epsilon}");
                    return Err(InputError::new(place(), problem, "save the network again, or train it on"));
                }
                let deviation = deviation.iter().map(|variance| (variance + epsilon).sqrt());
                match gamma {
                    None => deviation.map(|deviation| 1.0 / deviation).collect(),
                    Some(gamma) => {
                        let gamma = (self.read)(gamma)?;
                        if gamma.len() != deviation.len() {
                            let problem = format!("has {} scales for {} channels", gamma.len(), deviation.len());
                            return Err(InputError::new(place(), problem, "save the network again"));
                        }
                        gamma.iter().zip(deviation).map(|(gamma, deviation)| gamma.abs() / deviation).collect()
                    }
                }
            }
            Kind::Scale { factor: Factor::Number(factor) } => vec![factor.abs()],
            Kind::Scale { factor: Factor::Times(factor) } => (self.read)(factor)?.iter().map(|x| x.abs()).collect(),
            Kind::Scale { factor: Factor::Over(divisor) } => {
                let divisor = (self.read)(divisor)?;
                if divisor.iter().any(|&x| x == 0.0) {
                    return Err(InputError::new(place(), "divides by zero", "save the network again"));
                }
                divisor.iter().map(|x| 1.0 / x.abs()).collect()
            }
            _ => return Ok(None),
        };
        let channels = self.channels[operation.inputs[0]];
        match (&factors[..], channels) {
            ([factor], Some(channels)) => Ok(Some(vec![*factor; channels])),
            (_, Some(channels)) if factors.len() != channels => {
                let problem = format!("scales {} numbers of {channels} channels, several for each", factors.len());
                Err(InputError::new(place(), problem, "measure the convolutions alone"))
            }
            _ => Ok(Some(factors)),
        }
    }
}

#[cfg(test)]
mod tests;
