//! Random streams: the only place where a generator is made.
//!
//! A stream is named by a seed, a purpose and two counters. Nothing else enters, no clock and no shared state, so a
//! number does not depend on the number of threads, on the order of work, or on what was computed before.

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;

/// What a stream is for. The numbers are part of every result: never reuse or change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Initial weights; `index` is the layer.
    InitialWeights = 1,
    /// Order of the training examples; `index` is the epoch.
    DataOrder = 2,
    /// Dropout masks; `index` is the training step.
    Dropout = 3,
    /// Shuffled weights of a null distribution; `index` is the shuffle.
    Shuffle = 4,
    /// Start vectors of the eigensolvers; `index` is 0.
    StartVector = 5,
    /// k-means; `index` is 0 for the network and 1 + i for shuffle i, `part` is the restart.
    KMeans = 6,
    /// Moments at which a run is interrupted to test it; all are 0.
    Interruption = 7,
    /// Examples of generated data sets; [`crate::data::generated`] says what the other three are.
    DataSet = 8,
    /// Random sets of neurons to silence; `index` is the cluster, shifted by 20 bits, and the set.
    Lesion = 9,
    /// Tags of neurons; `index` is the layer.
    Tags = 10,
    /// How training images are turned and shifted; `index` is the training step.
    Augmentation = 11,
    /// Networks whose answer is known; `index` is the network.
    Selftest = 12,
}

/// The stream of `(seed, purpose, index, part)`.
///
/// ChaCha8 with `seed` expanded to its key and the other three packed into its 64-bit stream number, so distinct names
/// give independent streams.
///
/// # Panics
///
/// If `index` needs more than 40 bits.
pub fn stream(seed: u64, purpose: Purpose, index: u64, part: u16) -> ChaCha8Rng {
    assert!(index < 1 << 40, "stream index {index} needs more than 40 bits");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose as u64) << 56 | index << 16 | u64::from(part));
    rng
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn streams_differ_in_each_part_of_the_name_and_repeat() {
        let first = |seed, purpose, index, part| stream(seed, purpose, index, part).next_u64();
        let base = first(0, Purpose::Shuffle, 0, 0);
        assert_eq!(base, first(0, Purpose::Shuffle, 0, 0));
        for other in [
            first(1, Purpose::Shuffle, 0, 0),
            first(0, Purpose::KMeans, 0, 0),
            first(0, Purpose::Shuffle, 1, 0),
            first(0, Purpose::Shuffle, 0, 1),
        ] {
            assert_ne!(base, other);
        }
    }
}
