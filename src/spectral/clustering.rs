//! Normalised spectral clustering: a graph to a partition and its n-cut.

use super::eigsh::{EigshError, EigshParams, Solver, eigsh};
use super::kmeans::{Engine, KMeansParams, kmeans};
use super::laplacian::NormalizedAdjacency;
use super::ncut::Partition;
use crate::graph::NeuronGraph;
use ndarray::Array2;

/// What [`cluster`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ClusterParams {
    /// Number of clusters, `1 ≤ k < nodes`.
    pub k: usize,
    /// k-means starts; `None` is 25 up to 2,000 nodes and 100 above (as the authors' code has it).
    pub restarts: Option<usize>,
    /// How the eigenvectors are computed.
    pub solver: Solver,
    /// Which k-means.
    pub engine: Engine,
    /// Seed of start vectors and k-means starts.
    pub seed: u64,
    /// Which clustering under that seed: 0 the network, 1 + i shuffle i.
    pub index: u64,
}

impl ClusterParams {
    /// `k` clusters with everything else at its default.
    pub fn new(k: usize, seed: u64) -> Self {
        Self { k, restarts: None, solver: Solver::Auto, engine: Engine::Lloyd, seed, index: 0 }
    }

    /// The number of k-means starts for a graph of `nodes` nodes.
    pub fn restarts_for(&self, nodes: usize) -> usize {
        const MANY_NODES: usize = 2000;
        self.restarts.unwrap_or(if nodes <= MANY_NODES { 25 } else { 100 })
    }

    /// What k-means is asked for on a graph of `nodes` nodes.
    pub fn kmeans(&self, nodes: usize) -> KMeansParams {
        let Self { k, engine, seed, index, .. } = *self;
        KMeansParams { k, restarts: self.restarts_for(nodes), engine, seed, index }
    }
}

/// A graph split into clusters.
#[derive(Debug, Clone)]
pub struct Clustering {
    /// Cluster of each node, `(n,)`, numbered by descending volume.
    pub labels: Vec<u32>,
    /// The k smallest eigenvalues of L_sym, ascending.
    pub eigenvalues: Vec<f64>,
    /// Sizes, volumes and cuts of the clusters, in their order.
    pub partition: Partition,
    /// Connected components of the graph.
    pub components: usize,
    /// k-means inertia in the embedding.
    pub inertia: f64,
    /// The solver that ran.
    pub solver: Solver,
}

/// Splits `graph` into k clusters.
///
/// 1. The k smallest eigenpairs `(λ_j, u_j)` of L_sym = I − D^-1/2 A D^-1/2.
/// 2. Row i of the embedding is `u_j[i] / √d_i`, j = 1 … k: the eigenvectors of D^-1 L (paper, algorithm 1). No row
///    normalisation.
/// 3. k-means of the rows, several starts, least inertia.
///
/// # Errors
///
/// [`EigshError`]: k is out of range, or the eigensolver failed.
///
/// # Panics
///
/// If a node has degree zero ([`NeuronGraph::without_isolated`]).
///
/// # References
///
/// * Filan et al. (2021), *Clusterability in Neural Networks*, algorithm 1, as scikit-learn 0.20 implements it.
/// * J. Shi, J. Malik (2000), *Normalized cuts and image segmentation*.
pub fn cluster(graph: &NeuronGraph, params: ClusterParams) -> Result<Clustering, EigshError> {
    let spectrum = spectrum(graph, params)?;
    let embedding = spectrum.embedding.view();
    let found = kmeans(embedding, params.kmeans(graph.nodes()));
    let (labels, partition) = by_volume(graph, found.labels, params.k);
    Ok(Clustering {
        labels,
        eigenvalues: spectrum.eigenvalues,
        partition,
        components: spectrum.components,
        inertia: found.inertia,
        solver: spectrum.solver,
    })
}

/// The smallest eigenvalues of a graph, and its nodes as points.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// The k smallest of L_sym, ascending.
    pub eigenvalues: Vec<f64>,
    /// `u_j[i] / √d_i`, `(n, k)`; the first columns are the embedding for fewer clusters.
    pub embedding: Array2<f64>,
    /// Connected components of the graph.
    pub components: usize,
    /// The solver that ran.
    pub solver: Solver,
}

/// The first two steps of [`cluster`].
///
/// # Errors
///
/// As [`cluster`].
///
/// # Panics
///
/// As [`cluster`].
pub fn spectrum(graph: &NeuronGraph, params: ClusterParams) -> Result<Spectrum, EigshError> {
    if params.k == 0 || params.k >= graph.nodes() {
        return Err(EigshError::TooMany { k: params.k, nodes: graph.nodes() });
    }
    let s = NormalizedAdjacency::new(graph);
    let pairs = eigsh(&s, EigshParams { solver: params.solver, ..EigshParams::new(params.k, params.seed) })?;
    let mut embedding = pairs.vectors;
    for (mut row, degree) in embedding.rows_mut().into_iter().zip(&s.degrees) {
        row /= degree.sqrt();
    }
    Ok(Spectrum { eigenvalues: pairs.values, embedding, components: s.components.count, solver: pairs.solver })
}

/// Numbers the clusters by descending volume; equal volumes keep their order.
pub(crate) fn by_volume(graph: &NeuronGraph, labels: Vec<u32>, k: usize) -> (Vec<u32>, Partition) {
    let found = Partition::new(graph, &labels, k);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| found.volumes[b].total_cmp(&found.volumes[a]));
    let mut number = vec![0u32; k];
    order.iter().enumerate().for_each(|(new, &old)| number[old] = new as u32);
    let partition = Partition {
        sizes: order.iter().map(|&c| found.sizes[c]).collect(),
        volumes: order.iter().map(|&c| found.volumes[c]).collect(),
        cuts: order.iter().map(|&c| found.cuts[c]).collect(),
    };
    (labels.into_iter().map(|label| number[label as usize]).collect(), partition)
}
