//! Partitions that are learned with the weights: every neuron has a share in each of K parts.
//!
//! `P_l = softmax(logits_l)` along each row, `(n_l, K)`, and with `B_l = |W_l|`, node sets l and l + 1,
//!
//! ```text
//! vol_k = Σ_i d_i P_ik              within_k = Σ_ij A_ij P_ik P_jk = 2 Σ_l Σ_ij P_l,ik B_l,ij P_{l+1},jk
//! ```
//!
//! For a hard assignment these are volume and internal weight of each part, so that the relaxations below have the values
//! of [`Partition::ncut`] and [`Partition::modularity`]. `A` is never built.
//!
//! [`Partition::ncut`]: crate::spectral::ncut::Partition::ncut
//! [`Partition::modularity`]: crate::spectral::ncut::Partition::modularity

use tch::Tensor;

/// Shares of the volume below this are an empty part.
const EMPTY: f64 = 1e-15;

/// Of each part, as shares of the graph's volume: `(K,)` each. All 0 if there are no edges.
struct Parts {
    within: Tensor,
    volumes: Tensor,
}

impl Parts {
    fn new(weights: &[Tensor], logits: &[Tensor]) -> Self {
        let kind = weights[0].kind();
        let shares: Vec<Tensor> = logits.iter().map(|logits| logits.softmax(-1, kind)).collect();
        let zero = || Tensor::zeros([shares[0].size()[1]], (kind, weights[0].device()));
        let (mut within, mut volumes) = (zero(), zero());
        for (weight, pair) in weights.iter().zip(shares.windows(2)) {
            let sum = |x: &Tensor| x.sum_dim_intlist(0i64, false, kind);
            // from each part to each neuron of the later node set, (d_out, K): all else follows, so one pass is enough
            let received = weight.abs().matmul(&pair[0]);
            within += sum(&(&received * &pair[1])) * 2.0;
            // the rows of P add up to 1, so those of `received` to the later neurons' degrees
            let degrees = received.sum_dim_intlist(1i64, true, kind);
            volumes += sum(&received) + sum(&(degrees * &pair[1]));
        }
        let total = volumes.sum(kind);
        let total = total.where_self(&total.gt(0.0), &total.ones_like());
        Self { within: within / &total, volumes: volumes / &total }
    }

    /// `Σ_k vol_k²`
    fn concentration(&self) -> Tensor {
        self.volumes.square().sum(self.volumes.kind())
    }
}

/// A relaxed normalised cut, with a price on unequal volumes.
///
/// ```text
/// Σ_k (vol_k − within_k) / vol_k + balance · (K Σ_k (vol_k / vol)² − 1)
/// ```
///
/// `weights` `(d_out, d_in)` and `logits` `(n, K)` for each node set, the input's first, of one float kind. A scalar, to be
/// minimised, differentiable in both. The cut is in `[0, K]`, and K − 1 if all neurons have the same shares; the balance
/// is 0 for equal volumes, K − 1 for a single part, and without it the least cut is one of crumbs. Parts of no volume are passed
/// over.
///
/// # References
///
/// * A. Nazi et al. (2019), *GAP: generalizable approximate graph partitioning framework*, Eq. (3): the expected
///   normalised cut, and a balance of node counts, where this has volumes.
pub fn soft_ncut(weights: &[Tensor], logits: &[Tensor], balance: f64) -> Tensor {
    let parts = Parts::new(weights, logits);
    let volumes = &parts.volumes;
    let divisors = volumes.where_self(&volumes.gt(EMPTY), &volumes.ones_like());
    let cut = ((volumes - &parts.within) / divisors).sum(volumes.kind());
    match balance {
        0.0 => cut,
        _ => cut + (parts.concentration() * volumes.size()[0] as f64 - 1.0) * balance,
    }
}

/// One minus a relaxation of Newman's modularity.
///
/// ```text
/// 1 − Q,   Q = Σ_k [ within_k / vol − (vol_k / vol)² ]
/// ```
///
/// Arguments as of [`soft_ncut`]. A scalar in `[1 / K, 3/2]`, to be minimised; 1 if all neurons have the same shares, 1 / K for K
/// equal unconnected parts. Unequal volumes lower Q, so it needs no balance.
///
/// # References
///
/// * M. Newman (2006), *Modularity and community structure in networks*, PNAS 103(23).
/// * A. Tsitsulin et al. (2023), *Graph clustering with graph neural networks*, JMLR 24(127), Eq. (6): the relaxation
///   tr(PᵀBP) / 2m, without its collapse regularisation.
pub fn soft_modularity(weights: &[Tensor], logits: &[Tensor]) -> Tensor {
    let parts = Parts::new(weights, logits);
    parts.within.sum(parts.within.kind()).neg() + parts.concentration() + 1.0
}

/// The part of which each neuron has the most, `(n,)` i64 for each node set: tags for
/// [`BlockShare`](super::block_share::BlockShare). Among equals, any.
pub fn tags(logits: &[Tensor]) -> Vec<Tensor> {
    logits.iter().map(|logits| logits.detach().argmax(-1, false)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{adjacency, array, assert_close, assert_gradient, cases, graph, planted};
    use super::*;
    use crate::rng::{Purpose, stream};
    use crate::spectral::ncut::Partition;
    use rand::Rng;
    use tch::{Device, Kind};

    const K: i64 = 3;

    fn node_sets(weights: &[Tensor]) -> Vec<i64> {
        std::iter::once(weights[0].size()[1]).chain(weights.iter().map(|w| w.size()[0])).collect()
    }

    fn random_logits(weights: &[Tensor]) -> Vec<Tensor> {
        let mut rng = stream(0, Purpose::KMeans, 0, 0);
        let mut logits = |n: i64| {
            let values: Vec<f64> = (0..n * K).map(|_| rng.gen_range(-1.5..1.5)).collect();
            Tensor::from_slice(&values).view([n, K])
        };
        node_sets(weights).into_iter().map(&mut logits).collect()
    }

    #[test]
    fn relaxations_are_the_sums_over_the_adjacency_matrix() {
        for (case, weights) in cases().iter().enumerate() {
            let logits = random_logits(weights);
            let a = adjacency(weights);
            let shares: Vec<Tensor> = logits.iter().map(|l| l.softmax(-1, Kind::Double)).collect();
            let p = array(&Tensor::cat(&shares, 0));
            let total = a.sum();
            let (mut ncut, mut q, mut squares) = (0.0, 0.0, 0.0);
            for k in 0..K as usize {
                let (mut cut, mut volume) = (0.0, 0.0);
                for ((i, j), a) in a.indexed_iter() {
                    cut += a * p[[i, k]] * (1.0 - p[[j, k]]);
                    volume += a * p[[i, k]];
                }
                ncut += cut / volume;
                q += (volume - cut) / total - (volume / total).powi(2);
                squares += (volume / total).powi(2);
            }
            let what = format!("case {case}");
            assert_close(&soft_ncut(weights, &logits, 0.0), ncut, &what);
            assert_close(&soft_ncut(weights, &logits, 0.5), ncut + 0.5 * (K as f64 * squares - 1.0), &what);
            assert_close(&soft_modularity(weights, &logits), 1.0 - q, &what);
            // of both
            let inputs: Vec<Tensor> = weights.iter().chain(&logits).map(Tensor::shallow_clone).collect();
            let layers = weights.len();
            assert_gradient(|x| soft_ncut(&x[..layers], &x[layers..], 0.5), &inputs, &what);
            assert_gradient(|x| soft_modularity(&x[..layers], &x[layers..]), &inputs, &what);
        }
    }

    #[test]
    fn hard_assignments_have_the_values_of_the_crate() {
        for (case, weights) in cases().iter().enumerate() {
            // part 2 stays empty in the second
            for parts in [K, K - 1] {
                let mut rng = stream(1, Purpose::KMeans, 0, 0);
                let mut labels = Vec::new();
                let mut logits = Vec::new();
                for n in node_sets(weights) {
                    let of_set: Vec<i64> = (0..n).map(|_| rng.gen_range(0..parts)).collect();
                    logits.push((Tensor::from_slice(&of_set).one_hot(K) * 1000).to_kind(Kind::Double));
                    assert_eq!(Vec::<i64>::try_from(&tags(&logits)[logits.len() - 1]).unwrap(), of_set);
                    labels.extend(of_set.into_iter().map(|label| label as u32));
                }
                let partition = Partition::new(&graph(weights), &labels, K as usize);
                assert_close(&soft_ncut(weights, &logits, 0.0), partition.ncut(), &format!("case {case}"));
                assert_close(&soft_modularity(weights, &logits), 1.0 - partition.modularity(), &format!("case {case}"));
            }
        }
    }

    #[test]
    fn planted_parts_and_empty_ones() {
        let weights = planted(&[(2, 0.5); 3], 3);
        let labels = Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]).one_hot(4);
        for kind in [Kind::Float, Kind::Double] {
            let weights: Vec<Tensor> = weights.iter().map(|w| w.to_kind(kind).set_requires_grad(true)).collect();
            let logits: Vec<Tensor> = (0..4).map(|_| (&labels * 1000).to_kind(kind).set_requires_grad(true)).collect();
            let (ncut, q) = (soft_ncut(&weights, &logits, 1.0), soft_modularity(&weights, &logits));
            assert!(
                (ncut.double_value(&[]) - 1.0 / 3.0).abs() < 1e-6 && (q.double_value(&[]) - 1.0 / 3.0).abs() < 1e-6
            );
            let inputs: Vec<&Tensor> = weights.iter().chain(&logits).collect();
            for gradient in Tensor::run_backward(&[&(ncut + q)], &inputs, false, false) {
                assert!(gradient.isfinite().all().int64_value(&[]) == 1);
            }
        }
        let nothing: Vec<Tensor> = weights.iter().map(Tensor::zeros_like).collect();
        let even: Vec<Tensor> = (0..4).map(|_| Tensor::zeros([6, 4], (Kind::Double, Device::Cpu))).collect();
        assert_close(&soft_ncut(&nothing, &even, 0.0), 0.0, "no edges");
    }
}
