//! Small runs for tests.

use super::adam;
use super::augmentation::Augmentation;
use super::learning_rate::LearningRateSchedule;
use super::length::Length;
use super::prune::{Masks, PruningSchedule};
use super::{EpochRecord, TrainParams, Trainer, parameters};
use crate::data::{Dataset, Inputs, Split, Targets};
use crate::nn::clusterable_init::{ClusterableInit, TaggedLayers};
use crate::nn::tags::TagSizes;
use crate::nn::{Precision, Preset};
use crate::penalty::block_share::{Layers, Power, Total};
use crate::penalty::decay::Decay;
use crate::penalty::eigenvalues::EigenSolver;
use crate::penalty::loops::Root;
use crate::penalty::{LoopFlatten, LoopPenalty, PenaltyLayers, PenaltyParams, PenaltyStep};
use std::iter::from_fn;
use tch::{Device, Tensor};

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
            step: PenaltyStep::Adam,
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
    let penalties = PenaltyParams { loop_penalty: LoopPenalty::AsCoded, loop_target: None, ..params.penalties.clone() };
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
    let none = PenaltyParams { eigenvalues: 0.0, loops: 0.0, soft_ncut: 0.0, soft_modularity: 0.0, ..params.penalties };
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
        Split { inputs: Inputs::Pixels(pixels), targets: Targets::Classes(classes), channels: 3, height: 32, width: 32 }
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
