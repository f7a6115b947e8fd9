//! Writing generated data sets as files, for other programs to read; this one never does.
//!
//! | a split's | is written as |
//! |---|---|
//! | pixels with classes | IDX, under MNIST's names: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…` |
//! | reals with classes | NPY, f32 and u8: `train-images.npy` `(n, height, width)`, `train-labels.npy` `(n,)`, `test-…` |
//! | reals with reals | NPY, f32: `train-inputs.npy` `(n, inputs)`, `train-targets.npy` `(n, outputs)`, `test-…` |
//!
//! Beside them `dataset.json` says what they are and how they were made. Images of several channels have one more extent,
//! `(n, channels, height, width)`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Description, Inputs, Origin, Split, Targets, fetch_command, source};
use crate::{InputError, aside, npy};

/// A file that [`build`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// `dataset.json`.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    description: Description,
    rule: &'a str,
    seed: u64,
    files: Vec<RecordFile>,
    version: &'a str,
}

#[derive(Serialize)]
struct RecordFile {
    name: String,
    sha256: String,
}

/// Generates the data set `name` for `seed` and writes it into the folder `output`, by default that of its name in
/// `data_dir`; files of the same names are replaced, each when it is whole. The last one is `dataset.json`.
///
/// The same seed gives the same bytes, but for the version of the program in `dataset.json`. What is written is not read
/// again: [`super::load`] generates.
///
/// # Errors
///
/// The name is unknown, or of a set that is not generated; a parent cannot be loaded; the folder has another data set in it
/// or cannot be written to.
pub fn build(name: &str, data_dir: &Path, seed: u64, output: Option<&Path>) -> Result<Vec<BuiltFile>, InputError> {
    let source = source(name)?;
    let Some(generated) = source.generated() else {
        let (problem, remedy) = match source.description().origin {
            Origin::Fetched => {
                ("is published, not generated", format!("download it with {}", fetch_command(name, data_dir)))
            }
            _ => ("is part of the program: there is nothing to build", "use it as it is".into()),
        };
        return Err(InputError::new(format!("data set '{name}'"), problem, remedy));
    };
    let dir = output.map_or_else(|| data_dir.join(name), Path::to_path_buf);
    refuse_other_data(&dir, name)?;
    let dataset = generated.generate(data_dir, seed)?;
    std::fs::create_dir_all(&dir).map_err(|e| InputError::io(&dir, &e))?;
    let mut built = Vec::new();
    for (split, test) in [(&dataset.train, false), (&dataset.test, true)] {
        built.extend(write_split(&dir, split, test)?);
    }
    let file = |file: &BuiltFile| {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        RecordFile { name, sha256: file.sha256.clone() }
    };
    let record = Record {
        // how many there are may depend on the seed
        description: Description { train: dataset.train.len(), test: dataset.test.len(), ..generated.description },
        rule: generated.rule,
        seed,
        files: built.iter().map(file).collect(),
        version: crate::VERSION,
    };
    let mut json = serde_json::to_vec_pretty(&record).unwrap_or_default();
    json.push(b'\n');
    built.push(write(&dir, "dataset.json", &[], &json)?);
    Ok(built)
}

/// A folder with another data set in it is left alone: MNIST's own files have the names that are written here.
fn refuse_other_data(dir: &Path, name: &str) -> Result<(), InputError> {
    let is_data = |file: &str| ["train-", "t10k-", "test-"].iter().any(|stem| file.starts_with(stem));
    let mut files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    if !files.any(|file| is_data(&file.file_name().to_string_lossy())) {
        return Ok(());
    }
    let record = std::fs::read(dir.join("dataset.json")).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
    let problem = match record["name"].as_str() {
        Some(there) if there == name => return Ok(()),
        Some(there) => format!("has the data set '{there}' in it"),
        None => "has data in it that was not built".into(),
    };
    Err(InputError::new(dir.display(), problem, "name another folder with -o"))
}

fn write_split(dir: &Path, split: &Split, test: bool) -> Result<[BuiltFile; 2], InputError> {
    let n = split.len();
    let mut shape = vec![n];
    // grey images have no extent for it in either format
    shape.extend(Some(split.channels).filter(|&channels| channels > 1));
    shape.extend([split.height, split.width]);
    let stem = match (test, &split.inputs) {
        (false, _) => "train",
        (true, Inputs::Pixels(_)) => "t10k",
        (true, Inputs::Reals(_)) => "test",
    };
    let reals = |name: &str, shape: &[usize], values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        write(dir, &format!("{stem}-{name}.npy"), &npy::header("<f4", shape), &bytes)
    };
    let idx = |name: &str, shape: &[usize], values: &[u8]| {
        // 08 is u8
        let mut header = vec![0, 0, 8, shape.len() as u8];
        header.extend(shape.iter().flat_map(|&extent| (extent as u32).to_be_bytes()));
        write(dir, &format!("{stem}-{name}-idx{}-ubyte", shape.len()), &header, values)
    };
    Ok(match (&split.inputs, &split.targets) {
        (Inputs::Pixels(pixels), Targets::Classes(classes)) => {
            [idx("images", &shape, pixels)?, idx("labels", &[n], classes)?]
        }
        (Inputs::Reals(values), Targets::Classes(classes)) => [
            reals("images", &shape, values)?,
            write(dir, &format!("{stem}-labels.npy"), &npy::header("|u1", &[n]), classes)?,
        ],
        (Inputs::Reals(inputs), Targets::Reals { values, width }) => {
            [reals("inputs", &[n, split.input_len()], inputs)?, reals("targets", &[n, *width], values)?]
        }
        (Inputs::Pixels(pixels), Targets::Reals { values, width }) => {
            [idx("images", &shape, pixels)?, reals("targets", &[n, *width], values)?]
        }
    })
}

fn write(dir: &Path, name: &str, header: &[u8], data: &[u8]) -> Result<BuiltFile, InputError> {
    let path = dir.join(name);
    aside::write_with(&path, |file| {
        let mut file = BufWriter::new(file);
        file.write_all(header)?;
        file.write_all(data)?;
        file.flush()
    })?;
    let digest = Sha256::new().chain_update(header).chain_update(data).finalize();
    Ok(BuiltFile { path, sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
}

#[cfg(test)]
mod tests {
    use super::super::{full_sets, idx, load};
    use super::*;

    fn names(built: &[BuiltFile]) -> Vec<&str> {
        built.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn pixels_are_read_back_as_mnist_is() {
        let dir = tempfile::tempdir().unwrap();
        let built = build("lines", dir.path(), 42, None).unwrap();
        let files =
            ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
        assert_eq!(names(&built), [&files[..], &["dataset.json"]].concat());
        let read = |a: &str, b: &str| {
            idx::read_split(&dir.path().join("lines").join(a), &dir.path().join("lines").join(b), 10, "")
        };
        let set = load("lines", dir.path(), 42).unwrap();
        assert!(read(files[0], files[1]).unwrap() == set.train && read(files[2], files[3]).unwrap() == set.test);

        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("lines/dataset.json")).unwrap()).unwrap();
        assert_eq!((&record["name"], &record["seed"], &record["classes"]), (&"lines".into(), &42.into(), &10.into()));
        assert_eq!(record["files"][3]["sha256"], built[3].sha256);

        // the same seed gives the same bytes, another one others
        let other = tempfile::tempdir().unwrap();
        let sums = |built: Vec<BuiltFile>| built.into_iter().map(|file| file.sha256).collect::<Vec<_>>();
        let again = sums(build("lines", Path::new("nowhere"), 42, Some(&other.path().join("new"))).unwrap());
        assert_eq!(again, sums(built));
        let others = sums(build("lines", Path::new("nowhere"), 43, Some(other.path())).unwrap());
        assert!(again.iter().zip(&others).all(|(a, b)| a != b));
        assert_eq!(std::fs::read_dir(other.path().join("new")).unwrap().count(), 5);
    }

    #[test]
    fn reals_have_the_bytes_that_numpy_reads() {
        let split = |targets| Split {
            inputs: Inputs::Reals(vec![0.5, -1.0, 2.0, 0.0]),
            targets,
            channels: 1,
            height: 1,
            width: 2,
        };
        let dir = tempfile::tempdir().unwrap();
        let built = write_split(dir.path(), &split(Targets::Classes(vec![3, 1])), true).unwrap();
        assert_eq!(names(&built), ["test-images.npy", "test-labels.npy"]);
        let bytes = std::fs::read(&built[0].path).unwrap();
        assert_eq!(bytes.len(), 128 + 16);
        assert!(
            bytes
                .starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,1,2,), }")
        );
        assert_eq!(bytes[128..136], [0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf]);
        assert_eq!(std::fs::read(&built[1].path).unwrap()[128..], [3, 1]);

        let built = write_split(dir.path(), &split(Targets::Reals { values: vec![1.0; 6], width: 3 }), false).unwrap();
        assert_eq!(names(&built), ["train-inputs.npy", "train-targets.npy"]);
        let text =
            |file: &BuiltFile| String::from_utf8_lossy(&std::fs::read(&file.path).unwrap()[10..128]).into_owned();
        assert!(text(&built[0]).contains("(2,2,)") && text(&built[1]).contains("(2,3,)"));
    }

    #[test]
    fn other_data_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("train-images-idx3-ubyte.gz"), "MNIST").unwrap();
        let error = build("lines", dir.path(), 42, Some(dir.path())).unwrap_err();
        assert!(error.problem.contains("not built") && error.remedy.contains("-o"), "{error}");
        std::fs::write(dir.path().join("dataset.json"), r#"{"name": "random"}"#).unwrap();
        let error = build("lines", dir.path(), 42, Some(dir.path())).unwrap_err();
        assert!(error.problem.contains("'random'"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_not_generated_is_not_built() {
        let dir = Path::new("nowhere");
        let error = build("mnist", dir, 42, None).unwrap_err();
        assert!(error.remedy.contains("`ncut data fetch mnist --data-dir nowhere`"), "{error}");
        assert!(build("mnist-sample", dir, 42, None).unwrap_err().problem.contains("nothing to build"));
        let error = build("halves-diff-mnist", dir, 42, None).unwrap_err();
        assert!(error.remedy.contains("`ncut data fetch mnist --data-dir nowhere`"), "{error}");
        assert!(!dir.exists());
    }

    #[test]
    fn every_generated_set_can_be_built() {
        let Some(data) = full_sets() else { return };
        let dir = tempfile::tempdir().unwrap();
        for name in ["mnist-7x7", "polynomials"] {
            assert_eq!(build(name, &data, 42, Some(&dir.path().join(name))).unwrap().len(), 5);
        }
    }
}
