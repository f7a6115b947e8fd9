//! The known name nearest to a mistaken one.

/// The name in `known` that `word` was probably meant to be, if any is near enough.
///
/// Near is at most two edits (see [`edits`]; two exchanged letters are two) for every five characters of the longer
/// name, upper and lower case being the same; failing that, a name that holds `word` or is held in it. Ties go to the
/// first.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = |name: &&&str| 5 * edits(&word, name) <= 2 * word.chars().count().max(name.chars().count());
    let holds = |name: &&&str| word.len() >= 3 && (name.contains(&word) || word.contains(**name));
    let by_edits = known.iter().filter(near).min_by_key(|name| edits(&word, name));
    by_edits.or_else(|| known.iter().find(holds)).copied()
}

/// Levenshtein distance: the fewest insertions, deletions and substitutions of a character that make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_of_textbook_pairs() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("flaw", "lawn"), 2);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }

    #[test]
    fn near_names_are_found_and_far_ones_not() {
        let known = ["mnist-sample", "mnist", "fashion-mnist"];
        for (word, name) in [("mnits", "mnist"), ("MNIST", "mnist"), ("fashion", "fashion-mnist"), ("fmnist", "mnist")]
        {
            assert_eq!(nearest(word, &known), Some(name), "{word}");
        }
        for word in ["cifar-10", "", "is", "lines"] {
            assert_eq!(nearest(word, &known), None, "{word}");
        }
    }
}
