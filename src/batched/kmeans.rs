//! k-means of many clouds of points at once, every start of every cloud in one batch: [`crate::spectral::kmeans`] on tensors.

use crate::rng::{Purpose, stream};
use crate::spectral::kmeans::{ITERATIONS, TOLERANCE};
use rand::Rng;
use tch::{Device, Kind, Tensor};

/// Numbers in the largest tensor of a batch of starts.
const NUMBERS: usize = 1 << 27;
/// The points of one graph.
pub(super) struct Cloud {
    /// The nodes that are points, ascending.
    pub(super) kept: Vec<usize>,
    /// Starts.
    pub(super) restarts: usize,
    /// [`crate::spectral::kmeans::KMeansParams::index`].
    pub(super) index: u64,
}

/// One start of one cloud, with its draws.
struct Start {
    cloud: usize,
    /// First centre.
    first: i64,
    /// For each further centre, `trials` numbers in `[0, 1)`.
    draws: Vec<f64>,
}

/// Where some starts are; the first dimension is the start's.
struct Starts {
    /// `(starts, nodes, dimensions)`.
    points: Tensor,
    /// 1 where a node is a point, else 0, `(starts, nodes)`.
    is_point: Tensor,
    /// `(starts, k, dimensions)`.
    centres: Tensor,
    /// `(starts, nodes)`, i64.
    labels: Tensor,
    /// The shift of centres that ends a start, `(starts,)`.
    tolerance: Tensor,
    /// Whether the next labels are a start's last, `(starts,)`.
    settled: Tensor,
    /// Number of each start in its batch.
    numbers: Vec<i64>,
}

/// How a start ended.
struct Ended {
    inertia: f64,
    /// `(nodes,)`, i64.
    labels: Tensor,
}

/// The labels of least inertia of each cloud, `(nodes,)`, of `points` `(clouds, nodes, dimensions)` f64; `None` where a cluster ran empty
/// in some start. Nodes that are no points have label 0.
pub(super) fn labels(points: &Tensor, clouds: &[Cloud], k: usize, seed: u64) -> Vec<Option<Vec<u32>>> {
    let (nodes, device) = (points.size()[1] as usize, points.device());
    let trials = 2 + (k as f64).ln() as usize;
    let mut is_point = vec![0.0; clouds.len() * nodes];
    for (cloud, row) in clouds.iter().zip(is_point.chunks_exact_mut(nodes)) {
        cloud.kept.iter().for_each(|&node| row[node] = 1.0);
    }
    let is_point = Tensor::from_slice(&is_point).view([clouds.len() as i64, nodes as i64]).to_device(device);
    let counts = is_point.sum_dim_intlist(1i64, true, Kind::Double).unsqueeze(2);
    let centred = (points - points.sum_dim_intlist(1i64, true, Kind::Double) / &counts) * is_point.unsqueeze(2);
    let spread = centred.square().sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double);
    let tolerance = TOLERANCE * spread / (counts.view(-1) * points.size()[2] as f64);

    let mut starts = clouds.iter().enumerate().flat_map(|(c, cloud)| (0..cloud.restarts).map(move |r| (c, r)));
    let mut best: Vec<Option<Ended>> = clouds.iter().map(|_| None).collect();
    let mut ran_empty = vec![false; clouds.len()];
    let at_once = (NUMBERS / (nodes * (k + trials))).max(1);
    loop {
        let batch: Vec<Start> =
            starts.by_ref().take(at_once).map(|(c, r)| draw(c, &clouds[c], k, trials, seed, r)).collect();
        if batch.is_empty() {
            break;
        }
        let of_cloud: Vec<i64> = batch.iter().map(|start| start.cloud as i64).collect();
        let of_cloud = Tensor::from_slice(&of_cloud).to_device(device);
        let of_starts = |x: &Tensor| x.index_select(0, &of_cloud);
        let (points, is_point) = (of_starts(&centred), of_starts(&is_point));
        let centres = plus_plus(&points, &is_point, &batch, k, trials);
        let shape = [batch.len() as i64, nodes as i64];
        let now = Starts {
            labels: Tensor::full(shape, -1, (Kind::Int64, device)),
            settled: Tensor::zeros([shape[0]], (Kind::Bool, device)),
            numbers: (0..shape[0]).collect(),
            tolerance: of_starts(&tolerance),
            points,
            is_point,
            centres,
        };
        for (start, ended) in batch.iter().zip(lloyd(now, batch.len())) {
            match (ended, &mut best[start.cloud]) {
                (None, _) => ran_empty[start.cloud] = true,
                (Some(ended), Some(best)) if ended.inertia >= best.inertia => {}
                (ended, best) => *best = ended,
            }
        }
    }
    let to_labels = |ended: Ended| -> Vec<u32> {
        let labels = Vec::<i64>::try_from(ended.labels.to_device(Device::Cpu)).unwrap_or_default();
        labels.into_iter().map(|label| label as u32).collect()
    };
    let best = best.into_iter().zip(ran_empty);
    best.map(|(best, ran_empty)| best.filter(|_| !ran_empty).map(to_labels)).collect()
}

/// What [`crate::spectral::kmeans`] draws for a start, in its order.
fn draw(c: usize, cloud: &Cloud, k: usize, trials: usize, seed: u64, restart: usize) -> Start {
    let mut rng = stream(seed, Purpose::KMeans, cloud.index, restart as u16);
    let first = cloud.kept[rng.gen_range(0..cloud.kept.len())] as i64;
    let draws = (0..(k - 1) * trials).map(|_| rng.gen_range(0.0..1.0)).collect();
    Start { cloud: c, first, draws }
}

/// Squared distances of all points to some centres, `(starts, nodes, centres)`: by differences, for products would lose digits.
fn squared_distances(points: &Tensor, centres: &Tensor) -> Tensor {
    let along = |d: i64| points.select(2, d).unsqueeze(2) - centres.select(2, d).unsqueeze(1);
    (1..points.size()[2]).fold(along(0).square(), |sum, d| sum + along(d).square())
}

/// The centre of least `|c|²/2 − x·c` of each point, `(starts, nodes)` i64.
fn nearest(points: &Tensor, centres: &Tensor) -> Tensor {
    let half_norms = centres.square().sum_dim_intlist(2i64, false, Kind::Double) / 2.0;
    (half_norms.unsqueeze(1) - points.bmm(&centres.transpose(1, 2))).argmin(2, false)
}

/// Some points of each start, by node, `(starts, chosen)` i64: `(starts, chosen, dimensions)`.
fn chosen(points: &Tensor, nodes: &Tensor) -> Tensor {
    let dimensions = points.size()[2];
    points.gather(1, &nodes.unsqueeze(2).expand([-1, -1, dimensions], false), false)
}

/// Greedy k-means++: the centres of each start, `(starts, k, dimensions)`.
fn plus_plus(points: &Tensor, is_point: &Tensor, batch: &[Start], k: usize, trials: usize) -> Tensor {
    let device = points.device();
    let (count, nodes) = (batch.len() as i64, points.size()[1]);
    let first: Vec<i64> = batch.iter().map(|start| start.first).collect();
    let first = chosen(points, &Tensor::from_slice(&first).view([count, 1]).to_device(device));
    let draws: Vec<f64> = batch.iter().flat_map(|start| start.draws.iter().copied()).collect();
    let draws = Tensor::from_slice(&draws).view([count, k as i64 - 1, trials as i64]).to_device(device);
    let mut nearest = squared_distances(points, &first).squeeze_dim(2) * is_point;
    let mut centres = vec![first];
    for c in 0..k as i64 - 1 {
        let passed = nearest.cumsum(1, Kind::Double);
        let targets = draws.select(1, c) * passed.narrow(1, nodes - 1, 1);
        // the point at which the running sum passes the target
        let at = targets.searchsorted(&passed, false, true, "right", None::<Tensor>).clamp_max(nodes - 1);
        let candidates = chosen(points, &at);
        let nearer = squared_distances(points, &candidates).minimum(&nearest.unsqueeze(2));
        let best = nearer.sum_dim_intlist(1i64, false, Kind::Double).argmin(1, true);
        nearest = nearer.gather(2, &best.unsqueeze(1).expand([-1, nodes, -1], false), false).squeeze_dim(2);
        centres.push(chosen(&candidates, &best));
    }
    Tensor::cat(&centres, 1)
}

impl Starts {
    /// 1 where a point has a label, `(starts, nodes, k)`.
    fn members(&self, labels: &Tensor) -> Tensor {
        let clusters = Tensor::arange(self.centres.size()[1], (Kind::Int64, labels.device()));
        labels.unsqueeze(2).eq_tensor(&clusters).to_kind(Kind::Double) * self.is_point.unsqueeze(2)
    }

    /// Means of the points with a label, `(starts, k, dimensions)`, 0 where there are none; and their counts, `(starts, k)`.
    fn means(&self, labels: &Tensor) -> (Tensor, Tensor) {
        let members = self.members(labels);
        let counts = members.sum_dim_intlist(1i64, false, Kind::Double);
        (members.transpose(1, 2).bmm(&self.points) / counts.clamp_min(1.0).unsqueeze(2), counts)
    }

    /// Sum of squared distances to the means of the labels, `(starts,)`.
    fn inertia(&self, labels: &Tensor) -> Tensor {
        let own = chosen(&self.means(labels).0, &labels.clamp_min(0));
        ((&self.points - own).square().sum_dim_intlist(2i64, false, Kind::Double) * &self.is_point).sum_dim_intlist(
            1i64,
            false,
            Kind::Double,
        )
    }

    /// Those at the places `left`.
    fn only(&self, left: &[i64]) -> Self {
        let places = Tensor::from_slice(left).to_device(self.points.device());
        let of = |x: &Tensor| x.index_select(0, &places);
        Self {
            points: of(&self.points),
            is_point: of(&self.is_point),
            centres: of(&self.centres),
            labels: of(&self.labels),
            tolerance: of(&self.tolerance),
            settled: of(&self.settled),
            numbers: left.iter().map(|&place| self.numbers[place as usize]).collect(),
        }
    }
}

/// Lloyd's iteration of `count` starts: each its labels and inertia, `None` if a cluster ran empty.
fn lloyd(mut now: Starts, count: usize) -> Vec<Option<Ended>> {
    let mut ended: Vec<Option<Ended>> = (0..count).map(|_| None).collect();
    for iteration in 0..=ITERATIONS {
        let labels = nearest(&now.points, &now.centres);
        let labels = labels * now.is_point.to_kind(Kind::Int64);
        let unchanged = labels.eq_tensor(&now.labels).all_dim(1, false);
        let (means, counts) = now.means(&labels);
        let has_empty = counts.eq(0.0).any_dim(1, false);
        let shift = (&means - &now.centres).square().sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double);
        let is_last = if iteration == ITERATIONS { unchanged.ones_like() } else { unchanged.logical_or(&now.settled) };
        let at_end = is_last.logical_or(&has_empty);
        now.settled = shift.le_tensor(&now.tolerance);
        now.centres = means;
        now.labels = labels;
        let flags = |x: &Tensor| Vec::<bool>::try_from(x.to_device(Device::Cpu)).unwrap_or_default();
        let (at_end, has_empty) = (flags(&at_end), flags(&has_empty));
        let places =
            |wanted: bool| (0..at_end.len()).filter(|&p| at_end[p] == wanted).map(|p| p as i64).collect::<Vec<_>>();
        let (done, left) = (places(true), places(false));
        if done.is_empty() {
            continue;
        }
        let finished = now.only(&done);
        let inertia =
            Vec::<f64>::try_from(finished.inertia(&finished.labels).to_device(Device::Cpu)).unwrap_or_default();
        for (i, (&place, inertia)) in done.iter().zip(inertia).enumerate() {
            if !has_empty[place as usize] {
                let labels = finished.labels.select(0, i as i64);
                ended[finished.numbers[i] as usize] = Some(Ended { inertia, labels });
            }
        }
        if left.is_empty() {
            break;
        }
        now = now.only(&left);
    }
    ended
}
