//! Grids as job arrays: on a real Slurm that is started for the test, and with scripts run by the shell.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{BINARY, Work, names, number, without};

/// Runs of a few seconds, so that there is something to interrupt.
const GRID: &str =
    "fixed: {dataset: mnist-sample, hidden: [24], epochs: 60, pruning_epochs: 60, n_train: 2000, clusters: 4}
experiments:
  whole:
    grid: {dropout: [0, 0.5]}
    seeds: 6
    fixed: {shuffles: 10}
    slurm: {time: 10, cpus: 1, mem: 500M}
    report: {title: The whole, rows: dropout, values: pruned.ncut}
  sharded:
    seeds: 2
    fixed: {shuffles: 12}
    slurm: {time: 10, cpus: 1, mem: 500M, shards: 3}
";
const RUNS: usize = 14;

/// A Slurm of our own, in a folder of its own; ended with the test.
struct Cluster(PathBuf);

impl Cluster {
    /// `None`, said on standard error, where there is none to be had.
    fn start(settings: &[&str]) -> Option<Self> {
        let asked = |name: &str| std::env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        if !asked("CI") && !asked("NCUT_TEST_SLURM") {
            eprintln!("skipped: no Slurm is started outside CI (scripts/test --slurm does)");
            return None;
        }
        let installed = cluster(&["install"]);
        if installed.status.code() == Some(3) {
            eprintln!("skipped: {}", String::from_utf8_lossy(&installed.stderr).trim());
            return None;
        }
        assert!(installed.status.success(), "{installed:?}");
        // sockets have short names
        let folder = tempfile::Builder::new().prefix("ncut-slurm-").tempdir_in("/tmp").unwrap().keep();
        let started = cluster(&[&["start", folder.to_str().unwrap()], settings].concat());
        assert!(started.status.success(), "{started:?}");
        Some(Self(folder))
    }

    /// One of Slurm's commands, or of ours, in this cluster.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.0.join("slurm.conf")).stdin(Stdio::null());
        command
    }

    fn slurm(&self, words: &str) -> String {
        let mut words = words.split(' ');
        let output = self.command(words.next().unwrap()).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn crash_slurmd(&self) {
        assert!(cluster(&["kill-slurmd", self.0.to_str().unwrap()]).status.success());
    }

    fn start_slurmd(&self) {
        assert!(cluster(&["start-slurmd", self.0.to_str().unwrap()]).status.success());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        cluster(&["stop", self.0.to_str().unwrap()]);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn cluster(arguments: &[&str]) -> std::process::Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/cluster");
    Command::new(script).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// What `ncut` prints in this cluster.
fn ncut(work: &Work, cluster: &Cluster, arguments: &[&str]) -> String {
    let mut command = work.command(BINARY, arguments);
    command.env("SLURM_CONF", cluster.0.join("slurm.conf"));
    work.run(command).ok().stdout
}

/// One object a run.
fn status(work: &Work, cluster: &Cluster) -> Vec<Value> {
    let text = ncut(work, cluster, &["status", "grid.yaml", "--json", "-"]);
    serde_json::from_str::<Value>(&text).unwrap().as_array().unwrap().clone()
}

fn count(status: &[Value], word: &str) -> usize {
    status.iter().filter(|run| run["status"] == word).count()
}

#[track_caller]
fn wait_until(what: &str, cluster: &Cluster, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        let waits = || cluster.slurm("squeue -r") + &cluster.slurm("scontrol show jobs");
        assert!(start.elapsed() < Duration::from_secs(240), "waited in vain until {what}\n{}", waits());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Elements, as `12_3`, that are in this state and of an array called so, those that began last first.
fn elements(cluster: &Cluster, state: &str, name: &str) -> Vec<String> {
    let listed = cluster.slurm(&format!("squeue -h -r -t {state} --name={name} --sort=-S -o %F_%K"));
    listed.lines().map(str::to_string).collect()
}

/// Every run's directory below `out`, as `experiment/condition/r0`.
fn directories(out: &Path) -> Vec<String> {
    let folders = |path: &Path| -> Vec<String> {
        names(path).into_iter().filter(|name| path.join(name).is_dir() && !name.starts_with('.')).collect()
    };
    let mut found = Vec::new();
    for experiment in folders(out) {
        for condition in folders(&out.join(&experiment)) {
            for run in folders(&out.join(&experiment).join(&condition)) {
                found.push(format!("{experiment}/{condition}/{run}"));
            }
        }
    }
    found
}

/// The same runs, each done once, with the same numbers, and nothing left over.
fn assert_same_results(local: &Path, slurm: &Path) {
    assert_eq!(directories(local), directories(slurm));
    assert_eq!(directories(local).len(), RUNS);
    for run in directories(local) {
        assert_eq!(names(&local.join(&run)), names(&slurm.join(&run)), "{run}");
        let read = |out: &Path, file: &str| std::fs::read(out.join(&run).join(file)).unwrap();
        for file in ["metrics.jsonl", "unpruned.safetensors", "pruned.safetensors", "config.yaml"] {
            assert!(read(local, file) == read(slurm, file), "{run}/{file} differs");
        }
        let result = |out| without(&serde_json::from_slice(&read(out, "result.json")).unwrap(), &["timing_s"]);
        assert_eq!(result(local), result(slurm), "{run}");
        let log = String::from_utf8(read(slurm, "log.txt")).unwrap();
        // none if its process was killed just then
        assert!(log.matches(" done in ").count() <= 1, "{run}: {log}");
    }
}

#[test]
fn a_grid_on_a_real_slurm_survives_what_clusters_do() {
    let Some(cluster) = Cluster::start(&["MaxArraySize=5"]) else { return };
    let work = Work::new();
    work.write("grid.yaml", GRID);
    work.ncut(&["run", "grid.yaml", "--out", "local"]).ok();

    // what the plan says is what is submitted
    let plan = ncut(&work, &cluster, &["plan", "grid.yaml"]);
    assert!(!work.path("runs").exists(), "plan wrote something");
    let submitted = ncut(&work, &cluster, &["submit", "grid.yaml"]);
    let submission = work
        .path("runs/.slurm")
        .join(names(&work.path("runs/.slurm")).into_iter().find(|name| name != "bin").expect("a submission"));
    let record: Value = serde_json::from_slice(&std::fs::read(submission.join("submission.json")).unwrap()).unwrap();
    let arrays = record["arrays"].as_array().unwrap();
    // 12 runs in arrays of at most 5; training, 3 shards and the finish of 2; the report
    assert_eq!(arrays.len(), 3 + 5 + 1, "{submitted}");
    for (i, array) in arrays.iter().enumerate() {
        let script = std::fs::read_to_string(submission.join(format!("array-{i}.sh"))).unwrap();
        assert!(plan.contains(&script), "the plan does not say:\n{script}");
        assert!(array["job"].is_string() && number(&array["runs"]) <= RUNS as f64);
    }
    // everything is in the queue, and submitting again adds nothing
    assert!(ncut(&work, &cluster, &["submit", "grid.yaml"]).starts_with("nothing to submit"));

    // lose the node's daemon for a while: the jobs go on. (While it ends a job, its loss would drain the node.)
    let running = || elements(&cluster, "RUNNING", "ncut-whole");
    wait_until("four run", &cluster, || running().len() == 4);
    cluster.crash_slurmd();
    std::thread::sleep(Duration::from_secs(1));
    cluster.start_slurmd();
    // cancel one that runs and one that waits, requeue one, tell another that its time is nearly up: the newest ones,
    // which have most left to do
    wait_until("four run", &cluster, || running().len() == 4);
    let (running, pending) = (running(), elements(&cluster, "PENDING", "ncut-whole"));
    let [cancelled, requeued, warned, _] = running.as_slice() else { panic!("{running:?}") };
    cluster.slurm(&format!("scancel {cancelled} {}", pending.last().expect("some wait")));
    assert_eq!(cluster.slurm(&format!("scontrol requeue {requeued}")), "");
    cluster.slurm(&format!("scancel --batch --signal=USR1 {warned}"));

    // all but those that were cancelled end well, whatever was done to them; accounting is off all the time
    wait_until("the queue is empty", &cluster, || cluster.slurm("squeue -h").trim().is_empty());
    let outputs = || -> String {
        let folder = submission.join("logs");
        let text = |name: &String| format!("{name}\n{}", std::fs::read_to_string(folder.join(name)).unwrap());
        names(&folder).iter().map(text).collect()
    };
    let after = status(&work, &cluster);
    let failed: Vec<&Value> = after.iter().filter(|run| run["status"] == "failed").collect();
    // one that ran may have come to its end before
    assert!((1..=2).contains(&failed.len()), "{failed:?}\n{}", outputs());
    assert_eq!(count(&after, "done"), RUNS - failed.len(), "{after:?}\n{}", outputs());
    assert!(failed.iter().all(|run| run["reason"] == "cancelled"), "{failed:?}\n{}", outputs());
    let table = ncut(&work, &cluster, &["status", "grid.yaml"]);
    assert!(table.contains("cancelled"), "{table}");

    // what is missing, and only that
    let again = ncut(&work, &cluster, &["submit", "grid.yaml"]);
    assert!(again.contains(&format!("{} runs submitted", failed.len())), "{again}");
    wait_until("the queue is empty", &cluster, || cluster.slurm("squeue -h").trim().is_empty());
    let end = status(&work, &cluster);
    assert_eq!(count(&end, "done"), RUNS, "{end:?}");
    assert_same_results(&work.path("local"), &work.path("runs"));

    let outputs = outputs();
    assert!(outputs.contains("restart 1"), "nothing was requeued:\n{outputs}");
    assert!(outputs.contains("back into the queue (1 of 3 times)"), "no warning of time was heeded:\n{outputs}");
    assert!(work.path("runs/whole/report.html").exists() && work.path("runs/sharded/report.html").exists());
}

/// The same scripts, run by the shell: packs of several runs, shards, and a report at the end.
#[test]
fn scripts_run_without_slurm_do_the_same() {
    let work = Work::new();
    let quick = GRID.replace("60", "3").replace("2000", "300").replace("mem: 500M}", "mem: 500M, pack: 5}");
    work.write("grid.yaml", quick);
    work.ncut(&["run", "grid.yaml", "--out", "local"]).ok();
    let output = work.ncut(&["submit", "grid.yaml", "--fake-slurm"]).ok();
    assert!(output.stdout.contains("14 runs submitted"), "{output}");
    assert!(output.stdout.contains("ncut-whole (3 elements of 12 runs)"), "{output}");
    assert!(output.stderr.contains("ncut worker: array 0, element 2"), "{output}");
    assert_same_results(&work.path("local"), &work.path("runs"));
    // the report is that of one machine, but for times
    let report = |out: &str| std::fs::read_to_string(work.path(out).join("whole/report.md")).unwrap();
    assert!(report("runs").contains("The whole") && report("runs") == report("local"), "{}", report("runs"));
    // and one of everything, where only some was missing
    let missing = work.path("runs").join(&directories(&work.path("runs"))[0]).join("result.json");
    std::fs::remove_file(missing).unwrap();
    work.ncut(&["submit", "grid.yaml", "--fake-slurm"]).ok();
    assert_eq!(report("runs"), report("local"));
    let output = work.ncut(&["submit", "grid.yaml", "--fake-slurm"]).ok();
    assert!(output.stdout.starts_with("nothing to submit: of 14 runs 14 are done"), "{output}");
}

/// The whole text, with every option that there is.
#[test]
fn the_text_for_sbatch_is_planned_whole() {
    let work = Work::new();
    work.write(
        "grid.yaml",
        "experiments:
  e:
    fixed: {dataset: mnist-sample}
    seeds: 7
    slurm: {time: '1-00:00:00', cpus: 4, mem: 1.5G, gpus: 2, qos: low, constraint: 'a100|h100', exclude: 'n[1-3]',
            max_running: 3, pack: 2, signal: 300, timeouts: 7, options: --mail-type=FAIL}
",
    );
    work.write(
        "site.yaml",
        "partition: long\naccount: physics\ngpu_option: gpus-per-node\nmax_array_size: 3\nsetup: [module load cuda]\n",
    );
    let json = work.ncut(&["plan", "grid.yaml", "--profile", "site.yaml", "--data-dir", "/d", "--json", "-"]).json();
    let arrays = json["arrays"].as_array().unwrap();
    let shape: Vec<(i64, i64)> =
        arrays.iter().map(|a| (a["elements"].as_i64().unwrap(), a["runs"].as_i64().unwrap())).collect();
    assert_eq!(shape, [(3, 6), (1, 1), (1, 7)]);
    let folder = work.path("").canonicalize().unwrap();
    let text = arrays[0]["sbatch"].as_str().unwrap().replace(folder.to_str().unwrap(), "HERE");
    let mut text = text.replace(work.path("").to_str().unwrap().trim_end_matches('/'), "HERE");
    // hashes of the program and of the runs
    for (before, length) in [("/bin/ncut-", 8), ("HERE/runs/.slurm/", 8)] {
        let mut from = 0;
        while let Some(found) = text[from..].find(before) {
            let at = from + found + before.len();
            if !text[at..].starts_with("bin") {
                text.replace_range(at..at + length, "#");
            }
            from = at;
        }
    }
    let expected = "#!/bin/bash
#SBATCH --job-name=ncut-e
#SBATCH --array=0-2%3
#SBATCH --partition=long
#SBATCH --account=physics
#SBATCH --qos=low
#SBATCH --constraint=a100|h100
#SBATCH --exclude=n[1-3]
#SBATCH --time=1-00:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=1536M
#SBATCH --gpus-per-node=2
#SBATCH --output=HERE/runs/.slurm/#/logs/%A_%a.out
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --mail-type=FAIL
module load cuda
exec 'HERE/runs/.slurm/bin/ncut-#' worker 'HERE/runs/.slurm/#' --array 0 --stage all --first 0 --runs 6 --pack 2 \
--timeouts 7 --threads 4 --device cuda --data-dir '/d'
";
    assert_eq!(text, expected);
    assert!(!work.path("runs").exists(), "plan wrote something");
}

#[test]
fn without_slurm_submit_says_so() {
    let work = Work::new();
    work.write("grid.yaml", "experiments: {e: {fixed: {dataset: mnist-sample}}}");
    let mut command = work.command(BINARY, &["submit", "grid.yaml"]);
    command.env("PATH", work.path("nothing"));
    work.run(command).expect_input_error(&["sbatch: is not on PATH", "ncut run"]);
}

/// A class that Slurm refuses keeps no other out of the queue, and a submission that is refused whole changes nothing.
#[test]
fn what_slurm_refuses_stops_nothing_else() {
    let work = Work::new();
    std::fs::create_dir(work.path("bin")).unwrap();
    // as sbatch 22.05 says it
    let sbatch = "#!/bin/bash
[ \"$1\" = --version ] && exit
if grep -q mem=999G \"${@: -1}\"; then echo 'sbatch: error: Memory specification can not be satisfied' >&2; exit 1; fi
echo x >>\"$0.calls\"; wc -l <\"$0.calls\"
";
    for (name, text) in [("sbatch", sbatch), ("squeue", "#!/bin/bash\n")] {
        work.write(&format!("bin/{name}"), text);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(work.path(&format!("bin/{name}")), mode).unwrap();
    }
    let submit = |arguments: &[&str]| {
        let mut command = work.command(BINARY, &[&["submit", "grid.yaml"], arguments].concat());
        command.env("PATH", format!("{}:/usr/bin:/bin", work.path("bin").display()));
        work.run(command)
    };
    let grid = |mem: &str| {
        format!(
            "fixed: {{dataset: mnist-sample, hidden: [8], epochs: 1, pruning_epochs: 1, n_train: 128, shuffles: 2, clusters: 3}}
experiments:
  big: {{slurm: {{mem: 999G, shards: 2}}}}
  small: {{slurm: {{mem: {mem}}}}}
"
        )
    };
    work.write("grid.yaml", grid("1G"));
    let output = submit(&[]).expect_input_error(&["refused: Memory", "(2 of 6 arrays are in the queue)", "sinfo"]);
    assert!(output.stdout.contains("1: ncut-small") && output.stdout.contains("1 runs submitted"), "{output}");

    work.ncut(&["run", "grid.yaml"]).ok();
    let before = names(&work.path("runs/.slurm"));
    work.write("grid.yaml", grid("999G"));
    submit(&["--rerun", "all"]).expect_input_error(&["(0 of "]);
    let status = work.ncut(&["status", "grid.yaml", "--json", "-"]).json();
    assert!(status.as_array().unwrap().iter().all(|run| run["status"] == "done"), "{status}");
    assert_eq!(names(&work.path("runs/.slurm")), before);
    submit(&["--out", "a%j"]).expect_input_error(&["--out ", "'%'", "another directory"]);
}
