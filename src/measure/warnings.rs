//! What to know before believing an n-cut.

use super::MeasureParams;
use super::measurement::{NullInfo, Warning};
use crate::graph::NeuronGraph;
use crate::spectral::clustering::Clustering;
use crate::stats::permutation::z_score;

/// Share of the volume above which one of k clusters is called a giant: of two, one always holds half.
pub fn giant_share(k: usize) -> f64 {
    if k == 2 { 0.75 } else { 0.5 }
}

/// Share of the volume, in units of a cluster's fair share, below which a cluster is called a crumb.
const CRUMB: f64 = 0.1;
/// Share of a crumb's weight that leaves it, below which it hangs on by a thread.
const THREAD: f64 = 0.1;
/// n-cut per cluster below which the parts are called practically separate.
const NEAR_ZERO: f64 = 1e-3;
/// Weight of an edge, in units of the largest, below which it is called negligible.
const NEGLIGIBLE: f64 = 1e-7;
/// Share of negligible edges above which they are told of.
const NEGLIGIBLE_SHARE: f64 = 0.001;

/// Of the clustering of `graph` and its null distribution.
pub(super) fn warnings(
    graph: &NeuronGraph,
    clustering: &Clustering,
    ncut: f64,
    null: Option<&NullInfo>,
    params: MeasureParams,
) -> Vec<Warning> {
    let k = params.cluster.k;
    let partition = &clustering.partition;
    let shares = partition.volume_shares();
    let largest = shares.iter().copied().fold(0.0, f64::max);
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| warnings.push(Warning::new(code, message));
    if clustering.components > 1 {
        let count = clustering.components;
        warn(
            "disconnected",
            format!("the graph falls into {count} unconnected pieces, so some parts are separate by topology alone"),
        );
    }
    if k > 1 && largest > giant_share(k) {
        warn(
            "unbalanced",
            format!(
                "one cluster holds {:.0} % of the volume and the other {} share the rest, so the n-cut does not speak of \
                 parts of comparable size ({:.1} effective clusters of {k}, Q = {:.3})",
                100.0 * largest,
                k - 1,
                partition.effective_clusters(),
                partition.modularity()
            ),
        );
    }
    if k > 1 && ncut < NEAR_ZERO * k as f64 && clustering.components == 1 {
        warn("near-zero", format!("the n-cut is practically zero ({ncut:.1e}): small groups hang on by tiny weights"));
    }
    let crumbs: Vec<usize> = (0..k)
        .filter(|&c| partition.sizes[c] > 0 && shares[c] < CRUMB / k as f64)
        .filter(|&c| partition.cuts[c] < THREAD * partition.volumes[c])
        .collect();
    if !crumbs.is_empty() && clustering.components == 1 {
        let (count, nodes) = (crumbs.len(), crumbs.iter().map(|&c| partition.sizes[c]).sum::<usize>());
        let share = 100.0 * crumbs.iter().map(|&c| shares[c]).sum::<f64>();
        warn(
            "near-isolated",
            format!(
                "{count} of {k} clusters are crumbs, {nodes} nodes with {share:.2} % of the volume that hardly anything joins to the \
                 rest, and each takes nearly 1 off the n-cut"
            ),
        );
    }
    let edges = || graph.blocks.iter().flat_map(|block| block.weights.data());
    let bound = NEGLIGIBLE * edges().copied().fold(0.0, f64::max);
    let share = edges().filter(|weight| **weight < bound).count() as f64 / edges().count().max(1) as f64;
    if share > NEGLIGIBLE_SHARE {
        warn(
            "negligible-weights",
            format!(
                "{:.1} % of the edges weigh less than {bound:.1e}, as those of dead neurons do where weights decay, and clusters may \
                 be made of such edges: see whether the n-cut stays with --least-weight (in a grid file least_weight), of more than that where edges are single weights",
                100.0 * share
            ),
        );
    }
    let used = partition.sizes.iter().filter(|size| **size > 0).count();
    if used < k {
        warn(
            "few-points",
            format!("only {used} of {k} clusters have nodes: the embedding has no more different points"),
        );
    }
    if params.null.is_none() {
        warn(
            "no-layers",
            "the file names no layers, so there is nothing to shuffle: no null distribution, no p-value".into(),
        );
    }
    if null.is_some_and(|null| z_score(ncut, &null.ncuts).is_none()) {
        warn(
            "constant-null",
            "all shuffles have the same n-cut up to rounding, so there is no Z-score, and the p-value says nothing"
                .into(),
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::super::{Shuffling, measure};
    use super::*;
    use crate::graph::mlp_graph;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    #[test]
    fn edges_that_hardly_weigh_anything_are_told_of() {
        let mut rng = stream(7, Purpose::InitialWeights, 0, 0);
        let mut layer = |small: f64| {
            let weight = || rng.gen_range(0.1..1.0) * if rng.gen_range(0.0..1.0) < small { 1e-9 } else { 1.0 };
            ("w".to_string(), ndarray::Array2::from_shape_simple_fn((40, 40), weight))
        };
        for (small, told) in [(0.2, true), (0.005, true), (0.0, false)] {
            let mut graph = mlp_graph(vec![layer(small), layer(small)]);
            for told in [told, false] {
                let shuffling = Shuffling { done: Vec::new(), stop_at: None };
                let params = MeasureParams { shuffles: 0, ..params(3) };
                let found = measure(graph.clone(), params, shuffling, |_| ()).unwrap().warnings;
                let message = found.iter().find(|warning| warning.code == "negligible-weights").map(|w| &w.message);
                assert_eq!(message.is_some(), told, "{small}: {found:?}");
                assert!(
                    message.is_none_or(|text| text.contains(" less than 1.0e-7") && text.contains("--least-weight"))
                );
                graph.drop_below(1.1e-7);
            }
        }
    }
}
