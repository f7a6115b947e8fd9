//! Pictures of experiments.
//!
//! A picture is an SVG that needs nothing else: no font, style or script of its own or another's, and names no element,
//! so that several stand in one page. The same as PNG is for what shows no SVG.
//!
//! Series are told apart by colours that the colour-blind can tell apart, and without colour by shape, dash or hatch.

mod axis;
mod chart;
mod density;
mod histogram;
pub(super) mod labels;
mod networks;
mod nulls;
mod png;
mod scatter;
mod shuffles;
mod svg;
mod training;

use super::Condition;
use crate::experiment::figure::STATES;
use crate::experiment::grid::Run;
use crate::experiment::run::RunResult;
use crate::experiment::table::Table;
pub use png::PngError;

/// A picture of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The experiment's name.
    pub experiment: String,
    /// Of its file in the experiment's directory: `shuffles-pruned.svg`, `scatter-1.svg`, `scatter-2.svg`, …, `training.svg`.
    pub name: String,
    /// The file.
    pub svg: String,
}

impl Picture {
    /// The same as PNG, of two pixels for each of the SVG in either direction.
    ///
    /// # Errors
    ///
    /// It is so large that it cannot be drawn.
    pub fn png(&self) -> Result<Vec<u8>, PngError> {
        png::png(&self.svg)
    }
}

/// Replicates of a condition whose density is drawn if nobody asks.
const MANY: usize = 10;

/// The pictures of each experiment of which a run is done: networks against their shuffles, densities of many replicates
/// without shuffles, unless its section says otherwise, and what else that asks for.
pub fn pictures(
    sections: &[(String, Table)],
    conditions: &[Condition],
    results: &[(&Run, &RunResult)],
) -> Vec<Picture> {
    let mut experiments: Vec<&str> = Vec::new();
    for condition in conditions.iter().filter(|condition| condition.n > 0) {
        if !experiments.contains(&condition.experiment.as_str()) {
            experiments.push(&condition.experiment);
        }
    }
    let (nothing, mut pictures) = (Table::default(), Vec::new());
    for name in experiments {
        let section = sections.iter().find(|(experiment, _)| experiment == name).map_or(&nothing, |(_, table)| table);
        let conditions: Vec<&Condition> = conditions.iter().filter(|condition| condition.experiment == name).collect();
        let results = results.iter().filter(|(run, _)| &*run.experiment == name).copied().collect();
        let found = Experiment { name, section, conditions, results }.pictures().into_iter();
        pictures.extend(found.map(|(file, svg)| Picture { experiment: name.into(), name: file, svg }));
    }
    pictures
}

/// What the pictures of an experiment are of.
struct Experiment<'a> {
    name: &'a str,
    section: &'a Table,
    conditions: Vec<&'a Condition>,
    results: Vec<(&'a Run, &'a RunResult)>,
}

impl Experiment<'_> {
    /// Names of files, and what is in them.
    fn pictures(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut add = |name: String, svg: Option<String>| found.extend(svg.map(|svg| (format!("{name}.svg"), svg)));
        for state in self.section.shuffles.as_deref().unwrap_or(&STATES) {
            let title = self.title(&format!("n-cut against shuffles, {state}"));
            add(format!("shuffles-{state}"), shuffles::shuffles(&title, state, &self.results));
        }
        for state in &self.section.nulls {
            let title = self.title(&format!("n-cuts of shuffles, {state}"));
            add(format!("nulls-{state}"), nulls::nulls(&title, state, &self.results));
        }
        for figure in self.section.density.clone().unwrap_or_else(|| self.many()) {
            let svg = density::density(&self.title("densities"), &figure, &self.conditions);
            // the n-cut is what a state is looked at for
            let name = figure.strip_suffix(".ncut").unwrap_or(&figure).replace('.', "-");
            add(format!("density-{name}"), svg);
        }
        let title = self.section.title.as_deref().unwrap_or(self.name);
        let asked = self.section.scatter.iter().flat_map(|scatter| scatter.y.iter().map(move |y| (scatter, y)));
        for (i, (scatter, y)) in asked.enumerate() {
            add(format!("scatter-{}", i + 1), scatter::scatter(title, scatter, y, &self.conditions));
        }
        add("training".into(), training::training(title, &self.results));
        found
    }

    fn title(&self, what: &str) -> String {
        self.section.title.clone().unwrap_or_else(|| format!("{}: {what}", self.name))
    }

    /// The n-cuts of states of which many replicates have no shuffles.
    fn many(&self) -> Vec<String> {
        let is_many = |state: &&&str| {
            let ncut = format!("{state}.ncut");
            let shuffled = format!("{state}.null_mean");
            let many =
                |condition: &&Condition| condition.figure(&ncut).is_some_and(|figure| figure.values.len() >= MANY);
            self.conditions.iter().any(|condition| many(condition) && condition.figure(&shuffled).is_none())
        };
        STATES.iter().filter(is_many).map(|state| format!("{state}.ncut")).collect()
    }
}
