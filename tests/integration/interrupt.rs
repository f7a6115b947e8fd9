//! Runs that are asked to stop: they save their state at once, and what comes of them in the end is the same to the bit.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::Value;

use crate::harness::{BINARY, Work, names, random_network, without};

const INT: i32 = 2;
const USR1: i32 = 10;
const TERM: i32 = 15;
const KILL: i32 = 9;

fn start(work: &Work, out: &str) -> Child {
    let args = ["run", "grid.yaml", "--out", out, "--threads", "1"];
    work.command(BINARY, &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send(child: &Child, signal: i32) {
    let sent = std::process::Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Whether a process has a handler for `signal`.
fn catches(process: u32, signal: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

/// Not `.networks`.
fn is_visible_folder(path: &Path) -> bool {
    path.is_dir() && !path.file_name().unwrap().to_string_lossy().starts_with('.')
}

/// The only run below `out`, once its directory is there.
fn run(out: &Path) -> Option<PathBuf> {
    let experiment =
        std::fs::read_dir(out).ok()?.map(|entry| entry.unwrap().path()).find(|path| is_visible_folder(path))?;
    let condition =
        std::fs::read_dir(experiment).ok()?.map(|entry| entry.unwrap().path()).find(|path| is_visible_folder(path))?;
    Some(condition.join("r0")).filter(|run| run.exists())
}

fn log(out: &Path) -> String {
    run(out).and_then(|run| std::fs::read_to_string(run.join("log.txt")).ok()).unwrap_or_default()
}

/// Waits for `reached`; false if the process ended before.
fn wait(child: &mut Child, mut reached: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !reached() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "a run stands still");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

fn result(run: &Path) -> Value {
    without(&serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap(), &["timing_s"])
}

/// The same files, and in them the same bytes, but for times.
fn assert_same(alone: &Path, other: &Path) {
    assert_eq!(names(alone), names(other));
    for name in names(alone) {
        let read = |run: &Path| std::fs::read(run.join(&name)).unwrap();
        match name.as_str() {
            "log.txt" => {}
            "result.json" => assert_eq!(result(alone), result(other)),
            _ => assert!(read(alone) == read(other), "{name} differs"),
        }
    }
}

/// A number after `words` in a line.
fn number_after(line: &str, words: &str) -> Option<usize> {
    line.split_once(words)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A process that was asked to stop went on where it stopped; the steps, in the order of the log.
fn assert_goes_on(log: &str) -> Vec<usize> {
    let mut stopped = Vec::new();
    let lines: Vec<&str> = log.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let Some(step) = number_after(line, " after step ") else { continue };
        stopped.push(step);
        let next = lines.get(i + 1).unwrap_or_else(|| panic!("nothing after the stop: {log}"));
        assert_eq!(number_after(next, ", step "), Some(step), "{log}");
    }
    stopped
}

/// Interrupts the run of `grid` at 20 moments, wherever it is then, and compares it with one left alone.
fn interrupted_at_random(grid: &str, seed: u64, steps: usize) {
    let work = Work::new();
    work.write("grid.yaml", grid);
    let left_alone = Instant::now();
    assert!(start(&work, "alone").wait().unwrap().success());
    let whole = left_alone.elapsed();
    let alone = run(&work.path("alone")).unwrap();

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut share = |from: f64, to: f64| from + (to - from) * f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let (mut interrupted, mut finished, mut stopped) = (0, 0, Vec::new());
    let mut by_signal: BTreeMap<i32, usize> = BTreeMap::new();
    let mut out = work.path("out-0");
    for tries in 0.. {
        assert!(tries < 100, "the run is too quick for this test");
        // one that is through is compared, and another begun
        if run(&out).is_some_and(|run| run.join("result.json").exists()) {
            // killed before it had tidied up, it leaves that to the next
            assert!(start(&work, out.file_name().unwrap().to_str().unwrap()).wait().unwrap().success());
            assert_same(&alone, &run(&out).unwrap());
            stopped.extend(assert_goes_on(&log(&out)));
            finished += 1;
            out = work.path(&format!("out-{finished}"));
        }
        if interrupted == 20 {
            break;
        }
        let signal = [TERM, USR1, KILL][interrupted % 3];
        let before = log(&out).len();
        let mut child = start(&work, out.file_name().unwrap().to_str().unwrap());
        // it listens for signals before it begins
        let busy = wait(&mut child, || log(&out).len() > before);
        let moment = Instant::now() + whole.mul_f64(share(0.0, 0.15));
        if !busy || !wait(&mut child, || Instant::now() > moment) {
            assert!(child.wait().unwrap().success());
            continue;
        }
        send(&child, signal);
        let status = child.wait().unwrap();
        let done = run(&out).is_some_and(|run| run.join("result.json").exists());
        if done {
            continue; // too late
        }
        interrupted += 1;
        *by_signal.entry(signal).or_default() += 1;
        assert_end(status, signal);
        if signal != KILL {
            let log = log(&out);
            let last = log.lines().last().unwrap();
            assert!(last.contains(&format!("stopped by signal {signal} ")), "{log}");
        }
    }
    // the last one, to its end
    assert!(start(&work, out.file_name().unwrap().to_str().unwrap()).wait().unwrap().success());
    assert_same(&alone, &run(&out).unwrap());
    stopped.extend(assert_goes_on(&log(&out)));
    assert_eq!(by_signal, BTreeMap::from([(TERM, 7), (USR1, 7), (KILL, 6)]));
    assert!(stopped.len() >= 5 && stopped.iter().all(|step| (1..steps).contains(step)), "stopped after {stopped:?}");
    // within epochs, too: there are 8 steps in each
    assert!(stopped.iter().any(|step| step % 8 != 0), "stopped after {stopped:?}");
}

fn assert_end(status: ExitStatus, signal: i32) {
    match signal {
        KILL => assert_eq!(status.signal(), Some(KILL)),
        _ => assert_eq!((status.code(), status.signal()), (Some(130), None), "after signal {signal}"),
    }
}

#[test]
fn interruptions_do_not_change_a_run() {
    let grid = "experiments:
  long:
    fixed: {dataset: mnist-sample, hidden: [64], epochs: 60, pruning_epochs: 60, n_train: 1000, shuffles: 20,
            clusters: 4, dropout: 0.3, l1: 1e-5, l2: 1e-5}
";
    interrupted_at_random(grid, 3, 960);
}

/// The phases end within epochs: an epoch has 8 steps.
#[test]
fn interruptions_do_not_change_a_run_whose_phases_are_in_steps() {
    let grid = "experiments:
  long:
    fixed: {dataset: mnist-sample, hidden: [64], epochs: 450it, pruning_epochs: 275it, n_train: 1000, shuffles: 20,
            clusters: 4, dropout: 0.3, l1: 1e-5, pruning_every: 7, measure_at: [0, 3, 57, 60, 91]}
";
    interrupted_at_random(grid, 4, 725);
}

/// Shuffles computed so far, by the file that holds them.
fn shuffles(run: &Path) -> BTreeMap<PathBuf, Vec<u64>> {
    let mut found = BTreeMap::new();
    for state in ["unpruned", "pruned"] {
        let folder = run.join(format!("{state}.shuffles"));
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            // the first line is whose they are; what is torn is not there
            let whole = text.split_inclusive('\n').skip(1).filter(|line| line.ends_with('\n'));
            let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["shuffle"].as_u64().unwrap();
            found.insert(path, whole.map(number).collect());
        }
    }
    found
}

#[test]
fn shuffles_that_are_known_are_not_computed_again() {
    let work = Work::new();
    let wanted = 300;
    let grid = format!(
        "experiments:
  measured:
    fixed: {{dataset: mnist-sample, hidden: [32], epochs: 1, pruning_epochs: 1, n_train: 256, shuffles: {wanted}, clusters: 4}}
"
    );
    work.write("grid.yaml", grid);
    assert!(start(&work, "alone").wait().unwrap().success());
    let alone = run(&work.path("alone")).unwrap();
    let out = work.path("out");
    let mut known: BTreeMap<PathBuf, Vec<u64>> = BTreeMap::new();
    let total = |known: &BTreeMap<PathBuf, Vec<u64>>| known.values().map(Vec::len).sum::<usize>();
    let mut measured = 0;
    for (i, signal) in [TERM, USR1, KILL, INT, KILL, TERM].into_iter().enumerate() {
        let so_far = total(&known);
        let mut child = start(&work, "out");
        let enough = || run(&out).is_some_and(|run| total(&shuffles(&run)) >= so_far + 60);
        assert!(wait(&mut child, enough), "it has ended: the shuffles are too quick for this test");
        send(&child, signal);
        assert_end(child.wait().unwrap(), signal);
        let now = shuffles(&run(&out).unwrap());
        // what was there is as it was, and the new file has nothing that was known
        for (path, numbers) in &known {
            assert_eq!(Some(numbers), now.get(path), "{}", path.display());
        }
        let mut numbers: Vec<(&Path, u64)> =
            now.iter().flat_map(|(path, numbers)| numbers.iter().map(|n| (path.parent().unwrap(), *n))).collect();
        numbers.sort_unstable();
        let all = numbers.len();
        numbers.dedup();
        assert_eq!(all, numbers.len(), "a shuffle was computed twice: {now:?}");
        assert!(numbers.iter().all(|(_, number)| *number < wanted) && now.len() > i, "{now:?}");
        if signal != KILL {
            let log = log(&out);
            let line = log.lines().last().unwrap();
            assert!(line.contains(&format!("stopped by signal {signal} while measuring")), "{log}");
            measured += 1;
        }
        known = now;
    }
    assert_eq!(measured, 4);
    assert!(start(&work, "out").wait().unwrap().success());
    let done = run(&out).unwrap();
    assert_same(&alone, &done);
    // trained once: every later process went on after the end of it
    let log = log(&out);
    assert_eq!(log.matches(": {\"epoch\":").count(), 2, "{log}");
    assert_eq!(log.matches(" going on after epoch 2, ").count(), 6, "{log}");
    assert_eq!(result(&done)["pruned"]["null"]["shuffles"], wanted);
}

#[test]
fn lesions_stop_and_are_done_again() {
    let work = Work::new();
    work.write(
        "grid.yaml",
        "experiments:
  silenced:
    fixed: {dataset: mnist-sample, hidden: [32], epochs: 1, pruning_epochs: 0, n_train: 256, shuffles: 0, clusters: 4, lesions: 400}
",
    );
    assert!(start(&work, "alone").wait().unwrap().success());
    let out = work.path("out");
    let mut child = start(&work, "out");
    assert!(wait(&mut child, || run(&out).is_some_and(|run| run.join("unpruned.safetensors").exists())));
    send(&child, TERM);
    assert_end(child.wait().unwrap(), TERM);
    let text = log(&out);
    assert!(text.lines().last().unwrap().contains("stopped by signal 15 while measuring unpruned"), "{text}");
    assert!(start(&work, "out").wait().unwrap().success());
    assert_same(&run(&work.path("alone")).unwrap(), &run(&out).unwrap());
}

/// A run that is stuck in long work, a single step of some seconds, stops at the second Ctrl-C.
#[test]
fn a_second_interrupt_ends_a_run_at_once() {
    let work = Work::new();
    work.write(
        "grid.yaml",
        "experiments:
  slow:
    fixed: {dataset: mnist-sample, hidden: [4000, 4000], epochs: 3, pruning_epochs: 0, batch_size: 4000, shuffles: 0}
",
    );
    let out = work.path("out");
    let busy = || log(&out).contains(" starting");
    let mut child = start(&work, "out");
    assert!(wait(&mut child, busy));
    send(&child, INT);
    // the first is taken before the second comes: signals of one kind do not add up
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "a step is too quick for this test");
    send(&child, INT);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{status}");
    // it has not come to the end of the step
    let text = log(&out);
    assert!(!text.contains("stopped") && !run(&out).unwrap().join("checkpoint.safetensors").exists(), "{text}");
}

/// Work that keeps no state ends at once, as interrupted.
#[test]
fn a_measurement_ends_at_either_signal() {
    let work = Work::new();
    work.network("net.safetensors", &random_network(&[300, 300, 300], 1));
    for signal in [INT, TERM] {
        let args = ["measure", "net.safetensors", "--shuffles", "1000000", "--json", "m.json"];
        let mut child = work.command(BINARY, &args).stderr(Stdio::null()).spawn().unwrap();
        let id = child.id();
        assert!(wait(&mut child, || catches(id, signal)));
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(130), "signal {signal}");
    }
}

/// One Ctrl-C is as any other request.
#[test]
fn an_interrupt_saves_the_step() {
    let work = Work::new();
    work.write(
        "grid.yaml",
        "experiments:
  long:
    fixed: {dataset: mnist-sample, hidden: [64], epochs: 400, pruning_epochs: 0, n_train: 1000, shuffles: 0, clusters: 4}
",
    );
    let out = work.path("out");
    let mut child = start(&work, "out");
    assert!(wait(&mut child, || log(&out).contains(" epoch 2:")));
    send(&child, INT);
    assert_end(child.wait().unwrap(), INT);
    let text = log(&out);
    let step = number_after(text.lines().last().unwrap(), "stopped by signal 2 after step ").expect(&text);
    assert!((16..3200).contains(&step), "{text}");
    // another process reads the state of that step, and is stopped in its turn
    let mut child = start(&work, "out");
    assert!(wait(&mut child, || log(&out).contains(" going on after epoch")));
    send(&child, TERM);
    assert_end(child.wait().unwrap(), TERM);
    let text = log(&out);
    assert_eq!(assert_goes_on(&text[..text.rfind("stopped").unwrap()]), [step], "{text}");
    assert!(names(&run(&out).unwrap()).iter().all(|name| !name.starts_with("attempt-")), "the run is not given up");
}

/// Runs go on beside those that they were trained with, whichever are done.
#[test]
fn groups_that_are_trained_in_one_pass_stay_together() {
    let work = Work::new();
    let fixed =
        "dataset: mnist-sample, hidden: [64], epochs: 30, pruning_epochs: 0, n_train: 1000, shuffles: 0, clusters: 4";
    work.write("grid.yaml", format!("experiments: {{long: {{fixed: {{{fixed}}}, seeds: 5}}}}\n"));
    let args = |out| ["run", "grid.yaml", "--out", out, "--threads", "1", "--together", "2"];
    work.ncut(&args("through")).ok();
    let out = work.path("out");
    let mut child = work.command(BINARY, &args("out")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let of = |out: &Path, replicate: &str| run(out).map(|run| run.with_file_name(replicate));
    let text = |replicate| of(&out, replicate).and_then(|run| std::fs::read_to_string(run.join("log.txt")).ok());
    assert!(wait(&mut child, || text("r2").is_some_and(|text| text.contains(" epoch 3:"))));
    assert!(of(&out, "r2").unwrap().join("config.yaml").exists());
    send(&child, INT);
    assert_end(child.wait().unwrap(), INT);
    // of the group before theirs one is to be done once more
    std::fs::remove_dir_all(of(&out, "r1").unwrap()).unwrap();
    work.ncut(&args("out")).ok();
    for replicate in ["r0", "r2", "r3", "r4"] {
        let [through, stopped] = [work.path("through"), out.clone()].map(|out| of(&out, replicate).unwrap());
        assert_eq!(text(replicate).unwrap().contains("stopped by"), ["r2", "r3"].contains(&replicate));
        let read = |run: &Path| std::fs::read(run.join("unpruned.safetensors")).unwrap();
        assert!(read(&through) == read(&stopped), "{replicate}");
    }
}

#[test]
fn preempt_finds_no_difference() {
    let work = Work::new();
    let fixed = "dataset: mnist-sample, hidden: [64], pruning_epochs: 30, n_train: 1000, shuffles: 10, clusters: 4";
    work.write("grid.yaml", format!("experiments: {{long: {{fixed: {{{fixed}, epochs: 60, dropout: 0.2}}}}}}\n"));
    let output = work.ncut(&["preempt", "grid.yaml", "--times", "3", "--seed", "5"]).ok();
    assert!(output.stdout.contains("interrupted 3 times, the same to the bit as left alone"), "{output}");
    for signal in ["1: SIGTERM after", "2: SIGUSR1 after", "3: SIGKILL after"] {
        assert!(output.stderr.contains(signal), "{output}");
    }
    assert_eq!(work.names("."), ["grid.yaml"]);
}
