//! The network, clustered (paper, figure 1): layers as columns, neurons as squares in the order of their clusters, the strongest edges.

use super::{COLOURS, colour, layer_name, shortened};
use crate::graph::{Block, NeuronGraph};
use crate::measure::Measurement;
use crate::report::pictures::labels::width;
use serde_json::json;
use std::fmt::Write;

/// Neurons beyond which squares would be too small to see.
const MOST_NEURONS: usize = 50_000;
/// Neurons up to which they are drawn large.
const FEW_NEURONS: usize = 4_000;
/// Of all edges that are drawn; at least [`LEAST_EDGES`] between two layers.
const EDGES: usize = 600;
const LEAST_EDGES: usize = 6;
/// What the columns and the gaps between them come to, in pixels, where gaps are neither narrow nor wide.
const WIDTH: f64 = 1100.0;
const GAPS: std::ops::RangeInclusive<f64> = 28.0..=140.0;
const MARGIN: f64 = 8.0;
const LETTERS: f64 = 11.0;
/// Names that do not fit beside each other are turned by 40°.
const TURNED: (f64, f64) = (0.766, 0.643);

/// A layer.
struct Column {
    /// Its left edge.
    left: f64,
    /// Its first node.
    first: usize,
    /// Its neurons in the order in which they are drawn, down and then right: by cluster, and dropped ones at the end.
    order: Vec<usize>,
}

struct Layout {
    /// Side of a neuron's square, with the space around it.
    cell: f64,
    /// Squares below each other.
    rows: usize,
    /// The top of the columns.
    top: f64,
    columns: Vec<Column>,
    /// Of the picture.
    size: (f64, f64),
    /// Whether names are turned.
    turned: bool,
}

impl Layout {
    fn new(m: &Measurement) -> Self {
        let few = m.labels.len() <= FEW_NEURONS;
        let (cell, most_rows) = if few { (7.0, 64) } else { (4.0, 128) };
        let largest = m.graph.layers.iter().map(|layer| layer.size).max().unwrap_or(1);
        let rows = largest.clamp(1, most_rows);
        let wide = |size: usize| size.div_ceil(rows).max(1) as f64 * cell;
        let squares: f64 = m.graph.layers.iter().map(|layer| wide(layer.size)).sum();
        let gaps = (m.graph.layers.len().max(2) - 1) as f64;
        let gap = ((WIDTH - squares) / gaps).clamp(*GAPS.start(), *GAPS.end());
        let names = m.graph.layers.iter().map(|layer| (width(&shortened(&layer.name), LETTERS), wide(layer.size)));
        let (widest, turned) = names.fold((0f64, false), |(most, turned), (name, column)| {
            (most.max(name), turned || name > column + gap - 6.0)
        });
        let (beside, below) = if turned { (widest * TURNED.0, widest * TURNED.1 + 14.0) } else { (widest / 2.0, 18.0) };
        let mut left = MARGIN + beside;
        let mut first = 0;
        let column = |layer: &crate::measure::LayerInfo| {
            let mut order: Vec<usize> = (0..layer.size).collect();
            order.sort_by_key(|&i| (m.labels[first + i] < 0, m.labels[first + i], i));
            let column = Column { left, first, order };
            left += wide(layer.size) + gap;
            first += layer.size;
            column
        };
        let columns: Vec<Column> = m.graph.layers.iter().map(column).collect();
        let right = left - gap + if turned { MARGIN } else { beside + MARGIN };
        Self { cell, rows, top: MARGIN, columns, size: (right, 2.0 * MARGIN + rows as f64 * cell + below), turned }
    }

    /// Top left of the square at this place of a column's order.
    fn square(&self, column: &Column, place: usize) -> (f64, f64) {
        let (across, down) = (place / self.rows, place % self.rows);
        (column.left + across as f64 * self.cell, self.top + down as f64 * self.cell)
    }

    /// Centre of each node's square.
    fn centres(&self) -> Vec<(f64, f64)> {
        let nodes = self.columns.iter().map(|column| column.order.len()).sum();
        let mut centres = vec![(0.0, 0.0); nodes];
        for column in &self.columns {
            for (place, i) in column.order.iter().enumerate() {
                let (x, y) = self.square(column, place);
                centres[column.first + i] = (x + self.cell / 2.0, y + self.cell / 2.0);
            }
        }
        centres
    }
}

/// The `most` entries of a block with the largest weights, as (row, column).
fn strongest(block: &Block, most: usize) -> Vec<(usize, usize)> {
    let mut kept: Vec<(f64, usize, usize)> = Vec::new();
    let mut least = 0.0;
    let keep_largest = |kept: &mut Vec<(f64, usize, usize)>| {
        if kept.len() > most {
            kept.select_nth_unstable_by(most - 1, |a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
            kept.truncate(most);
        }
        kept.iter().map(|edge| edge.0).fold(f64::INFINITY, f64::min)
    };
    for (i, row) in block.weights.outer_iterator().enumerate() {
        for (j, &weight) in row.iter().filter(|(_, weight)| **weight > least) {
            kept.push((weight, i, j));
        }
        if kept.len() > 8 * most {
            least = keep_largest(&mut kept);
        }
    }
    keep_largest(&mut kept);
    kept.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    kept.into_iter().map(|(_, i, j)| (i, j)).collect()
}

/// The strongest edges between each two layers, one path for those within each cluster and one for those between clusters, which comes
/// first.
fn edges(graph: &NeuronGraph, m: &Measurement, layout: &Layout) -> String {
    let (offsets, centres) = (graph.offsets(), layout.centres());
    let each = (EDGES / graph.blocks.len().max(1)).max(LEAST_EDGES);
    let mut paths = vec![String::new(); m.clusters + 1];
    for block in &graph.blocks {
        for (i, j) in strongest(block, each) {
            let (a, b) = (offsets[block.source] + i, offsets[block.target] + j);
            let within = usize::try_from(m.labels[a]).ok().filter(|_| m.labels[a] == m.labels[b]);
            let path = &mut paths[within.map_or(0, |c| c + 1)];
            let (from, to) = (centres[a], centres[b]);
            let _ = write!(path, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
        }
    }
    let mut svg = String::new();
    for (of, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let (c, stroke) = of.checked_sub(1).map_or((String::new(), "var(--between)"), |c| (c.to_string(), colour(c)));
        let _ = writeln!(
            svg,
            "<path data-c=\"{c}\" d=\"{path}\" stroke=\"{stroke}\" stroke-width=\".8\" stroke-opacity=\".6\" fill=\"none\"/>"
        );
    }
    svg
}

/// The squares, one path for each cluster of each layer; dropped neurons are hollow.
fn neurons(m: &Measurement, layout: &Layout) -> String {
    let mut svg = String::new();
    let side = layout.cell - 1.0;
    for column in &layout.columns {
        let mut places = (0..column.order.len()).peekable();
        while let Some(&place) = places.peek() {
            let label = m.labels[column.first + column.order[place]];
            let mut path = String::new();
            while let Some(place) = places.next_if(|&place| m.labels[column.first + column.order[place]] == label) {
                let (x, y) = layout.square(column, place);
                let _ = write!(path, "M{x:.0} {y:.0}h{side}v{side}h-{side}z");
            }
            let paint = match usize::try_from(label) {
                Ok(c) => format!("fill=\"{}\"", colour(c)),
                Err(_) => "fill=\"none\" stroke=\"var(--line)\" stroke-width=\".6\"".into(),
            };
            let _ = writeln!(svg, "<path data-c=\"{label}\" d=\"{path}\" {paint}/>");
        }
    }
    svg
}

fn names(m: &Measurement, layout: &Layout) -> String {
    let mut svg = String::new();
    let y = layout.top + layout.rows as f64 * layout.cell + 14.0;
    for (column, layer) in layout.columns.iter().zip(&m.graph.layers) {
        let x = column.left + layer.size.div_ceil(layout.rows).max(1) as f64 * layout.cell / 2.0;
        svg.push_str(&layer_name(&layer.name, (x, y), layout.turned));
    }
    svg
}

/// What a page says of a neuron: share of its layer's weight, and of its own weight that stays within its cluster, in percent.
fn shares(graph: &NeuronGraph, m: &Measurement) -> (Vec<f64>, Vec<f64>) {
    let degrees = graph.degrees();
    let mut within = vec![0.0; degrees.len()];
    graph.each_entry(|i, j, weight, mirrored| {
        if m.labels[i] == m.labels[j] {
            within[i] += weight;
            within[j] += if mirrored { weight } else { 0.0 };
        }
    });
    let percent = |part: f64, whole: f64, digits: f64| {
        if whole > 0.0 { (100.0 * part / whole * digits).round() / digits } else { 0.0 }
    };
    let within = within.iter().zip(&degrees).map(|(within, degree)| percent(*within, *degree, 1.0)).collect();
    let offsets = graph.offsets();
    let of_layer = |layer: std::ops::Range<usize>| {
        let all: f64 = degrees[layer.clone()].iter().sum();
        degrees[layer].iter().map(move |degree| percent(*degree, all, 100.0)).collect::<Vec<_>>()
    };
    let degrees = offsets.windows(2).flat_map(|ends| of_layer(ends[0]..ends[1])).collect();
    (degrees, within)
}

/// The picture, what is told of the neuron below the pointer or reached by arrow keys, and a caption.
pub(super) fn figure(graph: &NeuronGraph, m: &Measurement) -> String {
    if m.labels.len() > MOST_NEURONS {
        return format!("<p>Not drawn: {} neurons are more than {MOST_NEURONS}.</p>\n", m.labels.len());
    }
    let layout = Layout::new(m);
    let (width, height) = layout.size;
    let (degree, within) = shares(graph, m);
    let layer = |(column, layer): (&Column, &crate::measure::LayerInfo)| json!({"name": layer.name, "x": column.left, "first": column.first, "order": column.order});
    let layers: Vec<_> = layout.columns.iter().zip(&m.graph.layers).map(layer).collect();
    let data = json!({
        "cell": layout.cell, "rows": layout.rows, "top": layout.top, "layers": layers,
        "clusters": m.labels, "degree": degree, "within": within,
    });
    // a name may hold what ends a script
    let data = data.to_string().replace('<', "\\u003c");
    let each = (EDGES / graph.blocks.len().max(1)).max(LEAST_EDGES);
    let layered = m.graph.layers.len() > 1;
    let drawn = match layered {
        true => {
            format!("Up to {each} of the strongest edges between two layers, grey where they join different clusters.")
        }
        false => "Edges are not drawn, as the graph has no layers.".into(),
    };
    let alike = if m.clusters > COLOURS.len() {
        format!(" Colours repeat after {} clusters.", COLOURS.len())
    } else {
        String::new()
    };
    format!(
        "<figure><div class=\"scroll\"><svg id=\"network\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         tabindex=\"0\" role=\"img\" aria-label=\"the nodes by layer and cluster; arrow keys go from node to node\" \
         aria-describedby=\"about\">\n{}{}{}<path class=\"here\" fill=\"none\" stroke=\"var(--ink)\" stroke-width=\"1.5\"/></svg></div>\n\
         <p class=\"about\" id=\"about\" aria-live=\"polite\">Point at a node, or go to it with the arrow keys.</p>\n\
         <figcaption>Nodes, a square each, in the order of their clusters, 0 at the top left; hollow ones have no weights. {drawn}{alike} A click \
         on a cluster in the table lets the others fade.</figcaption></figure>\n\
         <script type=\"application/json\" id=\"neurons\">{data}</script>\n",
        neurons(m, &layout),
        if layered { edges(graph, m, &layout) } else { String::new() },
        names(m, &layout),
    )
}
