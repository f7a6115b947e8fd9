//! The shuffles of an end state that are computed so far, on disk.
//!
//! `<state>.shuffles/` holds a file for each process that worked on them, which only it appends to: a line that says
//! which network and program they are of, then a line a shuffle. So several processes may share the work, whatever
//! was computed survives any of them, and the numbers are those of one process doing all. Lines that are torn, and files
//! of another network or version, are passed over.

use crate::InputError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What the numbers of a file belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// SHA-256 of the network's file.
    pub network: String,
    /// Version of the program.
    pub version: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    shuffle: u64,
    ncut: f64,
}

/// The folder of an end state's shuffles.
#[derive(Debug, Clone)]
pub struct Shuffles {
    folder: PathBuf,
    owner: Owner,
}

impl Shuffles {
    /// Nothing is made.
    pub fn new(folder: PathBuf, owner: Owner) -> Self {
        Self { folder, owner }
    }

    /// What they belong to.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The n-cuts known so far, by the shuffles' numbers.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn known(&self) -> Result<BTreeMap<u64, f64>, InputError> {
        let mut known = BTreeMap::new();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Ok(known) };
        for entry in entries.flatten() {
            let path = entry.path();
            let text = std::fs::read(&path).map_err(|e| InputError::io(&path, &e))?;
            let text = String::from_utf8_lossy(&text);
            // what follows the last line break was cut off
            let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if lines.next().and_then(|line| serde_json::from_str::<Owner>(line).ok()).as_ref() != Some(&self.owner) {
                continue;
            }
            let shuffles = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
            known.extend(shuffles.map(|Line { shuffle, ncut }| (shuffle, ncut)));
        }
        Ok(known)
    }

    /// A file of this process' own to append to.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn append(&self) -> Result<Appender, InputError> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(|e| InputError::io(folder, &e))?;
        let builder = tempfile::Builder::new().prefix("by-").suffix(".jsonl").tempfile_in(folder);
        let (file, path) =
            builder.map_err(|e| InputError::io(folder, &e))?.keep().map_err(|e| InputError::io(folder, &e.error))?;
        let appender = Appender { file: Mutex::new(file), path };
        appender.line(&self.owner)?;
        Ok(appender)
    }
}

/// A file that shuffles are written to as they come.
#[derive(Debug)]
pub struct Appender {
    file: Mutex<File>,
    path: PathBuf,
}

impl Appender {
    /// Adds one.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn push(&self, shuffle: u64, ncut: f64) -> Result<(), InputError> {
        self.line(&Line { shuffle, ncut })
    }

    fn line(&self, value: &impl Serialize) -> Result<(), InputError> {
        let line = serde_json::to_string(value).unwrap_or_default() + "\n";
        let mut file = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        file.write_all(line.as_bytes()).map_err(|e| InputError::io(&self.path, &e))
    }
}

/// The part of `0 .. shuffles` that shard `shard` of `of` does.
///
/// # Panics
///
/// If there is no such shard.
pub fn shard(shuffles: u64, shard: u64, of: u64) -> Vec<u64> {
    assert!(shard < of, "shard {shard} of {of}");
    (shard..shuffles).step_by(of as usize).collect()
}

/// The folder of `state` in a run's directory.
pub fn folder(directory: &Path, state: &str) -> PathBuf {
    directory.join(format!("{state}{SUFFIX}"))
}

/// How the names of such folders end.
pub const SUFFIX: &str = ".shuffles";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_several_processes_add_up_and_torn_or_foreign_ones_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let owner = |network: &str| Owner { network: network.into(), version: "1".into() };
        let of = |network: &str| Shuffles::new(folder.path().join("s"), owner(network));
        assert!(of("a").known().unwrap().is_empty());
        let (one, two) = (of("a").append().unwrap(), of("a").append().unwrap());
        one.push(0, 0.1 + 0.2).unwrap();
        two.push(1, 1.0).unwrap();
        of("b").append().unwrap().push(2, 2.0).unwrap();
        let mut file = File::options().append(true).open(&two.path).unwrap();
        file.write_all(b"{\"shuffle\":3,\"ncut\":3.0}").unwrap();
        assert_eq!(of("a").known().unwrap(), BTreeMap::from([(0, 0.1 + 0.2), (1, 1.0)]));
    }

    #[test]
    fn shards_are_a_partition() {
        let mut all: Vec<u64> = (0..4).flat_map(|i| shard(50, i, 4)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!(shard(2, 3, 4).is_empty());
    }
}
