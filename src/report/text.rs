//! Conditions as tables, for a terminal and in Markdown.

use super::{Condition, Figure, Figures};
use crate::stats::permutation::{LEVEL, false_discovery_rates};

pub(super) const HEADER: [&str; 10] =
    ["condition", "state", "n", "n-cut", "published", "shuffled", "published", "Z", "test acc.", "published"];

/// An end state of a condition.
pub(super) struct Row {
    pub(super) cells: [String; 10],
    /// Whether replicates of the condition are not done.
    pub(super) incomplete: bool,
}

/// The settings that vary, as `dropout=0.5`, with the experiment's name before them.
fn name(condition: &Condition) -> String {
    let given: Vec<String> = condition.given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{} {}", condition.experiment, given.join(" ")).trim().to_string()
}

/// `10.024 ± 0.017`.
fn mean_sd(figure: &Figure, digits: usize) -> String {
    match figure.sd {
        Some(sd) => format!("{:.digits$} ± {sd:.digits$}", figure.mean),
        None => format!("{:.digits$}", figure.mean),
    }
}

/// `10.024 (−0.7 se)`: the published value and how far ours is from it.
fn published(figure: &Figure, digits: usize) -> String {
    match (figure.published, figure.difference_se) {
        (Some(value), Some(se)) => format!("{value:.digits$} ({se:+.1} se)"),
        (Some(value), None) => format!("{value:.digits$}"),
        _ => String::new(),
    }
}

/// `5`, or `3/5` where some are not done.
fn replicates(condition: &Condition) -> String {
    match condition.missing {
        0 => condition.n.to_string(),
        missing => format!("{}/{}", condition.n, condition.n + missing),
    }
}

fn row(condition: &Condition, state: &str, figures: &Figures) -> [String; 10] {
    let or_empty =
        |figure: &Option<Figure>, show: &dyn Fn(&Figure) -> String| figure.as_ref().map(show).unwrap_or_default();
    // a regression has no accuracy, and says what stands there instead
    let (score, unit) = match &figures.test_accuracy {
        Some(_) => (&figures.test_accuracy, ""),
        None => (&figures.test_loss, " loss"),
    };
    [
        name(condition),
        state.into(),
        replicates(condition),
        mean_sd(&figures.ncut, 3),
        published(&figures.ncut, 3),
        or_empty(&figures.null_mean, &|f| mean_sd(f, 3)),
        or_empty(&figures.null_mean, &|f| published(f, 3)),
        or_empty(&figures.z_score, &|f| format!("{:+.1}", f.mean)),
        or_empty(score, &|f| mean_sd(f, 4) + unit),
        or_empty(score, &|f| published(f, 3)),
    ]
}

pub(super) fn rows(conditions: &[Condition]) -> Vec<Row> {
    let mut rows = Vec::new();
    for condition in conditions {
        let incomplete = condition.missing > 0;
        for (state, figures) in [("unpruned", &condition.unpruned), ("pruned", &condition.pruned)] {
            rows.extend(figures.as_ref().map(|figures| Row { cells: row(condition, state, figures), incomplete }));
        }
        if condition.n == 0 {
            let mut cells: [String; 10] = Default::default();
            (cells[0], cells[1], cells[2]) = (name(condition), "none done".into(), replicates(condition));
            rows.push(Row { cells, incomplete });
        }
    }
    rows
}

/// How many runs are not done, why, and what to do about it; nothing if all are.
pub(super) fn not_done(conditions: &[Condition]) -> Option<String> {
    let sum = |count: fn(&Condition) -> usize| conditions.iter().map(count).sum::<usize>();
    let (all, missing) = (sum(|c| c.n + c.missing), sum(|c| c.missing));
    let (running, failed, partial) = (sum(|c| c.running), sum(|c| c.failed), sum(|c| c.partial));
    let counts = [
        (failed, "failed"),
        (running, "running"),
        (partial, "partial"),
        (missing - running - failed - partial, "missing"),
    ];
    let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    (missing > 0).then(|| format!("{missing} of {all} runs are not done ({counts}); `ncut run FILE` makes them"))
}

/// How many of all networks are more clusterable than their shuffles, and how many of those would be if as many tests are to go wrong
/// in a twentieth of what they find; nothing of a single one.
pub(super) fn discoveries(conditions: &[Condition]) -> Option<String> {
    let figures = conditions.iter().flat_map(|condition| condition.unpruned.iter().chain(&condition.pruned));
    let p_values: Vec<f64> =
        figures.filter_map(|figures| figures.p_value.as_ref()).flat_map(|p| p.values.iter().copied()).collect();
    let below = |values: &[f64]| values.iter().filter(|value| **value < LEVEL).count();
    (p_values.len() > 1).then(|| {
        format!(
            "{} of {} networks have p < 0.05; {} at a false discovery rate below 0.05 (Benjamini and Hochberg)",
            below(&p_values),
            p_values.len(),
            below(&false_discovery_rates(&p_values))
        )
    })
}

/// Columns under each other, and what is not done.
pub fn conditions(conditions: &[Condition]) -> String {
    let rows = rows(conditions);
    let used: Vec<usize> = (0..HEADER.len()).filter(|&c| rows.iter().any(|row| !row.cells[c].is_empty())).collect();
    let header = HEADER.map(str::to_string);
    let lines: Vec<&[String; 10]> = std::iter::once(&header).chain(rows.iter().map(|row| &row.cells)).collect();
    let width = |c: usize| lines.iter().map(|cells| cells[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let line = |cells: &&[String; 10]| {
        let cells: Vec<String> = used.iter().map(|&c| format!("{:<width$}", cells[c], width = widths[c])).collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    let table: String = lines.iter().map(line).collect();
    table + &not_done(conditions).map(|line| line + "\n").unwrap_or_default()
}

/// A Markdown table, what is significant, and what is not done. `se`: standard errors of the difference of means.
pub fn markdown(conditions: &[Condition]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace("  ", " "));
    let mut text = line(&HEADER.map(str::to_string));
    text.push_str(&format!("|{}\n", "---|".repeat(HEADER.len())));
    rows(conditions).iter().for_each(|row| text.push_str(&line(&row.cells)));
    let lines = [discoveries(conditions), not_done(conditions)];
    text + &lines.into_iter().flatten().map(|line| format!("\n{line}\n")).collect::<String>()
}
