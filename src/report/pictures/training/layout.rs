//! Panels one below the other as SVG: first where everything goes, then the elements.

use super::{Mean, Panel, Plot};
use crate::experiment::figure::Better;
use crate::report::page::escape;
use crate::report::pictures::axis::Axis;
use crate::report::pictures::labels::{At, Rect, width};
use crate::report::pictures::svg::{
    COLOURS, MARGIN, SMALL, SMALL_LINE, TEXT, TEXT_LINE, TITLE, TITLE_LINE, line, marker, text, wrapped,
};
use std::fmt::Write;

/// Size of a panel within its axes: the first is higher than the others.
const WIDTH: f64 = 640.0;
const FIRST: f64 = 260.0;
const OTHER: f64 = 140.0;
/// Between two panels.
const GAP: f64 = 16.0;
/// The widest text of a legend, and the room for a symbol before it.
const LEGEND: f64 = 200.0;
const SYMBOL: f64 = 36.0;
/// Markers are smaller than where there are no lines.
const MARKER: f64 = 0.7;
/// How far conditions stand apart, so that their bars do; and all of them together at most.
const APART: f64 = 4.0;
const MOST_APART: f64 = 12.0;
/// Height that a tick of a vertical axis needs.
const TICK: f64 = 22.0;
/// Series beyond which bands would hide each other.
const MOST_BANDS: usize = 4;

/// How the mean of shuffles is drawn.
const SHUFFLES: &str = "stroke-dasharray=\"5 3\"";

/// The picture of `plot`.
pub(super) fn draw(plot: &Plot) -> String {
    Layout::new(plot).svg()
}

/// Where everything goes, in pixels from the top left.
struct Layout<'a> {
    plot: &'a Plot,
    x_axis: Axis,
    /// Each panel's axis, and the panel within its axes.
    panels: Vec<(Axis, Rect)>,
    /// Of the picture.
    size: At,
    title: Vec<String>,
    /// Symbol and lines of text.
    legend: Vec<(String, Vec<String>)>,
    notes: Vec<String>,
}

impl<'a> Layout<'a> {
    fn new(plot: &'a Plot) -> Self {
        let widest = |ticks: &[(f64, String)]| ticks.iter().map(|(_, text)| width(text, SMALL)).fold(0.0, f64::max);
        let epochs = plot.panels.iter().flat_map(|panel| panel.curves.iter().flatten()).map(|mean| mean.epoch as f64);
        let fit = |ticks: &[(f64, String)]| {
            ticks.len() as f64 * (widest(ticks) + 14.0) <= WIDTH && ticks.iter().all(|(epoch, _)| epoch.fract() == 0.0)
        };
        let x_axis = Axis::new(epochs, (0.0, f64::INFINITY), fit);
        let axes: Vec<(Axis, f64)> = plot.panels.iter().enumerate().map(|(i, panel)| axis(panel, height(i))).collect();

        let legend = legend(plot);
        let legend_width = legend.iter().flat_map(|(_, lines)| lines).map(|line| width(line, TEXT)).fold(0.0, f64::max);
        let left = MARGIN + TEXT + 10.0 + axes.iter().map(|(axis, _)| widest(&axis.ticks)).fold(0.0, f64::max) + 8.0;
        let total = left + WIDTH + MARGIN + SYMBOL + legend_width + MARGIN;
        let title = wrapped(&plot.title, 1.08 * TITLE, total - 2.0 * MARGIN);
        // a line for what stands above the first panel
        let first = MARGIN + TITLE_LINE * title.len() as f64 + SMALL_LINE + 6.0;
        let mut top = first;
        let mut panels = Vec::new();
        for (axis, height) in axes {
            panels.push((axis, Rect { left, top, right: left + WIDTH, bottom: top + height }));
            top += height + GAP;
        }
        let bottom = top - GAP;
        let notes = notes(plot, total - 2.0 * MARGIN);
        let legend_bottom = legend.iter().map(|(_, lines)| TEXT_LINE * lines.len() as f64 + 6.0).sum::<f64>() + first;
        let notes_bottom = bottom + 48.0 + SMALL_LINE * notes.len() as f64;
        let size = (total, legend_bottom.max(notes_bottom) + MARGIN);
        Self { plot, x_axis, panels, size, title, legend, notes }
    }

    fn x(&self, epoch: usize) -> f64 {
        self.panels.first().map_or(0.0, |(_, frame)| frame.left) + WIDTH * self.x_axis.place(epoch as f64)
    }

    /// Where a mean of a series stands.
    fn at(&self, series: usize, mean: &Mean) -> f64 {
        let others = if has_bars(self.plot) { self.plot.series.len().saturating_sub(1) as f64 } else { 0.0 };
        if others == 0.0 {
            return self.x(mean.epoch);
        }
        self.x(mean.epoch) + (series as f64 - others / 2.0) * APART.min(MOST_APART / others)
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
        self.pruning(&mut svg);
        self.legend(&mut svg);
        for (panel, (axis, frame)) in self.plot.panels.iter().zip(&self.panels) {
            self.shuffles(&mut svg, panel, axis, frame);
            self.curves(&mut svg, panel, axis, frame);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn titles(&self, svg: &mut String) {
        svg.push_str("<g fill=\"#222\">\n");
        for (i, line) in self.title.iter().enumerate() {
            let more = format!(" font-size=\"{TITLE}\" font-weight=\"bold\"");
            text(svg, (MARGIN, MARGIN + 12.0 + TITLE_LINE * i as f64), &more, line);
        }
        for (panel, (_, frame)) in self.plot.panels.iter().zip(&self.panels) {
            let (x, y) = (MARGIN + 10.0, (frame.top + frame.bottom) / 2.0);
            let turned = format!(" text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {y:.1})\"");
            text(svg, (x, y), &turned, &axis_title(panel, frame.bottom - frame.top));
        }
        if let Some((_, frame)) = self.panels.last() {
            let below = ((frame.left + frame.right) / 2.0, frame.bottom + 38.0);
            text(svg, below, " text-anchor=\"middle\"", "epoch (0: as initialised)");
        }
        svg.push_str("</g>\n");
    }

    fn axes(&self, svg: &mut String) {
        let _ = writeln!(svg, "<g font-size=\"{SMALL}\" fill=\"#555\">");
        for (i, (axis, frame)) in self.panels.iter().enumerate() {
            let Rect { left, top, right, bottom } = *frame;
            for (value, label) in &self.x_axis.ticks {
                let x = left + WIDTH * self.x_axis.place(*value);
                let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((x, top), (x, bottom + 4.0)));
                if i + 1 == self.panels.len() {
                    text(svg, (x, bottom + 17.0), " text-anchor=\"middle\"", label);
                }
            }
            for (value, label) in &axis.ticks {
                let y = bottom - (bottom - top) * axis.place(*value);
                let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((left - 4.0, y), (right, y)));
                text(svg, (left - 8.0, y + 4.0), " text-anchor=\"end\"", label);
            }
            let height = bottom - top;
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{height}\" fill=\"none\" stroke=\"#888\"/>"
            );
        }
        let bottom = self.panels.last().map_or(0.0, |(_, frame)| frame.bottom);
        for (i, line) in self.notes.iter().enumerate() {
            text(svg, (MARGIN, bottom + 62.0 + SMALL_LINE * i as f64), "", line);
        }
        svg.push_str("</g>\n");
    }

    /// Where it begins, through all panels; each place is told of above the first, where there is room for it.
    fn pruning(&self, svg: &mut String) {
        const WORDS: &str = "pruning begins";
        let _ = writeln!(svg, "<g font-size=\"{SMALL}\" fill=\"#555\">");
        let half = width(WORDS, SMALL) / 2.0;
        let mut free = 0.0;
        for epoch in &self.plot.pruning {
            let x = self.x(*epoch);
            let Some((_, first)) = self.panels.first().filter(|(_, frame)| (frame.left..=frame.right).contains(&x))
            else {
                continue;
            };
            for (_, frame) in &self.panels {
                let path = line((x, frame.top), (x, frame.bottom));
                let _ =
                    writeln!(svg, "<path class=\"pruning\" d=\"{path}\" stroke=\"#888\" stroke-dasharray=\"2 3\"/>");
            }
            let middle = x.max(first.left + half);
            if middle - half >= free {
                text(svg, (middle, first.top - 5.0), " text-anchor=\"middle\"", WORDS);
                free = middle + half + 6.0;
            }
        }
        svg.push_str("</g>\n");
    }

    fn legend(&self, svg: &mut String) {
        let Some((_, frame)) = self.panels.first() else { return };
        let (left, mut y) = (frame.right + MARGIN, frame.top + 12.0);
        svg.push_str("<g class=\"legend\" fill=\"#222\">\n");
        for (symbol, lines) in &self.legend {
            let _ = writeln!(svg, "<g transform=\"translate({:.1} {:.1})\">{symbol}</g>", left + 14.0, y - 4.0);
            for line in lines {
                text(svg, (left + SYMBOL, y), "", line);
                y += TEXT_LINE;
            }
            y += 6.0;
        }
        svg.push_str("</g>\n");
    }

    fn shuffles(&self, svg: &mut String, panel: &Panel, axis: &Axis, frame: &Rect) {
        for (series, curve) in panel.shuffles.iter().enumerate().filter(|(_, curve)| !curve.is_empty()) {
            let at = |mean: &Mean, value: f64| (self.at(series, mean), up(axis, frame, value));
            let colour = COLOURS[series % 8];
            if panel.shuffles.len() <= MOST_BANDS {
                let above = curve.iter().map(|mean| at(mean, mean.ends()[1]));
                let below = curve.iter().rev().map(|mean| at(mean, mean.ends()[0]));
                let band = polyline(above.chain(below));
                let _ = writeln!(svg, "<path class=\"band\" d=\"{band}Z\" fill=\"{colour}\" fill-opacity=\".14\"/>");
            }
            let path = polyline(curve.iter().map(|mean| at(mean, mean.mean)));
            let _ = writeln!(svg, "<path class=\"shuffles\" d=\"{path}\" stroke=\"{colour}\" {SHUFFLES}/>");
        }
    }

    fn curves(&self, svg: &mut String, panel: &Panel, axis: &Axis, frame: &Rect) {
        for (series, curve) in panel.curves.iter().enumerate().filter(|(_, curve)| !curve.is_empty()) {
            let colour = COLOURS[series % 8];
            let path = polyline(curve.iter().map(|mean| (self.at(series, mean), up(axis, frame, mean.mean))));
            let _ = writeln!(svg, "<path d=\"{path}\" stroke=\"{colour}\" stroke-width=\"1.6\"/>");
            for mean in curve {
                let x = self.at(series, mean);
                let about: Vec<String> =
                    about(&self.plot.series[series], panel, series, mean).iter().map(|line| escape(line)).collect();
                let _ = write!(svg, "<g class=\"point\"><title>{}</title>", about.join("\n"));
                if mean.sd.is_some() {
                    let [low, high] = mean.ends().map(|end| up(axis, frame, end));
                    let across = |y: f64| line((x - 3.0, y), (x + 3.0, y));
                    let bar = line((x, low), (x, high));
                    let _ = write!(svg, "<path d=\"{bar}{}{}\" stroke=\"{colour}\"/>", across(low), across(high));
                }
                let (y, marker) = (up(axis, frame, mean.mean), marker(series));
                let _ = writeln!(svg, "<g transform=\"translate({x:.1} {y:.1}) scale({MARKER})\">{marker}</g></g>");
            }
        }
    }
}

fn height(panel: usize) -> f64 {
    if panel == 0 { FIRST } else { OTHER }
}

/// The vertical axis of a panel of this height.
fn axis(panel: &Panel, height: f64) -> (Axis, f64) {
    let all = panel.curves.iter().chain(&panel.shuffles).flatten();
    let fit = |ticks: &[(f64, String)]| ticks.len() as f64 * TICK <= height;
    (Axis::new(all.flat_map(Mean::ends), panel.info.range, fit), height)
}

/// Where a value lies in a panel.
fn up(axis: &Axis, frame: &Rect, value: f64) -> f64 {
    frame.bottom - (frame.bottom - frame.top) * axis.place(value)
}

fn polyline(points: impl Iterator<Item = At>) -> String {
    let points: Vec<String> = points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    format!("M{}", points.join("L"))
}

/// What is told of a point where the pointer is.
fn about(series: &str, panel: &Panel, of: usize, mean: &Mean) -> Vec<String> {
    let value = |mean: &Mean| {
        let sd = mean.sd.map(|sd| format!(" ± {sd:.4}")).unwrap_or_default();
        format!("{:.4}{sd}", mean.mean)
    };
    let mut about = Vec::from_iter((!series.is_empty()).then(|| series.to_string()));
    about.push(format!("epoch {}", mean.epoch));
    about.push(format!("{}: {}", panel.info.label, value(mean)));
    let shuffles = panel.shuffles.get(of).and_then(|all| all.iter().find(|other| other.epoch == mean.epoch));
    about.extend(shuffles.map(|shuffles| format!("shuffles: {}", value(shuffles))));
    about.push(format!("n = {}", mean.replicates));
    about
}

/// The conditions and what lines are.
fn legend(plot: &Plot) -> Vec<(String, Vec<String>)> {
    let stroke = |colour: &str, more: &str| format!("<path d=\"M-14 0H14\" stroke=\"{colour}\" {more}/>");
    let mut legend = Vec::new();
    for (series, name) in plot.series.iter().enumerate() {
        let line = stroke(COLOURS[series % 8], "stroke-width=\"1.6\"");
        let symbol = format!("{line}<g transform=\"scale({MARKER})\">{}</g>", marker(series));
        legend.push((symbol, wrapped(if name.is_empty() { "network" } else { name }, TEXT, LEGEND)));
    }
    let shuffled = plot.panels.iter().flat_map(|panel| &panel.shuffles).any(|curve| !curve.is_empty());
    if shuffled {
        let bands = plot.series.len() <= MOST_BANDS;
        let band = if bands { "<path d=\"M-14-6H14V6H-14Z\" fill=\"#444\" fill-opacity=\".14\"/>" } else { "" };
        let words = if bands { "mean of shuffles ± their sd" } else { "mean of shuffles" };
        legend.push((format!("{band}{}", stroke("#444", SHUFFLES)), wrapped(words, TEXT, LEGEND)));
    }
    legend
}

/// What to know of the points, in lines of at most `most` pixels.
fn notes(plot: &Plot, most: f64) -> Vec<String> {
    let words = if has_bars(plot) { "Means over replicates ± 1 sd." } else { "One network a condition." };
    let apart = if has_bars(plot) && plot.series.len() > 1 { " Conditions stand a little apart." } else { "" };
    wrapped(&format!("{words}{apart}"), SMALL, most)
}

/// Whether some mean is over several replicates.
fn has_bars(plot: &Plot) -> bool {
    plot.panels.iter().flat_map(|panel| panel.curves.iter().flatten()).any(|mean| mean.sd.is_some())
}

/// The name of what an axis shows, and which end is better where there is room for that.
fn axis_title(panel: &Panel, room: f64) -> String {
    let (label, better) = (panel.info.label, panel.info.better);
    let words = match better {
        Some(Better::Lower) => format!("{label} (lower is better)"),
        Some(Better::Higher) => format!("{label} (higher is better)"),
        None => label.to_string(),
    };
    if width(&words, TEXT) <= room { words } else { label.to_string() }
}
