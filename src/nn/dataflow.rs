//! What an architecture does, as its graph is drawn from it.

use super::architecture::Architecture;
use super::batch_norm::EPSILON;
use super::layer::Layer;
use crate::dataflow::{Dataflow, Kind, Layout, TensorName};

impl Architecture {
    /// Its operations, with the names that [`Network::parameters`](super::Network::parameters) and the statistics of batch normalisation
    /// have in files, of which layers have the first part: `layers.0`.
    pub fn dataflow(&self) -> Dataflow {
        let shapes = self.weights();
        let mut net = Dataflow::default();
        let mut value = net.push("input", Kind::Input, &[]);
        let mut next = 0;
        for layer in self.layers() {
            let tensor = |layer: usize, part: &str, shape: &[usize]| TensorName {
                name: format!("layers.{layer}.{part}"),
                shape: shape.to_vec(),
            };
            let kind = match layer {
                Layer::Dense { .. } | Layer::Convolution { .. } => {
                    let weight = tensor(next, "weight", &shapes[next]);
                    next += 1;
                    match layer {
                        Layer::Dense { .. } => Kind::Dense { weight, layout: Layout::OutIn },
                        _ => Kind::Convolution { weight, groups: 1 },
                    }
                }
                Layer::Relu | Layer::MaxPool { .. } => Kind::Pointwise,
                Layer::Dropout { .. } => Kind::Identity,
                Layer::Flatten => Kind::Flatten { pixels: None },
                Layer::BatchNorm => {
                    let before = next - 1;
                    let channels = &shapes[before][..1];
                    Kind::BatchNorm {
                        gamma: Some(tensor(before, "norm.weight", channels)),
                        variance: tensor(before, "norm.running_var", channels),
                        epsilon: EPSILON,
                    }
                }
            };
            let name = match &kind {
                Kind::Dense { .. } | Kind::Convolution { .. } => format!("layers.{}", next - 1),
                Kind::BatchNorm { .. } => format!("layers.{}.norm", next - 1),
                _ => String::new(),
            };
            value = net.push(name, kind, &[value]);
        }
        net.outputs = vec![value];
        net
    }
}
