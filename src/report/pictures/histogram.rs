//! Histograms.

/// Counts of values in bins of one width.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    from: f64,
    width: f64,
    counts: Vec<usize>,
    values: usize,
}

/// The most bins of a histogram.
const MOST_BINS: f64 = 50.0;

impl Histogram {
    /// `values` in bins of the width that Freedman and Diaconis (1981) found, 2 · IQR · n^(−1/3), or one that makes √n of
    /// them where the quartiles are equal; not empty, all finite.
    pub(super) fn new(values: &[f64]) -> Self {
        let (least, most) = range(values);
        Self::with(values, least, most, bin_width(values).max((most - least) / MOST_BINS))
    }

    /// Several in the same bins: as narrow as the one with the narrowest needs them.
    pub(super) fn together(all: &[&[f64]]) -> Vec<Self> {
        let (least, most) =
            all.iter().map(|values| range(values)).fold((f64::MAX, f64::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let width = all.iter().map(|values| bin_width(values)).fold(f64::MAX, f64::min);
        let width = width.max((most - least) / MOST_BINS);
        all.iter().map(|values| Self::with(values, least, most, width)).collect()
    }

    /// The last bin has the greatest value too.
    fn with(values: &[f64], least: f64, most: f64, width: f64) -> Self {
        let bins = (((most - least) / width).ceil() as usize).max(1);
        let mut counts = vec![0; bins];
        values.iter().for_each(|value| counts[(((value - least) / width) as usize).min(bins - 1)] += 1);
        Self { from: least, width, counts, values: values.len() }
    }

    /// Bins that are not empty: their ends, and how many values are in them.
    pub(super) fn bins(&self) -> impl Iterator<Item = (f64, f64, usize)> {
        let end = |i: usize| self.from + i as f64 * self.width;
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(i, count)| (end(i), end(i + 1), *count))
    }

    /// What a bin of `count` values is high, so that all areas together are 1.
    pub(super) fn density(&self, count: usize) -> f64 {
        count as f64 / (self.values as f64 * self.width)
    }

    /// The most values in a bin.
    pub(super) fn tallest(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)))
}

/// Positive.
fn bin_width(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let quantile = |q: f64| {
        let place = q * (n - 1.0);
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    let (least, most) = range(values);
    let widths = [2.0 * (quantile(0.75) - quantile(0.25)) / n.cbrt(), (most - least) / n.sqrt()];
    let magnitude = least.abs().max(most.abs());
    // equal values have one bin, that can be seen
    let least = 1e-9 * magnitude;
    widths.into_iter().find(|width| *width > least).unwrap_or(if magnitude > 0.0 { 1e-3 * magnitude } else { 1e-3 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    #[test]
    fn each_value_is_in_its_bin_and_areas_make_one() {
        let mut rng = stream(0, Purpose::Shuffle, 5, 0);
        for i in 0..300 {
            let n = rng.gen_range(1..80);
            let spread = [0.0, 1e-6, 0.1, 30.0][i % 4];
            let draw = |rng: &mut rand_chacha::ChaCha8Rng| 10.0 + spread * rng.gen_range(-1.0..1.0f64).powi(3);
            let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
            let other: Vec<f64> = (0..20).map(|_| 3.0 + draw(&mut rng)).collect();
            let mut all = Histogram::together(&[&values, &other]);
            all.push(Histogram::new(&values));
            for (histogram, values) in all.iter().zip([&values, &other, &values]) {
                for (from, to, count) in histogram.bins() {
                    let last = to >= values.iter().copied().fold(f64::MIN, f64::max);
                    let inside = values.iter().filter(|x| **x >= from - 1e-9 && (**x < to + 1e-9 || last)).count();
                    assert!(inside >= count, "{histogram:?}");
                }
                assert_eq!(histogram.bins().map(|(_, _, count)| count).sum::<usize>(), values.len());
                let area: f64 = histogram.bins().map(|(from, to, count)| (to - from) * histogram.density(count)).sum();
                assert!((area - 1.0).abs() < 1e-6, "{area}");
                assert!(histogram.counts.len() <= 52 && histogram.tallest() > 0);
            }
            assert_eq!((all[0].from, all[0].width), (all[1].from, all[1].width));
        }
        let width = bin_width(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert!((width - 2.0 * 3.5 / 2.0).abs() < 1e-14, "{width}");
    }
}
