//! A dataflow in the making: what the operators of ONNX and of PyTorch have in common.
//!
//! An importer keeps an [`Operand`] under each name of its file and passes operands on. The draft decides what becomes
//! of channels, for which it keeps the axes of each value, as far as they can be known: batch first, channels second.

mod arithmetic;
mod axes;
mod parts;

use std::fmt::Display;

use crate::dataflow::{Dataflow, Factor, Kind, Layout, Operation, TensorName, Value};
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
    /// Anything else that does not depend on the network's input, with its axes where they are known.
    Computed(Option<Extents>),
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
    /// No layer lies between the network's input and it.
    image: bool,
    /// An error function or a clamp was taken since its root: activations that are made of these have a factor of their own at the end.
    gate: bool,
    /// A product of a value and such a gate on it, without that factor.
    gated: bool,
    /// A factor lies between its root and it.
    scaled: bool,
}

/// A [`Dataflow`], and what is known of its values.
pub(super) struct Draft<'a> {
    entries: &'a [TensorEntry],
    flow: Dataflow,
    forms: Vec<Form>,
    /// The value that each comes from by pointwise operations and factors that all channels have in common.
    roots: Vec<Value>,
    /// Values that mix channels as a softmax does, which no layer may read, and what the file calls the operation.
    softmaxes: Vec<(Value, String)>,
}

impl<'a> Draft<'a> {
    /// Of a file with these tensors.
    pub fn new(entries: &'a [TensorEntry]) -> Self {
        Self { entries, flow: Dataflow::default(), forms: vec![], roots: vec![], softmaxes: vec![] }
    }

    /// The whole, which returns `outputs`.
    pub fn finish(mut self, outputs: Vec<Value>) -> Dataflow {
        let operations = &mut self.flow.operations;
        let mut read = vec![false; operations.len()];
        for at in (0..operations.len()).rev() {
            let is_layer = matches!(operations[at].kind, Kind::Convolution { .. } | Kind::Dense { .. });
            if is_layer || read[at] {
                operations[at].inputs.iter().for_each(|&input| read[input] = true);
            }
        }
        for (value, operation) in self.softmaxes.into_iter().filter(|&(value, _)| read[value]) {
            operations[value].kind = Kind::Unsupported { operation };
        }
        self.flow.outputs = outputs;
        self.flow
    }

    /// Number of values so far.
    pub fn len(&self) -> usize {
        self.forms.len()
    }

    /// Forgets all values but the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.flow.operations.truncate(count);
        self.forms.truncate(count);
        self.roots.truncate(count);
        self.softmaxes.retain(|&(value, _)| value < count);
    }

    /// Whether no graph can be drawn through what gives a value.
    pub fn is_unsupported(&self, value: Value) -> bool {
        matches!(self.flow.operations[value].kind, Kind::Unsupported { .. })
    }

    /// Whether two operands are other channels of the same value.
    pub fn are_disjoint(&self, one: &Operand, other: &Operand) -> bool {
        let slice = |operand: &Operand| match &self.flow.operations[data(operand)?] {
            Operation { kind: Kind::Slice { from, to }, inputs, .. } => Some((inputs[0], *from, *to)),
            _ => None,
        };
        match (slice(one), slice(other)) {
            (Some((of, from, to)), Some((of_other, after, end))) => of == of_other && (to <= after || end <= from),
            _ => false,
        }
    }

    /// The last operation that no graph can be drawn through: what the file calls it, and the name of its node.
    pub fn last_unsupported(&self) -> Option<(&str, &str)> {
        self.flow.operations.iter().rev().find_map(|operation| match &operation.kind {
            Kind::Unsupported { operation: what } => Some((&**what, &*operation.name)),
            _ => None,
        })
    }

    /// The tensor in the file behind a constant.
    pub fn entry(&self, constant: &Constant) -> &'a TensorEntry {
        &self.entries[constant.entry]
    }

    /// What the network is given.
    pub fn input(&mut self, name: &str, extents: Option<Extents>) -> Operand {
        self.push(name, Kind::Input, &[], Form { extents, image: true, ..Form::default() })
    }

    /// Axes of an operand, as far as they are known.
    pub fn extents(&self, operand: &Operand) -> Option<Extents> {
        match operand {
            Operand::Data(value) => self.forms[*value].extents.clone(),
            Operand::Constant(constant) => Some(constant.shape.iter().map(|&extent| Some(extent)).collect()),
            Operand::Numbers(numbers) => Some(vec![Some(numbers.len())]),
            Operand::Computed(extents) => extents.clone(),
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

    fn push(&mut self, name: &str, kind: Kind, inputs: &[Value], mut form: Form) -> Operand {
        let keeps = matches!(
            kind,
            Kind::Pointwise
                | Kind::Identity
                | Kind::Scale { .. }
                | Kind::Slice { .. }
                | Kind::Pad { .. }
                | Kind::Concat
        );
        form.image = kind == Kind::Input || keeps && inputs.iter().all(|&input| self.forms[input].image);
        let common = |factor: &Factor| match factor {
            Factor::Number(_) => true,
            Factor::Times(tensor) | Factor::Over(tensor) => tensor.shape.iter().all(|&extent| extent == 1),
        };
        form.gated = false;
        let root = match (&kind, inputs) {
            (Kind::Pointwise | Kind::Identity, [input]) => Some(self.roots[*input]),
            (Kind::Scale { factor }, [input]) if common(factor) => {
                form.scaled = true;
                Some(self.roots[*input])
            }
            _ => {
                (form.scaled, form.gate) = (false, false);
                None
            }
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
            return Operand::Computed(None);
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
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
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

    /// Gives what it is given, up to a constant: dropout, copies, conversions, shifts.
    pub fn identity(&mut self, site: Site, input: &Operand) -> Operand {
        let Operand::Data(value) = *input else { return input.clone() };
        let form = self.forms[value].clone();
        self.follow(site, Kind::Identity, value, form)
    }

    /// Leaves every channel its own, and the axes what they are; `pooled` pixels are another number of them.
    pub fn pointwise(&mut self, site: Site, input: &Operand, pooled: bool) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let mut form = self.forms[value].clone();
        form.gate |= is_gate(site.operation);
        if let (true, Some(extents)) = (pooled, &mut form.extents) {
            extents.iter_mut().skip(2).for_each(|extent| *extent = None);
        }
        self.follow(site, Kind::Pointwise, value, form)
    }

    /// A softmax along `axis`, where that is known. Along the channels it mixes them, which is allowed where no layer reads what it gives.
    pub fn softmax(&mut self, site: Site, input: &Operand, axis: Option<i64>) -> Operand {
        let softmax = self.pointwise(site, input, false);
        if let (Operand::Data(value), Operand::Data(before)) = (&softmax, input) {
            let along_pixels = axis.and_then(|axis| self.axis(*before, axis)).is_some_and(|axis| axis >= 2);
            if !along_pixels || self.forms[*before].picked {
                self.roots[*value] = *value;
                self.softmaxes.push((*value, site.operation.into()));
            }
        }
        softmax
    }

    /// One of two values of which a run would take one, where both come from one by pointwise operations alone and have the same axes.
    pub fn either(&mut self, site: Site, one: Value, other: Value) -> Option<Operand> {
        let axes = |form: &Form| form.extents.as_ref().map(|extents| (extents.len(), extents.get(1).copied()));
        let [x, y] = [one, other].map(|value| &self.forms[value]);
        let alike = (axes(x), x.picked, x.mixed) == (axes(y), y.picked, y.mixed);
        let root = self.roots[one];
        if !alike || root != self.roots[other] || x.scaled || y.scaled {
            return None;
        }
        let mut form = x.clone();
        let told = y.extents.clone().unwrap_or_default();
        form.extents.iter_mut().flatten().zip(told).filter(|(known, told)| *known != told).for_each(|(e, _)| *e = None);
        Some(self.push(site.name, Kind::Pointwise, &[root], form))
    }

    /// Number of axes of a value.
    fn rank(&self, value: Value) -> Option<usize> {
        self.forms[value].extents.as_ref().map(Vec::len)
    }

    fn extent(&self, value: Value, axis: usize) -> Option<usize> {
        *self.forms[value].extents.as_ref()?.get(axis)?
    }
}

fn is_gate(operation: &str) -> bool {
    let name = operation.trim_start_matches("aten::").trim_end_matches('_');
    matches!(name, "Erf" | "erf" | "Clip" | "clamp" | "clip" | "relu6" | "hardtanh" | "Min" | "minimum" | "clamp_max")
}

/// The value behind an operand that depends on the input.
pub(super) fn data(operand: &Operand) -> Option<Value> {
    match operand {
        Operand::Data(value) => Some(*value),
        _ => None,
    }
}
