//! Where in its epochs and phases a run is after some steps.

/// Lengths in steps: those of an epoch, at least 1, and of each phase.
///
/// A phase that ends amid an epoch ends there: its last epoch is partial. The next phase begins a fresh epoch.
///
/// ```text
///   epoch 0   epoch 1   2     epoch 3   epoch 4
/// |---------|---------|---||---------|---------|
///         unpruned: 2.4           pruning: 2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phases {
    pub steps_per_epoch: usize,
    pub unpruned: usize,
    pub pruning: usize,
}

/// What [`Phases::at`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Epochs that are complete, of both phases; the number from 0 of the one that the next step belongs to.
    pub epochs_done: usize,
    /// Steps done in that epoch, fewer than it has.
    pub step: usize,
    /// Steps that it has; 0 when no step is left.
    pub steps: usize,
    /// Whether the next step is one of the pruning phase.
    pub pruning: bool,
}

impl Phases {
    /// Of both.
    pub fn steps(&self) -> usize {
        self.unpruned.saturating_add(self.pruning)
    }

    /// Of both.
    pub fn epochs(&self) -> usize {
        self.unpruned_epochs().saturating_add(self.epochs_of(self.pruning))
    }

    /// Of the first.
    pub fn unpruned_epochs(&self) -> usize {
        self.epochs_of(self.unpruned)
    }

    fn epochs_of(&self, phase: usize) -> usize {
        phase.div_ceil(self.steps_per_epoch)
    }

    /// Whether the step after `steps_done` is one of the pruning phase.
    fn prunes(&self, steps_done: usize) -> bool {
        steps_done >= self.unpruned && self.pruning > 0
    }

    /// How many of the first `steps_done` steps, at most [`Phases::steps`], belong to the phase of the next, and how many
    /// that phase has.
    pub fn in_phase(&self, steps_done: usize) -> (usize, usize) {
        if self.prunes(steps_done) { (steps_done - self.unpruned, self.pruning) } else { (steps_done, self.unpruned) }
    }

    /// The place after `steps_done` steps, at most [`Phases::steps`].
    pub fn at(&self, steps_done: usize) -> Place {
        let pruning = self.prunes(steps_done);
        let epochs_before = if pruning { self.unpruned_epochs() } else { 0 };
        let (done, phase) = self.in_phase(steps_done);
        if done >= phase {
            return Place { epochs_done: self.epochs(), step: 0, steps: 0, pruning };
        }
        let (epochs, step) = (done / self.steps_per_epoch, done % self.steps_per_epoch);
        let steps = self.steps_per_epoch.min(phase - epochs * self.steps_per_epoch);
        Place { epochs_done: epochs_before + epochs, step, steps, pruning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the steps laid out one by one.
    #[test]
    fn places_are_those_of_a_walk() {
        for steps_per_epoch in 1..5 {
            for (unpruned, pruning) in (0..12).flat_map(|u| (0..12).map(move |p| (u, p))) {
                let phases = Phases { steps_per_epoch, unpruned, pruning };
                let mut walk = Vec::new();
                let mut epochs_done = 0;
                let mut unpruned_epochs = 0;
                for (phase, pruning) in [(unpruned, false), (pruning, true)] {
                    let steps: Vec<usize> = (0..phase).collect();
                    for epoch in steps.chunks(steps_per_epoch) {
                        let steps = epoch.len();
                        walk.extend((0..steps).map(|step| Place { epochs_done, step, steps, pruning }));
                        epochs_done += 1;
                        unpruned_epochs += usize::from(!pruning);
                    }
                }
                walk.push(Place { epochs_done, step: 0, steps: 0, pruning: pruning > 0 });
                let found: Vec<Place> = (0..=phases.steps()).map(|steps_done| phases.at(steps_done)).collect();
                assert_eq!(found, walk, "{phases:?}");
                assert_eq!((phases.epochs(), phases.unpruned_epochs()), (epochs_done, unpruned_epochs));
            }
        }
    }
}
