//! What generated data sets share: their parents, their random streams, how they are described.
//!
//! A generated set is a function of its parents and a seed, computed whenever it is loaded: nothing of it lies on a disk
//! and grows stale. Its training examples come from its parents' training examples, its test examples from their test
//! examples.
//!
//! The paper's sets were drawn by NumPy's generator of 2019 with seed 42. The rules here are the paper's, the generator
//! is ours ([`crate::rng`]): sets have the same distribution, not the same bits.
//!
//! # Streams
//!
//! Example `i` has a stream of its own, so that it is the same on any number of threads and however many follow:
//!
//! ```text
//! stream(seed XOR first 8 bytes of SHA-256(name), Purpose::DataSet, i, part)      part: 0 training, 1 test
//!                                                                                       2, 3 the order of all (i = 0)
//! ```
//!
//! # References
//!
//! * D. Filan, S. Casper, S. Hod, C. Wild, A. Critch, S. Russell (2021), *Clusterability in Neural Networks*,
//!   arXiv:2103.03386.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Dataset, Description, Source, Split, Task, source};
use crate::InputError;
use crate::rng::{ChaCha8Rng, Purpose, stream};

/// Seed of generated sets where none is given; that of the authors.
pub const SEED: u64 = 42;

/// Side of the images of MNIST and Fashion-MNIST, in pixels.
pub(super) const SIDE: usize = 28;

/// Pixels of such an image.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// Where the generated sets are described.
pub(super) const CITATION: &str = "D. Filan, S. Casper, S. Hod, C. Wild, A. Critch, S. Russell (2021), Clusterability in \
                                   Neural Networks, arXiv:2103.03386";

/// Terms of use of sets that are made of random numbers alone.
pub(super) const OF_NUMBERS: &str = "random numbers, free to use";

/// A data set that is computed.
#[derive(Debug)]
pub struct Generated {
    /// What it is.
    pub description: Description,
    /// How it is computed, in a sentence or two.
    pub rule: &'static str,
    /// Whether its seed makes a difference.
    pub drawn: bool,
    /// Makes one split.
    pub(super) split: fn(&Making) -> Split,
}

/// What one split is made from.
pub(super) struct Making<'a> {
    /// The same split of each parent.
    pub parents: Vec<Images<'a>>,
    /// Examples to make, where parents do not say it.
    pub count: usize,
    seed: u64,
    part: u16,
}

/// A split of a parent.
#[derive(Clone, Copy)]
pub(super) struct Images<'a> {
    /// `(n, 28, 28)`.
    pub pixels: &'a [u8],
    /// `(n,)`, below 10.
    pub labels: &'a [u8],
}

impl<'a> Images<'a> {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Pixels of image `i`, `(28, 28)`.
    pub fn image(&self, i: usize) -> &'a [u8] {
        &self.pixels[i * PIXELS..(i + 1) * PIXELS]
    }
}

impl<'a> Making<'a> {
    /// Training examples (`test` false) or test examples of the set `name`.
    pub fn new(name: &str, seed: u64, test: bool, count: usize, parents: Vec<Images<'a>>) -> Self {
        let mut start = [0; 8];
        start.copy_from_slice(&Sha256::digest(name)[..8]);
        Self { parents, count, seed: seed ^ u64::from_le_bytes(start), part: test.into() }
    }

    /// Random numbers of example `i`.
    pub fn stream(&self, i: usize) -> ChaCha8Rng {
        stream(self.seed, Purpose::DataSet, i as u64, self.part)
    }

    /// Random numbers for the order of the examples.
    pub fn order(&self) -> ChaCha8Rng {
        stream(self.seed, Purpose::DataSet, 0, 2 + self.part)
    }
}

impl Generated {
    /// The set for `seed`; parents that are generated are so for the same seed.
    ///
    /// # Errors
    ///
    /// A parent cannot be loaded, or its images are not of 28 × 28 pixels.
    pub fn generate(&self, data_dir: &Path, seed: u64) -> Result<Dataset, InputError> {
        let Description { name, task, train, test, .. } = self.description;
        let mut parents = Vec::new();
        for parent in self.description.parents {
            parents.push(self.parent(parent, data_dir, seed)?);
        }
        let split = |test: bool, count| {
            let parents = parents.iter().map(|parent| {
                let split = if test { &parent.test } else { &parent.train };
                // `parent` refused all others
                Images { pixels: split.pixels().unwrap_or_default(), labels: split.classes().unwrap_or_default() }
            });
            (self.split)(&Making::new(name, seed, test, count, parents.collect()))
        };
        Ok(Dataset { name: name.into(), train: split(false, train), test: split(true, test), task })
    }

    fn parent(&self, name: &str, data_dir: &Path, seed: u64) -> Result<Dataset, InputError> {
        let parent = source(name)?;
        let dataset = parent.load(data_dir, seed).map_err(|error| {
            let problem = format!("{}, and {} is made of {name}", error.problem, self.description.name);
            InputError { problem, ..error }
        })?;
        for split in [&dataset.train, &dataset.test] {
            if split.pixels().is_none() || (split.channels, split.height, split.width) != (1, SIDE, SIDE) {
                let problem = format!(
                    "holds images of {} × {}, and {} is made of such of {SIDE} × {SIDE}",
                    split.height, split.width, self.description.name
                );
                let remedy = format!("fetch it again with {}", super::fetch_command(name, data_dir));
                return Err(InputError::new(data_dir.join(name).display(), problem, remedy));
            }
        }
        Ok(dataset)
    }
}

impl Source for Generated {
    fn description(&self) -> &Description {
        &self.description
    }

    fn missing(&self, data_dir: &Path) -> Vec<&'static str> {
        let parents = self.description.parents.iter().filter_map(|name| source(name).ok());
        parents.flat_map(|parent| parent.missing(data_dir)).collect()
    }

    fn load(&self, data_dir: &Path, seed: u64) -> Result<Dataset, InputError> {
        self.generate(data_dir, seed)
    }

    fn generated(&self) -> Option<&Generated> {
        Some(self)
    }
}

/// Ten classes of grey images of 28 × 28 pixels.
pub(super) const TEN_CLASSES: Task = Task::Classification { classes: 10 };

#[cfg(test)]
pub(super) mod tests {
    use rand::RngCore;

    use super::*;

    /// Grey images and labels drawn at random, `n` of them.
    pub fn images(n: usize, seed: u64) -> (Vec<u8>, Vec<u8>) {
        let mut rng = stream(seed, Purpose::DataSet, 0, 0);
        let (mut pixels, mut labels) = (vec![0; n * PIXELS], vec![0; n]);
        rng.fill_bytes(&mut pixels);
        rng.fill_bytes(&mut labels);
        labels.iter_mut().for_each(|label| *label %= 10);
        (pixels, labels)
    }

    /// One split of `set` made of `parents`.
    pub fn make(set: &Generated, test: bool, count: usize, seed: u64, parents: &[&(Vec<u8>, Vec<u8>)]) -> Split {
        let parents = parents.iter().map(|(pixels, labels)| Images { pixels, labels }).collect();
        (set.split)(&Making::new(set.description.name, seed, test, count, parents))
    }

    #[test]
    fn streams_differ_by_set_split_example_and_seed() {
        let first = |name, seed, test, i| Making::new(name, seed, test, 0, Vec::new()).stream(i).next_u64();
        let base = first("lines", 42, false, 0);
        assert_eq!(base, first("lines", 42, false, 0));
        for other in [
            first("random", 42, false, 0),
            first("lines", 43, false, 0),
            first("lines", 42, true, 0),
            first("lines", 42, false, 1),
            Making::new("lines", 42, false, 0, Vec::new()).order().next_u64(),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_parent_that_is_missing_or_of_another_size() {
        let dir = tempfile::tempdir().unwrap();
        let error = super::super::load("lines-mnist", dir.path(), SEED).unwrap_err();
        assert_eq!(error.problem, "there is no such folder, and lines-mnist is made of mnist");
        assert!(error.remedy.contains("`ncut data fetch mnist --data-dir "), "{error}");

        std::fs::create_dir(dir.path().join("mnist")).unwrap();
        for (stem, n) in [("train", 2u8), ("t10k", 1)] {
            let images = [&[0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 3, 0, 0, 0, 1][..], &[0; 3].repeat(n.into())].concat();
            let labels = [&[0, 0, 8, 1, 0, 0, 0, n][..], &[0].repeat(n.into())].concat();
            std::fs::write(dir.path().join(format!("mnist/{stem}-images-idx3-ubyte")), images).unwrap();
            std::fs::write(dir.path().join(format!("mnist/{stem}-labels-idx1-ubyte")), labels).unwrap();
        }
        let error = super::super::load("mnist-7x7", dir.path(), SEED).unwrap_err();
        assert_eq!(error.problem, "holds images of 3 × 1, and mnist-7x7 is made of such of 28 × 28");
    }
}
