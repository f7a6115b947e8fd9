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
    expect(cpu < Duration::from_secs(1), format!("took {cpu:?}"));
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
        ("fixed: {é: 1, §x: 2}".replace("é: 1, ", "").leak(), &["there are dataset, model"]),
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
        // the parser places nothing at all where it notices it
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
        ("fixed: {epochs: §0}", &["epochs: 0 is not"]),
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
        ("x-a: &x text\nexperiments: {a: {<<: *x}}\n".replace("text", "§text").leak(), &["a map to merge"]),
        ("experiments: {a: {fixed: {dataset: §!!python/object:os.system x}}}\n", &["a tag", "plain value"]),
        ("experiments: {a: {fixed: {dataset: §!local mnist}}}\n", &["a tag", "plain value"]),
        ("experiments: {a: {}}\n§---\nb: 2\n", &["a second document", "one document"]),
        ("§? [a]\n: 3\n".replace("§? ", "? §").leak(), &["a list as a key", "name keys with text"]),
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
        bytes("\u{feff}§fixd: {}\n".replace(HERE, "").as_bytes(), "grid.yaml:1:1", &["did you mean 'fixed'?"]),
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
    // the place of nothing is where the parser noticed
    for (text, place, wanted) in
        [("experiments:\n", "grid.yaml:", "where a map of experiments"), ("experiments:\n  a:\n", "grid.yaml:2", "'a' is empty")]
    {
        cases.push(Case { place: place.trim_end_matches(':').into(), ..case(text, &[wanted]) });
    }
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
        ("grid: [{l1: [0]}, {l1: [§2]}]\n    fixed: {l1: 3}".replace("[0]", "[§0]").replacen("[§2]", "[2]", 1).leak(), &["'fixed'"]),
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
        ("when: §'dropout == 2'", &["dropout: 2 is not a number in [0, 1)", "a value it can have"]),
        ("when: §'epochs in [20, 0]'", &["epochs: 0 is not"]),
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
        (&long, &["a name of 300 bytes".replace("a name", "name").leak(), "at most 100"]),
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
        files(&[grid("base: d/b.yaml\n"), ("d/b.yaml", "base: [§../grid.yaml]\n")], &["break the circle"])
            .at("d/b.yaml:1:8"),
        files(&[grid("base: §link.yaml\nfixed: {}\n")], &["link.yaml", "break the circle"])
            .links(&[("grid.yaml", "link.yaml")]),
        files(&[grid("base: §d/grid.yaml\nfixed: {}\n")], &["break the circle"]).links(&[(".", "d")]),
        files(&[grid("base: §loop.yaml\nfixed: {}\n")], &["the base loop.yaml"]).links(&[("loop.yaml", "loop.yaml")]),
        files(&[grid("base: §d.yaml\nfixed: {}\n"), ("d.yaml/x", "")], &["the base d.yaml", "name a file"]),
        files(&[grid("experiments: {a: {base: §b.yaml}}\n"), ("b.yaml", "experiments: {c: {}}\n")], &["holds experiments", "'fixed'"]),
        files(&[grid("base: §b.yaml\n"), ("b.yaml", "")], &["b.yaml", "holds nothing"]).at("b.yaml"),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "fixed: {§dropuot: 1}\n")], &["did you mean 'dropout'?"]),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "a: 'x\n")], &["close the quotes"]).at("b.yaml:1"),
        files(&[grid("base: b.yaml\nfixed: {}\n"), ("b.yaml", "")], &["is not UTF-8 text"])
            .with("b.yaml", b"fixed:\n  \xe9: 1\n")
            .at("b.yaml:2:3"),
        // a circle that a file closes through an experiment of it
        files(&[grid("experiments: {a: {base: b.yaml}}\n"), ("b.yaml", "fixed: {}\nbase: §a\n")], &["there is no base 'a'"]),
    ]);
    check(cases);
}

impl Case {
    fn at(self, place: &str) -> Self {
        Self { place: place.into(), ..self }
    }

    fn with(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.iter_mut().find(|file| file.0 == name).unwrap().1 = bytes.to_vec();
        self
    }
}

/// Small files that stand for much, and large ones: an answer comes at once all the same.
#[test]
fn huge_files_are_answered_within_a_second() {
    let axes: String = ["dropout", "l1", "l2", "learning_rate"]
        .iter()
        .map(|name| format!("{name}: {{linspace: [0, 0.5, 1000]}}, "))
        .collect();
    let laughs: String =
        (1..12).map(|i| format!("x-{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))).collect();
    let merges: String =
        (1..25).map(|i| format!("x-{i}: &a{i} {{<<: [{0}, {0}], k{i}: [{0}, {0}]}}\n", format!("*a{}", i - 1))).collect();
    let keys = |many: usize| (0..many).map(|i| format!("k{i}: 0, ")).collect::<String>();
    let merged_keys = format!("x-a: &a {{{}}}\nx-b: {{<<: [{}]}}\nfixed: §3\n", keys(20_000), vec!["*a"; 20].join(", "));
    let experiments = |entries: Vec<String>| format!("experiments:\n  e0: {{}}\n{}  z: §3\n", entries.concat());
    let doubled = experiments((1..60).map(|i| format!("  e{i}: {{base: [e{0}, e{0}]}}\n", i - 1)).collect());
    let chain: Vec<String> = (1..30_000).rev().map(|i| format!("  e{i}: {{base: e{}}}\n", i - 1)).collect();
    let chain = format!("experiments:\n{}  e0: {{}}\n", chain.concat());
    let many = experiments((1..3000).map(|i| format!("  e{i}: {{base: e{}}}\n", i - 1)).collect());
    let unions: String = (1..20).map(|i| format!("  e{i}: [{{base: e{0}}}, {{base: e{0}}}]\n", i - 1)).collect();
    let nested = |open: &str, close: &str| {
        let (open, close) = (open.repeat(100_000), close.repeat(100_000));
        format!("x-a: {open}{close}\nexperiments: {{a: {{}}}}\n")
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
        (&many, &["a number where an experiment"]),
        (&format!("experiments:\n  e0: {{}}\n{unions}"), &["blocks", "base"]),
        (&chain, &["base"]),
        (&format!("fixed: {{dataset: §{}}}\n", "m".repeat(10_000)), &["no data set is called"]),
        (&format!("fixed: {{§{}: 1}}\n", "m".repeat(100_000)), &["no setting is called"]),
        (&format!("fixed: {{epochs: §{}}}\n", "9".repeat(10_000)), &["epochs"]),
        (&format!("experiments: {{a: {{when: §'{} l1 = 0'}}}}\n", "not ".repeat(100_000)), &["write =="]),
    ]);
    for place in ["laughs", "unions", "chain", "merges"] {
        let text = match place {
            "laughs" => "lol",
            "unions" => "e19: [",
            "chain" => "e29999: ",
            _ => "k24",
        };
        // anywhere in the file
        cases.iter_mut().filter(|case| case.files[0].1.windows(text.len()).any(|w| w == text.as_bytes())).for_each(|case| {
            if !case.place.contains(':') {
                case.place = "grid.yaml".into();
            }
        });
    }
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
        cases.push(case(&nested(open, close), &["flatten it"]));
    }
    let mut large = b"experiments: {a: {}}\n# ".to_vec();
    large.resize(50_000_000, b'x');
    cases.push(bytes(&large, "grid.yaml", &["has 50000000 bytes", "split it"]));
    // a device has no length
    let device = files(&[("grid.yaml", "base: zero.yaml\nfixed: {}\n")], &["zero.yaml"]).links(&[("/dev/zero", "zero.yaml")]);
    cases.push(device);
    check(cases);
}
