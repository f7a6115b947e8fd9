//! A grid: the runs that a grid file stands for.

use super::axis::MOST_VALUES;
use super::file::{self, Assigned, Block, Experiment, GridFile, Row};
use super::predicate::Predicate;
use super::resources::Resources;
use super::settings::{NAMES, Settings};
use super::store::condition_name;
use super::table::Table;
use super::yaml::{self, Key, Node, Origin};
use crate::InputError;
use crate::names::nearest;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One run: a condition and a replicate of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The experiment's name.
    pub experiment: Arc<str>,
    /// What all replicates share.
    pub condition: Arc<Condition>,
    /// Number of the replicate.
    pub replicate: u64,
}

/// Settings, resolved, and where they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What its directory is called ([`condition_name`]).
    pub name: String,
    /// Resolved.
    pub settings: Settings,
    /// The settings that differ within the experiment, as `name=value`, in the order of [`Settings`].
    pub varied: Vec<(String, String)>,
    /// For each setting that the file or an option gives: where.
    pub sources: Vec<Source>,
    /// What a job of the cluster asks for.
    pub resources: Resources,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The setting.
    pub setting: &'static str,
    /// `fixed`, `grid`, `zip`, `include` or `--set`.
    pub section: &'static str,
    /// Place of its value.
    pub at: Origin,
}

/// Settings as people are shown them: `l1=5e-5 dropout=0.5`.
pub fn listed<'a>(settings: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let settings: Vec<String> = settings.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    settings.join(" ")
}

impl Condition {
    /// Those of the varied settings that this condition's own block of the file, or an option, gives; the others have their
    /// defaults. All where it is not known who gives what.
    pub fn given(&self) -> impl Iterator<Item = &(String, String)> {
        let is_given = |name: &str| self.sources.is_empty() || self.sources.iter().any(|s| s.setting == name);
        self.varied.iter().filter(move |(name, _)| is_given(name))
    }
}

impl Run {
    /// A run of `settings` on their own, as a frozen list of jobs has it.
    pub fn new(experiment: &str, settings: Settings, replicate: u64) -> Self {
        let condition = Condition {
            name: condition_name(&settings),
            settings,
            varied: Vec::new(),
            sources: Vec::new(),
            resources: Resources::default(),
        };
        Self { experiment: experiment.into(), condition: Arc::new(condition), replicate }
    }

    /// Resolved.
    pub fn settings(&self) -> &Settings {
        &self.condition.settings
    }

    /// What the run is called on the screen: its experiment, what that varies, and the replicate.
    pub fn label(&self) -> String {
        let given: String = self.condition.given().map(|(name, value)| format!("{name}={value} ")).collect();
        format!("{} {given}r{}", self.experiment, self.replicate)
    }
}

/// What to take of a grid file, and what to change in it.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Experiments by name; all if empty.
    pub only: Vec<String>,
    /// Only runs whose settings fulfil this condition; after `set`.
    pub predicate: Option<Predicate>,
    /// Replicates instead of the file's.
    pub seeds: Option<Vec<u64>>,
    /// `KEY=VALUE` for every run, after everything else.
    pub set: Vec<String>,
}

/// A grid file's runs, and the tables to be made of them.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    /// Experiments in the file's order, conditions with the last axis fastest, then replicates.
    pub runs: Vec<Run>,
    /// The `report` section of each experiment that has one.
    pub tables: Vec<(String, Table)>,
    /// The files that it inherits from.
    pub bases: Vec<PathBuf>,
}

/// The most runs of a grid.
pub const MOST_RUNS: usize = 1_000_000;

/// Reads a grid file.
///
/// # Errors
///
/// The file cannot be read or is not a grid file (`file:line:column: problem; remedy`); it stands for more than
/// [`MOST_RUNS`] or for none; the selection names no experiment or no setting that there is.
pub fn read(path: &Path, selection: &Selection) -> Result<Grid, InputError> {
    let GridFile { experiments, bases } = file::read(path)?;
    let names: Vec<&str> = experiments.iter().map(|experiment| experiment.name.as_str()).collect();
    for wanted in &selection.only {
        if !names.contains(&wanted.as_str()) {
            let near = nearest(wanted, &names).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
            let remedy = format!("{near}{} has {}", path.display(), names.join(", "));
            return Err(InputError::new("--only", format!("no experiment is called '{wanted}'"), remedy));
        }
    }
    if let Some(seeds) = &selection.seeds
        && let Some(twice) = seeds.iter().enumerate().find(|(i, seed)| seeds[..*i].contains(seed)).map(|(_, seed)| seed)
    {
        return Err(InputError::new("--seeds", format!("replicate {twice} stands there twice"), "name each once"));
    }
    let set = selection.set.iter().map(|text| assignment(text)).collect::<Result<Row, _>>()?;
    let mut grid = Grid { bases, ..Grid::default() };
    for experiment in experiments {
        if !selection.only.is_empty() && !selection.only.contains(&experiment.name) {
            continue;
        }
        grid.runs.extend(runs(&experiment, selection, &set)?);
        if grid.runs.len() > MOST_RUNS {
            return Err(too_many(&experiment.at, &format!("{} runs by here", grid.runs.len())));
        }
        if let Some(table) = experiment.blocks.iter().find_map(|block| block.table.clone()) {
            grid.tables.push((experiment.name, table));
        }
    }
    match (grid.runs.is_empty(), &selection.predicate) {
        (false, _) => Ok(grid),
        (true, Some(_)) => Err(InputError::new(
            "--where",
            "no run fulfils the condition",
            "change it, or see the settings in the file",
        )),
        (true, None) => Err(InputError::new(path.display(), "has no runs", "give an experiment some")),
    }
}

fn too_many(at: &Origin, what: &str) -> InputError {
    InputError::new(at, what, format!("a grid has at most {MOST_RUNS} runs: shorten an axis"))
}

/// `KEY=VALUE`, the value in YAML.
fn assignment(text: &str) -> Result<Assigned, InputError> {
    let place = format!("--set {text}");
    let Some((name, value)) = text.split_once('=') else {
        return Err(InputError::new(place, "has no '='", "write it as KEY=VALUE"));
    };
    let at = Origin { file: place.as_str().into(), line: 0, column: 0 };
    let node = yaml::parse(&place, value).map_err(|e| InputError { place: place.clone(), ..e })?;
    let key = Key { name: name.trim().into(), at: at.clone() };
    file::assigned(&key, &Node { at, ..node })
}

/// The runs of an experiment; a condition that several blocks have is listed once, with all their replicates.
fn runs(experiment: &Experiment, selection: &Selection, set: &Row) -> Result<Vec<Run>, InputError> {
    let mut found: Vec<(Found, Vec<u64>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for block in &experiment.blocks {
        let seeds = selection.seeds.as_ref().unwrap_or(&block.seeds);
        for condition in conditions(block, set)? {
            let key = Value::Object(condition.settings.non_default()).to_string();
            match known.get(&key) {
                Some(&i) => {
                    let (_, replicates) = &mut found[i];
                    let have: HashSet<u64> = replicates.iter().copied().collect();
                    replicates.extend(seeds.iter().filter(|seed| !have.contains(seed)));
                }
                None => {
                    known.insert(key, found.len());
                    found.push((condition, seeds.clone()));
                }
            }
        }
        let runs: usize = found.iter().map(|(_, replicates)| replicates.len()).sum();
        if runs > MOST_RUNS {
            return Err(too_many(&block.at, &format!("{runs} runs")));
        }
    }
    let varied = varied(experiment, &found);
    let name: Arc<str> = experiment.name.as_str().into();
    let mut runs = Vec::new();
    for (Found { settings, values, sources, resources }, replicates) in found {
        if selection.predicate.as_ref().is_some_and(|predicate| !predicate.holds_for(&values)) {
            continue;
        }
        let varied = varied.iter().map(|name| (name.to_string(), readable(&values[*name]))).collect();
        let condition = Arc::new(Condition { name: condition_name(&settings), settings, varied, sources, resources });
        let run = |replicate| Run { experiment: name.clone(), condition: condition.clone(), replicate };
        runs.extend(replicates.into_iter().map(run));
    }
    Ok(runs)
}

/// A condition before it is known what the others have.
struct Found {
    settings: Settings,
    values: Map<String, Value>,
    sources: Vec<Source>,
    resources: Resources,
}

/// Axes, and what differs between conditions though no block names it an axis.
fn varied(experiment: &Experiment, found: &[(Found, Vec<u64>)]) -> Vec<&'static str> {
    let axes: HashSet<&str> = experiment
        .blocks
        .iter()
        .flat_map(|block| {
            let grid = block.grid.iter().flatten().map(|axis| axis.name);
            let rows = block.zip.iter().chain(&block.include).flatten().map(|assigned| assigned.setting.name());
            grid.chain(rows).collect::<Vec<_>>()
        })
        .collect();
    let differs = |name: &str| found.windows(2).any(|pair| pair[0].0.values[name] != pair[1].0.values[name]);
    NAMES.iter().filter(|name| axes.contains(**name) || differs(name)).copied().collect()
}

/// The conditions of a block, each once.
fn conditions(block: &Block, set: &Row) -> Result<Vec<Found>, InputError> {
    let rows = block.zip.len().max(1);
    let products: usize = match block.grid.is_empty() {
        true => 1,
        false => block
            .grid
            .iter()
            .map(|axes| product(axes.iter().map(|axis| axis.values.len())))
            .fold(0, usize::saturating_add),
    };
    let many = rows.saturating_mul(products).saturating_mul(block.seeds.len());
    if many > MOST_RUNS {
        return Err(too_many(&block.at, &format!("a product of {many} runs")));
    }
    let no_row = Vec::new();
    let zip: Vec<&Row> = if block.zip.is_empty() { vec![&no_row] } else { block.zip.iter().collect() };
    let no_axes = vec![Vec::new()];
    let grid = if block.grid.is_empty() { &no_axes } else { &block.grid };
    let fixed = |given: &mut Given| block.fixed.iter().for_each(|a| given.give(a, "fixed"));

    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let (mut dropped_by_when, mut used) = (0, vec![false; block.exclude.len()]);
    let mut add = |given: Given, include: bool| {
        let values = given.settings.values();
        if !include {
            if block.when.iter().any(|when| !when.predicate.holds_for(&values)) {
                dropped_by_when += 1;
                return;
            }
            let excluding: Vec<usize> =
                (0..block.exclude.len()).filter(|i| block.exclude[*i].predicate.holds_for(&values)).collect();
            if !excluding.is_empty() {
                excluding.into_iter().for_each(|i| used[i] = true);
                return;
            }
        }
        if seen.insert(Value::Object(values.clone()).to_string()) {
            let Given { settings, sources } = given;
            found.push(Found { settings, values, sources, resources: block.resources.clone() });
        }
    };
    for row in zip {
        for axes in grid {
            for i in 0..product(axes.iter().map(|axis| axis.values.len())) {
                let mut given = Given::default();
                fixed(&mut given);
                row.iter().for_each(|a| given.give(a, "zip"));
                // the last axis is the fastest
                let mut rest = i;
                for axis in axes.iter().rev() {
                    given.give(&axis.values[rest % axis.values.len()], "grid");
                    rest /= axis.values.len();
                }
                set.iter().for_each(|a| given.give(a, "--set"));
                add(given, false);
            }
        }
    }
    for row in &block.include {
        let mut given = Given::default();
        fixed(&mut given);
        row.iter().for_each(|a| given.give(a, "include"));
        set.iter().for_each(|a| given.give(a, "--set"));
        add(given, true);
    }
    // an override may well make a condition idle; what stands in the file alone should do something
    if set.is_empty()
        && let Some(i) = used.iter().position(|used| !used)
    {
        let problem = "this condition excludes nothing";
        return Err(InputError::new(&block.exclude[i].at, problem, "correct it, or leave it out"));
    }
    if found.is_empty() {
        let (at, problem) = match block.when.first() {
            Some(when) if dropped_by_when > 0 => (&when.at, "no combination fulfils the condition"),
            _ => (&block.exclude.first().map_or(&block.at, |e| &e.at).clone(), "every combination is excluded"),
        };
        return Err(InputError::new(at, problem, "correct it, or give the axes other values"));
    }
    Ok(found)
}

fn product(lengths: impl Iterator<Item = usize>) -> usize {
    const _: () = assert!(MOST_VALUES < usize::MAX / MOST_RUNS);
    lengths.fold(1, usize::saturating_mul)
}

/// Settings while they are given.
#[derive(Default)]
struct Given {
    settings: Settings,
    sources: Vec<Source>,
}

impl Given {
    /// Later ones win.
    fn give(&mut self, assigned: &Assigned, section: &'static str) {
        assigned.setting.apply(&mut self.settings);
        let source = Source { setting: assigned.setting.name(), section, at: assigned.at.clone() };
        self.sources.retain(|other| other.setting != source.setting);
        self.sources.push(source);
    }
}

/// A value for names and tables.
pub(crate) fn readable(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(list) if list.len() > 2 && list.iter().all(|value| *value == list[0]) => {
            format!("{}x{}", list.len(), readable(&list[0]))
        }
        serde_json::Value::Array(list) => list.iter().map(readable).collect::<Vec<_>>().join("-"),
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(x) if x != 0.0 && x.abs() < 1e-3 => format!("{x:e}"),
            Some(x) => x.to_string(),
            None => number.to_string(),
        },
        serde_json::Value::Null => "all".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grid(yaml: &str, selection: &Selection) -> Result<Grid, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.yaml");
        std::fs::write(&path, yaml).unwrap();
        super::read(&path, selection).map_err(|e| e.to_string().replace(&path.display().to_string(), "grid.yaml"))
    }

    fn runs(yaml: &str, selection: &Selection) -> Result<Vec<Run>, String> {
        grid(yaml, selection).map(|grid| grid.runs)
    }

    /// The values of two settings, one entry a condition.
    fn pairs(yaml: &str, a: &str, b: &str) -> Vec<(Value, Value)> {
        let mut pairs: Vec<(Value, Value)> = Vec::new();
        for run in runs(yaml, &Selection::default()).unwrap_or_else(|e| panic!("{yaml}: {e}")) {
            let values = run.settings().values();
            pairs.push((values[a].clone(), values[b].clone()));
        }
        pairs.dedup();
        pairs
    }

    #[test]
    fn grid_is_the_product_and_duplicates_collapse() {
        let yaml = "experiments:\n  a:\n    fixed: {epochs: 2}\n    grid: {dropout: [0, 0.5, 0.0], l1: [0, 5e-5]}\n    seeds: [3, 1]\n";
        let all = runs(yaml, &Selection::default()).unwrap();
        assert_eq!(all.len(), 2 * 2 * 2);
        assert_eq!(all[0].condition.varied, [("dropout".into(), "0".into()), ("l1".into(), "0".into())]);
        assert_eq!(all[2].condition.varied[1].1, "5e-5");
        assert_eq!((all[0].replicate, all[1].replicate), (3, 1));
        let set = Selection { set: vec!["dropout=0.25".into()], seeds: Some(vec![9]), ..Default::default() };
        let all = runs(yaml, &set).unwrap();
        assert_eq!(all.iter().map(|run| run.condition.varied[0].1.as_str()).collect::<Vec<_>>(), ["0.25", "0.25"]);
    }

    #[test]
    fn zip_rows_go_together_and_multiply_the_grid() {
        let expected = [(json!(4), json!(20)), (json!(12), json!(50))];
        for yaml in [
            "zip: [{clusters: 4, shuffles: 20}, {clusters: 12, shuffles: 50}]",
            "zip: {shuffles: [20, 50], clusters: [4, 12]}",
        ] {
            assert_eq!(pairs(yaml, "clusters", "shuffles"), expected);
            assert_eq!(runs(&format!("{yaml}\ngrid: {{dropout: [0, 0.5]}}"), &Selection::default()).unwrap().len(), 4);
        }
    }

    #[test]
    fn blocks_are_united_and_conditions_drop_points() {
        let point = |dropout: f64, l1: f64| (json!(dropout), json!(l1));
        for (yaml, expected) in [
            (
                "experiments: {a: [{grid: {dropout: [0, 0.5]}}, {fixed: {l1: 1e-4}}, {fixed: {dropout: 0.5}}]}",
                vec![point(0.0, 0.0), point(0.5, 0.0), point(0.0, 1e-4)],
            ),
            ("grid: [{dropout: [0, 0.5]}, {l1: [1e-4]}]", vec![point(0.0, 0.0), point(0.5, 0.0), point(0.0, 1e-4)]),
            (
                "grid: {dropout: [0, 0.5], l1: [0, 1e-4]}\nwhen: 'dropout == 0 or l1 == 0'",
                vec![point(0.0, 0.0), point(0.0, 1e-4), point(0.5, 0.0)],
            ),
            (
                "grid: {dropout: [0, 0.5], l1: [0, 1e-4]}\nexclude: ['dropout == 0.5 and l1 > 0', {dropout: 0, l1: 1e-4}]",
                vec![point(0.0, 0.0), point(0.5, 0.0)],
            ),
            ("fixed: {l1: 1e-4}\ninclude: [{dropout: 0.9}]", vec![point(0.0, 1e-4), point(0.9, 1e-4)]),
        ] {
            assert_eq!(pairs(yaml, "dropout", "l1"), expected, "{yaml}");
        }
        // replicates of a condition that two blocks have are united
        let yaml = "experiments: {a: [{seeds: 2}, {seeds: [1, 5]}]}";
        let replicates: Vec<u64> = runs(yaml, &Selection::default()).unwrap().iter().map(|run| run.replicate).collect();
        assert_eq!(replicates, [0, 1, 5]);
        // what blocks differ in is varied, whether or not it is an axis
        let yaml = "experiments: {a: [{grid: {dropout: [0, 0.5]}}, {fixed: {l1: 1e-4}}]}";
        let run = &runs(yaml, &Selection::default()).unwrap()[2];
        assert_eq!(run.condition.varied, [("dropout".into(), "0".into()), ("l1".into(), "1e-4".into())]);
    }

    #[test]
    fn bases_are_inherited_left_to_right() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("net.yaml", "fixed: {epochs: 3, batch_size: 64}\ngrid: {dropout: [0, 0.5]}\n");
        write("data.yaml", "base: net.yaml\nfixed: {batch_size: 32}\nseeds: 2\n");
        let text = "fixed: {clusters: 3}\nexperiments:\n  a:\n    base: [net.yaml, data.yaml]\n    fixed: {epochs: 5}\n  b:\n    base: a\n    fixed: {dropout: 0.25}\n";
        write("grid.yaml", text);
        let grid = super::read(&folder.path().join("grid.yaml"), &Selection::default()).unwrap();
        let of = |name: &str| -> Vec<&Run> { grid.runs.iter().filter(|run| &*run.experiment == name).collect() };
        let (a, b) = (of("a"), of("b"));
        assert_eq!((a.len(), b.len()), (4, 2));
        let values = a[0].settings().values();
        assert_eq!((&values["epochs"], &values["batch_size"], &values["clusters"]), (&json!(5), &json!(32), &json!(3)));
        assert_eq!(b[0].settings().values()["dropout"], json!(0.25));
        let source = |name: &str| {
            let found = a[2].condition.sources.iter().find(|source| source.setting == name).unwrap();
            let place = found.at.to_string();
            (found.section, place.rsplit('/').next().unwrap().to_string())
        };
        assert_eq!(source("dropout"), ("grid", "net.yaml:2:21".into()));
        assert_eq!(source("batch_size"), ("fixed", "data.yaml:2:21".into()));
        assert_eq!(source("epochs"), ("fixed", "grid.yaml:5:21".into()));
    }

    /// Names on disk: adding a value, other orders, another anchor, `base` instead of writing it out change none.
    #[test]
    fn how_a_file_is_written_changes_no_identity() {
        let names = |yaml: &str| {
            let runs = runs(yaml, &Selection::default()).unwrap_or_else(|e| panic!("{yaml}: {e}"));
            let mut names: Vec<String> = runs
                .iter()
                .map(|run| format!("{}/{}/r{}", run.experiment, run.condition.name, run.replicate))
                .collect();
            names.sort();
            names
        };
        let plain = names("experiments: {e: {fixed: {epochs: 2, l1: 5e-5}, grid: {dropout: [0, 0.5]}}}");
        assert_eq!(plain, ["e/dropout=0.5,epochs=2,l1=5e-5-d71b9be3/r0", "e/epochs=2,l1=5e-5-e9ecdea5/r0"]);
        for same in [
            "experiments: {e: {grid: {dropout: [0.5, 0]}, fixed: {l1: 0.00005, epochs: 2ep}}}",
            "experiments: {e: {fixed: {clusters: 12, epochs: 2, l1: 5.0E-5}, grid: {dropout: [0, 5e-1, 0.0]}}}",
            "x-all: &paper {epochs: 2, l1: 5e-5}\nexperiments: {e: {fixed: *paper, grid: {dropout: [0, 0.5]}}}",
            "x-all: &renamed {epochs: 2}\nexperiments: {e: {fixed: {<<: *renamed, l1: 5e-5}, grid: {dropout: [0, 0.5]}}}",
            "fixed: {epochs: 2}\nexperiments: {e: {zip: [{dropout: 0, l1: 5e-5}, {dropout: 0.5, l1: 5e-5}]}}",
            "experiments: {e: [{fixed: {epochs: 2, l1: 5e-5}}, {fixed: {epochs: 2, l1: 5e-5, dropout: 0.5}}]}",
        ] {
            assert_eq!(names(same), plain, "{same}");
        }
        let more = names(
            "experiments: {e: {fixed: {epochs: 2, l1: 5e-5}, grid: {dropout: [0, 0.25, 0.5], clusters: [12, 4]}, seeds: 3}}",
        );
        assert!(plain.iter().all(|name| more.contains(name)), "{more:?}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let all = Selection::default();
        for (yaml, place, rest) in [
            ("experiments:\n  a:\n    fixed: {dropuot: 0.5}\n", "grid.yaml:3:13", "did you mean 'dropout'?"),
            ("experiments:\n  a:\n    fixed: {epochs: many}\n", "grid.yaml:3:21", "many"),
            ("experiments:\n  a:\n    fixed:\n      dropout: 1.5\n", "grid.yaml:4:16", "1.5 is not a number in [0, 1)"),
            ("experiments:\n  a:\n    fixed: {dataset: mnits}\n", "grid.yaml:3:22", "did you mean 'mnist'?"),
            ("experiments:\n  a: {seeds: 0}\n", "grid.yaml:2:14", "0 replicates"),
            ("experiments:\n  a: {}\n  a: {}\n", "grid.yaml:3:3", "twice"),
            ("experimnets:\n  a: {}\n", "grid.yaml:1:1", "did you mean 'experiments'?"),
            ("experiments:\n  a: {grid: {dropout: []}}\n", "grid.yaml:2:23", "an axis without values"),
            ("experiments:\n  a: {fixed: {epochs: }}\n", "grid.yaml:2:", "epochs"),
            ("experiments:\n\t a: {}\n", "grid.yaml:", "tab"),
            ("", "grid.yaml", "experiments"),
            ("experiments: {a: {fixed: {dropout: 0}, grid: {dropout: [0.5]}}}", "grid.yaml:1:57", "leave one out"),
            (
                "experiments: {a: {grid: {dropout: [0.5]}, exclude: ['dropout == 0']}}",
                "grid.yaml:1:53",
                "excludes nothing",
            ),
            ("experiments: {a: {grid: {dropout: [0.5]}, when: 'dropout == 0'}}", "grid.yaml:1:49", "no combination"),
            ("experiments: {a: {base: a}}", "grid.yaml:1:25", "its own base: a → a"),
            ("experiments: {a: {base: b}, b: {base: a}}", "grid.yaml:1:", "its own base"),
            ("base: grid.yaml\nfixed: {epochs: 3}", "grid.yaml:1:7", "its own base"),
            ("experiments: {a: {epochs: 3}}", "grid.yaml:1:19", "below 'fixed'"),
            ("seeds: 1000000\ngrid: {dropout: [0, 0.5]}", "grid.yaml:1:1", "at most 1000000"),
        ] {
            let error = runs(yaml, &all).expect_err(yaml);
            assert!(error.starts_with(place) && error.contains(rest), "{yaml:?}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
        let only = Selection { only: vec!["b".into()], ..Default::default() };
        assert!(runs("experiments: {a: {}}", &only).expect_err("no b").contains("no experiment is called 'b'"));
        let set = Selection { set: vec!["epoch=3".into()], ..Default::default() };
        let error = runs("experiments: {a: {}}", &set).expect_err("no epoch");
        assert!(error.starts_with("--set epoch=3: ") && error.contains("did you mean 'epochs'?"), "{error}");
    }
}
