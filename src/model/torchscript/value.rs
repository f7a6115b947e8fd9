//! Values of a program that is followed without being run.

use std::rc::Rc;

use crate::model::draft::Operand;
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
    /// A tensor: its place among [`Values::tensors`].
    Tensor(usize),
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

/// A tensor.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// What it is as of now.
    pub operand: Operand,
    /// The tensor, itself no part of another, that it shows a part or another shape of, and that changes with it.
    pub base: Option<usize>,
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
    pub tensors: Vec<Tensor>,
    pub sequences: Vec<Sequence>,
    pub dicts: Vec<Vec<(Value, Value)>>,
}

impl Values {
    pub fn tensor(&mut self, operand: Operand, base: Option<usize>) -> Value {
        self.tensors.push(Tensor { operand, base });
        Value::Tensor(self.tensors.len() - 1)
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
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.positional.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}
