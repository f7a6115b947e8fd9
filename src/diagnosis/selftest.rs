//! The p-value and the choice of k on networks whose answer is known: without parts, and with planted ones.

use super::choice::gaps_choose;
use crate::graph::NeuronGraph;
use crate::measure::MeasureError;
use crate::rng::{Purpose, stream};
use crate::spectral::agreement::adjusted_rand_index;
use crate::spectral::clustering::{ClusterParams, cluster};
use crate::stats::null::{Engine, null_distribution};
use crate::stats::permutation::{LEVEL, mean_and_sd, proportion_interval, valid_p_value};
use crate::stats::shuffle::{NullModel, shuffle};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::ControlFlow;

/// What [`selftest`] is asked for.
#[derive(Debug, Clone)]
pub struct SelftestParams {
    /// The clustering; its seed is that of everything.
    pub cluster: ClusterParams,
    /// Networks without parts.
    pub networks: usize,
    /// Networks with planted parts, for each strength.
    pub planted: usize,
    /// Shuffles of each network.
    pub shuffles: usize,
    /// By how much more, as a factor less 1, weights inside parts are than they were.
    pub strengths: Vec<f64>,
}

/// Networks without parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WithoutParts {
    /// How many.
    pub networks: usize,
    /// Those with p below 0.05.
    pub found_clusterable: usize,
    /// That by all, and the bounds of its 95 % interval (Clopper and Pearson).
    pub false_positive_rate: [f64; 3],
    /// Those of which some number of clusters stood out.
    pub some_k_stood_out: usize,
}

/// Networks with planted parts of one strength.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WithParts {
    /// Weights inside parts are 1 + this times what they were.
    pub strength: f64,
    /// How many networks.
    pub networks: usize,
    /// Those with p below 0.05.
    pub found_clusterable: usize,
    /// Mean adjusted Rand index of the clusters found with those planted; none of no networks.
    pub recovery: Option<f64>,
    /// Those of which the planted number of clusters was recommended.
    pub right_k_recommended: usize,
    /// Those of which another was.
    pub wrong_k_recommended: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selftest {
    /// The level is right if its rate is about a twentieth.
    pub without_parts: WithoutParts,
    /// By strength.
    pub with_parts: Vec<WithParts>,
}

/// What was found in one network.
struct Found {
    clusterable: bool,
    recovery: f64,
    recommended: Option<usize>,
}

/// Makes networks of the layers of `graph`, with its own weights shuffled, plants as many parts as there are clusters in some of
/// them, and measures them all. `done` is called after each network.
///
/// # Errors
///
/// A network could not be clustered.
pub fn selftest(
    graph: &NeuronGraph,
    params: &SelftestParams,
    done: impl Fn() + Sync,
) -> Result<Selftest, MeasureError> {
    let mut graph = graph.clone();
    graph.rescale();
    let (graph, _) = graph.without_isolated();
    if graph.edges() == 0 {
        return Err(MeasureError::NoEdges);
    }
    let measured = |strength: f64, networks: usize, group: u64| -> Result<Vec<Found>, MeasureError> {
        let of_network = |i: u64| {
            let found = found(&graph, strength, (group << 24) + i, params);
            done();
            found
        };
        let all: Vec<_> = (0..networks as u64).into_par_iter().map(of_network).collect();
        all.into_iter().collect()
    };
    let count = |found: &[Found], which: &dyn Fn(&Found) -> bool| found.iter().filter(|found| which(found)).count();
    let without = measured(0.0, params.networks, 0)?;
    let clusterable = count(&without, &|found| found.clusterable);
    let (low, high) = proportion_interval(clusterable, params.networks);
    let without_parts = WithoutParts {
        networks: params.networks,
        found_clusterable: clusterable,
        false_positive_rate: [clusterable as f64 / params.networks.max(1) as f64, low, high],
        some_k_stood_out: count(&without, &|found| found.recommended.is_some()),
    };
    let with_parts = params.strengths.iter().zip(1..).map(|(&strength, group)| {
        let found = measured(strength, params.planted, group)?;
        Ok(WithParts {
            strength,
            networks: found.len(),
            found_clusterable: count(&found, &|found| found.clusterable),
            recovery: mean_and_sd(&found.iter().map(|found| found.recovery).collect::<Vec<f64>>())
                .map(|(mean, _)| mean),
            right_k_recommended: count(&found, &|found| found.recommended == Some(params.cluster.k)),
            wrong_k_recommended: count(&found, &|found| found.recommended.is_some_and(|k| k != params.cluster.k)),
        })
    });
    let with_parts = with_parts.collect::<Result<_, MeasureError>>()?;
    Ok(Selftest { without_parts, with_parts })
}

fn found(graph: &NeuronGraph, strength: f64, number: u64, params: &SelftestParams) -> Result<Found, MeasureError> {
    let k = params.cluster.k;
    let mut rng = stream(params.cluster.seed, Purpose::Selftest, number, 0);
    let mut network = shuffle(graph, NullModel::Layer, &mut rng);
    let mut tags: Vec<u32> = Vec::with_capacity(network.nodes());
    for set in &network.node_sets {
        let mut of_set: Vec<u32> = (0..set.size as u32).map(|node| node % k as u32).collect();
        of_set.shuffle(&mut rng);
        tags.extend(of_set);
    }
    let offsets = network.offsets();
    for block in &mut network.blocks {
        let (rows, columns) = (offsets[block.source], offsets[block.target]);
        for (i, mut row) in block.weights.outer_iterator_mut().enumerate() {
            let within = |j: usize| tags[rows + i] == tags[columns + j];
            row.iter_mut().filter(|(j, _)| within(*j)).for_each(|(_, weight)| *weight *= 1.0 + strength);
        }
    }
    let (network, kept) = network.without_isolated();
    let tags: Vec<u32> = tags.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(tag, _)| tag).collect();
    // another network, other shuffles
    let own = ClusterParams { seed: params.cluster.seed.wrapping_add(1 + number), ..params.cluster };
    let clustering = cluster(&network, own)?;
    let shuffles: Vec<u64> = (0..params.shuffles as u64).collect();
    let go_on = |_, _| ControlFlow::Continue(());
    let null = null_distribution(&network, NullModel::Layer, own, Engine::Threads, &shuffles, go_on)?;
    let ncuts: Vec<f64> = null.into_iter().map(|(_, ncut)| ncut).collect();
    Ok(Found {
        clusterable: valid_p_value(clustering.partition.ncut(), &ncuts) < LEVEL,
        recovery: adjusted_rand_index(&clustering.labels, &tags),
        recommended: gaps_choose(&network, own, params.shuffles)?,
    })
}
