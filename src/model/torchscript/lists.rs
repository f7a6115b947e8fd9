//! Operators on lists, tuples and dictionaries.

use super::interpreter::{Machine, Stop};
use super::value::Value;

impl Machine<'_> {
    /// Calls an operator whose first argument is a list, tuple or dictionary; `None` if it is none of these.
    pub fn on_list(&mut self, name: &str, arguments: &[Value]) -> Result<Option<Value>, Stop> {
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
            _ if self.is_unsupported(object) => Ok(object.clone()),
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
