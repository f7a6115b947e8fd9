//! Clusters of one measurement on a page: where they are, and their eigenvalues.

use super::html::escape;
use crate::measure::Measurement;
use std::fmt::Write;

/// How many nodes of each layer are in each cluster, shaded by the share of the layer.
pub(super) fn by_layer(m: &Measurement) -> String {
    let mut html = String::from("<div class=\"scroll\"><table>\n<tr><th>layer</th>");
    (0..m.clusters).for_each(|c| html.push_str(&format!("<th class=\"share\">{c}</th>")));
    html.push_str("<th class=\"share\">dropped</th></tr>\n");
    let mut first = 0;
    for layer in &m.graph.layers {
        let labels = &m.labels[first..first + layer.size];
        first += layer.size;
        let _ = write!(html, "<tr><td>{}</td>", escape(&layer.name));
        for c in (0..m.clusters as i64).chain([-1]) {
            let count = labels.iter().filter(|label| **label == c).count();
            let percent = 100 * count / layer.size.max(1);
            let shown = if count == 0 { String::new() } else { count.to_string() };
            let shade = format!("background: color-mix(in srgb, var(--bar) {percent}%, transparent)");
            let _ = write!(html, "<td class=\"share\" style=\"{shade}\">{shown}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

/// The eigenvalues in their order.
pub(super) fn spectrum(m: &Measurement) -> String {
    const HEIGHT: f64 = 120.0;
    const STEP: f64 = 24.0;
    const LEFT: f64 = 40.0;
    let most = m.eigenvalues.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let width = LEFT + STEP * m.eigenvalues.len() as f64;
    let mut svg = format!(
        "<figure><svg viewBox=\"0 0 {width} {}\" width=\"{width}\" role=\"img\" aria-label=\"the smallest eigenvalues of L_sym\">",
        HEIGHT + 24.0
    );
    let y = |value: f64| 8.0 + (HEIGHT - 8.0) * (1.0 - value / most);
    let _ = write!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{width}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\" stroke=\"var(--line)\"/>\
         <text x=\"{0}\" y=\"12\" text-anchor=\"end\">{most:.2}</text><text x=\"{0}\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text>",
        LEFT - 6.0
    );
    for (i, value) in m.eigenvalues.iter().enumerate() {
        let x = LEFT + STEP * (i as f64 + 0.5);
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"var(--mark)\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            y(*value),
            HEIGHT + 16.0,
            i + 1
        );
    }
    svg.push_str("</svg></figure>\n");
    svg
}
