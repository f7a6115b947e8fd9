//! CIFAR-10: six batches of 10,000 small colour pictures, five to train on and one to test on.
//!
//! In its folder of the data directory the batches lie in one of these forms; the first that is whole is read:
//!
//! | form | files |
//! |---|---|
//! | the binary version | `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin`, as `cifar-10-binary.tar.gz` has them |
//! | the same, as unpacked | these files in `cifar-10-batches-bin` |
//! | lossless pictures | `data_batch_1.webp` and so on, all pictures of a batch tiled row after row, and `labels_60000.u8` |
//!
//! Pictures take some seconds to read; `ncut data fetch cifar-10 --from` their folder writes the binary version.
//!
//! ```text
//! batch    10,000 records
//! record   label 0 to 9 | 1,024 red | 1,024 green | 1,024 blue      u8; each colour row after row
//! ```
//!
//! # References
//!
//! * A. Krizhevsky (2009), *Learning Multiple Layers of Features from Tiny Images*, and "Binary version" at
//!   <https://www.cs.toronto.edu/~kriz/cifar.html>

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::published::md5_of;
use super::{Dataset, Description, Inputs, Origin, Source, Split, Targets, Task, fetch_command, webp_grid};
use crate::InputError;

/// Rows and columns of a picture.
pub(super) const SIDE: usize = 32;

/// Bytes of a picture: three colours.
pub(super) const PIXELS: usize = 3 * SIDE * SIDE;

/// Bytes of a picture with its label.
pub(super) const RECORD: usize = 1 + PIXELS;

/// Where unpackers put the batches, below the folder in which they unpack.
pub(super) const UNPACKED: &str = "cifar-10-batches-bin";

/// Labels of all pictures in the form of lossless pictures, batch after batch.
const GRID_LABELS: &str = "labels_60000.u8";

/// A data set published as six batches in an archive.
#[derive(Debug)]
pub struct Batches {
    /// What it is; its name is also that of its folder in the data directory.
    pub description: Description,
    /// Addresses below which the archive is, ending in `/`, in the order in which they are asked.
    pub mirrors: &'static [&'static str],
    /// The archive: its name, and its published MD5.
    pub archive: [&'static str; 2],
    /// Pictures in each batch.
    pub pictures: usize,
    /// Name without an ending, and MD5 in the binary version: five to train on, then the one to test on.
    pub batches: [[&'static str; 2]; 6],
}

/// The data set.
pub static CIFAR_10: Batches = Batches {
    description: Description {
        name: "cifar-10",
        what: "small colour pictures of ten kinds of things",
        train: 50_000,
        test: 10_000,
        channels: 3,
        height: SIDE,
        width: SIDE,
        task: Task::Classification { classes: 10 },
        licence: "none stated by its authors",
        citation: "A. Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images, technical report, \
                   University of Toronto",
        origin: Origin::Fetched,
        parents: &[],
    },
    mirrors: &["https://www.cs.toronto.edu/~kriz/"],
    archive: ["cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"],
    pictures: 10_000,
    batches: [
        ["data_batch_1", "5dd7e06a14cb22eb9f671a540d1b7c25"],
        ["data_batch_2", "5ea93a67294ea407fff1d09f752e9692"],
        ["data_batch_3", "942cd6a4bcdd0dd3c604fbe906cb4421"],
        ["data_batch_4", "ae636b3ba5c66a11e91e8cb52e771fcb"],
        ["data_batch_5", "53f37980c15c3d472c316c40844f3f0d"],
        ["test_batch", "803d5f7f4d78ea53de84dbe85f74fb6d"],
    ],
};

/// All batches of a set, in one form.
#[derive(Debug)]
pub(super) enum Stored {
    /// Files `.bin` in this folder.
    Binary(PathBuf),
    /// Files `.webp` in this folder.
    Grids(PathBuf),
}

impl Source for Batches {
    fn description(&self) -> &Description {
        &self.description
    }

    fn missing(&self, data_dir: &Path) -> Vec<&'static str> {
        let name = self.description.name;
        if self.locate(&data_dir.join(name)).is_some() { Vec::new() } else { vec![name] }
    }

    /// Reads the six batches. Checksums are left to `fetch`; lengths and labels are checked.
    fn load(&self, data_dir: &Path, _: u64) -> Result<Dataset, InputError> {
        let Description { name, task, .. } = self.description;
        let dir = data_dir.join(name);
        let fetch = fetch_command(name, data_dir);
        let stored = self.locate(&dir).ok_or_else(|| {
            let missing = self.files().filter(|file| !dir.join(file).is_file()).collect::<Vec<_>>().join(", ");
            let problem = if dir.is_dir() { format!("has no {missing}") } else { "there is no such folder".to_owned() };
            let remedy = format!("fetch it with {fetch}, or unpack {} there", self.archive[0]);
            InputError::new(dir.display(), problem, remedy)
        })?;
        let remedy = format!("fetch it again with {fetch}");
        let batch = |batch| {
            let records = self.read(&stored, batch, &remedy)?;
            if let Some(i) = records.chunks_exact(RECORD).position(|record| usize::from(record[0]) >= task.outputs()) {
                let problem = format!("label {i} is {}, expected 0 to {}", records[i * RECORD], task.outputs() - 1);
                return Err(InputError::new(self.path(&stored, batch).display(), problem, &remedy));
            }
            Ok(records)
        };
        let records: Vec<Vec<u8>> = (0..self.batches.len()).into_par_iter().map(batch).collect::<Result<_, _>>()?;
        let (test, train) = records.split_last().unwrap_or_else(|| unreachable!("there are six"));
        Ok(Dataset { name: name.into(), train: split(train), test: split(std::slice::from_ref(test)), task })
    }

    fn batches(&self) -> Option<&'static Batches> {
        Some(&CIFAR_10)
    }
}

/// The pictures of some batches.
fn split(batches: &[Vec<u8>]) -> Split {
    let records = || batches.iter().flat_map(|records| records.chunks_exact(RECORD));
    let mut pixels = Vec::with_capacity(batches.iter().map(Vec::len).sum());
    records().for_each(|record| pixels.extend_from_slice(&record[1..]));
    let targets = Targets::Classes(records().map(|record| record[0]).collect());
    Split { inputs: Inputs::Pixels(pixels), targets, channels: 3, height: SIDE, width: SIDE }
}

impl Batches {
    /// Names of the files of the binary version.
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        self.batches.iter().map(|[name, _]| format!("{name}.bin"))
    }

    /// Bytes of a batch in the binary version.
    pub(super) fn batch_bytes(&self) -> usize {
        self.pictures * RECORD
    }

    /// The first form in `folder` of which no file is missing. Files are looked for, not read.
    pub(super) fn locate(&self, folder: &Path) -> Option<Stored> {
        let forms = [
            Stored::Binary(folder.to_path_buf()),
            Stored::Binary(folder.join(UNPACKED)),
            Stored::Grids(folder.to_path_buf()),
        ];
        let whole = |form: &Stored| {
            (0..self.batches.len()).all(|batch| self.path(form, batch).is_file())
                && match form {
                    Stored::Binary(_) => true,
                    Stored::Grids(folder) => folder.join(GRID_LABELS).is_file(),
                }
        };
        forms.into_iter().find(whole)
    }

    /// The file that holds the pictures of batch number `batch`.
    pub(super) fn path(&self, stored: &Stored, batch: usize) -> PathBuf {
        let [name, _] = self.batches[batch];
        match stored {
            Stored::Binary(folder) => folder.join(format!("{name}.bin")),
            Stored::Grids(folder) => folder.join(format!("{name}.webp")),
        }
    }

    /// Batch number `batch` as the binary version has it, with as many records as there are to be; labels may be any.
    ///
    /// # Errors
    ///
    /// A file cannot be read, is longer or shorter, or no picture of the right size. `remedy` ends what is told.
    pub(super) fn read(&self, stored: &Stored, batch: usize, remedy: &str) -> Result<Vec<u8>, InputError> {
        let path = self.path(stored, batch);
        let (labels, pixels) = match stored {
            Stored::Binary(_) => return read_exactly(&path, self.batch_bytes(), remedy),
            Stored::Grids(folder) => {
                let labels = folder.join(GRID_LABELS);
                let labels = read_exactly(&labels, self.batches.len() * self.pictures, remedy)?;
                (labels, webp_grid::read(&path, [SIDE, SIDE], self.pictures, remedy)?)
            }
        };
        let mut records = Vec::with_capacity(self.batch_bytes());
        for (label, picture) in labels[batch * self.pictures..].iter().zip(pixels.chunks_exact(PIXELS)) {
            records.push(*label);
            records.extend_from_slice(picture);
        }
        Ok(records)
    }

    /// What is wrong with `records` as batch number `batch`, by its checksum.
    pub(super) fn fault(&self, batch: usize, records: &[u8]) -> Option<String> {
        let (expected, found) = (self.batches[batch][1], md5_of([records]));
        (found != expected).then(|| format!("fails its checksum (MD5 of the contents is {found}, expected {expected})"))
    }
}

/// All bytes of a file that has `bytes` of them.
fn read_exactly(path: &Path, bytes: usize, remedy: &str) -> Result<Vec<u8>, InputError> {
    let io = |error| InputError::io(path, &error);
    let file = File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?.len();
    let mut contents = Vec::new();
    if found == bytes as u64 {
        file.take(found).read_to_end(&mut contents).map_err(io)?;
    }
    // it may have changed meanwhile
    if contents.len() != bytes {
        let problem = format!("has {found} bytes, expected {bytes}");
        return Err(InputError::new(path.display(), problem, remedy));
    }
    Ok(contents)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::super::full_sets;
    use super::*;

    /// The picture that `tests/data/cifar_10.py` tiles and its records, of which it prints the MD5.
    pub const GRID: &[u8] = include_bytes!("../../tests/data/cifar-10.webp");
    const MD5: &str = "98c18ded4a2f1d8e613d07d29869880d";

    /// Six batches of six pictures, all alike.
    pub static SMALL: Batches = Batches {
        description: CIFAR_10.description,
        mirrors: &[],
        archive: CIFAR_10.archive,
        pictures: 6,
        batches: [
            ["data_batch_1", MD5],
            ["data_batch_2", MD5],
            ["data_batch_3", MD5],
            ["data_batch_4", MD5],
            ["data_batch_5", MD5],
            ["test_batch", MD5],
        ],
    };

    /// One batch of it, as the script defines it.
    pub fn records() -> Vec<u8> {
        let mut records = Vec::new();
        for picture in 0..6 {
            records.push(picture as u8);
            for place in 0..PIXELS {
                let (colour, y, x) = (place / 1024, place / 32 % 32, place % 32);
                records.push(((7 * y + 3 * x * (colour + 1) + 40 * picture) % 256) as u8);
            }
        }
        records
    }

    pub fn write_binary(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        SMALL.files().for_each(|file| fs::write(folder.join(file), records()).unwrap());
    }

    pub fn write_grids(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        SMALL.batches.iter().for_each(|[name, _]| fs::write(folder.join(format!("{name}.webp")), GRID).unwrap());
        fs::write(folder.join(GRID_LABELS), [0, 1, 2, 3, 4, 5].repeat(6)).unwrap();
    }

    #[test]
    fn every_form_is_the_same_set() {
        assert_eq!(SMALL.fault(0, &records()), None);
        let forms: [fn(&Path); 3] = [write_binary, |dir| write_binary(&dir.join(UNPACKED)), write_grids];
        for write in forms {
            let dir = tempfile::tempdir().unwrap();
            assert_eq!(SMALL.missing(dir.path()), ["cifar-10"]);
            write(&dir.path().join("cifar-10"));
            assert!(SMALL.missing(dir.path()).is_empty());
            let set = SMALL.load(dir.path(), 0).unwrap();
            assert_eq!((set.train.len(), set.test.len(), set.inputs(), set.outputs()), (30, 6, 3072, 10));
            assert_eq!((set.train.channels, set.train.height, set.train.width), (3, 32, 32));
            assert_eq!(set.train.classes().unwrap()[4..8], [4, 5, 0, 1]);
            let pixels = records().chunks(RECORD).flat_map(|record| record[1..].to_vec()).collect::<Vec<_>>();
            assert_eq!(set.test.pixels().unwrap(), pixels);
            assert_eq!(set.train.pixels().unwrap(), pixels.repeat(5));
        }
    }

    /// Both forms, changed in one file.
    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let small = |write: fn(&Path), change: &dyn Fn(&Path)| {
            let dir = tempfile::tempdir().unwrap();
            write(&dir.path().join("cifar-10"));
            change(&dir.path().join("cifar-10"));
            let error = SMALL.load(dir.path(), 0).unwrap_err();
            assert!(error.remedy.contains("`ncut data fetch cifar-10 --data-dir "), "{error}");
            let place = error.place.strip_prefix(&dir.path().display().to_string()).unwrap();
            format!("{place}: {}", error.problem)
        };
        let binary = |change: &dyn Fn(&Path)| small(write_binary, change);
        assert_eq!(binary(&|dir| fs::remove_dir_all(dir).unwrap()), "/cifar-10: there is no such folder");
        let removed = binary(&|dir| fs::remove_file(dir.join("test_batch.bin")).unwrap());
        assert_eq!(removed, "/cifar-10: has no test_batch.bin");
        let cut = binary(&|dir| fs::write(dir.join("data_batch_2.bin"), &records()[1..]).unwrap());
        assert_eq!(cut, "/cifar-10/data_batch_2.bin: has 18437 bytes, expected 18438");
        let mut labelled = records();
        labelled[2 * RECORD] = 10;
        let labelled = binary(&|dir| fs::write(dir.join("data_batch_3.bin"), &labelled).unwrap());
        assert_eq!(labelled, "/cifar-10/data_batch_3.bin: label 2 is 10, expected 0 to 9");

        let grid =
            |bytes: Vec<u8>| small(write_grids, &move |dir| fs::write(dir.join("test_batch.webp"), &bytes).unwrap());
        for damaged in [Vec::new(), GRID[..GRID.len() / 2].to_vec(), b"\x89PNG".to_vec(), GRID[..20].to_vec()] {
            let problem = grid(damaged);
            assert!(
                problem.starts_with("/cifar-10/test_batch.webp: is no WebP picture, or a damaged one ("),
                "{problem}"
            );
        }
        // the width of the header, 14 bits from the fifth byte of the chunk on
        let mut wide = GRID.to_vec();
        (wide[21], wide[22]) = (0xfe, wide[22] | 0x3f);
        assert!(grid(wide).ends_with("is a picture of 64 × 16383 pixels, expected 6 of 32 × 32 in it"));
        let lossy = [b"RIFF\x1a\0\0\0WEBPVP8 \x0e\0\0\0\0\0\0\x9d\x01\x2a\x60\0\x40\0\0\0\0\0" as &[u8]].concat();
        assert!(grid(lossy).contains("is lossy"));
        let labels = small(write_grids, &|dir| fs::write(dir.join(GRID_LABELS), [0; 35]).unwrap());
        assert_eq!(labels, "/cifar-10/labels_60000.u8: has 35 bytes, expected 36");
    }

    #[test]
    fn no_bytes_make_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grid.webp");
        for place in 0..GRID.len() {
            for change in [1, 0x80, 0xff] {
                let mut bytes = GRID.to_vec();
                bytes[place] ^= change;
                fs::write(&path, bytes).unwrap();
                let _ = webp_grid::read(&path, [SIDE, SIDE], 6, "");
            }
        }
    }

    #[test]
    fn figures_of_the_full_set() {
        let Some(dir) = full_sets().filter(|dir| CIFAR_10.missing(dir).is_empty()) else { return };
        let set = CIFAR_10.load(&dir, 0).unwrap();
        let examples = |split: &Split| {
            let records = split.classes().unwrap().iter().zip(split.pixels().unwrap().chunks(PIXELS));
            records.flat_map(|(label, picture)| [&[*label], picture].concat()).collect::<Vec<u8>>()
        };
        let all = [examples(&set.train), examples(&set.test)].concat();
        for (batch, records) in all.chunks(CIFAR_10.batch_bytes()).enumerate() {
            assert_eq!(CIFAR_10.fault(batch, records), None);
        }
        // mean and sd of red, green and blue over 255, as used everywhere to normalise
        for (colour, (mean, sd)) in [(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)].into_iter().enumerate() {
            let images = set.train.pixels().unwrap().chunks(PIXELS);
            let (mut sum, mut squares) = (0u64, 0u64);
            images.flat_map(|image| &image[colour * 1024..(colour + 1) * 1024]).for_each(|&pixel| {
                sum += u64::from(pixel);
                squares += u64::from(pixel).pow(2);
            });
            let n = 50_000.0 * 1024.0 * 255.0;
            let found = sum as f64 / n;
            let found_sd = (squares as f64 / n / 255.0 - found * found).sqrt();
            assert!((found - mean).abs() < 1e-4 && (found_sd - sd).abs() < 1e-4, "{found} {found_sd}");
        }
        for (split, of_class) in [(&set.train, 5000), (&set.test, 1000)] {
            let count = |class| split.classes().unwrap().iter().filter(|&&label| label == class).count();
            assert!((0..10).all(|class| count(class) == of_class));
        }
    }
}
