//! What the sources in a TorchScript archive consist of: the part of Python that `torch.jit.save` writes.

use std::collections::HashMap;
use std::rc::Rc;

/// Place of an expression in its [`Source`].
pub(super) type Id = u32;

/// One file of a program. Expressions lie side by side, so that no depth of nesting is met in memory.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Member of the archive, from `code/` on.
    pub member: String,
    /// All expressions, operands before what they belong to.
    pub expressions: Vec<Expression>,
    /// Functions at the top level.
    pub functions: HashMap<Rc<str>, Rc<Function>>,
    /// Classes at the top level.
    pub classes: HashMap<Rc<str>, Class>,
}

/// Modules, and named tuples.
#[derive(Debug, Default)]
pub(super) struct Class {
    /// `Module`, `NamedTuple`, ….
    pub base: Option<Rc<str>>,
    /// Names of the attributes that it declares, in order.
    pub fields: Rc<[Rc<str>]>,
    /// Its functions.
    pub methods: HashMap<Rc<str>, Rc<Function>>,
}

#[derive(Debug)]
pub(super) struct Function {
    pub name: Rc<str>,
    pub parameters: Vec<Parameter>,
    pub body: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub name: Rc<str>,
    /// Its type.
    pub annotation: Option<Id>,
    pub default: Option<Id>,
}

/// With the line it begins on.
#[derive(Debug)]
pub(super) struct Statement {
    pub line: usize,
    pub kind: Action,
}

#[derive(Debug)]
pub(super) enum Action {
    Expression(Id),
    Assign { target: Id, value: Id },
    If { condition: Id, then: Vec<Statement>, otherwise: Vec<Statement> },
    While { condition: Id, body: Vec<Statement> },
    For { target: Id, iterable: Id, body: Vec<Statement> },
    With { body: Vec<Statement> },
    Assert(Id),
    Raise,
    Return(Option<Id>),
    Pass,
}

#[derive(Debug)]
pub(super) enum Expression {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Name(Rc<str>),
    Attribute(Id, Rc<str>),
    Subscript(Id, Id),
    Call {
        function: Id,
        positional: Vec<Id>,
        named: Vec<(Rc<str>, Id)>,
    },
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Conditional {
        condition: Id,
        then: Id,
        otherwise: Id,
    },
    /// `not`, `-`, and infix operators, which stand for the operator of that name in `aten`.
    Operator(&'static str, Vec<Id>),
}

impl Expression {
    /// What it consists of.
    pub fn operands(&self) -> Vec<Id> {
        match self {
            Self::Attribute(object, _) => vec![*object],
            Self::Subscript(object, index) => vec![*object, *index],
            Self::Call { function, positional, named } => {
                let named = named.iter().map(|(_, id)| *id);
                [*function].into_iter().chain(positional.iter().copied()).chain(named).collect()
            }
            Self::List(items) | Self::Tuple(items) | Self::Operator(_, items) => items.clone(),
            Self::Dict(pairs) => pairs.iter().flat_map(|&(key, value)| [key, value]).collect(),
            Self::Conditional { condition, then, otherwise } => vec![*condition, *then, *otherwise],
            _ => vec![],
        }
    }
}
