//! The measurement of a run's end states, unpruned and pruned: clustering, and as many shuffles as are not known yet.

use super::grid::Run;
use super::network_graph::{network_graph, tag_agreement};
use super::networks;
use super::run::{Context, Observer, Outcome, RunError, log, signal};
use super::settings::Settings;
use super::shuffles::{Owner, Shuffles, folder, shard};
use super::store::{RunDirectory, seed};
use super::training_curve::{self, state};
use crate::InputError;
use crate::graph::Norm;
use crate::lesion::{LesionParams, Lesions, lesions};
use crate::measure::{MeasureParams, Measurement, ModelInfo, Subject, Timing};
use crate::spectral::clustering::ClusterParams;
use crate::spectral::kmeans;
use crate::stats::null;
use crate::train::checkpoint::load_network;
use crate::train::{EpochRecord, Examples};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

/// A network's measurement with how well it classifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndState {
    /// The measurement.
    #[serde(flatten)]
    pub measurement: Measurement,
    /// Running accuracy of the last epoch, dropout active, in `[0, 1]` ([`EpochRecord::accuracy`]); none in a regression,
    /// or before any epoch.
    pub train_accuracy: Option<f64>,
    /// Running loss of the last epoch, if there was one.
    pub train_loss: Option<f64>,
    /// Accuracy on the test set, in `[0, 1]`; as for `train_accuracy`.
    pub test_accuracy: Option<f64>,
    /// Cross-entropy, or mean squared error, on the test set, after an epoch.
    pub test_loss: Option<f64>,
    /// Share of the weights that is exactly zero.
    pub sparsity: f64,
    /// Adjusted Rand index, from −1/2 to 1, of its clusters and the tags that its weights begin by or are held to, if there are any; over
    /// layers that border on such weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_agreement: Option<f64>,
    /// What the network can do without each cluster, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesions: Option<Lesions>,
}

/// What is to be measured of a network, and where its shuffles are kept.
fn subject(run: &Run, state: &str, directory: &RunDirectory) -> Result<(Subject, ModelInfo, Shuffles), RunError> {
    let Settings {
        convention, fold_batch_norm, least_weight, clusters, shuffles, null_model, restarts, solver, ..
    } = run.settings();
    let network = directory.network(state);
    let (graph, model) = network_graph(&network, run.settings())?;
    let params = MeasureParams {
        cluster: ClusterParams {
            k: clusters.get(),
            restarts: restarts.map(|n| n.get()),
            solver: (*solver).into(),
            engine: kmeans::Engine::Lloyd,
            seed: seed(run),
            index: 0,
        },
        null: Some(*null_model),
        shuffles: shuffles.get(),
        engine: null::Engine::Threads,
        prune: 0.0,
        least_weight: (*least_weight).into(),
        convention: *convention,
        norm: Norm::L1,
        batch_norm: *fold_batch_norm,
    };
    let subject =
        Subject::new(graph, params).map_err(|error| RunError::Measure(network.display().to_string(), error))?;
    let owner = Owner { network: model.sha256.clone(), version: crate::VERSION.into() };
    let path = network.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((subject, ModelInfo { path, ..model }, Shuffles::new(folder(directory.path(), state), owner)))
}

/// Those of `wanted` that are not known yet, computed and kept as they come; the known ones with them. `None` if it was
/// asked to stop before all were there.
fn shuffled(
    run: &Run,
    state: &str,
    (subject, shuffles): (&Subject, &Shuffles),
    wanted: &[u64],
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<BTreeMap<u64, f64>>, RunError> {
    let mut known = shuffles.known()?;
    if wanted.iter().any(|i| !known.contains_key(i))
        && let Some((ncuts, from)) = networks::shuffles(&context.out, run, state, shuffles.owner())
    {
        let of_donor = |i: &u64| ncuts.get(*i as usize).filter(|_| !known.contains_key(i)).map(|ncut| (*i, *ncut));
        let new: Vec<(u64, f64)> = wanted.iter().filter_map(of_donor).collect();
        if !new.is_empty() {
            let line = format!("{} shuffles of {state} are those of {from}", new.len());
            log(&RunDirectory::new(&context.out, run), &line)?;
        }
        known.extend(new);
    }
    let missing: Vec<u64> = wanted.iter().copied().filter(|i| !known.contains_key(i)).collect();
    (missing.len()..wanted.len()).for_each(|_| observer.shuffle(run));
    if missing.is_empty() {
        return Ok(Some(known));
    }
    let file = shuffles.append()?;
    let unwritten = Mutex::new(None);
    let computed = subject.shuffled(run.settings().null_model, &missing, |i, ncut| {
        observer.shuffle(run);
        let written = file.push(i, ncut).map_err(|error| {
            unwritten.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
        });
        if written.is_err() || context.stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(error) = unwritten.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(error.into());
    }
    known.extend(computed.map_err(|error| RunError::Measure(run.label(), error.into()))?);
    Ok(wanted.iter().all(|i| known.contains_key(i)).then_some(known))
}

/// The lesions of a network that was measured; `None` if it was asked to stop before all were done.
fn silenced(
    run: &Run,
    state: &'static str,
    directory: &RunDirectory,
    labels: &[i64],
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<Lesions>, RunError> {
    let random_sets = run.settings().lesions.get();
    observer.lesions(run, state, random_sets);
    let architecture = run.settings().architecture().map_err(RunError::Fault)?;
    let network = load_network(&directory.network(state), architecture, context.device)?;
    let dataset = context.dataset(run.settings())?;
    let test = Examples::new(&dataset.test, dataset.test.len(), context.device);
    let done = || if context.stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    Ok(lesions(&network, labels, &test, LesionParams { random_sets, seed: seed(run) }, done))
}

/// The measurement of the network of `state`, with what is known of its shuffles; `None` if it was asked to stop before all were done.
pub(super) fn measured(
    run: &Run,
    state: &str,
    directory: &RunDirectory,
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<Measurement>, RunError> {
    let wanted: Vec<u64> = (0..run.settings().shuffles.get() as u64).collect();
    observer.measuring(run, state, wanted.len());
    let start = Instant::now();
    let (subject, model, shuffles) = subject(run, state, directory)?;
    let load = start.elapsed().as_secs_f64();
    let clustering =
        subject.cluster().map_err(|e| RunError::Measure(directory.network(state).display().to_string(), e))?;
    let cluster = start.elapsed().as_secs_f64() - load;
    let Some(ncuts) = shuffled(run, state, (&subject, &shuffles), &wanted, context, observer)? else {
        log_stop(state, directory, context)?;
        return Ok(None);
    };
    let null = start.elapsed().as_secs_f64() - load - cluster;
    let ncuts = wanted.iter().filter_map(|i| ncuts.get(i).copied()).collect();
    let mut measurement = subject.measurement(clustering, ncuts, Timing { cluster, null, ..Timing::default() });
    measurement.model = Some(model);
    measurement.timing_s.load = load;
    measurement.timing_s.total += load;
    Ok(Some(measurement))
}

pub(super) fn log_stop(state: &str, directory: &RunDirectory, context: &Context) -> Result<(), InputError> {
    log(directory, &format!("stopped by signal {} while measuring {state}", signal(context)))
}

pub(super) fn end_state(
    run: &Run,
    state: &'static str,
    directory: &RunDirectory,
    record: Option<&EpochRecord>,
    context: &Context,
    observer: &impl Observer,
) -> Result<Option<EndState>, RunError> {
    let Some(measurement) = measured(run, state, directory, context, observer)? else { return Ok(None) };
    let lesions = match run.settings().lesions.get() {
        0 => None,
        _ => match silenced(run, state, directory, &measurement.labels, context, observer)? {
            None => {
                log_stop(state, directory, context)?;
                return Ok(None);
            }
            some => some,
        },
    };
    let tag_agreement = tag_agreement(&measurement.labels, run.settings(), seed(run)).map_err(RunError::Fault)?;
    Ok(Some(EndState {
        measurement,
        tag_agreement,
        train_accuracy: record.and_then(|record| record.accuracy),
        train_loss: record.map(|record| record.loss),
        test_accuracy: record.and_then(|record| record.test_accuracy),
        test_loss: record.map(|record| record.test_loss),
        sparsity: record.map_or(0.0, |record| record.sparsity),
        lesions,
    }))
}

/// A shard of the shuffles of each network that is measured. Several processes may do so at once; none has the run.
pub(super) fn shuffle_shard(
    run: &Run,
    directory: &RunDirectory,
    number: u64,
    of: u64,
    context: &Context,
    observer: &impl Observer,
) -> Result<Outcome, RunError> {
    if directory.is_done() {
        return Ok(Outcome::Done);
    }
    let mut states: Vec<String> = training_curve::on_the_way(run.settings()).into_iter().map(state).collect();
    states.push("unpruned".into());
    states.extend((!run.settings().pruning_epochs.is_none()).then(|| "pruned".into()));
    let wanted = shard(run.settings().shuffles.get() as u64, number, of);
    for state in &states {
        if !directory.network(state).exists() {
            let problem = "is not there: the run is not trained yet";
            return Err(InputError::new(directory.network(state).display(), problem, "train it first").into());
        }
        observer.measuring(run, state, wanted.len());
        let (subject, _, shuffles) = subject(run, state, directory)?;
        if shuffled(run, state, (&subject, &shuffles), &wanted, context, observer)?.is_none() {
            return Ok(Outcome::Stopped);
        }
    }
    Ok(Outcome::Done)
}
