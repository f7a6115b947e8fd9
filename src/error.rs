//! What is wrong with the user's input, in one line.

use std::fmt::Display;
use std::path::Path;

/// A fault in a file or a setting that the user can mend: where it is, what it is, and what to do.
///
/// Printed as `where: problem; remedy`, one line, and ends the program with exit code 1.
///
/// ```
/// let error = ncut::InputError::new("net.npz", "holds no arrays", "save at least one weight matrix");
/// assert_eq!(error.to_string(), "net.npz: holds no arrays; save at least one weight matrix");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}; {remedy}")]
pub struct InputError {
    /// The file, with the place in it where there is one (`grid.yaml:3:7`), or the option.
    pub place: String,
    /// What was found there, with the numbers.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl InputError {
    /// Any line breaks in the parts (as in messages of libraries) become spaces; of long ones the middle is left out.
    pub fn new(place: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        let line = |text: &dyn Display| clipped(&text.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
        Self { place: line(&place), problem: line(&problem), remedy: line(&remedy) }
    }

    /// A file that could not be opened, read or written, with the system's reason.
    pub fn io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::*;
        let remedy = match error.kind() {
            NotFound => "check the path",
            PermissionDenied | ReadOnlyFilesystem => "check its permissions, or name another place",
            StorageFull | QuotaExceeded => "free some space, or name another place",
            UnexpectedEof => "the file is cut short: fetch or save it again",
            IsADirectory => "name a file, not a directory",
            NotADirectory | AlreadyExists => "name a directory, or remove the file in its place",
            _ => "check the file and its disk",
        };
        let reason = error.to_string();
        Self::new(path.display(), reason.split(" (os error").next().unwrap_or(&reason).to_lowercase(), remedy)
    }
}

/// What a line has room for: a file may hold megabytes where a word should be.
const LONGEST: usize = 600;

fn clipped(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_string();
    }
    let half = LONGEST / 2;
    let (first, last): (String, String) =
        (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
    format!("{first} … {last}")
}
