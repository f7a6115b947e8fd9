//! `ncut cluster GRAPH`.

use super::Global;
use super::measure::MeasureOptions;
use crate::InputError;
use crate::graph::file::{layers_path, read_graph, read_layers};
use crate::graph::{GraphParams, NeuronGraph, NodeSet};
use crate::measure::ModelInfo;
use clap::Args;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Measure any weighted undirected graph. It is compared with shuffles only if GRAPH.layers.json lies beside it, as
/// `ncut graph` writes it.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Cluster {
    /// Matrix Market .mtx, or SciPy CSR .npz
    graph: PathBuf,
    #[command(flatten)]
    options: MeasureOptions,
}

impl Cluster {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        self.options.check(&[&self.graph, &layers_path(&self.graph)])?;
        let adjacency = read_graph(&self.graph)?;
        let layers = read_layers(&self.graph, adjacency.rows())?;
        let layered = layers.is_some();
        let node_sets = match layers {
            Some(layers) => layers.into_iter().map(|l| NodeSet { name: l.name, size: l.size }).collect(),
            None => vec![NodeSet { name: "all".into(), size: adjacency.rows() }],
        };
        let mut graph = NeuronGraph::from_adjacency(&adjacency, node_sets);
        if let Some(block) = graph.blocks.iter().find(|b| layered && b.source == b.target) {
            let name = &graph.node_sets[block.source].name;
            let problem = format!("layer '{name}' has edges within itself, which a shuffle of layers does not know");
            let place = format!("{}.layers.json", self.graph.display());
            return Err(InputError::new(
                place,
                problem,
                "split the layer, or remove the file to measure without shuffles",
            )
            .into());
        }
        graph.drop_below(self.options.least_weight);
        graph.prune(self.options.prune);
        let bytes = std::fs::read(&self.graph).map_err(|e| InputError::io(&self.graph, &e))?;
        let model = ModelInfo {
            path: self.graph.display().to_string(),
            sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
            architecture: "graph".into(),
            graph_layers: None,
            weights: None,
            assumed: None,
        };
        self.options.measure(graph, model, layered.then(GraphParams::default), start.elapsed().as_secs_f64(), global)
    }
}
