//! `ncut graph MODEL -o FILE`.

use super::check_outputs;
use super::network::{ConventionOption, NetworkOptions, check_least_weight, check_prune};
use crate::graph::file::{LayerRange, layers_path, write_graph, write_layers};
use crate::measure::read_network;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a network's graph, and FILE.layers.json with the name, first node and size of each layer.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Graph {
    /// .safetensors, TorchScript or PyTorch state dict .pt/.pth, ONNX, torch.export .pt2, or .npz
    model: PathBuf,
    #[command(flatten)]
    network: NetworkOptions,
    /// What the nodes of a convolutional network are; all agree on chains of dense layers
    #[arg(long, value_enum, default_value = "paper")]
    convention: ConventionOption,
    /// Drop this share of each layer's smallest weights first, in [0, 1)
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    prune: f64,
    /// Take weights of a smaller magnitude for zero, before any are dropped
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    least_weight: f64,
    /// SciPy CSR .npz or Matrix Market .mtx
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Graph {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        check_prune(self.prune)?;
        check_least_weight(self.least_weight)?;
        check_outputs(&[&self.model], &[&self.output, &layers_path(&self.output)])?;
        let params = self.network.params(self.convention, self.prune, self.least_weight);
        let (graph, model) = read_network(&self.model, self.network.architecture(), params)?;
        let offsets = graph.offsets();
        let ranges = graph.node_sets.iter().zip(offsets).map(|(set, first_node)| LayerRange {
            name: set.name.clone(),
            first_node,
            size: set.size,
        });
        write_graph(&self.output, graph.adjacency().view())?;
        write_layers(&self.output, &ranges.collect::<Vec<_>>())?;
        let line = format!("{}: {} nodes, {} edges\n", self.output.display(), graph.nodes(), graph.edges());
        super::print(&line)?;
        if let Some(warning) = model.warning() {
            super::note(&format!("warning: {}", warning.message));
        }
        Ok(ExitCode::SUCCESS)
    }
}
