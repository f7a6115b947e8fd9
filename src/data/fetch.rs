//! Bringing published data sets into the data directory, checked.

use std::fs;
use std::path::{Path, PathBuf};

use super::Description;
use super::fetch_batches::fetch_batches;
use super::mirror::{Candidate, Failure, Mirror};
use super::mnist::Collection;
use super::published::PublishedFile;
use super::source;
use crate::InputError;
use crate::aside::Aside;

/// What [`fetch`] is doing, for a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A file is there and right; it stays as it is.
    Kept {
        /// Where it is.
        path: &'a Path,
    },
    /// A file is there and wrong; it will be replaced.
    Wrong {
        /// Where it is.
        path: &'a Path,
        /// What is wrong with it.
        problem: &'a str,
    },
    /// Bytes are arriving; the first time with `done = 0`.
    Receiving {
        /// Path or address it comes from.
        from: &'a str,
        /// Bytes so far.
        done: u64,
        /// Bytes of the whole, where the source says so.
        total: Option<u64>,
    },
    /// A source did not have a right copy; the next is tried.
    Failed {
        /// Path or address.
        from: &'a str,
        /// What happened.
        problem: &'a str,
    },
    /// A file is whole, checked, and has its name.
    Done {
        /// Where it is.
        path: &'a Path,
    },
}

/// What [`fetch`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchReport {
    /// The folder of the data set.
    pub dir: PathBuf,
    /// Its files, or those that it is generated from; none for a data set that needs none.
    pub files: Vec<FetchedFile>,
}

/// One file of a [`FetchReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedFile {
    /// Where it is.
    pub path: PathBuf,
    /// How it came there.
    pub outcome: Outcome,
}

/// How a file came to its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was there and right.
    Kept,
    /// It was not there.
    Fetched {
        /// Path or address it came from.
        from: String,
    },
    /// There was a wrong one.
    Replaced {
        /// Path or address it came from.
        from: String,
        /// The file that was wrong, and how.
        wrong: String,
    },
}

/// Brings the files of the data set `name` into the folder of that name in `data_dir`; of one that is generated, those of
/// its parents into theirs.
///
/// They come from the public mirrors in turn or, where `from` is given, from that folder or address (`http://`,
/// `https://`) alone: in it or in `from/<name>`, compressed or not, or in a root of torchvision; of CIFAR-10 the archive,
/// and in a folder the batches in any form that [`super::cifar_10`] reads. Each is written aside, compared with its
/// checksum, and only then given its name, in place of a wrong one. Files that are right already are kept, so calling
/// again goes on where the last call stopped.
///
/// # Errors
///
/// The name is unknown; `from` is no folder or address; no source has a right copy of a file (with what each said, and
/// both checksums where they differ); the data directory cannot be written to.
pub fn fetch(
    name: &str,
    data_dir: &Path,
    from: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<FetchReport, InputError> {
    let dir = data_dir.join(name);
    let source = source(name)?;
    if let Some(collection) = source.collection() {
        return Fetch { sources: Sources::of(collection, from)?, dir, progress }.files(&collection.files);
    }
    if let Some(batches) = source.batches() {
        return fetch_batches(batches, dir, from, progress);
    }
    let mut files = Vec::new();
    for parent in source.description().parents {
        files.extend(fetch(parent, data_dir, from, progress)?.files);
    }
    Ok(FetchReport { dir, files })
}

/// Where the files of one data set are looked for.
pub(super) struct Sources<'a> {
    name: &'static str,
    from: Option<&'a str>,
    folders: Vec<&'static str>,
    /// Each with what it said when it turned out not to answer at all; it is not asked again.
    mirrors: Vec<(Mirror, Option<String>)>,
}

impl<'a> Sources<'a> {
    fn of(collection: &'static Collection, from: Option<&'a str>) -> Result<Self, InputError> {
        Self::new(&collection.description, collection.mirrors, &[collection.torchvision], from)
    }

    /// `mirrors`, or `from` alone; in a folder on disk, `unpacked` are those below it in which others may have put the files.
    pub(super) fn new(
        description: &Description,
        mirrors: &[&str],
        unpacked: &[&'static str],
        from: Option<&'a str>,
    ) -> Result<Self, InputError> {
        let name = description.name;
        let mirrors = match from {
            Some(from) => vec![Mirror::parse(from)?],
            None => mirrors.iter().copied().map(Mirror::parse).collect::<Result<_, _>>()?,
        };
        let folders = match mirrors[..] {
            // its own folder first: the files of another data set have the same names
            [Mirror::Folder(_)] => [&[name], unpacked, &[""]].concat(),
            _ if from.is_some() => vec![name, ""],
            _ => vec![""],
        };
        Ok(Self { name, from, folders, mirrors: mirrors.into_iter().map(|m| (m, None)).collect() })
    }

    /// The folders on disk that are looked into, where one was named.
    pub(super) fn on_disk(&self) -> Vec<PathBuf> {
        match &self.mirrors[..] {
            [(Mirror::Folder(root), _)] => self.folders.iter().map(|folder| root.join(folder)).collect(),
            _ => Vec::new(),
        }
    }

    /// Where a file of one of `names` may be.
    fn candidates(&self, mirror: &Mirror, names: &[String]) -> Vec<Candidate> {
        // on the web each name costs a request: the usual ones there, and that of the public mirrors only at those
        let count = match (mirror, self.from) {
            (Mirror::Folder(_), _) => names.len(),
            (Mirror::Web(_), Some(_)) => 2,
            (Mirror::Web(_), None) => 1,
        };
        mirror.candidates(&self.folders, &names[..count.min(names.len())])
    }

    /// Asks one source after the other for a file of one of `names`, until `receive` takes it. Returns what that returned,
    /// and where it came from. `failures` are places that were looked at before, and what was wrong there; `wanted` is what is
    /// looked for, for the error: a name, and what else would do.
    pub(super) fn obtain<T>(
        &mut self,
        wanted: [&str; 2],
        names: &[String],
        mut failures: Vec<(String, String)>,
        progress: &mut dyn FnMut(Progress),
        receive: impl Fn(&Candidate, &mut dyn FnMut(Progress)) -> Result<T, Failure>,
    ) -> Result<(T, String), InputError> {
        for i in 0..self.mirrors.len() {
            let (mirror, silent) = &self.mirrors[i];
            if let Some(problem) = silent {
                failures.push((mirror.to_string(), problem.clone()));
                continue;
            }
            for candidate in self.candidates(mirror, names) {
                let from = candidate.to_string();
                let (problem, silent) = match receive(&candidate, progress) {
                    Ok(received) => return Ok((received, from)),
                    Err(Failure::File(problem)) => (problem, false),
                    Err(Failure::Mirror(problem)) => (problem, true),
                    Err(Failure::Ours(error)) => return Err(error),
                };
                progress(Progress::Failed { from: &from, problem: &problem });
                failures.push((from, problem.clone()));
                if silent {
                    self.mirrors[i].1 = Some(problem);
                    break;
                }
            }
        }
        Err(self.error(wanted, &failures))
    }

    /// The one error for all that was tried; `failures` are places and what was wrong there.
    fn error(&self, [file, or]: [&str; 2], failures: &[(String, String)]) -> InputError {
        let remedy = match self.from {
            Some(_) => "name another place with --from, or leave it out to ask the public mirrors".to_owned(),
            None => format!(
                "check the network and try again, or copy the files from elsewhere: `ncut data fetch {} --from DIR`",
                self.name
            ),
        };
        match (failures, self.from) {
            ([(place, problem)], _) => InputError::new(place, problem, remedy),
            ([], from) => {
                let within: Vec<_> = self.folders.iter().filter(|f| !f.is_empty()).copied().collect();
                let problem = format!("has no {file} ({or}), nor has {} in it", within.join(" or "));
                InputError::new(from.unwrap_or(self.name), problem, remedy)
            }
            _ => {
                let said: Vec<_> = failures.iter().map(|(place, problem)| format!("from {place}: {problem}")).collect();
                let problem = format!("no right copy to be had ({})", said.join(", "));
                InputError::new(format!("{}/{file}", self.name), problem, remedy)
            }
        }
    }
}

/// One call of [`fetch`].
struct Fetch<'a, 'p> {
    sources: Sources<'a>,
    dir: PathBuf,
    progress: &'p mut dyn FnMut(Progress),
}

impl Fetch<'_, '_> {
    fn files(mut self, files: &[PublishedFile]) -> Result<FetchReport, InputError> {
        let files = files.iter().map(|file| self.file(file)).collect::<Result<_, _>>()?;
        Ok(FetchReport { dir: self.dir, files })
    }

    fn file(&mut self, file: &PublishedFile) -> Result<FetchedFile, InputError> {
        let mut wrong = None;
        if let Some(path) = file.locate(&self.dir) {
            match file.check(&path) {
                Ok(_) => {
                    (self.progress)(Progress::Kept { path: &path });
                    return Ok(FetchedFile { path, outcome: Outcome::Kept });
                }
                Err(fault) => {
                    let problem = fault.to_string();
                    (self.progress)(Progress::Wrong { path: &path, problem: &problem });
                    wrong = Some((path, problem));
                }
            }
        }
        let (path, from) = self.obtain(file)?;
        let outcome = match wrong {
            None => Outcome::Fetched { from },
            Some((old, problem)) => {
                // a wrong one under another of the names would be found before the right one
                if old != path {
                    fs::remove_file(&old).map_err(|e| InputError::io(&old, &e))?;
                }
                Outcome::Replaced { from, wrong: format!("{} {problem}", old.display()) }
            }
        };
        (self.progress)(Progress::Done { path: &path });
        Ok(FetchedFile { path, outcome })
    }

    /// The path of the file, and where it came from.
    fn obtain(&mut self, file: &PublishedFile) -> Result<(PathBuf, String), InputError> {
        let Self { sources, dir, progress } = self;
        let receive = |candidate: &Candidate, progress: &mut dyn FnMut(Progress)| {
            fs::create_dir_all(&*dir).map_err(|e| Failure::Ours(InputError::io(dir, &e)))?;
            let mut aside = Aside::new(dir).map_err(Failure::Ours)?;
            receive(candidate, &mut aside, file.bound(), progress)?;
            let storage = file.check(aside.path()).map_err(|fault| Failure::File(fault.to_string()))?;
            let name = file.name_as(storage);
            aside.rename(&name).map_err(Failure::Ours)?;
            Ok(dir.join(name))
        };
        let obtained =
            sources.obtain([file.name, "with or without .gz"], &file.names(), Vec::new(), *progress, receive);
        if obtained.is_err() {
            // goes only if it is empty: a folder without files would look like a data set
            let _ = fs::remove_dir(dir);
        }
        obtained
    }
}

/// Copies what is at one place to a file aside, at most `bound` bytes.
pub(super) fn receive(
    candidate: &Candidate,
    aside: &mut Aside,
    bound: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let from = candidate.to_string();
    candidate.copy_to(aside, bound, &mut |done, total| progress(Progress::Receiving { from: &from, done, total }))
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;
    use std::time::Duration;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::Source as _;
    use super::super::mnist::MNIST;
    use super::super::published::md5_of;
    use super::*;

    const TEXTS: [&str; 4] = ["train images", "train labels", "test images", "test labels"];

    /// A collection of four short files with the names of MNIST.
    fn collection(mirrors: &[String]) -> &'static Collection {
        let leak = |text: &str| -> &'static str { String::leak(text.to_owned()) };
        let mirrors: Vec<&'static str> = mirrors.iter().map(|m| leak(m)).collect();
        let mut files = MNIST.files;
        for (file, text) in files.iter_mut().zip(TEXTS) {
            file.content_md5 = leak(&md5_of([text.as_bytes()]));
            file.gzip_md5 = "none";
            file.content_bytes = text.len() as u64;
        }
        let description = MNIST.description;
        Box::leak(Box::new(Collection { description, mirrors: mirrors.leak(), torchvision: "MNIST/raw", files }))
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// The four files, right, in a folder: compressed under their `.gz` names, or plain.
    fn write_right(dir: &Path, compressed: bool) {
        fs::create_dir_all(dir).unwrap();
        for (file, text) in MNIST.files.iter().zip(TEXTS) {
            let [gz, plain, ..] = file.names();
            let (name, bytes) = if compressed { (gz, gzip(text)) } else { (plain, text.into()) };
            fs::write(dir.join(name), bytes).unwrap();
        }
    }

    fn run(collection: &'static Collection, dir: &Path, from: Option<&str>) -> Result<FetchReport, InputError> {
        let sources = Sources::of(collection, from)?;
        Fetch { sources, dir: dir.join("mnist"), progress: &mut |_| {} }.files(&collection.files)
    }

    fn from_folder(dir: &Path, from: &Path) -> Result<FetchReport, InputError> {
        run(collection(&[]), dir, Some(&from.display().to_string()))
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Answers on 127.0.0.1 until dropped: 200 with the bytes of a path, 503 where they are empty, else 404.
    pub struct Server {
        address: SocketAddr,
        asked: Arc<Mutex<Vec<String>>>,
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        fn new(files: HashMap<String, Vec<u8>>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
            let (log, stopped) = (asked.clone(), stop.clone());
            let thread = std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        break;
                    }
                    // a client that leaves is no fault of the server
                    let _ = Self::answer(stream, &files, &log);
                }
            });
            Self { address, asked, stop, thread: Some(thread) }
        }

        fn answer(
            stream: TcpStream,
            files: &HashMap<String, Vec<u8>>,
            log: &Mutex<Vec<String>>,
        ) -> std::io::Result<()> {
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let mut lines = BufReader::new(&stream).lines();
            let request = lines.next().transpose()?.unwrap_or_default();
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = match files.get(&path) {
                Some(bytes) if bytes.is_empty() => ("503 Service Unavailable", &[][..]),
                Some(bytes) => ("200 OK", &bytes[..]),
                None => ("404 Not Found", &[][..]),
            };
            log.lock().unwrap().push(path);
            let length = body.len();
            write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
            (&stream).write_all(body)
        }

        /// The files of a folder under `prefix`.
        pub fn of_folder(dir: &Path, prefix: &str) -> Self {
            let entry = |name: String| (format!("{prefix}/{name}"), fs::read(dir.join(&name)).unwrap());
            Self::new(names(dir).into_iter().map(entry).collect())
        }

        pub fn url(&self, path: &str) -> String {
            format!("http://{}{path}", self.address)
        }

        fn asked(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.stop.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
        }
    }

    /// An address at which nobody listens.
    fn nobody() -> String {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        format!("http://{address}/")
    }

    #[test]
    fn from_a_folder_in_each_of_its_layouts() {
        for layout in ["", "mnist", "MNIST/raw"] {
            for compressed in [true, false] {
                let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
                write_right(&from.path().join(layout), compressed);
                let report = from_folder(to.path(), from.path()).unwrap();
                assert!(report.files.iter().all(|f| matches!(f.outcome, Outcome::Fetched { .. })));
                assert_eq!(names(&to.path().join("mnist")), names(&from.path().join(layout)));
                // again: nothing to do
                let report = from_folder(to.path(), from.path()).unwrap();
                assert!(report.files.iter().all(|f| f.outcome == Outcome::Kept));
            }
        }
    }

    #[test]
    fn a_wrong_file_is_named_and_replaced() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_right(from.path(), false);
        write_right(&to.path().join("mnist"), true);
        let wrong = to.path().join("mnist/train-labels-idx1-ubyte.gz");
        fs::write(&wrong, gzip("train labelS")).unwrap();
        let seen = RefCell::new(Vec::new());
        let mut progress = |p: Progress| {
            if let Progress::Wrong { path, problem } = p {
                seen.borrow_mut().push((path.to_path_buf(), problem.to_owned()));
            }
        };
        let sources = Sources::of(collection(&[]), from.path().to_str()).unwrap();
        let fetch = Fetch { sources, dir: to.path().join("mnist"), progress: &mut progress };
        let report = fetch.files(&collection(&[]).files).unwrap();
        let kept = report.files.iter().map(|f| f.outcome == Outcome::Kept).collect::<Vec<_>>();
        assert_eq!(kept, [true, false, true, true]);
        let (path, problem) = &seen.borrow()[0];
        assert_eq!(path, &wrong);
        for md5 in [md5_of([&b"train labelS"[..]]), md5_of([&b"train labels"[..]])] {
            assert!(problem.contains(&md5), "{problem}");
        }
        // the right one is plain: the wrong one, which would be found before it, is gone
        assert!(!wrong.exists() && to.path().join("mnist/train-labels-idx1-ubyte").exists());
    }

    #[test]
    fn a_wrong_source_leaves_nothing_behind() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_right(from.path(), true);
        let bad = from.path().join("t10k-images-idx3-ubyte.gz");
        fs::write(&bad, gzip("other images")).unwrap();
        let error = from_folder(to.path(), from.path()).unwrap_err();
        assert_eq!(error.place, bad.display().to_string());
        let (expected, found) = (md5_of([&b"test images"[..]]), md5_of([&b"other images"[..]]));
        assert!(error.problem.contains(&format!("is {found}, expected {expected}")), "{error}");
        assert!(error.remedy.contains("--from"));
        let got = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
        assert_eq!(names(&to.path().join("mnist")), got);
        // damaged gzip
        fs::write(&bad, &gzip("test images")[..15]).unwrap();
        let error = from_folder(to.path(), from.path()).unwrap_err();
        assert!(error.problem.starts_with("is damaged gzip"), "{error}");
        assert_eq!(names(&to.path().join("mnist")), got);
    }

    #[test]
    fn a_folder_without_the_file() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let error = from_folder(to.path(), from.path()).unwrap_err();
        assert_eq!(error.place, from.path().display().to_string());
        let problem = "has no train-images-idx3-ubyte (with or without .gz), nor has mnist or MNIST/raw in it";
        assert_eq!(error.problem, problem);
        assert!(!to.path().join("mnist").exists());
    }

    #[test]
    fn from_an_address_in_each_of_its_layouts() {
        for (prefix, compressed) in [("", true), ("/sets/mnist", true), ("/sets", false)] {
            let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write_right(from.path(), compressed);
            let server = Server::of_folder(from.path(), prefix);
            let url = server.url(if prefix.is_empty() { "" } else { "/sets/" });
            run(collection(&[]), to.path(), Some(&url)).unwrap();
            assert_eq!(names(&to.path().join("mnist")), names(from.path()));
        }
    }

    #[test]
    fn mirrors_are_asked_in_turn_and_silent_ones_once() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_right(from.path(), true);
        let good = Server::of_folder(from.path(), "");
        fs::write(from.path().join("train-images-idx3-ubyte.gz"), "<html>moved</html>").unwrap();
        fs::write(from.path().join("train-labels-idx1-ubyte.gz"), "").unwrap();
        let bad = Server::of_folder(from.path(), "");
        let silent = nobody();
        let set = collection(&[silent.clone(), bad.url("/"), good.url("/")]);
        let failed = RefCell::new(Vec::new());
        let mut progress = |p: Progress| {
            if let Progress::Failed { from, .. } = p {
                failed.borrow_mut().push(from.to_owned());
            }
        };
        let fetch =
            Fetch { sources: Sources::of(set, None).unwrap(), dir: to.path().join("mnist"), progress: &mut progress };
        let report = fetch.files(&set.files).unwrap();
        let from_good = report
            .files
            .iter()
            .map(|f| f.outcome != Outcome::Kept && format!("{:?}", f.outcome).contains(&good.url("/")));
        assert_eq!(from_good.collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!((bad.asked(), good.asked()), (4, 2));
        assert_eq!(failed.borrow().iter().filter(|from| from.starts_with(&silent)).count(), 1);
    }

    #[test]
    fn when_all_mirrors_fail_one_line_says_what_each_said() {
        let to = tempfile::tempdir().unwrap();
        let empty = Server::new(HashMap::from([("/b/train-images-idx3-ubyte.gz".to_owned(), Vec::new())]));
        let set = collection(&[nobody(), empty.url("/a/"), empty.url("/b/")]);
        let error = run(set, to.path(), None).unwrap_err();
        assert_eq!(error.place, "mnist/train-images-idx3-ubyte");
        for said in ["connection refused", "not found (404)", "refused with status 503"] {
            assert!(error.problem.contains(said), "{error}");
        }
        assert!(error.remedy.contains("`ncut data fetch mnist --from DIR`"));
        assert!(!error.to_string().contains('\n'));
        assert!(!to.path().join("mnist").exists());
    }

    #[test]
    fn a_transfer_that_breaks_off_is_not_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ntrain images").unwrap();
        });
        let to = tempfile::tempdir().unwrap();
        let error = run(collection(&[url]), to.path(), None).unwrap_err();
        server.join().unwrap();
        assert!(error.place.ends_with("train-images-idx3-ubyte.gz"), "{error}");
        assert!(!to.path().join("mnist").exists());
    }

    #[test]
    fn what_is_shipped_needs_no_fetching_and_the_unknown_has_no_source() {
        let to = tempfile::tempdir().unwrap();
        assert!(fetch("mnist-sample", to.path(), None, &mut |_| {}).unwrap().files.is_empty());
        assert_eq!(names(to.path()), [""; 0]);
        assert!(fetch("mnits", to.path(), None, &mut |_| {}).unwrap_err().remedy.contains("'mnist'"));
        let error = fetch("mnist", to.path(), Some("no/such/folder"), &mut |_| {}).unwrap_err();
        assert_eq!(error.problem, "there is no such folder");
    }

    #[test]
    fn a_data_directory_that_cannot_be_made() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_right(from.path(), true);
        let file = to.path().join("file");
        fs::write(&file, "").unwrap();
        let error = from_folder(&file, from.path()).unwrap_err();
        assert!(error.place.starts_with(&file.display().to_string()), "{error}");
    }

    #[test]
    fn the_full_sets_are_fetched_from_their_folder() {
        let Some(from) = super::super::full_sets() else { return };
        let to = tempfile::tempdir().unwrap();
        fetch("mnist", to.path(), from.to_str(), &mut |_| {}).unwrap();
        assert!(MNIST.missing(to.path()).is_empty());
        // the other set from the folder of this one
        let mnist = to.path().join("mnist").display().to_string();
        let error = fetch("fashion-mnist", to.path(), Some(&mnist), &mut |_| {}).unwrap_err();
        assert!(error.problem.starts_with("fails its checksum (MD5 of the contents is 6bbc9ace"), "{error}");
    }
}
