//! The table and the pictures that a report makes of an experiment: its `report` section.
//!
//! ```yaml
//! report:
//!   title: Table A.5
//!   rows: dataset                      # a setting, or a list of them
//!   cols: dropout
//!   values: [pruned.ncut]              # an end state and a figure of it
//!   expect:                            # published values
//!     - {where: 'dropout == 0', pruned.ncut: 8.880, sd: 0.121, n: 5, tolerance: 3}   # in standard errors
//!   scatter:                           # pictures of figures against each other, one for each y
//!     - {x: pruned.test_accuracy, y: [pruned.ncut, ms_per_step], series: dropout}
//!   shuffles: [unpruned, pruned]       # networks against their shuffles, which is the default; or none
//!   density: unpruned.ncut             # distributions over replicates; or none
//!   nulls: pruned                      # histograms of shuffles' n-cuts, a panel a network
//! ```

use super::figure::{self, STATES};
use super::file::unknown_key;
use super::predicate::Predicate;
use super::settings::NAMES;
use super::yaml::{Content, Node};
use crate::InputError;
use crate::names::nearest;
use serde_json::{Value, json};

/// A table of means ± standard deviations over replicates, and pictures of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The heading.
    pub title: Option<String>,
    /// Settings that its rows are told apart by.
    pub rows: Vec<&'static str>,
    /// Settings that its columns are told apart by.
    pub cols: Vec<&'static str>,
    /// What its cells show, as `pruned.ncut`.
    pub values: Vec<String>,
    /// Published values.
    pub expect: Vec<Expected>,
    /// Pictures of figures against each other.
    pub scatter: Vec<Scatter>,
    /// End states that are drawn against their shuffles; `None`, which is all, if the file does not say.
    pub shuffles: Option<Vec<&'static str>>,
    /// Figures whose distribution over replicates is drawn; `None`, which is the n-cut of many replicates without shuffles,
    /// if the file does not say.
    pub density: Option<Vec<String>>,
    /// End states whose null distributions are drawn.
    pub nulls: Vec<&'static str>,
}

/// Pictures of figures against one figure, with a point a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// What lies on the horizontal axis, as `pruned.test_accuracy`.
    pub x: String,
    /// What lies on the vertical one: a picture for each, at least one.
    pub y: Vec<String>,
    /// Settings that points are told apart by, by colour and shape.
    pub series: Vec<&'static str>,
}

/// A published value.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The conditions it is of; all if `None`.
    pub predicate: Option<Predicate>,
    /// What it is, as `pruned.ncut`.
    pub value: String,
    /// The published mean.
    pub mean: f64,
    /// Its standard deviation over replicates.
    pub sd: Option<f64>,
    /// Replicates behind it.
    pub n: Option<f64>,
    /// Differences beyond this many standard errors are marked.
    pub tolerance: f64,
}

/// Difference in standard errors beyond which a value is marked if the file does not say.
const TOLERANCE: f64 = 3.0;

impl Table {
    /// Reads a `report` section.
    ///
    /// # Errors
    ///
    /// A key, setting or figure that there is not.
    pub fn read(node: &Node) -> Result<Self, InputError> {
        const KEYS: [&str; 9] =
            ["title", "rows", "cols", "values", "expect", "scatter", "shuffles", "density", "nulls"];
        let mut table = Self::default();
        for (key, node) in node.map("a map")? {
            match key.name.as_str() {
                "title" => {
                    table.title = Some(node.text().ok_or_else(|| node.error("no text", "write the table's heading"))?);
                }
                "rows" => table.rows = settings(node)?,
                "cols" => table.cols = settings(node)?,
                "values" => table.values = values(node)?,
                "expect" => table.expect = node.list().iter().map(expected).collect::<Result<Vec<_>, _>>()?.concat(),
                "scatter" => table.scatter = node.list().iter().map(Scatter::read).collect::<Result<_, _>>()?,
                "shuffles" => table.shuffles = Some(states(node)?),
                "density" => table.density = Some(if is_none(node) { Vec::new() } else { values(node)? }),
                "nulls" => table.nulls = states(node)?,
                _ => return Err(unknown_key(key, "'report'", &KEYS)),
            }
        }
        Ok(table)
    }

    /// The section, as [`Table::read`] reads it.
    pub fn section(&self) -> Value {
        let Self { title, rows, cols, values, expect, scatter, shuffles, density, nulls } = self;
        let none_or = |list: Vec<&str>| if list.is_empty() { json!("none") } else { json!(list) };
        let mut section = serde_json::Map::new();
        let mut put = |name: &str, value: Value| section.insert(name.into(), value);
        title.iter().for_each(|title| drop(put("title", json!(title))));
        put("rows", json!(rows));
        put("cols", json!(cols));
        put("values", json!(values));
        put("expect", expect.iter().map(Expected::section).collect());
        put(
            "scatter",
            scatter.iter().map(|Scatter { x, y, series }| json!({"x": x, "y": y, "series": series})).collect(),
        );
        shuffles.iter().for_each(|states| drop(put("shuffles", none_or(states.clone()))));
        let figures = |figures: &[String]| none_or(figures.iter().map(String::as_str).collect());
        density.iter().for_each(|names| drop(put("density", figures(names))));
        put("nulls", none_or(nulls.clone()));
        Value::Object(section)
    }

    /// JSON Schema of the section.
    pub fn schema() -> Value {
        let one_or_more = |item: Value| json!({"anyOf": [item, {"type": "array", "items": item}]});
        let figures = figure::names();
        let of_states =
            json!({"anyOf": [{"enum": ["unpruned", "pruned", "none"]}, {"type": "array", "items": {"enum": STATES}}]});
        let none_or_more =
            json!({"anyOf": [{"enum": figures}, {"const": "none"}, {"type": "array", "items": {"enum": figures}}]});
        let mut expect = json!({"where": {"type": "string"}, "sd": {"type": "number", "minimum": 0}, "n": {"type": "number", "minimum": 1}, "tolerance": {"type": "number", "minimum": 0}});
        for figure in &figures {
            expect[figure] = json!({"type": "number"});
        }
        json!({"type": "object", "additionalProperties": false, "properties": {
            "title": {"type": "string"},
            "rows": one_or_more(json!({"enum": NAMES})),
            "cols": one_or_more(json!({"enum": NAMES})),
            "values": one_or_more(json!({"enum": figures})),
            "expect": one_or_more(json!({"type": "object", "additionalProperties": false, "properties": expect})),
            "scatter": one_or_more(json!({"type": "object", "additionalProperties": false, "required": ["x", "y"], "properties": {
                "x": {"enum": figures},
                "y": {"anyOf": [{"enum": figures}, {"type": "array", "items": {"enum": figures}, "minItems": 1}]},
                "series": one_or_more(json!({"enum": NAMES}))
            }})),
            "shuffles": of_states,
            "density": none_or_more,
            "nulls": of_states
        }})
    }

    /// Whether it asks for a table, and not for pictures alone.
    pub fn has_cells(&self) -> bool {
        let Self { rows, cols, values, expect, scatter, shuffles, density, nulls, title: _ } = self;
        let has_pictures = !scatter.is_empty() || shuffles.is_some() || density.is_some() || !nulls.is_empty();
        let has_rest = !(rows.is_empty() && cols.is_empty() && values.is_empty() && expect.is_empty());
        has_rest || !has_pictures
    }
}

impl Expected {
    fn section(&self) -> Value {
        let Self { predicate, value, mean, sd, n, tolerance } = self;
        let mut section = json!({"tolerance": tolerance});
        section[value] = json!(mean);
        predicate.iter().for_each(|predicate| section["where"] = json!(predicate.text()));
        sd.iter().for_each(|sd| section["sd"] = json!(sd));
        n.iter().for_each(|n| section["n"] = json!(n));
        section
    }
}

impl Scatter {
    fn read(node: &Node) -> Result<Self, InputError> {
        let (mut x, mut y, mut series) = (None, Vec::new(), Vec::new());
        for (key, node) in node.map("a map with 'x' and 'y'")? {
            match key.name.as_str() {
                "x" => x = Some(value(node)?),
                "y" => y = values(node)?,
                "series" => series = settings(node)?,
                _ => return Err(unknown_key(key, "'scatter'", &["x", "y", "series"])),
            }
        }
        match x {
            Some(x) if !y.is_empty() => Ok(Self { x, y, series }),
            x => {
                let lacking = if x.is_none() { "x" } else { "y" };
                Err(node.error(format!("no figure for '{lacking}'"), format!("add one, as {lacking}: pruned.ncut")))
            }
        }
    }
}

fn settings(node: &Node) -> Result<Vec<&'static str>, InputError> {
    let setting = |node: &Node| {
        let name = node.text().unwrap_or_default();
        NAMES.iter().find(|known| **known == name).copied().ok_or_else(|| {
            let remedy = match nearest(&name, NAMES) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are {}", NAMES.join(", ")),
            };
            node.error(format!("no setting is called '{name}'"), remedy)
        })
    };
    node.list().iter().map(setting).collect()
}

fn is_none(node: &Node) -> bool {
    node.text().is_some_and(|text| text == "none")
}

/// `unpruned`, `pruned`, a list of them, each once, or `none`.
fn states(node: &Node) -> Result<Vec<&'static str>, InputError> {
    let mut states = Vec::new();
    for node in if is_none(node) { &[] } else { node.list() } {
        let name = match &node.content {
            Content::Scalar(Value::String(name)) => name.clone(),
            Content::Scalar(value) => {
                let problem = format!("{value} where end states should be");
                return Err(node.error(problem, "write unpruned, pruned, a list of them, or none"));
            }
            _ => String::new(),
        };
        let state = STATES.into_iter().find(|known| *known == name).ok_or_else(|| {
            if name == "none" {
                return node.error("'none' among others", "write it alone, as shuffles: none");
            }
            let remedy = match nearest(&name, &["unpruned", "pruned", "none"]) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "write unpruned, pruned, a list of them, or none".into(),
            };
            node.error(format!("no end state is called '{name}'"), remedy)
        })?;
        if !states.contains(&state) {
            states.push(state);
        }
    }
    Ok(states)
}

/// `pruned.ncut`.
fn value(node: &Node) -> Result<String, InputError> {
    let Some(text) = node.text() else {
        return Err(
            node.error(format!("{} where one figure should be", node.content.kind()), "write it as pruned.ncut")
        );
    };
    match figure::find(&text) {
        Some(_) => Ok(text),
        None if text == "none" => Err(node.error("'none' among others", "write it alone, as density: none")),
        None => Err(node.error(format!("no figure is called '{text}'"), figure::remedy(&text))),
    }
}

fn values(node: &Node) -> Result<Vec<String>, InputError> {
    node.list().iter().map(value).collect()
}

/// One entry a figure of the row.
fn expected(node: &Node) -> Result<Vec<Expected>, InputError> {
    let number = |node: &Node| match &node.content {
        Content::Scalar(value) => value.as_f64().ok_or_else(|| node.error("no number", "write the published value")),
        _ => Err(node.error("no number", "write the published value")),
    };
    let at_least = |least: f64, node: &Node| {
        number(node).and_then(|found| match found >= least {
            true => Ok(found),
            false => {
                Err(node.error(format!("{found} where a number from {least} on should be"), "write it as published"))
            }
        })
    };
    let (mut predicate, mut sd, mut n, mut tolerance, mut means) = (None, None, None, TOLERANCE, Vec::new());
    for (key, node) in node.map("a map with 'where' and published values")? {
        match key.name.as_str() {
            "where" => {
                let text = node.text().ok_or_else(|| node.error("no condition", "write it as 'dropout == 0'"))?;
                predicate = Some(Predicate::parse(&node.at.to_string(), &text)?);
            }
            "sd" => sd = Some(at_least(0.0, node)?),
            "n" => n = Some(at_least(1.0, node)?),
            "tolerance" => tolerance = at_least(0.0, node)?,
            name if figure::find(name).is_some() => means.push((name.to_string(), number(node)?)),
            _ => {
                let known = ["where", "sd", "n", "tolerance", "pruned.ncut", "unpruned.ncut"];
                return Err(unknown_key(key, "'expect'", &known));
            }
        }
    }
    if means.is_empty() {
        return Err(node.error("no published value", "add one, as pruned.ncut: 8.88"));
    }
    let one = |(value, mean)| Expected { predicate: predicate.clone(), value, mean, sd, n, tolerance };
    Ok(means.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::yaml::parse;

    #[test]
    fn a_section_is_read_and_its_mistakes_are_placed() {
        let text = "{title: T, rows: dataset, cols: [dropout, l1], values: pruned.ncut, expect: [{where: 'dropout == 0', pruned.ncut: 8.88, sd: 0.1}]}";
        let table = Table::read(&parse("f", text).unwrap()).unwrap();
        assert_eq!((table.rows.as_slice(), table.cols.as_slice()), (&["dataset"][..], &["dropout", "l1"][..]));
        assert_eq!((table.expect[0].mean, table.expect[0].sd, table.expect[0].tolerance), (8.88, Some(0.1), 3.0));
        let text = "[{x: pruned.ncut, y: ms_per_step}, {x: ms_per_step, y: [pruned.ncut, unpruned.lambda_2], series: [l1, l2]}]";
        let table = Table::read(&parse("f", &format!("{{scatter: {text}}}")).unwrap()).unwrap();
        assert!(!table.has_cells());
        assert_eq!(
            (table.scatter[0].y.as_slice(), table.scatter[0].series.len()),
            (&["ms_per_step".to_string()][..], 0)
        );
        assert_eq!((table.scatter[1].y.len(), table.scatter[1].series.as_slice()), (2, &["l1", "l2"][..]));
        let of = |text: &str| Table::read(&parse("f", text).unwrap()).unwrap();
        let table = of("{shuffles: pruned, density: [unpruned.ncut], nulls: [pruned, unpruned, pruned]}");
        assert_eq!(
            (table.shuffles.as_deref(), table.nulls.as_slice()),
            (Some(&["pruned"][..]), &["pruned", "unpruned"][..])
        );
        assert!(!table.has_cells() && table.density == Some(vec!["unpruned.ncut".to_string()]));
        let table = of("{shuffles: none, density: none, rows: dataset}");
        assert!(table.has_cells() && table.shuffles == Some(vec![]) && table.density == Some(vec![]));
        assert_eq!((of("{}").shuffles, of("{}").density), (None, None));
        let text = "{title: 'a: b', rows: dataset, cols: [dropout, l1], values: pruned.ncut, nulls: pruned, density: none, \
                    shuffles: [pruned], scatter: {x: ms_per_step, y: [pruned.ncut], series: l1}, \
                    expect: [{where: 'dropout == 0', pruned.ncut: 8.88, unpruned.ncut: 9, sd: 0.1, n: 5}]}";
        for text in [text, "{}", "{shuffles: none, density: pruned.ncut}"] {
            let table = of(text);
            assert_eq!(of(&table.section().to_string()), table, "{text}");
        }
        for (text, part) in [
            ("{shuffle: pruned}", "did you mean 'shuffles'?"),
            ("{densities: pruned.ncut}", "'report'"),
            ("{nuls: pruned}", "did you mean 'nulls'?"),
            ("{shuffles: prunned}", "f:1:12: no end state is called 'prunned'; did you mean 'pruned'?"),
            ("{shuffles: [pruned, none]}", "'none' among others; write it alone"),
            ("{shuffles: true}", "true where end states should be; write unpruned, pruned, a list of them, or none"),
            ("{nulls: {state: pruned}}", "write unpruned, pruned, a list of them, or none"),
            ("{density: unpruned.ncuts}", "did you mean 'unpruned.ncut'?"),
            ("{density: pruned}", "no figure is called 'pruned'; did you mean 'pruned.ncut'?"),
            ("{density: [pruned.ncut, none]}", "'none' among others; write it alone"),
            ("{row: dataset}", "did you mean 'rows'?"),
            ("{rows: datset}", "did you mean 'dataset'?"),
            ("{values: pruned.ncutt}", "did you mean 'pruned.ncut'?"),
            ("{expect: {where: 'dropout == 0'}}", "no published value"),
            ("{expect: {pruned.ncut: 8, sd: -1}}", "f:1:31: -1 where a number from 0 on should be"),
            ("{expect: {pruned.ncut: 8, n: 0}}", "f:1:30: 0 where a number from 1 on should be"),
            ("{expect: {pruned.ncut: 8, tolerance: -3}}", "-3 where a number from 0 on should be"),
            ("{values: pruned.ms_per_step}", "did you mean 'ms_per_step'?"),
            ("{scatter: {x: pruned.ncut}}", "no figure for 'y'"),
            ("{scatter: [{y: pruned.ncut}]}", "no figure for 'x'"),
            ("{scatter: {x: pruned.ncut, y: []}}", "no figure for 'y'"),
            ("{scatter: {x: [pruned.ncut], y: ms_per_step}}", "f:1:15: a list where one figure should be"),
            (
                "{scatter: {x: pruned.ncut, y: [pruned.lamda_2]}}",
                "f:1:32: no figure is called 'pruned.lamda_2'; did you mean 'pruned.lambda_2'?",
            ),
            ("{scatter: {x: pruned.ncut, y: ms_per_step, serie: l1}}", "did you mean 'series'?"),
            ("{scatter: {x: pruned.ncut, y: ms_per_step, series: l11}}", "did you mean 'l1'?"),
            ("{scatter: 3}", "a number where a map with 'x' and 'y' should be"),
            ("{expect: {where: 'dropuot == 0', pruned.ncut: 1}}", "did you mean 'dropout'?"),
        ] {
            let error = Table::read(&parse("f", text).unwrap()).expect_err(text).to_string();
            assert!(error.starts_with("f:1:") && error.contains(part), "{text}: {error}");
        }
    }
}
