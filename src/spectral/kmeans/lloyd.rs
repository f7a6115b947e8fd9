//! One start: Lloyd's iteration.

use super::centres::Centres;
use super::points::{PAIR, Points, TILE, fours};
use super::{ITERATIONS, KMeans};
use crate::rng::ChaCha8Rng;
use wide::{CmpGt, CmpNe, f32x8, f64x4};

const TILE_MASK: u32 = (1 << TILE) - 1;

/// Where one start is.
struct Iteration {
    /// `(k, width)`.
    centres: Vec<f64>,
    /// Nearest centre of each point.
    labels: Vec<u32>,
    /// The same by tiles.
    rough_labels: Vec<f32x8>,
    /// Points of each cluster, and the sums of their coordinates, `(k, width)`.
    counts: Vec<usize>,
    sums: Vec<f64x4>,
    /// Whether the sums have to be made anew.
    stale: bool,
}

impl Iteration {
    /// Moves point i into another cluster.
    fn relabel(&mut self, i: usize, label: u32, points: &Points) {
        self.stale |= points.lengths[i / TILE].as_array_ref()[i % TILE] > points.long;
        let old = std::mem::replace(&mut self.labels[i], label);
        self.rough_labels[i / TILE].as_array_mut()[i % TILE] = label as f32;
        self.counts[label as usize] += 1;
        if old != u32::MAX {
            self.counts[old as usize] -= 1;
        }
        if !self.stale {
            let registers = points.width / 4;
            for (d, x) in fours(points.row(i)).enumerate() {
                self.sums[label as usize * registers + d] += x;
                self.sums[old as usize * registers + d] -= x;
            }
        }
    }
}

impl Points {
    /// One start.
    pub(super) fn start(&self, k: usize, rng: &mut ChaCha8Rng) -> KMeans {
        let mut now = Iteration {
            centres: self.plus_plus(k, rng),
            labels: vec![u32::MAX; self.n],
            rough_labels: vec![f32x8::from(f32::INFINITY); self.lengths.len()],
            counts: vec![0; k],
            sums: vec![f64x4::ZERO; k * self.width / 4],
            stale: true,
        };
        let mut means = vec![0.0; now.centres.len()];
        for _ in 0..ITERATIONS {
            let prepared = Centres::new(&now.centres, self);
            if !self.assign(&prepared, &mut now) {
                break;
            }
            if now.counts.contains(&0) {
                self.fill_empty(&prepared, &mut now);
            }
            self.means(&mut now, &mut means);
            let shift = squared_distance(&means, &now.centres);
            std::mem::swap(&mut now.centres, &mut means);
            if shift <= self.tolerance {
                self.assign(&Centres::new(&now.centres, self), &mut now);
                break;
            }
        }
        now.stale = true;
        self.means(&mut now, &mut means);
        KMeans { inertia: self.inertia(&means, &now.labels), labels: now.labels }
    }

    /// Gives each point its nearest centre; says whether any label changed.
    fn assign(&self, centres: &Centres, now: &mut Iteration) -> bool {
        let mut changed = false;
        let mut scores = Vec::with_capacity(centres.padded / 4);
        // Twice what rounding does to a score at most, generously: of x, of c, and of as many sums as there are coordinates.
        let rounding = 4.0 * (self.width + 4) as f32 * f32::EPSILON * centres.longest;
        let (per_length, least) = (f32x8::from(rounding), f32x8::from(rounding * centres.longest + f32::MIN_POSITIVE));
        for (first, tiles) in
            (0..self.lengths.len()).step_by(PAIR).zip(self.rough.chunks_exact(PAIR * self.coordinates))
        {
            let (upper, lower) = tiles.split_at(self.coordinates);
            let nearest = centres.nearest_roughly([upper, lower]);
            // bits: tile by tile, those that f64 has to decide, and those whose label may be another
            let (mut unsure, mut due) = (0u32, 0u32);
            for (t, (found, margin)) in nearest.iter().enumerate() {
                let bound = self.lengths[first + t].mul_add(per_length, least);
                let unsure_here = !margin.cmp_gt(bound).move_mask() as u32 & TILE_MASK;
                unsure |= unsure_here << (t * TILE);
                let differs = found.cmp_ne(now.rough_labels[first + t]).move_mask() as u32;
                due |= (unsure_here | differs) << (t * TILE);
            }
            while due != 0 {
                let l = due.trailing_zeros() as usize;
                due &= due - 1;
                let i = first * TILE + l;
                if i >= self.n {
                    break;
                }
                let label = match unsure >> l & 1 {
                    0 => nearest[l / TILE].0.as_array_ref()[l % TILE] as u32,
                    _ => centres.nearest(self.row(i), &mut scores),
                };
                if label != now.labels[i] {
                    changed = true;
                    now.relabel(i, label, self);
                }
            }
        }
        changed
    }

    /// The mean of the points of each cluster, `(k, width)`; zero of a cluster without points.
    fn means(&self, now: &mut Iteration, means: &mut [f64]) {
        let registers = self.width / 4;
        if std::mem::take(&mut now.stale) {
            now.sums.fill(f64x4::ZERO);
            for (row, &label) in self.rows.chunks_exact(self.width).zip(&now.labels) {
                let sums = &mut now.sums[label as usize * registers..][..registers];
                sums.iter_mut().zip(fours(row)).for_each(|(sum, x)| *sum += x);
            }
        }
        let sums = now.sums.chunks_exact(registers);
        for ((&count, sums), mean) in now.counts.iter().zip(sums).zip(means.chunks_exact_mut(self.width)) {
            let count = f64x4::from(count.max(1) as f64);
            mean.chunks_exact_mut(4).zip(sums).for_each(|(mean, sum)| mean.copy_from_slice(&(*sum / count).to_array()));
        }
    }

    /// Empty clusters take the points farthest from their centres, one each, while there are points at a distance.
    fn fill_empty(&self, centres: &Centres, now: &mut Iteration) {
        let distances: Vec<f64> = (0..self.n)
            .map(|i| {
                let centre: Vec<f64> =
                    centres.transposed.chunks_exact(centres.padded).map(|row| row[now.labels[i] as usize]).collect();
                let distance = squared_distance(self.row(i), &centre);
                // the mean of equal points may be a rounding error away from them
                let rounding = 8.0 * f64::EPSILON;
                let size: f64 = self.row(i).iter().map(|x| x * x).sum();
                if distance > rounding * rounding * size { distance } else { 0.0 }
            })
            .collect();
        let mut order: Vec<usize> = (0..self.n).filter(|&i| distances[i] > 0.0).collect();
        order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
        let mut far = order.into_iter();
        for c in 0..now.counts.len() {
            if now.counts[c] > 0 {
                continue;
            }
            let Some(i) = far.find(|&i| now.counts[now.labels[i] as usize] > 1) else { break };
            now.relabel(i, c as u32, self);
        }
    }

    /// Sum of squared distances to the means of the final labels, summed point by point: a difference of large sums would
    /// drown what tells starts apart where a few points lie far out.
    fn inertia(&self, means: &[f64], labels: &[u32]) -> f64 {
        // two sums, so that an addition need not wait for the one before it
        let mut sums = [f64x4::ZERO; 2];
        for (i, (row, &label)) in self.rows.chunks_exact(self.width).zip(labels).enumerate() {
            for (x, mean) in fours(row).zip(fours(&means[label as usize * self.width..])) {
                let difference = x - mean;
                sums[i % 2] = difference.mul_add(difference, sums[i % 2]);
            }
        }
        (sums[0] + sums[1]).reduce_add()
    }
}

pub(super) fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}
