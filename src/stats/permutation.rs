//! A network against its shuffles.

/// One-sided p-value that the network is not more clusterable than its shuffles: `(r + 1) / (n + 1)` with r the number
/// of shuffles whose n-cut is strictly below the network's. At least `1 / (n + 1)`.
///
/// # References
///
/// * B. North, D. Curtis, P. Sham (2002), *A note on the calculation of empirical P values from Monte Carlo
///   procedures*, Am. J. Hum. Genet. 71(2). Ties count for the network, as in the paper's code.
///
/// # Examples
///
/// ```
/// use ncut::stats::permutation::p_value;
/// let null: Vec<f64> = (0..100).map(f64::from).collect();
/// assert_eq!(p_value(0.0, &null), 1.0 / 101.0);
/// assert_eq!(p_value(1.0, &null), 2.0 / 101.0);
/// assert_eq!(p_value(101.0, &null), 1.0);
/// ```
pub fn p_value(network: f64, null: &[f64]) -> f64 {
    let below = null.iter().filter(|&&shuffle| shuffle < network).count();
    (below + 1) as f64 / (null.len() + 1) as f64
}

/// The level of tests: p below this.
pub const LEVEL: f64 = 0.05;

/// As [`p_value`], but ties count against the network, as what rounding may have told apart does: `r` is the number of shuffles that are at
/// most a billionth above it. Valid whatever the distribution, where [`p_value`] is not if shuffles are often alike.
///
/// # Examples
///
/// ```
/// use ncut::stats::permutation::{p_value, valid_p_value};
/// assert_eq!((p_value(1.0, &[1.0; 49]), valid_p_value(1.0, &[1.0; 49])), (0.02, 1.0));
/// assert_eq!(valid_p_value(0.9, &[1.0; 49]), 0.02);
/// ```
pub fn valid_p_value(network: f64, null: &[f64]) -> f64 {
    const ALIKE: f64 = 1e-9;
    p_value(network + ALIKE * network.abs().max(f64::MIN_POSITIVE), null)
}

/// The p-value of a sequence of shuffles that ended with the `lower`-th one below the network: `lower / shuffles`. It is exact
/// too: no more often than p is it at most p when the network is no more clusterable than its shuffles. Its relative
/// standard error is about `√((1 − p) / lower)`.
///
/// # References
///
/// * J. Besag, P. Clifford (1991), *Sequential Monte Carlo p-values*, Biometrika 78(2).
pub fn sequential_p_value(lower: usize, shuffles: usize) -> f64 {
    lower as f64 / shuffles as f64
}

/// The exact 95 % interval of a proportion of which `hits` of `trials` were seen (Clopper and Pearson): with r of n shuffles below the
/// network, of the p that infinitely many would show.
///
/// # References
///
/// * C. Clopper, E. Pearson (1934), *The use of confidence or fiducial limits illustrated in the case of the binomial*,
///   Biometrika 26(4).
///
/// # Examples
///
/// ```
/// use ncut::stats::permutation::proportion_interval;
/// // none of 50: from 0 to 1 − 0.025^(1/50)
/// let (low, high) = proportion_interval(0, 50);
/// assert!(low == 0.0 && (high - (1.0 - 0.025f64.powf(1.0 / 50.0))).abs() < 1e-12);
/// // scipy.stats.binomtest(3, 20).proportion_ci()
/// let (low, high) = proportion_interval(3, 20);
/// assert!((low - 0.03207094).abs() < 1e-8 && (high - 0.37892683).abs() < 1e-8);
/// ```
pub fn proportion_interval(hits: usize, trials: usize) -> (f64, f64) {
    const TAIL: f64 = 0.025;
    // P(X ≤ x) of a binomial variable, falling in its probability
    let at_most = |x: usize, probability: f64| -> f64 {
        let odds = (probability / (1.0 - probability)).ln();
        let mut log = trials as f64 * (-probability).ln_1p();
        let mut sum = log.exp();
        for i in 1..=x {
            log += ((trials - i + 1) as f64 / i as f64).ln() + odds;
            sum += log.exp();
        }
        sum
    };
    let solve = |x: usize, wanted: f64| {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if at_most(x, middle) > wanted { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    };
    let low = if hits == 0 { 0.0 } else { solve(hits - 1, 1.0 - TAIL) };
    let high = if hits >= trials { 1.0 } else { solve(hits, TAIL) };
    (low, high)
}

/// The least false discovery rate at which each of some tests would be called significant, in their order (Benjamini and Hochberg):
/// `q_i = min over the tests with p ≥ p_i of p · m / rank`, at most 1.
///
/// # References
///
/// * Y. Benjamini, Y. Hochberg (1995), *Controlling the false discovery rate*, J. R. Stat. Soc. B 57(1).
///
/// # Examples
///
/// ```
/// use ncut::stats::permutation::false_discovery_rates;
/// // scipy.stats.false_discovery_control
/// let rates = false_discovery_rates(&[0.01, 0.04, 0.03, 0.2]);
/// for (rate, expected) in rates.iter().zip([0.04, 0.16 / 3.0, 0.16 / 3.0, 0.2]) {
///     assert!((rate - expected).abs() < 1e-15);
/// }
/// ```
pub fn false_discovery_rates(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let mut rates = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (place, &test) in order.iter().enumerate() {
        least = least.min(p_values[test] * p_values.len() as f64 / (p_values.len() - place) as f64);
        rates[test] = least;
    }
    rates
}

/// Mean and standard deviation with ddof = 0; `None` of an empty slice. Of equal values they are exact.
pub fn mean_and_sd(values: &[f64]) -> Option<(f64, f64)> {
    let first = values.first()?;
    // their sum is rounded, and a deviation that is none would be a Z without bounds
    if values.iter().all(|value| value == first) {
        return Some((*first, 0.0));
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}

/// `(network − mean) / sd` of the null distribution, sd with ddof = 0; negative is more clusterable than chance. `None`
/// without shuffles or without spread but that of rounding.
pub fn z_score(network: f64, null: &[f64]) -> Option<f64> {
    const ROUNDING: f64 = 1e-13;
    mean_and_sd(null).filter(|(mean, sd)| *sd > ROUNDING * mean.abs()).map(|(mean, sd)| (network - mean) / sd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn z_uses_the_population_sd() {
        assert_eq!(z_score(1.0, &[2.0, 4.0]), Some(-2.0));
        assert_eq!(z_score(1.0, &[2.0, 2.0]), None);
        assert_eq!(z_score(1.0, &[]), None);
    }
}
