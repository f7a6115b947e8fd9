//! What the C library's allocator is told.
#![expect(unsafe_code, reason = "the allocator's settings are a C function's")]

/// Freed memory is kept for what comes next: else what a shuffle or a training step works in is returned to the system and zeroed by
/// it anew for the next, of the dense MLP's shuffles 5 % of the time and of a small convolutional network's steps a quarter.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes numbers and changes no memory in use.
    unsafe {
        // nothing up to 32 MB, the most that it takes, is mapped on its own, and a heap's end is not given back
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 25);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// Threads share one heap: one of their own cannot hold more than 64 MB.
pub fn share_one_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as above.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
