//! n-cut through training: what a run measures of its network after the epochs of `measure_at`.
//!
//! Training only writes the network down; it is measured when training is over, with the clusters, shuffles and random streams
//! of the end states. So training does not know of it, a point at the end of a phase is the end state's own measurement, and
//! between two points lies what the network has done, not other draws of shuffles.

use super::end_state::{EndState, log_stop, measured};
use super::grid::Run;
use super::run::{Context, Observer, RunError};
use super::settings::Settings;
use super::shuffles::Owner;
use super::store::RunDirectory;
use crate::aside;
use crate::measure::Measurement;
use crate::model::TensorFile;
use crate::train::EpochRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A network after an epoch. What is `None` here is so for the reasons of [`EndState`] and [`Measurement`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Epochs behind it, those of pruning too; 0: as it was initialised.
    pub epoch: usize,
    /// Whether the last of them was one of pruning.
    pub pruning: bool,
    /// n-cut, in `[0, k]`.
    pub ncut: f64,
    /// Mean of the shuffles' n-cuts.
    pub null_mean: Option<f64>,
    /// Their standard deviation, ddof = 0.
    pub null_sd: Option<f64>,
    /// `(r + 1) / (n + 1)`, r = shuffles strictly below the network.
    pub p_value: Option<f64>,
    /// `(ncut − null_mean) / null_sd`.
    pub z_score: Option<f64>,
    /// exp of the entropy of the clusters' volume shares, in `[1, k]`.
    pub effective_clusters: f64,
    /// Share of the total volume that the largest cluster holds.
    pub largest_share: f64,
    /// Newman's Q.
    pub modularity_q: f64,
    /// λ_2 of L_sym ([`Measurement::lambda`]).
    pub lambda_2: Option<f64>,
    /// λ_3.
    pub lambda_3: Option<f64>,
    /// λ_4.
    pub lambda_4: Option<f64>,
    /// Running accuracy of the epoch, dropout active, in `[0, 1]`.
    pub train_accuracy: Option<f64>,
    /// Running loss of the epoch.
    pub train_loss: Option<f64>,
    /// Accuracy on the test set after the epoch, in `[0, 1]`.
    pub test_accuracy: Option<f64>,
    /// Cross-entropy, or mean squared error, on the test set after the epoch.
    pub test_loss: Option<f64>,
    /// Share of the weights that is exactly zero.
    pub sparsity: f64,
}

impl TrainingPoint {
    /// `records` are those of all epochs.
    fn new(epoch: usize, measurement: &Measurement, records: &[EpochRecord]) -> Self {
        let record = epoch.checked_sub(1).and_then(|before| records.get(before));
        Self {
            epoch,
            pruning: record.is_some_and(|record| record.pruning),
            ncut: measurement.ncut,
            null_mean: measurement.null.as_ref().map(|null| null.mean),
            null_sd: measurement.null.as_ref().map(|null| null.sd),
            p_value: measurement.p_value,
            z_score: measurement.z_score,
            effective_clusters: measurement.effective_clusters,
            largest_share: measurement.largest_share(),
            modularity_q: measurement.modularity_q,
            lambda_2: measurement.lambda(2),
            lambda_3: measurement.lambda(3),
            lambda_4: measurement.lambda(4),
            train_accuracy: record.and_then(|record| record.accuracy),
            train_loss: record.map(|record| record.loss),
            test_accuracy: record.and_then(|record| record.test_accuracy),
            test_loss: record.map(|record| record.test_loss),
            sparsity: record.map_or(0.0, |record| record.sparsity),
        }
    }
}

/// The epochs after which the unpruned and the pruned network are there; they are one where nothing is pruned.
fn ends(settings: &Settings) -> [usize; 2] {
    let [unpruned, pruning] = settings.phase_epochs().unwrap_or_default();
    [unpruned, unpruned.saturating_add(pruning)]
}

/// An epoch of `measure_at` that the run does not have, and how many it has.
pub(super) fn beyond(settings: &Settings) -> Option<(usize, usize)> {
    let [_, last] = ends(settings);
    settings.measure_at.get().iter().find(|epoch| **epoch > last).map(|epoch| (*epoch, last))
}

/// The epochs of `measure_at` at which no phase ends: those of which a network is kept that nothing else needs.
pub fn on_the_way(settings: &Settings) -> Vec<usize> {
    let ends = ends(settings);
    settings.measure_at.get().iter().copied().filter(|epoch| !ends.contains(epoch)).collect()
}

const NETWORK: &str = "epoch-";

/// What the network after an epoch is called in a run's directory.
pub fn state(epoch: usize) -> String {
    format!("{NETWORK}{epoch}")
}

/// Whether a file of this name is such a network.
pub(super) fn is_network(name: &str) -> bool {
    let epoch = name.strip_prefix(NETWORK).and_then(|rest| rest.strip_suffix(".safetensors"));
    epoch.is_some_and(|epoch| epoch.parse::<usize>().is_ok())
}

/// A line of `training.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    owner: Owner,
    point: TrainingPoint,
}

/// The lines of the file by their epochs; one that is torn is left out.
fn known(directory: &RunDirectory) -> BTreeMap<usize, Line> {
    let bytes = std::fs::read(directory.training()).unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    lines.map(|line| (line.point.epoch, line)).collect()
}

/// The points of [`on_the_way`], those of an earlier attempt as they are, the others measured and kept one by one. `None` if it
/// was asked to stop before.
pub(super) fn points_on_the_way(
    run: &Run,
    directory: &RunDirectory,
    records: &[EpochRecord],
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<Vec<TrainingPoint>>, RunError> {
    let epochs = on_the_way(run.settings());
    let mut lines = known(directory);
    for &epoch in &epochs {
        let state = state(epoch);
        let network = TensorFile::open(&directory.network(&state))?.sha256().into();
        let owner = Owner { network, version: crate::VERSION.into() };
        if lines.get(&epoch).is_some_and(|line| line.owner == owner) {
            continue;
        }
        if context.stop.is_requested() {
            log_stop(&state, directory, context)?;
            return Ok(None);
        }
        let Some(measurement) = measured(run, &state, directory, context, observer)? else { return Ok(None) };
        lines.insert(epoch, Line { owner, point: TrainingPoint::new(epoch, &measurement, records) });
        let text: String = lines.values().map(|line| serde_json::to_string(line).unwrap_or_default() + "\n").collect();
        aside::write(&directory.training(), text.as_bytes())?;
    }
    Ok(Some(epochs.iter().filter_map(|epoch| lines.remove(epoch)).map(|line| line.point).collect()))
}

/// The points of `measure_at`: those on the way, and those that the end states are; `None` if it is empty.
pub(super) fn curve(
    settings: &Settings,
    mut points: Vec<TrainingPoint>,
    records: &[EpochRecord],
    unpruned: &EndState,
    pruned: Option<&EndState>,
) -> Option<Vec<TrainingPoint>> {
    let asked = |epoch: &usize| settings.measure_at.get().contains(epoch);
    let [first, last] = ends(settings);
    let states = [(first, Some(unpruned)), (last, pruned)];
    let states = states.into_iter().filter(|(epoch, _)| asked(epoch));
    points.extend(states.filter_map(|(epoch, end)| Some(TrainingPoint::new(epoch, &end?.measurement, records))));
    points.sort_by_key(|point| point.epoch);
    (!settings.measure_at.get().is_empty()).then_some(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Setting;
    use serde_json::json;

    fn settings(given: &[(&str, serde_json::Value)]) -> Settings {
        let mut settings = Settings::default();
        given.iter().for_each(|(name, value)| Setting::read(name, value.clone()).unwrap().apply(&mut settings));
        settings
    }

    /// 469 steps are an epoch of MNIST.
    #[test]
    fn networks_are_kept_where_no_end_state_is() {
        let of = |epochs, pruning_epochs, at| {
            let settings = settings(&[("epochs", epochs), ("pruning_epochs", pruning_epochs), ("measure_at", at)]);
            (on_the_way(&settings), beyond(&settings))
        };
        assert_eq!(of(json!(2), json!(3), json!([0, 1, 2, 3, 4, 5])), (vec![0, 1, 3, 4], None));
        assert_eq!(of(json!(2), json!(3), json!([5, 6, 7])), (vec![6, 7], Some((6, 5))));
        assert_eq!(of(json!(0), json!(2), json!([0, 1, 2])), (vec![1], None));
        assert_eq!(of(json!(2), json!(0), json!([0, 1, 2])), (vec![0, 1], None));
        assert_eq!(of(json!(0), json!(0), json!([0])), (vec![], None));
        // epochs of 469 and 31 steps, and of 1
        assert_eq!(of(json!("500it"), json!("1it"), json!([1, 2, 3])), (vec![1], None));
        assert_eq!(of(json!("500it"), json!("1it"), json!([4])), (vec![4], Some((4, 3))));
    }

    #[test]
    fn its_networks_are_told_from_other_files() {
        assert!(is_network("epoch-0.safetensors") && is_network(&format!("{}.safetensors", state(12))));
        for other in
            ["epoch-.safetensors", "epoch-1", "pruned.safetensors", "epoch-1.safetensors.bak", "my-epoch-1.safetensors"]
        {
            assert!(!is_network(other), "{other}");
        }
    }

    #[test]
    fn a_torn_line_is_left_out() {
        let out = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(out.path().into());
        assert!(known(&directory).is_empty());
        let line = |epoch: usize| {
            let point = json!({"epoch": epoch, "pruning": false, "ncut": 0.1 + 0.2, "effective_clusters": 8.0,
                "largest_share": 0.25, "modularity_q": 0.1, "sparsity": 0.0});
            json!({"owner": {"network": "ab", "version": "1"}, "point": point}).to_string() + "\n"
        };
        std::fs::write(directory.training(), line(0) + &line(3) + &line(5)[..80]).unwrap();
        let known = known(&directory);
        assert_eq!(known.keys().copied().collect::<Vec<_>>(), [0, 3]);
        assert_eq!((known[&3].point.ncut, known[&3].point.null_mean), (0.1 + 0.2, None));
    }
}
