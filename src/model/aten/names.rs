//! Kinds of operators, by their names.

/// Without the `_` of operators that write on their first operand.
pub(in crate::model) fn base(operator: &str) -> &str {
    match operator.strip_suffix('_') {
        Some(base) if !base.ends_with('_') && !base.is_empty() => base,
        _ => operator,
    }
}

/// Operators that give the tensor itself, or one of the same elements in another type or place.
pub(in crate::model) fn is_identity(name: &str) -> bool {
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

/// Operators that may show a part of a tensor, or another shape of it: what is written into that changes the tensor, too.
pub(in crate::model) fn is_view(base: &str) -> bool {
    let names = [
        "slice",
        "narrow",
        "select",
        "view",
        "reshape",
        "_unsafe_view",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "permute",
        "transpose",
        "swapaxes",
        "swapdims",
        "movedim",
        "moveaxis",
        "t",
        "numpy_T",
        "mT",
        "expand",
        "expand_as",
        "view_as",
        "reshape_as",
        "diagonal",
        "unfold",
        "as_strided",
        "unbind",
    ];
    names.contains(&base) || gives_list(base)
}

/// Whether it gives a list of tensors.
pub(in crate::model) fn gives_list(base: &str) -> bool {
    matches!(base, "split" | "split_with_sizes" | "chunk" | "tensor_split" | "unsafe_chunk" | "unsafe_split")
}

/// Whether it makes a tensor out of numbers.
pub(in crate::model) fn makes(base: &str) -> bool {
    let starts = ["zeros", "ones", "full", "empty", "rand", "new_", "arange", "linspace", "eye"];
    starts.iter().any(|start| base.starts_with(start)) || matches!(base, "tensor" | "scalar_tensor")
}

/// Of a constant, these give the same tensor.
pub(super) fn rearranges(base: &str) -> bool {
    matches!(
        base,
        "view"
            | "reshape"
            | "squeeze"
            | "unsqueeze"
            | "permute"
            | "t"
            | "numpy_T"
            | "mT"
            | "transpose"
            | "to"
            | "_to_copy"
            | "clone"
            | "contiguous"
            | "detach"
            | "alias"
            | "type_as"
            | "lift_fresh_copy"
            | "float"
    )
}

/// On each channel by itself, to another number of pixels.
pub(super) fn is_pooling(base: &str) -> bool {
    let starts = [
        "max_pool",
        "avg_pool",
        "adaptive_avg_pool",
        "_adaptive_avg_pool",
        "adaptive_max_pool",
        "fractional_max_pool",
        "upsample_",
        "_upsample_",
        "reflection_pad",
        "replication_pad",
        "grid_sampler",
    ];
    starts.iter().any(|start| base.starts_with(start))
}

#[rustfmt::skip]
pub(super) fn is_pointwise(base: &str) -> bool {
    matches!(
        base,
        "relu" | "relu6" | "leaky_relu" | "prelu" | "_prelu_kernel" | "rrelu" | "elu" | "selu" | "celu" | "hardtanh" | "clamp" | "clamp_min" | "clamp_max" | "clip" | "threshold"
        | "sigmoid" | "hardsigmoid" | "hardswish" | "silu" | "mish" | "gelu" | "softplus" | "softsign"
        | "tanh" | "erf" | "exp" | "expm1" | "log" | "log1p" | "log2" | "log10" | "logit" | "log_sigmoid" | "sqrt" | "rsqrt" | "reciprocal" | "abs" | "neg" | "sign" | "floor" | "ceil" | "round" | "trunc" | "frac" | "sin" | "cos" | "nan_to_num"
        | "softshrink" | "hardshrink" | "tanhshrink" | "square" | "dropout" | "dropout1d" | "dropout2d" | "dropout3d" | "feature_dropout" | "alpha_dropout" | "feature_alpha_dropout" | "native_dropout" | "fake_quantize_per_tensor_affine"
    )
}
