//! Pictures of the distribution of a figure over the replicates of conditions: histograms and kernel density estimates.

mod kde;

use super::axis::Axis;
use super::chart::{Chart, Entry, HEIGHT, WIDTH, across};
use super::histogram::Histogram;
use super::labels::Rect;
use super::networks::is_shown;
use super::svg::{COLOURS, DASHES, line};
use crate::experiment::figure;
use crate::experiment::grid::listed;
use crate::report::Condition;
use crate::report::page::escape;
use kde::Kde;
use std::fmt::Write;

/// Beyond the least and the greatest value, in bandwidths, an estimate is as good as 0.
const TAIL: f64 = 3.0;
/// Points of its curve.
const CURVE: usize = 257;

/// The picture of the figure called `name`; `None` if no condition has two values of it.
pub(super) fn density(title: &str, name: &str, conditions: &[&Condition]) -> Option<String> {
    let (state, info) = figure::find(name)?;
    let shown = |condition: &&Condition| {
        let values = &condition.figure(name)?.values;
        let values: Vec<f64> = values.iter().copied().filter(|value| is_shown(*value)).collect();
        (values.len() > 1).then(|| Series::new(condition, values))
    };
    let series: Vec<Series> = conditions.iter().filter_map(shown).collect();
    if series.is_empty() {
        return None;
    }
    let ends = series.iter().flat_map(|series| [series.ends.0, series.ends.1]);
    let tallest = series.iter().map(Series::tallest).fold(f64::MIN_POSITIVE, f64::max);
    let state = state.map(|state| format!(", {state}")).unwrap_or_default();
    let x = (across(ends, info.range, WIDTH), format!("{}{state}", info.label));
    let chart = Chart::new(title, x, (Axis::upwards(tallest), "density".into()), legend(&series), HEIGHT);
    let mut body = String::new();
    series.iter().enumerate().for_each(|(i, series)| series.draw(&mut body, &chart, i));
    let lacking = conditions.iter().filter(|condition| condition.n > 0).count() - series.len();
    Some(chart.svg(&notes(lacking), None, &body))
}

/// A condition's values.
struct Series {
    name: String,
    values: Vec<f64>,
    histogram: Histogram,
    /// Least and greatest value that it is drawn between.
    ends: (f64, f64),
}

impl Series {
    /// `values` are at least two.
    fn new(condition: &Condition, values: Vec<f64>) -> Self {
        let given = listed(&condition.given);
        let name = if given.is_empty() { condition.experiment.clone() } else { given };
        let histogram = Histogram::new(&values);
        let tail = Kde::scott(&values).map_or(0.0, |kde| TAIL * kde.bandwidth);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min) - tail;
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + tail;
        let ends = histogram.bins().fold((least, most), |(a, b), (from, to, _)| (a.min(from), b.max(to)));
        Self { name, values, histogram, ends }
    }

    /// Of the density estimate; none of equal values.
    fn curve(&self) -> Vec<(f64, f64)> {
        let Some(kde) = Kde::scott(&self.values) else { return Vec::new() };
        let (from, to) = self.ends;
        let at = |i: usize| from + (to - from) * i as f64 / (CURVE - 1) as f64;
        (0..CURVE).map(at).map(|x| (x, kde.density(x))).collect()
    }

    fn tallest(&self) -> f64 {
        let bars = self.histogram.density(self.histogram.tallest());
        self.curve().into_iter().map(|(_, y)| y).fold(bars, f64::max)
    }

    fn draw(&self, svg: &mut String, chart: &Chart, series: usize) {
        let colour = COLOURS[series % 8];
        let mean = self.values.iter().sum::<f64>() / self.values.len() as f64;
        let about = format!("{}\nn = {}, mean {mean:.4}", self.name, self.values.len());
        let _ = writeln!(svg, "<g class=\"density\"><title>{}</title>", escape(&about));
        for (from, to, count) in self.histogram.bins() {
            let ((left, top), (right, bottom)) = (chart.at(from, self.histogram.density(count)), chart.at(to, 0.0));
            let bar = Rect { left, top, right, bottom };
            let _ = writeln!(svg, "{}", rect(bar, colour));
        }
        let places: Vec<String> =
            self.curve().into_iter().map(|(x, y)| chart.at(x, y)).map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if !places.is_empty() {
            let _ = writeln!(svg, "<path class=\"curve\" d=\"M{}\"{}/>", places.join("L"), stroke(series));
        }
        svg.push_str("</g>\n");
    }
}

fn rect(Rect { left, top, right, bottom }: Rect, colour: &str) -> String {
    let (width, height) = (right - left, bottom - top);
    format!(
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\" \
         fill-opacity=\".22\" stroke=\"{colour}\" stroke-opacity=\".6\" stroke-width=\".7\"/>"
    )
}

/// How the curve of a series is drawn.
fn stroke(series: usize) -> String {
    let dash = DASHES[(series + series / 8) % 8];
    format!(
        " stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-dasharray=\"{dash}\"",
        COLOURS[series % 8]
    )
}

fn legend(series: &[Series]) -> Vec<Entry> {
    let entry = |(i, series): (usize, &Series)| {
        let bar = rect(Rect { left: -9.0, top: 0.0, right: 9.0, bottom: 5.0 }, COLOURS[i % 8]);
        let symbol = format!("{bar}<path d=\"{}\"{}/>", line((-10.0, 0.0), (10.0, 0.0)), stroke(i));
        Entry::new(symbol, &series.name, &format!("n = {}", series.values.len()))
    };
    series.iter().enumerate().map(entry).collect()
}

fn notes(lacking: usize) -> Vec<String> {
    let mut notes =
        vec!["Bars: histogram, of area 1. Lines: Gaussian kernel density estimate, Scott's bandwidth.".to_string()];
    if lacking > 0 {
        notes.push(format!("Conditions with fewer than two values, not shown: {lacking}."));
    }
    notes
}

#[cfg(test)]
mod tests {
    use crate::experiment::grid::Run;
    use crate::experiment::run::RunResult;
    use crate::report::fixtures::{drawn, network, well_formed};

    /// Two conditions of `n` networks without shuffles.
    fn results(n: u64) -> Vec<(Run, RunResult)> {
        let value = |i: u64, j: u64| 10.0 + 0.1 * i as f64 + 0.01 * ((j * 7919 % 101) as f64 - 50.0) / (1 + i) as f64;
        let of = |i: u64| (0..n).map(move |j| network(&format!("{{dropout: 0.{i}}}"), j, value(i, j), &[]));
        (0..2).flat_map(of).collect()
    }

    fn picture(section: &str, results: &[(Run, RunResult)]) -> Option<String> {
        let picture = drawn(section, results).into_iter().find(|picture| picture.name == "density-unpruned.svg");
        picture.map(|picture| picture.svg)
    }

    #[test]
    fn bars_and_curves_have_area_one() {
        let results = results(40);
        let svg = picture("{}", &results).expect("ten replicates or more");
        well_formed(&svg);
        assert_eq!(Some(&svg), picture("{density: unpruned.ncut}", &results).as_ref());
        let groups: Vec<&str> = svg.split("<g class=\"density\">").skip(1).collect();
        assert_eq!(groups.len(), 2);
        // in pixels, where both axes are linear: areas are the same
        let areas = groups.iter().map(|group| {
            let attribute = |bar: &str, name: &str| -> f64 {
                bar.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let bars: f64 =
                group.split("<rect").skip(1).map(|bar| attribute(bar, "width") * attribute(bar, "height")).sum();
            let path = group.split("class=\"curve\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
            let points: Vec<(f64, f64)> = path
                .split('L')
                .map(|at| at.split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap())
                .collect();
            let ground = points.iter().map(|p| p.1).fold(f64::MIN, f64::max);
            let curve: f64 = points.windows(2).map(|p| (p[1].0 - p[0].0) * (ground - (p[0].1 + p[1].1) / 2.0)).sum();
            (bars, curve)
        });
        let areas: Vec<(f64, f64)> = areas.collect();
        for (bars, curve) in &areas {
            assert!((bars / areas[0].0 - 1.0).abs() < 0.01 && (curve / bars - 1.0).abs() < 0.02, "{areas:?}");
        }
    }

    #[test]
    fn it_is_made_of_many_replicates_without_shuffles_or_when_asked() {
        assert_eq!(picture("{}", &results(9)), None);
        assert!(picture("{}", &results(10)).is_some());
        assert_eq!(picture("{density: none}", &results(10)), None);
        assert!(picture("{density: unpruned.ncut}", &results(3)).is_some());
        assert_eq!(picture("{density: unpruned.ncut}", &results(1)), None);
        let shuffled: Vec<_> = (0..20).map(|i| network("{}", i, 9.0 + 0.1 * i as f64, &[10.0, 10.5])).collect();
        assert_eq!(picture("{}", &shuffled), None);
        let names: Vec<String> =
            drawn("{shuffles: none, density: [unpruned.ncut, unpruned.modularity_q, ms_per_step]}", &shuffled)
                .into_iter()
                .map(|picture| picture.name)
                .collect();
        assert_eq!(names, ["density-unpruned.svg", "density-unpruned-modularity_q.svg"]);
    }

    #[test]
    fn odd_values_break_nothing() {
        let same: Vec<_> = (0..12).map(|i| network("{}", i, 9.0, &[])).collect();
        let mut odd = results(12);
        odd.push(network("{dropout: 0.7}", 0, f64::NAN, &[]));
        odd.extend((0..12).map(|i| network("{dropout: 0.8}", i, if i > 0 { 10.0 } else { 1e300 }, &[])));
        odd[0].0.experiment = "<script>&\"".into();
        for (results, curves) in [(same, 0), (odd, 2)] {
            for svg in drawn("{}", &results).into_iter().map(|picture| picture.svg) {
                well_formed(&svg);
                assert!(svg.matches("class=\"curve\"").count() <= curves && !svg.contains("<script"));
            }
        }
    }
}
