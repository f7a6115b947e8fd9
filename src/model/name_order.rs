//! What the names of layers say of their order.

use super::Format;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Compares names with runs of digits as numbers; ties, as of `1` and `01`, go by the plain order.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (a_parts, b_parts) = (parts(a), parts(b));
    for (x, y) in a_parts.iter().zip(&b_parts) {
        let digits = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
        let order = if digits(x) && digits(y) {
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a_parts.len().cmp(&b_parts.len()).then_with(|| a.cmp(b))
}

/// Splits between digits and other letters.
fn parts(name: &str) -> Vec<&str> {
    name.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .scan(0, |at, chunk| {
            let from = *at;
            *at += chunk.len();
            // Digits are ASCII, so these are boundaries of letters.
            Some(&name[from..*at])
        })
        .collect()
}

/// The runs of digits of a name: `[1, 2]` of `block1.conv2`.
pub(super) fn numbers(name: &str) -> Vec<&str> {
    parts(name).into_iter().filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).collect()
}

/// The name without its digits, which those of one sequence share: `block#.conv#`.
pub(super) fn pattern(name: &str) -> String {
    parts(name)
        .into_iter()
        .map(|part| if part.starts_with(|c: char| c.is_ascii_digit()) { "#" } else { part })
        .collect()
}

/// Whether the order in a file is that in which layers were made: its format keeps it, and nothing has sorted it otherwise, so that names of
/// one pattern come in the order of their numbers. Writers of safetensors sort by name.
pub(super) fn is_order_of_layers<'a>(format: Format, names: impl Iterator<Item = &'a str>) -> bool {
    let mut last: BTreeMap<String, &str> = BTreeMap::new();
    let mut ascends = |name: &'a str| {
        last.insert(pattern(name), name).is_none_or(|before| natural(before, name) != Ordering::Greater)
    };
    matches!(format, Format::PyTorch | Format::Npz) && names.into_iter().all(&mut ascends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_compare_as_numbers_and_letters_as_letters() {
        for (a, b) in [("l2", "l10"), ("2", "a"), ("l.1.b", "l.1.w"), ("l", "l1"), ("x01", "x1"), ("é2", "é11")] {
            assert_eq!((natural(a, b), natural(b, a)), (Ordering::Less, Ordering::Greater), "{a} {b}");
        }
    }

    #[test]
    fn an_order_that_breaks_numbers_is_no_order_of_layers() {
        let is = |names: &[&str]| is_order_of_layers(Format::PyTorch, names.iter().copied());
        assert!(is(&["stem", "block1.c2", "block2.c1", "head"]));
        assert!(!is(&["l.0", "l.10", "l.2"]));
        assert!(!is_order_of_layers(Format::SafeTensors, ["a", "b"].into_iter()));
    }
}
