//! Fetching a data set that is published as an archive of batches: CIFAR-10.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use tar::Archive;

use super::cifar_10::{Batches, Stored, UNPACKED};
use super::fetch::{FetchReport, FetchedFile, Outcome, Progress, Sources, receive};
use super::mirror::Failure;
use super::published::md5_of_file;
use crate::InputError;
use crate::aside::Aside;

/// [`super::fetch::fetch`] of batches into `dir`.
///
/// A batch is right if it has the contents that the binary version has, in whatever form it lies; what is written is that
/// version. Which archive it came in does not matter, so its MD5 is only told when something is wrong with it.
pub(super) fn fetch_batches(
    set: &Batches,
    dir: PathBuf,
    from: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<FetchReport, InputError> {
    let mut sources = Sources::new(&set.description, set.mirrors, &[UNPACKED], from)?;
    let mut fetch = Fetch::new(set, &dir);
    fetch.keep_what_is_right(&dir, progress);
    let mut failures = Vec::new();
    for folder in sources.on_disk() {
        fetch.take_from_folder(&folder, &mut failures, progress)?;
    }
    if !fetch.is_done() {
        let [archive, published] = set.archive;
        // twice what the batches have, as room for a poor compression
        let bound = 2 * (set.batches.len() * set.batch_bytes()) as u64 + (1 << 20);
        let folder = fetch.folder.clone();
        let archive_aside = |candidate: &_, progress: &mut dyn FnMut(Progress)| {
            fs::create_dir_all(&folder).map_err(|e| Failure::Ours(InputError::io(&folder, &e)))?;
            let mut aside = Aside::new(&folder).map_err(Failure::Ours)?;
            receive(candidate, &mut aside, bound, progress)?;
            let told = |problem: String| {
                let found = md5_of_file(aside.path(), bound).unwrap_or_else(|error| error.to_string());
                Failure::File(format!("{problem} (MD5 is {found}, published {published})"))
            };
            fetch.unpacked(aside.path(), bound).map_err(told)
        };
        let wanted = [archive, "or the six batches in it"];
        let obtained = sources.obtain(wanted, &[archive.to_owned()], failures, progress, archive_aside);
        if obtained.is_err() {
            // goes only if it is empty
            let _ = fs::remove_dir(&folder);
        }
        let (batches, from) = obtained?;
        for (batch, records) in batches {
            fetch.write(batch, &records, &from, progress)?;
        }
    }
    Ok(FetchReport { dir, files: fetch.done.into_iter().flatten().collect() })
}

/// One call of [`fetch_batches`].
struct Fetch<'a> {
    set: &'a Batches,
    /// Where batches are written.
    folder: PathBuf,
    /// What was wrong with the batches that were there.
    wrong: [Option<String>; 6],
    done: [Option<FetchedFile>; 6],
}

impl<'a> Fetch<'a> {
    fn new(set: &'a Batches, dir: &Path) -> Self {
        // the batches that are missing belong with the others
        let unpacked = dir.join(UNPACKED);
        let some_in = |folder: &Path| set.files().any(|file| folder.join(file).is_file());
        let folder = if !some_in(dir) && some_in(&unpacked) { unpacked } else { dir.to_path_buf() };
        Self { set, folder, wrong: Default::default(), done: Default::default() }
    }

    fn is_done(&self) -> bool {
        self.done.iter().all(Option::is_some)
    }

    /// Checks what is in `dir` already.
    fn keep_what_is_right(&mut self, dir: &Path, progress: &mut dyn FnMut(Progress)) {
        let stored = self.set.locate(dir).unwrap_or_else(|| Stored::Binary(self.folder.clone()));
        for batch in 0..self.done.len() {
            let path = self.set.path(&stored, batch);
            if !path.is_file() {
                continue;
            }
            match self.right(&stored, batch) {
                Ok(_) => {
                    progress(Progress::Kept { path: &path });
                    self.done[batch] = Some(FetchedFile { path, outcome: Outcome::Kept });
                }
                Err(problem) => {
                    progress(Progress::Wrong { path: &path, problem: &problem });
                    self.wrong[batch] = Some(format!("{} {problem}", path.display()));
                }
            }
        }
        // pictures are whole or not at all: beside new batches, the right ones would not be found
        if matches!(stored, Stored::Grids(_)) && !self.is_done() {
            self.done = Default::default();
        }
    }

    /// The records of a batch, if they are right; else what is wrong.
    fn right(&self, stored: &Stored, batch: usize) -> Result<Vec<u8>, String> {
        let records = self.set.read(stored, batch, "").map_err(|error| error.problem)?;
        self.set.fault(batch, &records).map_or(Ok(records), Err)
    }

    /// Writes what is not done yet and lies in `folder`, in any form.
    fn take_from_folder(
        &mut self,
        folder: &Path,
        failures: &mut Vec<(String, String)>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), InputError> {
        let Some(stored) = self.set.locate(folder) else { return Ok(()) };
        for batch in 0..self.done.len() {
            if self.done[batch].is_some() {
                continue;
            }
            let from = self.set.path(&stored, batch).display().to_string();
            progress(Progress::Receiving { from: &from, done: 0, total: None });
            match self.right(&stored, batch) {
                Ok(records) => self.write(batch, &records, &from, progress)?,
                Err(problem) => {
                    progress(Progress::Failed { from: &from, problem: &problem });
                    failures.push((from, problem));
                }
            }
        }
        Ok(())
    }

    /// The batches in the archive at `path` that are not done yet, each with its number; else what is wrong with it. Of what
    /// it unfolds to, at most `bound` bytes are read.
    fn unpacked(&self, path: &Path, bound: u64) -> Result<Vec<(usize, Vec<u8>)>, String> {
        let damaged = |error: std::io::Error| format!("is a damaged archive: {error}");
        let file = BufReader::new(File::open(path).map_err(damaged)?);
        let mut archive = Archive::new(GzDecoder::new(file).take(bound));
        let mut found: [Option<Vec<u8>>; 6] = Default::default();
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            let name = entry.path().map_err(damaged)?.file_name().map(|name| name.to_string_lossy().into_owned());
            let Some(batch) = self.set.files().position(|file| Some(file) == name) else { continue };
            let mut records = Vec::new();
            entry.take(self.set.batch_bytes() as u64 + 1).read_to_end(&mut records).map_err(damaged)?;
            if let Some(problem) = self.set.fault(batch, &records) {
                return Err(format!("has a {} that {problem}", self.set.batches[batch][0]));
            }
            found[batch] = Some(records);
        }
        let missing: Vec<String> =
            self.set.files().zip(&found).filter(|(_, found)| found.is_none()).map(|(file, _)| file).collect();
        if !missing.is_empty() {
            return Err(format!("has no {} in it", missing.join(", ")));
        }
        let needed = found.into_iter().enumerate().filter(|(batch, _)| self.done[*batch].is_none());
        Ok(needed.filter_map(|(batch, records)| Some((batch, records?))).collect())
    }

    /// Gives a right batch its name.
    fn write(
        &mut self,
        batch: usize,
        records: &[u8],
        from: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), InputError> {
        fs::create_dir_all(&self.folder).map_err(|e| InputError::io(&self.folder, &e))?;
        let path = self.set.path(&Stored::Binary(self.folder.clone()), batch);
        let mut aside = Aside::new(&self.folder)?;
        aside.file().write_all(records).map_err(|e| InputError::io(&path, &e))?;
        aside.rename(path.file_name().unwrap_or_default())?;
        progress(Progress::Done { path: &path });
        let from = from.to_owned();
        let outcome = match self.wrong[batch].take() {
            None => Outcome::Fetched { from },
            Some(wrong) => Outcome::Replaced { from, wrong },
        };
        self.done[batch] = Some(FetchedFile { path, outcome });
        Ok(())
    }
}
