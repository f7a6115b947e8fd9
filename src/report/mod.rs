//! Results of runs, collected: a record a run, and a row a condition, beside what was published. Views of them are pure
//! functions to text or bytes.
//!
//! ```text
//! runs ─► record ─┬─► conditions ─┬─► pivot, pictures ┐
//!                 │               └───────────────────┴─► text, page
//!                 ├─► columns, training, lesions ─► csv, parquet
//!                 └─► tensorboard
//! ```

pub mod columns;
pub mod csv;
#[cfg(test)]
mod fixtures;
pub mod latex;
pub mod lesions;
pub mod page;
pub mod parquet;
pub mod pictures;
pub mod pivot;
mod published;
pub mod record;
pub mod tensorboard;
pub mod text;
pub mod training;

use self::pictures::{Picture, pictures};
use self::pivot::pivots;
use crate::experiment::end_state::EndState;
use crate::experiment::gc::is_picture_file;
use crate::experiment::run::RunResult;
use crate::experiment::status::Status;
use crate::experiment::table::Table;
use crate::{InputError, aside};
use published::Published;
use record::RunRecord;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A figure over the replicates of a condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Mean of `values`.
    pub mean: f64,
    /// Standard deviation, ddof = 1; none of a single value.
    pub sd: Option<f64>,
    /// In the order of the replicates, of those that have one: a Z-score needs shuffles that differ.
    pub values: Vec<f64>,
    /// The published mean, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<f64>,
    /// `(mean − published) / standard error`, where the published standard deviation is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference_se: Option<f64>,
}

/// How many replicates are below all their shuffles: their p is as low as so many shuffles allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtMinimum {
    /// So many.
    pub count: usize,
    /// Of these.
    pub of: usize,
    /// So many of the published ones, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<usize>,
    /// Of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_of: Option<usize>,
}

/// The figures of one end state of a condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// n-cut.
    pub ncut: Figure,
    /// n-cut / k.
    pub ncut_per_cluster: Figure,
    /// Mean of the null distribution.
    pub null_mean: Option<Figure>,
    /// Its standard deviation, ddof = 0.
    pub null_sd: Option<Figure>,
    /// Z-score.
    pub z_score: Option<Figure>,
    /// p-value.
    pub p_value: Option<Figure>,
    /// Of each replicate, the p-value for which ties count against the network ([`crate::measure::Measurement::valid_p_value`]).
    #[serde(skip)]
    pub valid_p_values: Vec<f64>,
    /// Replicates with the lowest possible p-value, ties counted so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_minimum: Option<AtMinimum>,
    /// Running accuracy of the last epoch.
    pub train_accuracy: Option<Figure>,
    /// Accuracy on the test set.
    pub test_accuracy: Option<Figure>,
    /// Running loss of the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<Figure>,
    /// Cross-entropy, or mean squared error, on the test set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_loss: Option<Figure>,
    /// exp of the entropy of the clusters' volume shares.
    pub effective_clusters: Figure,
    /// Share of the total volume that the largest cluster holds.
    pub largest_share: Figure,
    /// Newman's Q.
    pub modularity_q: Figure,
    /// Clusters that cost more than random sets when they are silenced ([`crate::lesion::Lesions::functional`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional_clusters: Option<Figure>,
    /// Adjusted Rand index of clusters and tags ([`EndState::tag_agreement`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_agreement: Option<Figure>,
    /// How many replicates have each warning, by its code ([`crate::measure::Warning`]).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, usize>,
    /// λ_2 of L_sym ([`crate::measure::Measurement::lambda`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_2: Option<Figure>,
    /// λ_3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_3: Option<Figure>,
    /// λ_4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda_4: Option<Figure>,
}

/// One condition of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Condition {
    /// The experiment's name.
    pub experiment: String,
    /// The settings that the experiment varies.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Those of them that people are shown ([`crate::experiment::grid::Condition::given`]), with their values.
    #[serde(skip)]
    pub given: Vec<(String, String)>,
    /// All of them.
    #[serde(skip)]
    pub all_settings: serde_json::Map<String, serde_json::Value>,
    /// Replicates that are done.
    pub n: usize,
    /// Replicates that are not done, for whatever reason.
    pub missing: usize,
    /// Those of them that a living process has.
    pub running: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those of which some epochs are done.
    pub partial: usize,
    /// Before pruning.
    pub unpruned: Option<Figures>,
    /// At the end.
    pub pruned: Option<Figures>,
    /// Milliseconds of training per step ([`RunResult::ms_per_step`]), of the replicates that were trained and not given
    /// the networks of another run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms_per_step: Option<Figure>,
}

/// One entry a condition, in the order of `records`.
pub fn conditions(records: &[RunRecord]) -> Vec<Condition> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut groups: Vec<Vec<&RunRecord>> = Vec::new();
    for record in records {
        let place = *places.entry((&record.run.experiment, &record.condition)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(record);
    }
    groups.iter().map(|group| condition(group)).collect()
}

/// `group` is not empty.
fn condition(group: &[&RunRecord]) -> Condition {
    let run = &group[0].run;
    let published = |state| published::find(run.settings(), state);
    let done: Vec<&RunResult> = group.iter().filter_map(|record| record.result.as_ref()).collect();
    let unpruned: Vec<&EndState> = done.iter().map(|r| &r.unpruned).collect();
    let pruned: Vec<&EndState> = done.iter().filter_map(|r| r.pruned.as_ref()).collect();
    let ms_per_step: Vec<f64> = done.iter().filter_map(|result| result.ms_per_step()).collect();
    let all = run.settings().values();
    let varied = run.condition.varied.iter().filter_map(|(name, _)| Some((name.clone(), all.get(name)?.clone())));
    let settings = varied.collect();
    let count = |status| group.iter().filter(|record| record.status == status).count();
    Condition {
        experiment: run.experiment.to_string(),
        settings,
        given: run.condition.given().cloned().collect(),
        all_settings: all,
        n: done.len(),
        missing: group.len() - done.len(),
        running: count(Status::Running),
        failed: count(Status::Failed),
        partial: count(Status::Partial),
        unpruned: figures(&unpruned, published("unpruned")),
        pruned: figures(&pruned, published("pruned")),
        ms_per_step: (!ms_per_step.is_empty()).then(|| Figure::new(ms_per_step, None)),
    }
}

fn figures(states: &[&EndState], published: Option<&Published>) -> Option<Figures> {
    if states.is_empty() {
        return None;
    }
    let runs = published.map_or(1.0, |p| p.runs);
    // both a mean and its standard deviation, where there is one
    type Theirs = fn(&Published) -> (Option<f64>, Option<f64>);
    let theirs = |of: Theirs| published.map(of).and_then(|(mean, sd)| Some((mean?, sd, runs)));
    let figure = |value: &dyn Fn(&EndState) -> Option<f64>, of: Theirs| {
        let values: Vec<f64> = states.iter().filter_map(|state| value(state)).collect();
        (!values.is_empty()).then(|| Figure::new(values, theirs(of)))
    };
    let always = |value: &dyn Fn(&EndState) -> f64, of: Theirs| {
        Figure::new(states.iter().map(|state| value(state)).collect(), theirs(of))
    };
    let none: Theirs = |_| (None, None);
    let mut warnings = BTreeMap::new();
    for state in states {
        let codes: BTreeSet<&str> = state.measurement.warnings.iter().map(|warning| warning.code.as_str()).collect();
        codes.into_iter().for_each(|code| *warnings.entry(code.to_string()).or_default() += 1);
    }
    let lowest = states.iter().map(|state| state.measurement.is_lowest());
    let lowest: Option<Vec<bool>> = lowest.collect();
    let at_minimum = lowest.map(|lowest| {
        let theirs = published.and_then(|p| Some((p.at_minimum?, p.runs as usize)));
        let (published, published_of) = theirs.unzip();
        let count = lowest.iter().filter(|lowest| **lowest).count();
        AtMinimum { count, of: lowest.len(), published, published_of }
    });
    Some(Figures {
        at_minimum,
        ncut: always(&|s| s.measurement.ncut, |p| (Some(p.ncut), p.ncut_sd)),
        ncut_per_cluster: always(&|s| s.measurement.ncut_per_cluster, none),
        null_mean: figure(&|s| s.measurement.null.as_ref().map(|n| n.mean), |p| (p.null_mean, p.null_mean_sd)),
        null_sd: figure(&|s| s.measurement.null.as_ref().map(|n| n.sd), |p| (p.null_sd, None)),
        z_score: figure(&|s| s.measurement.z_score, |p| (p.z_score, None)),
        p_value: figure(&|s| s.measurement.p_value, none),
        valid_p_values: states.iter().filter_map(|state| state.measurement.valid_p_value()).collect(),
        train_accuracy: figure(&|s| s.train_accuracy, |p| (p.train_accuracy, None)),
        test_accuracy: figure(&|s| s.test_accuracy, |p| (p.test_accuracy, None)),
        train_loss: figure(&|s| s.train_loss, |p| (p.train_loss, None)),
        test_loss: figure(&|s| s.test_loss, |p| (p.test_loss, None)),
        effective_clusters: always(&|s| s.measurement.effective_clusters, none),
        largest_share: always(&|s| s.measurement.largest_share(), none),
        modularity_q: always(&|s| s.measurement.modularity_q, none),
        functional_clusters: figure(&|s| s.lesions.as_ref().map(|l| l.functional as f64), none),
        tag_agreement: figure(&|s| s.tag_agreement, none),
        warnings,
        lambda_2: figure(&|s| s.measurement.lambda(2), none),
        lambda_3: figure(&|s| s.measurement.lambda(3), none),
        lambda_4: figure(&|s| s.measurement.lambda(4), none),
    })
}

impl Figure {
    /// `published` is the mean, the standard deviation, where known, and the number of runs.
    fn new(values: Vec<f64>, published: Option<(f64, Option<f64>, f64)>) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        let difference_se = match (sd, published) {
            (Some(sd), Some((theirs, Some(their_sd), runs))) => {
                let variance = sd.powi(2) / n + their_sd.powi(2) / runs;
                Some((mean - theirs) / variance.sqrt())
            }
            _ => None,
        };
        Self { mean, sd, values, published: published.map(|(mean, _, _)| mean), difference_se }
    }
}

/// Writes `report.md` and `report.html`, with the tables and pictures of `report` sections, and the pictures by themselves
/// into each experiment's directory, and says where the pages are. `command` does the runs of the file.
///
/// # Errors
///
/// A file cannot be written.
pub fn write_pages(
    records: &[RunRecord],
    tables: &[(String, Table)],
    out: &Path,
    command: &str,
) -> Result<Vec<PathBuf>, InputError> {
    let conditions = conditions(records);
    let mut written = Vec::new();
    let mut experiments: Vec<&str> = conditions.iter().map(|c| c.experiment.as_str()).collect();
    experiments.dedup();
    for experiment in experiments {
        let of_this: Vec<Condition> = conditions.iter().filter(|c| c.experiment == experiment).cloned().collect();
        let own = records.iter().filter(|record| &*record.run.experiment == experiment);
        let results: Vec<_> = own.filter_map(|record| Some((&record.run, record.result.as_ref()?))).collect();
        if results.is_empty() {
            continue;
        }
        let directory = out.join(experiment);
        let own: Vec<_> = tables.iter().filter(|(name, _)| name == experiment).cloned().collect();
        let (tables, (pictures, _)) = (pivots(&own, &of_this), pictures(&own, &of_this, &results));
        let markdown: String = tables.iter().map(|table| format!("\n{}", table.markdown())).collect();
        aside::write(&directory.join("report.md"), (text::markdown(&of_this, command) + &markdown).as_bytes())?;
        let page = directory.join("report.html");
        aside::write(&page, page::grid(&of_this, command, &tables, &pictures, &results).as_bytes())?;
        write_pictures(&pictures, out)?;
        written.push(page);
    }
    Ok(written)
}

/// Writes pictures as SVG and, beside it, as PNG into the directories of their experiments, and says where the SVGs are. Pictures there that
/// are no longer made go.
///
/// # Errors
///
/// A file cannot be written, or a picture is so large that there is no PNG of it.
pub fn write_pictures(pictures: &[Picture], out: &Path) -> Result<Vec<PathBuf>, InputError> {
    let write = |picture: &Picture| {
        let path = out.join(&picture.experiment).join(&picture.name);
        aside::write(&path, picture.svg.as_bytes())?;
        let no_png =
            |error| InputError::new(path.display(), format!("makes no PNG: {error}"), "ask for a smaller picture");
        aside::write(&path.with_extension("png"), &picture.png().map_err(no_png)?)?;
        Ok(path)
    };
    let written = pictures.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    let directories: BTreeSet<&Path> = written.iter().filter_map(|path| path.parent()).collect();
    for entry in directories.into_iter().flat_map(std::fs::read_dir).flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_str().is_some_and(is_picture_file) && !written.contains(&path.with_extension("svg")) {
            std::fs::remove_file(&path).map_err(|e| InputError::io(&path, &e))?;
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each format of the same runs against its file; with `NCUT_BLESS` set, writes the files.
    #[test]
    fn every_format_is_as_it_was() {
        let mut records = fixtures::records();
        records[1].result = records[0].result.clone();
        let conditions = conditions(&records);
        let section = "{title: 'T & <b>', rows: dropout, values: [unpruned.ncut, pruned.ncut], scatter: {x: unpruned.ncut, y: unpruned.test_accuracy}}";
        let section = Table::read(&crate::experiment::yaml::parse("f", section).unwrap()).unwrap();
        let sections = [("e".to_string(), section)];
        let results: Vec<_> = records.iter().filter_map(|r| Some((&r.run, r.result.as_ref()?))).collect();
        let (tables, (pictures, _)) = (pivots(&sections, &conditions), pictures(&sections, &conditions, &results));
        let command = "ncut run grid.yaml";
        let pivots = tables.iter().map(pivot::Pivot::text).collect::<String>();
        let page = page::without_style_and_script(&page::grid(&conditions, command, &tables, &pictures, &results));
        let formats = [
            ("report.txt", text::conditions(&conditions, command) + &pivots),
            ("report.md", text::markdown(&conditions, command) + &tables[0].markdown()),
            ("report.tex", latex::latex(&conditions, &tables)),
            ("conditions.csv", csv::csv(&columns::condition_columns(&conditions)).unwrap()),
            ("runs.csv", csv::csv(&columns::columns(&records)).unwrap()),
            ("report.json", serde_json::to_string_pretty(&conditions).unwrap() + "\n"),
            ("report.html", page),
        ];
        let pictures = pictures.iter().map(|picture| (picture.name.as_str(), picture.svg.clone()));
        let formats = formats.into_iter().chain(pictures);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden");
        for (name, found) in formats {
            let path = folder.join(name);
            if std::env::var_os("NCUT_BLESS").is_some() {
                std::fs::write(&path, &found).unwrap();
            }
            let wanted = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found == wanted, "{name} differs from {}; it is now:\n{found}", path.display());
        }
    }

    #[test]
    fn figures_have_the_sample_sd_and_the_difference_in_standard_errors() {
        let figure = Figure::new(vec![1.0, 2.0, 3.0], Some((5.0, Some(5f64.sqrt()), 5.0)));
        assert_eq!((figure.mean, figure.sd), (2.0, Some(1.0)));
        let difference = figure.difference_se.expect("both standard deviations are known");
        assert!((difference + 3.0 / (1.0f64 / 3.0 + 1.0).sqrt()).abs() < 1e-14);
        assert_eq!(Figure::new(vec![1.0], None).sd, None);
    }

    #[test]
    fn pictures_that_are_no_longer_asked_for_go_and_others_stay() {
        let records = fixtures::records();
        let conditions = conditions(&records);
        let results: Vec<_> = records.iter().filter_map(|r| Some((&r.run, r.result.as_ref()?))).collect();
        let section = "{title: T, density: pruned.ncut, shuffles: [unpruned, pruned]}";
        let section = Table::read(&crate::experiment::yaml::parse("f", section).unwrap()).unwrap();
        let (drawn, lacking) = pictures(&[("e".to_string(), section)], &conditions, &results);
        let lacking: Vec<&str> = lacking.iter().map(|lacks| lacks.name.as_str()).collect();
        assert_eq!(lacking, ["shuffles-pruned.svg", "density-pruned.svg"]);
        assert!(drawn.iter().all(|picture| picture.svg.contains(">T, unpruned<")), "{drawn:?}");
        let out = tempfile::tempdir().unwrap();
        let stale = ["scatter-9.svg", "scatter-9.png", "density-unpruned.svg", "notes.svg", "report.md"];
        std::fs::create_dir(out.path().join("e")).unwrap();
        stale.iter().for_each(|name| std::fs::write(out.path().join("e").join(name), "").unwrap());
        write_pictures(&drawn, out.path()).unwrap();
        let mut left: Vec<String> = std::fs::read_dir(out.path().join("e"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut wanted: Vec<String> =
            drawn.iter().flat_map(|p| [p.name.clone(), p.name.replace("svg", "png")]).collect();
        wanted.extend(["notes.svg".into(), "report.md".into()]);
        left.sort();
        wanted.sort();
        assert_eq!(left, wanted);
    }
}
