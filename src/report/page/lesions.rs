//! What silencing a cluster costs a network, beside random sets of as many neurons.

use super::{escape, table};
use crate::lesion::{Lesion, Lesions};

/// The class that loses most, and how much: `4 (−61.2)`.
fn worst_class(lesion: &Lesion, whole: &[f64]) -> String {
    let losses = whole.iter().zip(&lesion.by_class).map(|(whole, without)| whole - without);
    let worst = losses.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, lost)| *lost > 0.0);
    worst.map_or(String::new(), |(class, lost)| format!("{class} (−{:.1})", 100.0 * lost))
}

/// A table that opens below `name`; accuracies in percent, losses in points.
pub(super) fn figure(name: &str, lesions: &Lesions) -> String {
    let row = |lesion: &Lesion| {
        let lost_by_random = 100.0 * (lesions.accuracy - lesion.random_mean);
        vec![
            lesion.cluster.to_string(),
            lesion.neurons.iter().sum::<usize>().to_string(),
            format!("{:.1}", 100.0 * lesion.accuracy),
            format!("{:.1}", 100.0 * lesion.drop),
            format!("{lost_by_random:.1} ± {:.1}", 100.0 * lesion.random_sd),
            format!("{:.4}", lesion.p_value),
            worst_class(lesion, &lesions.by_class),
        ]
    };
    let rows: Vec<Vec<String>> = lesions.clusters.iter().map(row).collect();
    let header =
        ["cluster", "neurons", "accuracy without", "lost", "lost by random sets", "p", "class that loses most"];
    format!(
        "<details><summary>{}: accuracy {:.1}; {} of {} clusters cost more than random sets on average</summary>\n{}</details>\n",
        escape(name),
        100.0 * lesions.accuracy,
        lesions.functional,
        lesions.clusters.len(),
        table(&header, &rows, |_| false)
    )
}
