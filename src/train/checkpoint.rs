//! A run's state and its networks on disk, as safetensors.
//!
//! A checkpoint is taken between epochs. With streams that are named by epoch and step ([`crate::rng`]), weights,
//! moments and masks are the whole state: a run that goes on from one is the run that was never stopped.

use super::adam::Adam;
use super::prune::Masks;
use super::{EpochRecord, Trainer};
use crate::{InputError, aside};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes `(name, f32 tensor)` pairs with metadata, atomically.
fn write(path: &Path, tensors: &[(String, &Tensor)], metadata: HashMap<String, String>) -> Result<(), InputError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, tensor)| {
            let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
            let mut values = vec![0f32; tensor.numel()];
            tensor.copy_data(&mut values, tensor.numel());
            values.iter().flat_map(|x| x.to_le_bytes()).collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let shape = tensor.size().iter().map(|&d| d as usize).collect();
        TensorView::new(Dtype::F32, shape, bytes).map(|view| (name.clone(), view))
    });
    let fault = |e: safetensors::SafeTensorError| InputError::new(path.display(), e, "report this");
    let views = views.collect::<Result<Vec<_>, _>>().map_err(fault)?;
    aside::write(path, &safetensors::serialize(views, Some(metadata)).map_err(fault)?)
}

impl Trainer {
    /// Writes weights and biases as `layers.L.weight` `(d_out, d_in)` and `layers.L.bias`, f32.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save_network(&self, path: &Path) -> Result<(), InputError> {
        let tensors: Vec<_> = self.network.parameter_names().into_iter().zip(self.network.parameters()).collect();
        write(path, &tensors, HashMap::from([("format".into(), "pt".into())]))
    }

    /// Writes the whole state and the epochs' records so far.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save_checkpoint(&self, path: &Path, records: &[EpochRecord]) -> Result<(), InputError> {
        let names = self.network.parameter_names();
        let mut tensors: Vec<(String, &Tensor)> = names.iter().cloned().zip(self.network.parameters()).collect();
        for (part, moments) in [("first", &self.adam.first), ("second", &self.adam.second)] {
            tensors.extend(names.iter().map(|name| format!("{part}.{name}")).zip(moments));
        }
        if let Some(Masks(masks)) = &self.masks {
            tensors.extend(masks.iter().enumerate().map(|(l, mask)| (format!("mask.{l}"), mask)));
        }
        let records = serde_json::to_string(records).map_err(|e| InputError::new(path.display(), e, "report this"))?;
        let metadata = HashMap::from([
            ("epochs_done".into(), self.epochs_done.to_string()),
            ("adam_steps".into(), self.adam.steps.to_string()),
            ("records".into(), records),
        ]);
        write(path, &tensors, metadata)
    }

    /// Takes up the state of a checkpoint and returns its records.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not a checkpoint of this network.
    pub fn load_checkpoint(&mut self, path: &Path) -> Result<Vec<EpochRecord>, InputError> {
        let bad = |problem: String| {
            InputError::new(path.display(), format!("is not a checkpoint of this run: {problem}"), "delete it")
        };
        let bytes = std::fs::read(path).map_err(|e| InputError::io(path, &e))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("no '{key}'")));
        let number = |key: &str| entry(key)?.parse::<i64>().map_err(|e| bad(format!("'{key}': {e}")));
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let tensor = |name: &str, shape: Vec<i64>| -> Result<Tensor, InputError> {
            let view = tensors.tensor(name).map_err(|e| bad(format!("'{name}': {e}")))?;
            let found: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
            if found != shape || view.dtype() != Dtype::F32 {
                return Err(bad(format!("'{name}' is {found:?}, not {shape:?} of f32")));
            }
            Ok(Tensor::from_data_size(view.data(), &shape, Kind::Float).to_device(self.device))
        };
        let names = self.network.parameter_names();
        let mut adam = Adam::new(&self.network.parameters(), self.params.learning_rate);
        adam.steps = number("adam_steps")? as i32;
        let mut values = Vec::new();
        for (i, (name, parameter)) in names.iter().zip(self.network.parameters()).enumerate() {
            values.push(tensor(name, parameter.size())?);
            adam.first[i] = tensor(&format!("first.{name}"), parameter.size())?;
            adam.second[i] = tensor(&format!("second.{name}"), parameter.size())?;
        }
        let epochs_done = number("epochs_done")? as usize;
        let masks = match epochs_done > self.params.epochs {
            true => {
                let masks =
                    self.network.weights.iter().enumerate().map(|(l, w)| tensor(&format!("mask.{l}"), w.size()));
                Some(Masks(masks.collect::<Result<_, _>>()?))
            }
            false => None,
        };
        let records: Vec<EpochRecord> = serde_json::from_str(entry("records")?).map_err(|e| bad(e.to_string()))?;
        tch::no_grad(|| {
            for (parameter, value) in self.network.parameters().into_iter().zip(&values) {
                parameter.detach().copy_(value);
            }
        });
        (self.adam, self.masks, self.epochs_done) = (adam, masks, epochs_done);
        Ok(records)
    }
}
