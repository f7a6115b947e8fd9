//! Tables and measurements as text for people.

use crate::diagnosis::Diagnosis;
use crate::diagnosis::ladder::keeps;
use crate::measure::{Measurement, NullInfo};
use std::fmt::Write;

/// Columns under each other: those of numbers to the right, others to the left.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], c: usize| row.get(c).cloned().unwrap_or_default();
    let mut text = String::new();
    let widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().map(|row| cell(row, c).chars().count()).max().unwrap_or(0)).collect();
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let right: Vec<bool> = (0..columns)
        .map(|c| {
            let mut body = rows.iter().skip(1).map(|row| cell(row, c)).filter(|cell| !cell.is_empty()).peekable();
            c > 0 && body.peek().is_some() && body.all(|cell| is_number(&cell))
        })
        .collect();
    for row in rows {
        let pad = |c: usize| match right[c] {
            true => format!("{:>width$}", cell(row, c), width = widths[c]),
            false => format!("{:<width$}", cell(row, c), width = widths[c]),
        };
        let line = (0..columns).map(pad).collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A short table, a histogram of the null distribution, and the warnings.
pub(super) fn measurement(m: &Measurement) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(model) = &m.model {
        rows.push(("network", model.describe()));
    }
    let dropped = match m.graph.dropped_nodes {
        0 => String::new(),
        n => format!(", {n} without edges dropped"),
    };
    rows.push(("graph", format!("{} nodes, {} edges{dropped}", grouped(m.graph.nodes), grouped(m.graph.edges))));
    rows.push(("n-cut", format!("{:.4} of {} clusters ({:.3} each)", m.ncut, m.clusters, m.ncut_per_cluster)));
    if let Some(null) = &m.null {
        rows.push((
            "shuffled",
            format!("{:.4} ± {:.4} ({} shuffles, {})", null.mean, null.sd, null.shuffles, null.kind.name()),
        ));
    }
    if let (Some(p), Some(null)) = (m.p_value, &m.null) {
        let below = null.ncuts.iter().filter(|n| **n < m.ncut).count();
        let z = m.z_score.map_or("none".into(), |z| format!("{z:+.2}"));
        let how = match null.stopped {
            true => {
                let error = p * ((1.0 - p) / below as f64).sqrt();
                format!("± {error:.2} (stopped at shuffle {}: {below} are lower)", null.shuffles)
            }
            false => format!("({below} of {} shuffles are lower)", null.shuffles),
        };
        rows.push(("p, Z", format!("{p:.4} {how}, {z}")));
    }
    let shares: Vec<String> = m.volumes.iter().map(|share| format!("{:.0}", 100.0 * share)).collect();
    rows.push((
        "balance",
        format!(
            "{:.1} effective clusters, Q {:.3}, volumes {} %",
            m.effective_clusters,
            m.modularity_q,
            shares.join(" ")
        ),
    ));
    rows.push((
        "time",
        format!("{:.2} s (clustering {:.2}, shuffles {:.2})", m.timing_s.total, m.timing_s.cluster, m.timing_s.null),
    ));
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:>9}  {value}");
    }
    if let Some(null) = m.null.as_ref().filter(|null| null.shuffles > 1) {
        text.push('\n');
        text.push_str(&histogram(m.ncut, null));
    }
    for warning in &m.warnings {
        let _ = writeln!(text, "\nwarning ({}): {}", warning.code, warning.message);
    }
    text
}

/// The null ladder, the range of k, and the verdict.
pub(super) fn diagnosis(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    let number = |z: Option<f64>| z.map_or("none".into(), |z| format!("{z:+.2}"));
    let mut rows = vec![["null model", "shuffled", "p", "Z", "keeps"].map(str::to_string).to_vec()];
    rows.extend(diagnosis.ladder.iter().map(|rung| {
        let shuffled = format!("{:.3} ± {:.3}", rung.mean, rung.sd);
        let name = rung.kind.name().to_string();
        vec![name, shuffled, format!("{:.4}", rung.p_value), number(rung.z_score), keeps(rung.kind).into()]
    }));
    let _ = writeln!(text, "\n{}", aligned(&rows));
    let mut rows =
        vec![["k", "n-cut / k", "Z", "next λ ÷ λ", "in shuffles", "starts agree"].map(str::to_string).to_vec()];
    rows.extend(diagnosis.choice_of_k.candidates.iter().map(|k| {
        vec![
            k.clusters.to_string(),
            format!("{:.4}", k.ncut_per_cluster),
            number(k.z_score),
            format!("{:.3}", k.eigengap.exp()),
            format!("{:.3}", k.null_eigengap.exp()),
            format!("{:.2}", k.agreement),
        ]
    }));
    let _ = writeln!(text, "{}", aligned(&rows));
    let _ = writeln!(text, "number of clusters: {}", diagnosis.choice_of_k.reason);
    if let Some(significance) = diagnosis.significance() {
        let _ = writeln!(text, "significance: {significance}");
    }
    let _ = writeln!(text, "verdict: {}", diagnosis.verdict.message);
    if let Some(advice) = &diagnosis.verdict.advice {
        let _ = writeln!(text, "advice: {advice}");
    }
    text
}

/// `12,345`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Counts of shuffles over n-cut, with the network's place among them.
fn histogram(network: f64, null: &NullInfo) -> String {
    const BINS: usize = 12;
    const WIDEST: usize = 40;
    let (least, most) = null.ncuts.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    let width = (most - least) / BINS as f64;
    if width <= 0.0 {
        return String::new();
    }
    let bin = |x: f64| (((x - least) / width) as usize).min(BINS - 1);
    let mut counts = [0usize; BINS];
    null.ncuts.iter().for_each(|x| counts[bin(*x)] += 1);
    let tallest = counts.iter().copied().max().unwrap_or(1);
    let mark = |text: &mut String| {
        let _ = writeln!(text, "{network:>9.4}  ◄ this network");
    };
    let mut text = String::new();
    let mut marked = network < least;
    if marked {
        mark(&mut text);
        if least - network > width {
            let _ = writeln!(text, "{:>9}", "…");
        }
    }
    for (b, count) in counts.iter().enumerate() {
        let bar = "█".repeat((count * WIDEST).div_ceil(tallest.max(1)));
        let middle = least + width * (b as f64 + 0.5);
        if !marked && network <= middle {
            mark(&mut text);
            marked = true;
        }
        let _ = writeln!(text, "{middle:>9.4}  {bar} {count}");
        if !marked && network <= most && bin(network) == b {
            mark(&mut text);
            marked = true;
        }
    }
    if !marked {
        if network - most > width {
            let _ = writeln!(text, "{:>9}", "…");
        }
        mark(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::shuffle::NullModel;

    #[test]
    fn histogram_counts_every_shuffle_and_marks_the_network_once() {
        let ncuts: Vec<f64> = (0..50).map(|i| 9.0 + f64::from(i * i) / 2500.0).collect();
        let null = NullInfo { kind: NullModel::Layer, shuffles: 50, ncuts, mean: 9.3, sd: 0.3, stopped: false };
        for network in [5.0, 9.0, 9.5, 9.53, 12.0] {
            let text = histogram(network, &null);
            let total: usize = text
                .lines()
                .filter(|l| !l.contains('◄'))
                .filter_map(|l| l.split(' ').next_back()?.parse::<usize>().ok())
                .sum();
            assert_eq!(total, 50);
            assert_eq!(text.matches('◄').count(), 1);
            let places: Vec<f64> = text.lines().filter_map(|l| l.split_whitespace().next()?.parse().ok()).collect();
            assert!(places.is_sorted(), "{text}");
        }
        assert_eq!(grouped(1234567), "1,234,567");
    }
}
