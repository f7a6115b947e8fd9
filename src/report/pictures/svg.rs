//! What pictures are drawn with: sizes, colours, markers, text and lines.

use super::labels::{At, Place, Rect, width};
use crate::report::page::escape;
use std::fmt::Write;

/// Around everything.
pub(super) const MARGIN: f64 = 16.0;
/// Letters, and lines of them.
pub(super) const TITLE: f64 = 15.0;
pub(super) const TEXT: f64 = 12.0;
pub(super) const SMALL: f64 = 11.0;
pub(super) const TITLE_LINE: f64 = 20.0;
pub(super) const TEXT_LINE: f64 = 16.0;
pub(super) const SMALL_LINE: f64 = 15.0;

/// Okabe and Ito's palette, which the colour-blind can tell apart, with grey for the black of letters.
pub(super) const COLOURS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#999999", "#F0E442"];
/// Circle, square, triangle, diamond, cross, triangle upside down, star, plus.
pub(super) const SHAPES: [&str; 8] = [
    "M-5.3 0a5.3 5.3 0 1 0 10.6 0a5.3 5.3 0 1 0-10.6 0Z",
    "M-4.7-4.7H4.7V4.7H-4.7Z",
    "M0-6L5.7 4.4H-5.7Z",
    "M0-6.4L6.4 0 0 6.4-6.4 0Z",
    "M-5.7-2.8L-2.8-5.7 0-2.8 2.8-5.7 5.7-2.8 2.8 0 5.7 2.8 2.8 5.7 0 2.8-2.8 5.7-5.7 2.8-2.8 0Z",
    "M0 6L5.7-4.4H-5.7Z",
    "M0-6.8L1.7-2.3 6.5-2.1 2.7.9 4 5.5 0 2.8-4 5.5-2.7.9-6.5-2.1-1.7-2.3Z",
    "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
];

/// Each of the first 64 series has a colour and a shape that no other has together.
pub(super) fn marker(series: usize) -> String {
    let (colour, shape) = (COLOURS[series % 8], SHAPES[(series + series / 8) % 8]);
    format!("<path d=\"{shape}\" fill=\"{colour}\" stroke=\"#222\" stroke-width=\".8\" stroke-linejoin=\"round\"/>")
}

/// Half the height of a marker.
pub(super) const MARKER: f64 = 6.0;

/// How lines of a series are dashed: told apart without their colours.
pub(super) const DASHES: [&str; 8] = ["none", "7 3", "2 2.5", "10 3 2 3", "12 4", "5 2 1.5 2 1.5 2", "3 6", "1 1.5"];

/// The first lines of a picture, of this size.
pub(super) fn begin(name: &str, width: f64, height: f64) -> String {
    let (width, height) = (width.ceil(), height.ceil());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"{}\" font-family=\"sans-serif\" font-size=\"{TEXT}\" fill=\"none\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n",
        escape(name)
    )
}

/// `text` in lines of at most `most` pixels, broken between words, or within one that is too long.
pub(super) fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut line = lines.pop().unwrap_or_default();
        if !line.is_empty() && width(&format!("{line} {word}"), size) > most {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && width(&format!("{line}{c}"), size) > most {
                // behind a sign that joins words, if there is one
                let end = line.rfind(['=', '-', '_']).map_or(line.len(), |at| at + 1);
                let rest = line.split_off(end);
                lines.push(std::mem::replace(&mut line, rest));
            }
            line.push(c);
        }
        lines.push(line);
    }
    lines
}

/// An element of text; `more` are further attributes.
pub(super) fn text(svg: &mut String, (x, y): At, more: &str, content: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\"{more}>{}</text>", escape(content));
}

/// A line in the language of paths.
pub(super) fn line(a: At, b: At) -> String {
    format!("M{:.1} {:.1}L{:.1} {:.1}", a.0, a.1, b.0, b.1)
}

/// An error bar, with short strokes across its ends.
pub(super) fn bar(svg: &mut String, (a, b): (At, At), colour: &str) {
    let (dx, dy) = if a.1 == b.1 { (0.0, 3.0) } else { (3.0, 0.0) };
    let across = |end: At| line((end.0 - dx, end.1 - dy), (end.0 + dx, end.1 + dy));
    let _ = writeln!(svg, "<path d=\"{}{}{}\" stroke=\"{colour}\"/>", line(a, b), across(a), across(b));
}

/// The line that leads to a label that is not beside its point.
pub(super) fn leader(svg: &mut String, place: &Place) {
    if let Some((a, b)) = place.leader {
        let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#888\" stroke-width=\".7\"/>", line(a, b));
    }
}

/// Labels of points; a light ground keeps letters legible on lines.
pub(super) fn labels<'a>(svg: &mut String, labels: impl Iterator<Item = (&'a str, Place)>) {
    let _ = writeln!(svg, "<g class=\"labels\" font-size=\"{SMALL}\" fill=\"#222\">");
    for (label, place) in labels {
        let Rect { left, top, right, bottom } = place.text;
        // it lets the lines through that it is on, and is no wider than letters mostly are
        let (x, width, height) = (left + 2.0, right - left - 4.0, bottom - top);
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#fff\" \
             fill-opacity=\".65\"/>"
        );
        text(svg, ((left + right) / 2.0, bottom - 3.0), " text-anchor=\"middle\"", label);
    }
    svg.push_str("</g>\n");
}

/// Between lines of a hatch.
const HATCH: f64 = 5.0;

/// How a bar is filled: with a colour, and lines that tell it apart without that. They go up, down or across by series,
/// and meet those of bars beside it.
pub(super) fn hatched(svg: &mut String, bar: Rect, series: usize) {
    let Rect { left, top, right, bottom } = bar;
    let (width, height, colour) = (right - left, bottom - top, COLOURS[series % 8]);
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\" \
         fill-opacity=\".18\" stroke=\"{colour}\" stroke-width=\".9\"/>"
    );
    let lines: String = hatch(bar, series).into_iter().map(|(a, b)| line(a, b)).collect();
    if !lines.is_empty() {
        let _ = writeln!(svg, "<path d=\"{lines}\" stroke=\"{colour}\" stroke-width=\".9\"/>");
    }
}

/// Lines `y = slope · x + c` with c a multiple of the distance, within `bar`.
fn hatch(bar: Rect, series: usize) -> Vec<(At, At)> {
    let slope = [-1.0, 1.0, 0.0][series % 3];
    let ends = [bar.top - slope * bar.left, bar.top - slope * bar.right];
    let (least, most) = (ends[0].min(ends[1]), ends[0].max(ends[1]) + bar.bottom - bar.top);
    let (first, last) = ((least / HATCH).ceil() as i64, (most / HATCH).floor() as i64);
    let within = |c: f64| {
        let (mut from, mut to) = (bar.left, bar.right);
        if slope != 0.0 {
            let crossings = [(bar.top - c) / slope, (bar.bottom - c) / slope];
            (from, to) = (from.max(crossings[0].min(crossings[1])), to.min(crossings[0].max(crossings[1])));
        }
        (from < to).then_some(((from, slope * from + c), (to, slope * to + c)))
    };
    (first..=last).filter_map(|i| within(i as f64 * HATCH)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hatch_stays_within_its_bar_and_fills_it() {
        let bar = Rect { left: 3.2, top: 10.0, right: 31.7, bottom: 91.5 };
        for series in 0..3 {
            let lines = hatch(bar, series);
            let inside = |(x, y): At| {
                (bar.left - 1e-9..=bar.right + 1e-9).contains(&x) && (bar.top - 1e-9..=bar.bottom + 1e-9).contains(&y)
            };
            assert!(lines.iter().all(|(a, b)| inside(*a) && inside(*b)));
            // c runs over the bar's height, and for slanted lines over its width too
            let span = bar.bottom - bar.top + if series < 2 { bar.right - bar.left } else { 0.0 };
            assert!((lines.len() as f64 - span / HATCH).abs() <= 1.0, "{}", lines.len());
        }
        assert!(hatch(Rect { right: 3.2, ..bar }, 0).is_empty());
    }
}
