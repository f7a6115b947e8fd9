//! Operators on numbers, texts, lists and dictionaries, and what is asked of tensors without their elements.

use super::interpreter::{Machine, Stop};
use super::value::{Arguments, Value};

impl Machine<'_> {
    /// Calls an operator, where it is none on tensors.
    pub fn scalar(&mut self, name: &str, arguments: &Arguments) -> Result<Option<Value>, Stop> {
        let positional = &arguments.positional[..];
        Ok(Some(match (name, positional) {
            ("RaiseException" | "raise", [Value::Text(message), ..]) => return Err(Stop::Raise(message.to_string())),
            ("RaiseException" | "raise", _) => return Err(Stop::Raise("an exception".into())),
            ("_assert", [condition, ..]) if self.values.truth(condition) == Some(false) => {
                return Err(Stop::Raise("AssertionError".into()));
            }
            ("_assert" | "_assert_async" | "warn" | "warnings" | "print" | "Print", _) => Value::None,
            ("format", [Value::Text(text), ..]) => Value::Text(text.clone()),
            ("is_grad_enabled" | "is_autocast_enabled" | "requires_grad" | "is_quantized", _) => Value::Bool(false),
            (
                "is_nonzero" | "item" | "numel" | "equal" | "allclose" | "get_device" | "stride" | "is_contiguous",
                [_, ..],
            ) => Value::Unknown,
            ("is_floating_point", [_]) => Value::Bool(true),
            ("size", [tensor]) => self.size(tensor),
            ("size", [tensor, Value::Int(axis)]) => {
                let sizes = self.size(tensor);
                match (self.values.items(&sizes), tensor) {
                    (Some(sizes), _) => place(*axis, sizes.len()).map_or(Value::Unknown, |at| sizes[at].clone()),
                    // Of the input, whose number of axes is not known.
                    (None, Value::Flow(at)) if *axis == 1 => {
                        self.values.flows[*at].channels.map_or(Value::Unknown, |channels| Value::Int(channels as i64))
                    }
                    _ => Value::Unknown,
                }
            }
            ("size", _) => Value::Unknown,
            ("dim" | "ndimension", [Value::Flow(at)]) => {
                self.values.flows[*at].rank.map_or(Value::Unknown, |rank| Value::Int(rank as i64))
            }
            ("dim" | "ndimension", [Value::Constant(at)]) => {
                let shape = &self.values.constants[*at].shape;
                shape.as_ref().map_or(Value::Unknown, |shape| Value::Int(shape.len() as i64))
            }
            ("len", [value]) => match value {
                Value::Dict(at) => Value::Int(self.values.dicts[*at].len() as i64),
                Value::Text(text) => Value::Int(text.chars().count() as i64),
                value => self.values.items(value).map_or(Value::Unknown, |items| Value::Int(items.len() as i64)),
            },
            ("__not__" | "not_", [value]) => truth(self.values.truth(value).map(|holds| !holds)),
            ("__is__", [one, other]) => truth(same(one, other)),
            ("__isnot__", [one, other]) => truth(same(one, other).map(|same| !same)),
            ("__and__", [one @ (Value::Bool(_) | Value::Unknown), other @ (Value::Bool(_) | Value::Unknown)]) => {
                match (self.values.truth(one), self.values.truth(other)) {
                    (Some(false), _) | (_, Some(false)) => Value::Bool(false),
                    (one, other) => truth(one.zip(other).map(|_| true)),
                }
            }
            ("__or__", [one @ (Value::Bool(_) | Value::Unknown), other @ (Value::Bool(_) | Value::Unknown)]) => {
                match (self.values.truth(one), self.values.truth(other)) {
                    (Some(true), _) | (_, Some(true)) => Value::Bool(true),
                    (one, other) => truth(one.zip(other).map(|_| false)),
                }
            }
            ("float", [Value::Text(text)]) => text.parse().map_or(Value::Unknown, Value::Float),
            (
                "int" | "float" | "bool" | "Int" | "Float" | "Bool" | "IntImplicit" | "FloatImplicit" | "NumToTensor"
                | "ScalarImplicit",
                [value],
            ) => {
                match (name, value) {
                    ("ScalarImplicit" | "NumToTensor", Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                        value.clone()
                    }
                    ("int" | "Int" | "IntImplicit", Value::Int(_)) => value.clone(),
                    ("int" | "Int" | "IntImplicit", Value::Bool(value)) => Value::Int(i64::from(*value)),
                    // Towards zero, and to the nearest integer there is.
                    ("int" | "Int" | "IntImplicit", Value::Float(value)) => Value::Int(*value as i64),
                    ("float" | "Float" | "FloatImplicit", value) => number(value).map_or(Value::Unknown, Value::Float),
                    ("bool" | "Bool", value) => truth(self.values.truth(value)),
                    _ => Value::Unknown,
                }
            }
            ("range", _) => self.range_list(positional)?,
            ("__in__", [item, list]) => return self.on_list("__contains__", &[list.clone(), item.clone()]),
            _ => {
                if let Some(value) = self.on_list(name, positional)? {
                    return Ok(Some(value));
                }
                return Ok(self.arithmetic(name, positional));
            }
        }))
    }

    /// Extents of a tensor's axes.
    fn size(&mut self, tensor: &Value) -> Value {
        let sizes = match tensor {
            Value::Flow(at) => {
                let flow = &self.values.flows[*at];
                let Some(rank) = flow.rank else { return Value::Unknown };
                let channels = flow.channels.filter(|_| !flow.dropped);
                let of = |axis| channels.filter(|_| axis == 1).map_or(Value::Unknown, |count| Value::Int(count as i64));
                (0..rank).map(of).collect()
            }
            Value::Constant(at) => match &self.values.constants[*at].shape {
                Some(shape) => shape.iter().map(|&extent| Value::Int(extent as i64)).collect(),
                None => return Value::Unknown,
            },
            _ => return Value::Unknown,
        };
        self.values.list(sizes)
    }

    fn range_list(&mut self, bounds: &[Value]) -> Result<Value, Stop> {
        let (from, to, step) = match bounds {
            [Value::Int(to)] => (0, *to, 1),
            [Value::Int(from), Value::Int(to)] => (*from, *to, 1),
            [Value::Int(from), Value::Int(to), Value::Int(step)] if *step != 0 => (*from, *to, *step),
            _ => return Ok(Value::Unknown),
        };
        let (distance, stride) = (to as i128 - from as i128, step as i128);
        let count = if (distance > 0) == (stride > 0) { (distance.abs() + stride.abs() - 1) / stride.abs() } else { 0 };
        self.spend(usize::try_from(count).unwrap_or(usize::MAX))?;
        let items = (0..count).map(|i| Value::Int((from as i128 + i * stride) as i64)).collect();
        Ok(self.values.list(items))
    }

    /// Operators on lists, tuples and dictionaries.
    fn on_list(&mut self, name: &str, arguments: &[Value]) -> Result<Option<Value>, Stop> {
        if let [Value::Dict(at), rest @ ..] = arguments {
            let pairs = self.values.dicts[*at].clone();
            self.spend(pairs.len())?;
            let found = rest.first().and_then(|key| pairs.iter().find(|(other, _)| other == key));
            return Ok(Some(match name {
                "__contains__" => Value::Bool(found.is_some()),
                "get" => found.map_or_else(|| rest.get(1).cloned().unwrap_or(Value::None), |(_, value)| value.clone()),
                "keys" => self.values.list(pairs.into_iter().map(|(key, _)| key).collect()),
                "values" => self.values.list(pairs.into_iter().map(|(_, value)| value).collect()),
                "items" => {
                    let items =
                        pairs.into_iter().map(|(key, value)| self.values.tuple(vec![key, value], None)).collect();
                    self.values.list(items)
                }
                "__getitem__" if rest.len() == 1 => self.item(&arguments[0], &rest[0])?,
                "_set_item" if rest.len() == 2 => {
                    self.set_item(&arguments[0], rest[0].clone(), rest[1].clone())?;
                    Value::None
                }
                _ => return Ok(None),
            }));
        }
        let [first @ (Value::List(at) | Value::Tuple(at)), rest @ ..] = arguments else { return Ok(None) };
        let at = *at;
        // An item costs a copy, whatever is done with it.
        let length = self.values.sequences[at].items.len();
        if !matches!(name, "append" | "__getitem__" | "_set_item" | "pop") {
            self.spend(length)?;
        }
        let items = |machine: &Self| machine.values.sequences[at].items.clone();
        Ok(Some(match (name, rest) {
            ("append", [item]) => {
                self.changes += 1;
                self.values.sequences[at].items.push(item.clone());
                first.clone()
            }
            ("extend" | "add_", [other]) => {
                let other = self.values.items(other).map(<[Value]>::to_vec).unwrap_or_default();
                self.spend(other.len())?;
                self.changes += 1;
                self.values.sequences[at].items.extend(other);
                first.clone()
            }
            ("insert", [Value::Int(index), item]) => {
                self.changes += 1;
                let index = place(*index, length).unwrap_or(if *index < 0 { 0 } else { length });
                self.values.sequences[at].items.insert(index, item.clone());
                Value::None
            }
            ("pop", []) | ("pop", [Value::Int(_)]) => {
                let index = if let [Value::Int(index)] = rest { *index } else { -1 };
                let Some(index) = place(index, length) else {
                    return Err(self.fault("takes an item that a list lacks"));
                };
                self.changes += 1;
                self.spend(length - index)?;
                self.values.sequences[at].items.remove(index)
            }
            ("clear", []) => {
                self.changes += 1;
                self.values.sequences[at].items.clear();
                Value::None
            }
            ("reverse", []) => {
                self.changes += 1;
                self.values.sequences[at].items.reverse();
                Value::None
            }
            ("copy" | "list", []) => {
                let items = items(self);
                self.values.list(items)
            }
            ("add", [other]) => {
                let Some(other) = self.values.items(other).map(<[Value]>::to_vec) else { return Ok(None) };
                self.spend(other.len())?;
                let items = [items(self), other].concat();
                self.values.list(items)
            }
            ("mul", [Value::Int(times)]) => {
                let times = usize::try_from(*times).unwrap_or(0);
                self.spend(length.saturating_mul(times))?;
                let items = items(self);
                let items = (0..times).flat_map(|_| items.iter().cloned()).collect();
                self.values.list(items)
            }
            ("slice", _) => {
                let bound = |i: usize, default: i64| match rest.get(i) {
                    Some(Value::Int(bound)) => Some(*bound),
                    None | Some(Value::None) => Some(default),
                    _ => None,
                };
                let (Some(from), Some(to), Some(step)) = (bound(0, 0), bound(1, i64::MAX), bound(2, 1)) else {
                    return Ok(Some(Value::Unknown));
                };
                let (from, to) = (clamped(from, length), clamped(to, length));
                let step = usize::try_from(step).unwrap_or(1).max(1);
                let items =
                    items(self).get(from..to.max(from)).unwrap_or_default().iter().step_by(step).cloned().collect();
                self.values.list(items)
            }
            ("__getitem__", [index]) => self.item(first, index)?,
            ("_set_item", [index, value]) => {
                self.set_item(first, index.clone(), value.clone())?;
                Value::None
            }
            ("__contains__", [item]) => {
                let items = items(self);
                if items.contains(item) {
                    Value::Bool(true)
                } else if items.contains(&Value::Unknown) || *item == Value::Unknown {
                    Value::Unknown
                } else {
                    Value::Bool(false)
                }
            }
            ("eq" | "ne", [other]) => {
                let Some(others) = self.values.items(other) else { return Ok(Some(Value::Bool(name == "ne"))) };
                let items = &self.values.sequences[at].items;
                let unknown =
                    items.len() == others.len() && items.iter().chain(others).any(|item| *item == Value::Unknown);
                if unknown { Value::Unknown } else { Value::Bool((items == others) == (name == "eq")) }
            }
            _ => return Ok(None),
        }))
    }

    /// Operators on numbers and texts; `None` for others.
    fn arithmetic(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        let plain = |value: &Value| {
            matches!(
                value,
                Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Unknown
            )
        };
        if arguments.is_empty() || !arguments.iter().all(plain) {
            // A list beside a number is what neither is asked for.
            return None;
        }
        let known = !arguments.contains(&Value::Unknown);
        let value = match (name, arguments) {
            ("eq" | "ne", [one, other]) => {
                let equal = match (number(one), number(other)) {
                    (Some(one), Some(other)) => one == other,
                    _ => one == other,
                };
                known.then_some(Value::Bool(equal == (name == "eq")))
            }
            ("lt" | "le" | "gt" | "ge", [one, other]) => number(one).zip(number(other)).map(|(one, other)| {
                Value::Bool(match name {
                    "lt" => one < other,
                    "le" => one <= other,
                    "gt" => one > other,
                    _ => one >= other,
                })
            }),
            (_, [Value::Int(one), Value::Int(other)]) => integers(name, *one, *other),
            ("add", [Value::Text(_), _]) => None,
            (_, [one, other]) => number(one).zip(number(other)).and_then(|(one, other)| floats(name, one, other)),
            ("neg", [Value::Int(value)]) => value.checked_neg().map(Value::Int),
            ("abs", [Value::Int(value)]) => value.checked_abs().map(Value::Int),
            (_, [value]) => number(value).and_then(|value| {
                Some(match name {
                    "neg" => Value::Float(-value),
                    "abs" => Value::Float(value.abs()),
                    "sqrt" => Value::Float(value.sqrt()),
                    "floor" => Value::Int(value.floor() as i64),
                    "ceil" => Value::Int(value.ceil() as i64),
                    "trunc" => Value::Int(value as i64),
                    _ => return None,
                })
            }),
            _ => None,
        };
        let arithmetic = [
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "add",
            "sub",
            "mul",
            "div",
            "floordiv",
            "floor_divide",
            "remainder",
            "pow",
            "neg",
            "abs",
            "sqrt",
            "floor",
            "ceil",
            "trunc",
            "min",
            "max",
            "__and__",
            "__or__",
            "round",
            "log",
            "exp",
            "str",
            "rsub",
        ];
        value.or_else(|| arithmetic.contains(&name).then_some(Value::Unknown))
    }

    /// `object[index]`.
    pub fn item(&mut self, object: &Value, index: &Value) -> Result<Value, Stop> {
        let missing = "takes an item that a list or dictionary lacks";
        match (object, index) {
            (Value::List(at) | Value::Tuple(at), Value::Int(index)) => {
                let items = &self.values.sequences[*at].items;
                let item = place(*index, items.len()).map(|at| items[at].clone());
                item.ok_or_else(|| self.fault(missing))
            }
            (Value::List(at) | Value::Tuple(at), Value::Unknown) => {
                let number = |item: &Value| matches!(item, Value::Int(_) | Value::Float(_) | Value::Unknown);
                if self.values.sequences[*at].items.iter().all(number) {
                    return Ok(Value::Unknown);
                }
                Err(self.fault("takes an item of a list that only a run would choose"))
            }
            (Value::Dict(at), key) => {
                let pairs = &self.values.dicts[*at];
                let length = pairs.len();
                let value = pairs.iter().rev().find(|(other, _)| other == key).map(|(_, value)| value.clone());
                self.spend(length)?;
                value.ok_or_else(|| self.fault(missing))
            }
            (Value::Flow(at), _) if self.unsupported(*at) => Ok(object.clone()),
            (Value::Unknown | Value::Text(_), _) => Ok(Value::Unknown),
            _ => Err(self.fault("takes an item of what is no list")),
        }
    }

    /// `object[index] = value`.
    pub fn set_item(&mut self, object: &Value, index: Value, value: Value) -> Result<(), Stop> {
        self.changes += 1;
        let done = match (object, &index) {
            (Value::List(at), Value::Int(index)) => {
                let items = &mut self.values.sequences[*at].items;
                place(*index, items.len()).map(|at| items[at] = value).is_some()
            }
            (Value::Dict(at), _) if index != Value::Unknown => {
                let length = self.values.dicts[*at].len();
                self.spend(length)?;
                let pairs = &mut self.values.dicts[*at];
                match pairs.iter_mut().find(|(key, _)| *key == index) {
                    Some(pair) => pair.1 = value,
                    None => pairs.push((index, value)),
                }
                true
            }
            _ => false,
        };
        if done { Ok(()) } else { Err(self.fault("sets an item of what is no list, or lacks it")) }
    }
}

/// The place of item `index`, which counts from the end if it is negative.
pub(super) fn place(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(at).ok().filter(|&at| at < length)
}

/// A bound of a slice among so many items.
pub(super) fn clamped(bound: i64, length: usize) -> usize {
    let signed = i64::try_from(length).unwrap_or(i64::MAX);
    (if bound < 0 { bound.saturating_add(signed).max(0) } else { bound.min(signed) }) as usize
}

fn truth(holds: Option<bool>) -> Value {
    holds.map_or(Value::Unknown, Value::Bool)
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

/// `is`.
fn same(one: &Value, other: &Value) -> Option<bool> {
    if one == &Value::Unknown || other == &Value::Unknown { None } else { Some(one == other) }
}

fn integers(name: &str, one: i64, other: i64) -> Option<Value> {
    Some(Value::Int(match name {
        "add" => one.checked_add(other)?,
        "sub" => one.checked_sub(other)?,
        "rsub" => other.checked_sub(one)?,
        "mul" => one.checked_mul(other)?,
        "div" if other != 0 => return Some(Value::Float(one as f64 / other as f64)),
        // Python rounds down.
        "floordiv" | "floor_divide" if other != 0 => {
            one.checked_div(other)? - i64::from(one % other != 0 && (one < 0) != (other < 0))
        }
        "remainder" if other != 0 => {
            one.checked_rem(other)?.checked_add(if one % other != 0 && (one < 0) != (other < 0) { other } else { 0 })?
        }
        "pow" => one.checked_pow(u32::try_from(other).ok()?)?,
        "min" => one.min(other),
        "max" => one.max(other),
        "__and__" => one & other,
        "__or__" => one | other,
        _ => return None,
    }))
}

fn floats(name: &str, one: f64, other: f64) -> Option<Value> {
    Some(Value::Float(match name {
        "add" => one + other,
        "sub" => one - other,
        "rsub" => other - one,
        "mul" => one * other,
        "div" if other != 0.0 => one / other,
        "floordiv" | "floor_divide" if other != 0.0 => (one / other).floor(),
        "remainder" if other != 0.0 => one - other * (one / other).floor(),
        "pow" => one.powf(other),
        "min" => one.min(other),
        "max" => one.max(other),
        _ => return None,
    }))
}
