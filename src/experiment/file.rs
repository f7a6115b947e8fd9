//! A grid file as it is written: experiments, what they inherit, and the blocks that each is the union of.
//!
//! ```yaml
//! fixed: {epochs: 20}                      # beside `experiments`: what every experiment of this file starts from
//! experiments:
//!   mnist-dropout:
//!     base: [common.yaml, other-experiment]  # files or experiments, each over the ones before, this one over all
//!     fixed: {dataset: mnist}                # settings of every run
//!     grid: {dropout: [0, 0.5], l1: {logspace: [1e-6, 1e-4, 3]}}   # every combination of these
//!     zip: [{clusters: 4, shuffles: 20}, {clusters: 12, shuffles: 50}]   # rows that go together, times the grid
//!     when: 'l1 == 0 or dropout == 0'        # only such combinations
//!     exclude: ['clusters == 4 and dropout > 0']
//!     include: [{dropout: 0.9}]              # these as well
//!     seeds: 5                               # replicates 0 to 4, or a list
//!     slurm: {time: "00:30:00", cpus: 2, mem: 4G}
//!     report: {rows: dropout, values: [pruned.ncut]}
//!   both: [{grid: {dropout: [0, 0.5]}}, {fixed: {l1: 5e-5}}]   # a list of blocks is their union
//! ```
//!
//! A file without `experiments` is one experiment, called as the file is. Keys of the top level that begin with `x-` are
//! left to the user, for anchors.

use super::axis::values;
use super::base::{Files, Source, Within};
use super::predicate::Predicate;
use super::resources::Resources;
use super::settings::{NAMES, Setting};
use super::table::Table;
use super::yaml::{self, Content, Key, Node, Origin};
use crate::InputError;
use crate::names::nearest;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// An experiment with everything that it inherits.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub at: Origin,
    /// Whose union it is.
    pub blocks: Vec<Block>,
}

/// A setting with its value, and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigned {
    /// The setting.
    pub setting: Setting,
    /// Its value's place.
    pub at: Origin,
}

/// Settings that are given together.
pub type Row = Vec<Assigned>;

/// A setting with the values that it takes, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// The setting.
    pub name: &'static str,
    /// Its values.
    pub values: Vec<Assigned>,
}

/// A condition, and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What must hold.
    pub predicate: Predicate,
    /// Where it is written.
    pub at: Origin,
}

/// `fixed × zip × grid`, where `when` holds and `exclude` does not, and the rows of `include`.
#[derive(Debug, Clone)]
pub struct Block {
    /// Where it is written.
    pub at: Origin,
    /// Settings of every run.
    pub fixed: Row,
    /// Rows that go together; none for no `zip`.
    pub zip: Vec<Row>,
    /// Products whose union is taken; none for no `grid`.
    pub grid: Vec<Vec<Axis>>,
    /// All must hold.
    pub when: Vec<Condition>,
    /// None may hold.
    pub exclude: Vec<Condition>,
    /// Further rows.
    pub include: Vec<Row>,
    /// Numbers of the replicates.
    pub seeds: Vec<u64>,
    /// What a job of the cluster asks for.
    pub resources: Resources,
    /// The table that a report makes of it.
    pub table: Option<Table>,
}

/// What a grid file says.
#[derive(Debug, Clone)]
pub struct GridFile {
    /// In its order.
    pub experiments: Vec<Experiment>,
    /// Files that it inherits from, sorted.
    pub bases: Vec<PathBuf>,
}

pub(super) const SECTIONS: [&str; 10] =
    ["base", "fixed", "grid", "zip", "include", "exclude", "when", "seeds", "slurm", "report"];
/// Most replicates of a condition.
pub const MOST_REPLICATES: usize = 1_000_000;

/// Reads a grid file and all that it inherits from.
///
/// # Errors
///
/// A file cannot be read, or what stands there makes no experiments: `file:line:column: problem; remedy`.
pub fn read(path: &Path) -> Result<GridFile, InputError> {
    let root = yaml::read(path)?;
    let mut files = Files::new(path);
    let source = Source::new(path, &root)?;
    let defaults = files.inherited(&source.defaults, path, &[], None, &mut Vec::new())?;
    let experiments = match source.experiments {
        Some(entries) => entries,
        None => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            check_name(&name, &root)?;
            let blocks = defaults.iter().map(block).collect::<Result<_, _>>()?;
            let experiments = vec![Experiment { name, at: root.at, blocks }];
            return Ok(GridFile { experiments, bases: files.bases() });
        }
    };
    let within = Within { entries: &experiments, defaults: &defaults };
    let mut experiment = |(key, node): &(Key, Node)| {
        check_name(&key.name, &Node { at: key.at.clone(), content: Content::Scalar(Value::Null) })?;
        if node.content == Content::Scalar(Value::Null) {
            let remedy = "give it 'fixed' or 'grid', or write {} for the defaults";
            return Err(node.error(format!("experiment '{}' is empty", key.name), remedy));
        }
        let blocks = files.experiment(&key.name, node, path, within, &mut Vec::new())?;
        let blocks = blocks.iter().map(block).collect::<Result<_, _>>()?;
        Ok(Experiment { name: key.name.clone(), at: key.at.clone(), blocks })
    };
    let experiments = experiments.iter().map(&mut experiment).collect::<Result<_, _>>()?;
    Ok(GridFile { experiments, bases: files.bases() })
}

/// Names become directories.
fn check_name(name: &str, node: &Node) -> Result<(), InputError> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) || name.starts_with('.') {
        let remedy = "names become directories: use letters, digits, '-', '_' and '.'";
        return Err(node.error(format!("experiment '{name}' has no fit name"), remedy));
    }
    const LONGEST: usize = 100;
    if name.len() > LONGEST {
        let remedy = format!("names become directories: use at most {LONGEST} bytes");
        return Err(node.error(format!("an experiment's name of {} bytes", name.len()), remedy));
    }
    Ok(())
}

/// A key that no such map has.
pub(crate) fn unknown_key(key: &Key, owner: &str, known: &[&str]) -> InputError {
    let remedy = match nearest(&key.name, known) {
        _ if !known.contains(&key.name.as_str())
            && SECTIONS.iter().all(|s| known.contains(s))
            && NAMES.contains(&key.name.as_str()) =>
        {
            "it is a setting: write it below 'fixed'".into()
        }
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("there are {}", known.join(", ")),
    };
    InputError::new(&key.at, format!("unknown key '{}' of {owner}", key.name), remedy)
}

/// A block with nothing left to inherit.
fn block(node: &Node) -> Result<Block, InputError> {
    let mut block = Block {
        at: node.at.clone(),
        fixed: Vec::new(),
        zip: Vec::new(),
        grid: Vec::new(),
        when: Vec::new(),
        exclude: Vec::new(),
        include: Vec::new(),
        seeds: vec![0],
        resources: Resources::default(),
        table: None,
    };
    for (key, node) in node.map("an experiment")? {
        match key.name.as_str() {
            "base" => {}
            "fixed" => block.fixed = row(node)?,
            "grid" => block.grid = node.list().iter().map(axes).collect::<Result<_, _>>()?,
            "zip" => block.zip = rows(node, "zip")?,
            "include" => block.include = rows(node, "include")?,
            "when" => block.when = node.list().iter().map(condition).collect::<Result<_, _>>()?,
            "exclude" => block.exclude = node.list().iter().map(condition).collect::<Result<_, _>>()?,
            "seeds" => block.seeds = seeds(node)?,
            "slurm" => block.resources = Resources::read(node)?,
            "report" => block.table = Some(Table::read(node)?),
            _ => return Err(unknown_key(key, "an experiment", &SECTIONS)),
        }
    }
    one_place(&block)?;
    Ok(block)
}

/// A setting stands in one of `fixed`, `zip` and `grid`: of two, one would win in silence.
fn one_place(block: &Block) -> Result<(), InputError> {
    let fixed = block.fixed.iter().map(|a| (a.setting.name(), "fixed", &a.at));
    let zip = block.zip.first().into_iter().flatten().map(|a| (a.setting.name(), "zip", &a.at));
    let none = vec![Vec::new()];
    for product in if block.grid.is_empty() { &none } else { &block.grid } {
        let grid = product.iter().map(|axis| (axis.name, "grid", &axis.values[0].at));
        let mut seen: Vec<(&str, &str, &Origin)> = Vec::new();
        for (name, section, at) in fixed.clone().chain(zip.clone()).chain(grid) {
            if let Some((_, other, there)) = seen.iter().find(|(seen, ..)| *seen == name) {
                let problem =
                    format!("'{name}' stands in '{section}' and in '{other}' ({}:{})", there.line, there.column);
                return Err(InputError::new(at, problem, "leave one out"));
            }
            seen.push((name, section, at));
        }
    }
    Ok(())
}

/// `{setting: value, …}`.
fn row(node: &Node) -> Result<Row, InputError> {
    node.map("a map of settings")?.iter().map(|(key, value)| assigned(key, value)).collect()
}

/// A setting's value, checked.
pub(super) fn assigned(key: &Key, node: &Node) -> Result<Assigned, InputError> {
    let setting = Setting::read(&key.name, node.value()).map_err(|problem| match problem {
        None => unknown_setting(key),
        Some(_) if node.content == Content::Scalar(Value::Null) => {
            node.error(format!("'{}' has no value", key.name), "give it one, or leave it out")
        }
        Some(problem) => misfit(&key.name, &problem, |problem, remedy| node.error(problem, remedy)),
    })?;
    Ok(Assigned { setting, at: node.at.clone() })
}

/// What [`Setting::read`] says of a value of `name` as problem and remedy, the nearest word among them.
pub(super) fn misfit<T>(name: &str, problem: &str, error: impl FnOnce(&str, &str) -> T) -> T {
    if problem.starts_with("unknown variant") {
        let quoted: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
        let (wrong, known) = quoted.split_first().map_or(("", &[][..]), |(wrong, known)| (*wrong, known));
        let remedy = match nearest(wrong, known) {
            Some(near) => format!("did you mean '{near}'? there are {}", known.join(", ")),
            None => format!("there are {}", known.join(", ")),
        };
        return error(&format!("{name}: there is no '{wrong}'"), &remedy);
    }
    let fits = if problem.ends_with("expected a sequence") {
        "write a list, as [10, 20]"
    } else {
        "give it a value that fits"
    };
    let (problem, remedy) = problem.split_once("; ").unwrap_or((problem, fits));
    error(&format!("{name}: {problem}"), remedy)
}

fn unknown_setting(key: &Key) -> InputError {
    let remedy = match nearest(&key.name, NAMES) {
        Some(near) => format!("did you mean '{near}'?"),
        None if SECTIONS.contains(&key.name.as_str()) => "it belongs one level up".into(),
        None => format!("there are {}", NAMES.join(", ")),
    };
    InputError::new(&key.at, format!("no setting is called '{}'", key.name), remedy)
}

/// `{setting: [value, …], …}`.
fn axes(node: &Node) -> Result<Vec<Axis>, InputError> {
    let axis = |(key, node): &(Key, Node)| {
        let name = NAMES.iter().find(|name| **name == key.name).ok_or_else(|| unknown_setting(key))?;
        let values = values(node).map_err(|e| InputError { problem: format!("{name}: {}", e.problem), ..e })?;
        let values = values.iter().map(|value| assigned(key, value)).collect::<Result<Vec<_>, _>>()?;
        Ok(Axis { name, values })
    };
    let mut axes: Vec<Axis> =
        node.map("a map of settings to lists of values")?.iter().map(axis).collect::<Result<_, _>>()?;
    // the order of runs is that of the settings, however the file is written
    axes.sort_by_key(|axis| NAMES.iter().position(|name| *name == axis.name));
    Ok(axes)
}

/// `[{setting: value, …}, …]`, or `{setting: [value, …], …}` with lists of one length; every row has the same settings.
fn rows(node: &Node, section: &str) -> Result<Vec<Row>, InputError> {
    let rows: Vec<Row> = match &node.content {
        Content::List(elements) => elements.iter().map(row).collect::<Result<_, _>>()?,
        _ => {
            let columns = axes(node)?;
            let length = columns.first().map_or(0, |column| column.values.len());
            if let Some(other) = columns.iter().find(|column| column.values.len() != length) {
                let problem = format!(
                    "'{}' has {} values and '{}' {}, but they go together",
                    columns[0].name,
                    length,
                    other.name,
                    other.values.len()
                );
                return Err(InputError::new(&other.values[0].at, problem, "give every column as many"));
            }
            (0..length).map(|i| columns.iter().map(|column| column.values[i].clone()).collect()).collect()
        }
    };
    if rows.is_empty() || rows.iter().any(Vec::is_empty) {
        return Err(node.error(format!("'{section}' has no rows, or an empty one"), "write [{setting: value, …}, …]"));
    }
    if section == "zip" {
        let names = |row: &Row| {
            let mut names: Vec<&str> = row.iter().map(|a| a.setting.name()).collect();
            names.sort_unstable();
            names
        };
        let wanted = names(&rows[0]);
        for (i, row) in rows.iter().enumerate() {
            let found = names(row);
            let lacking = wanted.iter().find(|name| !found.contains(name));
            let extra = found.iter().find(|name| !wanted.contains(name));
            if let Some(name) = lacking.or(extra) {
                let problem = format!("row {} of 'zip' and row 1 do not both have '{name}'", i + 1);
                return Err(InputError::new(&row[0].at, problem, "give every row the same settings"));
            }
        }
    }
    Ok(rows)
}

/// `'dropout == 0 and l1 > 0'`, or a map of settings that must all have these values.
fn condition(node: &Node) -> Result<Condition, InputError> {
    let at = node.at.clone();
    match &node.content {
        Content::Scalar(Value::String(text)) => {
            Ok(Condition { predicate: Predicate::parse(&at.to_string(), text)?, at })
        }
        Content::Map(entries) if !entries.is_empty() => {
            Ok(Condition { predicate: Predicate::all_equal(&row(node)?), at })
        }
        other => Err(node.error(format!("{} as a condition", other.kind()), "write it as 'dropout == 0 and l1 > 0'")),
    }
}

fn seeds(node: &Node) -> Result<Vec<u64>, InputError> {
    let remedy = "write a number of replicates, or a list of their numbers";
    let whole = |node: &Node| match &node.content {
        Content::Scalar(value) => {
            let number =
                value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64));
            number.filter(|number| *number <= u64::from(u32::MAX))
        }
        _ => None,
    };
    let seeds: Vec<u64> = match &node.content {
        Content::Scalar(value) => match whole(node) {
            Some(count) if (1..=MOST_REPLICATES as u64).contains(&count) => (0..count).collect(),
            _ => {
                let problem = format!("seeds: {value} replicates");
                return Err(node.error(problem, format!("give a number from 1 to {MOST_REPLICATES}, or a list")));
            }
        },
        _ => {
            let wrong = |node: &Node| node.error("seeds: not the number of a replicate", remedy);
            values(node)?.iter().map(|node| whole(node).ok_or_else(|| wrong(node))).collect::<Result<_, _>>()?
        }
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(node.error(format!("seeds: replicate {} stands there twice", pair[0]), "name each once"));
    }
    Ok(seeds)
}
