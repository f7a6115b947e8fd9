//! Operators that cut tensors along an axis, or join them.

use super::axes::normal;
use super::{Draft, Form, Operand, Site, data};
use crate::dataflow::{Kind, Value};

/// Channels that padding may add and slices may take; more are a damaged file.
const MAX_CHANNELS: i64 = 1 << 24;

impl Draft<'_> {
    /// One after another along `axis`. Constants among them are channels that nothing reaches.
    pub fn concat(&mut self, site: Site, parts: &[Operand], axis: i64) -> Operand {
        let Some(&first) = parts.iter().filter_map(data).collect::<Vec<_>>().first() else {
            return Operand::Computed(None);
        };
        let first = self.forms[first].clone();
        let along_channels = match &first.extents {
            Some(extents) => normal(axis, extents.len()) == Some(1),
            None => axis == 1,
        };
        if first.picked || !along_channels {
            return self.unsupported(site, "along another axis than the channels", parts);
        }
        let (mut values, mut before, mut width, mut mixed) = (Vec::<Operand>::new(), 0, Some(0usize), false);
        for part in parts {
            let own = match part {
                Operand::Data(value) => {
                    mixed |= self.forms[*value].mixed;
                    let channels = self.extent(*value, 1);
                    values.push(self.padded(site, *value, std::mem::take(&mut before), 0));
                    channels
                }
                constant => {
                    let own = self.extents(constant).and_then(|extents| extents.get(1).copied().flatten());
                    let Some(own) = own.filter(|&own| own as i64 <= MAX_CHANNELS) else {
                        return self.unsupported(site, "with a constant of unknown channels", parts);
                    };
                    match values.last().and_then(data) {
                        Some(last) => {
                            let padded = self.padded(site, last, 0, own);
                            values.pop();
                            values.push(padded);
                        }
                        None => before += own,
                    }
                    Some(own)
                }
            };
            width = width.and_then(|width| width.checked_add(own?));
        }
        let mut form = Form { mixed, ..first };
        if let Some(channels) = form.extents.as_mut().and_then(|extents| extents.get_mut(1)) {
            *channels = width;
        }
        match values.iter().filter_map(data).collect::<Vec<_>>()[..] {
            [only] => Operand::Data(only),
            ref all => self.push(site.name, Kind::Concat, all, form),
        }
    }

    /// So many channels more that nothing reaches.
    fn padded(&mut self, site: Site, value: Value, before: usize, after: usize) -> Operand {
        if (before, after) == (0, 0) {
            return Operand::Data(value);
        }
        let mut form = self.forms[value].clone();
        if let Some(Some(channels)) = form.extents.as_mut().and_then(|extents| extents.get_mut(1)) {
            *channels = channels.saturating_add(before).saturating_add(after);
        }
        self.follow(site, Kind::Pad { before, after }, value, form)
    }

    /// Elements `from..to` along `axis`; negative ones count from the end, and those beyond it are the end.
    pub fn slice(&mut self, site: Site, input: &Operand, axis: i64, range: (i64, i64), step: i64) -> Operand {
        let operands = std::slice::from_ref(input);
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let Some(axis) = self.axis(value, axis) else {
            return self.unsupported(site, "along an axis that is not known", operands);
        };
        let extent = self.extent(value, axis);
        let mut form = self.forms[value].clone();
        let place = |position: i64| {
            let position = if position < 0 { position.checked_add_unsigned(extent? as u64)? } else { position };
            let position = usize::try_from(position.max(0)).ok()?;
            Some(extent.map_or(position, |extent| position.min(extent)))
        };
        let whole = range.0 == 0 && (range.1 == i64::MAX || extent.is_some_and(|extent| range.1 >= extent as i64));
        if step == 1 && whole {
            return self.follow(site, Kind::Pointwise, value, form);
        }
        if axis != 1 || form.picked {
            if let Some(extents) = &mut form.extents {
                extents[axis] = None;
            }
            return self.follow(site, Kind::Pointwise, value, form);
        }
        let (Some(from), Some(to), 1, false) = (place(range.0), place(range.1), step, form.mixed) else {
            return self.unsupported(site, "of channels that cannot be told", operands);
        };
        if to as i64 > MAX_CHANNELS {
            return self.unsupported(site, "up to a last channel that cannot be told", operands);
        }
        if let Some(extents) = &mut form.extents {
            extents[1] = Some(to.saturating_sub(from));
        }
        self.follow(site, Kind::Slice { from, to }, value, form)
    }

    /// Slices of these sizes along `axis`, one behind the other.
    pub fn split(&mut self, site: Site, input: &Operand, axis: i64, sizes: &[i64]) -> Vec<Operand> {
        let mut from = 0i64;
        let mut slices = Vec::new();
        for &size in sizes {
            let to = from.saturating_add(size.max(0));
            slices.push(self.slice(site, input, axis, (from, to), 1));
            from = to;
        }
        slices
    }

    /// One element along `axis`, which is gone afterwards.
    pub fn select(&mut self, site: Site, input: &Operand, axis: i64, index: i64) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let Some(axis) = self.axis(value, axis).filter(|&axis| axis > 0 && !self.forms[value].picked) else {
            return self.unsupported(site, "along this axis", std::slice::from_ref(input));
        };
        let end = if index == -1 { i64::MAX } else { index.saturating_add(1) };
        let picked = self.slice(site, input, axis as i64, (index, end), 1);
        if let Operand::Data(value) = picked {
            let form = &mut self.forms[value];
            form.picked = axis == 1;
            if let Some(extents) = &mut form.extents
                && axis < extents.len()
            {
                extents.remove(axis);
            }
        }
        picked
    }

    /// More elements before and after each axis, first axis first; fewer, where a number is negative.
    pub fn pad(&mut self, site: Site, input: &Operand, pads: &[(i64, i64)], zeros: bool) -> Operand {
        let operands = std::slice::from_ref(input);
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let mut form = self.forms[value].clone();
        if pads.len() < 2 || form.picked || pads[0] != (0, 0) {
            return self.unsupported(site, "of these axes", operands);
        }
        if let Some(extents) = &mut form.extents {
            extents.iter_mut().skip(2).for_each(|extent| *extent = None);
        }
        let (before, after) = pads[1];
        if (before, after) == (0, 0) {
            return self.follow(site, Kind::Pointwise, value, form);
        }
        let limits = 0..MAX_CHANNELS;
        if !zeros || form.mixed || !limits.contains(&before) || !limits.contains(&after) {
            return self.unsupported(site, "of channels with other than zeros", operands);
        }
        let Operand::Data(padded) = self.padded(site, value, before as usize, after as usize) else {
            return Operand::Computed(None);
        };
        self.forms[padded].extents.iter_mut().flatten().skip(2).for_each(|extent| *extent = None);
        Operand::Data(padded)
    }
}
