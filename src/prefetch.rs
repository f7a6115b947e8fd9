//! A hint to the processor: what will be read is fetched while something else is computed.
#![expect(unsafe_code, reason = "an instruction of the processor's")]

/// Asks for `values[index]` to be in the cache soon; an index beyond the end asks for nothing that matters.
#[inline(always)]
pub fn prefetch<T>(values: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; whatever the address, nothing is read.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(values.as_ptr().wrapping_add(index).cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, index);
}
