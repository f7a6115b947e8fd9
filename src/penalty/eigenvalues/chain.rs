//! A chain's graph as the eigenvalue penalty needs it: degrees, normalised blocks, Gram matrices, and what a change of an
//! edge does to an eigenvalue.

use crate::spectral::lanczos::SymmetricOperator;
use crate::spectral::laplacian::{BLOCK, Row};
use tch::{Device, Kind, Tensor};

/// A tensor's numbers, row by row.
pub(super) fn values(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let count = tensor.numel();
    if tensor.kind() == Kind::Float {
        let mut values = vec![0f32; count];
        tensor.copy_data(&mut values, count);
        return values.into_iter().map(f64::from).collect();
    }
    let mut values = vec![0.0; count];
    tensor.to_kind(Kind::Double).copy_data(&mut values, count);
    values
}

/// `(rows, columns)` of a kind, each row as `fill` leaves it; it is given the row's number and what it left last.
fn rows(kind: Kind, rows: usize, columns: usize, mut fill: impl FnMut(usize, &mut [f64])) -> Tensor {
    let mut buffer = vec![0.0; columns];
    let flat = if kind == Kind::Float {
        let mut flat = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            fill(row, &mut buffer);
            flat.extend(buffer.iter().map(|&x| x as f32));
        }
        Tensor::from_slice(&flat)
    } else {
        let mut flat = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            fill(row, &mut buffer);
            flat.extend_from_slice(&buffer);
        }
        Tensor::from_slice(&flat).to_kind(kind)
    };
    flat.view([rows as i64, columns as i64])
}

/// Σ term(x_i, y_i), in eight sums, so that one addition need not wait for the last.
fn lanes(x: &[f64], y: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| term(*x, *y)).sum();
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        (0..8).for_each(|lane| sums[lane] += term(x[lane], y[lane]));
    }
    sums.iter().sum::<f64>() + rest
}

/// A chain's weights and degrees, in f64 in the processor's memory: for small networks the work between decompositions would
/// else be calls of torch for the most part.
pub(super) struct Chain {
    /// Of neurons, input and output included.
    widths: Vec<usize>,
    /// `(d_out, d_in)`, row by row, with signs.
    weights: Vec<Vec<f64>>,
    /// d^-1/2 of each layer's neurons, 0 where d is 0.
    scale: Vec<Vec<f64>>,
}

impl Chain {
    pub fn new(weights: &[Tensor]) -> Self {
        let widths: Vec<usize> = std::iter::once(weights[0].size()[1])
            .chain(weights.iter().map(|w| w.size()[0]))
            .map(|width| width as usize)
            .collect();
        let weights: Vec<Vec<f64>> = weights.iter().map(values).collect();
        let mut scale: Vec<Vec<f64>> = widths.iter().map(|&width| vec![0.0; width]).collect();
        for (layer, weight) in weights.iter().enumerate() {
            let (before, after) = scale.split_at_mut(layer + 1);
            for (row, degree) in weight.chunks_exact(widths[layer]).zip(&mut after[0]) {
                before[layer].iter_mut().zip(row).for_each(|(degree, w)| *degree += w.abs());
                *degree += lanes(row, row, |w, _| w.abs());
            }
        }
        for degree in scale.iter_mut().flatten() {
            *degree = if *degree == 0.0 { 0.0 } else { degree.sqrt().recip() };
        }
        Self { widths, weights, scale }
    }

    /// Layers of neurons on a side.
    fn layers(&self, side: usize) -> impl Iterator<Item = usize> + use<> {
        (side..self.widths.len()).step_by(2)
    }

    /// A row of a layer's weights.
    fn row(&self, layer: usize, row: usize) -> &[f64] {
        &self.weights[layer][row * self.widths[layer]..][..self.widths[layer]]
    }

    /// `P_l = D_{l+1}^-1/2 |W_l| D_l^-1/2`, `(d_out, d_in)`: a block of S.
    fn block(&self, layer: usize, kind: Kind) -> Tensor {
        rows(kind, self.widths[layer + 1], self.widths[layer], |row, block| {
            let out = self.scale[layer + 1][row];
            for ((block, w), into) in block.iter_mut().zip(self.row(layer, row)).zip(&self.scale[layer]) {
                *block = w.abs() * out * into;
            }
        })
    }

    /// The square of S on the layers of `side`, `(n, n)`, on and below the diagonal: its eigenvalues are the squares of
    /// 1 − λ.
    pub fn gram(&self, side: usize, kind: Kind) -> Tensor {
        let blocks: Vec<Tensor> = (0..self.weights.len()).map(|layer| self.block(layer, kind)).collect();
        let neurons: usize = self.layers(side).map(|layer| self.widths[layer]).sum();
        let gram = Tensor::zeros([neurons as i64; 2], (kind, Device::Cpu));
        let mut first = 0;
        for layer in self.layers(side) {
            let width = self.widths[layer] as i64;
            let columns = gram.narrow(1, first, width);
            let mut own = columns.narrow(0, first, width);
            if layer > 0 {
                let into = &blocks[layer - 1];
                let _ = own.addmm_(into, &into.tr());
            }
            if let Some(out) = blocks.get(layer) {
                let _ = own.addmm_(&out.tr(), out);
            }
            if let Some(over) = blocks.get(layer + 1) {
                let _ = columns.narrow(0, first + width, over.size()[0]).addmm_(over, &blocks[layer]);
            }
            first += width;
        }
        gram
    }

    /// √d on the layers of `side`, `(n,)`: the eigenvector of λ_1 = 0 up to its length, if the graph is connected.
    pub fn null_vector(&self, side: usize) -> Vec<f64> {
        let root = |&scale: &f64| if scale == 0.0 { 0.0 } else { scale.recip() };
        self.layers(side).flat_map(|layer| self.scale[layer].iter().map(root)).collect()
    }

    /// û = D^-1/2 u, by layer, of the eigenvector u of S, of unit length, whose part on `side` is a multiple of `vector`.
    pub fn scaled(&self, side: usize, vector: &[f64], theta: f64) -> Vec<Vec<f64>> {
        let mut u: Vec<Vec<f64>> = self.widths.iter().map(|&width| vec![0.0; width]).collect();
        let mut rest = vector;
        for layer in self.layers(side) {
            let (own, others) = rest.split_at(self.widths[layer]);
            for ((u, own), scale) in u[layer].iter_mut().zip(own).zip(&self.scale[layer]) {
                *u = own * scale;
            }
            rest = others;
        }
        // the other side's part: Bᵀ v / θ, or nothing where θ is 0
        for layer in 0..self.weights.len() {
            let (before, after) = u.split_at_mut(layer + 1);
            let (into, out) = (&mut before[layer], &mut after[0]);
            for (p, out) in out.iter_mut().enumerate() {
                let row = self.row(layer, p);
                if layer % 2 == side {
                    *out += lanes(row, into, |w, u| w.abs() * u);
                } else {
                    into.iter_mut().zip(row).for_each(|(u, w)| *u += *out * w.abs());
                }
            }
        }
        let inverse = if theta > 1e-6 { theta.recip() } else { 0.0 };
        for layer in self.layers(1 - side) {
            for (u, scale) in u[layer].iter_mut().zip(&self.scale[layer]) {
                *u *= inverse * scale * scale;
            }
        }
        u.iter_mut().flatten().for_each(|u| *u *= std::f64::consts::FRAC_1_SQRT_2);
        u
    }

    /// `coefficient` · Σ ∂λ / ∂w for each weight of a layer, over the eigenvectors with [`Chain::scaled`] and 1 − λ = `theta`.
    pub fn slopes(
        &self,
        layer: usize,
        scaled: &[Vec<Vec<f64>>],
        theta: &[f64],
        coefficient: f64,
        kind: Kind,
    ) -> Tensor {
        let own = |layer: usize, neuron: usize| -> f64 {
            scaled.iter().zip(theta).map(|(u, theta)| theta * u[layer][neuron] * u[layer][neuron]).sum()
        };
        let into: Vec<f64> = (0..self.widths[layer]).map(|q| own(layer, q)).collect();
        rows(kind, self.widths[layer + 1], self.widths[layer], |p, slopes| {
            let out = own(layer + 1, p);
            slopes.iter_mut().zip(&into).for_each(|(slope, into)| *slope = into + out);
            for u in scaled {
                let twice = 2.0 * u[layer + 1][p];
                slopes.iter_mut().zip(&u[layer]).for_each(|(slope, u)| *slope -= twice * u);
            }
            for (slope, w) in slopes.iter_mut().zip(self.row(layer, p)) {
                *slope *= if *w == 0.0 { 0.0 } else { coefficient.copysign(*w) };
            }
        })
    }
}

/// A dense Gram matrix outside of one known eigenvector.
pub(super) struct Gram {
    values: Vec<f64>,
    /// Of unit length.
    known: Vec<f64>,
}

impl Gram {
    /// Of what is on and below the diagonal of `gram`.
    pub fn new(gram: &Tensor, mut known: Vec<f64>) -> Self {
        let length = known.iter().map(|x| x * x).sum::<f64>().sqrt();
        known.iter_mut().for_each(|x| *x /= length);
        Self { values: values(&(gram.tril(0) + gram.tril(-1).tr())), known }
    }
}

impl SymmetricOperator for Gram {
    fn dimension(&self) -> usize {
        self.known.len()
    }

    fn free(&self) -> usize {
        self.known.len() - 1
    }

    fn apply(&mut self, x: &[Row], y: &mut [Row]) {
        for (row, out) in self.values.chunks_exact(x.len()).zip(y) {
            let mut sums = [[0.0; BLOCK]; 4];
            let (values, vectors) = (row.chunks_exact(4), x.chunks_exact(4));
            let rest = values.remainder().iter().zip(vectors.remainder());
            // four sums, so that one addition need not wait for the last
            for (values, vectors) in values.zip(vectors) {
                for lane in 0..4 {
                    for b in 0..BLOCK {
                        sums[lane][b] += values[lane] * vectors[lane][b];
                    }
                }
            }
            for (value, vector) in rest {
                (0..BLOCK).for_each(|b| sums[0][b] += value * vector[b]);
            }
            *out = std::array::from_fn(|b| (sums[0][b] + sums[1][b]) + (sums[2][b] + sums[3][b]));
        }
    }

    fn project(&self, x: &mut [Row]) {
        let mut sums = [0.0; BLOCK];
        for (row, known) in x.iter().zip(&self.known) {
            (0..BLOCK).for_each(|b| sums[b] += known * row[b]);
        }
        for (row, known) in x.iter_mut().zip(&self.known) {
            (0..BLOCK).for_each(|b| row[b] -= known * sums[b]);
        }
    }
}
