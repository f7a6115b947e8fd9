use std::path::Path;

use super::*;
use fixtures::{check, open, path, write};

fn error(suffix: &str, bytes: &[u8]) -> InputError {
    TensorFile::open(write(suffix, bytes).path()).err().unwrap_or_else(|| panic!("{suffix} was accepted"))
}

/// Opens and reads all, as a user of the file would.
fn read_all(path: &Path) -> Result<usize, InputError> {
    let file = TensorFile::open(path)?;
    file.entries().iter().try_fold(0, |count, entry| Ok(count + file.read(entry)?.len()))
}

#[test]
fn pytorch_files_as_pytorch_saved_them() {
    for name in [
        "state-dict.pt",
        "checkpoint.pt",
        "protocol-5.pt",
        "list.pt",
        "scripted.pt",
        "traced.pt",
        "odd.pt",
        "legacy.pth",
        "legacy-checkpoint.pth",
    ] {
        let file = open(name);
        assert_eq!(file.format(), Format::PyTorch);
        check(&file, name);
    }
}

#[test]
fn what_only_running_code_could_restore_is_refused() {
    for (name, wanted) in
        [("whole-module.pt", "refers to __main__.Net"), ("foreign-class.pt", "refers to __main__.Plain")]
    {
        let error = TensorFile::open(&path(name)).err().unwrap();
        assert!(error.problem.contains(wanted), "{error}");
        assert!(error.place.contains(name) && error.remedy.contains("model.state_dict()"), "{error}");
    }
    let error = read_all(&path("quantised.pt")).unwrap_err();
    assert!(error.place.contains("'weight'") && error.problem == "is of type quantised", "{error}");
}

#[test]
fn nan_and_infinite_weights_are_placed_and_counted() {
    for (name, tensor) in [("nan.pt", "fc1.weight"), ("nan.npz", "w"), ("nan.safetensors", "w")] {
        let error = read_all(&path(name)).unwrap_err();
        assert!(error.place.ends_with(&format!("{name}, tensor '{tensor}'")), "{error}");
        assert_eq!(error.problem, "holds 2 NaN or infinite values, the first at [2, 1]");
    }
}

#[test]
fn paths_without_a_file_to_read() {
    let missing = TensorFile::open(Path::new("no/such.npz")).err().unwrap();
    assert_eq!(missing.to_string(), "no/such.npz: no such file or directory; check the path");
    let directory = TensorFile::open(Path::new(env!("CARGO_MANIFEST_DIR"))).err().unwrap();
    assert!(directory.problem.contains("directory") && directory.remedy.contains("file"), "{directory}");
    let device = TensorFile::open(Path::new("/dev/zero")).err().unwrap();
    assert!(device.problem.contains("not a regular file"), "{device}");
}

#[test]
fn content_decides_and_extensions_must_agree() {
    for (name, suffix, wanted) in [
        ("mlp.npz", ".pt", "holds NumPy .npz data, but its name promises .pt"),
        ("state-dict.pt", ".safetensors", "holds PyTorch data, but its name promises .safetensors"),
        ("mlp-f32.safetensors", ".npz", "holds safetensors data, but its name promises .npz"),
    ] {
        let bytes = std::fs::read(path(name)).unwrap();
        assert_eq!(error(suffix, &bytes).problem, wanted);
        assert!(TensorFile::open(write(".weights", &bytes).path()).is_ok());
    }
}

#[test]
fn files_in_other_formats() {
    for suffix in [".safetensors", ".npz", ".pt", ""] {
        for (bytes, wanted) in [
            (&b""[..], "is empty"),
            (b"hello, world, this is text", "in none of the formats"),
            (b"\x93NUMPY\x01\x00", "single NumPy array"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x80\x04K\x01.", "Python pickle"),
            (b"{}", "in none of the formats"),
        ] {
            let error = error(suffix, bytes);
            assert!(error.problem.contains(wanted) && !error.remedy.is_empty(), "{suffix}: {error}");
        }
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(error(".npz", &bytes).problem.contains("zip archive without arrays"));
    assert!(error(".npz", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").problem.contains("zip archive without"));
}

#[test]
fn every_truncation_is_one_error() {
    for (name, suffix) in [
        ("mlp-f32.safetensors", ".safetensors"),
        ("mlp.npz", ".npz"),
        ("state-dict.pt", ".pt"),
        ("legacy-checkpoint.pth", ".pth"),
    ] {
        let bytes = std::fs::read(path(name)).unwrap();
        for length in 0..bytes.len() {
            let file = write(suffix, &bytes[..length]);
            let error = read_all(file.path()).err().unwrap_or_else(|| panic!("{name} cut to {length} was accepted"));
            assert!(error.place.contains(suffix) && !error.remedy.is_empty(), "{error}");
        }
    }
}

/// A tensor of `torch.save` before 1.6 may not begin in its storage and end in the next.
#[test]
fn tensors_stay_in_their_storages() {
    let mut bytes = std::fs::read(path("legacy.pth")).unwrap();
    // the shape (4, 5) of the first tensor, two numbers of a byte
    let shape = bytes.windows(4).position(|window| window == [b'K', 4, b'K', 5]).unwrap();
    bytes[shape + 1] = 5;
    let error = error(".pth", &bytes);
    assert!(error.place.ends_with("tensor 'fc1.weight'") && error.problem.contains("beyond its storage"), "{error}");
}

#[test]
fn no_flipped_byte_panics_or_hangs() {
    for name in [
        "mlp-f32.safetensors",
        "mlp.npz",
        "odd.npz",
        "state-dict.pt",
        "odd.pt",
        "scripted.pt",
        "checkpoint.pt",
        "legacy.pth",
        "legacy-checkpoint.pth",
    ] {
        let bytes = std::fs::read(path(name)).unwrap();
        // About five hundred places of each file; an odd step, so that no field is always spared.
        for at in (0..bytes.len()).step_by((bytes.len() / 500) | 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = read_all(write("", &damaged).path());
        }
    }
}

/// A PyTorch archive with this pickle, and eight bytes in storage 0.
fn with_pickle(pickle: &[u8]) -> tempfile::NamedTempFile {
    use std::io::Write;
    let file = tempfile::Builder::new().suffix(".pt").tempfile().unwrap();
    let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
    for (name, bytes) in [("net/data.pkl", pickle), ("net/data/0", &[0; 8])] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    file
}

/// `{'w': tensor}` on storage `key` of so many float32 elements, its numbers as BININT.
fn tensor_pickle(key: &str, elements: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let int = |value: i32| [b"J", &value.to_le_bytes()[..]].concat();
    let text = |text: &str| [b"\x8c", &[text.len() as u8][..], text.as_bytes()].concat();
    let tuple =
        |values: &[i32]| [b"(", &values.iter().flat_map(|&value| int(value)).collect::<Vec<_>>()[..], b"t"].concat();
    [
        &b"\x80\x02}"[..],
        &text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((",
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text(key),
        &text("cpu"),
        &int(elements),
        b"tQ",
        &int(offset),
        &tuple(shape),
        &tuple(strides),
        b"\x89NtRs.",
    ]
    .concat()
}

#[test]
fn tensors_beyond_their_storage_are_refused() {
    assert_eq!(read_all(with_pickle(&tensor_pickle("0", 2, 0, &[2], &[1])).path()).unwrap(), 2);
    assert_eq!(read_all(with_pickle(&tensor_pickle("0", 2, 1, &[3, 1], &[0, 1])).path()).unwrap(), 3);
    let huge = i32::MAX;
    for (pickle, wanted) in [
        (tensor_pickle("0", 3, 0, &[2], &[1]), "needs 3 elements of 'net/data/0', which has 8 bytes"),
        (tensor_pickle("1", 2, 0, &[2], &[1]), "'net/data/1', which the archive lacks"),
        (tensor_pickle("../data.pkl", 2, 0, &[2], &[1]), "which the archive lacks"),
        (tensor_pickle("0", 2, 1, &[2], &[1]), "needs 12 bytes"),
        (tensor_pickle("0", 2, 0, &[2, 2], &[2, 1]), "needs 16 bytes"),
        (tensor_pickle("0", 2, 0, &[huge, huge, huge], &[0, 0, 0]), "more bytes than can be counted"),
        (tensor_pickle("0", 2, 0, &[huge, huge, 2], &[huge, huge, huge]), "more bytes than can be counted"),
        (tensor_pickle("0", 2, 0, &[1 << 15, 1 << 15], &[0, 0]), "only 1 are stored"),
        (tensor_pickle("0", 2, -1, &[2], &[1]), "not described as PyTorch does"),
        (tensor_pickle("0", -2, 0, &[2], &[1]), "not described as PyTorch does"),
        (tensor_pickle("0", 2, 0, &[-2], &[1]), "not described as PyTorch does"),
        (tensor_pickle("0", 2, 0, &[2], &[]), "not described as PyTorch does"),
        (tensor_pickle("0", 2, 0, &[1; 65], &[1; 65]), "not described as PyTorch does"),
    ] {
        let error = read_all(with_pickle(&pickle).path()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn hostile_pickles_end_in_one_error() {
    // [[…]] in itself; a list of the same list twice, 40 times over; nesting; many marks; the classic call of a shell.
    let cycle = b"\x80\x02]q\x00h\x00a.".to_vec();
    let mut laughs = b"\x80\x02]q\x00".to_vec();
    laughs.extend((0..40u8).flat_map(|i| [b']', b'q', i + 1, b'(', b'h', i, b'h', i, b'e']));
    laughs.push(b'.');
    let deep = [&b"\x80\x02"[..], &[b']'; 100_000], &[b'a'; 99_999], b"."].concat();
    let marks = [&b"\x80\x02"[..], &[b'('; 100_000], b"."].concat();
    for (pickle, wanted) in [
        (cycle, "no tensors"),
        (laughs, "no tensors"),
        (deep, "nests deeper"),
        (marks, "empty stack"),
        (b"\x80\x02cos\nsystem\n\x8c\x04trueR.".to_vec(), "refers to os.system"),
        (b"\x80\x02\x8c\x08builtins\x8c\x04eval\x93.".to_vec(), "refers to builtins.eval"),
        (b"\x80\x02ctorch\nload\n.".to_vec(), "refers to torch.load"),
        (b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n.".to_vec(), "a sparse tensor"),
        (b"\x80\x02X\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "ends in the middle"),
        (b"\x80\x02".to_vec(), "ends in the middle"),
        (b"\x80\x01.".to_vec(), "protocol 1"),
        (b"\x80\x02h\x07.".to_vec(), "unknown value 7"),
        (b"\x80\x02}}a.".to_vec(), "no list"),
        (b"\x80\x02])s.".to_vec(), "empty stack"),
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01tR.".to_vec(), "of what is no list"),
        (b"\x80\x02\xff.".to_vec(), "opcode 0xff"),
        (b"\x80\x02Q.".to_vec(), "empty stack"),
        (b"\x80\x02)Q.".to_vec(), "storage"),
        (b"\x80\x02c__torch__\nNet\n)\x81.".to_vec(), "no tensors"),
        ([b"\x80\x02c", &[b'x'; 5000][..]].concat(), "name without an end"),
    ] {
        let error = TensorFile::open(with_pickle(&pickle).path()).err().unwrap();
        assert!(error.to_string().contains(wanted), "{wanted}: {error}");
        assert!(!error.remedy.is_empty() && error.place.contains(".pt"), "{error}");
    }
}

#[test]
fn a_pickle_cannot_take_more_than_its_share_of_memory() {
    // One tuple of 60,000, then lists made of it over and over.
    let mut pickle = b"\x80\x02(".to_vec();
    pickle.extend([b'N'; 60_000]);
    pickle.extend(b"tq\x00");
    pickle.extend(b"0ccollections\nOrderedDict\nq\x010");
    pickle.extend(b"((K\x01K\x01tq\x02");
    pickle.extend(b"h\x02".repeat(60_000));
    pickle.extend(b"t\x85q\x030");
    pickle.extend(b"h\x01h\x03R".repeat(1000));
    pickle.push(b'.');
    let error = TensorFile::open(with_pickle(&pickle).path()).err().unwrap();
    assert!(error.problem.contains("more than 16777216 values"), "{error}");
}

#[test]
fn strided_windows_are_gathered_in_c_order() {
    let values: Vec<f64> = (0..6).map(f64::from).collect();
    assert_eq!(gather(&values, &[3, 2], &[1, 3]), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(c_strides(&[2, 3, 4]), [12, 4, 1]);
    assert_eq!(unravel(23, &[2, 3, 4]), [1, 2, 3]);
}
