//! What `metrics.jsonl` says, for those who only look: also of a run in progress, of an older version, or of one whose
//! loss is no number any more.

use super::store::RunDirectory;
use crate::train::EpochRecord;
use serde::Deserialize;

/// A line of the file ([`crate::train::EpochRecord`]) as far as it has these; infinite and undefined values are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Epoch {
    /// From 1; the pruning epochs count on.
    pub epoch: u32,
    /// Whether weights were being pruned.
    #[serde(default)]
    pub pruning: bool,
    /// Mean loss over the epoch's steps.
    pub loss: Option<f64>,
    /// Running accuracy on the training set, in `[0, 1]`.
    pub accuracy: Option<f64>,
    /// Cross-entropy on the test set.
    pub test_loss: Option<f64>,
    /// Accuracy on the test set, in `[0, 1]`.
    pub test_accuracy: Option<f64>,
    /// Share of the weights that is exactly zero.
    pub sparsity: Option<f64>,
}

/// The epochs of a run, in the file's order; none without the file. A line that is torn is left out.
pub fn read(directory: &RunDirectory) -> Vec<Epoch> {
    let bytes = std::fs::read(directory.metrics()).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The epochs of a text that has nothing else: what was written, to the bit, or `None`.
pub fn records(text: &[u8]) -> Option<Vec<EpochRecord>> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_are_left_out_and_undefined_values_are_none() {
        let out = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(out.path().into());
        assert_eq!(read(&directory), []);
        let record = |epoch, loss| EpochRecord {
            epoch,
            pruning: false,
            loss,
            accuracy: Some(0.1 + 0.2),
            test_loss: 2.0,
            test_accuracy: Some(0.5),
            sparsity: 0.0,
        };
        let line = |record: EpochRecord| serde_json::to_string(&record).unwrap() + "\n";
        let text = line(record(1, 0.5)) + "\n\u{fffd}\n" + &line(record(2, f64::NAN)) + &line(record(3, 0.5))[..40];
        std::fs::write(directory.metrics(), text).unwrap();
        let epochs = read(&directory);
        assert_eq!(epochs.iter().map(|e| (e.epoch, e.loss)).collect::<Vec<_>>(), [(1, Some(0.5)), (2, None)]);
        assert_eq!((epochs[0].accuracy, epochs[1].sparsity), (Some(0.1 + 0.2), Some(0.0)));
        assert_eq!(records(line(record(1, 0.1)).as_bytes()), Some(vec![record(1, 0.1)]));
        assert_eq!(records(&std::fs::read(directory.metrics()).unwrap()), None);
    }
}
