//! Pictures of n-cut through training: over the epochs at which runs were measured, a line a condition, beside its shuffles,
//! with Z and the accuracy below.

mod layout;

use crate::experiment::figure::{self, FigureInfo};
use crate::experiment::grid::{Run, listed};
use crate::experiment::run::RunResult;
use crate::experiment::training_curve::TrainingPoint;
use layout::draw;

/// The picture of runs of one experiment; `None` if none was measured in training.
pub(super) fn training(title: &str, runs: &[(&Run, &RunResult)]) -> Option<String> {
    plot(title, runs).map(|plot| draw(&plot))
}

/// What a picture shows.
struct Plot {
    title: String,
    /// One below the other.
    panels: Vec<Panel>,
    /// What the conditions are called.
    series: Vec<String>,
    /// Epochs after which pruning begins, ascending.
    pruning: Vec<usize>,
}

/// What shares an axis.
struct Panel {
    info: &'static FigureInfo,
    /// One a series.
    curves: Vec<Vec<Mean>>,
    /// Of the shuffles of each series, with their own standard deviation; empty where they are not of this panel.
    shuffles: Vec<Vec<Mean>>,
}

/// A figure after an epoch, over the replicates that were measured then.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mean {
    epoch: usize,
    mean: f64,
    /// ddof = 1; none of a single replicate.
    sd: Option<f64>,
    replicates: usize,
}

impl Mean {
    fn ends(&self) -> [f64; 2] {
        let sd = self.sd.unwrap_or(0.0);
        [self.mean - sd, self.mean + sd]
    }
}

type Value = fn(&TrainingPoint) -> Option<f64>;

/// Beyond it, a value is none that an axis could show.
const LARGEST: f64 = 1e100;

/// `None` if no run has points.
fn plot(title: &str, runs: &[(&Run, &RunResult)]) -> Option<Plot> {
    let mut conditions: Vec<(&Run, Vec<&RunResult>)> = Vec::new();
    for (run, result) in runs.iter().filter(|(_, result)| result.training.as_ref().is_some_and(|t| !t.is_empty())) {
        match conditions.iter_mut().find(|(first, _)| first.condition.name == run.condition.name) {
            Some((_, results)) => results.push(result),
            None => conditions.push((run, vec![result])),
        }
    }
    if conditions.is_empty() {
        return None;
    }
    let panel = |name: &str, value: Value| {
        let info = figure::FIGURES.iter().find(|info| info.name == name)?;
        let curves: Vec<Vec<Mean>> = conditions.iter().map(|(_, results)| means(results, value)).collect();
        curves.iter().any(|curve| !curve.is_empty()).then_some(Panel { info, curves, shuffles: Vec::new() })
    };
    let ncut = panel("ncut", |point| Some(point.ncut)).map(|panel| {
        let shuffles = conditions.iter().map(|(_, results)| shuffles(results)).collect();
        Panel { shuffles, ..panel }
    });
    let z_score = panel("z_score", |point| point.z_score);
    let test = panel("test_accuracy", |point| point.test_accuracy).or_else(|| panel("test_loss", |p| p.test_loss));
    let mut pruning: Vec<usize> = conditions.iter().filter_map(|(run, _)| pruning_begins(run)).collect();
    pruning.sort_unstable();
    pruning.dedup();
    Some(Plot {
        title: format!("{title}: n-cut through training"),
        panels: [ncut, z_score, test].into_iter().flatten().collect(),
        series: conditions.iter().map(|(run, _)| name(run)).collect(),
        pruning,
    })
}

/// What differs from other conditions of the experiment; nothing where there is no other.
fn name(run: &Run) -> String {
    let given = listed(run.condition.given());
    match (given.is_empty(), run.condition.varied.is_empty()) {
        (true, true) => String::new(),
        (true, false) => "default".into(),
        (false, _) => given,
    }
}

fn pruning_begins(run: &Run) -> Option<usize> {
    let [unpruned, pruning] = run.settings().phase_epochs()?;
    (pruning > 0).then_some(unpruned)
}

/// The epochs at which any of `results` was measured, ascending, each with its points.
fn by_epoch<'a>(results: &[&'a RunResult]) -> Vec<(usize, Vec<&'a TrainingPoint>)> {
    let mut points: Vec<&TrainingPoint> =
        results.iter().filter_map(|result| result.training.as_ref()).flatten().collect();
    points.sort_by_key(|point| point.epoch);
    points.chunk_by(|a, b| a.epoch == b.epoch).map(|chunk| (chunk[0].epoch, chunk.to_vec())).collect()
}

fn means(results: &[&RunResult], value: Value) -> Vec<Mean> {
    let mean = |(epoch, points): (usize, Vec<&TrainingPoint>)| {
        let values: Vec<f64> = points.into_iter().filter_map(value).filter(|x| x.abs() <= LARGEST).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let sd = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Mean { epoch, mean, sd, replicates: values.len() })
    };
    by_epoch(results).into_iter().filter_map(mean).collect()
}

/// Mean n-cuts of shuffles, with the standard deviation of a network's shuffles, which Z is in units of.
fn shuffles(results: &[&RunResult]) -> Vec<Mean> {
    let sds = means(results, |point| point.null_sd);
    let sd = |epoch| sds.iter().find(|sd| sd.epoch == epoch).map(|sd| sd.mean);
    means(results, |point| point.null_mean).into_iter().map(|mean| Mean { sd: sd(mean.epoch), ..mean }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::{Setting, Settings};
    use crate::report::fixtures::records;
    use serde_json::json;

    fn point(epoch: usize, ncut: f64, shuffled: bool) -> TrainingPoint {
        let null = |x: f64| shuffled.then_some(x);
        TrainingPoint {
            epoch,
            pruning: epoch > 20,
            ncut,
            null_mean: null(10.0),
            null_sd: null(0.25),
            p_value: null(0.5),
            z_score: null((ncut - 10.0) / 0.25),
            effective_clusters: 8.0,
            largest_share: 0.25,
            modularity_q: 0.1,
            lambda_2: Some(0.5),
            lambda_3: None,
            lambda_4: None,
            train_accuracy: (epoch > 0).then_some(0.5),
            train_loss: (epoch > 0).then_some(0.5),
            test_accuracy: (epoch > 0).then_some(1.0 - 1.0 / epoch as f64),
            test_loss: (epoch > 0).then_some(0.25),
            sparsity: 0.0,
        }
    }

    /// Runs of conditions with these points, a list for each replicate.
    fn runs(conditions: &[(&str, Vec<Vec<TrainingPoint>>)]) -> Vec<(Run, RunResult)> {
        let result = records().swap_remove(0).result.unwrap();
        let of_condition = |(name, replicates): &(&str, Vec<Vec<TrainingPoint>>)| {
            let mut settings = Settings::default();
            Setting::read("dropout", json!(name.len() as f64 / 100.0)).unwrap().apply(&mut settings);
            let mut run = Run::new("e", settings, 0);
            let mut condition = (*run.condition).clone();
            condition.varied = vec![("dropout".into(), name.to_string())];
            run.condition = condition.into();
            let with = |points: &Vec<TrainingPoint>| {
                let training = (!points.is_empty()).then(|| points.clone());
                (run.clone(), RunResult { training, ..result.clone() })
            };
            replicates.iter().map(with).collect::<Vec<_>>()
        };
        conditions.iter().flat_map(of_condition).collect()
    }

    fn picture(runs: &[(Run, RunResult)]) -> Option<String> {
        training("T & co", &runs.iter().map(|(run, result)| (run, result)).collect::<Vec<_>>())
    }

    fn curve(shift: f64, shuffled: bool) -> Vec<TrainingPoint> {
        [0, 1, 5, 20, 40].map(|epoch| point(epoch, 9.0 + shift - epoch as f64 / 40.0, shuffled)).to_vec()
    }

    #[test]
    fn means_are_over_the_replicates_measured_then() {
        let runs = runs(&[("a", vec![vec![point(0, 9.0, true), point(1, 8.0, true)], vec![point(1, 6.0, true)]])]);
        let results: Vec<&RunResult> = runs.iter().map(|(_, result)| result).collect();
        let mean = |epoch, mean, sd, replicates| Mean { epoch, mean, sd, replicates };
        assert_eq!(means(&results, |p| Some(p.ncut)), [mean(0, 9.0, None, 1), mean(1, 7.0, Some(2f64.sqrt()), 2)]);
        assert_eq!(means(&results, |p| p.test_accuracy), [mean(1, 0.0, Some(0.0), 2)]);
        assert_eq!(shuffles(&results), [mean(0, 10.0, Some(0.25), 1), mean(1, 10.0, Some(0.25), 2)]);
    }

    /// A marker for each mean of each panel, a band for each series, one line where pruning begins.
    #[test]
    fn panels_have_their_curves() {
        let svg = picture(&runs(&[("a", vec![curve(0.0, true), curve(0.1, true)]), ("<b>", vec![curve(0.5, true)])]))
            .unwrap();
        // of 5 epochs, all but the first with an accuracy
        assert_eq!(svg.matches("<g class=\"point\"><title>").count(), 2 * (5 + 5 + 4));
        assert_eq!((svg.matches("class=\"band\"").count(), svg.matches("class=\"shuffles\"").count()), (2, 2));
        assert_eq!((svg.matches("pruning begins").count(), svg.matches("class=\"pruning\"").count()), (1, 3));
        assert!(svg.contains("T &amp; co") && svg.contains("dropout=&lt;b&gt;") && !svg.contains("<b>"));
        assert!(!svg.contains("<style") && !svg.contains(" id=") && !svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<g").count(), svg.matches("</g>").count());
        // frames do not cover what is in them
        assert_eq!((svg.matches("<rect x=").count(), svg.matches("fill=\"none\" stroke=\"#888\"/>").count()), (3, 3));
        assert_eq!(picture(&runs(&[("a", vec![vec![]])])), None);
    }

    #[test]
    fn few_points_and_many_conditions_break_nothing() {
        let without_shuffles = picture(&runs(&[("a", vec![curve(0.0, false)])])).unwrap();
        assert!(!without_shuffles.contains(">Z") && !without_shuffles.contains("class=\"band\""));
        let one = picture(&runs(&[("a", vec![vec![point(0, 9.0, false)]])])).unwrap();
        assert_eq!(one.matches("<g class=\"point\">").count(), 1);
        let names: Vec<String> = (1..40).map(|i| "n".repeat(i)).collect();
        let many: Vec<(&str, Vec<Vec<TrainingPoint>>)> =
            names.iter().map(|name| (name.as_str(), vec![curve(name.len() as f64, true)])).collect();
        let many = picture(&runs(&many)).unwrap();
        assert!(!many.contains("class=\"band\"") && many.matches("class=\"shuffles\"").count() == 39);
        for svg in [without_shuffles, one, many] {
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
