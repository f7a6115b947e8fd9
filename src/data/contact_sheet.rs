//! A picture of samples of a data set.

use std::io::BufWriter;
use std::path::Path;

use super::Split;
use crate::InputError;
use crate::aside::Aside;

/// Pixels between images, and around them.
const GAP: usize = 1;

/// Grey of the gaps, and of places for which a class has no image: seen against black and white images alike.
const GAP_GREY: u8 = 96;

/// A grey picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// Columns, in pixels.
    pub width: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Grey values, shape `(height, width)`, 0 black to 255 white.
    pub pixels: Vec<u8>,
}

/// The first `per_class` images of each class, as they come in `split`: class `c` of `classes` in row `c`, 1 pixel
/// apart.
///
/// ```
/// use ncut::data::{contact_sheet::contact_sheet, load};
///
/// let sample = load("mnist-sample", "".as_ref())?;
/// let sheet = contact_sheet(&sample.train, 12, sample.classes);
/// assert_eq!((sheet.width, sheet.height), (12 * 29 + 1, 10 * 29 + 1));
/// # Ok::<(), ncut::InputError>(())
/// ```
pub fn contact_sheet(split: &Split, per_class: usize, classes: usize) -> ContactSheet {
    let (row_step, column_step) = (split.height + GAP, split.width + GAP);
    let (width, height) = (per_class * column_step + GAP, classes * row_step + GAP);
    let mut pixels = vec![GAP_GREY; width * height];
    for class in 0..classes {
        let of_class = (0..split.len()).filter(|&i| usize::from(split.labels[i]) == class);
        for (place, i) in of_class.take(per_class).enumerate() {
            let left = GAP + place * column_step;
            for (y, row) in split.image(i).chunks_exact(split.width).enumerate() {
                let start = (GAP + class * row_step + y) * width + left;
                pixels[start..start + split.width].copy_from_slice(row);
            }
        }
    }
    ContactSheet { width, height, pixels }
}

impl ContactSheet {
    /// Writes the picture as PNG, 8 bits of grey a pixel, in place of any file of that name.
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
        encoder.set_color(png::ColorType::Grayscale);
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
        Split { images: vec![1, 2, 3, 4, 5, 6], labels: vec![1, 0, 1], height: 1, width: 2 }
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
    fn a_png_reader_finds_the_same_pixels() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.png");
        let sheet = contact_sheet(&split(), 2, 2);
        sheet.write_png(&path).unwrap();
        let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (7, 5, png::ColorType::Grayscale));
        assert_eq!(pixels, sheet.pixels);
    }

    #[test]
    fn places_that_cannot_be_written_to() {
        let sheet = contact_sheet(&split(), 2, 2);
        assert_eq!(sheet.write_png(Path::new("no/such/sheet.png")).unwrap_err().place, "no/such");
        assert!(sheet.write_png(Path::new("..")).unwrap_err().problem.contains("not the name of a file"));
    }
}
