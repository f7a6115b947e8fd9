//! The adjacency matrix with its nodes in the order of their clusters, as a picture.

use crate::graph::NeuronGraph;
use crate::measure::Measurement;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fmt::Write;

/// Pixels of a side at most; a pixel of a larger graph stands for several nodes.
const SIDE: usize = 600;
/// Share of the pixels with edges that are black.
const BLACK: f64 = 0.01;

/// Which pixel each node falls on, by cluster and then layer, `None` for dropped nodes; the number of pixels; and the pixels at which
/// clusters end.
fn places(m: &Measurement) -> (Vec<Option<usize>>, usize, Vec<f64>) {
    let mut order: Vec<usize> = (0..m.labels.len()).filter(|&node| m.labels[node] >= 0).collect();
    order.sort_by_key(|&node| (m.labels[node], node));
    let side = order.len().min(SIDE);
    let mut pixel_of = vec![None; m.labels.len()];
    order.iter().enumerate().for_each(|(place, &node)| pixel_of[node] = Some(place * side / order.len()));
    let mut end = 0;
    let ends = m.sizes.iter().map(|size| {
        end += size;
        (end * side) as f64 / order.len() as f64
    });
    (pixel_of, side, ends.collect())
}

/// Shades of grey, row by row, 255 for no edges: of the normalised weights `A_ij / √(d_i d_j)` the means over the nodes of a pixel, by their
/// roots.
fn shades(graph: &NeuronGraph, pixel_of: &[Option<usize>], side: usize) -> Vec<u8> {
    let scale: Vec<f64> = graph.degrees().iter().map(|d| if *d > 0.0 { 1.0 / d.sqrt() } else { 0.0 }).collect();
    let mut sums = vec![0.0; side * side];
    graph.each_entry(|i, j, weight, mirrored| {
        if let (Some(a), Some(b)) = (pixel_of[i], pixel_of[j]) {
            let weight = weight * scale[i] * scale[j];
            sums[a * side + b] += weight;
            if mirrored {
                sums[b * side + a] += weight;
            }
        }
    });
    let mut counts = vec![0.0; side];
    pixel_of.iter().flatten().for_each(|&pixel| counts[pixel] += 1.0);
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum /= counts[at / side] * counts[at % side];
    }
    let mut joined: Vec<f64> = sums.iter().copied().filter(|sum| *sum > 0.0).collect();
    joined.sort_by(|a, b| b.total_cmp(a));
    let black = joined.get((BLACK * joined.len() as f64) as usize).copied().unwrap_or(1.0);
    sums.into_iter().map(|sum| 255 - (255.0 * (sum / black).min(1.0).sqrt()) as u8).collect()
}

/// An 8-bit grey PNG.
fn png(shades: &[u8], side: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(shades));
    written.unwrap_or_else(|e| unreachable!("a picture into memory: {e}"));
    bytes
}

/// The picture, with lines where clusters end.
pub(super) fn figure(graph: &NeuronGraph, m: &Measurement) -> String {
    let (pixel_of, side, ends) = places(m);
    let data = BASE64_STANDARD.encode(png(&shades(graph, &pixel_of, side), side));
    let mut svg = format!(
        "<figure><svg class=\"adjacency\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"adjacency matrix by clusters\">\
         <image href=\"data:image/png;base64,{data}\" width=\"{side}\" height=\"{side}\" style=\"image-rendering: pixelated\"/>"
    );
    let lines = ends.len().saturating_sub(1);
    for end in &ends[..lines] {
        let _ = write!(
            svg,
            "<path d=\"M0 {end:.1}H{side}M{end:.1} 0V{side}\" stroke=\"#c2410c\" stroke-width=\"{:.2}\" stroke-opacity=\".35\"/>",
            side as f64 / 600.0
        );
    }
    svg.push_str(
        "</svg><figcaption>Normalised weights between nodes in the order of their clusters (0 first), within a cluster in that of layers; \
         lines where clusters end</figcaption></figure>\n",
    );
    svg
}
