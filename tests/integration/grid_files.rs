//! Grid files: mistakes with their places and remedies, and what is no mistake.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{BINARY, Work};

/// In a text: the place that the message should name.
const HERE: char = '§';

/// A file as `HERE` marks it.
struct Marked {
    text: String,
    /// `LINE:COLUMN`.
    place: Option<String>,
}

fn marked(text: &str) -> Marked {
    let place = text.split_once(HERE).map(|(before, _)| {
        let line = before.rsplit('\n').next().unwrap();
        format!("{}:{}", 1 + before.matches('\n').count(), 1 + line.chars().count())
    });
    Marked { text: text.replace(HERE, ""), place }
}

/// Files of which the first is planned, and what must be said of it.
struct Case {
    files: Vec<(String, Vec<u8>)>,
    links: Vec<(&'static str, &'static str)>,
    /// `grid.yaml:3:5`.
    place: String,
    wanted: Vec<String>,
}

/// One file, `grid.yaml`.
fn case(text: &str, wanted: &[&str]) -> Case {
    files(&[("grid.yaml", text)], wanted)
}

fn files(files: &[(&str, &str)], wanted: &[&str]) -> Case {
    let mut place = files[0].0.to_string();
    let file = |(name, text): &(&str, &str)| {
        let marked = marked(text);
        if let Some(found) = marked.place {
            place = format!("{name}:{found}");
        }
        (name.to_string(), marked.text.into_bytes())
    };
    let files = files.iter().map(file).collect();
    Case { files, links: Vec::new(), place, wanted: wanted.iter().map(|w| w.to_string()).collect() }
}

fn bytes(bytes: &[u8], place: &str, wanted: &[&str]) -> Case {
    Case { files: vec![("grid.yaml".into(), bytes.to_vec())], place: place.into(), ..case("", wanted) }
}

impl Case {
    fn links(self, links: &[(&'static str, &'static str)]) -> Self {
        Self { links: links.to_vec(), ..self }
    }

    fn at(self, place: &str) -> Self {
        Self { place: place.into(), ..self }
    }

    fn with(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.iter_mut().find(|file| file.0 == name).unwrap().1 = bytes.to_vec();
        self
    }
}

/// A process that ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    /// User and system time of all its threads.
    cpu: Duration,
}

/// What is used of the processor before a process counts as hanging.
const HANGS: Duration = Duration::from_secs(4);

/// Runs `ncut` in at most 8 GB, and measures it: time of the processor, which other work on the machine does not
/// lengthen.
fn measured(work: &Work, args: &[&str]) -> Ended {
    let (mut out, mut err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let limited = ["-c", "ulimit -v 8388608; exec \"$0\" \"$@\"", BINARY, "--threads", "2"];
    let mut command: Command = work.command("sh", &[&limited, args].concat());
    let mut child = command.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap()).spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let start = Instant::now();
    let cpu = loop {
        // state, then utime and stime in hundredths of a second (proc(5)); there until it is waited for
        let stat = std::fs::read_to_string(&stat).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let cpu = Duration::from_millis(10 * ticks);
        if fields[0] == "Z" {
            break cpu;
        }
        if cpu > HANGS || start.elapsed() > 15 * HANGS {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let code = child.wait().unwrap().code();
    let text = |file: &mut File| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ended { code, stdout: text(&mut out), stderr: text(&mut err), cpu }
}

/// Everything below a folder, with its length.
fn tree(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        found.push((path.display().to_string(), metadata.len()));
        if metadata.is_dir() {
            found.extend(tree(&path));
        }
    }
    found.sort();
    found
}

/// What is wrong with the answer to `case`; nothing if it is as it should be.
fn faults(case: &Case) -> Vec<String> {
    let work = Work::new();
    for (name, bytes) in &case.files {
        std::fs::create_dir_all(work.path(name).parent().unwrap()).unwrap();
        work.write(name, bytes);
    }
    for (target, link) in &case.links {
        symlink(target, work.path(link)).unwrap();
    }
    let before = tree(&work.path("."));
    let ended = measured(&work, &["plan", &case.files[0].0]);
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    let Ended { code, stdout, stderr, cpu } = ended;
    let begin = format!("ncut: {}", case.place);
    // a condition has characters of its own: `grid.yaml:3:5, character 9: …`
    let rest = stderr.strip_prefix(&begin);
    expect(code == Some(1), format!("exit code {code:?}"));
    expect(stderr.lines().count() == 1 && stderr.ends_with('\n'), "not one line".into());
    expect(rest.is_some_and(|rest| rest.starts_with([':', ','])), format!("does not begin with '{begin}'"));
    expect(stderr.rsplit_once("; ").is_some_and(|(_, remedy)| remedy.trim().len() > 3), "no remedy".into());
    case.wanted.iter().for_each(|wanted| expect(stderr.contains(wanted), format!("no '{wanted}'")));
    for unwanted in ["panicked", "backtrace", "fault of ours", "src/", "os error"] {
        expect(!stderr.contains(unwanted), format!("'{unwanted}'"));
    }
    expect(stderr.len() < 2000, format!("a message of {} bytes", stderr.len()));
    expect(stdout.is_empty(), format!("prints {stdout}"));
    expect(tree(&work.path(".")) == before, "wrote something".into());
    expect(cpu < Duration::from_secs(5), format!("took {cpu:?}"));
    if !faults.is_empty() {
        let text = String::from_utf8_lossy(&case.files[0].1);
        let (text, stderr) = (text.chars().take(300).collect::<String>(), stderr.chars().take(600).collect::<String>());
        faults.push(format!("of\n{text}\nwas said\n{stderr}"));
    }
    faults
}

/// Plans all `cases`, two at a time.
fn check(cases: Vec<Case>) {
    let (waiting, found) = (Mutex::new(cases.iter()), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = { waiting.lock().unwrap().next() } {
                    let faults = faults(case);
                    if !faults.is_empty() {
                        writeln!(found.lock().unwrap(), "- {}", faults.join("\n  ")).unwrap();
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "of {} files:\n{found}", cases.len());
}

/// Below an experiment.
fn blocks(table: &[(&str, &[&str])]) -> Vec<Case> {
    table.iter().map(|(text, wanted)| case(&format!("experiments:\n  a:\n    {text}\n"), wanted)).collect()
}

fn whole(table: &[(&str, &[&str])]) -> Vec<Case> {
    table.iter().map(|(text, wanted)| case(text, wanted)).collect()
}

#[test]
fn typos_at_every_level() {
    let mut cases = whole(&[
        ("§experimnets:\n  a: {}\n", &["experimnets", "did you mean 'experiments'?"]),
        ("§fixd: {epochs: 2}\n", &["fixd", "did you mean 'fixed'?"]),
        ("fixed: {}\n§epochs: 2\n", &["it is a setting: write it below 'fixed'"]),
        ("§X-a: 1\nexperiments: {a: {}}\n", &["X-a"]),
    ]);
    cases.extend(blocks(&[
        ("§fixd: {}", &["'fixd'", "did you mean 'fixed'?"]),
        ("§zipp: []", &["did you mean 'zip'?"]),
        ("§dropout: 0.5", &["it is a setting: write it below 'fixed'"]),
        ("fixed: {§dropuot: 0.5}", &["no setting is called 'dropuot'", "did you mean 'dropout'?"]),
        ("fixed: {§Epochs: 5}", &["did you mean 'epochs'?"]),
        ("fixed: {§seeds: 5}", &["it belongs one level up"]),
        ("fixed: {§x: 2}", &["there are dataset, data_seed, model"]),
        ("grid: {§l3: [0]}", &["no setting is called 'l3'", "there are dataset"]),
        ("grid: {dropout: {§rnage: [0, 1]}}", &["unknown rule 'rnage'", "did you mean 'range'?"]),
        ("grid: {l1: {§linspase: [0, 1, 2]}}", &["did you mean 'linspace'?"]),
        ("grid: {l1: {§values: [0, 1, 2]}}", &["there are range, linspace, logspace"]),
        ("grid: [{l1: [0]}, {§l_1: [1]}]", &["'l_1'"]),
        ("zip: [{clusters: 4, §shufles: 20}]", &["did you mean 'shuffles'?"]),
        ("zip: {§cluster: [4], shuffles: [20]}", &["did you mean 'clusters'?"]),
        ("include: [{dropout: 0.5}, {§droput: 0.5}]", &["did you mean 'dropout'?"]),
        ("exclude: {§dropuot: 0.5}", &["did you mean 'dropout'?"]),
        ("when: [{epochs: 20}, {§epoch: 20}]", &["did you mean 'epochs'?"]),
        ("seeds: {§rnage: [0, 3]}", &["did you mean 'range'?"]),
        ("slurm: {§tim: '1:00:00'}", &["unknown key 'tim' of 'slurm'", "did you mean 'time'?"]),
        ("slurm: {cpus: 1, §memory: 4G}", &["did you mean 'mem'?"]),
        ("slurm: {retry: {§oomm: mem*2}}", &["'oomm' of 'retry'", "did you mean 'oom'?"]),
        ("report: {§row: dropout}", &["'row' of 'report'", "did you mean 'rows'?"]),
        ("report: {rows: §datset}", &["did you mean 'dataset'?"]),
        ("report: {cols: [dropout, §l3]}", &["no setting is called 'l3'"]),
        ("report: {values: [pruned.ncut, §pruned.ncutt]}", &["did you mean 'pruned.ncut'?"]),
        ("report: {values: §ncut}", &["no figure is called 'ncut'", "pruned.ncut"]),
        ("report: {expect: [{§wher: 'l1 == 0', pruned.ncut: 8}]}", &["'wher' of 'expect'", "did you mean 'where'?"]),
        ("report: {expect: {§pruned.nuct: 8}}", &["did you mean 'pruned.ncut'?"]),
        ("report: {expect: {where: §'dropuot == 0', pruned.ncut: 8}}", &["character 1", "did you mean 'dropout'?"]),
    ]));
    check(cases);
}

#[test]
fn wrong_types_everywhere() {
    let mut cases = whole(&[
        ("experiments: §[a, b]\n", &["a list where a map of experiments", "{name: value, …}"]),
        ("experiments: §[]\n", &["a list where a map of experiments"]),
        ("experiments: §5\n", &["a number where a map of experiments"]),
        ("experiments: §text\n", &["text where a map of experiments"]),
        ("experiments: §{}\n", &["no experiments", "name one"]),
        ("experiments: {a: §3}\n", &["a number where an experiment"]),
        ("experiments: {a: §[]}\n", &["'a' has no blocks"]),
        ("experiments: {a: [{}, §1]}\n", &["a number where an experiment"]),
        ("experiments: {a: [{}, §[{}]]}\n", &["a list where an experiment"]),
        ("experiments: {a: §~}\n", &["'a' is empty", "{} for the defaults"]),
        ("fixed: §3\nexperiments: {a: {}}\n", &["a number where a map of settings"]),
        // it is the whole file that is wrong
        ("- a\n- b\n", &["grid.yaml: holds a list, no experiments", "'experiments:'"]),
        ("hello\n", &["grid.yaml: holds text", "'experiments:'"]),
        ("42\n", &["grid.yaml: holds a number", "'experiments:'"]),
    ]);
    cases.extend(blocks(&[
        ("fixed: §[{epochs: 2}]", &["a list where a map of settings"]),
        ("fixed: §epochs", &["text where a map of settings"]),
        ("fixed: {epochs: §many}", &["epochs: many is not a whole number"]),
        ("fixed: {epochs: §true}", &["epochs: "]),
        ("fixed: {epochs: §[1]}", &["epochs: "]),
        ("fixed: {epochs: §{range: [1, 3]}}", &["epochs: "]),
        ("fixed: {epochs: §~}", &["'epochs' has no value", "leave it out"]),
        ("fixed: {hidden: §16}", &["hidden: "]),
        ("fixed: {hidden: §[16, wide]}", &["hidden: "]),
        ("fixed: {clusters: §1.5}", &["clusters: 1.5 is not a whole number"]),
        ("fixed: {dropout: §'0.5'}", &["dropout: ", "a number in [0, 1)"]),
        ("fixed: {dropout: §off}", &["dropout: ", "a number in [0, 1)"]),
        ("fixed: {n_train: §no}", &["n_train: ", "whole number"]),
        ("fixed: {n_train: §'6e4'}", &["n_train: "]),
        ("fixed: {dataset: §3}", &["dataset: "]),
        ("fixed: {dataset: §[mnist]}", &["dataset: "]),
        ("fixed: {solver: §true}", &["solver: "]),
        ("grid: §3", &["a number where a map of settings to lists"]),
        ("grid: [{l1: [0]}, §5]", &["a number where a map of settings to lists"]),
        ("grid: {dropout: §0.5}", &["a list of values in [ ]", "'fixed'"]),
        ("grid: {dropout: [0, §[0.5]]}", &["dropout: "]),
        ("grid: {dropout: [0, §~]}", &["'dropout' has no value"]),
        ("grid: {dropout: §{range: [0, 1], linspace: [0, 1, 2]}}", &["one key"]),
        ("grid: {dropout: {range: §5}}", &["[start, stop, step]"]),
        ("grid: {dropout: {range: §[0, x]}}", &["[start, stop, step]"]),
        ("grid: {dropout: {linspace: §[0, 1]}}", &["[first, last, count]"]),
        ("zip: §3", &["a number where a map"]),
        ("zip: [§3]", &["a number where a map of settings"]),
        ("include: [§dropout]", &["text where a map of settings"]),
        ("include: {dropout: §0.5}", &["a list of values"]),
        ("when: §3", &["a number as a condition", "'dropout == 0 and l1 > 0'"]),
        ("when: §{}", &["a map as a condition"]),
        ("exclude: [§[l1]]", &["a list as a condition"]),
        ("exclude: §true", &["true or false as a condition"]),
        ("seeds: §many", &["replicates", "1 to 1000000"]),
        ("seeds: §true", &["replicates"]),
        ("seeds: [0, §x]", &["not the number of a replicate"]),
        ("base: §{}", &["a map as a base", "name a file or an experiment"]),
        ("base: [§true]", &["true or false as a base"]),
        ("slurm: §4G", &["text where a map of resources"]),
        ("slurm: {retry: §3}", &["a number where a map"]),
        ("slurm: {options: [§partition=x]}", &["begins with --"]),
        ("slurm: {setup: [§[module]]}", &["not a line"]),
        ("report: §title", &["text where a map"]),
        ("report: {title: §[A]}", &["no text"]),
        ("report: {expect: §3}", &["a number where a map with 'where'"]),
        ("report: {expect: {pruned.ncut: §high}}", &["no number"]),
        ("report: {expect: {pruned.ncut: 8, sd: §[1]}}", &["no number"]),
        ("report: {expect: §{where: 'l1 == 0'}}", &["no published value", "pruned.ncut: 8.88"]),
    ]));
    check(cases);
}

#[test]
fn values_that_a_setting_cannot_have() {
    check(blocks(&[
        ("fixed: {dropout: §1}", &["dropout: 1 is not a number in [0, 1)"]),
        ("fixed: {dropout: §-0.1}", &["-0.1", "[0, 1)"]),
        ("fixed: {l1: §-1e-9}", &["l1: ", "at least 0"]),
        ("fixed: {l1: §.nan}", &["finite"]),
        ("fixed: {l1: §.inf}", &["finite"]),
        ("fixed: {l1: §-.inf}", &["finite"]),
        ("fixed: {l1: §1e999}", &["l1"]),
        ("fixed: {l1: §nan}", &["l1: ", "a finite number"]),
        ("fixed: {learning_rate: §1_000}", &["learning_rate"]),
        ("fixed: {dropout: §'.5'}", &["dropout"]),
        ("fixed: {batch_size: §0}", &["batch_size: 0 is not"]),
        ("fixed: {epochs: §-3}", &["epochs: -3 is not"]),
        ("fixed: {epochs: §1.5}", &["epochs: 1.5 is not"]),
        ("fixed: {epochs: §99999999999999999999}", &["epochs: "]),
        ("fixed: {epochs: §500its}", &["500its", "20ep, 500it"]),
        ("fixed: {epochs: §20 epochs}", &["20 epochs", "20ep, 500it"]),
        ("fixed: {epochs: §1.5ep}", &["1.5ep"]),
        ("fixed: {epochs: §ep}", &["epochs: ep is not"]),
        ("fixed: {pruning_every: §0}", &["pruning_every: 0 is not"]),
        ("fixed: {pruning_every: §5m}", &["5m", "20ep, 500it"]),
        ("fixed: {hidden: §[256, 0]}", &["hidden: 0 is not"]),
        ("fixed: {batch_size: §0}", &["batch_size: 0 is not a whole number from 1"]),
        ("fixed: {restarts: §70000}", &["from 1 to 65535"]),
        ("fixed: {dataset: §mnits}", &["did you mean 'mnist'?"]),
        ("fixed: {null_model: §lyer}", &["lyer"]),
        ("grid: {dropout: [0, §2]}", &["dropout: 2 is not"]),
        ("grid: {dropout: {linspace: §[0, 1, 3]}}", &["dropout: 1 is not"]),
        ("grid: {l1: {logspace: §[-6, -4, 3]}}", &["not their exponents"]),
        ("grid: {l1: {range: §[0, 1, -0.1]}}", &["without values"]),
        ("grid: {l1: {linspace: §[0, 1, 2.5]}}", &["whole"]),
        ("seeds: §0", &["0 replicates"]),
        ("seeds: §-1", &["-1 replicates"]),
        ("seeds: §1.5", &["1.5 replicates"]),
        ("seeds: [0, §-1]", &["not the number of a replicate"]),
        ("seeds: [§5000000000]", &["not the number of a replicate"]),
        ("seeds: §[1, 2, 1]", &["replicate 1 stands there twice"]),
        ("slurm: {time: §soon}", &["'soon' is no time limit", "HH:MM:SS"]),
        ("slurm: {time: §0}", &["no time limit"]),
        ("slurm: {time: §-5}", &["no time limit"]),
        ("slurm: {time: §1:2:3:4}", &["no time limit"]),
        ("slurm: {time: §2h}", &["no time limit"]),
        ("slurm: {time: §400-0}", &["no time limit"]),
        ("slurm: {time: §99999999999999999999}", &["no time limit"]),
        // 60 times this is 44 in 64 bits
        ("slurm: {time: §307445734561825861}", &["no time limit"]),
        ("slurm: {time: §213503982334602-0}", &["no time limit"]),
        ("slurm: {mem: §lots}", &["'lots' is no size of memory", "4G"]),
        ("slurm: {mem: §0}", &["no size of memory"]),
        ("slurm: {mem: §-4G}", &["no size of memory"]),
        ("slurm: {mem: §4X}", &["no size of memory"]),
        ("slurm: {mem: §4e9T}", &["no size of memory"]),
        ("slurm: {cpus: §0}", &["from 1 to 4096"]),
        ("slurm: {cpus: §two}", &["from 1 to 4096"]),
        ("slurm: {partition: §'a b'}", &["not a name"]),
        ("slurm: {partition: §'a;reboot'}", &["not a name"]),
        ("slurm: {account: §'$(reboot)'}", &["not a name"]),
        ("slurm: {qos: §'`reboot`'}", &["not a name"]),
        ("slurm: {exclude: §\"n1\\nreboot\"}", &["not a name"]),
        ("slurm: {constraint: §''}", &["not a name"]),
        ("slurm: {options: [§\"--comment=a\\nreboot\"]}", &["more than one line"]),
        ("slurm: {retry: {oom: §twice}}", &["mem*2"]),
        ("slurm: {retry: {oom: §mem*0.5}}", &["factor from 1 to 100"]),
        ("slurm: {retry: {timeout: §mem*2}}", &["time*2"]),
        ("slurm: {retry: {node_fail: §-1}}", &["whole number"]),
    ]));
}

#[test]
fn what_is_no_yaml() {
    let mut cases = whole(&[
        ("experiments:\n§\ta: {}\n", &["a tab in the indentation", "indent with spaces"]),
        ("experiments:\n  a:\n    fixed:\n    §\tepochs: 2\n", &["a tab in the indentation"]),
        ("experiments:\n  a: {}\n  b: {}\n  §a: {}\n", &["'a' stands there twice", "leave one out"]),
        ("experiments: {a: {}}\n§experiments: {b: {}}\n", &["'experiments' stands there twice"]),
        ("experiments:\n  a:\n    fixed: {epochs: 2, §epochs: 3}\n", &["'epochs' stands there twice"]),
        ("x-a: [{b: {c: 1, §c: 2}}]\nexperiments: {a: {}}\n", &["'c' stands there twice"]),
        ("experiments: {a: {fixed: §*common}}\n", &["define the anchor (&name)"]),
        ("x-a: &x {b: §*x}\nexperiments: {a: {}}\n", &["an alias without its anchor", "not around it"]),
        ("x-a: &x [§*x]\nexperiments: {a: {}}\n", &["not around it"]),
        ("experiments: {a: {<<: §3}}\n", &["a number where a map to merge"]),
        ("experiments: {a: {<<: [{}, §[1]]}}\n", &["a list where a map to merge"]),
        // what an alias stands for is placed where it is written
        ("x-a: §&x text\nexperiments: {a: {<<: *x}}\n", &["a map to merge"]),
        ("experiments: {a: {fixed: {dataset: §!!python/object:os.system x}}}\n", &["a tag", "plain value"]),
        ("experiments: {a: {fixed: {dataset: §!local mnist}}}\n", &["a tag", "plain value"]),
        ("experiments: {a: {}}\n§---\nb: 2\n", &["a second document", "one document"]),
        ("? §[a]\n: 3\n", &["a list as a key", "name keys with text"]),
        ("experiments: {a: {}}\n§true: 3\n", &["true or false as a key"]),
        // a multiple-byte character is one column
        ("experiments:\n  größe: {fixed: {§épochs: 2}}\n", &["did you mean 'epochs'?"]),
        // the line break of another system
        ("experiments:\r\n  a:\r\n    fixed: {§dropuot: 0.5}\r\n", &["did you mean 'dropout'?"]),
    ]);
    // the parser's own places: where it noticed
    for (text, line, wanted) in [
        ("experiments:\n  a: {fixed: {epochs: 2}\n", 3, "bracket"),
        ("experiments:\n  a: {grid: {l1: [0, 1}}\n", 2, "bracket"),
        ("experiments:\n  a: {fixed: {dataset: 'mnist}}\n", 2, "close the quotes"),
        ("experiments:\n  a: b: c\n", 2, "is not YAML"),
        ("experiments:\n  a: {}\n b: {}\n", 3, "indentation"),
        ("experiments:\n  a: {fixed: {dataset: @mnist}}\n", 2, "is not YAML"),
        ("experiments\n  a: {}\n", 2, "is not YAML"),
        ("x: &\nexperiments: {a: {}}\n", 1, "is not YAML"),
    ] {
        cases.push(Case { place: format!("grid.yaml:{line}"), ..case(text, &[wanted]) });
    }
    cases.extend([
        bytes(b"experiments:\n  a\xff: {}\n", "grid.yaml:2:4", &["is not UTF-8 text", "save it as UTF-8"]),
        bytes(b"\xff\xfee\0x\0", "grid.yaml:1:1", &["is not UTF-8 text", "save it as UTF-8"]),
        bytes(b"experiments:\n  a: {}\n\0  b: {}\n", "grid.yaml:3:1", &["is not YAML"]),
        bytes(b"experiments: {a: {fixed: {dataset: \"mn\0ist\"}}}\n", "grid.yaml:1", &["is not YAML"]),
        // the mark at the beginning is no column
        bytes("\u{feff}fixd: {}\n".as_bytes(), "grid.yaml:1:1", &["did you mean 'fixed'?"]),
    ]);
    check(cases);
}

#[test]
fn nothing_to_run() {
    let mut cases = whole(&[
        ("", &["grid.yaml: holds nothing, no experiments", "'experiments:'"]),
        ("# to be written\n", &["grid.yaml: holds nothing", "'experiments:'"]),
        ("---\n", &["holds nothing"]),
        ("{}\n", &["has no experiments", "'experiments:'"]),
        ("x-a: 1\n", &["has no experiments"]),
    ]);
    // the place of nothing is that of its colon
    cases.push(case("experiments§:\n", &["nothing where a map of experiments"]));
    cases.push(case("experiments:\n  a§:\n  b: {}\n", &["'a' is empty", "{} for the defaults"]));
    cases.extend(blocks(&[
        ("grid: §{}", &["; "]),
        ("grid: §[]", &["; "]),
        ("grid: {l1: [0], dropout: §[]}", &["an axis without values", "leave it out"]),
        ("zip: §[]", &["'zip' has no rows", "[{setting: value, …}, …]"]),
        ("zip: §{}", &["'zip' has no rows"]),
        ("zip: §[{clusters: 4}, {}]", &["'zip' has no rows, or an empty one"]),
        ("zip: {clusters: §[]}", &["without values"]),
        ("zip: {clusters: [4, 12], shuffles: [§20]}", &["'clusters' has 2 values and 'shuffles' 1", "as many"]),
        ("zip: [{clusters: 4, shuffles: 20}, {clusters: §12}]", &["row 2", "'shuffles'", "the same settings"]),
        ("zip: [{clusters: 4}, {clusters: §12, shuffles: 20}]", &["row 2", "'shuffles'", "the same settings"]),
        ("include: §[]", &["'include' has no rows"]),
        ("seeds: §[]", &["without values"]),
        ("fixed: {l1: 0}\n    grid: {l1: [§0, 1]}", &["'l1' stands in 'grid' and in 'fixed' (3:17)", "leave one out"]),
        ("fixed: {l1: 0}\n    zip: [{l1: §1}]", &["'l1' stands in 'zip' and in 'fixed' (3:17)", "leave one out"]),
        ("zip: [{l1: 0}]\n    grid: {l1: [§0, 1]}", &["'l1' stands in 'grid' and in 'zip' (3:16)"]),
        ("grid: [{l2: [0]}, {l1: [§2]}]\n    fixed: {l1: 3}", &["'l1' stands in 'grid' and in 'fixed' (4:17)"]),
    ]));
    check(cases);
}

#[test]
fn conditions_with_mistakes() {
    let deep = format!("when: §'{}l1 == 0{}'", "(".repeat(1000), ")".repeat(1000));
    check(blocks(&[
        ("when: §''", &["character 1"]),
        ("when: §'l1 = 0'", &["character 4", "'=' compares nothing", "write =="]),
        ("when: §'l1 =='", &["character 6"]),
        ("when: §'l1'", &["a comparison is missing", "== != < <= > >= in"]),
        ("when: §'(l1 == 0'", &["character 9", "close it with )"]),
        ("when: §'l1 == 0)'", &["character 8", "goes on where it should end"]),
        ("when: §'l1 == 0 l2 == 0'", &["character 9", "'and' or 'or'"]),
        ("when: §'l1 == 0 and'", &["character 12"]),
        ("when: §'l1 & l2'", &["character 4", "'&' has no meaning"]),
        ("when: §'dataset == \"mnist'", &["character 12", "a quote that is not closed"]),
        ("when: §'dropuot == 0'", &["character 1", "did you mean 'dropout'?"]),
        ("when: §'1 == 1'", &["neither side is a setting"]),
        ("when: [l1 == 0, §l3 == 0]", &["neither side is a setting", "there are dataset"]),
        ("when: §'dataset == mnits'", &["dataset: ", "did you mean 'mnist'?"]),
        ("when: §'dropout == 2'", &["dropout: 2 is not a number in [0, 1)", "a value that fits"]),
        ("when: §'batch_size in [20, 0]'", &["batch_size: 0 is not"]),
        ("when: §'l1 in 0'", &["'in' wants a list", "[a, b]"]),
        ("when: §'dataset < 3'", &["dataset"]),
        ("when: §'l1 > many'", &["l1"]),
        (&deep, &["too many brackets"]),
        ("grid: {l1: [0, 1]}\n    when: §'l1 > 1'", &["no combination fulfils the condition", "other values"]),
        ("grid: {l1: [0, 1]}\n    exclude: §'l1 > 1'", &["this condition excludes nothing", "leave it out"]),
        ("grid: {l1: [0, 1]}\n    exclude: [l1 == 0, §l1 == 0.5]", &["this condition excludes nothing"]),
        ("grid: {l1: [0, 1]}\n    exclude: §'l1 >= 0'", &["every combination is excluded"]),
        ("grid: {l1: [0, 1]}\n    when: §{l1: 3}", &["no combination fulfils the condition"]),
    ]));
}

#[test]
fn names_that_are_no_directories() {
    let long = format!("experiments: {{§{}: {{}}}}\n", "n".repeat(300));
    let mut cases = whole(&[
        ("experiments: {§../x: {}}\n", &["'../x' has no fit name", "names become directories"]),
        ("experiments: {§a/b: {}}\n", &["'a/b' has no fit name"]),
        ("experiments: {§.: {}}\n", &["no fit name"]),
        ("experiments: {§..: {}}\n", &["no fit name"]),
        ("experiments: {§.slurm: {}}\n", &["no fit name"]),
        ("experiments: {§'': {}}\n", &["no fit name"]),
        ("experiments: {§a b: {}}\n", &["'a b' has no fit name"]),
        ("experiments: {§\"a\\0b\": {}}\n", &["no fit name"]),
        ("experiments: {§\"a\\nb\": {}}\n", &["no fit name"]),
        ("experiments: {§\"a\\e[2Jb\": {}}\n", &["no fit name"]),
        ("experiments: {§~: {}}\n", &["nothing as a key"]),
        (&long, &["name of 300 bytes", "at most 100"]),
    ]);
    cases.push(files(&[("my grid.yaml", "§fixed: {epochs: 2}\n")], &["'my grid' has no fit name"]));
    check(cases);
}

#[test]
fn bases_that_cannot_be() {
    let mut cases = whole(&[
        ("experiments: {a: {base: §b}}\n", &["there is no base 'b'", "ends in .yaml"]),
        ("experiments: {mnist: {}, a: {base: §mnits}}\n", &["did you mean 'mnist'?"]),
        ("experiments: {a: {base: §a}}\n", &["a → a", "break the circle"]),
        ("experiments: {a: {base: b}, b: {base: c}, c: {base: §a}}\n", &["a → b → c → a", "break the circle"]),
        ("experiments: {a: {base: §no.yaml}}\n", &["the base no.yaml: no such file", "check the path"]),
        ("experiments: {a: {base: §grid.yaml}}\n", &["its own base: grid.yaml", "break the circle"]),
        ("base: §a\nexperiments: {a: {}}\n", &["there is no base 'a'"]),
        ("experiments: {a: {base: §''}}\n", &["no base ''"]),
    ]);
    let grid = |text: &'static str| ("grid.yaml", text);
    cases.extend([
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "base: §grid.yaml\n")], &["break the circle"]),
        files(&[grid("base: d/b.yaml\n"), ("d/b.yaml", "base: [§../grid.yaml]\n")], &["break the circle"]),
        files(&[grid("base: §link.yaml\nfixed: {}\n")], &["link.yaml", "break the circle"])
            .links(&[("grid.yaml", "link.yaml")]),
        files(&[grid("base: §d/grid.yaml\nfixed: {}\n")], &["break the circle"]).links(&[(".", "d")]),
        files(&[grid("base: §loop.yaml\nfixed: {}\n")], &["the base loop.yaml"]).links(&[("loop.yaml", "loop.yaml")]),
        files(&[grid("base: §d.yaml\nfixed: {}\n"), ("d.yaml/x", "")], &["the base d.yaml", "name a file"]),
        files(
            &[grid("experiments: {a: {base: §b.yaml}}\n"), ("b.yaml", "experiments: {c: {}}\n")],
            &["holds experiments", "'fixed'"],
        ),
        files(&[grid("base: b.yaml\n"), ("b.yaml", "")], &["b.yaml", "holds nothing"]).at("b.yaml"),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "fixed: {§dropuot: 1}\n")], &["did you mean 'dropout'?"]),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "a: 'x\n")], &["close the quotes"]).at("b.yaml:1"),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "")], &["is not UTF-8 text"])
            .with("b.yaml", b"fixed:\n  \xe9: 1\n")
            .at("b.yaml:2:3"),
        // a circle that a file closes through an experiment of it
        files(
            &[grid("experiments: {a: {base: b.yaml}}\n"), ("b.yaml", "fixed: {}\nbase: §a\n")],
            &["there is no base 'a'"],
        ),
    ]);
    check(cases);
}

/// Small files that stand for much, and large ones: an answer comes at once all the same.
#[test]
fn huge_files_are_answered_at_once() {
    let axes: String = ["dropout", "l1", "l2", "learning_rate"]
        .iter()
        .map(|name| format!("{name}: {{linspace: [0, 0.5, 1000]}}, "))
        .collect();
    let laughs: String =
        (1..12).map(|i| format!("x-{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))).collect();
    let merges: String = (1..25)
        .map(|i| format!("x-{i}: &a{i} {{<<: [{0}, {0}], k{i}: [{0}, {0}]}}\n", format!("*a{}", i - 1)))
        .collect();
    let keys = |many: usize| (0..many).map(|i| format!("k{i}: 0, ")).collect::<String>();
    let merged_keys =
        format!("x-a: &a {{{}}}\nx-b: {{<<: [{}]}}\nfixed: §3\n", keys(20_000), vec!["*a"; 20].join(", "));
    let experiments = |entries: Vec<String>| format!("experiments:\n  e0: {{}}\n{}  z: §3\n", entries.concat());
    let doubled = experiments((1..40).map(|i| format!("  e{i}: {{base: [e{0}, e{0}]}}\n", i - 1)).collect());
    let chain: Vec<String> = (1..30_000).rev().map(|i| format!("  e{i}: {{base: e{}}}\n", i - 1)).collect();
    let chain = format!("experiments:\n{}  e0: {{}}\n", chain.concat());
    let unions: String = (1..20).map(|i| format!("  e{i}: [{{base: e{0}}}, {{base: e{0}}}]\n", i - 1)).collect();
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        format!("x-a:\n  {open}{close}\nexperiments: {{a: {{}}}}\n")
    };
    let mut cases = whole(&[
        (&format!("experiments:\n  a: §{{grid: {{{axes}}}}}\n"), &["a product of 1000000000000 runs", "1000000 runs"]),
        ("experiments: {a: {grid: {l1: {range: §[0, 1e9]}}}}\n", &["1000000000 values", "larger steps"]),
        ("experiments: {a: {grid: {l1: {range: §[0, 1e300, 1e-300]}}}}\n", &["larger steps"]),
        ("experiments: {a: {grid: {l1: {linspace: §[0, 1, 1e9]}}}}\n", &["from 1 to 100000"]),
        ("experiments: {a: {seeds: §10000000}}\n", &["10000000 replicates", "1000000"]),
        ("experiments: {a: {seeds: {range: §[0, 10000000]}}}\n", &["10000000 values"]),
        ("experiments: {a: §{seeds: 100000, grid: {l1: {range: [0, 100000]}}}}\n", &["a product of 10000000000 runs"]),
        (&format!("x-0: &a0 [lol]\n{laughs}experiments: {{a: {{}}}}\n"), &["unfolds to more than 1000000", "aliases"]),
        (&format!("x-0: &a0 {{k: 0}}\n{merges}experiments: {{a: {{}}}}\n"), &["unfolds to more than 1000000"]),
        (&format!("x-a: {{{}}}\nfixed: §3\n", keys(100_000)), &["a map of settings"]),
        (&merged_keys, &["a map of settings"]),
        (&doubled, &["a number where an experiment"]),
        (&format!("experiments:\n  e0: {{}}\n{unions}"), &["blocks", "base"]),
        (&chain, &["base"]),
        (&format!("fixed: {{dataset: §{}}}\n", "m".repeat(10_000)), &["no data set is called"]),
        (&format!("fixed: {{§{}: 1}}\n", "m".repeat(100_000)), &["no setting is called"]),
        (&format!("fixed: {{epochs: §{}}}\n", "9".repeat(10_000)), &["epochs"]),
        (&format!("experiments: {{a: {{when: §'{} l1 = 0'}}}}\n", "not ".repeat(100_000)), &["write =="]),
    ]);
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        cases.push(case(&nested(open, close), &["flatten it"]));
    }
    let mut large = b"experiments: {a: {}}\n# ".to_vec();
    large.resize(50_000_000, b'x');
    cases.push(bytes(&large, "grid.yaml", &["has more than 16777216 bytes", "split it"]));
    // a device has no length
    let device = files(&[("grid.yaml", "base: §zero.yaml\nfixed: {}\n")], &["zero.yaml", "split it"])
        .links(&[("/dev/zero", "zero.yaml")]);
    cases.push(device);
    check(cases);
}

/// The settings of a condition as `plan --show` has them: `(name, value, source)`.
struct Shown {
    replicates: String,
    settings: Vec<(String, String, String)>,
}

impl Shown {
    fn value(&self, name: &str) -> &str {
        &self.settings.iter().find(|setting| setting.0 == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn source(&self, name: &str) -> &str {
        &self.settings.iter().find(|setting| setting.0 == name).unwrap_or_else(|| panic!("no {name}")).2
    }
}

fn show(work: &Work, file: &str, name: &str) -> Vec<Shown> {
    let text = work.ncut(&["plan", file, "--show", name]).ok().stdout;
    let mut shown: Vec<Shown> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let replicates = head.rsplit_once("replicates ").unwrap().1.into();
            shown.push(Shown { replicates, settings: Vec::new() });
            continue;
        }
        let (setting, source) = line.split_once('#').unwrap();
        let (name, value) = setting.split_once(": ").unwrap();
        let setting = (name.into(), value.trim().into(), source.trim().into());
        shown.last_mut().unwrap().settings.push(setting);
    }
    shown
}

/// What a block resolves to: values of a setting in each of its conditions.
#[test]
fn what_is_no_mistake() {
    type Expected = &'static [(&'static str, &'static [&'static str])];
    let blocks: &[(&str, Expected)] = &[
        // numbers as people write them
        ("fixed: {l1: 1e-4}", &[("l1", &["0.0001"])]),
        ("fixed: {l1: 5E-05, dropout: .5}", &[("l1", &["5e-5"]), ("dropout", &["0.5"])]),
        ("fixed: {n_train: 6e4, epochs: 1e3}", &[("n_train", &["60000"]), ("epochs", &["1000"])]),
        ("fixed: {n_train: 0x10, clusters: +4}", &[("n_train", &["16"]), ("clusters", &["4"])]),
        ("fixed: {n_train: ~, dropout: -0.0}", &[("n_train", &["null"]), ("dropout", &["0.0"])]),
        ("fixed: {learning_rate: 1}", &[("learning_rate", &["1.0"])]),
        // lengths: of their own unit a bare number
        ("fixed: {epochs: 20ep, pruning_epochs: 500it}", &[("epochs", &["20"]), ("pruning_epochs", &["500it"])]),
        (
            "fixed: {pruning_every: 1 ep, pruning_epochs: 0it}",
            &[("pruning_every", &["1ep"]), ("pruning_epochs", &["0"])],
        ),
        ("fixed: {pruning_every: 10it}", &[("pruning_every", &["10"])]),
        (
            "fixed: {hidden: [300, 100], dataset: \"mnist-sample\"}",
            &[("hidden", &["[300,100]"]), ("dataset", &["mnist-sample"])],
        ),
        // axes
        ("grid: {l1: [0, 1e-5]}", &[("l1", &["0.0", "1e-5"])]),
        ("grid: {epochs: {range: [1, 7, 2]}}", &[("epochs", &["1", "3", "5"])]),
        ("grid: {dropout: {range: [0, 0.3, 0.1]}}", &[("dropout", &["0.0", "0.1", "0.2"])]),
        ("grid: {l1: {logspace: [1e-6, 1e-4, 3]}}", &[("l1", &["1e-6", "1e-5", "0.0001"])]),
        ("grid: {dropout: {linspace: [0, 0.5, 3]}}", &[("dropout", &["0.0", "0.25", "0.5"])]),
        ("grid: {hidden: [[16], [16, 16]]}", &[("hidden", &["[16]", "[16,16]"])]),
        // the last axis is the fastest, axes being in the order of the settings
        (
            "grid: {l1: [0, 1], dropout: [0, 0.5]}",
            &[("dropout", &["0.0", "0.0", "0.5", "0.5"]), ("l1", &["0.0", "1.0", "0.0", "1.0"])],
        ),
        ("grid: [{l1: [0, 1]}, {l2: [1]}]", &[("l1", &["0.0", "1.0", "0.0"]), ("l2", &["0.0", "0.0", "1.0"])]),
        ("zip: [{l1: 0, l2: 1}, {l1: 1, l2: 0}]", &[("l1", &["0.0", "1.0"]), ("l2", &["1.0", "0.0"])]),
        ("zip: {l1: [0, 1], l2: {range: [1, 3]}}", &[("l1", &["0.0", "1.0"]), ("l2", &["1.0", "2.0"])]),
        (
            "{zip: [{l1: 0}, {l1: 1}], grid: {l2: [2, 3]}}",
            &[("l1", &["0.0", "0.0", "1.0", "1.0"]), ("l2", &["2.0", "3.0", "2.0", "3.0"])],
        ),
        // conditions
        ("{grid: {l1: [0, 1, 2]}, when: l1 > 0}", &[("l1", &["1.0", "2.0"])]),
        ("{grid: {l1: [0, 1, 2]}, when: [l1 > 0, 2 > l1]}", &[("l1", &["1.0"])]),
        ("{grid: {l1: [0, 1, 2]}, exclude: {l1: 1}}", &[("l1", &["0.0", "2.0"])]),
        ("{grid: {l1: [0, 1, 2]}, exclude: 'not (l1 in [0, 2])'}", &[("l1", &["0.0", "2.0"])]),
        ("{grid: {l1: [0, 1]}, when: 'dataset == mnist and epochs == 20ep'}", &[("l1", &["0.0", "1.0"])]),
        ("{grid: {l1: [0, 1]}, exclude: l1 == 1, include: [{l1: 5}]}", &[("l1", &["0.0", "5.0"])]),
        (
            "{fixed: {l1: 1}, include: [{l1: 5}, {l2: 2}]}",
            &[("l1", &["1.0", "5.0", "1.0"]), ("l2", &["0.0", "0.0", "2.0"])],
        ),
        // unions, of which a condition that stands twice is one
        ("[{grid: {l1: [0, 1]}}, {fixed: {l1: 5e-5}}]", &[("l1", &["0.0", "1.0", "5e-5"])]),
        ("[{grid: {l1: [0, 1]}}, {grid: {l1: [1, 2]}}]", &[("l1", &["0.0", "1.0", "2.0"])]),
        ("{}", &[("l1", &["0.0"])]),
    ];
    let work = Work::new();
    let mut text = String::from("experiments:\n");
    for (i, (block, _)) in blocks.iter().enumerate() {
        let begin = if block.starts_with(['{', '[']) { " " } else { "\n    " };
        writeln!(text, "  e{i}:{begin}{block}").unwrap();
    }
    work.write("grid.yaml", &text);
    for (i, (block, expected)) in blocks.iter().enumerate() {
        let shown = show(&work, "grid.yaml", &format!("e{i}"));
        for (name, values) in *expected {
            let found: Vec<&str> = shown.iter().map(|condition| condition.value(name)).collect();
            // 5e-5 is 0.00005
            let same = |(a, b): (&&str, &&str)| match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => a == b,
                _ => a == b,
            };
            let all = found.len() == values.len() && found.iter().zip(*values).all(same);
            assert!(all, "{name} is {found:?}, not {values:?}, in {block}");
        }
    }
    // as another system saves it
    let runs = work.ncut(&["plan", "grid.yaml", "--runs"]).ok().stdout;
    for text in [text.replace('\n', "\r\n"), format!("\u{feff}{text}"), text.trim_end().into()] {
        work.write("grid.yaml", &text);
        assert_eq!(work.ncut(&["plan", "grid.yaml", "--runs"]).ok().stdout, runs, "{text:?}");
    }
}

#[test]
fn replicates_of_blocks_add_up() {
    let work = Work::new();
    for (seeds, replicates) in [
        ("seeds: 3", "0, 1, 2"),
        ("seeds: [7, 2]", "7, 2"),
        ("seeds: {range: [5, 8]}", "5, 6, 7"),
        ("fixed: {}", "0"),
        ("seeds: 1e0", "0"),
    ] {
        work.write("grid.yaml", format!("experiments:\n  a:\n    {seeds}\n"));
        assert_eq!(show(&work, "grid.yaml", "a")[0].replicates, replicates, "{seeds}");
    }
    work.write("grid.yaml", "experiments:\n  a: [{seeds: 2}, {seeds: [1, 4]}]\n");
    assert_eq!(show(&work, "grid.yaml", "a")[0].replicates, "0, 1, 4");
}

/// Whatever is inherited keeps the place where it is written.
#[test]
fn what_is_inherited_says_where_from() {
    let work = Work::new();
    std::fs::create_dir_all(work.path("d/e")).unwrap();
    work.write("d/e/deep.yaml", "fixed: {epochs: 7, l1: 1e-3}\ngrid: {dropout: [0, 0.5]}\nseeds: 2\n");
    // named from the file that names it
    work.write("d/common.yaml", "base: e/deep.yaml\nfixed: {l1: 1e-4, batch_size: 32}\n");
    work.write(
        "grid.yaml",
        "x-small: &small {hidden: [8], clusters: 3}
x-other: &other {clusters: 5, shuffles: 7}
fixed: {n_train: 100}
experiments:
  own:
    base: d/common.yaml
    fixed:
      <<: [*small, *other]
      shuffles: 9
  child: {base: own, fixed: {dropout: 0.25}}
  free: {fixed: *other}
  both: {base: [own, free], seeds: [3]}
",
    );
    let own = show(&work, "grid.yaml", "own");
    let of = |shown: &[Shown], name: &str| -> Vec<String> { shown.iter().map(|s| s.value(name).to_string()).collect() };
    assert_eq!((of(&own, "dropout"), &*own[0].replicates), (vec!["0.0".into(), "0.5".into()], "0, 1"));
    for (name, value, source) in [
        ("epochs", "7", "d/e/deep.yaml:1:17 (fixed)"),
        ("l1", "0.0001", "d/common.yaml:2:13 (fixed)"),
        ("batch_size", "32", "d/common.yaml:2:31 (fixed)"),
        ("n_train", "100", "grid.yaml:3:18 (fixed)"),
        ("hidden", "[8]", "grid.yaml:1:26 (fixed)"),
        ("clusters", "3", "grid.yaml:1:41 (fixed)"),
        ("shuffles", "9", "grid.yaml:9:17 (fixed)"),
        ("l2", "0.0", "default"),
    ] {
        assert_eq!((own[1].value(name), own[1].source(name)), (value, source), "{name}");
    }
    assert_eq!(own[1].source("dropout"), "d/e/deep.yaml:2:21 (grid)");
    // what is fixed is no axis any more
    let child = show(&work, "grid.yaml", "child");
    assert_eq!((of(&child, "dropout"), child[0].value("epochs")), (vec!["0.25".to_string()], "7"));
    let both = show(&work, "grid.yaml", "both");
    assert_eq!((both.len(), both[0].value("clusters"), &*both[0].replicates), (2, "5", "3"));
    let free = show(&work, "grid.yaml", "free");
    assert_eq!((free.len(), free[0].value("epochs"), free[0].value("n_train")), (1, "20", "100"));

    // a file without experiments is one, called as the file is
    let alone = show(&work, "d/common.yaml", "common");
    assert_eq!(
        (alone.len(), alone[0].value("epochs"), alone[0].source("epochs")),
        (2, "7", "d/e/deep.yaml:1:17 (fixed)")
    );
    // `--set` comes after everything
    let set = work.ncut(&["plan", "grid.yaml", "--show", "own", "--set", "epochs=11"]).ok().stdout;
    let line = set.lines().find(|line| line.starts_with("epochs")).unwrap();
    assert!(line.starts_with("epochs: 11") && line.ends_with("# --set"), "{line}");
}

#[test]
fn limits_of_jobs_as_sbatch_has_them() {
    for (slurm, option) in [
        ("time: 1:30:00", "--time=01:30:00"),
        ("time: '90'", "--time=01:30:00"),
        ("time: 1-12", "--time=1-12:00:00"),
        ("time: 30:30", "--time=00:30:30"),
        ("mem: 1.5G", "--mem=1536M"),
        ("mem: 2048", "--mem=2G"),
        ("mem: 1TB", "--mem=1024G"),
        ("partition: 'gpu-a,gpu_b'", "--partition=gpu-a,gpu_b"),
        ("constraint: '[rack1|rack2]'", "--constraint=[rack1|rack2]"),
    ] {
        let work = Work::new();
        work.write("grid.yaml", format!("experiments:\n  a:\n    slurm: {{{slurm}}}\n"));
        let plan = work.measured(&["plan", "grid.yaml"]);
        let text = plan["arrays"][0]["sbatch"].as_str().unwrap();
        assert!(text.lines().any(|line| line == format!("#SBATCH {option}")), "{slurm}:\n{text}");
        assert_eq!(plan["runs"], 1);
    }
}

/// Whoever reads a grid file says the same of it.
#[test]
fn every_command_says_the_same() {
    let work = Work::new();
    for (text, place) in [
        ("experiments:\n  a:\n    fixed: {§dropuot: 0.5}\n", "3:13"),
        ("experiments: {a: {base: §b.yaml}}\n", "1:25"),
        ("experiments: {a: {grid: {l1: [0]}, when: §'l1 = 0'}}\n", "1:42"),
    ] {
        let marked = marked(text);
        assert_eq!(marked.place.as_deref(), Some(place));
        work.write("grid.yaml", marked.text);
        let plan = work.expect_input_error(&["plan", "grid.yaml"], &[&format!("ncut: grid.yaml:{place}")]);
        for command in [
            &["run", "grid.yaml"][..],
            &["submit", "grid.yaml", "--jobs", "2"],
            &["submit", "grid.yaml", "--fake-slurm"],
            &["status", "grid.yaml", "--jobs", "2"],
            &["logs", "grid.yaml"],
            &["report", "grid.yaml", "--jobs", "2"],
            &["preempt", "grid.yaml"],
        ] {
            let output = work.expect_input_error(command, &[]);
            assert_eq!((&output.stderr, &*output.stdout), (&plan.stderr, ""), "{command:?}");
        }
        assert_eq!(work.names("."), ["grid.yaml"]);
    }
}

/// The schema is JSON Schema, knows every setting, and nothing else.
#[test]
fn the_schema_is_that_of_the_settings() {
    let work = Work::new();
    let schema: Value = work.ncut(&["schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    work.write("grid.yaml", "experiments: {a: {}}\n");
    let mut settings: Vec<String> = show(&work, "grid.yaml", "a")[0].settings.iter().map(|s| s.0.clone()).collect();
    settings.sort();
    for definition in ["settings", "axes"] {
        let definition = &schema["$defs"][definition];
        assert_eq!(crate::harness::keys(&definition["properties"]), settings);
        assert_eq!(definition["additionalProperties"], false);
    }
}
