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

/// What was asked for of an experiment, is not there, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct NotDrawn {
    /// The experiment's name.
    pub experiment: String,
    /// Of its file.
    pub name: String,
    /// What it takes.
    pub reason: &'static str,
}

/// Replicates of a condition whose density is drawn if nobody asks.
const MANY: usize = 10;

/// The pictures of each experiment of which a run is done: networks against their shuffles, densities of many replicates
/// without shuffles, unless its section says otherwise, and what else that asks for; and what of that cannot be drawn.
pub fn pictures(
    sections: &[(String, Table)],
    conditions: &[Condition],
    results: &[(&Run, &RunResult)],
) -> (Vec<Picture>, Vec<NotDrawn>) {
    let mut experiments: Vec<&str> = Vec::new();
    for condition in conditions.iter().filter(|condition| condition.n > 0) {
        if !experiments.contains(&condition.experiment.as_str()) {
            experiments.push(&condition.experiment);
        }
    }
    let (nothing, mut pictures, mut lacking) = (Table::default(), Vec::new(), Vec::new());
    for name in experiments {
        let section = sections.iter().find(|(experiment, _)| experiment == name).map_or(&nothing, |(_, table)| table);
        let conditions: Vec<&Condition> = conditions.iter().filter(|condition| condition.experiment == name).collect();
        let results = results.iter().filter(|(run, _)| &*run.experiment == name).copied().collect();
        for (file, svg, lacks) in (Experiment { name, section, conditions, results }).pictures() {
            match (svg, lacks) {
                (Some(svg), _) => pictures.push(Picture { experiment: name.into(), name: file, svg }),
                (None, Some(reason)) => lacking.push(NotDrawn { experiment: name.into(), name: file, reason }),
                (None, None) => {}
            }
        }
    }
    (pictures, lacking)
}

/// What the pictures of an experiment are of.
struct Experiment<'a> {
    name: &'a str,
    section: &'a Table,
    conditions: Vec<&'a Condition>,
    results: Vec<(&'a Run, &'a RunResult)>,
}

impl Experiment<'_> {
    /// Names of files, what is in them, and, of what was asked for, what it takes.
    fn pictures(&self) -> Vec<(String, Option<String>, Option<&'static str>)> {
        let mut found = Vec::new();
        let mut add = |name: String, svg: Option<String>, takes: Option<&'static str>| {
            found.push((format!("{name}.svg"), svg, takes));
        };
        let shuffled = "no run that is done has been compared with shuffles in that state";
        let asked = |is_asked: bool, takes: &'static str| is_asked.then_some(takes);
        let states = self.section.shuffles.as_deref().unwrap_or(&STATES);
        for state in states {
            let title = self.title(&format!("n-cut against shuffles, {state}"), state, states.len());
            let asked = asked(self.section.shuffles.is_some(), shuffled);
            add(format!("shuffles-{state}"), shuffles::shuffles(&title, state, &self.results), asked);
        }
        for state in &self.section.nulls {
            let title = self.title(&format!("n-cuts of shuffles, {state}"), state, self.section.nulls.len());
            add(format!("nulls-{state}"), nulls::nulls(&title, state, &self.results), Some(shuffled));
        }
        for figure in self.section.density.clone().unwrap_or_else(|| self.many()) {
            let svg = density::density(&self.title("densities", "", 1), &figure, &self.conditions);
            // the n-cut is what a state is looked at for
            let name = figure.strip_suffix(".ncut").unwrap_or(&figure).replace('.', "-");
            let takes = "no condition has two replicates or more that are done and have that figure";
            add(format!("density-{name}"), svg, asked(self.section.density.is_some(), takes));
        }
        let title = self.section.title.as_deref().unwrap_or(self.name);
        let scatters = self.section.scatter.iter().flat_map(|scatter| scatter.y.iter().map(move |y| (scatter, y)));
        for (i, (scatter, y)) in scatters.enumerate() {
            let takes = "no condition has both figures";
            add(format!("scatter-{}", i + 1), scatter::scatter(title, scatter, y, &self.conditions), Some(takes));
        }
        add("training".into(), training::training(title, &self.results), None);
        found
    }

    /// The one that was asked for, with the state where there are pictures of several.
    fn title(&self, what: &str, state: &str, pictures: usize) -> String {
        match &self.section.title {
            Some(title) if pictures > 1 => format!("{title}, {state}"),
            Some(title) => title.clone(),
            None => format!("{}: {what}", self.name),
        }
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
