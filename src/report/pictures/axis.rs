//! An axis: what it covers, and where its ticks are.

/// The part of the real line that a picture shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    least: f64,
    most: f64,
    scale: Scale,
    /// Values with their texts, ascending, all covered.
    pub(super) ticks: Vec<(f64, String)>,
}

/// What lies equally far apart on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    /// Equal differences.
    Linear,
    /// Of accuracies, equal ratios of the errors `1 − accuracy`.
    Errors,
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Errors => -(1.0 - value).log10(),
        }
    }
}

/// Of the span, left free at either end.
const MARGIN: f64 = 0.08;
/// Steps are still numbers that have an inverse.
const LEAST_MARGIN: f64 = 1e-30;
/// The most steps between ticks.
const MOST_STEPS: usize = 9;
/// From this ratio of the greatest error to the least, accuracies lie by their errors' ratios.
const WIDE: f64 = 5.0;

impl Axis {
    /// Covers `values`, none beyond 1e100. Ticks lie at multiples of 1, 2 or 5 times a power of ten within `range`, as close
    /// as `fit` allows; without values there are none.
    pub(super) fn new(
        values: impl Iterator<Item = f64>,
        range: (f64, f64),
        fit: impl Fn(&[(f64, String)]) -> bool,
    ) -> Self {
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        if least > most {
            return Self { least: 0.0, most: 1.0, scale: Scale::Linear, ticks: Vec::new() };
        }
        let (span, magnitude) = (most - least, least.abs().max(most.abs()));
        let margin = match span > 1e-9 * magnitude {
            true => MARGIN * span,
            false if magnitude > 0.0 => 0.05 * magnitude,
            false => 0.5,
        };
        let margin = margin.max(LEAST_MARGIN);
        let (least, most) = (least - margin, most + margin);
        let inside = (least.max(range.0), most.min(range.1));
        let of = |count: usize| ticks(inside, (most - least) / count as f64);
        let ticks = (3..=MOST_STEPS).rev().map(of).find(|ticks| fit(ticks)).unwrap_or_else(|| of(2));
        Self { least, most, scale: Scale::Linear, ticks }
    }

    /// Covers accuracies by the ratios of their errors, so that 0.98 and 0.99 are as far apart as 0.8 and 0.9; `None` if they are
    /// about equally far from 1, or one is not within `[0, 1)`.
    pub(super) fn of_accuracies(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        if !(0.0..1.0).contains(&least) || !(0.0..1.0).contains(&most) || (1.0 - least) < WIDE * (1.0 - most) {
            return None;
        }
        let scale = Scale::Errors;
        let margin = MARGIN * (scale.of(most) - scale.of(least));
        let (from, to) = (scale.of(least) - margin, scale.of(most) + margin);
        let decades = 0..=to.ceil() as i32;
        let tick = |(decade, digit): (i32, i32)| {
            let error = f64::from(digit) * power(-decade);
            (1.0 - error, format!("{:.*}", usize::try_from(decade).unwrap_or(0), 1.0 - error))
        };
        let of = |digits: &'static [i32]| -> Vec<(f64, String)> {
            let all = decades.clone().flat_map(|decade| digits.iter().map(move |digit| (decade, *digit))).map(tick);
            all.filter(|(value, _)| (0.0..1.0).contains(value) && (from..=to).contains(&scale.of(*value))).collect()
        };
        let ticks = Some(of(&[5, 2, 1])).filter(|ticks| ticks.len() <= MOST_STEPS).unwrap_or_else(|| of(&[1]));
        Some(Self { least: 1.0 - 10f64.powf(-from), most: 1.0 - 10f64.powf(-to), scale, ticks })
    }

    /// Whether equal distances are equal ratios of errors.
    pub(super) fn is_of_errors(&self) -> bool {
        self.scale == Scale::Errors
    }

    /// From 0 to a little more than `most`, which is positive.
    pub(super) fn upwards(most: f64) -> Self {
        let axis = Self { least: 0.0, most: (1.0 + MARGIN) * most, scale: Scale::Linear, ticks: Vec::new() };
        Self { ticks: ticks((0.0, axis.most), axis.most / MOST_STEPS as f64), ..axis }
    }

    /// The least and the greatest value that it covers.
    pub(super) fn span(&self) -> (f64, f64) {
        (self.least, self.most)
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [least, most, value] = [self.least, self.most, value].map(|x| self.scale.of(x));
        (value - least) / (most - least)
    }
}

/// Multiples within `inside` of the least step that is not less than `spacing`.
fn ticks((least, most): (f64, f64), spacing: f64) -> Vec<(f64, String)> {
    let mut exponent = spacing.log10().floor() as i32;
    let mut factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power(exponent) >= spacing).unwrap_or(10.0);
    if factor == 10.0 {
        (factor, exponent) = (1.0, exponent + 1);
    }
    // a negative power of ten is not exact, its inverse is
    let at = |i: f64| if exponent < 0 { i * factor / power(-exponent) } else { i * factor * power(exponent) };
    let (first, last) = ((least / at(1.0) - 1e-9).ceil(), (most / at(1.0) + 1e-9).floor());
    let largest = least.abs().max(most.abs());
    let text = |value: f64| {
        let text = match (value == 0.0, exponent < -5 || largest >= 1e6) {
            (true, _) => "0".into(),
            (_, false) => format!("{value:.*}", usize::try_from(-exponent).unwrap_or(0)),
            (_, true) => {
                let digits = value.abs().log10().floor() as i32 - exponent;
                format!("{value:.*e}", usize::try_from(digits).unwrap_or(0))
            }
        };
        text.replace('-', "−")
    };
    let count = if last >= first { (last - first) as usize } else { return Vec::new() };
    (0..=count).map(|i| at(first + i as f64)).map(|value| (value, text(value))).collect()
}

fn power(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    fn texts(values: &[f64], range: (f64, f64)) -> Vec<String> {
        let axis = Axis::new(values.iter().copied(), range, |_| true);
        axis.ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            texts(&[0.951, 0.984], ANY),
            ["0.950", "0.955", "0.960", "0.965", "0.970", "0.975", "0.980", "0.985"]
        );
        assert_eq!(texts(&[-13.0, 2.0], ANY), ["−14", "−12", "−10", "−8", "−6", "−4", "−2", "0", "2"][..].to_vec());
        assert_eq!(texts(&[0.9, 1.0], (0.0, 1.0)), ["0.90", "0.92", "0.94", "0.96", "0.98", "1.00"]);
        assert_eq!(texts(&[1e-7, 3e-7], ANY), ["1.0e−7", "1.5e−7", "2.0e−7", "2.5e−7", "3.0e−7"]);
        assert_eq!(texts(&[12.0], ANY), ["11.4", "11.6", "11.8", "12.0", "12.2", "12.4", "12.6"]);
        assert_eq!(texts(&[], ANY), [""; 0]);
    }

    #[test]
    fn accuracies_lie_by_the_ratios_of_their_errors() {
        let axis = |values: &[f64]| Axis::of_accuracies(values.iter().copied());
        let found = axis(&[0.1135, 0.9, 0.9835]).unwrap();
        let texts: Vec<&str> = found.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["0", "0.5", "0.8", "0.9", "0.95", "0.98"]);
        let between = |a: f64, b: f64| found.place(b) - found.place(a);
        assert!((between(0.8, 0.9) - between(0.98, 0.99)).abs() < 1e-9 && between(0.8, 0.9) > 0.1);
        assert!((found.place(0.1135) - 0.08 / 1.16).abs() < 1e-9 && (found.place(0.9835) - 1.08 / 1.16).abs() < 1e-9);
        assert!(found.ticks.iter().all(|(value, _)| (0.0..=1.0).contains(&found.place(*value))));
        let far = axis(&[0.5, 1.0 - 1e-7]).unwrap();
        assert_eq!(far.ticks.iter().map(|(_, text)| text.as_str()).next_back(), Some("0.9999999"));
        for near in [&[0.9, 0.95][..], &[0.1, 1.0], &[-0.1, 0.99], &[f64::NAN], &[]] {
            assert_eq!(axis(near), None, "{near:?}");
        }
    }

    /// Of any size, near or far from each other, and equal ones.
    #[test]
    fn an_axis_covers_its_values_and_has_ticks() {
        let mut rng = stream(0, Purpose::Shuffle, 0, 0);
        for i in 0..2000 {
            let (size, centre) = (10f64.powi(rng.gen_range(-20..20)), rng.gen_range(-1.0..1.0));
            let spread = if i % 5 == 0 { 0.0 } else { 10f64.powi(rng.gen_range(-14..2)) };
            let values: Vec<f64> = (0..3).map(|_| size * (centre + spread * rng.gen_range(-1.0..1.0))).collect();
            let axis = Axis::new(values.iter().copied(), ANY, |_| true);
            assert!(values.iter().all(|x| (0.02..0.98).contains(&axis.place(*x))), "{values:?}: {axis:?}");
            assert!((3..=MOST_STEPS + 1).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
            assert!(axis.ticks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1), "{axis:?}");
            assert!(axis.ticks.iter().all(|(x, _)| (-1e-6..1.0 + 1e-6).contains(&axis.place(*x))), "{axis:?}");
        }
    }
}
