//! A grid file: YAML as written to the list of runs it stands for.
//!
//! ```yaml
//! experiments:
//!   mnist-dropout:
//!     fixed: {dataset: mnist, epochs: 20}      # settings of every run
//!     grid: {dropout: [0, 0.5]}                # every combination of these
//!     seeds: 5                                 # replicates 0 to 4, or a list
//! ```

use super::predicate::Predicate;
use super::settings::{Assignment, Axes, Settings};
use crate::InputError;
use crate::names::nearest;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// One run: a condition and a replicate of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The experiment's name.
    pub experiment: String,
    /// The settings that the experiment's grid varies, as `name=value`, in the order of [`Settings`].
    pub varied: Vec<(String, String)>,
    /// Resolved.
    pub settings: Settings,
    /// Number of the replicate.
    pub replicate: u64,
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

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GridFile {
    experiments: Experiments,
}

#[derive(Debug)]
struct Experiments(Vec<(String, Experiment)>);

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Experiment {
    #[serde(default)]
    fixed: Assignment,
    #[serde(default)]
    grid: Axes,
    #[serde(default)]
    seeds: Seeds,
    /// What a job of the cluster asks for; read, and not used by `run`.
    #[serde(default)]
    #[expect(dead_code, reason = "checked when the file is read; the cluster's commands will use it")]
    slurm: Option<Slurm>,
}

/// Resources of a job.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "checked when the file is read; the cluster's commands will use it")]
struct Slurm {
    time: Option<String>,
    cpus: Option<u32>,
    mem: Option<String>,
    gpus: Option<u32>,
    partition: Option<String>,
    account: Option<String>,
    qos: Option<String>,
}

#[derive(Debug)]
struct Seeds(Vec<u64>);

impl Default for Seeds {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Seeds;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number of replicates or a list of them")
            }
            fn visit_u64<E: Error>(self, count: u64) -> Result<Seeds, E> {
                const MANY: u64 = 1_000_000;
                match count {
                    1..=MANY => Ok(Seeds((0..count).collect())),
                    _ => Err(E::custom(format!("{count} replicates; give a number from 1 to {MANY}"))),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seeds, A::Error> {
                let mut seeds = Vec::new();
                while let Some(seed) = list.next_element()? {
                    if seeds.contains(&seed) {
                        return Err(A::Error::custom(format!("replicate {seed} stands there twice")));
                    }
                    seeds.push(seed);
                }
                if seeds.is_empty() {
                    return Err(A::Error::custom("an empty list of replicates; name at least one"));
                }
                Ok(Seeds(seeds))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// The name of an experiment that is not among those before it, checked where it stands.
struct NewName<'a>(&'a [(String, Experiment)]);

impl<'de> DeserializeSeed<'de> for NewName<'_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewName<'_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of an experiment")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<String, E> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) || name.starts_with('.') {
            let remedy = "names become directories: use letters, digits, '-', '_' and '.'";
            return Err(E::custom(format!("experiment '{name}' has no fit name; {remedy}")));
        }
        if self.0.iter().any(|(other, _)| other == name) {
            return Err(E::custom(format!("experiment '{name}' stands there twice; rename one")));
        }
        Ok(name.into())
    }
}

impl<'de> Deserialize<'de> for Experiments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Experiments;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map of experiments by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Experiments, A::Error> {
                let mut experiments: Vec<(String, Experiment)> = Vec::new();
                while let Some(name) = map.next_key_seed(NewName(&experiments))? {
                    experiments.push((name, map.next_value()?));
                }
                Ok(Experiments(experiments))
            }
        }
        deserializer.deserialize_map(Form)
    }
}

/// Reads a grid file and lists its runs: experiments in the file's order, conditions with the last axis fastest, then
/// replicates.
///
/// # Errors
///
/// The file cannot be read or is not a grid file (`file:line:column: problem; remedy`); the selection names no
/// experiment or no setting that there is.
pub fn runs(path: &Path, selection: &Selection) -> Result<Vec<Run>, InputError> {
    let bytes = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let column =
            1 + String::from_utf8_lossy(before.rsplit(|b| *b == b'\n').next().unwrap_or_default()).chars().count();
        InputError::new(format!("{}:{line}:{column}", path.display()), "is not UTF-8 text", "save it as UTF-8")
    })?;
    let file: GridFile = serde_yaml::from_str(&text).map_err(|e| explain(&path.display().to_string(), &text, &e))?;
    let Experiments(experiments) = file.experiments;
    let names: Vec<&str> = experiments.iter().map(|(name, _)| name.as_str()).collect();
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
    let set = selection.set.iter().map(|text| assignment(text)).collect::<Result<Vec<_>, _>>()?;
    let chosen = experiments.iter().filter(|(name, _)| selection.only.is_empty() || selection.only.contains(name));
    let mut runs = Vec::new();
    for (name, experiment) in chosen {
        for (varied, settings) in conditions(experiment, &set) {
            if !selection.predicate.as_ref().is_none_or(|predicate| predicate.holds(&settings)) {
                continue;
            }
            for &replicate in selection.seeds.as_ref().unwrap_or(&experiment.seeds.0) {
                let (experiment, varied, settings) = (name.clone(), varied.clone(), settings.clone());
                runs.push(Run { experiment, varied, settings, replicate });
            }
        }
    }
    if runs.is_empty() && selection.predicate.is_some() {
        return Err(InputError::new(
            "--where",
            "no run fulfils the condition",
            "change it, or see the settings in the file",
        ));
    }
    if runs.is_empty() {
        let remedy = "give it an experiment, and every axis of its grid a value";
        return Err(InputError::new(path.display(), "has no runs", remedy));
    }
    Ok(runs)
}

/// `KEY=VALUE`, the value in YAML.
fn assignment(text: &str) -> Result<Assignment, InputError> {
    let place = format!("--set {text}");
    let Some((key, value)) = text.split_once('=') else {
        return Err(InputError::new(place, "has no '='", "write it as KEY=VALUE"));
    };
    let yaml = format!("{key}: {value}");
    serde_yaml::from_str(&yaml).map_err(|e| {
        let InputError { problem, remedy, .. } = explain("", &yaml, &e);
        InputError { place, problem, remedy }
    })
}

type Condition = (Vec<(String, String)>, Settings);

/// Every combination of the grid; combinations that come to the same settings are listed once.
fn conditions(experiment: &Experiment, set: &[Assignment]) -> Vec<Condition> {
    let mut conditions: Vec<Vec<(&str, &Assignment)>> = vec![Vec::new()];
    let axes = experiment.grid.each();
    for (name, values) in &axes {
        conditions = conditions
            .iter()
            .flat_map(|before| values.iter().map(move |value| before.iter().copied().chain([(*name, value)]).collect()))
            .collect();
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for condition in conditions {
        let mut settings = Settings::default();
        experiment.fixed.apply(&mut settings);
        condition.iter().for_each(|(_, value)| value.apply(&mut settings));
        set.iter().for_each(|value| value.apply(&mut settings));
        let all = serde_json::to_value(&settings).unwrap_or_default();
        if seen.insert(all.to_string()) {
            let varied = condition.iter().map(|(name, _)| (name.to_string(), readable(&all[*name]))).collect();
            found.push((varied, settings));
        }
    }
    found
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

/// A message of the YAML library about `yaml` as place, problem and remedy.
fn explain(file: &str, yaml: &str, error: &serde_yaml::Error) -> InputError {
    let place = match error.location() {
        Some(at) => format!("{file}:{}:{}", at.line(), at.column()),
        None => file.to_string(),
    };
    let line = error.location().and_then(|at| yaml.lines().nth(at.line() - 1)).unwrap_or("");
    if line.len() - line.trim_start().len() > line.chars().take_while(|c| *c == ' ').count() {
        return InputError::new(place, "a tab in the indentation, which YAML does not allow", "indent with spaces");
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    if text.contains("unknown field") || text.contains("unknown variant") {
        let (wrong, known) = quoted.split_first().map_or(("", &[][..]), |(wrong, known)| (*wrong, known));
        let problem = text.split(", expected").next().unwrap_or(text);
        let remedy = match nearest(wrong, known) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("there are {}", known.join(", ")),
        };
        return InputError::new(place, problem, remedy);
    }
    match text.split_once("; ") {
        Some((problem, remedy)) => InputError::new(place, problem, remedy),
        None => InputError::new(place, text, "correct it there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str, selection: &Selection) -> Result<Vec<Run>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        let name = file.path().display().to_string();
        runs(file.path(), selection).map_err(|e| e.to_string().replace(&name, "grid.yaml"))
    }

    #[test]
    fn grid_is_the_product_and_duplicates_collapse() {
        let yaml = "experiments:\n  a:\n    fixed: {epochs: 2}\n    grid: {dropout: [0, 0.5, 0.0], l1: [0, 5e-5]}\n    seeds: [3, 1]\n";
        let runs = read(yaml, &Selection::default()).unwrap();
        assert_eq!(runs.len(), 2 * 2 * 2);
        assert_eq!(runs[0].varied, [("dropout".into(), "0".into()), ("l1".into(), "0".into())]);
        assert_eq!(runs[2].varied[1].1, "5e-5");
        assert_eq!((runs[0].replicate, runs[1].replicate), (3, 1));
        let set = Selection { set: vec!["dropout=0.25".into()], seeds: Some(vec![9]), ..Default::default() };
        let runs = read(yaml, &set).unwrap();
        assert_eq!(runs.iter().map(|run| run.varied[0].1.as_str()).collect::<Vec<_>>(), ["0.25", "0.25"]);
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
        ] {
            let error = read(yaml, &all).expect_err(yaml);
            assert!(error.starts_with(place) && error.contains(rest), "{yaml:?}: {error}");
            assert_eq!(error.lines().count(), 1);
        }
        let only = Selection { only: vec!["b".into()], ..Default::default() };
        assert!(read("experiments: {a: {}}", &only).expect_err("no b").contains("no experiment is called 'b'"));
        let set = Selection { set: vec!["epoch=3".into()], ..Default::default() };
        assert!(read("experiments: {a: {}}", &set).expect_err("no epoch").contains("did you mean 'epochs'?"));
    }
}
