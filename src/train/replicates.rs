//! Replicates in one pass: networks of one shape, each with its own seed, data order, dropout and pruning thresholds, their
//! weights stacked so that a step is one product a layer for all of them.
//!
//! A [`Trainer`] of each lends everything but the step: its tensors share the stack's memory, so that it is saved, looked at
//! and taken up again as if it were alone.

use super::adam::Adam;
use super::augmentation::Augmentation;
use super::normalize::normalize_neurons;
use super::prune::{Masks, mask_each};
use super::{Epoch, EpochRecord, Trainer};
use crate::nn::{DropoutMasks, Layer};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Runs of the same parameters but their seeds, on the same examples and after the same number of steps.
///
/// A replicate's result is that of its [`Trainer`] alone up to rounding, whoever is beside it: products of a stack are
/// added up in another order.
pub struct Replicates {
    trainers: Vec<Trainer>,
    stack: Option<Stack>,
}

/// What is computed for all at once; the first axis is the replicate.
struct Stack {
    /// Weight 0, bias 0, weight 1, …: `(R, d_out, d_in)` and `(R, d_out)`, requiring gradients.
    parameters: Vec<Tensor>,
    adam: Adam,
    /// Of an epoch in progress, `(R,)`: [`Epoch`]'s sums.
    sums: Option<[Tensor; 2]>,
}

impl Replicates {
    /// These runs; one alone is what its trainer makes of it, to the bit.
    ///
    /// # Panics
    ///
    /// If there is none, or if they are several and differ in more than their seeds, or [`Replicates::may_be`] refuses them.
    pub fn new(trainers: Vec<Trainer>) -> Self {
        let first = trainers.first().expect("at least one run");
        for other in &trainers[1..] {
            let alike = super::TrainParams { seed: first.params.seed, ..other.params.clone() } == first.params;
            assert!(alike && other.steps_done == first.steps_done, "replicates are alike, and equally far");
        }
        assert!(trainers.len() == 1 || Self::may_be(first), "these runs have no step in common");
        let mut replicates = Self { trainers, stack: None };
        if replicates.trainers.len() > 1 {
            replicates.stack();
        }
        replicates
    }

    /// Whether replicates of this run can be trained in one pass: those of dense networks whose images are not changed and
    /// whose penalties learn nothing.
    pub fn may_be(trainer: &Trainer) -> bool {
        let layers = trainer.network.architecture().layers();
        layers.iter().all(|layer| matches!(layer, Layer::Dense { .. } | Layer::Relu | Layer::Dropout { .. }))
            && trainer.params.augmentation == Augmentation::None
            && trainer.penalties.parameters().is_empty()
    }

    /// The runs, each as it is now.
    pub fn trainers(&self) -> &[Trainer] {
        &self.trainers
    }

    /// Does one step of every run. If it completes an epoch, evaluates the networks and returns their records.
    ///
    /// Nothing happens when the runs are finished.
    pub fn step(&mut self) -> Option<Vec<EpochRecord>> {
        let Some(mut stack) = self.stack.take() else { return self.trainers[0].step().map(|record| vec![record]) };
        let records = self.step_together(&mut stack);
        self.stack = Some(stack);
        records
    }

    fn step_together(&mut self, stack: &mut Stack) -> Option<Vec<EpochRecord>> {
        let first = &self.trainers[0];
        if first.is_finished() {
            return None;
        }
        let place = first.phases.at(first.steps_done);
        if place.pruning {
            self.prune(stack);
        }
        if stack.sums.is_none() {
            let device = self.trainers[0].device;
            let sums = [(); 2].map(|()| Tensor::zeros([self.trainers.len() as i64], (Kind::Double, device)));
            for (r, trainer) in self.trainers.iter_mut().enumerate() {
                let epoch = trainer.begin_epoch(place.epochs_done);
                trainer.epoch = Some(epoch.with_sums(sums.each_ref().map(|sum| sum.select(0, r as i64))));
            }
            stack.sums = Some(sums);
        }
        stack.adam.learning_rate = self.trainers[0].learning_rate();
        let (losses, right) = self.descend(stack, place.step);
        if let Some([loss_sum, right_sum]) = &mut stack.sums {
            let _ = loss_sum.g_add_(&losses);
            let _ = right_sum.g_add_(&right);
        }
        self.trainers.iter_mut().for_each(|trainer| trainer.steps_done += 1);
        if place.step + 1 < place.steps {
            return None;
        }
        stack.sums = None;
        self.trainers.iter_mut().for_each(Trainer::prune_at_epochs_end);
        let tests = self.evaluate(stack);
        let record = |(trainer, test): (&mut Trainer, (f64, Option<f64>))| {
            let epoch = trainer.epoch.take().expect("an epoch ends");
            trainer.record(&place, &epoch, test)
        };
        Some(self.trainers.iter_mut().zip(tests).map(record).collect())
    }

    /// Puts the runs' tensors into one memory, and lets them share it.
    fn stack(&mut self) {
        let all = |of: &dyn Fn(&Trainer) -> Vec<Tensor>| -> Vec<Tensor> {
            let each: Vec<Vec<Tensor>> = self.trainers.iter().map(of).collect();
            let stacked = |place: usize| Tensor::stack(&each.iter().map(|run| &run[place]).collect::<Vec<_>>(), 0);
            tch::no_grad(|| (0..each[0].len()).map(stacked).collect())
        };
        let parameters = all(&|run| run.network.parameters().into_iter().map(Tensor::detach).collect());
        let moments = |moments: &[Tensor]| moments.iter().map(Tensor::shallow_clone).collect();
        let [first, second] = [all(&|run| moments(&run.adam.first)), all(&|run| moments(&run.adam.second))];
        let masks = all(&|run| run.masks.iter().flat_map(|Masks(masks)| masks).map(Tensor::shallow_clone).collect());
        let sums = all(&|run| run.epoch.iter().flat_map(Epoch::sums).map(Tensor::shallow_clone).collect());

        let of_first = &self.trainers[0].adam;
        let adam = Adam { first, second, ..Adam::new(&[], of_first.learning_rate, of_first.epsilon) };
        let adam = Adam { steps: of_first.steps, ..adam };
        for (r, trainer) in self.trainers.iter_mut().enumerate() {
            let own = |tensor: &Tensor| tensor.select(0, r as i64).set_requires_grad(true);
            trainer.network.weights = parameters.iter().step_by(2).map(own).collect();
            trainer.network.biases = parameters.iter().skip(1).step_by(2).map(own).collect();
            if let [loss_sum, right] = &sums[..] {
                let sums = [loss_sum, right].map(|sum| sum.select(0, r as i64));
                trainer.epoch = trainer.epoch.take().map(|epoch| epoch.with_sums(sums));
            }
        }
        share_moments(&mut self.trainers, &adam);
        share_masks(&mut self.trainers, &masks);
        let parameters = parameters.into_iter().map(|tensor| tensor.set_requires_grad(true)).collect();
        let sums = sums.try_into().ok();
        self.stack = Some(Stack { parameters, adam, sums });
    }

    /// What comes before each step of the pruning phase, as [`Trainer`] does it.
    fn prune(&mut self, stack: &mut Stack) {
        let first = &self.trainers[0];
        let (step, _) = first.phases.in_phase(first.steps_done);
        if step == 0 {
            let parameters: Vec<&Tensor> = stack.parameters.iter().collect();
            stack.adam = Adam::new(&parameters, first.params.learning_rate, first.params.adam_epsilon);
            share_moments(&mut self.trainers, &stack.adam);
        }
        let first = &self.trainers[0];
        if step.is_multiple_of(first.prune_every) {
            let sparsity = first.params.pruning.sparsity(step, first.phases.pruning);
            let masks: Vec<Tensor> = stack.weights().map(|weight| mask_each(weight, sparsity)).collect();
            share_masks(&mut self.trainers, &masks);
            stack.apply(&masks);
        } else {
            self.trainers.iter_mut().for_each(Trainer::apply_masks);
        }
    }

    /// One step of Adam: losses and numbers classified rightly, `(R,)`.
    fn descend(&mut self, stack: &mut Stack, step: usize) -> (Tensor, Tensor) {
        let first = &self.trainers[0];
        let runs = self.trainers.len() as i64;
        let indices: Vec<&Tensor> =
            self.trainers.iter().flat_map(|run| &run.epoch).map(|epoch| &epoch.batches[step]).collect();
        let (input, targets) = first.train.batch(&Tensor::cat(&indices, 0));
        let masks = self.dropout(indices[0].numel());
        let output = stack.forward(&input.view([runs, indices[0].numel() as i64, -1]), &masks);
        let mut losses = losses(&output, &targets);
        let params = &first.params.penalties;
        if !params.are_decay() {
            let of_run = |(r, loss): (usize, Tensor)| {
                let weights: Vec<Tensor> = stack.weights().map(|weight| weight.select(0, r as i64)).collect();
                self.trainers[r].penalties.add_to(loss, &weights)
            };
            losses = Tensor::stack(&losses.unbind(0).into_iter().enumerate().map(of_run).collect::<Vec<_>>(), 0);
        }
        let parameters: Vec<&Tensor> = stack.parameters.iter().collect();
        let gradients = Tensor::run_backward(&[&losses.sum(Kind::Float)], &parameters, false, false);
        let mut losses = losses.detach();
        if params.are_decay() {
            let weights: Vec<Tensor> = stack.weights().map(Tensor::shallow_clone).collect();
            let of_weights: Vec<&Tensor> = gradients.iter().step_by(2).collect();
            losses += params.decay.add_gradients(&weights, &of_weights, true);
        } else {
            let of_run = |(r, trainer): (usize, &Trainer)| {
                let own: Vec<Tensor> = gradients.iter().step_by(2).map(|all| all.select(0, r as i64)).collect();
                let (weights, pruning) = (&trainer.network.weights, trainer.masks.is_some());
                let loss = losses.select(0, r as i64);
                trainer.penalties.add_gradients(loss, weights, &own.iter().collect::<Vec<_>>(), pruning)
            };
            losses = Tensor::stack(&self.trainers.iter().enumerate().map(of_run).collect::<Vec<_>>(), 0);
        }
        let decoupled =
            |trainer: &Trainer| trainer.penalties.decoupled(&trainer.network.weights, trainer.masks.is_some());
        let decoupled: Vec<_> = self.trainers.iter().map(decoupled).collect();
        stack.adam.step(&parameters, &gradients);
        for (r, (trainer, decoupled)) in self.trainers.iter().zip(decoupled).enumerate() {
            let Some(decoupled) = decoupled else { continue };
            decoupled.step(&trainer.network.weights, stack.adam.learning_rate);
            let _ = losses.select(0, r as i64).g_add_(&decoupled.value);
        }
        for trainer in &mut self.trainers {
            if trainer.params.hold_pruned || trainer.params.normalize_neurons {
                trainer.apply_masks();
            }
            if trainer.params.normalize_neurons {
                normalize_neurons(&trainer.network, &mut trainer.adam);
            }
        }
        (losses, right(&output.detach(), &targets))
    }

    /// Each run's own masks, `(R, batch, units)` at each layer that drops; none without dropout.
    fn dropout(&self, batch: usize) -> Vec<Tensor> {
        let first = &self.trainers[0];
        let rate = first.params.dropout;
        if rate == 0.0 {
            return Vec::new();
        }
        let (layers, step) = (first.network.architecture().dropouts(), first.steps_done as u64);
        let seeds: Vec<u64> = self.trainers.iter().map(|trainer| trainer.params.seed).collect();
        let draw = |seed: &u64| DropoutMasks::draw(&layers, batch, rate, *seed, step, Device::Cpu);
        let each: Vec<DropoutMasks> = seeds.par_iter().map(draw).collect();
        let at = |layer: usize| {
            Tensor::stack(&each.iter().map(|masks| masks.at(layer)).collect::<Vec<_>>(), 0).to_device(first.device)
        };
        (0..layers.len()).map(at).collect()
    }

    /// Loss and accuracy of each on the test set.
    fn evaluate(&self, stack: &Stack) -> Vec<(f64, Option<f64>)> {
        let (test, runs) = (&self.trainers[0].test, self.trainers.len() as i64);
        let values = |tensor: Tensor| Vec::<f64>::try_from(&tensor).unwrap_or_default();
        tch::no_grad(|| {
            let zeros = || Tensor::zeros([runs], (Kind::Double, self.trainers[0].device));
            let [mut sum, mut correct] = [zeros(), zeros()];
            for (inputs, targets) in test.in_order(1000) {
                let output = stack.forward(&inputs.unsqueeze(0).expand([runs, -1, -1], false), &[]);
                let targets_of_all = Tensor::cat(&vec![&targets; runs as usize], 0);
                sum += losses(&output, &targets_of_all) * targets.size()[0] as f64;
                correct += right(&output, &targets_of_all);
            }
            let n = test.len() as f64;
            let accuracy = |correct: f64| test.are_classified().then_some(correct / n);
            values(sum).into_iter().zip(values(correct)).map(|(sum, correct)| (sum / n, accuracy(correct))).collect()
        })
    }
}

impl Stack {
    fn weights(&self) -> impl Iterator<Item = &Tensor> {
        self.parameters.iter().step_by(2)
    }

    /// Sets the cut weights to zero.
    fn apply(&self, masks: &[Tensor]) {
        tch::no_grad(|| self.weights().zip(masks).for_each(|(weight, mask)| drop(weight.detach().g_mul_(mask))));
    }

    /// `(R, batch, outputs)` of inputs `(R, batch, numbers of an example)`; `masks` as [`Replicates::dropout`] has them.
    fn forward(&self, input: &Tensor, masks: &[Tensor]) -> Tensor {
        let layers = self.parameters.len() / 2;
        self.parameters.chunks(2).enumerate().fold(input.shallow_clone(), |x, (layer, own)| {
            let y = own[1].unsqueeze(1).baddbmm(&x, &own[0].transpose(1, 2), 1.0, 1.0);
            if layer + 1 == layers {
                return y;
            }
            match masks.get(layer) {
                Some(mask) => y.relu() * mask,
                None => y.relu(),
            }
        })
    }
}

/// Lets each run's moments be its part of these.
fn share_moments(trainers: &mut [Trainer], adam: &Adam) {
    for (r, trainer) in trainers.iter_mut().enumerate() {
        let own = |all: &[Tensor]| all.iter().map(|moment| moment.select(0, r as i64)).collect();
        (trainer.adam.first, trainer.adam.second) = (own(&adam.first), own(&adam.second));
    }
}

/// The same of masks, if there are any.
fn share_masks(trainers: &mut [Trainer], masks: &[Tensor]) {
    for (r, trainer) in trainers.iter_mut().enumerate().filter(|_| !masks.is_empty()) {
        trainer.masks = Some(Masks(masks.iter().map(|mask| mask.select(0, r as i64)).collect()));
    }
}

/// Cross-entropy of logits `(R, batch, classes)` with classes `(R batch,)`, or mean squared error: `(R,)`.
fn losses(output: &Tensor, targets: &Tensor) -> Tensor {
    let [runs, batch, outputs] = [0, 1, 2].map(|axis| output.size()[axis]);
    let each = match targets.kind() {
        Kind::Int64 => {
            let weight: Option<Tensor> = None;
            let flat = output.reshape([runs * batch, outputs]);
            flat.cross_entropy_loss(targets, weight, tch::Reduction::None, -100, 0.0).view([runs, batch])
        }
        _ => (output - targets.view_as(output)).square().flatten(1, -1),
    };
    each.mean_dim(1, false, Kind::Float)
}

/// Numbers of examples classified rightly, `(R,)`, f64; 0 in a regression.
fn right(output: &Tensor, targets: &Tensor) -> Tensor {
    let [runs, batch] = [0, 1].map(|axis| output.size()[axis]);
    match targets.kind() {
        Kind::Int64 => {
            output.argmax(-1, false).eq_tensor(&targets.view([runs, batch])).sum_dim_intlist(1, false, Kind::Double)
        }
        _ => Tensor::zeros([runs], (Kind::Double, output.device())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{bits, dataset, finish, small};
    use super::super::learning_rate::LearningRateSchedule;
    use super::super::length::Length::{self, Epochs, Steps};
    use super::super::{TrainParams, Trainer};
    use super::*;
    use crate::nn::Preset;
    use crate::penalty::decay::{Decay, L2Convention};
    use crate::penalty::{PenaltyParams, PenaltyStep};

    /// 50 examples in 7 steps an epoch; two hidden layers.
    fn trainers(seeds: &[u64], lengths: [Length; 3], change: fn(TrainParams) -> TrainParams) -> Vec<Trainer> {
        let params = small(lengths[0], lengths[1], lengths[2]).params;
        let network = Preset::Mlp { hidden: vec![24, 20] };
        let params = change(TrainParams { network, augmentation: Augmentation::None, ..params });
        let trainer = |&seed: &u64| Trainer::new(TrainParams { seed, ..params.clone() }, &dataset(), 50, Device::Cpu);
        seeds.iter().map(trainer).collect()
    }

    fn decayed(params: TrainParams) -> TrainParams {
        let decay = Decay { l1: 1e-4, l2: 1e-3, l2_convention: L2Convention::Authors, l4: 1e-6 };
        let none = PenaltyParams { eigenvalues: 0.0, loops: 0.0, soft_ncut: 0.0, ..params.penalties };
        let penalties =
            PenaltyParams { decay, block_share: 0.0, block_share_pruning: 0.0, soft_modularity: 0.0, ..none };
        TrainParams { penalties, normalize_neurons: false, ..params }
    }

    /// Every penalty that has no parameters, and the normalisation of neurons.
    fn penalised(params: TrainParams) -> TrainParams {
        let decay = Decay { l4: 1e-6, ..params.penalties.decay };
        let penalties = PenaltyParams { decay, soft_ncut: 0.0, soft_modularity: 0.0, ..params.penalties };
        TrainParams { penalties, ..params }
    }

    /// So strong that each step is seen: with [`penalised`]'s strengths no weight moves by 1e-4.
    fn decoupled(params: TrainParams) -> TrainParams {
        let params = penalised(params);
        let PenaltyParams { eigenvalues, loops, block_share, block_share_pruning, .. } = params.penalties;
        let [eigenvalues, loops, block_share, block_share_pruning] =
            [eigenvalues, loops, block_share, block_share_pruning].map(|weight| weight * 300.0);
        let penalties = PenaltyParams {
            step: PenaltyStep::Decoupled,
            eigenvalues,
            loops,
            block_share,
            block_share_pruning,
            ..params.penalties
        };
        TrainParams { penalties, ..params }
    }

    fn held(params: TrainParams) -> TrainParams {
        TrainParams { hold_pruned: true, learning_rate_schedule: LearningRateSchedule::Cosine, ..decayed(params) }
    }

    fn finish_together(replicates: &mut Replicates) -> Vec<Vec<EpochRecord>> {
        let is_left = |replicates: &Replicates| !replicates.trainers()[0].is_finished();
        std::iter::from_fn(|| is_left(replicates).then(|| replicates.step())).flatten().collect()
    }

    /// Training alone is the oracle. A weight on the threshold may fall to the other side of it by rounding.
    #[test]
    fn each_is_what_it_is_alone() {
        for change in [decayed, penalised, decoupled, held] {
            for lengths in [[Epochs(2), Epochs(2), Steps(3)], [Steps(10), Steps(4), Steps(2)]] {
                let seeds = [11, 3, 8];
                let mut together = Replicates::new(trainers(&seeds, lengths, change));
                let records = finish_together(&mut together);
                for (r, mut alone) in trainers(&seeds, lengths, change).into_iter().enumerate() {
                    let expected = finish(&mut alone);
                    assert_eq!(records.len(), expected.len());
                    for (found, expected) in records.iter().map(|of_epoch| &of_epoch[r]).zip(&expected) {
                        assert!((found.loss - expected.loss).abs() < 1e-3, "{found:?}, {expected:?}");
                        assert!((found.test_loss - expected.test_loss).abs() < 1e-3, "{found:?}, {expected:?}");
                        assert_eq!((found.epoch, found.pruning), (expected.epoch, expected.pruning));
                        assert!((found.accuracy.unwrap() - expected.accuracy.unwrap()).abs() < 0.021);
                        assert!((found.sparsity - expected.sparsity).abs() < 1e-3);
                    }
                    let parameters = together.trainers()[r].network.parameters();
                    for (found, expected) in parameters.into_iter().zip(alone.network.parameters()) {
                        let off = (found - expected).abs().gt(1e-4).sum(Kind::Int64).int64_value(&[]);
                        assert!(off <= 2, "{off} of {} differ", found.numel());
                    }
                }
            }
        }
    }

    #[test]
    fn goes_on_from_the_checkpoints_of_each() {
        let lengths = [Epochs(2), Epochs(2), Steps(3)];
        for stop_after in [3, 14, 18] {
            let mut through = Replicates::new(trainers(&[1, 2], lengths, penalised));
            finish_together(&mut through);
            let mut stopped = Replicates::new(trainers(&[1, 2], lengths, penalised));
            let mut records = Vec::new();
            (0..stop_after).for_each(|_| records.extend(stopped.step()));
            let directory = tempfile::tempdir().unwrap();
            let path = |r: usize| directory.path().join(format!("{r}"));
            for (r, trainer) in stopped.trainers().iter().enumerate() {
                let own: Vec<EpochRecord> = records.iter().map(|of_epoch| of_epoch[r].clone()).collect();
                trainer.save_checkpoint(&path(r), &own, 0.0).unwrap();
            }
            let mut fresh = trainers(&[1, 2], lengths, penalised);
            for (r, trainer) in fresh.iter_mut().enumerate() {
                trainer.load_checkpoint(&path(r)).unwrap();
            }
            let mut resumed = Replicates::new(fresh);
            finish_together(&mut resumed);
            for (through, resumed) in through.trainers().iter().zip(resumed.trainers()) {
                assert_eq!(bits(through), bits(resumed), "stopped after {stop_after}");
            }
        }
    }
}
