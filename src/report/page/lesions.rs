//! What silencing a cluster costs a network, beside random sets of as many neurons.

use super::escape;
use crate::lesion::{Lesion, Lesions};
use std::fmt::Write;

/// What each class loses, in points, the darker the more; bold where every random set costs it less, empty below a twentieth of a point.
fn by_class(lesion: &Lesion, of: &Lesions) -> String {
    let mut cells = String::new();
    let least = 1.0 / (of.random_sets + 1) as f64;
    for (class, drop) in lesion.drops(of).enumerate() {
        let points = 100.0 * drop;
        let shown = if points.abs() < 0.05 { String::new() } else { format!("{points:.1}") };
        let is_own = lesion.p_by_class.get(class).is_some_and(|p| *p <= least);
        let shown = if is_own { format!("<b>{shown}</b>") } else { shown };
        let random = lesion.random_drops(of).nth(class);
        let random = random.map(|drop| format!(" title=\"random sets: {:.1}\"", 100.0 * drop)).unwrap_or_default();
        let shade = format!("background: color-mix(in srgb, var(--bar) {:.0}%, transparent)", points.max(0.0));
        let _ = write!(cells, "<td class=\"share\" style=\"{shade}\"{random}>{shown}</td>");
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
