//! Points as k-means wants them: by rows, and by tiles of eight for SIMD.

use super::TOLERANCE;
use ndarray::{ArrayView2, Axis};
use wide::{f32x8, f64x4};

/// Points are handled in tiles of this many; padding points are all zero.
pub(super) const TILE: usize = 8;
/// SIMD registers of a tile in f64; in f32 it is one.
pub(super) const REGISTERS: usize = TILE / 4;
/// Tiles that are compared with the centres at a time.
pub(super) const PAIR: usize = 2;
/// One number for each point of a tile.
pub(super) type Lanes = [f64x4; REGISTERS];

pub(super) fn lane(lanes: &Lanes, l: usize) -> f64 {
    lanes[l / 4].as_array_ref()[l % 4]
}

pub(super) fn set_lane(lanes: &mut Lanes, l: usize, value: f64) {
    lanes[l / 4].as_array_mut()[l % 4] = value;
}

/// Four coordinates or centres at a time.
pub(super) fn fours(row: &[f64]) -> impl Iterator<Item = f64x4> {
    row.chunks_exact(4).map(|four| f64x4::from([four[0], four[1], four[2], four[3]]))
}

/// Of the largest coordinate, what coordinates differ by that are the same but for rounding.
const CONSTANT: f64 = 16.0 * f64::EPSILON;
/// In median lengths.
const LONG: f32 = 1e4;

/// Centred points, by rows and by tiles.
pub(super) struct Points {
    pub(super) n: usize,
    /// Coordinates that tell points apart, of all those that do not if none does. The first of a connected graph's embedding does not.
    pub(super) coordinates: usize,
    /// Of a row: the coordinates, filled up with zeros to whole registers.
    pub(super) width: usize,
    /// `(n, width)`.
    pub(super) rows: Vec<f64>,
    /// Coordinate d of the points of tile t at `t * coordinates + d`.
    pub(super) tiles: Vec<Lanes>,
    /// The same, divided by the largest, in f32.
    pub(super) rough: Vec<f32x8>,
    /// |x| of the points of each tile, in those units.
    pub(super) lengths: Vec<f32x8>,
    /// A point above this length is not added to running sums, which could not be rid of its rounding.
    pub(super) long: f32,
    /// What `rough` was divided by.
    pub(super) unit: f64,
    pub(super) tolerance: f64,
}

impl Points {
    pub(super) fn new(points: ArrayView2<f64>) -> Self {
        let (n, dimensions) = points.dim();
        let centred = match points.mean_axis(Axis(0)) {
            Some(mean) => &points - &mean,
            None => points.to_owned(),
        };
        let tells = |d: &usize| {
            let (least, most) = points
                .column(*d)
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (x.min(least), x.max(most)));
            most - least > CONSTANT * most.abs().max(least.abs())
        };
        let mut told: Vec<usize> = (0..dimensions).filter(tells).collect();
        if told.is_empty() {
            told = (0..dimensions).collect();
        }
        let centred = centred.select(Axis(1), &told);
        let coordinates = centred.ncols();
        let width = coordinates.next_multiple_of(4);
        let mut rows = vec![0.0; n * width];
        for (row, point) in rows.chunks_exact_mut(width).zip(centred.rows()) {
            row.iter_mut().zip(point).for_each(|(x, value)| *x = *value);
        }
        let spread: f64 = rows.iter().map(|x| x * x).sum();
        let unit = rows.iter().fold(f64::MIN_POSITIVE, |m: f64, x| m.max(x.abs()));
        let tile_count = n.div_ceil(TILE).next_multiple_of(PAIR);
        let mut tiles = vec![[f64x4::ZERO; REGISTERS]; tile_count * coordinates];
        let mut rough = vec![f32x8::ZERO; tiles.len()];
        let mut lengths = vec![f32x8::ZERO; tile_count];
        for (i, row) in rows.chunks_exact(width).enumerate() {
            let (t, l) = (i / TILE, i % TILE);
            for (d, x) in row[..coordinates].iter().enumerate() {
                set_lane(&mut tiles[t * coordinates + d], l, *x);
                rough[t * coordinates + d].as_array_mut()[l] = (x / unit) as f32;
            }
            lengths[t].as_array_mut()[l] = row.iter().map(|x| (x / unit) * (x / unit)).sum::<f64>().sqrt() as f32;
        }
        let tolerance = TOLERANCE * spread / (n * dimensions) as f64;
        let mut sorted: Vec<f32> = lengths.iter().flat_map(|lanes| lanes.to_array()).take(n).collect();
        let (_, median, _) = sorted.select_nth_unstable_by(n / 2, f32::total_cmp);
        let long = LONG * *median;
        Self { n, coordinates, width, rows, tiles, rough, lengths, long, unit, tolerance }
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.width..(i + 1) * self.width]
    }
}
