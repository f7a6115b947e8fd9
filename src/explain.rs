//! What a measurement will do, why, and what that costs: said before it is done.

use crate::graph::NeuronGraph;
use crate::measure::MeasureParams;
use crate::spectral::cost;
use crate::spectral::eigsh::{Solver, Way, way};
use crate::spectral::laplacian::NormalizedAdjacency;

/// Bytes of a process that has read nothing.
const PROCESS: f64 = 200e6;

/// Lines for people: how eigenvectors are computed, how k-means is started, how long it takes and how much memory. `graph` has
/// no nodes without edges.
pub fn explain(graph: &NeuronGraph, params: MeasureParams, threads: usize) -> Vec<String> {
    let (nodes, edges, k) = (graph.nodes(), graph.edges(), params.cluster.k);
    let s = NormalizedAdjacency::new(graph);
    let restarts = params.cluster.restarts_for(nodes);
    let clusterings = 1 + params.null.map_or(0, |_| params.shuffles);
    let one = cost::seconds(nodes as f64, edges as f64, k as f64, restarts as f64);
    let at_once = threads.clamp(1, clusterings);
    let seconds = one * (clusterings as f64 / at_once as f64).ceil();
    let bytes = PROCESS
        + cost::graph_bytes(edges as f64)
        + at_once as f64 * cost::clustering_bytes(nodes as f64, edges as f64, k as f64);
    let starts = match params.cluster.restarts {
        Some(_) => "as asked for".into(),
        None if restarts == 25 => "up to 2,000 nodes".into(),
        None => format!("more than 2,000 nodes: {nodes}"),
    };
    vec![
        format!("eigenvectors: {}", eigenvectors(way(&s, k, params.cluster.solver), &s, params)),
        format!("k-means: {restarts} starts ({starts})"),
        format!(
            "expected: {clusterings} clusterings of {one:.2} s, {at_once} at a time, {seconds:.1} s in all; {:.1} GB of memory",
            bytes / 1e9
        ),
    ]
}

fn eigenvectors(way: Option<Way>, s: &NormalizedAdjacency, params: MeasureParams) -> String {
    let Some(Way { solver, rows, halved }) = way else {
        return match s.components.count {
            1 => "none are computed: the first of a connected graph is known".to_owned(),
            count => format!("none are computed: the graph has {count} unconnected pieces, and each has one"),
        };
    };
    let method = match solver {
        Solver::Arpack => "ARPACK on a sparse Cholesky factor, one graph at a time",
        Solver::Dense => "all of a dense matrix",
        Solver::Lanczos | Solver::Auto => "block Lanczos",
    };
    let matrix = match halved {
        true => format!("on the smaller side, {rows} of {} nodes: the edges join two sides", s.nodes()),
        false => format!("on all {rows} nodes"),
    };
    let why = match (params.cluster.solver, solver) {
        (Solver::Auto, Solver::Dense) => ", which is too small to iterate",
        (Solver::Auto, _) => "",
        (asked, found) if asked == found => ", as asked for",
        _ => ", because what was asked for has no room for so many clusters",
    };
    format!("{method} {matrix}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Convention, Norm, mlp_graph};
    use crate::rng::{Purpose, stream};
    use crate::spectral::clustering::{ClusterParams, cluster};
    use crate::stats::null::Engine;
    use crate::stats::shuffle::NullModel;
    use ndarray::Array2;
    use rand::Rng;

    /// What is said is what is done, whatever solver is asked for.
    #[test]
    fn the_way_that_is_explained_is_taken() {
        let mut rng = stream(0, Purpose::InitialWeights, 0, 0);
        let mut net = |widths: [usize; 4]| {
            let layers = widths
                .windows(2)
                .map(|pair| ("w".into(), Array2::from_shape_simple_fn((pair[0], pair[1]), || rng.gen_range(0.0..1.0))));
            mlp_graph(layers.collect())
        };
        for (graph, said) in [
            (net([300, 200, 200, 10]), "block Lanczos on the smaller side, 210 of 710 nodes: the edges join two sides"),
            (
                net([60, 50, 40, 10]),
                "all of a dense matrix on the smaller side, 60 of 160 nodes: the edges join two sides, which is too small to iterate",
            ),
        ] {
            for solver in [Solver::Auto, Solver::Lanczos, Solver::Arpack, Solver::Dense] {
                let cluster_params = ClusterParams { solver, ..ClusterParams::new(5, 0) };
                let params = MeasureParams {
                    cluster: cluster_params,
                    null: Some(NullModel::Layer),
                    shuffles: 50,
                    engine: Engine::Threads,
                    prune: 0.0,
                    least_weight: 0.0,
                    convention: Convention::default(),
                    norm: Norm::default(),
                    batch_norm: true,
                };
                let lines = explain(&graph, params, 2);
                if solver == Solver::Auto {
                    assert_eq!(lines[0], format!("eigenvectors: {said}"));
                    assert_eq!(lines[1], "k-means: 25 starts (up to 2,000 nodes)");
                    assert!(lines[2].starts_with("expected: 51 clusterings of 0."), "{}", lines[2]);
                }
                let s = NormalizedAdjacency::new(&graph);
                let took = cluster(&graph, cluster_params).expect("clusters").solver;
                assert_eq!(way(&s, 5, solver).expect("one component").solver, took, "{solver:?}");
            }
        }
    }
}
