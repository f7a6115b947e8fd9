//! A plot within two axes: its title above, a legend beside it, notes below.

use super::axis::Axis;
use super::labels::{At, Rect, width};
use super::svg::{MARGIN, SMALL, SMALL_LINE, TEXT, TEXT_LINE, TITLE, TITLE_LINE, begin, line, text, wrapped};
use std::fmt::Write;

/// Size of the plot within its axes.
pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 440.0;
/// The widest text of a legend, and the room for a symbol before it.
const LEGEND: f64 = 270.0;
const SYMBOL: f64 = 24.0;
/// Below an entry of the legend.
const GAP: f64 = 6.0;

/// Part of a legend.
pub(super) struct Entry {
    /// Drawn around (0, 0).
    symbol: Option<String>,
    lines: Vec<String>,
    /// Paler ones below.
    about: Vec<String>,
}

impl Entry {
    /// What the entries below have in common.
    pub(super) fn heading(about: &str) -> Self {
        Self { symbol: None, lines: Vec::new(), about: wrapped(about, TEXT, LEGEND) }
    }

    /// A symbol, its name, and more of it.
    pub(super) fn new(symbol: String, name: &str, about: &str) -> Self {
        let about = if about.is_empty() { Vec::new() } else { wrapped(about, TEXT, LEGEND) };
        Self { symbol: Some(symbol), lines: wrapped(name, TEXT, LEGEND), about }
    }

    fn indent(&self) -> f64 {
        if self.symbol.is_some() { SYMBOL } else { 0.0 }
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        self.lines.iter().chain(&self.about)
    }

    /// Of its lines, and the gap below.
    pub(super) fn height(&self) -> f64 {
        TEXT_LINE * self.texts().count() as f64 + GAP
    }

    fn width(&self) -> f64 {
        self.texts().map(|line| width(line, TEXT)).fold(0.0, f64::max)
    }
}

/// What an axis shows, and its name.
pub(super) type Titled = (Axis, String);

/// Where everything but the points goes, in pixels from the top left.
pub(super) struct Chart {
    name: String,
    title: Vec<String>,
    x: Titled,
    y: Titled,
    /// The legend's columns, of entries from left to right.
    columns: Vec<Vec<Entry>>,
    /// The plot within its axes.
    frame: Rect,
    /// Of the picture.
    width: f64,
}

/// A horizontal axis, whose ticks do not touch each other.
pub(super) fn across(values: impl Iterator<Item = f64>, range: (f64, f64), room: f64) -> Axis {
    Axis::new(values, range, |ticks| ticks.len() as f64 * (widest(ticks) + 14.0) <= room)
}

fn widest(ticks: &[(f64, String)]) -> f64 {
    ticks.iter().map(|(_, text)| width(text, SMALL)).fold(0.0, f64::max)
}

impl Chart {
    /// `height` is the plot's; a legend that is higher stands in columns.
    pub(super) fn new(title: &str, x: Titled, y: Titled, legend: Vec<Entry>, height: f64) -> Self {
        let left = MARGIN + TEXT + 10.0 + widest(&y.0.ticks) + 8.0;
        let columns = columns(legend, height);
        let beside: f64 = columns.iter().map(|column| MARGIN + SYMBOL + column_width(column)).sum();
        let total = left + WIDTH + beside + MARGIN;
        let lines = wrapped(title, 1.08 * TITLE, total - 2.0 * MARGIN);
        let top = MARGIN + TITLE_LINE * lines.len() as f64 + 6.0;
        let frame = Rect { left, top, right: left + WIDTH, bottom: top + height };
        Self { name: title.to_string(), title: lines, x, y, columns, frame, width: total }
    }

    /// Where a point lies.
    pub(super) fn at(&self, x: f64, y: f64) -> At {
        let Rect { left, top, bottom, .. } = self.frame;
        (left + WIDTH * self.x.0.place(x), bottom - (bottom - top) * self.y.0.place(y))
    }

    /// Where labels of points may stand.
    pub(super) fn room(&self) -> Rect {
        let Rect { left, top, right, bottom } = self.frame;
        Rect { left: left + 2.0, top: top + 2.0, right: right - 2.0, bottom: bottom - 2.0 }
    }

    /// The picture, with `body` in it, and `empty` in its middle where there is nothing to show.
    pub(super) fn svg(&self, notes: &[String], empty: Option<&str>, body: &str) -> String {
        let notes = wrapped(&notes.join(" "), SMALL, self.width - 2.0 * MARGIN);
        let of = |column: &Vec<Entry>| column.iter().map(Entry::height).sum::<f64>() + self.frame.top;
        let legend_bottom = self.columns.iter().map(of).fold(0.0, f64::max);
        let notes_bottom = self.frame.bottom + 48.0 + SMALL_LINE * notes.len() as f64;
        let mut svg = begin(&self.name, self.width, legend_bottom.max(notes_bottom) + MARGIN);
        self.titles(&mut svg);
        self.axes(&mut svg, &notes, empty);
        self.legend(&mut svg);
        svg + body + "</svg>\n"
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
        text(svg, (x, y), &turned, &self.y.1);
        text(svg, ((left + right) / 2.0, bottom + 38.0), " text-anchor=\"middle\"", &self.x.1);
        svg.push_str("</g>\n");
    }

    fn axes(&self, svg: &mut String, notes: &[String], empty: Option<&str>) {
        let Rect { left, top, right, bottom } = self.frame;
        let _ = writeln!(svg, "<g font-size=\"{SMALL}\" fill=\"#555\">");
        for (value, label) in &self.x.0.ticks {
            let x = left + WIDTH * self.x.0.place(*value);
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((x, top), (x, bottom + 4.0)));
            text(svg, (x, bottom + 17.0), " text-anchor=\"middle\"", label);
        }
        for (value, label) in &self.y.0.ticks {
            let y = bottom - (bottom - top) * self.y.0.place(*value);
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((left - 4.0, y), (right, y)));
            text(svg, (left - 8.0, y + 4.0), " text-anchor=\"end\"", label);
        }
        for (i, line) in notes.iter().enumerate() {
            text(svg, (MARGIN, bottom + 62.0 + SMALL_LINE * i as f64), "", line);
        }
        if let Some(empty) = empty {
            let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
            text(svg, middle, " text-anchor=\"middle\"", empty);
        }
        let height = bottom - top;
        let _ = writeln!(
            svg,
            "</g>\n<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{WIDTH}\" height=\"{height}\" stroke=\"#888\"/>"
        );
    }

    fn legend(&self, svg: &mut String) {
        let mut left = self.frame.right + MARGIN;
        svg.push_str("<g class=\"legend\" fill=\"#222\">\n");
        for column in &self.columns {
            let mut y = self.frame.top + 12.0;
            for entry in column {
                if let Some(symbol) = &entry.symbol {
                    let _ = writeln!(svg, "<g transform=\"translate({:.1} {:.1})\">{symbol}</g>", left + 9.0, y - 4.0);
                }
                for (i, line) in entry.texts().enumerate() {
                    let more = if i < entry.lines.len() { "" } else { " fill=\"#555\"" };
                    text(svg, (left + entry.indent(), y), more, line);
                    y += TEXT_LINE;
                }
                y += GAP;
            }
            left += MARGIN + SYMBOL + column_width(column);
        }
        svg.push_str("</g>\n");
    }
}

fn column_width(column: &[Entry]) -> f64 {
    column.iter().map(Entry::width).fold(0.0, f64::max)
}

/// Entries one below the other, as many as `height` holds in each column.
fn columns(legend: Vec<Entry>, height: f64) -> Vec<Vec<Entry>> {
    let mut columns: Vec<Vec<Entry>> = Vec::new();
    let mut used = height;
    for entry in legend {
        match columns.last_mut().filter(|_| used + entry.height() <= height) {
            Some(column) => {
                used += entry.height();
                column.push(entry);
            }
            None => {
                used = entry.height();
                columns.push(vec![entry]);
            }
        }
    }
    columns
}
