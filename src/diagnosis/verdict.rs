//! What a measurement and its null ladder come to, in a sentence.

use super::ladder::Rung;
use crate::measure::Measurement;
use crate::stats::shuffle::NullModel;
use serde::{Deserialize, Serialize};

/// Warnings with which an n-cut does not speak of parts, the worst first: what to try.
const DEGENERATE: [(&str, &str); 4] = [
    ("unbalanced", "look at the volumes and Q; fewer clusters may be balanced, dead neurons may have to be dropped"),
    ("disconnected", "prune less, or look at what the pieces are: between them the n-cut is 0 by topology alone"),
    (
        "near-zero",
        "drop the small groups that hang on by tiny weights, or take those weights for zero (--least-weight)",
    ),
    (
        "near-isolated",
        "drop the small groups that hang on by tiny weights, or take those weights for zero (--least-weight)",
    ),
];

/// Which property explains the n-cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Explanation {
    /// It is lower than chance, but that of pieces or crumbs.
    Degenerate,
    /// It is no lower than that of the layers' weights shuffled, degenerate or not.
    NotClusterable,
    /// It is lower, but not than where neurons keep their numbers of edges.
    Degrees,
    /// It is, but not lower than where weights stay zero or not.
    Topology,
    /// It is, but not lower than where neurons keep what they send, or what they receive.
    Strengths,
    /// It is lower than under every null model that keeps its weights: it matters which neurons are joined, and how strongly.
    Beyond,
}

/// The sentence, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// For programs.
    pub explanation: Explanation,
    /// Whether the n-cut is free of pieces and crumbs, so that it speaks of the network as a whole.
    pub believable: bool,
    /// For people.
    pub message: String,
    /// What to try, where something is wrong.
    pub advice: Option<String>,
}

/// The verdict on `measurement` with its `ladder`.
pub(super) fn verdict(measurement: &Measurement, ladder: &[Rung]) -> Verdict {
    let explanation =
        explanation(|model| ladder.iter().find(|rung| rung.kind == model).is_none_or(|rung| rung.is_beaten));
    let warned = |code: &str| measurement.warnings.iter().find(|warning| warning.code == code);
    if let Some((warning, advice)) = DEGENERATE.iter().find_map(|(code, advice)| warned(code).map(|w| (w, advice))) {
        let (explanation, what) = match explanation {
            Explanation::NotClusterable => (explanation, "not more clusterable than chance, and not to be believed"),
            _ => (Explanation::Degenerate, "do not believe the n-cut"),
        };
        let message = format!("{what}: {}", warning.message);
        return Verdict { explanation, believable: false, message, advice: Some((*advice).into()) };
    }
    let message = match explanation {
        Explanation::Degenerate | Explanation::NotClusterable => {
            "not more clusterable than chance: its n-cut is no lower than that of its weights shuffled"
        }
        Explanation::Degrees => {
            "explained by degrees: more clusterable than its weights shuffled, but not than networks whose neurons have as many edges"
        }
        Explanation::Topology => {
            "explained by topology: which weights are left makes it clusterable; how large they are does not"
        }
        Explanation::Strengths => {
            "explained by strengths: how much single neurons send or receive makes it clusterable; between which of them does not"
        }
        Explanation::Beyond => {
            "clusterable beyond topology and strengths: lower than under all null models that keep its weights, so it matters which neurons are joined how strongly"
        }
    };
    Verdict { explanation, believable: true, message: message.into(), advice: None }
}

/// The first null model that is not beaten, in the order in which explanations are asked for: those of whole layers, then of neurons.
fn explanation(beats: impl Fn(NullModel) -> bool) -> Explanation {
    let steps = [
        (NullModel::Layer, Explanation::NotClusterable),
        (NullModel::Degrees, Explanation::Degrees),
        (NullModel::LayerNonzero, Explanation::Topology),
        (NullModel::Rows, Explanation::Strengths),
        (NullModel::Columns, Explanation::Strengths),
    ];
    steps.into_iter().find(|(model, _)| !beats(*model)).map_or(Explanation::Beyond, |(_, explanation)| explanation)
}
