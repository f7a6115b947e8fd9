//! Data sets: examples with their targets, and where they come from.
//!
//! [`load`] gives one by name, [`catalogue`] says what there is, [`fetch::fetch`] downloads what must be downloaded,
//! [`build::build`] writes what is generated for other programs to read.
//!
//! To add a data set: a file here with a type that implements `Source` and a line in `SOURCES`; all messages and lists
//! follow. One that is computed, from others or from a seed alone, is a [`generated::Generated`].

pub mod build;
pub mod cifar_10;
pub mod contact_sheet;
pub mod fetch;
pub mod generated;
pub mod halves;
pub mod idx;
pub mod lines;
pub mod mixture;
pub mod mnist;
pub mod mnist_7x7;
pub mod pairs;
pub mod polynomials;
pub mod random;
pub mod resize;
pub mod sample;
pub mod stacks;

mod fetch_batches;
mod mirror;
mod published;
mod webp_grid;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use published::PublishedFile;

use crate::InputError;
use cifar_10::Batches;
use generated::Generated;
use mnist::Collection;

/// What networks are given, shape `(n, channels, height, width)` in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Inputs {
    /// 0 to 255, as stored in the source; a network is given pixels / 255.
    Pixels(Vec<u8>),
    /// A network is given them as they are.
    Reals(Vec<f32>),
}

/// What networks are to answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// Class of each example, shape `(n,)`, counted from 0.
    Classes(Vec<u8>),
    /// Values of each example, shape `(n, width)` in row-major order.
    Reals {
        /// All of them.
        values: Vec<f32>,
        /// Values of one example, at least 1.
        width: usize,
    },
}

/// Examples: inputs with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// `(n, channels, height, width)`.
    pub inputs: Inputs,
    /// One, or one row, for each input.
    pub targets: Targets,
    /// Channels of an image; 1 of grey ones.
    pub channels: usize,
    /// Rows of an image, in pixels; 1 where inputs are no images.
    pub height: usize,
    /// Columns of an image, in pixels; the length of inputs that are no images.
    pub width: usize,
}

impl Split {
    /// Grey images `(n, height, width)` with classes `(n,)`.
    pub fn grey(pixels: Vec<u8>, classes: Vec<u8>, height: usize, width: usize) -> Self {
        Self { inputs: Inputs::Pixels(pixels), targets: Targets::Classes(classes), channels: 1, height, width }
    }

    /// Number of examples, `n`.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes(classes) => classes.len(),
            Targets::Reals { values, width } => values.len() / width,
        }
    }

    /// Whether there is no example at all; never so in a split that was loaded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers in the input of one example: `channels · height · width`.
    pub fn input_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// All pixels, `(n, channels, height, width)`; `None` where inputs are reals.
    pub fn pixels(&self) -> Option<&[u8]> {
        match &self.inputs {
            Inputs::Pixels(pixels) => Some(pixels),
            Inputs::Reals(_) => None,
        }
    }

    /// Class of each example, `(n,)`; `None` in a regression.
    pub fn classes(&self) -> Option<&[u8]> {
        match &self.targets {
            Targets::Classes(classes) => Some(classes),
            Targets::Reals { .. } => None,
        }
    }
}

/// What a network learns of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "task", rename_all = "lowercase")]
pub enum Task {
    /// To tell classes apart.
    Classification {
        /// How many; labels are below it.
        classes: usize,
    },
    /// To compute real functions of its inputs.
    Regression {
        /// How many.
        outputs: usize,
    },
}

impl Task {
    /// Width of a network's last layer: classes, or functions.
    pub fn outputs(self) -> usize {
        match self {
            Self::Classification { classes } => classes,
            Self::Regression { outputs } => outputs,
        }
    }
}

/// A data set in memory, in the order of its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The name it was loaded by.
    pub name: String,
    /// What networks are trained on.
    pub train: Split,
    /// What they are tested on; inputs and targets of the same kind and shape as in `train`.
    pub test: Split,
    /// What is to be learnt.
    pub task: Task,
}

impl Dataset {
    /// Width of a network's input: numbers in the input of one example.
    pub fn inputs(&self) -> usize {
        self.train.input_len()
    }

    /// Width of a network's output: classes, or functions.
    pub fn outputs(&self) -> usize {
        self.task.outputs()
    }
}

/// How a data set comes to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It is part of the program.
    Shipped,
    /// `ncut data fetch NAME` downloads it.
    Fetched,
    /// It is computed when it is loaded, from a seed and from its parents.
    Generated,
}

/// What is known of a data set without loading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Description {
    /// Its name in commands and grid files.
    pub name: &'static str,
    /// What the images show, in a few words.
    pub what: &'static str,
    /// Number of training examples.
    pub train: usize,
    /// Number of test examples.
    pub test: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Rows of an image, in pixels; 1 where inputs are no images.
    pub height: usize,
    /// Columns of an image, in pixels; the length of inputs that are no images.
    pub width: usize,
    /// What is to be learnt.
    #[serde(flatten)]
    pub task: Task,
    /// Terms of use, as usually stated.
    pub licence: &'static str,
    /// Who made it and where it is described.
    pub citation: &'static str,
    /// How it comes to a machine.
    pub origin: Origin,
    /// The data sets it is generated from.
    pub parents: &'static [&'static str],
}

impl Description {
    /// Width of a network's input: numbers in the input of one example.
    pub fn inputs(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Width of a network's output: classes, or functions.
    pub fn outputs(&self) -> usize {
        self.task.outputs()
    }
}

/// One line of [`catalogue`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetInfo {
    /// What it is.
    #[serde(flatten)]
    pub description: Description,
    /// Whether it can be loaded: nothing is missing.
    pub present: bool,
    /// What must be fetched before it can be: itself, or what it is generated from. Files are looked for, not read.
    pub missing: Vec<&'static str>,
}

/// A data set that can be named: one implementation a file.
trait Source: Sync {
    fn description(&self) -> &Description;

    /// What must be fetched before [`Source::load`] finds all files in `data_dir`.
    fn missing(&self, data_dir: &Path) -> Vec<&'static str>;

    /// `seed` is that of what is generated.
    fn load(&self, data_dir: &Path, seed: u64) -> Result<Dataset, InputError>;

    /// The published files behind it, where there are some to download one by one.
    fn collection(&self) -> Option<&'static Collection> {
        None
    }

    /// The published batches behind it, where there is an archive of them to download.
    fn batches(&self) -> Option<&'static Batches> {
        None
    }

    /// How it is computed, where it is.
    fn generated(&self) -> Option<&Generated> {
        None
    }
}

/// Every data set that can be loaded, in the order of `ncut data list`.
const SOURCES: [&dyn Source; 18] = [
    &sample::Sample,
    &mnist::MNIST,
    &mnist::FASHION_MNIST,
    &cifar_10::CIFAR_10,
    &mnist_7x7::MNIST_7X7,
    &halves::SAME_MNIST,
    &halves::SAME_FASHION,
    &halves::DIFF_MNIST,
    &halves::DIFF_FASHION,
    &stacks::SAME_MNIST,
    &stacks::SAME_FASHION,
    &stacks::DIFF_MNIST,
    &stacks::DIFF_FASHION,
    &lines::LINES,
    &mixture::LINES_MNIST,
    &mixture::LINES_MNIST_SEP,
    &random::RANDOM,
    &polynomials::POLYNOMIALS,
];

/// What data sets there are, and whether each is in `data_dir` (see [`data_dir`]).
pub fn catalogue(data_dir: &Path) -> Vec<DatasetInfo> {
    let info = |source: &&dyn Source| {
        let missing = source.missing(data_dir);
        DatasetInfo { description: *source.description(), present: missing.is_empty(), missing }
    };
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

/// Whether the data set `name` is another for another seed.
///
/// # Errors
///
/// The name is unknown.
pub fn is_drawn(name: &str) -> Result<bool, InputError> {
    Ok(source(name)?.generated().is_some_and(|generated| generated.drawn))
}

/// The data set `name`: read from `data_dir` (see [`data_dir`]) or from the program itself, or computed from what is for
/// `seed`, which others know nothing of.
///
/// # Errors
///
/// The name is unknown; a file is missing; a file is not what its name says (see [`idx`], [`mnist`] and [`cifar_10`]).
pub fn load(name: &str, data_dir: &Path, seed: u64) -> Result<Dataset, InputError> {
    source(name)?.load(data_dir, seed)
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
    let found = mnist::MNIST.missing(&dir).is_empty() && mnist::FASHION_MNIST.missing(&dir).is_empty();
    if !found {
        eprintln!("skipped: no MNIST and Fashion-MNIST in {} (set NCUT_DATA)", dir.display());
    }
    found.then_some(dir)
}

#[cfg(test)]
mod tests {
    use super::generated::SEED;
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_and_the_nearest() {
        let nowhere = Path::new("nowhere");
        let error = load("fashion_mnist", nowhere, SEED).unwrap_err().to_string();
        let known = "there are mnist-sample, mnist, fashion-mnist, cifar-10, mnist-7x7, halves-same-mnist, \
                     halves-same-fashion, halves-diff-mnist, halves-diff-fashion, stack-same-mnist, stack-same-fashion, \
                     stack-diff-mnist, stack-diff-fashion, lines, lines-mnist, lines-mnist-sep, random, polynomials";
        assert_eq!(error, format!("data set 'fashion_mnist': is not known; did you mean 'fashion-mnist'? {known}"));
        assert_eq!(load("qqqqqqqq", nowhere, SEED).unwrap_err().remedy, known);
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
        let shipped_or_of_nothing = ["mnist-sample", "lines", "random", "polynomials"];
        for (name, present) in present {
            assert_eq!(present, shipped_or_of_nothing.contains(&name), "{name}");
        }
        let missing = |name| catalogue(empty.path()).into_iter().find(|i| i.description.name == name).unwrap().missing;
        assert_eq!(missing("fashion-mnist"), ["fashion-mnist"]);
        assert_eq!(missing("halves-diff-fashion"), ["fashion-mnist"]);
        assert_eq!(missing("lines-mnist-sep"), ["mnist"]);
        if let Some(dir) = full_sets() {
            assert!(catalogue(&dir).iter().all(|info| info.present || info.missing == ["cifar-10"]));
        }
    }

    #[test]
    fn the_catalogue_is_true_of_what_is_loaded() {
        let dir = full_sets();
        let nowhere = Path::new("nowhere");
        for DatasetInfo { description, .. } in catalogue(nowhere) {
            let source = source(description.name).unwrap();
            let dir = dir.as_deref().unwrap_or(nowhere);
            if !source.missing(dir).is_empty() {
                continue;
            }
            let set = load(description.name, dir, SEED).unwrap();
            assert_eq!((set.name.as_str(), set.task), (description.name, description.task));
            assert_eq!((set.train.len(), set.test.len()), (description.train, description.test), "{}", set.name);
            assert_eq!((set.inputs(), set.outputs()), (description.inputs(), description.outputs()));
            for split in [&set.train, &set.test] {
                assert_eq!((split.channels, split.height), (description.channels, description.height));
                assert_eq!(split.width, description.width);
                let values = match &split.inputs {
                    Inputs::Pixels(pixels) => {
                        // what the authors' loader demands of images
                        assert_eq!((pixels.iter().min(), pixels.iter().max()), (Some(&0), Some(&255)), "{}", set.name);
                        pixels.len()
                    }
                    Inputs::Reals(reals) => reals.len(),
                };
                assert_eq!(values, split.len() * description.inputs());
                match &split.targets {
                    Targets::Classes(labels) => {
                        assert!(labels.iter().all(|&label| usize::from(label) < description.outputs()));
                    }
                    Targets::Reals { width, .. } => assert_eq!(*width, description.outputs()),
                }
            }
        }
    }

    #[test]
    fn missing_files_are_looked_for_and_the_command_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = load("mnist", empty.path(), SEED).unwrap_err();
        assert_eq!(error.place, empty.path().join("mnist").display().to_string());
        assert!(error.problem.starts_with("there is no such folder"), "{error}");
        assert!(error.remedy.contains("`ncut data fetch mnist --data-dir "), "{error}");

        std::fs::create_dir(empty.path().join("mnist")).unwrap();
        std::fs::write(empty.path().join("mnist/train-images.idx3-ubyte"), "").unwrap();
        let error = load("mnist", empty.path(), SEED).unwrap_err();
        let missing = "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte";
        assert!(error.problem.contains(missing) && !error.problem.contains("train-images"), "{error}");
    }
}
