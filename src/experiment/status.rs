//! How far a run has come, by what lies in its directory.

use super::claim::{attempt_number, holder_of};
use super::store::RunDirectory;
use crate::InputError;
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its result is there.
    Done,
    /// A living process has it.
    Running,
    /// The last attempt failed.
    Failed,
    /// Some epochs are done: there is a checkpoint or metrics.
    Partial,
    /// Nothing that counts is there.
    Missing,
}

impl Status {
    /// As in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far the run of `directory` has come. The directory is listed once, and no file is read but that of an attempt.
///
/// # Errors
///
/// The directory is there and cannot be listed.
pub fn status(directory: &RunDirectory) -> Result<Status, InputError> {
    let entries = match std::fs::read_dir(directory.path()) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Status::Missing),
        Err(e) => return Err(InputError::io(directory.path(), &e)),
    };
    let names: HashSet<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    let has = |path: PathBuf| path.file_name().is_some_and(|name| names.contains(name));
    if has(directory.result()) {
        return Ok(Status::Done);
    }
    if let Some(number) = names.iter().filter_map(|name| attempt_number(&name.to_string_lossy())).max() {
        if holder_of(directory, number).is_some() {
            return Ok(Status::Running);
        }
        // who had it may have finished between the two looks
        if directory.is_done() {
            return Ok(Status::Done);
        }
    }
    if has(directory.error()) {
        return Ok(Status::Failed);
    }
    let some = has(directory.checkpoint()) || has(directory.metrics());
    Ok(if some { Status::Partial } else { Status::Missing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::claim::{Claim, claim};

    /// Each state hides those after it, and none is seen before its file is there.
    #[test]
    fn from_missing_to_done() {
        let out = tempfile::tempdir().unwrap();
        let directory = RunDirectory::at(out.path().join("e/c-00000000/r0"));
        let now = || status(&directory).unwrap();
        assert_eq!(now(), Status::Missing);
        std::fs::create_dir_all(directory.path()).unwrap();
        std::fs::write(directory.config(), "").unwrap();
        assert_eq!(now(), Status::Missing);
        std::fs::write(directory.metrics(), "").unwrap();
        assert_eq!(now(), Status::Partial);
        std::fs::rename(directory.metrics(), directory.checkpoint()).unwrap();
        assert_eq!(now(), Status::Partial);
        std::fs::write(directory.error(), "{}").unwrap();
        assert_eq!(now(), Status::Failed);
        let Claim::Ours(attempt) = claim(&directory).unwrap() else { panic!("nobody has it") };
        assert_eq!(now(), Status::Running);
        drop(attempt);
        // the file of one that is gone
        std::fs::write(directory.path().join("attempt-3.json"), "").unwrap();
        let file = std::fs::File::options().write(true).open(directory.path().join("attempt-3.json")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(now(), Status::Failed);
        std::fs::write(directory.result(), "{}").unwrap();
        assert_eq!(now(), Status::Done);
    }

    #[test]
    fn what_is_no_directory_is_an_error() {
        let out = tempfile::tempdir().unwrap();
        std::fs::write(out.path().join("r0"), "").unwrap();
        assert!(status(&RunDirectory::at(out.path().join("r0"))).is_err());
    }
}
