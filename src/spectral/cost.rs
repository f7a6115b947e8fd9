//! What a clustering costs, by what was measured (`cargo bench --bench clustering`).

/// Seconds on one thread of an AMD EPYC (2026), for each node, cluster and start of k-means.
const KMEANS: f64 = 1.5e-8;
/// For each edge and cluster: of shuffling, of the matrix, of products with it.
const EDGE: f64 = 3.5e-9;
/// Of an iteration's own arithmetic, for each cluster.
const ITERATION: f64 = 0.6e-3;

/// Seconds of one clustering of a shuffled graph into `k` clusters with `restarts` starts of k-means, on one thread.
pub fn seconds(nodes: f64, edges: f64, k: f64, restarts: f64) -> f64 {
    k * (nodes * restarts * KMEANS + edges * EDGE + ITERATION)
}

/// Bytes of a graph.
pub fn graph_bytes(edges: f64) -> f64 {
    12.0 * edges
}

/// Bytes that each thread needs beside the graph: a shuffle of it, its matrix, and a basis of some 60 vectors a cluster's
/// worth at most.
pub fn clustering_bytes(nodes: f64, edges: f64, k: f64) -> f64 {
    graph_bytes(edges) + 8.0 * edges + 8.0 * nodes * 20.0 * k
}
