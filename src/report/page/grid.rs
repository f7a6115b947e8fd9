//! The page of a grid.

use super::null_histogram::{null_histogram, p_and_z};
use super::{escape, lesions, page, table};
use crate::experiment::grid::{Run, listed};
use crate::experiment::run::RunResult;
use crate::report::pictures::Picture;
use crate::report::pivot::Pivot;
use crate::report::{Condition, text};

/// The settings that the experiment varies, or its name.
fn varied(run: &Run) -> String {
    let given = listed(run.condition.given());
    if given.is_empty() { run.experiment.to_string() } else { given }
}

/// What silencing clusters costs, of the networks where that was asked for.
fn silenced(results: &[(&Run, &RunResult)]) -> String {
    let mut html = String::new();
    for (run, result) in results {
        for (state, end) in [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())] {
            if let Some(lesions) = end.and_then(|end| end.lesions.as_ref()) {
                html.push_str(&lesions::figure(&format!("{} r{}, {state}", varied(run), run.replicate), lesions));
            }
        }
    }
    match html.is_empty() {
        true => html,
        false => format!(
            "<h2>Clusters silenced</h2>\n<p>Accuracy on the test set, in percent, without a cluster's neurons in all hidden layers, and what \
             that loses beside random sets of as many neurons in each layer; behind p, by its number, what each class loses, \
             bold where every one of those sets costs it less.</p>\n{html}"
        ),
    }
}

/// A grid's conditions, the tables and pictures of its `report` sections, and the null distributions of its runs.
pub fn grid(
    conditions: &[Condition],
    command: &str,
    tables: &[Pivot],
    pictures: &[Picture],
    results: &[(&Run, &RunResult)],
) -> String {
    let text::Shown { header, rows, incomplete } = text::shown(conditions);
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut body = format!("<div class=\"conditions\">{}</div>\n", table(&header, &rows, |r| incomplete[r]));
    if let Some(line) = text::not_done(conditions, command) {
        body.push_str(&format!("<p class=\"warning\">{}</p>\n", escape(&line)));
    }
    body.push_str(
        "<p>n-cut: lower is more clusterable. Shuffled: mean and standard deviation of the n-cuts of the network's shuffles, averaged \
         over replicates; other ± are standard deviations over replicates; se: standard errors of the difference of means. Lowest p: \
         networks below all their shuffles.</p>\n",
    );
    text::common_settings(conditions).iter().for_each(|line| body.push_str(&format!("<p>{}</p>\n", escape(line))));
    if let Some(line) = text::discoveries(conditions) {
        body.push_str(&format!("<p>{}.</p>\n", escape(&line)));
    }
    for Pivot { title, header, rows } in tables {
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        body.push_str(&format!("<h2>{}</h2>\n{}", escape(title), table(&header, rows, |_| false)));
    }
    if !pictures.is_empty() {
        body.push_str("<h2>Pictures</h2>\n");
        pictures.iter().for_each(|picture| body.push_str(&format!("<p class=\"picture\">{}</p>\n", picture.svg)));
    }
    let mut histograms = String::new();
    for (run, result) in results {
        for (state, end) in [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())] {
            if let Some(end) = end {
                let m = &end.measurement;
                let caption = format!("{} r{}, {state}: {}", varied(run), run.replicate, p_and_z(m));
                histograms.push_str(&null_histogram(m, &caption));
            }
        }
    }
    if !histograms.is_empty() {
        body.push_str(&format!(
            "<h2>Networks against their shuffles</h2>\n<div class=\"plots\">\n{histograms}</div>\n"
        ));
    }
    body.push_str(&silenced(results));
    let mut warned: Vec<String> = Vec::new();
    for (run, result) in results {
        for (state, end) in [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())] {
            for warning in end.iter().flat_map(|end| &end.measurement.warnings) {
                warned.push(format!("{} r{}, {state}: {}", varied(run), run.replicate, warning.message));
            }
        }
    }
    if !warned.is_empty() {
        body.push_str("<h2>Before you believe it</h2>\n");
        warned.iter().for_each(|line| body.push_str(&format!("<p class=\"warning\">{}</p>\n", escape(line))));
    }
    let mut names: Vec<&str> = conditions.iter().map(|c| c.experiment.as_str()).collect();
    names.dedup();
    page(&names.join(", "), &body)
}
