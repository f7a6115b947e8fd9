//! Clusters of one measurement: how large they are, and where.

use super::{colour, escape};
use crate::measure::Measurement;
use std::fmt::Write;

/// The size of each cluster, with a button that picks it, and what makes the others fade then.
pub(super) fn sizes(m: &Measurement) -> String {
    let mut html = String::from("<style>\n");
    for c in 0..m.clusters {
        let _ = writeln!(html, "body[data-picked=\"{c}\"] [data-c]:not([data-c~=\"{c}\"]) {{ opacity: .1; }}");
    }
    html.push_str(
        "</style>\n<div class=\"scroll\"><table class=\"sortable\">\n<tr><th>cluster</th><th>nodes</th><th>share of the volume</th></tr>\n",
    );
    for c in 0..m.clusters {
        let (colour, size, share) = (colour(c), m.sizes[c], 100.0 * m.volumes[c]);
        let _ = writeln!(
            html,
            "<tr data-c=\"{c}\"><td><button type=\"button\" class=\"pick\" data-of=\"{c}\" aria-pressed=\"false\">\
             <span class=\"swatch\" style=\"background: {colour}\"></span>{c}</button></td><td>{size}</td><td>{share:.1} %</td></tr>"
        );
    }
    html.push_str("</table></div>\n");
    html
}

/// How many nodes of each layer are in each cluster, shaded by the share of the layer.
pub(super) fn by_layer(m: &Measurement) -> String {
    let mut html = String::from("<div class=\"scroll\"><table class=\"sortable layers\">\n<tr><th>layer</th>");
    (0..m.clusters).for_each(|c| html.push_str(&format!("<th class=\"share\">{c}</th>")));
    let dropped = m.labels.contains(&-1);
    html.push_str(if dropped { "<th class=\"share\">dropped</th></tr>\n" } else { "</tr>\n" });
    let mut first = 0;
    for layer in &m.graph.layers {
        let labels = &m.labels[first..first + layer.size];
        first += layer.size;
        let _ = write!(html, "<tr><td>{}</td>", escape(&layer.name));
        for c in (0..m.clusters as i64).chain(dropped.then_some(-1)) {
            let count = labels.iter().filter(|label| **label == c).count();
            let percent = 100 * count / layer.size.max(1);
            let shown = if count == 0 { String::new() } else { count.to_string() };
            let shade = format!("background: color-mix(in srgb, var(--bar) {percent}%, transparent)");
            let _ = write!(html, "<td class=\"share\" data-c=\"{c}\" style=\"{shade}\">{shown}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}
