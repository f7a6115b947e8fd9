//! Which nodes of a graph form a layer: `FILE.layers.json` beside `FILE`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::InputError;
use crate::aside::write_with;
use crate::model::open_regular;

/// No network has layers enough to fill this.
const MAX_BYTES: u64 = 1 << 26;

/// A run of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRange {
    /// Name for people.
    pub name: String,
    /// Its first node, from 0.
    pub first_node: usize,
    /// Number of its nodes, at least 1.
    pub size: usize,
}

/// The content of `FILE.layers.json`: an array of ranges that tile the nodes in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayersFile {
    /// From the first node to the last.
    pub layers: Vec<LayerRange>,
}

/// Where the layers of the graph in `graph_path` are.
pub fn layers_path(graph_path: &Path) -> PathBuf {
    let mut name = graph_path.as_os_str().to_owned();
    name.push(".layers.json");
    name.into()
}

/// Reads the layers of a graph with so many `nodes`; `None` if there is no such file.
///
/// # Errors
///
/// If the file cannot be read, is not as [`LayersFile`] says, or its layers do not tile `0..nodes` in order.
pub fn read_layers(graph_path: &Path, nodes: usize) -> Result<Option<Vec<LayerRange>>, InputError> {
    let path = layers_path(graph_path);
    if matches!(path.try_exists(), Ok(false)) {
        return Ok(None);
    }
    let (file, length) = open_regular(&path)?;
    let remedy = "write the graph again with `ncut graph`, or delete this file";
    if length > MAX_BYTES {
        return Err(InputError::new(path.display(), format!("is {length} bytes long"), remedy));
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| InputError::io(&path, &error))?;
    let LayersFile { layers } = serde_json::from_str(&text).map_err(|error| {
        let place = format!("{}:{}:{}", path.display(), error.line(), error.column());
        let message = error.to_string();
        InputError::new(place, message.split(" at line ").next().unwrap_or_default(), remedy)
    })?;
    let mut next = 0usize;
    for (i, layer) in layers.iter().enumerate() {
        let place = || format!("{}, layer {i} ('{}')", path.display(), layer.name);
        if layer.size == 0 {
            return Err(InputError::new(place(), "has no nodes", remedy));
        }
        if layer.first_node != next {
            let problem = format!("begins at node {}, but {next} is the next one", layer.first_node);
            return Err(InputError::new(place(), problem, remedy));
        }
        next = next.saturating_add(layer.size);
    }
    if next != nodes {
        let problem = format!("its layers have {next} nodes, but the graph has {nodes}");
        return Err(InputError::new(path.display(), problem, remedy));
    }
    Ok(Some(layers))
}

/// Writes the layers beside the graph, complete or not at all.
///
/// # Errors
///
/// If the file cannot be written.
pub fn write_layers(graph_path: &Path, layers: &[LayerRange]) -> Result<(), InputError> {
    write_with(&layers_path(graph_path), |file| {
        serde_json::to_writer_pretty(&mut *file, layers)?;
        file.write_all(b"\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, first_node: usize, size: usize) -> LayerRange {
        LayerRange { name: name.into(), first_node, size }
    }

    #[test]
    fn layers_come_back_as_written() {
        let directory = tempfile::tempdir().unwrap();
        let graph = directory.path().join("g.npz");
        assert_eq!(read_layers(&graph, 9).unwrap(), None);
        let layers = [layer("input", 0, 5), layer("fc1", 5, 4)];
        write_layers(&graph, &layers).unwrap();
        assert_eq!(read_layers(&graph, 9).unwrap().unwrap(), layers);
        let text = std::fs::read_to_string(directory.path().join("g.npz.layers.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json[1], serde_json::json!({"name": "fc1", "first_node": 5, "size": 4}));
    }

    #[test]
    fn layers_that_do_not_tile_the_nodes_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let graph = directory.path().join("g.mtx");
        for (layers, wanted) in [
            (vec![layer("a", 0, 5)], "have 5 nodes, but the graph has 9"),
            (vec![layer("a", 0, 5), layer("b", 4, 5)], "layer 1 ('b'): begins at node 4, but 5"),
            (vec![layer("a", 0, 9), layer("b", 9, 0)], "has no nodes"),
            (vec![layer("a", 0, usize::MAX), layer("b", usize::MAX, usize::MAX)], "but the graph has 9"),
            (vec![], "have 0 nodes"),
        ] {
            write_layers(&graph, &layers).unwrap();
            let error = read_layers(&graph, 9).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn errors_of_syntax_name_line_and_column() {
        let directory = tempfile::tempdir().unwrap();
        let graph = directory.path().join("g.mtx");
        for (text, wanted) in
            [("[\n {\"name\": 3}]", ".json:2:11: invalid type"), ("[", ".json:1:1: EOF"), ("", "is empty")]
        {
            std::fs::write(layers_path(&graph), text).unwrap();
            let error = read_layers(&graph, 9).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }
}
