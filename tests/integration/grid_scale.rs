//! Many runs: ten thousand in a plan, and two hundred that eight processes do while they are killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::Value;

use crate::harness::{BINARY, Work, names, without};

const LARGE: &str = "experiments:
  large:
    grid: {dropout: {linspace: [0, 0.99, 100]}, l1: {logspace: [1e-6, 1e-4, 10]}}
    seeds: 10
";
const RUNS: usize = 10_000;

/// The best of three, so that other work on the machine does not count: a wall time, because that is what a user waits.
fn within(limit: Duration, mut timed: impl FnMut()) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        timed();
        best = best.min(start.elapsed());
        if best < limit {
            return;
        }
    }
    panic!("took {best:?}, not {limit:?}");
}

/// The numbers of the only experiment's line, by the words of the header.
fn counts(table: &str) -> BTreeMap<&str, usize> {
    let mut lines = table.lines().map(|line| line.split_whitespace().skip(1));
    let (header, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    header.zip(numbers).filter_map(|(word, number)| Some((word, number.parse().ok()?))).collect()
}

#[test]
fn ten_thousand_runs_are_planned_within_two_seconds() {
    let work = Work::new();
    work.write("grid.yaml", LARGE);
    within(Duration::from_secs(2), || {
        let plan = work.ncut(&["plan", "grid.yaml"]).ok();
        let counts = counts(&plan.stdout);
        assert_eq!((counts["runs"], counts["missing"], counts["done"]), (RUNS, RUNS, 0), "{plan}");
    });
    assert_eq!(work.names("."), ["grid.yaml"]);
}

#[test]
fn the_status_of_ten_thousand_runs_is_known_within_three_seconds() {
    let work = Work::new();
    work.write("grid.yaml", LARGE);
    let runs = work.measured(&["status", "grid.yaml"]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), RUNS);

    // of a process that was: its number is that of none, or of one that began at another time
    let gone =
        |pid: u32| format!("{{\"host\": \"h\", \"machine\": \"{}\", \"pid\": {pid}, \"started\": 1}}", machine());
    let mut dead = work.command("true", &[""; 0]).spawn().unwrap();
    dead.wait().unwrap();
    let failure = "{\"message\": \"no room\", \"input\": true, \"version\": \"0\"}";
    let mut wanted = BTreeMap::from([("runs", RUNS), ("running", 0), ("queued", 0)]);
    for (i, run) in runs.iter().enumerate() {
        let path = format!("runs/large/{}/r{}", run["condition"].as_str().unwrap(), run["replicate"]);
        let write = |name: &str, bytes: &str| work.write(&format!("{path}/{name}"), bytes);
        let kind = i % 8;
        if kind != 0 {
            std::fs::create_dir_all(work.path(&path)).unwrap();
            write("config.yaml", "{}");
            write("log.txt", "0 starting\n");
        }
        let word = match kind {
            0 => "missing",
            1 => {
                write("attempt-2.json", &gone(dead.id()));
                "missing"
            }
            2 => {
                write("checkpoint.safetensors", "x");
                write("attempt-1.json", &gone(dead.id()));
                // this very process lives, but did not begin then
                write("attempt-12.json", &gone(std::process::id()));
                "partial"
            }
            3 => {
                write("metrics.jsonl", "{}\n");
                "partial"
            }
            4 => {
                write("metrics.jsonl", "{}\n");
                write("error.json", failure);
                "failed"
            }
            5 => {
                write("error.json", failure);
                write("attempt-3.json", &gone(dead.id()));
                "failed"
            }
            _ => {
                write("result.json", "{}");
                write("attempt-1.json", &gone(dead.id()));
                "done"
            }
        };
        *wanted.entry(word).or_default() += 1;
    }
    let before = entries(&work.path("runs"));
    within(Duration::from_secs(3), || {
        let status = work.ncut(&["status", "grid.yaml"]).ok();
        assert_eq!(counts(&status.stdout), wanted, "{status}");
        // the first of those that failed, and how many more
        assert!(status.stdout.contains("r4: failed: no room"), "{status}");
        assert!(status.stdout.contains("… and 2480 more that failed (--all shows them)"), "{status}");
    });
    let json = work.measured(&["status", "grid.yaml"]);
    let failed = json.as_array().unwrap().iter().filter(|run| run["status"] == "failed" && run["reason"] == "no room");
    assert_eq!(failed.count(), wanted["failed"]);
    assert_eq!(entries(&work.path("runs")), before, "status wrote something");
}

/// As an attempt's file names this machine.
fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    format!("{} {}", boot.trim(), namespace.display())
}

/// Names below a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(entries(&path));
        }
        found.push(path);
    }
    found
}

const QUICK: &str = "fixed: {dataset: mnist-sample, hidden: [8], epochs: 1, n_train: 64, batch_size: 32, clusters: 2}
experiments:
  quick:
    - {fixed: {shuffles: 10, restarts: 1, pruning_epochs: 0}, grid: {dropout: {linspace: [0, 0.9, 16]}}, seeds: 10}
    - {fixed: {shuffles: 10, restarts: 1, pruning_epochs: 1}, grid: {dropout: {linspace: [0, 0.9, 4]}}, seeds: 10}
";
const QUICK_RUNS: usize = 200;
const PROCESSES: usize = 8;
/// How often each process is killed.
const KILLS: usize = 3;

/// Run directories, as `condition/r0`.
fn directories(out: &Path) -> Vec<String> {
    let Ok(conditions) = std::fs::read_dir(out.join("quick")) else { return Vec::new() };
    let mut found = Vec::new();
    for condition in conditions.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let folder = out.join("quick").join(&condition);
        if folder.is_dir() {
            found.extend(names(&folder).into_iter().map(|run| format!("{condition}/{run}")));
        }
    }
    found.sort();
    found
}

/// The results that are there, each whole, with the file that holds it: one that was written again is another file.
fn results(out: &Path) -> BTreeMap<String, (u64, String, Value)> {
    use std::os::unix::fs::MetadataExt;
    let result = |run: String| {
        let path = out.join("quick").join(&run).join("result.json");
        let metadata = path.metadata().ok()?;
        let text = std::fs::read(&path).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{run} is torn: {error}"));
        let time = format!("{}.{}", metadata.mtime(), metadata.mtime_nsec());
        Some((run, (metadata.ino(), time, without(&value, &["timing_s"]))))
    };
    directories(out).into_iter().filter_map(result).collect()
}

#[test]
fn processes_that_are_killed_do_each_run_once() {
    let work = Work::new();
    work.write("grid.yaml", QUICK);
    let start = |out: &str| -> Child {
        let args = ["run", "grid.yaml", "--out", out, "--threads", "1"];
        let said = std::fs::File::options().create(true).append(true).open(work.path("said")).unwrap();
        work.command(BINARY, &args).stdout(Stdio::null()).stderr(said).spawn().unwrap()
    };
    let out = work.path("shared");
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut kills = 0;
    let mut children: Vec<(Child, usize)> = (0..PROCESSES).map(|_| (start("shared"), KILLS)).collect();
    let mut seen = results(&out);
    // as long as there is something left to do, whoever it is and whatever it does then
    while children.iter().any(|(_, left)| *left > 0) && seen.len() < QUICK_RUNS * 3 / 4 {
        std::thread::sleep(Duration::from_millis(u64::from(rng.next_u32() % 150)));
        let number = rng.next_u32() as usize % PROCESSES;
        let (child, left) = &mut children[number];
        if *left > 0 {
            *left -= 1;
            kills += 1;
            child.kill().unwrap();
            child.wait().unwrap();
            *child = start("shared");
        }
        let now = results(&out);
        for (run, earlier) in &seen {
            assert_eq!(Some(earlier), now.get(run), "{run} was done again");
        }
        seen = now;
    }
    let found_first = seen.len();
    for (child, _) in &mut children {
        let code = child.wait().unwrap().code();
        let said = || {
            String::from_utf8_lossy(&work.read("said"))
                .lines()
                .filter(|l| l.contains("fail"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(code, Some(0), "{}", said());
    }
    assert!(
        kills >= PROCESSES && found_first < QUICK_RUNS,
        "{kills} kills, {found_first} results: too quick for this test"
    );
    let shared = results(&out);
    assert_eq!(shared.len(), QUICK_RUNS);
    for (run, earlier) in &seen {
        assert_eq!(earlier, &shared[run], "{run} was done again");
    }

    // Begun or done more than once was a run only if its process was killed, at most one run at each kill: between the
    // line of the log and the result there is a moment, too.
    let (mut begun, mut done, mut unsaid) = (0, 0, 0);
    for run in shared.keys() {
        let folder = out.join("quick").join(run);
        let log = std::fs::read_to_string(folder.join("log.txt")).unwrap();
        let count = |words: &[&str]| log.lines().filter(|line| words.iter().any(|word| line.contains(word))).count();
        let times = (count(&[" starting", " going on after"]), count(&[" done in "]));
        if times.1 == 0 {
            // killed after the result and before the line and the tidying
            unsaid += 1;
            continue;
        }
        assert!(times.0 >= 1 && log.trim_end().lines().last().unwrap().contains(" done in "), "{log}");
        assert!(times.1 <= times.0, "done more often than begun: {log}");
        begun += times.0 - 1;
        done += times.1 - 1;
        let left: Vec<String> = names(&folder)
            .into_iter()
            .filter(|name| name.starts_with(['.', 'a']) || name.ends_with(".shuffles") || name.starts_with("check"))
            .collect();
        assert!(left.is_empty(), "{run} has left {left:?}");
    }
    let counts = format!("{begun} begun and {done} done once more, {unsaid} unsaid, at {kills} kills");
    assert!(begun + unsaid <= kills && done <= begun, "{counts}");
    let stray: Vec<PathBuf> =
        entries(&out).into_iter().filter(|path| path.display().to_string().contains(".ncut-")).collect();
    assert!(stray.is_empty(), "{stray:?}");

    // where nothing is written to a disk, if there is such a place: most of the time goes there
    let memory = Path::new("/dev/shm");
    let alone = tempfile::tempdir_in(if memory.is_dir() { memory } else { &out }).unwrap();
    assert_eq!(start(alone.path().to_str().unwrap()).wait().unwrap().code(), Some(0));
    let folder = alone.path().join("quick");
    let alone = results(alone.path());
    assert_eq!(alone.keys().collect::<Vec<_>>(), shared.keys().collect::<Vec<_>>());
    for (run, (.., result)) in &alone {
        assert_eq!(*result, shared[run].2, "{run}");
        for file in names(&folder.join(run)) {
            let read = |quick: &Path| std::fs::read(quick.join(run).join(&file)).unwrap();
            let same = matches!(file.as_str(), "result.json" | "log.txt") || read(&folder) == read(&out.join("quick"));
            assert!(same, "{run}/{file} differs");
        }
    }
}
