//! Runs that fail, are done again, or are only asked about: `plan`, `status`, `logs`, `--rerun`, `--max-failures`.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Work, names, number};

const GRID: &str = "experiments:
  tiny:
    fixed: {dataset: mnist-sample, hidden: [8], epochs: 1, pruning_epochs: 1, n_train: 128, shuffles: 2, clusters: 3}
    grid: {dropout: [0, 0.5]}
    seeds: 2
";

/// The directory of a run, before or after it was made.
fn directory(work: &Work, dropout: &str, replicate: u64) -> PathBuf {
    let json = work.ncut(&["status", "grid.yaml", "--where", &format!("dropout == {dropout}"), "--json", "-"]).json();
    let condition = json[0]["condition"].as_str().unwrap();
    work.path(&format!("runs/tiny/{condition}/r{replicate}"))
}

/// A run that cannot write its network.
fn spoil(work: &Work, dropout: &str, replicate: u64) -> PathBuf {
    let run = directory(work, dropout, replicate);
    std::fs::create_dir_all(run.join("unpruned.safetensors")).unwrap();
    run
}

fn statuses(work: &Work) -> Vec<String> {
    let json = work.ncut(&["status", "grid.yaml", "--json", "-"]).json();
    json.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap().to_string()).collect()
}

#[test]
fn a_run_that_fails_stops_no_other_and_says_why_until_it_is_done_anew() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    let run = spoil(&work, "0.5", 1);
    let output = work.ncut(&["run", "grid.yaml"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(
        output.stderr.contains("tiny dropout=0.5 r1: failed: ") && output.stderr.contains("1 of 4 runs failed"),
        "{output}"
    );
    assert_eq!(statuses(&work), ["done", "done", "done", "failed"]);
    let failure: Value = serde_json::from_slice(&std::fs::read(run.join("error.json")).unwrap()).unwrap();
    assert_eq!(failure["input"], true);
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("unpruned.safetensors"), "{message}");
    let status = work.ncut(&["status", "grid.yaml"]).ok();
    assert!(status.stdout.contains(&format!("tiny dropout=0.5 r1: failed: {message}")), "{status}");
    let logs = work.ncut(&["logs", "grid.yaml", "--failed", "--tail", "1"]).ok();
    assert_eq!(logs.stdout.lines().count(), 2, "{logs}");
    assert!(logs.stdout.contains("failed: "), "{logs}");
    let plan = work.ncut(&["plan", "grid.yaml", "--json", "-"]).json();
    let counts = ["runs", "done", "failed", "missing"].map(|key| plan[key].as_u64().unwrap());
    assert_eq!((counts, &plan["measured_runs"]), ([4, 3, 1, 0], &json!(3)));
    assert!(number(&plan["core_hours"]) > 0.0);

    // from its beginning, and what it had is not lost
    let again = work.ncut(&["run", "--rerun", "failed", "grid.yaml"]).ok();
    assert!(again.stderr.contains("1 of 4 runs begin anew"), "{again}");
    assert_eq!(statuses(&work), ["done"; 4]);
    let condition = run.parent().unwrap();
    assert_eq!(names(condition), ["r0", "r1", "r1.replaced-1"]);
    assert!(condition.join("r1.replaced-1/error.json").exists() && !run.join("error.json").exists());
    assert!(work.ncut(&["gc", "grid.yaml"]).ok().stdout.contains("r1.replaced-1"));
}

#[test]
fn done_runs_are_done_anew_where_that_is_asked_for() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    work.ncut(&["run", "grid.yaml"]).ok();
    let result = |run: PathBuf| std::fs::read(run.join("result.json")).unwrap();
    let before = result(directory(&work, "0", 0));
    // a plan of it writes nothing
    let plan = work.ncut(&["plan", "grid.yaml", "--rerun", "where", "dropout == 0.5", "--json", "-"]).json();
    assert_eq!((&plan["done"], &plan["missing"]), (&json!(2), &json!(2)));
    assert_eq!(statuses(&work), ["done"; 4]);
    work.ncut(&["run", "grid.yaml", "--rerun", "where", "dropout == 0.5"]).ok();
    let half = directory(&work, "0.5", 0);
    assert_eq!(names(half.parent().unwrap()), ["r0", "r0.replaced-1", "r1", "r1.replaced-1"]);
    assert!(result(directory(&work, "0", 0)) == before, "a run that was not chosen was done again");
    work.ncut(&["run", "grid.yaml", "--rerun", "all", "--only", "tiny"]).ok();
    assert_eq!(names(half.parent().unwrap()).len(), 6);
    for (words, wanted) in
        [(&["sometimes"][..], "write failed, all, or where"), (&["where", "dropuot == 0"], "did you mean 'dropout'?")]
    {
        work.expect_input_error(&[&["run", "grid.yaml", "--rerun"], words].concat(), &["--rerun", wanted]);
    }
}

#[test]
fn many_failures_stop_everything_where_that_is_asked_for() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    for (dropout, replicate) in [("0", 0), ("0", 1)] {
        spoil(&work, dropout, replicate);
    }
    let output = work.ncut(&["run", "grid.yaml", "--jobs", "1", "--max-failures", "2"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stderr.contains("stopped after 2 failures"), "{output}");
    assert_eq!(statuses(&work), ["failed", "failed", "missing", "missing"]);
}

#[test]
fn a_plan_shows_where_settings_come_from() {
    let work = Work::new();
    work.write("base.yaml", "fixed: {epochs: 3, l1: 5e-5}\n");
    work.write(
        "grid.yaml",
        "experiments:\n  e:\n    base: base.yaml\n    fixed: {epochs: 5}\n    grid: {dropout: [0, 0.5]}\n",
    );
    let show = |name: &str| work.ncut(&["plan", "grid.yaml", "--show", name, "--set", "clusters=7"]).ok().stdout;
    let text = show("e");
    assert_eq!(text.matches("# runs/e/").count(), 2, "{text}");
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // one condition, by its directory
    let heading = text.lines().rfind(|line| line.starts_with("# runs/")).unwrap();
    let half = show(heading.trim_start_matches("# ").split(", replicates").next().unwrap());
    assert_eq!(half.matches("# runs/e/").count(), 1, "{half}");
    for (name, wanted) in [
        ("epochs", "epochs: 5 # grid.yaml:4:21 (fixed)"),
        ("l1", "l1: 0.00005 # base.yaml:1:24 (fixed)"),
        ("dropout", "dropout: 0.5 # grid.yaml:5:25 (grid)"),
        ("clusters", "clusters: 7 # --set"),
        ("l2", "l2: 0.0 # default"),
    ] {
        assert_eq!(line(&half, name), wanted);
    }
    work.expect_input_error(&["plan", "grid.yaml", "--show", "f"], &["--show", "nothing is called 'f'"]);
    assert!(!work.path("runs").exists());
}

#[test]
fn the_grid_file_of_the_readme_is_one() {
    let readme = include_str!("../../README.md");
    let yaml = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let work = Work::new();
    work.write("grid.yaml", yaml);
    let plan = work.ncut(&["plan", "grid.yaml", "--json", "-"]).json();
    // 2 × 3 × 2 combinations, without dropout 0.5 at l1 1e-4 (2), at 4 clusters (2), and 1e-4 at 4 clusters (1); one more
    assert_eq!(plan["runs"], 1 + 5 * (12 - 2 - 2 - 1 + 1) + 2);
    let report = work.ncut(&["report", "grid.yaml"]).ok();
    assert!(report.stdout.contains("\nMine\nl1 "), "{report}");
    work.ncut(&["report", "grid.yaml", "--html", "report.html"]).ok();
    assert!(String::from_utf8(work.read("report.html")).unwrap().contains("<h2>Mine</h2>"));
}
