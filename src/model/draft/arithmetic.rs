//! Sums, products and quotients.

use super::{Draft, Form, Operand, Site};
use crate::dataflow::{Factor, Kind, Value};

impl Draft<'_> {
    /// A sum: of two values channel by channel, or of a value and a constant.
    pub fn sum(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (Operand::Data(left_value), Operand::Data(right_value)) => {
                let (one, other) = (&self.forms[*left_value], &self.forms[*right_value]);
                let ranks = (self.rank(*left_value), self.rank(*right_value));
                if one.picked != other.picked || matches!(ranks, (Some(one), Some(other)) if one != other) {
                    return self.unsupported(
                        site,
                        "of values with other numbers of axes",
                        &[left.clone(), right.clone()],
                    );
                }
                let widths = [*left_value, *right_value].map(|value| self.extent(value, 1));
                if let [Some(one), Some(other)] = widths
                    && one != other
                    && (one == 1 || other == 1)
                {
                    return self.unsupported(site, "of one channel and several", &[left.clone(), right.clone()]);
                }
                let form = if one.extents.is_some() { one.clone() } else { other.clone() };
                self.push(site.name, Kind::Add, &[*left_value, *right_value], form)
            }
            (Operand::Data(_), constant) => self.shifted(site, left, constant),
            (constant, _) => self.shifted(site, right, constant),
        }
    }

    /// A value plus or minus a constant.
    pub fn shifted(&mut self, site: Site, input: &Operand, constant: &Operand) -> Operand {
        let (axes, rank) = (self.extents(constant), self.extents(input).map_or(4, |axes| axes.len()));
        // Where the constant's axes are the value's last ones, that of channels has number 1 of these.
        let is_of_channels = |(place, extent): (usize, &Option<usize>)| {
            *extent == Some(1) || axes.as_ref().is_some_and(|axes| place + rank == axes.len() + rank.min(2) - 1)
        };
        let of_channels = rank > 1 && axes.as_ref().is_some_and(|axes| axes.iter().enumerate().all(is_of_channels));
        match self.compared(site, input, constant) {
            Operand::Data(value) if of_channels && !self.is_unsupported(value) => {
                self.flow.operations[value].kind = Kind::Identity;
                Operand::Data(value)
            }
            other => other,
        }
    }

    /// A value compared with a constant, or its power.
    pub fn compared(&mut self, site: Site, input: &Operand, constant: &Operand) -> Operand {
        let ranks = (self.extents(input).map(|axes| axes.len()), self.extents(constant).map(|axes| axes.len()));
        match ranks {
            (Some(rank), Some(other)) if other > rank => {
                self.unsupported(site, "with a constant of more axes", std::slice::from_ref(input))
            }
            (Some(rank), _) if self.spreads(input, rank, constant) => {
                self.unsupported(site, "of one channel and a constant for several", std::slice::from_ref(input))
            }
            _ => self.pointwise(site, input, false),
        }
    }

    /// Whether a value of one channel and a constant make several.
    fn spreads(&self, input: &Operand, rank: usize, constant: &Operand) -> bool {
        let single = matches!(input, Operand::Data(value) if self.extent(*value, 1) == Some(1));
        let along_channels = || {
            let axes = self.extents(constant)?;
            match (axes.len() + 1).checked_sub(rank) {
                Some(place) => axes.get(place).copied().flatten(),
                None => Some(1),
            }
        };
        single && along_channels() != Some(1)
    }

    /// A product: of a value and a constant, or of two values that both come from one by pointwise operations and factors that all channels
    /// have in common: an activation, such factors in it included, and one directly behind it that it needs ([`Form::gated`]).
    pub fn product(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (&Operand::Data(one), &Operand::Data(other)) => {
                let Some(origin) = self.common_origin(one, other) else {
                    return self.unsupported(site, "of two values", &[left.clone(), right.clone()]);
                };
                let widest = if self.rank(other) > self.rank(one) { other } else { one };
                let Form { scaled, .. } = self.forms[origin];
                let gated = self.forms[one].gate || self.forms[other].gate;
                let form = Form { scaled, gate: false, ..self.forms[widest].clone() };
                let product = self.push(site.name, Kind::Pointwise, &[origin], form);
                if let Operand::Data(value) = product {
                    self.forms[value].gated = gated;
                }
                product
            }
            (Operand::Data(value), constant) => self.scaled(site, *value, constant, false),
            (constant, Operand::Data(value)) => self.scaled(site, *value, constant, false),
            _ => Operand::Computed(None),
        }
    }

    /// A function of one value, put together out of what comes from it as in [`Draft::product`], and of constants.
    pub fn activation(&mut self, site: Site, parts: &[Operand]) -> Operand {
        let mut of_input = parts.iter().filter(|part| matches!(part, Operand::Data(_)));
        let Some(first) = of_input.next() else { return Operand::Computed(None) };
        let whole = of_input.fold(first.clone(), |whole, part| self.product(site, &whole, part));
        match &whole {
            Operand::Data(value) if self.is_unsupported(*value) => whole,
            _ => parts
                .iter()
                .filter(|part| !matches!(part, Operand::Data(_)))
                .fold(whole, |whole, part| self.compared(site, &whole, part)),
        }
    }

    /// The last value that both come from by such operations; activations have few.
    fn common_origin(&self, one: Value, other: Value) -> Option<Value> {
        const MOST: usize = 64;
        let origins = |value: Value| {
            let before = |&value: &Value| {
                let root = self.roots[value];
                (root != value).then(|| self.flow.operations[value].inputs[0])
            };
            std::iter::successors(Some(value), before).take(MOST)
        };
        let of_one: Vec<Value> = origins(one).collect();
        origins(other).find(|value| of_one.contains(value))
    }

    /// A quotient by a constant, of a number, or of two values as in [`Draft::product`].
    pub fn quotient(&mut self, site: Site, left: &Operand, right: &Operand) -> Operand {
        match (left, right) {
            (Operand::Data(_), Operand::Data(_)) => self.product(site, left, right),
            (Operand::Data(value), constant) => self.scaled(site, *value, constant, true),
            (Operand::Numbers(_), Operand::Data(_)) => self.pointwise(site, right, false),
            _ => self.unsupported(site, "of a constant", &[left.clone(), right.clone()]),
        }
    }

    /// Times a number.
    pub fn times(&mut self, site: Site, input: &Operand, number: Option<f64>) -> Operand {
        let Operand::Data(value) = *input else { return Operand::Computed(None) };
        match number {
            Some(0.0) => Operand::Computed(self.extents(input)),
            Some(number) if number != 1.0 && !self.forms[value].gated => {
                let form = self.forms[value].clone();
                self.follow(site, Kind::Scale { factor: Factor::Number(number) }, value, form)
            }
            _ => self.pointwise(site, input, false),
        }
    }

    /// Times a constant, or over it. What images are multiplied by does not matter where it is not known: they are no nodes.
    fn scaled(&mut self, site: Site, value: Value, factor: &Operand, inverse: bool) -> Operand {
        let input = Operand::Data(value);
        let constant = match factor {
            Operand::Constant(constant) => constant,
            Operand::Numbers(numbers) if numbers.len() == 1 => {
                let number = numbers[0].map(|number| number as f64);
                return self.times(site, &input, number.map(|number| if inverse { 1.0 / number } else { number }));
            }
            _ if self.forms[value].image => return self.pointwise(site, &input, false),
            _ => return self.unsupported(site, "by a factor that is computed", &[input]),
        };
        // Empty axes too are none along which the channels lie.
        let wide: Vec<usize> = (0..constant.shape.len()).filter(|&axis| constant.shape[axis] != 1).collect();
        // A network's input of unknown axes: images have four, and so has what is said of their channels.
        let assumed = self.forms[value].image.then_some(if constant.shape.len() > 2 { 4 } else { 2 });
        let rank = self.rank(value).or(assumed).filter(|_| !self.forms[value].picked);
        let per_channel = rank.is_some_and(|rank| {
            let channel_axis = rank.min(2).saturating_sub(1);
            wide.iter().all(|axis| axis + rank == channel_axis + constant.shape.len())
        });
        let kind = |draft: &Self| {
            let tensor = draft.tensor(constant);
            Kind::Scale { factor: if inverse { Factor::Over(tensor) } else { Factor::Times(tensor) } }
        };
        let form = self.forms[value].clone();
        match (wide.as_slice(), rank) {
            (_, Some(rank)) if constant.shape.len() > rank => {
                self.unsupported(site, "by a constant of more axes", &[input])
            }
            (_, Some(rank)) if self.spreads(&input, rank, factor) => {
                self.unsupported(site, "of one channel and a constant for several", &[input])
            }
            ([], _) if form.gated => self.pointwise(site, &input, false),
            ([], _) if self.entry(constant).dtype.is_number() => self.follow(site, kind(self), value, form),
            ([_], Some(_)) if per_channel && self.entry(constant).dtype.is_float() => {
                self.follow(site, kind(self), value, form)
            }
            _ if form.image => self.pointwise(site, &input, false),
            _ => self.unsupported(site, "by a factor for each pixel", &[input]),
        }
    }
}
