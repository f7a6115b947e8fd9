//! Expressions: names, attributes, and what a call calls.

use std::rc::Rc;

use super::code::Definition;
use super::interpreter::{Machine, Scope, Stop};
use super::syntax::{Expression, Id, Source};
use super::value::{Arguments, Value};
use crate::model::draft::{Constant, Operand};
use crate::model::heap;
use crate::model::pytorch::Pickled;

impl Machine<'_> {
    /// The value of an expression.
    pub fn evaluate(&mut self, source: &Rc<Source>, id: Id, scope: &mut Scope) -> Result<Value, Stop> {
        self.enter()?;
        let value = match &source.expressions[id as usize] {
            Expression::None => Value::None,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Int(value) => Value::Int(*value),
            Expression::Float(value) => Value::Float(*value),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Name(name) => match scope.get(name) {
                Some(value) => value.clone(),
                None => return Err(self.fault(format!("has no variable '{name}'"))),
            },
            Expression::List(items) => {
                let items = self.each(source, items, scope)?;
                self.values.list(items)
            }
            Expression::Tuple(items) => {
                let items = self.each(source, items, scope)?;
                self.values.tuple(items, None)
            }
            Expression::Dict(pairs) => {
                let mut dict = vec![];
                for &(key, value) in pairs {
                    dict.push((self.evaluate(source, key, scope)?, self.evaluate(source, value, scope)?));
                }
                self.values.dicts.push(dict);
                Value::Dict(self.values.dicts.len() - 1)
            }
            Expression::Conditional { condition, then, otherwise } => {
                self.conditional(source, [*condition, *then, *otherwise], scope)?
            }
            Expression::Operator(name, operands) => {
                let positional = self.each(source, operands, scope)?;
                self.operator("aten", name, Arguments { positional, named: vec![] })?
            }
            Expression::Subscript(object, index) => {
                let object = self.evaluate(source, *object, scope)?;
                let index = self.evaluate(source, *index, scope)?;
                self.item(&object, &index)?
            }
            Expression::Attribute(object, name) => match qualified(source, id, scope) {
                Some(path) => self.named(&path)?,
                None => {
                    let object = self.evaluate(source, *object, scope)?;
                    self.attribute(&object, name)?
                }
            },
            Expression::Call { .. } => self.called(source, id, scope)?,
        };
        self.leave();
        Ok(value)
    }

    fn each(&mut self, source: &Rc<Source>, ids: &[Id], scope: &mut Scope) -> Result<Vec<Value>, Stop> {
        ids.iter().map(|&id| self.evaluate(source, id, scope)).collect()
    }

    fn conditional(&mut self, source: &Rc<Source>, ids: [Id; 3], scope: &mut Scope) -> Result<Value, Stop> {
        let [condition, then, otherwise] = ids;
        let condition = self.evaluate(source, condition, scope)?;
        if let Some(holds) = self.values.truth(&condition) {
            return self.evaluate(source, if holds { then } else { otherwise }, scope);
        }
        let changes = self.changes;
        let (one, other) = (self.evaluate(source, then, scope)?, self.evaluate(source, otherwise, scope)?);
        if self.changes != changes {
            return Err(self.fault("has a branch that only a run would decide"));
        }
        self.both(one, other)
    }

    /// What a qualified name stands for where it is not called.
    fn named(&mut self, path: &str) -> Result<Value, Stop> {
        if let Some(name) = path.strip_prefix("CONSTANTS.") {
            return self.stored(name);
        }
        Ok(if path.starts_with("__torch__.") { Value::Function(path.into()) } else { Value::Unknown })
    }

    /// A constant of the program.
    fn stored(&mut self, name: &str) -> Result<Value, Stop> {
        if let Some(value) = self.stored.get(name) {
            return Ok(value.clone());
        }
        let constants = self.constants;
        let number = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok());
        let id = match (constants.heap.get(constants.root), number) {
            (heap::Value::Tuple(items), Some(number)) => items.get(number).copied(),
            _ => None,
        };
        let Some(id) = id else { return Err(self.fault(format!("names CONSTANTS.{name}, which the archive lacks"))) };
        let value = self.restored(constants, id)?;
        self.stored.insert(name.into(), value.clone());
        Ok(value)
    }

    /// A value of a pickle.
    fn restored(&mut self, pickled: &Pickled, id: heap::Id) -> Result<Value, Stop> {
        self.enter()?;
        let value = match pickled.heap.get(id) {
            heap::Value::None => Value::None,
            heap::Value::Bool(value) => Value::Bool(*value),
            heap::Value::Int(value) => Value::Int(*value),
            heap::Value::Float(value) => Value::Float(*value),
            heap::Value::Text(text) => Value::Text(text.clone()),
            heap::Value::Object { .. } => Value::Module(id),
            heap::Value::Tensor(tensor) => {
                let shape = tensor.shape.clone();
                let entry = pickled.names.get(&id).and_then(|name| self.places.get(&**name).copied());
                let operand = match entry {
                    Some(entry) => Operand::Constant(Constant { entry, shape, transposed: false }),
                    None => Operand::Computed(Some(shape.into_iter().map(Some).collect())),
                };
                self.values.tensor(operand, None)
            }
            heap::Value::List(items) => {
                let items = items.iter().map(|&item| self.restored(pickled, item)).collect::<Result<_, _>>()?;
                self.values.list(items)
            }
            heap::Value::Tuple(items) => {
                let items = items.iter().map(|&item| self.restored(pickled, item)).collect::<Result<_, _>>()?;
                self.values.tuple(items, None)
            }
            heap::Value::Dict(pairs) => {
                let pair = |&(key, value)| Ok((self.restored(pickled, key)?, self.restored(pickled, value)?));
                let pairs = pairs.iter().map(pair).collect::<Result<_, Stop>>()?;
                self.values.dicts.push(pairs);
                Value::Dict(self.values.dicts.len() - 1)
            }
            _ => Value::Unknown,
        };
        self.leave();
        Ok(value)
    }

    /// An attribute of a module, or a part of a named tuple.
    pub fn attribute(&mut self, object: &Value, name: &str) -> Result<Value, Stop> {
        let module = match object {
            Value::Module(id) => *id,
            Value::Tuple(at) | Value::List(at) => {
                let sequence = &self.values.sequences[*at];
                let position = sequence.names.as_ref().and_then(|names| names.iter().position(|part| &**part == name));
                let item = position.and_then(|position| sequence.items.get(position)).cloned();
                return item.ok_or_else(|| self.fault(format!("takes '{name}' of what has no such part")));
            }
            Value::Tensor(_) | Value::Unknown => return Ok(Value::Unknown),
            _ => return Err(self.fault(format!("takes the attribute '{name}' of what has none"))),
        };
        if name == "training" {
            return Ok(Value::Bool(false));
        }
        if let Some(value) = self.set.get(&(module, name.into())) {
            return Ok(value.clone());
        }
        let data = self.data;
        let Some(id) = self.member(module, name)? else {
            return Err(self.fault(format!("needs the attribute '{name}', which the module lacks")));
        };
        if let Some(value) = self.read.get(&id) {
            return Ok(value.clone());
        }
        let value = self.restored(data, id)?;
        self.read.insert(id, value.clone());
        Ok(value)
    }

    /// The attribute of an object of `data.pkl`.
    fn member(&mut self, module: heap::Id, name: &str) -> Result<Option<heap::Id>, Stop> {
        let data = self.data;
        let heap::Value::Object { state: Some(state), .. } = data.heap.get(module) else { return Ok(None) };
        let heap::Value::Dict(pairs) = data.heap.get(*state) else { return Ok(None) };
        self.spend(pairs.len())?;
        let named = |key| matches!(data.heap.get(key), heap::Value::Text(key) if &**key == name);
        Ok(pairs.iter().find(|&&(key, _)| named(key)).map(|&(_, value)| value))
    }

    fn called(&mut self, source: &Rc<Source>, id: Id, scope: &mut Scope) -> Result<Value, Stop> {
        let Expression::Call { function, positional, named } = &source.expressions[id as usize] else {
            return Ok(Value::Unknown);
        };
        if let Expression::Name(name) = &source.expressions[*function as usize]
            && !scope.contains_key(name)
        {
            return self.builtin(source, name, positional, scope);
        }
        let path = qualified(source, *function, scope);
        let object = match (&source.expressions[*function as usize], &path) {
            (Expression::Attribute(object, method), None) => Some((self.evaluate(source, *object, scope)?, method)),
            _ => None,
        };
        let computed =
            if path.is_none() && object.is_none() { Some(self.evaluate(source, *function, scope)?) } else { None };
        let mut arguments = Arguments { positional: self.each(source, positional, scope)?, named: vec![] };
        for (name, value) in named {
            arguments.named.push((name.clone(), self.evaluate(source, *value, scope)?));
        }
        if let Some((object, method)) = object {
            return self.method(object, method, arguments);
        }
        let path: Rc<str> = match (path, computed) {
            (Some(path), _) => path.into(),
            (None, Some(Value::Function(path))) => path,
            _ => return Err(self.fault("calls what is no function")),
        };
        if path.starts_with("__torch__.") {
            return self.function(&path, arguments);
        }
        let (space, name) = match path.strip_prefix("ops.").and_then(|rest| rest.split_once('.')) {
            Some(split) => split,
            None => ("aten", path.strip_prefix("torch.").unwrap_or(&path)),
        };
        self.operator(space, name, arguments)
    }

    /// Calls a method of a module.
    fn method(&mut self, object: Value, method: &str, arguments: Arguments) -> Result<Value, Stop> {
        let data = self.data;
        let Value::Module(id) = object else {
            return Err(self.fault(format!("calls the method '{method}' of what is no module")));
        };
        let heap::Value::Object { class, .. } = data.heap.get(id) else {
            return Err(self.fault(format!("calls the method '{method}' of what is no module")));
        };
        let Some((source, function)) = self.code.method(class, method)? else {
            return Err(self.fault(format!("calls '{method}' of {class}, which the archive lacks")));
        };
        let module: Rc<str> = data.names.get(&id).map_or("", String::as_str).into();
        let positional = [object].into_iter().chain(arguments.positional).collect();
        self.call(&source, &function, positional, arguments.named, module)
    }

    /// Calls a function of the program, or makes a named tuple.
    fn function(&mut self, path: &str, arguments: Arguments) -> Result<Value, Stop> {
        match self.code.definition(path)? {
            Some(Definition::Function(source, function)) => {
                let module = self.frames.last().map_or_else(|| "".into(), |frame| frame.module.clone());
                self.call(&source, &function, arguments.positional, arguments.named, module)
            }
            Some(Definition::NamedTuple(names)) => {
                let mut items = arguments.positional;
                items.extend(arguments.named.into_iter().map(|(_, value)| value));
                Ok(self.values.tuple(items, Some(names)))
            }
            Some(Definition::Class) => Err(self.fault(format!("makes an object of {path}"))),
            None => Err(self.fault(format!("calls {path}, which the archive lacks"))),
        }
    }

    /// What is called by its name alone.
    fn builtin(&mut self, source: &Rc<Source>, name: &str, ids: &[Id], scope: &mut Scope) -> Result<Value, Stop> {
        // The first arguments of these are types.
        match (name, ids) {
            ("annotate" | "unchecked_cast", &[_, value]) => return self.evaluate(source, value, scope),
            ("uninitialized", _) => return Ok(Value::Unknown),
            ("isinstance", &[value, kind]) => {
                let value = self.evaluate(source, value, scope)?;
                return Ok(self.is_instance(source, &value, kind));
            }
            _ => {}
        }
        let positional = self.each(source, ids, scope)?;
        match (name, &positional[..]) {
            ("getattr", [object, Value::Text(attribute), ..]) => self.attribute(object, attribute),
            ("hasattr", [Value::Module(id), Value::Text(attribute)]) => {
                Ok(Value::Bool(self.member(*id, attribute)?.is_some()))
            }
            _ => self.operator("prim", name, Arguments { positional, named: vec![] }),
        }
    }

    fn is_instance(&self, source: &Source, value: &Value, kind: Id) -> Value {
        let kind = match &source.expressions[kind as usize] {
            Expression::Name(name) => name,
            Expression::Subscript(of, _) => match &source.expressions[*of as usize] {
                Expression::Name(name) => name,
                _ => return Value::Unknown,
            },
            _ => return Value::Unknown,
        };
        Value::Bool(match (&**kind, value) {
            (_, Value::Unknown) => return Value::Unknown,
            ("Tensor", value) => matches!(value, Value::Tensor(_)),
            ("int", value) => matches!(value, Value::Int(_)),
            ("float", value) => matches!(value, Value::Float(_)),
            ("bool", value) => matches!(value, Value::Bool(_)),
            ("str", value) => matches!(value, Value::Text(_)),
            ("NoneType", value) => matches!(value, Value::None),
            ("List", value) => matches!(value, Value::List(_)),
            ("Tuple", value) => matches!(value, Value::Tuple(_)),
            ("Dict", value) => matches!(value, Value::Dict(_)),
            _ => return Value::Unknown,
        })
    }
}

/// `a.b.c` of names, where `a` is no variable.
fn qualified(source: &Source, mut id: Id, scope: &Scope) -> Option<String> {
    let mut parts: Vec<&str> = vec![];
    loop {
        match &source.expressions[id as usize] {
            Expression::Attribute(object, name) => {
                parts.push(name);
                id = *object;
            }
            Expression::Name(name) if matches!(&**name, "torch" | "ops" | "__torch__" | "CONSTANTS") => {
                parts.push(name);
                break;
            }
            _ => return None,
        }
    }
    parts.reverse();
    if scope.contains_key(parts[0]) { None } else { Some(parts.join(".")) }
}
