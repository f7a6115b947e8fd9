//! The header of an NPY file, as `numpy.save` writes it.

/// Everything before the data of a C-ordered array: `descr` is its type as `<f4`, `shape` its extents.
///
/// # References
///
/// * NumPy, `numpy.lib.format`, version 1.0 of the format.
pub(crate) fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let extents: String = shape.iter().map(|extent| format!("{extent},")).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    // The data begin at a multiple of 64 bytes, behind 10 of magic and a line break.
    text += &" ".repeat((64 - (10 + text.len() + 1) % 64) % 64);
    text.push('\n');
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat()
}
