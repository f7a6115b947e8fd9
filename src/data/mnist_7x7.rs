//! MNIST shrunk to 7 × 7 pixels, for networks small enough to be looked at.
//!
//! Each image is shrunk by four ([`super::resize`]: a blur of σ = 3/2, then the mean of the middle four of each 4 × 4
//! pixels) and divided by 255. Values are not rounded: they are inputs of kind [`Inputs::Reals`], in `[0, 1]`.

use super::generated::{CITATION, Generated, Making, SIDE, TEN_CLASSES};
use super::{Description, Inputs, Origin, Split, Targets, mnist, resize};

/// Side of an image, in pixels.
const SMALL: usize = 7;

/// The data set.
pub static MNIST_7X7: Generated = Generated {
    description: Description {
        name: "mnist-7x7",
        what: "mnist shrunk to 7 x 7 pixels",
        train: mnist::MNIST.description.train,
        test: mnist::MNIST.description.test,
        channels: 1,
        height: SMALL,
        width: SMALL,
        task: TEN_CLASSES,
        licence: mnist::MNIST.description.licence,
        citation: CITATION,
        origin: Origin::Generated,
        parents: &["mnist"],
    },
    rule: "Each image: Gaussian blur of σ = 3/2 cut off to integers after each axis, linear interpolation at the centres \
           of 4 x 4 pixels, divided by 255, not rounded. Labels as in mnist.",
    drawn: false,
    split,
};

fn split(making: &Making) -> Split {
    let source = &making.parents[0];
    let mut values = resize::shrink(source.pixels, [SIDE, SIDE], [SMALL, SMALL]);
    values.iter_mut().for_each(|value| *value /= 255.0);
    let targets = Targets::Classes(source.labels.to_vec());
    Split { inputs: Inputs::Reals(values), targets, channels: 1, height: SMALL, width: SMALL }
}

#[cfg(test)]
mod tests {
    use super::super::generated::SEED;
    use super::super::{full_sets, load};
    use super::*;

    #[test]
    fn figures_of_the_full_set() {
        let Some(dir) = full_sets() else { return };
        let (small, full) = (load("mnist-7x7", &dir, SEED).unwrap(), load("mnist", &dir, SEED).unwrap());
        // mean and maximum by SciPy on the full sets
        for (split, whole, mean, max) in [
            (&small.train, &full.train, 32.880510544217685, 254.0),
            (&small.test, &full.test, 33.35672193877551, 251.75),
        ] {
            let Inputs::Reals(values) = &split.inputs else { panic!("reals expected") };
            let found = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
            assert!((found * 255.0 - mean).abs() < 1e-4, "{}", found * 255.0);
            assert_eq!(values.iter().copied().fold(0.0, f32::max), max / 255.0);
            assert_eq!(split.classes(), whole.classes());
        }
    }
}
