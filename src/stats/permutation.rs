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

/// Mean and standard deviation with ddof = 0; `None` of an empty slice.
pub fn mean_and_sd(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    Some((mean, variance.sqrt()))
}

/// `(network − mean) / sd` of the null distribution, sd with ddof = 0; negative is more clusterable than chance. `None`
/// without shuffles or without spread.
pub fn z_score(network: f64, null: &[f64]) -> Option<f64> {
    mean_and_sd(null).filter(|(_, sd)| *sd > 0.0).map(|(mean, sd)| (network - mean) / sd)
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
