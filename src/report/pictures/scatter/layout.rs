//! A scatter plot as SVG: first where everything goes, then the elements.

use super::front::front;
use super::{Coordinate, Estimate, Plot};
use crate::experiment::figure::Better;
use crate::report::page::escape;
use crate::report::pictures::axis::Axis;
use crate::report::pictures::labels::{self, At, Place, Rect, Scene, width};
use crate::report::pictures::svg::{
    COLOURS, MARGIN, SMALL, SMALL_LINE, TEXT, TEXT_LINE, TITLE, TITLE_LINE, line, marker, text, wrapped,
};
use std::fmt::Write;

/// Size of the plot within its axes.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 440.0;
/// The widest text of a legend, and the room for a symbol before it.
const LEGEND: f64 = 200.0;
const SYMBOL: f64 = 24.0;
/// Half the height of a marker.
const MARKER: f64 = 6.0;
/// Points beyond which labels are of no use.
const MOST_LABELS: usize = 200;

/// How the Pareto front is drawn.
const FRONT: &str = " stroke=\"#444\" stroke-dasharray=\"5 3\"";

/// The picture of `plot`.
pub(super) fn draw(plot: &Plot) -> String {
    Layout::new(plot).svg()
}

/// Where everything goes, in pixels from the top left.
struct Layout<'a> {
    plot: &'a Plot,
    x_axis: Axis,
    y_axis: Axis,
    /// The plot within its axes.
    frame: Rect,
    /// Of the picture.
    size: At,
    title: Vec<String>,
    /// Symbol, if any, and lines of text.
    legend: Vec<(Option<String>, Vec<String>)>,
    notes: Vec<String>,
    /// Of each point.
    places: Vec<At>,
    bars: Vec<Vec<(At, At)>>,
    /// Points on the front, from left to right; fewer than two are no line.
    front: Vec<usize>,
    /// Points that have a label.
    labels: Vec<(usize, Place)>,
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Plot) -> Self {
        let points = &plot.points;
        let ends = |(mean, sd): Estimate| [mean - sd.unwrap_or(0.0), mean + sd.unwrap_or(0.0)];
        let widest = |ticks: &[(f64, String)]| ticks.iter().map(|(_, text)| width(text, SMALL)).fold(0.0, f64::max);
        let fit = |ticks: &[(f64, String)]| ticks.len() as f64 * (widest(ticks) + 14.0) <= WIDTH;
        let x_axis = Axis::new(points.iter().flat_map(|point| ends(point.x)), plot.x.info.range, fit);
        let y_axis = Axis::new(points.iter().flat_map(|point| ends(point.y)), plot.y.info.range, |_| true);

        let means: Vec<At> = points.iter().map(|point| (point.x.0, point.y.0)).collect();
        let directions = plot.x.info.better.zip(plot.y.info.better);
        let front = directions.map(|(x, y)| front(&means, x, y)).unwrap_or_default();
        let legend = legend(plot, front.len() > 1);
        let legend_width = legend.iter().flat_map(|(_, lines)| lines).map(|line| width(line, TEXT)).fold(0.0, f64::max);

        let left = MARGIN + TEXT + 10.0 + widest(&y_axis.ticks) + 8.0;
        let beside = if legend.is_empty() { 0.0 } else { MARGIN + SYMBOL + legend_width };
        let total = left + WIDTH + beside + MARGIN;
        let title = wrapped(&plot.title, 1.08 * TITLE, total - 2.0 * MARGIN);
        let top = MARGIN + TITLE_LINE * title.len() as f64 + 6.0;
        let frame = Rect { left, top, right: left + WIDTH, bottom: top + HEIGHT };

        let at = |x: f64, y: f64| (frame.left + WIDTH * x_axis.place(x), frame.bottom - HEIGHT * y_axis.place(y));
        let places: Vec<At> = means.iter().map(|mean| at(mean.0, mean.1)).collect();
        let of_point = |point: &super::Point| {
            let ((x, x_sd), (y, y_sd)) = (point.x, point.y);
            let across = x_sd.map(|sd| (at(x - sd, y), at(x + sd, y)));
            across.into_iter().chain(y_sd.map(|sd| (at(x, y - sd), at(x, y + sd)))).collect()
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
        let room = Rect { left: left + 2.0, top: top + 2.0, right: frame.right - 2.0, bottom: frame.bottom - 2.0 };
        let scene =
            Scene { room, points: &wanted, markers: &places, height: SMALL + 2.0, marker: MARKER, lines: &lines };
        let found = labelled.into_iter().zip(labels::place(&scene));
        let labels: Vec<(usize, Place)> = found.filter_map(|(i, place)| Some((i, place?))).collect();

        let notes = notes(plot, with_label - labels.len(), total - 2.0 * MARGIN);
        let legend_bottom = legend.iter().map(|(_, lines)| TEXT_LINE * lines.len() as f64 + 6.0).sum::<f64>() + top;
        let notes_bottom = frame.bottom + 48.0 + SMALL_LINE * notes.len() as f64;
        let size = (total, legend_bottom.max(notes_bottom) + MARGIN);
        Self { plot, x_axis, y_axis, frame, size, title, legend, notes, places, bars, front, labels }
    }

    fn svg(&self) -> String {
        let (width, height) = (self.size.0.ceil(), self.size.1.ceil());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{}\" font-family=\"sans-serif\" font-size=\"{TEXT}\" fill=\"none\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
            escape(&self.plot.title)
        );
        self.titles(&mut svg);
        self.axes(&mut svg);
        self.legend(&mut svg);
        self.points(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn titles(&self, svg: &mut String) {
        let Rect { left, top, right, bottom } = self.frame;
        svg.push_str("<g fill=\"#222\">\n");
        for (i, line) in self.title.iter().enumerate() {
            let more = format!(" font-size=\"{TITLE}\" font-weight=\"bold\"");
            text(svg, (MARGIN, MARGIN + 12.0 + TITLE_LINE * i as f64), &more, line);
        }
        let (x, y) = (MARGIN + 10.0, (top + bottom) / 2.0);
        let turned = format!(" text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {y:.1})\"");
        text(svg, (x, y), &turned, &axis_title(&self.plot.y));
        text(svg, ((left + right) / 2.0, bottom + 38.0), " text-anchor=\"middle\"", &axis_title(&self.plot.x));
        svg.push_str("</g>\n");
    }

    fn axes(&self, svg: &mut String) {
        let Rect { left, top, right, bottom } = self.frame;
        let _ = writeln!(svg, "<g font-size=\"{SMALL}\" fill=\"#555\">");
        for (value, label) in &self.x_axis.ticks {
            let x = left + WIDTH * self.x_axis.place(*value);
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((x, top), (x, bottom + 4.0)));
            text(svg, (x, bottom + 17.0), " text-anchor=\"middle\"", label);
        }
        for (value, label) in &self.y_axis.ticks {
            let y = bottom - HEIGHT * self.y_axis.place(*value);
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((left - 4.0, y), (right, y)));
            text(svg, (left - 8.0, y + 4.0), " text-anchor=\"end\"", label);
        }
        for (i, line) in self.notes.iter().enumerate() {
            text(svg, (MARGIN, bottom + 62.0 + SMALL_LINE * i as f64), "", line);
        }
        if self.places.is_empty() {
            let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
            text(svg, middle, " text-anchor=\"middle\"", "no condition has both figures");
        }
        let _ = writeln!(
            svg,
            "</g>\n<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" stroke=\"#888\"/>"
        );
    }

    fn legend(&self, svg: &mut String) {
        let (left, mut y) = (self.frame.right + MARGIN, self.frame.top + 12.0);
        svg.push_str("<g class=\"legend\" fill=\"#222\">\n");
        for (symbol, lines) in &self.legend {
            if let Some(symbol) = symbol {
                let _ = writeln!(svg, "<g transform=\"translate({:.1} {:.1})\">{symbol}</g>", left + 9.0, y - 4.0);
            }
            let (indent, more) = if symbol.is_some() { (SYMBOL, "") } else { (0.0, " fill=\"#555\"") };
            for line in lines {
                text(svg, (left + indent, y), more, line);
                y += TEXT_LINE;
            }
            y += 6.0;
        }
        svg.push_str("</g>\n");
    }

    fn points(&self, svg: &mut String) {
        if self.front.len() > 1 {
            let path: Vec<String> =
                self.front.iter().map(|&i| format!("{:.1} {:.1}", self.places[i].0, self.places[i].1)).collect();
            let _ = writeln!(svg, "<path class=\"front\" d=\"M{}\"{FRONT}/>", path.join("L"));
        }
        for (a, b) in self.labels.iter().filter_map(|(_, place)| place.leader) {
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#888\" stroke-width=\".7\"/>", line(a, b));
        }
        for (i, point) in self.plot.points.iter().enumerate() {
            let mut about: Vec<String> = point.about.iter().map(|line| escape(line)).collect();
            about.extend(self.front.contains(&i).then(|| "on the Pareto front".to_string()));
            let _ = writeln!(svg, "<g class=\"point\"><title>{}</title>", about.join("\n"));
            for (a, b) in &self.bars[i] {
                // with short strokes across its ends
                let (dx, dy) = if a.1 == b.1 { (0.0, 3.0) } else { (3.0, 0.0) };
                let across = |end: &At| line((end.0 - dx, end.1 - dy), (end.0 + dx, end.1 + dy));
                let (bar, colour) = (line(*a, *b), COLOURS[point.series % 8]);
                let _ = writeln!(svg, "<path d=\"{bar}{}{}\" stroke=\"{colour}\"/>", across(a), across(b));
            }
            let ((x, y), marker) = (self.places[i], marker(point.series));
            let _ = writeln!(svg, "<g class=\"marker\" transform=\"translate({x:.1} {y:.1})\">{marker}</g></g>");
        }
        // a light rim keeps letters legible on lines
        let _ = writeln!(
            svg,
            "<g class=\"labels\" font-size=\"{SMALL}\" fill=\"#222\" stroke=\"#fff\" stroke-width=\"2.5\" \
             stroke-linejoin=\"round\" paint-order=\"stroke\">"
        );
        for (i, Place { text: place, .. }) in &self.labels {
            let middle = ((place.left + place.right) / 2.0, place.bottom - 3.0);
            text(svg, middle, " text-anchor=\"middle\"", &self.plot.points[*i].label);
        }
        svg.push_str("</g>\n");
    }
}

/// The series that have a point, and what the line is.
fn legend(plot: &Plot, line: bool) -> Vec<(Option<String>, Vec<String>)> {
    let mut legend = Vec::new();
    let used = |series: usize| plot.points.iter().any(|point| point.series == series);
    if !plot.series_by.is_empty() && !plot.points.is_empty() {
        legend.push((None, wrapped(&plot.series_by, TEXT, LEGEND)));
        let series = plot.series.iter().enumerate().filter(|(series, _)| used(*series));
        legend.extend(series.map(|(series, name)| (Some(marker(series)), wrapped(name, TEXT, LEGEND))));
    }
    if line {
        legend.push((Some(format!("<path d=\"M-9 0H9\"{FRONT}/>")), vec!["Pareto front".into()]));
    }
    legend
}

/// What to know of the points, in lines of at most `most` pixels.
fn notes(plot: &Plot, unlabelled: usize, most: f64) -> Vec<String> {
    let mut notes = vec!["Means over replicates ± 1 sd.".to_string()];
    notes.extend(plot.labels_by.as_ref().map(|names| format!("Labels: {names}.")));
    if plot.lacking > 0 {
        notes.push(format!("Conditions without both figures, not shown: {}.", plot.lacking));
    }
    if unlabelled > 0 {
        notes.push(format!("Points without room for their label: {unlabelled}."));
    }
    wrapped(&notes.join(" "), SMALL, most)
}

/// The name of what an axis shows, and which end is better.
fn axis_title(coordinate: &Coordinate) -> String {
    match coordinate.info.better {
        Some(Better::Lower) => format!("{} (lower is better)", coordinate.name),
        Some(Better::Higher) => format!("{} (higher is better)", coordinate.name),
        None => coordinate.name.clone(),
    }
}
