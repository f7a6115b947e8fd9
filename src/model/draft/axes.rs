//! Operators that cut, join or rearrange axes.

use super::{Draft, Extents, Form, Operand, Site, data};
use crate::dataflow::{Kind, Value};

/// Channels that padding may add and slices may take; more are a damaged file.
const MAX_CHANNELS: i64 = 1 << 24;

/// PyTorch's tensors have no more.
const MAX_AXES: usize = 64;

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

    /// A new axis of extent 1.
    pub fn unsqueeze(&mut self, site: Site, input: &Operand, axes: &[i64]) -> Operand {
        let value = match input {
            Operand::Data(value) => *value,
            Operand::Numbers(_) => return input.clone(),
            Operand::Computed(_) => return Operand::Computed(None),
            Operand::Constant(constant) => {
                let mut constant = constant.clone();
                let rank = constant.shape.len() + axes.len();
                let mut places: Vec<usize> = axes.iter().filter_map(|&axis| normal(axis, rank)).collect();
                places.sort_unstable();
                if places.len() != axes.len() || constant.transposed || rank > MAX_AXES {
                    return Operand::Computed(None);
                }
                for place in places {
                    constant.shape.insert(place.min(constant.shape.len()), 1);
                }
                return Operand::Constant(constant);
            }
        };
        let mut form = self.forms[value].clone();
        let rank = form.extents.as_ref().map(Vec::len);
        let place = match (axes, rank) {
            (_, Some(MAX_AXES..)) => None,
            ([axis], Some(rank)) => normal(*axis, rank + 1),
            ([axis], None) => usize::try_from(*axis).ok(),
            _ => None,
        };
        match place {
            Some(1) if form.picked => form.picked = false,
            Some(place) if place >= 2 && !form.picked => {}
            _ => return self.unsupported(site, "before the channels", std::slice::from_ref(input)),
        }
        if let (Some(extents), Some(place)) = (&mut form.extents, place) {
            extents.insert(place.min(extents.len()), Some(1));
        }
        self.follow(site, Kind::Pointwise, value, form)
    }

    /// Without these axes, which have extent 1; without all of extent 1, where none are named.
    pub fn squeeze(&mut self, site: Site, input: &Operand, axes: Option<&[i64]>) -> Operand {
        let value = match input {
            Operand::Data(value) => *value,
            Operand::Numbers(_) => return input.clone(),
            Operand::Computed(_) => return Operand::Computed(None),
            Operand::Constant(constant) => {
                let mut constant = constant.clone();
                let rank = constant.shape.len();
                let gone = |axis: usize| axes.is_none_or(|axes| axes.iter().any(|&a| normal(a, rank) == Some(axis)));
                let shape = constant.shape.iter().enumerate();
                constant.shape = shape.filter(|&(axis, &extent)| extent != 1 || !gone(axis)).map(|(_, &e)| e).collect();
                return if constant.transposed { Operand::Computed(None) } else { Operand::Constant(constant) };
            }
        };
        let extents = self.forms[value].extents.clone().filter(|_| !self.forms[value].picked);
        let gone: Option<Vec<usize>> = match (&extents, axes) {
            (Some(extents), Some(axes)) => axes.iter().map(|&axis| normal(axis, extents.len())).collect(),
            // Of axes whose extents are not known, those of pixels are taken to be of one.
            (Some(extents), None) => {
                let known = extents.iter().all(Option::is_some);
                let gone = |&axis: &usize| extents[axis] == Some(1) || !known && axis >= 2 && extents[axis].is_none();
                Some((0..extents.len()).filter(gone).collect())
            }
            _ => None,
        };
        match (extents, gone) {
            // torch.squeeze leaves axes alone that are longer.
            (Some(extents), Some(gone)) if gone.iter().all(|&axis| axis >= 2) => {
                let kept = |axis: usize| !gone.contains(&axis) || extents[axis].is_some_and(|extent| extent > 1);
                let left = (0..extents.len()).filter(|&axis| kept(axis)).map(|axis| extents[axis]).collect();
                self.without_pixels(site, value, left)
            }
            _ => self.unsupported(site, "of axes that are not those of pixels", std::slice::from_ref(input)),
        }
    }

    /// A mean, sum or maximum over `axes`, or over all.
    pub fn reduce(&mut self, site: Site, input: &Operand, axes: Option<&[i64]>, keep: bool) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let extents = self.forms[value].extents.clone().filter(|_| !self.forms[value].picked);
        let gone: Option<Vec<usize>> = match (&extents, axes) {
            (Some(extents), Some(axes)) => axes.iter().map(|&axis| normal(axis, extents.len())).collect(),
            _ => None,
        };
        match (extents, gone) {
            (Some(mut extents), Some(gone)) if !gone.is_empty() && gone.iter().all(|&axis| axis >= 2) => {
                if keep {
                    gone.iter().for_each(|&axis| extents[axis] = Some(1));
                } else {
                    extents = (0..extents.len()).filter(|axis| !gone.contains(axis)).map(|a| extents[a]).collect();
                }
                self.without_pixels(site, value, extents)
            }
            _ => self.unsupported(site, "over other axes than those of pixels", std::slice::from_ref(input)),
        }
    }

    /// An image whose axes of pixels that are gone had extent 1: units, when none is left.
    fn without_pixels(&mut self, site: Site, value: Value, extents: Extents) -> Operand {
        let flat = extents.len() == 2 && self.rank(value) != Some(2);
        let form = Form { extents: Some(extents), ..self.forms[value].clone() };
        self.follow(site, if flat { Kind::Flatten } else { Kind::Pointwise }, value, form)
    }

    /// Axes `from` to `to`, both included, become one.
    pub fn flatten(&mut self, site: Site, input: &Operand, from: i64, to: i64) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let extents = self.forms[value].extents.clone().filter(|_| !self.forms[value].picked);
        let Some(extents) = extents else {
            return match (from, to) {
                (1, -1) => self.units(site, value),
                _ => self.unsupported(site, "of an image of unknown axes", std::slice::from_ref(input)),
            };
        };
        let rank = extents.len();
        match (normal(from, rank), normal(to, rank)) {
            (Some(from), Some(to)) if from == to => self.pointwise(site, input, false),
            (Some(1), Some(to)) if to + 1 == rank => self.units(site, value),
            (Some(from), Some(to)) if from >= 2 && from < to => {
                let joined =
                    extents[from..=to].iter().copied().try_fold(1usize, |all, extent| all.checked_mul(extent?));
                let mut left = extents[..from].to_vec();
                left.push(joined);
                left.extend(&extents[to + 1..]);
                let form = Form { extents: Some(left), ..self.forms[value].clone() };
                self.follow(site, Kind::Pointwise, value, form)
            }
            _ => self.unsupported(site, "of these axes", std::slice::from_ref(input)),
        }
    }

    /// All axes but the first become one.
    fn units(&mut self, site: Site, value: Value) -> Operand {
        let form = &self.forms[value];
        let (batch, width) = match &form.extents {
            Some(extents) => {
                let rest = extents.iter().skip(1);
                (
                    extents.first().copied().flatten(),
                    rest.copied().try_fold(1usize, |all, extent| all.checked_mul(extent?)),
                )
            }
            None => (None, None),
        };
        let single = form.extents.as_ref().is_some_and(|extents| extents.iter().skip(2).all(|e| *e == Some(1)));
        let mixed = form.mixed || !single;
        let kind = if self.rank(value) == Some(2) { Kind::Pointwise } else { Kind::Flatten };
        self.follow(site, kind, value, Form { extents: Some(vec![batch, width]), mixed, ..Form::default() })
    }

    /// Other axes over the same elements. In `target`, -1 is whatever is left over, and a number that is not known is
    /// taken to be that of the batch when it comes first. `None` where not even their number is known.
    pub fn reshape(&mut self, site: Site, input: &Operand, target: Option<&[Option<i64>]>) -> Operand {
        let value = match (input, target) {
            (Operand::Data(value), _) => *value,
            (Operand::Numbers(_), _) => return input.clone(),
            (Operand::Constant(constant), Some(target)) if !constant.transposed => {
                let count: usize = constant.shape.iter().product();
                let mut known = target.iter().flatten().filter(|&&extent| extent > 0);
                let known = known.try_fold(1usize, |all, &extent| all.checked_mul(usize::try_from(extent).ok()?));
                let rest = known.filter(|&known| known > 0 && count.is_multiple_of(known)).map(|known| count / known);
                let extent = |extent: Option<i64>| match extent? {
                    -1 => rest,
                    extent => usize::try_from(extent).ok().filter(|&extent| extent > 0),
                };
                let shape: Option<Vec<usize>> = target.iter().map(|&target| extent(target)).collect();
                let shape = shape.filter(|_| rest.is_some());
                let entry = constant.entry;
                return shape.map_or(Operand::Computed(None), |shape| {
                    Operand::Constant(super::Constant { entry, shape, transposed: false })
                });
            }
            _ => return Operand::Computed(None),
        };
        let operands = std::slice::from_ref(input);
        let Some(target) = target.filter(|target| target.len() <= MAX_AXES && !self.forms[value].picked) else {
            return self.unsupported(site, "to axes that are not known", operands);
        };
        let same = |axis: usize, told: Option<i64>| match (told, self.extent(value, axis)) {
            (Some(-1) | None, _) => axis == 0,
            (Some(told), Some(known)) => usize::try_from(told) == Ok(known),
            (Some(told), None) => axis == 0 && told > 0,
        };
        let batch = self.extent(value, 0);
        match target {
            [first, width] if same(0, *first) => {
                let Operand::Data(units) = self.units(site, value) else { return Operand::Computed(None) };
                let told = width.and_then(|width| usize::try_from(width).ok());
                if let (Some(told), Some(counted)) = (told, self.extent(units, 1))
                    && told != counted
                {
                    return self.unsupported(site, "that joins examples", operands);
                }
                if let (Some(told), Some(extents)) = (told, &mut self.forms[units].extents) {
                    extents[1] = Some(told);
                }
                Operand::Data(units)
            }
            [first, channels, pixels @ ..]
                if same(0, *first)
                    && same(1, *channels)
                    && !self.forms[value].mixed
                    && self.keeps_examples(value, *first, pixels) =>
            {
                let mut extents = vec![batch, self.extent(value, 1)];
                extents.extend(pixels.iter().map(|&extent| extent.and_then(|extent| usize::try_from(extent).ok())));
                let form = Form { extents: Some(extents), ..Form::default() };
                self.follow(site, Kind::Pointwise, value, form)
            }
            _ => {
                let target: Vec<String> =
                    target.iter().take(8).map(|e| e.map_or("?".into(), |e| e.to_string())).collect();
                self.unsupported(site, format!("to [{}]", target.join(", ")), operands)
            }
        }
    }

    /// Whether pixels stay with their example, when a tensor gets as many channels as it has and these pixels. They do if one of the extents is
    /// told from the others, and it is not the batch.
    fn keeps_examples(&self, value: Value, batch: Option<i64>, pixels: &[Option<i64>]) -> bool {
        let count = |extents: Vec<Option<usize>>| extents.into_iter().try_fold(1usize, |all, e| all.checked_mul(e?));
        let known = self.forms[value].extents.as_ref();
        let before = known.and_then(|extents| count(extents.iter().skip(2).copied().collect()));
        let after = count(pixels.iter().map(|extent| usize::try_from((*extent)?).ok()).collect());
        match (before, after) {
            (Some(before), Some(after)) => before == after,
            // Some of the new extents are computed, or left open.
            (_, None) => batch != Some(-1),
            (None, Some(_)) => batch.is_none(),
        }
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

    /// Axes of extent 1 in others; -1 leaves one as it is.
    pub fn expand(&mut self, site: Site, input: &Operand, target: Option<&[Option<i64>]>) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        let form = self.forms[value].clone();
        let channels = self.extent(value, 1);
        let kept = |told: Option<i64>| match told {
            Some(-1) => true,
            Some(told) => channels.is_some_and(|channels| usize::try_from(told) == Ok(channels)),
            None => false,
        };
        match (form.extents, target) {
            (Some(mut extents), Some(target))
                if extents.len() == target.len() && target.len() >= 2 && kept(target[1]) && !form.picked =>
            {
                for (extent, told) in extents.iter_mut().zip(target) {
                    *extent =
                        if *told == Some(-1) { *extent } else { told.and_then(|told| usize::try_from(told).ok()) };
                }
                self.follow(site, Kind::Pointwise, value, Form { extents: Some(extents), ..form })
            }
            _ => self.unsupported(site, "of the channels", std::slice::from_ref(input)),
        }
    }

    /// Axes in another order; `None` is the reverse one.
    pub fn permute(&mut self, site: Site, input: &Operand, order: Option<&[i64]>) -> Operand {
        let Some(extents) = self.extents(input) else {
            return self.unsupported(site, "", std::slice::from_ref(input));
        };
        let rank = extents.len();
        let order: Option<Vec<usize>> = match order {
            Some(order) => order.iter().map(|&axis| normal(axis, rank)).collect(),
            None => Some((0..rank).rev().collect()),
        };
        let order = order.unwrap_or_default();
        let kept = order.iter().zip(0..).take_while(|&(&axis, place)| axis == place).count();
        match input {
            Operand::Data(value) if order.len() == rank && kept >= 2 && !self.forms[*value].picked => {
                let extents = order.iter().map(|&axis| extents[axis]).collect();
                let form = Form { extents: Some(extents), ..self.forms[*value].clone() };
                self.follow(site, Kind::Pointwise, *value, form)
            }
            Operand::Constant(_) if kept == rank => input.clone(),
            Operand::Constant(constant) if order == [1, 0] => {
                let mut constant = constant.clone();
                constant.shape.reverse();
                constant.transposed = !constant.transposed;
                Operand::Constant(constant)
            }
            _ => self.unsupported(site, "", std::slice::from_ref(input)),
        }
    }

    /// An axis counted from the first.
    pub(super) fn axis(&self, value: Value, axis: i64) -> Option<usize> {
        match self.rank(value) {
            Some(rank) => normal(axis, rank),
            None => usize::try_from(axis).ok(),
        }
    }
}

/// An axis counted from the first, of `rank` axes.
fn normal(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add_unsigned(rank as u64)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}
