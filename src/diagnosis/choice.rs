//! How many clusters a graph has, by its spectrum: where one eigenvalue is more times the one before it than in its shuffles.

use super::DiagnosisParams;
use crate::graph::NeuronGraph;
use crate::measure::{MeasureError, giant_share};
use crate::rng::{Purpose, stream};
use crate::spectral::agreement::adjusted_rand_index;
use crate::spectral::clustering::{ClusterParams, Spectrum, by_volume, spectrum};
use crate::spectral::kmeans::{kmeans, starts};
use crate::stats::null::NullError;
use crate::stats::permutation::{LEVEL, mean_and_sd, valid_p_value, z_score};
use crate::stats::shuffle::{NullModel, shuffle};
use ndarray::s;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Starts of k-means that are compared with the best one.
const BEST_STARTS: usize = 5;
/// How many more clusters than were measured are looked at unless said otherwise.
pub const BEYOND: usize = 4;
/// Parts with an eigenvalue below this are as good as separate.
pub const ZERO: f64 = 1e-3;

/// One number of clusters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// k.
    pub clusters: usize,
    /// n-cut / k of the network.
    pub ncut_per_cluster: f64,
    /// Against as many clusters of its shuffles.
    pub z_score: Option<f64>,
    /// ln(λ_{k+1} / λ_k) of L_sym, eigenvalues below [`ZERO`] taken for that.
    pub eigengap: f64,
    /// The mean of that of the shuffles.
    pub null_eigengap: f64,
    /// Mean adjusted Rand index of the best start of k-means with the next best ones: 1 if all end at the same clusters.
    pub agreement: f64,
    /// Share of the volume of the largest cluster.
    pub largest_share: f64,
}

/// A range of numbers of clusters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceOfK {
    /// From 2 up.
    pub candidates: Vec<Candidate>,
    /// The one that stands out, if one does.
    pub recommended: Option<usize>,
    /// That a network without parts has somewhere in the range a gap that is so much wider than usual.
    pub p_value: f64,
    /// For people.
    pub reason: String,
}

/// What is kept of a shuffle.
struct Shuffled {
    /// For each k.
    gaps: Vec<f64>,
    /// For each k.
    ncuts: Vec<f64>,
}

/// Looks at 2 … [`DiagnosisParams::most_clusters`] clusters of `graph`, which has no nodes of degree zero, and at as many of
/// its shuffles (`layer`).
///
/// An eigengap is a ratio here, ln(λ_{k+1} / λ_k): of c parts that are each as deep as the network, the first c eigenvalues are small, and
/// the next are those of splits along the layers, with a gap behind them that is wide too, but no large ratio. Layers have gaps whatever
/// the weights, so it is compared with those of shuffles after the same k. The k whose gap exceeds theirs most is recommended if less than a
/// twentieth of the shuffles, as of p-values, exceed the others as much anywhere in the range, and its clusters are no giant with
/// crumbs.
///
/// # Errors
///
/// A spectrum could not be computed.
///
/// # References
///
/// * U. von Luxburg (2007), *A tutorial on spectral clustering*, section 8.3, for the eigengap.
pub(super) fn choice_of_k(
    graph: &NeuronGraph,
    params: DiagnosisParams,
    done: &(impl Fn() + Sync),
) -> Result<ChoiceOfK, MeasureError> {
    let most = params.most_clusters.min(graph.nodes().saturating_sub(2));
    let range = || 2..=most;
    let with = |k: usize, index: u64| ClusterParams { k, index, ..params.cluster };
    let of_network = spectrum(graph, with(most + 1, 0))?;
    let shuffles: Vec<Result<Shuffled, NullError>> = (0..params.shuffles as u64)
        .into_par_iter()
        .map(|i| {
            let shuffled = shuffle(graph, NullModel::Layer, &mut stream(params.cluster.seed, Purpose::Shuffle, i, 0));
            let (shuffled, _) = shuffled.without_isolated();
            let found = spectrum(&shuffled, with(most + 1, 1 + i));
            let found = found.map_err(|source| NullError { shuffle: i, nodes: shuffled.nodes(), source })?;
            let ncut = |k: usize| clustered(&shuffled, &found, with(k, 1 + i));
            let kept = Shuffled { gaps: range().map(|k| gap(&found, k)).collect(), ncuts: range().map(ncut).collect() };
            done();
            Ok(kept)
        })
        .collect();
    let shuffles: Vec<Shuffled> = shuffles.into_iter().collect::<Result<_, _>>()?;
    let candidates: Vec<Candidate> = range()
        .map(|k| {
            let points = of_network.embedding.slice(s![.., ..k]);
            let mut found = starts(points, with(k, 0).kmeans(graph.nodes()));
            found.truncate(1 + BEST_STARTS);
            let others = found[1..].iter().map(|start| adjusted_rand_index(&start.labels, &found[0].labels));
            let agreement = others.sum::<f64>() / (found.len() - 1).max(1) as f64;
            let (_, partition) = by_volume(graph, found.swap_remove(0).labels, k);
            let ncuts: Vec<f64> = shuffles.iter().map(|shuffle| shuffle.ncuts[k - 2]).collect();
            let gaps: Vec<f64> = shuffles.iter().map(|shuffle| shuffle.gaps[k - 2]).collect();
            Candidate {
                clusters: k,
                ncut_per_cluster: partition.ncut() / k as f64,
                z_score: z_score(partition.ncut(), &ncuts),
                eigengap: gap(&of_network, k),
                null_eigengap: mean_and_sd(&gaps).map_or(0.0, |(mean, _)| mean),
                agreement,
                largest_share: partition.volume_shares().first().copied().unwrap_or(1.0),
            }
        })
        .collect();
    done();
    Ok(choose(candidates, &shuffles))
}

fn gap(spectrum: &Spectrum, k: usize) -> f64 {
    (spectrum.eigenvalues[k].max(ZERO) / spectrum.eigenvalues[k - 1].max(ZERO)).ln()
}

/// By how much a gap exceeds the mean of others.
fn excess(gap: f64, others: &[f64]) -> f64 {
    gap - mean_and_sd(others).map_or(0.0, |(mean, _)| mean)
}

/// The p-value of the largest excess in the range: gaps after each k, of the network and of its shuffles. All of them are compared with
/// the mean of all, so that a network without parts is one among its like.
fn p_value_of_gaps(network: &[f64], shuffles: &[Vec<f64>]) -> f64 {
    let all: Vec<&[f64]> = std::iter::once(network).chain(shuffles.iter().map(Vec::as_slice)).collect();
    let after = |k: usize| all.iter().map(|gaps| gaps[k]).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..network.len()).map(after).collect();
    let largest = |i: usize| columns.iter().map(|column| excess(column[i], column)).fold(f64::MIN, f64::max);
    // lower is what a p-value counts, larger is what is looked for
    valid_p_value(-largest(0), &(1..all.len()).map(|i| -largest(i)).collect::<Vec<f64>>())
}

/// The place in the range whose gap exceeds those of shuffles most, and the p-value of that; `None` of an empty range.
fn stands_out(network: &[f64], shuffles: &[Vec<f64>]) -> Option<(usize, f64)> {
    let excess = |at: &usize| excess(network[*at], &shuffles.iter().map(|gaps| gaps[*at]).collect::<Vec<f64>>());
    let widest = (0..network.len()).max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
    Some((widest, p_value_of_gaps(network, shuffles)))
}

/// The number of clusters that [`choice_of_k`] would recommend, looking at up to [`BEYOND`] more than [`ClusterParams::k`], by the eigengaps
/// alone: how the clusters share the volume is not looked at.
pub(super) fn gaps_choose(
    graph: &NeuronGraph,
    params: ClusterParams,
    shuffles: usize,
) -> Result<Option<usize>, MeasureError> {
    let most = (params.k + BEYOND).min(graph.nodes().saturating_sub(2));
    let gaps = |graph: &NeuronGraph, index: u64| {
        let found = spectrum(graph, ClusterParams { k: most + 1, index, ..params });
        found.map(|found| (2..=most).map(|k| gap(&found, k)).collect::<Vec<f64>>())
    };
    let of_shuffle = |i: u64| {
        let shuffled = shuffle(graph, NullModel::Layer, &mut stream(params.seed, Purpose::Shuffle, i, 0));
        gaps(&shuffled.without_isolated().0, 1 + i)
    };
    let shuffles: Vec<Vec<f64>> = (0..shuffles as u64).into_par_iter().map(of_shuffle).collect::<Result<_, _>>()?;
    let own = gaps(graph, 0)?;
    let found = stands_out(&own, &shuffles).filter(|(_, p)| *p < LEVEL);
    Ok(found.map(|(at, _)| at + 2))
}

/// The n-cut of k clusters by the first k eigenvectors of a larger spectrum.
fn clustered(graph: &NeuronGraph, spectrum: &Spectrum, params: ClusterParams) -> f64 {
    let found = kmeans(spectrum.embedding.slice(s![.., ..params.k]), params.kmeans(graph.nodes()));
    by_volume(graph, found.labels, params.k).1.ncut()
}

fn choose(candidates: Vec<Candidate>, shuffles: &[Shuffled]) -> ChoiceOfK {
    let network: Vec<f64> = candidates.iter().map(|candidate| candidate.eigengap).collect();
    let of_shuffles: Vec<Vec<f64>> = shuffles.iter().map(|shuffle| shuffle.gaps.clone()).collect();
    let Some((at, p_value)) = stands_out(&network, &of_shuffles) else {
        let reason = "the graph is too small to be split in more than one way".into();
        return ChoiceOfK { candidates, recommended: None, p_value: 1.0, reason };
    };
    let Candidate { clusters: k, eigengap, null_eigengap, largest_share, .. } = candidates[at];
    let (recommended, reason) = if p_value >= LEVEL {
        (None, "none stands out: shuffles have eigenvalues that exceed the ones before them as much".into())
    } else if largest_share > giant_share(k) {
        let percent = 100.0 * largest_share;
        let where_to = format!("eigenvalues exceed those of shuffles most after k = {k}");
        (None, format!("none stands out: {where_to}, but one cluster holds {percent:.0} % of the volume there"))
    } else {
        // eigenvalues as good as 0 have no ratio to speak of
        let times =
            |gap: f64| if gap > 100f64.ln() { "over 100 times".into() } else { format!("{:.2} times", gap.exp()) };
        let (own, theirs) = (times(eigengap), times(null_eigengap));
        (
            Some(k),
            format!(
                "{k}: after k = {k} comes an eigenvalue {own} as large, in shuffles {theirs}, more than after any other"
            ),
        )
    };
    ChoiceOfK { candidates, recommended, p_value, reason }
}
