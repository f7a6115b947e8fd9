//! What lies in an output directory that a grid file does not need.
//!
//! Listed are runs that no run of the file names, results put aside, what finished runs left of their work, and files
//! that never got their name. Never listed are symbolic links, hidden directories, whatever is not named and filled like
//! a run's directory, and what a living process holds.

use super::claim::{Claim, attempt_number, claim, holder};
use super::figure::{self, STATES};
use super::grid::Run;
use super::store::RunDirectory;
use crate::{InputError, aside};
use std::collections::HashSet;
use std::fs::DirEntry;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How old a file without its final name is when nobody writes it any more.
pub const ABANDONED: Duration = Duration::from_secs(3600);

/// Why something is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// An experiment that the file does not have, with nothing in it but its runs.
    Experiment,
    /// A condition that no run of the file names, with nothing in it but its runs.
    Condition,
    /// A replicate that no run of the file names.
    Replicate,
    /// An earlier result, put aside.
    Replaced,
    /// The checkpoint of a finished run.
    Checkpoint,
    /// The file of an attempt at a finished run.
    Attempt,
    /// A file that did not get its final name within [`ABANDONED`].
    Temporary,
}

/// Something that is not needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is to go: a file, or a directory with all that is in it.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
    /// Size in bytes.
    pub bytes: u64,
    /// Runs in it that have a result.
    pub results: usize,
    /// Runs in it that have none, but a checkpoint at most.
    pub unfinished: usize,
    /// Directories of runs.
    runs: Vec<PathBuf>,
    files: Vec<PathBuf>,
    /// Directories that hold only the above, inner ones first.
    folders: Vec<PathBuf>,
}

impl Item {
    fn empty(path: PathBuf, reason: Reason) -> Self {
        let (runs, files, folders) = Default::default();
        Self { path, reason, bytes: 0, results: 0, unfinished: 0, runs, files, folders }
    }

    fn file(entry: &DirEntry, reason: Reason) -> Self {
        let path = entry.path();
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        Self { bytes, files: vec![path.clone()], ..Self::empty(path, reason) }
    }

    fn run(path: PathBuf, reason: Reason, done: bool) -> Self {
        let (results, unfinished) = if done { (1, 0) } else { (0, 1) };
        Self { bytes: size(&path), results, unfinished, runs: vec![path.clone()], ..Self::empty(path, reason) }
    }

    /// The directory `path`, which holds `items` and nothing else.
    fn folder(path: &Path, reason: Reason, items: Vec<Item>) -> Self {
        let mut all = Self::empty(path.into(), reason);
        for item in items {
            all.bytes += item.bytes;
            all.results += item.results;
            all.unfinished += item.unfinished;
            all.runs.extend(item.runs);
            all.files.extend(item.files);
            all.folders.extend(item.folders);
        }
        all.folders.push(path.into());
        all
    }
}

/// What was found in a directory.
struct Found {
    items: Vec<Item>,
    /// Whether it holds nothing else.
    whole: bool,
}

/// What `out` holds that `runs`, all runs of a grid file, do not need, by path.
///
/// # Errors
///
/// A directory cannot be listed.
pub fn find(runs: &[Run], out: &Path) -> Result<Vec<Item>, InputError> {
    let needed: HashSet<PathBuf> = runs.iter().map(|run| RunDirectory::new(out, run).path().to_path_buf()).collect();
    let conditions: HashSet<&Path> = needed.iter().filter_map(|run| run.parent()).collect();
    let experiments: HashSet<&Path> = conditions.iter().filter_map(|condition| condition.parent()).collect();
    let mut items = Vec::new();
    for entry in list(out)? {
        let path = entry.path();
        if is_abandoned(&entry) {
            items.push(Item::file(&entry, Reason::Temporary));
        } else if is_directory(&entry) && !name(&entry).starts_with('.') {
            let found = experiment(&path, &needed, &conditions)?;
            match found.whole && !found.items.is_empty() && !experiments.contains(path.as_path()) {
                true => items.push(Item::folder(&path, Reason::Experiment, found.items)),
                false => items.extend(found.items),
            }
        }
    }
    Ok(items)
}

/// Whether a file of this name in an experiment's directory is made of its results.
fn is_page(name: &str) -> bool {
    matches!(name, "report.md" | "report.html") || is_picture_file(name)
}

/// Whether a report writes pictures of that name into an experiment's directory.
pub fn is_picture_file(name: &str) -> bool {
    name.strip_suffix(".svg").or_else(|| name.strip_suffix(".png")).is_some_and(is_picture)
}

/// Whether a picture is called so.
fn is_picture(name: &str) -> bool {
    let Some((kind, of)) = name.split_once('-') else { return name == "training" };
    match kind {
        "scatter" => of.parse().is_ok_and(|n: u32| n > 0),
        "shuffles" | "nulls" => STATES.contains(&of),
        "density" => STATES.contains(&of) || figure::find(&of.replacen('-', ".", 1)).is_some(),
        _ => false,
    }
}

fn experiment(dir: &Path, needed: &HashSet<PathBuf>, conditions: &HashSet<&Path>) -> Result<Found, InputError> {
    let mut found = Found { items: Vec::new(), whole: true };
    let (mut temporary, mut pages) = (Vec::new(), Vec::new());
    for entry in list(dir)? {
        let path = entry.path();
        if is_abandoned(&entry) {
            temporary.push(Item::file(&entry, Reason::Temporary));
        } else if is_file(&entry) && is_page(&name(&entry)) {
            pages.push(Item::file(&entry, Reason::Experiment));
        } else if is_directory(&entry) && is_condition(&name(&entry)) {
            let of_condition = condition(&path, needed, conditions.contains(path.as_path()))?;
            let whole = of_condition.whole && !of_condition.items.is_empty();
            match whole {
                true => found.items.push(Item::folder(&path, Reason::Condition, of_condition.items)),
                false => found.items.extend(of_condition.items),
            }
            found.whole &= whole;
        } else {
            found.whole = false;
        }
    }
    // a directory without a run is none of ours, whatever else lies in it
    let ours = !found.items.is_empty() || conditions.iter().any(|condition| condition.starts_with(dir));
    if ours {
        found.items.extend(temporary);
    }
    if found.whole && !found.items.is_empty() {
        found.items.extend(pages);
    }
    Ok(found)
}

/// `named`: some run of the file is of this condition.
fn condition(dir: &Path, needed: &HashSet<PathBuf>, named: bool) -> Result<Found, InputError> {
    let mut found = Found { items: Vec::new(), whole: !named };
    let mut temporary = Vec::new();
    for entry in list(dir)? {
        let path = entry.path();
        if is_abandoned(&entry) {
            temporary.push(Item::file(&entry, Reason::Temporary));
            continue;
        }
        let Some(reason) = replicate(&name(&entry)).filter(|_| is_directory(&entry)) else {
            found.whole = false;
            continue;
        };
        let directory = RunDirectory::at(path.clone());
        let entries = list(&path)?;
        if !is_run(&directory, &entries) || holder_among(&directory, &entries).is_some() {
            found.whole = false;
        } else if needed.contains(&path) {
            found.whole = false;
            found.items.extend(left_over(&directory, &entries));
        } else {
            found.items.push(Item::run(path, reason, directory.is_done()));
        }
    }
    if named || !found.items.is_empty() {
        found.items.extend(temporary);
    }
    Ok(found)
}

/// What a run that is needed, and that nobody is doing, does not need itself.
fn left_over(directory: &RunDirectory, entries: &[DirEntry]) -> Vec<Item> {
    let done = directory.is_done();
    let checkpoint = directory.checkpoint();
    let reason = |entry: &DirEntry| {
        if is_abandoned(entry) {
            Some(Reason::Temporary)
        } else if !done || !is_file(entry) {
            None
        } else if entry.path() == checkpoint {
            Some(Reason::Checkpoint)
        } else {
            attempt_number(&name(entry)).map(|_| Reason::Attempt)
        }
    };
    entries.iter().filter_map(|entry| Some(Item::file(entry, reason(entry)?))).collect()
}

/// `<readable>-<hash8>`.
fn is_condition(name: &str) -> bool {
    let is_hash = |hash: &str| hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    name.rsplit_once('-').is_some_and(|(readable, hash)| !readable.is_empty() && is_hash(hash))
}

/// Why a directory of that name would not be needed: `r3`, or `r3.replaced-…`.
fn replicate(name: &str) -> Option<Reason> {
    let number = |digits: &str| digits.parse::<u64>().is_ok_and(|n| n.to_string() == digits);
    let rest = name.strip_prefix('r')?;
    match rest.split_once(".replaced-") {
        Some((digits, _)) => number(digits).then_some(Reason::Replaced),
        None => number(rest).then_some(Reason::Replicate),
    }
}

/// The files of which one at least makes a directory that of a run.
fn marks(directory: &RunDirectory) -> [PathBuf; 4] {
    [directory.config(), directory.result(), directory.metrics(), directory.checkpoint()]
}

fn is_run(directory: &RunDirectory, entries: &[DirEntry]) -> bool {
    let marks = marks(directory);
    entries.iter().any(|entry| is_file(entry) && marks.contains(&entry.path()))
}

fn holder_among(directory: &RunDirectory, entries: &[DirEntry]) -> Option<String> {
    entries.iter().any(|entry| attempt_number(&name(entry)).is_some()).then(|| holder(directory)).flatten()
}

fn list(dir: &Path) -> Result<Vec<DirEntry>, InputError> {
    let entries = std::fs::read_dir(dir).map_err(|e| InputError::io(dir, &e))?;
    let mut entries: Vec<DirEntry> = entries.collect::<Result<_, _>>().map_err(|e| InputError::io(dir, &e))?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().to_string_lossy().into_owned()
}

// of a link itself, not of what it points to

fn is_file(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_file())
}

fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

fn is_abandoned(entry: &DirEntry) -> bool {
    let modified = || entry.metadata().and_then(|metadata| metadata.modified()).ok();
    let age = || SystemTime::now().duration_since(modified()?).ok();
    is_file(entry) && name(entry).starts_with(aside::PREFIX) && age().is_some_and(|age| age > ABANDONED)
}

/// Bytes of all files below `dir`; what cannot be looked at counts nothing.
fn size(dir: &Path) -> u64 {
    let of = |entry: DirEntry| match is_directory(&entry) {
        true => size(&entry.path()),
        false => entry.metadata().map_or(0, |metadata| metadata.len()),
    };
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(of).sum()
}

/// Deletes what `item` lists, and says which processes kept some of it by having taken it up since.
///
/// # Errors
///
/// Something cannot be deleted.
pub fn delete(item: &Item) -> Result<Vec<String>, InputError> {
    let mut kept = Vec::new();
    for run in &item.runs {
        kept.extend(
            delete_run(&RunDirectory::at(run.clone()))?.map(|who| format!("{}: {who} has the run", run.display())),
        );
    }
    for file in &item.files {
        if let Some(who) = file.parent().and_then(|dir| holder(&RunDirectory::at(dir.into()))) {
            kept.push(format!("{}: {who} has the run", file.display()));
            continue;
        }
        gone(file, std::fs::remove_file(file))?;
    }
    for folder in &item.folders {
        // what came into it since is not ours to delete
        match std::fs::remove_dir(folder) {
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => {}
            removed => gone(folder, removed)?,
        }
    }
    Ok(kept)
}

/// Deletes a run that no living process has, or says which has it.
fn delete_run(directory: &RunDirectory) -> Result<Option<String>, InputError> {
    let path = directory.path();
    // not a link to one that has taken its place
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(None);
    }
    // a run without a result is claimed, so that nobody begins it meanwhile
    let _attempt = match claim(directory)? {
        Claim::Theirs(holder) => return Ok(Some(holder)),
        Claim::Done => match holder(directory) {
            Some(holder) => return Ok(Some(holder)),
            None => None,
        },
        Claim::Ours(attempt) => Some(attempt),
    };
    // those by which the directory is known go last, so that one half deleted is found again, and the claim with them
    let marks = marks(directory);
    let last = |entry: &DirEntry| marks.contains(&entry.path()) || attempt_number(&name(entry)).is_some();
    for entry in list(path)?.iter().filter(|entry| !last(entry)) {
        let inner = entry.path();
        let remove = if is_directory(entry) { std::fs::remove_dir_all } else { std::fs::remove_file };
        gone(&inner, remove(&inner))?;
    }
    gone(path, std::fs::remove_dir_all(path))?;
    Ok(None)
}

/// Whether `path` is gone, by us or before.
fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), InputError> {
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(InputError::io(path, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_runs_and_of_others() {
        for (name, wanted) in [
            ("r0", Some(Reason::Replicate)),
            ("r12", Some(Reason::Replicate)),
            ("r3.replaced-1700000000", Some(Reason::Replaced)),
            ("r03", None),
            ("r", None),
            ("rest", None),
            ("r3.old", None),
            ("r.replaced-1", None),
            ("R3", None),
        ] {
            assert_eq!(replicate(name), wanted, "{name}");
        }
        assert!(is_condition("default-44136fa3") && is_condition("l1=5e-5-802c669f"));
        assert!(!is_condition("default") && !is_condition("-44136fa3") && !is_condition("a-44136fa"));
    }
}
