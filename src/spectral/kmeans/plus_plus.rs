//! Where a start begins: greedy k-means++.

use super::points::{Lanes, Points, REGISTERS, TILE, lane, set_lane};
use crate::rng::ChaCha8Rng;
use rand::Rng;
use wide::f64x4;

/// Drawn points that distances are computed to at a time.
const GROUP: usize = 4;

/// Squared distances of all points to the nearest of some centres, by tiles.
#[derive(Clone)]
pub(super) struct Distances {
    pub(super) tiles: Vec<Lanes>,
    pub(super) total: f64,
}

impl Distances {
    /// The sums up to each tile's end.
    pub(super) fn running_sums(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let add = |lanes: &Lanes| {
            sum += lanes.iter().copied().fold(f64x4::ZERO, |sum, lanes| sum + lanes).reduce_add();
            sum
        };
        self.tiles.iter().map(add).collect()
    }

    /// The point at which the running sum passes `target`.
    pub(super) fn at(&self, target: f64, running_sums: &[f64], n: usize) -> usize {
        let far = |t: usize| (0..TILE).find(|&l| lane(&self.tiles[t], l) > 0.0).map(|l| t * TILE + l);
        let tile = running_sums.partition_point(|sum| *sum <= target);
        if let Some(lanes) = self.tiles.get(tile) {
            let mut left = target - if tile == 0 { 0.0 } else { running_sums[tile - 1] };
            for l in 0..TILE {
                left -= lane(lanes, l);
                if left < 0.0 {
                    return tile * TILE + l;
                }
            }
        }
        // rounding, or every point is a centre already
        (0..self.tiles.len().min(tile + 1)).rev().find_map(far).unwrap_or(n - 1)
    }
}

impl Points {
    /// Greedy k-means++: each centre is the best of some draws with probability proportional to the squared distance
    /// to the centres so far. Where no point is at a distance any more, centres repeat.
    pub(super) fn plus_plus(&self, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let trials = 2 + (k as f64).ln() as usize;
        let first = rng.gen_range(0..self.n);
        let mut centres = self.row(first).to_vec();
        let mut tiles = vec![[f64x4::from(f64::INFINITY); REGISTERS]; self.lengths.len()];
        (self.n..tiles.len() * TILE).for_each(|padding| set_lane(&mut tiles[padding / TILE], padding % TILE, 0.0));
        let mut nearest = Distances { tiles, total: f64::INFINITY };
        let mut drawn = vec![nearest.clone(); trials];
        self.distances_to::<1>(&[first], &nearest, &mut drawn);
        std::mem::swap(&mut nearest, &mut drawn[0]);
        for _ in 1..k {
            let sums = nearest.running_sums();
            let total = sums[sums.len() - 1];
            let candidates: Vec<usize> =
                (0..trials).map(|_| nearest.at(rng.gen_range(0.0..1.0) * total, &sums, self.n)).collect();
            self.distances_to::<GROUP>(&candidates, &nearest, &mut drawn);
            let best = (1..trials).fold(0, |best, t| if drawn[t].total < drawn[best].total { t } else { best });
            centres.extend(self.row(candidates[best]));
            std::mem::swap(&mut nearest, &mut drawn[best]);
        }
        centres
    }

    /// For each of some points `chosen` the smaller of the squared distances to it and `nearest`, into `out`; `AT_ONCE` of them at a
    /// time.
    fn distances_to<const AT_ONCE: usize>(&self, chosen: &[usize], nearest: &Distances, out: &mut [Distances]) {
        for (chosen, out) in chosen.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            // the last group is filled up with its first point, for which there is no place in `out`
            let centres: [&[f64]; AT_ONCE] = std::array::from_fn(|c| self.row(*chosen.get(c).unwrap_or(&chosen[0])));
            let transposed: Vec<[f64; AT_ONCE]> =
                (0..self.coordinates).map(|d| std::array::from_fn(|c| centres[c][d])).collect();
            let mut totals = [f64x4::ZERO; AT_ONCE];
            for (t, (tile, nearest)) in self.tiles.chunks_exact(self.coordinates).zip(&nearest.tiles).enumerate() {
                let mut distance = [[f64x4::ZERO; REGISTERS]; AT_ONCE];
                for (x, centres) in tile.iter().zip(&transposed) {
                    for c in 0..AT_ONCE {
                        for r in 0..REGISTERS {
                            let difference = x[r] - f64x4::from(centres[c]);
                            distance[c][r] = difference.mul_add(difference, distance[c][r]);
                        }
                    }
                }
                for ((out, mut distance), total) in out.iter_mut().zip(distance).zip(&mut totals) {
                    (0..REGISTERS).for_each(|r| distance[r] = distance[r].fast_min(nearest[r]));
                    *total += distance.iter().fold(f64x4::ZERO, |sum, lanes| sum + *lanes);
                    out.tiles[t] = distance;
                }
            }
            out.iter_mut().zip(totals).for_each(|(out, total)| out.total = total.reduce_add());
        }
    }
}
