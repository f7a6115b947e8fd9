//! Training with magnitude pruning, as the paper does it: some epochs unpruned, then more while the smallest weights
//! are cut off. The two end states are what is measured.
//!
//! [`Trainer`] holds a run's whole state and advances it a step at a time; who calls it decides what is logged, saved and
//! shown between steps, and may stop after any of them ([`checkpoint`]).

mod adam;
pub mod augmentation;
pub mod checkpoint;
pub mod device;
pub mod host;
pub mod learning_rate;
pub mod length;
mod normalize;
mod phases;
pub mod prune;
mod replicates;

use crate::data::{Dataset, Inputs, Split, Targets};
use crate::nn::clusterable_init::{ClusterableInit, clusterable_init};
use crate::nn::tags::{TagSizes, Tags};
use crate::nn::{DropoutMasks, Network, Precision, Preset};
use crate::penalty::{Penalties, PenaltyParams};
use crate::rng::{Purpose, stream};
use adam::Adam;
use augmentation::Augmentation;
use learning_rate::LearningRateSchedule;
use length::Length;
use phases::{Phases, Place};
use prune::{Masks, PruningSchedule};
use rand::seq::SliceRandom;
pub use replicates::Replicates;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a run is trained with. The defaults in use are those of `experiment::settings`.
///
/// A phase that ends amid an epoch ends there: its last epoch is partial, and has a record as any other. The next phase
/// begins a fresh epoch, with a data order of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainParams {
    /// Which network.
    pub network: Preset,
    /// The phase before pruning.
    pub epochs: Length,
    /// The phase with pruning, after that.
    pub pruning_epochs: Length,
    /// Examples in a step, at least 1; the last step of a whole epoch may have fewer.
    pub batch_size: usize,
    /// Adam's step size at the beginning of a phase.
    pub learning_rate: f64,
    /// What becomes of it over the phase.
    pub learning_rate_schedule: LearningRateSchedule,
    /// What Adam adds to the root of its second moment, above 0.
    pub adam_epsilon: f64,
    /// Probability of dropping a hidden unit, in `[0, 1)`.
    pub dropout: f64,
    /// What is added to the loss.
    pub penalties: PenaltyParams,
    /// Whether hidden neurons are normalised after each step (the paper's algorithm 2). Pruned weights are then held at
    /// zero: one that moved between two choices would be multiplied by its neuron's scale, and come back huge.
    pub normalize_neurons: bool,
    /// Whether pruned weights are held at zero. Else they move with each step and are set back before the next
    /// ([`Masks::choose`]).
    pub hold_pruned: bool,
    /// How initial weights are made clusterable, if they are.
    pub clusterable_init: Option<ClusterableInit>,
    /// Number of tags of neurons, at least 1.
    pub tags: usize,
    /// How many neurons have each.
    pub tag_sizes: TagSizes,
    /// Whether each epoch has its own order of the examples; else all have the data set's.
    pub shuffle_examples: bool,
    /// How training images are changed in each step.
    pub augmentation: Augmentation,
    /// How the share of pruned weights grows.
    pub pruning: PruningSchedule,
    /// What convolutions are computed in.
    pub precision: Precision,
    /// Seed of initial weights, tags, data order, dropout and augmentation, each with streams of their own.
    pub seed: u64,
}

/// Inputs and targets on the device.
#[derive(Debug)]
pub struct Examples {
    /// `(n, inputs)`, u8 of pixels or f32.
    inputs: Tensor,
    /// Classes `(n,)`, i64, or values `(n, outputs)`, f32.
    targets: Tensor,
    /// Channels, height and width of an input.
    image: [i64; 3],
}

impl Examples {
    /// The first `count` examples of a split.
    ///
    /// # Panics
    ///
    /// If it has fewer.
    pub fn new(split: &Split, count: usize, device: Device) -> Self {
        let width = split.input_len();
        let inputs = match &split.inputs {
            Inputs::Pixels(pixels) => Tensor::from_slice(&pixels[..count * width]),
            Inputs::Reals(reals) => Tensor::from_slice(&reals[..count * width]),
        };
        let targets = match &split.targets {
            Targets::Classes(classes) => Tensor::from_slice(&classes[..count]).to_kind(Kind::Int64),
            Targets::Reals { values, width } => {
                Tensor::from_slice(&values[..count * width]).view([count as i64, *width as i64])
            }
        };
        let inputs = inputs.view([count as i64, width as i64]).to_device(device);
        let image = [split.channels, split.height, split.width].map(|extent| extent as i64);
        Self { inputs, targets: targets.to_device(device), image }
    }

    /// The same, in the same memory.
    fn shared(&self) -> Self {
        let Self { inputs, targets, image } = self;
        Self { inputs: inputs.shallow_clone(), targets: targets.shallow_clone(), image: *image }
    }

    fn len(&self) -> i64 {
        self.targets.size()[0]
    }

    fn are_classified(&self) -> bool {
        self.targets.kind() == Kind::Int64
    }

    /// All of them in order, up to `size` at a time, each as [`Examples::batch`] gives them.
    pub(crate) fn in_order(&self, size: i64) -> impl Iterator<Item = (Tensor, Tensor)> {
        let inputs = self.inputs.split(size, 0).into_iter();
        inputs.map(|inputs| to_unit(&inputs)).zip(self.targets.split(size, 0))
    }

    /// What the network is given `(batch, inputs)`, f32, and the targets.
    fn batch(&self, indices: &Tensor) -> (Tensor, Tensor) {
        (to_unit(&self.inputs.index_select(0, indices)), self.targets.index_select(0, indices))
    }
}

/// Pixels / 255; reals as they are.
fn to_unit(inputs: &Tensor) -> Tensor {
    if inputs.kind() == Kind::Uint8 { inputs.to_kind(Kind::Float) / 255.0 } else { inputs.shallow_clone() }
}

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1; the pruning epochs count on.
    pub epoch: usize,
    /// Whether weights were being pruned.
    pub pruning: bool,
    /// Mean over the epoch's steps of the loss, penalties included, dropout and augmentation active.
    pub loss: f64,
    /// Share of the training examples seen in the epoch that were classified rightly as they came, dropout and augmentation active. Lower than the
    /// final network's accuracy on them (the paper's "train acc." is this running value). None in a regression.
    pub accuracy: Option<f64>,
    /// Cross-entropy, or mean squared error, on the test set after the epoch.
    pub test_loss: f64,
    /// Accuracy on the test set after the epoch, in `[0, 1]`; none in a regression.
    pub test_accuracy: Option<f64>,
    /// Share of the weights that is exactly zero.
    pub sparsity: f64,
}

/// A run in progress, between two steps.
pub struct Trainer {
    params: TrainParams,
    phases: Phases,
    /// Steps between two choices of what is pruned.
    prune_every: usize,
    train: Examples,
    test: Examples,
    tags: Tags,
    network: Network,
    penalties: Penalties,
    adam: Adam,
    /// From the first step of the pruning phase on.
    masks: Option<Masks>,
    steps_done: usize,
    /// None between epochs.
    epoch: Option<Epoch>,
    device: Device,
}

/// An epoch in progress.
struct Epoch {
    /// Which examples each step of a whole epoch is given, i64: a permutation of them, split.
    batches: Vec<Tensor>,
    /// Sum of the steps' losses, f64 on the device, so that no step waits for it.
    loss_sum: Tensor,
    /// Number of examples classified rightly, as they came; f64 likewise.
    right: Tensor,
}

impl Epoch {
    fn sums(&self) -> [&Tensor; 2] {
        [&self.loss_sum, &self.right]
    }

    /// The same with others in the place of its sums.
    fn with_sums(self, [loss_sum, right]: [Tensor; 2]) -> Self {
        Self { batches: self.batches, loss_sum, right }
    }
}

impl Trainer {
    /// A fresh network for `dataset`, of whose training split the first `n_train` examples are used.
    ///
    /// # Panics
    ///
    /// If `n_train` is 0 or more than there are, the batch size is 0, or the images are too small for the network.
    pub fn new(params: TrainParams, dataset: &Dataset, n_train: usize, device: Device) -> Self {
        assert!(n_train > 0 && params.batch_size > 0, "an epoch has at least one step");
        let split = &dataset.train;
        let architecture = params.network.architecture([split.channels, split.height, split.width], dataset.outputs());
        let architecture = architecture.unwrap_or_else(|error| panic!("{}: {error}", dataset.name));
        let tags = Tags::draw(&architecture.channels(), params.tags, params.tag_sizes, params.seed);
        let mut network = Network::new(architecture, params.network.initialization(), params.seed, device);
        if let Some(init) = params.clusterable_init {
            clusterable_init(&mut network.weights, &tags, init);
        }
        let penalties = penalties(&params, &tags, &network, device);
        let adam = adam(&params, &network, &penalties);
        let steps_per_epoch = n_train.div_ceil(params.batch_size);
        let phases = Phases {
            steps_per_epoch,
            unpruned: params.epochs.steps(steps_per_epoch),
            pruning: params.pruning_epochs.steps(steps_per_epoch),
        };
        Self {
            phases,
            prune_every: params.pruning.every.steps(steps_per_epoch),
            train: Examples::new(&dataset.train, n_train, device),
            test: Examples::new(&dataset.test, dataset.test.len(), device),
            network,
            penalties,
            tags,
            adam,
            masks: None,
            steps_done: 0,
            epoch: None,
            device,
            params,
        }
    }

    /// Uses the memory of a run on the same examples.
    pub fn share_examples(&mut self, other: &Self) {
        (self.train, self.test) = (other.train.shared(), other.test.shared());
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Epochs of both phases, partial ones included: as many records will there be.
    pub fn total_epochs(&self) -> usize {
        self.phases.epochs()
    }

    /// Epochs before pruning, a partial one included: as many records come before the first with pruning.
    pub fn unpruned_epochs(&self) -> usize {
        self.phases.unpruned_epochs()
    }

    /// Epochs that are complete.
    pub fn epochs_done(&self) -> usize {
        self.phases.at(self.steps_done).epochs_done
    }

    /// Steps of both phases.
    pub fn total_steps(&self) -> usize {
        self.phases.steps()
    }

    /// Steps behind this state, of both phases.
    pub fn steps_done(&self) -> usize {
        self.steps_done
    }

    /// Steps done in the current epoch, fewer than it has: 0 as soon as one is complete.
    pub fn step_in_epoch(&self) -> usize {
        self.phases.at(self.steps_done).step
    }

    /// Steps of the current epoch, the one that the next step belongs to; 0 when the run is finished.
    pub fn steps_in_epoch(&self) -> usize {
        self.phases.at(self.steps_done).steps
    }

    /// Steps in a whole epoch: the last one may have fewer examples.
    pub fn steps_per_epoch(&self) -> usize {
        self.phases.steps_per_epoch
    }

    /// Whether no step is left.
    pub fn is_finished(&self) -> bool {
        self.steps_done == self.total_steps()
    }

    /// Does one step of the optimiser. If it completes an epoch, evaluates the network and returns the epoch's record.
    ///
    /// Nothing happens when the run is finished.
    pub fn step(&mut self) -> Option<EpochRecord> {
        if self.is_finished() {
            return None;
        }
        let place = self.phases.at(self.steps_done);
        if place.pruning {
            self.prune();
        }
        let mut epoch = match self.epoch.take() {
            Some(epoch) => epoch,
            None => self.begin_epoch(place.epochs_done),
        };
        self.adam.learning_rate = self.learning_rate();
        let (loss, right) = self.descend(&epoch.batches[place.step], self.steps_done as u64);
        epoch.loss_sum += loss;
        epoch.right += right;
        self.steps_done += 1;
        if place.step + 1 < place.steps {
            self.epoch = Some(epoch);
            return None;
        }
        self.prune_at_epochs_end();
        Some(self.record(&place, &epoch, self.evaluate(&self.test)))
    }

    /// Adam's step size in the next step.
    fn learning_rate(&self) -> f64 {
        let (step, steps) = self.phases.in_phase(self.steps_done);
        let pruning = self.phases.at(self.steps_done).pruning;
        self.params.learning_rate * self.params.learning_rate_schedule.factor(step, steps, pruning)
    }

    /// What an epoch at `place` came to, the last step of which is done, with the network's loss and accuracy on the test set.
    fn record(&self, place: &Place, epoch: &Epoch, (test_loss, test_accuracy): (f64, Option<f64>)) -> EpochRecord {
        let examples: usize = epoch.batches[..place.steps].iter().map(Tensor::numel).sum();
        EpochRecord {
            epoch: place.epochs_done + 1,
            pruning: place.pruning,
            loss: epoch.loss_sum.double_value(&[]) / place.steps as f64,
            accuracy: self.train.are_classified().then(|| epoch.right.double_value(&[]) / examples as f64),
            test_loss,
            test_accuracy,
            sparsity: prune::sparsity(&self.network.weights),
        }
    }

    /// What comes after the last step of an epoch of the pruning phase.
    fn prune_at_epochs_end(&mut self) {
        self.apply_masks();
        if self.is_finished()
            && let Some(masks) = &mut self.masks
        {
            masks.finish(&mut self.network.weights, &self.params.pruning);
        }
    }

    /// Sets the cut weights to zero, if some are.
    fn apply_masks(&mut self) {
        if let Some(masks) = &self.masks {
            masks.apply(&mut self.network.weights);
        }
    }

    /// What comes before each step of the pruning phase.
    fn prune(&mut self) {
        let (step, _) = self.phases.in_phase(self.steps_done);
        if step == 0 {
            // The pruning phase starts with fresh moments, as a recompiled Keras model does.
            self.adam = adam(&self.params, &self.network, &self.penalties);
        }
        let weights = &mut self.network.weights;
        let masks = self.masks.get_or_insert_with(|| Masks::new(weights));
        if step.is_multiple_of(self.prune_every) {
            masks.choose(weights, self.params.pruning.sparsity(step, self.phases.pruning));
        }
        masks.apply(weights);
    }

    /// Epoch `number`, from 0 and counted over both phases, before its first step.
    fn begin_epoch(&self, number: usize) -> Epoch {
        let mut order: Vec<i64> = (0..self.train.len()).collect();
        if self.params.shuffle_examples {
            order.shuffle(&mut stream(self.params.seed, Purpose::DataOrder, number as u64, 0));
        }
        let order = Tensor::from_slice(&order).to_device(self.device);
        let zero = || Tensor::zeros([], (Kind::Double, self.device));
        Epoch { batches: order.split(self.params.batch_size as i64, 0), loss_sum: zero(), right: zero() }
    }

    /// One step of Adam on a batch: its loss and the number classified rightly.
    fn descend(&mut self, indices: &Tensor, global_step: u64) -> (Tensor, Tensor) {
        let (input, targets) = self.train.batch(indices);
        let input = self.params.augmentation.apply(input, self.train.image, self.params.seed, global_step);
        let masks = (self.params.dropout > 0.0).then(|| {
            let layers = self.network.architecture().dropouts();
            let batch = indices.size()[0] as usize;
            DropoutMasks::draw(&layers, batch, self.params.dropout, self.params.seed, global_step, self.device)
        });
        let output = self.network.forward_in_training(&input, masks.as_ref(), self.params.precision);
        let loss = self.penalties.add_to(loss(&output, &targets), &self.network.weights);
        let parameters = parameters(&self.network, &self.penalties);
        let gradients = Tensor::run_backward(&[&loss], &parameters, false, false);
        let of_weights = self.network.of_weights(&gradients);
        let (weights, pruning) = (&self.network.weights, self.masks.is_some());
        let loss = self.penalties.add_gradients(loss.detach(), weights, &of_weights, pruning);
        self.adam.step(&parameters, &gradients);
        if self.params.hold_pruned || self.params.normalize_neurons {
            self.apply_masks();
        }
        if self.params.normalize_neurons {
            normalize::normalize_neurons(&self.network, &mut self.adam);
        }
        (loss, right(&output.detach(), &targets))
    }

    /// Loss and accuracy, if there are classes, without dropout or penalties.
    fn evaluate(&self, examples: &Examples) -> (f64, Option<f64>) {
        // the images between convolutions would be hundreds of megabytes
        let batch = if self.network.architecture().is_dense() { 1000 } else { 200 };
        tch::no_grad(|| {
            let (mut sum, mut correct) = (0.0, 0.0);
            for (inputs, targets) in examples.in_order(batch) {
                let output = self.network.forward(&inputs);
                sum += loss(&output, &targets).double_value(&[]) * targets.size()[0] as f64;
                correct += right(&output, &targets).double_value(&[]);
            }
            let n = examples.len() as f64;
            (sum / n, examples.are_classified().then_some(correct / n))
        })
    }
}

/// Everything that Adam moves: the network's parameters, then those of its penalties.
fn parameters<'a>(network: &'a Network, penalties: &'a Penalties) -> Vec<&'a Tensor> {
    network.parameters().into_iter().chain(penalties.parameters()).collect()
}

/// Fresh penalties of a network.
fn penalties(params: &TrainParams, tags: &Tags, network: &Network, device: Device) -> Penalties {
    let shapes: Vec<Vec<i64>> = network.weights.iter().map(Tensor::size).collect();
    Penalties::new(params.penalties.clone(), tags, &shapes, device)
}

/// A fresh optimiser of [`parameters`].
fn adam(params: &TrainParams, network: &Network, penalties: &Penalties) -> Adam {
    Adam::new(&parameters(network, penalties), params.learning_rate, params.adam_epsilon)
}

/// Cross-entropy of logits with classes `(batch,)`, or mean squared error over examples and outputs: a scalar.
fn loss(output: &Tensor, targets: &Tensor) -> Tensor {
    match targets.kind() {
        Kind::Int64 => output.cross_entropy_for_logits(targets),
        _ => output.mse_loss(targets, tch::Reduction::Mean),
    }
}

/// Number of examples classified rightly, f64; 0 in a regression.
fn right(output: &Tensor, targets: &Tensor) -> Tensor {
    match targets.kind() {
        Kind::Int64 => output.argmax(-1, false).eq_tensor(targets).sum(Kind::Double),
        _ => Tensor::zeros([], (Kind::Double, output.device())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::clusterable_init::TaggedLayers;
    use crate::penalty::block_share::{Layers, Power, Total};
    use crate::penalty::decay::Decay;
    use crate::penalty::eigenvalues::EigenSolver;
    use crate::penalty::loops::Root;
    use crate::penalty::{LoopFlatten, LoopPenalty, PenaltyLayers};
    use std::iter::from_fn;

    pub(super) fn dataset() -> Dataset {
        crate::data::load("mnist-sample", std::path::Path::new(""), crate::data::generated::SEED).unwrap()
    }

    /// 50 examples in 7 steps of up to 8; everything that training can do.
    pub(super) fn small(epochs: Length, pruning_epochs: Length, every: Length) -> Trainer {
        let pruning = PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every };
        let params = TrainParams {
            network: Preset::Mlp { hidden: vec![24] },
            epochs,
            pruning_epochs,
            batch_size: 8,
            learning_rate: 3e-3,
            learning_rate_schedule: LearningRateSchedule::Constant,
            adam_epsilon: adam::EPSILON,
            dropout: 0.25,
            penalties: PenaltyParams {
                decay: Decay { l1: 1e-5, l2: 1e-5, ..Decay::default() },
                layers: PenaltyLayers::All,
                eigenvalues: 0.01,
                eigenvalue_count: 2,
                eigen_solver: EigenSolver::Lanczos,
                loops: 1e-3,
                loop_penalty: LoopPenalty::TraceS4,
                loop_root: Root::None,
                loop_flatten: LoopFlatten::Cut,
                loop_target: Some(3.0),
                block_share: 0.01,
                block_share_pruning: 0.02,
                block_share_layers: Layers::All,
                block_share_power: Power::Absolute,
                block_share_total: Total::Variable,
                soft_ncut: 0.01,
                soft_balance: 1.0,
                soft_modularity: 0.01,
            },
            normalize_neurons: true,
            hold_pruned: false,
            clusterable_init: Some(ClusterableInit { layers: TaggedLayers::AfterFirst, beta: 0.6 }),
            tags: 10,
            tag_sizes: TagSizes::Random,
            shuffle_examples: true,
            augmentation: Augmentation::Cifar,
            precision: Precision::F32,
            pruning,
            seed: 11,
        };
        Trainer::new(params, &dataset(), 50, Device::Cpu)
    }

    /// AI-RG's network on 16 examples in 2 steps, with what [`small`] has but dropout.
    pub(super) fn airg(epochs: Length, pruning_epochs: Length) -> Trainer {
        let params = small(epochs, pruning_epochs, Length::Steps(2)).params;
        let penalties =
            PenaltyParams { loop_penalty: LoopPenalty::AsCoded, loop_target: None, ..params.penalties.clone() };
        let params = TrainParams { network: Preset::AirgCnn, dropout: 0.0, penalties, ..params };
        let mut dataset = dataset();
        dataset.test.inputs = match dataset.test.inputs {
            Inputs::Pixels(pixels) => Inputs::Pixels(pixels[..100 * 784].to_vec()),
            reals => reals,
        };
        dataset.test.targets = Targets::Classes(dataset.test.classes().unwrap()[..100].to_vec());
        Trainer::new(params, &dataset, 16, Device::Cpu)
    }

    /// The paper's VGG on 8 noisy images in 2 steps, with dropout.
    pub(super) fn vgg(epochs: Length, pruning_epochs: Length) -> Trainer {
        let params = small(epochs, pruning_epochs, Length::Steps(2)).params;
        let decay = Decay { l2: 5e-4, ..Decay::default() };
        let none =
            PenaltyParams { eigenvalues: 0.0, loops: 0.0, soft_ncut: 0.0, soft_modularity: 0.0, ..params.penalties };
        let penalties = PenaltyParams { decay, block_share: 0.0, block_share_pruning: 0.0, ..none };
        let init = ClusterableInit { layers: TaggedLayers::Convolutions, beta: 0.8 };
        let params = TrainParams {
            network: Preset::Vgg,
            batch_size: 4,
            dropout: 0.5,
            penalties,
            normalize_neurons: false,
            clusterable_init: Some(init),
            precision: Precision::Bf16,
            ..params
        };
        let split = || {
            let pixels = (0..8 * 3072u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let classes = (0..8).collect();
            Split {
                inputs: Inputs::Pixels(pixels),
                targets: Targets::Classes(classes),
                channels: 3,
                height: 32,
                width: 32,
            }
        };
        let dataset = Dataset { train: split(), test: split(), ..dataset() };
        Trainer::new(params, &dataset, 8, Device::Cpu)
    }

    /// The records of all epochs that are left.
    pub(super) fn finish(trainer: &mut Trainer) -> Vec<EpochRecord> {
        from_fn(|| (!trainer.is_finished()).then(|| trainer.step())).flatten().collect()
    }

    /// Weights, biases, running statistics, moments and masks.
    pub(super) fn bits(trainer: &Trainer) -> Vec<Vec<u32>> {
        let masks = trainer.masks.iter().flat_map(|Masks(masks)| masks).chain(trainer.network.statistics());
        let tensors = parameters(&trainer.network, &trainer.penalties).into_iter().chain(&trainer.adam.first);
        let bits = |tensor: &Tensor| {
            let values = Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        tensors.chain(&trainer.adam.second).chain(masks).map(bits).collect()
    }

    #[test]
    fn learns_and_ends_at_the_final_sparsity() {
        let params = small(Length::Epochs(2), Length::Epochs(2), Length::Steps(3)).params;
        let mut trainer = {
            // a digit in the mirror is none
            let (network, augmentation) = (Preset::Mlp { hidden: vec![64, 32] }, Augmentation::None);
            let params = TrainParams { network, batch_size: 60, augmentation, ..params };
            Trainer::new(params, &dataset(), 2000, Device::Cpu)
        };
        let records = finish(&mut trainer);
        assert!(records[0].loss > 1.5 && records[1].test_accuracy > Some(0.7), "{records:?}");
        assert!(!records[1].pruning && records[2].pruning && records[1].sparsity < 1e-3);
        for weight in &trainer.network.weights {
            let kept = weight.count_nonzero(None::<i64>).int64_value(&[]);
            assert_eq!(kept, (weight.numel() as f64 * 0.1).round() as i64);
        }
        assert_eq!(trainer.step(), None);
    }

    /// The run as loops: over phases, their epochs, and the batches of each. `steps` are those of both phases.
    fn in_loops(trainer: &mut Trainer, steps: [usize; 2], every: usize) -> Vec<EpochRecord> {
        let mut records = Vec::new();
        let mut global_step = 0;
        for (phase, steps) in steps.into_iter().enumerate() {
            let pruning = phase == 1;
            if pruning && steps > 0 {
                trainer.adam = adam(&trainer.params, &trainer.network, &trainer.penalties);
                trainer.masks = Some(Masks::new(&trainer.network.weights));
            }
            let mut step = 0;
            while step < steps {
                let Epoch { batches, mut loss_sum, mut right } = trainer.begin_epoch(records.len());
                let (mut batches_done, mut examples) = (0, 0);
                for indices in batches.iter().take(steps - step) {
                    if let Some(masks) = &mut trainer.masks {
                        if step % every == 0 {
                            let sparsity = trainer.params.pruning.sparsity(step, steps);
                            masks.choose(&trainer.network.weights, sparsity);
                        }
                        masks.apply(&mut trainer.network.weights);
                    }
                    let (loss, correct) = trainer.descend(indices, global_step);
                    loss_sum += loss;
                    right += correct;
                    (step, global_step, batches_done, examples) =
                        (step + 1, global_step + 1, batches_done + 1, examples + indices.numel());
                }
                if let Some(masks) = &mut trainer.masks {
                    masks.apply(&mut trainer.network.weights);
                    if step == steps {
                        masks.finish(&mut trainer.network.weights, &trainer.params.pruning);
                    }
                }
                let (test_loss, test_accuracy) = trainer.evaluate(&trainer.test);
                records.push(EpochRecord {
                    epoch: records.len() + 1,
                    pruning,
                    loss: loss_sum.double_value(&[]) / f64::from(batches_done),
                    accuracy: Some(right.double_value(&[]) / examples as f64),
                    test_loss,
                    test_accuracy,
                    sparsity: prune::sparsity(&trainer.network.weights),
                });
            }
        }
        records
    }

    /// Which kernels round how depends on the processor, so the oracle is a second way through, not bits written down.
    #[test]
    fn steps_make_the_run_that_loops_make() {
        use Length::*;
        for (epochs, pruning_epochs, every, steps) in [
            (Epochs(2), Epochs(2), Steps(3), [14, 14]),
            (Epochs(1), Epochs(0), Steps(3), [7, 0]),
            (Steps(10), Steps(11), Steps(3), [10, 11]),
            (Steps(3), Epochs(2), Epochs(1), [3, 14]),
        ] {
            let mut trainer = small(epochs, pruning_epochs, every);
            let mut looped = small(epochs, pruning_epochs, every);
            let records = finish(&mut trainer);
            assert_eq!(records, in_loops(&mut looped, steps, every.steps(7)));
            assert_eq!(bits(&trainer), bits(&looped));
            assert_eq!(records.len(), trainer.total_epochs());
            assert_eq!(records.iter().filter(|record| !record.pruning).count(), trainer.unpruned_epochs());
            assert_eq!(trainer.steps_done(), steps[0] + steps[1]);
        }
    }

    /// Algorithm 2 while weights are pruned: norms stay √2, what is pruned stays so, and the network goes on learning.
    #[test]
    fn normalised_networks_survive_pruning() {
        let mut params = small(Length::Epochs(2), Length::Epochs(3), Length::Steps(3)).params;
        params.penalties = PenaltyParams { eigenvalues: 0.03, loops: 0.0, soft_ncut: 0.0, ..params.penalties };
        params.network = Preset::Mlp { hidden: vec![64, 32] };
        params.batch_size = 60;
        params.dropout = 0.0;
        params.augmentation = Augmentation::None;
        let mut trainer = Trainer::new(params, &dataset(), 2000, Device::Cpu);
        let mut was_pruned: Vec<Tensor> = Vec::new();
        let mut last = None;
        while !trainer.is_finished() {
            last = trainer.step().or(last);
            for layer in 0..2 {
                let weight = trainer.network.weights[layer].detach();
                let squares =
                    weight.square().sum_dim_intlist(1, false, Kind::Float) + trainer.network.biases[layer].square();
                let off = (squares.sqrt() - normalize::NORM).abs() * squares.gt(0.0).to_kind(Kind::Float);
                // after the last step all that is left to cut is cut
                if !trainer.is_finished() {
                    assert!(off.max().double_value(&[]) < 1e-4, "step {}", trainer.steps_done());
                }
            }
            if let Some(Masks(masks)) = &trainer.masks {
                for (before, now) in was_pruned.iter().zip(masks) {
                    let back = ((1.0f64 - before) * now).sum(Kind::Float).double_value(&[]);
                    assert_eq!(back, 0.0, "nothing comes back");
                }
                was_pruned = masks.iter().map(Tensor::copy).collect();
            }
        }
        let record = last.unwrap();
        assert!(record.test_accuracy > Some(0.7) && record.loss < 2.0, "{record:?}");
    }

    /// How many entries come back into the masks of a run in which nothing else keeps them out.
    fn come_back(hold_pruned: bool) -> f64 {
        let params = small(Length::Epochs(1), Length::Epochs(3), Length::Steps(3)).params;
        let none =
            PenaltyParams { eigenvalues: 0.0, loops: 0.0, soft_ncut: 0.0, soft_modularity: 0.0, ..params.penalties };
        let params =
            TrainParams { hold_pruned, normalize_neurons: false, penalties: none, learning_rate: 0.05, ..params };
        let mut trainer = Trainer::new(params, &dataset(), 50, Device::Cpu);
        let (mut before, mut back): (Vec<Tensor>, f64) = (Vec::new(), 0.0);
        while trainer.step().is_some() || !trainer.is_finished() {
            let Some(Masks(masks)) = &trainer.masks else { continue };
            for ((before, now), weight) in before.iter().zip(masks).zip(&trainer.network.weights) {
                back += ((1.0f64 - before) * now).sum(Kind::Double).double_value(&[]);
                let moved = ((1.0f64 - now) * weight.detach()).abs().max().double_value(&[]);
                assert!(!hold_pruned || moved == 0.0, "a pruned weight is {moved}");
            }
            before = masks.iter().map(Tensor::copy).collect();
        }
        back
    }

    #[test]
    fn held_pruned_weights_stay_zero_and_others_may_come_back() {
        assert_eq!(come_back(true), 0.0);
        assert!(come_back(false) > 0.0);
    }

    #[test]
    fn examples_come_in_their_order_or_in_another_each_epoch() {
        let order = |trainer: &Trainer, epoch| {
            let batches = trainer.begin_epoch(epoch).batches;
            assert!(batches.iter().all(|batch| batch.numel() <= 8));
            Vec::<i64>::try_from(Tensor::cat(&batches, 0)).unwrap()
        };
        let shuffled = small(Length::Epochs(2), Length::Epochs(0), Length::Steps(3));
        let params = TrainParams { shuffle_examples: false, ..shuffled.params.clone() };
        let in_order = Trainer::new(params, &dataset(), 50, Device::Cpu);
        let all: Vec<i64> = (0..50).collect();
        assert_eq!([order(&in_order, 0), order(&in_order, 1)], [all.clone(), all.clone()]);
        let [mut first, mut second] = [order(&shuffled, 0), order(&shuffled, 1)];
        assert!(first != second && first != all && second != all);
        first.sort_unstable();
        second.sort_unstable();
        assert_eq!([first, second], [all.clone(), all]);
    }

    /// Regressions: the mean over examples and outputs of squared differences, computed here neuron by neuron.
    #[test]
    fn losses_of_regressions_are_mean_squared_errors() {
        let reals =
            |n: usize, width: usize| (0..n * width).map(|i| ((i * 7919) % 101) as f32 / 50.0 - 1.0).collect::<Vec<_>>();
        let split = |n| Split {
            inputs: Inputs::Reals(reals(n, 4)),
            targets: Targets::Reals { values: reals(n, 3), width: 3 },
            channels: 1,
            height: 2,
            width: 2,
        };
        let task = crate::data::Task::Regression { outputs: 3 };
        let dataset = Dataset { name: "r".into(), train: split(20), test: split(11), task };
        let params = small(Length::Epochs(1), Length::Epochs(0), Length::Steps(3)).params;
        let penalties = PenaltyParams {
            decay: Decay::default(),
            eigenvalues: 0.0,
            loops: 0.0,
            block_share: 0.0,
            block_share_pruning: 0.0,
            soft_ncut: 0.0,
            soft_modularity: 0.0,
            ..params.penalties
        };
        let params = TrainParams {
            network: Preset::Mlp { hidden: vec![5] },
            batch_size: 20,
            dropout: 0.0,
            clusterable_init: None,
            normalize_neurons: false,
            augmentation: Augmentation::None,
            penalties,
            ..params
        };
        let mut trainer = Trainer::new(params, &dataset, 20, Device::Cpu);
        let slowly = |trainer: &Trainer, split: &Split| {
            let layers: Vec<(Vec<Vec<f32>>, Vec<f32>)> = (trainer.network.weights.iter().zip(&trainer.network.biases))
                .map(|(w, b)| (w.detach().try_into().unwrap(), b.detach().try_into().unwrap()))
                .collect();
            let (Inputs::Reals(inputs), Targets::Reals { values, .. }) = (&split.inputs, &split.targets) else {
                unreachable!("as made above")
            };
            let squares = inputs.chunks(4).zip(values.chunks(3)).flat_map(|(input, wanted)| {
                let mut x: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
                for (layer, (w, b)) in layers.iter().enumerate() {
                    let sums = w.iter().zip(b).map(|(row, &b)| {
                        f64::from(b) + row.iter().zip(&x).map(|(&w, x)| f64::from(w) * x).sum::<f64>()
                    });
                    x = sums.map(|sum| if layer == 0 { sum.max(0.0) } else { sum }).collect();
                }
                x.into_iter().zip(wanted).map(|(x, &y)| (x - f64::from(y)).powi(2)).collect::<Vec<_>>()
            });
            squares.sum::<f64>() / values.len() as f64
        };
        let before = slowly(&trainer, &dataset.train);
        let record = trainer.step().expect("an epoch of one step");
        assert!((record.loss - before).abs() < 1e-6 * before, "{} {before}", record.loss);
        let after = slowly(&trainer, &dataset.test);
        assert!((record.test_loss - after).abs() < 1e-6 * after, "{} {after}", record.test_loss);
        assert!((record.test_loss - before).abs() > 1e-3, "nothing to tell apart");
        assert_eq!((record.accuracy, record.test_accuracy), (None, None));
    }

    #[test]
    fn an_epoch_is_its_steps() {
        let mut epochs = small(Length::Epochs(2), Length::Epochs(1), Length::Epochs(1));
        let mut steps = small(Length::Steps(14), Length::Steps(7), Length::Steps(7));
        assert_eq!(finish(&mut epochs), finish(&mut steps));
        assert_eq!(bits(&epochs), bits(&steps));
    }

    #[test]
    fn says_where_it_is() {
        let mut trainer = small(Length::Steps(9), Length::Steps(1), Length::Steps(3));
        assert_eq!((trainer.total_epochs(), trainer.unpruned_epochs(), trainer.total_steps()), (3, 2, 10));
        let places: Vec<[usize; 4]> = from_fn(|| {
            let place =
                [trainer.steps_done(), trainer.epochs_done(), trainer.step_in_epoch(), trainer.steps_in_epoch()];
            (!trainer.is_finished()).then(|| trainer.step()).map(|_| place)
        })
        .collect();
        assert_eq!(places[..2], [[0, 0, 0, 7], [1, 0, 1, 7]]);
        assert_eq!(places[6..], [[6, 0, 6, 7], [7, 1, 0, 2], [8, 1, 1, 2], [9, 2, 0, 1]]);
        assert_eq!((trainer.epochs_done(), trainer.step_in_epoch(), trainer.steps_in_epoch()), (3, 0, 0));
    }
}
