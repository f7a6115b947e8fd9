//! What was handed to Slurm, frozen: the program, the runs with all their settings, the scripts. Editing the grid file or
//! building the program anew changes nothing for jobs that are in the queue.
//!
//! ```text
//! OUT/.slurm/bin/ncut-<hash8>        the program
//! OUT/.slurm/<id>/runs.jsonl         a line a run, in the order in which the arrays number them
//!                 report.jsonl       the same of all runs that a report of them has
//!                 report.json        its sections, and the command that does these runs elsewhere
//!                 array-<n>.sh       the script of each array
//!                 submission.json    the arrays and the numbers that Slurm gave them
//!                 logs/<job>_<i>.out what each element wrote, of all its attempts
//! ```

use super::array::{Array, ArrayStage};
use crate::experiment::grid::{Condition, Run};
use crate::experiment::resources::Resources;
use crate::experiment::settings::Settings;
use crate::experiment::store::{RunDirectory, condition_name};
use crate::experiment::table::Table;
use crate::experiment::yaml;
use crate::{InputError, aside};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the parts of a submission are; all absolute.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// Of the submission.
    pub directory: PathBuf,
    /// The program, of which a copy is kept.
    pub binary: PathBuf,
    /// Where data sets lie.
    pub data_dir: PathBuf,
    /// Where networks are trained.
    pub device: String,
}

/// A line of `runs.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
struct RunLine {
    experiment: String,
    replicate: u64,
    varied: Vec<(String, String)>,
    settings: Settings,
}

/// What the report at the end is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportPlan {
    /// All runs of the file, those that are done included.
    pub runs: Vec<Run>,
    /// Sections, by experiment.
    pub tables: Vec<(String, Table)>,
    /// Does these runs on one machine.
    pub command: String,
}

/// `report.json`.
#[derive(Debug, Serialize, Deserialize)]
struct ReportFile {
    command: String,
    sections: Vec<(String, serde_json::Value)>,
}

/// `submission.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of the program.
    pub version: String,
    /// File name of the program's copy.
    #[serde(default)]
    pub binary: String,
    /// Runs, by name, that were to be done from their beginning: what became of them before does not count any more.
    #[serde(default)]
    pub anew: Vec<String>,
    /// The arrays, in the order in which they were handed over.
    pub arrays: Vec<ArrayRecord>,
}

/// An array as it was handed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ArrayRecord {
    /// What it is called in the queue.
    pub name: String,
    /// Slurm's number; none if it was not handed over yet.
    pub job: Option<String>,
    /// Its number among the arrays.
    pub number: usize,
    /// Whether its elements do runs, and not only a part or a report of them.
    pub finishes: bool,
    /// Number of its first run.
    pub first: usize,
    /// Runs that it does.
    pub runs: usize,
    /// Runs of an element.
    pub pack: usize,
    /// Memory that an element had, in MiB.
    pub mem: u64,
    /// Time that it had, in seconds.
    pub time: u64,
}

impl ArrayRecord {
    /// As it is about to be handed over.
    pub fn new(array: &Array, number: usize) -> Self {
        Self {
            name: array.name.clone(),
            job: None,
            number,
            finishes: matches!(array.stage, ArrayStage::Run(crate::experiment::run::Stage::All)),
            first: array.first,
            runs: array.runs,
            pack: array.pack(),
            mem: array.resources.mem.unwrap_or(0),
            time: array.resources.time.unwrap_or(0),
        }
    }
}

/// The folder of all submissions of an output directory.
pub fn folder(out: &Path) -> PathBuf {
    out.join(".slurm")
}

/// The directory that the next submission of `runs` will have, whoever asks: its name is a hash of them and of how many
/// such there were before.
pub fn next_directory(out: &Path, runs: &[Run]) -> PathBuf {
    let mut hasher = Sha256::new();
    for run in runs {
        hasher.update(format!("{}/{}/r{}\n", run.experiment, run.condition.name, run.replicate));
    }
    let id: String = hasher.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let nth = |n: usize| folder(out).join(if n == 1 { id.clone() } else { format!("{id}-{n}") });
    (1..).map(nth).find(|path| !path.exists()).unwrap_or_default()
}

/// Where the copy of the program that runs now will be.
///
/// # Errors
///
/// The program cannot be read.
pub fn frozen_binary(out: &Path) -> Result<PathBuf, InputError> {
    let program = program()?;
    let mut file = File::open(&program).map_err(|e| InputError::io(&program, &e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|e| InputError::io(&program, &e))? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    let hash: String = hasher.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(folder(out).join("bin").join(format!("ncut-{hash}")))
}

fn program() -> Result<PathBuf, InputError> {
    // also if it was replaced since it was started
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        return Ok(running);
    }
    std::env::current_exe().map_err(|e| InputError::io(Path::new("ncut"), &e))
}

/// Writes everything but the numbers of jobs, and copies the program.
///
/// # Errors
///
/// It cannot be written.
pub fn freeze(
    frozen: &Frozen,
    runs: &[Run],
    arrays: &[Array],
    scripts: &[String],
    report: &ReportPlan,
) -> Result<Record, InputError> {
    let make = |path: &Path| std::fs::create_dir_all(path).map_err(|e| InputError::io(path, &e));
    make(&frozen.directory.join("logs"))?;
    if let Some(bin) = frozen.binary.parent() {
        make(bin)?;
    }
    if !frozen.binary.exists() {
        let program = program()?;
        let mut file = File::open(&program).map_err(|e| InputError::io(&program, &e))?;
        aside::write_with(&frozen.binary, |copy| {
            std::io::copy(&mut file, copy)?;
            copy.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        })?;
    }
    aside::write(&frozen.directory.join("runs.jsonl"), lines(runs).as_bytes())?;
    aside::write(&frozen.directory.join("report.jsonl"), lines(&report.runs).as_bytes())?;
    let sections = report.tables.iter().map(|(name, table)| (name.clone(), table.section())).collect();
    let file = ReportFile { command: report.command.clone(), sections };
    aside::write(&frozen.directory.join("report.json"), &serde_json::to_vec(&file).unwrap_or_default())?;
    for (number, text) in scripts.iter().enumerate() {
        aside::write(&script_path(&frozen.directory, number), text.as_bytes())?;
    }
    let arrays = arrays.iter().enumerate().map(|(number, array)| ArrayRecord::new(array, number)).collect();
    let binary = frozen.binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let record = Record { version: crate::VERSION.into(), binary, anew: Vec::new(), arrays };
    write_record(&frozen.directory, &record)?;
    Ok(record)
}

/// A line each.
fn lines(runs: &[Run]) -> String {
    let mut lines = String::new();
    for run in runs {
        let line = RunLine {
            experiment: run.experiment.to_string(),
            replicate: run.replicate,
            varied: run.condition.given().cloned().collect(),
            settings: run.settings().clone(),
        };
        lines += &serde_json::to_string(&line).unwrap_or_default();
        lines.push('\n');
    }
    lines
}

/// The script of array `number`.
pub fn script_path(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("array-{number}.sh"))
}

/// Writes `submission.json`.
///
/// # Errors
///
/// It cannot be written.
pub fn write_record(directory: &Path, record: &Record) -> Result<(), InputError> {
    aside::write(&directory.join("submission.json"), &serde_json::to_vec_pretty(record).unwrap_or_default())
}

/// The runs of a submission, from number `range.start` to before `range.end`.
///
/// # Errors
///
/// The list cannot be read.
pub fn read_runs(directory: &Path, range: std::ops::Range<usize>) -> Result<Vec<Run>, InputError> {
    read_lines(&directory.join("runs.jsonl"), range)
}

/// What the report at the end is made of.
///
/// # Errors
///
/// It cannot be read.
pub fn read_report(directory: &Path) -> Result<ReportPlan, InputError> {
    let path = directory.join("report.json");
    let text = std::fs::read_to_string(&path).map_err(|e| InputError::io(&path, &e))?;
    let file: ReportFile = serde_json::from_str(&text).map_err(|e| {
        InputError::new(path.display(), format!("is no plan of a report of this version: {e}"), "submit again")
    })?;
    let mut tables = Vec::new();
    for (name, section) in file.sections {
        let node = yaml::parse(&path.display().to_string(), &section.to_string())?;
        tables.push((name, Table::read(&node)?));
    }
    let runs = read_lines(&directory.join("report.jsonl"), 0..usize::MAX)?;
    Ok(ReportPlan { runs, tables, command: file.command })
}

fn read_lines(path: &Path, range: std::ops::Range<usize>) -> Result<Vec<Run>, InputError> {
    let text = std::fs::read_to_string(path).map_err(|e| InputError::io(path, &e))?;
    let mut runs = Vec::new();
    for (i, line) in text.lines().enumerate().take(range.end).skip(range.start) {
        let line: RunLine = serde_json::from_str(line).map_err(|e| {
            let problem = format!("is no list of runs of this version: {e}");
            InputError::new(format!("{}:{}", path.display(), i + 1), problem, "submit again")
        })?;
        let condition = Condition {
            name: condition_name(&line.settings),
            settings: line.settings,
            varied: line.varied,
            sources: Vec::new(),
            resources: Resources::default(),
        };
        runs.push(Run {
            experiment: line.experiment.into(),
            condition: Arc::new(condition),
            replicate: line.replicate,
        });
    }
    Ok(runs)
}

/// All submissions of an output directory with their records, oldest first; those that cannot be read are passed over.
pub fn all(out: &Path) -> Vec<(PathBuf, Record)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(out)).into_iter().flatten().flatten() {
        let path = entry.path().join("submission.json");
        let (Ok(bytes), Ok(metadata)) = (std::fs::read(&path), std::fs::metadata(&path)) else { continue };
        if let Ok(record) = serde_json::from_slice::<Record>(&bytes) {
            found.push((metadata.modified().ok(), entry.path(), record));
        }
    }
    found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    found.into_iter().map(|(_, path, record)| (path, record)).collect()
}

/// What is left of submissions that are through, with sizes in bytes: those of which every run has its result, and copies
/// of the program that no other submission names.
pub fn spent(out: &Path) -> Vec<(PathBuf, u64)> {
    let done = |directory: &Path| {
        let names = run_names(directory);
        !names.is_empty() && names.iter().all(|name| RunDirectory::at(out.join(name)).is_done())
    };
    let (through, others): (Vec<_>, Vec<_>) = all(out).into_iter().partition(|(directory, _)| done(directory));
    // a submission that cannot be read, or is only being made, may need any of them
    let unread =
        std::fs::read_dir(folder(out)).into_iter().flatten().flatten().filter(|entry| entry.file_name() != "bin");
    let unread = unread.filter(|entry| entry.path().is_dir()).count() > through.len() + others.len();
    let kept: Vec<&str> = others.iter().map(|(_, record)| record.binary.as_str()).collect();
    let mut spent: Vec<PathBuf> = through.into_iter().map(|(directory, _)| directory).collect();
    for entry in std::fs::read_dir(folder(out).join("bin")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("ncut-") && !kept.contains(&name.as_str()) && !unread {
            spent.push(entry.path());
        }
    }
    spent.sort();
    spent.into_iter().map(|path| (path.clone(), size(&path))).collect()
}

fn size(path: &Path) -> u64 {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

/// Deletes what [`spent`] found.
///
/// # Errors
///
/// It cannot be deleted.
pub fn delete(path: &Path) -> Result<(), InputError> {
    let deleted = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    deleted.map_err(|e| InputError::io(path, &e))
}

/// Names of the runs of a submission, as `experiment/condition/r0`, in the order of its list.
pub fn run_names(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("runs.jsonl")).unwrap_or_default();
    let name = |line: &str| {
        let line: RunLine = serde_json::from_str(line).ok()?;
        Some(format!("{}/{}/r{}", line.experiment, condition_name(&line.settings), line.replicate))
    };
    text.lines().map(|line| name(line).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::array::{DEFAULTS, arrays};

    #[test]
    fn what_is_frozen_is_read_back() {
        let out = tempfile::tempdir().unwrap();
        let runs: Vec<Run> = (0..5).map(|replicate| Run::new("e", Settings::default(), replicate)).collect();
        let (arrays, runs) = arrays(runs.into_iter().map(|run| (run, DEFAULTS)).collect(), 3);
        let directory = next_directory(out.path(), &runs);
        let binary = frozen_binary(out.path()).unwrap();
        let frozen = Frozen { directory: directory.clone(), binary, data_dir: "/d".into(), device: "cpu".into() };
        let scripts = vec!["#!/bin/bash\n".to_string(); arrays.len()];
        let section =
            yaml::parse("f", "{rows: dropout, values: pruned.ncut, expect: {where: 'dropout == 0', pruned.ncut: 9}}")
                .unwrap();
        let tables = vec![("e".to_string(), Table::read(&section).unwrap())];
        let report = ReportPlan { runs: runs.clone(), tables, command: "ncut run f.yaml".into() };
        let mut record = freeze(&frozen, &runs, &arrays, &scripts, &report).unwrap();
        let found = read_report(&directory).unwrap();
        assert_eq!((&found.tables, &found.command), (&report.tables, &report.command));
        assert_eq!(found.runs, runs);
        assert_eq!(read_runs(&directory, 1..3).unwrap(), runs[1..3]);
        assert_eq!(run_names(&directory)[4], "e/default-44136fa3/r4");
        record.arrays[0].job = Some("17".into());
        write_record(&directory, &record).unwrap();
        assert_eq!(all(out.path()), [(directory.clone(), record)]);
        // the same runs again: another directory
        assert_eq!(
            next_directory(out.path(), &runs).file_name(),
            Some(format!("{}-2", directory.file_name().unwrap().display()).as_ref())
        );
        // through once every run has its result
        assert_eq!(spent(out.path()), []);
        for name in run_names(&directory) {
            std::fs::create_dir_all(out.path().join(&name)).unwrap();
            std::fs::write(out.path().join(&name).join("result.json"), "{}").unwrap();
        }
        let found: Vec<PathBuf> = spent(out.path()).into_iter().map(|(path, _)| path).collect();
        assert_eq!(found, [directory, frozen.binary.clone()]);
        let copied = std::fs::read(&frozen.binary).unwrap();
        assert!(copied == std::fs::read(std::env::current_exe().unwrap()).unwrap());
    }
}
