//! What a file of named tensors alone does: architectures, recognised by names and shapes.
//!
//! The names are torchvision's, and those of timm where they differ; of a chain, any. ε of batch normalisation is in no such file: it is
//! what the architecture has.

mod chain;
mod inception;
mod norms;
mod resnet;
mod squeezenet;

use crate::InputError;
use crate::dataflow::{Dataflow, Kind, Layout, TensorName, Value};
use crate::model::{TensorEntry, TensorFile};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a file's tensors are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// What names and shapes say.
    Auto,
    /// A chain of dense layers.
    Mlp,
    /// Convolutions that follow each other, dense layers behind them.
    Chain,
    /// VGG with so many layers, 11, 13, 16 or 19, with batch normalisation or without.
    Vgg(u8),
    /// A residual network with so many layers: 18, 34, 50, 101 or 152.
    ResNet(u16),
    /// Inception v3.
    InceptionV3,
    /// SqueezeNet, of either version.
    SqueezeNet,
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Mlp => f.write_str("mlp"),
            Self::Chain => f.write_str("chain"),
            Self::Vgg(layers) => write!(f, "vgg{layers}"),
            Self::ResNet(layers) => write!(f, "resnet{layers}"),
            Self::InceptionV3 => f.write_str("inception_v3"),
            Self::SqueezeNet => f.write_str("squeezenet"),
        }
    }
}

/// What the tensors of a file do together.
pub struct Architecture {
    /// What they are called together, as `resnet18` or `cnn 1-32-64-10`.
    pub name: String,
    /// What they do.
    pub dataflow: Dataflow,
    /// How they were joined, where that is taken from names and shapes alone; networks of this program and known architectures are not.
    pub assumed: Option<String>,
}

/// With [`Arch::Auto`] what the file itself says, if it does ([`TensorFile::dataflow`]).
///
/// # Errors
///
/// If they are not what `architecture` says, or, with [`Arch::Auto`], none of those that are known; some are left over; or they do
/// not fit each other.
pub fn architecture(file: &TensorFile, architecture: Arch) -> Result<Architecture, InputError> {
    if file.is_quantised() {
        let problem = "has quantised weights, whole numbers with a scale";
        return Err(InputError::new(
            file.path().display(),
            problem,
            "measure the network from before it was quantised",
        ));
    }
    if architecture == Arch::Auto
        && let Some(net) = file.dataflow()?
    {
        let mut net = net.live();
        dense_as_convolutions(&mut net);
        return Ok(Architecture { name: name_of(&net), dataflow: net, assumed: None });
    }
    let tensors = Tensors::new(file);
    tensors.complete()?;
    let mut assumed = None;
    let mut chain = || {
        let (name, dataflow, order) = chain::dataflow(&tensors)?;
        assumed = Some(order);
        Ok((name, dataflow))
    };
    let found = match architecture {
        Arch::ResNet(_) => resnet::dataflow(&tensors)?,
        Arch::InceptionV3 => inception::dataflow(&tensors)?,
        Arch::SqueezeNet => squeezenet::dataflow(&tensors)?,
        Arch::Auto if tensors.has("layer1.0.conv1.weight") => resnet::dataflow(&tensors)?,
        Arch::Auto if tensors.has("Mixed_5b.branch1x1.conv.weight") => inception::dataflow(&tensors)?,
        Arch::Auto if tensors.has("features.3.squeeze.weight") => squeezenet::dataflow(&tensors)?,
        Arch::Auto | Arch::Mlp | Arch::Chain | Arch::Vgg(_) => chain()?,
    };
    let named = architecture.to_string();
    let is_named = match architecture {
        Arch::Auto | Arch::Chain => true,
        Arch::Vgg(_) => found.0.strip_suffix("_bn").unwrap_or(&found.0) == named,
        _ => found.0 == named || found.0.starts_with(&format!("{named} ")),
    };
    if !is_named {
        let problem = format!("was said to be {named}, and its tensors are those of {}", found.0);
        return Err(InputError::new(file.path().display(), problem, "name what it is (--arch), or leave --arch out"));
    }
    tensors.all_used(&found.0)?;
    let (name, dataflow) = found;
    // Networks of this program are chains, and VGG is one.
    let all_own = file.entries().iter().all(|entry| is_own(&entry.name));
    let assumed = assumed.filter(|_| !name.starts_with("vgg") && !all_own).map(|order| {
        let says = matches!(file.dataflow(), Ok(Some(_)));
        let file = if says { "--arch leaves aside what the file says of" } else { "the file does not say" };
        format!("{file} how its layers are joined: they were taken for a chain, {order}")
    });
    Ok(Architecture { name, dataflow, assumed })
}

/// Whether a tensor is called as those of networks that this program trained: `layers.3.weight`, `layers.3.norm.running_var`.
fn is_own(name: &str) -> bool {
    let Some((number, part)) = name.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) else { return false };
    let of_norm = part.strip_prefix("norm.");
    let is_of_norm = of_norm.is_some_and(|part| matches!(part, "running_mean" | "running_var" | "num_batches_tracked"));
    number.bytes().all(|byte| byte.is_ascii_digit())
        && (matches!(of_norm.unwrap_or(part), "weight" | "bias") || is_of_norm)
}

/// timm's VGG has its first two dense layers as convolutions of the whole image, `pre_logits`: they are taken for what they are, so that
/// VGG is one network under all names.
fn dense_as_convolutions(net: &mut Dataflow) {
    for operation in &mut net.operations {
        if let Kind::Convolution { weight, groups: 1 } = &operation.kind
            && operation.name.starts_with("pre_logits.")
            && let [outputs, inputs @ ..] = &weight.shape[..]
        {
            let weight = TensorName { name: weight.name.clone(), shape: vec![*outputs, inputs.iter().product()] };
            operation.kind = Kind::Dense { weight, layout: Layout::OutIn };
        }
    }
}

/// What a network is called whose file says what it does.
fn name_of(net: &Dataflow) -> String {
    let layers: Vec<&Kind> = net.operations.iter().map(|operation| &operation.kind).collect();
    let count = |kind: fn(&Kind) -> bool| layers.iter().filter(|k| kind(k)).count();
    let convolutions = count(|kind| matches!(kind, Kind::Convolution { .. }));
    if count(|kind| matches!(kind, Kind::Add | Kind::Concat)) > 0 {
        let what = if convolutions > 0 { "cnn" } else { "mlp" };
        let dense = count(|kind| matches!(kind, Kind::Dense { .. }));
        return format!("{what} with {convolutions} convolutions and {dense} dense layers");
    }
    let widths = net.channels("").unwrap_or_default();
    let outputs = |kind: fn(&Kind) -> bool| -> Vec<usize> {
        layers.iter().zip(&widths).filter(|(k, _)| kind(k)).filter_map(|(_, width)| *width).collect()
    };
    let all = outputs(|kind| matches!(kind, Kind::Input | Kind::Convolution { .. } | Kind::Dense { .. }));
    let normalised = count(|kind| matches!(kind, Kind::BatchNorm { .. })) > 0;
    chain::chain_name(&outputs(|kind| matches!(kind, Kind::Convolution { .. })), all, normalised)
}

/// The tensors of a file by name, and which of them were asked for.
struct Tensors<'a> {
    file: &'a TensorFile,
    by_name: BTreeMap<&'a str, &'a TensorEntry>,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Tensors<'a> {
    fn new(file: &'a TensorFile) -> Self {
        let by_name = file.entries().iter().map(|entry| (entry.name.as_str(), entry)).collect();
        Self { file, by_name, used: RefCell::default() }
    }

    fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn get(&self, name: &str) -> Result<TensorName, InputError> {
        let Some((&name, entry)) = self.by_name.get_key_value(name) else {
            let problem = format!("has no tensor '{name}', which such a network would have");
            let remedy =
                "name what it is (--arch), or export it as TorchScript or ONNX, which say how its layers are joined";
            return Err(InputError::new(self.file.path().display(), problem, remedy));
        };
        self.used.borrow_mut().insert(name);
        Ok(TensorName { name: name.into(), shape: entry.shape.clone() })
    }

    /// Refuses modules that lack a tensor, and weights that a program would compute.
    fn complete(&self) -> Result<(), InputError> {
        let path = self.file.path().display();
        for name in self.by_name.keys() {
            let place = || format!("{path}, tensor '{name}'");
            let parts = ["_mask", "_orig", "_g", "_v", ".original", ".original0", ".original1"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part)).filter(|whole| whole.ends_with("weight"));
            if let Some(weight) = whole {
                let problem = format!("is a part of '{weight}', which pruning or a norm of weights computes");
                let remedy = "save the network after torch.nn.utils.prune.remove or its like, or export it to ONNX";
                return Err(InputError::new(place(), problem, remedy));
            }
        }
        for name in self.by_name.keys() {
            let place = || format!("{path}, tensor '{name}'");
            let lacks = |suffix: &str, other: &str| {
                let other = format!("{}.{other}", name.strip_suffix(suffix)?);
                (!self.has(&other)).then_some(other)
            };
            // Named arrays of other programs have biases of other names.
            if let Some(other) = lacks(".running_mean", "running_var").or_else(|| lacks(".bias", "weight")) {
                return Err(InputError::new(
                    place(),
                    format!("is there without '{other}'"),
                    "save the whole network again",
                ));
            }
        }
        Ok(())
    }

    /// Those whose names begin so have no part in the output.
    fn pass_over(&self, prefix: &str) {
        self.used.borrow_mut().extend(self.by_name.keys().filter(|name| name.starts_with(prefix)));
    }

    /// Whoever leaves a tensor out does not have the network of the file.
    fn all_used(&self, what: &str) -> Result<(), InputError> {
        let used = self.used.borrow();
        let plays_no_part = |name: &str| name.ends_with("bias") || name.ends_with("num_batches_tracked");
        match self.by_name.keys().find(|name| !used.contains(*name) && !plays_no_part(name)) {
            None => Ok(()),
            Some(name) => {
                let place = format!("{}, tensor '{name}'", self.file.path().display());
                let problem = format!("has no place in {what}, for which the other tensors were taken");
                Err(InputError::new(
                    place,
                    problem,
                    "export the network as TorchScript or ONNX, which say how its layers are joined",
                ))
            }
        }
    }

    /// `name` is that of the module. The convolution has as many groups as what it is given asks for.
    fn convolution(
        &self,
        net: &mut Dataflow,
        name: &str,
        input: Value,
        given: Option<usize>,
    ) -> Result<Value, InputError> {
        let weight = self.get(&format!("{name}.weight"))?;
        let within = weight.shape.get(1).copied().unwrap_or(0).max(1);
        let groups = given.filter(|given| given.is_multiple_of(within)).map_or(1, |given| given / within);
        Ok(net.push(name, Kind::Convolution { weight, groups: groups.max(1) }, &[input]))
    }

    fn batch_norm(&self, net: &mut Dataflow, name: &str, epsilon: f64, input: Value) -> Result<Value, InputError> {
        let gamma = format!("{name}.weight");
        let gamma = if self.has(&gamma) { Some(self.get(&gamma)?) } else { None };
        let variance = self.get(&format!("{name}.running_var"))?;
        self.used
            .borrow_mut()
            .extend(self.by_name.get_key_value(format!("{name}.running_mean").as_str()).map(|(k, _)| *k));
        Ok(net.push(name, Kind::BatchNorm { gamma, variance, epsilon }, &[input]))
    }

    fn dense(&self, net: &mut Dataflow, name: &str, input: Value) -> Result<Value, InputError> {
        let weight = self.get(&format!("{name}.weight"))?;
        Ok(net.push(name, Kind::Dense { weight, layout: Layout::OutIn }, &[input]))
    }

    /// Number of output channels of a layer.
    fn outputs(&self, name: &str) -> Option<usize> {
        self.by_name.get(format!("{name}.weight").as_str()).and_then(|entry| entry.shape.first().copied())
    }
}

/// An activation, a pool, or whatever else leaves channels their own.
fn pointwise(net: &mut Dataflow, input: Value) -> Value {
    net.push("", Kind::Pointwise, &[input])
}

#[cfg(test)]
mod tests;
