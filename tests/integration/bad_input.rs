//! Wrong input: exit code 1 and one line that names the file, the place in it and the remedy.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Stdio;

use ndarray::Array2;

use crate::harness::{BINARY, Output, Work, fixture, market, names, random_network};

/// A small network that measures well, and the options that make it quick.
fn work_with_network() -> Work {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[12, 10, 8], 1));
    work
}

/// A run of a fraction of a second.
const TINY: &str = "experiments:
  a: {fixed: {dataset: mnist-sample, hidden: [4], epochs: 1, pruning_epochs: 0, n_train: 64, shuffles: 0, clusters: 3}}
";

const QUICK: [&str; 6] = ["measure", "net.safetensors", "-k", "3", "--shuffles", "2"];

/// Format of a file, a fixture in it, and the command that reads it.
const FORMATS: [(&str, &str, &str); 5] = [
    ("safetensors", "mlp-f32.safetensors", "measure"),
    ("npz", "mlp-compressed.npz", "measure"),
    ("pt", "state-dict.pt", "measure"),
    ("mtx", "graph-general.mtx", "cluster"),
    ("npz", "graph-csr.npz", "cluster"),
];

#[test]
fn files_that_are_not_there_or_hold_nothing() {
    let work = Work::new();
    std::fs::create_dir(work.path("folder.npz")).unwrap();
    for command in ["measure", "cluster"] {
        work.expect_input_error(&[command, "bad.npz"], &["bad.npz", "no such file", "check the path"]);
        work.expect_input_error(&[command, "folder.npz"], &["folder.npz", "directory", "name a file"]);
    }
    for (extension, _, command) in FORMATS {
        let name = format!("empty.{extension}");
        work.write(&name, "");
        work.expect_input_error(&[command, &name], &[&name, "is empty", "fetch or save"]);
    }
    work.expect_input_error(&["graph", "bad.npz", "-o", "g.npz"], &["bad.npz", "no such file"]);
    work.expect_input_error(&["run", "bad.yaml"], &["bad.yaml", "no such file", "check the path"]);
    work.expect_input_error(&["report", "."], &["directory", "name a file"]);
}

#[test]
fn files_cut_short_anywhere() {
    let work = Work::new();
    for (extension, whole, command) in FORMATS {
        let bytes = std::fs::read(fixture(whole)).unwrap();
        let name = format!("cut.{extension}");
        // the last byte of a text is its line break, which may be missing
        let last = if extension == "mtx" { 4 } else { 1 };
        for length in [4, bytes.len() / 2, bytes.len() - last] {
            work.write(&name, &bytes[..length]);
            let output = work.expect_input_error(&[command, &name, "-k", "2"], &[&name, ": ", "; "]);
            assert!(output.stdout.is_empty(), "{output}");
        }
    }
}

#[test]
fn files_of_another_kind() {
    let work = Work::new();
    for (name, command, formats) in [
        ("text.safetensors", "measure", ["formats", "safetensors"]),
        ("text.pt", "measure", ["formats", "PyTorch"]),
        ("text.mtx", "cluster", ["Matrix Market", "npz"]),
    ] {
        work.write(name, "step loss\n1 0.5\n2 0.25\n3 0.125\n");
        work.expect_input_error(&[command, name], &[&[name], &formats[..]].concat());
    }
    for (original, copy, wanted) in [
        ("mlp.npz", "a.pt", ".npz"),
        ("state-dict.pt", "a.safetensors", ".pt"),
        ("mlp-f32.safetensors", "a.npz", ".safetensors"),
    ] {
        work.fixture(original, copy);
        work.expect_input_error(&["measure", copy], &[copy, "promises", &format!("rename it to end in {wanted}")]);
    }
    work.fixture("graph-csr.npz", "a.mtx");
    work.expect_input_error(&["cluster", "a.mtx"], &["a.mtx", "zip", "rename it to end in .npz"]);
    for (name, wanted) in [("whole-module.pt", "__main__.Net"), ("foreign-class.pt", "__main__.Plain")] {
        work.fixture(name, name);
        work.expect_input_error(&["measure", name], &[name, wanted, "model.state_dict()"]);
    }
    work.fixture("graph-coo.npz", "graph-coo.npz");
    work.expect_input_error(&["cluster", "graph-coo.npz"], &["graph-coo.npz", "coo", "tocsr()"]);
    // a graph is no network, and the reverse
    work.fixture("graph-csr.npz", "g.npz");
    work.expect_input_error(&["measure", "g.npz"], &["g.npz"]);
    work.fixture("mlp.npz", "n.npz");
    work.expect_input_error(&["cluster", "n.npz"], &["n.npz", "save_npz"]);
}

#[test]
fn weights_that_are_no_numbers() {
    let work = Work::new();
    for (name, tensor) in [("nan.safetensors", "w"), ("nan.npz", "w"), ("nan.pt", "fc1.weight")] {
        work.fixture(name, name);
        let tensor = format!("tensor '{tensor}'");
        work.expect_input_error(&["measure", name], &[name, &tensor, "2 NaN or infinite", "[2, 1]", "; use weights"]);
    }
    work.expect_input_error(&["graph", "nan.pt", "-o", "g.npz"], &["nan.pt", "'fc1.weight'"]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut weights = random_network(&[6, 5, 4], 1);
        weights[1][[3, 2]] = bad;
        work.network("net.safetensors", &weights);
        work.expect_input_error(&["measure", "net.safetensors"], &["tensor 'layers.1.weight'", "[3, 2]"]);
    }
    for bad in ["nan", "inf", "-inf"] {
        work.write("g.mtx", format!("%%MatrixMarket matrix coordinate real symmetric\n3 3 1\n2 1 {bad}\n"));
        work.expect_input_error(&["cluster", "g.mtx", "-k", "2"], &["g.mtx:3", "not finite", "; "]);
    }
}

#[test]
fn tensors_that_are_no_chain_of_layers() {
    let work = Work::new();
    work.network("net.safetensors", &[Array2::ones((5, 4)), Array2::ones((7, 6))]);
    let wanted =
        ["net.safetensors", "'layers.0.weight' (5, 4)", "'layers.1.weight' (7, 6)", "do not chain", "; save only"];
    for command in [&["measure", "net.safetensors"][..], &["graph", "net.safetensors", "-o", "g.mtx"]] {
        work.expect_input_error(command, &wanted);
    }
    assert_eq!(work.names("."), ["net.safetensors"]);
}

#[test]
fn graphs_without_edges() {
    let work = Work::new();
    work.network("net.safetensors", &[Array2::zeros((5, 4)), Array2::zeros((3, 5))]);
    work.expect_input_error(&["measure", "net.safetensors"], &["net.safetensors", "no edges", "; "]);
    work.write("g.mtx", market(3, &[]));
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx", "no edges", "; "]);
    work.write("g.mtx", market(3, &[(0, 1, 0.0)]));
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx", "no edges", "; "]);
}

#[test]
fn numbers_of_clusters_that_there_cannot_be() {
    let work = work_with_network();
    for k in ["0", "30", "31", "1000000000000"] {
        let args = ["measure", "net.safetensors", "-k", k];
        work.expect_input_error(&args, &["net.safetensors", &format!("{k} clusters"), "30 nodes", "from 1 to 29"]);
    }
    for k in ["-1", "2.5", "x", ""] {
        work.expect_input_error(&["measure", "net.safetensors", "-k", k], &[]);
    }
    for k in ["1", "29"] {
        work.ncut(&["measure", "net.safetensors", "-k", k, "--shuffles", "2"]).ok();
    }
}

/// A shuffle of this one drops some of the nodes, so that it has fewer than the network.
#[test]
fn as_many_clusters_as_a_shuffle_has_nodes() {
    let work = Work::new();
    let mut diagonal = Array2::zeros((8, 8));
    diagonal.diag_mut().fill(1.0);
    work.network("net.safetensors", &[diagonal]);
    work.expect_input_error(&["measure", "net.safetensors", "-k", "15"], &["net.safetensors", "shuffle", "; "]);
}

#[test]
fn graphs_that_are_not_undirected_or_have_negative_weights() {
    let work = Work::new();
    let banner = "%%MatrixMarket matrix coordinate real general\n3 3 4\n";
    work.write("g.mtx", format!("{banner}1 2 1\n2 1 1\n2 3 -1\n3 2 -1\n"));
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx:5", "-1 is negative", "; take absolute values"]);
    work.write("g.mtx", format!("{banner}1 2 1\n2 1 1\n2 3 1\n3 2 2\n"));
    work.expect_input_error(
        &["cluster", "g.mtx"],
        &["g.mtx", "(2, 3) is 1", "(3, 2) is 2", "directed", "(A + A.T) / 2"],
    );
    work.write("g.mtx", format!("{banner}1 2 1\n2 1 1\n2 3 1\n3 1 1\n"));
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx", "(2, 3) is 1", "(3, 2) is 0", "directed"]);
    work.write("g.mtx", format!("{banner}1 2 1\n2 1 1\n2 4 1\n4 2 1\n"));
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx:5", "'4'", "from 1 to 3"]);
    work.write("g.mtx", "%%MatrixMarket matrix coordinate real general\n3 2 1\n1 2 1\n");
    work.expect_input_error(&["cluster", "g.mtx"], &["g.mtx:2", "3 by 2", "square"]);
}

#[test]
fn layers_that_do_not_fit_their_graph() {
    let work = Work::new();
    work.write("g.mtx", market(4, &[(0, 2, 1.0), (1, 3, 1.0), (0, 3, 0.5)]));
    let layers = |sizes: [usize; 2]| {
        format!(
            r#"[{{"name":"a","first_node":0,"size":{}}},{{"name":"b","first_node":{},"size":{}}}]"#,
            sizes[0], sizes[0], sizes[1]
        )
    };
    let name = "g.mtx.layers.json";
    work.write(name, layers([2, 2]));
    work.ncut(&["cluster", "g.mtx", "-k", "2", "--shuffles", "0"]).ok();
    work.write(name, layers([2, 3]));
    work.expect_input_error(&["cluster", "g.mtx", "-k", "2"], &[name, "5 nodes", "graph has 4", "; "]);
    work.write(name, layers([3, 1]));
    work.expect_input_error(&["cluster", "g.mtx", "-k", "2"], &[name, "'a'", "within itself", "; "]);
    work.write(name, "[{\"name\": 3}]");
    work.expect_input_error(&["cluster", "g.mtx", "-k", "2"], &["g.mtx.layers.json:1:11", "; "]);
}

#[test]
fn options_that_there_are_not() {
    let work = work_with_network();
    for (options, wanted) in [
        (&["--null", "lyer"][..], &["--null", "'lyer'", "layer-nonzero"][..]),
        (&["--solver", "arpak"], &["--solver", "'arpak'", "lanczos"]),
        (&["--convention", "mine"], &["--convention", "'mine'", "paper", "authors"]),
        (&["--device", "tpu"], &["--device", "'tpu'", "cpu, cuda or cuda:N"]),
        (&["--device", "cuda:x"], &["--device", "'cuda:x'", "cpu, cuda or cuda:N"]),
        (&["--prune", "1"], &["--prune", "1", "[0, 1)"]),
        (&["--prune", "-0.1"], &["--prune", "-0.1", "[0, 1)"]),
        (&["--prune", "nan"], &["--prune", "NaN", "[0, 1)"]),
        (&["--least-weight", "-1"], &["--least-weight", "-1", "no magnitude"]),
        (&["--least-weight", "inf"], &["--least-weight", "inf", "no magnitude"]),
        (&["--prune", "half"], &["--prune", "'half'"]),
        (&["--threads", "0"], &["--threads", "'0'", "1"]),
        (&["--restarts", "0"], &["--restarts", "'0'", "1"]),
        (&["--shuffles", "many"], &["--shuffles", "'many'"]),
        (&["--seed", "-1"], &["--seed"]),
        (&["--shufles", "5"], &["'--shufles'", "'--shuffles'"]),
        (&["second.safetensors"], &["'second.safetensors'"]),
    ] {
        work.expect_input_error(&[&["measure", "net.safetensors"], options].concat(), wanted);
    }
    work.expect_input_error(&["measure"], &["MODEL"]);
    work.expect_input_error(&["graph", "net.safetensors"], &["--output"]);
    work.expect_input_error(&["mesure", "net.safetensors"], &["'mesure'", "measure"]);
    work.expect_input_error(&["data", "fetch"], &["NAME"]);
}

#[test]
fn a_device_that_this_machine_has_not() {
    if Path::new("/dev/nvidiactl").exists() || Path::new("/dev/dxg").exists() {
        eprintln!("skipped: there may be a CUDA device here");
        return;
    }
    let work = work_with_network();
    for device in ["cuda", "cuda:1"] {
        work.expect_input_error(&[&QUICK[..], &["--device", device]].concat(), &["--device", device, "; use cpu"]);
    }
    work.write("grid.yaml", "experiments:\n  a: {fixed: {dataset: mnist-sample}}\n");
    work.expect_input_error(&["run", "grid.yaml", "--device", "cuda"], &["--device", "; use cpu"]);
    assert!(!work.path("runs").exists());
}

/// Where a mistake is, and words that must be said of it.
#[test]
fn grid_files_with_mistakes() {
    let work = Work::new();
    for (yaml, place, wanted) in [
        // keys
        ("experiments:\n  a:\n    fixed: {dropuot: 0.5}\n", "3:13", &["dropuot", "did you mean 'dropout'?"][..]),
        ("experiments:\n  a:\n    fixd: {}\n", "3:5", &["fixd", "did you mean 'fixed'?"]),
        ("experimnets:\n  a: {}\n", "1:1", &["did you mean 'experiments'?"]),
        ("experiments:\n  a:\n    grid: {l3: [0]}\n", "3:12", &["l3", "l1, l2"]),
        ("experiments:\n  a:\n    slurm: {tim: '1:00'}\n", "3:13", &["did you mean 'time'?"]),
        ("experiments:\n  a: {}\n  b: {}\n  a: {}\n", "4:3", &["'a'", "twice"]),
        ("experiments:\n  a:\n    fixed: {epochs: 2, epochs: 3}\n", "3:", &["epochs", "duplicate"]),
        // types
        ("experiments:\n  a:\n    fixed: {epochs: many}\n", "3:21", &["epochs", "many"]),
        ("experiments:\n  a:\n    fixed: {hidden: 16}\n", "3:21", &["hidden"]),
        ("experiments:\n  a:\n    fixed: {clusters: 1.5}\n", "3:23", &["clusters"]),
        ("experiments:\n  a:\n    grid: {dropout: 0.5}\n", "3:21", &["dropout"]),
        ("experiments:\n  a: [1]\n", "2:7", &[]),
        // ranges
        ("experiments:\n  a:\n    fixed: {batch_size: 0}\n", "3:25", &["batch_size", "0"]),
        ("experiments:\n  a:\n    seeds: -1\n", "3:12", &["seeds", "-1"]),
        ("experiments:\n  a:\n    seeds: 0\n", "3:12", &["seeds", "0 replicates"]),
        ("experiments:\n  a:\n    seeds: [1, 2, 1]\n", "3:12", &["seeds", "twice"]),
        ("experiments:\n  a:\n    fixed: {null_model: lyer}\n", "3:25", &["lyer", "did you mean 'layer'?"]),
        // syntax
        ("experiments:\n  a: {fixed: {epochs: 2}\n", "", &[]),
        ("experiments:\n  a b: {}\n", "2:3", &["'a b'", "letters, digits"]),
    ] {
        work.write("grid.yaml", yaml);
        let output =
            work.expect_input_error(&["run", "grid.yaml"], &[&[&*format!("ncut: grid.yaml:{place}")], wanted].concat());
        assert_place(&output);
    }
    assert!(!work.path("runs").exists());
}

/// `ncut: grid.yaml:LINE:COLUMN: …`.
fn assert_place(output: &Output) {
    let parts: Vec<&str> = output.stderr.splitn(5, ':').collect();
    let number = |part: &str| part.parse::<usize>().is_ok_and(|n| n > 0);
    assert!(parts.len() == 5 && number(parts[2]) && number(parts[3]), "no line and column: {output}");
}

/// The place is that of the value, not of the block that it stands in.
#[test]
fn values_out_of_range_are_placed_in_the_grid_file() {
    let work = Work::new();
    for (value, column, wanted) in [
        ("dropout: 1.5", 16, &["dropout", "1.5", "[0, 1)"][..]),
        ("l1: -1", 11, &["l1", "-1", "at least 0"]),
        ("l2: .nan", 11, &["l2", "at least 0"]),
        ("final_sparsity: 1", 23, &["final_sparsity", "[0, 1)"]),
        ("dataset: mnits", 16, &["dataset", "mnits", "did you mean 'mnist'?"]),
    ] {
        work.write("grid.yaml", format!("experiments:\n  a:\n    fixed:\n      epochs: 2\n      {value}\n"));
        work.expect_input_error(&["run", "grid.yaml"], &[&[&*format!("grid.yaml:5:{column}:")], wanted].concat());
    }
}

#[test]
fn grid_files_with_tabs() {
    let work = Work::new();
    for (yaml, line) in [("experiments:\n\ta: {}\n", 2), ("experiments:\n  a:\n    fixed:\n    \tepochs: 2\n", 4)] {
        work.write("grid.yaml", yaml);
        let output = work.expect_input_error(&["run", "grid.yaml"], &[&format!("grid.yaml:{line}:"), "tab", "spaces"]);
        assert_place(&output);
    }
}

#[test]
fn grid_files_that_are_no_text() {
    let work = Work::new();
    work.write("grid.yaml", b"experiments:\n  a\xff: {}\n");
    let output = work.expect_input_error(&["run", "grid.yaml"], &["grid.yaml:2:4", "UTF-8", "; save it as UTF-8"]);
    assert_place(&output);
    work.write("grid.yaml", "");
    work.expect_input_error(&["run", "grid.yaml"], &["grid.yaml", "experiments"]);
}

#[test]
fn axes_without_values() {
    let work = Work::new();
    work.write("grid.yaml", "experiments:\n  a:\n    grid:\n      l1: [0]\n      dropout: []\n");
    work.expect_input_error(&["run", "grid.yaml"], &["grid.yaml:5:", "dropout"]);
}

#[test]
fn selections_of_what_there_is_not() {
    let work = Work::new();
    work.write("grid.yaml", "experiments:\n  first: {fixed: {dataset: mnist-sample}}\n  second: {}\n");
    for (options, wanted) in [
        (&["--only", "frist"][..], &["--only", "'frist'", "did you mean 'first'?"][..]),
        (&["--only", "first,third"], &["--only", "'third'", "first, second"]),
        (&["--set", "epochs"], &["--set epochs", "'='", "KEY=VALUE"]),
        (&["--set", "epoch=3"], &["--set epoch=3", "did you mean 'epochs'?"]),
        (&["--set", "dropout=2"], &["--set dropout=2", "[0, 1)"]),
        (&["--set", "=3"], &["--set =3"]),
        (&["--seeds", "x"], &["--seeds", "'x'"]),
        (&["--seeds", "-1"], &["--seeds"]),
    ] {
        work.expect_input_error(&[&["run", "grid.yaml"], options].concat(), wanted);
    }
    work.expect_input_error(&["report", "grid.yaml", "--only", "third"], &["--only", "'third'"]);
    work.expect_input_error(&["run", "grid.yaml", "--jobs", "0"], &["--jobs", "'0'"]);
    assert_eq!(work.names("."), ["grid.yaml"]);
}

/// A key without a value is a slip, not the wish for the default.
#[test]
fn settings_without_a_value() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    work.expect_input_error(&["run", "grid.yaml", "--set", "epochs="], &["--set epochs=", "epochs", "; "]);
    work.write("grid.yaml", TINY.replace("epochs: 1,", "epochs: ,"));
    work.expect_input_error(&["run", "grid.yaml"], &["grid.yaml:2:", "epochs", "; "]);
}

#[test]
fn data_sets_that_there_are_not() {
    let work = Work::new();
    for command in ["fetch", "build", "show"] {
        work.expect_input_error(&["data", command, "mnits"], &["'mnits'", "did you mean 'mnist'?", "mnist-sample"]);
    }
    work.expect_input_error(
        &["data", "fetch", "mnist", "--from", "nowhere"],
        &["nowhere", "no such folder", "; name a folder"],
    );
    work.expect_input_error(&["data", "fetch", "mnist", "--from", "ftp://x/y"], &["ftp://", "http://"]);
    std::fs::create_dir(work.path("empty")).unwrap();
    let args = ["data", "fetch", "mnist", "--from", "empty", "--data-dir", "data"];
    work.expect_input_error(&args, &["empty", "train-images-idx3-ubyte", "; name another place with --from"]);
    assert!(!work.path("data/mnist").exists());
    let args = ["data", "show", "mnist", "--data-dir", "empty"];
    work.expect_input_error(&args, &["empty/mnist", "`ncut data fetch mnist --data-dir empty`", "--data-dir DIR"]);
    assert!(!work.path("mnist.png").exists());
    // what is generated says what it is generated from
    for command in ["build", "show"] {
        let args = ["data", command, "lines-mnist", "--data-dir", "empty"];
        work.expect_input_error(&args, &["empty/mnist", "lines-mnist", "`ncut data fetch mnist --data-dir empty`"]);
    }
    work.expect_input_error(&["data", "build", "mnist", "--data-dir", "empty"], &["'mnist'", "; ", "data fetch mnist"]);
    work.expect_input_error(&["data", "build", "mnist-sample"], &["'mnist-sample'", "; "]);
    assert!(work.names("empty").is_empty());
}

#[test]
fn data_sets_whose_only_copy_is_damaged() {
    let work = Work::new();
    std::fs::create_dir(work.path("copy")).unwrap();
    work.write("copy/train-images-idx3-ubyte", "not images");
    let args = ["data", "fetch", "mnist", "--from", "copy", "--data-dir", "data"];
    work.expect_input_error(&args, &["copy/train-images-idx3-ubyte", "checksum", "; name another place with --from"]);
    assert!(!work.path("data/mnist").exists());
}

/// What a run needs and has not got is said before any work is done, once for all runs.
#[test]
fn runs_without_their_data() {
    let work = Work::new();
    work.write("grid.yaml", "experiments:\n  a: {grid: {dropout: [0, 0.5]}, seeds: 2}\n");
    std::fs::create_dir(work.path("data")).unwrap();
    let args = ["run", "grid.yaml", "--data-dir", "data"];
    work.expect_input_error(&args, &["data/mnist", "`ncut data fetch mnist --data-dir data`"]);
}

#[test]
fn settings_that_the_network_or_its_data_have_no_use_for() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    for (settings, wanted) in [
        (&["dataset=polynomials", "lesions=2"][..], &[": lesions", "polynomials has no classes", "; leave it out"][..]),
        (
            &["dataset=polynomials", "augmentation=cifar"],
            &[": augmentation", "the inputs of polynomials are no images", "; leave it out"],
        ),
        (&["tags=1000000"], &[": tags", "1000000 tags of 798 neurons", "; use at most 798"]),
        (&["block_share=1", "block_share_layers=hidden"], &[": block_share_layers", "between two hidden", "; use all"]),
        (
            &["block_share_pruning=1", "block_share_layers=hidden", "pruning_epochs=1"],
            &[": block_share_layers", "between two hidden", "; use all"],
        ),
        (
            &["clusterable_init=true", "clusterable_init_layers=hidden"],
            &[": clusterable_init_layers", "clusterable_init would do nothing", "; use all"],
        ),
        (&["hidden=[]", "loop_penalty=1"], &[": loop_penalty_kind", "it would count nothing", "; use trace-s4"]),
        (
            &["model=airg-cnn", "penalty_layers=convolutions", "loop_penalty=1", "hidden=[256, 256, 256, 256]"],
            &[": loop_penalty_kind", "it would count nothing"],
        ),
        (&["clusterable_init=true", "tags=1"], &[": tags", "it would do nothing", "; use two or more"]),
        (&["precision=bf16"], &[": precision", "this model has none", "; leave it out"]),
        (&["hidden=[1]", "eigen_penalty=1", "eigen_penalty_count=1"], &[": eigen_penalty_count", "; use wider layers"]),
    ] {
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        for command in ["plan", "run"] {
            let args: Vec<&str> = [command, "grid.yaml"].into_iter().chain(set.clone()).collect();
            work.expect_input_error(&args, wanted);
        }
    }
    // in the file, it has a place there
    work.write("grid.yaml", "experiments:\n  a:\n    fixed: {dataset: mnist-sample,\n            tags: 1000000}\n");
    work.expect_input_error(&["plan", "grid.yaml"], &["grid.yaml:4:19: tags: 1000000 tags"]);
    work.write("grid.yaml", TINY);
    // no cluster has a hidden neuron to silence
    assert_eq!(work.ncut(&["plan", "grid.yaml", "--set", "hidden=[]", "--set", "lesions=5"]).code, Some(0));
    // of nothing
    work.ncut(&["plan", "grid.yaml", "--set", "final_sparsity=0.3", "--set", "pruning_epochs=0"]).ok();
    work.ncut(&[
        "plan",
        "grid.yaml",
        "--set",
        "hidden=[]",
        "--set",
        "loop_penalty=1",
        "--set",
        "loop_penalty_kind=trace-s4",
    ])
    .ok();
}

/// Functions to learn are as good as classes otherwise.
#[test]
fn a_regression_is_told_by_its_loss() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    let table = work.ncut(&["run", "grid.yaml", "--set", "dataset=polynomials"]).ok().stdout;
    assert!(table.contains("test acc.") && table.lines().nth(1).is_some_and(|row| row.ends_with(" loss")), "{table}");
}

#[test]
fn training_that_diverges() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    let said = work.ncut(&["run", "grid.yaml", "--set", "learning_rate=1e30", "--set", "epochs=9"]);
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(
        said.stderr.contains("a r0: failed: epoch 2: training has diverged, the loss is NaN; lower learning_rate"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("epoch 3/9"), "{}", said.stderr);
}

#[test]
fn more_examples_than_a_data_set_has() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    let wanted = ["n_train", "4001", "mnist-sample, which has 4000", "; use at most 4000"];
    work.expect_input_error(&["run", "grid.yaml", "--set", "n_train=4001"], &wanted);
}

#[test]
fn more_clusters_than_a_run_has_nodes_are_refused_before_it_trains() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    work.expect_input_error(&["run", "grid.yaml", "--set", "clusters=798"], &["798 clusters", "; "]);
}

#[test]
fn output_where_none_can_be() {
    let work = work_with_network();
    work.write("grid.yaml", TINY);
    std::fs::create_dir(work.path("folder")).unwrap();
    let measure = |option| [&QUICK[..], &[option]].concat();
    for (args, name) in [
        (measure("--json"), "x.json"),
        (measure("--html"), "x.html"),
        (vec!["graph", "net.safetensors", "-o"], "x.npz"),
        (vec!["graph", "net.safetensors", "-o"], "x.mtx"),
        (vec!["report", "grid.yaml", "--json"], "x.json"),
        (vec!["report", "grid.yaml", "--markdown"], "x.md"),
        (vec!["report", "grid.yaml", "--latex"], "x.tex"),
        (vec!["report", "grid.yaml", "--html"], "x.html"),
        (vec!["data", "show", "mnist-sample", "-o"], "x.png"),
        (vec!["data", "build", "lines", "-o"], "x"),
        (vec!["data", "list", "--json"], "x.json"),
    ] {
        let output =
            work.expect_input_error(&[&args[..], &[&format!("grid.yaml/{name}")]].concat(), &["grid.yaml", "; "]);
        assert!(output.stdout.is_empty(), "shows what it cannot keep: {output}");
    }
    // permission bits do not bind root, but nobody writes to /proc
    for folder in ["nowhere", "/proc/version", "/proc"] {
        for args in [measure("--json"), vec!["graph", "net.safetensors", "-o"]] {
            work.expect_input_error(&[&args[..], &[&format!("{folder}/x.npz")]].concat(), &[folder, "; "]);
        }
    }
    work.expect_input_error(&[&measure("--json")[..], &["folder"]].concat(), &["folder", "directory", "name a file"]);
    assert_eq!(work.names("."), ["folder", "grid.yaml", "net.safetensors"]);
}

#[test]
fn a_graph_that_cannot_be_written_leaves_no_layers_behind() {
    let work = work_with_network();
    work.expect_input_error(&["graph", "net.safetensors", "-o", "g.csv"], &["g.csv", ".npz or .mtx"]);
    assert_eq!(work.names("."), ["net.safetensors"]);
}

#[test]
fn runs_where_none_can_be_written() {
    let work = Work::new();
    work.write("grid.yaml", TINY);
    for out in ["grid.yaml", "grid.yaml/runs", "/proc/runs"] {
        work.expect_input_error(&["run", "grid.yaml", "--out", out], &[out, "; "]);
    }
}

/// No byte can be written: a limit of the shell stands for a full disk.
#[test]
fn a_disk_without_room() {
    let work = work_with_network();
    work.write("grid.yaml", TINY);
    let before = work.names(".");
    let measure = |option, name| [&QUICK[..], &[option, name]].concat();
    for args in [
        measure("--json", "x.json"),
        measure("--html", "x.html"),
        vec!["graph", "net.safetensors", "-o", "g.npz"],
        vec!["graph", "net.safetensors", "-o", "g.mtx"],
        vec!["data", "show", "mnist-sample", "-o", "x.png"],
    ] {
        limited(&work, &args).expect_input_error(&["too large", "; "]);
        assert_eq!(work.names("."), before, "{args:?} left something");
    }
    let output = limited(&work, &["run", "grid.yaml", "--out", "runs"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stderr.contains("/r0/") && output.stderr.contains(": file too large; "), "{output}");
    let run = work.path("runs/a").read_dir().unwrap().next().unwrap().unwrap().path().join("r0");
    let left = names(&run);
    assert!(left.iter().all(|name| name == "log.txt"), "{left:?}");
}

fn limited(work: &Work, args: &[&str]) -> Output {
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    work.run(work.command("sh", &[&["-c", script, BINARY], args].concat()))
}

#[test]
fn standard_output_without_room() {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        eprintln!("skipped: no /dev/full");
        return;
    };
    let work = work_with_network();
    for options in [&[][..], &["--json", "-"]] {
        let mut command = work.command(BINARY, &[&QUICK[..], options].concat());
        let mut child = command.stdout(full.try_clone().unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut stderr).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!((code, stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.to_lowercase().contains("space"), "{stderr}");
    }
}

/// A pipe or a device given as output is written to, not replaced by a file: as root that would destroy /dev/null.
#[test]
fn output_to_what_is_no_regular_file() {
    let work = work_with_network();
    let made = work.run(work.command("mkfifo", &["pipe"]));
    if made.code != Some(0) {
        eprintln!("skipped: no pipes with names here: {made}");
        return;
    }
    let reader = work.command("cat", &["pipe"]).stdout(Stdio::piped()).spawn().unwrap();
    let output = work.ncut(&[&QUICK[..], &["--json", "pipe"]].concat());
    let kept = std::fs::symlink_metadata(work.path("pipe")).unwrap().file_type().is_fifo();
    if !kept {
        // nobody will ever write to it
        let mut reader = reader;
        reader.kill().unwrap();
        reader.wait().unwrap();
        panic!("the pipe was replaced by a file: {output}");
    }
    output.ok();
    let read = reader.wait_with_output().unwrap().stdout;
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&read).unwrap()["schema"], 1);

    // only now, because what replaces a pipe would replace the device
    if Path::new("/dev/full").exists() {
        std::os::unix::fs::symlink("/dev/full", work.path("full")).unwrap();
        work.expect_input_error(
            &[&QUICK[..], &["--json", "full"]].concat(),
            &["full", "no space", "; free some space"],
        );
    }
}

/// A link to a file is followed: the file gets the content, and the link stays.
#[test]
fn output_through_a_link() {
    let work = work_with_network();
    std::fs::create_dir(work.path("folder")).unwrap();
    work.write("folder/m.json", "old");
    std::os::unix::fs::symlink("folder/m.json", work.path("link.json")).unwrap();
    work.ncut(&[&QUICK[..], &["--json", "link.json"]].concat()).ok();
    assert!(std::fs::symlink_metadata(work.path("link.json")).unwrap().is_symlink(), "the link was replaced");
    assert_eq!(work.json("folder/m.json")["schema"], 1);
}

/// Neither what is read is lost to a result, nor one result to another.
#[test]
fn a_result_has_a_place_of_its_own() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[60, 50, 40], 1));
    work.ncut(&["graph", "net.safetensors", "-o", "g.npz"]).ok();
    work.write("grid.yaml", "experiments: {e: {fixed: {dataset: mnist-sample}}}");
    std::os::unix::fs::symlink(work.path("net.safetensors"), work.path("link")).unwrap();
    work.write("based.yaml", "experiments: {e: {base: base.yaml}}");
    work.write("base.yaml", "fixed: {dataset: mnist-sample}");
    work.write("profile.yaml", "max_array_size: 100");
    let names = [
        "base.yaml",
        "based.yaml",
        "g.npz",
        "g.npz.layers.json",
        "grid.yaml",
        "link",
        "net.safetensors",
        "profile.yaml",
    ];
    let bytes = || names.map(|name| work.read(name));
    let before = bytes();
    for (args, place) in [
        (&["measure", "net.safetensors", "--json", "net.safetensors"][..], "net.safetensors: is what is read"),
        (&["measure", "net.safetensors", "--html", "link"], "link: is what is read"),
        (&["graph", "net.safetensors", "-o", "./net.safetensors"], "net.safetensors: is what is read"),
        (&["cluster", "g.npz", "--json", "g.npz.layers.json"], "g.npz.layers.json: is what is read"),
        (&["report", "grid.yaml", "--csv", "grid.yaml"], "grid.yaml: is what is read"),
        (&["report", "based.yaml", "--json", "base.yaml"], "base.yaml: is what is read"),
        (&["status", "based.yaml", "--json", "base.yaml"], "base.yaml: is what is read"),
        (&["plan", "grid.yaml", "--json", "./grid.yaml"], "grid.yaml: is what is read"),
        (
            &["plan", "grid.yaml", "--profile", "profile.yaml", "--json", "profile.yaml"],
            "profile.yaml: is what is read",
        ),
        (&["measure", "net.safetensors", "--json", "a", "--html", "./a"], "a: two results"),
        (&["measure", "net.safetensors", "--json", "-", "--html", "-"], "-: two results"),
        (&["report", "grid.yaml", "--json", "-", "--csv", "-"], "-: two results"),
    ] {
        work.expect_input_error(args, &[place]);
    }
    assert!(before == bytes() && work.names(".") == names);
    work.ncut(&["measure", "net.safetensors", "--shuffles", "2", "--json", "/dev/null", "--html", "/dev/null"]).ok();
}
