//! Networks beside the null distributions of their end states.

use crate::experiment::end_state::EndState;
use crate::experiment::grid::{Run, listed};
use crate::experiment::run::RunResult;
use crate::measure::{Measurement, NullInfo};

/// An end state of a run that has shuffles.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub(super) run: &'a Run,
    pub(super) measurement: &'a Measurement,
    pub(super) null: &'a NullInfo,
}

/// Beyond it, a value is none that an axis could show.
pub(super) const LARGEST: f64 = 1e100;

/// Whether an axis could show it.
pub(super) fn is_shown(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// The networks with shuffles, in the order of `results`, and the number of those that no axis could show.
pub(super) fn networks<'a>(results: &[(&'a Run, &'a RunResult)], state: &str) -> (Vec<Network<'a>>, usize) {
    let with_shuffles = |(run, result): &(&'a Run, &'a RunResult)| {
        let measurement = &end_state(result, state)?.measurement;
        let null = measurement.null.as_ref().filter(|null| !null.ncuts.is_empty())?;
        Some(Network { run, measurement, null })
    };
    let found: Vec<Network> = results.iter().filter_map(with_shuffles).collect();
    let all = found.len();
    let shown: Vec<Network> = found.into_iter().filter(Network::is_shown).collect();
    let lacking = all - shown.len();
    (shown, lacking)
}

fn end_state<'a>(result: &'a RunResult, state: &str) -> Option<&'a EndState> {
    if state == "unpruned" { Some(&result.unpruned) } else { result.pruned.as_ref() }
}

impl Network<'_> {
    fn is_shown(&self) -> bool {
        let Self { measurement, null, .. } = self;
        [measurement.ncut, null.mean, null.sd].into_iter().chain(null.ncuts.iter().copied()).all(is_shown)
    }

    /// The settings in which its condition differs, but for those called `without`; or its experiment.
    pub(super) fn condition(&self, without: &str) -> String {
        let given = self.run.condition.given().filter(|(name, _)| name != without);
        let given = listed(given);
        if given.is_empty() { self.run.experiment.to_string() } else { given }
    }
}

/// `p = .02`: two digits, or as many fewer as are zeros.
pub(super) fn p_text(p: f64) -> String {
    format!("p = {}", p_digits(p))
}

/// `.02`.
pub(super) fn p_digits(p: f64) -> String {
    if !(1e-6..1.0).contains(&p) {
        return if p == 1.0 { "1".into() } else { format!("{p:.1e}").replace('-', "−") };
    }
    let decimals = 1 - p.log10().floor() as i32;
    let text = format!("{p:.*}", decimals.unsigned_abs() as usize);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.strip_prefix('0').unwrap_or(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_short() {
        let cases = [
            (1.0 / 51.0, ".02"),
            (2.0 / 51.0, ".039"),
            (1.0 / 21.0, ".048"),
            (0.25, ".25"),
            (0.5, ".5"),
            (0.1, ".1"),
            (0.996, "1"),
            (1.0, "1"),
            (1.0 / 321.0, ".0031"),
            (1e-4, ".0001"),
            (2.5e-9, "2.5e−9"),
        ];
        for (p, text) in cases {
            assert_eq!(p_digits(p), text, "{p}");
        }
        assert_eq!(p_text(1.0 / 51.0), "p = .02");
    }
}
