//! SqueezeNet, by the names that torchvision gives it.

use super::{Tensors, pointwise};
use crate::InputError;
use crate::dataflow::{Dataflow, Kind};
use crate::model::name_order::natural;

/// A convolution, fire modules (one convolution that narrows, two side by side that widen), and a convolution of as many channels as there
/// are classes.
pub(super) fn dataflow(tensors: &Tensors) -> Result<(String, Dataflow), InputError> {
    let mut net = Dataflow::default();
    let input = net.push("input", Kind::Input, &[]);
    let mut value = tensors.convolution(&mut net, "features.0", input, None)?;
    let mut fires: Vec<&str> = tensors.by_name.keys().filter_map(|name| name.strip_suffix(".squeeze.weight")).collect();
    fires.sort_by(|a, b| natural(a, b));
    for fire in fires {
        value = pointwise(&mut net, value);
        value = tensors.convolution(&mut net, &format!("{fire}.squeeze"), value, None)?;
        let squeezed = pointwise(&mut net, value);
        let mut expand = |size: &str| {
            let value = tensors.convolution(&mut net, &format!("{fire}.expand{size}"), squeezed, None)?;
            Ok(pointwise(&mut net, value))
        };
        let expanded = [expand("1x1")?, expand("3x3")?];
        value = net.push(fire, Kind::Concat, &expanded);
    }
    value = pointwise(&mut net, value);
    value = tensors.convolution(&mut net, "classifier.1", value, None)?;
    net.outputs = vec![pointwise(&mut net, value)];
    Ok(("squeezenet".into(), net))
}
