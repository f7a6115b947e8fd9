//! What each operator of ONNX does with channels.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::messages::{Model, Node};
use super::{Small, numbers, order};
use crate::InputError;
use crate::dataflow::{Dataflow, Layout};
use crate::model::TensorEntry;
use crate::model::draft::{Constant, Draft, Extents, Operand, Site, data};
use crate::model::dtype::Dtype;

/// Follows the nodes from the inputs to the outputs.
pub(super) fn follow(
    path: &Path,
    model: &Model,
    entries: &[TensorEntry],
    small: Vec<Small>,
) -> Result<Dataflow, InputError> {
    let order = order::order(path, model)?;
    let mut names: HashMap<&str, Operand> = HashMap::new();
    for (entry, TensorEntry { name, shape, .. }) in entries.iter().enumerate() {
        names.insert(name, Operand::Constant(Constant { entry, shape: shape.clone(), transposed: false }));
    }
    let dense = |node: &&Node| matches!(node.operator.as_str(), "Gemm" | "MatMul");
    let read_densely = model.nodes.iter().filter(dense).filter_map(|node| node.inputs.first().map(String::as_str));
    let mut importer =
        Importer { path, model, draft: Draft::new(entries), small, read_densely: read_densely.collect() };
    for (name, extents) in &model.inputs {
        let input = importer.draft.input(name, extents.clone());
        names.insert(name, input);
    }
    for node in order.into_iter().map(|number| &model.nodes[number]) {
        let operand = |name: &String| names.get(name.as_str()).cloned();
        let operands: Vec<Option<Operand>> = node.inputs.iter().map(operand).collect();
        let given = importer.apply(node, &operands)?;
        for (name, operand) in node.outputs.iter().zip(given) {
            if let Some(told) = model.extents.get(name) {
                importer.draft.learn(&operand, told);
            }
            // What is bound already is the tensor of a Constant node.
            names.entry(name).or_insert(operand);
        }
    }
    let mut outputs = Vec::new();
    for name in &model.outputs {
        let Some(operand) = names.get(name.as_str()) else {
            let place = format!("{}, output '{name}'", path.display());
            return Err(InputError::new(place, "is a dangling edge: nothing gives it", "export the network again"));
        };
        outputs.extend(data(operand));
    }
    if outputs.is_empty() {
        let problem = "returns nothing that depends on its input";
        return Err(InputError::new(path.display(), problem, "export the network again, with an output"));
    }
    Ok(importer.draft.finish(outputs))
}

struct Importer<'a> {
    path: &'a Path,
    model: &'a Model,
    draft: Draft<'a>,
    small: Vec<Small>,
    /// Names of values that dense layers take.
    read_densely: HashSet<&'a str>,
}

impl Importer<'_> {
    fn apply(&mut self, node: &Node, operands: &[Option<Operand>]) -> Result<Vec<Operand>, InputError> {
        let present: Vec<Operand> = operands.iter().flatten().cloned().collect();
        let operator = node.operator.as_str();
        let whole = if node.domain.is_empty() { operator.into() } else { format!("{}.{operator}", node.domain) };
        let site = Site { name: &node.name, operation: &whole };
        if is_quantised(operator) {
            return Err(self.quantised(node));
        }
        if operator == "Shape" {
            return Ok(vec![self.shape(node, present.first())]);
        }
        let none = present.iter().all(|operand| data(operand).is_none());
        if !node.domain.is_empty() || matches!(operator, "If" | "Loop" | "Scan") {
            let operand = self.draft.opaque(site, &present);
            return Ok(vec![operand; node.outputs.len()]);
        }
        let rearranges = matches!(
            operator,
            "Identity" | "Cast" | "CastLike" | "Dropout" | "Transpose" | "Reshape" | "Squeeze" | "Unsqueeze"
        );
        if none && !(rearranges && matches!(present.first(), Some(Operand::Constant(_)))) {
            let numbers: Vec<_> = present.iter().map(|operand| self.numbers(operand)).collect();
            return Ok(vec![numbers::evaluate(node, &numbers); node.outputs.len()]);
        }
        let Some(Some(first)) = operands.first() else {
            return Ok(vec![self.draft.unsupported(site, "without its first input", &present); node.outputs.len()]);
        };
        if operator == "Split" {
            return Ok(self.split(node, site, first, operands));
        }
        let operand = self.single(node, site, first, operands)?;
        let mut given = vec![operand];
        // Indices of a pooling, the mask of dropout.
        for name in node.outputs.iter().skip(1) {
            let other = Site { name, ..site };
            given.push(self.draft.unsupported(other, "in what it gives besides", &present));
        }
        Ok(given)
    }

    /// An operator on `first` that gives one value.
    fn single(
        &mut self,
        node: &Node,
        site: Site,
        first: &Operand,
        operands: &[Option<Operand>],
    ) -> Result<Operand, InputError> {
        let present: Vec<Operand> = operands.iter().flatten().cloned().collect();
        let second = operands.get(1).cloned().flatten();
        let others = present.iter().skip(1).any(|operand| data(operand).is_some());
        let draft = &mut self.draft;
        Ok(match (node.operator.as_str(), second) {
            ("Conv", Some(weight)) => {
                self.refuse_integers(node, &weight)?;
                let groups = usize::try_from(node.int("group").unwrap_or(1)).unwrap_or(0);
                self.draft.convolution(site, first, &weight, groups)
            }
            ("Gemm", Some(_)) if node.int("transA").unwrap_or(0) != 0 => {
                draft.unsupported(site, "with transA", &present)
            }
            ("Gemm" | "MatMul", Some(weight)) => {
                self.refuse_integers(node, &weight)?;
                let transposed = node.operator == "Gemm" && node.int("transB").unwrap_or(0) != 0;
                let layout = if transposed { Layout::OutIn } else { Layout::InOut };
                self.draft.dense(site, first, &weight, layout)
            }
            ("BatchNormalization", Some(gamma)) => {
                // Before version 14, training showed in the number of outputs.
                let training = node.int("training_mode").unwrap_or(0) != 0 || node.outputs.len() > 1;
                match operands.get(4).cloned().flatten() {
                    Some(variance) if !training => {
                        let epsilon = f64::from(node.float("epsilon").unwrap_or(1e-5));
                        draft.batch_norm(site, first, Some(&gamma), &variance, epsilon)
                    }
                    _ => draft.unsupported(site, "in training mode", &present),
                }
            }
            ("Add", Some(second)) => draft.sum(site, first, &second),
            ("Sum", _) => present[1..].iter().fold(first.clone(), |sum, operand| draft.sum(site, &sum, operand)),
            ("Mul", Some(second)) => draft.product(site, first, &second),
            ("Div", Some(second)) => draft.quotient(site, first, &second),
            ("Sub", Some(second)) if data(first).is_some() && data(&second).is_some() => {
                draft.sum(site, first, &second)
            }
            (operator @ ("Sub" | "Max" | "Min" | "Pow"), Some(second)) if present.len() == 2 => {
                match (data(first), data(&second)) {
                    (Some(_), Some(_)) => draft.product(site, first, &second),
                    (Some(_), None) if operator == "Sub" => draft.shifted(site, first, &second),
                    (Some(_), None) => draft.compared(site, first, &second),
                    (_, _) if operator == "Sub" => draft.shifted(site, &second, first),
                    _ => draft.compared(site, &second, first),
                }
            }
            ("Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "Where", Some(_)) => {
                draft.activation(site, &present)
            }
            ("Concat", _) => draft.concat(site, &present, node.int("axis").unwrap_or(1)),
            ("Flatten", None) => match node.int("axis").unwrap_or(1) {
                axis if draft.extents(first).is_some_and(|axes| axis.checked_add(axes.len() as i64) == Some(1)) => {
                    draft.flatten(site, first, 1, -1)
                }
                1 => draft.flatten(site, first, 1, -1),
                axis => draft.unsupported(site, format!("at axis {axis}"), &present),
            },
            ("Cast", None) => match node.int("to") {
                Some(1 | 10 | 11 | 16) | None => self.same(site, first),
                Some(_) if data(first).is_none() => first.clone(),
                Some(to) => draft.unsupported(site, format!("to type {to}"), &present),
            },
            ("Identity" | "CastLike" | "Dropout", _) => self.same(site, first),
            ("Transpose", None) => draft.permute(site, first, node.ints("perm")),
            ("Reshape", second) => self.reshape(node, site, first, second.as_ref()),
            ("Squeeze" | "Unsqueeze", second) => {
                let axes = self.list(node, "axes", second.as_ref());
                match (node.operator.as_str(), axes) {
                    ("Squeeze", None) if second.is_some() => self.draft.unsupported(site, "of unknown axes", &present),
                    ("Squeeze", axes) => self.draft.squeeze(site, first, axes.as_deref()),
                    (_, Some(axes)) => self.draft.unsqueeze(site, first, &axes),
                    _ => self.draft.unsupported(site, "of unknown axes", &present),
                }
            }
            ("Slice", _) => self.slice(node, site, first, operands),
            ("Gather", Some(indices)) => self.gather(node, site, first, &indices),
            ("Pad", second) => self.pad(node, site, first, second.as_ref(), operands),
            (operator, second) if operator.starts_with("Reduce") => {
                let axes = self.list(node, "axes", second.as_ref());
                self.draft.reduce(site, first, axes.as_deref(), node.int("keepdims").unwrap_or(1) != 0)
            }
            (operator, _) if !others && data(first).is_some() && is_pooling(operator) => {
                draft.pointwise(site, first, true)
            }
            ("Softmax" | "LogSoftmax", None) => draft.softmax(site, first, node.int("axis")),
            (operator, _) if !others && data(first).is_some() && is_pointwise(operator) => {
                draft.pointwise(site, first, false)
            }
            _ => draft.unsupported(site, "", &present),
        })
    }

    /// The same values; of a constant, the same tensor.
    fn same(&mut self, site: Site, first: &Operand) -> Operand {
        self.draft.identity(site, first)
    }

    fn shape(&self, node: &Node, of: Option<&Operand>) -> Operand {
        let Some(extents) = of.and_then(|of| self.draft.extents(of)) else { return Operand::Computed(None) };
        let rank = extents.len() as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (from, to) = (place(node.int("start").unwrap_or(0)), place(node.int("end").unwrap_or(rank)));
        let number = |extent: &Option<usize>| extent.and_then(|extent| i64::try_from(extent).ok());
        Operand::Numbers(extents.get(from..to).unwrap_or_default().iter().map(number).collect())
    }

    fn reshape(&mut self, node: &Node, site: Site, first: &Operand, target: Option<&Operand>) -> Operand {
        let extents = self.draft.extents(first);
        let extent = |axis: usize| extents.as_ref()?.get(axis).copied().flatten();
        let copies = node.int("allowzero").unwrap_or(0) == 0;
        let fill = |(axis, told): (usize, Option<i64>)| match told {
            Some(0) if copies => extent(axis).and_then(|extent| i64::try_from(extent).ok()),
            told => told,
        };
        let target = target
            .and_then(|target| self.numbers(target))
            .map(|target| target.into_iter().enumerate().map(fill).collect::<Vec<_>>());
        let output = node.outputs.first().map(String::as_str).unwrap_or_default();
        let told = || {
            let number = |extent: &Option<usize>| extent.and_then(|extent| i64::try_from(extent).ok());
            let told: Option<&Extents> = self.model.extents.get(output);
            told.map(|told| told.iter().map(number).collect())
        };
        let dense = || self.read_densely.contains(output).then(|| vec![None, None]);
        let target = target.or_else(told).or_else(dense);
        self.draft.reshape(site, first, target.as_deref())
    }

    fn slice(&mut self, node: &Node, site: Site, first: &Operand, operands: &[Option<Operand>]) -> Operand {
        let list = |name: &str, position: usize| {
            let operand = operands.get(position).and_then(Option::as_ref);
            match self.list(node, name, operand) {
                None if operand.is_some() => Err(()),
                list => Ok(list),
            }
        };
        let (Ok(Some(starts)), Ok(Some(ends)), Ok(axes), Ok(steps)) =
            (list("starts", 1), list("ends", 2), list("axes", 3), list("steps", 4))
        else {
            return self.draft.unsupported(site, "at places that are computed", std::slice::from_ref(first));
        };
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let mut sliced = first.clone();
        for (i, (&axis, (&start, &end))) in axes.iter().zip(starts.iter().zip(&ends)).enumerate() {
            let step = steps.as_ref().and_then(|steps| steps.get(i)).copied().unwrap_or(1);
            sliced = self.draft.slice(site, &sliced, axis, (start, end), step);
        }
        sliced
    }

    fn gather(&mut self, node: &Node, site: Site, first: &Operand, indices: &Operand) -> Operand {
        let axis = node.int("axis").unwrap_or(0);
        let single = self.draft.extents(indices).is_some_and(|axes| axes.is_empty());
        let known: Option<Vec<i64>> = self.numbers(indices).and_then(|indices| indices.into_iter().collect());
        match known.as_deref() {
            Some([index]) if single => self.draft.select(site, first, axis, *index),
            Some([from, .., to]) if known.iter().flatten().zip(*from..).all(|(&index, place)| index == place) => {
                self.draft.slice(site, first, axis, (*from, to.saturating_add(1)), 1)
            }
            Some([index]) if *index >= 0 => self.draft.slice(site, first, axis, (*index, index.saturating_add(1)), 1),
            _ => self.draft.unsupported(site, "", std::slice::from_ref(first)),
        }
    }

    fn split(&mut self, node: &Node, site: Site, first: &Operand, operands: &[Option<Operand>]) -> Vec<Operand> {
        let axis = node.int("axis").unwrap_or(0);
        let told = self.list(node, "split", operands.get(1).and_then(Option::as_ref));
        let parts = node.outputs.len().max(1);
        let even = || {
            let extents = self.draft.extents(first)?;
            let axis = if axis < 0 { axis.checked_add_unsigned(extents.len() as u64)? } else { axis };
            let extent = (*extents.get(usize::try_from(axis).ok()?)?)?;
            let size = extent.div_ceil(parts);
            Some((0..parts).map(|i| extent.saturating_sub(i * size).min(size) as i64).collect())
        };
        match told.or_else(even) {
            Some(sizes) if sizes.len() == parts => self.draft.split(site, first, axis, &sizes),
            _ => {
                vec![self.draft.unsupported(site, "into parts that cannot be told", std::slice::from_ref(first)); parts]
            }
        }
    }

    fn pad(
        &mut self,
        node: &Node,
        site: Site,
        first: &Operand,
        second: Option<&Operand>,
        operands: &[Option<Operand>],
    ) -> Operand {
        let pads = self.list(node, "pads", second);
        let constant = node.text("mode").is_none_or(|mode| mode == "constant");
        let zeros = constant
            && match operands.get(2).and_then(Option::as_ref) {
                Some(Operand::Constant(value)) => self.small[value.entry].zero,
                Some(_) => false,
                None => node.float("value").is_none_or(|value| value == 0.0),
            };
        let axes = operands.get(3).and_then(Option::as_ref);
        let rank = self.draft.extents(first).map(|extents| extents.len());
        let pairs = |pads: Vec<i64>| -> Option<Vec<(i64, i64)>> {
            let (before, after) = pads.split_at(pads.len() / 2);
            let pairs: Vec<(i64, i64)> = before.iter().copied().zip(after.iter().copied()).collect();
            match axes {
                None => Some(pairs),
                Some(axes) => {
                    let mut all = vec![(0, 0); rank?];
                    for (axis, pair) in self.numbers(axes)?.into_iter().zip(pairs) {
                        let axis = axis.map(|axis| if axis < 0 { axis.saturating_add(all.len() as i64) } else { axis });
                        *all.get_mut(usize::try_from(axis?).ok()?)? = pair;
                    }
                    Some(all)
                }
            }
        };
        match pads.and_then(pairs) {
            Some(pairs) => self.draft.pad(site, first, &pairs, zeros),
            None => self.draft.unsupported(site, "by numbers that are computed", std::slice::from_ref(first)),
        }
    }

    /// Whole numbers of an attribute, or of an operand in newer versions.
    fn list(&self, node: &Node, attribute: &str, operand: Option<&Operand>) -> Option<Vec<i64>> {
        match node.ints(attribute) {
            Some(values) => Some(values.to_vec()),
            None => self.numbers(operand?)?.into_iter().collect(),
        }
    }

    /// The whole numbers that an operand holds.
    fn numbers(&self, operand: &Operand) -> Option<Vec<Option<i64>>> {
        match operand {
            Operand::Numbers(numbers) => Some(numbers.clone()),
            Operand::Constant(constant) => {
                let integers = self.small[constant.entry].integers.as_ref()?;
                Some(integers.iter().map(|&value| Some(value)).collect())
            }
            _ => None,
        }
    }

    fn refuse_integers(&self, node: &Node, weight: &Operand) -> Result<(), InputError> {
        match weight {
            Operand::Constant(constant)
                if matches!(self.draft.entry(constant).dtype, Dtype::Int(_) | Dtype::UInt(_)) =>
            {
                Err(self.quantised(node))
            }
            _ => Ok(()),
        }
    }

    fn quantised(&self, node: &Node) -> InputError {
        let place = format!("{}, node '{}'", self.path.display(), node.name);
        let problem = format!("is {}: the network is quantised", node.operator);
        InputError::new(place, problem, "export the network before quantising it")
    }
}

fn is_quantised(operator: &str) -> bool {
    let starts = ["QLinear", "Quantize", "Dequantize", "DynamicQuantize"];
    starts.iter().any(|start| operator.starts_with(start))
        || matches!(operator, "ConvInteger" | "MatMulInteger" | "QGemm")
}

/// On each channel by itself, to another number of pixels.
fn is_pooling(operator: &str) -> bool {
    matches!(
        operator,
        "MaxPool"
            | "AveragePool"
            | "LpPool"
            | "GlobalMaxPool"
            | "GlobalAveragePool"
            | "GlobalLpPool"
            | "Resize"
            | "Upsample"
    )
}

#[rustfmt::skip]
fn is_pointwise(operator: &str) -> bool {
    matches!(
        operator,
        "Relu" | "LeakyRelu" | "PRelu" | "Elu" | "Selu" | "Celu" | "ThresholdedRelu" | "Clip" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Swish" | "Mish"
        | "Gelu" | "Softplus" | "Softsign" | "Tanh" | "Erf" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Abs" | "Neg"
        | "Sign" | "Floor" | "Ceil" | "Round" | "Sin" | "Cos" | "Shrink"
    )
}
