//! A call of an operator, and its arguments by position or name.

use crate::model::draft::{Operand, Site};

/// An argument of a call.
#[derive(Debug, Clone)]
pub(in crate::model) enum Argument {
    /// `None`.
    Absent,
    /// A tensor.
    Operand(Operand),
    /// A list of tensors.
    Operands(Vec<Operand>),
    /// A whole number, or one that the program computes.
    Int(Option<i64>),
    /// A list of these.
    Ints(Vec<Option<i64>>),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A word.
    Text(String),
    /// A type, a device, …
    Other,
}

/// A call of an operator.
pub(in crate::model) struct Call<'a> {
    /// Where it stands.
    pub site: Site<'a>,
    /// The operator's name without namespace and overload, as `conv2d` or `add_`.
    pub operator: &'a str,
    /// With the names of the schema; those by position have an empty name.
    pub arguments: Vec<(&'a str, Argument)>,
}

impl Call<'_> {
    pub fn get(&self, position: usize, name: &str) -> Option<&Argument> {
        let named = self.arguments.iter().find(|(given, _)| *given == name);
        let placed = || self.arguments.get(position).filter(|(given, _)| given.is_empty());
        named.or_else(placed).map(|(_, argument)| argument)
    }

    pub fn operand(&self, position: usize, name: &str) -> Option<&Operand> {
        match self.get(position, name) {
            Some(Argument::Operand(operand)) => Some(operand),
            _ => None,
        }
    }

    /// A whole number; `None` where it is not known. `default` where it is not given.
    pub fn int(&self, position: usize, name: &str, default: i64) -> Option<i64> {
        match self.get(position, name) {
            Some(Argument::Int(value)) => *value,
            Some(Argument::Ints(values)) if values.len() == 1 => values[0],
            Some(Argument::Absent) | None => Some(default),
            Some(_) => None,
        }
    }

    pub fn ints(&self, position: usize, name: &str) -> Option<Vec<Option<i64>>> {
        match self.get(position, name) {
            Some(Argument::Ints(values)) => Some(values.clone()),
            Some(Argument::Int(value)) => Some(vec![*value]),
            _ => None,
        }
    }

    /// Whole numbers that are all known.
    pub fn known(&self, position: usize, name: &str) -> Option<Vec<i64>> {
        self.ints(position, name)?.into_iter().collect()
    }

    pub fn bool(&self, position: usize, name: &str) -> bool {
        matches!(self.get(position, name), Some(Argument::Bool(true) | Argument::Int(Some(1))))
    }

    pub fn float(&self, position: usize, name: &str, default: f64) -> f64 {
        match self.get(position, name) {
            Some(Argument::Float(value)) => *value,
            Some(Argument::Int(Some(value))) => *value as f64,
            _ => default,
        }
    }

    /// Every tensor that the call takes.
    pub fn operands(&self) -> Vec<Operand> {
        let tensors = self.arguments.iter().flat_map(|(_, argument)| match argument {
            Argument::Operand(operand) => std::slice::from_ref(operand),
            Argument::Operands(operands) => operands.as_slice(),
            _ => &[],
        });
        tensors.cloned().collect()
    }
}
