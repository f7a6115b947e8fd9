//! The null ladder: a network against null models, each of which keeps another property of it. What a null model keeps cannot be why the
//! network is more clusterable than its shuffles.

use super::DiagnosisParams;
use crate::graph::NeuronGraph;
use crate::measure::{MeasureError, Measurement};
use crate::stats::null::{Engine, null_distribution};
use crate::stats::permutation::{LEVEL, mean_and_sd, p_value, valid_p_value, z_score};
use crate::stats::shuffle::NullModel;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// With fewer shuffles no p is below [`LEVEL`].
pub const LEAST_SHUFFLES: usize = 20;
/// The n-cut against one null model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Which.
    pub kind: NullModel,
    /// n-cuts of the shuffles, in the order of their numbers.
    pub ncuts: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, ddof = 0.
    pub sd: f64,
    /// As [`Measurement::p_value`].
    pub p_value: f64,
    /// As [`Measurement::z_score`].
    pub z_score: Option<f64>,
    /// Whether the network is more clusterable than what is left of it under this null model: [`valid_p_value`] below [`LEVEL`].
    pub is_beaten: bool,
}

/// What a null model keeps, for people.
pub fn keeps(model: NullModel) -> &'static str {
    match model {
        NullModel::Fresh => "widths and sparsity",
        NullModel::LayerAllDistribution => "roughly, the weights of each layer",
        NullModel::Layer => "the weights of each layer",
        NullModel::Degrees => "the weights, and each neuron's number of edges",
        NullModel::LayerNonzeroDistribution => "which weights are zero; roughly, the others",
        NullModel::LayerNonzero => "which weights are zero",
        NullModel::Rows => "what each neuron sends on",
        NullModel::Columns => "what each neuron receives",
    }
}

/// `graph`, without nodes of degree zero, against `models`. Shuffles that `measurement` has of one of them are taken over.
///
/// # Errors
///
/// A shuffle could not be clustered.
pub(super) fn ladder(
    graph: &NeuronGraph,
    measurement: &Measurement,
    params: DiagnosisParams,
    models: impl Iterator<Item = NullModel>,
    done: &(impl Fn() + Sync),
) -> Result<Vec<Rung>, MeasureError> {
    let rung = |kind: NullModel| {
        let known = measurement.null.as_ref().filter(|null| null.kind == kind && !null.stopped);
        let mut ncuts: Vec<f64> = known.map(|null| null.ncuts.clone()).unwrap_or_default();
        ncuts.truncate(params.shuffles);
        ncuts.iter().for_each(|_| done());
        let missing: Vec<u64> = (ncuts.len()..params.shuffles).map(|i| i as u64).collect();
        let found = null_distribution(graph, kind, params.cluster, Engine::Threads, &missing, |_, _| {
            done();
            ControlFlow::Continue(())
        })?;
        ncuts.extend(found.into_iter().map(|(_, ncut)| ncut));
        let (mean, sd) = mean_and_sd(&ncuts).unwrap_or_default();
        let (p_value, z_score) = (p_value(measurement.ncut, &ncuts), z_score(measurement.ncut, &ncuts));
        let is_beaten = valid_p_value(measurement.ncut, &ncuts) < LEVEL;
        Ok(Rung { kind, mean, sd, p_value, z_score, is_beaten, ncuts })
    };
    models.map(rung).collect()
}
