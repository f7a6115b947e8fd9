//! Inception v3, by the names that torchvision and timm give it.

use super::{Tensors, pointwise};
use crate::InputError;
use crate::dataflow::{Dataflow, Kind, Value};

const EPSILON: f64 = 1e-3;

/// Convolutions with batch normalisation, joined as in C. Szegedy et al. (2016), *Rethinking the Inception Architecture for Computer
/// Vision*. The auxiliary head has no part in the output.
pub(super) fn dataflow(tensors: &Tensors) -> Result<(String, Dataflow), InputError> {
    let mut network = Inception { tensors, net: Dataflow::default() };
    let mut value = network.net.push("input", Kind::Input, &[]);
    value = network.path("", &["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"], value)?;
    value = pointwise(&mut network.net, value);
    value = network.path("", &["Conv2d_3b_1x1", "Conv2d_4a_3x3"], value)?;
    value = pointwise(&mut network.net, value);
    for name in ["Mixed_5b", "Mixed_5c", "Mixed_5d"] {
        let paths: &[&[&str]] = &[
            &["branch1x1"],
            &["branch5x5_1", "branch5x5_2"],
            &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"],
            &["branch_pool"],
        ];
        value = network.block(name, paths, false, value)?;
    }
    let paths: &[&[&str]] = &[&["branch3x3"], &["branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"]];
    value = network.block("Mixed_6a", paths, true, value)?;
    for name in ["Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"] {
        let paths: &[&[&str]] = &[
            &["branch1x1"],
            &["branch7x7_1", "branch7x7_2", "branch7x7_3"],
            &["branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"],
            &["branch_pool"],
        ];
        value = network.block(name, paths, false, value)?;
    }
    let paths: &[&[&str]] =
        &[&["branch3x3_1", "branch3x3_2"], &["branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"]];
    value = network.block("Mixed_7a", paths, true, value)?;
    for name in ["Mixed_7b", "Mixed_7c"] {
        value = network.forked_block(name, value)?;
    }
    value = pointwise(&mut network.net, value);
    value = network.net.push("", Kind::Flatten { pixels: Some(1) }, &[value]);
    value = tensors.dense(&mut network.net, "fc", value)?;
    network.net.outputs = vec![value];
    tensors.pass_over("AuxLogits.");
    Ok(("inception_v3".into(), network.net))
}

struct Inception<'t, 'a> {
    tensors: &'t Tensors<'a>,
    net: Dataflow,
}

impl Inception<'_, '_> {
    /// Convolutions one after another, each with batch normalisation and ReLU.
    fn path(&mut self, block: &str, names: &[&str], input: Value) -> Result<Value, InputError> {
        names.iter().try_fold(input, |value, name| {
            let name = if block.is_empty() { (*name).to_string() } else { format!("{block}.{name}") };
            let value = self.tensors.convolution(&mut self.net, &format!("{name}.conv"), value, None)?;
            let value = self.tensors.batch_norm(&mut self.net, &format!("{name}.bn"), EPSILON, value)?;
            Ok(pointwise(&mut self.net, value))
        })
    }

    /// Paths side by side, and behind them the input itself, pooled, if `pooled`.
    fn block(&mut self, name: &str, paths: &[&[&str]], pooled: bool, input: Value) -> Result<Value, InputError> {
        let mut branches = paths.iter().map(|path| self.path(name, path, input)).collect::<Result<Vec<_>, _>>()?;
        if pooled {
            branches.push(pointwise(&mut self.net, input));
        }
        Ok(self.net.push(name, Kind::Concat, &branches))
    }

    /// The last blocks, of which two paths fork at their ends.
    fn forked_block(&mut self, name: &str, input: Value) -> Result<Value, InputError> {
        let mut branches = vec![self.path(name, &["branch1x1"], input)?];
        let forks: [(&[&str], [&str; 2]); 2] = [
            (&["branch3x3_1"], ["branch3x3_2a", "branch3x3_2b"]),
            (&["branch3x3dbl_1", "branch3x3dbl_2"], ["branch3x3dbl_3a", "branch3x3dbl_3b"]),
        ];
        for (path, [a, b]) in forks {
            let value = self.path(name, path, input)?;
            let tines = [self.path(name, &[a], value)?, self.path(name, &[b], value)?];
            branches.push(self.net.push(name, Kind::Concat, &tines));
        }
        branches.push(self.path(name, &["branch_pool"], input)?);
        Ok(self.net.push(name, Kind::Concat, &branches))
    }
}
