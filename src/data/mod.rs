//! Data sets: images with labels, and where they come from.
//!
//! [`load`] gives one by name, [`catalogue`] says what there is, [`fetch::fetch`] downloads what must be downloaded.
//!
//! To add a data set: a file here with a type that implements `Source`, and a line in `SOURCES`; all messages and lists
//! follow. One that is generated reads its parents with [`load`].

pub mod contact_sheet;
pub mod fetch;
pub mod idx;
pub mod mnist;
pub mod sample;

mod mirror;
mod published;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use published::PublishedFile;

use crate::InputError;
use mnist::Collection;

/// Grey images with a class each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Pixels, `(n, height, width)` in row-major order, 0 to 255 as stored in the source.
    pub images: Vec<u8>,
    /// Class of each image, shape `(n,)`, counted from 0.
    pub labels: Vec<u8>,
    /// Rows of an image, in pixels.
    pub height: usize,
    /// Columns of an image, in pixels.
    pub width: usize,
}

impl Split {
    /// Number of images, `n`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all; never so in a split that was loaded.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels of image `i`, shape `(height, width)`.
    ///
    /// # Panics
    ///
    /// If `i >= self.len()`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.height * self.width;
        &self.images[i * size..(i + 1) * size]
    }
}

/// A data set in memory, in the order of its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The name it was loaded by.
    pub name: String,
    /// What networks are trained on.
    pub train: Split,
    /// What they are tested on; images of the same height and width as in `train`.
    pub test: Split,
    /// Number of classes; labels are below it.
    pub classes: usize,
}

/// How a data set comes to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is part of the program.
    Shipped,
    /// `ncut data fetch NAME` downloads it.
    Fetched,
}

/// What is known of a data set without loading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its name in commands and grid files.
    pub name: &'static str,
    /// What the images show, in a few words.
    pub what: &'static str,
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Rows of an image, in pixels.
    pub height: usize,
    /// Columns of an image, in pixels.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
    /// Terms of use, as usually stated.
    pub licence: &'static str,
    /// Who made it and where it is described.
    pub citation: &'static str,
    /// How it comes to a machine.
    pub origin: Origin,
}

/// One line of [`catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DatasetInfo {
    /// What it is.
    #[serde(flatten)]
    pub description: Description,
    /// Whether it can be loaded: shipped, or all of its files are in the data directory (their contents are not
    /// checked).
    pub present: bool,
}

/// A data set that can be named: one implementation a file.
trait Source: Sync {
    fn description(&self) -> &Description;

    /// Whether [`Source::load`] would find its files in `data_dir`.
    fn is_present(&self, data_dir: &Path) -> bool;

    fn load(&self, data_dir: &Path) -> Result<Dataset, InputError>;

    /// The published files behind it, where there is something to download.
    fn collection(&self) -> Option<&'static Collection> {
        None
    }
}

/// Every data set that can be loaded, in the order of `ncut data list`.
const SOURCES: [&dyn Source; 3] = [&sample::Sample, &mnist::MNIST, &mnist::FASHION_MNIST];

/// What data sets there are, and whether each is in `data_dir` (see [`data_dir`]).
pub fn catalogue(data_dir: &Path) -> Vec<DatasetInfo> {
    let info = |s: &&dyn Source| DatasetInfo { description: *s.description(), present: s.is_present(data_dir) };
    SOURCES.iter().map(info).collect()
}

/// What there is to know of the data set `name` without reading it.
///
/// # Errors
///
/// The name is unknown.
pub fn describe(name: &str) -> Result<&'static Description, InputError> {
    Ok(source(name)?.description())
}

/// Reads the data set `name` from `data_dir` (see [`data_dir`]), or from the program itself where it is shipped.
///
/// # Errors
///
/// The name is unknown; a file is missing; a file is not what its name says (see [`idx`] and [`mnist`]).
pub fn load(name: &str, data_dir: &Path) -> Result<Dataset, InputError> {
    source(name)?.load(data_dir)
}

fn source(name: &str) -> Result<&'static dyn Source, InputError> {
    SOURCES.into_iter().find(|s| s.description().name == name).ok_or_else(|| {
        let known: Vec<_> = SOURCES.iter().map(|s| s.description().name).collect();
        let remedy = match crate::names::nearest(name, &known) {
            Some(near) => format!("did you mean '{near}'? there are {}", known.join(", ")),
            None => format!("there are {}", known.join(", ")),
        };
        InputError::new(format!("data set '{name}'"), "is not known", remedy)
    })
}

/// Where data sets lie, each in a folder of its name: `option`, else `NCUT_DATA`, else `$XDG_CACHE_HOME/ncut/data`,
/// else `~/.cache/ncut/data`.
///
/// A variable that is empty counts as not set, and so does a relative `XDG_CACHE_HOME` (XDG Base Directory
/// Specification 0.8, "Environment variables").
pub fn data_dir(option: Option<&Path>) -> PathBuf {
    resolve_data_dir(option, |name| std::env::var_os(name), std::env::home_dir())
}

fn resolve_data_dir(
    option: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
) -> PathBuf {
    let variable = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || {
        let xdg = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        xdg.unwrap_or_else(|| home.unwrap_or_default().join(".cache")).join("ncut/data")
    };
    option.map(Path::to_path_buf).or_else(|| variable("NCUT_DATA")).unwrap_or_else(cache)
}

/// The command that brings `name` into `data_dir`, for remedies.
fn fetch_command(name: &str, dir: &Path) -> String {
    if dir == data_dir(None) {
        format!("`ncut data fetch {name}`")
    } else {
        format!("`ncut data fetch {name} --data-dir {}`", dir.display())
    }
}

/// Where tests find the full sets: `NCUT_DATA`, or the folder beside the repository.
#[cfg(test)]
fn full_sets() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let dir = std::env::var_os("NCUT_DATA").map_or(beside, PathBuf::from);
    let found = mnist::MNIST.is_present(&dir) && mnist::FASHION_MNIST.is_present(&dir);
    if !found {
        eprintln!("skipped: no MNIST and Fashion-MNIST in {} (set NCUT_DATA)", dir.display());
    }
    found.then_some(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_and_the_nearest() {
        let nowhere = Path::new("nowhere");
        let error = load("fashion_mnist", nowhere).unwrap_err().to_string();
        let known = "there are mnist-sample, mnist, fashion-mnist";
        assert_eq!(error, format!("data set 'fashion_mnist': is not known; did you mean 'fashion-mnist'? {known}"));
        assert_eq!(load("qqqqqqqq", nowhere).unwrap_err().remedy, known);
        // in the contract, but not to be had yet: not offered
        assert_eq!(load("cifar-10", nowhere).unwrap_err().remedy, known);
    }

    #[test]
    fn the_data_directory_is_the_first_that_is_named() {
        let resolve = |option: Option<&str>, set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            resolve_data_dir(option.map(Path::new), variable, Some("/home/user".into()))
        };
        let all = [("NCUT_DATA", "/data"), ("XDG_CACHE_HOME", "/cache")];
        assert_eq!(resolve(Some("here"), &all), Path::new("here"));
        assert_eq!(resolve(None, &all), Path::new("/data"));
        assert_eq!(resolve(None, &[("NCUT_DATA", ""), ("XDG_CACHE_HOME", "/cache")]), Path::new("/cache/ncut/data"));
        assert_eq!(resolve(None, &[("XDG_CACHE_HOME", "cache")]), Path::new("/home/user/.cache/ncut/data"));
        assert_eq!(resolve(None, &[]), Path::new("/home/user/.cache/ncut/data"));
    }

    #[test]
    fn the_catalogue_says_what_is_present() {
        let empty = tempfile::tempdir().unwrap();
        let present: Vec<_> = catalogue(empty.path()).into_iter().map(|i| (i.description.name, i.present)).collect();
        assert_eq!(present, [("mnist-sample", true), ("mnist", false), ("fashion-mnist", false)]);
        if let Some(dir) = full_sets() {
            assert!(catalogue(&dir).iter().all(|info| info.present));
        }
    }

    #[test]
    fn the_catalogue_is_true_of_what_is_loaded() {
        let dir = full_sets();
        let nowhere = Path::new("nowhere");
        for DatasetInfo { description, .. } in catalogue(nowhere) {
            if description.origin == Origin::Fetched && dir.is_none() {
                continue;
            }
            let set = load(description.name, dir.as_deref().unwrap_or(nowhere)).unwrap();
            assert_eq!((set.name.as_str(), set.classes), (description.name, description.classes));
            assert_eq!((set.train.len(), set.test.len()), (description.train, description.test));
            for split in [&set.train, &set.test] {
                assert_eq!((split.height, split.width), (description.height, description.width));
                assert_eq!(split.images.len(), split.len() * description.height * description.width);
            }
        }
    }

    #[test]
    fn missing_files_are_looked_for_and_the_command_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = load("mnist", empty.path()).unwrap_err();
        assert_eq!(error.place, empty.path().join("mnist").display().to_string());
        assert!(error.problem.starts_with("there is no such folder"), "{error}");
        assert!(error.remedy.contains("`ncut data fetch mnist --data-dir "), "{error}");

        std::fs::create_dir(empty.path().join("mnist")).unwrap();
        std::fs::write(empty.path().join("mnist/train-images.idx3-ubyte"), "").unwrap();
        let error = load("mnist", empty.path()).unwrap_err();
        let missing = "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte";
        assert!(error.problem.contains(missing) && !error.problem.contains("train-images"), "{error}");
    }
}
