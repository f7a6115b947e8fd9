//! A scatter plot as SVG: first where everything goes, then the elements.

use super::front::front;
use super::{Coordinate, Estimate, Plot};
use crate::experiment::figure::Better;
use crate::report::page::escape;
use crate::report::pictures::axis::Axis;
use crate::report::pictures::chart::{Chart, Entry, HEIGHT, WIDTH, across};
use crate::report::pictures::labels::{self, At, Place, Scene, width};
use crate::report::pictures::svg::{self, COLOURS, MARKER, SMALL, bar, leader, marker};
use std::fmt::Write;

/// Points beyond which labels are of no use.
const MOST_LABELS: usize = 200;

/// How the Pareto front is drawn.
const FRONT: &str = " stroke=\"#444\" stroke-dasharray=\"5 3\"";

/// The picture of `plot`.
pub(super) fn draw(plot: &Plot) -> String {
    let layout = Layout::new(plot);
    let empty = plot.points.is_empty().then_some("no condition has both figures");
    layout.chart.svg(&notes(plot, layout.unlabelled), empty, &layout.points())
}

/// Where points go, in pixels from the top left.
struct Layout<'a> {
    plot: &'a Plot,
    chart: Chart,
    /// Of each point.
    places: Vec<At>,
    bars: Vec<Vec<(At, At)>>,
    /// Points on the front, from left to right; fewer than two are no line.
    front: Vec<usize>,
    /// Points that have a label.
    labels: Vec<(usize, Place)>,
    /// Points without room for theirs.
    unlabelled: usize,
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Plot) -> Self {
        let points = &plot.points;
        let ends = |(mean, sd): Estimate| [mean - sd.unwrap_or(0.0), mean + sd.unwrap_or(0.0)];
        let (x_ends, y_ends) = (points.iter().flat_map(|p| ends(p.x)), points.iter().flat_map(|p| ends(p.y)));
        let x_axis = of_errors(&plot.x, x_ends.clone()).unwrap_or_else(|| across(x_ends, plot.x.info.range, WIDTH));
        let y_axis =
            of_errors(&plot.y, y_ends.clone()).unwrap_or_else(|| Axis::new(y_ends, plot.y.info.range, |_| true));

        let means: Vec<At> = points.iter().map(|point| (point.x.0, point.y.0)).collect();
        let directions = plot.x.info.better.zip(plot.y.info.better);
        let front = directions.map(|(x, y)| front(&means, x, y)).unwrap_or_default();
        let (x_title, y_title) = (axis_title(&plot.x, &x_axis), axis_title(&plot.y, &y_axis));
        let (x, y) = ((x_axis, x_title), (y_axis, y_title));
        let chart = Chart::new(&plot.title, x, y, legend(plot, front.len() > 1), HEIGHT);

        let places: Vec<At> = means.iter().map(|mean| chart.at(mean.0, mean.1)).collect();
        let of_point = |point: &super::Point| {
            let ((x, x_sd), (y, y_sd)) = (point.x, point.y);
            let across = x_sd.map(|sd| (chart.at(x - sd, y), chart.at(x + sd, y)));
            across.into_iter().chain(y_sd.map(|sd| (chart.at(x, y - sd), chart.at(x, y + sd)))).collect()
        };
        let bars: Vec<Vec<(At, At)>> = points.iter().map(of_point).collect();

        // those on the front first: theirs stay where there is no room for all
        let mut labelled = front.clone();
        labelled.extend((0..points.len()).filter(|i| !front.contains(i)));
        labelled.retain(|&i| !points[i].label.is_empty());
        let with_label = labelled.len();
        labelled.truncate(if points.len() > MOST_LABELS { 0 } else { with_label });
        let wanted: Vec<(At, f64)> = labelled.iter().map(|&i| (places[i], width(&points[i].label, SMALL))).collect();
        let front_lines = front.windows(2).map(|pair| (places[pair[0]], places[pair[1]]));
        let lines: Vec<(At, At)> = bars.iter().flatten().copied().chain(front_lines).collect();
        let (room, height) = (chart.room(), SMALL + 2.0);
        let scene = Scene { room, points: &wanted, markers: &places, height, marker: MARKER, lines: &lines };
        let found = labelled.into_iter().zip(labels::place(&scene));
        let labels: Vec<(usize, Place)> = found.filter_map(|(i, place)| Some((i, place?))).collect();
        let unlabelled = with_label - labels.len();
        Self { plot, chart, places, bars, front, labels, unlabelled }
    }

    fn points(&self) -> String {
        let mut svg = String::new();
        if self.front.len() > 1 {
            let path: Vec<String> =
                self.front.iter().map(|&i| format!("{:.1} {:.1}", self.places[i].0, self.places[i].1)).collect();
            let _ = writeln!(svg, "<path class=\"front\" d=\"M{}\"{FRONT}/>", path.join("L"));
        }
        self.labels.iter().for_each(|(_, place)| leader(&mut svg, place));
        for (i, point) in self.plot.points.iter().enumerate() {
            let mut about: Vec<String> = point.about.iter().map(|line| escape(line)).collect();
            about.extend(self.front.contains(&i).then(|| "on the Pareto front".to_string()));
            let _ = writeln!(svg, "<g class=\"point\"><title>{}</title>", about.join("\n"));
            self.bars[i].iter().for_each(|ends| bar(&mut svg, *ends, COLOURS[point.series % 8]));
            let ((x, y), marker) = (self.places[i], marker(point.series));
            let _ = writeln!(svg, "<g class=\"marker\" transform=\"translate({x:.1} {y:.1})\">{marker}</g></g>");
        }
        let labels = self.labels.iter().map(|(i, place)| (self.plot.points[*i].label.as_str(), *place));
        svg::labels(&mut svg, labels);
        svg
    }
}

/// The series that have a point, and what the line is.
fn legend(plot: &Plot, line: bool) -> Vec<Entry> {
    let mut legend = Vec::new();
    let used = |series: usize| plot.points.iter().any(|point| point.series == series);
    if !plot.series_by.is_empty() && !plot.points.is_empty() {
        legend.push(Entry::heading(&plot.series_by));
        let series = plot.series.iter().enumerate().filter(|(series, _)| used(*series));
        legend.extend(series.map(|(series, name)| Entry::new(marker(series), name, "")));
    }
    if line {
        legend.push(Entry::new(format!("<path d=\"M-9 0H9\"{FRONT}/>"), "Pareto front", ""));
    }
    legend
}

/// What to know of the points.
fn notes(plot: &Plot, unlabelled: usize) -> Vec<String> {
    let single = plot.points.iter().all(|point| point.x.1.is_none() && point.y.1.is_none());
    let points = if single { "One network a condition." } else { "Means over replicates ± 1 sd." };
    let mut notes = vec![points.to_string()];
    notes.extend(plot.labels_by.as_ref().map(|names| format!("Labels: {names}.")));
    if plot.lacking > 0 {
        notes.push(format!("Conditions without both figures, not shown: {}.", plot.lacking));
    }
    if unlabelled > 0 {
        notes.push(format!("Points without room for their label: {unlabelled}."));
    }
    notes
}

/// Accuracies that differ much: a network that is lost does not press the others together.
fn of_errors(coordinate: &Coordinate, values: impl Iterator<Item = f64>) -> Option<Axis> {
    if coordinate.info.is_accuracy() { Axis::of_accuracies(values) } else { None }
}

/// The name of what an axis shows, which end is better, and what is equally far apart where that is not equal differences.
fn axis_title(coordinate: &Coordinate, axis: &Axis) -> String {
    let scale = if axis.is_of_errors() { "; errors on a logarithmic scale" } else { "" };
    match coordinate.info.better {
        Some(Better::Lower) => format!("{} (lower is better{scale})", coordinate.name),
        Some(Better::Higher) => format!("{} (higher is better{scale})", coordinate.name),
        None => coordinate.name.clone(),
    }
}
