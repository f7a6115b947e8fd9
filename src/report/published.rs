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
    /// dropout, l1 and l2; with l2 the authors' code had l1 on the first layer.
    regularisers: [f64; 3],
    pub unpruned: Published,
    pub pruned: Published,
}

const fn row(v: [f64; 8]) -> Published {
    let [ncut, ncut_sd, null_mean, null_mean_sd, null_sd, z_score, train_accuracy, test_accuracy] = v;
    Published { ncut, ncut_sd, null_mean, null_mean_sd, null_sd, z_score, train_accuracy, test_accuracy }
}

const CONDITIONS: [PublishedCondition; 8] = [
    PublishedCondition {
        dataset: "mnist",
        regularisers: [0.0, 0.0, 0.0],
        unpruned: row([10.024, 0.017, 10.165, 0.015, 0.035, -4.47, 0.997, 0.980]),
        pruned: row([8.880, 0.049, 9.183, 0.007, 0.031, -9.67, 1.000, 0.984]),
    },
    PublishedCondition {
        dataset: "mnist",
        regularisers: [0.5, 0.0, 0.0],
        unpruned: row([9.971, 0.082, 10.295, 0.010, 0.111, -2.98, 0.973, 0.980]),
        pruned: row([8.350, 0.046, 9.247, 0.008, 0.039, -23.96, 0.967, 0.979]),
    },
    PublishedCondition {
        dataset: "mnist",
        regularisers: [0.0, 5e-5, 0.0],
        unpruned: row([9.062, 0.218, 6.505, 0.180, 0.142, 18.02, 0.991, 0.979]),
        pruned: row([10.064, 0.219, 2.717, 0.274, 0.333, 22.28, 0.997, 0.981]),
    },
    PublishedCondition {
        dataset: "mnist",
        regularisers: [0.0, 0.0, 5e-5],
        unpruned: row([9.639, 0.293, 9.387, 0.064, 0.066, 4.02, 0.992, 0.980]),
        pruned: row([8.335, 1.880, 8.599, 0.637, 0.081, -5.99, 0.998, 0.982]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        regularisers: [0.0, 0.0, 0.0],
        unpruned: row([9.885, 0.026, 10.080, 0.024, 0.037, -5.37, 0.939, 0.891]),
        pruned: row([8.687, 0.142, 9.032, 0.031, 0.035, -10.35, 0.983, 0.894]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        regularisers: [0.5, 0.0, 0.0],
        unpruned: row([9.698, 0.029, 10.052, 0.019, 0.034, -10.68, 0.862, 0.872]),
        pruned: row([8.110, 0.087, 9.131, 0.012, 0.041, -24.69, 0.864, 0.867]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        regularisers: [0.0, 5e-5, 0.0],
        unpruned: row([8.407, 0.153, 7.214, 0.084, 0.104, 11.47, 0.907, 0.880]),
        pruned: row([9.943, 0.438, 4.591, 0.110, 0.227, 23.78, 0.933, 0.887]),
    },
    PublishedCondition {
        dataset: "fashion-mnist",
        regularisers: [0.0, 0.0, 5e-5],
        unpruned: row([9.468, 0.074, 9.185, 0.065, 0.068, 4.27, 0.913, 0.879]),
        pruned: row([8.524, 1.094, 8.746, 0.319, 0.077, -3.89, 0.951, 0.892]),
    },
];

/// The published condition that `settings` repeats, if all else is at its default.
pub(super) fn find(settings: &Settings) -> Option<&'static PublishedCondition> {
    let regularisers: [f64; 3] = [settings.dropout.into(), settings.l1.into(), settings.l2.into()];
    let same = |condition: &&PublishedCondition| {
        condition.dataset == settings.dataset.as_str() && condition.regularisers == regularisers
    };
    // what is published does not depend on lesions
    let other = |name: &String| !["dataset", "dropout", "l1", "l2", "lesions"].contains(&name.as_str());
    if settings.non_default().keys().any(other) {
        return None;
    }
    CONDITIONS.iter().find(same)
}
