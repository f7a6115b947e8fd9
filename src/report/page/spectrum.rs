//! The smallest eigenvalues of L_sym.

use crate::diagnosis::choice::{ChoiceOfK, ZERO};
use crate::measure::Measurement;
use std::fmt::Write;

/// The eigenvalues in their order: those of the clusters filled, and, where more clusters were looked at, the next ones hollow.
pub(super) fn spectrum(m: &Measurement, choice: Option<&ChoiceOfK>) -> String {
    const HEIGHT: f64 = 120.0;
    const STEP: f64 = 24.0;
    const LEFT: f64 = 40.0;
    let mut eigenvalues = m.eigenvalues.clone();
    // ln(λ_{k+1} / λ_k) of each k gives the next one
    for candidate in choice.iter().flat_map(|choice| &choice.candidates) {
        if candidate.clusters == eigenvalues.len() {
            eigenvalues.extend(eigenvalues.last().map(|last| last.max(ZERO) * candidate.eigengap.exp()));
        }
    }
    let most = eigenvalues.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let width = LEFT + STEP * eigenvalues.len() as f64;
    let mut svg = format!(
        "<figure><svg viewBox=\"0 0 {width} {}\" width=\"{width}\" role=\"img\" aria-label=\"the smallest eigenvalues of L_sym\">",
        HEIGHT + 24.0
    );
    let y = |value: f64| 8.0 + (HEIGHT - 8.0) * (1.0 - value / most);
    let _ = write!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{width}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\" stroke=\"var(--line)\"/>\
         <text x=\"{0}\" y=\"12\" text-anchor=\"end\">{most:.2}</text><text x=\"{0}\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text>",
        LEFT - 6.0
    );
    for (i, value) in eigenvalues.iter().enumerate() {
        let x = LEFT + STEP * (i as f64 + 0.5);
        let fill = if i < m.clusters { "var(--mark)" } else { "none" };
        let _ = write!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{fill}\" stroke=\"var(--mark)\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            y(*value),
            HEIGHT + 16.0,
            i + 1
        );
    }
    // the first is 0 in every graph, so the gap behind it says little
    let widest = (2..eigenvalues.len()).max_by(|&a, &b| {
        let gap = |i: usize| eigenvalues[i] - eigenvalues[i - 1];
        gap(a).total_cmp(&gap(b))
    });
    let listed: Vec<String> = eigenvalues.iter().map(|x| format!("{x:.4}")).collect();
    let gap = widest.map_or(String::new(), |i| format!("; the widest gap is after the first {i}"));
    let _ = writeln!(svg, "</svg><figcaption>{}{gap}</figcaption></figure>", listed.join(", "));
    svg
}
