//! Lesions of chains of dense layers: neurons are silenced.

use super::{Computation, add};
use crate::nn::Network;
use crate::train::Examples;
use tch::Tensor;

/// The computation on the test set, as far as lesions leave it as it is.
pub(super) struct IntactDense {
    /// `(d_out, d_in)` of each layer.
    weights: Vec<Tensor>,
    /// `(d_out,)` of each layer.
    biases: Vec<Tensor>,
    batches: Vec<Batch>,
    classes: i64,
}

struct Batch {
    /// What each layer computes before its ReLU, `(batch, d_out)`; the last are the logits.
    sums: Vec<Tensor>,
    /// `(batch,)`.
    labels: Tensor,
}

/// Small enough that a layer's activations stay in the cache.
const BATCH: i64 = 1000;

impl IntactDense {
    pub(super) fn new(network: &Network, test: &Examples) -> Self {
        let [weights, biases] = [&network.weights, &network.biases].map(|of| of.iter().map(Tensor::detach).collect());
        let mut intact = Self { weights, biases, batches: Vec::new(), classes: 0 };
        intact.classes = intact.biases.last().map_or(0, |bias| bias.size()[0]);
        for (pixels, labels) in test.in_order(BATCH) {
            let mut sums: Vec<Tensor> = Vec::new();
            for (weight, bias) in intact.weights.iter().zip(&intact.biases) {
                let input = sums.last().map_or_else(|| pixels.shallow_clone(), Tensor::relu);
                sums.push(input.linear(weight, Some(bias)));
            }
            intact.batches.push(Batch { sums, labels });
        }
        intact
    }

    fn right(&self, logits: impl Fn(&Batch) -> Tensor) -> Vec<i64> {
        let mut right = vec![0; self.classes as usize];
        for batch in &self.batches {
            let found = logits(batch).argmax(-1, false).eq_tensor(&batch.labels);
            add(&mut right, &batch.labels.masked_select(&found));
        }
        right
    }
}

impl Computation for IntactDense {
    fn shallow_clone(&self) -> Self {
        let share = |tensors: &[Tensor]| tensors.iter().map(Tensor::shallow_clone).collect();
        let batch = |Batch { sums, labels }: &Batch| Batch { sums: share(sums), labels: labels.shallow_clone() };
        Self {
            weights: share(&self.weights),
            biases: share(&self.biases),
            batches: self.batches.iter().map(batch).collect(),
            classes: self.classes,
        }
    }

    /// Silenced neurons are taken out of the matrices. Up to the first layer with any, the computation is the intact
    /// one; to the sums of the next layer, they are a correction.
    fn right_without(&self, silenced: &[Vec<usize>]) -> Vec<i64> {
        let device = self.weights[0].device();
        let index = |neurons: &[usize]| {
            let neurons: Vec<i64> = neurons.iter().map(|&neuron| neuron as i64).collect();
            Tensor::from_slice(&neurons).to_device(device)
        };
        // of the outputs of each layer; None for all
        let kept = |layer: usize| {
            let silenced = silenced.get(layer).filter(|set| !set.is_empty())?;
            let width = self.biases[layer].size()[0] as usize;
            Some(index(&(0..width).filter(|neuron| silenced.binary_search(neuron).is_err()).collect::<Vec<_>>()))
        };
        let select = |tensor: &Tensor, dim, which: Option<&Tensor>| match which {
            Some(which) => tensor.index_select(dim, which),
            None => tensor.shallow_clone(),
        };
        let Some(first) = silenced.iter().position(|set| !set.is_empty()) else {
            return self.right(|batch| batch.sums[silenced.len()].shallow_clone());
        };
        let kept: Vec<Option<Tensor>> = (0..self.weights.len()).map(kept).collect();
        let mut rest = (first + 1..self.weights.len()).map(|layer| {
            let weight = select(&self.weights[layer], 0, kept[layer].as_ref());
            (weight, select(&self.biases[layer], 0, kept[layer].as_ref()))
        });
        let Some((weight, bias)) = rest.next() else { unreachable!("an output layer follows the hidden ones") };
        let rest: Vec<(Tensor, Tensor)> = rest
            .zip(&kept[first + 1..])
            .map(|((weight, bias), inputs)| (select(&weight, 1, inputs.as_ref()), bias))
            .collect();
        let few = 2 * silenced[first].len() < self.biases[first].size()[0] as usize;
        let changed = if few { Some(index(&silenced[first])) } else { None };
        let changed = changed.as_ref().or(kept[first].as_ref());
        let weight = select(&weight, 1, changed);
        let subtracted = weight.neg().transpose(0, 1);
        self.right(|batch| {
            let outputs = select(&batch.sums[first], 1, changed).relu();
            let mut sums = match few {
                true => select(&batch.sums[first + 1], 1, kept[first + 1].as_ref()).addmm(&outputs, &subtracted),
                false => outputs.linear(&weight, Some(&bias)),
            };
            for (weight, bias) in &rest {
                sums = sums.relu().linear(weight, Some(bias));
            }
            sums
        })
    }

    fn examples(&self) -> Vec<i64> {
        let mut examples = vec![0; self.classes as usize];
        self.batches.iter().for_each(|batch| add(&mut examples, &batch.labels));
        examples
    }
}
