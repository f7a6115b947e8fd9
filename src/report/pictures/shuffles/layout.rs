//! Networks against their shuffles as SVG: first where everything goes, then the elements.

use super::{ALL_LISTED, MOST_LISTED, Plot, Point};
use crate::report::page::escape;
use crate::report::pictures::axis::Axis;
use crate::report::pictures::chart::{Chart, Entry, HEIGHT, WIDTH, across};
use crate::report::pictures::labels::{self, At, Place, Scene, width};
use crate::report::pictures::networks::p_text;
use crate::report::pictures::svg::{self, COLOURS, MARKER, SMALL, bar, leader, line, marker};
use std::fmt::Write;

/// The plot is half as high as a legend in one column would be, up to this.
const MOST_HEIGHT: f64 = 760.0;
/// Labels beyond which they are of no use.
const MOST_LABELS: usize = 200;
/// Where the diagonal is further from points of several conditions than as many times what they span, it is left out: they would lie
/// in a heap.
const FURTHEST: f64 = 6.0;
/// How it is drawn.
const DIAGONAL: &str = " stroke=\"#444\" stroke-width=\"1.2\" stroke-dasharray=\"6 4\"";
const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);

/// The picture of `plot`.
pub(super) fn draw(plot: &Plot) -> String {
    let layout = Layout::new(plot);
    let empty = plot.points.is_empty().then_some("no network has values that can be shown");
    layout.chart.svg(&layout.notes(), empty, &layout.points())
}

/// Where points go, in pixels from the top left.
struct Layout<'a> {
    plot: &'a Plot,
    chart: Chart,
    /// Of each point.
    places: Vec<At>,
    bars: Vec<(At, At)>,
    /// Where n-cut = mean of shuffles, if that is in the picture.
    diagonal: Option<(At, At)>,
    labels: Vec<(String, Place)>,
    /// Labels without room.
    unlabelled: usize,
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Plot) -> Self {
        let points = &plot.points;
        let ends = |&Point { shuffled: (mean, sd), .. }: &Point| [mean - sd, mean + sd];
        let x_axis = across(points.iter().flat_map(ends), POSITIVE, WIDTH);
        let ncuts = points.iter().map(|point| point.ncut);
        let y_axis =
            Axis::new(ncuts.clone().chain(towards_diagonal(points, plot.series.len() > 1)), POSITIVE, |_| true);
        let ends = common(x_axis.span(), y_axis.span());
        let legend = legend(plot, ends.is_some());
        let height = (legend.iter().map(Entry::height).sum::<f64>() / 2.0).clamp(HEIGHT, MOST_HEIGHT).round();
        let x = (x_axis, format!("mean n-cut of shuffles ± 1 sd, {}", plot.state));
        let y = (y_axis, format!("n-cut, {} (lower is more clusterable)", plot.state));
        let chart = Chart::new(&plot.title, x, y, legend, height);

        let places: Vec<At> = points.iter().map(|point| chart.at(point.shuffled.0, point.ncut)).collect();
        let ends_of =
            |&Point { shuffled: (mean, sd), ncut, .. }: &Point| (chart.at(mean - sd, ncut), chart.at(mean + sd, ncut));
        let bars: Vec<(At, At)> = points.iter().map(ends_of).collect();
        let diagonal = ends.map(|(from, to)| (chart.at(from, from), chart.at(to, to)));

        let mut wanted = wanted(plot, &places);
        let asked = wanted.len();
        wanted.truncate(if asked > MOST_LABELS { 0 } else { asked });
        let boxes: Vec<(At, f64)> = wanted.iter().map(|(at, label)| (*at, width(label, SMALL))).collect();
        let lines: Vec<(At, At)> = bars.iter().copied().chain(diagonal).collect();
        let (room, height) = (chart.room(), SMALL + 2.0);
        let scene = Scene { room, points: &boxes, markers: &places, height, marker: MARKER, lines: &lines };
        let found = wanted.into_iter().zip(labels::place(&scene));
        let labels: Vec<(String, Place)> = found.filter_map(|((_, label), place)| Some((label, place?))).collect();
        let unlabelled = asked - labels.len();
        Self { plot, chart, places, bars, diagonal, labels, unlabelled }
    }

    fn points(&self) -> String {
        let mut svg = String::new();
        if let Some((a, b)) = self.diagonal {
            let _ = writeln!(svg, "<path class=\"diagonal\" d=\"{}\"{DIAGONAL}/>", line(a, b));
        }
        self.labels.iter().for_each(|(_, place)| leader(&mut svg, place));
        for (i, point) in self.plot.points.iter().enumerate() {
            let about: Vec<String> = point.about.iter().map(|line| escape(line)).collect();
            let _ = writeln!(svg, "<g class=\"point\"><title>{}</title>", about.join("\n"));
            bar(&mut svg, self.bars[i], COLOURS[point.series % 8]);
            let ((x, y), marker) = (self.places[i], marker(point.series));
            let _ = writeln!(svg, "<g class=\"marker\" transform=\"translate({x:.1} {y:.1})\">{marker}</g></g>");
        }
        svg::labels(&mut svg, self.labels.iter().map(|(label, place)| (label.as_str(), *place)));
        svg
    }

    /// What to know of the points.
    fn notes(&self) -> Vec<String> {
        let mut notes =
            vec!["A point a network. p is one-sided: (shuffles below the network + 1) / (shuffles + 1).".to_string()];
        if let (None, Some(first)) = (self.diagonal, self.plot.points.first()) {
            let side = if first.ncut < first.shuffled.0 { "above" } else { "below" };
            notes.push(format!("The line n-cut = mean of shuffles is far {side} this picture."));
        }
        let some_range =
            self.plot.points.len() > ALL_LISTED && self.plot.series.iter().any(|series| series.p.contains(" to "));
        if self.unlabelled > 0 || some_range {
            let where_else = match some_range {
                true => format!(
                    "of more than {MOST_LISTED} in a condition the legend has the range, and the SVG each in its point's title"
                ),
                false => "the legend has all".to_string(),
            };
            notes.push(format!("Labels without room: {}; {where_else}.", self.unlabelled));
        }
        if self.plot.lacking > 0 {
            notes.push(format!("Networks with values beyond any axis, not shown: {}.", self.plot.lacking));
        }
        notes
    }
}

/// A value that the vertical axis has to cover for the diagonal to cross the picture's middle, unless it crosses it
/// already, or is too far for `several` conditions.
fn towards_diagonal(points: &[Point], several: bool) -> Option<f64> {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)))
    };
    let x = range(
        &mut points.iter().flat_map(|point| [point.shuffled.0 - point.shuffled.1, point.shuffled.0 + point.shuffled.1]),
    );
    let y = range(&mut points.iter().map(|point| point.ncut));
    let middle = (x.0 + x.1) / 2.0;
    let needed = y.1.max(middle) - y.0.min(middle);
    (!several || needed <= FURTHEST * (y.1 - y.0).max(x.1 - x.0)).then_some(middle)
}

/// What two intervals have in common.
fn common(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    (from < to).then_some((from, to))
}

/// Labels and the points they are of: for a condition whose networks all have the same p one, at that in their middle;
/// for others one each.
fn wanted(plot: &Plot, places: &[At]) -> Vec<(At, String)> {
    let mut wanted = Vec::new();
    for series in 0..plot.series.len() {
        let own: Vec<usize> = (0..places.len()).filter(|&i| plot.points[i].series == series).collect();
        let p: Vec<Option<f64>> = own.iter().map(|&i| plot.points[i].p).collect();
        match p.first() {
            Some(Some(first)) if own.len() > 1 && p.iter().all(|p| p == &Some(*first)) => {
                wanted.push((middle(&own, places), format!("{} ×{}", p_text(*first), own.len())));
            }
            _ => wanted.extend(own.iter().filter_map(|&i| Some((places[i], p_text(plot.points[i].p?))))),
        }
    }
    wanted
}

/// The place that is nearest to the mean of those of `own`, which are not none.
fn middle(own: &[usize], places: &[At]) -> At {
    let n = own.len() as f64;
    let mean = (own.iter().map(|&i| places[i].0).sum::<f64>() / n, own.iter().map(|&i| places[i].1).sum::<f64>() / n);
    let distance = |at: &At| (at.0 - mean.0).powi(2) + (at.1 - mean.1).powi(2);
    let nearest = own.iter().map(|&i| places[i]).min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.unwrap_or(mean)
}

/// Conditions with their p, and what the line is.
fn legend(plot: &Plot, diagonal: bool) -> Vec<Entry> {
    let mut legend = Vec::new();
    if diagonal && !plot.points.is_empty() {
        legend.push(Entry::new(
            format!("<path d=\"M-9 0H9\"{DIAGONAL}/>"),
            "n-cut = mean of shuffles",
            "below it: more clusterable than its shuffles",
        ));
    }
    let series = plot.series.iter().enumerate();
    legend.extend(series.map(|(i, series)| Entry::new(marker(i), &series.name, &series.p)));
    legend
}
