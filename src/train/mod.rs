//! Training with magnitude pruning, as the paper does it: some epochs unpruned, then more while the smallest weights
//! are cut off. The two end states are what is measured.
//!
//! [`Trainer`] holds a run's whole state and advances it a step at a time; who calls it decides what is logged, saved and
//! shown between steps, and may stop after any of them ([`checkpoint`]).

mod adam;
pub mod augmentation;
pub mod checkpoint;
pub mod device;
mod examples;
#[cfg(test)]
mod fixtures;
pub mod host;
pub mod learning_rate;
pub mod length;
mod normalize;
mod phases;
pub mod prune;
mod replicates;
#[cfg(test)]
mod tests;

use crate::data::Dataset;
use crate::nn::clusterable_init::{ClusterableInit, clusterable_init};
use crate::nn::tags::{TagSizes, Tags};
use crate::nn::{DropoutMasks, Network, Precision, Preset};
use crate::penalty::{Penalties, PenaltyParams};
use crate::rng::{Purpose, stream};
use adam::Adam;
use augmentation::Augmentation;
pub use examples::Examples;
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
        let mut gradients = Tensor::run_backward(&[&loss], &parameters, false, false);
        let of_weights = self.network.of_weights(&gradients);
        let (weights, pruning) = (&self.network.weights, self.masks.is_some());
        let mut loss = self.penalties.add_gradients(loss.detach(), weights, &of_weights, pruning);
        let decoupled = self.penalties.decoupled(weights, pruning);
        if let Some(decoupled) = &decoupled {
            loss += &decoupled.value;
            let learnt = gradients.len() - decoupled.of_parameters.len();
            gradients.splice(learnt.., decoupled.of_parameters.iter().map(Tensor::shallow_clone));
        }
        self.adam.step(&parameters, &gradients);
        if let Some(decoupled) = &decoupled {
            decoupled.step(weights, self.adam.learning_rate);
        }
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
