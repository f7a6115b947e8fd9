//! The classes and functions that a pickle of PyTorch may name, and what calling them stands for.

use std::rc::Rc;

use crate::model::dtype::Dtype;
use crate::model::heap::{Fault, Heap, Id, Value};

/// NumPy and PyTorch end at 64 axes.
const MAX_AXES: usize = 64;

/// Meaning of a name on the list.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Global {
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`: the storage knows the type.
    RebuildTensor,
    /// `_rebuild_tensor_v3`: the type is the seventh argument.
    RebuildTypedTensor,
    /// `_rebuild_qtensor`.
    RebuildQuantised,
    /// `_rebuild_parameter`: the tensor is the first argument.
    RebuildParameter,
    /// `torch._tensor._rebuild_from_type_v2`, of a tensor with attributes: function, type, arguments, state.
    RebuildFromType,
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch.Size`, and the typed lists of TorchScript: the same as the first argument.
    Identity,
    /// A class `__torch__.…` of TorchScript, by its whole name.
    ScriptClass(Rc<str>),
    /// `torch.FloatStorage` and the like; `None` for bytes without a type.
    Storage(Option<Dtype>),
    /// `torch.float32` and the like.
    Dtype(Dtype),
    /// What holds no weights: devices, NumPy scalars, `argparse.Namespace`, …
    Inert,
}

/// Elements of one or several tensors, in one member of the archive.
#[derive(Clone)]
pub(super) struct Storage {
    /// Name of the member below `data/`.
    pub key: Rc<str>,
    /// `None`: bytes without a type.
    pub dtype: Option<Dtype>,
    /// Number of elements, or of bytes.
    pub elements: u64,
}

/// Where the elements of a tensor lie in its storage.
pub(super) struct Tensor {
    /// The storage, perhaps shared.
    pub storage: Storage,
    /// Type of the elements.
    pub dtype: Dtype,
    /// First element.
    pub offset: u64,
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// Steps along each axis, in elements; as many as in `shape`.
    pub strides: Vec<usize>,
}

impl Global {
    /// Looks a name up.
    ///
    /// # Errors
    ///
    /// If it is not on the list: reading the file as Python does would run code.
    pub fn named(module: &str, name: &str) -> Result<Self, Fault> {
        let global = match (module, name) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTypedTensor,
            ("torch._utils", "_rebuild_qtensor") => Self::RebuildQuantised,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::RebuildParameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::RebuildFromType,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Identity,
            (
                "torch.jit._pickle",
                "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist" | "restore_type_tag",
            ) => Self::Identity,
            ("torch.storage" | "torch", "UntypedStorage") => Self::Storage(None),
            ("torch", _) if name.ends_with("Storage") => Self::Storage(Some(storage_dtype(name)?)),
            ("torch", "Tensor" | "device" | "per_tensor_affine" | "per_channel_affine" | "strided") => Self::Inert,
            ("torch.nn.parameter", "Parameter" | "Buffer") => Self::Inert,
            ("numpy", "dtype") | ("_codecs", "encode") | ("argparse", "Namespace") => Self::Inert,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::Inert,
            _ if module == "__torch__" || module.starts_with("__torch__.") => {
                Self::ScriptClass(format!("{module}.{name}").into())
            }
            ("torch._utils", "_rebuild_sparse_tensor" | "_rebuild_sparse_csr_tensor") => {
                let problem = "holds a sparse tensor".to_string();
                return Err(Fault { problem, remedy: "save it dense, with .to_dense()" });
            }
            ("torch", _) => Self::Dtype(torch_dtype(name).ok_or_else(|| unknown(module, name))?),
            _ => return Err(unknown(module, name)),
        };
        Ok(global)
    }

    /// The tensor that a call with these arguments stands for; `None` for what holds no weights.
    pub fn tensor(&self, heap: &Heap, arguments: &[Id]) -> Result<Option<Tensor>, Fault> {
        let argument = |i: usize| arguments.get(i).map(|&id| heap.get(id));
        let fault = || Fault::damaged("has a tensor that is not described as PyTorch does");
        let dtype = match self {
            Self::RebuildTensor => None,
            Self::RebuildQuantised => Some(Dtype::Other("quantised")),
            Self::RebuildTypedTensor => match argument(6) {
                Some(Value::Global(Self::Dtype(dtype))) => Some(*dtype),
                _ => return Err(fault()),
            },
            Self::RebuildFromType => {
                return match (argument(0), argument(2)) {
                    (Some(Value::Global(function)), Some(Value::Tuple(inner))) if function != self => {
                        function.tensor(heap, inner)
                    }
                    _ => Err(fault()),
                };
            }
            Self::Inert => return Ok(None),
            _ => return Err(Fault::damaged("calls what is no function")),
        };
        let (Some(Value::Storage(storage)), Some(Value::Int(offset))) = (argument(0), argument(1)) else {
            return Err(fault());
        };
        let extents = |i: usize| match argument(i) {
            Some(Value::Tuple(extents) | Value::List(extents)) if extents.len() <= MAX_AXES => extents
                .iter()
                .map(|&id| match heap.get(id) {
                    Value::Int(extent) => usize::try_from(*extent).map_err(|_| fault()),
                    _ => Err(fault()),
                })
                .collect::<Result<Vec<usize>, Fault>>(),
            _ => Err(fault()),
        };
        let (shape, strides) = (extents(2)?, extents(3)?);
        let dtype = dtype.or(storage.dtype).ok_or_else(fault)?;
        if shape.len() != strides.len() {
            return Err(fault());
        }
        let offset = u64::try_from(*offset).map_err(|_| fault())?;
        Ok(Some(Tensor { storage: storage.clone(), dtype, offset, shape, strides }))
    }
}

fn unknown(module: &str, name: &str) -> Fault {
    Fault {
        problem: format!("refers to {module}.{name}, which only running its code could restore"),
        remedy: "save only the weights: torch.save(model.state_dict(), FILE)",
    }
}

fn storage_dtype(name: &str) -> Result<Dtype, Fault> {
    Ok(match name {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "BoolStorage" => Dtype::Bool,
        "CharStorage" => Dtype::Int(1),
        "ShortStorage" => Dtype::Int(2),
        "IntStorage" => Dtype::Int(4),
        "LongStorage" => Dtype::Int(8),
        "ByteStorage" => Dtype::UInt(1),
        "ComplexFloatStorage" | "ComplexDoubleStorage" => Dtype::Other("complex"),
        "QInt8Storage" | "QUInt8Storage" | "QInt32Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => {
            Dtype::Other("quantised")
        }
        _ => return Err(unknown("torch", name)),
    })
}

fn torch_dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "float32" => Dtype::F32,
        "float64" => Dtype::F64,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "bool" => Dtype::Bool,
        "int8" => Dtype::Int(1),
        "int16" => Dtype::Int(2),
        "int32" => Dtype::Int(4),
        "int64" => Dtype::Int(8),
        "uint8" => Dtype::UInt(1),
        "uint16" => Dtype::UInt(2),
        "uint32" => Dtype::UInt(4),
        "uint64" => Dtype::UInt(8),
        "complex32" | "complex64" | "complex128" => Dtype::Other("complex"),
        "qint8" | "quint8" | "qint32" => Dtype::Other("quantised"),
        _ if name.starts_with("float8") => Dtype::Other("float8"),
        _ => return None,
    })
}
