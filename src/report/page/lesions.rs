//! What silencing a cluster costs a network, beside random sets of as many neurons.

use super::escape;
use crate::lesion::{Lesion, Lesions};
use std::fmt::Write;

/// What each class loses, in points, the darker the more; empty below a twentieth of a point.
fn by_class(lesion: &Lesion, of: &Lesions) -> String {
    let mut cells = String::new();
    for drop in lesion.drops(of) {
        let points = 100.0 * drop;
        let shown = if points.abs() < 0.05 { String::new() } else { format!("{points:.1}") };
        let shade = format!("background: color-mix(in srgb, var(--bar) {:.0}%, transparent)", points.max(0.0));
        let _ = write!(cells, "<td class=\"share\" style=\"{shade}\">{shown}</td>");
    }
    cells
}

/// A table that opens below `name`; accuracies in percent, losses in points.
pub(super) fn figure(name: &str, lesions: &Lesions) -> String {
    let row = |lesion: &Lesion| {
        let lost_by_random = 100.0 * (lesions.accuracy - lesion.random_mean);
        let cells = [
            lesion.cluster.to_string(),
            lesion.neurons.iter().sum::<usize>().to_string(),
            format!("{:.1}", 100.0 * lesion.accuracy),
            format!("{:.1}", 100.0 * lesion.drop),
            format!("{lost_by_random:.1} ± {:.1}", 100.0 * lesion.random_sd),
            format!("{:.4}", lesion.p_value),
        ];
        let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr>{cells}{}</tr>\n", by_class(lesion, lesions))
    };
    let rows: String = lesions.clusters.iter().map(row).collect();
    let header = ["cluster", "neurons", "accuracy without", "lost", "lost by random sets", "p"];
    let header: String = header.iter().map(|name| format!("<th>{name}</th>")).collect();
    let classes: String =
        (0..lesions.by_class.len()).map(|class| format!("<th class=\"share\">{class}</th>")).collect();
    format!(
        "<details><summary>{}: accuracy {:.1}; {} of {} clusters cost more than random sets on average</summary>\n\
         <div class=\"scroll\"><table class=\"sortable\">\n<tr>{header}{classes}</tr>\n{rows}</table></div></details>\n",
        escape(name),
        100.0 * lesions.accuracy,
        lesions.functional,
        lesions.clusters.len(),
    )
}
