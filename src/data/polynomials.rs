//! Regression: 512 polynomials of two variables at once.
//!
//! ```text
//! p_j(x, y) = Σ_t c_jt · x^a y^b      t = 3 a + b, a and b from 0 to 2; c_jt = bit 8 − t of j
//! ```
//!
//! Those with coefficients 0 and 1, all 2⁹ of them in lexicographic order: `p_0 = 0`, `p_1 = x² y²`, …, `p_256 = 1`.
//! Inputs are drawn from N(0, 1)²; targets are computed in f64 from the inputs as a network sees them (f32), and rounded
//! to f32. Nothing is scaled.

use rand::Rng;
use rayon::prelude::*;

use super::generated::{CITATION, Generated, Making, OF_NUMBERS};
use super::{Description, Inputs, Origin, Split, Targets, Task};

/// Monomials x^a y^b of degree up to 2 in each variable.
const TERMS: usize = 9;

/// Subsets of the monomials.
const POLYNOMIALS_COUNT: usize = 1 << TERMS;

/// The data set.
pub static POLYNOMIALS: Generated = Generated {
    description: Description {
        name: "polynomials",
        what: "x, y to 512 polynomials of degree up to 2 in each",
        train: 60_000,
        test: 10_000,
        channels: 1,
        height: 1,
        width: 2,
        task: Task::Regression { outputs: POLYNOMIALS_COUNT },
        licence: OF_NUMBERS,
        citation: CITATION,
        origin: Origin::Generated,
        parents: &[],
    },
    rule: "Inputs (x, y) from N(0, 1)^2. Target j, from 0 to 511: the sum of those of 1, y, y^2, x, xy, xy^2, x^2, x^2y, \
           x^2y^2 whose bit in j is 1, 1 having the highest bit.",
    drawn: true,
    split,
};

fn split(making: &Making) -> Split {
    let mut inputs = vec![0.0; making.count * 2];
    let mut values = vec![0.0; making.count * POLYNOMIALS_COUNT];
    let examples = inputs.par_chunks_exact_mut(2).zip(values.par_chunks_exact_mut(POLYNOMIALS_COUNT));
    examples.enumerate().for_each(|(i, (input, targets))| {
        let point = normal_pair(&mut making.stream(i)).map(|value| value as f32);
        input.copy_from_slice(&point);
        polynomials(point.map(f64::from), targets);
    });
    let targets = Targets::Reals { values, width: POLYNOMIALS_COUNT };
    Split { inputs: Inputs::Reals(inputs), targets, channels: 1, height: 1, width: 2 }
}

/// Every polynomial at `(x, y)`.
fn polynomials([x, y]: [f64; 2], values: &mut [f32]) {
    let powers = |base: f64| [1.0, base, base * base];
    let mut sums = [0.0; POLYNOMIALS_COUNT];
    for j in 1..POLYNOMIALS_COUNT {
        // one term more than a polynomial that is done
        let lowest = j.trailing_zeros() as usize;
        let term = TERMS - 1 - lowest;
        sums[j] = sums[j & (j - 1)] + powers(x)[term / 3] * powers(y)[term % 3];
        values[j] = sums[j] as f32;
    }
    values[0] = 0.0;
}

/// Two independent numbers from N(0, 1): Marsaglia's polar method.
///
/// # References
///
/// * G. Marsaglia, T. A. Bray (1964), *A convenient method for generating normal variables*, SIAM Review 6(3), 260-264.
fn normal_pair(rng: &mut impl Rng) -> [f64; 2] {
    loop {
        let [u, v] = [rng.gen_range(-1.0..1.0), rng.gen_range(-1.0..1.0)];
        let s: f64 = u * u + v * v;
        if s > 0.0 && s < 1.0 {
            let scale = (-2.0 * s.ln() / s).sqrt();
            return [u * scale, v * scale];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::generated::tests::make;
    use super::*;

    #[test]
    fn targets_are_the_polynomials_of_their_coefficients() {
        let [x, y] = [1.5, -0.75_f64];
        let mut found = vec![f32::NAN; POLYNOMIALS_COUNT];
        polynomials([x, y], &mut found);
        // lexicographic order, written as nested loops over the coefficients
        let terms = [1.0, y, y * y, x, x * y, x * y * y, x * x, x * x * y, x * x * y * y];
        for (j, &value) in found.iter().enumerate() {
            let digits = format!("{j:09b}");
            let sum: f64 = digits.chars().zip(terms).filter(|(digit, _)| *digit == '1').map(|(_, term)| term).sum();
            // numbers with few binary digits: exact in any order
            assert_eq!(f64::from(value), sum, "{digits}");
        }
        assert_eq!((found[0], found[256], found[1]), (0.0, 1.0, (x * x * y * y) as f32));
        assert_eq!((found[128], found[32], found[511]), (y as f32, x as f32, found[256] + found[255]));
    }

    #[test]
    fn inputs_are_normal() {
        let n = 50_000;
        let set = make(&POLYNOMIALS, false, n, 42, &[]);
        let Inputs::Reals(inputs) = &set.inputs else { panic!("reals expected") };
        let moment = |a: i32, b: i32| {
            let sum: f64 = inputs.chunks(2).map(|p| f64::from(p[0]).powi(a) * f64::from(p[1]).powi(b)).sum();
            sum / n as f64
        };
        // moments of N(0, 1)², each with its own standard error of 50,000: √(E[x^2a] E[x^2b] / n)
        for (a, b, wanted, sd) in [
            (1, 0, 0.0, 1.0),
            (0, 1, 0.0, 1.0),
            (1, 1, 0.0, 1.0),
            (2, 0, 1.0, 2.0_f64.sqrt()),
            (0, 2, 1.0, 2.0_f64.sqrt()),
            (4, 0, 3.0, 96.0_f64.sqrt()),
            (2, 2, 1.0, 8.0_f64.sqrt()),
        ] {
            let error = (moment(a, b) - wanted) / (sd / (n as f64).sqrt());
            assert!(error.abs() < 5.0, "E[x^{a} y^{b}] = {}", moment(a, b));
        }
        let within = inputs.iter().filter(|x| x.abs() < 1.0).count() as f64 / inputs.len() as f64;
        assert!((within - 0.682_689).abs() < 0.01, "{within}");
        let Targets::Reals { values, .. } = &set.targets else { panic!("reals expected") };
        let (x, y, last) = (f64::from(inputs[2]), f64::from(inputs[3]), f64::from(values[2 * POLYNOMIALS_COUNT - 1]));
        assert!((last / ((1.0 + x + x * x) * (1.0 + y + y * y)) - 1.0).abs() < 1e-6);
    }
}
