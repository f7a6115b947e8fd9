//! Centres, and which of them is nearest to a point: in f32 for tiles of points, and in f64 for one where rounding might decide.

use super::points::{PAIR, Points, fours};
use wide::{CmpLt, f32x8, f64x4};

/// Centres are handled in groups of this many, so that a tile's coordinates are loaded once for all of them.
const GROUP: usize = 4;

/// k centres, padded to whole groups: coordinate d of centre c at `d * padded + c`.
pub(super) struct Centres {
    pub(super) transposed: Vec<f64>,
    /// `|c|²/2`, infinite in the padding.
    half_norms: Vec<f64>,
    /// The same in f32 in the units of [`Points::rough`], by groups.
    rough: Vec<RoughCentres>,
    /// Largest |c| in those units.
    pub(super) longest: f32,
    pub(super) padded: usize,
}

/// A group of centres, each number in all lanes.
struct RoughCentres {
    /// By coordinates.
    rows: Vec<[f32x8; GROUP]>,
    half_norms: [f32x8; GROUP],
    numbers: [f32x8; GROUP],
}

impl Centres {
    pub(super) fn new(centres: &[f64], points: &Points) -> Self {
        let padded = (centres.len() / points.width).next_multiple_of(GROUP);
        let mut transposed = vec![0.0; points.width * padded];
        let mut half_norms = vec![f64::INFINITY; padded];
        for (c, row) in centres.chunks_exact(points.width).enumerate() {
            half_norms[c] = row.iter().map(|x| x * x).sum::<f64>() / 2.0;
            row.iter().enumerate().for_each(|(d, x)| transposed[d * padded + c] = *x);
        }
        let unit = points.unit;
        let rough = |first: usize| {
            let group = |value: &dyn Fn(usize) -> f64| std::array::from_fn(|c| f32x8::from(value(first + c) as f32));
            RoughCentres {
                rows: (0..points.coordinates).map(|d| group(&|c| transposed[d * padded + c] / unit)).collect(),
                half_norms: group(&|c| half_norms[c] / (unit * unit)),
                numbers: group(&|c| c as f64),
            }
        };
        let longest = half_norms.iter().copied().filter(|x| x.is_finite()).fold(0.0, f64::max);
        Self {
            rough: (0..padded).step_by(GROUP).map(rough).collect(),
            longest: ((2.0 * longest).sqrt() / unit) as f32,
            transposed,
            half_norms,
            padded,
        }
    }

    /// For each point x of some tiles the centre c of least `|c|²/2 − x·c` and what the second least is above it, in f32.
    #[inline(always)]
    pub(super) fn nearest_roughly(&self, tiles: [&[f32x8]; PAIR]) -> [(f32x8, f32x8); PAIR] {
        let infinite = f32x8::from(f32::INFINITY);
        let (mut label, mut least, mut second) = ([f32x8::ZERO; PAIR], [infinite; PAIR], [infinite; PAIR]);
        for RoughCentres { rows, half_norms, numbers } in &self.rough {
            let mut score: [[f32x8; PAIR]; GROUP] = half_norms.map(|half_norm| [half_norm; PAIR]);
            for (centres, (x, y)) in rows.iter().zip(tiles[0].iter().zip(tiles[1])) {
                for c in 0..GROUP {
                    score[c] = [x.mul_neg_add(centres[c], score[c][0]), y.mul_neg_add(centres[c], score[c][1])];
                }
            }
            for (score, number) in score.into_iter().zip(numbers) {
                for t in 0..PAIR {
                    let closer = score[t].cmp_lt(least[t]);
                    second[t] = second[t].fast_min(closer.blend(least[t], score[t]));
                    least[t] = least[t].fast_min(score[t]);
                    label[t] = closer.blend(*number, label[t]);
                }
            }
        }
        std::array::from_fn(|t| (label[t], second[t] - least[t]))
    }

    /// The centre of least `|c|²/2 − x·c`, the first of equal ones.
    pub(super) fn nearest(&self, x: &[f64], scores: &mut Vec<f64x4>) -> u32 {
        scores.clear();
        scores.extend(fours(&self.half_norms));
        for (x, centres) in x.iter().zip(self.transposed.chunks_exact(self.padded)) {
            let x = f64x4::from(*x);
            scores.iter_mut().zip(fours(centres)).for_each(|(score, c)| *score = x.mul_neg_add(c, *score));
        }
        let mut least = (0, f64::INFINITY);
        for (c, score) in scores.iter().flat_map(|four| four.to_array()).enumerate() {
            least = if score < least.1 { (c as u32, score) } else { least };
        }
        least.0
    }
}
