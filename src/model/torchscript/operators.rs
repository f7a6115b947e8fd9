//! What an operator of `aten` does with channels.

use super::interpreter::{Machine, Stop};
use super::value::{Arguments, Constant, Flow, Value};
use crate::dataflow::Kind;

/// Operators that leave every channel its own, whatever their other arguments say.
fn is_pointwise(name: &str) -> bool {
    matches!(
        name,
        "relu"
            | "relu6"
            | "leaky_relu"
            | "elu"
            | "selu"
            | "celu"
            | "gelu"
            | "silu"
            | "mish"
            | "hardtanh"
            | "hardswish"
            | "hardsigmoid"
            | "sigmoid"
            | "tanh"
            | "softplus"
            | "softsign"
            | "log_sigmoid"
            | "threshold"
            | "clamp"
            | "clamp_min"
            | "clamp_max"
            | "clip"
            | "abs"
            | "neg"
            | "exp"
            | "log"
            | "log1p"
            | "log2"
            | "log10"
            | "expm1"
            | "sqrt"
            | "rsqrt"
            | "square"
            | "sin"
            | "cos"
            | "erf"
            | "reciprocal"
            | "floor"
            | "ceil"
            | "round"
            | "sign"
            | "trunc"
            | "frac"
            | "prelu"
            | "rrelu"
            | "hardshrink"
            | "softshrink"
            | "tanhshrink"
            | "nan_to_num"
            | "dropout"
            | "dropout2d"
            | "dropout3d"
            | "feature_dropout"
            | "alpha_dropout"
            | "feature_alpha_dropout"
            | "max_pool1d"
            | "max_pool2d"
            | "max_pool3d"
            | "avg_pool1d"
            | "avg_pool2d"
            | "avg_pool3d"
            | "adaptive_avg_pool1d"
            | "adaptive_avg_pool2d"
            | "adaptive_avg_pool3d"
            | "_adaptive_avg_pool2d"
            | "upsample_nearest1d"
            | "upsample_nearest2d"
            | "upsample_nearest3d"
            | "upsample_linear1d"
            | "upsample_bilinear2d"
            | "upsample_bicubic2d"
            | "upsample_trilinear3d"
            | "_upsample_nearest_exact2d"
            | "_upsample_bilinear2d_aa"
            | "reflection_pad1d"
            | "reflection_pad2d"
            | "reflection_pad3d"
            | "replication_pad1d"
            | "replication_pad2d"
            | "replication_pad3d"
            | "grid_sampler"
            | "logit"
            | "fake_quantize_per_tensor_affine"
    )
}

/// As [`is_pointwise`], with indices beside the result.
fn has_indices(name: &str) -> bool {
    matches!(
        name,
        "max_pool1d_with_indices"
            | "max_pool2d_with_indices"
            | "max_pool3d_with_indices"
            | "adaptive_max_pool1d"
            | "adaptive_max_pool2d"
            | "adaptive_max_pool3d"
            | "fractional_max_pool2d"
            | "fractional_max_pool3d"
    )
}

/// Operators that give the tensor itself, or one of the same elements in another type or place.
fn is_identity(name: &str) -> bool {
    matches!(
        name,
        "contiguous"
            | "detach"
            | "to"
            | "type_as"
            | "float"
            | "double"
            | "half"
            | "bfloat16"
            | "alias"
            | "requires_grad_"
            | "cuda"
            | "cpu"
            | "to_dense"
            | "to_mkldnn"
            | "pin_memory"
            | "NumToTensor"
            | "lift_fresh"
    )
}

impl Machine<'_> {
    /// Calls `space::name`.
    pub fn operator(&mut self, space: &str, name: &str, arguments: Arguments) -> Result<Value, Stop> {
        if matches!(space, "prim" | "aten")
            && let Some(value) = self.scalar(name, &arguments)?
        {
            return Ok(value);
        }
        let Some(flow) = self.first_flow(&arguments) else { return Ok(self.constant_operator(name, &arguments)) };
        let whole = format!("{space}::{name}");
        if space == "prim" {
            return Ok(if matches!(name, "data" | "unchecked_unwrap_optional") {
                Value::Flow(flow)
            } else {
                Value::Unknown
            });
        }
        if space != "aten" {
            return Ok(self.refuse(&whole, flow));
        }
        // `add_` writes its result into the first operand.
        let base = name.strip_suffix('_').filter(|base| !base.ends_with('_') && *name != *"requires_grad_");
        let Some(base) = base else { return self.aten(name, &whole, flow, &arguments) };
        let value = self.aten(base, &whole, flow, &arguments)?;
        let (Some(Value::Flow(target)), Value::Flow(result)) = (arguments.positional.first(), &value) else {
            return match arguments.positional.first() {
                // A tensor of the program is changed by one that depends on the input.
                Some(Value::Constant(_)) => Err(self.fault(format!("changes a constant by {whole}"))),
                _ => Ok(value),
            };
        };
        self.changes += 1;
        let (target, result) = (*target, self.values.flows[*result].clone());
        let base = self.values.flows[target].base;
        self.values.flows[target] = Flow { base, ..result };
        let mut above = base;
        while let Some(at) = above {
            self.spend(1)?;
            let input = self.values.flows[at].value;
            let kind = Kind::Unsupported { operation: format!("{whole} of a part") };
            let name = self.here();
            self.values.flows[at].value = self.dataflow.push(name, kind, &[input]);
            above = self.values.flows[at].base;
        }
        Ok(Value::Flow(target))
    }

    /// The first tensor among the arguments, or in a list among them, that depends on the network's input.
    fn first_flow(&self, arguments: &Arguments) -> Option<usize> {
        arguments.all().find_map(|argument| match argument {
            Value::Flow(at) => Some(*at),
            argument => self.values.items(argument)?.iter().find_map(|item| match item {
                Value::Flow(at) => Some(*at),
                _ => None,
            }),
        })
    }

    /// An operator of `aten`, its underscore taken off; `whole` is its name for messages.
    fn aten(&mut self, name: &str, whole: &str, flow: usize, arguments: &Arguments) -> Result<Value, Stop> {
        let x = self.values.flows[flow].clone();
        let first = arguments.positional.first() == Some(&Value::Flow(flow));
        if first && is_identity(name) {
            return Ok(Value::Flow(flow));
        }
        if first && is_pointwise(name) && (!x.dropped || !name.contains("pool")) {
            return Ok(self.derived(Kind::Pointwise, flow, x.rank));
        }
        if first && has_indices(name) && !x.dropped {
            let value = self.derived(Kind::Pointwise, flow, x.rank);
            return Ok(self.values.tuple(vec![value, Value::Unknown], None));
        }
        let done = match name {
            "add" | "sub" | "rsub" | "subtract" => self.sum(arguments)?,
            "mul" | "multiply" | "div" | "divide" | "true_divide" => self.product(name, arguments)?,
            "cat" | "concat" | "concatenate" => self.concatenation(arguments)?,
            "addmm" | "matmul" | "mm" if !first => self.dense(name, arguments),
            _ if !first => None,
            "pow" => match arguments.get(1, "exponent") {
                Some(Value::Int(_) | Value::Float(_)) => Some(self.derived(Kind::Pointwise, flow, x.rank)),
                _ => None,
            },
            // Another tensor of the same elements.
            "clone" => Some(self.values.flow(Flow { base: None, ..x })),
            "conv1d" | "conv2d" | "conv3d" | "_convolution" | "convolution" | "_convolution_mode" => {
                self.convolution(name, arguments)
            }
            "linear" | "matmul" | "mm" => self.dense(name, arguments),
            "batch_norm" | "native_batch_norm" | "_batch_norm_impl_index" | "cudnn_batch_norm" => {
                self.batch_norm(name, arguments)
            }
            "softmax" | "log_softmax" | "_softmax" | "_log_softmax" | "softmin" => self.softmax(flow, arguments),
            "mean" | "sum" | "amax" | "amin" => self.reduction(flow, arguments),
            "chunk" | "split" | "split_with_sizes" | "tensor_split" => self.parts(name, flow, arguments)?,
            "slice" | "narrow" => self.range(name, flow, arguments),
            "select" => self.selection(flow, arguments),
            "pad" | "constant_pad_nd" | "_pad_enum" => self.padding(flow, arguments),
            _ => self.shape(name, flow, arguments),
        };
        Ok(match done {
            Some(value) => value,
            None => self.refuse(whole, flow),
        })
    }

    /// An operation through which no graph is drawn.
    pub fn refuse(&mut self, whole: &str, flow: usize) -> Value {
        let (name, input) = (self.here(), self.values.flows[flow].value);
        let value = self.dataflow.push(name, Kind::Unsupported { operation: whole.into() }, &[input]);
        self.values.flow(Flow { value, rank: None, channels: None, dropped: false, base: None })
    }

    /// Whether a tensor comes of an operation through which no graph is drawn.
    pub fn unsupported(&self, flow: usize) -> bool {
        matches!(self.dataflow.operations[self.values.flows[flow].value].kind, Kind::Unsupported { .. })
    }

    /// What an operation on one tensor gives: as many channels, on so many axes.
    pub fn derived(&mut self, kind: Kind, flow: usize, rank: Option<usize>) -> Value {
        let x = self.values.flows[flow].clone();
        let name = self.here();
        let value = self.dataflow.push(name, kind, &[x.value]);
        self.values.flow(Flow { value, rank, base: None, ..x })
    }

    /// The module whose code is being followed, as the name of an operation.
    pub fn here(&self) -> String {
        match self.frames.last() {
            Some(frame) if !frame.module.is_empty() => frame.module.to_string(),
            _ => "forward".into(),
        }
    }

    /// An operator on what does not depend on the network's input.
    fn constant_operator(&mut self, name: &str, arguments: &Arguments) -> Value {
        let Some(Value::Constant(at)) = arguments.all().find(|argument| matches!(argument, Value::Constant(_))) else {
            let makes = [
                "tensor",
                "zeros",
                "ones",
                "full",
                "rand",
                "randn",
                "arange",
                "linspace",
                "empty",
                "eye",
                "scalar_tensor",
            ];
            if !makes.contains(&name) {
                return Value::Unknown;
            }
            return self.made(arguments.positional.first());
        };
        let at = *at;
        let constant = self.values.constants[at].clone();
        let first = arguments.positional.first() == Some(&Value::Constant(at));
        let axes = constant.shape.as_ref().map_or(0, Vec::len);
        let flipped = match name {
            "t" | "numpy_T" | "mT" => axes == 2,
            "transpose" => {
                axes == 2
                    && arguments.int(1, "dim0").map(|axis| axis.rem_euclid(2))
                        != arguments.int(2, "dim1").map(|axis| axis.rem_euclid(2))
            }
            "permute" => axes == 2 && arguments.get(1, "dims").and_then(|dims| self.extents(dims)) == Some(vec![1, 0]),
            _ => false,
        };
        if first && flipped {
            let shape = constant.shape.map(|shape| shape.into_iter().rev().collect());
            return self.values.constant(Constant { shape, transposed: !constant.transposed, ..constant });
        }
        if first && (is_identity(name) || matches!(name, "clone" | "data" | "permute" | "transpose") && axes < 2) {
            return Value::Constant(at);
        }
        // Shapes of a vector along one axis.
        let shape = constant.shape.as_ref().filter(|shape| shape.iter().filter(|&&extent| extent != 1).count() <= 1);
        if let Some(shape) = shape.filter(|_| first && !constant.transposed) {
            let count: usize = shape.iter().product();
            let shape = match name {
                "view" | "reshape" => arguments.get(1, "size").and_then(|size| self.sizes(size, count)),
                "unsqueeze" => arguments.int(1, "dim").and_then(|axis| {
                    let at = if axis < 0 { axis + shape.len() as i64 + 1 } else { axis };
                    let at = usize::try_from(at).ok().filter(|&at| at <= shape.len())?;
                    Some([&shape[..at], &[1], &shape[at..]].concat())
                }),
                _ => None,
            };
            if shape.is_some() {
                return self.values.constant(Constant { shape, ..constant });
            }
        }
        self.values.constant(Constant::default())
    }

    /// A tensor of this size, none of whose elements depends on the network's input.
    pub fn made(&mut self, size: Option<&Value>) -> Value {
        let shape = size.and_then(|size| self.extents(size));
        let channels = size.and_then(|size| match self.values.items(size)?.get(1)? {
            Value::Int(channels) => usize::try_from(*channels).ok(),
            _ => None,
        });
        self.values.constant(Constant { shape, channels, ..Constant::default() })
    }

    /// Extents of `count` elements, of which one may be left open.
    fn sizes(&self, sizes: &Value, count: usize) -> Option<Vec<usize>> {
        let items = self.values.items(sizes)?;
        let sizes: Vec<i64> = items
            .iter()
            .map(|item| if let Value::Int(size) = item { Some(*size) } else { None })
            .collect::<Option<_>>()?;
        let known = sizes
            .iter()
            .filter(|&&size| size != -1)
            .try_fold(1usize, |product, &size| product.checked_mul(usize::try_from(size).ok()?))?;
        let sizes: Vec<usize> =
            sizes.iter().map(|&size| if size == -1 { count / known.max(1) } else { size as usize }).collect();
        (sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) == Some(count)).then_some(sizes)
    }

    /// A list of extents, all known.
    pub fn extents(&self, sizes: &Value) -> Option<Vec<usize>> {
        let items = self.values.items(sizes)?;
        items.iter().map(|item| if let Value::Int(size) = item { usize::try_from(*size).ok() } else { None }).collect()
    }
}
