//! Two images on top of each other, as two channels: of the same class, or of any two classes with their sum to be told.
//!
//! Images are those of the parent, whole and unaltered. Which two make an example, and its label:
//! [`super::pairs`].

use rayon::prelude::*;

use super::generated::{CITATION, Generated, Making, PIXELS, SIDE, TEN_CLASSES};
use super::pairs::{self, Pair};
use super::{Description, Inputs, Origin, Split, Targets, mnist};

/// Of MNIST, of the same class.
pub static SAME_MNIST: Generated = set(
    "stack-same-mnist",
    "two digits of a class, as two channels",
    &mnist::MNIST.description,
    &["mnist"],
    SAME_RULE,
    |making| stacked(making, &pairs::same(making)),
);
/// Of Fashion-MNIST, of the same class.
pub static SAME_FASHION: Generated = set(
    "stack-same-fashion",
    "two clothes of a class, as two channels",
    &mnist::FASHION_MNIST.description,
    &["fashion-mnist"],
    SAME_RULE,
    |making| stacked(making, &pairs::same(making)),
);
/// Of MNIST, of any classes.
pub static DIFF_MNIST: Generated = set(
    "stack-diff-mnist",
    "two digits as two channels; their sum modulo 10",
    &mnist::MNIST.description,
    &["mnist"],
    DIFF_RULE,
    |making| stacked(making, &pairs::diff(making)),
);
/// Of Fashion-MNIST, of any classes.
pub static DIFF_FASHION: Generated = set(
    "stack-diff-fashion",
    "two clothes as two channels; the sum of their classes modulo 10",
    &mnist::FASHION_MNIST.description,
    &["fashion-mnist"],
    DIFF_RULE,
    |making| stacked(making, &pairs::diff(making)),
);

const SAME_RULE: &str = "Example i: image i is the first channel; the second is an image drawn uniformly from the first m \
                         of its class, m the size of the smallest class. Label: the class.";

const DIFF_RULE: &str = "Each example: two images drawn uniformly with replacement, one a channel. Label: the sum of their \
                         labels modulo 10.";

const fn set(
    name: &'static str,
    what: &'static str,
    parent: &Description,
    parents: &'static [&'static str],
    rule: &'static str,
    split: fn(&Making) -> Split,
) -> Generated {
    Generated {
        description: Description {
            name,
            what,
            train: parent.train,
            test: parent.test,
            channels: 2,
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

/// The two images of each pair, one after the other.
fn stacked(making: &Making, pairs: &[Pair]) -> Split {
    let source = &making.parents[0];
    let mut pixels = vec![0; pairs.len() * 2 * PIXELS];
    pixels.par_chunks_exact_mut(2 * PIXELS).zip(pairs).for_each(|(example, pair)| {
        for (channel, image) in example.chunks_exact_mut(PIXELS).zip(pair.images) {
            channel.copy_from_slice(source.image(image));
        }
    });
    let targets = Targets::Classes(pairs.iter().map(|pair| pair.label).collect());
    Split { inputs: Inputs::Pixels(pixels), targets, channels: 2, height: SIDE, width: SIDE }
}

#[cfg(test)]
mod tests {
    use super::super::generated::SEED;
    use super::super::generated::tests::{images, make};
    use super::super::{full_sets, load};
    use super::*;

    /// Which images of `parent` each example is made of. Random images differ, so that pixels tell.
    fn which(split: &Split, parent: &[u8]) -> Vec<[usize; 2]> {
        let of = |image: &[u8]| parent.chunks(PIXELS).position(|candidate| candidate == image).unwrap();
        let examples = split.pixels().unwrap().chunks(2 * PIXELS);
        examples.map(|example| [of(&example[..PIXELS]), of(&example[PIXELS..])]).collect()
    }

    #[test]
    fn channels_are_whole_images_of_the_classes_that_the_label_says() {
        let parent = images(200, 3);
        let labels = &parent.1;
        let set = make(&SAME_MNIST, false, 0, 1, &[&parent]);
        assert_eq!((set.channels, set.height, set.width, set.len()), (2, 28, 28, 200));
        assert_eq!(set.classes().unwrap(), labels);
        for (i, [first, second]) in which(&set, &parent.0).into_iter().enumerate() {
            assert_eq!((first, labels[second]), (i, labels[i]));
        }
        let set = make(&DIFF_MNIST, false, 0, 1, &[&parent]);
        for ([first, second], &label) in which(&set, &parent.0).into_iter().zip(set.classes().unwrap()) {
            assert_eq!(label, (labels[first] + labels[second]) % 10);
        }
        assert_eq!(set, make(&DIFF_MNIST, false, 0, 1, &[&parent]));
        for other in [make(&DIFF_FASHION, false, 0, 1, &[&parent]), make(&DIFF_MNIST, false, 0, 2, &[&parent])] {
            assert_ne!(set, other);
        }
    }

    #[test]
    fn figures_of_the_full_sets() {
        let Some(dir) = full_sets() else { return };
        for (same, diff, parent) in [
            ("stack-same-mnist", "stack-diff-mnist", "mnist"),
            ("stack-same-fashion", "stack-diff-fashion", "fashion-mnist"),
        ] {
            let (same, diff, parent) =
                (load(same, &dir, SEED).unwrap(), load(diff, &dir, SEED).unwrap(), load(parent, &dir, SEED).unwrap());
            assert_eq!(same.test.classes(), parent.test.classes());
            let mean = |pixels: &[u8]| pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / pixels.len() as f64;
            let (wanted, found) = (mean(parent.train.pixels().unwrap()), mean(diff.train.pixels().unwrap()));
            assert!((found / wanted - 1.0).abs() < 5e-3, "{}: {found}", diff.name);
            let first: Vec<_> = same.train.pixels().unwrap().chunks(2 * PIXELS).map(|e| &e[..PIXELS]).collect();
            assert!(first.into_iter().eq(parent.train.pixels().unwrap().chunks(PIXELS)), "{}", same.name);
            let count = |class| diff.train.classes().unwrap().iter().filter(|&&label| label == class).count();
            // sums modulo 10 of near-uniform classes are nearer to uniform: 6000 ± 73 (sd)
            assert!((0..10).all(|class| (5600..6400).contains(&count(class))), "{}", diff.name);
        }
    }
}
