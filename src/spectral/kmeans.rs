//! k-means with restarts: greedy k-means++ starts, Lloyd's iteration, the best inertia wins.

use crate::rng::{ChaCha8Rng, Purpose, stream};
use ndarray::{ArrayView2, Axis};
use rand::Rng;
use serde::Serialize;
use wide::{CmpGt, CmpLt, CmpNe, f32x8, f64x4};

/// Which implementation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// This file's.
    #[default]
    Lloyd,
    /// The `kmeans` crate's, as an independent check: it has plain k-means++ and its own stopping rule. With
    /// fewer than k different points, where it would panic, this file's runs.
    Crate,
}

/// What [`kmeans()`] is asked for.
#[derive(Debug, Clone, Copy)]
pub struct KMeansParams {
    /// Number of clusters, at least 1.
    pub k: usize,
    /// Starts; the one of least inertia is returned.
    pub restarts: usize,
    /// Which implementation.
    pub engine: Engine,
    /// Seed of the starts.
    pub seed: u64,
    /// Which clustering under that seed: 0 the network, 1 + i shuffle i.
    pub index: u64,
}

/// The best clustering found.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeans {
    /// Cluster of each point, below k, `(n,)`. A cluster may be empty only if there are fewer than k different points.
    pub labels: Vec<u32>,
    /// Sum of squared distances to the cluster means.
    pub inertia: f64,
}

/// Iterations of one start, as in scikit-learn.
pub(crate) const ITERATIONS: usize = 300;
/// A start ends when the centres' squared shifts sum to less than this times the mean variance of the coordinates, as
/// in scikit-learn.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// Clusters the rows of `points` `(n, dimensions)`, f64.
///
/// Each start takes its centres by greedy k-means++, the best of `2 + ⌊ln k⌋` draws for each centre, and iterates
/// Lloyd's two steps until no label changes, or the centres' shift is below the tolerance, or for 300 iterations.
/// Empty clusters take the farthest points. Ties go to the lower cluster number and the earlier start.
///
/// Distances to centres are compared in f32, and again in f64 where its rounding might decide. A coordinate in which the points differ by
/// less than 16 ε of the largest is left out, unless all are such.
///
/// # Determinism
///
/// Start r of clustering `index` draws from its own stream.
///
/// # Panics
///
/// If `k` or `restarts` is zero, or there are fewer than `k` points.
///
/// # References
///
/// * D. Arthur, S. Vassilvitskii (2007), *k-means++: the advantages of careful seeding*; section 7 for the greedy form.
/// * scikit-learn 0.20, `sklearn.cluster.KMeans`, for the constants.
pub fn kmeans(points: ArrayView2<f64>, params: KMeansParams) -> KMeans {
    let KMeansParams { k, restarts, .. } = params;
    assert!(k > 0 && restarts > 0 && points.nrows() >= k, "k-means of {} points into {k} clusters", points.nrows());
    if params.engine == Engine::Crate && different_rows(points) >= k {
        return by_crate(points, params);
    }
    let data = Points::new(points);
    (0..restarts)
        .map(|restart| data.start(k, &mut stream(params.seed, Purpose::KMeans, params.index, restart as u16)))
        .reduce(|best, next| if next.inertia < best.inertia { next } else { best })
        .unwrap_or_else(|| unreachable!("there is at least one start"))
}

/// What each start of [`kmeans()`] ends at, by this file's implementation, least inertia first.
///
/// # Panics
///
/// As [`kmeans()`].
pub fn starts(points: ArrayView2<f64>, params: KMeansParams) -> Vec<KMeans> {
    let KMeansParams { k, restarts, .. } = params;
    assert!(k > 0 && restarts > 0 && points.nrows() >= k, "k-means of {} points into {k} clusters", points.nrows());
    let data = Points::new(points);
    let start = |restart| data.start(k, &mut stream(params.seed, Purpose::KMeans, params.index, restart as u16));
    let mut all: Vec<KMeans> = (0..restarts).map(start).collect();
    all.sort_by(|a, b| a.inertia.total_cmp(&b.inertia));
    all
}

/// Points are handled in tiles of this many; padding points are all zero.
const TILE: usize = 8;
const TILE_MASK: u32 = (1 << TILE) - 1;
/// SIMD registers of a tile in f64; in f32 it is one.
const REGISTERS: usize = TILE / 4;
/// Tiles that are compared with the centres at a time.
const PAIR: usize = 2;
/// Centres are handled in groups of this many, so that a tile's coordinates are loaded once for all of them.
const GROUP: usize = 4;

/// One number for each point of a tile.
type Lanes = [f64x4; REGISTERS];

fn lane(lanes: &Lanes, l: usize) -> f64 {
    lanes[l / 4].as_array_ref()[l % 4]
}

fn set_lane(lanes: &mut Lanes, l: usize, value: f64) {
    lanes[l / 4].as_array_mut()[l % 4] = value;
}

/// Four coordinates or centres at a time.
fn fours(row: &[f64]) -> impl Iterator<Item = f64x4> {
    row.chunks_exact(4).map(|four| f64x4::from([four[0], four[1], four[2], four[3]]))
}

/// Of the largest coordinate, what coordinates differ by that are the same but for rounding.
const CONSTANT: f64 = 16.0 * f64::EPSILON;
/// In median lengths.
const LONG: f32 = 1e4;

/// Centred points, by rows and by tiles.
struct Points {
    n: usize,
    /// Coordinates that tell points apart, of all those that do not if none does. The first of a connected graph's embedding does not.
    coordinates: usize,
    /// Of a row: the coordinates, filled up with zeros to whole registers.
    width: usize,
    /// `(n, width)`.
    rows: Vec<f64>,
    /// Coordinate d of the points of tile t at `t * coordinates + d`.
    tiles: Vec<Lanes>,
    /// The same, divided by the largest, in f32.
    rough: Vec<f32x8>,
    /// |x| of the points of each tile, in those units.
    lengths: Vec<f32x8>,
    /// A point above this length is not added to running sums, which could not be rid of its rounding.
    long: f32,
    /// What `rough` was divided by.
    unit: f64,
    tolerance: f64,
}

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

/// k centres, padded to whole groups: coordinate d of centre c at `d * padded + c`.
struct Centres {
    transposed: Vec<f64>,
    /// `|c|²/2`, infinite in the padding.
    half_norms: Vec<f64>,
    /// The same in f32 in the units of [`Points::rough`], by groups.
    rough: Vec<RoughCentres>,
    /// Largest |c| in those units.
    longest: f32,
    padded: usize,
}

/// A group of centres, each number in all lanes.
struct RoughCentres {
    /// By coordinates.
    rows: Vec<[f32x8; GROUP]>,
    half_norms: [f32x8; GROUP],
    numbers: [f32x8; GROUP],
}

impl Centres {
    fn new(centres: &[f64], points: &Points) -> Self {
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
    fn nearest_roughly(&self, tiles: [&[f32x8]; PAIR]) -> [(f32x8, f32x8); PAIR] {
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
    fn nearest(&self, x: &[f64], scores: &mut Vec<f64x4>) -> u32 {
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

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Squared distances of all points to the nearest of some centres, by tiles.
#[derive(Clone)]
struct Distances {
    tiles: Vec<Lanes>,
    total: f64,
}

impl Distances {
    /// The sums up to each tile's end.
    fn running_sums(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let add = |lanes: &Lanes| {
            sum += lanes.iter().copied().fold(f64x4::ZERO, |sum, lanes| sum + lanes).reduce_add();
            sum
        };
        self.tiles.iter().map(add).collect()
    }

    /// The point at which the running sum passes `target`.
    fn at(&self, target: f64, running_sums: &[f64], n: usize) -> usize {
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
    fn new(points: ArrayView2<f64>) -> Self {
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

    fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.width..(i + 1) * self.width]
    }

    /// One start.
    fn start(&self, k: usize, rng: &mut ChaCha8Rng) -> KMeans {
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

    /// Greedy k-means++: each centre is the best of some draws with probability proportional to the squared distance
    /// to the centres so far. Where no point is at a distance any more, centres repeat.
    fn plus_plus(&self, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
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

fn different_rows(points: ArrayView2<f64>) -> usize {
    let rows: std::collections::HashSet<Vec<u64>> =
        points.rows().into_iter().map(|row| row.iter().map(|x| x.to_bits()).collect()).collect();
    rows.len()
}

fn by_crate(points: ArrayView2<f64>, params: KMeansParams) -> KMeans {
    use kmeans::{EuclideanDistance, KMeans as Crate, KMeansConfig};
    let samples: Vec<f64> = points.iter().copied().collect();
    let crate_kmeans: Crate<f64, 4, _> = Crate::new(&samples, points.nrows(), points.ncols(), EuclideanDistance);
    let mut best: Option<KMeans> = None;
    for restart in 0..params.restarts {
        let rng = stream(params.seed, Purpose::KMeans, params.index, restart as u16);
        let config = KMeansConfig::build().random_generator(rng).build();
        let state = crate_kmeans.kmeans_lloyd(params.k, ITERATIONS, Crate::init_kmeanplusplus, &config);
        if best.as_ref().is_none_or(|best| state.distsum < best.inertia) {
            let labels = state.assignments.iter().map(|&c| c as u32).collect();
            best = Some(KMeans { labels, inertia: state.distsum });
        }
    }
    best.unwrap_or_else(|| unreachable!("there is at least one start"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn params(k: usize, engine: Engine) -> KMeansParams {
        KMeansParams { k, restarts: 10, engine, seed: 7, index: 0 }
    }

    /// Three groups far apart: the optimum is known, and its inertia is the sum within the groups.
    #[test]
    fn finds_the_optimum_of_separated_groups() {
        let points = array![[0.0, 0.0], [0.0, 2.0], [100.0, 0.0], [100.0, 2.0], [0.0, 100.0], [2.0, 100.0]];
        for engine in [Engine::Lloyd, Engine::Crate] {
            let found = kmeans(points.view(), params(3, engine));
            assert!((found.inertia - 6.0).abs() < 1e-9, "{engine:?}: {}", found.inertia);
            let l = &found.labels;
            assert!(l[0] == l[1] && l[2] == l[3] && l[4] == l[5] && l[0] != l[2] && l[2] != l[4] && l[0] != l[4]);
        }
    }

    /// On points without structure, both implementations end at about the same inertia.
    #[test]
    fn is_not_worse_than_the_kmeans_crate() {
        let mut rng = stream(3, Purpose::KMeans, 9, 0);
        let points = Array2::from_shape_simple_fn((400, 6), || rng.gen_range(0.0..1.0));
        let [own, other] = [Engine::Lloyd, Engine::Crate].map(|e| kmeans(points.view(), params(8, e)).inertia);
        assert!(own <= other * 1.005, "{own} against {other}");
        let by_definition = {
            let labels = kmeans(points.view(), params(8, Engine::Lloyd)).labels;
            (0..8u32)
                .map(|c| {
                    let members: Vec<usize> = (0..400).filter(|&i| labels[i] == c).collect();
                    let rows = points.select(Axis(0), &members);
                    let mean = rows.mean_axis(Axis(0)).expect("no empty cluster");
                    (&rows - &mean).iter().map(|x| x * x).sum::<f64>()
                })
                .sum::<f64>()
        };
        assert!((own - by_definition).abs() < 1e-9);
    }

    /// Lloyd's two steps from the same centres, every distance computed in f64, is the oracle.
    #[test]
    fn is_lloyds_iteration_to_the_label() {
        for (n, dimensions, k) in [(1001, 12, 12), (400, 6, 8), (37, 3, 5), (64, 2, 1)] {
            for seed in 0..8 {
                let mut rng = stream(seed, Purpose::KMeans, 3, 0);
                // half of them in groups, so that many points stay where they are while others move
                let mut points = Array2::from_shape_simple_fn((n, dimensions), || rng.gen_range(-1.0..1.0));
                for (i, mut row) in points.rows_mut().into_iter().enumerate().filter(|(i, _)| i % 2 == 0) {
                    row.iter_mut().enumerate().for_each(|(d, x)| *x = *x * 0.2 + f64::from((i / 2 + d) as u8 % 3));
                }
                let data = Points::new(points.view());
                let rng = || stream(seed, Purpose::KMeans, 4, 0);
                let nearest = |centres: &[f64]| -> Vec<usize> {
                    let of_point = |x: &[f64]| {
                        let distances = centres.chunks_exact(data.width).map(|centre| squared_distance(x, centre));
                        distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(c, _)| c)
                    };
                    data.rows.chunks_exact(data.width).map(of_point).collect()
                };
                let mut centres = data.plus_plus(k, &mut rng());
                let mut labels = vec![usize::MAX; n];
                for _ in 0..ITERATIONS {
                    let next = nearest(&centres);
                    let settled = next == labels;
                    labels = next;
                    let mut means = vec![0.0; centres.len()];
                    for (row, label) in data.rows.chunks_exact(data.width).zip(&labels) {
                        let count = labels.iter().filter(|other| *other == label).count() as f64;
                        let mean = &mut means[label * data.width..(label + 1) * data.width];
                        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count);
                    }
                    let shift = squared_distance(&means, &centres);
                    if settled {
                        break;
                    }
                    centres = means;
                    if shift <= data.tolerance {
                        labels = nearest(&centres);
                        break;
                    }
                }
                let found = data.start(k, &mut rng());
                let found: Vec<usize> = found.labels.into_iter().map(|label| label as usize).collect();
                assert_eq!(found, labels, "{n} points, seed {seed}");
            }
        }
    }

    /// A coordinate that is the same of all points says nothing; one that differs little says what there is to say if no other does.
    #[test]
    fn constant_coordinates_are_left_out() {
        let mut rng = stream(5, Purpose::KMeans, 9, 0);
        let points = Array2::from_shape_simple_fn((300, 3), || rng.gen_range(0.0..1.0));
        let mut more = Array2::from_elem((300, 5), 0.1);
        // rounding of 0.1
        more.column_mut(4).iter_mut().step_by(2).for_each(|x| *x = 0.1f64.next_up());
        for (d, column) in [0, 2, 3].into_iter().zip(points.columns()) {
            more.column_mut(d).assign(&column);
        }
        assert_eq!(Points::new(more.view()).coordinates, 3);
        assert_eq!(
            kmeans(more.view(), params(5, Engine::Lloyd)).labels,
            kmeans(points.view(), params(5, Engine::Lloyd)).labels
        );
        let far = array![[0.0, 1e15], [0.0, 1e15], [0.0, 1e15 + 3.0], [0.0, 1e15 + 3.0]];
        let labels = kmeans(far.view(), params(2, Engine::Lloyd)).labels;
        assert!(labels[0] == labels[1] && labels[2] == labels[3] && labels[0] != labels[2], "{labels:?}");
    }

    /// A draw falls on each point as often as its share of the squared distances, never on one without.
    #[test]
    fn draws_are_proportional_to_squared_distances() {
        let n = 19;
        let lanes = |t: usize| {
            let of = |i: usize| if i < n && !i.is_multiple_of(3) { i as f64 } else { 0.0 };
            let four = |r: usize| f64x4::from(std::array::from_fn(|l| of(t * TILE + 4 * r + l)));
            std::array::from_fn(four)
        };
        let distances = Distances { tiles: (0..4).map(lanes).collect(), total: f64::NAN };
        let sums = distances.running_sums();
        let total: usize = (0..n).filter(|i| i % 3 != 0).sum();
        assert_eq!(sums[3], total as f64);
        let mut counts = [0; 19];
        (0..total).for_each(|target| counts[distances.at(target as f64 + 0.5, &sums, n)] += 1);
        (0..n).for_each(|i| assert_eq!(counts[i], if i % 3 != 0 { i } else { 0 }, "point {i}"));
        // beyond the end, as by rounding
        assert_eq!(distances.at(total as f64, &sums, n) % 3, 1);
        let nothing = Distances { tiles: vec![Lanes::default(); 4], total: 0.0 };
        assert_eq!(nothing.at(0.0, &nothing.running_sums(), n), n - 1);
    }

    #[test]
    fn fewer_different_points_than_clusters() {
        let points = array![[1.0], [1.0], [1.0], [5.0], [5.0]];
        let found = kmeans(points.view(), params(4, Engine::Lloyd));
        // zero but for the rounding of the means of 1 and of 5: some (ε · 5)²
        assert!(found.inertia < 1e-30, "{}", found.inertia);
        assert!(found.labels[0] == found.labels[1] && found.labels[3] == found.labels[4]);
        assert_ne!(found.labels[0], found.labels[3]);
    }
}
