//! Where published files can be had: a folder, or an address on the web.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::InputError;
use crate::aside::Aside;

/// Longest wait for a connection, and for the address of a host.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of a host that has answered.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for a file: the largest, 170 MB, at 24 kB/s.
const WHOLE: Duration = Duration::from_secs(2 * 60 * 60);

/// A folder or address below which files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mirror {
    Folder(PathBuf),
    /// Without the last `/`.
    Web(String),
}

/// Where one file may be at a mirror.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    File(PathBuf),
    Url(String),
}

/// Why it was not got from there.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody answers there: other files need not be asked for.
    Mirror(String),
    /// This file is not to be had there.
    File(String),
    /// It could not be written: no other source will help.
    Ours(InputError),
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Mirror::Folder(path) => path.display().fmt(f),
            Mirror::Web(base) => base.fmt(f),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Candidate::File(path) => path.display().fmt(f),
            Candidate::Url(url) => url.fmt(f),
        }
    }
}

impl Mirror {
    /// What a user names with `--from`: an address (`http://`, `https://`, `file://`) or a folder.
    ///
    /// # Errors
    ///
    /// Another kind of address; a folder that does not exist.
    pub(super) fn parse(text: &str) -> Result<Self, InputError> {
        let remedy = "name a folder, or an address that starts with http:// or https://";
        let folder = match text.split_once("://") {
            Some(("http" | "https", rest)) if !rest.is_empty() => {
                return Ok(Mirror::Web(text.trim_end_matches('/').to_owned()));
            }
            Some(("file", path)) => Path::new(path),
            Some((scheme, _)) => {
                return Err(InputError::new(text, format!("'{scheme}://' is no address to fetch from"), remedy));
            }
            None => Path::new(text),
        };
        match folder {
            f if f.is_dir() => Ok(Mirror::Folder(f.to_path_buf())),
            f if f.exists() => Err(InputError::new(text, "is not a folder", remedy)),
            _ => Err(InputError::new(text, "there is no such folder", remedy)),
        }
    }

    /// Where the file may be that has one of `names`: in each of `folders` below the mirror (`""` is the mirror
    /// itself). In a folder on disk only what is there.
    pub(super) fn candidates(&self, folders: &[&str], names: &[String]) -> Vec<Candidate> {
        let pairs = folders.iter().flat_map(|folder| names.iter().map(move |name| (folder, name)));
        match self {
            Mirror::Folder(root) => {
                pairs.map(|(f, n)| root.join(f).join(n)).filter(|path| path.is_file()).map(Candidate::File).collect()
            }
            Mirror::Web(base) => pairs
                .map(
                    |(folder, name)| {
                        if folder.is_empty() { format!("{base}/{name}") } else { format!("{base}/{folder}/{name}") }
                    },
                )
                .map(Candidate::Url)
                .collect(),
        }
    }
}

impl Candidate {
    /// Copies it to `to`, at most `bound` bytes. `progress` gets the bytes so far, and those of the whole where known.
    pub(super) fn copy_to(
        &self,
        to: &mut Aside,
        bound: u64,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), Failure> {
        let (mut bytes, total): (Box<dyn Read>, Option<u64>) = match self {
            Candidate::File(path) => {
                let file = File::open(path).map_err(|e| Failure::File(reason(&e)))?;
                let length = file.metadata().ok().map(|m| m.len());
                (Box::new(file), length)
            }
            Candidate::Url(url) => {
                let body = agent().get(url).call().map_err(web_failure)?.into_body();
                let length = body.content_length();
                (Box::new(body.into_reader()), length)
            }
        };
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        progress(done, total);
        while done < bound {
            let n = match bytes.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Failure::File(reason(&e))),
            };
            to.file().write_all(&buffer[..n]).map_err(|e| Failure::Ours(InputError::io(to.dir(), &e)))?;
            done += n as u64;
            progress(done, total);
        }
        Ok(())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .timeout_recv_body(Some(WHOLE))
        // the files are compressed already, and are to arrive as they are
        .accept_encoding("identity")
        .user_agent(concat!("ncut/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

fn web_failure(error: ureq::Error) -> Failure {
    match error {
        ureq::Error::StatusCode(404) => Failure::File("not found (404)".into()),
        ureq::Error::StatusCode(code) => Failure::File(format!("refused with status {code}")),
        ureq::Error::Io(e) => Failure::Mirror(reason(&e)),
        ureq::Error::BadUri(e) => Failure::Mirror(format!("not a valid address ({e})")),
        other => Failure::Mirror(other.to_string()),
    }
}

/// The system's words without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_may_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        assert_eq!(Mirror::parse(&path).unwrap(), Mirror::Folder(dir.path().into()));
        assert_eq!(Mirror::parse(&format!("file://{path}")).unwrap(), Mirror::Folder(dir.path().into()));
        assert_eq!(Mirror::parse("http://host/path/").unwrap(), Mirror::Web("http://host/path".into()));
        let problem = |text: &str| Mirror::parse(text).unwrap_err().problem;
        assert_eq!(problem("ftp://host"), "'ftp://' is no address to fetch from");
        assert_eq!(problem("https://"), "'https://' is no address to fetch from");
        assert_eq!(problem("no/such/folder"), "there is no such folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(problem(&file.display().to_string()), "is not a folder");
    }

    #[test]
    fn candidates_in_their_order() {
        let names = ["a.gz".to_owned(), "a".to_owned()];
        let urls: Vec<_> =
            Mirror::Web("http://h/p".into()).candidates(&["x", ""], &names).iter().map(Candidate::to_string).collect();
        assert_eq!(urls, ["http://h/p/x/a.gz", "http://h/p/x/a", "http://h/p/a.gz", "http://h/p/a"]);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "").unwrap();
        let candidates = Mirror::Folder(dir.path().into()).candidates(&["x", ""], &names);
        assert_eq!(candidates.len(), 1);
        assert!(candidates[0].to_string().ends_with("/a"));
    }
}
