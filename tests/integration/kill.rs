//! Runs that are killed: no file under a final name is ever partial, and the result is that of a run left alone.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use serde_json::Value;

use crate::harness::{BINARY, Work, names, without};

const GRID: &str = "experiments:
  long:
    fixed: {dataset: mnist-sample, hidden: [24], epochs: 40, pruning_epochs: 40, n_train: 1000, shuffles: 40, clusters: 4,
            measure_at: [0, 1, 20, 40, 60, 80]}
    grid: {dropout: [0.5]}
";
const EPOCHS: usize = 80;

fn start(work: &Work) -> Child {
    let mut command = work.command(BINARY, &["run", "grid.yaml", "--out", "killed", "--threads", "1"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The only run's directory below `out`, once there is one.
fn directory(out: &Path) -> Option<PathBuf> {
    let condition =
        std::fs::read_dir(out.join("long")).ok()?.map(|entry| entry.unwrap().path()).find(|path| path.is_dir())?;
    Some(condition.join("r0"))
}

fn epochs_done(run: &Path) -> usize {
    std::fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// Every file under a final name is whole.
fn check(run: &Path) {
    for name in names(run) {
        let path = run.join(&name);
        if name.ends_with(".shuffles") {
            continue; // a folder of lines, of which the last may be torn
        }
        let bytes = std::fs::read(&path).unwrap();
        let text = || std::str::from_utf8(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        match name.as_str() {
            "config.yaml" => {
                let config: Value = serde_yaml::from_str(text()).unwrap();
                assert_eq!(config["epochs"], 40);
                // the last setting is there
                assert!(config.as_object().unwrap().contains_key("solver"), "{config}");
            }
            "metrics.jsonl" => {
                assert!(text().ends_with('\n'));
                for (i, line) in text().lines().enumerate() {
                    assert_eq!(serde_json::from_str::<Value>(line).unwrap()["epoch"], i + 1);
                }
            }
            "result.json" => {
                let result: Value = serde_json::from_str(text()).unwrap();
                assert!(result["pruned"]["ncut"].is_f64() && result["timing_s"]["total"].is_f64());
            }
            "training.jsonl" => {
                assert!(text().ends_with('\n'));
                let epochs =
                    text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["point"]["epoch"].clone());
                assert!(epochs.zip([0, 1, 20, 60]).all(|(found, wanted)| found == wanted), "{}", text());
            }
            network if network.ends_with(".safetensors") && !network.starts_with('.') => {
                let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(tensors.tensor("layers.0.weight").unwrap().shape(), [24, 784]);
            }
            "log.txt" => {}
            attempt if attempt.starts_with("attempt-") => {
                assert!(serde_json::from_str::<Value>(text()).unwrap()["pid"].is_u64());
            }
            // what was being written aside
            other => assert!(other.starts_with('.'), "a file that nobody knows: {other}"),
        }
    }
    if run.join("result.json").exists() {
        assert!(run.join("pruned.safetensors").exists() && epochs_done(run) == EPOCHS);
    }
}

/// Waits for `reached`; false if the process ended before.
fn wait(child: &mut Child, reached: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !reached() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "a run stands still");
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

#[test]
fn killed_runs_go_on_to_the_same_result() {
    let work = Work::new();
    work.write("grid.yaml", GRID);
    work.ncut(&["run", "grid.yaml", "--out", "alone", "--threads", "1"]).ok();
    let alone = directory(&work.path("alone")).unwrap();
    check(&alone);

    let out = work.path("killed");
    let epochs = || directory(&out).map_or(0, |run| epochs_done(&run));
    let exists = |name: &str| directory(&out).is_some_and(|run| run.join(name).exists());
    // by the clock, whatever the run is doing then
    let after = |milliseconds| {
        let start = Instant::now();
        move || start.elapsed() > Duration::from_millis(milliseconds)
    };
    let mut in_training = 0;
    let mut kill = |reached: &dyn Fn() -> bool| {
        let mut child = start(&work);
        if wait(&mut child, reached) {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if let Some(run) = directory(&out).filter(|run| run.exists()) {
            check(&run);
            in_training += usize::from((1..EPOCHS).contains(&epochs_done(&run)));
        }
    };
    kill(&after(50));
    // at the first epoch, amid the unpruned ones, and where pruning begins
    kill(&|| epochs() >= 1);
    let so_far = epochs();
    kill(&|| epochs() > so_far + 5);
    kill(&|| exists("unpruned.safetensors"));
    kill(&after(300));
    // while it measures
    kill(&|| exists("pruned.safetensors"));
    kill(&|| exists("training.jsonl"));
    kill(&after(400));
    assert!(in_training >= 2, "the run is too quick for this test");

    work.ncut(&["run", "grid.yaml", "--out", "killed", "--threads", "1"]).ok();
    let killed = directory(&out).unwrap();
    check(&killed);
    let log = std::fs::read_to_string(killed.join("log.txt")).unwrap();
    assert!(log.contains("going on after epoch"), "{log}");
    for file in ["config.yaml", "metrics.jsonl", "unpruned.safetensors", "pruned.safetensors"] {
        assert!(
            std::fs::read(alone.join(file)).unwrap() == std::fs::read(killed.join(file)).unwrap(),
            "{file} differs"
        );
    }
    let result =
        |run: &Path| -> Value { serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap() };
    assert_eq!(without(&result(&alone), &["timing_s"]), without(&result(&killed), &["timing_s"]));
    assert_eq!(result(&killed)["training"].as_array().unwrap().len(), 6);
    // the state of training, and networks on its way, go with the end of it
    assert_eq!(names(&killed), names(&alone));
    assert!(!killed.join("checkpoint.safetensors").exists() && !killed.join("epoch-1.safetensors").exists());
}

/// Ctrl-C: 130, as the shell has it for a process that the signal ended.
#[test]
fn an_interrupted_run_says_so() {
    use std::os::unix::process::ExitStatusExt;
    let work = Work::new();
    work.write("grid.yaml", GRID);
    let mut child = start(&work);
    let out = work.path("killed");
    assert!(wait(&mut child, || directory(&out).is_some_and(|run| epochs_done(&run) > 0)));
    work.run(work.command("kill", &["-INT", &child.id().to_string()]));
    let status = child.wait().unwrap();
    assert!(status.code() == Some(130) || status.signal() == Some(2), "{status}");
    check(&directory(&out).unwrap());
}
