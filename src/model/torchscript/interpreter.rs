//! Follows a program: statements, and which way a branch goes.

use std::collections::HashMap;
use std::rc::Rc;

use super::code::Code;
use super::syntax::{Action, Expression, Function, Id, Source, Statement};
use super::value::{Value, Values};
use crate::InputError;
use crate::model::TensorEntry;
use crate::model::archive::Archive;
use crate::model::draft::{Draft, Site, data};
use crate::model::heap;
use crate::model::pytorch::Pickled;

/// Statements and expressions that are followed; the largest networks need some ten thousand.
const MAX_STEPS: usize = 5_000_000;

/// Calls, blocks and expressions within each other.
const MAX_DEPTH: usize = 400;

/// Variables of a call.
pub(super) type Scope = HashMap<Rc<str>, Value>;

/// Why a block is not followed to its end.
pub(super) enum Stop {
    /// The program raises an exception, and says so.
    Raise(String),
    /// It is none that can be followed.
    Fault(InputError),
}

impl From<InputError> for Stop {
    fn from(error: InputError) -> Self {
        Self::Fault(error)
    }
}

/// What following a program knows.
pub(super) struct Machine<'a> {
    pub archive: &'a Archive,
    pub code: Code<'a>,
    pub data: &'a Pickled,
    pub constants: &'a Pickled,
    pub draft: Draft<'a>,
    /// Place of each tensor among the draft's entries.
    pub places: HashMap<&'a str, usize>,
    pub values: Values,
    /// Attributes read before, by the pickle's value; or set.
    pub read: HashMap<heap::Id, Value>,
    pub set: HashMap<(heap::Id, Rc<str>), Value>,
    /// The tensors `CONSTANTS.…`, once read.
    pub stored: HashMap<Rc<str>, Value>,
    /// Number of changes to what was there before.
    pub changes: usize,
    /// Module, source and line of each open call.
    pub frames: Vec<Frame>,
    steps: usize,
    depth: usize,
}

/// A call that is being followed.
pub(super) struct Frame {
    /// Dotted path of the module whose method it is, or of the one that called a function.
    pub module: Rc<str>,
    pub source: Rc<Source>,
    pub line: usize,
}

impl<'a> Machine<'a> {
    /// `entries` are those of both pickles.
    pub fn new(
        archive: &'a Archive,
        prefix: &'a str,
        data: &'a Pickled,
        constants: &'a Pickled,
        entries: &'a [TensorEntry],
    ) -> Self {
        Self {
            archive,
            code: Code::new(archive, prefix),
            data,
            constants,
            draft: Draft::new(entries),
            places: entries.iter().map(|entry| &*entry.name).zip(0..).collect(),
            values: Values::default(),
            read: HashMap::new(),
            set: HashMap::new(),
            stored: HashMap::new(),
            changes: 0,
            frames: vec![],
            steps: 0,
            depth: 0,
        }
    }

    /// Where the program is: file, source with line, and module.
    pub fn place(&self) -> String {
        let file = self.archive.path().display();
        match self.frames.last() {
            Some(Frame { module, source, line }) => {
                let of = if module.is_empty() { String::new() } else { format!(" ({module})") };
                format!("{file}, {} line {line}{of}", source.member)
            }
            None => format!("{file}, forward"),
        }
    }

    /// What cannot be followed; it may be behind an operation that no graph is drawn through, which is named then.
    pub fn fault(&self, problem: impl std::fmt::Display) -> Stop {
        let behind = self.draft.last_unsupported().map(|(what, name)| format!(", behind {what} in {name}"));
        let remedy = "trace the network with torch.jit.trace in .eval() mode, or export it to ONNX";
        Stop::Fault(InputError::new(self.place(), format!("{problem}{}", behind.unwrap_or_default()), remedy))
    }

    /// Accounts for `count` steps.
    pub fn spend(&mut self, count: usize) -> Result<(), Stop> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > MAX_STEPS {
            let problem = format!("does not end within {MAX_STEPS} steps");
            return Err(Stop::Fault(InputError::new(self.place(), problem, "save a network without such loops")));
        }
        Ok(())
    }

    /// Accounts for a step that may hold others; the caller lowers `depth` after it.
    pub fn enter(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let problem = format!("nests more than {MAX_DEPTH} calls, blocks and expressions, or calls itself");
            return Err(Stop::Fault(InputError::new(self.place(), problem, "save a network without recursion")));
        }
        self.spend(1)
    }

    /// Ends what [`Machine::enter`] began.
    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Calls a function of the program; `module` is where it belongs.
    pub fn call(
        &mut self,
        source: &Rc<Source>,
        function: &Rc<Function>,
        positional: Vec<Value>,
        named: Vec<(Rc<str>, Value)>,
        module: Rc<str>,
    ) -> Result<Value, Stop> {
        self.enter()?;
        let line = function.body.first().map_or(0, |statement| statement.line);
        self.frames.push(Frame { module, source: source.clone(), line });
        let mut scope = Scope::new();
        if positional.len() > function.parameters.len() {
            return Err(self.fault(format!("calls {} with {} arguments", function.name, positional.len())));
        }
        scope.extend(function.parameters.iter().map(|parameter| parameter.name.clone()).zip(positional));
        scope.extend(named);
        for parameter in &function.parameters {
            if scope.contains_key(&parameter.name) {
                continue;
            }
            let Some(default) = parameter.default else {
                return Err(self.fault(format!("calls {} without {}", function.name, parameter.name)));
            };
            let value = self.evaluate(source, default, &mut scope)?;
            scope.insert(parameter.name.clone(), value);
        }
        let value = self.block(source, &function.body, &mut scope)?.unwrap_or(Value::None);
        self.frames.pop();
        self.depth -= 1;
        Ok(value)
    }

    /// Follows a block; what it returns, if it does.
    fn block(
        &mut self,
        source: &Rc<Source>,
        statements: &[Statement],
        scope: &mut Scope,
    ) -> Result<Option<Value>, Stop> {
        self.enter()?;
        for statement in statements {
            if let Some(frame) = self.frames.last_mut() {
                frame.line = statement.line;
            }
            self.spend(1)?;
            if let Some(value) = self.statement(source, &statement.kind, scope)? {
                self.depth -= 1;
                return Ok(Some(value));
            }
        }
        self.depth -= 1;
        Ok(None)
    }

    fn statement(&mut self, source: &Rc<Source>, statement: &Action, scope: &mut Scope) -> Result<Option<Value>, Stop> {
        match statement {
            Action::Pass => {}
            Action::Expression(id) => {
                self.evaluate(source, *id, scope)?;
            }
            Action::Return(None) => return Ok(Some(Value::None)),
            Action::Return(Some(id)) => return self.evaluate(source, *id, scope).map(Some),
            Action::Raise => return Err(Stop::Raise("raise".into())),
            Action::Assert(condition) => {
                let condition = self.evaluate(source, *condition, scope)?;
                if self.values.truth(&condition) == Some(false) {
                    return Err(Stop::Raise("AssertionError".into()));
                }
            }
            Action::Assign { target, value } => {
                let value = self.evaluate(source, *value, scope)?;
                self.assign(source, *target, value, scope)?;
            }
            Action::With { body } => return self.block(source, body, scope),
            Action::If { condition, then, otherwise } => {
                let condition = self.evaluate(source, *condition, scope)?;
                return match self.values.truth(&condition) {
                    Some(true) => self.block(source, then, scope),
                    Some(false) => self.block(source, otherwise, scope),
                    None => self.either(source, then, otherwise, scope),
                };
            }
            Action::While { condition, body } => loop {
                let holds = self.evaluate(source, *condition, scope)?;
                match self.values.truth(&holds) {
                    Some(true) => {}
                    Some(false) => break,
                    None => return Err(self.fault("has a loop that ends by what only a run would tell")),
                }
                if let Some(value) = self.block(source, body, scope)? {
                    return Ok(Some(value));
                }
            },
            Action::For { target, iterable, body } => {
                let iterable = self.evaluate(source, *iterable, scope)?;
                let Some(items) = self.values.items(&iterable).map(<[Value]>::to_vec) else {
                    return Err(self.fault("has a loop over what only a run would tell"));
                };
                for item in items {
                    self.assign(source, *target, item, scope)?;
                    if let Some(value) = self.block(source, body, scope)? {
                        return Ok(Some(value));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A branch by what only a run would tell: the way that does not raise, or both where they do the same.
    fn either(
        &mut self,
        source: &Rc<Source>,
        then: &[Statement],
        otherwise: &[Statement],
        scope: &mut Scope,
    ) -> Result<Option<Value>, Stop> {
        self.spend(scope.len())?;
        let undecided = "has a branch that only a run would decide";
        let (frames, depth, before) = (self.frames.len(), self.depth, scope.clone());
        let (operations, changes) = (self.draft.len(), self.changes);
        match self.block(source, then, scope) {
            Err(Stop::Raise(_)) if self.changes == changes => {
                self.rewind(operations, frames, depth);
                *scope = before;
                return self.block(source, otherwise, scope);
            }
            Err(stop) => return Err(stop),
            Ok(Some(_)) => return Err(self.fault(undecided)),
            Ok(None) => {}
        }
        let after = std::mem::replace(scope, before);
        let (operations_then, changes_then) = (self.draft.len(), self.changes);
        match self.block(source, otherwise, scope) {
            Err(Stop::Raise(_)) if self.changes == changes_then => {
                self.rewind(operations_then, frames, depth);
                *scope = after;
                return Ok(None);
            }
            Err(stop) => return Err(stop),
            Ok(Some(_)) => return Err(self.fault(undecided)),
            Ok(None) => {}
        }
        if self.changes != changes {
            return Err(self.fault(undecided));
        }
        // What one way alone assigns is read behind neither.
        let otherwise = std::mem::take(scope);
        for (name, value) in after {
            let Some(other) = otherwise.get(&name) else { continue };
            let value = self.both(value, other.clone())?;
            scope.insert(name, value);
        }
        Ok(None)
    }

    /// Forgets what was done since there were so many operations, on a way that raises.
    fn rewind(&mut self, operations: usize, frames: usize, depth: usize) {
        self.draft.truncate(operations);
        self.frames.truncate(frames);
        self.depth = depth;
    }

    /// What stands for two values of which a run would take one: of tensors, those made of the same one channel by channel.
    pub fn both(&mut self, one: Value, other: Value) -> Result<Value, Stop> {
        let opaque = |value: &Value| matches!(value, Value::Tensor(_) | Value::Module(_) | Value::None);
        if let (Some(ones), Some(others)) = (self.values.items(&one), self.values.items(&other))
            && ones == others
        {
            return Ok(one);
        }
        if one == other {
            return Ok(one);
        }
        if let (&Value::Tensor(one), &Value::Tensor(other)) = (&one, &other) {
            let [x, y] = [one, other].map(|at| data(&self.values.tensors[at].operand));
            let name = self.here();
            let site = Site { name: &name, operation: "a branch" };
            if let Some(either) = x.zip(y).and_then(|(x, y)| self.draft.either(site, x, y)) {
                return Ok(self.values.tensor(either, None));
            }
        }
        if opaque(&one) || opaque(&other) {
            return Err(self.fault("has a branch that only a run would decide"));
        }
        Ok(Value::Unknown)
    }

    fn assign(&mut self, source: &Rc<Source>, target: Id, value: Value, scope: &mut Scope) -> Result<(), Stop> {
        self.spend(1)?;
        match &source.expressions[target as usize] {
            Expression::Name(name) => {
                scope.insert(name.clone(), value);
            }
            Expression::Tuple(targets) => {
                let items = match (self.values.items(&value), &value) {
                    (Some(items), _) if items.len() == targets.len() => items.to_vec(),
                    // Several results of an operation that no graph is drawn through.
                    (None, _) if self.is_unsupported(&value) => vec![value; targets.len()],
                    (None, Value::Unknown) => vec![value; targets.len()],
                    _ => return Err(self.fault(format!("takes {} values of what has others", targets.len()))),
                };
                for (&target, item) in targets.iter().zip(items) {
                    self.assign(source, target, item, scope)?;
                }
            }
            Expression::Attribute(object, name) => {
                let Value::Module(id) = self.evaluate(source, *object, scope)? else {
                    return Err(self.fault(format!("sets '{name}' of what is no module")));
                };
                self.changes += 1;
                self.set.insert((id, name.clone()), value);
            }
            Expression::Subscript(object, index) => {
                let object = self.evaluate(source, *object, scope)?;
                let index = self.evaluate(source, *index, scope)?;
                self.set_item(&object, index, value)?;
            }
            _ => return Err(self.fault("assigns to what is no variable")),
        }
        Ok(())
    }
}
