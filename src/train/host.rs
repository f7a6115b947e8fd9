//! What the process is told before it trains.
#![expect(unsafe_code, reason = "the allocator's settings are a C function's")]

/// Products are computed on one thread: small ones gain little from two, and so a network does not depend on how many there
/// are. Freed memory is kept for the next step: else the images between convolutions, 13 MB each, are returned to the
/// system and zeroed by it anew in every step, a quarter of the time of a small convolutional network.
pub fn prepare() {
    tch::set_num_threads(1);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes numbers and changes no memory in use.
    unsafe {
        // nothing is mapped on its own, and the heap's end is not given back
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        // a thread's own heap cannot hold more than 64 MB
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
