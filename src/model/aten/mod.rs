//! What each operator of PyTorch (ATen) does with channels.

mod call;
mod names;

pub(super) use call::{Argument, Call};
pub(super) use names::{base, gives_list, is_identity, is_view, makes};

use crate::dataflow::Layout;
use crate::model::draft::{Draft, Extents, Operand, data};
use crate::model::dtype::Dtype;
use names::{is_pointwise, is_pooling, rearranges};

/// Why an operator cannot be followed, other than that no graph can be drawn through it.
pub(super) enum Fault {
    /// The network is quantised.
    Quantised,
}

/// Does a call; what it gives, one after the other: of a list all its elements, else the first result alone.
pub(super) fn apply(draft: &mut Draft, call: &Call) -> Result<Vec<Operand>, Fault> {
    let base = base(call.operator);
    if base.contains("quantize") && !base.starts_with("fake_quantize") || base.starts_with("_make_per_") {
        return Err(Fault::Quantised);
    }
    let operands = call.operands();
    let unsupported = |draft: &mut Draft| Ok(vec![draft.unsupported(call.site, "", &operands)]);
    if let Some(extents) = made(draft, call, base, operands.first()) {
        return Ok(vec![Operand::Computed(extents)]);
    }
    if operands.iter().all(|operand| data(operand).is_none()) && !rearranges(base) {
        return Ok(vec![Operand::Computed(None)]);
    }
    let Some(first) = operands.first() else { return Ok(vec![Operand::Computed(None)]) };
    if gives_list(base) {
        return Ok(split(draft, call, base, first));
    }
    let site = call.site;
    if (base.contains("conv") || base == "linear")
        && let Some(Operand::Constant(weight)) = call.operand(1, "weight")
        && matches!(draft.entry(weight).dtype, Dtype::Int(_) | Dtype::UInt(_))
    {
        return Err(Fault::Quantised);
    }
    let single = match base {
        "conv1d" | "conv2d" | "conv3d" | "convolution" | "_convolution" | "_convolution_mode" => {
            let forwards = matches!(
                call.get(6, "transposed"),
                None | Some(Argument::Absent | Argument::Bool(false) | Argument::Int(Some(0)))
            );
            let transposed = base.ends_with("convolution") && !forwards;
            let position = if base.ends_with("convolution") { 8 } else { 6 };
            let groups = call.int(position, "groups", 1).and_then(|groups| usize::try_from(groups).ok());
            match call.operand(1, "weight") {
                Some(weight) if !transposed => draft.convolution(site, first, weight, groups.unwrap_or(0)),
                _ => draft.unsupported(site, "that is transposed", &operands),
            }
        }
        "linear" => match call.operand(1, "weight") {
            Some(weight) => draft.dense(site, first, weight, Layout::OutIn),
            None => return unsupported(draft),
        },
        "addmm" => match (call.operand(1, "mat1"), call.operand(2, "mat2")) {
            (Some(input), Some(weight)) => draft.dense(site, input, weight, Layout::InOut),
            _ => return unsupported(draft),
        },
        "mm" | "matmul" => match operands.get(1) {
            Some(weight) => draft.dense(site, first, weight, Layout::InOut),
            None => return unsupported(draft),
        },
        "batch_norm"
        | "native_batch_norm"
        | "_native_batch_norm_legit"
        | "cudnn_batch_norm"
        | "_batch_norm_impl_index" => batch_norm(draft, call, first, call.bool(5, "training"), 7),
        "_native_batch_norm_legit_no_training" => batch_norm(draft, call, first, false, 6),
        "_batch_norm_with_update" | "_batch_norm_no_update" => {
            batch_norm(draft, call, first, base.ends_with("with_update"), 6)
        }
        "add" | "sub" | "subtract" | "rsub" | "mul" | "multiply" | "div" | "divide" | "true_divide" | "maximum"
        | "minimum" | "pow" | "gt" | "ge" | "lt" | "le" | "eq" | "ne" => arithmetic(draft, call, base, first),
        "max" | "min" if operands.len() == 2 => arithmetic(draft, call, base, first),
        "where" => draft.activation(site, &operands),
        "cat" | "concat" | "concatenate" => match call.int(1, "dim", 0) {
            Some(axis) => draft.concat(site, &operands, axis),
            None => return unsupported(draft),
        },
        "slice" => {
            let (axis, step) = (call.int(1, "dim", 0), call.int(4, "step", 1));
            match (axis, call.int(2, "start", 0), call.int(3, "end", i64::MAX), step) {
                (Some(axis), Some(start), Some(end), Some(step)) => draft.slice(site, first, axis, (start, end), step),
                _ => draft.unsupported(site, "at places that are computed", &operands),
            }
        }
        "narrow" => match (call.int(1, "dim", 0), call.int(2, "start", 0), call.int(3, "length", 0)) {
            (Some(axis), Some(start), Some(length)) if start >= 0 => {
                draft.slice(site, first, axis, (start, start.saturating_add(length)), 1)
            }
            _ => return unsupported(draft),
        },
        "select" => match (call.int(1, "dim", 0), call.int(2, "index", 0)) {
            (Some(axis), Some(index)) => draft.select(site, first, axis, index),
            _ => return unsupported(draft),
        },
        "flatten" => match (call.int(1, "start_dim", 0), call.int(2, "end_dim", -1)) {
            (Some(from), Some(to)) => draft.flatten(site, first, from, to),
            _ => return unsupported(draft),
        },
        "view" | "reshape" | "_unsafe_view" => {
            let target = call.ints(1, "size").or_else(|| call.ints(1, "shape"));
            draft.reshape(site, first, target.as_deref())
        }
        "squeeze" => match call.get(1, "dim") {
            None => draft.squeeze(site, first, None),
            Some(_) => match call.known(1, "dim") {
                Some(axes) => draft.squeeze(site, first, Some(&axes)),
                None => return unsupported(draft),
            },
        },
        "unsqueeze" => match call.int(1, "dim", 0) {
            Some(axis) => draft.unsqueeze(site, first, &[axis]),
            None => return unsupported(draft),
        },
        "permute" => match call.known(1, "dims") {
            Some(order) => draft.permute(site, first, Some(&order)),
            None => return unsupported(draft),
        },
        "t" | "numpy_T" | "mT" => draft.permute(site, first, None),
        "transpose" | "swapaxes" | "swapdims" => transpose(draft, call, first),
        "mean" | "sum" | "amax" | "amin" => {
            let axes = call.known(1, "dim");
            draft.reduce(site, first, axes.as_deref(), call.bool(2, "keepdim"))
        }
        "constant_pad_nd" | "pad" | "_pad_enum" => pad(draft, call, base, first),
        "softmax" | "_softmax" | "log_softmax" | "_log_softmax" | "softmin" => {
            draft.softmax(site, first, call.int(1, "dim", 0))
        }
        "expand" => draft.expand(site, first, call.ints(1, "size").as_deref()),
        "expand_as" => {
            let like = call.operand(1, "other").and_then(|other| draft.extents(other));
            let number = |extent: &Option<usize>| extent.and_then(|extent| i64::try_from(extent).ok());
            let like: Option<Vec<Option<i64>>> = like.map(|like| like.iter().map(number).collect());
            draft.expand(site, first, like.as_deref())
        }
        "type_as" | "to" | "_to_copy" | "clone" | "contiguous" | "detach" | "alias" | "lift_fresh_copy" | "float" => {
            if data(first).is_some() {
                draft.identity(site, first)
            } else {
                first.clone()
            }
        }
        _ if operands.iter().skip(1).any(|operand| data(operand).is_some()) => return unsupported(draft),
        _ if data(first).is_some() && is_pooling(base) => {
            // Pooling of one axis less than there are of pixels would take the channels for the first of them.
            let axes = base.split_once("d_").map_or(base, |(name, _)| name).trim_end_matches('d');
            let pixels = axes.chars().last().and_then(|digit| digit.to_digit(10)).map(|digit| digit as usize);
            match (pixels, draft.extents(first)) {
                (Some(pixels), Some(extents)) if pixels + 2 != extents.len() => {
                    draft.unsupported(site, "of an image without a batch axis", &operands)
                }
                _ => draft.pointwise(site, first, true),
            }
        }
        _ if base.ends_with("dropout") && data(first).is_some() => draft.identity(site, first),
        _ if data(first).is_some() && is_pointwise(base) => draft.pointwise(site, first, false),
        _ => return unsupported(draft),
    };
    Ok(vec![single])
}

fn batch_norm(draft: &mut Draft, call: &Call, first: &Operand, training: bool, epsilon: usize) -> Operand {
    match call.operand(4, "running_var") {
        Some(variance) if !training => {
            let epsilon = call.float(epsilon, "eps", 1e-5);
            draft.batch_norm(call.site, first, call.operand(1, "weight"), variance, epsilon)
        }
        _ => draft.unsupported(call.site, "in training mode", std::slice::from_ref(first)),
    }
}

fn arithmetic(draft: &mut Draft, call: &Call, base: &str, first: &Operand) -> Operand {
    let number = Operand::Numbers(vec![None]);
    let (left, right) = match (call.operand(0, "self"), call.operand(1, "other")) {
        (Some(left), Some(right)) => (left, right),
        (None, Some(right)) => (&number, right),
        (Some(left), None) => (left, call.operand(1, "exponent").unwrap_or(&number)),
        (None, None) => (first, &number),
    };
    let told = |position: usize, name: &str| match call.get(position, name) {
        Some(Argument::Float(number)) => Some(*number),
        Some(Argument::Int(number)) => number.map(|number| number as f64),
        _ => None,
    };
    match (base, data(left), data(right)) {
        ("add" | "sub" | "subtract" | "rsub", Some(_), Some(_)) => {
            // a + alpha b, or b - alpha a
            let scaled = |draft: &mut Draft, operand: &Operand| match call.get(2, "alpha") {
                None => operand.clone(),
                Some(_) => draft.times(call.site, operand, told(2, "alpha")),
            };
            let (left, right) = match base {
                "rsub" => (scaled(draft, left), right.clone()),
                _ => (left.clone(), scaled(draft, right)),
            };
            draft.sum(call.site, &left, &right)
        }
        ("mul" | "multiply", Some(_), None) if call.operand(1, "other").is_none() => {
            draft.times(call.site, left, told(1, "other"))
        }
        ("mul" | "multiply", None, Some(_)) if call.operand(0, "self").is_none() => {
            draft.times(call.site, right, told(0, "self"))
        }
        ("div" | "divide" | "true_divide", Some(_), None) if call.operand(1, "other").is_none() => {
            draft.times(call.site, left, told(1, "other").map(|number| 1.0 / number))
        }
        ("mul" | "multiply", ..) | (_, Some(_), Some(_)) => draft.product(call.site, left, right),
        ("div" | "divide" | "true_divide", ..) => draft.quotient(call.site, left, right),
        ("add" | "sub" | "subtract" | "rsub", Some(_), None) => draft.shifted(call.site, left, right),
        ("add" | "sub" | "subtract" | "rsub", ..) => draft.shifted(call.site, right, left),
        (_, Some(_), None) => draft.compared(call.site, left, right),
        _ => draft.compared(call.site, right, left),
    }
}

fn split(draft: &mut Draft, call: &Call, base: &str, first: &Operand) -> Vec<Operand> {
    let axis = call.int(2, "dim", 0);
    let extent = axis.and_then(|axis| {
        let extents = draft.extents(first)?;
        let axis = if axis < 0 { axis.checked_add_unsigned(extents.len() as u64)? } else { axis };
        i64::try_from((*extents.get(usize::try_from(axis).ok()?)?)?).ok()
    });
    let sizes = match base {
        "split_with_sizes" => call.known(1, "split_sizes"),
        "split" | "unsafe_split" => match (call.int(1, "split_size", 0), extent) {
            (Some(size), Some(extent)) if size > 0 => pieces(extent, size),
            // A list instead of a size.
            _ => call.known(1, "split_size"),
        },
        "chunk" | "unsafe_chunk" => match (call.int(1, "chunks", 0), extent) {
            (Some(parts), Some(extent)) if parts > 0 => {
                pieces(extent, (extent.saturating_add(parts - 1) / parts).max(1))
            }
            _ => None,
        },
        _ => None,
    };
    match (axis, sizes) {
        (Some(axis), Some(sizes)) => draft.split(call.site, first, axis, &sizes),
        // As many as anyone asks for.
        _ => vec![draft.unsupported(call.site, "into parts that cannot be told", std::slice::from_ref(first))],
    }
}

/// Sizes of the pieces of `size` that `extent` falls into.
fn pieces(extent: i64, size: i64) -> Option<Vec<i64>> {
    let count = extent / size + i64::from(extent % size != 0);
    (count <= 1 << 16).then(|| (0..count).map(|i| (extent - i * size).min(size)).collect())
}

fn transpose(draft: &mut Draft, call: &Call, first: &Operand) -> Operand {
    let rank = draft.extents(first).map_or(0, |extents| extents.len()) as i64;
    let normal = |axis: Option<i64>| axis.map(|axis| if axis < 0 { axis.saturating_add(rank) } else { axis });
    let mut order: Vec<i64> = (0..rank).collect();
    let axis = |position, name: &str, other: &str| match call.get(position, name).or_else(|| call.get(position, other))
    {
        Some(Argument::Int(axis)) => normal(*axis),
        _ => None,
    };
    match (axis(1, "dim0", "axis0"), axis(2, "dim1", "axis1")) {
        (Some(one), Some(other)) if (0..rank).contains(&one) && (0..rank).contains(&other) => {
            order.swap(one as usize, other as usize);
            draft.permute(call.site, first, Some(&order))
        }
        _ => draft.unsupported(call.site, "", std::slice::from_ref(first)),
    }
}

/// PyTorch names pairs of the last axis first.
fn pad(draft: &mut Draft, call: &Call, base: &str, first: &Operand) -> Operand {
    let pads = call.known(1, "pad").or_else(|| call.known(1, "padding"));
    let Some(pads) = pads else {
        return draft.unsupported(call.site, "by numbers that are computed", std::slice::from_ref(first));
    };
    // A tensor of unknown axes is an image.
    let rank = draft.extents(first).map_or(4, |extents| extents.len());
    let mut pairs: Vec<(i64, i64)> = pads.as_chunks::<2>().0.iter().map(|&[before, after]| (before, after)).collect();
    pairs.resize(rank.max(pairs.len()), (0, 0));
    pairs.reverse();
    let constant = match (base, call.get(2, "mode")) {
        ("constant_pad_nd", _) | ("pad", None) => true,
        ("pad", Some(Argument::Text(mode))) => mode == "constant",
        _ => false,
    };
    let position = if base == "pad" { 3 } else { 2 };
    draft.pad(call.site, first, &pairs, constant && call.float(position, "value", 0.0) == 0.0)
}

/// Axes of what is made out of numbers, where they are known; `None` of other operators.
fn made(draft: &Draft, call: &Call, base: &str, first: Option<&Operand>) -> Option<Option<Extents>> {
    if !makes(base) {
        return None;
    }
    let sizes = |position: usize| {
        let Some(Argument::Ints(sizes)) = call.get(position, "size") else { return None };
        Some(sizes.iter().map(|size| size.and_then(|size| usize::try_from(size).ok())).collect())
    };
    Some(match base {
        _ if base.ends_with("_like") => draft.extents(first?),
        _ if base.starts_with("new_") => sizes(1),
        "zeros" | "ones" | "full" | "empty" | "rand" | "randn" => sizes(0),
        "scalar_tensor" => Some(vec![]),
        "tensor" => matches!(call.get(0, "data"), Some(Argument::Int(_) | Argument::Float(_))).then(Vec::new),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataflow::Kind;
    use crate::model::draft::Site;

    /// What becomes of an image of 8 channels and 8 × 8 pixels.
    fn applied(operator: &str, arguments: Vec<(&str, Argument)>) -> Kind {
        let mut draft = Draft::new(&[]);
        let image = draft.input("x", Some(vec![Some(2), Some(8), Some(8), Some(8)]));
        let site = Site { name: "", operation: operator };
        let arguments = [("", Argument::Operand(image))].into_iter().chain(arguments).collect();
        let given = apply(&mut draft, &Call { site, operator, arguments }).unwrap_or_default();
        draft.finish(given.iter().filter_map(data).collect()).operations.pop().unwrap().kind
    }

    #[test]
    fn what_moves_pixels_to_channels_or_examples_is_refused() {
        let int = |value| Argument::Int(Some(value));
        let ints = |values: &[i64]| Argument::Ints(values.iter().map(|&value| Some(value)).collect());
        for (operator, arguments) in [
            ("swapaxes", vec![("axis0", int(1)), ("axis1", int(2))]),
            ("transpose", vec![("", int(1)), ("", int(-1))]),
            ("transpose", vec![]),
            ("reshape", vec![("", ints(&[-1, 8, 4, 4]))]),
            ("reshape", vec![("", ints(&[1, 8, 8, 16]))]),
            ("avg_pool3d", vec![("", ints(&[3, 1, 1]))]),
            ("adaptive_avg_pool3d", vec![("", ints(&[8, 4, 4]))]),
            ("max_pool1d_with_indices", vec![]),
            ("softmax", vec![("", int(-3))]),
        ] {
            let kind = applied(operator, arguments.clone());
            if operator == "softmax" {
                // refused where a layer reads it, which none does here
                assert_eq!(kind, Kind::Pointwise);
            } else {
                assert!(matches!(kind, Kind::Unsupported { .. }), "{operator} {arguments:?}: {kind:?}");
            }
        }
        for (operator, arguments) in [
            ("swapaxes", vec![("axis0", int(3)), ("axis1", int(2))]),
            ("reshape", vec![("", ints(&[-1, 8, 4, 16]))]),
            ("reshape", vec![("", ints(&[2, 8, -1]))]),
            ("avg_pool2d", vec![("", ints(&[3, 1]))]),
            ("max_pool2d_with_indices", vec![]),
            ("_upsample_bilinear2d_aa", vec![]),
        ] {
            assert_eq!(applied(operator, arguments), Kind::Pointwise, "{operator}");
        }
    }
}
