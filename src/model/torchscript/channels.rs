//! Operators that join channels, scale them, or take some of them.

use std::collections::HashSet;

use super::interpreter::{Machine, Stop};
use super::shapes::axis;
use super::value::{Arguments, Constant, Flow, Value};
use crate::dataflow::{self, Kind, Layout, TensorName};

impl Machine<'_> {
    /// The stored tensor that an argument is as a whole, and whether the other way round.
    fn stored_tensor(&self, argument: Option<&Value>) -> Option<(TensorName, bool)> {
        let Some(Value::Constant(at)) = argument else { return None };
        let Constant { stored: Some(stored), shape: Some(shape), transposed, .. } = &self.values.constants[*at] else {
            return None;
        };
        let mut whole = stored.shape.clone();
        if *transposed {
            whole.reverse();
        }
        (whole == *shape).then(|| (stored.clone(), *transposed))
    }

    /// `conv2d` and its like: input, weight, bias, stride, padding, dilation, groups.
    pub fn convolution(&mut self, name: &str, arguments: &Arguments) -> Option<Value> {
        let Some(Value::Flow(flow)) = arguments.get(0, "input") else { return None };
        let x = self.values.flows[*flow].clone();
        let general = matches!(name, "_convolution" | "convolution");
        if general && arguments.get(6, "transposed") != Some(&Value::Bool(false)) {
            return Some(self.refuse(&format!("aten::{name} (transposed)"), *flow));
        }
        let Some((weight, false)) = self.stored_tensor(arguments.get(1, "weight")) else {
            return Some(self.refuse(&format!("aten::{name} with a weight that is computed"), *flow));
        };
        let groups = arguments.get(if general { 8 } else { 6 }, "groups");
        let groups = match groups {
            None => 1,
            Some(Value::Int(groups)) => usize::try_from(*groups).ok()?,
            _ => return None,
        };
        let rank = weight.shape.len();
        if x.dropped || x.rank.is_some_and(|found| found != rank) {
            return None;
        }
        let (name, channels) = (layer(&weight.name).to_string(), weight.shape.first().copied());
        let value = self.dataflow.push(name, Kind::Convolution { weight, groups }, &[x.value]);
        Some(self.values.flow(Flow { value, rank: Some(rank), channels, dropped: false, base: None }))
    }

    /// `linear(input, weight, bias)`, `addmm(bias, input, weight)` and `matmul(input, weight)`.
    pub fn dense(&mut self, name: &str, arguments: &Arguments) -> Option<Value> {
        let at = usize::from(name == "addmm");
        let Some(Value::Flow(flow)) = arguments.positional.get(at) else { return None };
        let x = self.values.flows[*flow].clone();
        let (weight, transposed) = self.stored_tensor(arguments.positional.get(at + 1))?;
        if x.dropped || x.rank.is_some_and(|rank| rank != 2) || weight.shape.len() != 2 {
            return None;
        }
        let layout = if (name == "linear") == transposed { Layout::InOut } else { Layout::OutIn };
        let outputs = weight.shape[usize::from(layout == Layout::InOut)];
        let value = self.dataflow.push(layer(&weight.name).to_string(), Kind::Dense { weight, layout }, &[x.value]);
        Some(self.values.flow(Flow { value, rank: Some(2), channels: Some(outputs), dropped: false, base: None }))
    }

    /// `batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, …)`, in inference.
    pub fn batch_norm(&mut self, name: &str, arguments: &Arguments) -> Option<Value> {
        let Some(&Value::Flow(flow)) = arguments.positional.first() else { return None };
        let x = self.values.flows[flow].clone();
        let gamma = match arguments.positional.get(1) {
            Some(Value::None) => None,
            gamma => Some(self.stored_tensor(gamma)?.0),
        };
        let Some((variance, _)) = self.stored_tensor(arguments.positional.get(4)) else {
            return Some(self.refuse(&format!("aten::{name} without running statistics"), flow));
        };
        let epsilon = arguments.float(7, "eps")?;
        if x.dropped || x.rank.is_some_and(|rank| rank < 2) {
            return None;
        }
        let layer = layer(&gamma.as_ref().unwrap_or(&variance).name).to_string();
        let channels = variance.shape.first().copied();
        let value = self.dataflow.push(layer, Kind::BatchNorm { gamma, variance, epsilon }, &[x.value]);
        let value = self.values.flow(Flow { value, channels: x.channels.and(channels), base: None, ..x });
        Some(if name == "batch_norm" {
            value
        } else {
            self.values.tuple(vec![value, Value::Unknown, Value::Unknown, Value::Unknown, Value::Unknown], None)
        })
    }

    /// `add` and `sub`.
    pub fn sum(&mut self, arguments: &Arguments) -> Result<Option<Value>, Stop> {
        let (Some(one), Some(other)) = (arguments.get(0, "self"), arguments.get(1, "other")) else { return Ok(None) };
        Ok(match (one, other) {
            (&Value::Flow(one), &Value::Flow(other)) => {
                let (x, y) = (self.values.flows[one].clone(), self.values.flows[other].clone());
                let unlike = |x: Option<usize>, y: Option<usize>| x.zip(y).is_some_and(|(x, y)| x != y);
                let broadcast = unlike(x.channels, y.channels) && (x.channels == Some(1) || y.channels == Some(1));
                if x.dropped || y.dropped || unlike(x.rank, y.rank) || broadcast {
                    return Ok(None);
                }
                let name = self.here();
                let value = self.dataflow.push(name, Kind::Add, &[x.value, y.value]);
                let (rank, channels) = (x.rank.or(y.rank), x.channels.or(y.channels));
                Some(self.values.flow(Flow { value, rank, channels, dropped: false, base: None }))
            }
            (&Value::Flow(flow), other) | (other, &Value::Flow(flow)) => {
                let x = self.values.flows[flow].clone();
                if let Value::Constant(at) = other
                    && x.channels == Some(1)
                    && self.extent_along_channels(&self.values.constants[*at], x.rank) != Some(1)
                {
                    return Ok(None);
                }
                Some(self.derived(Kind::Pointwise, flow, x.rank))
            }
            _ => None,
        })
    }

    /// `mul` and `div`.
    pub fn product(&mut self, name: &str, arguments: &Arguments) -> Result<Option<Value>, Stop> {
        let (Some(one), Some(other)) = (arguments.get(0, "self"), arguments.get(1, "other")) else { return Ok(None) };
        let times = name.starts_with("mul");
        if let (&Value::Flow(one), &Value::Flow(other)) = (one, other) {
            let (x, y) = (self.values.flows[one].clone(), self.values.flows[other].clone());
            if x.rank.zip(y.rank).is_some_and(|(x, y)| x != y) || x.dropped != y.dropped {
                return Ok(None);
            }
            let Some(origin) = self.common_origin(x.value, y.value)? else { return Ok(None) };
            let name = self.here();
            let value = self.dataflow.push(name, Kind::Pointwise, &[origin]);
            return Ok(Some(self.values.flow(Flow { value, base: None, ..x })));
        }
        let (flow, other) = match (one, other) {
            (&Value::Flow(flow), other) => (flow, other),
            // One over the tensor is no multiple of it, but leaves each channel its own all the same.
            (other, &Value::Flow(flow)) if times || !matches!(other, Value::Constant(_)) => (flow, other),
            _ => return Ok(None),
        };
        let x = self.values.flows[flow].clone();
        let factor = match other {
            Value::Int(0) | Value::Bool(false) if times => None,
            Value::Float(factor) if times && *factor == 0.0 => None,
            Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Unknown => {
                return Ok(Some(self.derived(Kind::Pointwise, flow, x.rank)));
            }
            Value::Constant(at) => Some(self.values.constants[*at].clone()),
            _ => return Ok(None),
        };
        let Some(factor) = factor else {
            return Ok(Some(self.values.constant(Constant { channels: x.channels, ..Constant::default() })));
        };
        if let Some(stored) = factor.stored.clone().filter(|_| times && factor.float && !factor.transposed) {
            let count: usize = stored.shape.iter().product();
            let along = self.extent_along_channels(&factor, x.rank);
            if count == 1 || !x.dropped && along == Some(count) && x.channels != Some(1) {
                return Ok(Some(self.derived(Kind::Scale { factor: stored }, flow, x.rank)));
            }
        }
        // Images are no nodes, so what multiplies their channels does not matter.
        Ok(if self.is_image(x.value)? { Some(self.derived(Kind::Pointwise, flow, x.rank)) } else { None })
    }

    /// Extent on the axis of channels of a constant that meets a tensor of so many axes.
    fn extent_along_channels(&self, constant: &Constant, rank: Option<usize>) -> Option<usize> {
        let shape = constant.shape.as_ref()?;
        let rank = rank.unwrap_or(if shape.len() > 2 { 4 } else { 2 });
        match (rank - 1).checked_sub(shape.len()) {
            Some(_) if shape.len() + 1 < rank => Some(1),
            Some(_) => shape.first().copied(),
            None if shape.len() == rank => shape.get(1).copied(),
            None => None,
        }
    }

    /// The last value of which both are made, channel by channel.
    pub fn common_origin(
        &mut self,
        one: dataflow::Value,
        other: dataflow::Value,
    ) -> Result<Option<dataflow::Value>, Stop> {
        let origins = self.origins(one)?;
        Ok(self.origins(other)?.into_iter().find(|value| origins.contains(value)))
    }

    /// A value, that of which it is made channel by channel, and so on.
    fn origins(&mut self, mut value: dataflow::Value) -> Result<Vec<dataflow::Value>, Stop> {
        let mut origins = vec![value];
        while self.dataflow.operations[value].kind == Kind::Pointwise && !self.softmaxes.contains(&value) {
            self.spend(1 + self.softmaxes.len())?;
            value = self.dataflow.operations[value].inputs[0];
            origins.push(value);
        }
        // The searches for one among the others.
        self.spend(origins.len().saturating_mul(origins.len()) / 64)?;
        Ok(origins)
    }

    /// Whether no layer lies between the network's input and a value.
    fn is_image(&mut self, value: dataflow::Value) -> Result<bool, Stop> {
        let (mut seen, mut open) = (HashSet::from([value]), vec![value]);
        while let Some(value) = open.pop() {
            let operation = &self.dataflow.operations[value];
            if !matches!(
                operation.kind,
                Kind::Input
                    | Kind::Pointwise
                    | Kind::Scale { .. }
                    | Kind::Slice { .. }
                    | Kind::Pad { .. }
                    | Kind::Concat
            ) {
                return Ok(false);
            }
            open.extend(operation.inputs.iter().copied().filter(|&input| seen.insert(input)));
            let count = operation.inputs.len();
            self.spend(1 + count)?;
        }
        Ok(true)
    }

    /// `cat(tensors, dim)`.
    pub fn concatenation(&mut self, arguments: &Arguments) -> Result<Option<Value>, Stop> {
        let Some(items) = arguments.positional.first().and_then(|list| self.values.items(list)) else {
            return Ok(None);
        };
        let items = items.to_vec();
        self.spend(items.len())?;
        let mut rank = None;
        for item in &items {
            if let Value::Flow(at) = item {
                let flow = &self.values.flows[*at];
                if flow.dropped {
                    return Ok(None);
                }
                rank = rank.or(flow.rank);
            }
        }
        if axis(arguments.int(1, "dim").unwrap_or(0), rank) != Some(1) {
            return Ok(None);
        }
        let (mut parts, mut before, mut channels): (Vec<dataflow::Value>, usize, Option<usize>) = (vec![], 0, Some(0));
        let name = self.here();
        for item in &items {
            let more = match item {
                Value::Flow(at) => {
                    let Flow { value, channels, .. } = self.values.flows[*at];
                    let padded = Kind::Pad { before: std::mem::take(&mut before), after: 0 };
                    let padded = if padded == (Kind::Pad { before: 0, after: 0 }) {
                        value
                    } else {
                        self.dataflow.push(&*name, padded, &[value])
                    };
                    parts.push(padded);
                    channels
                }
                // Channels that do not depend on the input are reached by none.
                Value::Constant(at) => {
                    let Constant { channels, shape, .. } = &self.values.constants[*at];
                    let Some(more) = channels.or_else(|| shape.as_ref()?.get(1).copied()) else { return Ok(None) };
                    match parts.last_mut() {
                        Some(last) => {
                            *last = self.dataflow.push(&*name, Kind::Pad { before: 0, after: more }, &[*last])
                        }
                        None => before += more,
                    }
                    Some(more)
                }
                _ => return Ok(None),
            };
            channels = channels.zip(more).and_then(|(channels, more)| channels.checked_add(more));
        }
        let value = if let [only] = parts[..] { only } else { self.dataflow.push(name, Kind::Concat, &parts) };
        Ok(Some(self.values.flow(Flow { value, rank, channels, dropped: false, base: None })))
    }

    /// `chunk(input, chunks, dim)`, `split(input, size, dim)` and `split(input, sizes, dim)`.
    pub fn parts(&mut self, name: &str, flow: usize, arguments: &Arguments) -> Result<Option<Value>, Stop> {
        let x = self.values.flows[flow].clone();
        let Some(channels) = x.channels else { return Ok(None) };
        if x.dropped || name == "tensor_split" || axis(arguments.int(2, "dim").unwrap_or(0), x.rank) != Some(1) {
            return Ok(None);
        }
        let sizes = match arguments.positional.get(1) {
            Some(Value::Int(count)) => {
                let Some(count) = usize::try_from(*count).ok().filter(|&count| count > 0) else { return Ok(None) };
                let size = if name == "chunk" { channels.div_ceil(count).max(1) } else { count };
                self.spend(channels / size)?;
                (0..channels).step_by(size).map(|from| size.min(channels - from)).collect()
            }
            Some(sizes) => match self.extents(sizes) {
                Some(sizes) => sizes,
                None => return Ok(None),
            },
            None => return Ok(None),
        };
        self.spend(sizes.len())?;
        let (mut from, mut items) = (0usize, vec![]);
        for size in sizes {
            let Some(to) = from.checked_add(size).filter(|&to| to <= channels) else { return Ok(None) };
            items.push(self.some(flow, from, to));
            from = to;
        }
        Ok(Some(self.values.list(items)))
    }

    /// Channels `from` to `to` of a tensor.
    pub fn some(&mut self, flow: usize, from: usize, to: usize) -> Value {
        let x = self.values.flows[flow].clone();
        let name = self.here();
        let value = self.dataflow.push(name, Kind::Slice { from, to }, &[x.value]);
        self.values.flow(Flow { value, channels: Some(to - from), base: Some(flow), ..x })
    }

    /// `softmax(input, dim)`, which mixes channels: allowed where no layer reads them.
    pub fn softmax(&mut self, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let value = self.derived(Kind::Pointwise, flow, x.rank);
        if arguments.int(1, "dim").and_then(|dim| axis(dim, x.rank)).is_none_or(|axis| axis < 2 || x.dropped) {
            self.softmaxes.push(self.dataflow.operations.len() - 1);
        }
        Some(value)
    }

    /// Refuses each softmax that a layer reads.
    pub fn check_softmaxes(&mut self) {
        let operations = &mut self.dataflow.operations;
        let mut read = vec![false; operations.len()];
        for at in (0..operations.len()).rev() {
            let layer = matches!(operations[at].kind, Kind::Convolution { .. } | Kind::Dense { .. });
            if layer || read[at] {
                operations[at].inputs.iter().for_each(|&input| read[input] = true);
            }
        }
        for &at in self.softmaxes.iter().filter(|&&at| read[at]) {
            operations[at].kind = Kind::Unsupported { operation: "aten::softmax".into() };
        }
    }
}

/// What a layer is called whose weight has this name.
fn layer(name: &str) -> &str {
    name.strip_suffix(".weight").or_else(|| name.strip_suffix(".running_var")).unwrap_or(name)
}
