//! Penalties on the weights of a chain of layers that make, or are said to make, a network clusterable.
//!
//! Functions of tensors: `weights` are one tensor a layer, `(d_out, d_in)` as PyTorch has them, of any float kind and on any
//! device (what is done with convolutions, [`Penalties`] decides); the value is a scalar that is differentiable with respect
//! to them, or comes with its gradient in closed form. What a loss does with it (coefficient, sign, when) is the caller's. Two remember or
//! learn from step to step: the eigenvalue penalty its eigenvectors, soft partitions their logits. `W` `(n, h)` and `V` `(h, m)` are consecutive layers as `(d_in, d_out)`, `A` is the graph of the
//! whole chain with `|W|` for edges, `d` its degrees, `S = D^-1/2 A D^-1/2`, `P_l` its blocks.
//!
//! | penalty | formula | source | cost | what it does |
//! |---|---|---|---|---|
//! | [`EigenvaluePenalty`](eigenvalues::EigenvaluePenalty) | λ_2 + … + λ_{1+m} of I − S | Filan et al. 2021, A.9 | an eigensolver | less n-cut by shedding crumbs: pruned, one part keeps 44–100 % of the volume at full size (normalised 88–100 %), 35–83 % of 7 × 7; [beside Adam](PenaltyStep::Decoupled) at most 45 %, and less of an effect |
//! | [`loops`](loops::LoopKind::Loops) | −‖WV‖_F², −√ of it | AI-RG's README (2018), corrected | one product a pair | with [`l4`](decay::Decay::l4) and no data one dense module, equal \|W\| of rank one; trained beside it, no less n-cut than with it alone; × 0.005 more before pruning, and after it less by one part of nine tenths or more |
//! | [`loops`](loops::LoopKind::LoopsAbs) of \|W\|, [without j = k](loops::LoopKind::LoopsNondegenerate), [butterflies](loops::LoopKind::Butterflies) | there | ours | the same | × 0.005 more n-cut at full size; pruned less (signed) or mostly more (of \|W\|), in one part of 74–98 % |
//! | [`readme-literal`](loops::LoopKind::ReadmeLiteral) | −Σ W_ij W_ik V_jl V_jl | that README, to the letter | passes | no loops; nothing about modules |
//! | [`as-coded`](loops::LoopKind::AsCoded) | −vec(Mᵀ) · vec(M), M = WV | AI-RG's `run.py` | one product a pair | pairs unrelated entries; AI-RG's curves are of it |
//! | [`l4`](decay::Decay::l4) | Σ W⁴ | AI-RG | passes | spreads weight evenly: more n-cut, but less when pruned at full size |
//! | [`loops_normalised`](closed_walks::loops_normalised) | −2 Σ ‖P_l P_{l+1}‖_F² | ours | one product a pair | less n-cut; at full size without a target near 0, one part of nine tenths or more |
//! | [`effective_modules`](closed_walks::effective_modules) | (tr(S⁴) / 2 − K)² | ours | three products a pair | less n-cut, most of it by crumbs; towards a target pruned networks lose 46–66 points of accuracy on full MNIST, none on Fashion-MNIST |
//! | [`volume_modules`](closed_walks::volume_modules) | (exp I − K)², I of the two ends of a path | ours | one product a pair, a logarithm an entry | crumbs count by volume, and grow: × 0.1 towards 8, 3.6–10.2 effective clusters of 12 |
//! | [`BlockShare`](block_share::BlockShare) | mean of Σ_{tags differ} \|W\|^p / Σ \|W\|^p | ours; with the paper's clusterable initialisation | passes | pruned balanced parts, at full size for 0.8 points of accuracy at most; README's recipe for parts that matter |
//! | [`soft_ncut`](soft_partition::soft_ncut) | Σ cut_k / vol_k + b (K Σ (vol_k / vol)² − 1) | after Nazi et al. 2019 | products with K columns | tags are learned; crumbs cost b: 9.9–11.5 effective clusters of 12 |
//! | [`soft_modularity`](soft_partition::soft_modularity) | 1 − Q of shares | after Tsitsulin et al. 2023 | products with K columns | tags are learned; Q asks for balance: 9.4–11.5 |
//!
//! What the last column says of networks was measured on MNIST, 7 × 7 and full size, in part on Fashion-MNIST too
//! (`penalties-7x7`, `penalties-mnist` and `balanced-parts` of experiments.yaml; figures in `src/report/results`).
//!
//! The n-cut of k parts has one term a part whatever its size, so whatever lowers it most cheaply makes crumbs. Judge a penalty by
//! volume shares and Newman's Q ([`Partition`](crate::spectral::ncut::Partition)) and by what the parts do.

pub mod block_share;
pub mod closed_walks;
pub mod decay;
pub mod eigenvalues;
#[cfg(test)]
mod fixtures;
pub mod loops;
pub mod soft_partition;
mod sum;

pub use sum::{DecoupledGradient, LoopFlatten, LoopPenalty, Penalties, PenaltyLayers, PenaltyParams, PenaltyStep};
