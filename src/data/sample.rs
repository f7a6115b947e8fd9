//! `mnist-sample`: the first images of MNIST, shipped with the program.

use std::path::Path;

use super::{Dataset, Description, Origin, Source, Task, idx};
use crate::InputError;

/// Source, licence and making of these files: `mnist-sample/README.md`.
const FILES: [&[u8]; 4] = [
    include_bytes!("mnist-sample/train-images-idx3-ubyte.gz"),
    include_bytes!("mnist-sample/train-labels-idx1-ubyte.gz"),
    include_bytes!("mnist-sample/t10k-images-idx3-ubyte.gz"),
    include_bytes!("mnist-sample/t10k-labels-idx1-ubyte.gz"),
];

/// The sample; it is the same in every data directory.
#[derive(Debug, Clone, Copy)]
pub struct Sample;

const DESCRIPTION: Description = Description {
    name: "mnist-sample",
    what: "the first images of mnist",
    train: 4_000,
    test: 1_000,
    channels: 1,
    height: 28,
    width: 28,
    task: Task::Classification { classes: 10 },
    licence: super::mnist::MNIST.description.licence,
    citation: super::mnist::MNIST.description.citation,
    origin: Origin::Shipped,
    parents: &[],
};

impl Source for Sample {
    fn description(&self) -> &Description {
        &DESCRIPTION
    }

    fn missing(&self, _: &Path) -> Vec<&'static str> {
        Vec::new()
    }

    fn load(&self, _: &Path, _: u64) -> Result<Dataset, InputError> {
        let remedy = "install ncut again";
        let split = |images: usize, labels: usize| {
            let place = DESCRIPTION.name;
            idx::parse_split((&place, FILES[images]), (&place, FILES[labels]), DESCRIPTION.outputs(), remedy)
        };
        let (train, test) = (split(0, 1)?, split(2, 3)?);
        Ok(Dataset { name: DESCRIPTION.name.into(), train, test, task: DESCRIPTION.task })
    }
}

#[cfg(test)]
mod tests {
    use super::super::generated::SEED;
    use super::super::{full_sets, load};
    use super::*;

    #[test]
    fn it_loads_from_anywhere_and_has_every_class() {
        let set = Sample.load(Path::new("nowhere"), 0).unwrap();
        // the first ten training labels of MNIST
        assert_eq!(set.train.classes().unwrap()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
        assert_eq!(set.test.classes().unwrap()[..10], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
        for split in [&set.train, &set.test] {
            for class in 0..10 {
                let share =
                    split.classes().unwrap().iter().filter(|&&l| l == class).count() as f64 / split.len() as f64;
                assert!((0.08..0.13).contains(&share), "class {class}: {share}");
            }
        }
    }

    #[test]
    fn it_is_the_head_of_the_full_set() {
        let Some(dir) = full_sets() else { return };
        let (sample, full) = (Sample.load(&dir, 0).unwrap(), load("mnist", &dir, SEED).unwrap());
        for (head, whole) in [(&sample.train, &full.train), (&sample.test, &full.test)] {
            assert_eq!(head.classes().unwrap(), &whole.classes().unwrap()[..head.len()]);
            let pixels = head.pixels().unwrap();
            assert!(pixels == &whole.pixels().unwrap()[..pixels.len()], "images differ");
            assert_eq!((head.height, head.width), (whole.height, whole.width));
        }
    }
}
