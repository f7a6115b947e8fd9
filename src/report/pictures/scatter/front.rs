//! Pareto fronts.

use crate::experiment::figure::Better;
use std::cmp::Ordering;

/// The places of the points that no other is better than: at least as good in both coordinates, and better in one. They
/// come in the order of their first coordinate, then of the second; of equal points all are there.
pub(super) fn front(points: &[(f64, f64)], x_better: Better, y_better: Better) -> Vec<usize> {
    let sign = |better| if better == Better::Lower { 1.0 } else { -1.0 };
    // the less the better
    let cost = |i: usize| (sign(x_better) * points[i].0, sign(y_better) * points[i].1);
    let order = |a: (f64, f64), b: (f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
    let mut places: Vec<usize> = (0..points.len()).collect();
    places.sort_by(|&a, &b| order(cost(a), cost(b)));
    // in this order a point is better than no point before it
    let mut best: Option<(f64, f64)> = None;
    places.retain(|&i| {
        let stays = best.is_none_or(|best| cost(i).1 < best.1 || order(cost(i), best) == Ordering::Equal);
        best = if stays { Some(cost(i)) } else { best };
        stays
    });
    places.sort_by(|&a, &b| order(points[a], points[b]).then(a.cmp(&b)));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    /// On a coarse lattice, so that ties and equal points are frequent.
    #[test]
    fn a_front_is_what_the_definition_says() {
        let mut rng = stream(0, Purpose::Shuffle, 1, 0);
        let both = [Better::Lower, Better::Higher];
        for i in 0..400 {
            let cells = rng.gen_range(1..30);
            let points: Vec<(f64, f64)> = (0..rng.gen_range(0..25))
                .map(|_| (f64::from(rng.gen_range(0..cells)), f64::from(rng.gen_range(0..cells))))
                .collect();
            let (x, y) = (both[i % 2], both[i / 2 % 2]);
            let as_good = |a: f64, b: f64, better| if better == Better::Lower { a <= b } else { a >= b };
            let beats = |a: (f64, f64), b: (f64, f64)| as_good(a.0, b.0, x) && as_good(a.1, b.1, y) && a != b;
            let wanted = (0..points.len()).filter(|&i| !points.iter().any(|other| beats(*other, points[i])));
            let found = front(&points, x, y);
            assert!(found.windows(2).all(|pair| points[pair[0]].0 <= points[pair[1]].0));
            let mut sorted = found;
            sorted.sort_unstable();
            assert_eq!(sorted, wanted.collect::<Vec<_>>(), "{points:?} {x:?} {y:?}");
        }
    }
}
