//! Conditions as tables, for a terminal and in Markdown.

use super::{Condition, Figure, Figures};
use crate::experiment::grid::{listed, readable};
use crate::experiment::settings::Settings;
use crate::stats::permutation::{LEVEL, false_discovery_rates};
use serde_json::Value;
use std::collections::BTreeMap;

const COLUMNS: usize = 14;
const HEADER: [&str; COLUMNS] = [
    "condition",
    "state",
    "n",
    "n-cut",
    "published",
    "shuffled",
    "published",
    "Z",
    "lowest p",
    "published",
    "train acc.",
    "published",
    "test acc.",
    "published",
];

/// An end state of a condition.
struct Row {
    cells: [String; COLUMNS],
    /// Whether replicates of the condition are not done.
    incomplete: bool,
}

/// Its experiment, and the settings that vary.
fn name(condition: &Condition) -> String {
    format!("{} {}", condition.experiment, listed(&condition.given)).trim().to_string()
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

/// The mean of the shuffles and their standard deviation, both averaged over replicates, as in the paper's tables.
fn shuffled(figures: &Figures) -> Option<String> {
    Some(format!("{:.3} ± {:.3}", figures.null_mean.as_ref()?.mean, figures.null_sd.as_ref()?.mean))
}

fn row(condition: &Condition, state: &str, figures: &Figures) -> [String; COLUMNS] {
    let or_empty =
        |figure: &Option<Figure>, show: &dyn Fn(&Figure) -> String| figure.as_ref().map(show).unwrap_or_default();
    // a regression has no accuracy, and says what stands there instead
    let score = |accuracy: &Option<Figure>, loss: &Option<Figure>| match accuracy {
        Some(_) => (accuracy.clone(), ""),
        None => (loss.clone(), " loss"),
    };
    let (train, train_unit) = score(&figures.train_accuracy, &figures.train_loss);
    let (test, test_unit) = score(&figures.test_accuracy, &figures.test_loss);
    let lowest = figures.at_minimum.as_ref();
    let theirs = lowest.and_then(|lowest| Some(format!("{}/{}", lowest.published?, lowest.published_of?)));
    [
        name(condition),
        state.into(),
        replicates(condition),
        mean_sd(&figures.ncut, 3),
        published(&figures.ncut, 3),
        shuffled(figures).unwrap_or_default(),
        or_empty(&figures.null_mean, &|f| published(f, 3)),
        or_empty(&figures.z_score, &|f| format!("{:+.1}", f.mean)),
        lowest.map(|lowest| format!("{}/{}", lowest.count, lowest.of)).unwrap_or_default(),
        theirs.unwrap_or_default(),
        or_empty(&train, &|f| mean_sd(f, 4) + train_unit),
        or_empty(&train, &|f| published(f, 3)),
        or_empty(&test, &|f| mean_sd(f, 4) + test_unit),
        or_empty(&test, &|f| published(f, 3)),
    ]
}

fn rows(conditions: &[Condition]) -> Vec<Row> {
    let mut rows = Vec::new();
    for condition in conditions {
        let incomplete = condition.missing > 0;
        for (state, figures) in [("unpruned", &condition.unpruned), ("pruned", &condition.pruned)] {
            rows.extend(figures.as_ref().map(|figures| Row { cells: row(condition, state, figures), incomplete }));
        }
        if condition.n == 0 {
            let mut cells: [String; COLUMNS] = Default::default();
            (cells[0], cells[1], cells[2]) = (name(condition), "none done".into(), replicates(condition));
            rows.push(Row { cells, incomplete });
        }
    }
    rows
}

/// The most experiments that a command names.
const MOST_NAMES: usize = 8;

/// How many runs are not done, why, and the command that makes them, if `command` does those of the whole file; nothing if all are.
pub(super) fn not_done(conditions: &[Condition], command: &str) -> Option<String> {
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
    let mut names: Vec<&str> = conditions.iter().filter(|c| c.missing > 0).map(|c| c.experiment.as_str()).collect();
    names.dedup();
    let only = match names.join(",") {
        _ if names.len() > MOST_NAMES => String::new(),
        names if names.starts_with('-') => format!(" --only={names}"),
        names => format!(" --only {names}"),
    };
    (missing > 0).then(|| format!("{missing} of {all} runs are not done ({counts}); `{command}{only}` makes them"))
}

/// How many of all networks are more clusterable than their shuffles, and how many of those would be if as many tests are to go wrong
/// in a twentieth of what they find; nothing of a single one. Ties count against the network.
pub(super) fn discoveries(conditions: &[Condition]) -> Option<String> {
    // p < LEVEL takes more shuffles than this
    let few = 1.0 / LEVEL - 1.0;
    let has_few = |condition: &&Condition| condition.all_settings["shuffles"].as_f64().is_some_and(|n| n <= few);
    let of = |conditions: &[&Condition]| -> Vec<f64> {
        let states = conditions.iter().flat_map(|condition| condition.unpruned.iter().chain(&condition.pruned));
        states.flat_map(|figures| figures.valid_p_values.iter().copied()).collect()
    };
    let (few_shuffles, enough): (Vec<&Condition>, Vec<&Condition>) = conditions.iter().partition(has_few);
    let (undecided, p_values) = (of(&few_shuffles).len(), of(&enough));
    let below = |values: &[f64]| values.iter().filter(|value| **value < LEVEL).count();
    let found = format!(
        "{} of {} networks have p < 0.05; {} at a false discovery rate below 0.05 (Benjamini and Hochberg)",
        below(&p_values),
        p_values.len(),
        below(&false_discovery_rates(&p_values))
    );
    let networks = if undecided == 1 { "1 network has" } else { &format!("{undecided} networks have") };
    let not_found = format!("{networks} too few shuffles for p < 0.05, which takes {}", few as usize + 1);
    match (p_values.len(), undecided) {
        (0 | 1, 0 | 1) => None,
        (0 | 1, _) => Some(not_found),
        (_, 0) => Some(found),
        _ => Some(format!("{found}; {not_found}")),
    }
}

/// How many networks have warnings, by their codes; nothing if none has.
pub(super) fn warnings(conditions: &[Condition]) -> Option<String> {
    let states = || conditions.iter().flat_map(|condition| condition.unpruned.iter().chain(&condition.pruned));
    let networks: usize = states().map(|figures| figures.ncut.values.len()).sum();
    let mut counts = BTreeMap::<&str, usize>::new();
    for (code, count) in states().flat_map(|figures| &figures.warnings) {
        *counts.entry(code).or_default() += count;
    }
    let counts: Vec<String> =
        counts.iter().map(|(code, count)| format!("{code} ({count} of {networks} networks)")).collect();
    (!counts.is_empty()).then(|| format!("warnings: {}; report.html has them in full", counts.join(", ")))
}

/// Of each experiment, the settings that all its conditions have and that are not their defaults.
pub(super) fn common_settings(conditions: &[Condition]) -> Vec<String> {
    let defaults = Settings::default().values();
    let of = |conditions: &[Condition]| {
        let first = conditions.first()?;
        let is_common = |(name, value): &(&String, &Value)| {
            defaults[*name] != **value && conditions.iter().all(|condition| condition.all_settings[*name] == **value)
        };
        let common: Vec<(String, String)> =
            first.all_settings.iter().filter(is_common).map(|(name, value)| (name.clone(), readable(value))).collect();
        Some(match common.is_empty() {
            true => format!("{} throughout: the defaults, which are the paper's.", first.experiment),
            false => format!(
                "{} throughout: {}; otherwise the defaults, which are the paper's.",
                first.experiment,
                listed(&common)
            ),
        })
    };
    conditions.chunk_by(|a, b| a.experiment == b.experiment).filter_map(of).collect()
}

/// A table of text.
pub(super) struct Shown {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Of each row, whether replicates are not done.
    pub(super) incomplete: Vec<bool>,
}

/// The rows of `conditions`, columns that are empty throughout left out.
pub(super) fn shown(conditions: &[Condition]) -> Shown {
    let rows = rows(conditions);
    let used: Vec<usize> = (0..COLUMNS).filter(|&c| rows.iter().any(|row| !row.cells[c].is_empty())).collect();
    let only = |cells: &[String; COLUMNS]| used.iter().map(|&c| cells[c].clone()).collect::<Vec<_>>();
    Shown {
        header: only(&HEADER.map(str::to_string)),
        rows: rows.iter().map(|row| only(&row.cells)).collect(),
        incomplete: rows.iter().map(|row| row.incomplete).collect(),
    }
}

/// Columns under each other, and what is not done, which `command` does.
pub fn conditions(conditions: &[Condition], command: &str) -> String {
    let Shown { header, rows, .. } = shown(conditions);
    let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(&rows).collect();
    let width = |c: usize| lines.iter().map(|cells| cells[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &&Vec<String>| {
        let cells: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    let table: String = lines.iter().map(line).collect();
    let lines = [warnings(conditions), not_done(conditions, command)];
    table + &lines.into_iter().flatten().map(|line| line + "\n").collect::<String>()
}

/// A Markdown table, what is significant, and what is not done, which `command` does. `se`: standard errors of the difference of means.
pub fn markdown(conditions: &[Condition], command: &str) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace("  ", " "));
    let Shown { header, rows, .. } = shown(conditions);
    let mut text = line(&header);
    text.push_str(&format!("|{}\n", "---|".repeat(header.len())));
    rows.iter().for_each(|row| text.push_str(&line(row)));
    let lines = [discoveries(conditions), warnings(conditions), not_done(conditions, command)];
    text + &common_settings(conditions)
        .into_iter()
        .chain(lines.into_iter().flatten())
        .map(|line| format!("\n{line}\n"))
        .collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::super::conditions;
    use super::super::fixtures::{network, record};
    use super::*;

    /// Of a network below all its shuffles, one that equals each, one among them and one that none is compared with.
    #[test]
    fn networks_that_equal_their_shuffles_are_not_counted() {
        let spread: Vec<f64> = (0..100).map(|i| 10.0 + f64::from(i) / 100.0).collect();
        let networks = [(9.0, spread.clone()), (10.0, vec![10.0; 100]), (10.5, spread), (9.0, vec![])];
        let records: Vec<_> = (networks.iter().enumerate())
            .map(|(replicate, (ncut, ncuts))| record(&network("{}", replicate as u64, *ncut, ncuts)))
            .collect();
        let compared = conditions(&records[..3]);
        let found = discoveries(&compared).unwrap();
        assert!(found.starts_with("1 of 3 networks have p < 0.05; 1 at a false discovery rate"), "{found}");
        let found = compared[0].unpruned.as_ref().and_then(|figures| figures.at_minimum.as_ref());
        assert_eq!(found.map(|lowest| (lowest.count, lowest.of)), Some((1, 3)));
        assert_eq!(discoveries(&conditions(&records[3..])), None);
    }

    /// The least p of n shuffles is 1 / (n + 1).
    #[test]
    fn few_shuffles_find_nothing() {
        let of = |shuffles: usize| {
            let ncuts: Vec<f64> = (0..shuffles).map(|i| 10.0 + i as f64).collect();
            let settings = format!("{{shuffles: {shuffles}}}");
            let records: Vec<_> = (0..2).map(|r| record(&network(&settings, r, 9.0, &ncuts))).collect();
            discoveries(&conditions(&records)).unwrap()
        };
        assert_eq!(of(19), "2 networks have too few shuffles for p < 0.05, which takes 20");
        assert!(of(20).starts_with("2 of 2 networks have p < 0.05; 2 at"), "{}", of(20));
    }

    #[test]
    fn what_all_conditions_share_and_warn_of_is_told_once() {
        let mut records: Vec<_> = ["{dropout: 0.5, epochs: 3}", "{dropout: 0, epochs: 3}"]
            .map(|settings| record(&network(settings, 0, 9.0, &[])))
            .into();
        let warned = records[1].result.as_mut().unwrap();
        warned.unpruned.measurement.warnings = vec![crate::measure::Warning::new("unbalanced", String::new())];
        let conditions = conditions(&records);
        let [line] = &common_settings(&conditions)[..] else { panic!("one experiment") };
        assert!(line.contains(": epochs=3; otherwise the defaults"), "{line}");
        let networks = conditions.iter().map(|c| c.n * if c.pruned.is_some() { 2 } else { 1 }).sum::<usize>();
        let wanted = format!("warnings: unbalanced (1 of {networks} networks); report.html has them in full");
        assert_eq!(warnings(&conditions), Some(wanted));
    }
}
