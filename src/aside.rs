//! A file written aside and renamed when it is whole, so that nothing half-written has a final name.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::InputError;

/// How the names of files begin that have no final name yet.
pub(crate) const PREFIX: &str = ".ncut-";

/// A nameless file in the folder of its final name; gone if dropped before [`Aside::rename`].
pub(crate) struct Aside {
    temporary: NamedTempFile,
    dir: PathBuf,
}

impl Aside {
    /// # Errors
    ///
    /// `dir` does not exist or cannot be written to.
    pub(crate) fn new(dir: &Path) -> Result<Self, InputError> {
        // "" is the parent of a bare file name
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        // tempfile's own are readable by the owner only; these are narrowed by the umask, as of any other file
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.tempfile_in(dir).map_err(|e| InputError::io(dir, &e))?;
        Ok(Self { temporary, dir: dir.to_path_buf() })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// The folder that it will be in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its bytes are until then.
    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the file its final name, in its folder or (a path) in another of the same file system, in place of any that
    /// had it, once its bytes are on the disk.
    pub(crate) fn rename(self, name: impl AsRef<Path>) -> Result<(), InputError> {
        let path = self.dir.join(name);
        self.temporary.as_file().sync_all().map_err(|e| InputError::io(&path, &e))?;
        self.temporary.persist(&path).map_err(|e| InputError::io(&path, &e.error))?;
        // the name is in the folder, which some file systems cannot sync: then it is safe as soon as they write it
        if let Ok(dir) = File::open(path.parent().unwrap_or(&self.dir)) {
            let _ = dir.sync_all();
        }
        Ok(())
    }
}

/// Finds out whether a file of name `path` could be written.
pub(crate) fn check(path: &Path) -> Result<(), InputError> {
    Aside::new(path.parent().unwrap_or(Path::new(""))).map(drop)
}

/// Writes `bytes` to `path` if no file has that name yet, and says whether it did. Of many that try at once one does, also
/// on a network file system.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<bool, InputError> {
    let io = |error: &io::Error| InputError::io(path, error);
    let mut aside = Aside::new(path.parent().unwrap_or(Path::new("")))?;
    aside.file().write_all(bytes).and_then(|()| aside.file().sync_all()).map_err(|e| io(&e))?;
    match aside.temporary.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(io(&e.error)),
    }
}

/// Lets `write` fill the file of name `path`, so that the name holds either what it held before or all of it.
///
/// Links are followed. What is no regular file (a pipe, a terminal, `/dev/null`) is written to, not replaced.
///
/// # Errors
///
/// The folder does not exist or cannot be written to; the disk is full.
pub(crate) fn write_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), InputError> {
    let io = |error| InputError::io(path, &error);
    let name = path.file_name().ok_or_else(|| InputError::new(path.display(), "names no file", "name a file"))?;
    let there = std::fs::metadata(path);
    if there.as_ref().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let mut whole = tempfile::tempfile().map_err(io)?;
        write(&mut whole).and_then(|()| whole.rewind()).map_err(io)?;
        let mut target = File::options().write(true).open(path).map_err(io)?;
        io::copy(&mut whole, &mut target).and_then(|_| target.flush()).map_err(io)?;
        return Ok(());
    }
    let target = match there {
        Ok(_) if path.is_symlink() => path.canonicalize().map_err(io)?,
        _ => path.to_path_buf(),
    };
    let mut aside = Aside::new(target.parent().unwrap_or(Path::new("")))?;
    write(aside.file()).map_err(io)?;
    aside.rename(target.file_name().unwrap_or(name))
}

/// [`write_with`] of `bytes`.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), InputError> {
    write_with(path, |file| file.write_all(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_final_name_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let mut dropped = Aside::new(dir.path()).unwrap();
        dropped.file().write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

        std::fs::write(dir.path().join("name"), "old").unwrap();
        let mut kept = Aside::new(dir.path()).unwrap();
        kept.file().write_all(b"whole").unwrap();
        assert_eq!(std::fs::read(dir.path().join("name")).unwrap(), b"old");
        kept.rename("name").unwrap();
        assert_eq!(std::fs::read(dir.path().join("name")).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn others_may_read_it_as_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("plain")).unwrap();
        Aside::new(dir.path()).unwrap().rename("aside").unwrap();
        let mode = |name| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("aside"), mode("plain"));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = Aside::new(Path::new("no/such/folder")).err().unwrap();
        assert_eq!(error.place, "no/such/folder");
    }
}
