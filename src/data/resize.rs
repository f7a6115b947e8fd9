//! Shrinking images as scikit-image 0.15 does it: a Gaussian blur of the bytes, then linear interpolation.
//!
//! What matters for the result, and where it is from:
//!
//! * The blur is done on the array as it comes (`resize` of 0.15.0 calls `scipy.ndimage.gaussian_filter` before it
//!   converts to float), here of u8: each pass over an axis is truncated to integers. Later versions convert first.
//! * Standard deviation along an axis: `(factor − 1) / 2`. The kernel ends at `⌊4 σ + ½⌋`.
//! * Borders: scikit-image's `reflect` is SciPy's `mirror`, `d c b | a b c d | c b a`.
//! * Centres: output pixel `j` lies at `factor · (j + ½) − ½` of the input.
//!
//! Inferred, as the paper says none of it: that the authors used that version with its defaults, on bytes.

use rayon::prelude::*;

/// Images of `n` × `from` pixels (height, width), each shrunk to `to`. Returns `(n, height, width)`, 0 to 255, not
/// rounded.
///
/// # Panics
///
/// If `pixels` is not whole images, or `to` has a side of 0 or one that is longer than that of `from`.
pub fn shrink(pixels: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    assert!((0..2).all(|axis| (1..=from[axis]).contains(&to[axis])), "{from:?} cannot be shrunk to {to:?}");
    let (size, new_size) = (from[0] * from[1], to[0] * to[1]);
    assert!(pixels.len().is_multiple_of(size), "{} pixels are not whole images of {size}", pixels.len());
    let kernels = [0, 1].map(|axis| kernel((from[axis] as f64 / to[axis] as f64 - 1.0) / 2.0));
    let places = [0, 1].map(|axis| places(from[axis], to[axis]));
    let mut shrunk = vec![0.0; pixels.len() / size * new_size];
    shrunk.par_chunks_exact_mut(new_size).zip(pixels.par_chunks_exact(size)).for_each(|(shrunk, image)| {
        let mut image = image.to_vec();
        for column in 0..from[1] {
            blur(&mut image, column, from[1], from[0], &kernels[0]);
        }
        for row in 0..from[0] {
            blur(&mut image, row * from[1], 1, from[1], &kernels[1]);
        }
        let at = |row: usize, column: usize| f64::from(image[row * from[1] + column]);
        for (row, &(y, down)) in shrunk.chunks_exact_mut(to[1]).zip(&places[0]) {
            let below = (y + 1).min(from[0] - 1);
            for (value, &(x, right)) in row.iter_mut().zip(&places[1]) {
                let beside = (x + 1).min(from[1] - 1);
                let across = |row| at(row, x) * (1.0 - right) + at(row, beside) * right;
                *value = (across(y) * (1.0 - down) + across(below) * down) as f32;
            }
        }
    });
    shrunk
}

/// For each output pixel of an axis, the input pixel at or before its centre, and how far behind that it lies.
fn places(from: usize, to: usize) -> Vec<(usize, f64)> {
    let factor = from as f64 / to as f64;
    let place = |j| factor * (j as f64 + 0.5) - 0.5;
    (0..to).map(|j| (place(j).floor() as usize, place(j).fract())).collect()
}

/// Half of a Gaussian kernel, of sum 1: its weights at 0, 1, … `⌊4 σ + ½⌋`; 1 alone for σ = 0.
fn kernel(sigma: f64) -> Vec<f64> {
    if sigma == 0.0 {
        return vec![1.0];
    }
    let radius = (4.0 * sigma + 0.5) as usize;
    let mut kernel: Vec<f64> = (0..=radius).map(|x| (-0.5 / (sigma * sigma) * (x * x) as f64).exp()).collect();
    // small ones first: the last bit decides which pixels are cut off, and NumPy has it so
    let sum = kernel[0] + 2.0 * kernel[1..].iter().rev().sum::<f64>();
    kernel.iter_mut().for_each(|weight| *weight /= sum);
    kernel
}

/// Blurs the line of `len` pixels that begins at `start` with a pixel every `step`, and cuts off fractions.
fn blur(image: &mut [u8], start: usize, step: usize, len: usize, kernel: &[f64]) {
    let radius = kernel.len() - 1;
    if radius == 0 {
        return;
    }
    let period = (2 * (len - 1)).max(1);
    // mirrored at both ends, as often as the kernel reaches
    let line: Vec<f64> = (0..len + 2 * radius)
        .map(|i| {
            let i = (i + radius * (period - 1)) % period;
            f64::from(image[start + i.min(period - i).min(len - 1) * step])
        })
        .collect();
    for i in 0..len {
        let centre = i + radius;
        // SciPy's order of summation, from the outside in: the last bit decides what is cut off
        let sum = (1..=radius)
            .rev()
            .fold(line[centre] * kernel[0], |sum, x| sum + (line[centre - x] + line[centre + x]) * kernel[x]);
        image[start + i * step] = sum as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::super::generated::tests::images;
    use super::*;
    use serde::Deserialize;

    /// One image of `resize.json`, which `tests/data/resize.py` makes.
    #[derive(Deserialize)]
    struct Case {
        from: [usize; 2],
        to: [usize; 2],
        /// In hexadecimal.
        pixels: String,
        /// Four times the shrunk image: whole numbers, as all factors are 1, 2 or 4.
        shrunk_times_4: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct Reference {
        /// σ, and the whole kernel in hexadecimal.
        kernels: Vec<(f64, Vec<f64>)>,
        cases: Vec<Case>,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn pixels_are_those_of_scipy() {
        let reference: Reference = serde_json::from_str(include_str!("../../tests/data/resize.json")).unwrap();
        assert!(reference.cases.len() >= 8);
        for case in reference.cases {
            let found = shrink(&bytes(&case.pixels), case.from, case.to);
            let expected: Vec<f32> = case.shrunk_times_4.iter().map(|value| value / 4.0).collect();
            assert_eq!(found, expected, "{:?} to {:?}", case.from, case.to);
        }
        for (sigma, expected) in reference.kernels {
            let half = kernel(sigma);
            let found: Vec<f64> = half.iter().skip(1).rev().chain(&half).copied().collect();
            assert_eq!(found.len(), expected.len());
            // libraries differ in the last bit of exp
            let error = found.iter().zip(&expected).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max);
            assert!(error < 1e-15, "σ = {sigma}: {error:e}");
        }
    }

    /// One pixel after the other, each with its own mirrored neighbours: slow, and nothing like the above.
    #[test]
    fn a_slow_blur_agrees() {
        let (pixels, _) = images(1, 1);
        let (sigma, [height, width]) = (1.5_f64, [28_usize, 28]);
        let radius = 6_i64;
        let weight = |x: i64| (-((x * x) as f64) / (2.0 * sigma * sigma)).exp();
        let sum: f64 = (-radius..=radius).map(weight).sum();
        let mirrored = |i: i64, n: usize| {
            let last = n as i64 - 1;
            (if i < 0 {
                -i
            } else if i > last {
                2 * last - i
            } else {
                i
            }) as usize
        };
        let pass = |image: &[f64], vertical: bool| -> Vec<f64> {
            (0..height * width)
                .map(|at| {
                    let (y, x) = (at / width, at % width);
                    let value = |d: i64| match vertical {
                        true => image[mirrored(y as i64 + d, height) * width + x],
                        false => image[y * width + mirrored(x as i64 + d, width)],
                    };
                    ((-radius..=radius).map(|d| weight(d) / sum * value(d)).sum::<f64>() + 1e-9).floor()
                })
                .collect()
        };
        let blurred = pass(&pass(&pixels.iter().map(|&p| f64::from(p)).collect::<Vec<_>>(), true), false);
        for (i, value) in shrink(&pixels, [28, 28], [7, 7]).into_iter().enumerate() {
            let corner = (i / 7 * 4 + 1) * width + i % 7 * 4 + 1;
            let four = [0, 1, width, width + 1].map(|step| blurred[corner + step]);
            assert_eq!(f64::from(value), four.iter().sum::<f64>() / 4.0);
        }
    }

    #[test]
    fn one_colour_stays_and_the_same_size_changes_nothing() {
        for to in [[28, 14], [7, 7]] {
            assert_eq!(shrink(&[255; 784], [28, 28], to), vec![255.0; to[0] * to[1]]);
        }
        let (pixels, _) = images(2, 2);
        assert!(shrink(&pixels, [28, 28], [28, 28]).iter().zip(&pixels).all(|(a, &b)| *a == f32::from(b)));
        // kernels that reach over an image several times
        assert_eq!(shrink(&[9; 40], [20, 1], [1, 1]), [9.0, 9.0]);
    }
}
