//! Null models: the same graph with its weights shuffled, or drawn anew, within each block.

use crate::graph::{Block, Csr, NeuronGraph};
use crate::prefetch::prefetch;
use crate::rng::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{Rng, RngCore};
use serde::{Deserialize, Serialize};
use sprs::CsMatI;

/// What a shuffle keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullModel {
    /// A uniformly random permutation of all entries of each matrix, zeros too: keeps each layer's weights, nothing of
    /// who is joined to whom (paper, section 1.2).
    #[default]
    Layer,
    /// A permutation of the values among the non-zero places: keeps each layer's weights and the topology (paper,
    /// appendix A.6).
    LayerNonzero,
    /// New values at the non-zero places: each that of a random one plus normal noise of sd [`BANDWIDTH`], its magnitude (the authors'
    /// kernel density estimate): keeps the topology, and the distribution of weights roughly.
    LayerNonzeroDistribution,
    /// `Layer`, then `LayerNonzeroDistribution`, as the authors have it.
    LayerAllDistribution,
    /// The places are rewired so that every node keeps its number of edges in each matrix, then the values permuted among them:
    /// keeps each layer's weights and all degrees. Where no place is zero, as `Layer`.
    Degrees,
    /// The entries of each row are permuted among its columns, zeros too: keeps what each node sends to the next layer, and to how
    /// many.
    Rows,
    /// The entries of each column are permuted among its rows: keeps what each node receives, and from how many.
    Columns,
    /// A new initialisation, Glorot's, as sparse: of `|w|` uniform up to √(6 / (d_in + d_out)) the largest, as many as there are
    /// edges, at random places. Keeps widths and sparsity alone. Of dense layers: those of kernels start otherwise.
    Fresh,
}

/// Standard deviation of the noise of the two null models that draw new values, as the authors have it: not in units of the weights, so
/// that of weights far below it nothing but noise is left.
pub const BANDWIDTH: f64 = 0.01;

impl NullModel {
    /// All of them, from what keeps least to what keeps most of a network; then `Rows` and `Columns`, which keep what each node sends or
    /// receives, but not the topology.
    pub const ALL: [Self; 8] = [
        Self::Fresh,
        Self::LayerAllDistribution,
        Self::Layer,
        Self::Degrees,
        Self::LayerNonzeroDistribution,
        Self::LayerNonzero,
        Self::Rows,
        Self::Columns,
    ];

    /// As options and files name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::LayerNonzero => "layer-nonzero",
            Self::LayerNonzeroDistribution => "layer-nonzero-distribution",
            Self::LayerAllDistribution => "layer-all-distribution",
            Self::Degrees => "degrees",
            Self::Rows => "rows",
            Self::Columns => "columns",
            Self::Fresh => "fresh",
        }
    }
}

/// `graph` with each block drawn anew under `model`, each block by itself. Nodes may lose all their edges; they are not dropped here.
///
/// # Panics
///
/// If a block joins a node set to itself: such a graph has no layers to shuffle.
pub fn shuffle(graph: &NeuronGraph, model: NullModel, rng: &mut ChaCha8Rng) -> NeuronGraph {
    let blocks = graph
        .blocks
        .iter()
        .map(|block| {
            assert_ne!(block.source, block.target, "a node set joined to itself cannot be shuffled");
            Block { weights: shuffled(&block.weights, model, rng), ..*block }
        })
        .collect();
    NeuronGraph { node_sets: graph.node_sets.clone(), blocks }
}

fn shuffled(weights: &Csr, model: NullModel, rng: &mut ChaCha8Rng) -> Csr {
    let (rows, columns) = weights.shape();
    let own_places = || (weights.indptr().raw_storage().to_vec(), weights.indices().to_vec());
    let some_places = |rng: &mut ChaCha8Rng| match weights.nnz() < rows * columns {
        true => random_places((rows, columns), weights.nnz(), rng),
        false => own_places(),
    };
    let permuted = |rng: &mut ChaCha8Rng| {
        let mut values = weights.data().to_vec();
        permute(&mut values, rng);
        values
    };
    let (values, (indptr, indices)) = match model {
        NullModel::Layer => {
            let values = permuted(rng);
            (values, some_places(rng))
        }
        NullModel::LayerNonzero => (permuted(rng), own_places()),
        NullModel::LayerNonzeroDistribution => (smoothed(weights.data(), rng), own_places()),
        NullModel::LayerAllDistribution => {
            let values = smoothed(weights.data(), rng);
            (values, some_places(rng))
        }
        NullModel::Degrees => {
            let values = permuted(rng);
            (values, rewired(weights, rng))
        }
        NullModel::Rows => return within_rows(weights, rng),
        NullModel::Columns => {
            let transposed = within_rows(&weights.transpose_view().to_csr(), rng);
            return transposed.transpose_view().to_csr();
        }
        NullModel::Fresh => {
            let limit = (6.0 / (rows + columns) as f64).sqrt();
            let least = 1.0 - weights.nnz() as f64 / (rows * columns) as f64;
            let values = (0..weights.nnz()).map(|_| limit * (1.0 - (1.0 - least) * rng.gen_range(0.0..1.0))).collect();
            (values, some_places(rng))
        }
    };
    CsMatI::new((rows, columns), indptr, indices, values)
}

/// As many draws from a kernel density estimate of `values`, their magnitudes.
fn smoothed(values: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let draw = |_| {
        let value = values[rng.gen_range(0..values.len())];
        // Box and Muller's transform
        let (u, v): (f64, f64) = (1.0 - rng.gen_range(0.0..1.0), rng.gen_range(0.0..1.0));
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        (value + BANDWIDTH * normal).abs().max(f64::MIN_POSITIVE)
    };
    (0..values.len()).map(draw).collect()
}

/// Each row's values in random order at random places of the row.
fn within_rows(weights: &Csr, rng: &mut ChaCha8Rng) -> Csr {
    let (rows, columns) = weights.shape();
    let mut values = weights.data().to_vec();
    let mut indices = weights.indices().to_vec();
    let indptr = weights.indptr().raw_storage().to_vec();
    for row in 0..rows {
        let entries = indptr[row] as usize..indptr[row + 1] as usize;
        permute(&mut values[entries.clone()], rng);
        if entries.len() < columns {
            let mut places = rand::seq::index::sample(rng, columns, entries.len()).into_vec();
            places.sort_unstable();
            indices[entries].iter_mut().zip(places).for_each(|(index, place)| *index = place as u32);
        }
    }
    CsMatI::new((rows, columns), indptr, indices, values)
}

/// Random places with the row and column counts of those of `weights`, as CSR index arrays: by swaps of the columns of two places, refused
/// where a place would be taken twice; of two gaps where there are fewer of those. So many swaps for each are tried: enough for what is
/// left of the places to be what chance leaves (the tests ask for it within 4 % of them, on 100 × 100 matrices).
///
/// # References
///
/// * R. Milo et al. (2003), *On the uniform generation of random graphs with prescribed degree sequences*, arXiv:cond-mat/0312028.
fn rewired(weights: &Csr, rng: &mut ChaCha8Rng) -> (Vec<u32>, Vec<u32>) {
    const TRIES: usize = 20;
    let (rows, columns) = weights.shape();
    let mut taken = vec![false; rows * columns];
    for (row, entries) in weights.outer_iterator().enumerate() {
        entries.indices().iter().for_each(|&column| taken[row * columns + column as usize] = true);
    }
    let moved = weights.nnz() <= rows * columns / 2;
    let mut places: Vec<(u32, u32)> = (0..rows as u32)
        .flat_map(|row| (0..columns as u32).map(move |column| (row, column)))
        .filter(|&(row, column)| taken[row as usize * columns + column as usize] == moved)
        .collect();
    let at = |row: u32, column: u32| row as usize * columns + column as usize;
    let tries = if places.len() < 2 { 0 } else { TRIES * places.len() };
    for _ in 0..tries {
        let (i, j) = (rng.gen_range(0..places.len()), rng.gen_range(0..places.len()));
        let ((a, b), (c, d)) = (places[i], places[j]);
        if a == c || b == d || taken[at(a, d)] == moved || taken[at(c, b)] == moved {
            continue;
        }
        for (row, column, now) in [(a, b, !moved), (c, d, !moved), (a, d, moved), (c, b, moved)] {
            taken[at(row, column)] = now;
        }
        (places[i], places[j]) = ((a, d), (c, b));
    }
    let indices = taken.iter().enumerate().filter(|(_, taken)| **taken).map(|(place, _)| (place % columns) as u32);
    (weights.indptr().raw_storage().to_vec(), indices.collect())
}

/// Draws made before the swaps that they ask for.
const AHEAD: usize = 64;

/// Fisher's and Yates' permutation: swap for swap that of [`rand::seq::SliceRandom::shuffle`], whose draws these are. They run
/// ahead of the swaps, so that what is to be swapped is fetched meanwhile, and a draw that is refused costs no branch: large
/// matrices, which no cache holds, take half as long.
fn permute(values: &mut [f64], rng: &mut ChaCha8Rng) {
    let mut left = values.len();
    let mut draws = [0usize; AHEAD];
    while left > AHEAD && u32::try_from(left).is_ok() {
        let mut drawn = 0;
        while drawn < AHEAD {
            // in 0..range: the upper half of a product, unless its lower half is above the last multiple
            let range = (left - drawn) as u32;
            let last = (range << range.leading_zeros()).wrapping_sub(1);
            let product = u64::from(rng.next_u32()) * u64::from(range);
            draws[drawn] = (product >> 32) as usize;
            prefetch(values, draws[drawn]);
            drawn += usize::from(product as u32 <= last);
        }
        for (i, &j) in draws.iter().enumerate() {
            values.swap(left - 1 - i, j);
        }
        left -= AHEAD;
    }
    values[..left].shuffle(rng);
}

/// `count` different places of a `(rows, columns)` matrix, every set equally likely, in row order as CSR index arrays.
fn random_places((rows, columns): (usize, usize), count: usize, rng: &mut ChaCha8Rng) -> (Vec<u32>, Vec<u32>) {
    let size = rows * columns;
    // Draw the rarer of places and gaps.
    let draw_gaps = count > size / 2;
    let mut drawn = vec![0u64; size.div_ceil(64)];
    let mut left = if draw_gaps { size - count } else { count };
    while left > 0 {
        let place = rng.gen_range(0..size);
        let bit = 1u64 << (place % 64);
        if drawn[place / 64] & bit == 0 {
            drawn[place / 64] |= bit;
            left -= 1;
        }
    }
    let mut indptr = Vec::with_capacity(rows + 1);
    let mut indices = Vec::with_capacity(count);
    indptr.push(0u32);
    let mut row = 0..columns;
    for (word, bits) in drawn.into_iter().enumerate() {
        let mut bits = if draw_gaps { !bits } else { bits };
        while bits != 0 && indices.len() < count {
            let place = 64 * word + bits.trailing_zeros() as usize;
            while place >= row.end {
                row = row.end..row.end + columns;
                indptr.push(indices.len() as u32);
            }
            indices.push((place - row.start) as u32);
            bits &= bits - 1;
        }
    }
    indptr.resize(rows + 1, count as u32);
    (indptr, indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::mlp_graph;
    use crate::rng::{Purpose, stream};
    use ndarray::Array2;

    /// Lengths around multiples of what is drawn ahead, and above; the generator is left where rand leaves it.
    #[test]
    fn permutes_as_rand_does() {
        for length in [0, 1, 2, 63, 64, 65, 128, 129, 1000, 70_001] {
            let mut values: Vec<f64> = (0..length).map(f64::from).collect();
            let mut expected = values.clone();
            let [mut rng, mut reference] = [0; 2].map(|_| stream(7, Purpose::Shuffle, length as u64, 0));
            permute(&mut values, &mut rng);
            expected.shuffle(&mut reference);
            assert!(values == expected && rng.next_u32() == reference.next_u32(), "{length}");
        }
    }

    /// 4 × 5 with the values 1 … 10 at alternating places, as in the authors' tests.
    fn checkerboard() -> NeuronGraph {
        let weight = Array2::from_shape_fn((4, 5), |(i, j)| match (5 * i + j) % 2 {
            0 => ((5 * i + j) / 2 + 1) as f64,
            _ => 0.0,
        });
        mlp_graph(vec![("w".into(), weight)])
    }

    fn sorted(graph: &NeuronGraph) -> Vec<f64> {
        let mut values = graph.blocks[0].weights.data().to_vec();
        values.sort_by(f64::total_cmp);
        values
    }

    #[test]
    fn layer_keeps_the_values_and_moves_the_zeros() {
        let graph = checkerboard();
        let shuffled = shuffle(&graph, NullModel::Layer, &mut stream(0, Purpose::Shuffle, 0, 0));
        assert_eq!(sorted(&shuffled), sorted(&graph));
        assert_ne!(shuffled.blocks[0].weights.indices(), graph.blocks[0].weights.indices());
    }

    #[test]
    fn layer_nonzero_keeps_values_and_places() {
        let graph = checkerboard();
        let shuffled = shuffle(&graph, NullModel::LayerNonzero, &mut stream(0, Purpose::Shuffle, 0, 0));
        assert_eq!(sorted(&shuffled), sorted(&graph));
        assert_eq!(shuffled.blocks[0].weights.indices(), graph.blocks[0].weights.indices());
        assert_eq!(shuffled.blocks[0].weights.indptr(), graph.blocks[0].weights.indptr());
        assert_ne!(shuffled.blocks[0].weights.data(), graph.blocks[0].weights.data());
    }

    /// Every value is equally likely at every place: chi-square of 10 values + "zero" over 20 places, 4,000 shuffles.
    #[test]
    fn layer_is_uniform() {
        let graph = checkerboard();
        let mut counts = Array2::<f64>::zeros((20, 11));
        let shuffles = 4000;
        for i in 0..shuffles {
            let shuffled = shuffle(&graph, NullModel::Layer, &mut stream(1, Purpose::Shuffle, i, 0));
            let dense = shuffled.blocks[0].weights.to_dense();
            dense.iter().enumerate().for_each(|(place, value)| counts[[place, *value as usize]] += 1.0);
        }
        let mut chi_square = 0.0;
        for ((_, value), count) in counts.indexed_iter() {
            let expected = shuffles as f64 * if value == 0 { 0.5 } else { 0.05 };
            chi_square += (count - expected).powi(2) / expected;
        }
        // 19 × 10 degrees of freedom: mean 190, sd 19.5
        assert!((110.0..270.0).contains(&chi_square), "chi-square {chi_square}");
    }

    fn sums(graph: &NeuronGraph, of: impl Fn(f64) -> f64) -> [Vec<f64>; 2] {
        let dense = graph.blocks[0].weights.to_dense().mapv(of);
        [1, 0].map(|axis| dense.sum_axis(ndarray::Axis(axis)).to_vec())
    }

    fn random(rows: usize, columns: usize, sparsity: f64) -> NeuronGraph {
        let mut rng = stream(9, Purpose::InitialWeights, 0, 0);
        let entry = || if rng.gen_range(0.0..1.0) < sparsity { 0.0 } else { rng.gen_range(0.01..1.0) };
        mlp_graph(vec![("w".into(), Array2::from_shape_simple_fn((rows, columns), entry))])
    }

    /// What each null model says that it keeps, and that it moves the rest.
    #[test]
    fn null_models_keep_what_they_say() {
        let graph = random(30, 40, 0.7);
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        let is_edge = |weight: f64| f64::from(u8::from(weight != 0.0));
        for model in NullModel::ALL {
            let shuffled = shuffle(&graph, model, &mut stream(3, Purpose::Shuffle, 0, 0));
            let strengths = [&graph, &shuffled].map(|graph| sums(graph, |weight| weight));
            let degrees = [&graph, &shuffled].map(|graph| sums(graph, is_edge));
            let keeps = (
                sorted(&shuffled) == sorted(&graph),
                shuffled.blocks[0].weights.indices() == graph.blocks[0].weights.indices(),
                [0, 1].map(|side| near(&degrees[0][side], &degrees[1][side])),
                [0, 1].map(|side| near(&strengths[0][side], &strengths[1][side])),
            );
            let expected = match model {
                NullModel::Layer => (true, false, [false; 2], [false; 2]),
                NullModel::LayerNonzero => (true, true, [true; 2], [false; 2]),
                NullModel::LayerNonzeroDistribution => (false, true, [true; 2], [false; 2]),
                NullModel::LayerAllDistribution | NullModel::Fresh => (false, false, [false; 2], [false; 2]),
                NullModel::Degrees => (true, false, [true; 2], [false; 2]),
                NullModel::Rows => (true, false, [true, false], [true, false]),
                NullModel::Columns => (true, false, [false, true], [false, true]),
            };
            assert_eq!(keeps, expected, "{model:?}");
            assert_eq!(shuffled.blocks[0].weights.nnz(), graph.blocks[0].weights.nnz(), "{model:?}");
        }
    }

    /// All 3 × 3 sets of places with the degrees of a permutation are permutations, six of them, each as likely.
    #[test]
    fn rewiring_is_uniform() {
        let identity = Array2::from_shape_fn((3, 3), |(i, j)| f64::from(u8::from(i == j)));
        let graph = mlp_graph(vec![("w".into(), identity)]);
        let mut counts = std::collections::BTreeMap::new();
        for i in 0..3000 {
            let shuffled = shuffle(&graph, NullModel::Degrees, &mut stream(2, Purpose::Shuffle, i, 0));
            *counts.entry(shuffled.blocks[0].weights.indices().to_vec()).or_insert(0usize) += 1;
        }
        assert_eq!(counts.len(), 6);
        let chi_square: f64 = counts.values().map(|count| (*count as f64 - 500.0).powi(2) / 500.0).sum();
        // 5 degrees of freedom: 20.5 is passed once in a thousand
        assert!(chi_square < 20.5, "{counts:?}");
    }

    /// Kernels of sd 0.01 around the values: mean kept, variance grown by 1e-4. Glorot's largest 30 %: uniform above 0.7 of the limit.
    #[test]
    fn drawn_values_have_their_distributions() {
        let graph = random(200, 200, 0.7);
        let values =
            |model| shuffle(&graph, model, &mut stream(4, Purpose::Shuffle, 0, 0)).blocks[0].weights.data().to_vec();
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64)
        };
        let (own, drawn) = (moments(graph.blocks[0].weights.data()), moments(&values(NullModel::LayerAllDistribution)));
        assert!((own.0 - drawn.0).abs() < 0.015 && (own.1 + 1e-4 - drawn.1).abs() < 0.005, "{own:?} {drawn:?}");
        let (limit, fresh) = ((6.0f64 / 400.0).sqrt(), values(NullModel::Fresh));
        let least = 1.0 - fresh.len() as f64 / 40_000.0;
        let (mean, variance) = moments(&fresh);
        assert!(fresh.iter().all(|x| (least * limit..=limit).contains(x)));
        assert!((mean / limit - (1.0 + least) / 2.0).abs() < 0.003, "{mean}");
        assert!((variance / (limit * (1.0 - least)).powi(2) * 12.0 - 1.0).abs() < 0.05, "{variance}");
    }

    /// As many zeros stay where they were as chance leaves: their own share of all places.
    #[test]
    fn rewiring_forgets_at_any_density() {
        for sparsity in [0.9, 0.5, 0.1, 0.03] {
            let graph = random(100, 100, sparsity);
            let shuffled = shuffle(&graph, NullModel::Degrees, &mut stream(5, Purpose::Shuffle, 0, 0));
            let [before, after] = [&graph, &shuffled].map(|graph| graph.blocks[0].weights.to_dense());
            let zeros = before.iter().filter(|weight| **weight == 0.0).count() as f64;
            let stayed = before.iter().zip(&after).filter(|(a, b)| **a == 0.0 && **b == 0.0).count() as f64;
            assert!((stayed / zeros - zeros / 1e4).abs() < 0.04, "{sparsity}: {} stayed", stayed / zeros);
        }
    }
}
