//! Two half images side by side: of the same class, or of any two classes with their sum to be told.
//!
//! Each image of the parent is shrunk to half its width ([`super::resize`]); then all are scaled so that the brightest
//! pixel of the split is 255, and rounded to integers.
//!
//! Which two make an example, and its label: [`super::pairs`].
//!
//! Inferred: a value halfway between two integers (a pixel in seven of MNIST) goes to the even one, as NumPy rounds. The
//! authors' floats may lie beside the half: in f64 divided by 255 and multiplied again, 1.3 % of the pixels of MNIST and
//! 3.0 % of those of Fashion-MNIST differ from these, by one.

use rayon::prelude::*;

use super::generated::{CITATION, Generated, Images, Making, PIXELS, SIDE, TEN_CLASSES};
use super::pairs::{self, Pair};
use super::{Description, Origin, Split, mnist, resize};

/// Of MNIST, of the same class.
pub static SAME_MNIST: Generated = set(
    "halves-same-mnist",
    "two digits of a class, half as wide, side by side",
    &mnist::MNIST.description,
    &["mnist"],
    Kind::Same,
);
/// Of Fashion-MNIST, of the same class.
pub static SAME_FASHION: Generated = set(
    "halves-same-fashion",
    "two clothes of a class, half as wide, side by side",
    &mnist::FASHION_MNIST.description,
    &["fashion-mnist"],
    Kind::Same,
);
/// Of MNIST, of any classes.
pub static DIFF_MNIST: Generated = set(
    "halves-diff-mnist",
    "two digits, half as wide, side by side; their sum modulo 10",
    &mnist::MNIST.description,
    &["mnist"],
    Kind::Diff,
);
/// Of Fashion-MNIST, of any classes.
pub static DIFF_FASHION: Generated = set(
    "halves-diff-fashion",
    "two clothes, half as wide, side by side; the sum of their classes modulo 10",
    &mnist::FASHION_MNIST.description,
    &["fashion-mnist"],
    Kind::Diff,
);

#[derive(Clone, Copy)]
enum Kind {
    Same,
    Diff,
}

const fn set(
    name: &'static str,
    what: &'static str,
    parent: &Description,
    parents: &'static [&'static str],
    kind: Kind,
) -> Generated {
    let (rule, split): (_, fn(&Making) -> Split) = match kind {
        Kind::Same => (
            "Images are halved in width (Gaussian blur of σ = 1/2 cut off to integers, linear interpolation), scaled to \
             a maximum of 255 and rounded. Example i: image i on the left; on the right one drawn uniformly from the \
             first m of its class, m the size of the smallest class. Label: the class.",
            |making| side_by_side(making, &pairs::same(making)),
        ),
        Kind::Diff => (
            "Images are halved in width (Gaussian blur of σ = 1/2 cut off to integers, linear interpolation), scaled to \
             a maximum of 255 and rounded. Each example: two images drawn uniformly with replacement, side by side. \
             Label: the sum of their labels modulo 10.",
            |making| side_by_side(making, &pairs::diff(making)),
        ),
    };
    Generated {
        description: Description {
            name,
            what,
            train: parent.train,
            test: parent.test,
            channels: 1,
            height: SIDE,
            width: SIDE,
            task: TEN_CLASSES,
            licence: parent.licence,
            citation: CITATION,
            origin: Origin::Generated,
            parents,
        },
        rule,
        drawn: true,
        split,
    }
}

/// Columns of a half.
const HALF: usize = SIDE / 2;

/// Every image of a split at half its width, `(n, 28, 14)`.
fn halves(images: &Images) -> Vec<u8> {
    let shrunk = resize::shrink(images.pixels, [SIDE, SIDE], [SIDE, HALF]);
    let max = shrunk.par_iter().copied().reduce(|| 0.0, f32::max);
    if max == 0.0 {
        return vec![0; shrunk.len()];
    }
    // values are halves of integers: the product is exact
    shrunk.into_par_iter().map(|value| (f64::from(value) * 255.0 / f64::from(max)).round_ties_even() as u8).collect()
}

/// The two halves of each pair, left and right.
fn side_by_side(making: &Making, pairs: &[Pair]) -> Split {
    let halves = halves(&making.parents[0]);
    let mut pixels = vec![0; pairs.len() * PIXELS];
    pixels.par_chunks_exact_mut(PIXELS).zip(pairs).for_each(|(image, pair)| {
        for (side, from) in pair.images.into_iter().enumerate() {
            let half = &halves[from * SIDE * HALF..(from + 1) * SIDE * HALF];
            for (row, half) in image.chunks_exact_mut(SIDE).zip(half.chunks_exact(HALF)) {
                row[side * HALF..(side + 1) * HALF].copy_from_slice(half);
            }
        }
    });
    Split::grey(pixels, pairs.iter().map(|pair| pair.label).collect(), SIDE, SIDE)
}

#[cfg(test)]
mod tests {
    use super::super::generated::SEED;
    use super::super::generated::tests::{images, make};
    use super::super::{full_sets, load};
    use super::*;

    /// Left and right half of each image, `(28, 14)`.
    fn sides(split: &Split) -> Vec<[Vec<u8>; 2]> {
        let side =
            |image: &[u8], from: usize| image.chunks(SIDE).flat_map(|row| &row[from..from + HALF]).copied().collect();
        split.pixels().unwrap().chunks(PIXELS).map(|image| [side(image, 0), side(image, HALF)]).collect()
    }

    /// Random images differ, so that a half tells which image it is of.
    #[test]
    fn halves_are_of_the_images_that_the_label_says() {
        let parent = images(300, 3);
        let labels = &parent.1;
        let source = Images { pixels: &parent.0, labels };
        let all = halves(&source);
        assert_eq!(all.iter().max(), Some(&255));
        let which = |half: &[u8]| all.chunks(SIDE * HALF).position(|candidate| candidate == half).unwrap();
        let of_class = |class| (0..300).filter(|&i| labels[i] == class).collect::<Vec<_>>();
        let smallest = (0..10).map(|class| of_class(class).len()).min().unwrap();

        let set = make(&SAME_MNIST, false, 0, 1, &[&parent]);
        assert_eq!(set.classes().unwrap(), labels);
        let mut itself = 0;
        for (i, [left, right]) in sides(&set).iter().enumerate() {
            let right = which(right);
            assert_eq!(which(left), i);
            assert!(of_class(labels[i])[..smallest].contains(&right));
            itself += u32::from(i == right);
        }
        // expected: 10 classes of m images that each meet themselves with probability 1/m
        assert!((1..=25).contains(&itself), "{itself}");

        let set = make(&DIFF_MNIST, false, 0, 1, &[&parent]);
        for ([left, right], &label) in sides(&set).iter().zip(set.classes().unwrap()) {
            assert_eq!(label, (labels[which(left)] + labels[which(right)]) % 10);
        }
        assert_ne!(set, make(&DIFF_MNIST, false, 0, 2, &[&parent]));
        assert_ne!(set, make(&DIFF_MNIST, true, 0, 1, &[&parent]));
    }

    #[test]
    fn the_brightest_pixel_becomes_255() {
        let mut pixels = vec![0; 2 * PIXELS];
        pixels[PIXELS..].fill(100);
        pixels[..PIXELS].fill(50);
        let all = halves(&Images { pixels: &pixels, labels: &[0, 1] });
        // 127.5 goes to the even one
        assert!(all[..SIDE * HALF].iter().all(|&p| p == 128) && all[SIDE * HALF..].iter().all(|&p| p == 255));
        assert_eq!(halves(&Images { pixels: &[0; PIXELS], labels: &[0] }), [0; SIDE * HALF]);
    }

    #[test]
    fn figures_of_the_full_sets() {
        let Some(dir) = full_sets() else { return };
        // mean of the shrunk pixels, by SciPy: 33.18809 and 72.73784, before rounding
        for (same, diff, parent, mean) in [
            ("halves-same-mnist", "halves-diff-mnist", "mnist", 33.188),
            ("halves-same-fashion", "halves-diff-fashion", "fashion-mnist", 72.738),
        ] {
            let (same, diff, parent) =
                (load(same, &dir, SEED).unwrap(), load(diff, &dir, SEED).unwrap(), load(parent, &dir, SEED).unwrap());
            for set in [&same, &diff] {
                let pixels = set.train.pixels().unwrap();
                let found = pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
                assert!((found / mean - 1.0).abs() < 5e-3, "{}: {found}", set.name);
            }
            assert_eq!(same.test.classes(), parent.test.classes());
            let count = |class| diff.train.classes().unwrap().iter().filter(|&&label| label == class).count();
            // sums modulo 10 of near-uniform classes are nearer to uniform: 6000 ± 73 (sd)
            for class in 0..10 {
                assert!((5600..6400).contains(&count(class)), "{}: {class}: {}", diff.name, count(class));
            }
        }
    }
}
