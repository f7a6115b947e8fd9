//! Operators that rearrange axes.

use super::{Draft, Extents, Form, Operand, Site};
use crate::dataflow::{Kind, Value};

/// PyTorch's tensors have no more.
const MAX_AXES: usize = 64;

impl Draft<'_> {
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
        // Of unknown axes those are images, as in [`Draft::pad`].
        let of_pixels = |axes: &[i64]| !axes.is_empty() && axes.iter().all(|axis| matches!(axis, 2 | 3 | -1 | -2));
        match (extents, gone) {
            (None, _) if keep && !self.forms[value].picked && axes.is_some_and(of_pixels) => {
                self.pointwise(site, input, true)
            }
            (None, _) => self.unsupported(site, "of an image of unknown axes", std::slice::from_ref(input)),
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
        self.follow(site, if flat { Kind::Flatten { pixels: Some(1) } } else { Kind::Pointwise }, value, form)
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
        let pixels = form
            .extents
            .as_ref()
            .and_then(|extents| extents.iter().skip(2).try_fold(1usize, |all, extent| all.checked_mul((*extent)?)));
        let kind = if self.rank(value) == Some(2) { Kind::Pointwise } else { Kind::Flatten { pixels } };
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
pub(super) fn normal(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis.checked_add_unsigned(rank as u64)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}
