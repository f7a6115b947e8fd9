//! Values of a program that is followed without being run.

use std::rc::Rc;

use crate::dataflow::TensorName;
use crate::model::heap;

/// A value, or the place of one that may change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// A number, text or condition that only a run would tell, as the extents of images.
    Unknown,
    /// A tensor that depends on the network's input: its place among [`Values::flows`].
    Flow(usize),
    /// A tensor that does not: its place among [`Values::constants`].
    Constant(usize),
    /// Its place among [`Values::sequences`].
    List(usize),
    /// As of a list.
    Tuple(usize),
    /// Its place among [`Values::dicts`].
    Dict(usize),
    /// An object of `data.pkl`.
    Module(heap::Id),
    /// A function of the program by its qualified name.
    Function(Rc<str>),
}

/// A tensor that depends on the network's input. The first axis is the batch, the second the channels.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    /// What gives it.
    pub value: crate::dataflow::Value,
    /// Number of axes, where known.
    pub rank: Option<usize>,
    /// Extent of the axis of channels, where known.
    pub channels: Option<usize>,
    /// Whether the axis of channels is taken out, as by `x[:, 0]`.
    pub dropped: bool,
    /// The tensor that it shows a part or another shape of, and that changes with it.
    pub base: Option<usize>,
}

/// A tensor that does not depend on the network's input.
#[derive(Debug, Clone, Default)]
pub(super) struct Constant {
    /// The tensor in the file of which it has all elements, perhaps in another shape.
    pub stored: Option<TensorName>,
    /// Whether that holds floats.
    pub float: bool,
    /// Extent of each axis, where known.
    pub shape: Option<Vec<usize>>,
    /// Whether its two axes are those of the stored tensor the other way round.
    pub transposed: bool,
    /// Channels, of what is shaped like an image.
    pub channels: Option<usize>,
}

/// Items, with their names in a named tuple.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    pub items: Vec<Value>,
    pub names: Option<Rc<[Rc<str>]>>,
}

/// What values refer to. Flat, so that no nesting or cycle is met in memory.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub flows: Vec<Flow>,
    pub constants: Vec<Constant>,
    pub sequences: Vec<Sequence>,
    pub dicts: Vec<Vec<(Value, Value)>>,
}

impl Values {
    pub fn flow(&mut self, flow: Flow) -> Value {
        self.flows.push(flow);
        Value::Flow(self.flows.len() - 1)
    }

    pub fn constant(&mut self, constant: Constant) -> Value {
        self.constants.push(constant);
        Value::Constant(self.constants.len() - 1)
    }

    pub fn list(&mut self, items: Vec<Value>) -> Value {
        self.sequences.push(Sequence { items, names: None });
        Value::List(self.sequences.len() - 1)
    }

    pub fn tuple(&mut self, items: Vec<Value>, names: Option<Rc<[Rc<str>]>>) -> Value {
        self.sequences.push(Sequence { items, names });
        Value::Tuple(self.sequences.len() - 1)
    }

    /// Items of a list or tuple.
    pub fn items(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::List(at) | Value::Tuple(at) => Some(&self.sequences[*at].items),
            _ => None,
        }
    }

    /// Whether a condition holds; `None` where only a run would tell.
    pub fn truth(&self, value: &Value) -> Option<bool> {
        Some(match value {
            Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(at) | Value::Tuple(at) => !self.sequences[*at].items.is_empty(),
            Value::Dict(at) => !self.dicts[*at].is_empty(),
            _ => return None,
        })
    }
}

/// An argument of a call.
pub(super) struct Arguments {
    pub positional: Vec<Value>,
    pub named: Vec<(Rc<str>, Value)>,
}

impl Arguments {
    /// Argument `i`, which may be given by name.
    pub fn get(&self, i: usize, name: &str) -> Option<&Value> {
        self.positional.get(i).or_else(|| self.named.iter().find(|(key, _)| &**key == name).map(|(_, value)| value))
    }

    /// As [`Arguments::get`], where it is an integer.
    pub fn int(&self, i: usize, name: &str) -> Option<i64> {
        match self.get(i, name) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// As [`Arguments::get`], where it is a number.
    pub fn float(&self, i: usize, name: &str) -> Option<f64> {
        match self.get(i, name) {
            Some(Value::Int(value)) => Some(*value as f64),
            Some(Value::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}
