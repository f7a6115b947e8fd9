//! Pictures as PNG, at twice their size, in a font that the program brings: the same on every machine.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{self, Options, Tree};
use std::sync::{Arc, LazyLock};

/// Pixels of the PNG to one of the SVG.
const SCALE: f32 = 2.0;
/// DejaVu Sans has mathematics, Greek and Cyrillic, and is as wide as any sans-serif: what fits in it fits in others.
const FAMILY: &str = "DejaVu Sans";

/// Why there is no PNG of a picture.
#[derive(Debug, thiserror::Error)]
pub enum PngError {
    /// It is no SVG.
    #[error(transparent)]
    Svg(#[from] usvg::Error),
    /// It has no pixels, or too many.
    #[error("cannot be drawn with {0} by {1} pixels")]
    Size(u32, u32),
    /// Compression failed.
    #[error(transparent)]
    Png(#[from] png::EncodingError),
}

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for font in [dejavu::sans::regular(), dejavu::sans::bold()] {
        fonts.load_font_source(Source::Binary(Arc::new(font)));
    }
    fonts.set_sans_serif_family(FAMILY);
    Arc::new(fonts)
});

/// `svg` as PNG, on white.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    let options = Options { fontdb: FONTS.clone(), font_family: FAMILY.into(), ..Options::default() };
    let tree = Tree::from_str(svg, &options)?;
    let (width, height) = ((SCALE * tree.size().width()).ceil() as u32, (SCALE * tree.size().height()).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or(PngError::Size(width, height))?;
    pixels.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    // every pixel is opaque
    let rgb: Vec<u8> = pixels.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pictures::labels::width;
    use crate::report::pictures::svg::{begin, text};

    fn picture(body: &str) -> Vec<u8> {
        png(&(begin("", 200.0, 40.0) + body + "</svg>\n")).unwrap()
    }

    /// Size, and for each row of pixels its colours.
    fn decoded(bytes: &[u8]) -> (u32, u32, Vec<[u8; 3]>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels.chunks_exact(3).map(|rgb| [rgb[0], rgb[1], rgb[2]]).collect())
    }

    #[test]
    fn a_rectangle_is_where_it_should_be_at_twice_the_size() {
        let bytes = picture("<rect x=\"10\" y=\"5\" width=\"20\" height=\"3\" fill=\"#0072B2\"/>");
        assert_eq!(bytes, picture("<rect x=\"10\" y=\"5\" width=\"20\" height=\"3\" fill=\"#0072B2\"/>"));
        let (width, height, pixels) = decoded(&bytes);
        assert_eq!((width, height), (400, 80));
        for (i, pixel) in pixels.iter().enumerate() {
            let (x, y) = (i % 400, i / 400);
            let inside = (20..60).contains(&x) && (10..16).contains(&y);
            assert_eq!(*pixel, if inside { [0x00, 0x72, 0xB2] } else { [255; 3] }, "({x}, {y})");
        }
        assert!(png("<svg").is_err());
    }

    /// Each has a form of its own, and none that of a character that the font lacks.
    #[test]
    fn the_font_has_the_characters_of_pictures_and_fits_the_room_they_are_given() {
        let drawn = |content: &str, bold: &str| {
            let mut body = String::new();
            text(&mut body, (5.0, 25.0), &format!(" font-size=\"15\" fill=\"#000\"{bold}"), content);
            decoded(&picture(&body)).2
        };
        let ink = |pixels: &[[u8; 3]]| pixels.iter().any(|pixel| pixel[0] < 128);
        for bold in ["", " font-weight=\"bold\""] {
            let lacking = drawn("\u{10fffd}", bold);
            let mut seen = vec![drawn("", bold)];
            assert!(!ink(&seen[0]));
            for c in "aZ09.−±λ₂₃₄÷×≥≤≈·–—…²".chars() {
                let pixels = drawn(&c.to_string(), bold);
                assert!(ink(&pixels) && pixels != lacking && !seen.contains(&pixels), "{c}");
                seen.push(pixels);
            }
        }
        for (content, size) in [("dataset=fashion-mnist", 15.0), ("p = .02 ×5", 15.0), ("λ₂ of L_sym ± 1 sd", 15.0)]
        {
            let pixels = drawn(content, "");
            let right =
                pixels.iter().enumerate().filter(|(_, pixel)| pixel[0] < 128).map(|(i, _)| i % 400).max().unwrap();
            assert!((right as f64) / 2.0 - 5.0 <= width(content, size), "{content}: {right}");
        }
    }
}
