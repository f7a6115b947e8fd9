//! What runs cost: time on one core and memory, estimated from runs that are done.
//!
//! A model of the work (below) gives seconds at fixed rates; runs that are done say by what factor this machine and these
//! networks differ from them.
//!
//! ```text
//! training      examples · epochs · (6 M + so much for each unit that may be dropped) flops, so much for each step, and for penalties;
//!               M are the multiplications of an example, one a weight in dense layers
//! clustering    as [`crate::spectral::cost`] has it, 1 + shuffles times for each end state and each network on the way (`measure_at`)
//! lesions       the test set through the layers behind a silenced one, k (1 + random sets) times for each end state, once
//!               for a cluster in all layers and once for it in each
//! ```

use super::grid::Run;
use super::network_graph::graph_nodes;
use super::run::RunResult;
use super::settings::Settings;
use super::store::RunDirectory;
use super::training_curve::on_the_way;
use crate::data;
use crate::graph::GraphLayers;
use crate::nn::{Architecture, Precision};
use crate::penalty::{LoopFlatten, LoopPenalty};
use crate::spectral;
use std::path::Path;

/// Multiplications and additions a second of one thread in training (784-256×4-10 on an AMD EPYC, 2026).
const FLOPS: f64 = 65e9;
/// Seconds a step costs whatever its size, and a weight in it (Adam reads and writes its moments).
const STEP: f64 = 0.5e-3;
const STEP_WEIGHT: f64 = 2.0e-9;
/// How much longer convolutions take than dense layers of as many multiplications.
const CONVOLUTION: f64 = 0.75;
/// Time of a step of convolutions in bfloat16, in that of one in f32 (AVX-512 BF16).
const BF16: f64 = 0.5;
/// Bytes that convolutions need for each of what they keep for the gradient.
const ACTIVATION_COPIES: f64 = 3.0;
/// What dropping a unit takes, in the time of so many multiplications and additions: of dense layers, and of images, which do not fit the
/// cache.
const DROPPING: [f64; 2] = [70.0, 300.0];
/// Hidden layers that a cluster has neurons in.
const SHARE_OF_LAYERS: f64 = 0.5;
/// Bytes of a process with libtorch loaded and nothing done.
const BASE_BYTES: f64 = 300e6;

/// What a run is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Seconds of training on one core.
    pub train: f64,
    /// Seconds of both measurements on one core.
    pub measure: f64,
    /// Bytes of memory of a process that does this run alone.
    pub memory: f64,
}

impl Cost {
    /// Seconds on one core.
    pub fn seconds(&self) -> f64 {
        self.train + self.measure
    }
}

/// Factors on the model's rates, and on how many finished runs they rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    train: f64,
    measure: f64,
    memory: f64,
    /// Runs that are done and were looked at; 0: the built-in rates.
    pub from: usize,
}

/// Finished runs that are looked at; more would say little more.
const SAMPLE: usize = 40;

impl Rates {
    /// Medians over runs of `runs` that are done in `out`, taken evenly; those that cannot be read are passed over.
    pub fn measured(runs: &[Run], out: &Path) -> Self {
        let done: Vec<&Run> = runs.iter().filter(|run| RunDirectory::new(out, run).is_done()).collect();
        let step = done.len().div_ceil(SAMPLE).max(1);
        let (mut train, mut measure, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        for run in done.into_iter().step_by(step) {
            let bytes = std::fs::read(RunDirectory::new(out, run).result()).unwrap_or_default();
            let Ok(result) = serde_json::from_slice::<RunResult>(&bytes) else { continue };
            let model = modelled(run.settings());
            train.push(result.timing_s.train / model.train);
            measure.push(result.timing_s.measure * f64::from(result.timing_s.threads.max(1)) / model.measure);
            if let Some(peak) = result.timing_s.peak_memory {
                memory.push(peak as f64 / model.memory);
            }
        }
        let from = train.len();
        Self { train: median(train), measure: median(measure), memory: median(memory), from }
    }

    /// What a run of `settings` is expected to cost.
    pub fn cost(&self, settings: &Settings) -> Cost {
        let model = modelled(settings);
        Cost {
            train: model.train * self.train,
            measure: model.measure * self.measure,
            memory: model.memory * self.memory,
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| value.is_finite() && *value > 0.0);
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 1.0,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}

/// At the built-in rates.
fn modelled(settings: &Settings) -> Cost {
    let Ok(dataset) = data::describe(settings.dataset.as_str()) else { return Cost::default() };
    let Ok(architecture) = settings.architecture() else { return Cost::default() };
    let widths: Vec<f64> = architecture.channels().into_iter().map(|width| width as f64).collect();
    let weights = architecture.weight_count() as f64;
    let multiplications = architecture.multiplications().iter().sum::<f64>() * slowness(&architecture);
    let nodes = graph_nodes(&architecture, settings.graph_layers) as f64;
    let edges = graph_edges(&architecture, settings);
    let examples = settings.n_train.map_or(dataset.train, |n| n.get());
    let steps_per_epoch = examples.div_ceil(settings.batch_size.get());
    let phases = [settings.epochs.get(), settings.pruning_epochs.get()];
    let steps: f64 = phases.iter().map(|phase| phase.steps(steps_per_epoch) as f64).sum();
    let epochs = steps / steps_per_epoch as f64;
    let droppable = architecture.dropouts().iter().map(|(units, _)| *units as f64).sum::<f64>();
    let dropping = if f64::from(settings.dropout) > 0.0 {
        droppable * DROPPING[usize::from(!architecture.is_dense())]
    } else {
        0.0
    };
    let in_training = multiplications * if settings.precision == Precision::Bf16 { BF16 } else { 1.0 };
    let train = steps * settings.batch_size.get().min(examples) as f64 * (6.0 * in_training + dropping) / FLOPS
        + steps * (STEP + weights * STEP_WEIGHT + penalties(settings, &architecture))
        + epochs * dataset.test as f64 * 2.0 * multiplications / FLOPS;

    let k = settings.clusters.get() as f64;
    let starts = settings.restarts.map_or(if nodes <= 2000.0 { 25 } else { 100 }, |n| n.get()) as f64;
    let clustering = |edges: f64| spectral::cost::seconds(nodes, edges, k, starts);
    let kept = 1.0 - f64::from(settings.final_sparsity);
    let pruned = if settings.pruning_epochs.is_none() {
        0.0
    } else {
        clustering(if architecture.is_dense() { edges * kept } else { edges })
    };
    let kept_after = |epoch| if architecture.is_dense() { 1.0 - sparsity_after(epoch, settings) } else { 1.0 };
    let on_the_way: f64 = on_the_way(settings).into_iter().map(|epoch| clustering(edges * kept_after(epoch))).sum();
    let (lesions, lesion_bytes) = lesions(settings, &architecture, dataset.test as f64);
    let states = if settings.pruning_epochs.is_none() { 1.0 } else { 2.0 };
    let measure = (1.0 + settings.shuffles.get() as f64) * (clustering(edges) + pruned + on_the_way) + states * lesions;

    let example_bytes = match dataset.task {
        data::Task::Classification { .. } => dataset.inputs(),
        data::Task::Regression { outputs } => 4 * (dataset.inputs() + outputs),
    };
    // weights, gradients, two moments, masks and a checkpoint's copy; examples; a graph and its shuffle, both triangles
    let memory = BASE_BYTES
        + 24.0 * weights
        + (dataset.train + dataset.test) as f64 * example_bytes as f64
        + 2.0 * 2.0 * 16.0 * edges
        + activations(settings, &architecture)
        + penalty_bytes(settings, &widths)
        + lesion_bytes;
    Cost { train, measure, memory }
}

/// Share of the weights that is pruned after an epoch.
fn sparsity_after(epoch: usize, settings: &Settings) -> f64 {
    let [unpruned, pruning] = settings.phase_epochs().unwrap_or_default();
    match epoch.checked_sub(unpruned) {
        None | Some(0) => 0.0,
        Some(done) => settings.train_params(0).pruning.sparsity(done.min(pruning), pruning.max(1)),
    }
}

/// Edges of the graph that is measured, none being 0.
fn graph_edges(architecture: &Architecture, settings: &Settings) -> f64 {
    let channels = architecture.channels();
    let convolutions = architecture.are_convolutions();
    let pairs = channels.windows(2).zip(convolutions).enumerate().filter(|(layer, (_, is_convolution))| {
        architecture.is_dense() || settings.graph_layers == GraphLayers::All || (*is_convolution && *layer > 0)
    });
    pairs.map(|(_, (pair, _))| (pair[0] * pair[1]) as f64).sum()
}

/// Bytes of what convolutions keep for the gradient, and of the copies that they are computed from. Those of dense layers are too few to
/// count.
fn activations(settings: &Settings, architecture: &Architecture) -> f64 {
    let bytes = settings.batch_size.get() as f64 * 4.0 * architecture.activations() as f64;
    if architecture.is_dense() { 0.0 } else { ACTIVATION_COPIES * bytes }
}

/// How much longer convolutions take than dense layers of as many multiplications.
fn slowness(architecture: &Architecture) -> f64 {
    if architecture.is_dense() { 1.0 } else { CONVOLUTION }
}

/// Seconds that the penalties add to a step, roughly: their products of matrices, and what each operation costs whatever its size.
fn penalties(settings: &Settings, architecture: &Architecture) -> f64 {
    let widths: Vec<f64> = architecture.channels().into_iter().map(|width| width as f64).collect();
    let on = |weight: f64, seconds: f64| if weight > 0.0 { STEP + seconds } else { 0.0 };
    // multiplications of W V over all pairs of layers; backwards twice as many
    let mut products: f64 = widths.windows(3).map(|three| three.iter().product::<f64>()).sum();
    if settings.loop_penalty_flatten == LoopFlatten::Cut {
        // a dense layer behind a flattening is multiplied pixel by pixel
        let flattened = architecture.are_convolutions().windows(2).position(|pair| pair[0] && !pair[1]).map(|l| l + 1);
        let pixels = flattened.and_then(|layer| architecture.weights().get(layer..layer + 2).map(<[_]>::to_vec));
        products += pixels.map_or(0.0, |two| (two[0][1] * two[0][0] * two[1][0]) as f64);
    }
    let of_products = |count: f64| 3.0 * 2.0 * count * products / FLOPS;
    let loops = if settings.loop_penalty_kind == LoopPenalty::TraceS4 { 3.0 } else { 1.0 };
    let side = |parity: usize| widths.iter().skip(parity).step_by(2).sum::<f64>();
    // 123 neurons on the smaller side take 1.5 ms, 522 take 15
    let eigenvalues = 1.5e-3 * (side(0).min(side(1)) / 123.0).powf(1.6);
    let weights = architecture.weight_count() as f64;
    let tags = settings.tags.get() as f64;
    on(settings.eigen_penalty.into(), eigenvalues)
        + on(settings.l4.into(), weights * STEP_WEIGHT)
        + on(settings.loop_penalty.into(), of_products(loops))
        + on(settings.soft_ncut.into(), 6.0 * 2.0 * tags * weights / FLOPS)
        + on(settings.soft_modularity.into(), 6.0 * 2.0 * tags * weights / FLOPS)
        + on(
            f64::from(settings.block_share).max(settings.block_share_pruning.map_or(0.0, f64::from)),
            weights * STEP_WEIGHT,
        )
}

/// Bytes of the largest things that penalties make: Gram matrices, and logits of soft partitions with gradients and moments.
fn penalty_bytes(settings: &Settings, widths: &[f64]) -> f64 {
    let side = |parity: usize| widths.iter().skip(parity).step_by(2).sum::<f64>();
    let on = |weight: f64, bytes: f64| if weight > 0.0 { bytes } else { 0.0 };
    // a matrix of torch's, its mirror image, and a copy for the iteration or a decomposition's vectors
    let gram = 4.0 * 8.0 * side(0).min(side(1)).powi(2);
    let logits = 2.0 * 4.0 * 4.0 * widths.iter().sum::<f64>() * settings.tags.get() as f64;
    let soft = f64::from(settings.soft_ncut) + f64::from(settings.soft_modularity);
    on(settings.eigen_penalty.into(), gram) + on(soft, logits)
}

/// Seconds of the lesions of an end state, and bytes of the activations that they start from.
fn lesions(settings: &Settings, architecture: &Architecture, tests: f64) -> (f64, f64) {
    let random_sets = settings.lesions.get();
    // from each hidden layer to the next, and what is behind that: of the first a share is computed anew
    let sizes = architecture.multiplications().split_off(1);
    if random_sets == 0 || sizes.is_empty() {
        return (0.0, 0.0);
    }
    let k = settings.clusters.get() as f64;
    let hidden = match settings.graph_layers {
        GraphLayers::Convolutions if !architecture.is_dense() => architecture.convolutions(),
        _ => sizes.len(),
    };
    let behind = |layer: usize| sizes[layer] / k + sizes[layer + 1..].iter().sum::<f64>();
    let weights = (behind(0) + (0..hidden).map(behind).sum::<f64>()) * slowness(architecture);
    let bytes = match architecture.is_dense() {
        true => tests * architecture.channels()[1..].iter().sum::<usize>() as f64,
        // what a layer is given and what it gives, of a batch
        false => 2.0 * 100.0 * architecture.activations() as f64,
    };
    (SHARE_OF_LAYERS * k * (1.0 + random_sets as f64) * tests * 2.0 * weights / FLOPS, 4.0 * bytes)
}

/// The most memory that this process has had, in bytes, where the system says.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Setting;
    use serde_json::json;

    fn settings(given: &[(&str, serde_json::Value)]) -> Settings {
        let mut settings = Settings::default();
        given.iter().for_each(|(name, value)| Setting::read(name, value.clone()).unwrap().apply(&mut settings));
        settings
    }

    /// The paper's MNIST run took 104 s of training on one core; its 51 clusterings of 31 ms and 51 of 21 are 2.7 s.
    #[test]
    fn the_model_is_near_what_was_measured() {
        let cost = modelled(&settings(&[]));
        assert!((70.0..160.0).contains(&cost.train) && (2.0..4.0).contains(&cost.measure), "{cost:?}");
        assert!((2e8..1e9).contains(&cost.memory), "{cost:?}");
        let twice =
            modelled(&settings(&[("epochs", json!(40)), ("pruning_epochs", json!(40)), ("shuffles", json!(101))]));
        assert!((twice.train / cost.train - 2.0).abs() < 1e-9 && (twice.measure / cost.measure - 2.0).abs() < 1e-9);
        // 12 s of lesions an end state
        let lesions = modelled(&settings(&[("lesions", json!(20))])).measure - cost.measure;
        assert!((15.0..50.0).contains(&lesions), "{lesions}");
        // the untrained network and one on the way as the unpruned one, which is asked for anyhow, and one that is pruned by half or more
        let at = modelled(&settings(&[("measure_at", json!([0, 10, 20, 21]))]));
        assert!(at.train == cost.train && at.measure > 2.2 * cost.measure && at.measure < 2.8 * cost.measure, "{at:?}");
        let steps = modelled(&settings(&[("epochs", json!("9380it"))]));
        assert_eq!(steps.train, cost.train);
    }

    /// A step of the AI-RG code's network took 119 ms without a penalty and 150 with its own, on one thread of a busy machine; the
    /// process 450 to 510 MB.
    #[test]
    fn convolutions_are_modelled() {
        let airg = [
            ("model", json!("airg-cnn")),
            ("n_train", json!(55_000)),
            ("batch_size", json!(100)),
            ("epochs", json!("1000it")),
            ("pruning_epochs", json!(0)),
        ];
        let cost = modelled(&settings(&airg));
        assert!((100.0..140.0).contains(&cost.train) && (4e8..6e8).contains(&cost.memory), "{cost:?}");
        let penalties = [("l4", json!(0.05)), ("loop_penalty", json!(5e-4))];
        let with = modelled(&settings(&[&airg[..], &penalties].concat()));
        assert!((5.0..40.0).contains(&(with.train - cost.train)), "{with:?}");
        let all = modelled(&settings(&[&airg[..], &[("graph_layers", json!("all"))]].concat()));
        assert!(all.measure > 2.0 * cost.measure && all.train == cost.train, "{all:?}");
    }

    /// A step of the paper's small network took 143 to 159 ms on one thread, 79 in bfloat16; dropout 10 to 27 more.
    #[test]
    fn the_papers_small_network_is_modelled() {
        let cnn = [
            ("model", json!("cnn")),
            ("batch_size", json!(64)),
            ("epochs", json!("1000it")),
            ("pruning_epochs", json!(0)),
        ];
        let cost = modelled(&settings(&cnn));
        assert!((140.0..180.0).contains(&cost.train) && (4e8..1e9).contains(&cost.memory), "{cost:?}");
        let dropout = modelled(&settings(&[&cnn[..], &[("dropout", json!(0.5))]].concat()));
        assert!((8.0..30.0).contains(&(dropout.train - cost.train)), "{dropout:?}");
        let bf16 = modelled(&settings(&[&cnn[..], &[("precision", json!("bf16"))]].concat()));
        assert!((70.0..95.0).contains(&bf16.train), "{bf16:?}");
        let lesions = modelled(&settings(&[&cnn[..], &[("lesions", json!(20))]].concat()));
        assert!((600.0..3000.0).contains(&(lesions.measure - cost.measure)), "{lesions:?}");
    }

    /// Runs that are done scale the estimate, whatever it was.
    #[test]
    fn finished_runs_set_the_rates() {
        let rates = Rates { train: 3.0, measure: 0.5, memory: 1.0, from: 1 };
        let (model, cost) = (modelled(&settings(&[])), rates.cost(&settings(&[])));
        assert_eq!((cost.train, cost.measure), (3.0 * model.train, 0.5 * model.measure));
        assert_eq!(median(vec![4.0, 1.0, f64::NAN, 2.0]), 2.0);
        assert_eq!((median(vec![1.0, 3.0]), median(vec![])), (2.0, 1.0));
    }
}
