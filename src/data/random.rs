//! Nothing to learn: random pixels with random labels.
//!
//! Pixels are uniform in 0 to 255, labels in 0 to 9, for training and testing alike: a network can learn them by heart
//! only.

use rand::{Rng, RngCore};
use rayon::prelude::*;

use super::generated::{CITATION, Generated, Making, OF_NUMBERS, PIXELS, SIDE, TEN_CLASSES};
use super::{Description, Origin, Split};

/// The data set. Table A.18 of the paper is of its first 3,000 training images.
pub static RANDOM: Generated = Generated {
    description: Description {
        name: "random",
        what: "random pixels with random labels",
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
    rule: "Pixels uniform in 0 to 255, labels uniform in 0 to 9, all independent.",
    drawn: true,
    split,
};

fn split(making: &Making) -> Split {
    let (mut pixels, mut labels) = (vec![0; making.count * PIXELS], vec![0; making.count]);
    pixels.par_chunks_exact_mut(PIXELS).zip(&mut labels).enumerate().for_each(|(i, (image, label))| {
        let mut rng = making.stream(i);
        rng.fill_bytes(image);
        *label = rng.gen_range(0..10);
    });
    Split::grey(pixels, labels, SIDE, SIDE)
}

#[cfg(test)]
mod tests {
    use super::super::generated::tests::make;
    use super::*;

    /// χ² of counts that are expected to be equal.
    fn chi_squared(counts: &[f64]) -> f64 {
        let expected = counts.iter().sum::<f64>() / counts.len() as f64;
        counts.iter().map(|n| (n - expected).powi(2) / expected).sum()
    }

    #[test]
    fn pixels_and_labels_are_uniform_and_independent() {
        let set = make(&RANDOM, false, 5_000, 42, &[]);
        let mut of_value = [0.0; 256];
        set.pixels().unwrap().iter().for_each(|&p| of_value[usize::from(p)] += 1.0);
        let mut of_label = [0.0; 10];
        set.classes().unwrap().iter().for_each(|&label| of_label[usize::from(label)] += 1.0);
        // mean and sd of χ² with f degrees: f and √(2 f)
        assert!(chi_squared(&of_value) < 255.0 + 5.0 * 22.6, "{}", chi_squared(&of_value));
        assert!(chi_squared(&of_label) < 9.0 + 5.0 * 4.3, "{of_label:?}");
        // neighbouring pixels: covariance 0 ± 5461 / √n
        let pixels: Vec<f64> = set.pixels().unwrap().iter().map(|&p| f64::from(p) - 127.5).collect();
        let covariance = pixels.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / pixels.len() as f64;
        assert!(covariance.abs() < 5.0 * 5461.0 / (pixels.len() as f64).sqrt(), "{covariance}");
    }
}
