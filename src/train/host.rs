//! What the process is told before it trains.
#![expect(unsafe_code, reason = "the allocator's settings are a C function's")]

/// Products are computed on one thread, until [`Threads`] are taken: two networks at once gain more from two cores than one
/// does, and their bits do not depend on how many there are. Freed memory is kept for the next step: else the images between
/// convolutions, 13 MB each, are returned to the system and zeroed by it anew in every step, a quarter of the time of a small
/// convolutional network.
pub fn prepare() {
    tch::set_num_threads(1);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes numbers and changes no memory in use.
    unsafe {
        // nothing up to 32 MB, the most that it takes, is mapped on its own, and the heap's end is not given back
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 25);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        // a thread's own heap cannot hold more than 64 MB
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// The threads that products of this thread are computed on; one again when it is dropped, so that what runs on threads of its own
/// (measurements, lesions) does not multiply them.
#[derive(Debug)]
pub struct Threads(());

impl Threads {
    /// So many, at least 1.
    pub fn take(count: usize) -> Self {
        tch::set_num_threads(i32::try_from(count).unwrap_or(i32::MAX));
        Self(())
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        tch::set_num_threads(1);
    }
}
