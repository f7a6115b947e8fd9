//! A dataflow in the making: what the operators of ONNX and of PyTorch have in common.
//!
//! An importer keeps an [`Operand`] under each name of its file and passes operands on. The draft decides what becomes
//! of channels, for which it keeps the axes of each value, as far as they can be known: batch first, channels second.

mod axes;

use std::fmt::Display;

use crate::dataflow::{Dataflow, Kind, Layout, TensorName, Value};
use crate::model::TensorEntry;

/// Extent of each axis, where known.
pub(super) type Extents = Vec<Option<usize>>;

/// What a name in a program stands for.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// Depends on the network's input.
    Data(Value),
    /// A tensor of the file.
    Constant(Constant),
    /// Whole numbers, where known: shapes, axes and what is computed from them.
    Numbers(Vec<Option<i64>>),
    /// Anything else that does not depend on the network's input.
    Computed,
}

/// A tensor of the file, perhaps under other axes.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    /// Position among the file's entries.
    pub entry: usize,
    /// As it is used.
    pub shape: Vec<usize>,
    /// The two axes of a matrix are exchanged.
    pub transposed: bool,
}

/// Where an operation stands, for names and messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    /// Of the node.
    pub name: &'a str,
    /// What the file calls the operation.
    pub operation: &'a str,
}

/// What is known of a value.
#[derive(Debug, Clone, Default)]
struct Form {
    extents: Option<Extents>,
    /// Axis 1 counts pixels too: an image became units.
    mixed: bool,
    /// One channel was picked, and its axis is gone.
    picked: bool,
}

/// A [`Dataflow`], and what is known of its values.
pub(super) struct Draft<'a> {
    entries: &'a [TensorEntry],
    flow: Dataflow,
    forms: Vec<Form>,
    /// The value that each comes from by pointwise operations alone.
    roots: Vec<Value>,
}

impl<'a> Draft<'a> {
    /// Of a file with these tensors.
    pub fn new(entries: &'a [TensorEntry]) -> Self {
        Self { entries, flow: Dataflow::default(), forms: vec![], roots: vec![] }
    }

    /// The whole, which returns `outputs`.
    pub fn finish(mut self, outputs: Vec<Value>) -> Dataflow {
        self.flow.outputs = outputs;
        self.flow
    }

    /// The tensor in the file behind a constant.
    pub fn entry(&self, constant: &Constant) -> &'a TensorEntry {
        &self.entries[constant.entry]
    }

    /// What the network is given.
    pub fn input(&mut self, name: &str, extents: Option<Extents>) -> Operand {
        self.push(name, Kind::Input, &[], Form { extents, ..Form::default() })
    }

    /// Axes of an operand, as far as they are known.
    pub fn extents(&self, operand: &Operand) -> Option<Extents> {
        match operand {
            Operand::Data(value) => self.forms[*value].extents.clone(),
            Operand::Constant(constant) => Some(constant.shape.iter().map(|&extent| Some(extent)).collect()),
            Operand::Numbers(numbers) => Some(vec![Some(numbers.len())]),
            Operand::Computed => None,
        }
    }

    /// Fills in what the file says of the axes of a value and the draft does not know.
    pub fn learn(&mut self, operand: &Operand, told: &Extents) {
        let Operand::Data(value) = operand else { return };
        match &mut self.forms[*value].extents {
            Some(known) if known.len() == told.len() => {
                known.iter_mut().zip(told).for_each(|(known, told)| *known = known.or(*told));
            }
            Some(_) => {}
            unknown => *unknown = Some(told.clone()),
        }
    }

    fn push(&mut self, name: &str, kind: Kind, inputs: &[Value], form: Form) -> Operand {
        let root = match (&kind, inputs) {
            (Kind::Pointwise, [input]) => Some(self.roots[*input]),
            _ => None,
        };
        let value = self.flow.push(name, kind, inputs);
        self.forms.push(form);
        self.roots.push(root.unwrap_or(value));
        Operand::Data(value)
    }

    fn follow(&mut self, site: Site, kind: Kind, input: Value, form: Form) -> Operand {
        self.push(site.name, kind, &[input], form)
    }

    /// Something that no graph can be drawn through; nothing where no operand depends on the input.
    pub fn unsupported(&mut self, site: Site, what: impl Display, operands: &[Operand]) -> Operand {
        let inputs: Vec<Value> = operands.iter().filter_map(data).collect();
        if inputs.is_empty() {
            return Operand::Computed;
        }
        let what = what.to_string();
        let operation = if what.is_empty() { site.operation.to_string() } else { format!("{} {what}", site.operation) };
        self.push(site.name, Kind::Unsupported { operation }, &inputs, Form::default())
    }

    /// Something that no graph can be drawn through, even without operands: what a branch or a body reads of the program
    /// around it is no operand.
    pub fn opaque(&mut self, site: Site, operands: &[Operand]) -> Operand {
        let inputs: Vec<Value> = operands.iter().filter_map(data).collect();
        self.push(site.name, Kind::Unsupported { operation: site.operation.into() }, &inputs, Form::default())
    }

    fn tensor(&self, constant: &Constant) -> TensorName {
        let TensorEntry { name, shape, .. } = self.entry(constant);
        TensorName { name: name.clone(), shape: shape.clone() }
    }

    /// Layers are called as the module whose weight they read, else as their node.
    fn layer_name<'b>(&self, site: Site<'b>, weight: &Constant) -> &'b str
    where
        'a: 'b,
    {
        self.entry(weight).name.strip_suffix(".weight").filter(|name| !name.is_empty()).unwrap_or(site.name)
    }

    /// A convolution of `input` by a weight `(outputs, inputs / groups, pixels…)`.
    pub fn convolution(&mut self, site: Site, input: &Operand, weight: &Operand, groups: usize) -> Operand {
        let Operand::Data(value) = *input else {
            return self.unsupported(site, "of a constant", std::slice::from_ref(weight));
        };
        let Operand::Constant(constant) = weight else {
            return self.unsupported(site, "with a weight that is computed", &[input.clone(), weight.clone()]);
        };
        let stored = &self.entry(constant).shape;
        if constant.transposed || constant.shape != *stored {
            return self.unsupported(site, "with a weight that is rearranged", std::slice::from_ref(input));
        }
        let rank = stored.len();
        if self.forms[value].extents.as_ref().is_some_and(|extents| extents.len() != rank) {
            return self.unsupported(site, "of an image without a batch axis", std::slice::from_ref(input));
        }
        let mut extents = vec![None; rank];
        if let Some(first) = extents.first_mut() {
            *first = self.extent(value, 0);
        }
        if let Some(channels) = extents.get_mut(1) {
            *channels = stored.first().copied();
        }
        let form = Form { extents: Some(extents), ..Form::default() };
        let kind = Kind::Convolution { weight: self.tensor(constant), groups };
        let name = self.layer_name(site, constant).to_string();
        self.push(&name, kind, &[value], form)
    }

    /// A dense layer on the last axis of `input`; `layout` is that of the weight as it is used.
    pub fn dense(&mut self, site: Site, input: &Operand, weight: &Operand, layout: Layout) -> Operand {
        let both = [input.clone(), weight.clone()];
        let (Operand::Data(value), Operand::Constant(constant)) = (input, weight) else {
            return self.unsupported(site, "by a weight that is no tensor of the file", &both);
        };
        let rank = self.rank(*value);
        if rank.is_some_and(|rank| rank > 2) || self.forms[*value].picked {
            return self.unsupported(site, "of more than two axes", &both);
        }
        let stored = &self.entry(constant).shape;
        let used = if constant.transposed { stored.iter().rev().copied().collect() } else { stored.clone() };
        if used != constant.shape {
            return self.unsupported(site, "with a weight that is rearranged", &both);
        }
        let layout = match (layout, constant.transposed) {
            (layout, false) => layout,
            (Layout::OutIn, true) => Layout::InOut,
            (Layout::InOut, true) => Layout::OutIn,
        };
        let outputs = if layout == Layout::OutIn { stored.first() } else { stored.last() }.copied();
        let extents = if rank == Some(1) { vec![outputs] } else { vec![self.extent(*value, 0), outputs] };
        let kind = Kind::Dense { weight: self.tensor(constant), layout };
        let name = self.layer_name(site, constant).to_string();
        self.push(&name, kind, &[*value], Form { extents: Some(extents), ..Form::default() })
    }

    /// Batch normalisation with running statistics.
    pub fn batch_norm(
        &mut self,
        site: Site,
        input: &Operand,
        gamma: Option<&Operand>,
        variance: &Operand,
        epsilon: f64,
    ) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed };
        let gamma = match gamma {
            None => Some(None),
            Some(Operand::Constant(constant)) => Some(Some(self.tensor(constant))),
            Some(_) => None,
        };
        let (Some(gamma), Operand::Constant(variance)) = (gamma, variance) else {
            return self.unsupported(
                site,
                "with statistics that are no tensors of the file",
                std::slice::from_ref(input),
            );
        };
        let kind = Kind::BatchNorm { gamma, variance: self.tensor(variance), epsilon };
        let form = self.forms[value].clone();
        self.follow(site, kind, value, form)
    }

    /// Leaves every channel its own, and the axes what they are; `pooled` pixels are another number of them.
    pub fn pointwise(&mut self, site: Site, input: &Operand, pooled: bool) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed };
        let mut form = self.forms[value].clone();
        if let (true, Some(extents)) = (pooled, &mut form.extents) {
            extents.iter_mut().skip(2).for_each(|extent| *extent = None);
        }
        self.follow(site, Kind::Pointwise, value, form)
    }

    /// A sum: of two values channel by channel, or of a value and a constant.
    pub fn sum(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (Operand::Data(left_value), Operand::Data(right_value)) => {
                let (one, other) = (&self.forms[*left_value], &self.forms[*right_value]);
                let ranks = (self.rank(*left_value), self.rank(*right_value));
                if one.picked != other.picked || matches!(ranks, (Some(one), Some(other)) if one != other) {
                    return self.unsupported(
                        site,
                        "of values with other numbers of axes",
                        &[left.clone(), right.clone()],
                    );
                }
                let form = if one.extents.is_some() { one.clone() } else { other.clone() };
                self.push(site.name, Kind::Add, &[*left_value, *right_value], form)
            }
            (Operand::Data(_), constant) => self.shifted(site, left, constant),
            (constant, _) => self.shifted(site, right, constant),
        }
    }

    /// A value plus, minus or compared with a constant.
    pub fn shifted(&mut self, site: Site, input: &Operand, constant: &Operand) -> Operand {
        let ranks = (self.extents(input).map(|axes| axes.len()), self.extents(constant).map(|axes| axes.len()));
        match ranks {
            (Some(rank), Some(other)) if other > rank => {
                self.unsupported(site, "with a constant of more axes", std::slice::from_ref(input))
            }
            _ => self.pointwise(site, input, false),
        }
    }

    /// A product: of a value and a constant, or of two values that both come from one by pointwise operations alone.
    pub fn product(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (Operand::Data(one), Operand::Data(other)) => {
                if self.roots[*one] == self.roots[*other] {
                    let widest = if self.rank(*other) > self.rank(*one) { right } else { left };
                    return self.pointwise(site, widest, false);
                }
                self.unsupported(site, "of two values", &[left.clone(), right.clone()])
            }
            (Operand::Data(value), constant) => self.scaled(site, *value, constant, false),
            (constant, Operand::Data(value)) => self.scaled(site, *value, constant, false),
            _ => Operand::Computed,
        }
    }

    /// A quotient by a constant, or of two values as in [`Draft::product`].
    pub fn quotient(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (Operand::Data(_), Operand::Data(_)) => self.product(site, left, right),
            (Operand::Data(value), constant) => self.scaled(site, *value, constant, true),
            _ => self.unsupported(site, "of a constant", &[left.clone(), right.clone()]),
        }
    }

    fn scaled(&mut self, site: Site, value: Value, factor: &Operand, inverse: bool) -> Operand {
        let input = Operand::Data(value);
        let constant = match factor {
            Operand::Constant(constant) => constant,
            Operand::Numbers(numbers) if numbers.len() == 1 => return self.pointwise(site, &input, false),
            _ => return self.unsupported(site, "by a factor that is computed", &[input]),
        };
        // Empty axes too are none along which the channels lie.
        let wide: Vec<usize> = (0..constant.shape.len()).filter(|&axis| constant.shape[axis] != 1).collect();
        let (Some(rank), false) = (self.rank(value), self.forms[value].picked) else {
            return match wide.as_slice() {
                [] => self.pointwise(site, &input, false),
                _ => self.unsupported(site, "by a factor for each element", &[input]),
            };
        };
        let channel_axis = rank.min(2).saturating_sub(1);
        let per_channel = wide.iter().all(|axis| axis + rank == channel_axis + constant.shape.len());
        match wide.as_slice() {
            _ if constant.shape.len() > rank => self.unsupported(site, "by a constant of more axes", &[input]),
            [] => self.pointwise(site, &input, false),
            [_] if per_channel && !inverse => {
                let form = self.forms[value].clone();
                self.follow(site, Kind::Scale { factor: self.tensor(constant) }, value, form)
            }
            [_] if per_channel => self.unsupported(site, "by a constant for each channel", &[input]),
            _ => self.unsupported(site, "by a factor for each pixel", &[input]),
        }
    }

    /// Number of axes of a value.
    fn rank(&self, value: Value) -> Option<usize> {
        self.forms[value].extents.as_ref().map(Vec::len)
    }

    fn extent(&self, value: Value, axis: usize) -> Option<usize> {
        *self.forms[value].extents.as_ref()?.get(axis)?
    }
}

/// The value behind an operand that depends on the input.
pub(super) fn data(operand: &Operand) -> Option<Value> {
    match operand {
        Operand::Data(value) => Some(*value),
        _ => None,
    }
}
