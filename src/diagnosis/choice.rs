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
    /// One more than the largest k.
    eigenvalues: Vec<f64>,
    /// For each k.
    ncuts: Vec<f64>,
}

/// Looks at 2 … [`DiagnosisParams::most_clusters`] clusters of `graph`, which has no nodes of degree zero, and at as many of
/// its shuffles (`layer`).
///
/// An eigengap is a ratio here, ln(λ_{k+1} / λ_k): of c parts that are each as deep as the network, the first c eigenvalues are small, and
/// the next are those of splits along the layers, with a gap behind them that is wide too, but no large ratio. Layers have gaps whatever
/// the weights, so it is compared with those of shuffles after the same k. Where the parts are weak, splits along the layers have smaller
/// eigenvalues than they; shuffles have those too, and they do not count. The k whose gap exceeds theirs most, less those, is recommended if
/// less than a twentieth of the shuffles, as of p-values, exceed the others as much anywhere in the range, and its clusters are no giant with
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
            let found = found.map_err(|cause| NullError { shuffle: i, nodes: shuffled.nodes(), cause })?;
            let ncut = |k: usize| clustered(&shuffled, &found, with(k, 1 + i));
            let kept = Shuffled { eigenvalues: found.eigenvalues.clone(), ncuts: range().map(ncut).collect() };
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
            let gaps: Vec<f64> = shuffles.iter().map(|shuffle| gap(&shuffle.eigenvalues, k)).collect();
            Candidate {
                clusters: k,
                ncut_per_cluster: partition.ncut() / k as f64,
                z_score: z_score(partition.ncut(), &ncuts),
                eigengap: gap(&of_network.eigenvalues, k),
                null_eigengap: mean_and_sd(&gaps).map_or(0.0, |(mean, _)| mean),
                agreement,
                largest_share: partition.volume_shares().first().copied().unwrap_or(1.0),
            }
        })
        .collect();
    done();
    Ok(choose(candidates, &of_network.eigenvalues, &shuffles))
}

fn gap(eigenvalues: &[f64], k: usize) -> f64 {
    (eigenvalues[k].max(ZERO) / eigenvalues[k - 1].max(ZERO)).ln()
}

/// After each k from 2 up.
fn gaps(eigenvalues: &[f64]) -> Vec<f64> {
    (2..eigenvalues.len()).map(|k| gap(eigenvalues, k)).collect()
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

/// What a spectrum says of the number of parts.
#[derive(Clone, Copy)]
struct StandsOut {
    /// The k whose gap exceeds those of shuffles most.
    gap_after: usize,
    /// Eigenvalues up to there, the first aside, that shuffles have too: splits along the layers. Median over shuffles.
    along_layers: usize,
    /// Of the gap.
    p_value: f64,
}

impl StandsOut {
    /// `None` of an empty range.
    fn new(network: &[f64], shuffles: &[&[f64]]) -> Option<Self> {
        let of_shuffles: Vec<Vec<f64>> = shuffles.iter().map(|eigenvalues| gaps(eigenvalues)).collect();
        let own = gaps(network);
        let excess = |at: &usize| excess(own[*at], &of_shuffles.iter().map(|gaps| gaps[*at]).collect::<Vec<f64>>());
        let gap_after = 2 + (0..own.len()).max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
        let as_small = |eigenvalues: &&[f64]| eigenvalues[1..].iter().filter(|λ| **λ <= network[gap_after - 1]).count();
        let mut counts: Vec<usize> = shuffles.iter().map(as_small).collect();
        counts.sort_unstable();
        let along_layers = counts.get(counts.len() / 2).copied().unwrap_or(0);
        Some(Self { gap_after, along_layers, p_value: p_value_of_gaps(&own, &of_shuffles) })
    }

    /// The number of parts; 1 or less of none.
    fn parts(&self) -> usize {
        self.gap_after.saturating_sub(self.along_layers)
    }
}

/// The number of clusters that [`choice_of_k`] would recommend, looking at up to [`BEYOND`] more than [`ClusterParams::k`], by the eigengaps
/// alone: how the clusters share the volume is not looked at.
pub(super) fn gaps_choose(
    graph: &NeuronGraph,
    params: ClusterParams,
    shuffles: usize,
) -> Result<Option<usize>, MeasureError> {
    let most = (params.k + BEYOND).min(graph.nodes().saturating_sub(2));
    let eigenvalues = |graph: &NeuronGraph, index: u64| {
        let found = spectrum(graph, ClusterParams { k: most + 1, index, ..params });
        found.map(|found| found.eigenvalues)
    };
    let of_shuffle = |i: u64| {
        let shuffled = shuffle(graph, NullModel::Layer, &mut stream(params.seed, Purpose::Shuffle, i, 0));
        eigenvalues(&shuffled.without_isolated().0, 1 + i)
    };
    let shuffles: Vec<Vec<f64>> = (0..shuffles as u64).into_par_iter().map(of_shuffle).collect::<Result<_, _>>()?;
    let own = eigenvalues(graph, 0)?;
    let found = StandsOut::new(&own, &shuffles.iter().map(Vec::as_slice).collect::<Vec<_>>());
    Ok(found.filter(|found| found.p_value < LEVEL && found.parts() > 1).map(|found| found.parts()))
}

/// The n-cut of k clusters by the first k eigenvectors of a larger spectrum.
fn clustered(graph: &NeuronGraph, spectrum: &Spectrum, params: ClusterParams) -> f64 {
    let found = kmeans(spectrum.embedding.slice(s![.., ..params.k]), params.kmeans(graph.nodes()));
    by_volume(graph, found.labels, params.k).1.ncut()
}

fn choose(candidates: Vec<Candidate>, network: &[f64], shuffles: &[Shuffled]) -> ChoiceOfK {
    let of_shuffles: Vec<&[f64]> = shuffles.iter().map(|shuffle| shuffle.eigenvalues.as_slice()).collect();
    let Some(found) = StandsOut::new(network, &of_shuffles) else {
        let reason = "the graph is too small to be split in more than one way".into();
        return ChoiceOfK { candidates, recommended: None, p_value: 1.0, reason };
    };
    let (StandsOut { gap_after, along_layers, p_value }, parts) = (found, found.parts());
    let Candidate { eigengap, null_eigengap, .. } = candidates[gap_after - 2];
    let share = |k: usize| candidates.get(k.wrapping_sub(2)).map_or(1.0, |candidate| candidate.largest_share);
    let where_to = format!("eigenvalues exceed those of shuffles most after k = {gap_after}");
    let (recommended, reason) = if p_value >= LEVEL {
        (None, "none stands out: shuffles have eigenvalues that exceed the ones before them as much".into())
    } else if parts < 2 {
        (None, format!("none stands out: {where_to}, and those up to there are of splits along the layers"))
    } else if share(parts) > giant_share(parts) {
        let percent = 100.0 * share(parts);
        (None, format!("none stands out: {where_to}, but one cluster holds {percent:.0} % of the volume there"))
    } else {
        // eigenvalues as good as 0 have no ratio to speak of
        let times =
            |gap: f64| if gap > 100f64.ln() { "over 100 times".into() } else { format!("{:.2} times", gap.exp()) };
        let (own, theirs) = (times(eigengap), times(null_eigengap));
        let besides = match along_layers {
            0 => String::new(),
            1 => "; one of those up to there is of a split along the layers, as shuffles have it".into(),
            many => format!("; {many} of those up to there are of splits along the layers, as shuffles have them"),
        };
        let after = format!("after k = {gap_after} comes an eigenvalue {own} as large, in shuffles {theirs}");
        (Some(parts), format!("{parts}: {after}, more than after any other{besides}"))
    };
    ChoiceOfK { candidates, recommended, p_value, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four parts whose eigenvalues lie above that of a split along the layers, or below it.
    #[test]
    fn splits_along_the_layers_are_no_parts() {
        let shuffles: Vec<[f64; 7]> = (0..40)
            .map(|i| [0.0, 0.2, 0.9, 0.901, 0.902, 0.903, 0.904].map(|λ| λ * (1.0 + 1e-3 * f64::from(i))))
            .collect();
        let shuffles: Vec<&[f64]> = shuffles.iter().map(|λ| λ.as_slice()).collect();
        for (network, gap_after, along_layers) in
            [([0.0, 0.2, 0.5, 0.51, 0.52, 0.9, 0.91], 5, 1), ([0.0, 0.1, 0.11, 0.12, 0.3, 0.31, 0.32], 4, 0)]
        {
            let found = StandsOut::new(&network, &shuffles).unwrap();
            assert_eq!((found.gap_after, found.along_layers, found.parts()), (gap_after, along_layers, 4));
            assert!(found.p_value < LEVEL);
        }
    }
}
