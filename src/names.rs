//! The known name nearest to a mistaken one.

/// The name in `known` that `word` was probably meant to be, if any is near enough.
///
/// The only one that begins with `word`; else, near is at most two edits (see [`edits`]) for every five characters of the longer
/// name, upper and lower case being the same; failing that, a name that holds `word` or is held in it. Ties go to the
/// first.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = |name: &&&str| 5 * edits(&word, name) <= 2 * word.chars().count().max(name.chars().count());
    let holds = |name: &&&str| word.len() >= 3 && (name.contains(&word) || word.contains(**name));
    // begun, and not written out
    let mut begun = known.iter().filter(|name| word.len() >= 3 && name.starts_with(&word));
    if let (Some(name), None) = (begun.next(), begun.next()) {
        return Some(name);
    }
    let by_edits = known.iter().filter(near).min_by_key(|name| edits(&word, name));
    by_edits.or_else(|| known.iter().find(holds)).copied()
}

/// The fewest insertions, deletions, substitutions and exchanges of neighbours that make `b` of `a`, no letter being
/// edited twice (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, other) | (other, 0) => other,
                _ => {
                    let substituted = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let least = substituted.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let exchanged = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if exchanged { least.min(table[i - 2][j - 2] + 1) } else { least }
                }
            };
        }
    }
    table[a.len()][b.len()]
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
        assert_eq!(edits("tiem", "time"), 1);
        assert_eq!(edits("ca", "abc"), 3);
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
        let known = ["pruned.test_loss", "pruned.test_accuracy"];
        assert_eq!(nearest("pruned.test_acc", &known), Some("pruned.test_accuracy"));
    }
}
