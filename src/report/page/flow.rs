//! The flow of weight between clusters, layer by layer.

use super::{colour, escape, layer_name, shortened};
use crate::graph::NeuronGraph;
use crate::measure::Measurement;
use crate::report::pictures::labels::width;
use std::fmt::Write;

const HEIGHT: f64 = 260.0;
/// Of a layer's bar.
const BAR: f64 = 12.0;
const WIDTH: f64 = 1060.0;
const GAPS: std::ops::RangeInclusive<f64> = 36.0..=170.0;
const MARGIN: f64 = 10.0;
const LETTERS: f64 = 11.0;
/// Share of the weight between two layers below which a ribbon is too thin to see.
const THINNEST: f64 = 0.003;
/// Cosine and sine of 40°.
const TURNED: (f64, f64) = (0.766, 0.643);

/// Weight between clusters of two layers that follow each other: `(clusters, clusters)`, row by row.
struct Between {
    source: usize,
    weights: Vec<f64>,
}

/// That of each two layers, and the share of all weight that joins others.
fn between(graph: &NeuronGraph, m: &Measurement) -> (Vec<Between>, f64) {
    let (offsets, k) = (graph.offsets(), m.clusters);
    let (mut all, mut elsewhere) = (0.0, 0.0);
    let mut pairs = Vec::new();
    for block in &graph.blocks {
        let sum: f64 = block.weights.data().iter().sum();
        all += sum;
        if block.target != block.source + 1 {
            elsewhere += sum;
            continue;
        }
        let mut weights = vec![0.0; k * k];
        for (i, row) in block.weights.outer_iterator().enumerate() {
            let Ok(from) = usize::try_from(m.labels[offsets[block.source] + i]) else { continue };
            for (j, weight) in row.iter() {
                if let Ok(to) = usize::try_from(m.labels[offsets[block.target] + j]) {
                    weights[from * k + to] += weight;
                }
            }
        }
        pairs.push(Between { source: block.source, weights });
    }
    (pairs, if all > 0.0 { elsewhere / all } else { 0.0 })
}

/// Where each cluster's part of a layer's bar begins and ends, by its share of the layer's weight.
fn parts(graph: &NeuronGraph, m: &Measurement) -> Vec<Vec<(f64, f64)>> {
    let (offsets, degrees) = (graph.offsets(), graph.degrees());
    let of_layer = |ends: &[usize]| {
        let mut volumes = vec![0.0; m.clusters];
        for (label, degree) in m.labels[ends[0]..ends[1]].iter().zip(&degrees[ends[0]..ends[1]]) {
            if let Ok(c) = usize::try_from(*label) {
                volumes[c] += degree;
            }
        }
        let all: f64 = volumes.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut end = MARGIN;
        volumes
            .iter()
            .map(|volume| {
                let begin = end;
                end += HEIGHT * volume / all;
                (begin, end)
            })
            .collect()
    };
    offsets.windows(2).map(of_layer).collect()
}

/// The ribbons between two bars whose near edges are at `left` and `right`.
fn ribbons(between: &Between, m: &Measurement, parts: &[Vec<(f64, f64)>], (left, right): (f64, f64)) -> String {
    let (k, weights) = (m.clusters, &between.weights);
    let all: f64 = weights.iter().sum();
    let (from, to) = (&parts[between.source], &parts[between.source + 1]);
    let leaving: Vec<f64> = (0..k).map(|c| weights[c * k..][..k].iter().sum()).collect();
    let coming: Vec<f64> = (0..k).map(|d| (0..k).map(|c| weights[c * k + d]).sum()).collect();
    let mut next_from: Vec<f64> = from.iter().map(|part| part.0).collect();
    let mut next_to: Vec<f64> = to.iter().map(|part| part.0).collect();
    let middle = (left + right) / 2.0;
    let mut svg = String::new();
    for c in 0..k {
        for d in 0..k {
            let weight = weights[c * k + d];
            if weight <= 0.0 {
                continue;
            }
            let (a, b) = (next_from[c], next_to[d]);
            next_from[c] += (from[c].1 - from[c].0) * weight / leaving[c];
            next_to[d] += (to[d].1 - to[d].0) * weight / coming[d];
            let share = weight / all;
            if share < THINNEST {
                continue;
            }
            let (fill, opacity) = if c == d { (colour(c), ".75") } else { ("var(--between)", ".4") };
            let (a2, b2) = (next_from[c], next_to[d]);
            let _ = writeln!(
                svg,
                "<path data-c=\"{c} {d}\" fill=\"{fill}\" fill-opacity=\"{opacity}\" d=\"M{left:.1} {a:.1}C{middle:.1} {a:.1} {middle:.1} {b:.1} \
                 {right:.1} {b:.1}V{b2:.1}C{middle:.1} {b2:.1} {middle:.1} {a2:.1} {left:.1} {a2:.1}Z\"><title>cluster {c} to {d}: \
                 {:.1} %</title></path>",
                100.0 * share
            );
        }
    }
    svg
}

/// The picture; nothing of a graph without layers.
pub(super) fn figure(graph: &NeuronGraph, m: &Measurement) -> String {
    let layers = &m.graph.layers;
    if layers.len() < 2 {
        return "<p>The graph has no layers.</p>\n".into();
    }
    let ((pairs, elsewhere), parts) = (between(graph, m), parts(graph, m));
    let gap = (WIDTH / (layers.len() - 1) as f64 - BAR).clamp(*GAPS.start(), *GAPS.end());
    let widest = layers.iter().map(|layer| width(&shortened(&layer.name), LETTERS)).fold(0.0, f64::max);
    let turned = widest > gap + BAR - 6.0;
    let (beside, below) = if turned { (widest * TURNED.0, widest * TURNED.1 + 14.0) } else { (widest / 2.0, 18.0) };
    let left = |layer: usize| MARGIN + beside + layer as f64 * (gap + BAR);
    let wide = left(layers.len() - 1) + BAR + MARGIN + if turned { 0.0 } else { beside };
    let high = 2.0 * MARGIN + HEIGHT + below;
    let mut svg = format!(
        "<figure><div class=\"scroll\"><svg viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\" role=\"img\" \
         aria-label=\"weight between clusters from layer to layer\">\n"
    );
    for pair in &pairs {
        svg.push_str(&ribbons(pair, m, &parts, (left(pair.source) + BAR, left(pair.source + 1))));
    }
    for (layer, info) in layers.iter().enumerate() {
        let x = left(layer);
        for (c, (top, bottom)) in parts[layer].iter().enumerate().filter(|(_, (top, bottom))| bottom > top) {
            let _ = writeln!(
                svg,
                "<path data-c=\"{c}\" fill=\"{}\" d=\"M{x:.1} {top:.1}h{BAR}V{bottom:.1}h-{BAR}Z\"><title>cluster {c}: {:.1} % of the \
                 weight of {}</title></path>",
                colour(c),
                100.0 * (bottom - top) / HEIGHT,
                escape(&info.name)
            );
        }
        let (x, y) = (x + BAR / 2.0, MARGIN + HEIGHT + 16.0);
        svg.push_str(&layer_name(&info.name, (x, y), turned));
    }
    let skips = match elsewhere > 0.0 {
        true => format!(" {:.1} % of all weight joins other layers and is not drawn.", 100.0 * elsewhere),
        false => String::new(),
    };
    let _ = writeln!(
        svg,
        "</svg></div><figcaption>Each bar is a layer, its parts the clusters' shares of the layer's weight; ribbons are the weight between \
         clusters of layers that follow each other, grey where it leaves a cluster.{skips}</figcaption></figure>"
    );
    svg
}
