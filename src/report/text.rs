//! Conditions as tables, for a terminal and in Markdown.

use super::{Condition, Figure, Figures};
use crate::experiment::grid::readable;

pub(super) const HEADER: [&str; 10] =
    ["condition", "state", "n", "n-cut", "published", "shuffled", "published", "Z", "test acc.", "published"];

/// The settings that vary, as `dropout=0.5`, with the experiment's name before them.
fn name(condition: &Condition) -> String {
    let settings: Vec<String> =
        condition.settings.iter().map(|(name, value)| format!("{name}={}", readable(value))).collect();
    format!("{} {}", condition.experiment, settings.join(" ")).trim().to_string()
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

fn row(condition: &Condition, state: &str, figures: &Figures) -> [String; 10] {
    let or_empty =
        |figure: &Option<Figure>, show: &dyn Fn(&Figure) -> String| figure.as_ref().map(show).unwrap_or_default();
    let n = match condition.missing {
        0 => condition.n.to_string(),
        missing => format!("{} of {}", condition.n, condition.n + missing),
    };
    [
        name(condition),
        state.into(),
        n,
        mean_sd(&figures.ncut, 3),
        published(&figures.ncut, 3),
        or_empty(&figures.null_mean, &|f| mean_sd(f, 3)),
        or_empty(&figures.null_mean, &|f| published(f, 3)),
        or_empty(&figures.z_score, &|f| format!("{:+.1}", f.mean)),
        mean_sd(&figures.test_accuracy, 4),
        published(&figures.test_accuracy, 3),
    ]
}

pub(super) fn rows(conditions: &[Condition]) -> Vec<[String; 10]> {
    let mut rows = Vec::new();
    for condition in conditions {
        for (state, figures) in [("unpruned", &condition.unpruned), ("pruned", &condition.pruned)] {
            rows.extend(figures.as_ref().map(|figures| row(condition, state, figures)));
        }
        if condition.n == 0 {
            let mut empty: [String; 10] = Default::default();
            (empty[0], empty[1], empty[2]) =
                (name(condition), "none done".into(), format!("0 of {}", condition.missing));
            rows.push(empty);
        }
    }
    rows
}

/// Columns under each other.
pub fn conditions(conditions: &[Condition]) -> String {
    let rows = rows(conditions);
    let used: Vec<usize> = (0..HEADER.len()).filter(|&c| rows.iter().any(|row| !row[c].is_empty())).collect();
    let header = HEADER.map(str::to_string);
    let width = |c: usize| rows.iter().chain([&header]).map(|row| row[c].chars().count()).max().unwrap_or(0);
    let line = |row: &[String; 10]| {
        let cells: Vec<String> = used.iter().map(|&c| format!("{:<width$}", row[c], width = width(c))).collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    std::iter::once(&header).chain(&rows).map(line).collect()
}

/// A Markdown table. `se`: standard errors of the difference of means.
pub fn markdown(conditions: &[Condition]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace("  ", " "));
    let mut text = line(&HEADER.map(str::to_string));
    text.push_str(&format!("|{}\n", "---|".repeat(HEADER.len())));
    rows(conditions).iter().for_each(|row| text.push_str(&line(row)));
    text
}
