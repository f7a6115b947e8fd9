//! Runs as a table with typed columns, a row a run, whatever became of it; and conditions, a row an end state.

use super::record::RunRecord;
use super::{Condition, Figures};
use crate::experiment::end_state::EndState;
use crate::experiment::figure::{FIGURES as FIGURE_INFOS, FigureInfo};
use crate::experiment::grid::listed;
use crate::experiment::run::RunResult;
use crate::experiment::settings::{NAMES, Settings};
use crate::experiment::status::Status;
use serde_json::{Map, Value, json};

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Whole`].
    Whole,
    /// [`Cell::Real`].
    Real,
    /// [`Cell::Flag`].
    Flag,
}

/// A value in a column of its [`Kind`].
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// There is none.
    Empty,
    /// Any text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
}

/// A column with a cell a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, which no other has.
    pub name: String,
    /// What its cells are, if not empty.
    pub kind: Kind,
    /// In the order of the runs.
    pub cells: Vec<Cell>,
}

type EndStateOf = fn(&RunResult) -> Option<&EndState>;
type Figure = (&'static str, Kind, fn(&EndState) -> Cell);

/// What is told of an end state.
const FIGURES: [Figure; 23] = [
    ("ncut", Kind::Real, |s| Cell::Real(s.measurement.ncut)),
    ("ncut_per_cluster", Kind::Real, |s| Cell::Real(s.measurement.ncut_per_cluster)),
    ("null_mean", Kind::Real, |s| real(s.measurement.null.as_ref().map(|null| null.mean))),
    ("null_sd", Kind::Real, |s| real(s.measurement.null.as_ref().map(|null| null.sd))),
    ("z_score", Kind::Real, |s| real(s.measurement.z_score)),
    ("p_value", Kind::Real, |s| real(s.measurement.p_value)),
    ("train_accuracy", Kind::Real, |s| real(s.train_accuracy)),
    ("test_accuracy", Kind::Real, |s| real(s.test_accuracy)),
    ("train_loss", Kind::Real, |s| real(s.train_loss)),
    ("test_loss", Kind::Real, |s| real(s.test_loss)),
    ("effective_clusters", Kind::Real, |s| Cell::Real(s.measurement.effective_clusters)),
    ("largest_share", Kind::Real, |s| Cell::Real(s.measurement.largest_share())),
    ("modularity_q", Kind::Real, |s| Cell::Real(s.measurement.modularity_q)),
    ("functional_clusters", Kind::Whole, |s| s.lesions.as_ref().map_or(Cell::Empty, |l| count(l.functional))),
    ("tag_agreement", Kind::Real, |s| real(s.tag_agreement)),
    ("lambda_2", Kind::Real, |s| real(s.measurement.lambda(2))),
    ("lambda_3", Kind::Real, |s| real(s.measurement.lambda(3))),
    ("lambda_4", Kind::Real, |s| real(s.measurement.lambda(4))),
    ("sparsity", Kind::Real, |s| Cell::Real(s.sparsity)),
    ("nodes", Kind::Whole, |s| count(s.measurement.graph.nodes)),
    ("edges", Kind::Whole, |s| count(s.measurement.graph.edges)),
    ("components", Kind::Whole, |s| count(s.measurement.graph.components)),
    ("warnings", Kind::Text, |s| {
        let codes: Vec<&str> = s.measurement.warnings.iter().map(|warning| warning.code.as_str()).collect();
        Cell::Text(codes.join(" "))
    }),
];

/// The table of `records`: what names a run, its settings, how far it has come, and what it came to.
///
/// `epochs_done` counts the epochs in `metrics.jsonl`; it is empty where a finished run has none.
pub fn columns(records: &[RunRecord]) -> Vec<Column> {
    let column = |name: &str, kind, cell: &dyn Fn(&RunRecord) -> Cell| Column {
        name: name.into(),
        kind,
        cells: records.iter().map(cell).collect(),
    };
    let mut columns = vec![
        column("experiment", Kind::Text, &|r| Cell::Text(r.run.experiment.to_string())),
        column("condition", Kind::Text, &|r| Cell::Text(r.condition.clone())),
        typed("replicate".into(), Some(Kind::Whole), records.iter().map(|r| json!(r.run.replicate)).collect()),
        column("status", Kind::Text, &|r| Cell::Text(r.status.as_str().into())),
    ];
    columns.extend(settings(records));
    columns.push(column("epochs_done", Kind::Whole, &|r| match (r.status, r.epochs.len()) {
        (Status::Done, 0) => Cell::Empty,
        (_, n) => count(n),
    }));
    let unpruned: EndStateOf = |result| Some(&result.unpruned);
    let pruned: EndStateOf = |result| result.pruned.as_ref();
    for (state, of) in [("unpruned", unpruned), ("pruned", pruned)] {
        for (name, kind, figure) in FIGURES {
            let cell = |r: &RunRecord| r.result.as_ref().and_then(of).map_or(Cell::Empty, figure);
            columns.push(column(&format!("{state}_{name}"), kind, &cell));
        }
    }
    columns.push(column("ms_per_step", Kind::Real, &|r| real(r.result.as_ref().and_then(RunResult::ms_per_step))));
    columns.push(column("seconds", Kind::Real, &|r| real(r.result.as_ref().map(|result| result.timing_s.total))));
    columns.push(column("version", Kind::Text, &|r| match &r.result {
        Some(result) => Cell::Text(result.unpruned.measurement.version.clone()),
        None => Cell::Empty,
    }));
    columns
}

/// The first columns of a table with several rows a run: the experiment, its condition by directory and by the settings that it varies,
/// `l1=5e-5 dropout=0.5`, and the replicate.
pub(super) fn whose<'a, Row>(rows: &'a [Row], record: impl Fn(&'a Row) -> &'a RunRecord) -> Vec<Column> {
    let column = |name: &str, kind, cell: &dyn Fn(&RunRecord) -> Cell| Column {
        name: name.into(),
        kind,
        cells: rows.iter().map(|row| cell(record(row))).collect(),
    };
    vec![
        column("experiment", Kind::Text, &|r| Cell::Text(r.run.experiment.to_string())),
        column("condition", Kind::Text, &|r| Cell::Text(r.condition.clone())),
        column("settings", Kind::Text, &|r| Cell::Text(listed(r.run.condition.given()))),
        column("replicate", Kind::Whole, &|r| i64::try_from(r.run.replicate).map_or(Cell::Empty, Cell::Whole)),
    ]
}

/// The table of conditions, a row an end state: each figure's mean, standard deviation, published value, and the difference in standard
/// errors; columns without a value left out, but for those of every figure's mean.
pub fn condition_columns(conditions: &[Condition]) -> Vec<Column> {
    let mut rows: Vec<(&Condition, &str, &Figures)> = Vec::new();
    for condition in conditions {
        for (state, figures) in [("unpruned", &condition.unpruned), ("pruned", &condition.pruned)] {
            rows.extend(figures.as_ref().map(|figures| (condition, state, figures)));
        }
    }
    let column = |name: String, kind, cell: &dyn Fn(&Condition, &str, &Figures) -> Cell| Column {
        name,
        kind,
        cells: rows.iter().map(|(condition, state, figures)| cell(condition, state, figures)).collect(),
    };
    let mut columns = vec![
        column("experiment".into(), Kind::Text, &|c, _, _| Cell::Text(c.experiment.clone())),
        column("settings".into(), Kind::Text, &|c, _, _| Cell::Text(listed(&c.given))),
        column("state".into(), Kind::Text, &|_, state, _| Cell::Text(state.into())),
        column("n".into(), Kind::Whole, &|c, _, _| count(c.n)),
        column("missing".into(), Kind::Whole, &|c, _, _| count(c.missing)),
    ];
    type Part = fn(&super::Figure) -> Option<f64>;
    let parts: [(&str, Part); 4] = [
        ("", |figure| Some(figure.mean)),
        ("_sd", |figure| figure.sd),
        ("_published", |figure| figure.published),
        ("_difference_se", |figure| figure.difference_se),
    ];
    for FigureInfo { name, .. } in &FIGURE_INFOS {
        for (suffix, part) in parts {
            let cell = |_: &Condition, _: &str, figures: &Figures| real(figures.get(name).and_then(part));
            columns.push(column(format!("{name}{suffix}"), Kind::Real, &cell));
        }
    }
    let whole = |value: Option<usize>| value.map_or(Cell::Empty, count);
    for (name, of) in [
        ("at_minimum", (|lowest| Some(lowest.count)) as fn(&super::AtMinimum) -> Option<usize>),
        ("at_minimum_published", |lowest| lowest.published),
        ("at_minimum_published_of", |lowest| lowest.published_of),
    ] {
        columns
            .push(column(name.into(), Kind::Whole, &|_, _, figures| whole(figures.at_minimum.as_ref().and_then(of))));
    }
    let has_value = |column: &Column| column.cells.iter().any(|cell| *cell != Cell::Empty);
    columns.retain(|column| !column.name.contains("_published") && !column.name.ends_with("_se") || has_value(column));
    columns
}

pub(super) fn real(value: Option<f64>) -> Cell {
    value.map_or(Cell::Empty, Cell::Real)
}

pub(super) fn count(n: usize) -> Cell {
    i64::try_from(n).map_or(Cell::Empty, Cell::Whole)
}

/// A column for each setting. Its kind is that of the default, or where that is none, of the values which the setting
/// takes: so it depends on the runs only for a setting that takes values of several kinds.
fn settings(records: &[RunRecord]) -> Vec<Column> {
    let mut cells: Vec<Vec<Value>> = NAMES.iter().map(|_| Vec::with_capacity(records.len())).collect();
    let defaults = as_map(&Settings::default());
    for record in records {
        let mut map = as_map(record.run.settings());
        NAMES.iter().zip(&mut cells).for_each(|(name, cells)| cells.push(map.remove(*name).unwrap_or_default()));
    }
    let column = |(name, cells): (&&str, Vec<Value>)| {
        let kind = defaults.get(*name).and_then(kind_of).or_else(|| kind_by_trial(name));
        typed(name.to_string(), kind, cells)
    };
    NAMES.iter().zip(cells).map(column).collect()
}

fn as_map(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// The kind of a setting without a default, found by giving it a value of each kind.
fn kind_by_trial(name: &str) -> Option<Kind> {
    [json!(1), json!(0.5), json!(true)].into_iter().find_map(|value| {
        let given = Map::from_iter([(name.to_string(), value)]);
        let settings: Settings = serde_json::from_value(Value::Object(given)).ok()?;
        kind_of(as_map(&settings).get(name)?)
    })
}

/// A column of JSON values, of the kind that holds them all; of `kind` if that does.
fn typed(name: String, kind: Option<Kind>, values: Vec<Value>) -> Column {
    let kinds = kind.into_iter().chain(values.iter().filter_map(kind_of));
    let wider = |a: Kind, b: Kind| match (a, b) {
        (a, b) if a == b => a,
        (Kind::Whole, Kind::Real) | (Kind::Real, Kind::Whole) => Kind::Real,
        _ => Kind::Text,
    };
    let kind = kinds.reduce(wider).unwrap_or(Kind::Text);
    Column { name, kind, cells: values.iter().map(|value| cell(value, kind)).collect() }
}

/// None of null, which every kind of column can hold.
fn kind_of(value: &Value) -> Option<Kind> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some(Kind::Flag),
        Value::Number(number) if number.is_i64() => Some(Kind::Whole),
        Value::Number(number) if number.is_f64() => Some(Kind::Real),
        _ => Some(Kind::Text),
    }
}

fn cell(value: &Value, kind: Kind) -> Cell {
    let cell = match kind {
        _ if value.is_null() => None,
        Kind::Flag => value.as_bool().map(Cell::Flag),
        Kind::Whole => value.as_i64().map(Cell::Whole),
        Kind::Real => value.as_f64().map(Cell::Real),
        Kind::Text => Some(Cell::Text(text(value))),
    };
    cell.unwrap_or(Cell::Empty)
}

/// Lists as `256-256-10`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join("-"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::records;
    use std::collections::HashSet;

    #[test]
    fn columns_are_named_once_and_full() {
        let records = records();
        let columns = columns(&records);
        let names: HashSet<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.len(), columns.len());
        assert!(NAMES.iter().all(|name| names.contains(name)));
        assert!(columns.iter().all(|column| column.cells.len() == records.len()));
    }

    /// Also of a setting that no run gives a value.
    #[test]
    fn kinds_are_those_of_the_settings() {
        let columns = columns(&records());
        let find = |name: &str| columns.iter().find(|column| column.name == name).unwrap();
        for (name, kind, first) in [
            ("dataset", Kind::Text, Cell::Text("mnist".into())),
            ("hidden", Kind::Text, Cell::Text("256-256-256-256".into())),
            ("dropout", Kind::Real, Cell::Real(0.0)),
            ("epochs", Kind::Whole, Cell::Whole(20)),
            ("n_train", Kind::Whole, Cell::Empty),
            ("restarts", Kind::Whole, Cell::Empty),
            ("solver", Kind::Text, Cell::Text("auto".into())),
        ] {
            assert_eq!((find(name).kind, &find(name).cells[0]), (kind, &first), "{name}");
        }
    }

    #[test]
    fn a_column_is_of_the_kind_that_holds_all_its_values() {
        let of = |values: &[Value]| {
            let column = typed("x".into(), None, values.to_vec());
            (column.kind, column.cells)
        };
        assert_eq!(of(&[json!(null)]), (Kind::Text, vec![Cell::Empty]));
        assert_eq!(of(&[json!(1), json!(null)]), (Kind::Whole, vec![Cell::Whole(1), Cell::Empty]));
        assert_eq!(of(&[json!(1), json!(0.5)]), (Kind::Real, vec![Cell::Real(1.0), Cell::Real(0.5)]));
        assert_eq!(
            of(&[json!(true), json!("x")]),
            (Kind::Text, vec![Cell::Text("true".into()), Cell::Text("x".into())])
        );
        assert_eq!(of(&[json!(u64::MAX)]), (Kind::Text, vec![Cell::Text(u64::MAX.to_string())]));
        assert_eq!(of(&[json!([1, [2.5, "a"]])]).1, [Cell::Text("1-2.5-a".into())]);
    }
}
