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

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::cifar_10::tests::{SMALL, records, write_binary, write_grids};
    use super::super::fetch::tests::Server;
    use super::*;

    /// The archive with these files in the folder that the published one has.
    fn archive(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, contents) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(contents.len() as u64);
            builder.append_data(&mut header, format!("{UNPACKED}/{name}"), &contents[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn whole() -> Vec<u8> {
        let text = [("readme.html".to_owned(), b"words".to_vec())];
        archive(text.into_iter().chain(SMALL.files().map(|file| (file, records()))))
    }

    fn fetch(dir: &Path, from: &str) -> Result<FetchReport, InputError> {
        fetch_batches(&SMALL, dir.to_path_buf(), Some(from), &mut |_| {})
    }

    fn fetched(report: &FetchReport) -> usize {
        report.files.iter().filter(|file| matches!(file.outcome, Outcome::Fetched { .. })).count()
    }

    #[test]
    fn from_a_folder_in_every_form_and_from_an_address() {
        let write_archive = |dir: &Path| {
            fs::create_dir_all(dir).unwrap();
            fs::write(dir.join("cifar-10-binary.tar.gz"), whole()).unwrap();
        };
        let forms: [&dyn Fn(&Path); 5] = [
            &write_binary,
            &|dir| write_binary(&dir.join("cifar-10").join(UNPACKED)),
            &|dir| write_grids(&dir.join("cifar-10")),
            &write_archive,
            &|dir| write_archive(&dir.join("cifar-10")),
        ];
        for write in forms {
            let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write(from.path());
            let dir = to.path().join("cifar-10");
            let report = fetch(&dir, &from.path().display().to_string()).unwrap();
            assert_eq!(fetched(&report), 6);
            for file in SMALL.files() {
                assert_eq!(fs::read(dir.join(file)).unwrap(), records());
            }
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 6);
            let again = fetch(&dir, &from.path().display().to_string()).unwrap();
            assert!(again.files.iter().all(|file| file.outcome == Outcome::Kept));
        }
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_archive(from.path());
        let server = Server::of_folder(from.path(), "/sets");
        assert_eq!(fetched(&fetch(&to.path().join("new"), &server.url("/sets/")).unwrap()), 6);
    }

    #[test]
    fn what_is_wrong_or_missing_is_replaced_where_the_others_are() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(from.path().join("cifar-10-binary.tar.gz"), whole()).unwrap();
        let from = from.path().display().to_string();
        let dir = to.path().join(UNPACKED);
        write_binary(&dir);
        fs::remove_file(dir.join("data_batch_2.bin")).unwrap();
        fs::write(dir.join("test_batch.bin"), [&[9], &records()[1..]].concat()).unwrap();
        let report = fetch(to.path(), &from).unwrap();
        let [kept, missing, .., wrong] = [0, 1, 2, 3, 4, 5].map(|batch| &report.files[batch].outcome);
        assert_eq!((kept, fetched(&report)), (&Outcome::Kept, 1));
        assert!(matches!(missing, Outcome::Fetched { from } if from.ends_with(".tar.gz")));
        assert!(
            matches!(wrong, Outcome::Replaced { wrong, .. } if wrong.contains("test_batch.bin fails its checksum"))
        );
        assert_eq!(fs::read(dir.join("test_batch.bin")).unwrap(), records());
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);

        // right pictures stay as they are; of wrong ones none would be read beside new batches
        let to = tempfile::tempdir().unwrap();
        write_grids(to.path());
        assert!(fetch(to.path(), &from).unwrap().files.iter().all(|file| file.outcome == Outcome::Kept));
        fs::write(to.path().join("data_batch_3.webp"), "other").unwrap();
        let report = fetch(to.path(), &from).unwrap();
        assert_eq!(fetched(&report), 5);
        assert!(matches!(SMALL.locate(to.path()), Some(Stored::Binary(_))));
    }

    #[test]
    fn a_wrong_source_leaves_nothing_behind() {
        let from = tempfile::tempdir().unwrap();
        let place = from.path().join("cifar-10-binary.tar.gz");
        let problem = |bytes: &[u8]| {
            fs::write(&place, bytes).unwrap();
            let to = tempfile::tempdir().unwrap();
            let error = fetch(&to.path().join("cifar-10"), &from.path().display().to_string()).unwrap_err();
            assert_eq!((error.place, fs::read_dir(to.path()).unwrap().count()), (place.display().to_string(), 0));
            assert!(error.remedy.contains("--from"));
            assert!(error.problem.ends_with(", published c32a1d4ab5d03f1284b67883e8d87530)"), "{}", error.problem);
            error.problem
        };
        let whole = whole();
        assert!(problem(&whole[..whole.len() - 30]).starts_with("is a damaged archive: "));
        assert!(problem(b"<html>moved</html>").starts_with("is a damaged archive: "));
        let five = archive(SMALL.files().skip(1).map(|file| (file, records())));
        assert!(problem(&five).starts_with("has no data_batch_1.bin in it (MD5 is "));
        let other = archive(SMALL.files().map(|file| (file, [&records()[..], &[0]].concat())));
        assert!(problem(&other).starts_with("has a data_batch_1 that fails its checksum (MD5 of the contents is "));
        // a gigabyte of nothing, and a name that claims as much
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(1 << 30);
        header.set_cksum();
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        bomb.write_all(header.as_bytes()).unwrap();
        std::io::copy(&mut std::io::repeat(b'a').take(1 << 24), &mut bomb).unwrap();
        assert!(problem(&bomb.finish().unwrap()).starts_with("is a damaged archive: "));

        fs::remove_file(&place).unwrap();
        let error = fetch(&from.path().join("new"), &from.path().display().to_string()).unwrap_err();
        assert!(
            error.problem.starts_with("has no cifar-10-binary.tar.gz (or the six batches in it), nor has "),
            "{error}"
        );
    }
}
