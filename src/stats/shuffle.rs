//! Null models: the same graph with its weights shuffled within each block.

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
}

/// `graph` with the entries of each block permuted, each block by itself. The multiset of weights of every block is
/// kept exactly. Nodes may lose all their edges; they are not dropped here.
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
            let mut values = block.weights.data().to_vec();
            permute(&mut values, rng);
            let (rows, columns) = block.weights.shape();
            let (indptr, indices) = match model {
                NullModel::Layer if values.len() < rows * columns => random_places((rows, columns), values.len(), rng),
                NullModel::Layer | NullModel::LayerNonzero => {
                    (block.weights.indptr().raw_storage().to_vec(), block.weights.indices().to_vec())
                }
            };
            let weights: Csr = CsMatI::new(block.weights.shape(), indptr, indices, values);
            Block { weights, ..*block }
        })
        .collect();
    NeuronGraph { node_sets: graph.node_sets.clone(), blocks }
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
}
