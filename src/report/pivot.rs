//! The table that an experiment's `report` section asks for: rows and columns told apart by settings, in each cell mean ±
//! standard deviation, and the published value where one is expected.

use super::{Condition, Figure, Figures};
use crate::experiment::figure;
use crate::experiment::grid::readable;
use crate::experiment::table::Table;
use serde_json::{Map, Value};

/// A table of text.
#[derive(Debug, Clone, PartialEq)]
pub struct Pivot {
    /// Its heading.
    pub title: String,
    /// The first row.
    pub header: Vec<String>,
    /// The others, as long as it.
    pub rows: Vec<Vec<String>>,
}

/// The table of each section that asks for one.
pub fn pivots(sections: &[(String, Table)], conditions: &[Condition]) -> Vec<Pivot> {
    let asked = sections.iter().filter(|(_, table)| table.has_cells());
    asked.map(|(experiment, table)| pivot(experiment, table, conditions)).collect()
}

/// `table` of the conditions of `experiment`.
fn pivot(experiment: &str, table: &Table, conditions: &[Condition]) -> Pivot {
    let own: Vec<&Condition> = conditions.iter().filter(|condition| condition.experiment == experiment).collect();
    let key = |names: &[&str], condition: &Condition| -> Vec<String> {
        names.iter().map(|name| readable(condition.all_settings.get(*name).unwrap_or(&Value::Null))).collect()
    };
    // in the order in which they come first
    let distinct = |names: &[&str]| {
        let mut keys: Vec<Vec<String>> = Vec::new();
        for condition in &own {
            let key = key(names, condition);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    };
    let (rows, cols) = (distinct(&table.rows), distinct(&table.cols));
    let default = ["pruned.ncut".to_string()];
    let values: &[String] = if table.values.is_empty() { &default } else { &table.values };
    let mut header: Vec<String> = table.rows.iter().map(|name| name.to_string()).collect();
    for col in &cols {
        let name: Vec<String> = table.cols.iter().zip(col).map(|(name, value)| format!("{name}={value}")).collect();
        header.extend(values.iter().map(|value| {
            let name = if cols.len() > 1 || values.len() == 1 { name.join(" ") } else { String::new() };
            let value = if values.len() > 1 || name.is_empty() { value.as_str() } else { "" };
            format!("{name} {value}").trim().to_string()
        }));
    }
    let cell = |row: &[String], col: &[String], value: &str| {
        let here = |c: &&&Condition| key(&table.rows, c) == row && key(&table.cols, c) == col;
        // several conditions in a cell are not told apart: each is shown
        let cells: Vec<String> = own.iter().filter(here).map(|c| shown(c, value, table)).collect();
        cells.join("; ")
    };
    let line = |row: &Vec<String>| {
        let cells = cols.iter().flat_map(|col| values.iter().map(move |value| cell(row, col, value)));
        row.iter().cloned().chain(cells).collect()
    };
    let title = table.title.clone().unwrap_or_else(|| experiment.to_string());
    Pivot { title, rows: rows.iter().map(line).collect(), header }
}

/// `8.346 ± 0.068 (8.350: -0.1 se)`, with `!` where it is beyond the tolerance and `3/5` where replicates are missing.
fn shown(condition: &Condition, value: &str, table: &Table) -> String {
    let Some(figure) = condition.figure(value) else { return "–".into() };
    let mut text = format!("{:.3}", figure.mean);
    if let Some(sd) = figure.sd {
        text.push_str(&format!(" ± {sd:.3}"));
    }
    let holds = |settings: &Map<String, Value>, expected: &crate::experiment::table::Expected| {
        expected.value == value && expected.predicate.as_ref().is_none_or(|predicate| predicate.holds_for(settings))
    };
    if let Some(expected) = table.expect.iter().find(|expected| holds(&condition.all_settings, expected)) {
        text.push_str(&match standard_errors(figure, expected.mean, expected.sd, expected.n) {
            Some(se) => {
                let mark = if se.abs() > expected.tolerance { "!" } else { "" };
                format!(" ({}: {se:+.1} se{mark})", expected.mean)
            }
            None => format!(" ({})", expected.mean),
        });
    }
    if condition.missing > 0 {
        text.push_str(&format!(" {}/{}", condition.n, condition.n + condition.missing));
    }
    text
}

/// `(ours − theirs) / standard error`, where at least one standard deviation is known.
fn standard_errors(ours: &Figure, theirs: f64, sd: Option<f64>, n: Option<f64>) -> Option<f64> {
    let own = ours.sd.map_or(0.0, |sd| sd.powi(2) / ours.values.len() as f64);
    let other = sd.map_or(0.0, |sd| sd.powi(2) / n.unwrap_or(ours.values.len() as f64).max(1.0));
    (own + other > 0.0).then(|| (ours.mean - theirs) / (own + other).sqrt())
}

impl Pivot {
    /// Columns under each other.
    pub fn text(&self) -> String {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.header).chain(&self.rows).collect();
        let width = |c: usize| lines.iter().filter_map(|line| line.get(c)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.header.len()).map(|c| width(c).unwrap_or(0)).collect();
        let mut text = format!("{}\n", self.title);
        for line in lines {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(&format!("{}\n", cells.join("  ").trim_end()));
        }
        text
    }

    /// A Markdown table below its title.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("**{}**\n\n{}|{}\n", self.title, line(&self.header), "---|".repeat(self.header.len()));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

impl Condition {
    /// A figure by its name in a `report` section, as `pruned.ncut`; `None` if the condition has none.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        match figure::find(name)? {
            (Some("unpruned"), figure) => self.unpruned.as_ref()?.get(figure.name),
            (Some(_), figure) => self.pruned.as_ref()?.get(figure.name),
            (None, _) => self.ms_per_step.as_ref(),
        }
    }
}

impl Figures {
    /// A figure by its name without the end state; `None` if there is none, or not of every replicate.
    pub(super) fn get(&self, name: &str) -> Option<&Figure> {
        match name {
            "ncut" => Some(&self.ncut),
            "ncut_per_cluster" => Some(&self.ncut_per_cluster),
            "null_mean" => self.null_mean.as_ref(),
            "null_sd" => self.null_sd.as_ref(),
            "z_score" => self.z_score.as_ref(),
            "p_value" => self.p_value.as_ref(),
            "train_accuracy" => self.train_accuracy.as_ref(),
            "test_accuracy" => self.test_accuracy.as_ref(),
            "train_loss" => self.train_loss.as_ref(),
            "test_loss" => self.test_loss.as_ref(),
            "effective_clusters" => Some(&self.effective_clusters),
            "largest_share" => Some(&self.largest_share),
            "modularity_q" => Some(&self.modularity_q),
            "functional_clusters" => self.functional_clusters.as_ref(),
            "tag_agreement" => self.tag_agreement.as_ref(),
            "lambda_2" => self.lambda_2.as_ref(),
            "lambda_3" => self.lambda_3.as_ref(),
            "lambda_4" => self.lambda_4.as_ref(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Settings;
    use crate::experiment::yaml::parse;
    use crate::report::conditions;
    use crate::report::fixtures::records;
    use serde_json::json;

    fn condition(dataset: &str, dropout: f64, ncuts: &[f64]) -> Condition {
        let mut all_settings = Settings::default().values();
        all_settings.insert("dataset".into(), json!(dataset));
        all_settings.insert("dropout".into(), json!(dropout));
        let figure = || Figure::new(ncuts.to_vec(), None);
        let pruned = Figures {
            ncut: figure(),
            ncut_per_cluster: figure(),
            null_mean: None,
            null_sd: None,
            z_score: None,
            p_value: None,
            valid_p_values: Vec::new(),
            warnings: Default::default(),
            at_minimum: None,
            train_accuracy: Some(figure()),
            test_accuracy: Some(figure()),
            train_loss: Some(figure()),
            test_loss: Some(figure()),
            effective_clusters: figure(),
            largest_share: figure(),
            modularity_q: figure(),
            functional_clusters: None,
            tag_agreement: None,
            lambda_2: None,
            lambda_3: None,
            lambda_4: None,
        };
        Condition {
            experiment: "e".into(),
            settings: Map::new(),
            given: Vec::new(),
            all_settings,
            n: ncuts.len(),
            missing: 3 - ncuts.len(),
            running: 0,
            failed: 0,
            partial: 0,
            unpruned: None,
            pruned: Some(pruned),
            ms_per_step: None,
        }
    }

    #[test]
    fn cells_are_where_their_settings_say() {
        let section = "{title: T, rows: dataset, cols: dropout, values: pruned.ncut, expect: \
                       [{where: 'dropout == 0', pruned.ncut: 5, sd: 1, n: 3}, {where: 'dropout > 0', pruned.ncut: 50, sd: 1, n: 3}]}";
        let table = Table::read(&parse("f", section).unwrap()).unwrap();
        let conditions = [
            condition("mnist", 0.0, &[4.0, 5.0, 6.0]),
            condition("mnist", 0.5, &[5.0, 6.0, 7.0]),
            condition("fashion-mnist", 0.0, &[2.0, 4.0]),
        ];
        let found = pivot("e", &table, &conditions);
        assert_eq!(found.header, ["dataset", "dropout=0", "dropout=0.5"]);
        // (6 − 50) / √(1/3 + 1/3) = −53.9; (3 − 5) / √(2/2 + 1/3) = −1.7
        assert_eq!(found.rows[0], ["mnist", "5.000 ± 1.000 (5: +0.0 se)", "6.000 ± 1.000 (50: -53.9 se!)"]);
        assert_eq!(found.rows[1], ["fashion-mnist", "3.000 ± 1.414 (5: -1.7 se) 2/3", ""]);
        assert!(found.text().starts_with("T\ndataset ") && found.markdown().starts_with("**T**\n\n| dataset |"));
    }

    /// Of two replicates with eigenvalues 0, 0.25 and 0.5, one of which is pruned and has no shuffles then.
    #[test]
    fn every_figure_of_a_section_has_a_value() {
        let condition = &conditions(&records())[0];
        let missing: Vec<String> =
            figure::names().into_iter().filter(|name| condition.figure(name).is_none()).collect();
        let of_shuffles = ["null_mean", "null_sd", "z_score", "p_value"].map(|figure| format!("pruned.{figure}"));
        let never =
            |state| ["functional_clusters", "tag_agreement", "lambda_4"].map(|figure| format!("{state}.{figure}"));
        assert_eq!(missing, [&never("unpruned")[..], &of_shuffles, &never("pruned")].concat());
        // of those that have one
        assert_eq!(condition.figure("unpruned.z_score").map(|figure| figure.values.len()), Some(1));
        assert_eq!(condition.figure("unpruned.lambda_3").map(|figure| figure.values.as_slice()), Some(&[0.5, 0.5][..]));
        // 40 epochs of 469 steps in a second
        assert_eq!(condition.figure("ms_per_step").map(|figure| figure.mean), Some(1000.0 / 18760.0));
    }
}
