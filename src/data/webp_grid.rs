//! Many small colour pictures of one size as one: a lossless WebP picture, tiled row after row.
//!
//! # References
//!
//! * J. Zern, P. Massimino, J. Alakuijala (2024), *WebP Image Format*, RFC 9649.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image_webp::{DecodingError, WebPDecoder};

use crate::InputError;

/// The `count` pictures in the file at `path`, `(count, 3, height, width)`, u8: red, green, blue.
///
/// # Errors
///
/// The file cannot be read; it is no WebP picture, damaged, lossy, has transparency, or other than `count` pictures of
/// `(height, width)`. `remedy` ends what is told.
pub(super) fn read(
    path: &Path,
    [height, width]: [usize; 2],
    count: usize,
    remedy: &str,
) -> Result<Vec<u8>, InputError> {
    let fault = |problem: String| InputError::new(path.display(), problem, remedy);
    let damaged = |error: DecodingError| match error {
        DecodingError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            InputError::io(path, &error)
        }
        error => fault(format!("is no WebP picture, or a damaged one ({error})")),
    };
    let file = File::open(path).map_err(|error| InputError::io(path, &error))?;
    let mut decoder = WebPDecoder::new(BufReader::new(file)).map_err(damaged)?;
    if decoder.is_lossy() || decoder.has_alpha() || decoder.is_animated() {
        return Err(fault("is lossy, transparent or moving, so that pixels are not what they were".into()));
    }
    let (columns, rows) = decoder.dimensions();
    let [rows, columns] = [rows as usize, columns as usize];
    // before memory is taken for what it claims
    if !rows.is_multiple_of(height) || !columns.is_multiple_of(width) || rows * columns != count * height * width {
        let problem =
            format!("is a picture of {rows} × {columns} pixels, expected {count} of {height} × {width} in it");
        return Err(fault(problem));
    }
    let mut grid = vec![0; rows * columns * 3];
    decoder.read_image(&mut grid).map_err(damaged)?;
    let across = columns / width;
    let mut pixels = Vec::with_capacity(grid.len());
    for picture in 0..count {
        let corner = picture / across * height * columns + picture % across * width;
        for colour in 0..3 {
            for row in 0..height {
                let line = corner + row * columns;
                pixels.extend((line..line + width).map(|place| grid[3 * place + colour]));
            }
        }
    }
    Ok(pixels)
}
