//! The values that a pickle builds, and how much memory they may take.

use std::rc::Rc;

use crate::model::torch_globals::{Global, Storage, Tensor};

/// Limit on values and on their elements, each: some ten times what the largest models need, and at most about 1 GB.
const MAX_VALUES: usize = 1 << 24;

/// Place of a value in a [`Heap`].
pub(super) type Id = u32;

/// A value of Python as far as weights need it.
pub(super) enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer within `i64`.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Text(Rc<str>),
    /// Immutable sequence.
    Tuple(Vec<Id>),
    /// Mutable sequence; it may contain itself.
    List(Vec<Id>),
    /// Pairs of key and value, in order; of an object, its attributes.
    Dict(Vec<(Id, Id)>),
    /// Something from the list of what may be named.
    Global(Global),
    /// Instance of a TorchScript class.
    Object {
        /// `__torch__.….Name`.
        class: Rc<str>,
        /// Its attributes, once they are set.
        state: Option<Id>,
    },
    /// Where the elements of a tensor lie.
    Storage(Storage),
    /// A tensor, still to be read.
    Tensor(Box<Tensor>),
    /// Whatever else cannot hold weights: bytes, devices, huge integers, …
    Inert,
}

/// All values of one pickle; they refer to each other by [`Id`], so that cycles are harmless.
#[derive(Default)]
pub(super) struct Heap {
    values: Vec<Value>,
    elements: usize,
}

impl Heap {
    /// The value at `id`, which this heap handed out.
    pub fn get(&self, id: Id) -> &Value {
        &self.values[id as usize]
    }

    /// Every storage that is named.
    pub fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// As [`Heap::get`], to change it.
    pub fn get_mut(&mut self, id: Id) -> &mut Value {
        &mut self.values[id as usize]
    }

    /// Stores a value.
    pub fn add(&mut self, value: Value) -> Result<Id, Fault> {
        let id = self.values.len();
        self.spend(1)?;
        self.values.push(value);
        Ok(id as Id)
    }

    /// Accounts for `count` elements that are about to be stored.
    pub fn spend(&mut self, count: usize) -> Result<(), Fault> {
        self.elements = self.elements.saturating_add(count);
        if self.elements > MAX_VALUES {
            return Err(Fault::damaged(format!("holds more than {MAX_VALUES} values")));
        }
        Ok(())
    }
}

/// What is wrong with a pickle, without the place.
#[derive(Debug)]
pub(super) struct Fault {
    /// What was found.
    pub problem: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Fault {
    /// The remedy is another copy of the file.
    pub fn damaged(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: "the file is damaged: fetch or save it again" }
    }
}
