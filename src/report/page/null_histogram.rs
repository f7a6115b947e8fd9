//! The null distribution of a measurement.

use super::escape;
use crate::measure::Measurement;
use std::fmt::Write;

/// The null distribution as a histogram with the network's n-cut as a line; nothing without a null distribution.
pub(super) fn null_histogram(m: &Measurement, caption: &str) -> String {
    const WIDTH: f64 = 340.0;
    const HEIGHT: f64 = 120.0;
    const BINS: usize = 15;
    let Some(null) = m.null.as_ref().filter(|null| null.shuffles > 1) else { return String::new() };
    let (least, most) = null.ncuts.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    let (from, to) = (least.min(m.ncut), most.max(m.ncut));
    let margin = (0.05 * (to - from)).max(1e-9);
    let x = |value: f64| WIDTH * (value - from + margin) / (to - from + 2.0 * margin);
    let bin_width = (most - least).max(1e-12) / BINS as f64;
    let mut counts = [0usize; BINS];
    null.ncuts.iter().for_each(|value| counts[(((value - least) / bin_width) as usize).min(BINS - 1)] += 1);
    let tallest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let mut svg = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"{}\">",
        HEIGHT + 34.0,
        escape(caption)
    );
    for (b, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (left, height) = (x(least + b as f64 * bin_width), 100.0 * *count as f64 / tallest);
        let width = (x(least + (b + 1) as f64 * bin_width) - left).max(1.0);
        let top = HEIGHT - height;
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"var(--bar)\"/>"
        );
    }
    let (place, mean) = (x(m.ncut), x(null.mean));
    let _ = write!(
        svg,
        "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\" stroke=\"var(--line)\"/>\
         <line x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"8\" y2=\"{HEIGHT}\" stroke=\"var(--mark)\" stroke-width=\"2\"/>"
    );
    // the two labels stand on lines of their own, so that they never overlap
    for (at, y, text) in [
        (place, 14.0, format!("network {:.3}", m.ncut)),
        (mean, 28.0, format!("shuffles {:.3} ± {:.3}", null.mean, null.sd)),
    ] {
        let (anchor, at) = match at {
            at if at < 80.0 => ("start", at.max(2.0) - 2.0),
            at if at > WIDTH - 80.0 => ("end", at.min(WIDTH - 2.0) + 2.0),
            at => ("middle", at),
        };
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>", HEIGHT + y);
    }
    let _ = writeln!(svg, "</svg><figcaption>{}</figcaption></figure>", escape(caption));
    svg
}

/// `p = 0.0196, Z = -4.47`.
pub(super) fn p_and_z(m: &Measurement) -> String {
    let z = m.z_score.map_or("no Z".into(), |z| format!("Z = {z:+.2}"));
    m.p_value.map_or("no shuffles".into(), |p| format!("p = {p:.4}, {z}"))
}
