//! Pictures of data sets: samples of each class, or maps of functions.

use std::io::BufWriter;
use std::path::Path;

use super::{Inputs, Split, Targets};
use crate::InputError;
use crate::aside::Aside;

/// Pixels between images, and around them.
const GAP: usize = 1;

/// Grey of the gaps, and of places for which a class has no image: seen against black and white images alike.
const GAP_GREY: u8 = 96;

/// A grey or coloured picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Values of a pixel: 1 of grey, 3 of red, green and blue.
    pub colours: usize,
    /// Shape `(height, width, colours)`, 0 dark to 255 bright.
    pub pixels: Vec<u8>,
}

/// The first `per_class` images of each class, as they come in `split`: class `c` of `classes` in row `c`, 1 pixel
/// apart. Three channels are colours; any other number stand side by side in grey. Of reals, 1 is white.
///
/// # Panics
///
/// If `split` has no classes.
///
/// ```
/// use ncut::data::{contact_sheet::contact_sheet, generated::SEED, load};
///
/// let sample = load("mnist-sample", "".as_ref(), SEED)?;
/// let sheet = contact_sheet(&sample.train, 12, sample.outputs());
/// assert_eq!((sheet.width, sheet.height), (12 * 29 + 1, 10 * 29 + 1));
/// # Ok::<(), ncut::InputError>(())
/// ```
pub fn contact_sheet(split: &Split, per_class: usize, classes: usize) -> ContactSheet {
    let labels = split.classes().expect("a split with classes");
    let colours = if split.channels == 3 { 3 } else { 1 };
    let size = [split.height, split.width * split.channels / colours];
    let mut sheet = ContactSheet::empty([classes, per_class], size, colours);
    for class in 0..classes {
        let of_class = (0..split.len()).filter(|&i| usize::from(labels[i]) == class);
        for (place, i) in of_class.take(per_class).enumerate() {
            sheet.put([class, place], size, &picture(split, i, colours));
        }
    }
    sheet
}

/// Image `i`, `(height, width, 3)` in colours, else `(height, channels · width)`.
fn picture(split: &Split, i: usize, colours: usize) -> Vec<u8> {
    let place = i * split.input_len()..(i + 1) * split.input_len();
    let values = match &split.inputs {
        Inputs::Pixels(pixels) => pixels[place].to_vec(),
        Inputs::Reals(reals) => reals[place].iter().map(|value| (value * 255.0).round() as u8).collect(),
    };
    let at = |channel: usize, y: usize, x: usize| values[(channel * split.height + y) * split.width + x];
    let (channels, height, width) = (split.channels, split.height, split.width);
    let rows = 0..height;
    if colours == 3 {
        rows.flat_map(|y| (0..3 * width).map(move |x| at(x % 3, y, x / 3))).collect()
    } else {
        rows.flat_map(|y| (0..channels * width).map(move |x| at(x / width, y, x % width))).collect()
    }
}

/// Cells of a map, a side.
const MAP: usize = 24;

/// Where a map ends: inputs from −2 to 2 in both directions.
const MAP_END: f32 = 2.0;

/// A map of each target over the plane of two inputs, `columns` in a row: the first input to the right, the second
/// upwards, each from −2 to 2 in 24 cells.
///
/// A cell is the mean of the target over the examples in it. Zero is mid-grey, and so is a cell without an example;
/// white and black are the largest absolute value of the target, the way there by its square root.
///
/// # Panics
///
/// If `split` is no regression of two inputs, or `columns` is 0.
pub fn target_maps(split: &Split, columns: usize) -> ContactSheet {
    let (Inputs::Reals(inputs), Targets::Reals { values, width: outputs }) = (&split.inputs, &split.targets) else {
        panic!("a regression");
    };
    assert_eq!(split.input_len(), 2, "inputs in a plane");
    let mut cells = vec![Vec::new(); MAP * MAP];
    for (i, point) in inputs.chunks_exact(2).enumerate() {
        let [x, y] = [0, 1].map(|axis| (point[axis] + MAP_END) / (2.0 * MAP_END) * MAP as f32);
        let inside = 0.0..MAP as f32;
        if inside.contains(&x) && inside.contains(&y) {
            cells[(MAP - 1 - y as usize) * MAP + x as usize].push(i);
        }
    }
    let mut sheet = ContactSheet::empty([outputs.div_ceil(columns), columns], [MAP, MAP], 1);
    for output in 0..*outputs {
        let mean = |examples: &Vec<usize>| {
            let sum: f32 = examples.iter().map(|i| values[i * outputs + output]).sum();
            sum / examples.len().max(1) as f32
        };
        let means: Vec<f32> = cells.iter().map(mean).collect();
        let largest = means.iter().fold(f32::MIN_POSITIVE, |largest, mean| largest.max(mean.abs()));
        let grey = |mean: &f32| (127.5 + 127.5 * mean.signum() * (mean.abs() / largest).sqrt()) as u8;
        let map: Vec<u8> = means.iter().map(grey).collect();
        sheet.put([output / columns, output % columns], [MAP, MAP], &map);
    }
    sheet
}

impl ContactSheet {
    /// Room for `rows` × `columns` images of one size.
    fn empty([rows, columns]: [usize; 2], [height, width]: [usize; 2], colours: usize) -> Self {
        let (height, width) = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP);
        Self { width, height, colours, pixels: vec![GAP_GREY; width * height * colours] }
    }

    /// Puts an image into its place; all have the same size.
    fn put(&mut self, [row, column]: [usize; 2], [height, width]: [usize; 2], image: &[u8]) {
        let corner = (GAP + row * (height + GAP)) * self.width + GAP + column * (width + GAP);
        for (y, line) in image.chunks_exact(width * self.colours).enumerate() {
            self.pixels[(corner + y * self.width) * self.colours..][..line.len()].copy_from_slice(line);
        }
    }

    /// Each pixel as a square of `factor` × `factor`, gaps too.
    pub fn enlarged(&self, factor: usize) -> Self {
        let (width, height, colours) = (self.width * factor, self.height * factor, self.colours);
        let pixels = (0..width * height).flat_map(|i| {
            let from = (i / width / factor * self.width + i % width / factor) * colours;
            &self.pixels[from..from + colours]
        });
        Self { width, height, colours, pixels: pixels.copied().collect() }
    }

    /// Writes the picture as PNG, 8 bits a value, in place of any file of that name.
    ///
    /// # Errors
    ///
    /// `path` cannot be written to, or the picture has more than 2³² − 1 pixels a side.
    pub fn write_png(&self, path: &Path) -> Result<(), InputError> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(InputError::new(path.display(), "is not the name of a file", "name a file, as samples.png"));
        };
        let (Ok(width), Ok(height)) = (u32::try_from(self.width), u32::try_from(self.height)) else {
            let problem = format!("cannot hold {} × {} pixels", self.width, self.height);
            return Err(InputError::new(path.display(), problem, "ask for fewer images"));
        };
        let mut aside = Aside::new(dir)?;
        let mut encoder = png::Encoder::new(BufWriter::new(aside.file()), width, height);
        encoder.set_color(if self.colours == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale });
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.pixels)?;
            writer.finish()
        });
        match written {
            Ok(()) => aside.rename(name),
            Err(png::EncodingError::IoError(e)) => Err(InputError::io(path, &e)),
            Err(e) => Err(InputError::new(path.display(), e, "ask for fewer images")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three images of 1 × 2 pixels: classes 1, 0, 1.
    fn split() -> Split {
        Split::grey(vec![1, 2, 3, 4, 5, 6], vec![1, 0, 1], 1, 2)
    }

    #[test]
    fn a_row_a_class_with_gaps() {
        const G: u8 = GAP_GREY;
        let sheet = contact_sheet(&split(), 2, 2);
        assert_eq!((sheet.width, sheet.height), (7, 5));
        #[rustfmt::skip]
        assert_eq!(sheet.pixels, [
            G, G, G, G, G, G, G,
            G, 3, 4, G, G, G, G,
            G, G, G, G, G, G, G,
            G, 1, 2, G, 5, 6, G,
            G, G, G, G, G, G, G,
        ]);
        assert_eq!(contact_sheet(&split(), 1, 2).width, 4);
        assert_eq!(contact_sheet(&split(), 0, 0).pixels, [G]);
    }

    #[test]
    fn reals_are_scaled_and_pixels_enlarged() {
        let split = Split { inputs: Inputs::Reals(vec![0.0, 0.2, 0.6, 1.0, 0.4, 0.8]), ..split() };
        let sheet = contact_sheet(&split, 1, 1);
        assert_eq!(sheet.pixels[5..7], [153, 255]);
        let twice = sheet.enlarged(2);
        assert_eq!((twice.width, twice.height), (8, 6));
        for (i, pixel) in twice.pixels.iter().enumerate() {
            assert_eq!(*pixel, sheet.pixels[i / 8 / 2 * 4 + i % 8 / 2]);
        }
    }

    #[test]
    fn channels_are_colours_or_side_by_side() {
        const G: u8 = GAP_GREY;
        // one image of 1 × 2 pixels
        let pixels = Inputs::Pixels(vec![1, 2, 3, 4, 5, 6]);
        let colours = Split { inputs: pixels, channels: 3, ..Split::grey(Vec::new(), vec![0], 1, 2) };
        let sheet = contact_sheet(&colours, 1, 1);
        assert_eq!((sheet.width, sheet.height, sheet.colours), (4, 3, 3));
        assert_eq!(sheet.pixels[12..24], [G, G, G, 1, 3, 5, 2, 4, 6, G, G, G]);
        let twice = sheet.enlarged(2);
        assert_eq!((twice.width, twice.height), (8, 6));
        assert_eq!(twice.pixels[3 * (8 * 3 + 2)..][..12], [1, 3, 5, 1, 3, 5, 2, 4, 6, 2, 4, 6]);

        let stack = Split { inputs: Inputs::Pixels(vec![1, 2, 3, 4]), channels: 2, ..colours };
        let sheet = contact_sheet(&stack, 1, 1);
        assert_eq!((sheet.width, sheet.height, sheet.colours), (6, 3, 1));
        assert_eq!(sheet.pixels[6..12], [G, 1, 2, 3, 4, G]);
    }

    #[test]
    fn maps_have_axes_and_signs() {
        // (x, y) and the targets x, y and 0 at the four corners and off the map
        let points = [[-1.99, -1.99], [1.99, -1.99], [-1.99, 1.99], [1.99, 1.99], [9.0, 9.0]];
        let split = Split {
            inputs: Inputs::Reals(points.concat()),
            targets: Targets::Reals { values: points.iter().flat_map(|[x, y]| [*x, *y, 0.0]).collect(), width: 3 },
            channels: 1,
            height: 1,
            width: 2,
        };
        let sheet = target_maps(&split, 2);
        assert_eq!((sheet.width, sheet.height), (2 * 25 + 1, 2 * 25 + 1));
        let corners = |row: usize, column: usize| {
            let at = |y: usize, x: usize| sheet.pixels[(1 + row * 25 + y) * 51 + 1 + column * 25 + x];
            [at(0, 0), at(0, 23), at(23, 0), at(23, 23), at(12, 12)]
        };
        assert_eq!(corners(0, 0), [0, 255, 0, 255, 127]);
        assert_eq!(corners(0, 1), [255, 255, 0, 0, 127]);
        assert_eq!(corners(1, 0), [127; 5]);
        assert_eq!(corners(1, 1), [GAP_GREY; 5]);
    }

    #[test]
    fn a_png_reader_finds_the_same_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.png");
        let grey = contact_sheet(&split(), 2, 2);
        let coloured = ContactSheet { width: 2, height: 1, colours: 3, pixels: vec![1, 2, 3, 4, 5, 6] };
        for (sheet, kind) in [(grey, png::ColorType::Grayscale), (coloured, png::ColorType::Rgb)] {
            sheet.write_png(&path).unwrap();
            let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
            let mut reader = png::Decoder::new(file).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width as usize, info.height as usize), (sheet.width, sheet.height));
            assert_eq!((info.color_type, pixels), (kind, sheet.pixels));
        }
    }

    #[test]
    fn places_that_cannot_be_written_to() {
        let sheet = contact_sheet(&split(), 2, 2);
        assert_eq!(sheet.write_png(Path::new("no/such/sheet.png")).unwrap_err().place, "no/such");
        assert!(sheet.write_png(Path::new("..")).unwrap_err().problem.contains("not the name of a file"));
    }
}
