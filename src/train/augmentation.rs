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
//! of the middle of the image, (h/2 − ½, w/2 − ½): so it was until 2020. An image turned by θ is thereby shifted too, by
//! up to 0.37 pixels at 15 degrees.
//!
//! The paper says "between 0 and 15 degrees"; its code turns both ways.
//!
//! Keras' generator gave the authors 390 steps an epoch for 50,000 images in batches of 128, whole batches only as they
//! count; here an epoch has all images, in 391 steps, the last of 80.
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
