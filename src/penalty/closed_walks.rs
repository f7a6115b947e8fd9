//! Counting modules by walks, without eigenvalues and without clustering.
//!
//! `A` is the graph of a whole chain of layers, `|W|` between consecutive node sets, and `S = D^-1/2 A D^-1/2`. Only its
//! blocks are ever built; isolated neurons have zero rows and no gradient.
//!
//! # A module for each unit of tr(S⁴)
//!
//! ```text
//! tr(S⁴) = Σ_i (1 − λ_i)⁴ = Σ_l ‖P_{l−1}ᵀ P_{l−1} + P_l P_lᵀ‖_F² + 2 Σ_l ‖P_l P_{l+1}‖_F²
//! ```
//!
//! with the blocks `P_l` of S between node sets l and l + 1, and λ the eigenvalues of the normalised Laplacian. K unconnected
//! blocks of rank one have K pairs of eigenvalues ±1 of S, hence tr(S⁴) / 2 = K. Each counts 1 *whatever its volume*, so
//! the cheapest way to more is to shed crumbs: pairs of neurons with little but each other. On MNIST at full size a network
//! trained so (× 0.1, no target) keeps 95 % of its volume in one part; towards 8 modules (× 0.01) 68 %, pruned 84 %.
//!
//! # Weighing walks by volume
//!
//! Three ways were considered for the random walk `P = D^-1 A` with its stationary distribution `π = d / vol`.
//!
//! * The stationary return probability `Σ_i π_i (P⁴)_ii`. A complete bipartite part of volume share s whose n neurons
//!   have equal degrees adds 2 s / n. Crumbs add little, but so do modules: it is an inverse count of *neurons*, K equal
//!   parts of N neurons have 2 K / N, and its maximum, 1, is reached when nearly all volume is in one pair of neurons.
//! * `Σ_ij (S²)_ij² = Σ_ij π_i (P²)_ij² / π_j`, which is tr(S⁴) again: 1 + χ² of the walk's positions now and two steps
//!   later. The division by π_j is what makes crumbs count.
//! * The same with Shannon's divergence for χ²: the *mutual information* of the two positions,
//!   `Σ_ij π_i (P²)_ij ln((P²)_ij / π_j)`. A part now adds `s ln(1 / s)`: the sum is the entropy of the volume shares, of
//!   which a crumb has next to nothing, and among K parts equal ones have the most, ln K.
//!
//! [`path_information`] is the third, of forward paths: the walk that goes from node set l over l + 1 to l + 2. So it does not
//! count the layers themselves as parts (a walk knows its layer), nor steps forth and back along one edge, nor parts that lead
//! nowhere; and it costs one product of matrices for each pair of layers, as AI-RG's loops do.
//!
//! Weights alone, no data, four node sets of 24 neurons, 3,000 steps of Adam from random weights towards 8 modules, two seeds, then
//! 8 clusters: tr(S⁴) / 2 ends with 5.0 and 5.2 effective clusters (shares .31 … .01), and as many as 1.1 and 1.5 by
//! paths, for its parts are pairs of layers that no signal leaves; by volume 7.4 and 7.6 (shares .20 … .05), Q .82 and
//! .84 against .77, the n-cut .41 and .23 against .21 and .49.

use tch::{Kind, Tensor};

/// Keeps logarithms and quotients of nothing finite; what they are multiplied by is 0.
const TINY: f64 = f32::MIN_POSITIVE as f64;

/// The blocks of `S`, `(d_out, d_in)` each, of `weights` of the same shapes and any float kind.
pub fn normalised_blocks(weights: &[Tensor]) -> Vec<Tensor> {
    let absolute: Vec<Tensor> = weights.iter().map(Tensor::abs).collect();
    let roots: Vec<Tensor> = degrees(&absolute)
        .iter()
        .map(|degrees| {
            let connected = degrees.gt(0.0);
            // 1 in place of 0, for the root's slope there is infinite
            degrees.where_self(&connected, &degrees.ones_like()).rsqrt() * connected.to_kind(degrees.kind())
        })
        .collect();
    (absolute.iter().enumerate())
        .map(|(layer, weight)| weight * &roots[layer] * roots[layer + 1].unsqueeze(1))
        .collect()
}

/// Degrees of each node set, `(n,)`, of absolute weights.
fn degrees(absolute: &[Tensor]) -> Vec<Tensor> {
    let sum = |weight: &Tensor, dim: i64| weight.sum_dim_intlist(dim, false, weight.kind());
    let mut degrees: Vec<Tensor> = absolute.iter().map(|weight| sum(weight, 0)).collect();
    degrees.extend(absolute.last().map(|weight| weight.zeros_like().narrow(1, 0, 1).squeeze_dim(1)));
    for (layer, weight) in absolute.iter().enumerate() {
        degrees[layer + 1] = &degrees[layer + 1] + sum(weight, 1);
    }
    degrees
}

fn sum_of_squares(x: &Tensor) -> Tensor {
    x.square().sum(x.kind())
}

/// tr(S⁴), the weighted number of closed walks of four steps: at least 2 for a graph with edges, at most its number of nodes.
/// A scalar of the weights' kind.
///
/// As `2 Σ_l ‖G_l‖_F² + 4 Σ_l ⟨G_l, H_{l+1}⟩` with `G_l = P_l P_lᵀ` and `H_l = P_lᵀ P_l` on the side of the node set between, and its gradient
/// `8 (G_l + H_{l+1}) P_l + 8 P_l G_{l−1}`: a third of the products that autograd would make of the sums above.
pub fn trace_s4(weights: &[Tensor]) -> Tensor {
    let blocks = normalised_blocks(weights);
    let (trace, slopes) = tch::no_grad(|| {
        let behind: Vec<Tensor> = blocks.iter().map(|block| block.matmul(&block.tr())).collect();
        let before: Vec<Tensor> = blocks[1..].iter().map(|block| block.tr().matmul(block)).collect();
        let mut trace = behind
            .iter()
            .fold(Tensor::zeros([], (behind[0].kind(), behind[0].device())), |sum, g| sum + 2.0 * sum_of_squares(g));
        for (g, h) in behind.iter().zip(&before) {
            trace += 4.0 * inner(g, h);
        }
        let slope = |layer: usize| {
            let mut slope = match before.get(layer) {
                Some(h) => (&behind[layer] + h).matmul(&blocks[layer]),
                None => behind[layer].matmul(&blocks[layer]),
            };
            if layer > 0 {
                slope += blocks[layer].matmul(&behind[layer - 1]);
            }
            slope * 8.0
        };
        (trace, (0..blocks.len()).map(slope).collect::<Vec<_>>())
    });
    blocks.iter().zip(&slopes).fold(trace, |trace, (block, slope)| with_slope(trace, block, slope))
}

/// `value`, with the gradient `slope` for `x`.
fn with_slope(value: Tensor, x: &Tensor, slope: &Tensor) -> Tensor {
    let linear = inner(x, slope);
    value + &linear - linear.detach()
}

fn inner(x: &Tensor, y: &Tensor) -> Tensor {
    x.flatten(0, -1).dot(&y.flatten(0, -1))
}

/// `2 Σ_l ‖P_l P_{l+1}‖_F²`: of tr(S⁴), the walks that touch three layers, which are AI-RG's loops with degrees
/// divided out. Both directions of a walk count.
pub fn loops_normalised(weights: &[Tensor]) -> Tensor {
    loops_of(&normalised_blocks(weights))
}

fn loops_of(blocks: &[Tensor]) -> Tensor {
    let zero = Tensor::zeros([], (blocks[0].kind(), blocks[0].device()));
    blocks.windows(2).fold(zero, |sum, pair| sum + sum_of_squares(&pair[1].matmul(&pair[0])) * 2.0)
}

/// tr(S⁴) / 2, an effective number of modules: K for K unconnected blocks of rank one, however small some are.
pub fn effective_modules(weights: &[Tensor]) -> Tensor {
    trace_s4(weights) / 2.0
}

/// `(modules − k)²`: without a target, the number of modules grows until little is left of the network.
pub fn off_target(modules: &Tensor, k: f64) -> Tensor {
    (modules - k).square()
}

/// What the end of a forward path of two edges tells about its beginning, in nats: the mean over l of
///
/// ```text
/// I_l = Σ_ij p_ij ln(p_ij / (p_i p_j)),     p ∝ |W_l| D_{l+1}^-1 |W_{l+1}|
/// ```
///
/// `p_ij` is the share of the stationary walk's steps l → l + 1 → l + 2 that begin at i and end at j. At least 0; 0 if the
/// products are of rank one, about 0 for random weights; for unconnected parts of rank one the entropy of their shares
/// of the paths, which are those of the volume if each part has the same share of each layer. Scaling all weights of a
/// pair of layers does not change I_l, and the mean does not weigh by volume, so no scale hides a layer.
///
/// 0 for fewer than two layers; a pair of layers without paths counts 0. A scalar of the weights' kind.
///
/// # References
///
/// The mutual information of a walk's positions as a quality of partitions: M. Faccin, M. Schaub, J.-C. Delvenne (2018),
/// *Entrograms and coarse graining of dynamics on complex networks*, Journal of Complex Networks 6(5). Here without a
/// partition and between layers, which is new.
pub fn path_information(weights: &[Tensor]) -> Tensor {
    let absolute: Vec<Tensor> = weights.iter().map(Tensor::abs).collect();
    let degrees = degrees(&absolute);
    let zero = Tensor::zeros([], (weights[0].kind(), weights[0].device()));
    let sum = (absolute.windows(2).zip(&degrees[1..])).fold(zero, |sum, (pair, degrees)| {
        let connected = degrees.where_self(&degrees.gt(0.0), &degrees.ones_like());
        sum + mutual_information(&(&pair[1] / connected).matmul(&pair[0]))
    });
    sum / (weights.len() as f64 - 1.0).max(1.0)
}

/// exp([`path_information`]): K for K equal unconnected modules, about 1 for one and crumbs.
pub fn volume_modules(weights: &[Tensor]) -> Tensor {
    path_information(weights).exp()
}

/// Of a joint distribution in any scale, `(rows, columns)`.
fn mutual_information(joint: &Tensor) -> Tensor {
    // The gradient has a closed form, ∂I/∂joint = (pointwise − I) / total, so the logarithms stay out of autograd.
    let (information, slope) = tch::no_grad(|| {
        let kind: Kind = joint.kind();
        let rows = joint.sum_dim_intlist(1i64, true, kind);
        let columns = joint.sum_dim_intlist(0i64, true, kind);
        let total = joint.sum(kind).clamp_min(TINY);
        let ln = |x: &Tensor| x.clamp_min(TINY).log();
        let mut pointwise = ln(joint);
        pointwise -= ln(&rows) - ln(&total);
        pointwise -= ln(&columns);
        let information = inner(&pointwise, joint) / &total;
        pointwise -= &information;
        pointwise /= &total;
        (information, pointwise)
    });
    with_slope(information, joint, &slope)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{adjacency, arrays, assert_close, assert_gradient, cases, chain, graph, planted};
    use super::*;
    use crate::spectral::ncut::Partition;
    use faer::{Mat, Side};
    use ndarray::Array2;

    fn dense_s(weights: &[Tensor]) -> Array2<f64> {
        let a = adjacency(weights);
        let degrees: Vec<f64> = a.rows().into_iter().map(|row| row.sum()).collect();
        Array2::from_shape_fn(
            a.dim(),
            |(i, j)| {
                if a[[i, j]] > 0.0 { a[[i, j]] / (degrees[i] * degrees[j]).sqrt() } else { 0.0 }
            },
        )
    }

    #[test]
    fn blocks_give_the_trace_of_the_dense_matrix() {
        let mut chains = cases();
        chains.push(chain(&[3, 5], 4));
        for (case, weights) in chains.iter().enumerate() {
            let s = dense_s(weights);
            let squared = s.dot(&s);
            let trace: f64 = squared.iter().map(|x| x * x).sum();
            assert_close(&trace_s4(weights), trace, &format!("case {case}"));
            let n = s.nrows();
            let eigenvalues = Mat::from_fn(n, n, |i, j| s[[i, j]]).self_adjoint_eigenvalues(Side::Lower).unwrap();
            assert_close(&trace_s4(weights), eigenvalues.iter().map(|x| x.powi(4)).sum(), &format!("case {case}"));
            // between node sets two apart there is nothing but the loops
            let set: Vec<usize> =
                (graph(weights).node_sets.iter().enumerate()).flat_map(|(set, nodes)| vec![set; nodes.size]).collect();
            let apart = squared.indexed_iter().filter(|((i, j), _)| set[*i] != set[*j]);
            assert_close(&loops_normalised(weights), apart.map(|(_, x)| x * x).sum(), &format!("case {case}"));
            assert_gradient(trace_s4, weights, &format!("trace, case {case}"));
            assert_gradient(loops_normalised, weights, &format!("loops, case {case}"));
            assert_gradient(|w| off_target(&effective_modules(w), 4.0), weights, &format!("target, case {case}"));
        }
    }

    #[test]
    fn path_information_is_the_sum_over_paths() {
        for (case, weights) in cases().iter().enumerate() {
            let a = adjacency(weights);
            let arrays = arrays(weights);
            let (mut mean, mut first) = (0.0, 0);
            for pair in arrays.windows(2) {
                first += pair[0].nrows();
                let degree: Vec<f64> = (0..pair[1].nrows()).map(|k| a.row(first + k).sum()).collect();
                let paths = Array2::from_shape_fn((pair[0].nrows(), pair[1].ncols()), |(i, j)| {
                    let paths = (0..degree.len()).filter(|k| degree[*k] > 0.0);
                    paths.map(|k| (pair[0][[i, k]] * pair[1][[k, j]]).abs() / degree[k]).sum::<f64>()
                });
                let total = paths.sum();
                for ((i, j), p) in paths.indexed_iter().filter(|(_, p)| **p > 0.0) {
                    mean += p / total * (p * total / (paths.row(i).sum() * paths.column(j).sum())).ln() / 2.0;
                }
            }
            assert_close(&path_information(weights), mean, &format!("case {case}"));
            assert_gradient(path_information, weights, &format!("case {case}"));
            assert_gradient(|w| off_target(&volume_modules(w), 4.0), weights, &format!("target, case {case}"));
        }
        assert_eq!(path_information(&chain(&[3, 5], 4)).double_value(&[]), 0.0);
    }

    /// Both counts, and that of the graph's parts.
    fn counts(parts: &[(i64, f64)]) -> [f64; 3] {
        let weights = planted(parts, 4);
        let labels: Vec<u32> =
            parts.iter().enumerate().flat_map(|(part, (size, _))| vec![part as u32; *size as usize]).collect();
        let partition = Partition::new(&graph(&weights), &labels.repeat(5), parts.len());
        let moments = [effective_modules(&weights), volume_modules(&weights)].map(|x| x.double_value(&[]));
        [moments[0], moments[1], partition.effective_clusters()]
    }

    #[test]
    fn modules_by_volume_are_the_effective_clusters_of_planted_parts() {
        // a chain of five layers is itself a path: even one part has more than one unit of tr(S⁴) / 2
        let layers = counts(&[(6, 1.0)])[0];
        for (parts, expected) in [
            (vec![(6, 1.0)], 1.0),
            (vec![(3, 0.7); 4], 4.0),
            (vec![(12, 0.5)], 1.0),
            // eleven crumbs of a thousandth of the volume each
            ([vec![(10, 1.0)], vec![(1, 0.1)]].concat().into_iter().chain([(1, 0.1); 10]).collect(), 1.09),
            (vec![(4, 1.0), (2, 4.0), (8, 0.25)], 3.0),
        ] {
            let [moment, by_volume, effective] = counts(&parts);
            assert!((moment - layers * parts.len() as f64).abs() < 1e-9, "{parts:?}: {moment}");
            assert!((by_volume - effective).abs() < 1e-9, "{parts:?}: {by_volume} is not {effective}");
            assert!((by_volume - expected).abs() < 0.01, "{parts:?}: {by_volume}");
        }
    }

    /// The moment does not feel a part's volume; the count by volume asks for balance.
    #[test]
    fn a_crumb_grows_by_volume_alone() {
        // derivatives for scaling all weights of the giant, and of the crumb
        let slopes = |count: fn(&[Tensor]) -> Tensor| {
            let weights: Vec<Tensor> =
                planted(&[(4, 1.0), (4, 0.05)], 3).into_iter().map(|w| w.set_requires_grad(true)).collect();
            let gradients = Tensor::run_backward(&[count(&weights)], &weights.iter().collect::<Vec<_>>(), false, false);
            let of_part = |first| {
                let changes =
                    gradients.iter().zip(&weights).map(|(g, w)| (g * w).narrow(0, first, 4).sum(Kind::Double));
                changes.map(|change| change.double_value(&[])).sum::<f64>()
            };
            [of_part(0), of_part(4)]
        };
        let [giant, crumb] = slopes(volume_modules);
        assert!(giant < -0.1 && crumb > 0.1, "{giant} {crumb}");
        assert!(slopes(effective_modules).iter().all(|slope| slope.abs() < 1e-12));
    }
}
