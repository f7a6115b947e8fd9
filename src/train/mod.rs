//! Training with magnitude pruning, as the paper does it: some epochs unpruned, then more while the smallest weights
//! are cut off. The two end states are what is measured.
//!
//! [`Trainer`] holds a run's whole state and advances it an epoch at a time; who calls it decides what is logged, saved
//! and shown between epochs.

mod adam;
pub mod checkpoint;
pub mod device;
pub mod prune;

use crate::data::{Dataset, Split};
use crate::nn::{DropoutMasks, Mlp};
use crate::rng::{Purpose, stream};
use adam::Adam;
use prune::{Masks, PruningSchedule};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What a run is trained with. The defaults in use are those of `experiment::settings`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainParams {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Epochs before pruning.
    pub epochs: usize,
    /// Epochs with pruning, after those.
    pub pruning_epochs: usize,
    /// Examples in a step.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Probability of dropping a hidden unit, in `[0, 1)`.
    pub dropout: f64,
    /// Weight of Σ|w| over all weight matrices in the loss.
    pub l1: f64,
    /// Weight of Σw² over all weight matrices in the loss.
    pub l2: f64,
    /// How the share of pruned weights grows.
    pub pruning: PruningSchedule,
    /// Seed of initial weights, data order and dropout, each with streams of their own.
    pub seed: u64,
}

/// Images and labels on the device.
#[derive(Debug)]
pub struct Examples {
    /// `(n, pixels)`, u8.
    images: Tensor,
    /// `(n,)`, i64.
    labels: Tensor,
}

impl Examples {
    /// The first `count` examples of a split.
    pub fn new(split: &Split, count: usize, device: Device) -> Self {
        let pixels = split.height * split.width;
        let images = Tensor::from_slice(&split.images[..count * pixels]).view([count as i64, pixels as i64]);
        let labels = Tensor::from_slice(&split.labels[..count]).to_kind(Kind::Int64);
        Self { images: images.to_device(device), labels: labels.to_device(device) }
    }

    fn len(&self) -> i64 {
        self.labels.size()[0]
    }

    /// Pixels / 255 `(batch, pixels)`, f32, and labels `(batch,)`.
    fn batch(&self, indices: &Tensor) -> (Tensor, Tensor) {
        (to_unit(&self.images.index_select(0, indices)), self.labels.index_select(0, indices))
    }
}

fn to_unit(pixels: &Tensor) -> Tensor {
    pixels.to_kind(Kind::Float) / 255.0
}

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1; the pruning epochs count on.
    pub epoch: usize,
    /// Whether weights were being pruned.
    pub pruning: bool,
    /// Mean over the epoch's steps of the loss, penalties included, dropout active.
    pub loss: f64,
    /// Share of the epoch's training examples that were classified rightly as they came, dropout active. Lower than the
    /// final network's accuracy on them (the paper's "train acc." is this running value).
    pub accuracy: f64,
    /// Cross-entropy on the test set after the epoch.
    pub test_loss: f64,
    /// Accuracy on the test set after the epoch, in `[0, 1]`.
    pub test_accuracy: f64,
    /// Share of the weights that is exactly zero.
    pub sparsity: f64,
}

/// A run in progress.
pub struct Trainer {
    params: TrainParams,
    train: Examples,
    test: Examples,
    network: Mlp,
    adam: Adam,
    masks: Option<Masks>,
    epochs_done: usize,
    device: Device,
}

impl Trainer {
    /// A fresh network for `dataset`, of whose training split the first `n_train` examples are used.
    pub fn new(params: TrainParams, dataset: &Dataset, n_train: usize, device: Device) -> Self {
        let widths = widths(&params, dataset);
        let network = Mlp::glorot(&widths, params.seed, device);
        let adam = Adam::new(&network.parameters(), params.learning_rate);
        Self {
            train: Examples::new(&dataset.train, n_train, device),
            test: Examples::new(&dataset.test, dataset.test.len(), device),
            network,
            adam,
            masks: None,
            epochs_done: 0,
            device,
            params,
        }
    }

    /// The network as it is now.
    pub fn network(&self) -> &Mlp {
        &self.network
    }

    /// Epochs of both phases.
    pub fn total_epochs(&self) -> usize {
        self.params.epochs + self.params.pruning_epochs
    }

    /// Epochs behind this state.
    pub fn epochs_done(&self) -> usize {
        self.epochs_done
    }

    /// Steps in an epoch: the last one may have fewer examples.
    pub fn steps_per_epoch(&self) -> usize {
        (self.train.len() as usize).div_ceil(self.params.batch_size)
    }

    /// Trains one epoch and evaluates the network. `after_step` is told the number of steps done in it.
    pub fn epoch(&mut self, mut after_step: impl FnMut(usize)) -> EpochRecord {
        let pruning = self.epochs_done >= self.params.epochs;
        if self.epochs_done == self.params.epochs {
            // The pruning phase starts with fresh moments, as a recompiled Keras model does.
            self.adam = Adam::new(&self.network.parameters(), self.params.learning_rate);
            self.masks = Some(Masks::new(&self.network.weights));
        }
        let order = self.data_order();
        let steps = self.steps_per_epoch();
        let options = (Kind::Double, self.device);
        let (mut loss_sum, mut right) = (Tensor::zeros([], options), Tensor::zeros([], options));
        for (step, indices) in order.split(self.params.batch_size as i64, 0).iter().enumerate() {
            let global_step = self.epochs_done * steps + step;
            if let Some(masks) = &mut self.masks {
                let step = global_step - self.params.epochs * steps;
                masks.before_step(
                    &mut self.network.weights,
                    &self.params.pruning,
                    step,
                    self.params.pruning_epochs * steps,
                );
            }
            let (loss, correct) = self.step(indices, global_step as u64);
            loss_sum += loss;
            right += correct;
            after_step(step + 1);
        }
        self.epochs_done += 1;
        if let Some(masks) = &mut self.masks {
            masks.apply(&mut self.network.weights);
            if self.epochs_done == self.params.epochs + self.params.pruning_epochs {
                masks.finish(&mut self.network.weights, &self.params.pruning);
            }
        }
        let (test_loss, test_accuracy) = self.evaluate(&self.test);
        EpochRecord {
            epoch: self.epochs_done,
            pruning,
            loss: loss_sum.double_value(&[]) / steps as f64,
            accuracy: right.double_value(&[]) / self.train.len() as f64,
            test_loss,
            test_accuracy,
            sparsity: prune::sparsity(&self.network.weights),
        }
    }

    /// A permutation of the training examples for this epoch, `(n,)`.
    fn data_order(&self) -> Tensor {
        let mut order: Vec<i64> = (0..self.train.len()).collect();
        order.shuffle(&mut stream(self.params.seed, Purpose::DataOrder, self.epochs_done as u64, 0));
        Tensor::from_slice(&order).to_device(self.device)
    }

    /// One step of Adam on a batch: its loss and the number classified rightly.
    fn step(&mut self, indices: &Tensor, global_step: u64) -> (Tensor, Tensor) {
        let (input, labels) = self.train.batch(indices);
        let masks = (self.params.dropout > 0.0).then(|| {
            let widths: Vec<usize> =
                std::iter::once(0).chain(self.network.weights.iter().map(|w| w.size()[0] as usize)).collect();
            let batch = indices.size()[0] as usize;
            DropoutMasks::draw(&widths, batch, self.params.dropout, self.params.seed, global_step, self.device)
        });
        let logits = self.network.forward(&input, masks.as_ref());
        let mut loss = logits.cross_entropy_for_logits(&labels);
        if self.params.l1 > 0.0 {
            loss = self.network.weights.iter().fold(loss, |loss, w| loss + w.abs().sum(Kind::Float) * self.params.l1);
        }
        if self.params.l2 > 0.0 {
            loss =
                self.network.weights.iter().fold(loss, |loss, w| loss + w.square().sum(Kind::Float) * self.params.l2);
        }
        let gradients = Tensor::run_backward(&[&loss], &self.network.parameters(), false, false);
        self.adam.step(&self.network.parameters(), &gradients);
        let right = logits.detach().argmax(-1, false).eq_tensor(&labels).sum(Kind::Double);
        (loss.detach(), right)
    }

    /// Cross-entropy and accuracy, without dropout or penalties.
    fn evaluate(&self, examples: &Examples) -> (f64, f64) {
        const BATCH: i64 = 1000;
        tch::no_grad(|| {
            let (mut loss, mut right) = (0.0, 0.0);
            for (images, labels) in examples.images.split(BATCH, 0).iter().zip(examples.labels.split(BATCH, 0)) {
                let logits = self.network.forward(&to_unit(images), None);
                loss += logits.cross_entropy_for_logits(&labels).double_value(&[]) * labels.size()[0] as f64;
                right += logits.argmax(-1, false).eq_tensor(&labels).sum(Kind::Double).double_value(&[]);
            }
            (loss / examples.len() as f64, right / examples.len() as f64)
        })
    }
}

fn widths(params: &TrainParams, dataset: &Dataset) -> Vec<usize> {
    let pixels = dataset.train.height * dataset.train.width;
    std::iter::once(pixels).chain(params.hidden.iter().copied()).chain([dataset.classes]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trainer() -> Trainer {
        let params = TrainParams {
            hidden: vec![64, 32],
            epochs: 2,
            pruning_epochs: 2,
            batch_size: 60,
            learning_rate: 3e-3,
            dropout: 0.25,
            l1: 1e-5,
            l2: 1e-5,
            pruning: PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every: 3 },
            seed: 11,
        };
        let dataset = crate::data::load("mnist-sample", std::path::Path::new("")).unwrap();
        Trainer::new(params, &dataset, 2000, Device::Cpu)
    }

    fn weights(trainer: &Trainer) -> Vec<Vec<f64>> {
        trainer.network.weight_matrices().into_iter().map(|(_, weight)| weight.into_iter().collect()).collect()
    }

    #[test]
    fn learns_and_ends_at_the_final_sparsity() {
        let mut trainer = trainer();
        let records: Vec<EpochRecord> = (0..4).map(|_| trainer.epoch(|_| ())).collect();
        assert!(records[0].loss > 1.5 && records[1].test_accuracy > 0.7, "{records:?}");
        assert!(!records[1].pruning && records[2].pruning && records[1].sparsity < 1e-3);
        for weight in weights(&trainer) {
            let kept = weight.iter().filter(|w| **w != 0.0).count();
            assert_eq!(kept, (weight.len() as f64 * 0.1).round() as usize);
        }
    }

    /// Wherever a run is taken up again, it ends with the same bits.
    #[test]
    fn going_on_from_a_checkpoint_changes_nothing() {
        let mut whole = trainer();
        let folder = tempfile::tempdir().unwrap();
        let mut records = Vec::new();
        for epoch in 1..=4 {
            records.push(whole.epoch(|_| ()));
            whole.save_checkpoint(&folder.path().join(format!("{epoch}")), &records).unwrap();
        }
        for epoch in 1..4 {
            let mut taken_up = trainer();
            let mut again = taken_up.load_checkpoint(&folder.path().join(format!("{epoch}"))).unwrap();
            while taken_up.epochs_done() < 4 {
                again.push(taken_up.epoch(|_| ()));
            }
            assert_eq!(again, records);
            assert_eq!(weights(&taken_up), weights(&whole));
        }
    }
}
