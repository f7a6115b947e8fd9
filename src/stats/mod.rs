//! Is the n-cut lower than chance? Null models, p-value and Z-score. No input or output, no clock, no shared state.

pub mod null;
pub mod permutation;
pub mod shuffle;
