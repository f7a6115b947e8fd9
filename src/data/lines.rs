//! LINES: how many columns of the image are white?
//!
//! Black images of 28 × 28 pixels with 1 to 10 white columns, the number drawn uniformly, then the columns, all different.
//! The label is the number of columns less one. Images may occur twice.

use rand::Rng;
use rand::seq::index::sample;
use rayon::prelude::*;

use super::generated::{CITATION, Generated, Making, OF_NUMBERS, PIXELS, SIDE, TEN_CLASSES};
use super::{Description, Origin, Split};

/// The data set.
pub static LINES: Generated = Generated {
    description: Description {
        name: "lines",
        what: "1 to 10 white columns on black, to be counted",
        train: 60_000,
        test: 10_000,
        channels: 1,
        height: SIDE,
        width: SIDE,
        task: TEN_CLASSES,
        licence: OF_NUMBERS,
        citation: CITATION,
        origin: Origin::Generated,
        parents: &[],
    },
    rule: "Each example: a number of lines drawn uniformly from 1 to 10, then as many different columns, of 255 over the \
           full height; the rest is 0. Label: the number of lines less one.",
    drawn: true,
    split,
};

fn split(making: &Making) -> Split {
    let (mut pixels, mut labels) = (vec![0; making.count * PIXELS], vec![0; making.count]);
    pixels.par_chunks_exact_mut(PIXELS).zip(&mut labels).enumerate().for_each(|(i, (image, label))| {
        let mut rng = making.stream(i);
        *label = rng.gen_range(0..10);
        for column in sample(&mut rng, SIDE, usize::from(*label) + 1) {
            image.iter_mut().skip(column).step_by(SIDE).for_each(|pixel| *pixel = 255);
        }
    });
    Split::grey(pixels, labels, SIDE, SIDE)
}

#[cfg(test)]
mod tests {
    use super::super::generated::tests::make;
    use super::*;

    #[test]
    fn labels_count_the_columns() {
        let set = make(&LINES, false, 20_000, 42, &[]);
        let (mut of_class, mut of_column) = ([0.0; 10], [0.0; SIDE]);
        for (image, &label) in set.pixels().unwrap().chunks(PIXELS).zip(set.classes().unwrap()) {
            let first = &image[..SIDE];
            assert!(image.chunks(SIDE).all(|row| row == first) && first.iter().all(|&p| p == 0 || p == 255));
            assert_eq!(first.iter().filter(|&&p| p == 255).count(), usize::from(label) + 1);
            of_class[usize::from(label)] += 1.0;
            (0..SIDE).filter(|&x| first[x] == 255).for_each(|x| of_column[x] += 1.0);
        }
        // 2000 ± 42 of a class; a column is white in 5.5 of 28: 3929 ± 56
        assert!(of_class.iter().all(|n| (n - 2000.0_f64).abs() < 5.0 * 42.0), "{of_class:?}");
        assert!(of_column.iter().all(|n| (n - 3929.0_f64).abs() < 5.0 * 56.0), "{of_column:?}");
    }

    #[test]
    fn a_shorter_set_is_the_head_of_a_longer_one() {
        let (short, long) = (make(&LINES, true, 10, 7, &[]), make(&LINES, true, 1000, 7, &[]));
        assert_eq!(short.classes().unwrap(), &long.classes().unwrap()[..10]);
        assert_eq!(short.pixels().unwrap(), &long.pixels().unwrap()[..10 * PIXELS]);
        assert_ne!(short, make(&LINES, false, 10, 7, &[]));
    }
}
