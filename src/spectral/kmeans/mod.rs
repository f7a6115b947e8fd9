//! k-means with restarts: greedy k-means++ starts, Lloyd's iteration, the best inertia wins.

mod centres;
mod lloyd;
mod plus_plus;
mod points;

use crate::rng::{Purpose, stream};
use ndarray::ArrayView2;
use points::Points;
use serde::Serialize;

/// Which implementation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// This module's.
    #[default]
    Lloyd,
    /// The `kmeans` crate's, as an independent check: it has plain k-means++ and its own stopping rule. With
    /// fewer than k different points, where it would panic, this module's runs.
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

/// What each start of [`kmeans()`] ends at, by this module's implementation, least inertia first.
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
    use super::lloyd::squared_distance;
    use super::plus_plus::Distances;
    use super::points::{Lanes, TILE};
    use super::*;
    use ndarray::{Array2, Axis, array};
    use rand::Rng;
    use wide::f64x4;

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
