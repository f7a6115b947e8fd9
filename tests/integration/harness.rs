//! A folder to work in, the command run in it, and what came of it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;

/// A temporary folder; the command runs in it, so that files are named by their last part alone.
pub struct Work {
    folder: tempfile::TempDir,
}

/// What a command printed and how it ended. Shown whole when an assertion fails.
#[derive(Debug)]
pub struct Output {
    command: String,
    folder: PathBuf,
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Work {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Names in a folder below this one, sorted.
    pub fn names(&self, folder: &str) -> Vec<String> {
        names(&self.path(folder))
    }

    /// Copies one of tests/data here, under another name.
    pub fn fixture(&self, name: &str, copy: &str) {
        std::fs::copy(fixture(name), self.path(copy)).unwrap();
    }

    /// Writes matrices `(d_out, d_in)` as `layers.0.weight`, ….
    pub fn network(&self, name: &str, weights: &[Array2<f32>]) {
        let bytes: Vec<Vec<u8>> = weights.iter().map(|w| w.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
        let views = weights.iter().zip(&bytes).enumerate().map(|(i, (weight, bytes))| {
            let view = TensorView::new(Dtype::F32, weight.shape().to_vec(), bytes).unwrap();
            (format!("layers.{i}.weight"), view)
        });
        let metadata: Option<HashMap<String, String>> = None;
        self.write(name, safetensors::serialize(views.collect::<Vec<_>>(), metadata).unwrap());
    }

    /// The command with its surroundings, before it is run: nothing of the user's settings or caches enters, and
    /// backtraces are asked for, so that none going unseen is the program's merit.
    pub fn command<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("NCUT_DATA").env("XDG_CACHE_HOME", self.path("cache")).env("RUST_BACKTRACE", "1");
        command
    }

    /// `ncut` with `args`.
    pub fn ncut(&self, args: &[&str]) -> Output {
        self.run(self.command(BINARY, args))
    }

    /// Runs what [`Work::command`] made.
    pub fn run(&self, mut command: Command) -> Output {
        let output = command.output().unwrap();
        Output {
            command: format!("{command:?}"),
            folder: self.folder.path().into(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into(),
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    /// The JSON of a command that must succeed; `--json -` is added.
    pub fn measured(&self, args: &[&str]) -> Value {
        self.ncut(&[args, &["--json", "-"]].concat()).json()
    }

    /// Asserts that `args` end as an input error, which says each of `substrings`.
    pub fn expect_input_error(&self, args: &[&str], substrings: &[&str]) -> Output {
        self.ncut(args).expect_input_error(substrings)
    }
}

/// The command under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_ncut");

impl Output {
    /// Asserts success.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Standard output as JSON, of a command that must succeed.
    pub fn json(self) -> Value {
        let output = self.ok();
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
    }

    /// Exit code 1, and on standard error one line without a trace of the program's insides.
    pub fn expect_input_error(self, substrings: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "not an input error: {self}");
        assert_eq!(self.stderr.lines().count(), 1, "not one line: {self}");
        for unwanted in ["panicked", "backtrace", "fault of ours", "src/", "os error"] {
            assert!(!self.stderr.contains(unwanted), "'{unwanted}' in: {self}");
        }
        for wanted in substrings {
            assert!(self.stderr.contains(wanted), "no '{wanted}' in: {self}");
        }
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { command, folder, code, stdout, stderr } = self;
        let code = code.map_or("a signal".into(), |code| format!("exit code {code}"));
        writeln!(f, "\n{command}\nin {}: {code}", folder.display())?;
        writeln!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The folder of reference files, `NCUT_SHARED` or the one beside the repository; says so where there is none.
pub fn shared() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("NCUT_SHARED").map_or(beside, PathBuf::from);
    let found = folder.join("reference/expected.json").exists();
    if !found {
        eprintln!("skipped: no reference networks in {} (set NCUT_SHARED)", folder.display());
    }
    found.then_some(folder)
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Matrices `(d_out, d_in)` of a network with these widths, uniform in (−1, 1).
pub fn random_network(widths: &[usize], seed: u64) -> Vec<Array2<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || (f64::from(rng.next_u32()) / f64::from(1u32 << 31) - 1.0) as f32;
    widths.windows(2).map(|pair| Array2::from_shape_simple_fn((pair[1], pair[0]), &mut draw)).collect()
}

/// An undirected graph of `(i, j, weight)`, nodes counted from 0, as Matrix Market text.
pub fn market(nodes: usize, edges: &[(usize, usize, f64)]) -> String {
    let mut text = format!("%%MatrixMarket matrix coordinate real symmetric\n{nodes} {nodes} {}\n", edges.len());
    for (i, j, weight) in edges {
        writeln!(text, "{} {} {weight}", 1 + i.max(j), 1 + i.min(j)).unwrap();
    }
    text
}

/// The object without some of its keys, at any depth.
pub fn without(value: &Value, keys: &[&str]) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), without(value, keys))).collect())
        }
        Value::Array(list) => list.iter().map(|value| without(value, keys)).collect(),
        other => other.clone(),
    }
}

pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter().map(number).collect()
}

pub fn codes(measurement: &Value) -> Vec<&str> {
    measurement["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation.
pub fn sd(values: &[f64], ddof: usize) -> f64 {
    let mean = mean(values);
    (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (values.len() - ddof) as f64).sqrt()
}

#[track_caller]
pub fn assert_close(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() <= tolerance, "{found} is not {wanted} to {tolerance:e}");
}

#[track_caller]
pub fn assert_all_close(found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{found:?} {wanted:?}");
    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
        assert!((f - w).abs() <= tolerance, "number {i}: {f} is not {w} to {tolerance:e}\n{found:?}\n{wanted:?}");
    }
}
