//! The values of an axis: a list, or a rule that makes one.
//!
//! | written | values |
//! |---|---|
//! | `[0, 0.5]` | these |
//! | `{range: [start, stop, step]}` | start, start + step, …, below stop, as Python's `range`; step is 1 if left out |
//! | `{linspace: [first, last, count]}` | `count` evenly spaced ones, both ends among them |
//! | `{logspace: [first, last, count]}` | `count` with equal ratios, both ends (themselves, not their exponents) among them |

use super::yaml::{Content, Node};
use crate::InputError;
use crate::names::nearest;
use serde_json::Value;

/// The most values of an axis.
pub const MOST_VALUES: usize = 100_000;

const RULES: [&str; 3] = ["range", "linspace", "logspace"];

/// The values that `node` stands for, each at its place.
///
/// # Errors
///
/// It is no list and no rule, has no values, or more than [`MOST_VALUES`].
pub fn values(node: &Node) -> Result<Vec<Node>, InputError> {
    let values = match &node.content {
        Content::List(elements) => elements.clone(),
        Content::Map(entries) => match entries.as_slice() {
            [(key, bounds)] => {
                let at = |value| Node { at: bounds.at.clone(), content: Content::Scalar(value) };
                rule(&key.name, bounds).map(|values| values.into_iter().map(at).collect()).map_err(|problem| {
                    match problem {
                        Some((problem, remedy)) => bounds.error(problem, remedy),
                        None => {
                            let remedy = match nearest(&key.name, &RULES) {
                                Some(near) => format!("did you mean '{near}'?"),
                                None => format!("there are {}", RULES.join(", ")),
                            };
                            InputError::new(&key.at, format!("unknown rule '{}'", key.name), remedy)
                        }
                    }
                })?
            }
            _ => return Err(node.error("a rule for values has one key", format!("there are {}", RULES.join(", ")))),
        },
        other => {
            let remedy = "write a list of values in [ ], or put a single value below 'fixed'";
            return Err(node.error(format!("{} where a list of values should be", other.kind()), remedy));
        }
    };
    match values.len() {
        0 => Err(node.error("an axis without values", "give it one, or leave it out")),
        1..=MOST_VALUES => Ok(values),
        many => Err(node.error(format!("an axis of {many} values"), format!("use at most {MOST_VALUES}"))),
    }
}

type Problem = Option<(String, &'static str)>;

fn rule(name: &str, bounds: &Node) -> Result<Vec<Value>, Problem> {
    let form = match name {
        "range" => "write [start, stop, step]",
        "linspace" | "logspace" => "write [first, last, count]",
        _ => return Err(None),
    };
    let wrong = |problem: &str| Some((problem.to_string(), form));
    let Content::List(elements) = &bounds.content else { return Err(wrong("no list of numbers")) };
    let numbers: Vec<f64> = elements
        .iter()
        .map(|element| match &element.content {
            Content::Scalar(value) => value.as_f64(),
            _ => None,
        })
        .collect::<Option<_>>()
        .ok_or_else(|| wrong("no list of numbers"))?;
    let whole = numbers.iter().all(|x| x.fract() == 0.0);
    let values: Vec<f64> = match (name, numbers.as_slice()) {
        ("range", [_, _]) | ("range", [_, _, _]) => {
            let (start, stop, step) = (numbers[0], numbers[1], numbers.get(2).copied().unwrap_or(1.0));
            if step == 0.0 || (stop - start) / step <= 0.0 {
                return Err(Some((
                    "a range without values".into(),
                    "let it step from start towards stop, which it leaves out",
                )));
            }
            // 0.3 / 0.1 is 2.9999999999999996
            let count = ((stop - start) / step * (1.0 - 1e-12)).ceil();
            if count > MOST_VALUES as f64 {
                return Err(Some((format!("a range of {count} values"), "take larger steps")));
            }
            (0..count as usize).map(|i| start + i as f64 * step).collect()
        }
        ("linspace" | "logspace", [first, last, count]) => {
            if count.fract() != 0.0 || !(1.0..=MOST_VALUES as f64).contains(count) {
                return Err(wrong("the number of values is not a whole one from 1 to 100000"));
            }
            let step = |i: usize| if *count == 1.0 { 0.0 } else { i as f64 / (count - 1.0) };
            let between: Box<dyn Fn(f64) -> f64> = match name {
                "linspace" => Box::new(|t| first + t * (last - first)),
                _ if *first <= 0.0 || *last <= 0.0 => {
                    return Err(Some((
                        "a bound that is not positive".into(),
                        "give the values themselves, not their exponents",
                    )));
                }
                _ => Box::new(|t| (first.ln() + t * (last.ln() - first.ln())).exp()),
            };
            (0..*count as usize).map(|i| between(step(i))).collect()
        }
        _ => return Err(wrong("the wrong number of numbers")),
    };
    let number = |x: f64| match rounded(x) {
        x if (whole && name == "range" || x.fract() == 0.0) && x.abs() < 1e15 => Value::from(x as i64),
        x => Value::from(x),
    };
    Ok(values.into_iter().map(number).collect())
}

/// To 12 significant digits: 0.30000000000000004 was meant as 0.3, and its name is part of a directory's.
fn rounded(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::yaml::parse;
    use serde_json::json;

    #[test]
    fn rules_make_the_values_that_are_meant() {
        for (text, expected) in [
            ("[0, 0.5]", json!([0, 0.5])),
            ("{range: [0, 10, 2]}", json!([0, 2, 4, 6, 8])),
            ("{range: [3, 6]}", json!([3, 4, 5])),
            ("{range: [0, 0.5, 0.1]}", json!([0, 0.1, 0.2, 0.3, 0.4])),
            ("{range: [0, 0.3, 0.1]}", json!([0, 0.1, 0.2])),
            ("{range: [5, 0, -2]}", json!([5, 3, 1])),
            ("{linspace: [0, 1, 5]}", json!([0, 0.25, 0.5, 0.75, 1])),
            ("{linspace: [0.1, 0.7, 3]}", json!([0.1, 0.4, 0.7])),
            ("{logspace: [1e-5, 1e-1, 5]}", json!([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])),
        ] {
            let found: Value = values(&parse("f", text).unwrap()).unwrap().iter().map(Node::value).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn wrong_rules_are_explained() {
        for (text, part) in [
            ("[]", "without values"),
            ("0.5", "write a list of values in [ ]"),
            ("{rnage: [0, 1]}", "did you mean 'range'?"),
            ("{range: [0, 10, 0]}", "without values"),
            ("{range: [0, 10, -1]}", "without values"),
            ("{range: [0, 1e9]}", "larger steps"),
            ("{range: 5}", "[start, stop, step]"),
            ("{linspace: [0, 1]}", "[first, last, count]"),
            ("{logspace: [0, 1, 3]}", "not their exponents"),
            ("{linspace: [0, 1, 2.5]}", "whole"),
            ("{range: [0, 1], linspace: [0, 1, 2]}", "one key"),
        ] {
            let error = values(&parse("f", text).unwrap()).expect_err(text).to_string();
            assert!(error.starts_with("f:1:") && error.contains(part), "{text}: {error}");
        }
    }
}
