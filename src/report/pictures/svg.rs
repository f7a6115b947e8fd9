//! What pictures are drawn with: sizes, colours, markers, text and lines.

use super::labels::{At, width};
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
                lines.push(std::mem::take(&mut line));
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
