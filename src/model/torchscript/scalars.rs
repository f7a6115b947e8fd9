//! Operators on numbers and texts, and what is asked of tensors without their elements.

use super::interpreter::{Machine, Stop};
use super::lists::place;
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
                let sizes = self.values.items(&sizes).unwrap_or_default();
                place(*axis, sizes.len()).map_or(Value::Unknown, |at| sizes[at].clone())
            }
            ("size", _) => Value::Unknown,
            ("dim" | "ndimension", [Value::Tensor(at)]) => {
                let extents = self.draft.extents(&self.values.tensors[*at].operand);
                extents.map_or(Value::Unknown, |extents| Value::Int(extents.len() as i64))
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
        let Value::Tensor(at) = tensor else { return Value::Unknown };
        let Some(extents) = self.draft.extents(&self.values.tensors[*at].operand) else { return Value::Unknown };
        let number = |extent: Option<usize>| extent.map_or(Value::Unknown, |extent| Value::Int(extent as i64));
        let sizes = extents.into_iter().map(number).collect();
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
