//! What convolutions are computed in.

use serde::{Deserialize, Serialize};
use tch::Kind;

/// The numbers that convolutions take and give in training, with ReLUs, pools and dropout between them. Weights, their gradients as
/// the optimiser sees them, dense layers and every evaluation are f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16: 8 bits of f32's 24, its range; products are added in f32. Where the processor multiplies such numbers (AVX-512 BF16,
    /// tensor cores), it takes less than half the time.
    Bf16,
}

impl Precision {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}
