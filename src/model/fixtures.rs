//! Files that other programs made (`tests/data/generate.py`), and what is in them (`tests/data/expected.json`).

use std::io::Write;
use std::path::PathBuf;

use crate::model::TensorFile;

/// The fixture of that name.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Opens a fixture that must be in order.
pub(crate) fn open(name: &str) -> TensorFile {
    TensorFile::open(&path(name)).unwrap()
}

/// A file that is deleted when the handle is dropped.
pub(crate) fn write(suffix: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Compares hash, order, names, shapes and values, which are exact; tensors without values must be refused.
pub(crate) fn check(file: &TensorFile, name: &str) {
    let expected = std::fs::read_to_string(path("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let expected = &expected[name];
    assert_eq!(expected["sha256"], file.sha256(), "{name}");
    let tensors = expected["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), file.entries().len(), "{name}");
    for (tensor, entry) in tensors.iter().zip(file.entries()) {
        let shape: Vec<usize> = serde_json::from_value(tensor["shape"].clone()).unwrap();
        assert_eq!((tensor["name"].as_str().unwrap(), &shape), (entry.name.as_str(), &entry.shape), "{name}");
        match serde_json::from_value::<Option<Vec<f64>>>(tensor["values"].clone()).unwrap() {
            Some(values) => {
                let found = file.read(entry).unwrap();
                assert_eq!(found.shape(), shape, "{name} {}", entry.name);
                assert_eq!(found.iter().copied().collect::<Vec<_>>(), values, "{name} {}", entry.name);
            }
            None => {
                let error = file.read(entry).unwrap_err();
                assert!(error.place.contains(&format!("tensor '{}'", entry.name)), "{error}");
                assert!(error.problem.starts_with("is of type "), "{error}");
            }
        }
    }
}
