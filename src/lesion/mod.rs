//! Lesions: what a network can still do without one of its clusters.
//!
//! A cluster's hidden neurons, or channels of convolutions, are silenced, that is, their outputs are set to zero, and the network is
//! tested. So are as many neurons drawn at random from each hidden layer, again and again: a cluster that does something of its own costs
//! more than they do. Pixels and outputs stay as they are. Where the graph has convolutions alone, so do lesions, and the layers behind
//! are as they were.
//!
//! ```text
//! drop = accuracy of the network − accuracy without the cluster
//! p    = (r + 1) / (n + 1),  r of n random sets leave no more accuracy than the cluster does
//! ```
//!
//! # References
//!
//! * D. Filan et al. (2021), *Clusterability in Neural Networks*: the single lesion test of the authors' code, which is
//!   of a cluster's neurons within one layer ([`Lesions::layers`]). There one permutation of a layer's labels makes the
//!   random sets of all clusters; here each cluster has its own.
//! * B. North, D. Curtis, P. Sham (2002), *A note on the calculation of empirical P values from Monte Carlo procedures*,
//!   Am. J. Hum. Genet. 71(2). Ties count against the cluster: one that does nothing has p = 1.

mod channels;
mod dense;

use crate::nn::Network;
use crate::rng::{Purpose, stream};
use crate::stats::permutation::{mean_and_sd, z_score};
use crate::train::Examples;
use channels::IntactChannels;
use dense::IntactDense;
use rand::seq::index::sample;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tch::Tensor;

/// One cluster silenced, in all hidden layers or in one, beside random sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesion {
    /// The cluster's label.
    pub cluster: usize,
    /// How many neurons are silenced in each hidden layer.
    pub neurons: Vec<usize>,
    /// Accuracy on the test set without them, in `[0, 1]`.
    pub accuracy: f64,
    /// The network's accuracy less that; below 0 if the network is better without them.
    pub drop: f64,
    /// Accuracy on the examples of each class without them.
    pub by_class: Vec<f64>,
    /// Mean accuracy without a random set of as many neurons in each of these layers.
    pub random_mean: f64,
    /// Its standard deviation, ddof = 0.
    pub random_sd: f64,
    /// `(r + 1) / (n + 1)`, r of n random sets leaving at most this accuracy.
    pub p_value: f64,
    /// `(accuracy − random_mean) / random_sd`, negative if the cluster costs more than chance; none without spread.
    pub z_score: Option<f64>,
    /// `random_mean` of the examples of each class; empty in results of versions that did not compare classes.
    #[serde(default)]
    pub random_by_class: Vec<f64>,
    /// `p_value` of the examples of each class, one test a class; empty likewise.
    #[serde(default)]
    pub p_by_class: Vec<f64>,
}

impl Lesion {
    /// What is lost of the accuracy on the examples of each class, in `[−1, 1]`; `of`: those that it is one of.
    pub fn drops(&self, of: &Lesions) -> impl Iterator<Item = f64> {
        of.by_class.iter().zip(&self.by_class).map(|(whole, without)| whole - without)
    }

    /// The same without a random set, on average.
    pub fn random_drops(&self, of: &Lesions) -> impl Iterator<Item = f64> {
        of.by_class.iter().zip(&self.random_by_class).map(|(whole, without)| whole - without)
    }
}

/// Every cluster of a network silenced, one at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesions {
    /// Random sets that each lesion is compared with.
    pub random_sets: usize,
    /// Accuracy of the whole network on the test set, in `[0, 1]`.
    pub accuracy: f64,
    /// The same on the examples of each class; 0 for a class without examples.
    pub by_class: Vec<f64>,
    /// A lesion of each cluster in all hidden layers at once, by label.
    pub clusters: Vec<Lesion>,
    /// For each hidden layer, a lesion of each cluster in this layer alone; those without neurons there are left out.
    pub layers: Vec<Vec<Lesion>>,
    /// Number of `clusters` that cost more than their random sets do on average. Of clusters that are random sets
    /// themselves, about half.
    pub functional: usize,
}

/// What clusters are compared with.
#[derive(Debug, Clone, Copy)]
pub struct LesionParams {
    /// Number of random sets, from 1 to a million.
    pub random_sets: usize,
    /// Seed of their streams.
    pub seed: u64,
}

/// The network's computation on examples, as far as lesions leave it as it is.
trait Computation {
    /// The same memory, for another thread.
    fn shallow_clone(&self) -> Self;

    /// Examples of each class that are classified rightly without the neurons or channels in `silenced`, ascending lists by hidden layer.
    fn right_without(&self, silenced: &[Vec<usize>]) -> Vec<i64>;

    /// Number of examples of each class.
    fn examples(&self) -> Vec<i64>;
}

/// Counts `labels`.
fn add(counts: &mut [i64], labels: &Tensor) {
    let found = labels.bincount(None::<Tensor>, counts.len() as i64);
    counts.iter_mut().enumerate().for_each(|(class, count)| *count += found.int64_value(&[class as i64]));
}

/// Places in each hidden layer, ascending.
type Neurons = Vec<Vec<usize>>;

/// The hidden neurons of each cluster.
struct Parts {
    clusters: Vec<Neurons>,
    /// Of any cluster.
    all: Neurons,
}

impl Parts {
    /// `hidden` are the widths of the hidden layers, `labels` those of all neurons, after `inputs` input ones.
    fn new(labels: &[i64], inputs: usize, hidden: &[usize]) -> Self {
        let clusters = labels.iter().max().map_or(0, |&most| (most + 1) as usize);
        let (mut of_clusters, mut all) =
            (vec![vec![Vec::new(); hidden.len()]; clusters], vec![Vec::new(); hidden.len()]);
        let mut labels = labels[inputs..].iter();
        for (layer, &width) in hidden.iter().enumerate() {
            for (neuron, &label) in labels.by_ref().take(width).enumerate().filter(|(_, label)| **label >= 0) {
                of_clusters[label as usize][layer].push(neuron);
                all[layer].push(neuron);
            }
        }
        Self { clusters: of_clusters, all }
    }

    /// Random set `draw` for `cluster`: as many neurons as it has in each layer.
    fn random(&self, cluster: usize, draw: usize, seed: u64) -> Neurons {
        let mut rng = stream(seed, Purpose::Lesion, (cluster as u64) << 20 | draw as u64, 0);
        let of_layer = |(all, own): (&Vec<usize>, &Vec<usize>)| {
            let mut chosen: Vec<usize> = sample(&mut rng, all.len(), own.len()).iter().map(|i| all[i]).collect();
            chosen.sort_unstable();
            chosen
        };
        self.all.iter().zip(&self.clusters[cluster]).map(of_layer).collect()
    }
}

/// Which cluster, and in which hidden layer alone if not in all.
#[derive(Clone, Copy)]
struct Site {
    cluster: usize,
    layer: Option<usize>,
}

impl Site {
    /// What of `neurons` lies here.
    fn of(self, mut neurons: Neurons) -> Neurons {
        let elsewhere = |layer: usize| self.layer.is_some_and(|own| own != layer);
        neurons.iter_mut().enumerate().filter(|(layer, _)| elsewhere(*layer)).for_each(|(_, set)| set.clear());
        neurons
    }
}

/// Examples of each class in the test set, and those of them that the network classifies rightly.
struct Whole {
    examples: Vec<i64>,
    right: Vec<i64>,
}

impl Whole {
    fn accuracy(&self, right: f64) -> f64 {
        right / self.examples.iter().sum::<i64>() as f64
    }

    fn by_class(&self, right: &[i64]) -> Vec<f64> {
        right.iter().zip(&self.examples).map(|(right, n)| *right as f64 / (*n).max(1) as f64).collect()
    }

    /// `right` of the cluster itself, then of its random sets.
    fn lesion(&self, cluster: usize, neurons: &Neurons, right: &[Vec<i64>]) -> Lesion {
        // whole numbers, so that equal ones have that mean and no spread
        let sums: Vec<f64> = right.iter().map(|right| right.iter().sum::<i64>() as f64).collect();
        let (without, random) = (sums[0], &sums[1..]);
        let (mean, sd) = mean_and_sd(random).unwrap_or_else(|| unreachable!("there is a random set"));
        let p_of = |as_bad: usize| (as_bad + 1) as f64 / (random.len() + 1) as f64;
        let accuracy = self.accuracy(without);
        let (own, random_sets) = (&right[0], &right[1..]);
        let sum_of = |class: usize| random_sets.iter().map(|right| right[class]).sum::<i64>();
        let as_bad_of = |class: usize| random_sets.iter().filter(|right| right[class] <= own[class]).count();
        let of_random = (0..own.len()).map(|class| sum_of(class) as f64 / random_sets.len() as f64);
        let examples = self.examples.iter().map(|n| (*n).max(1) as f64);
        Lesion {
            cluster,
            neurons: neurons.iter().map(Vec::len).collect(),
            accuracy,
            drop: self.accuracy(self.right.iter().sum::<i64>() as f64) - accuracy,
            by_class: self.by_class(&right[0]),
            random_mean: self.accuracy(mean),
            random_sd: self.accuracy(sd),
            p_value: p_of(random.iter().filter(|&&random| random <= without).count()),
            z_score: z_score(without, random),
            random_by_class: of_random.zip(examples).map(|(right, n)| right / n).collect(),
            p_by_class: (0..own.len()).map(|class| p_of(as_bad_of(class))).collect(),
        }
    }
}

/// A cluster's own neurons in some layers, or random set `draw` in their place.
type Evaluation = (Site, Option<usize>);

/// What `intact` classifies rightly in each of `evaluations`, on rayon's threads; `None` once `done` breaks.
fn right_of_each<I: Computation + Send>(
    intact: I,
    evaluations: &[Evaluation],
    parts: &Parts,
    seed: u64,
    done: impl Fn() -> ControlFlow<()> + Sync,
) -> Option<Vec<Vec<i64>>> {
    let (stopped, shared) = (AtomicBool::new(false), Mutex::new(intact));
    let own = || shared.lock().unwrap_or_else(PoisonError::into_inner).shallow_clone();
    let evaluate = |intact: &mut I, &(site, draw): &Evaluation| {
        if stopped.load(Ordering::Relaxed) {
            return None;
        }
        let neurons = match draw {
            None => parts.clusters[site.cluster].clone(),
            Some(draw) => parts.random(site.cluster, draw, seed),
        };
        let right = tch::no_grad(|| intact.right_without(&site.of(neurons)));
        if done().is_break() {
            stopped.store(true, Ordering::Relaxed);
        }
        Some(right)
    };
    let right: Vec<Option<Vec<i64>>> = evaluations.par_iter().map_init(own, evaluate).collect();
    right.into_iter().collect()
}

/// Silences each cluster of `network` and tests it on `test`.
///
/// `labels` is the cluster of each neuron or channel, input, hidden and output layers in order, or of the channels that convolutions give
/// alone; −1 for those that are not in the
/// graph, which are in no random set either. There are as many clusters as the largest label says. `done` is called after
/// each evaluation of the network, on some of the examples if it has convolutions, from any thread; once it breaks, no other begins and
/// the answer is `None`.
///
/// # Determinism
///
/// Random set i of a cluster draws from the stream of `(seed, cluster, i)`; a lesion of one layer is compared with the
/// parts of these sets in that layer. Evaluations are spread over rayon's threads, and nothing depends on their number
/// if libtorch computes each on one thread.
///
/// # Panics
///
/// If there are other labels than neurons, the examples do not fit the network, or there are no random sets or more
/// than a million of them or of clusters.
pub fn lesions(
    network: &Network,
    labels: &[i64],
    test: &Examples,
    params: LesionParams,
    done: impl Fn() -> ControlFlow<()> + Sync,
) -> Option<Lesions> {
    let LesionParams { random_sets, seed } = params;
    let architecture = network.architecture();
    let nodes = architecture.channels();
    let convolutions = &nodes[1..=architecture.convolutions()];
    let (inputs, hidden) = match labels.len() == convolutions.iter().sum::<usize>() {
        true => (0, convolutions),
        false => (nodes[0], &nodes[1..nodes.len() - 1]),
    };
    let whole = labels.len() == nodes.iter().sum::<usize>();
    assert!(whole || inputs == 0, "one label for each neuron");
    let parts = Parts::new(labels, inputs, hidden);
    let clusters = parts.clusters.len();
    assert!((1..=1_000_000).contains(&random_sets) && clusters <= 1_000_000, "streams are numbered with 20 bits each");
    let everywhere = (0..clusters).map(|cluster| Site { cluster, layer: None });
    let layers = (0..hidden.len()).map(Some);
    let in_layers = layers.flat_map(|layer| (0..clusters).map(move |cluster| Site { cluster, layer }));
    let there = |site: &Site| site.layer.is_some_and(|layer| !parts.clusters[site.cluster][layer].is_empty());
    let sites: Vec<Site> = everywhere.chain(in_layers.filter(there)).collect();
    let evaluations: Vec<Evaluation> = sites
        .iter()
        .flat_map(|&site| std::iter::once(None).chain((0..random_sets).map(Some)).map(move |draw| (site, draw)))
        .collect();

    let nothing = vec![Vec::new(); hidden.len()];
    let (whole, right) = if architecture.is_dense() {
        let intact = tch::no_grad(|| IntactDense::new(network, test));
        let whole = Whole { right: intact.right_without(&nothing), examples: intact.examples() };
        (whole, right_of_each(intact, &evaluations, &parts, seed, &done)?)
    } else {
        let classes = *nodes.last().unwrap_or(&0);
        let mut whole = Whole { right: vec![0; classes], examples: vec![0; classes] };
        let mut right = vec![vec![0; classes]; evaluations.len()];
        let sum = |a: &mut Vec<i64>, b: &[i64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        for (examples, labels) in test.in_order(channels::BATCH) {
            let intact = tch::no_grad(|| IntactChannels::new(network, &examples, labels));
            sum(&mut whole.right, &tch::no_grad(|| intact.right_without(&nothing)));
            sum(&mut whole.examples, &intact.examples());
            let of_batch = right_of_each(intact, &evaluations, &parts, seed, &done)?;
            right.iter_mut().zip(&of_batch).for_each(|(right, of_batch)| sum(right, of_batch));
        }
        (whole, right)
    };

    let (mut of_clusters, mut of_layers) = (Vec::new(), vec![Vec::new(); hidden.len()]);
    for (site, right) in sites.iter().zip(right.chunks(random_sets + 1)) {
        let neurons = site.of(parts.clusters[site.cluster].clone());
        let lesion = whole.lesion(site.cluster, &neurons, right);
        site.layer.map_or(&mut of_clusters, |layer| &mut of_layers[layer]).push(lesion);
    }
    Some(Lesions {
        random_sets,
        accuracy: whole.accuracy(whole.right.iter().sum::<i64>() as f64),
        by_class: whole.by_class(&whole.right),
        functional: of_clusters.iter().filter(|lesion| lesion.accuracy < lesion.random_mean).count(),
        clusters: of_clusters,
        layers: of_layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::nn::Architecture;
    use rand::Rng;
    use tch::Device;

    const GO_ON: fn() -> ControlFlow<()> = || ControlFlow::Continue(());

    fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f32) -> Tensor {
        let values: Vec<f32> = (0..rows * columns).map(|i| value(i / columns, i % columns)).collect();
        Tensor::from_slice(&values).view([rows as i64, columns as i64])
    }

    /// Each class has a pixel, and two neurons in each of two layers that pass it on. Without them all logits are the
    /// biases, which are for class 2.
    #[test]
    fn a_cluster_that_carries_one_class_costs_that_class() {
        let same = |a: usize, b: usize| f32::from(u8::from(a == b));
        let zeros = || Tensor::zeros([6], tch::kind::FLOAT_CPU);
        let parameters = vec![
            matrix(6, 3, |o, i| same(o / 2, i)),
            zeros(),
            matrix(6, 6, same),
            zeros(),
            matrix(3, 6, |o, i| same(o, i / 2)),
            Tensor::from_slice(&[-0.2f32, -0.1, 0.1]),
        ];
        let network = Network::of_parameters(Architecture::mlp(&[3, 6, 6, 3]), parameters);
        let labels: Vec<u8> = [vec![0; 5], vec![1; 3], vec![2; 2]].concat();
        let images = labels.iter().flat_map(|&label| (0..3).map(move |pixel| if pixel == label { 255 } else { 0 }));
        let split = Split::grey(images.collect(), labels.clone(), 1, 3);
        let test = Examples::new(&split, 10, Device::Cpu);
        let clusters = [0, 1, 2, 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 0, 1, 2];
        let params = LesionParams { random_sets: 200, seed: 1 };
        let found = lesions(&network, &clusters, &test, params, GO_ON).unwrap();
        assert_eq!((found.accuracy, found.by_class.as_slice()), (1.0, &[1.0; 3][..]));

        let parts = Parts::new(&clusters, 3, &[6, 6]);
        for (cluster, accuracy, by_class) in [(0, 0.5, [0.0, 1.0, 1.0]), (1, 0.7, [1.0, 0.0, 1.0]), (2, 1.0, [1.0; 3])]
        {
            let lesion = &found.clusters[cluster];
            assert_eq!((lesion.cluster, lesion.neurons.as_slice()), (cluster, &[2, 2][..]));
            assert_eq!(
                (lesion.accuracy, lesion.drop, lesion.by_class.as_slice()),
                (accuracy, 1.0 - accuracy, &by_class[..])
            );
            // a class other than 2 is lost when both of its ways are cut
            let right = |draw| {
                let sets = parts.random(cluster, draw, 1);
                let cut = |neuron| sets.iter().any(|set| set.contains(&neuron));
                10 - if cut(0) && cut(1) { 5 } else { 0 } - if cut(2) && cut(3) { 3 } else { 0 }
            };
            let random: Vec<i32> = (0..200).map(right).collect();
            let mean = f64::from(random.iter().sum::<i32>()) / 2000.0;
            assert!((lesion.random_mean - mean).abs() < 1e-12, "{lesion:?}");
            let as_bad = random.iter().filter(|&&right| f64::from(right) <= 10.0 * accuracy).count();
            assert_eq!(lesion.p_value, (as_bad + 1) as f64 / 201.0);
            for (class, &left) in by_class.iter().enumerate() {
                let kept = |draw| {
                    let sets = parts.random(cluster, draw, 1);
                    let cut = |neuron| sets.iter().any(|set| set.contains(&neuron));
                    class == 2 || !(cut(2 * class) && cut(2 * class + 1))
                };
                let kept: Vec<f64> = (0..200).map(|draw| f64::from(u8::from(kept(draw)))).collect();
                assert!((lesion.random_by_class[class] - kept.iter().sum::<f64>() / 200.0).abs() < 1e-12, "{lesion:?}");
                let as_bad = kept.iter().filter(|kept| **kept <= left).count();
                assert_eq!(lesion.p_by_class[class], (as_bad + 1) as f64 / 201.0, "{lesion:?}");
            }
            // one layer is enough to cut both ways
            assert_eq!([0, 1].map(|layer: usize| found.layers[layer][cluster].accuracy), [accuracy; 2]);
            assert_eq!([0, 1].map(|layer: usize| found.layers[layer][cluster].neurons.clone()), [[2, 0], [0, 2]]);
        }
        assert_eq!((found.functional, found.clusters[2].p_value), (2, 1.0));
    }

    #[test]
    fn random_sets_have_the_sizes_and_only_neurons_of_the_graph() {
        let mut labels = vec![0; 4];
        labels.extend([0, 1, -1, 1, 0, 1, -1, 0, 0, 1]);
        labels.extend([1, 1, -1]);
        let parts = Parts::new(&labels, 4, &[10]);
        assert_eq!((&parts.clusters[1], &parts.all), (&vec![vec![1, 3, 5, 9]], &vec![vec![0, 1, 3, 4, 5, 7, 8, 9]]));
        let mut drawn = [0; 10];
        for draw in 0..2000 {
            let sets = parts.random(1, draw, 3);
            assert!(sets.len() == 1 && sets[0].len() == 4 && sets[0].is_sorted_by(|a, b| a < b), "{sets:?}");
            sets[0].iter().for_each(|&neuron| drawn[neuron] += 1);
        }
        assert_eq!((drawn[2], drawn[6]), (0, 0));
        // binomial of sd 22
        assert!(parts.all[0].iter().all(|&neuron| (900..1100).contains(&drawn[neuron])), "{drawn:?}");
        assert_ne!(parts.random(1, 0, 3), parts.random(0, 0, 3));
    }

    /// A random network on the sample, and labels of a crumb, two parts and a giant that has all of the second layer.
    fn random() -> (Network, Vec<i64>, Examples) {
        let mut rng = stream(3, Purpose::InitialWeights, 9, 0);
        let mut network = Network::mlp(&[784, 24, 8, 16, 10], 2, Device::Cpu);
        network.biases = [24, 8, 16, 10]
            .map(|width| Tensor::from_slice(&(0..width).map(|_| rng.gen_range(-0.1f32..0.1)).collect::<Vec<_>>()))
            .into();
        let label = |neuron| match neuron {
            784..795 => 0,
            795..808 | 816..822 => (neuron % 4) - 1,
            808..816 => 0,
            _ => neuron % 3,
        };
        let dataset =
            crate::data::load("mnist-sample", std::path::Path::new(""), crate::data::generated::SEED).unwrap();
        (network, (0..842).map(label).collect(), Examples::new(&dataset.test, dataset.test.len(), Device::Cpu))
    }

    /// What goes out of silenced neurons is set to zero.
    #[test]
    fn silencing_is_zeroing_what_goes_out() {
        let (network, labels, test) = random();
        let counts = |network: &Network| {
            let mut right = vec![0.0; 10];
            for (pixels, classes) in test.in_order(77) {
                let found = Vec::<i64>::try_from(network.forward(&pixels).argmax(-1, false)).unwrap();
                let classes = Vec::<i64>::try_from(classes).unwrap();
                let same = found.iter().zip(&classes).filter(|(found, class)| found == class);
                same.for_each(|(_, &class)| right[class as usize] += 1.0);
            }
            right
        };
        let found = lesions(&network, &labels, &test, LesionParams { random_sets: 1, seed: 1 }, GO_ON).unwrap();
        let mut compared = 0;
        let alone = found.layers.iter().enumerate().flat_map(|(layer, of)| of.iter().map(move |l| (Some(layer), l)));
        for (layer, lesion) in found.clusters.iter().map(|lesion| (None, lesion)).chain(alone) {
            let copies = network.parameters().into_iter().map(Tensor::detach_copy).collect();
            let cut = Network::of_parameters(network.architecture().clone(), copies);
            let mut first = 784;
            for hidden in 0..3 {
                let width = cut.weights[hidden].size()[0] as usize;
                for neuron in (0..width).filter(|neuron| labels[first + neuron] == lesion.cluster as i64) {
                    if layer.is_none_or(|layer| layer == hidden) {
                        let _ = cut.weights[hidden + 1].select(1, neuron as i64).fill_(0.0);
                        compared += 1;
                    }
                }
                first += width;
            }
            let (right, whole) = (counts(&cut), counts(&network));
            let accuracy = right.iter().sum::<f64>() / 1000.0;
            assert!((lesion.accuracy - accuracy).abs() < 1e-12, "{layer:?} {lesion:?}: {accuracy}");
            for ((found, right), whole) in lesion.by_class.iter().zip(&right).zip(found.by_class.iter().zip(&whole)) {
                assert!((found * whole.1 - right * whole.0).abs() < 1e-9, "{layer:?} {lesion:?}: {right:?}");
            }
        }
        assert!(compared > 2 * 40, "{compared}");
    }

    #[test]
    fn the_same_on_any_number_of_threads_and_none_once_stopped() {
        let (network, labels, test) = random();
        let (shared, params) = (Mutex::new(network), LesionParams { random_sets: 5, seed: 1 });
        let test = Mutex::new(test);
        let on = |threads, done: fn() -> ControlFlow<()>| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| lesions(&shared.lock().unwrap(), &labels, &test.lock().unwrap(), params, done))
        };
        let one = on(1, GO_ON).unwrap();
        assert_eq!(Some(&one), on(2, GO_ON).as_ref());
        assert_eq!(on(2, || ControlFlow::Break(())), None);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Lesions>(&text).unwrap(), one);
    }
}
