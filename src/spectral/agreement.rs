//! How far two clusterings of the same points agree.

/// The adjusted Rand index of two labellings, each `(n,)`: 1 if they are the same but for names, 0 on average for random ones of the same
/// sizes, at least −1/2. 1 too if there is nothing to tell apart: both put all points together, or each by itself.
///
/// ```text
/// ARI = (Σ C(n_ij, 2) − E) / ((Σ C(a_i, 2) + Σ C(b_j, 2)) / 2 − E),     E = Σ C(a_i, 2) · Σ C(b_j, 2) / C(n, 2)
/// ```
///
/// # Panics
///
/// If the labellings differ in length.
///
/// # References
///
/// * L. Hubert, P. Arabie (1985), *Comparing partitions*, Journal of Classification 2, Eq. (5).
///
/// # Examples
///
/// ```
/// use ncut::spectral::agreement::adjusted_rand_index;
/// assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 2, 2]), 1.0);
/// assert!((adjusted_rand_index(&[0, 0, 1, 1], &[0, 1, 0, 1]) + 0.5).abs() < 1e-15);
/// // the value of sklearn.metrics.adjusted_rand_score
/// assert!((adjusted_rand_index(&[0, 0, 1, 2], &[0, 0, 1, 1]) - 4.0 / 7.0).abs() < 1e-15);
/// ```
pub fn adjusted_rand_index(a: &[u32], b: &[u32]) -> f64 {
    assert_eq!(a.len(), b.len(), "labels of the same points");
    let pairs = |n: usize| (n * n.saturating_sub(1)) as f64 / 2.0;
    let classes = |labels: &[u32]| labels.iter().max().map_or(0, |most| *most as usize + 1);
    let columns = classes(b);
    let mut joint = vec![0usize; classes(a) * columns];
    a.iter().zip(b).for_each(|(&a, &b)| joint[a as usize * columns + b as usize] += 1);
    let rows = joint.chunks(columns.max(1)).map(|row| pairs(row.iter().sum())).sum::<f64>();
    let of_column = |column: usize| pairs(joint.iter().skip(column).step_by(columns).sum());
    let columns = (0..columns).map(of_column).sum::<f64>();
    let both = joint.iter().map(|n| pairs(*n)).sum::<f64>();
    let expected = if a.len() > 1 { rows * columns / pairs(a.len()) } else { 0.0 };
    let most = (rows + columns) / 2.0;
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}
