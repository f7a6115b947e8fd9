//! The figures that reports show: their names, ranges, and which end of them is better.

use crate::names::nearest;

/// Which values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Small ones.
    Lower,
    /// Large ones.
    Higher,
}

/// A figure that reports show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FigureInfo {
    /// Its name in grid files, tables of runs and JSON.
    pub name: &'static str,
    /// Its name in pictures.
    pub label: &'static str,
    /// Least and greatest possible value.
    pub range: (f64, f64),
    /// `None` where neither end is better in itself.
    pub better: Option<Better>,
}

impl FigureInfo {
    /// Whether it is the share of examples that a network has right.
    pub fn is_accuracy(&self) -> bool {
        self.name.ends_with("accuracy")
    }
}

const fn figure(name: &'static str, label: &'static str, range: (f64, f64), better: Option<Better>) -> FigureInfo {
    FigureInfo { name, label, range, better }
}

const LOWER: Option<Better> = Some(Better::Lower);
const HIGHER: Option<Better> = Some(Better::Higher);
const SHARE: (f64, f64) = (0.0, 1.0);
const POSITIVE: (f64, f64) = (0.0, f64::INFINITY);
const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Those of an end state. λ_i: the i-th smallest eigenvalue of L_sym, of which the first is 0; the n-cut of k clusters is at
/// least the sum of the first k.
pub const FIGURES: [FigureInfo; 18] = [
    figure("ncut", "n-cut", POSITIVE, LOWER),
    figure("ncut_per_cluster", "n-cut per cluster", SHARE, LOWER),
    figure("null_mean", "mean n-cut of shuffles", POSITIVE, None),
    figure("null_sd", "sd of shuffles' n-cuts", POSITIVE, None),
    figure("z_score", "Z", ANY, LOWER),
    figure("p_value", "p", SHARE, LOWER),
    figure("train_accuracy", "training accuracy", SHARE, HIGHER),
    figure("test_accuracy", "test accuracy", SHARE, HIGHER),
    figure("train_loss", "training loss", ANY, LOWER),
    figure("test_loss", "test loss", POSITIVE, LOWER),
    figure("effective_clusters", "effective clusters", POSITIVE, HIGHER),
    figure("largest_share", "largest cluster's share", SHARE, LOWER),
    figure("modularity_q", "modularity Q", (-0.5, 1.0), HIGHER),
    figure("functional_clusters", "functional clusters", POSITIVE, HIGHER),
    figure("tag_agreement", "agreement of clusters and tags", (-0.5, 1.0), None),
    figure("lambda_2", "λ₂ of L_sym", (0.0, 2.0), LOWER),
    figure("lambda_3", "λ₃ of L_sym", (0.0, 2.0), LOWER),
    figure("lambda_4", "λ₄ of L_sym", (0.0, 2.0), LOWER),
];

/// Those of a run.
pub const RUN_FIGURES: [FigureInfo; 1] = [figure("ms_per_step", "ms of training per step", POSITIVE, LOWER)];

/// The end states of a run.
pub const STATES: [&str; 2] = ["unpruned", "pruned"];

/// Every name in a `report` section: `unpruned.ncut`, …, `pruned.lambda_4`, `ms_per_step`.
pub fn names() -> Vec<String> {
    let of_states =
        STATES.iter().flat_map(|state| FIGURES.iter().map(move |figure| format!("{state}.{}", figure.name)));
    of_states.chain(RUN_FIGURES.iter().map(|figure| figure.name.to_string())).collect()
}

/// What a name in a `report` section stands for: an end state, or `None` for the run itself, and a figure of it.
pub fn find(name: &str) -> Option<(Option<&'static str>, &'static FigureInfo)> {
    let Some((state, figure)) = name.split_once('.') else {
        return RUN_FIGURES.iter().find(|known| known.name == name).map(|figure| (None, figure));
    };
    let state = STATES.iter().find(|known| **known == state)?;
    FIGURES.iter().find(|known| known.name == figure).map(|figure| (Some(*state), figure))
}

/// What to write instead of a name that [`find`] does not know.
pub fn remedy(name: &str) -> String {
    if STATES.contains(&name) {
        return format!("did you mean '{name}.ncut'?");
    }
    let known = names();
    match nearest(name, &known.iter().map(String::as_str).collect::<Vec<_>>()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => {
            let figures: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
            format!("write unpruned. or pruned. and one of {}; or {}", figures.join(", "), RUN_FIGURES[0].name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_others_not() {
        assert!(names().iter().all(|name| find(name).is_some()));
        assert_eq!(
            find("pruned.test_loss").map(|(state, figure)| (state, figure.better)),
            Some((Some("pruned"), LOWER))
        );
        assert_eq!(find("ms_per_step").map(|(state, _)| state), Some(None));
        for name in ["ncut", "pruned.ms_per_step", "trained.ncut", ""] {
            assert!(find(name).is_none(), "{name}");
        }
        assert_eq!(remedy("pruned.ms_per_step"), "did you mean 'ms_per_step'?");
    }
}
