use super::fixtures::{bits, dataset, finish, small};
use super::learning_rate::LearningRateSchedule;
use super::*;
use crate::data::{Inputs, Split, Targets};
use crate::penalty::PenaltyStep;
use crate::penalty::decay::Decay;
use std::iter::from_fn;

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

/// (1 + cos π t) / 2 of each step's rate, at t = 13 / 14 of a phase a hundredth of what it began with.
#[test]
fn a_falling_learning_rate_ends_in_small_steps() {
    for (schedule, falls) in [(LearningRateSchedule::Constant, false), (LearningRateSchedule::Cosine, true)] {
        let params = small(Length::Epochs(2), Length::Epochs(0), Length::Steps(3)).params;
        let params = TrainParams { learning_rate_schedule: schedule, normalize_neurons: false, ..params };
        let mut trainer = Trainer::new(params, &dataset(), 50, Device::Cpu);
        let mut largest = Vec::new();
        while !trainer.is_finished() {
            let before = trainer.network.weights[0].copy();
            trainer.step();
            largest.push((&before - &trainer.network.weights[0]).abs().max().double_value(&[]));
        }
        // Adam's steps are about as large as the rate
        assert!((2e-3..4e-3).contains(&largest[0]), "{largest:?}");
        assert_eq!(largest[13] < 1e-4, falls, "{largest:?}");
    }
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
    let none = PenaltyParams { eigenvalues: 0.0, loops: 0.0, soft_ncut: 0.0, soft_modularity: 0.0, ..params.penalties };
    let params = TrainParams { hold_pruned, normalize_neurons: false, penalties: none, learning_rate: 0.05, ..params };
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
                let sums = w
                    .iter()
                    .zip(b)
                    .map(|(row, &b)| f64::from(b) + row.iter().zip(&x).map(|(&w, x)| f64::from(w) * x).sum::<f64>());
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
        let place = [trainer.steps_done(), trainer.epochs_done(), trainer.step_in_epoch(), trainer.steps_in_epoch()];
        (!trainer.is_finished()).then(|| trainer.step()).map(|_| place)
    })
    .collect();
    assert_eq!(places[..2], [[0, 0, 0, 7], [1, 0, 1, 7]]);
    assert_eq!(places[6..], [[6, 0, 6, 7], [7, 1, 0, 2], [8, 1, 1, 2], [9, 2, 0, 1]]);
    assert_eq!((trainer.epochs_done(), trainer.step_in_epoch(), trainer.steps_in_epoch()), (3, 0, 0));
}

/// A step with penalties beside Adam is one without, less the learning rate times the gradient that penalties in the loss add
/// to it. What is learnt by a penalty itself goes through Adam in both.
#[test]
fn decoupled_penalties_move_weights_by_their_gradient() {
    let params = small(Length::Epochs(1), Length::Epochs(1), Length::Steps(3)).params;
    let stepped = |penalties: PenaltyParams| {
        let params = TrainParams { penalties, normalize_neurons: false, learning_rate: 1.0, ..params.clone() };
        let mut trainer = Trainer::new(params, &dataset(), 50, Device::Cpu);
        let before: Vec<Tensor> = trainer.network.weights.iter().map(|weight| weight.detach().copy()).collect();
        trainer.step();
        (trainer, before)
    };
    let of = params.penalties.clone();
    let coupled = PenaltyParams { decay: Decay::default(), ..of.clone() };
    let zeroes = PenaltyParams { eigenvalues: 0.0, loops: 0.0, block_share: 0.0, ..of.clone() };
    let (plain, before) =
        stepped(PenaltyParams { block_share_pruning: 0.0, soft_ncut: 0.0, soft_modularity: 0.0, ..zeroes });
    let (decoupled, _) = stepped(PenaltyParams { step: PenaltyStep::Decoupled, ..of });

    // the same network, with its penalties in the loss
    let fresh = Trainer::new(TrainParams { penalties: coupled, ..params.clone() }, &dataset(), 50, Device::Cpu);
    let loss = fresh.penalties.add_to(Tensor::zeros([], (Kind::Float, Device::Cpu)), &fresh.network.weights);
    let gradients = Tensor::run_backward(&[&loss], &fresh.network.weights, false, false);
    let borrowed: Vec<&Tensor> = gradients.iter().collect();
    let _ = fresh.penalties.add_gradients(loss.detach(), &fresh.network.weights, &borrowed, false);
    for (layer, gradient) in gradients.iter().enumerate() {
        assert!(before[layer].equal(&fresh.network.weights[layer]));
        let moved = &plain.network.weights[layer] - &decoupled.network.weights[layer];
        let off = (moved - gradient).abs().max().double_value(&[]);
        let largest = gradient.abs().max().double_value(&[]);
        // weights are about 1 after so long a step, and rounded
        assert!(largest > 5e-5 && off < 5e-7, "layer {layer}: {off} of {largest}");
    }
    let [in_the_loss, beside] = [PenaltyStep::Adam, PenaltyStep::Decoupled].map(|step| {
        let (trainer, _) = stepped(PenaltyParams { step, ..params.penalties.clone() });
        trainer.penalties.parameters().iter().map(|logits| logits.detach().copy()).collect::<Vec<_>>()
    });
    assert!(!beside.is_empty() && in_the_loss.iter().zip(&beside).all(|(a, b)| a.equal(b)));
}
