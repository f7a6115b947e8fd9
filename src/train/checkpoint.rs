//! A run's state and its networks on disk, as safetensors.
//!
//! A checkpoint is taken between any two steps. With streams that are named by epoch and step ([`crate::rng`]), the tensors
//! below are the whole state: a run that goes on from them is the run that was never stopped, to the bit.
//!
//! | tensor | shape | there |
//! |---|---|---|
//! | `layers.L.weight` | `(d_out, d_in)` or `(d_out, channels, kernel, kernel)` | always; f32 |
//! | `layers.L.bias` | `(d_out,)` | always; f32 |
//! | `partition.L.logits` | `(neurons, tags)` | with a learned partition; f32 |
//! | `layers.L.norm.weight`, `….bias` | `(d_out,)` | where batches are normalised behind layer L; f32 |
//! | `layers.L.norm.running_mean`, `….running_var` | `(d_out,)` | the same; f32 |
//! | `first.…`, `second.…` of each of those but the last: Adam's moments | the same | always; f32 |
//! | `penalty.eigenvectors` | `(neurons of a side, 4)` | where a penalty starts from those of the last step; f64 |
//! | `penalty.decomposition.values`, `….vectors`, `….age` | `(n,)`, `(n, n)`, `(1,)`, n neurons of a side | where a decomposition serves several steps; f64 |
//! | `mask.L` | as the weight | once pruning has begun; f32 |
//! | `epoch.loss_sum`, `epoch.right` | `()` | amid an epoch; f64 |
//! | `records`: loss, accuracy, test loss, test accuracy, sparsity | `(epochs done, 5)` | always; f64 |
//!
//! The metadata are `format_version`, `steps_done` and `seconds`.

use super::adam::Adam;
use super::prune::Masks;
use super::{Epoch, EpochRecord, Trainer};
use crate::nn::{Architecture, Network};
use crate::penalty::Penalties;
use crate::{InputError, aside};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Of checkpoints. To be changed with their content; others are not read.
const FORMAT_VERSION: &str = "2";

/// What a checkpoint holds besides the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Of the epochs that are complete.
    pub records: Vec<EpochRecord>,
    /// Seconds of training so far, as they were given: finite and at least 0.
    pub seconds: f64,
}

/// Writes `(name, f32 or f64 tensor)` pairs with metadata, atomically.
fn write(path: &Path, tensors: &[(String, Tensor)], mut metadata: HashMap<String, String>) -> Result<(), InputError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| {
            let tensor = tensor.to_device(Device::Cpu).contiguous();
            let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
            tensor.copy_data_u8(&mut bytes, tensor.numel());
            bytes
        })
        .collect();
    if metadata.contains_key(VERSION_KEY) {
        let parts = tensors.iter().zip(&bytes).map(|((name, _), bytes)| (name.as_str(), bytes.as_slice()));
        metadata.insert(CHECKSUM_KEY.into(), checksum(parts.collect()));
    }
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let shape = tensor.size().iter().map(|&d| d as usize).collect();
        TensorView::new(dtype(tensor.kind()), shape, bytes).map(|view| (name.clone(), view))
    });
    let fault = |e: safetensors::SafeTensorError| InputError::new(path.display(), e, "report this");
    let views = views.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    aside::write(path, &safetensors::serialize(views, Some(metadata)).map_err(fault)?)
}

const VERSION_KEY: &str = "format_version";
const CHECKSUM_KEY: &str = "sha256";

/// SHA-256 of all tensors with their names: a byte that changed on the disk must not pass for a weight.
fn checksum(mut tensors: Vec<(&str, &[u8])>) -> String {
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = Sha256::new();
    for (name, bytes) in tensors {
        hasher.update(name);
        hasher.update(bytes);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn dtype(kind: Kind) -> Dtype {
    if kind == Kind::Double { Dtype::F64 } else { Dtype::F32 }
}

/// The state's tensors, sharing its memory, and their names.
fn named(
    network: &Network,
    penalties: &Penalties,
    adam: &Adam,
    masks: Option<&Masks>,
    epoch: Option<&Epoch>,
) -> Vec<(String, Tensor)> {
    let names: Vec<String> = network.parameter_names().into_iter().chain(penalties.parameter_names()).collect();
    let parts = [
        ("", super::parameters(network, penalties)),
        ("first.", adam.first.iter().collect()),
        ("second.", adam.second.iter().collect()),
    ];
    let mut tensors = Vec::new();
    for (part, parameters) in parts {
        tensors.extend(names.iter().zip(parameters).map(|(name, value)| (format!("{part}{name}"), value.detach())));
    }
    let statistics = network.statistics().into_iter().map(Tensor::shallow_clone);
    tensors.extend(network.statistics_names().into_iter().zip(statistics));
    tensors.extend(penalties.memory().into_iter().map(|(name, value)| (name.into(), value)));
    for (layer, mask) in masks.iter().flat_map(|Masks(masks)| masks).enumerate() {
        tensors.push((format!("mask.{layer}"), mask.detach()));
    }
    if let Some(Epoch { loss_sum, right, .. }) = epoch {
        tensors.push(("epoch.loss_sum".into(), loss_sum.detach()));
        tensors.push(("epoch.right".into(), right.detach()));
    }
    tensors
}

/// What of a record does not follow from its place. Bits, for a loss may be NaN, which JSON has not.
fn row(record: &EpochRecord) -> [f64; 5] {
    let &EpochRecord { epoch: _, pruning: _, loss, accuracy, test_loss, test_accuracy, sparsity } = record;
    let [accuracy, test_accuracy] = [accuracy, test_accuracy].map(|share| share.unwrap_or(f64::NAN));
    [loss, accuracy, test_loss, test_accuracy, sparsity]
}

/// Reads a network that [`Trainer::save_network`] wrote.
///
/// # Errors
///
/// The file cannot be read, is damaged, or holds anything but a network of this architecture, in f32.
pub fn load_network(path: &Path, architecture: Architecture, device: Device) -> Result<Network, InputError> {
    let bad = |problem: String| InputError::new(path.display(), problem, "train the network again");
    let bytes = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(format!("is damaged: {e}")))?;
    let read = |(name, shape): &(String, Vec<i64>)| -> Result<Tensor, InputError> {
        let view = file.tensor(name).map_err(|_| bad(format!("has no '{name}'")))?;
        if view.dtype() != Dtype::F32 {
            return Err(bad(format!("has '{name}' as {:?}, not as F32", view.dtype())));
        }
        let found: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
        if found != *shape {
            return Err(bad(format!("has '{name}' of shape {found:?}, not {shape:?}")));
        }
        let tensor = Tensor::f_from_data_size(view.data(), shape, Kind::Float);
        Ok(tensor.map_err(|e| bad(format!("'{name}': {e}")))?.to_device(device))
    };
    let wanted = architecture.tensors();
    let tensors = wanted.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if file.len() != wanted.len() {
        return Err(bad(format!("has {} tensors, not the {} of its network", file.len(), wanted.len())));
    }
    let network = Network::of_parameters(architecture, tensors);
    network.parameters().into_iter().for_each(|parameter| drop(parameter.set_requires_grad(true)));
    Ok(network)
}

impl Trainer {
    /// Writes weights and biases as `layers.L.weight` `(d_out, d_in)` and `layers.L.bias`, f32, and batch normalisations as in checkpoints.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save_network(&self, path: &Path) -> Result<(), InputError> {
        let parameters = self.network.parameters().into_iter().map(Tensor::detach);
        let statistics = self.network.statistics().into_iter().map(Tensor::shallow_clone);
        let names = self.network.parameter_names().into_iter().chain(self.network.statistics_names());
        let tensors: Vec<_> = names.zip(parameters.chain(statistics)).collect();
        write(path, &tensors, HashMap::from([("format".into(), "pt".into())]))
    }

    /// Writes the whole state, the records of the epochs done and the seconds, finite and at least 0, that training took
    /// so far: what they count is the caller's business.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    ///
    /// # Panics
    ///
    /// If there are not as many records as epochs done.
    pub fn save_checkpoint(&self, path: &Path, records: &[EpochRecord], seconds: f64) -> Result<(), InputError> {
        assert_eq!(records.len(), self.epochs_done(), "one record for each epoch done");
        let mut tensors = named(&self.network, &self.penalties, &self.adam, self.masks.as_ref(), self.epoch.as_ref());
        let rows: Vec<f64> = records.iter().flat_map(row).collect();
        tensors.push(("records".into(), Tensor::from_slice(&rows).view([records.len() as i64, 5])));
        let metadata = HashMap::from([
            (VERSION_KEY.into(), FORMAT_VERSION.into()),
            ("steps_done".into(), self.steps_done.to_string()),
            ("seconds".into(), seconds.to_string()),
        ]);
        write(path, &tensors, metadata)
    }

    /// Takes up the state of a checkpoint that a run of the same parameters and examples wrote.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, of another format version, or not a checkpoint of such a run. The state is
    /// then what it was.
    pub fn load_checkpoint(&mut self, path: &Path) -> Result<Checkpoint, InputError> {
        let bad = |problem: String| {
            InputError::new(path.display(), format!("is not a checkpoint of this run: {problem}"), "delete it")
        };
        let bytes = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let entry = |key: &str| {
            let value = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
            value.ok_or_else(|| bad(format!("no '{key}'")))
        };
        let version = entry(VERSION_KEY)?;
        if version != FORMAT_VERSION {
            return Err(bad(format!("its format version is '{version}', not '{FORMAT_VERSION}'")));
        }
        let steps_done: usize = entry("steps_done")?.parse().map_err(|e| bad(format!("'steps_done': {e}")))?;
        if steps_done > self.total_steps() {
            return Err(bad(format!("{steps_done} steps are done of {}", self.total_steps())));
        }
        let seconds: f64 = entry("seconds")?.parse().map_err(|e| bad(format!("'seconds': {e}")))?;
        if !(seconds.is_finite() && seconds >= 0.0) {
            return Err(bad(format!("{seconds} seconds")));
        }
        let read = |name: &str, shape: &[i64], kind: Kind| -> Result<Tensor, InputError> {
            let view = file.tensor(name).map_err(|e| bad(format!("'{name}': {e}")))?;
            let found: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            let (found_dtype, dtype) = (view.dtype(), dtype(kind));
            if found != shape || found_dtype != dtype {
                return Err(bad(format!("'{name}' is {found:?} of {found_dtype:?}, not {shape:?} of {dtype:?}")));
            }
            Tensor::f_from_data_size(view.data(), shape, kind).map_err(|e| bad(format!("'{name}': {e}")))
        };

        let place = self.phases.at(steps_done);
        let pruning_begun = steps_done > self.phases.unpruned;
        let adam_steps = if pruning_begun { steps_done - self.phases.unpruned } else { steps_done };
        let penalties = super::penalties(&self.params, &self.tags, &self.network, self.device);
        let mut adam = super::adam(&self.params, &self.network, &penalties);
        adam.steps = i32::try_from(adam_steps).unwrap_or(i32::MAX);
        let masks = pruning_begun.then(|| Masks::new(&self.network.weights));
        let epoch = (place.step > 0).then(|| self.begin_epoch(place.epochs_done));

        let targets = named(&self.network, &penalties, &adam, masks.as_ref(), epoch.as_ref());
        let values = targets.iter().map(|(name, target)| read(name, &target.size(), target.kind()));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let rows = read("records", &[place.epochs_done as i64, 5], Kind::Double)?;
        if file.len() != targets.len() + 1 {
            let (found, wanted) = (file.len(), targets.len() + 1);
            return Err(bad(format!("{found} tensors, not the {wanted} that there are after {steps_done} steps")));
        }
        let tensors = file.tensors();
        let found = checksum(tensors.iter().map(|(name, view)| (name.as_str(), view.data())).collect());
        if *entry(CHECKSUM_KEY)? != found {
            return Err(bad("its checksum differs: it was damaged on the disk".into()));
        }
        let record = |epoch: usize| {
            let [loss, accuracy, test_loss, test_accuracy, sparsity] =
                [0, 1, 2, 3, 4].map(|column| rows.double_value(&[epoch as i64, column]));
            let pruning = epoch >= self.unpruned_epochs();
            // no share is NaN but where there are no classes
            let [accuracy, test_accuracy] =
                [accuracy, test_accuracy].map(|share: f64| (!share.is_nan()).then_some(share));
            EpochRecord { epoch: epoch + 1, pruning, loss, accuracy, test_loss, test_accuracy, sparsity }
        };
        let records = (0..place.epochs_done).map(record).collect();

        tch::no_grad(|| {
            for ((_, mut target), value) in targets.into_iter().zip(&values) {
                target.copy_(value);
            }
        });
        (self.adam, self.masks, self.epoch, self.steps_done) = (adam, masks, epoch, steps_done);
        self.penalties = penalties;
        Ok(Checkpoint { records, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::super::TrainParams;
    use super::super::fixtures::{airg, bits, dataset, finish, small, vgg};
    use super::super::length::Length::{self, Epochs, Steps};
    use super::*;
    use crate::graph::{GraphLayers, GraphParams};
    use crate::model::Arch;
    use crate::penalty::PenaltyParams;
    use crate::penalty::eigenvalues::{EIGH_EVERY, EigenSolver};
    use safetensors::tensor::View;
    use std::borrow::Cow;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const LENGTHS: [[Length; 3]; 4] = [
        [Epochs(2), Epochs(2), Steps(3)],
        // epochs of 7 and 3 steps, then of 7 and 4
        [Steps(10), Steps(11), Steps(3)],
        [Epochs(1), Epochs(0), Steps(3)],
        [Steps(3), Steps(2), Epochs(1)],
    ];

    fn start([epochs, pruning_epochs, every]: [Length; 3]) -> Trainer {
        small(epochs, pruning_epochs, every)
    }

    fn start_by(solver: EigenSolver, lengths: [Length; 3]) -> Trainer {
        let params = start(lengths).params;
        let penalties = PenaltyParams { eigen_solver: solver, ..params.penalties };
        Trainer::new(TrainParams { penalties, ..params }, &dataset(), 50, Device::Cpu)
    }

    /// A run, and a checkpoint before each of its steps and at the end.
    fn checkpoints(lengths: [Length; 3], folder: &TempDir) -> (Trainer, Vec<EpochRecord>, Vec<PathBuf>) {
        let (mut trainer, mut records, mut paths) = (start(lengths), Vec::new(), Vec::new());
        loop {
            let path = folder.path().join(trainer.steps_done().to_string());
            // not a sum of powers of two that few digits tell
            trainer.save_checkpoint(&path, &records, trainer.steps_done() as f64 / 3.0).unwrap();
            paths.push(path);
            if trainer.is_finished() {
                return (trainer, records, paths);
            }
            records.extend(trainer.step());
        }
    }

    #[test]
    fn a_run_taken_up_after_any_step_ends_with_the_same_bits() {
        for lengths in LENGTHS {
            let folder = tempfile::tempdir().unwrap();
            let (whole, records, paths) = checkpoints(lengths, &folder);
            for (steps_done, path) in paths.iter().enumerate() {
                let mut taken_up = start(lengths);
                let Checkpoint { records: mut again, seconds } = taken_up.load_checkpoint(path).unwrap();
                assert_eq!((taken_up.steps_done(), again.len()), (steps_done, taken_up.epochs_done()));
                assert_eq!(seconds, steps_done as f64 / 3.0);
                again.extend(finish(&mut taken_up));
                assert_eq!(again, records, "after {steps_done} steps of {lengths:?}");
                assert_eq!(bits(&taken_up), bits(&whole), "after {steps_done} steps of {lengths:?}");
            }
        }
    }

    #[test]
    fn a_run_stopped_after_every_step_ends_with_the_same_bits() {
        assert!(start(LENGTHS[0]).total_steps() > EIGH_EVERY, "one decomposition serves throughout");
        for (solver, lengths) in
            LENGTHS.map(|lengths| (EigenSolver::Lanczos, lengths)).into_iter().chain([(EigenSolver::Eigh, LENGTHS[0])])
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("checkpoint");
            let start = || start_by(solver, lengths);
            let (mut whole, mut records) = (start(), Vec::new());
            start().save_checkpoint(&path, &[], 0.0).unwrap();
            while !whole.is_finished() {
                records.extend(whole.step());
                let mut stopped = start();
                let mut again = stopped.load_checkpoint(&path).unwrap().records;
                again.extend(stopped.step());
                assert_eq!(again, records);
                let steps = whole.steps_done();
                assert_eq!(bits(&stopped), bits(&whole), "after {steps} steps of {lengths:?} by {solver:?}");
                let memory = |trainer: &Trainer| trainer.penalties.memory();
                assert!(!memory(&whole).is_empty(), "nothing is remembered by {solver:?}");
                let same = memory(&whole).iter().zip(memory(&stopped)).all(|((_, one), (_, other))| one.equal(&other));
                assert!(same, "after {steps} steps of {lengths:?} by {solver:?}");
                stopped.save_checkpoint(&path, &again, 0.0).unwrap();
            }
        }
    }

    /// AI-RG's network, amid pruning, with all penalties: what a checkpoint holds is the whole state.
    #[test]
    fn a_convolutional_run_goes_on_with_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let [path, saved] = ["checkpoint", "network"].map(|name| folder.path().join(name));
        let start = || airg(Steps(1), Steps(3));
        let (mut whole, mut stopped) = (start(), start());
        let mut records: Vec<EpochRecord> = (0..3).filter_map(|_| whole.step()).collect();
        whole.save_checkpoint(&path, &records, 0.0).unwrap();
        let mut again = stopped.load_checkpoint(&path).unwrap().records;
        records.extend(finish(&mut whole));
        again.extend(finish(&mut stopped));
        assert_eq!((again.len(), &again), (3, &records));
        assert_eq!(bits(&stopped), bits(&whole));
        assert!((records[2].sparsity - 0.9).abs() < 1e-3 && records[2].loss.is_finite(), "{records:?}");

        whole.save_network(&saved).unwrap();
        let read = load_network(&saved, whole.network.architecture().clone(), Device::Cpu).unwrap();
        assert!(whole.network.parameters().into_iter().zip(read.parameters()).all(|(a, b)| a.equal(b)));
        let params = GraphParams { layers: GraphLayers::All, ..GraphParams::default() };
        let graph = crate::measure::read_network(&saved, Arch::Auto, params).unwrap().0;
        for (block, (name, matrix)) in graph.blocks.iter().zip(whole.network.weight_matrices()) {
            let off = block.weights.to_dense() - matrix.mapv(f64::abs);
            assert!(off.iter().all(|x| x.abs() < 1e-12), "{name}");
        }
    }

    /// Running statistics are part of the state and of the network; scales and shifts are trained, and never pruned.
    #[test]
    fn a_run_that_normalises_batches_goes_on_with_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let [path, saved] = ["checkpoint", "network"].map(|name| folder.path().join(name));
        let (mut whole, mut stopped) = (vgg(Steps(1), Steps(2)), vgg(Steps(1), Steps(2)));
        let records: Vec<EpochRecord> = (0..2).filter_map(|_| whole.step()).collect();
        whole.save_checkpoint(&path, &records, 0.0).unwrap();
        stopped.load_checkpoint(&path).unwrap();
        assert_eq!(finish(&mut whole), finish(&mut stopped));
        assert!(bits(&stopped) == bits(&whole), "not the same bits");
        let norm = &whole.network.norms[13];
        assert_eq!((norm.layer, norm.scale.size()), (13, vec![512]));
        for (tensor, start) in [(&norm.scale, 1.0), (&norm.shift, 0.0), (&norm.mean, 0.0), (&norm.variance, 1.0)] {
            assert!(tensor.eq(start).sum(Kind::Int64).int64_value(&[]) < 256);
            assert!(tensor.eq(0.0).sum(Kind::Int64).int64_value(&[]) < 256, "pruned");
        }

        whole.save_network(&saved).unwrap();
        let read = load_network(&saved, whole.network.architecture().clone(), Device::Cpu).unwrap();
        let input = Tensor::ones([2, 3072], (Kind::Float, Device::Cpu));
        assert!(read.forward(&input).equal(&whole.network.forward(&input)));
        let names = read.statistics_names();
        assert_eq!(
            (names.len(), names[0].as_str(), names[27].as_str()),
            (28, "layers.0.norm.running_mean", "layers.13.norm.running_var")
        );
        assert_eq!(read.parameter_names()[32], "layers.0.norm.weight");
    }

    #[test]
    fn a_network_reads_back_with_its_biases_and_faults_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("network");
        let mut trainer = start([Epochs(1), Epochs(0), Steps(3)]);
        finish(&mut trainer);
        trainer.save_network(&path).unwrap();
        let load = || load_network(&path, trainer.network.architecture().clone(), Device::Cpu);
        let network = load().unwrap();
        let pairs = trainer.network.parameters().into_iter().zip(network.parameters());
        assert_eq!(pairs.map(|(a, b)| assert!(a.equal(b))).count(), 4);

        let tensor = |shape: &[i64], kind| Tensor::zeros(shape, (kind, Device::Cpu));
        for (tensors, problem) in [
            (vec![("layers.0.weight", tensor(&[24, 784], Kind::Float))], "has no 'layers.0.bias'"),
            (
                vec![
                    ("layers.0.weight", tensor(&[24, 784], Kind::Float)),
                    ("layers.0.bias", tensor(&[3], Kind::Float)),
                ],
                "has 'layers.0.bias' of shape [3], not [24]",
            ),
            (vec![("layers.0.weight", tensor(&[24, 784], Kind::Double))], "as F64, not as F32"),
        ] {
            let tensors: Vec<_> = tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect();
            write(&path, &tensors, HashMap::new()).unwrap();
            let error = load().unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        std::fs::write(&path, "{").unwrap();
        assert!(load().unwrap_err().to_string().contains("is damaged"));
    }

    /// A loss that is no number is no obstacle.
    #[test]
    fn records_are_kept_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let mut trainer = start([Epochs(1), Epochs(1), Steps(3)]);
        let mut record = (0..7).find_map(|_| trainer.step()).unwrap();
        record.loss = f64::from_bits(0xfff8_0000_0000_0007);
        trainer.save_checkpoint(&path, &[record.clone()], 0.0).unwrap();
        let found = trainer.load_checkpoint(&path).unwrap().records;
        assert_eq!(row(&found[0]).map(f64::to_bits), row(&record).map(f64::to_bits));
        assert_eq!((found[0].epoch, found[0].pruning), (1, false));
    }

    /// A tensor that can be written again, changed.
    #[derive(Clone)]
    struct Raw(Dtype, Vec<usize>, Vec<u8>);

    impl View for Raw {
        fn dtype(&self) -> Dtype {
            self.0
        }
        fn shape(&self) -> &[usize] {
            &self.1
        }
        fn data(&self) -> Cow<'_, [u8]> {
            Cow::Borrowed(&self.2)
        }
        fn data_len(&self) -> usize {
            self.2.len()
        }
    }

    type Content = (HashMap<String, Raw>, HashMap<String, String>);

    fn content(bytes: &[u8]) -> Content {
        let metadata = SafeTensors::read_metadata(bytes).unwrap().1.metadata().clone().unwrap();
        let raw = |view: TensorView| Raw(view.dtype(), view.shape().to_vec(), view.data().to_vec());
        let tensors = SafeTensors::deserialize(bytes).unwrap().tensors();
        (tensors.into_iter().map(|(name, view)| (name, raw(view))).collect(), metadata)
    }

    #[test]
    fn what_is_no_checkpoint_of_the_run_is_refused_and_changes_nothing() {
        let set = |key: &'static str, value: &'static str| {
            move |(_, metadata): &mut Content| drop(metadata.insert(key.into(), value.into()))
        };
        let without = |name: &'static str| {
            move |(tensors, metadata): &mut Content| {
                assert!(tensors.remove(name).is_some() || metadata.remove(name).is_some());
            }
        };
        let with = |name: &'static str, raw: Raw| {
            move |(tensors, _): &mut Content| drop(tensors.insert(name.into(), raw.clone()))
        };
        let weight = || Raw(Dtype::F32, vec![24, 784], vec![0; 24 * 784 * 4]);
        let records = |rows: usize| Raw(Dtype::F64, vec![rows, 5], vec![0; rows * 40]);
        type Damage = Box<dyn Fn(&mut Content)>;
        // after the steps of which checkpoint, what is done to it, what is said
        let cases: Vec<(usize, Damage, &str)> = vec![
            (9, Box::new(set("format_version", "1")), "its format version is '1', not '2'"),
            (9, Box::new(set("format_version", "3")), "its format version is '3', not '2'"),
            (9, Box::new(without("format_version")), "no 'format_version'"),
            (9, Box::new(without("steps_done")), "no 'steps_done'"),
            (9, Box::new(set("steps_done", "-1")), "'steps_done': invalid digit"),
            (9, Box::new(set("steps_done", "")), "'steps_done': cannot parse"),
            (9, Box::new(set("steps_done", "99999999999999999999")), "'steps_done': number too large"),
            (9, Box::new(set("steps_done", "18446744073709551615")), "18446744073709551615 steps are done of 28"),
            (9, Box::new(set("steps_done", "29")), "29 steps are done of 28"),
            (9, Box::new(without("seconds")), "no 'seconds'"),
            (9, Box::new(set("seconds", "NaN")), "NaN seconds"),
            (9, Box::new(set("seconds", "inf")), "inf seconds"),
            (9, Box::new(set("seconds", "-0.5")), "-0.5 seconds"),
            (9, Box::new(set("seconds", "a day")), "'seconds': invalid float"),
            // the sums of an epoch: there amid one, not between two
            (9, Box::new(without("epoch.loss_sum")), "'epoch.loss_sum'"),
            (9, Box::new(without("epoch.right")), "'epoch.right'"),
            (9, Box::new(set("steps_done", "7")), "25 tensors, not the 23"),
            (7, Box::new(set("steps_done", "8")), "'epoch.loss_sum'"),
            // masks: there from the first step of pruning on
            (14, Box::new(set("steps_done", "15")), "'mask.0'"),
            (15, Box::new(without("mask.1")), "'mask.1'"),
            (15, Box::new(set("steps_done", "14")), "tensors, not the 23"),
            (9, Box::new(with("mask.0", weight())), "tensors, not the 25"),
            (15, Box::new(with("mask.2", weight())), "tensors, not the 27"),
            // records: one for each epoch done
            (9, Box::new(without("records")), "'records'"),
            (9, Box::new(with("records", records(0))), "'records' is [0, 5] of F64, not [1, 5] of F64"),
            (9, Box::new(with("records", records(2))), "'records' is [2, 5] of F64, not [1, 5] of F64"),
            (6, Box::new(with("records", records(1))), "'records' is [1, 5] of F64, not [0, 5] of F64"),
            (9, Box::new(with("records", Raw(Dtype::F32, vec![1, 5], vec![0; 20]))), "[1, 5] of F32, not"),
            // tensors of another network, or of other numbers
            (9, Box::new(without("layers.1.bias")), "'layers.1.bias'"),
            (9, Box::new(without("second.layers.0.weight")), "'second.layers.0.weight'"),
            (9, Box::new(with("layers.1.bias", Raw(Dtype::F32, vec![5, 2], vec![0; 40]))), "[5, 2] of F32, not [10]"),
            (9, Box::new(with("layers.1.bias", Raw(Dtype::F64, vec![10], vec![0; 80]))), "[10] of F64, not"),
            (9, Box::new(with("first.layers.1.bias", Raw(Dtype::I32, vec![10], vec![0; 40]))), "[10] of I32, not"),
            (9, Box::new(with("layers.2.weight", weight())), "tensors, not the 25"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let (_, _, paths) = checkpoints(LENGTHS[0], &folder);
        let damaged = folder.path().join("damaged");
        let mut trainer = start(LENGTHS[0]);
        trainer.load_checkpoint(&paths[17]).unwrap();
        let before = bits(&trainer);
        for (steps_done, damage, problem) in cases {
            let mut content = content(&std::fs::read(&paths[steps_done]).unwrap());
            damage(&mut content);
            let (tensors, metadata) = content;
            std::fs::write(&damaged, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
            let error = trainer.load_checkpoint(&damaged).unwrap_err();
            assert!(error.problem.contains(problem), "{error}, not {problem}");
            assert_eq!(error.remedy, "delete it");
            assert_eq!((trainer.steps_done(), bits(&trainer)), (17, before.clone()));
        }
        assert_eq!(trainer.load_checkpoint(&folder.path().join("none")).unwrap_err().remedy, "check the path");
    }

    /// A file cut short is refused; one with other bytes may by chance be whole, but nothing panics.
    #[test]
    fn damaged_files_are_no_danger() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _, paths) = checkpoints(LENGTHS[0], &folder);
        let bytes = std::fs::read(&paths[16]).unwrap();
        let damaged = folder.path().join("damaged");
        let mut trainer = start(LENGTHS[0]);
        let mut load = |bytes: &[u8]| {
            std::fs::write(&damaged, bytes).unwrap();
            trainer.load_checkpoint(&damaged).map_err(|error| error.remedy)
        };
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let cuts = (0..header + 8).step_by(5).chain((header + 8..bytes.len()).step_by(4001)).chain([bytes.len() - 1]);
        for cut in cuts {
            assert_eq!(load(&bytes[..cut]), Err("delete it".into()), "cut at {cut}");
        }
        for size in [0u64, 1, header as u64 - 9, header as u64, 100_000_000, 1 << 40, 1 << 63, u64::MAX] {
            assert!(load(&[&size.to_le_bytes(), &bytes[8..]].concat()).is_err(), "a header of {size}");
        }
        for at in (0..header).step_by(3) {
            let mut bytes = bytes.clone();
            bytes[at] = [b'0', b'9', b'-', b'"', 0xff][at % 5];
            let _ = load(&bytes);
        }
        for at in (header..bytes.len()).step_by(997) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert_eq!(load(&bytes), Err("delete it".into()), "a bit at {at}");
        }
        // sizes that are not those of the data, and what they come to when they are multiplied
        let text = String::from_utf8(bytes[8..header].to_vec()).unwrap();
        for shape in
            ["[24,785]", "[24,0]", "[24]", "[18446744073709551615,784]", "[4294967296,4294967296]", "[-24,784]"]
        {
            let text = text.replace("[24,784]", shape);
            let size = (text.len() as u64).to_le_bytes();
            assert!(load(&[&size, text.as_bytes(), &bytes[header..]].concat()).is_err(), "{shape}");
        }
    }
}
