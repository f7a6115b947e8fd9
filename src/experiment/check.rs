//! What would make runs fail, found before the first one starts.

use super::grid::Run;
use super::network_graph::graph_nodes;
use super::run::Context;
use super::settings::Settings;
use super::training_curve;
use super::types::Model;
use crate::InputError;
use crate::data::{self, Task};
use crate::graph::{Convention, GraphLayers};
use crate::nn::clusterable_init::TaggedLayers;
use crate::penalty::PenaltyLayers;
use crate::penalty::block_share::Layers;
use crate::stats::shuffle::NullModel;
use crate::train::augmentation::Augmentation;
use std::path::Path;

/// The most weights of a network that is trained: 4 GB, and as much again for each of Adam's moments.
pub const MOST_WEIGHTS: usize = 1_000_000_000;

/// Finds what would make runs fail before the first one starts: an output directory that cannot be made, a data set that
/// is not there, and what [`check_settings`] finds.
///
/// # Errors
///
/// The first such fault; `file` is the grid file, for its place.
pub fn check(runs: &[&Run], context: &Context, file: &Path) -> Result<(), InputError> {
    std::fs::create_dir_all(&context.out).map_err(|e| InputError::io(&context.out, &e))?;
    for run in runs {
        context.dataset(run.settings())?;
    }
    check_settings(runs, file)
}

/// Finds settings that cannot be: more examples than the data set has, a network beyond [`MOST_WEIGHTS`], settings that
/// its kind of network or of data does not have, measurements after its last epoch, pruning that would have to grow weights back, more clusters, tags or
/// eigenvalues than the network has nodes. Nothing is read or written.
///
/// # Errors
///
/// The first such fault; `file` is the grid file, for its place.
pub fn check_settings(runs: &[&Run], file: &Path) -> Result<(), InputError> {
    for run in runs {
        let dataset = data::describe(run.settings().dataset.as_str())?;
        let place = |setting: &str| match run.condition.sources.iter().find(|source| source.setting == setting) {
            Some(source) => format!("{}: {setting}", source.at),
            None => format!("{}: {}: {setting}", file.display(), run.experiment),
        };
        let (wanted, available) = (run.settings().n_train.map_or(0, |n| n.get()), dataset.train);
        if wanted > available {
            let problem = format!("{wanted} training examples of {}, which has {available}", dataset.name);
            return Err(InputError::new(place("n_train"), problem, format!("use at most {available}")));
        }
        if let Some((setting, problem, remedy)) = unfit(run.settings()) {
            return Err(InputError::new(place(setting), problem, remedy));
        }
        if let Some((epoch, last)) = training_curve::beyond(run.settings()) {
            let problem = format!("epoch {epoch} of a run that has {last}, pruning included");
            return Err(InputError::new(place("measure_at"), problem, format!("use at most {last}")));
        }
        let architecture = run.settings().architecture().map_err(|problem| {
            let remedy = "name a data set with larger images, or another model";
            InputError::new(place("dataset"), format!("{}: {problem}", dataset.name), remedy)
        })?;
        let widths = architecture.channels();
        let (convolutions, layers) = (architecture.convolutions(), widths.len() - 1);
        let seen_layers = run.settings().penalty_layers.range(convolutions, layers);
        let seen = &widths[seen_layers.start..=seen_layers.end];
        let nodes = graph_nodes(&architecture, run.settings().graph_layers);
        let weights = architecture.weight_count();
        if weights > MOST_WEIGHTS {
            let problem = format!("a network of {weights} weights");
            return Err(InputError::new(place("hidden"), problem, format!("stay below {MOST_WEIGHTS}")));
        }
        let (batch, examples) =
            (run.settings().batch_size.get(), run.settings().n_train.map_or(available, |n| n.get()));
        if !architecture.normalised().is_empty() && (batch == 1 || examples % batch == 1) {
            let problem =
                format!("of {examples} examples in steps of {batch}, a step has one, which is normalised by no other");
            return Err(InputError::new(place("batch_size"), problem, "use another"));
        }
        let Settings { initial_sparsity, final_sparsity, pruning_epochs, .. } = run.settings();
        if !pruning_epochs.is_none() && f64::from(*initial_sparsity) > f64::from(*final_sparsity) {
            let problem = "pruning begins with more than it ends with (final_sparsity)";
            return Err(InputError::new(place("initial_sparsity"), problem, "begin with less"));
        }
        if run.settings().lesions.get() > 0 && !matches!(dataset.task, Task::Classification { .. }) {
            let problem = format!("lesions cost accuracy, and {} has no classes", dataset.name);
            return Err(InputError::new(place("lesions"), problem, "leave it out"));
        }
        if run.settings().augmentation != Augmentation::None && dataset.height == 1 {
            let problem = format!("the inputs of {} are no images", dataset.name);
            return Err(InputError::new(place("augmentation"), problem, "leave it out"));
        }
        let side = |parity: usize| seen.iter().skip(parity).step_by(2).sum::<usize>();
        let (count, least) = (run.settings().eigen_penalty_count.get(), side(0).min(side(1)));
        if f64::from(run.settings().eigen_penalty) > 0.0 && count >= least {
            let problem = format!("{count} eigenvalues of a network with {least} neurons on a side");
            let remedy = match least - 1 {
                0 => "use wider layers".into(),
                most => format!("use at most {most}"),
            };
            return Err(InputError::new(place("eigen_penalty_count"), problem, remedy));
        }
        let neurons: usize = widths.iter().sum();
        if run.settings().tags.get() > neurons {
            let problem = format!("{} tags of {neurons} neurons", run.settings().tags.get());
            return Err(InputError::new(place("tags"), problem, format!("use at most {neurons}")));
        }
        let used = run.settings().training_only().tags == run.settings().tags;
        if used && run.settings().tags.get() == 1 {
            let problem = "of one tag no weight lies between parts: it would do nothing";
            return Err(InputError::new(place("tags"), problem, "use two or more"));
        }
        let Settings { block_share, block_share_pruning, pruning_epochs, .. } = run.settings();
        let while_pruning = block_share_pruning.filter(|_| !pruning_epochs.is_none());
        let share = f64::from(*block_share) + while_pruning.map_or(0.0, f64::from);
        if share > 0.0 && run.settings().block_share_layers == Layers::Hidden && seen.len() < 4 {
            let problem = "no matrix is between two hidden layers: block_share would do nothing";
            return Err(InputError::new(place("block_share_layers"), problem, "use all, or more layers"));
        }
        let Settings { loop_penalty, loop_penalty_kind: kind, loop_penalty_flatten: flatten, .. } = run.settings();
        let seen_convolutions = convolutions.saturating_sub(seen_layers.start).min(seen_layers.len());
        if f64::from(*loop_penalty) > 0.0 && kind.terms(seen_convolutions, seen_layers.len(), *flatten) == 0 {
            let problem = "none of the layers that it sees follows another: it would count nothing";
            return Err(InputError::new(
                place("loop_penalty_kind"),
                problem,
                "use trace-s4, butterflies, more layers, or penalty_layers: all",
            ));
        }
        let Settings { clusterable_init, clusterable_init_layers: tagged, .. } = run.settings();
        if *clusterable_init && !(0..layers).any(|layer| tagged.contains(layer, layers, layer < convolutions)) {
            let problem = "no matrix of this network is among them: clusterable_init would do nothing";
            return Err(InputError::new(place("clusterable_init_layers"), problem, "use all, or more layers"));
        }
        if run.settings().clusters.get() >= nodes {
            let unit = if architecture.is_dense() { "neurons" } else { "nodes" };
            let problem = format!("{} clusters of a network of {nodes} {unit}", run.settings().clusters.get());
            return Err(InputError::new(place("clusters"), problem, format!("use at most {}", nodes - 1)));
        }
    }
    Ok(())
}

/// A setting that the model does not have, with the problem and its remedy.
fn unfit(settings: &Settings) -> Option<(&'static str, &'static str, &'static str)> {
    let defaults = Settings::default();
    let convolutional = settings.model != Model::Mlp;
    let no_convolutions = "this model has no convolutions";
    let other = |setting, problem| (setting, problem, "leave it out, or train another model");
    [
        (
            settings.data_seed != defaults.data_seed && data::is_drawn(settings.dataset.as_str()) == Ok(false),
            ("data_seed", "nothing in this data set is drawn", "leave it out, or name one that is (lines, random, …)"),
        ),
        (
            convolutional && settings.hidden != defaults.hidden,
            ("hidden", "this model has layers of its own", "leave it out, or train an mlp"),
        ),
        (
            settings.model != Model::Cnn && settings.channels != defaults.channels,
            ("channels", "this model has layers of its own", "leave it out, or train a cnn"),
        ),
        (
            settings.model == Model::AirgCnn && f64::from(settings.dropout) > 0.0,
            other("dropout", "this model has no dropout"),
        ),
        (
            convolutional && settings.l2_convention != defaults.l2_convention,
            ("l2_convention", "the authors' code has Σ|w| in MLPs alone", "leave it out"),
        ),
        (
            settings.model == Model::Vgg && settings.normalize_neurons,
            other("normalize_neurons", "this model normalises batches, and its neurons have no scale of their own"),
        ),
        (
            !convolutional && settings.penalty_layers == PenaltyLayers::Convolutions,
            other("penalty_layers", no_convolutions),
        ),
        (
            !convolutional && settings.clusterable_init_layers == TaggedLayers::Convolutions,
            other("clusterable_init_layers", no_convolutions),
        ),
        (!convolutional && settings.convention != Convention::Paper, other("convention", no_convolutions)),
        (
            !convolutional && settings.precision != defaults.precision,
            other("precision", "it is that of convolutions, and this model has none"),
        ),
        (
            convolutional && settings.null_model == NullModel::Fresh,
            other("null_model", "'fresh' draws dense layers' weights, and this model has convolutions"),
        ),
        (
            settings.convention == Convention::Authors && settings.graph_layers == GraphLayers::All,
            other("convention", "the authors' has no nodes for the image and dense layers (graph_layers: all)"),
        ),
        (
            settings.model != Model::Vgg && !settings.fold_batch_norm,
            other("fold_batch_norm", "this model has no batch normalisation"),
        ),
    ]
    .into_iter()
    .find_map(|(is_set, fault)| is_set.then_some(fault))
}
