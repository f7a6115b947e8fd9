//! The messages of ONNX as far as a network's weights and operators need them. Numbers of fields are those of `onnx.proto`.

use std::collections::HashMap;

use super::wire::{Source, Span, Wire};
use crate::InputError;
use crate::model::draft::Extents;

/// Nodes, tensors, inputs and outputs of a graph, each; the largest networks have some ten thousand.
const MAX_ITEMS: usize = 1 << 18;

/// Numbers in one list: shapes, axes, names of one node.
const MAX_LIST: usize = 1 << 12;

/// Bytes of a tensor that are read at once: shapes, axes and single numbers.
pub(super) const MAX_SMALL: u64 = 512;

/// A network.
#[derive(Default)]
pub(super) struct Model {
    /// Without those that are tensors of the file.
    pub inputs: Vec<(String, Option<Extents>)>,
    /// Names.
    pub outputs: Vec<String>,
    /// In the order of the file.
    pub nodes: Vec<Node>,
    /// Initialisers, then those of `Constant` nodes under the names of their outputs.
    pub tensors: Vec<Tensor>,
    /// Axes of named values, where the file says them.
    pub extents: HashMap<String, Extents>,
}

/// An operator and its names.
#[derive(Default)]
pub(super) struct Node {
    pub name: String,
    pub operator: String,
    /// Empty for ONNX's own operators.
    pub domain: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    attributes: HashMap<String, Attribute>,
}

enum Attribute {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Other,
}

/// Where the elements of a tensor are.
pub(super) enum Elements {
    /// One after the other, in the file.
    Inside(Span),
    /// In another file.
    Beside { location: String, offset: u64, length: Option<u64> },
    /// In pieces or as numbers of varying length, the small ones as integers.
    Scattered(Vec<i64>),
}

/// A tensor, not read.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
    /// As in `TensorProto.DataType`.
    pub data_type: u64,
    pub elements: Elements,
}

impl Node {
    /// An attribute that is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// An attribute that is a number.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// An attribute that is a list of whole numbers.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// An attribute that is a word.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Attribute::Text(word)) => Some(word),
            _ => None,
        }
    }
}

/// Reads the whole graph, without the elements of its tensors.
pub(super) fn model(source: &Source) -> Result<Model, InputError> {
    let mut fields = source.fields(source.span());
    let mut graph = None;
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (7, Wire::Bytes(span)) => graph = Some(span),
            (1..=6 | 8 | 14 | 20 | 25 | 26, _) => {}
            _ => return Err(source.damaged(0, &format!("has a field {number} that ONNX does not"))),
        }
    }
    let graph = graph.ok_or_else(|| source.damaged(0, "holds no ONNX graph"))?;
    let mut model = Model::default();
    let mut items = 0;
    let mut fields = source.fields(graph);
    while let Some((number, wire)) = fields.next()? {
        let Wire::Bytes(span) = wire else { continue };
        items += 1;
        if items > MAX_ITEMS {
            return Err(source.damaged(span.start, "has more nodes and tensors than any network"));
        }
        match number {
            1 => {
                let node = node(source, span, &mut model.tensors)?;
                model.nodes.push(node);
            }
            5 => model.tensors.push(tensor(source, span)?),
            11 => model.inputs.push(value(source, span)?),
            12 | 13 => {
                let (name, extents) = value(source, span)?;
                if let Some(extents) = extents {
                    model.extents.insert(name.clone(), extents);
                }
                if number == 12 {
                    model.outputs.push(name);
                }
            }
            15 => return Err(source.damaged(span.start, "holds sparse tensors, which are not read")),
            _ => {}
        }
    }
    let tensors: std::collections::HashSet<&str> = model.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    model.inputs.retain(|(name, _)| !tensors.contains(name.as_str()));
    Ok(model)
}

fn node(source: &Source, span: Span, tensors: &mut Vec<Tensor>) -> Result<Node, InputError> {
    let mut node = Node::default();
    let mut value = None;
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        let Wire::Bytes(span) = wire else { continue };
        match number {
            1 | 2 => {
                let names = if number == 1 { &mut node.inputs } else { &mut node.outputs };
                if names.len() >= MAX_LIST {
                    return Err(source.damaged(span.start, "has a node with too many inputs or outputs"));
                }
                names.push(source.text(span)?);
            }
            3 => node.name = source.text(span)?,
            4 => node.operator = source.text(span)?,
            5 => {
                let (name, attribute, tensor) = attribute(source, span)?;
                if let Some(tensor) = tensor.filter(|_| name == "value") {
                    value = Some(tensor);
                }
                if node.attributes.len() < MAX_LIST {
                    node.attributes.insert(name, attribute);
                }
            }
            7 => node.domain = source.text(span)?,
            _ => {}
        }
    }
    if node.domain == "ai.onnx" {
        node.domain.clear();
    }
    if node.name.is_empty() {
        node.name = node.outputs.first().cloned().unwrap_or_default();
    }
    if let (Some(mut tensor), "Constant", Some(output)) = (value, node.operator.as_str(), node.outputs.first()) {
        tensor.name.clone_from(output);
        tensors.push(tensor);
    }
    Ok(node)
}

fn attribute(source: &Source, span: Span) -> Result<(String, Attribute, Option<Tensor>), InputError> {
    let (mut name, mut attribute, mut held) = (String::new(), Attribute::Other, None);
    let mut ints = Vec::new();
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(span)) => name = source.text(span)?,
            (2, Wire::Fixed32(bytes)) => attribute = Attribute::Float(f32::from_le_bytes(bytes)),
            (3, Wire::Varint(value)) => attribute = Attribute::Int(value as i64),
            (4, Wire::Bytes(span)) if span.end - span.start <= MAX_SMALL => {
                let text = source.bytes(span, MAX_SMALL)?;
                attribute = Attribute::Text(String::from_utf8_lossy(&text).into_owned());
            }
            (5, Wire::Bytes(span)) => held = Some(tensor(source, span)?),
            (8, wire) => numbers(source, wire, &mut ints)?,
            // The list is empty as well as full: its type says that there is one.
            (20, Wire::Varint(7)) if matches!(attribute, Attribute::Other) => attribute = Attribute::Ints(vec![]),
            _ => {}
        }
    }
    if !ints.is_empty() {
        attribute = Attribute::Ints(ints);
    }
    Ok((name, attribute, held))
}

/// Adds repeated integers, packed or not.
fn numbers(source: &Source, wire: Wire, list: &mut Vec<i64>) -> Result<(), InputError> {
    match wire {
        Wire::Varint(value) if list.len() < MAX_LIST => list.push(value as i64),
        Wire::Bytes(span) => list.extend(source.varints(span, MAX_LIST - list.len())?),
        _ => {}
    }
    Ok(())
}

fn tensor(source: &Source, span: Span) -> Result<Tensor, InputError> {
    let mut name = String::new();
    let (mut shape, mut data_type, mut external) = (vec![], 0, false);
    let (mut raw, mut packed, mut pieces, mut small) = (None, None, 0, vec![]);
    let mut keys = HashMap::new();
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, wire) => numbers(source, wire, &mut shape)?,
            (2, Wire::Varint(value)) => data_type = value,
            (4 | 10, Wire::Bytes(span)) => {
                packed = Some(span);
                pieces += 1;
            }
            (4 | 10, _) => pieces += 2,
            (5 | 7, Wire::Varint(value)) if small.len() < MAX_SMALL as usize => small.push(value as i64),
            (5 | 7, Wire::Bytes(span)) if span.end - span.start <= MAX_SMALL => {
                small.extend(source.varints(span, MAX_SMALL as usize)?);
                small.truncate(MAX_SMALL as usize);
            }
            (8, Wire::Bytes(span)) => name = source.text(span)?,
            (9, Wire::Bytes(span)) => raw = Some(span),
            (13, Wire::Bytes(span)) => {
                let (key, value) = pair(source, span)?;
                keys.insert(key, value);
            }
            (14, Wire::Varint(value)) => external = value == 1,
            _ => {}
        }
    }
    let fault = |problem: &str| source.damaged(span.start, &format!("has a tensor '{name}' {problem}"));
    let shape: Result<Vec<u64>, _> = shape.into_iter().map(u64::try_from).collect();
    let shape = shape.map_err(|_| fault("of a negative shape"))?;
    let elements = if external {
        let number = |key: &str| {
            let text: Option<&String> = keys.get(key);
            text.map(|text| text.parse::<u64>().map_err(|_| fault(&format!("whose {key} is no number")))).transpose()
        };
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let location = keys.get("location").cloned().ok_or_else(|| fault("in another file without its name"))?;
        Elements::Beside { location, offset, length }
    } else {
        match (raw, packed) {
            (Some(span), _) => Elements::Inside(span),
            (None, Some(span)) if pieces == 1 => Elements::Inside(span),
            _ => Elements::Scattered(small),
        }
    };
    Ok(Tensor { name, shape, data_type, elements })
}

fn pair(source: &Source, span: Span) -> Result<(String, String), InputError> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(span)) => key = source.text(span)?,
            (2, Wire::Bytes(span)) => value = source.text(span)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// A named value, and its axes where they are said.
fn value(source: &Source, span: Span) -> Result<(String, Option<Extents>), InputError> {
    let (mut name, mut extents) = (String::new(), None);
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        match (number, wire) {
            (1, Wire::Bytes(span)) => name = source.text(span)?,
            // TypeProto, its tensor_type, the shape of that.
            (2, Wire::Bytes(span)) => {
                if let Some(span) = inner(source, span, 1)?
                    && let Some(span) = inner(source, span, 2)?
                {
                    extents = Some(dimensions(source, span)?);
                }
            }
            _ => {}
        }
    }
    Ok((name, extents))
}

fn dimensions(source: &Source, span: Span) -> Result<Extents, InputError> {
    let mut extents = Vec::new();
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        let (1, Wire::Bytes(span)) = (number, wire) else { continue };
        if extents.len() >= MAX_LIST {
            return Err(source.damaged(span.start, "has a value of too many axes"));
        }
        let mut extent = None;
        let mut fields = source.fields(span);
        while let Some((number, wire)) = fields.next()? {
            if let (1, Wire::Varint(value)) = (number, wire) {
                extent = usize::try_from(value as i64).ok().filter(|&extent| extent > 0);
            }
        }
        extents.push(extent);
    }
    Ok(extents)
}

/// The last field of that number that is a message.
fn inner(source: &Source, span: Span, wanted: u64) -> Result<Option<Span>, InputError> {
    let mut found = None;
    let mut fields = source.fields(span);
    while let Some((number, wire)) = fields.next()? {
        if let (true, Wire::Bytes(span)) = (number == wanted, wire) {
            found = Some(span);
        }
    }
    Ok(found)
}
