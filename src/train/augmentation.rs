//! Training images turned, shifted and mirrored at random, anew in each step.
//!
//! # Conventions
//!
//! Those of Keras' `ImageDataGenerator` with its defaults, which the paper's VGG was trained with. Of an image of `h` rows
//! and `w` columns the pixel (r, c) becomes what is at
//!
//! ```text
//! p = o + R(θ) ((r, c') + t − o)       R(θ) = [[cos θ, −sin θ], [sin θ, cos θ]],   o = (h/2 + ½, w/2 + ½)
//! ```
//!
//! of the original, interpolated linearly between its four neighbours, after p is brought to the nearest pixel of the
//! border if it is outside. `c'` is `c`, or `w − 1 − c` if the image is mirrored. `o` is one pixel down and to the right
//! of the middle of the image, (h/2 − ½, w/2 − ½): so it was in 2019 and 2020. An image turned by θ is thereby shifted too, by
//! up to 0.37 pixels at 15 degrees.
//!
//! The paper says "between 0 and 15 degrees"; its code turns both ways.
//!
//! The authors' epoch on CIFAR-10 is 50,000 / 128 = 390 steps, rounded down, of a generator whose way through all images has
//! 391 batches, the last of 80; here an epoch is that way, 391 steps.
//!
//! # References
//!
//! * F. Chollet and others, *Keras Preprocessing* 1.1.0 (2019), `ImageDataGenerator`.

use crate::rng::{Purpose, stream};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// What is done to training images; test images stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// Nothing.
    None,
    /// Turned by an angle uniform in ±15°, shifted by up to a tenth of the side along both axes, and mirrored, left to
    /// right, with probability 1/2: each image by random numbers of its own.
    Cifar,
}

/// Largest angle, in degrees.
const DEGREES: f64 = 15.0;

/// Largest shift along an axis, as a share of that side of the image.
const SHIFT: f64 = 0.1;

impl Augmentation {
    /// What training step `step` is given for `inputs`, both `(batch, channels · height · width)`, f32.
    ///
    /// The random numbers of a step come from its own stream of `seed`: the same on every device and after a restart.
    pub fn apply(self, inputs: Tensor, [channels, height, width]: [i64; 3], seed: u64, step: u64) -> Tensor {
        match self {
            Self::None => inputs,
            Self::Cifar => {
                let images = inputs.view([-1, channels, height, width]);
                let mut rng = stream(seed, Purpose::Augmentation, step, 0);
                let drawn: Vec<Transform> =
                    (0..images.size()[0]).map(|_| Transform::draw(height, width, &mut rng)).collect();
                transformed(&images, &drawn).view_as(&inputs)
            }
        }
    }
}

/// What one image undergoes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Transform {
    degrees: f64,
    /// Along the rows' and the columns' axis, in pixels: `t` above.
    shift: [f64; 2],
    mirrored: bool,
}

impl Transform {
    fn draw(height: i64, width: i64, rng: &mut impl Rng) -> Self {
        let degrees = rng.gen_range(-DEGREES..=DEGREES);
        let shift = [height, width].map(|side| rng.gen_range(-SHIFT..=SHIFT) * side as f64);
        Self { degrees, shift, mirrored: rng.gen_bool(0.5) }
    }

    /// Rows `(a, b, e)` of the map `p = a r + b c + e`, that of the row coordinate first.
    fn map(&self, height: i64, width: i64) -> [f64; 6] {
        let (sine, cosine) = self.degrees.to_radians().sin_cos();
        let centre = [height, width].map(|side| side as f64 / 2.0 + 0.5);
        let from = [self.shift[0] - centre[0], self.shift[1] - centre[1]];
        let row = |axis: usize, [a, b]: [f64; 2]| {
            let e = centre[axis] + (a * from[0] + b * from[1]);
            if self.mirrored { [a, -b, e + b * (width - 1) as f64] } else { [a, b, e] }
        };
        let ([a, b, e], [c, d, f]) = (row(0, [cosine, -sine]), row(1, [sine, cosine]));
        [a, b, e, c, d, f]
    }
}

/// `images` `(n, channels, height, width)`, each by its transform.
///
/// By sums, floors and gathers alone, so that a transform that does nothing changes no bit, and no run depends on the order
/// in which threads add.
fn transformed(images: &Tensor, transforms: &[Transform]) -> Tensor {
    let (n, channels, height, width) = images.size4().unwrap_or_else(|_| unreachable!("images have four extents"));
    let maps: Vec<f32> = transforms.iter().flat_map(|t| t.map(height, width)).map(|number| number as f32).collect();
    let options = (Kind::Float, images.device());
    let maps = Tensor::from_slice(&maps).view([n, 6, 1, 1]).to_device(images.device());
    let (row, column) = (Tensor::arange(height, options).view([1, height, 1]), Tensor::arange(width, options));
    // neighbours before and after along one axis, and the share of the latter, each (n, height, width)
    let place = |first: i64, side: i64| {
        let of_map = |number: i64| maps.select(1, first + number);
        let p = (of_map(0) * &row + of_map(1) * &column + of_map(2)).clamp(0.0, (side - 1) as f64);
        let before = p.floor();
        let after = (&before + 1.0).clamp_max((side - 1) as f64);
        let share = (p - &before).unsqueeze(1);
        (before, after, share)
    };
    let (above, below, down) = place(0, height);
    let (left, right, across) = place(3, width);
    let flat = images.reshape([n, channels, height * width]);
    let at = |row: &Tensor, column: &Tensor| {
        let index = (row * width as f64 + column).to_kind(Kind::Int64).view([n, 1, height * width]);
        flat.gather(2, &index.expand([n, channels, height * width], false), false).view_as(images)
    };
    let between = |before: Tensor, after: Tensor, share: &Tensor| &before + (after - &before) * share;
    let upper = between(at(&above, &left), at(&above, &right), &across);
    let lower = between(at(&below, &left), at(&below, &right), &across);
    between(upper, lower, &down)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tch::Device;

    const STILL: Transform = Transform { degrees: 0.0, shift: [0.0; 2], mirrored: false };

    /// `(n, channels, height, width)` of values in [0, 1).
    fn images([n, channels, height, width]: [i64; 4]) -> Tensor {
        let mut rng = stream(0, Purpose::DataSet, 0, 0);
        let values: Vec<f32> = (0..n * channels * height * width).map(|_| rng.r#gen()).collect();
        Tensor::from_slice(&values).view([n, channels, height, width])
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    /// The definition, pixel by pixel in f64: `image` `(channels, height, width)`.
    fn one_by_one(image: &[f32], [channels, height, width]: [usize; 3], transform: Transform) -> Vec<f64> {
        let theta = transform.degrees * std::f64::consts::PI / 180.0;
        let (o_row, o_column) = (height as f64 / 2.0 + 0.5, width as f64 / 2.0 + 0.5);
        let mut turned = Vec::new();
        for channel in 0..channels {
            let at = |r: usize, c: usize| f64::from(image[(channel * height + r) * width + c]);
            for r in 0..height {
                for c in 0..width {
                    let c = if transform.mirrored { width - 1 - c } else { c };
                    let (y, x) = (r as f64 - o_row + transform.shift[0], c as f64 - o_column + transform.shift[1]);
                    let y_turned = o_row + theta.cos() * y - theta.sin() * x;
                    let x_turned = o_column + theta.sin() * y + theta.cos() * x;
                    let (y, x) = (y_turned.clamp(0.0, height as f64 - 1.0), x_turned.clamp(0.0, width as f64 - 1.0));
                    let mut sum = 0.0;
                    for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                        let (row, column) = (y as usize + row, x as usize + column);
                        let weight = (1.0 - (y - row as f64).abs()) * (1.0 - (x - column as f64).abs());
                        if row < height && column < width {
                            sum += weight * at(row, column);
                        }
                    }
                    turned.push(sum);
                }
            }
        }
        turned
    }

    #[test]
    fn a_batch_is_its_images_one_by_one() {
        let batch = images([64, 3, 12, 9]);
        let mut rng = stream(1, Purpose::Augmentation, 5, 0);
        let drawn: Vec<Transform> = (0..64).map(|_| Transform::draw(12, 9, &mut rng)).collect();
        let found = values(&transformed(&batch, &drawn));
        for (i, (image, found)) in values(&batch).chunks(324).zip(found.chunks(324)).enumerate() {
            for (found, wanted) in found.iter().zip(one_by_one(image, [3, 12, 9], drawn[i])) {
                assert!((f64::from(*found) - wanted).abs() < 2e-5, "{:?}: {found} is not {wanted}", drawn[i]);
            }
        }
        // and that is what a step is given
        let flat = batch.view([64, 324]);
        let given = Augmentation::Cifar.apply(flat.shallow_clone(), [3, 12, 9], 1, 5);
        assert_eq!((given.size(), values(&given)), (flat.size(), found));
        assert_eq!(values(&Augmentation::None.apply(flat.shallow_clone(), [3, 12, 9], 1, 5)), values(&flat));
    }

    /// `tests/data/augmentation.py`: Keras itself.
    #[test]
    fn images_are_those_of_keras() {
        let of_keras: Value = serde_json::from_str(include_str!("../../tests/data/augmentation.json")).unwrap();
        let reals = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
        let image = Tensor::from_slice(&reals(&of_keras["pixels"])).to_kind(Kind::Float).view([1, 2, 8, 6]);
        for case in of_keras["cases"].as_array().unwrap() {
            let shift = reals(&case["shift"]);
            let transform = Transform {
                degrees: case["degrees"].as_f64().unwrap(),
                shift: [shift[0], shift[1]],
                mirrored: case["mirrored"].as_bool().unwrap(),
            };
            for (found, wanted) in values(&transformed(&image, &[transform])).into_iter().zip(reals(&case["pixels"])) {
                assert!((f64::from(found) - wanted).abs() < 1e-5, "{transform:?}: {found} is not {wanted}");
            }
        }
    }

    #[test]
    fn nothing_changes_no_bit_and_whole_pixels_stay_whole() {
        let batch = images([3, 2, 28, 32]);
        let mirrored = Transform { mirrored: true, ..STILL };
        let shifted = Transform { shift: [2.0, -3.0], ..STILL };
        let found = transformed(&batch, &[STILL, mirrored, shifted]);
        assert!(found.get(0).equal(&batch.get(0)));
        assert!(found.get(1).equal(&batch.get(1).flip([2])));
        // pixel (r, c) is what was at (r + 2, c − 3), or at the border
        let (rows, columns) =
            (Tensor::arange(28, (Kind::Int64, Device::Cpu)), Tensor::arange(32, (Kind::Int64, Device::Cpu)));
        let wanted =
            batch.get(2).index_select(1, &(rows + 2).clamp_max(27)).index_select(2, &(columns - 3).clamp_min(0));
        assert!(found.get(2).equal(&wanted));
    }

    #[test]
    fn draws_are_uniform_and_each_steps_own() {
        let draw = |step| {
            let mut rng = stream(3, Purpose::Augmentation, step, 0);
            (0..4000).map(|_| Transform::draw(20, 50, &mut rng)).collect::<Vec<_>>()
        };
        let drawn = draw(0);
        assert!(drawn == draw(0) && drawn != draw(1));
        // mean and sd of a uniform variable in ±b: 0 ± b/√3/63, and b/√3 within 2 %
        let check = |bound: f64, of: fn(&Transform) -> f64| {
            let mean = drawn.iter().map(of).sum::<f64>() / 4000.0;
            let sd = (drawn.iter().map(|t| of(t).powi(2)).sum::<f64>() / 4000.0).sqrt();
            assert!(drawn.iter().all(|t| of(t).abs() <= bound));
            assert!(mean.abs() < 0.04 * bound && (sd / bound * 3.0f64.sqrt() - 1.0).abs() < 0.04, "{mean} {sd}");
        };
        check(15.0, |t| t.degrees);
        check(2.0, |t| t.shift[0]);
        check(5.0, |t| t.shift[1]);
        // 2000 ± 32 (sd)
        assert!((1870..2130).contains(&drawn.iter().filter(|t| t.mirrored).count()));
    }
}
