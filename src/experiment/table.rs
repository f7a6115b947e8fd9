//! The table that a report makes of an experiment: its `report` section.
//!
//! ```yaml
//! report:
//!   title: Table A.5
//!   rows: dataset                      # a setting, or a list of them
//!   cols: dropout
//!   values: [pruned.ncut]              # an end state and a figure of it
//!   expect:                            # published values
//!     - {where: 'dropout == 0', pruned.ncut: 8.880, sd: 0.121, n: 5, tolerance: 3}   # in standard errors
//! ```

use super::file::unknown_key;
use super::predicate::Predicate;
use super::settings::NAMES;
use super::yaml::{Content, Node};
use crate::InputError;
use crate::names::nearest;
use serde_json::{Value, json};

/// Figures of an end state that a table may show.
pub const FIGURES: [&str; 13] = [
    "ncut",
    "null_mean",
    "null_sd",
    "z_score",
    "p_value",
    "train_accuracy",
    "test_accuracy",
    "train_loss",
    "test_loss",
    "effective_clusters",
    "largest_share",
    "modularity_q",
    "functional_clusters",
];
const STATES: [&str; 2] = ["unpruned", "pruned"];

/// A table of means ± standard deviations over replicates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Its heading.
    pub title: Option<String>,
    /// Settings that its rows are told apart by.
    pub rows: Vec<&'static str>,
    /// Settings that its columns are told apart by.
    pub cols: Vec<&'static str>,
    /// What its cells show, as `pruned.ncut`.
    pub values: Vec<String>,
    /// Published values.
    pub expect: Vec<Expected>,
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
        const KEYS: [&str; 5] = ["title", "rows", "cols", "values", "expect"];
        let mut table = Self::default();
        for (key, node) in node.map("a map")? {
            match key.name.as_str() {
                "title" => {
                    table.title = Some(node.text().ok_or_else(|| node.error("no text", "write the table's heading"))?);
                }
                "rows" => table.rows = settings(node)?,
                "cols" => table.cols = settings(node)?,
                "values" => table.values = node.list().iter().map(value).collect::<Result<_, _>>()?,
                "expect" => table.expect = node.list().iter().map(expected).collect::<Result<Vec<_>, _>>()?.concat(),
                _ => return Err(unknown_key(key, "'report'", &KEYS)),
            }
        }
        Ok(table)
    }

    /// JSON Schema of the section.
    pub fn schema() -> Value {
        let one_or_more = |item: Value| json!({"anyOf": [item, {"type": "array", "items": item}]});
        let figures: Vec<String> =
            STATES.iter().flat_map(|state| FIGURES.iter().map(move |figure| format!("{state}.{figure}"))).collect();
        let mut expect = json!({"where": {"type": "string"}, "sd": {"type": "number"}, "n": {"type": "integer"}, "tolerance": {"type": "number"}});
        for figure in &figures {
            expect[figure] = json!({"type": "number"});
        }
        json!({"type": "object", "additionalProperties": false, "properties": {
            "title": {"type": "string"},
            "rows": one_or_more(json!({"enum": NAMES})),
            "cols": one_or_more(json!({"enum": NAMES})),
            "values": one_or_more(json!({"enum": figures})),
            "expect": one_or_more(json!({"type": "object", "additionalProperties": false, "properties": expect}))
        }})
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

/// `pruned.ncut`.
fn figure(text: &str) -> Option<String> {
    let (state, figure) = text.split_once('.')?;
    (STATES.contains(&state) && FIGURES.contains(&figure)).then(|| text.to_string())
}

fn value(node: &Node) -> Result<String, InputError> {
    let text = node.text().unwrap_or_default();
    figure(&text).ok_or_else(|| {
        let known: Vec<String> = STATES.iter().flat_map(|s| FIGURES.iter().map(move |f| format!("{s}.{f}"))).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest(&text, &known).map(|near| format!("did you mean '{near}'?"));
        let remedy = near.unwrap_or_else(|| format!("write unpruned. or pruned. and one of {}", FIGURES.join(", ")));
        node.error(format!("no figure is called '{text}'"), remedy)
    })
}

/// One entry a figure of the row.
fn expected(node: &Node) -> Result<Vec<Expected>, InputError> {
    let number = |node: &Node| match &node.content {
        Content::Scalar(value) => value.as_f64().ok_or_else(|| node.error("no number", "write the published value")),
        _ => Err(node.error("no number", "write the published value")),
    };
    let (mut predicate, mut sd, mut n, mut tolerance, mut means) = (None, None, None, TOLERANCE, Vec::new());
    for (key, node) in node.map("a map with 'where' and published values")? {
        match key.name.as_str() {
            "where" => {
                let text = node.text().ok_or_else(|| node.error("no condition", "write it as 'dropout == 0'"))?;
                predicate = Some(Predicate::parse(&node.at.to_string(), &text)?);
            }
            "sd" => sd = Some(number(node)?),
            "n" => n = Some(number(node)?),
            "tolerance" => tolerance = number(node)?,
            name if figure(name).is_some() => means.push((name.to_string(), number(node)?)),
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
        for (text, part) in [
            ("{row: dataset}", "did you mean 'rows'?"),
            ("{rows: datset}", "did you mean 'dataset'?"),
            ("{values: pruned.ncutt}", "did you mean 'pruned.ncut'?"),
            ("{expect: {where: 'dropout == 0'}}", "no published value"),
            ("{expect: {where: 'dropuot == 0', pruned.ncut: 1}}", "did you mean 'dropout'?"),
        ] {
            let error = Table::read(&parse("f", text).unwrap()).expect_err(text).to_string();
            assert!(error.starts_with("f:1:") && error.contains(part), "{text}: {error}");
        }
    }
}
