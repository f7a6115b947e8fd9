//! What the process is told before it trains.

use crate::allocator::{keep_freed_memory, share_one_heap};

/// Products are computed on one thread, until [`Threads`] are taken: two networks at once gain more from two cores than one
/// does, and their bits do not depend on how many there are. Freed memory is kept: the images between convolutions are 13 MB each.
pub fn prepare() {
    tch::set_num_threads(1);
    keep_freed_memory();
    share_one_heap();
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
