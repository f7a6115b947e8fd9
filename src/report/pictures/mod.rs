//! Pictures of experiments.
//!
//! A picture is an SVG that needs nothing else: no font, style or script of its own or another's, and names no element,
//! so that several stand in one page.

mod axis;
pub(super) mod labels;
mod scatter;
mod svg;
mod training;

use super::Condition;
use crate::experiment::grid::Run;
use crate::experiment::run::RunResult;
use crate::experiment::table::Table;

/// A picture of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The experiment's name.
    pub experiment: String,
    /// Of its file in the experiment's directory: `scatter-1.svg`, `scatter-2.svg`, …, `training.svg`.
    pub name: String,
    /// The file.
    pub svg: String,
}

/// The pictures that `sections` ask for, of the experiments of which a run is done.
pub fn pictures(sections: &[(String, Table)], conditions: &[Condition]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for (experiment, table) in sections {
        let own: Vec<&Condition> = conditions.iter().filter(|condition| condition.experiment == *experiment).collect();
        if own.iter().all(|condition| condition.n == 0) {
            continue;
        }
        let title = table.title.as_deref().unwrap_or(experiment);
        let asked = table.scatter.iter().flat_map(|scatter| scatter.y.iter().map(move |y| (scatter, y)));
        for (i, (scatter, y)) in asked.enumerate() {
            let name = format!("scatter-{}.svg", i + 1);
            let svg = scatter::scatter(title, scatter, y, &own);
            pictures.extend(svg.map(|svg| Picture { experiment: experiment.clone(), name, svg }));
        }
    }
    pictures
}

/// A picture of each experiment of which a run was measured in training; `sections` have their titles.
pub fn of_training(sections: &[(String, Table)], results: &[(&Run, &RunResult)]) -> Vec<Picture> {
    let of_experiment = |runs: &[(&Run, &RunResult)]| {
        let experiment = runs[0].0.experiment.to_string();
        let title = sections.iter().find(|(name, _)| *name == experiment).and_then(|(_, table)| table.title.as_deref());
        let svg = training::training(title.unwrap_or(&experiment), runs)?;
        Some(Picture { name: "training.svg".into(), svg, experiment })
    };
    results.chunk_by(|a, b| a.0.experiment == b.0.experiment).filter_map(of_experiment).collect()
}
