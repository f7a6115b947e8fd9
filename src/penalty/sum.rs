//! All penalties of a run together.

use super::block_share::{BlockShare, Layers, Power, Total};
use super::closed_walks::{effective_modules, loops_normalised, off_target, volume_modules};
use super::decay::Decay;
use super::eigenvalues::{EigenSolver, EigenvaluePenalty};
use super::loops::{Chain, LoopKind, Root, loops_of_chains};
use super::soft_partition::{soft_modularity, soft_ncut};
use crate::nn::channels::{Reduction, matrices, matrix};
use crate::nn::tags::Tags;
use serde::{Deserialize, Serialize};
use std::ops::Range;
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

/// What becomes of a chain of layers where images are flattened, between convolutions and dense layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopFlatten {
    /// It is cut: no loop goes through the flattening, and the dense layer behind it reads pixels. AI-RG's.
    Cut,
    /// It goes on: the weights of the dense layer are summed over each channel's pixels.
    Fold,
}

/// Which layers of a convolutional network the penalties on its graph see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyLayers {
    /// Every one, dense ones and the image's channels too.
    All,
    /// Convolutions but for the first, between whose channels the paper's graph is.
    Convolutions,
}

/// How the gradients of penalties on the graph move the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyStep {
    /// They are added to the loss's, and Adam divides their sum by its size: where the loss has no gradient, as at pixels that are
    /// always dark, the least penalty moves a weight as far as a large loss moves others. The paper's.
    Adam,
    /// w ← w − α ∂penalty/∂w beside Adam's step, α its learning rate: a weight moves as far as the penalty's gradient says.
    ///
    /// # References
    ///
    /// * I. Loshchilov, F. Hutter (2019), *Decoupled weight decay regularization*, algorithm 2, which does so with Σw².
    Decoupled,
}

impl PenaltyLayers {
    /// Numbers of the layers with a weight, of a network that begins with so many `convolutions` and has so many `layers`.
    pub fn range(self, convolutions: usize, layers: usize) -> Range<usize> {
        match self {
            Self::All => 0..layers,
            Self::Convolutions => 1..convolutions.max(1),
        }
    }
}

impl LoopPenalty {
    /// Whether it is of the graph's S, not of AI-RG's counts.
    pub fn is_normalised(self) -> bool {
        matches!(self, Self::LoopsNormalised | Self::TraceS4 | Self::VolumeModules)
    }

    /// How several weights between two channels are one: as in AI-RG's code, unless weights are counted by magnitude.
    fn reduction(self) -> Reduction {
        match self {
            Self::Loops | Self::LoopsNondegenerate | Self::ReadmeLiteral | Self::AsCoded => Reduction::Signed,
            Self::LoopsAbs | Self::LoopsAbsNondegenerate | Self::Butterflies => Reduction::Magnitude,
            Self::LoopsNormalised | Self::TraceS4 | Self::VolumeModules => Reduction::Magnitude,
        }
    }

    /// How many pairs of layers, or layers, its count sums over, of a chain of so many `layers` that begins with so many
    /// `convolutions`.
    pub fn terms(self, convolutions: usize, layers: usize, flatten: LoopFlatten) -> usize {
        let pairs = |layers: usize| layers.saturating_sub(1);
        match self {
            Self::Butterflies | Self::TraceS4 => layers,
            Self::LoopsNormalised | Self::VolumeModules => pairs(layers),
            _ if flatten == LoopFlatten::Fold => pairs(layers),
            _ => pairs(convolutions) + pairs(layers - convolutions),
        }
    }

    /// The count, to be increased, of a network whose node sets have these sizes; `root` and `flatten` concern AI-RG's alone.
    fn count(self, weights: &[Tensor], channels: &[usize], root: Root, flatten: LoopFlatten) -> Tensor {
        let of = |kind| loops_of_chains(&chains(weights, channels, self.reduction(), flatten), kind, root);
        let whole = || matrices(weights, channels, self.reduction());
        match self {
            Self::Loops => of(LoopKind::Loops),
            Self::LoopsAbs => of(LoopKind::LoopsAbs),
            Self::LoopsNondegenerate => of(LoopKind::LoopsNondegenerate),
            Self::LoopsAbsNondegenerate => of(LoopKind::LoopsAbsNondegenerate),
            Self::Butterflies => of(LoopKind::Butterflies),
            Self::ReadmeLiteral => of(LoopKind::ReadmeLiteral),
            Self::AsCoded => of(LoopKind::AsCoded),
            Self::LoopsNormalised => loops_normalised(&whole()),
            Self::TraceS4 => effective_modules(&whole()),
            Self::VolumeModules => volume_modules(&whole()),
        }
    }
}

/// The chains of matrices between nodes that a network is.
fn chains(weights: &[Tensor], channels: &[usize], reduction: Reduction, flatten: LoopFlatten) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for (layer, (weight, &channels)) in weights.iter().zip(channels).enumerate() {
        let flattened = layer > 0 && weight.dim() < weights[layer - 1].dim();
        let begins = flatten == LoopFlatten::Cut && flattened;
        let between = if begins { weight.shallow_clone() } else { matrix(weight, channels, reduction) };
        match chains.last_mut().filter(|_| !begins) {
            Some(chain) => chain.weights.push(between),
            None => chains.push(Chain { weights: vec![between], image_channels: begins.then_some(channels) }),
        }
    }
    chains
}

/// Weights and variants of all penalties; a weight of 0 leaves one out.
#[derive(Debug, Clone, PartialEq)]
pub struct PenaltyParams {
    /// Decay of single weights.
    pub decay: Decay,
    /// The layers that all others see.
    pub layers: PenaltyLayers,
    /// How all others move the weights.
    pub step: PenaltyStep,
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
    /// Whether the loss has the root of AI-RG's counts.
    pub loop_root: Root,
    /// Where chains of layers end for AI-RG's counts.
    pub loop_flatten: LoopFlatten,
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

impl PenaltyParams {
    /// Whether nothing is added to the loss but decay.
    pub fn are_decay(&self) -> bool {
        let Self { eigenvalues, loops, block_share, block_share_pruning, soft_ncut, soft_modularity, .. } = *self;
        let others = [eigenvalues, loops, block_share, block_share_pruning, soft_ncut, soft_modularity];
        others.iter().all(|weight| *weight == 0.0)
    }
}

/// What is added to the loss, with what it learns and remembers from step to step.
#[derive(Debug)]
pub struct Penalties {
    params: PenaltyParams,
    /// Numbers of the layers with a weight that penalties on the graph see.
    layers: Range<usize>,
    /// Sizes of the node sets that these layers join, in order.
    channels: Vec<usize>,
    eigenvalues: Option<EigenvaluePenalty>,
    block_share: Option<BlockShare>,
    /// Of the soft partitions, `(neurons, tags)` for each layer of neurons, requiring gradients; none without one.
    logits: Vec<Tensor>,
}

/// The gradient of decoupled penalties, and what they come to.
#[derive(Debug)]
pub struct DecoupledGradient {
    /// The penalties, a scalar.
    pub value: Tensor,
    /// Of each weight's shape.
    of_weights: Vec<Tensor>,
    /// With respect to [`Penalties::parameters`].
    pub of_parameters: Vec<Tensor>,
}

impl DecoupledGradient {
    /// Moves `weights` by `rate` times it, downwards.
    pub fn step(&self, weights: &[Tensor], rate: f64) {
        tch::no_grad(|| {
            for (weight, gradient) in weights.iter().zip(&self.of_weights) {
                let _ = weight.detach().g_sub_(&(gradient * rate));
            }
        });
    }
}

/// How much of a neuron a soft partition gives to its tag at first: e² to 1 against each other part.
const FIRST_LOGIT: f64 = 2.0;

impl Penalties {
    /// Of networks whose neurons and channels have these tags, and whose weights have these shapes. Starts with no
    /// optimiser or solver state.
    pub fn new(params: PenaltyParams, tags: &Tags, shapes: &[Vec<i64>], device: Device) -> Self {
        let convolutions = shapes.iter().take_while(|shape| shape.len() == 4).count();
        let layers = params.layers.range(convolutions, shapes.len());
        let widths: Vec<usize> = tags.of[layers.start..=layers.end].iter().map(Vec::len).collect();
        let eigenvalues = (params.eigenvalues > 0.0)
            .then(|| EigenvaluePenalty::new(&widths, params.eigenvalue_count, params.eigen_solver));
        let of = tags.tensors(device).drain(layers.start..=layers.end).collect::<Vec<_>>();
        let block_share = (params.block_share > 0.0 || params.block_share_pruning > 0.0).then(|| {
            let PenaltyParams { block_share_layers, block_share_power, block_share_total, .. } = params;
            BlockShare::new(
                &of,
                &shapes[layers.clone()],
                block_share_layers,
                block_share_power,
                block_share_total,
                device,
            )
        });
        let soft = params.soft_ncut > 0.0 || params.soft_modularity > 0.0;
        let logits = |tags: &Tensor, count: usize| {
            (tags.one_hot(count as i64).to_kind(Kind::Float) * FIRST_LOGIT).set_requires_grad(true)
        };
        let logits = of.iter().filter(|_| soft).map(|of| logits(of, tags.count)).collect();
        Self { params, layers, channels: widths, eigenvalues, block_share, logits }
    }

    /// `loss` with the penalties on `weights` added; but for those of [`Penalties::add_gradients`] and decoupled ones.
    ///
    /// They see matrices between nodes ([`crate::nn::channels`]).
    pub fn add_to(&self, loss: Tensor, weights: &[Tensor]) -> Tensor {
        match self.params.step {
            PenaltyStep::Adam => self.add_differentiable(loss, weights),
            PenaltyStep::Decoupled => loss,
        }
    }

    /// Adds to `gradients`, one of each weight's shape, in place, those of the penalties that have them in closed form, and
    /// returns `loss` with their values added; but for decoupled ones. `pruning`: whether weights are being pruned.
    pub fn add_gradients(&self, loss: Tensor, weights: &[Tensor], gradients: &[&Tensor], pruning: bool) -> Tensor {
        let loss = loss + self.params.decay.add_gradients(weights, gradients, false);
        match self.params.step {
            PenaltyStep::Adam => self.add_closed_forms(loss, weights, gradients, pruning),
            PenaltyStep::Decoupled => loss,
        }
    }

    /// What [`DecoupledGradient::step`] takes, unless the penalties go through Adam or there are none but decay.
    pub fn decoupled(&self, weights: &[Tensor], pruning: bool) -> Option<DecoupledGradient> {
        if self.params.step == PenaltyStep::Adam || self.params.are_decay() {
            return None;
        }
        let weights: Vec<Tensor> = weights.iter().map(|weight| weight.detach().set_requires_grad(true)).collect();
        let value = self.add_differentiable(Tensor::zeros([], (weights[0].kind(), weights[0].device())), &weights);
        let inputs: Vec<&Tensor> = weights.iter().chain(&self.logits).collect();
        let found = if value.requires_grad() { Tensor::run_backward(&[&value], &inputs, false, false) } else { vec![] };
        let mut found = found.into_iter();
        // none of a weight that no penalty looks at
        let mut gradient_of =
            |input: &&Tensor| found.next().filter(Tensor::defined).unwrap_or_else(|| input.detach().zeros_like());
        let of_weights: Vec<Tensor> = inputs[..weights.len()].iter().map(&mut gradient_of).collect();
        let of_parameters = inputs[weights.len()..].iter().map(gradient_of).collect();
        let value = self.add_closed_forms(value.detach(), &weights, &of_weights.iter().collect::<Vec<_>>(), pruning);
        Some(DecoupledGradient { value, of_weights, of_parameters })
    }

    /// `loss` with the penalties that torch differentiates.
    fn add_differentiable(&self, loss: Tensor, weights: &[Tensor]) -> Tensor {
        let params = &self.params;
        let mut loss = loss;
        let weights = &weights[self.layers.clone()];
        let magnitudes = || matrices(weights, &self.channels, Reduction::Magnitude);
        if let Some(sum) = self.eigenvalues.as_ref().and_then(|eigenvalues| eigenvalues.differentiable(&magnitudes())) {
            loss = &loss + sum * params.eigenvalues;
        }
        if params.loops > 0.0 {
            let count = params.loop_penalty.count(weights, &self.channels, params.loop_root, params.loop_flatten);
            let penalty = match params.loop_target {
                Some(target) => off_target(&count, target),
                None => -count,
            };
            loss = &loss + penalty * params.loops;
        }
        if params.soft_ncut > 0.0 {
            loss = &loss + soft_ncut(&magnitudes(), &self.logits, params.soft_balance) * params.soft_ncut;
        }
        if params.soft_modularity > 0.0 {
            loss = &loss + soft_modularity(&magnitudes(), &self.logits) * params.soft_modularity;
        }
        loss
    }

    /// Adds to `gradients` those that have a closed form, but for decay's.
    fn add_closed_forms(&self, loss: Tensor, weights: &[Tensor], gradients: &[&Tensor], pruning: bool) -> Tensor {
        let mut loss = loss;
        let (weights, gradients) = (&weights[self.layers.clone()], &gradients[self.layers.clone()]);
        if let Some(eigenvalues) = &self.eigenvalues {
            loss += self.add_eigenvalue_gradients(eigenvalues, weights, gradients) * self.params.eigenvalues;
        }
        let weight = if pruning { self.params.block_share_pruning } else { self.params.block_share };
        match &self.block_share {
            Some(share) if weight > 0.0 => loss + share.add_gradients(weights, gradients, weight) * weight,
            _ => loss,
        }
    }

    /// Through the matrices of the graph, where those are not the weights.
    fn add_eigenvalue_gradients(
        &self,
        eigenvalues: &EigenvaluePenalty,
        weights: &[Tensor],
        gradients: &[&Tensor],
    ) -> f64 {
        let coefficient = self.params.eigenvalues;
        if weights
            .iter()
            .zip(&self.channels)
            .all(|(weight, &channels)| weight.size() == [weight.size()[0], channels as i64])
        {
            return eigenvalues.add_gradients(weights, gradients, coefficient);
        }
        tch::no_grad(|| {
            let graph = matrices(weights, &self.channels, Reduction::Magnitude);
            let slopes: Vec<Tensor> = graph.iter().map(Tensor::zeros_like).collect();
            let sum = eigenvalues.add_gradients(&graph, &slopes.iter().collect::<Vec<_>>(), coefficient);
            for (((weight, gradient), matrix), slope) in weights.iter().zip(gradients).zip(&graph).zip(&slopes) {
                // of an edge to each of the weights that it sums
                let slope = if weight.size() == matrix.size() {
                    slope.shallow_clone()
                } else {
                    let [outputs, channels] = [matrix.size()[0], matrix.size()[1]];
                    (weight.sign().view([outputs, channels, -1]) * slope.unsqueeze(2)).view_as(weight)
                };
                let _ = gradient.shallow_clone().g_add_(&slope);
            }
            sum
        })
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

#[cfg(test)]
mod tests {
    use super::super::fixtures::{array, assert_close, assert_gradient, cases};
    use super::super::loops::loops;
    use super::*;
    use crate::nn::tags::TagSizes;
    use crate::nn::{Network, Preset};
    use crate::rng::{Purpose, stream};
    use ndarray::Array2;
    use rand::Rng;

    /// Of 2 → 3 → 4 channels of 2 × 2 pixels → 5 → 3 neurons.
    const CHANNELS: [usize; 5] = [2, 3, 4, 5, 3];
    const SHAPES: [&[i64]; 4] = [&[3, 2, 3, 3], &[4, 3, 5, 5], &[5, 16], &[3, 5]];

    fn weights() -> Vec<Tensor> {
        let weight = |(layer, shape): (usize, &&[i64])| {
            let mut rng = stream(1, Purpose::InitialWeights, layer as u64, 0);
            let value = |_| rng.gen_range(0.1..1.0) * if rng.r#gen::<bool>() { 1.0 } else { -1.0 };
            let values: Vec<f64> = (0..shape.iter().product()).map(value).collect();
            Tensor::from_slice(&values).view(*shape)
        };
        SHAPES.iter().enumerate().map(weight).collect()
    }

    fn no_penalties() -> PenaltyParams {
        PenaltyParams {
            decay: Decay::default(),
            layers: PenaltyLayers::All,
            step: PenaltyStep::Adam,
            eigenvalues: 0.0,
            eigenvalue_count: 2,
            eigen_solver: EigenSolver::Autograd,
            loops: 0.0,
            loop_penalty: LoopPenalty::Loops,
            loop_root: Root::None,
            loop_flatten: LoopFlatten::Fold,
            loop_target: None,
            block_share: 0.0,
            block_share_pruning: 0.0,
            block_share_layers: Layers::All,
            block_share_power: Power::Absolute,
            block_share_total: Total::Variable,
            soft_ncut: 0.0,
            soft_balance: 1.0,
            soft_modularity: 0.0,
        }
    }

    /// `(channels, d_out)`, each weight taken up with its own sum over positions.
    fn summed(weight: &Tensor, channels: usize, term: fn(f64) -> f64) -> Array2<f64> {
        let values = Vec::<f64>::try_from(weight.flatten(0, -1)).unwrap();
        let outputs = weight.size()[0] as usize;
        let positions = values.len() / outputs / channels;
        Array2::from_shape_fn((channels, outputs), |(c, o)| {
            (0..positions).map(|p| term(values[(o * channels + c) * positions + p])).sum()
        })
    }

    fn squares(m: &Array2<f64>) -> f64 {
        m.iter().map(|x| x * x).sum()
    }

    #[test]
    fn loops_end_at_the_flattening_or_go_on() {
        let weights = weights();
        let of = |kind: LoopPenalty, flatten| kind.count(&weights, &CHANNELS, Root::None, flatten);
        for (kind, term) in [(LoopPenalty::Loops, (|w| w) as fn(f64) -> f64), (LoopPenalty::LoopsAbs, f64::abs)] {
            let [a, b, c, d] = [0, 1, 2, 3].map(|layer| summed(&weights[layer], CHANNELS[layer], term));
            let pixels = array(&weights[2]).reversed_axes().mapv(term);
            let cut = squares(&a.dot(&b)) + squares(&pixels.dot(&d));
            let folded = squares(&a.dot(&b)) + squares(&b.dot(&c)) + squares(&c.dot(&d));
            assert_close(&of(kind, LoopFlatten::Cut), cut, "cut");
            assert_close(&of(kind, LoopFlatten::Fold), folded, "folded");
        }
        // images of one pixel are flattened too
        let one_pixel = [weights[0].shallow_clone(), weights[1].shallow_clone(), weights[2].narrow(1, 0, 4)];
        let count = LoopPenalty::Loops.count(&one_pixel, &CHANNELS[..4], Root::None, LoopFlatten::Cut);
        let [a, b] = [0, 1].map(|layer| summed(&weights[layer], CHANNELS[layer], |w| w));
        assert_close(&count, squares(&a.dot(&b)), "one pixel");
        // vec(Mᵀ) · vec(M) with M's rows pixel after pixel, as TensorFlow flattens
        let (pixels, last) = (array(&weights[2]).reversed_axes(), array(&weights[3]).reversed_axes());
        let m = pixels.dot(&last);
        let m = Array2::from_shape_fn(m.dim(), |(row, column)| m[[row % 4 * 4 + row / 4, column]]);
        let first = summed(&weights[0], 2, |w| w).dot(&summed(&weights[1], 3, |w| w));
        let scrambled = |m: &Array2<f64>| m.t().iter().zip(m.iter()).map(|(x, y)| x * y).sum::<f64>();
        assert_close(&of(LoopPenalty::AsCoded, LoopFlatten::Cut), scrambled(&m) + scrambled(&first), "as coded");
    }

    /// A convolution's penalty is that of the matrix of its graph, with its gradient.
    #[test]
    fn penalties_see_the_matrices_of_the_graph() {
        use LoopPenalty::*;
        let tags = Tags::draw(&CHANNELS, 3, TagSizes::Random, 2);
        let shapes: Vec<Vec<i64>> = SHAPES.iter().map(|shape| shape.to_vec()).collect();
        let none = no_penalties();
        let mut variants = vec![
            PenaltyParams { eigenvalues: 1.0, ..none.clone() },
            PenaltyParams { soft_ncut: 1.0, ..none.clone() },
            PenaltyParams { soft_modularity: 1.0, ..none.clone() },
        ];
        for loop_penalty in [LoopsAbs, LoopsAbsNondegenerate, Butterflies, LoopsNormalised, TraceS4, VolumeModules] {
            variants.push(PenaltyParams { loops: 1.0, loop_penalty, ..none.clone() });
        }
        let weights = weights();
        let graph = matrices(&weights, &CHANNELS, Reduction::Magnitude);
        let graph_shapes: Vec<Vec<i64>> = graph.iter().map(Tensor::size).collect();
        let zero = || Tensor::from(0.0f64);
        for params in variants {
            let what = format!("{params:?}");
            let new = |shapes| Penalties::new(params.clone(), &tags, shapes, Device::Cpu);
            let penalty = |w: &[Tensor]| {
                let mut penalties = new(&shapes);
                penalties.logits.iter_mut().for_each(|logits| *logits = logits.to_kind(Kind::Double));
                penalties.add_to(zero(), w)
            };
            let mut of_graph = new(&graph_shapes);
            of_graph.logits.iter_mut().for_each(|logits| *logits = logits.to_kind(Kind::Double));
            assert_close(&penalty(&weights), of_graph.add_to(zero(), &graph).double_value(&[]), &what);
            assert_gradient(penalty, &weights, &what);
        }
        // in closed form, and of single weights: their sums are those of the graph
        let in_closed_form = [
            PenaltyParams { block_share: 1.0, ..none.clone() },
            PenaltyParams { eigenvalues: 1.0, eigen_solver: EigenSolver::Eigh, ..none },
        ];
        for params in in_closed_form {
            let added = |weights: &[Tensor], shapes| {
                let gradients: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
                let penalties = Penalties::new(params.clone(), &tags, shapes, Device::Cpu);
                let value = penalties.add_gradients(zero(), weights, &gradients.iter().collect::<Vec<_>>(), false);
                (value, gradients)
            };
            let ((value, gradients), (of_graph, slopes)) = (added(&weights, &shapes), added(&graph, &graph_shapes));
            assert_close(&value, of_graph.double_value(&[]), "in closed form");
            for (layer, (gradient, slope)) in gradients.iter().zip(&slopes).enumerate() {
                let channels = CHANNELS[layer] as i64;
                let gradient = gradient.view([slope.size()[0], channels, -1]);
                let signs = weights[layer].view([slope.size()[0], channels, -1]).sign();
                let is_weight = SHAPES[layer] == graph_shapes[layer];
                let sign = if is_weight { graph[layer].sign() } else { graph[layer].ones_like() };
                assert!(
                    (gradient * signs).allclose(&(slope * sign).unsqueeze(2), 1e-12, 1e-14, false),
                    "layer {layer}"
                );
            }
        }
    }

    /// With convolutions alone: the penalties of a network that has no other layers, and nothing on the first kernel and the dense ones.
    #[test]
    fn layers_that_are_not_seen_are_left_alone() {
        let tags = Tags::draw(&[2, 3, 4, 6, 5, 3], 3, TagSizes::Random, 2);
        let mut weights = weights();
        let kernel: Vec<f64> = (0..6 * 4 * 9).map(|i| f64::from(i % 7) - 3.2).collect();
        weights.splice(
            2..3,
            [Tensor::from_slice(&kernel).view([6, 4, 3, 3]), Tensor::ones([5, 24], (Kind::Double, Device::Cpu))],
        );
        let params = PenaltyParams {
            layers: PenaltyLayers::Convolutions,
            eigenvalues: 1.0,
            eigenvalue_count: 1,
            eigen_solver: EigenSolver::Eigh,
            loops: 1.0,
            loop_penalty: LoopPenalty::TraceS4,
            block_share: 1.0,
            ..no_penalties()
        };
        let value_and_gradients = |params: &PenaltyParams, tags: &Tags, weights: &[Tensor]| {
            let weights: Vec<Tensor> = weights.iter().map(|w| w.copy().set_requires_grad(true)).collect();
            let shapes: Vec<Vec<i64>> = weights.iter().map(Tensor::size).collect();
            let penalties = Penalties::new(params.clone(), tags, &shapes, Device::Cpu);
            let nothing = weights.iter().map(|w| w.sum(Kind::Double) * 0.0).sum::<Tensor>();
            let loss = penalties.add_to(nothing, &weights);
            let gradients = Tensor::run_backward(&[&loss], &weights.iter().collect::<Vec<_>>(), false, false);
            let of_weights: Vec<&Tensor> = gradients.iter().collect();
            let value = penalties.add_gradients(loss.detach(), &weights, &of_weights, false).double_value(&[]);
            (value, gradients)
        };
        let (value, gradients) = value_and_gradients(&params, &tags, &weights);
        let alone = PenaltyParams { layers: PenaltyLayers::All, ..params };
        let their_tags = Tags { count: tags.count, of: tags.of[1..4].to_vec() };
        let (expected, slopes) = value_and_gradients(&alone, &their_tags, &weights[1..3]);
        assert!((value - expected).abs() < 1e-12 && gradients.len() == 5, "{value} {expected}");
        assert!(gradients[1..3].iter().zip(&slopes).all(|(a, b)| a.allclose(b, 1e-12, 1e-14, false)));
        assert!([0, 3, 4].iter().all(|&layer: &usize| gradients[layer].abs().max().double_value(&[]) == 0.0));
        assert!(slopes.iter().all(|slope| slope.abs().max().double_value(&[]) > 0.0));
    }

    #[test]
    fn dense_layers_are_one_chain_however_images_are_flattened() {
        for weights in cases() {
            for flatten in [LoopFlatten::Cut, LoopFlatten::Fold] {
                let count = LoopPenalty::AsCoded.count(&weights, &channels_of(&weights), Root::OfSum, flatten);
                assert!(count.equal(&loops(&weights, LoopKind::AsCoded, Root::OfSum)));
            }
        }
    }

    fn channels_of(weights: &[Tensor]) -> Vec<usize> {
        weights.iter().map(|weight| weight.size()[1] as usize).collect()
    }

    /// AI-RG's network as initialised: true loops ≈ 2,000, of which 1,910 in the dense layers, and what its code says
    /// instead: 29 to 138 in plots and emulations; Σ w⁴ 462.6 to 464.6.
    #[test]
    fn the_network_of_airg() {
        let airg = Preset::AirgCnn;
        let architecture = airg.architecture([1, 28, 28], 10).unwrap();
        let channels = architecture.channels();
        let network = Network::new(architecture, airg.initialization(), 0, Device::Cpu);
        let weights: Vec<Tensor> = network.weights.iter().map(Tensor::detach).collect();
        let count = |kind: LoopPenalty| kind.count(&weights, &channels, Root::None, LoopFlatten::Cut).double_value(&[]);
        let dense = loops(&weights[2..], LoopKind::Loops, Root::None).double_value(&[]);
        let all = count(LoopPenalty::Loops);
        assert!((dense - 1910.0).abs() < 60.0 && (all - 2000.0).abs() < 120.0, "{dense} of {all}");
        let as_coded = count(LoopPenalty::AsCoded);
        assert!((29.0..=138.0).contains(&as_coded), "{as_coded}");
        let gradients: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
        let gradients: Vec<&Tensor> = gradients.iter().collect();
        let l4 =
            |l4: f64| Decay { l4, ..Decay::default() }.add_gradients(&weights, &gradients, false).double_value(&[]);
        let fourth = l4(1.0);
        assert!((fourth - 463.6).abs() < 1.0, "{fourth}");
        // AI-RG's loss: 0.05 (Σ w⁴ − 0.01 √loops) beside the cross-entropy, with the true loops
        let params = PenaltyParams {
            decay: Decay { l4: 0.05, ..Decay::default() },
            loops: 5e-4,
            loop_root: Root::OfSum,
            loop_flatten: LoopFlatten::Cut,
            ..no_penalties()
        };
        let tags = Tags::draw(&channels, 1, TagSizes::Random, 0);
        let shapes: Vec<Vec<i64>> = weights.iter().map(Tensor::size).collect();
        let penalties = Penalties::new(params, &tags, &shapes, Device::Cpu);
        let cross_entropy = Tensor::from(2.3f32);
        let loss = penalties.add_gradients(penalties.add_to(cross_entropy, &weights), &weights, &gradients, false);
        let expected = 2.3 + 0.05 * (fourth - 0.01 * all.sqrt());
        assert!((loss.double_value(&[]) - expected).abs() < 1e-5 * expected, "{loss:?} {expected}");
    }
}
