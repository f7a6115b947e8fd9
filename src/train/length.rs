//! How long something lasts in training.

/// A number of epochs or of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Passes over the training examples.
    Epochs(usize),
    /// Batches that the optimiser is given.
    Steps(usize),
}

impl Length {
    /// The same in steps, at most `usize::MAX`.
    pub fn steps(self, steps_per_epoch: usize) -> usize {
        match self {
            Self::Epochs(epochs) => epochs.saturating_mul(steps_per_epoch),
            Self::Steps(steps) => steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_so_many_steps() {
        assert_eq!(Length::Epochs(3).steps(7), 21);
        assert_eq!(Length::Steps(3).steps(7), 3);
        assert_eq!(Length::Epochs(usize::MAX).steps(7), usize::MAX);
    }
}
