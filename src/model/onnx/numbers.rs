//! Operators on whole numbers: exporters spell out how shapes are computed.

use super::messages::Node;
use crate::model::draft::Operand;

/// Elements that are followed; longer lists are no shapes.
const MAX_NUMBERS: usize = 256;

/// What an operator gives that takes no value that depends on the input; `numbers` are those of each operand, where known.
pub(super) fn evaluate(node: &Node, numbers: &[Option<Vec<Option<i64>>>]) -> Operand {
    let first = numbers.first().cloned().flatten();
    let found = match node.operator.as_str() {
        "Constant" => {
            let single = node.int("value_int").map(|value| vec![Some(value)]);
            let many = || node.ints("value_ints").map(|values| values.iter().map(|&value| Some(value)).collect());
            let fraction = || node.float("value_float").map(|_| vec![None]);
            single.or_else(many).or_else(fraction)
        }
        "Identity" | "Cast" | "CastLike" | "Squeeze" | "Unsqueeze" | "Reshape" | "Flatten" => first,
        "Concat" => numbers.iter().cloned().collect::<Option<Vec<_>>>().map(|parts| parts.concat()),
        "Gather" => gather(first, numbers.get(1)),
        "Slice" => slice(node, first, numbers),
        "Add" => combine(numbers, i64::checked_add),
        "Sub" => combine(numbers, i64::checked_sub),
        "Mul" => combine(numbers, i64::checked_mul),
        "Div" => combine(numbers, |one, other| one.checked_div(other)),
        "Neg" | "Floor" | "Ceil" | "Abs" | "Where" | "Mod" | "Max" | "Min" => first.map(|n| vec![None; n.len()]),
        "ReduceProd" | "ReduceSum" | "Size" => Some(vec![None]),
        _ => None,
    };
    found.filter(|found| found.len() <= MAX_NUMBERS).map_or(Operand::Computed(None), Operand::Numbers)
}

fn gather(list: Option<Vec<Option<i64>>>, indices: Option<&Option<Vec<Option<i64>>>>) -> Option<Vec<Option<i64>>> {
    let list = list?;
    let place = |index: i64| {
        let index = if index < 0 { index.checked_add_unsigned(list.len() as u64)? } else { index };
        list.get(usize::try_from(index).ok()?).copied()
    };
    indices?.as_ref()?.iter().map(|&index| place(index?)).collect()
}

fn slice(
    node: &Node,
    list: Option<Vec<Option<i64>>>,
    numbers: &[Option<Vec<Option<i64>>>],
) -> Option<Vec<Option<i64>>> {
    let list = list?;
    let argument = |name: &str, position: usize| match node.ints(name) {
        Some(values) => values.first().copied(),
        None => *numbers.get(position)?.as_ref()?.first()?,
    };
    if argument("steps", 4).is_some_and(|step| step != 1) {
        return None;
    }
    let place = |position: i64| {
        let length = list.len() as i64;
        (if position < 0 { position.saturating_add(length) } else { position }).clamp(0, length) as usize
    };
    Some(list.get(place(argument("starts", 1)?)..place(argument("ends", 2)?))?.to_vec())
}

/// Element by element; a single number goes with each of many.
fn combine(
    numbers: &[Option<Vec<Option<i64>>>],
    operation: impl Fn(i64, i64) -> Option<i64>,
) -> Option<Vec<Option<i64>>> {
    let [Some(one), Some(other)] = numbers else { return None };
    let length = one.len().max(other.len());
    if [one, other].iter().any(|list| list.len() != length && list.len() != 1) {
        return None;
    }
    let element = |list: &[Option<i64>], i: usize| list[if list.len() == 1 { 0 } else { i }];
    Some((0..length).map(|i| operation(element(one, i)?, element(other, i)?)).collect())
}
