//! What runs measured in training as a table: a row a run and measured epoch.

use super::columns::{Cell, Column, Kind, count, real, whose};
use super::record::RunRecord;
use crate::experiment::training_curve::TrainingPoint;

type Figure = (&'static str, fn(&TrainingPoint) -> Option<f64>);

/// What is told of a point.
const FIGURES: [Figure; 16] = [
    ("ncut", |point| Some(point.ncut)),
    ("null_mean", |point| point.null_mean),
    ("null_sd", |point| point.null_sd),
    ("z_score", |point| point.z_score),
    ("p_value", |point| point.p_value),
    ("train_accuracy", |point| point.train_accuracy),
    ("test_accuracy", |point| point.test_accuracy),
    ("train_loss", |point| point.train_loss),
    ("test_loss", |point| point.test_loss),
    ("effective_clusters", |point| Some(point.effective_clusters)),
    ("largest_share", |point| Some(point.largest_share)),
    ("modularity_q", |point| Some(point.modularity_q)),
    ("lambda_2", |point| point.lambda_2),
    ("lambda_3", |point| point.lambda_3),
    ("lambda_4", |point| point.lambda_4),
    ("sparsity", |point| Some(point.sparsity)),
];

/// The points of all runs that are done, in the order of `records`, then of epochs; only the names where there are none.
pub fn columns(records: &[RunRecord]) -> Vec<Column> {
    let with_points = |record| Some((record, points(record)?));
    let rows: Vec<(&RunRecord, &TrainingPoint)> = records
        .iter()
        .filter_map(with_points)
        .flat_map(|(record, points)| points.iter().map(move |point| (record, point)))
        .collect();
    let column = |name: &str, kind, cell: &dyn Fn(&(&RunRecord, &TrainingPoint)) -> Cell| Column {
        name: name.into(),
        kind,
        cells: rows.iter().map(cell).collect(),
    };
    let mut columns = whose(&rows, |(record, _)| record);
    columns.extend([
        column("epoch", Kind::Whole, &|(_, point)| count(point.epoch)),
        column("pruning", Kind::Flag, &|(_, point)| Cell::Flag(point.pruning)),
    ]);
    columns.extend(FIGURES.map(|(name, figure)| column(name, Kind::Real, &|(_, point)| real(figure(point)))));
    columns
}

fn points(record: &RunRecord) -> Option<&[TrainingPoint]> {
    record.result.as_ref()?.training.as_deref()
}
