//! `ncut graph MODEL -o FILE`.

use super::measure::LayersOption;
use crate::graph::file::{LayerRange, write_graph, write_layers};
use crate::measure::read_network;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a network's graph, and FILE.layers.json with the name, first node and size of each layer.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Graph {
    /// .safetensors, PyTorch state dict or TorchScript .pt/.pth, or .npz
    model: PathBuf,
    /// Layers of a convolutional network that are in its graph
    #[arg(long, value_enum, default_value = "convolutions")]
    layers: LayersOption,
    /// SciPy CSR .npz or Matrix Market .mtx
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Graph {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let (graph, _) = read_network(&self.model, self.layers.into())?;
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
        Ok(ExitCode::SUCCESS)
    }
}
