//! `ncut gc`: what is listed, what is deleted, and what is never touched.

use std::fs::{File, create_dir_all, read_dir};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::harness::{Work, names};

const GRID: &str = "experiments:\n  kept:\n    grid: {dropout: [0, 0.5]}\n    seeds: 2\n  other: {}\n";
/// Directories of the grid's conditions.
const ZERO: &str = "runs/kept/default-44136fa3";
const HALF: &str = "runs/kept/dropout=0.5-802c669f";

/// A folder with the grid and nothing else.
fn work() -> Work {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    create_dir_all(work.path("runs")).unwrap();
    work
}

/// Writes files of 100 bytes into a folder.
fn fill(work: &Work, folder: &str, files: &[&str]) {
    create_dir_all(work.path(folder)).unwrap();
    files.iter().for_each(|name| work.write(&format!("{folder}/{name}"), [b' '; 100]));
}

fn age(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

/// Every path below a folder, links as such, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in read_dir(next).unwrap().map(Result::unwrap) {
            paths.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    paths.sort();
    paths
}

/// The lines of `gc`, without the last two, which are the sum and what was done: size, reason and path.
fn listed(work: &Work, args: &[&str]) -> Vec<(String, String, String)> {
    let output = work.ncut(&[&["gc", "grid.yaml"], args].concat()).ok();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines.len() > 2, "{output}");
    assert!(lines[lines.len() - 2].ends_with("  in all"), "{output}");
    let parts = |line: &&str| {
        let mut parts = line.trim().split("  ").filter(|part| !part.is_empty()).map(|part| part.trim().to_string());
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
    };
    lines[..lines.len() - 2].iter().map(parts).collect()
}

fn item(size: &str, reason: &str, path: &str) -> (String, String, String) {
    (size.into(), reason.into(), path.into())
}

const RUN: [&str; 3] = ["config.yaml", "metrics.jsonl", "result.json"];

#[test]
fn what_the_file_does_not_need_is_listed_and_then_deleted() {
    let work = work();
    fill(&work, &format!("{ZERO}/r0"), &["config.yaml", "result.json", "checkpoint.safetensors", "attempt-2.json"]);
    fill(&work, &format!("{ZERO}/r1"), &["config.yaml", "checkpoint.safetensors", ".ncut-young"]);
    fill(&work, &format!("{ZERO}/r2"), &RUN);
    fill(&work, &format!("{ZERO}/r0.replaced-1700000000"), &RUN);
    fill(&work, "runs/kept/dropout=0.25-0123abcd/r0", &RUN);
    fill(&work, "runs/kept/dropout=0.25-0123abcd/r1", &["config.yaml", "checkpoint.safetensors"]);
    fill(&work, "runs/gone/default-44136fa3/r0", &RUN);
    fill(&work, "runs/gone/epochs=3-01234567/r7", &RUN);
    fill(
        &work,
        "runs/gone",
        &["report.md", "scatter-2.svg", "scatter-2.png", "shuffles-pruned.png", "density-pruned-z_score.svg"],
    );
    fill(&work, &format!("{HALF}/r1"), &[".ncut-old", "config.yaml"]);
    fill(&work, "runs", &[".ncut-old", ".ncut-young"]);
    // attempts by nobody that lives
    age(&work.path(&format!("{ZERO}/r0/attempt-2.json")), 3600);
    for temporary in [&format!("{HALF}/r1/.ncut-old"), "runs/.ncut-old"] {
        age(&work.path(temporary), 3601);
    }
    let before = tree(&work.path("runs"));
    let wanted = [
        item("100 B", "temporary file", "runs/.ncut-old"),
        item("1.1 kB", "experiment not in the file: 2 results", "runs/gone"),
        item("100 B", "attempt at a finished run", &format!("{ZERO}/r0/attempt-2.json")),
        item("100 B", "checkpoint of a finished run", &format!("{ZERO}/r0/checkpoint.safetensors")),
        item("300 B", "earlier result put aside: 1 result", &format!("{ZERO}/r0.replaced-1700000000")),
        item("300 B", "replicate not in the file: 1 result", &format!("{ZERO}/r2")),
        item("500 B", "condition not in the file: 1 result, 1 unfinished run", "runs/kept/dropout=0.25-0123abcd"),
        item("100 B", "temporary file", &format!("{HALF}/r1/.ncut-old")),
    ];
    assert_eq!(listed(&work, &[]), wanted);
    assert_eq!(tree(&work.path("runs")), before);

    assert_eq!(listed(&work, &["--delete"]), wanted);
    let below = |path: &str| wanted.iter().any(|(_, _, item)| Path::new("runs").join(path).starts_with(item));
    let left: Vec<&String> = before.iter().filter(|path| !below(path)).collect();
    assert_eq!(tree(&work.path("runs")).iter().collect::<Vec<_>>(), left);
    let again = work.ncut(&["gc", "grid.yaml", "--delete"]).ok();
    assert_eq!(again.stdout, "runs: nothing that grid.yaml does not need\n");
}

/// Folders and files of others, at every level; hidden ones; links; names that are nearly those of runs.
#[test]
fn what_is_not_ours_is_not_touched() {
    let work = work();
    fill(&work, "runs/.slurm/default-44136fa3/r0", &RUN);
    fill(&work, "runs/notes", &["report.html", ".ncut-old"]);
    fill(&work, "runs/wandb/run-1/files", &RUN);
    fill(&work, "runs/gone/default-44136fa3/r0", &["weights.bin"]);
    fill(&work, "runs/gone/default-44136fa3/backup", &RUN);
    fill(&work, "runs/gone/default-44136fa3/r01", &RUN);
    fill(&work, "runs/gone/mine/r0", &RUN);
    fill(&work, "elsewhere/default-44136fa3/r5", &RUN);
    age(&work.path("runs/notes/.ncut-old"), 1_000_000);
    std::os::unix::fs::symlink(work.path("elsewhere"), work.path("runs/linked")).unwrap();
    std::os::unix::fs::symlink(work.path("elsewhere/default-44136fa3"), work.path("runs/gone/b-44136fa3")).unwrap();
    std::os::unix::fs::symlink(work.path("elsewhere/default-44136fa3/r5"), work.path("runs/gone/default-44136fa3/r5"))
        .unwrap();
    let before = tree(&work.path("."));
    let output = work.ncut(&["gc", "grid.yaml", "--delete"]).ok();
    assert_eq!(output.stdout, "runs: nothing that grid.yaml does not need\n");
    assert_eq!(tree(&work.path(".")), before);
}

/// A folder with something of another's in it stays with that; a link in a run goes, and not what it points to.
#[test]
fn what_is_ours_goes_from_among_what_is_not() {
    let work = work();
    fill(&work, "runs/gone/default-44136fa3/r0", &RUN);
    fill(&work, "runs/gone/default-44136fa3/r1/plots", &["a.png"]);
    fill(&work, "runs/gone/default-44136fa3/r1", &RUN);
    fill(&work, "runs/gone/default-44136fa3", &["notes.txt"]);
    fill(&work, "runs/gone/epochs=3-01234567/r0", &RUN);
    fill(&work, "runs/gone", &["report.html"]);
    fill(&work, "elsewhere", &["precious"]);
    std::os::unix::fs::symlink(work.path("elsewhere"), work.path("runs/gone/default-44136fa3/r0/link")).unwrap();
    let reasons: Vec<_> = listed(&work, &["--delete"]).into_iter().map(|(_, reason, path)| (reason, path)).collect();
    let wanted = [
        ("replicate not in the file: 1 result", "runs/gone/default-44136fa3/r0"),
        ("replicate not in the file: 1 result", "runs/gone/default-44136fa3/r1"),
        ("condition not in the file: 1 result", "runs/gone/epochs=3-01234567"),
    ];
    assert_eq!(reasons, wanted.map(|(reason, path)| (reason.to_string(), path.to_string())));
    let left = ["gone", "gone/default-44136fa3", "gone/default-44136fa3/notes.txt", "gone/report.html"];
    assert_eq!(tree(&work.path("runs")), left);
    assert_eq!(work.names("elsewhere"), ["precious"]);
}

/// This test is the living process: of the owner on another machine only the time of the file is known.
#[test]
fn what_a_living_process_holds_stays() {
    let work = work();
    fill(&work, "runs/gone/default-44136fa3/r0", &["config.yaml", "checkpoint.safetensors", ".ncut-old"]);
    fill(&work, "runs/gone/default-44136fa3/r1", &RUN);
    let owner = r#"{"host": "far", "machine": "another", "pid": 7, "started": 1}"#;
    work.write("runs/gone/default-44136fa3/r0/attempt-1.json", owner);
    age(&work.path("runs/gone/default-44136fa3/r0/.ncut-old"), 3601);
    let found = listed(&work, &["--delete"]);
    assert_eq!(found, [item("300 B", "replicate not in the file: 1 result", "runs/gone/default-44136fa3/r1")]);
    let files = [".ncut-old", "attempt-1.json", "checkpoint.safetensors", "config.yaml"];
    assert_eq!(names(&work.path("runs/gone/default-44136fa3/r0")), files);
    // it is gone
    age(&work.path("runs/gone/default-44136fa3/r0/attempt-1.json"), 3600);
    let found = listed(&work, &["--delete"]);
    assert_eq!((found.len(), found[0].1.as_str()), (1, "experiment not in the file: 1 unfinished run"));
    assert_eq!(work.names("runs"), [""; 0]);
}

#[test]
fn it_takes_a_file_and_a_place() {
    let work = work();
    fill(&work, "elsewhere/gone/default-44136fa3/r0", &RUN);
    assert_eq!(listed(&work, &["--out", "elsewhere"])[0].2, "elsewhere/gone");
    work.expect_input_error(&["gc", "grid.yaml", "--out", "nowhere"], &["nowhere: ", "; check the path"]);
    work.expect_input_error(&["gc", "grid.yaml", "--only", "kept"], &["--only"]);
}
