use std::io::{Read, Write};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use zip::write::SimpleFileOptions;

use crate::InputError;
use crate::model::TensorFile;
use crate::model::exported::{lines, use_all};
use crate::model::fixtures::{path, write};

/// The members of a fixture.
fn members(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path(name)).unwrap()).unwrap();
    let mut members = Vec::new();
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        members.push((member.name().unwrap().to_string(), bytes));
    }
    members
}

fn follow(members: &[(String, Vec<u8>)]) -> Result<Vec<String>, InputError> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let file = write(".pt2", &zip.finish().unwrap().into_inner());
    use_all(&TensorFile::open(file.path())?).map(lines)
}

/// The fixture with each `from` in a member as `to`.
fn replaced(member: &str, from: &str, to: &str) -> Result<Vec<String>, InputError> {
    let mut members = members("net.pt2");
    let (_, bytes) = members.iter_mut().find(|(name, _)| name.ends_with(member)).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.contains(from), "{from}");
    *bytes = text.replace(from, to).into_bytes();
    follow(&members)
}

#[test]
fn what_does_not_fit_is_one_error() {
    let (config, model) = ("model_weights_config.json", "model.json");
    for (member, from, to, expected) in [
        (config, r#"{"as_int": 24}"#, r#"{"as_int": 2400000000}"#, "reaches beyond"),
        (
            config,
            r#"{"as_int": 4}, {"as_int": 3}"#,
            r#"{"as_int": 4294967296}, {"as_int": 4294967296}"#,
            "reaches beyond",
        ),
        (config, r#""weight_3""#, r#""../weight_3""#, "which the archive lacks"),
        (config, r#""dtype": 7"#, r#""dtype": "float""#, "not as it should be"),
        (config, r#""stem.weight""#, r#""stern.weight""#, "'stem.weight' that the file lacks"),
        (model, r#""name": "relu"}}]"#, r#""name": "rely"}}]"#, "dangling edge: it takes 'relu'"),
        (model, "aten.conv2d.default", "aten.conv_transpose2d.input", "operation conv_transpose2d,"),
        (model, "torch.ops.aten.relu.default", "torch.ops.my.relu.default", "operation torch.ops.my.relu.default,"),
        (
            model,
            "torch.ops.aten.relu.default",
            "torch.ops.quantized_decomposed.quantize_per_tensor.default",
            "quantised",
        ),
        (
            model,
            r#""name": "training", "arg": {"as_bool": false}"#,
            r#""name": "training", "arg": {"as_bool": true}"#,
            "in training mode",
        ),
        (
            model,
            r#""as_int": 2}, "kind": 1}], "outputs": [{"as_tensor": {"name": "conv2d_1""#,
            r#""as_int": 3}, "kind": 1}], "outputs": [{"as_tensor": {"name": "conv2d_1""#,
            "in 3 groups",
        ),
    ] {
        let error = replaced(member, from, to).err().unwrap_or_else(|| panic!("{to} was accepted"));
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
}

#[test]
fn writing_on_an_operand_changes_it_for_later_readers() {
    // x.add_(…) instead of y = x + …: both readers of x behind it now read the sum.
    let lines = replaced("model.json", "aten.add.Tensor", "aten.add_.Tensor").unwrap();
    assert_eq!(lines[4..8], ["Add [3, 2]", "Convolution [2, 4, 1, 1] 1 [2]", "Concat [4, 5]", "Flatten [6]"]);
    let text = r#""arg": {"as_tensor": {"name": "conv2d_1"}}, "kind": 1}, {"name": "other", "arg": {"as_tensor": {"name": "relu"}}"#;
    let swapped = r#""arg": {"as_tensor": {"name": "relu"}}, "kind": 1}, {"name": "other", "arg": {"as_tensor": {"name": "conv2d_1"}}"#;
    let mut members = members("net.pt2");
    let (_, bytes) = members.iter_mut().find(|(name, _)| name.ends_with("model.json")).unwrap();
    let program = String::from_utf8(bytes.clone()).unwrap();
    *bytes = program.replace("aten.add.Tensor", "aten.add_.Tensor").replace(text, swapped).into_bytes();
    assert_eq!(follow(&members).unwrap()[4..6], ["Add [2, 3]", "Convolution [2, 4, 1, 1] 1 [4]"]);
}

#[test]
fn archives_of_older_versions_are_refused_with_a_way_out() {
    let renamed = |from: &str, to: &str| {
        let members = members("net.pt2").into_iter().map(|(name, bytes)| (name.replace(from, to), bytes));
        follow(&members.collect::<Vec<_>>()).unwrap_err()
    };
    for (from, to, expected) in [
        ("net/models/model.json", "serialized_exported_program.json", "before 2.8"),
        ("data/weights/weight_0", "data/weights/model.pt", "as a pickle"),
        ("models/model.json", "data/aotinductor/model.so", "without a graph"),
    ] {
        let error = renamed(from, to);
        assert!(error.problem.contains(expected) && error.remedy.contains("2.9"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_never_more_than_an_error() {
    let whole = std::fs::read(path("net.pt2")).unwrap();
    for length in 0..whole.len() {
        assert!(TensorFile::open(write(".pt2", &whole[..length]).path()).is_err(), "{length} bytes");
    }
    // Checksums would find damage in the archive: here it is in what was packed.
    let whole = members("net-core.pt2");
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let texts: Vec<usize> = (0..whole.len()).filter(|&i| whole[i].0.ends_with(".json")).collect();
    let mut accepted = 0;
    for _ in 0..1500 {
        let mut members = whole.clone();
        let (_, bytes) = &mut members[texts[rng.gen_range(0..texts.len())]];
        for _ in 0..rng.gen_range(1..4) {
            let at = rng.gen_range(0..bytes.len());
            // Mostly characters of JSON, so that some of it is still read.
            bytes[at] =
                *[b"0123456789-\",:{}[]".as_slice(), &[rng.r#gen()]].concat().get(rng.gen_range(0..19)).unwrap();
        }
        accepted += usize::from(follow(&members).is_ok());
    }
    assert!((15..1500).contains(&accepted), "{accepted}");
}
