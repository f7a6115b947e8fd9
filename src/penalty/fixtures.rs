//! Small chains of layers, and the checks that every penalty's tests share.

use crate::graph::{NeuronGraph, mlp_graph};
use crate::rng::{Purpose, stream};
use ndarray::{Array2, s};
use rand::Rng;
use tch::{Kind, Tensor};

/// A chain of layers between node sets of these sizes: f64 weights of both signs, `0.1 ≤ |w| < 1`, `(d_out, d_in)`.
pub fn chain(widths: &[i64], seed: u64) -> Vec<Tensor> {
    let layer = |(layer, pair): (usize, &[i64])| {
        let mut rng = stream(seed, Purpose::InitialWeights, layer as u64, 0);
        let weight = |_| rng.gen_range(0.1..1.0) * if rng.r#gen::<bool>() { 1.0 } else { -1.0 };
        let weights: Vec<f64> = (0..pair[0] * pair[1]).map(weight).collect();
        Tensor::from_slice(&weights).view([pair[1], pair[0]])
    };
    widths.windows(2).enumerate().map(layer).collect()
}

/// Chains of four node sets: of weights all there, with isolated neurons, with a layer of zeros, of three equal blocks,
/// and of many neurons without weights.
pub fn cases() -> Vec<Vec<Tensor>> {
    let isolated = chain(&[5, 4, 6, 3], 1);
    // hidden neuron 2 has neither inputs nor outputs, input 0 no outputs, output 1 no inputs
    let _ = (isolated[0].get(2).zero_(), isolated[1].select(1, 2).zero_());
    let _ = (isolated[0].select(1, 0).zero_(), isolated[2].get(1).zero_());
    let mut zeros = chain(&[5, 4, 6, 3], 2);
    let _ = zeros[1].zero_();
    let mut sparse = chain(&[5, 4, 6, 3], 3);
    for weight in &mut sparse {
        let _ = weight.masked_fill_(&weight.abs().lt(0.6), 0.0);
    }
    vec![chain(&[5, 4, 6, 3], 0), isolated, zeros, planted(&[(2, 0.5); 3], 3), sparse]
}

/// Parts without edges between them: each has `size` neurons in every node set, all joined by one weight.
pub fn planted(parts: &[(i64, f64)], layers: usize) -> Vec<Tensor> {
    let width = parts.iter().map(|(size, _)| size).sum();
    let weight = Tensor::zeros([width, width], (Kind::Double, tch::Device::Cpu));
    let mut first = 0;
    for &(size, value) in parts {
        let _ = weight.narrow(0, first, size).narrow(1, first, size).fill_(value);
        first += size;
    }
    (0..layers).map(|_| weight.copy()).collect()
}

/// A matrix of values.
pub fn array(tensor: &Tensor) -> Array2<f64> {
    let (rows, columns) = tensor.size2().unwrap();
    let values = Vec::<f64>::try_from(tensor.detach().flatten(0, -1)).unwrap();
    Array2::from_shape_vec((rows as usize, columns as usize), values).unwrap()
}

/// Weights `(d_in, d_out)`, as the formulas have them.
pub fn arrays(weights: &[Tensor]) -> Vec<Array2<f64>> {
    weights.iter().map(|weight| array(weight).reversed_axes()).collect()
}

/// The graph that the crate measures.
pub fn graph(weights: &[Tensor]) -> NeuronGraph {
    mlp_graph(arrays(weights).into_iter().map(|w| ("w".into(), w)).collect())
}

/// `A`, of all node sets.
pub fn adjacency(weights: &[Tensor]) -> Array2<f64> {
    let blocks = arrays(weights);
    let nodes = blocks[0].nrows() + blocks.iter().map(Array2::ncols).sum::<usize>();
    let mut adjacency = Array2::zeros((nodes, nodes));
    let mut first = 0;
    for block in blocks {
        let (second, end) = (first + block.nrows(), first + block.nrows() + block.ncols());
        adjacency.slice_mut(s![first..second, second..end]).assign(&block.mapv(f64::abs));
        adjacency.slice_mut(s![second..end, first..second]).assign(&block.mapv(f64::abs).reversed_axes());
        first = second;
    }
    adjacency
}

/// To 1e-10, relative where the values exceed 1.
pub fn assert_close(found: &Tensor, expected: f64, what: &str) {
    let found = found.double_value(&[]);
    assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
}

/// Compares the gradient of `f` with central differences of fourth order, to 1e-7 of the largest entry.
pub fn assert_gradient(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor], what: &str) {
    const STEP: f64 = 2e-4;
    let inputs: Vec<Tensor> = inputs.iter().map(|x| x.copy().set_requires_grad(true)).collect();
    let value = f(&inputs);
    assert_eq!(value.size(), [0i64; 0], "{what}");
    // libtorch crashes at a value without a gradient
    let value = value + inputs.iter().map(|x| x.sum(Kind::Double)).sum::<Tensor>() * 0.0;
    let gradients = Tensor::run_backward(&[&value], &inputs.iter().collect::<Vec<_>>(), false, false);
    let differences: Vec<Vec<f64>> = tch::no_grad(|| {
        let at = |flat: &Tensor, i: i64, x: f64| {
            let _ = flat.get(i).fill_(x);
            f(&inputs).double_value(&[])
        };
        let differ = |input: &Tensor| {
            let flat = input.detach().view(-1);
            let differ = |i| {
                let x = flat.double_value(&[i]);
                let [a, b, c, d] = [-2.0, -1.0, 1.0, 2.0].map(|steps| at(&flat, i, x + steps * STEP));
                at(&flat, i, x);
                (8.0 * (c - b) - (d - a)) / (12.0 * STEP)
            };
            (0..flat.numel() as i64).map(differ).collect()
        };
        inputs.iter().map(differ).collect()
    });
    let largest = differences.iter().flatten().fold(1e-3, |largest: f64, d| largest.max(d.abs()));
    for (gradient, differences) in gradients.iter().zip(differences) {
        for (found, expected) in Vec::<f64>::try_from(gradient.flatten(0, -1)).unwrap().into_iter().zip(differences) {
            assert!((found - expected).abs() <= 1e-7 * largest, "{what}: gradient {found} is not {expected}");
        }
    }
}
