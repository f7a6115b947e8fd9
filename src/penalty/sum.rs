//! All penalties of a run together.

use super::block_share::{BlockShare, Layers, Power, Total};
use super::closed_walks::{effective_modules, loops_normalised, off_target, volume_modules};
use super::decay::Decay;
use super::eigenvalues::{EigenSolver, EigenvaluePenalty};
use super::loops::{LoopKind, Root, loops};
use super::soft_partition::{soft_modularity, soft_ncut};
use crate::nn::tags::Tags;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// What `loop_penalty` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoopPenalty {
    /// [`LoopKind::Loops`].
    Loops,
    /// [`LoopKind::LoopsAbs`].
    LoopsAbs,
    /// [`LoopKind::LoopsNondegenerate`].
    LoopsNondegenerate,
    /// [`LoopKind::LoopsAbsNondegenerate`].
    LoopsAbsNondegenerate,
    /// [`LoopKind::Butterflies`].
    Butterflies,
    /// [`LoopKind::ReadmeLiteral`].
    ReadmeLiteral,
    /// [`LoopKind::AsCoded`].
    AsCoded,
    /// [`loops_normalised`].
    LoopsNormalised,
    /// [`effective_modules`], tr(S⁴) / 2.
    TraceS4,
    /// [`volume_modules`].
    VolumeModules,
}

impl LoopPenalty {
    /// The count, to be increased; `root` concerns those of the seed alone.
    fn count(self, weights: &[Tensor], root: Root) -> Tensor {
        let of = |kind| loops(weights, kind, root);
        match self {
            Self::Loops => of(LoopKind::Loops),
            Self::LoopsAbs => of(LoopKind::LoopsAbs),
            Self::LoopsNondegenerate => of(LoopKind::LoopsNondegenerate),
            Self::LoopsAbsNondegenerate => of(LoopKind::LoopsAbsNondegenerate),
            Self::Butterflies => of(LoopKind::Butterflies),
            Self::ReadmeLiteral => of(LoopKind::ReadmeLiteral),
            Self::AsCoded => of(LoopKind::AsCoded),
            Self::LoopsNormalised => loops_normalised(weights),
            Self::TraceS4 => effective_modules(weights),
            Self::VolumeModules => volume_modules(weights),
        }
    }
}

/// Weights and variants of all penalties; a weight of 0 leaves one out.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyParams {
    /// Decay of single weights.
    pub decay: Decay,
    /// Weight of [`EigenvaluePenalty`].
    pub eigenvalues: f64,
    /// Its number of eigenvalues.
    pub eigenvalue_count: usize,
    /// Its way.
    pub eigen_solver: EigenSolver,
    /// Weight of a count of loops, which is subtracted, or of the square of its distance from a target.
    pub loops: f64,
    /// What is counted.
    pub loop_penalty: LoopPenalty,
    /// Whether the loss has the root of the seed's counts.
    pub loop_root: Root,
    /// The target, if there is one.
    pub loop_target: Option<f64>,
    /// Weight of [`BlockShare`] over the network's tags, before pruning.
    pub block_share: f64,
    /// The same while weights are pruned: pruning itself cuts what is left between blocks, so that less does.
    pub block_share_pruning: f64,
    /// The matrices that it looks at.
    pub block_share_layers: Layers,
    /// What a weight counts there.
    pub block_share_power: Power,
    /// What the total is to its gradient.
    pub block_share_total: Total,
    /// Weight of [`soft_ncut`].
    pub soft_ncut: f64,
    /// Its price on unequal volumes.
    pub soft_balance: f64,
    /// Weight of [`soft_modularity`].
    pub soft_modularity: f64,
}

/// What is added to the loss, with what it learns and remembers from step to step.
#[derive(Debug)]
pub struct Penalties {
    params: PenaltyParams,
    eigenvalues: Option<EigenvaluePenalty>,
    block_share: Option<BlockShare>,
    /// Of the soft partitions, `(neurons, tags)` for each layer of neurons, requiring gradients; none without one.
    logits: Vec<Tensor>,
}

/// How much of a neuron a soft partition gives to its tag at first: e² to 1 against each other part.
const FIRST_LOGIT: f64 = 2.0;

impl Penalties {
    /// Of networks whose neurons have these tags. Nothing is learnt or remembered yet.
    pub fn new(params: PenaltyParams, tags: &Tags, device: Device) -> Self {
        let widths: Vec<usize> = tags.of.iter().map(Vec::len).collect();
        let eigenvalues = (params.eigenvalues > 0.0)
            .then(|| EigenvaluePenalty::new(&widths, params.eigenvalue_count, params.eigen_solver));
        let of = tags.tensors(device);
        let block_share = (params.block_share > 0.0 || params.block_share_pruning > 0.0).then(|| {
            let PenaltyParams { block_share_layers, block_share_power, block_share_total, .. } = params;
            BlockShare::new(&of, block_share_layers, block_share_power, block_share_total, device)
        });
        let soft = params.soft_ncut > 0.0 || params.soft_modularity > 0.0;
        let logits = |tags: &Tensor, count: usize| {
            (tags.one_hot(count as i64).to_kind(Kind::Float) * FIRST_LOGIT).set_requires_grad(true)
        };
        let logits = of.iter().filter(|_| soft).map(|of| logits(of, tags.count)).collect();
        Self { params, eigenvalues, block_share, logits }
    }

    /// `loss` with the penalties on `weights`, `(d_out, d_in)` each, added; but for those of
    /// [`Penalties::add_gradients`].
    pub fn add_to(&self, loss: Tensor, weights: &[Tensor]) -> Tensor {
        let params = &self.params;
        let mut loss = params.decay.add_to(loss, weights);
        if let Some(sum) = self.eigenvalues.as_ref().and_then(|eigenvalues| eigenvalues.differentiable(weights)) {
            loss = &loss + sum * params.eigenvalues;
        }
        if params.loops > 0.0 {
            let count = params.loop_penalty.count(weights, params.loop_root);
            let penalty = match params.loop_target {
                Some(target) => off_target(&count, target),
                None => -count,
            };
            loss = &loss + penalty * params.loops;
        }
        if params.soft_ncut > 0.0 {
            loss = &loss + soft_ncut(weights, &self.logits, params.soft_balance) * params.soft_ncut;
        }
        if params.soft_modularity > 0.0 {
            loss = &loss + soft_modularity(weights, &self.logits) * params.soft_modularity;
        }
        loss
    }

    /// Adds to `gradients`, one of each weight's shape, in place, those of the penalties that have them in closed form, and
    /// returns `loss` with their values added. `pruning`: whether weights are being pruned.
    pub fn add_gradients(&self, loss: Tensor, weights: &[Tensor], gradients: &[&Tensor], pruning: bool) -> Tensor {
        let mut loss = loss;
        if let Some(eigenvalues) = &self.eigenvalues {
            let weight = self.params.eigenvalues;
            loss += eigenvalues.add_gradients(weights, gradients, weight) * weight;
        }
        let weight = if pruning { self.params.block_share_pruning } else { self.params.block_share };
        match &self.block_share {
            Some(share) if weight > 0.0 => loss + share.add_gradients(weights, gradients, weight) * weight,
            _ => loss,
        }
    }

    /// What is learnt, to be moved along its gradients.
    pub fn parameters(&self) -> Vec<&Tensor> {
        self.logits.iter().collect()
    }

    /// Names of [`Penalties::parameters`].
    pub fn parameter_names(&self) -> Vec<String> {
        (0..self.logits.len()).map(|layer| format!("partition.{layer}.logits")).collect()
    }

    /// What is remembered, by name, sharing its memory: part of the state of training.
    pub fn memory(&self) -> Vec<(&'static str, Tensor)> {
        self.eigenvalues.iter().flat_map(EigenvaluePenalty::memory).collect()
    }
}
