//! Should an n-cut be believed, and what does it come from? Beside a [`Measurement`]:
//!
//! ```text
//!                      ┌─► ladder       the n-cut against null models that keep more and more of the network
//! graph, measurement ──┼─► choice       over a range of k: eigengaps, n-cuts, Z, agreement of k-means' starts
//!                      └─► verdict      what the ladder and the warnings come to
//! ```
//!
//! [`selftest`] asks the same of networks whose answer is known.

pub mod choice;
pub mod ladder;
pub mod selftest;
pub mod verdict;

use crate::graph::NeuronGraph;
use crate::measure::{MeasureError, Measurement};
use crate::spectral::clustering::ClusterParams;
use crate::stats::permutation::proportion_interval;
use crate::stats::shuffle::NullModel;
use choice::{ChoiceOfK, choice_of_k};
use ladder::{Rung, ladder};
use serde::{Deserialize, Serialize};
use verdict::{Verdict, verdict};

/// What is known of a measurement's worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Where the share of shuffles below the network lies with 95 % confidence, were there ever so many; exact.
    pub p_interval: Option<(f64, f64)>,
    /// By what share the n-cut is below the mean of its shuffles; negative if it is above.
    pub effect_size: Option<f64>,
    /// The n-cut against each null model.
    pub ladder: Vec<Rung>,
    /// The range of k looked at, and which stands out.
    pub choice_of_k: ChoiceOfK,
    /// What it comes to.
    pub verdict: Verdict,
}

impl Diagnosis {
    /// Effect size and interval, for people.
    pub fn significance(&self) -> Option<String> {
        let ((low, high), effect) = self.p_interval.zip(self.effect_size)?;
        let (percent, where_to) = (100.0 * effect.abs(), if effect < 0.0 { "above" } else { "below" });
        let (low, high) = (100.0 * low, 100.0 * high);
        Some(format!(
            "{percent:.1} % {where_to} the mean of its shuffles, of which {low:.2} to {high:.2} % are lower (95 %, exact)"
        ))
    }
}

/// What [`diagnose`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DiagnosisParams {
    /// The clustering, as measured.
    pub cluster: ClusterParams,
    /// Shuffles under each null model, at least [`ladder::LEAST_SHUFFLES`].
    pub shuffles: usize,
    /// Whether the graph is of dense layers, whose initialisation is known.
    pub dense_layers: bool,
    /// The largest k looked at.
    pub most_clusters: usize,
}

/// Diagnoses `measurement`, which is of `graph`. `done` is called after each clustering.
///
/// # Errors
///
/// As [`crate::measure::measure`].
pub fn diagnose(
    graph: &NeuronGraph,
    measurement: &Measurement,
    params: DiagnosisParams,
    done: impl Fn() + Sync,
) -> Result<Diagnosis, MeasureError> {
    let mut graph = graph.clone();
    graph.rescale();
    let (graph, _) = graph.without_isolated();
    let ladder = ladder(&graph, measurement, params, models(&graph, params).into_iter(), &done)?;
    let choice_of_k = choice_of_k(&graph, params, &done)?;
    let verdict = verdict(measurement, &ladder);
    let null = measurement.null.as_ref().filter(|null| !null.stopped);
    let p_interval = null.map(|null| {
        let below = null.ncuts.iter().filter(|ncut| **ncut < measurement.ncut).count();
        proportion_interval(below, null.shuffles)
    });
    let effect_size = measurement.null.as_ref().filter(|null| null.mean > 0.0);
    let effect_size = effect_size.map(|null| 1.0 - measurement.ncut / null.mean);
    Ok(Diagnosis { p_interval, effect_size, ladder, choice_of_k, verdict })
}

/// The null models that say different things of `graph`: where no weight is zero, there are no places to keep or to rewire.
fn models(graph: &NeuronGraph, params: DiagnosisParams) -> Vec<NullModel> {
    let has_zeros = graph.blocks.iter().any(|block| block.weights.nnz() < block.weights.rows() * block.weights.cols());
    let of_zeros = [NullModel::Degrees, NullModel::LayerNonzero, NullModel::LayerNonzeroDistribution];
    let says = |model: &NullModel| match model {
        NullModel::Fresh => params.dense_layers,
        model => has_zeros || !of_zeros.contains(model),
    };
    NullModel::ALL.into_iter().filter(says).collect()
}

/// How many clusterings, or as much work, [`diagnose`] does: how often it calls `done`.
pub fn clusterings(graph: &NeuronGraph, params: DiagnosisParams) -> usize {
    let (graph, _) = graph.clone().without_isolated();
    (models(&graph, params).len() + 1) * params.shuffles + 1
}

#[cfg(test)]
mod tests {
    use super::selftest::{SelftestParams, selftest};
    use super::verdict::Explanation;
    use super::*;
    use crate::graph::{Convention, Norm, mlp_graph};
    use crate::measure::{MeasureParams, Shuffling, measure};
    use crate::rng::{Purpose, stream};
    use crate::stats::null::Engine;
    use ndarray::Array2;
    use rand::Rng;

    const WIDTHS: [usize; 4] = [60, 50, 50, 40];
    const PARTS: usize = 4;

    /// A chain of layers whose weights are those of `entry`, told whether both ends are of one part, and a random number in `[0, 1)`
    /// to draw places by and another for the value.
    fn chain(seed: u64, entry: impl Fn(bool, f64, f64) -> f64) -> NeuronGraph {
        let mut rng = stream(seed, Purpose::InitialWeights, 0, 0);
        let layers = WIDTHS.windows(2).map(|pair| {
            let weights = Array2::from_shape_fn((pair[0], pair[1]), |(i, j)| {
                entry(i % PARTS == j % PARTS, rng.gen_range(0.0..1.0), rng.gen_range(0.0..1.0))
            });
            ("w".to_string(), weights)
        });
        mlp_graph(layers.collect())
    }

    fn diagnosed(graph: &NeuronGraph) -> Diagnosis {
        let cluster = ClusterParams { restarts: Some(10), ..ClusterParams::new(PARTS, 0) };
        let measure_params = MeasureParams {
            cluster,
            null: Some(NullModel::Layer),
            shuffles: 40,
            engine: Engine::Threads,
            prune: 0.0,
            least_weight: 0.0,
            convention: Convention::default(),
            norm: Norm::default(),
            batch_norm: true,
        };
        let measurement = measure(graph.clone(), measure_params, Shuffling::default(), |_| {}).unwrap();
        let params = DiagnosisParams { cluster, shuffles: 40, dense_layers: true, most_clusters: 8 };
        let steps = std::sync::atomic::AtomicUsize::new(0);
        let found = diagnose(graph, &measurement, params, || {
            steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(steps.into_inner(), clusterings(graph, params));
        found.unwrap()
    }

    /// Networks of which it is known what makes them clusterable, or that nothing does.
    #[test]
    fn verdicts_on_networks_whose_answer_is_known() {
        let strong = |within: bool, _: f64, value: f64| value * if within { 20.0 } else { 1.0 };
        let by_places = |within: bool, place: f64, value: f64| {
            if place < if within { 0.7 } else { 0.03 } { 0.5 + value } else { 0.0 }
        };
        let alike = |within: bool, place: f64, _: f64| f64::from(u8::from(place < if within { 0.7 } else { 0.03 }));
        let all_alike = |_: bool, _: f64, _: f64| 0.3;
        let tiny = |within: bool, _: f64, value: f64| 1e-200 * value * if within { 20.0 } else { 1.0 };
        let pruned = |_: bool, place: f64, value: f64| if place < 0.2 { value } else { 0.0 };
        let apart = |within: bool, _: f64, value: f64| if within { value } else { 0.0 };
        for (name, graph, explanation, recommended) in [
            ("parts by weights", chain(1, strong), Explanation::Beyond, Some(PARTS)),
            ("parts by places", chain(2, by_places), Explanation::Topology, Some(PARTS)),
            ("parts by places, all weights alike", chain(2, alike), Explanation::Topology, Some(PARTS)),
            ("all weights alike", chain(2, all_alike), Explanation::NotClusterable, None),
            ("parts by tiny weights", chain(1, tiny), Explanation::Beyond, Some(PARTS)),
            ("pruned, without parts", chain(3, pruned), Explanation::NotClusterable, None),
            ("in pieces", chain(4, apart), Explanation::Degenerate, Some(PARTS)),
        ] {
            let found = diagnosed(&graph);
            assert_eq!(found.verdict.explanation, explanation, "{name}: {}", found.verdict.message);
            assert_eq!(found.choice_of_k.recommended, recommended, "{name}: {}", found.choice_of_k.reason);
        }
    }

    /// Two neurons of two layers that hang together and by a ten-thousandth of that on the others, three times over: a crumb is cut off
    /// instead of a part.
    #[test]
    fn crumbs_are_not_believed() {
        let mut graph = chain(5, |_, _, value| 0.1 + value);
        for block in &mut graph.blocks[..1] {
            for (i, mut row) in block.weights.outer_iterator_mut().enumerate() {
                for (j, weight) in row.iter_mut() {
                    *weight *= match (i < 3, j < 3) {
                        (true, true) if i == j => 1e-2,
                        (false, false) => 1.0,
                        _ => 1e-7,
                    };
                }
            }
        }
        for mut row in graph.blocks[1].weights.outer_iterator_mut().take(3) {
            row.iter_mut().for_each(|(_, weight)| *weight *= 1e-7);
        }
        let found = diagnosed(&graph);
        assert!(!found.verdict.believable, "{}", found.verdict.message);
        assert_eq!(found.choice_of_k.recommended, None, "{}", found.choice_of_k.reason);
    }

    /// 400 networks without parts: a twentieth are called clusterable. With 100 shuffles p is below 0.05 of 5 in 101, and 3 and 7 % are
    /// 1.8 and 1.9 standard deviations away.
    #[test]
    fn the_level_of_the_test_is_a_twentieth() {
        let graph = {
            let mut rng = stream(6, Purpose::InitialWeights, 0, 0);
            let mut layer = |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(0.0..1.0));
            mlp_graph(vec![("a".into(), layer(14, 10)), ("b".into(), layer(10, 10)), ("c".into(), layer(10, 8))])
        };
        let cluster = ClusterParams { restarts: Some(3), ..ClusterParams::new(3, 0) };
        let params = SelftestParams { cluster, networks: 400, planted: 10, shuffles: 100, strengths: vec![100.0] };
        let found = selftest(&graph, &params, || {}).unwrap();
        let [rate, low, high] = found.without_parts.false_positive_rate;
        assert!((0.03..=0.07).contains(&rate) && low < rate && rate < high, "{rate}");
        assert!(found.without_parts.some_k_stood_out <= 28, "{}", found.without_parts.some_k_stood_out);
        let planted = &found.with_parts[0];
        assert!(
            planted.found_clusterable == 10 && planted.recovery.is_some_and(|recovery| recovery > 0.95),
            "{planted:?}"
        );
        assert!(planted.right_k_recommended >= 9, "{planted:?}");
    }
}
