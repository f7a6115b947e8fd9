//! Two data sets in one: the lines of [`super::lines`] and the digits of MNIST, in random order.
//!
//! * **overlapping**: all of both, so that a label stands for a number of lines or for a digit.
//! * **separate** (`-sep`): of the lines those with labels 0 to 4, of the digits 5 to 9.

use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::generated::{CITATION, Generated, Making, PIXELS, SIDE, TEN_CLASSES};
use super::{Description, Origin, Split, lines, mnist};

/// All of both.
pub static LINES_MNIST: Generated = Generated {
    description: Description {
        name: "lines-mnist",
        what: "lines and mnist together, with the same labels",
        train: lines::LINES.description.train + mnist::MNIST.description.train,
        test: lines::LINES.description.test + mnist::MNIST.description.test,
        ..LINES_MNIST_SEP.description
    },
    rule: "Every example of lines and every one of mnist with their labels, in uniformly random order.",
    drawn: true,
    split: overlapping,
};

/// Half the classes of each.
pub static LINES_MNIST_SEP: Generated = Generated {
    description: Description {
        name: "lines-mnist-sep",
        what: "lines of labels 0-4 and mnist of labels 5-9",
        // of lines, what the seed gives
        train: 30_096 + 29_404,
        test: 5_057 + 4_861,
        channels: 1,
        height: SIDE,
        width: SIDE,
        task: TEN_CLASSES,
        licence: mnist::MNIST.description.licence,
        citation: CITATION,
        origin: Origin::Generated,
        parents: &["lines", "mnist"],
    },
    rule: "The examples of lines with labels 0 to 4 and those of mnist with labels 5 to 9, in uniformly random order.",
    drawn: true,
    split: separate,
};

fn overlapping(making: &Making) -> Split {
    mixture(making, |_, _| true)
}

fn separate(making: &Making) -> Split {
    mixture(making, |parent, label| (label < 5) == (parent == 0))
}

/// Those examples of the parents that `keep(parent, label)` wants, in random order.
fn mixture(making: &Making, keep: impl Fn(usize, u8) -> bool) -> Split {
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (parent, images) in making.parents.iter().enumerate() {
        order.extend((0..images.len()).filter(|&i| keep(parent, images.labels[i])).map(|i| (parent, i)));
    }
    order.shuffle(&mut making.order());
    let mut pixels = vec![0; order.len() * PIXELS];
    pixels.par_chunks_exact_mut(PIXELS).zip(&order).for_each(|(image, &(parent, i))| {
        image.copy_from_slice(making.parents[parent].image(i));
    });
    let labels = order.iter().map(|&(parent, i)| making.parents[parent].labels[i]).collect();
    Split::grey(pixels, labels, SIDE, SIDE)
}

#[cfg(test)]
mod tests {
    use super::super::generated::tests::{images, make};
    use super::*;

    /// Each image with its label, in an order that does not depend on theirs.
    fn sorted<'a>(pixels: &'a [u8], labels: &'a [u8]) -> Vec<(&'a [u8], u8)> {
        let mut examples: Vec<_> = pixels.chunks(PIXELS).zip(labels.iter().copied()).collect();
        examples.sort_unstable();
        examples
    }

    #[test]
    fn nothing_is_lost_or_added() {
        let (first, second) = (images(100, 5), images(150, 6));
        let mut wanted = [sorted(&first.0, &first.1), sorted(&second.0, &second.1)].concat();
        wanted.sort_unstable();
        let set = make(&LINES_MNIST, false, 0, 42, &[&first, &second]);
        assert_eq!(sorted(set.pixels().unwrap(), set.classes().unwrap()), wanted);

        let mut wanted: Vec<_> = sorted(&first.0, &first.1).into_iter().filter(|(_, label)| *label < 5).collect();
        wanted.extend(sorted(&second.0, &second.1).into_iter().filter(|(_, label)| *label >= 5));
        wanted.sort_unstable();
        let separate = make(&LINES_MNIST_SEP, false, 0, 42, &[&first, &second]);
        assert_eq!(sorted(separate.pixels().unwrap(), separate.classes().unwrap()), wanted);
    }

    #[test]
    fn the_two_are_mixed() {
        let (first, second) = (images(500, 5), images(500, 6));
        let set = make(&LINES_MNIST, false, 0, 42, &[&first, &second]);
        let of_first =
            |pixels: &[u8]| pixels.chunks(PIXELS).filter(|i| first.0.chunks(PIXELS).any(|j| j == *i)).count();
        // hypergeometric: 250 ± 8
        assert!((210..290).contains(&of_first(&set.pixels().unwrap()[..500 * PIXELS])));
    }
}
