use std::path::PathBuf;

use super::*;
use crate::model::fixtures::{path as fixture, write as temporary};

fn rows(graph: &CsMatI<f64, u32>) -> Vec<Vec<f64>> {
    graph.to_dense().rows().into_iter().map(|row| row.to_vec()).collect()
}

fn expected(name: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(fixture("expected.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(json[name].clone()).unwrap()
}

fn market(text: &str) -> Result<CsMatI<f64, u32>, InputError> {
    read_graph(temporary(".mtx", text.as_bytes()).path())
}

/// One line with every part, and with `wanted` somewhere.
fn assert_error(result: Result<CsMatI<f64, u32>, InputError>, wanted: &str) {
    let error = result.err().unwrap_or_else(|| panic!("no error, but wanted: {wanted}"));
    assert!(error.to_string().contains(wanted), "wanted {wanted}: {error}");
    assert!(!error.place.is_empty() && !error.remedy.is_empty() && !error.to_string().contains('\n'), "{error}");
}

#[test]
fn graphs_as_scipy_wrote_them() {
    for name in [
        "graph-csr.npz",
        "graph-csc.npz",
        "graph-f32.npz",
        "graph-int.npz",
        "graph-int64.npz",
        "graph-unicode.npz",
        "graph-symmetric.mtx",
        "graph-general.mtx",
        "graph-integer.mtx",
        "graph-array.mtx",
        "graph-array-symmetric.mtx",
        "graph-pattern.mtx",
    ] {
        let graph = read_graph(&fixture(name)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(rows(&graph), expected(name), "{name}");
        // Zeros stored in the file are gone, columns are sorted.
        assert_eq!(graph.nnz(), 7, "{name}");
        assert!(graph.outer_iterator().all(|row| row.indices().is_sorted()), "{name}");
    }
}

#[test]
fn a_written_graph_reads_back_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let entries = "1 1 0.1\n3 1 1e-300\n4 3 1.7976931348623157e308\n2 1 0.3\n";
    let graph = market(&format!("%%MatrixMarket matrix coordinate real symmetric\n4 4 4\n{entries}")).unwrap();
    for name in ["g.npz", "g.mtx"] {
        let path = directory.path().join(name);
        write_graph(&path, graph.view()).unwrap();
        assert_eq!(read_graph(&path).unwrap(), graph, "{name}");
    }
    // Nothing else is left behind.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    assert!(write_graph(&directory.path().join("g.csv"), graph.view()).unwrap_err().remedy.contains(".mtx"));
    let missing = directory.path().join("missing/g.npz");
    assert!(write_graph(&missing, graph.view()).unwrap_err().place.contains("missing"));
}

#[test]
fn duplicates_are_summed_and_self_loops_kept() {
    let graph =
        market("%%MatrixMarket MATRIX Coordinate Real General\n% note\n\n2 2 4\n1 2 1\n1 2 2\n2 1 3\n2 2 5\n").unwrap();
    assert_eq!(rows(&graph), [[0., 3.], [3., 5.]]);
}

#[test]
fn rounding_does_not_make_a_graph_directed() {
    let graph =
        market("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 2 0.3\n2 1 0.30000000000000004\n").unwrap();
    let rows = rows(&graph);
    assert_eq!(rows[0][1], rows[1][0]);
}

#[test]
fn faults_of_matrix_market_name_the_line() {
    let banner = "%%MatrixMarket matrix coordinate real general\n";
    for (text, wanted) in [
        ("%%MatrixMarket matrix coordinate complex hermitian\n1 1 1\n1 1 1 0\n", ".mtx:1: the field 'complex'"),
        ("%%MatrixMarket matrix coordinate real skew-symmetric\n2 2 0\n", ".mtx:1: the symmetry 'skew-symmetric'"),
        ("%%MatrixMarket vector coordinate real general\n", ".mtx:1: '%%MatrixMarket vector"),
        ("%%MatrixMarket matrix coordinate\n", ".mtx:1: "),
        ("%%MatrixMarket matrix array pattern general\n1 1\n", "cannot be a pattern"),
        (banner, ".mtx:1: '' should be the numbers of rows"),
        (&format!("{banner}2 2\n"), ".mtx:2: '2 2' should be"),
        (&format!("{banner}2 2 -1\n"), ".mtx:2: '2 2 -1' should be"),
        (&format!("{banner}2 3 1\n1 2 1\n"), ".mtx:2: the matrix is 2 by 3"),
        (&format!("{banner}2 2 2\n1 2 1\n"), ".mtx:3: ends after 1 of 2"),
        (&format!("{banner}2 2 1\n1 2 1\n2 1 1\n"), ".mtx:4: there are more"),
        (&format!("{banner}2 2 2\n1 2 1\n\n2 3 1\n"), ".mtx:5: the index '3' is not from 1 to 2"),
        (&format!("{banner}2 2 1\n0 2 1\n"), ".mtx:3: the index '0'"),
        (&format!("{banner}2 2 1\n1 2\n"), ".mtx:3: '1 2' should be row, column and weight"),
        (&format!("{banner}2 2 1\n1 2 x\n"), ".mtx:3: 'x' is no number"),
        (&format!("{banner}2 2 1\n1 2 -0.5\n"), ".mtx:3: the weight -0.5 is negative"),
        (&format!("{banner}2 2 1\n1 2 nan\n"), ".mtx:3: the weight NaN is not finite"),
        (&format!("{banner}2 2 1\n1 2 1e999\n"), ".mtx:3: the weight inf is not finite"),
        (&format!("{banner}2 2 1\n1 2 1\n"), "entry (1, 2) is 1, but (2, 1) is 0"),
        (&format!("{banner}2 2 1\n1 2 0\n"), "no edges"),
        (&format!("{banner}2 2 0\n"), "no edges"),
        (&format!("{banner}0 0 0\n"), "no edges"),
        (&format!("{banner}4294967295 4294967295 1\n1 2 1\n"), ".mtx:2: claims 4294967295 nodes"),
        (&format!("{banner}4294967296 4294967296 1\n1 2 1\n"), ".mtx:2: has 4294967296 nodes"),
        (&format!("{banner}9 9 18446744073709551615\n1 2 1\n"), ".mtx:2: claims 18446744073709551615 entries"),
        (&format!("{banner}2 2 2\n1 1 1.7e308\n1 1 1.7e308\n"), "sum to infinity"),
        ("%%MatrixMarket matrix array real general\n1000000 1000000\n1\n", "too many for a file"),
        ("%%MatrixMarket matrix array real general\n2 2\n0\n1\n1\n", ".mtx:5: ends before the value at (2, 2)"),
        ("1 2 3\n", "neither a Matrix Market file"),
        ("", "is empty"),
    ] {
        assert_error(market(text), wanted);
    }
    assert_error(market(&format!("{banner}%{}", "x".repeat(1 << 17))), ".mtx:2: the line is longer");
    assert_error(
        read_graph(temporary(".mtx", b"%%MatrixMarket matrix coordinate real general\n%\xff\n\xff\n").path()),
        ".mtx:3: the line is not text",
    );
}

/// A sparse archive of numbers as little-endian int64 and float64.
fn sparse(arrays: &[(&str, &str, &[u8])]) -> tempfile::NamedTempFile {
    use std::io::Write;
    let file = tempfile::Builder::new().suffix(".npz").tempfile().unwrap();
    let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
    for (name, descr, bytes) in arrays {
        let size: usize = descr[2..].parse().unwrap();
        let shape = if descr.starts_with("|S") { String::new() } else { format!("{},", bytes.len() / size) };
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape})}}");
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&[b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header.as_bytes(), bytes].concat())
            .unwrap();
    }
    zip.finish().unwrap();
    file
}

fn i64s(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn csr(shape: &[i64], indptr: &[i64], indices: &[i64], data: &[f64]) -> Result<CsMatI<f64, u32>, InputError> {
    let (shape, indptr, indices, data) = (i64s(shape), i64s(indptr), i64s(indices), f64s(data));
    let arrays: [(&str, &str, &[u8]); 5] = [
        ("shape", "<i8", &shape),
        ("indptr", "<i8", &indptr),
        ("indices", "<i8", &indices),
        ("data", "<f8", &data),
        ("format", "|S3", b"csr"),
    ];
    read_graph(sparse(&arrays).path())
}

#[test]
fn faults_of_sparse_archives_name_the_array() {
    assert_eq!(rows(&csr(&[2, 2], &[0, 1, 2], &[1, 0], &[2., 2.]).unwrap()), [[0., 2.], [2., 0.]]);
    for (result, wanted) in [
        (csr(&[2, 3], &[0, 1, 2], &[1, 0], &[2., 2.]), "array 'shape': the matrix is 2 by 3"),
        (csr(&[-2, -2], &[0, 1, 2], &[1, 0], &[2., 2.]), "array 'shape': holds negative"),
        (csr(&[2], &[0, 1, 2], &[1, 0], &[2., 2.]), "array 'shape': does not hold two"),
        (csr(&[1 << 40, 1 << 40], &[0, 1, 2], &[1, 0], &[2., 2.]), "more than the 4294967295"),
        (csr(&[4_000_000_000; 2], &[0, 1, 2], &[1, 0], &[2., 2.]), "array 'indptr': has 3 elements"),
        (csr(&[2, 2], &[0, 3, 2], &[1, 0], &[2., 2.]), "array 'indptr': falls from 0 to 3 at element 1"),
        (csr(&[3, 3], &[0, 2, 1, 2], &[1, 0], &[2., 2.]), "array 'indptr': falls from 2 to 1 at element 2"),
        (csr(&[2, 2], &[0, -1, 2], &[1, 0], &[2., 2.]), "array 'indptr': falls from 0 to -1"),
        (csr(&[2, 2], &[1, 1, 2], &[1, 0], &[2., 2.]), "array 'indptr': does not lead from 0"),
        (csr(&[2, 2], &[0, 1, 9], &[1, 0], &[2., 2.]), "array 'indptr': does not lead from 0"),
        (csr(&[2, 2], &[0, 1, 2], &[2, 0], &[2., 2.]), "array 'indices': has 2 at element 0"),
        (csr(&[2, 2], &[0, 1, 2], &[1, -1], &[2., 2.]), "array 'indices': has -1 at element 1"),
        (csr(&[2, 2], &[0, 1, 2], &[1], &[2., 2.]), "array 'indices': has 1 elements"),
        (csr(&[2, 2], &[0, 1, 2], &[1, 0], &[2., 3.]), "entry (0, 1) is 2, but (1, 0) is 3"),
        (csr(&[2, 2], &[0, 1, 2], &[1, 0], &[2., -2.]), "entry (1, 0): the weight -2 is negative"),
        (csr(&[2, 2], &[0, 1, 2], &[1, 0], &[2., f64::NAN]), "entry (1, 0): the weight NaN"),
        (csr(&[2, 2], &[0, 0, 0], &[], &[]), "no edges"),
        (csr(&[0, 0], &[0], &[], &[]), "no edges"),
        (csr(&[0, 0], &[], &[], &[]), "array 'indptr': has 0 elements"),
        (read_graph(&fixture("graph-coo.npz")), "array 'format' is 'coo'"),
        (read_graph(&fixture("graph-complex.mtx")), "the field 'complex'"),
        (read_graph(&fixture("mlp.npz")), "lacks the array 'format'"),
        (read_graph(&fixture("state-dict.pt")), "lacks the array 'format'"),
    ] {
        assert_error(result, wanted);
    }
}

#[test]
fn arrays_of_the_wrong_type_are_errors() {
    let (indices, shape, indptr, data) = (i64s(&[1, 0]), i64s(&[2, 2]), i64s(&[0, 1, 2]), f64s(&[2., 2.]));
    let with = |index: &str, weight: &str| {
        let arrays: [(&str, &str, &[u8]); 5] = [
            ("indices", index, &indices),
            ("indptr", "<i8", &indptr),
            ("shape", "<i8", &shape),
            ("data", weight, &data),
            ("format", "|S3", b"csr"),
        ];
        read_graph(sparse(&arrays).path())
    };
    assert!(with("<i8", "<f8").is_ok());
    assert_error(with("<f8", "<f8"), "array 'indices': is of type float64");
    assert_error(with("<i8", "<c8"), "array 'data' is of type complex");
}

#[test]
fn files_that_are_no_graphs() {
    let directory = tempfile::tempdir().unwrap();
    assert_error(read_graph(&PathBuf::from("no/such.mtx")), "no such file");
    assert_error(read_graph(directory.path()), "is a directory");
    let market = std::fs::read(fixture("graph-general.mtx")).unwrap();
    let archive = std::fs::read(fixture("graph-csr.npz")).unwrap();
    assert_error(read_graph(temporary(".npz", &market).path()), "name promises .npz");
    assert_error(read_graph(temporary(".mtx", &archive).path()), "name promises .mtx");
    for length in 0..archive.len() {
        assert_error(read_graph(temporary(".npz", &archive[..length]).path()), ".npz");
        // Whatever it becomes, it is read or refused.
        let mut damaged = archive.clone();
        damaged[length] ^= 0xff;
        let _ = read_graph(temporary(".npz", &damaged).path());
    }
}
