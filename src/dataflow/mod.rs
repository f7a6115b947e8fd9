//! What a network does with its input, as far as its graph depends on it: which layer's channels reach which other layer.
//!
//! A [`Dataflow`] is a list of operations, each on what earlier ones gave. Importers ([`crate::model`]) fill it from
//! TorchScript, ONNX and `torch.export`, or from the names of tensors; graphs ([`crate::graph`]) are read off it. Nothing
//! in it is computed: weights are named, and read when a graph needs them.
//!
//! What leaves every channel its own is one operation, [`Kind::Pointwise`]: an activation, a pooling, padding of pixels. Dropout and shifts
//! are [`Kind::Identity`]; biases of layers are none at all.

use crate::InputError;
use std::collections::HashMap;

/// The number of the operation that gives it.
pub type Value = usize;

/// A tensor of a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorName {
    /// As in [`crate::model::TensorFile::entries`].
    pub name: String,
    /// Extent of each axis.
    pub shape: Vec<usize>,
}

/// How a dense layer's weight is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `(outputs, inputs)`: PyTorch, and `Gemm` with `transB`.
    OutIn,
    /// `(inputs, outputs)`: ONNX `MatMul`.
    InOut,
}

/// What channels are multiplied by. A tensor has as many elements as there are channels, or one; axes of extent 1 do not count.
#[derive(Debug, Clone, PartialEq)]
pub enum Factor {
    /// A tensor.
    Times(TensorName),
    /// One over a tensor.
    Over(TensorName),
    /// A number, for all channels.
    Number(f64),
}

/// What an operation does with channels.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The network's input.
    Input,
    /// A convolution of one or more axes.
    Convolution {
        /// `(outputs, inputs / groups, pixels…)`.
        weight: TensorName,
        /// Output channels and input channels fall into so many groups; those of one group alone are connected.
        groups: usize,
    },
    /// A dense layer.
    Dense {
        /// Two axes, as `layout` says.
        weight: TensorName,
        /// Which axis is which.
        layout: Layout,
    },
    /// Batch normalisation with running statistics: each channel is multiplied by `γ / √(variance + ε)`.
    BatchNorm {
        /// γ; ones if absent.
        gamma: Option<TensorName>,
        /// Running variance.
        variance: TensorName,
        /// ε.
        epsilon: f64,
    },
    /// Each channel is multiplied by a constant, or all of them by one.
    Scale {
        /// By what.
        factor: Factor,
    },
    /// Leaves every channel its own.
    Pointwise,
    /// Leaves every channel as it is, up to a constant: dropout in inference, a shift.
    Identity,
    /// Images to units, channel after channel.
    Flatten {
        /// Units of each channel, where known.
        pixels: Option<usize>,
    },
    /// Sums values channel by channel.
    Add,
    /// Channels of one value after those of another.
    Concat,
    /// Some channels.
    Slice {
        /// The first.
        from: usize,
        /// The one after the last.
        to: usize,
    },
    /// Channels of zeros.
    Pad {
        /// Before the first.
        before: usize,
        /// After the last.
        after: usize,
    },
    /// Whatever a graph cannot be drawn through: an error, if the output depends on it.
    Unsupported {
        /// What the file calls it, as `aten::conv_transpose2d`.
        operation: String,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Of the module or node in the file: `layer1.0.conv1`. Convolutions and dense layers are called so in the graph.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// What it takes, all given by earlier operations. One value, but for [`Kind::Input`] (none), [`Kind::Add`] and [`Kind::Concat`] (one or more).
    pub inputs: Vec<Value>,
}

/// What a network does, from input to output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dataflow {
    /// In the order in which they are done.
    pub operations: Vec<Operation>,
    /// What the network returns.
    pub outputs: Vec<Value>,
}

impl Dataflow {
    /// Appends an operation.
    ///
    /// # Panics
    ///
    /// If it takes what is not there yet.
    pub fn push(&mut self, name: impl Into<String>, kind: Kind, inputs: &[Value]) -> Value {
        let value = self.operations.len();
        assert!(inputs.iter().all(|&input| input < value), "operation {value} takes what comes later");
        self.operations.push(Operation { name: name.into(), kind, inputs: inputs.to_vec() });
        value
    }

    /// Without what the outputs do not depend on, as the auxiliary heads of a network in inference.
    #[must_use]
    pub fn live(self) -> Self {
        let mut live = vec![false; self.operations.len()];
        self.outputs.iter().for_each(|&output| live[output] = true);
        for (value, operation) in self.operations.iter().enumerate().rev() {
            if live[value] {
                operation.inputs.iter().for_each(|&input| live[input] = true);
            }
        }
        let mut number = HashMap::new();
        let mut operations = Vec::new();
        for (value, mut operation) in self.operations.into_iter().enumerate().filter(|(value, _)| live[*value]) {
            number.insert(value, operations.len());
            operation.inputs.iter_mut().for_each(|input| *input = number[input]);
            operations.push(operation);
        }
        Self { operations, outputs: self.outputs.iter().map(|output| number[output]).collect() }
    }

    /// The tensors that its operations name, as often as they do.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorName> {
        self.operations.iter().flat_map(|operation| match &operation.kind {
            Kind::Convolution { weight, .. } | Kind::Dense { weight, .. } => vec![weight],
            Kind::BatchNorm { gamma, variance, .. } => gamma.iter().chain([variance]).collect(),
            Kind::Scale { factor: Factor::Times(tensor) | Factor::Over(tensor) } => vec![tensor],
            _ => vec![],
        })
    }

    /// Number of operations that take each value.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.operations.len()];
        self.operations.iter().flat_map(|operation| &operation.inputs).for_each(|&input| readers[input] += 1);
        readers
    }

    /// Number of channels of each value, units of dense layers; `None` where the file does not say, as of an input that nothing reads.
    ///
    /// # Errors
    ///
    /// What does not fit: a layer that reads other than so many channels, unequal values that are added, a weight of other axes than its
    /// layer has; or an operation that a graph cannot be drawn through. The place is that of the operation, behind `path`.
    pub fn channels(&self, path: &str) -> Result<Vec<Option<usize>>, InputError> {
        let inputs = self.input_channels();
        let mut channels: Vec<Option<usize>> = Vec::with_capacity(self.operations.len());
        // Units of each channel, where known; of images, none.
        let mut units: Vec<Option<Option<usize>>> = Vec::with_capacity(self.operations.len());
        for (value, operation) in self.operations.iter().enumerate() {
            let fault = |problem: String| {
                InputError::new(format!("{path}, {}", operation.name), problem, "export the network again")
            };
            let first = operation.inputs.first().copied();
            let given = first.and_then(|input| channels[input]);
            let mut own_units = first.and_then(|input| units[input]);
            let flattened = own_units.is_some();
            let of_layer = |expected: usize, what: &str| match given {
                Some(given) if given != expected => {
                    Err(fault(format!("{what} {expected} channels and is given {given}")))
                }
                _ => Ok(()),
            };
            let gives = match &operation.kind {
                Kind::Input => inputs.get(&value).copied(),
                Kind::Convolution { weight, groups } => {
                    let [outputs, inputs, pixels @ ..] = weight.shape.as_slice() else {
                        return Err(fault(format!("is a convolution with a weight of shape {:?}", weight.shape)));
                    };
                    if pixels.is_empty() || weight.shape.contains(&0) || *groups == 0 || outputs % groups != 0 {
                        let problem =
                            format!("is a convolution with a weight of shape {:?} in {groups} groups", weight.shape);
                        return Err(fault(problem));
                    }
                    if flattened {
                        return Err(InputError::new(
                            format!("{path}, {}", operation.name),
                            "is a convolution behind a dense layer or a flattened image, between which no graph is defined",
                            "measure the part of the network up to there",
                        ));
                    }
                    of_layer(inputs.saturating_mul(*groups), "reads")?;
                    Some(*outputs)
                }
                Kind::Dense { weight, layout } => {
                    let [rows, columns] = weight.shape[..] else {
                        return Err(fault(format!("is a dense layer with a weight of shape {:?}", weight.shape)));
                    };
                    let (outputs, inputs) = if *layout == Layout::OutIn { (rows, columns) } else { (columns, rows) };
                    if outputs == 0 || inputs == 0 {
                        return Err(fault(format!("is a dense layer with a weight of shape {:?}", weight.shape)));
                    }
                    if let Some(given) = given
                        && !inputs.is_multiple_of(given)
                    {
                        let problem = format!(
                            "reads {inputs} inputs and is given {given} channels, perhaps of images of several sizes"
                        );
                        let place = format!("{path}, {}", operation.name);
                        return Err(InputError::new(
                            place,
                            problem,
                            "measure the convolutions alone, or export the network again",
                        ));
                    }
                    own_units = Some(Some(1));
                    Some(outputs)
                }
                Kind::BatchNorm { variance, .. } if !flattened => {
                    let count = variance.shape.iter().product();
                    of_layer(count, "normalises")?;
                    Some(count)
                }
                Kind::Scale { factor: Factor::Times(tensor) | Factor::Over(tensor) } if !flattened => {
                    let count: usize = tensor.shape.iter().product();
                    if count != 1 {
                        of_layer(count, "scales")?;
                    }
                    given
                }
                Kind::BatchNorm { .. } | Kind::Scale { .. } | Kind::Pointwise | Kind::Identity => given,
                Kind::Flatten { pixels } => {
                    own_units = Some(*pixels);
                    given
                }
                Kind::Add => {
                    let widths: Vec<usize> = operation.inputs.iter().filter_map(|&input| channels[input]).collect();
                    if widths.windows(2).any(|pair| pair[0] != pair[1]) {
                        return Err(fault(format!("adds values of {widths:?} channels")));
                    }
                    widths.first().copied()
                }
                Kind::Concat => {
                    let parts: Vec<_> = operation.inputs.iter().map(|&input| units[input]).collect();
                    let alike = parts.windows(2).all(|pair| pair[0] == pair[1]) && parts.first() != Some(&Some(None));
                    if parts.len() > 1 && parts.iter().any(Option::is_some) && !alike {
                        return Err(InputError::new(
                            format!("{path}, {}", operation.name),
                            "joins flattened images, of which the numbers of pixels differ or are not known",
                            "measure the convolutions alone, or export the network to ONNX or with torch.export",
                        ));
                    }
                    operation.inputs.iter().map(|&input| channels[input]).sum()
                }
                Kind::Slice { from, to } => {
                    if from > to || given.is_some_and(|given| *to > given) {
                        return Err(fault(format!("takes channels {from} to {to} of {}", given.unwrap_or(0))));
                    }
                    Some(to - from)
                }
                Kind::Pad { before, after } => given.map(|given| given + before + after),
                Kind::Unsupported { operation: what } => {
                    return Err(InputError::new(
                        format!("{path}, {}", operation.name),
                        format!("has the operation {what}, through which no graph is drawn"),
                        "measure the part of the network up to there, or export it without",
                    ));
                }
            };
            channels.push(gives);
            units.push(own_units);
        }
        Ok(channels)
    }

    /// Number of channels of each input, or of units where a dense layer reads it: as the first layer that reads it has them. Where only
    /// slices of it are read, they say how many there are at least.
    fn input_channels(&self) -> HashMap<Value, usize> {
        let (mut told, mut least): (HashMap<Value, usize>, HashMap<Value, usize>) = Default::default();
        for operation in &self.operations {
            let (Some(&first), Some(inputs)) = (operation.inputs.first(), operation.kind.inputs()) else { continue };
            let (mut value, mut wanted, mut exact) = (first, inputs, true);
            while let Operation { kind, inputs, .. } = &self.operations[value]
                && let Some(&before) = inputs.first()
            {
                match kind {
                    Kind::Pointwise | Kind::Identity | Kind::Scale { .. } | Kind::Flatten { .. } => {}
                    Kind::Pad { before, after } => wanted = wanted.saturating_sub(before + after),
                    Kind::Slice { to, .. } => (wanted, exact) = (*to, false),
                    Kind::Concat if inputs.iter().all(|input| *input == before) => wanted /= inputs.len(),
                    _ => break,
                }
                value = before;
            }
            if self.operations[value].kind == Kind::Input {
                match exact {
                    true => {
                        told.entry(value).or_insert(wanted);
                    }
                    false => {
                        least.entry(value).and_modify(|least| *least = wanted.max(*least)).or_insert(wanted);
                    }
                }
            }
        }
        least.extend(told);
        least
    }
}

impl Kind {
    /// Number of channels or units that a layer's weight says it reads.
    fn inputs(&self) -> Option<usize> {
        match self {
            Self::Convolution { weight, groups } => weight.shape.get(1)?.checked_mul(*groups),
            Self::Dense { weight, layout: Layout::OutIn } => weight.shape.get(1).copied(),
            Self::Dense { weight, layout: Layout::InOut } => weight.shape.first().copied(),
            Self::BatchNorm { variance, .. } => Some(variance.shape.iter().product()),
            _ => None,
        }
    }
}
