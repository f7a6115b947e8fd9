//! k-means with restarts: greedy k-means++ starts, Lloyd's iteration, the best inertia wins.

use crate::rng::{ChaCha8Rng, Purpose, stream};
use ndarray::{ArrayView2, Axis};
use rand::Rng;
use serde::Serialize;

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
const ITERATIONS: usize = 300;
/// A start ends when the centres' squared shifts sum to less than this times the mean variance of the coordinates, as
/// in scikit-learn.
const TOLERANCE: f64 = 1e-4;

/// Clusters the rows of `points` `(n, dimensions)`, f64.
///
/// Each start takes its centres by greedy k-means++, the best of `2 + ⌊ln k⌋` draws for each centre, and iterates
/// Lloyd's two steps until no label changes, or the centres' shift is below the tolerance, or for 300 iterations.
/// Empty clusters take the farthest points. Ties go to the lower cluster number and the earlier start.
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

/// Points are handled in tiles of this many, two SIMD registers of f64; padding points are all zero.
const TILE: usize = 8;
/// Centres are handled in groups of this many, so that a tile's coordinates are loaded once for all of them.
const GROUP: usize = 4;

type Lanes = [f64; TILE];

/// Centred points, by rows and by tiles.
struct Points {
    n: usize,
    dimensions: usize,
    /// `(n, dimensions)`.
    rows: Vec<f64>,
    /// Coordinate d of the points of tile t at `t * dimensions + d`.
    tiles: Vec<Lanes>,
    tolerance: f64,
}

/// k centres, padded to whole groups: coordinate d of centre c at `d * padded + c`.
struct Centres {
    transposed: Vec<f64>,
    /// `|c|²/2`, infinite in the padding.
    half_norms: Vec<f64>,
    padded: usize,
}

impl Centres {
    fn new(centres: &[f64], dimensions: usize) -> Self {
        let padded = (centres.len() / dimensions).next_multiple_of(GROUP);
        let mut transposed = vec![0.0; dimensions * padded];
        let mut half_norms = vec![f64::INFINITY; padded];
        for (c, row) in centres.chunks_exact(dimensions).enumerate() {
            half_norms[c] = row.iter().map(|x| x * x).sum::<f64>() / 2.0;
            row.iter().enumerate().for_each(|(d, x)| transposed[d * padded + c] = *x);
        }
        Self { transposed, half_norms, padded }
    }

    /// For each point of a tile the nearest centre, and `|c|²/2 − x·c` there.
    fn nearest(&self, tile: &[Lanes]) -> ([u64; TILE], Lanes) {
        let (mut label, mut least) = ([0u64; TILE], [f64::INFINITY; TILE]);
        for first in (0..self.padded).step_by(GROUP) {
            let mut score: [Lanes; GROUP] = std::array::from_fn(|c| [self.half_norms[first + c]; TILE]);
            for (x, row) in tile.iter().zip(self.transposed.chunks_exact(self.padded)) {
                let centres = &row[first..first + GROUP];
                for c in 0..GROUP {
                    for l in 0..TILE {
                        score[c][l] -= x[l] * centres[c];
                    }
                }
            }
            for (c, score) in score.iter().enumerate() {
                for l in 0..TILE {
                    let closer = score[l] < least[l];
                    least[l] = if closer { score[l] } else { least[l] };
                    label[l] = if closer { (first + c) as u64 } else { label[l] };
                }
            }
        }
        (label, least)
    }
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Squared distances of all points to the nearest of some centres, by tiles, with the sum of each tile.
#[derive(Clone, Default)]
struct Distances {
    tiles: Vec<Lanes>,
    sums: Vec<f64>,
    total: f64,
}

impl Distances {
    /// The point at which the running sum passes `target`.
    fn at(&self, mut target: f64, n: usize) -> usize {
        let far = |t: usize| self.tiles[t].iter().position(|d| *d > 0.0).map(|l| t * TILE + l);
        for (t, (tile, sum)) in self.tiles.iter().zip(&self.sums).enumerate() {
            if target < *sum {
                for (l, distance) in tile.iter().enumerate() {
                    target -= distance;
                    if target < 0.0 {
                        return t * TILE + l;
                    }
                }
            } else {
                target -= sum;
            }
        }
        // rounding, or every point is a centre already
        (0..self.tiles.len()).rev().find_map(far).unwrap_or(n - 1)
    }
}

impl Points {
    fn new(points: ArrayView2<f64>) -> Self {
        let (n, dimensions) = points.dim();
        let centred = match points.mean_axis(Axis(0)) {
            Some(mean) => &points - &mean,
            None => points.to_owned(),
        };
        let rows: Vec<f64> = centred.iter().copied().collect();
        let mut tiles = vec![[0.0; TILE]; n.div_ceil(TILE) * dimensions];
        for (i, row) in rows.chunks_exact(dimensions).enumerate() {
            row.iter().enumerate().for_each(|(d, x)| tiles[i / TILE * dimensions + d][i % TILE] = *x);
        }
        let spread: f64 = rows.iter().map(|x| x * x).sum();
        Self { n, dimensions, tolerance: TOLERANCE * spread / rows.len() as f64, rows, tiles }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.dimensions..(i + 1) * self.dimensions]
    }

    /// One start.
    fn start(&self, k: usize, rng: &mut ChaCha8Rng) -> KMeans {
        let mut centres = self.plus_plus(k, rng);
        let mut labels = vec![u32::MAX; self.n];
        let mut means = vec![0.0; centres.len()];
        for _ in 0..ITERATIONS {
            let prepared = Centres::new(&centres, self.dimensions);
            if !self.assign(&prepared, &mut labels) {
                break;
            }
            self.means(k, &prepared, &mut labels, &mut means);
            let shift: f64 = means.iter().zip(&centres).map(|(a, b)| (a - b) * (a - b)).sum();
            std::mem::swap(&mut centres, &mut means);
            if shift <= self.tolerance {
                self.assign(&Centres::new(&centres, self.dimensions), &mut labels);
                break;
            }
        }
        KMeans { inertia: self.inertia(k, &labels), labels }
    }

    /// Gives each point its nearest centre; says whether any label changed.
    fn assign(&self, centres: &Centres, labels: &mut [u32]) -> bool {
        let mut changed = false;
        for (labels, tile) in labels.chunks_mut(TILE).zip(self.tiles.chunks_exact(self.dimensions)) {
            let (nearest, _) = centres.nearest(tile);
            for (label, nearest) in labels.iter_mut().zip(nearest) {
                changed |= *label != nearest as u32;
                *label = nearest as u32;
            }
        }
        changed
    }

    /// Cluster means, `(k, dimensions)`. Empty clusters take the points farthest from their centres, one each, while
    /// there are points at a distance.
    fn means(&self, k: usize, centres: &Centres, labels: &mut [u32], means: &mut [f64]) {
        let mut counts = vec![0usize; k];
        labels.iter().for_each(|&label| counts[label as usize] += 1);
        if counts.contains(&0) {
            self.fill_empty(centres, labels, &mut counts);
        }
        self.mean_by_label(k, labels, means);
    }

    /// The mean of the points of each label, `(k, dimensions)`; zero of a label without points.
    fn mean_by_label(&self, k: usize, labels: &[u32], means: &mut [f64]) {
        let mut counts = vec![0usize; k];
        means.fill(0.0);
        for (row, &label) in self.rows.chunks_exact(self.dimensions).zip(labels) {
            counts[label as usize] += 1;
            let mean = &mut means[label as usize * self.dimensions..][..self.dimensions];
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
        }
        for (mean, &count) in means.chunks_exact_mut(self.dimensions).zip(&counts) {
            mean.iter_mut().for_each(|m| *m /= count.max(1) as f64);
        }
    }

    fn fill_empty(&self, centres: &Centres, labels: &mut [u32], counts: &mut [usize]) {
        let distances: Vec<f64> = (0..self.n)
            .map(|i| {
                let centre: Vec<f64> =
                    centres.transposed.chunks_exact(centres.padded).map(|row| row[labels[i] as usize]).collect();
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
        for c in 0..counts.len() {
            if counts[c] > 0 {
                continue;
            }
            let Some(i) = far.find(|&i| counts[labels[i] as usize] > 1) else { break };
            counts[labels[i] as usize] -= 1;
            counts[c] = 1;
            labels[i] = c as u32;
        }
    }

    /// Sum of squared distances to the means of the final labels, summed point by point: a difference of large sums would
    /// drown what tells starts apart where a few points lie far out.
    fn inertia(&self, k: usize, labels: &[u32]) -> f64 {
        let mut means = vec![0.0; k * self.dimensions];
        self.mean_by_label(k, labels, &mut means);
        let rows = self.rows.chunks_exact(self.dimensions).zip(labels);
        rows.map(|(row, &label)| squared_distance(row, &means[label as usize * self.dimensions..])).sum()
    }

    /// Greedy k-means++: each centre is the best of some draws with probability proportional to the squared distance
    /// to the centres so far. Where no point is at a distance any more, centres repeat.
    fn plus_plus(&self, k: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let trials = 2 + (k as f64).ln() as usize;
        let first = rng.gen_range(0..self.n);
        let mut centres = self.row(first).to_vec();
        let mut nearest = Distances { tiles: vec![[f64::INFINITY; TILE]; self.n.div_ceil(TILE)], ..Default::default() };
        if let Some(last) = nearest.tiles.last_mut() {
            (0..TILE).filter(|l| !self.n.is_multiple_of(TILE) && *l >= self.n % TILE).for_each(|l| last[l] = 0.0);
        }
        let mut drawn = Distances::default();
        self.distances_to(first, &nearest, &mut drawn);
        std::mem::swap(&mut nearest, &mut drawn);
        let mut best = Distances::default();
        for _ in 1..k {
            let mut chosen = None;
            for _ in 0..trials {
                let candidate = nearest.at(rng.gen_range(0.0..1.0) * nearest.total, self.n);
                self.distances_to(candidate, &nearest, &mut drawn);
                if chosen.is_none() || drawn.total < best.total {
                    chosen = Some(candidate);
                    std::mem::swap(&mut best, &mut drawn);
                }
            }
            centres.extend(chosen.map_or(&[][..], |i| self.row(i)));
            std::mem::swap(&mut nearest, &mut best);
        }
        centres
    }

    /// The smaller of the squared distances to point `i` and `nearest`, into `out`.
    fn distances_to(&self, i: usize, nearest: &Distances, out: &mut Distances) {
        let centre = self.row(i);
        out.tiles.clear();
        out.sums.clear();
        for (tile, nearest) in self.tiles.chunks_exact(self.dimensions).zip(&nearest.tiles) {
            let mut distance = [0.0; TILE];
            for (x, c) in tile.iter().zip(centre) {
                for l in 0..TILE {
                    distance[l] += (x[l] - c) * (x[l] - c);
                }
            }
            for l in 0..TILE {
                distance[l] = distance[l].min(nearest[l]);
            }
            out.sums.push(distance.iter().sum());
            out.tiles.push(distance);
        }
        out.total = out.sums.iter().sum();
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
