//! What the paper reports, for the conditions of its MLPs and convolutional networks: `published.csv`.
//!
//! Filan et al. (2021), *Clusterability in Neural Networks*, the table or figure that `source` names. Where the authors
//! published run-by-run values with their code, means and standard deviations (ddof = 1) are of those; else they are the
//! paper's. `settings` are those that differ from the defaults, as this program has them:
//!
//! * L2 rows of MLPs have the authors' first layer (`l2_convention=authors`).
//! * Rows of convolutional networks that were trained have the authors' weight of a kernel (`convention=authors`), and a VGG's graph has
//!   no batch normalisation in it (`fold_batch_norm=false`). With L1, pruned weights may come back, as for MLPs.
//! * The eigenvalue penalty of table 1 has the strength that the authors' code comes to, 0.1 / 3 for each eigenvalue
//!   with half the gradient.
//!
//! Empty: not reported.

use crate::experiment::settings::{Setting, Settings};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Means over the runs of one end state of a condition.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Published {
    /// The table or figure, as `A.5`.
    pub source: String,
    settings: String,
    state: String,
    /// Runs behind the means.
    pub runs: f64,
    pub ncut: f64,
    /// ddof = 1.
    pub ncut_sd: Option<f64>,
    pub null_mean: Option<f64>,
    /// Of the null means, ddof = 1.
    pub null_mean_sd: Option<f64>,
    /// Mean of the null distributions' standard deviations.
    pub null_sd: Option<f64>,
    pub z_score: Option<f64>,
    /// Runs below all their shuffles, so that their p is as low as it can be.
    pub at_minimum: Option<usize>,
    pub train_accuracy: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub train_loss: Option<f64>,
    pub test_loss: Option<f64>,
}

static ROWS: LazyLock<Vec<(Settings, Published)>> = LazyLock::new(|| {
    let mut reader = csv::Reader::from_reader(include_bytes!("published.csv").as_slice());
    let rows = reader.deserialize().map(|row| row.unwrap_or_else(|e| unreachable!("published.csv: {e}")));
    rows.map(|row: Published| (settings(&row.settings), row)).collect()
});

fn settings(text: &str) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
        let value = match name {
            "hidden" => value.split('-').filter_map(|width| width.parse::<u64>().ok()).collect(),
            _ => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        };
        read(name, value).apply(&mut settings);
    }
    settings
}

fn read(name: &str, value: Value) -> Setting {
    Setting::read(name, value).unwrap_or_else(|e| unreachable!("published.csv: {name}: {e:?}"))
}

/// Weights of dead neurons, which the published networks do not have as edges.
const TOO_SMALL: f64 = 1e-6;

/// What is published of an end state, `unpruned` or `pruned`, of networks that are trained and clustered with `settings`. How many
/// shuffles and k-means starts there are does not matter, nor which solver, which weights of at most [`TOO_SMALL`] count, nor what is measured on
/// the way.
pub(super) fn find(wanted: &Settings, state: &str) -> Option<&'static Published> {
    let Settings { shuffles, restarts, solver, least_weight, lesions, measure_at, .. } = Settings::default();
    let least_weight = if f64::from(wanted.least_weight) <= TOO_SMALL { least_weight } else { wanted.least_weight };
    let wanted = Settings { shuffles, restarts, solver, least_weight, lesions, measure_at, ..wanted.clone() };
    ROWS.iter().find(|(settings, row)| row.state == state && *settings == wanted).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::grid::{self, Selection};
    use std::path::Path;

    #[test]
    fn every_row_stands_beside_a_run_of_experiments_yaml() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments.yaml");
        // other shuffles of tables A.2 to A.4, whose networks are those tables'
        let zeros_stay = Selection {
            only: ["table-a2", "table-a3", "table-a4"].map(String::from).into(),
            set: vec!["null_model=layer-nonzero".into()],
            ..Selection::default()
        };
        let runs =
            [Selection::default(), zeros_stay].map(|selection| grid::read(&file, &selection).unwrap().runs).concat();
        let beside: Vec<&Published> = runs
            .iter()
            .flat_map(|run| ["unpruned", "pruned"].into_iter().filter_map(|state| find(run.settings(), state)))
            .collect();
        let alone = ROWS.iter().map(|(_, row)| row).filter(|row| !beside.contains(row));
        let alone: Vec<String> = alone.map(|row| format!("{} {}: {}", row.source, row.state, row.settings)).collect();
        assert_eq!(alone, [""; 0]);
    }

    #[test]
    fn every_row_is_found_by_its_settings_alone() {
        assert!(ROWS.len() > 90);
        for (settings, row) in ROWS.iter() {
            assert_eq!(find(settings, &row.state), Some(row), "{} twice", row.settings);
        }
        let mnist = find(&Settings::default(), "unpruned").unwrap();
        assert_eq!(
            (mnist.source.as_str(), mnist.ncut, mnist.null_mean, mnist.runs),
            ("A.5", 10.024, Some(10.165), 5.0)
        );
        let with = |text: &str| find(&settings(text), "pruned").map(|row| row.ncut);
        assert_eq!(with("clusters=4 shuffles=320"), Some(2.0));
        assert_eq!(with("dropout=0.25"), None);
        assert_eq!(with("l2=5e-5"), None);
        assert_eq!(with("dataset=fashion-mnist clusterable_init=true lesions=5"), Some(6.265));
        let cnn = "model=cnn batch_size=64 epochs=10 pruning_epochs=10 l2=5e-5 convention=authors";
        assert_eq!(with(cnn), Some(10.754));
    }
}
