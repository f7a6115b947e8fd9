//! Operators on the axes of tensors.

use super::interpreter::Machine;
use super::lists::{clamped, place};
use super::value::{Arguments, Constant, Flow, Value};
use crate::dataflow::Kind;

/// The axis that `dim` counts, from the end if it is negative; a tensor of unknown axes is taken to be an image.
pub(super) fn axis(dim: i64, rank: Option<usize>) -> Option<usize> {
    let axes = i64::try_from(rank.unwrap_or(4)).ok()?;
    usize::try_from(if dim < 0 { dim.checked_add(axes)? } else { dim }).ok()
}

impl Machine<'_> {
    /// A view of a tensor: what is written into it changes that, too.
    fn view(&mut self, kind: Kind, flow: usize, rank: usize, channels: Option<usize>) -> Value {
        let x = self.values.flows[flow].clone();
        let name = self.here();
        let value = self.dataflow.push(name, kind, &[x.value]);
        self.values.flow(Flow { value, rank: Some(rank), channels, dropped: false, base: Some(flow) })
    }

    /// Operators that change the axes of a tensor alone; `None` where channels would not stay what they are.
    pub fn shape(&mut self, name: &str, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        match name {
            "zeros_like" | "ones_like" | "full_like" | "empty_like" | "rand_like" | "randn_like" => {
                return Some(self.values.constant(Constant { channels: x.channels, ..Constant::default() }));
            }
            "new_zeros" | "new_ones" | "new_full" | "new_empty" => return Some(self.made(arguments.positional.get(1))),
            "unsqueeze" => {
                let dim = arguments.int(1, "dim")?;
                let at = axis(dim, x.rank.map(|rank| rank + 1).or(Some(if x.dropped { 4 } else { 5 })))?;
                let rank = x.rank.map(|rank| rank + 1);
                return match (x.dropped, at) {
                    (true, 1) => {
                        let value = self.derived(Kind::Pointwise, flow, rank);
                        if let Value::Flow(at) = value {
                            self.values.flows[at].dropped = false;
                            self.values.flows[at].base = Some(flow);
                        }
                        Some(value)
                    }
                    (false, 2..) => Some(self.view(Kind::Pointwise, flow, rank?, x.channels)),
                    _ => None,
                };
            }
            _ if x.dropped => return None,
            _ => {}
        }
        match name {
            "flatten" => {
                let from = axis(arguments.int(1, "start_dim").unwrap_or(0), x.rank)?;
                let to = arguments.int(2, "end_dim").unwrap_or(-1);
                let last = to == -1 || x.rank.is_some_and(|rank| axis(to, x.rank) == Some(rank - 1));
                match (from, x.rank) {
                    (1, Some(2)) => Some(Value::Flow(flow)),
                    (1, _) if last => Some(self.view(Kind::Flatten, flow, 2, None)),
                    (2.., Some(rank)) if last && from < rank => {
                        Some(self.view(Kind::Pointwise, flow, from + 1, x.channels))
                    }
                    _ => None,
                }
            }
            "view" | "reshape" | "_unsafe_view" => self.reshape(flow, arguments.get(1, "size")?),
            "squeeze" => {
                let rank = x.rank?;
                let axes = match arguments.get(1, "dim") {
                    None => (2..rank).collect(),
                    Some(Value::Int(dim)) => vec![axis(*dim, x.rank)?],
                    Some(dims) => self.axes(dims, x.rank)?,
                };
                if axes.iter().any(|axis| !(2..rank).contains(axis)) {
                    return if rank == 2 && axes.is_empty() { Some(Value::Flow(flow)) } else { None };
                }
                let rank = rank - axes.len();
                let kind = if rank == 2 { Kind::Flatten } else { Kind::Pointwise };
                Some(self.view(kind, flow, rank, x.channels))
            }
            "expand" => {
                let sizes = self.values.items(arguments.get(1, "size")?)?;
                let channels = match sizes.get(1)? {
                    Value::Int(-1) => x.channels,
                    Value::Int(size) if x.channels.is_some_and(|channels| channels as i64 == *size) => x.channels,
                    _ => return None,
                };
                let rank = sizes.len();
                (x.rank == Some(rank)).then(|| self.view(Kind::Pointwise, flow, rank, channels))
            }
            "expand_as" => match arguments.get(1, "other")? {
                Value::Flow(other) => {
                    let other = self.values.flows[*other].clone();
                    let alike = x.rank.is_some()
                        && x.rank == other.rank
                        && x.channels.is_some()
                        && x.channels == other.channels;
                    alike.then(|| self.derived(Kind::Pointwise, flow, x.rank))
                }
                _ => None,
            },
            "permute" => {
                let axes = self.axes(arguments.get(1, "dims")?, x.rank)?;
                let kept = x.rank == Some(axes.len()) && axes[..2.min(axes.len())] == [0, 1];
                kept.then(|| self.view(Kind::Pointwise, flow, axes.len(), x.channels))
            }
            "transpose" | "swapaxes" => {
                let rank = x.rank?;
                let pixels =
                    |i, name| arguments.int(i, name).and_then(|dim| axis(dim, x.rank)).is_some_and(|axis| axis > 1);
                (pixels(1, "dim0") && pixels(2, "dim1")).then(|| self.view(Kind::Pointwise, flow, rank, x.channels))
            }
            _ => None,
        }
    }

    /// Axes that a list names.
    fn axes(&self, dims: &Value, rank: Option<usize>) -> Option<Vec<usize>> {
        let items = self.values.items(dims)?;
        items.iter().map(|dim| if let Value::Int(dim) = dim { axis(*dim, rank) } else { None }).collect()
    }

    /// To two axes, the batch's and one of units; or to others, if channels stay.
    fn reshape(&mut self, flow: usize, size: &Value) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let sizes = self.values.items(size)?.to_vec();
        let channels = match sizes.get(1) {
            Some(Value::Int(size)) => usize::try_from(*size).ok(),
            _ => None,
        };
        match (x.rank, sizes.len()) {
            (Some(2), 2) => {
                let kept = x.channels.is_none() || channels.is_none() || x.channels == channels;
                kept.then(|| self.view(Kind::Pointwise, flow, 2, x.channels.or(channels)))
            }
            (_, 2) => Some(self.view(Kind::Flatten, flow, 2, None)),
            (Some(_), rank @ 3..) if channels.is_some() && channels == x.channels => {
                Some(self.view(Kind::Pointwise, flow, rank, channels))
            }
            _ => None,
        }
    }

    /// `mean(input, dim, keepdim)` and the like over pixels.
    pub fn reduction(&mut self, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let axes = match arguments.get(1, "dim")? {
            Value::Int(dim) => vec![axis(*dim, x.rank)?],
            dims => self.axes(dims, x.rank)?,
        };
        if x.dropped || axes.is_empty() || axes.iter().any(|&axis| axis < 2 || x.rank.is_some_and(|rank| axis >= rank))
        {
            return None;
        }
        let kept = match arguments.get(2, "keepdim") {
            None => false,
            Some(kept) => self.values.truth(kept)?,
        };
        let rank = if kept { x.rank } else { Some(x.rank.unwrap_or(4).checked_sub(axes.len())?) };
        Some(self.derived(Kind::Pointwise, flow, rank))
    }

    /// `slice(input, dim, start, end, step)` and `narrow(input, dim, start, length)`.
    pub fn range(&mut self, name: &str, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let axis = axis(arguments.int(1, "dim").unwrap_or(0), x.rank)?;
        let bound = |i: usize, name: &str, default: i64| match arguments.get(i, name) {
            None | Some(Value::None) => Some(default),
            Some(Value::Int(bound)) => Some(*bound),
            _ => None,
        };
        let (from, mut to) = (bound(2, "start", 0), bound(3, "end", i64::MAX));
        if name == "narrow" {
            to = from.zip(arguments.int(3, "length")).and_then(|(from, length)| from.checked_add(length));
        }
        let step = if name == "slice" { bound(4, "step", 1) } else { Some(1) };
        if (from, to, step) == (Some(0), Some(i64::MAX), Some(1)) {
            return Some(Value::Flow(flow));
        }
        if axis != 1 || x.dropped {
            let value = self.derived(Kind::Pointwise, flow, x.rank);
            if let Value::Flow(at) = value {
                self.values.flows[at].base = Some(flow);
            }
            return Some(value);
        }
        let (from, to) = match x.channels {
            Some(channels) => (clamped(from?, channels), clamped(to?, channels)),
            None => (usize::try_from(from?).ok()?, usize::try_from(to?).ok().filter(|&to| to < i64::MAX as usize)?),
        };
        (step == Some(1) && from <= to).then(|| self.some(flow, from, to))
    }

    /// `select(input, dim, index)`.
    pub fn selection(&mut self, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let at = axis(arguments.int(1, "dim")?, x.rank)?;
        if x.dropped || at == 0 {
            return None;
        }
        if at > 1 {
            let rank = x.rank?.checked_sub(1)?;
            return Some(self.view(Kind::Pointwise, flow, rank, x.channels));
        }
        let index = arguments.int(2, "index")?;
        let index = match x.channels {
            Some(channels) => place(index, channels)?,
            None => usize::try_from(index).ok().filter(|&index| index < usize::MAX)?,
        };
        let value = self.some(flow, index, index + 1);
        if let Value::Flow(at) = value {
            self.values.flows[at].dropped = true;
            self.values.flows[at].rank = x.rank.and_then(|rank| rank.checked_sub(1));
        }
        Some(value)
    }

    /// `pad(input, pad, mode, value)`: two numbers an axis, the last axis first.
    pub fn padding(&mut self, flow: usize, arguments: &Arguments) -> Option<Value> {
        let x = self.values.flows[flow].clone();
        let pads = self.values.items(arguments.get(1, "pad")?)?.to_vec();
        let rank = x.rank.unwrap_or(4.max(pads.len() / 2));
        let pair = |axis: usize| {
            let at = 2 * (rank - 1).checked_sub(axis)?;
            let number = |i: usize| match pads.get(i) {
                None => Some(0),
                Some(Value::Int(pad)) => usize::try_from(*pad).ok(),
                _ => None,
            };
            Some((number(at)?, number(at + 1)?))
        };
        let (before, after) = pair(1)?;
        if x.dropped || pair(0)? != (0, 0) || rank < 2 {
            return None;
        }
        if (before, after) == (0, 0) {
            return Some(self.derived(Kind::Pointwise, flow, x.rank));
        }
        let channels = match x.channels {
            Some(channels) => Some(channels.checked_add(before)?.checked_add(after)?),
            None => None,
        };
        let value = self.derived(Kind::Pad { before, after }, flow, x.rank);
        if let Value::Flow(at) = value {
            self.values.flows[at].channels = channels;
        }
        Some(value)
    }
}
