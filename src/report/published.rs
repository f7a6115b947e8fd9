//! What the paper reports, for the conditions that are run here.
//!
//! Filan et al. (2021), *Clusterability in Neural Networks*, tables A.5 and A.6; standard deviations over the five runs
//! from the run-by-run values that the authors published with their code (`clustering_factors_mlp.csv`).

use crate::experiment::settings::Settings;

/// Runs behind every published mean here.
pub(super) const RUNS: f64 = 5.0;

/// Means over the runs of one end state of a condition.
#[derive(Debug, PartialEq)]
pub(super) struct Published {
    pub ncut: f64,
    /// ddof = 1.
    pub ncut_sd: f64,
    pub null_mean: f64,
    /// Of the null means, ddof = 1.
    pub null_mean_sd: f64,
    /// Mean of the null distributions' standard deviations.
    pub null_sd: f64,
    pub z_score: f64,
    pub train_accuracy: f64,
    pub test_accuracy: f64,
}

/// Both end states of a condition.
#[derive(Debug)]
pub(super) struct PublishedCondition {
    dataset: &'static str,
    dropout: f64,
    pub unpruned: Published,
    pub pruned: Published,
}

const fn row(v: [f64; 8]) -> Published {
    let [ncut, ncut_sd, null_mean, null_mean_sd, null_sd, z_score, train_accuracy, test_accuracy] = v;
    Published { ncut, ncut_sd, null_mean, null_mean_sd, null_sd, z_score, train_accuracy, test_accuracy }
}

const CONDITIONS: [PublishedCondition; 4] = [
    PublishedCondition {
        dataset: "mnist",
        dropout: 0.0,
        unpruned: row([10.024, 0.017, 10.165, 0.015, 0.035, -4.47, 0.997, 0.980]),
        pruned: row([8.880, 0.049, 9.183, 0.007, 0.031, -9.67, 1.000, 0.984]),
    },
    PublishedCondition {
        dataset: "mnist",
        dropout: 0.5,
        unpruned: row([9.971, 0.082, 10.295, 0.010, 0.111, -2.98, 0.973, 0.980]),
        pruned: row([8.350, 0.046, 9.247, 0.008, 0.039, -23.96, 0.967, 0.979]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        dropout: 0.0,
        unpruned: row([9.885, 0.026, 10.080, 0.024, 0.037, -5.37, 0.939, 0.891]),
        pruned: row([8.687, 0.142, 9.032, 0.031, 0.035, -10.35, 0.983, 0.894]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        dropout: 0.5,
        unpruned: row([9.698, 0.029, 10.052, 0.019, 0.034, -10.68, 0.862, 0.872]),
        pruned: row([8.110, 0.087, 9.131, 0.012, 0.041, -24.69, 0.864, 0.867]),
    },
];

/// The published condition that `settings` repeats, if all else is at its default.
pub(super) fn find(settings: &Settings) -> Option<&'static PublishedCondition> {
    let same = |condition: &&PublishedCondition| {
        condition.dataset == settings.dataset.as_str() && condition.dropout == f64::from(settings.dropout)
    };
    let other = |name: &String| name != "dataset" && name != "dropout";
    if settings.non_default().keys().any(other) {
        return None;
    }
    CONDITIONS.iter().find(same)
}
