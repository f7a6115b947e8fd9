//! The settings of a run: names, types, ranges and defaults, in one list.

use super::types::{
    DatasetName, Epochs, Fraction, Interval, Model, NonNegative, OptionalPhase, Positive, PositiveNumber, Schema,
    SolverName, Starts, Whole,
};
use crate::data;
use crate::graph::{Convention, GraphLayers};
use crate::nn::clusterable_init::{ClusterableInit, TaggedLayers};
use crate::nn::tags::TagSizes;
use crate::nn::{Architecture, Precision, Preset};
use crate::penalty::block_share::{Layers, Power, Total};
use crate::penalty::decay::{Decay, L2Convention};
use crate::penalty::eigenvalues::EigenSolver;
use crate::penalty::loops::Root;
use crate::penalty::{LoopFlatten, LoopPenalty, PenaltyLayers, PenaltyParams, PenaltyStep};
use crate::stats::shuffle::NullModel;
use crate::train::TrainParams;
use crate::train::augmentation::Augmentation;
use crate::train::learning_rate::LearningRateSchedule;
use crate::train::length::Length;
use crate::train::prune::PruningSchedule;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// One list makes the resolved settings, a setting with a value as a grid file gives it, and their schema.
///
/// A default is never changed: names of runs on disk depend on it. A new setting enters with the default that does
/// nothing.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr,)+) => {
        /// Every setting of a run, resolved.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Settings { $($(#[doc = $doc])+ pub $name: $type,)+ }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// A setting with a value that fits it.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(non_camel_case_types, reason = "a variant is called as its setting is")]
        pub enum Setting { $($(#[doc = $doc])+ $name($type),)+ }

        impl Setting {
            /// `value` for the setting `name`.
            ///
            /// # Errors
            ///
            /// Why the value does not fit, or `None` if no setting has this name.
            pub fn read(name: &str, value: Value) -> Result<Self, Option<String>> {
                match name {
                    $(stringify!($name) => {
                        serde_json::from_value(value).map(Self::$name).map_err(|e| Some(e.to_string()))
                    })+
                    _ => Err(None),
                }
            }

            /// The setting's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// Gives `settings` this value.
            pub fn apply(&self, settings: &mut Settings) {
                match self { $(Self::$name(value) => settings.$name = value.clone(),)+ }
            }
        }

        /// The names of all settings.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// Name, documentation and schema of each setting.
        pub fn schemas() -> Vec<(&'static str, String, Value)> {
            vec![$((stringify!($name), [$($doc),+].concat().trim().to_string(), <$type>::schema())),+]
        }
    };
}

settings! {
    /// Data set to train on.
    dataset: DatasetName = DatasetName("mnist".into()),
    /// Seed of a data set that is generated, and of nothing else: networks begin alike on all draws.
    data_seed: Whole = Whole(data::generated::SEED as usize),
    /// Kind of network: `mlp`; `cnn`, the paper's three convolutions and two dense layers; `vgg`, its VGG-16 for small images; or
    /// `airg-cnn`, AI-RG's (2018) two convolutions and two dense layers.
    model: Model = Model::Mlp,
    /// Widths of the hidden layers of an `mlp`.
    hidden: Vec<Positive> = vec![Positive(256); 4],
    /// Channels of each convolution of a `cnn`.
    channels: Positive = Positive(64),
    /// Probability of dropping a hidden unit, in `[0, 1)`. Of a `cnn`, that is behind its dense layer, and half of it behind convolutions;
    /// of a `vgg`, behind the last convolution and the first dense layer, and 0.6 or 0.8 times that, or none, behind others. The paper's
    /// is 0.5.
    dropout: Fraction = Fraction(0.0),
    /// Weight of Σ|w| in the loss; the paper's is 5e-5.
    l1: NonNegative = NonNegative(0.0),
    /// Weight of Σw² in the loss; the paper's is 5e-5.
    l2: NonNegative = NonNegative(0.0),
    /// What `l2` puts on the first layer: Σw² (`paper`), or Σ|w|, as the authors' code does (`authors`).
    l2_convention: L2Convention = L2Convention::Paper,
    /// Weight of Σw⁴ in the loss.
    l4: NonNegative = NonNegative(0.0),
    /// Layers of a convolutional network that penalties on its graph see, all but `l1`, `l2` and `l4`: `all`, or `convolutions`, those of
    /// the paper's graph.
    penalty_layers: PenaltyLayers = PenaltyLayers::All,
    /// How penalties on the graph move weights: through `adam`, with the loss's gradient, or `decoupled` from it, by the learning rate
    /// times their own. `l1`, `l2` and `l4` always go through Adam.
    penalty_step: PenaltyStep = PenaltyStep::Adam,
    /// Weight of λ₂ + λ₃ + … of L_sym in the loss.
    eigen_penalty: NonNegative = NonNegative(0.0),
    /// How many eigenvalues after the first `eigen_penalty` sums.
    eigen_penalty_count: Positive = Positive(3),
    /// How `eigen_penalty` is computed: `auto`, `eigh`, `lanczos` (for large networks), or `autograd`, by torch alone.
    eigen_penalty_solver: EigenSolver = EigenSolver::Auto,
    /// Weight of a count of loops, subtracted from the loss; with a target, of the square of the distance from it.
    loop_penalty: NonNegative = NonNegative(0.0),
    /// What `loop_penalty` counts.
    loop_penalty_kind: LoopPenalty = LoopPenalty::Loops,
    /// Where the square root of the counts is taken: `none`, `of-sum` or `per-pair`; not of `loops-normalised`, `trace-s4` and
    /// `volume-modules`.
    loop_penalty_root: Root = Root::OfSum,
    /// What becomes of a chain of layers where images are flattened: AI-RG's counts stop there (`cut`), or the dense layer's weights
    /// are summed over each channel's pixels (`fold`); `loops-normalised`, `trace-s4` and `volume-modules` always do so.
    loop_penalty_flatten: LoopFlatten = LoopFlatten::Cut,
    /// What is aimed at, the count or, where `loop_penalty_root` takes one, its root; none if the more the better.
    loop_penalty_target: Option<NonNegative> = None,
    /// Weight of the share of |w| that joins neurons of different tags, in the loss.
    block_share: NonNegative = NonNegative(0.0),
    /// Its weight in the pruning phase, if it is another there.
    block_share_pruning: Option<NonNegative> = None,
    /// Matrices that `block_share` looks at: `all` or `hidden`.
    block_share_layers: Layers = Layers::All,
    /// What a weight counts in `block_share`: |w| (`absolute`) or w² (`square`).
    block_share_power: Power = Power::Absolute,
    /// Whether the total of a matrix is a `variable` in the gradient of `block_share`, or a `constant`.
    block_share_total: Total = Total::Variable,
    /// Weight of the normalised cut of a learned soft partition into `tags` parts, in the loss.
    soft_ncut: NonNegative = NonNegative(0.0),
    /// Price on unequal volumes of the parts in `soft_ncut`.
    soft_balance: NonNegative = NonNegative(1.0),
    /// Weight of one minus the modularity of a learned soft partition into `tags` parts, in the loss.
    soft_modularity: NonNegative = NonNegative(0.0),
    /// Whether hidden neurons are normalised after each step (appendix A.10); pruned weights then stay pruned.
    normalize_neurons: bool = false,
    /// Whether weights between neurons of one tag start larger and others smaller (section 4.2).
    clusterable_init: bool = false,
    /// Which matrices that changes: `after-first`, `all`, `hidden`, or `convolutions`, all of which but the first.
    clusterable_init_layers: TaggedLayers = TaggedLayers::AfterFirst,
    /// What it multiplies weights between neurons of different tags with.
    clusterable_init_beta: Fraction = Fraction(0.6),
    /// Number of tags.
    tags: Positive = Positive(10),
    /// How many neurons of a layer have each tag: `random`, or `equal`.
    tag_sizes: TagSizes = TagSizes::Random,
    /// Training before pruning, in epochs; `500it` for steps; 0 measures the network as it is initialised.
    epochs: OptionalPhase = OptionalPhase(Length::Epochs(20)),
    /// Training with pruning, after that, in epochs; `500it` for steps; 0 leaves the pruned half out.
    pruning_epochs: OptionalPhase = OptionalPhase(Length::Epochs(20)),
    /// Share of weights pruned at the first step of pruning.
    initial_sparsity: Fraction = Fraction(0.5),
    /// Share of weights pruned at the end.
    final_sparsity: Fraction = Fraction(0.9),
    /// Steps between two choices of what is pruned; `1ep` for an epoch.
    pruning_every: Interval = Interval(Length::Steps(10)),
    /// Whether pruned weights stay at zero; else each moves with every step, is set back before the next, and comes back when it is
    /// among the largest at the next choice, as in the authors' library.
    hold_pruned: bool = false,
    /// Examples in a step.
    batch_size: Positive = Positive(128),
    /// Whether each epoch has its own order of the examples; else all have the data set's.
    shuffle_examples: bool = true,
    /// How training images are changed in each step: `none`; `cifar` turns, shifts and mirrors them at random, as the paper's VGG is
    /// trained.
    augmentation: Augmentation = Augmentation::None,
    /// What convolutions are computed in while they are trained: `f32`, or `bf16`, which a processor that has it does in less than half the
    /// time; weights stay f32.
    precision: Precision = Precision::F32,
    /// Adam's step size.
    learning_rate: NonNegative = NonNegative(1e-3),
    /// What becomes of it over a phase: `constant`; `cosine`, down to 0 in each; `cosine-before-pruning`, in the first.
    learning_rate_schedule: LearningRateSchedule = LearningRateSchedule::Constant,
    /// What Adam adds to the root of its second moment; TensorFlow's is 1e-8.
    adam_epsilon: PositiveNumber = PositiveNumber(1e-7),
    /// Number of training examples, the first ones; all if not given.
    n_train: Option<Positive> = None,
    /// Which layers of a convolutional network are in its graph: `convolutions`, or `all`, dense ones and the image too.
    graph_layers: GraphLayers = GraphLayers::Convolutions,
    /// What a kernel's slice weighs in the graph: its entrywise L1 norm (`paper`), or its matrix 1-norm, as the paper's figures were made
    /// (`authors`).
    convention: Convention = Convention::Paper,
    /// Whether what leads out of a channel of a `vgg` is multiplied in the graph by what batch normalisation multiplies the channel with;
    /// not so in the paper's figures.
    fold_batch_norm: bool = true,
    /// Weights of a smaller magnitude are no edges of the graph. Dead neurons of networks trained with decay have weights of 1e-8 and
    /// less, of which clusters are made if they count.
    least_weight: NonNegative = NonNegative(0.0),
    /// Clusters k of a measurement.
    clusters: Positive = Positive(12),
    /// Shuffles of a measurement; 0 for none.
    shuffles: Whole = Whole(50),
    /// What a shuffle keeps: `layer`, `layer-nonzero`, `layer-nonzero-distribution`, `layer-all-distribution`, `degrees`, `rows`,
    /// `columns` or `fresh` (dense layers only).
    null_model: NullModel = NullModel::Layer,
    /// k-means starts; 25 up to 2,000 nodes, else 100, if not given.
    restarts: Option<Starts> = None,
    /// Eigenvalue solver of a measurement.
    solver: SolverName = SolverName::Auto,
    /// Random sets of neurons that each cluster is compared with when it is silenced; 0 for no such test.
    lesions: Whole = Whole(0),
    /// Epochs after which a network is measured as its end states are; 0 is before the first, and those of pruning count on. Epochs are
    /// those of metrics, also where `epochs` has steps: the last of a phase may be partial.
    measure_at: Epochs = Epochs::default(),
}

impl Settings {
    /// Those that differ from the defaults, by name: what identifies a run.
    pub fn non_default(&self) -> Map<String, Value> {
        static DEFAULTS: LazyLock<Map<String, Value>> = LazyLock::new(|| Settings::default().values());
        self.values().into_iter().filter(|(name, value)| DEFAULTS.get(name) != Some(value)).collect()
    }

    /// All of them, by name.
    pub fn values(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(values)) => values,
            _ => unreachable!("settings are a map of plain values"),
        }
    }

    /// The same training with every setting of the measurement, and variants of penalties, tags and pruning that there are none of, at
    /// their defaults: what identifies a network.
    pub fn training_only(&self) -> Settings {
        self.without_idle().without_measurement()
    }

    /// Whether a penalty is on the share of weight between tags.
    pub(super) fn has_share(&self) -> bool {
        let is_on = |weight: NonNegative| f64::from(weight) > 0.0;
        is_on(self.block_share) || !self.pruning_epochs.is_none() && self.block_share_pruning.is_some_and(is_on)
    }

    /// Whether weights begin by tags or are held to them. Not those of soft partitions, which begin at tags and learn on from there.
    pub fn has_tags(&self) -> bool {
        self.clusterable_init || self.has_share()
    }

    /// Variants of penalties, tags and pruning that there are none of, at their defaults.
    fn without_idle(&self) -> Settings {
        let defaults = Settings::default();
        let mut settings = self.clone();
        macro_rules! idle {
            ($is_idle:expr, $($setting:ident),+) => {
                if $is_idle {
                    $(settings.$setting = defaults.$setting.clone();)+
                }
            };
        }
        let is_zero = |weight: NonNegative| f64::from(weight) == 0.0;
        let no_pruning = self.pruning_epochs.is_none();
        let no_share = !self.has_share();
        let no_partition = is_zero(self.soft_ncut) && is_zero(self.soft_modularity);
        idle!(is_zero(self.l2), l2_convention);
        idle!(is_zero(self.eigen_penalty), eigen_penalty_count, eigen_penalty_solver);
        idle!(
            is_zero(self.loop_penalty),
            loop_penalty_kind,
            loop_penalty_root,
            loop_penalty_flatten,
            loop_penalty_target
        );
        idle!(self.loop_penalty_kind.is_normalised(), loop_penalty_root, loop_penalty_flatten);
        idle!(self.model == Model::Mlp, loop_penalty_flatten);
        idle!(no_share, block_share_pruning, block_share_layers, block_share_power, block_share_total);
        idle!(is_zero(self.soft_ncut), soft_balance);
        // `penalty_layers` too, but for the published networks that would be others then
        idle!(no_share && no_partition && is_zero(self.eigen_penalty) && is_zero(self.loop_penalty), penalty_step);
        idle!(!self.clusterable_init, clusterable_init_layers, clusterable_init_beta);
        idle!(!self.has_tags() && no_partition, tags, tag_sizes);
        idle!(no_pruning, block_share_pruning, initial_sparsity, final_sparsity, pruning_every, hold_pruned);
        settings
    }

    fn without_measurement(&self) -> Settings {
        let Settings { graph_layers, convention, fold_batch_norm, least_weight, .. } = Settings::default();
        let Settings { clusters, shuffles, null_model, restarts, solver, lesions, measure_at, .. } =
            Settings::default();
        let graph = Settings { graph_layers, convention, fold_batch_norm, least_weight, ..self.clone() };
        Settings { clusters, shuffles, null_model, restarts, solver, lesions, measure_at, ..graph }
    }

    /// Steps of the optimiser in each phase and in a whole epoch; `None` if there is no such data set.
    fn phase_steps(&self) -> Option<([usize; 2], usize)> {
        let dataset = data::describe(self.dataset.as_str()).ok()?;
        let examples = self.n_train.map_or(dataset.train, |n| n.get());
        let steps_per_epoch = examples.div_ceil(self.batch_size.get());
        let steps = [self.epochs, self.pruning_epochs].map(|phase| phase.get().steps(steps_per_epoch));
        Some((steps, steps_per_epoch))
    }

    /// Steps of the optimiser in both phases; `None` if there is no such data set.
    pub fn steps(&self) -> Option<usize> {
        let ([unpruned, pruning], _) = self.phase_steps()?;
        Some(unpruned.saturating_add(pruning))
    }

    /// Epochs of each phase, partial ones included; `None` if there is no such data set.
    pub fn phase_epochs(&self) -> Option<[usize; 2]> {
        let (steps, steps_per_epoch) = self.phase_steps()?;
        Some(steps.map(|steps| steps.div_ceil(steps_per_epoch)))
    }

    /// Which network.
    pub fn preset(&self) -> Preset {
        match self.model {
            Model::Mlp => Preset::Mlp { hidden: self.hidden.iter().map(|width| width.get()).collect() },
            Model::AirgCnn => Preset::AirgCnn,
            Model::Cnn => Preset::Cnn { channels: self.channels.get() },
            Model::Vgg => Preset::Vgg,
        }
    }

    /// The network for the data set.
    ///
    /// # Errors
    ///
    /// There is no such data set, or its images are too small.
    pub fn architecture(&self) -> Result<Architecture, String> {
        let dataset = data::describe(self.dataset.as_str()).map_err(|error| error.to_string())?;
        let image = [dataset.channels, dataset.height, dataset.width];
        self.preset().architecture(image, dataset.outputs()).map_err(|error| error.to_string())
    }

    /// What the trainer is given.
    pub fn train_params(&self, seed: u64) -> TrainParams {
        TrainParams {
            network: self.preset(),
            epochs: self.epochs.get(),
            pruning_epochs: self.pruning_epochs.get(),
            batch_size: self.batch_size.get(),
            learning_rate: self.learning_rate.into(),
            adam_epsilon: self.adam_epsilon.into(),
            dropout: self.dropout.into(),
            penalties: PenaltyParams {
                decay: Decay {
                    l1: self.l1.into(),
                    l2: self.l2.into(),
                    l2_convention: self.l2_convention,
                    l4: self.l4.into(),
                },
                layers: self.penalty_layers,
                step: self.penalty_step,
                eigenvalues: self.eigen_penalty.into(),
                eigenvalue_count: self.eigen_penalty_count.get(),
                eigen_solver: self.eigen_penalty_solver,
                loops: self.loop_penalty.into(),
                loop_penalty: self.loop_penalty_kind,
                loop_root: self.loop_penalty_root,
                loop_flatten: self.loop_penalty_flatten,
                loop_target: self.loop_penalty_target.map(f64::from),
                block_share: self.block_share.into(),
                block_share_pruning: self.block_share_pruning.unwrap_or(self.block_share).into(),
                block_share_layers: self.block_share_layers,
                block_share_power: self.block_share_power,
                block_share_total: self.block_share_total,
                soft_ncut: self.soft_ncut.into(),
                soft_balance: self.soft_balance.into(),
                soft_modularity: self.soft_modularity.into(),
            },
            normalize_neurons: self.normalize_neurons,
            hold_pruned: self.hold_pruned,
            clusterable_init: self.clusterable_init.then(|| ClusterableInit {
                layers: self.clusterable_init_layers,
                beta: self.clusterable_init_beta.into(),
            }),
            tags: self.tags.get(),
            tag_sizes: self.tag_sizes,
            learning_rate_schedule: self.learning_rate_schedule,
            shuffle_examples: self.shuffle_examples,
            augmentation: self.augmentation,
            precision: self.precision,
            pruning: PruningSchedule {
                initial_sparsity: self.initial_sparsity.into(),
                final_sparsity: self.final_sparsity.into(),
                every: self.pruning_every.get(),
            },
            seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The paper's setting (appendix A.2 and section 1.2) is the default.
    #[test]
    fn defaults_are_the_papers() {
        let params = Settings::default().train_params(0);
        assert_eq!(params.network, Preset::Mlp { hidden: vec![256; 4] });
        let twenty = Length::Epochs(20);
        assert_eq!((params.epochs, params.pruning_epochs, params.batch_size), (twenty, twenty, 128));
        assert_eq!((params.learning_rate, params.dropout, params.penalties.eigenvalues), (1e-3, 0.0, 0.0));
        assert_eq!(params.adam_epsilon, 1e-7);
        let Decay { l1, l2, l4, .. } = params.penalties.decay;
        assert_eq!([l1, l2, l4], [0.0; 3]);
        assert_eq!(
            params.pruning,
            PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every: Length::Steps(10) }
        );
        let Settings { clusters, shuffles, null_model, .. } = Settings::default();
        assert_eq!((clusters.get(), shuffles.get(), null_model), (12, 50, NullModel::Layer));
    }

    /// Whose seeds are those of the published files, and of which no two conditions are one network.
    #[test]
    fn no_setting_of_experiments_yaml_is_idle() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments.yaml");
        let runs = crate::experiment::grid::read(&file, &Default::default()).unwrap().runs;
        for run in runs.iter().filter(|run| run.replicate == 0) {
            assert_eq!(run.settings().without_idle(), *run.settings(), "{}", run.experiment);
        }
    }

    #[test]
    fn values_are_checked_and_normalised() {
        let read = |name: &str, value: Value| {
            let mut settings = Settings::default();
            Setting::read(name, value).map_err(|e| e.unwrap_or_default())?.apply(&mut settings);
            Ok::<Value, String>(settings.values()[name].clone())
        };
        for (name, given, resolved) in [
            ("l1", json!(5e-5), json!(5e-5)),
            ("dropout", json!(0), json!(0.0)),
            ("dropout", json!(-0.0), json!(0.0)),
            ("n_train", json!(6e4), json!(60000)),
            ("n_train", json!(null), json!(null)),
            ("epochs", json!("20ep"), json!(20)),
            ("epochs", json!("500it"), json!("500it")),
            ("epochs", json!(1e3), json!(1000)),
            ("pruning_epochs", json!("0it"), json!(0)),
            ("epochs", json!("0 it"), json!(0)),
            ("epochs", json!("5 ep"), json!(5)),
            ("pruning_every", json!("10it"), json!(10)),
            ("pruning_every", json!("1 ep"), json!("1ep")),
            ("measure_at", json!([5, 0, 1e1, 5]), json!([0, 5, 10])),
        ] {
            assert_eq!(read(name, given.clone()), Ok(resolved), "{name}: {given}");
        }
        for (name, given, problem) in [
            ("dropout", json!(1.0), "1 is not a number in [0, 1)"),
            ("batch_size", json!(0), "0 is not a whole number from 1"),
            ("shuffles", json!(-1), "-1 is not a whole number"),
            ("epochs", json!(1.5), "1.5 is not a whole number"),
            ("epochs", json!("5 parsecs"), "with a unit (20ep, 500it)"),
            ("epochs", json!("-1it"), "-1it is not"),
            ("epochs", json!("+5it"), "a whole number from 0"),
            ("epochs", json!(0.5), "a whole number from 0"),
            ("epochs", json!("0.5ep"), "a whole number from 0"),
            ("pruning_epochs", json!("0-5"), "a whole number from 0"),
            ("epochs", json!("5  it"), "a whole number from 0"),
            ("clusterable_init", json!(1), "expected a boolean"),
            ("epochs", json!(null), "null"),
            ("epochs", json!(9223372036854775808u64), "9223372036854775808 is not"),
            ("restarts", json!(70000), "70000 is not a whole number from 1 to 65535"),
            ("dropout", json!("0.5"), "expected a number"),
            ("adam_epsilon", json!(0), "0 is not a finite number above 0"),
            ("hidden", json!([256, 0]), "0 is not a whole number"),
            ("measure_at", json!([1, "2it"]), "expected a whole number"),
            ("measure_at", json!([-1]), "-1 is not a whole number"),
        ] {
            let error = read(name, given.clone()).expect_err(&format!("{name}: {given}"));
            assert!(error.contains(problem), "{name}: {given}: {error}");
        }
        assert_eq!(Setting::read("epoch", json!(1)), Err(None));
    }
}
