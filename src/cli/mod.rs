//! The commands: parse, call the library, print. The only place that prints, and the only one that knows exit codes.

mod cluster;
mod data;
mod gc;
mod graph;
mod measure;
mod network;
mod plan;
mod preempt;
mod progress;
mod report;
mod run;
mod schema;
mod selftest;
mod signals;
mod status;
mod submit;
mod table;
mod worker;

use crate::InputError;
use crate::experiment::run::RunError;
use crate::measure::MeasureError;
use crate::train::device;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Does a neural network have parts? Splits the graph of its weights into clusters, and compares how little weight
/// crosses between them (the n-cut) with the same network's weights shuffled.
#[derive(Debug, Parser)]
#[command(name = "ncut", version = crate::VERSION, propagate_version = true, max_term_width = 110)]
#[command(allow_negative_numbers = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// Threads to compute on; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Where networks are trained and the shuffles of measure are clustered: cpu, cuda or cuda:N
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Where data sets lie [default: NCUT_DATA, else the user's cache directory]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl Global {
    fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, |n| n.get());
        self.threads.map_or_else(all, usize::from)
    }

    fn data_dir(&self) -> PathBuf {
        crate::data::data_dir(self.data_dir.as_deref())
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure a network: its clusters, n-cut, null distribution, p and Z
    Measure(measure::Measure),
    /// Measure any weighted undirected graph: Matrix Market .mtx or SciPy CSR .npz
    Cluster(cluster::Cluster),
    /// Measure networks whose answer is known, of the size of yours: how often p and the recommended k are right
    Selftest(selftest::Selftest),
    /// Write a network's graph as .npz or .mtx, with its layers beside it
    Graph(graph::Graph),
    /// Train and measure the runs of a grid file that are not done yet
    Run(run::Run),
    /// Say what run and submit would do with a grid file and what it would cost
    Plan(plan::Plan),
    /// Hand the runs of a grid file that are not done yet to Slurm
    Submit(submit::Submit),
    /// How far the runs of a grid file are, here and in Slurm's queue
    Status(status::StatusOf),
    /// The last lines of what runs wrote
    Logs(status::Logs),
    /// Interrupt a run at random moments and compare it with one left alone, bit for bit
    Preempt(preempt::Preempt),
    /// Print the JSON Schema of grid files
    Schema(schema::Schema),
    #[command(hide = true)]
    Worker(worker::Worker),
    /// Collect the results of a grid file's runs
    Report(report::Report),
    /// List what lies among the results that a grid file does not need, and delete it
    ///
    /// That is: runs that the file does not name (as those made with --set), earlier results put aside, checkpoints of
    /// finished runs, temporary files older than an hour. What a running process holds, links, and directories that are
    /// not those of runs are left alone.
    Gc(gc::Gc),
    /// List, download and look at data sets
    Data(data::Data),
}

/// Runs the command line of this process and returns its exit code: 0 done, 1 the input is wrong, 2 a fault of ours.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(|s| s.to_string()).or(payload.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        note(&format!("ncut: a fault of ours{place}: {line}"));
    }));
    match std::panic::catch_unwind(|| start(std::env::args_os().collect())) {
        Ok(code) => code,
        Err(_) => ExitCode::from(2),
    }
}

/// `--rerun where EXPR` as one value, which a fixed number of values could not be: `--rerun failed` has one word.
fn join_where(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        match joined.as_mut_slice() {
            [.., option, word] if option == "--rerun" && word == "where" => {
                word.push(" ");
                word.push(argument);
            }
            _ => joined.push(argument),
        }
    }
    joined
}

fn start(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(join_where(arguments)) {
        Ok(cli) => cli,
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            note("ncut: no command is given (see --help)");
            return ExitCode::from(1);
        }
        Err(error) if error.use_stderr() => {
            // clap's first paragraph says what is wrong, its tips what to do
            let text = error.to_string();
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Usage:"));
            let line = lines.collect::<Vec<_>>().join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line).replace("For more information, try '--help'.", "");
            note(&format!("ncut: {} (see --help)", line.trim().trim_end_matches('.')));
            return ExitCode::from(1);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS; // whoever read our output has seen enough
            }
            let line = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
            note(&format!("ncut: {line}"));
            ExitCode::from(if is_input(&error) { 1 } else { 2 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == ErrorKind::BrokenPipe;
    error.chain().filter_map(|e| e.downcast_ref()).any(broken)
}

fn is_input(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        e.is::<InputError>()
            || e.downcast_ref().is_some_and(MeasureError::is_input)
            || matches!(e.downcast_ref(), Some(RunError::Input(_)))
    })
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    device::check_name(&cli.global.device)?;
    signals::end_at_once()?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(cli.global.threads())
        .build_global()
        .context("failed to start threads")?;
    preload_cuda(&cli.global.device)?;
    match &cli.command {
        Command::Measure(command) => command.run(&cli.global),
        Command::Cluster(command) => command.run(&cli.global),
        Command::Selftest(command) => command.run(&cli.global),
        Command::Graph(command) => command.run(),
        Command::Run(command) => command.run(&cli.global),
        Command::Plan(command) => command.run(&cli.global),
        Command::Submit(command) => command.run(&cli.global),
        Command::Status(command) => command.run(),
        Command::Logs(command) => command.run(),
        Command::Preempt(command) => command.run(&cli.global),
        Command::Schema(command) => command.run(),
        Command::Worker(command) => command.run(&cli.global),
        Command::Report(command) => command.run(),
        Command::Gc(command) => command.run(),
        Command::Data(command) => command.run(&cli.global),
    }
}

/// Starts this program again with a libtorch that has CUDA, if one is asked for and this one has none.
fn preload_cuda(device: &str) -> anyhow::Result<()> {
    const AGAIN: &str = "NCUT_CUDA_PRELOADED";
    if !device.starts_with("cuda") || std::env::var_os(AGAIN).is_some() || device::device(device).is_ok() {
        return Ok(());
    }
    let Some(dir) = device::find_cuda() else { return Ok(()) };
    let program = std::env::current_exe().context("failed to find this program's own path")?;
    let mut path = dir.clone().into_os_string();
    if let Some(earlier) = std::env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(earlier);
    }
    let error = std::os::unix::process::CommandExt::exec(
        std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .env("LD_PRELOAD", dir.join("libtorch_cuda.so"))
            .env("LD_LIBRARY_PATH", path)
            .env(AGAIN, "1"),
    );
    Err(error).context("failed to start again with CUDA")
}

/// Prints to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(InputError::io(Path::new("standard output"), &e).into()),
        printed => Ok(printed?),
    }
}

/// A line on standard error; whether anybody reads it is no concern of ours.
fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes JSON to `path`, or to standard output if it is `-`.
fn write_json(path: &Path, value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(value).context("failed to write JSON")?;
    json.push('\n');
    write_text(path, &json)
}

/// Finds out before long work whether its results can be written to `outputs` at its end: each to a place of its own, and none over one of
/// `inputs`.
fn check_outputs(inputs: &[&Path], outputs: &[&Path]) -> Result<(), InputError> {
    for (i, path) in outputs.iter().enumerate() {
        let is_device = path.exists() && !path.is_file() && !path.is_dir();
        if !is_device && inputs.iter().any(|input| is_same(input, path)) {
            return Err(InputError::new(path.display(), "is what is read, and would be lost", "name another file"));
        }
        if !is_device && outputs[..i].iter().any(|other| is_same(other, path)) {
            let problem = "two results cannot be in one place";
            return Err(InputError::new(path.display(), problem, "name a file for each"));
        }
        if is_stdout(path) || is_device {
            continue;
        }
        if path.is_dir() {
            return Err(InputError::new(path.display(), "is a directory", "name a file"));
        }
        crate::aside::check(path)?;
    }
    Ok(())
}

/// Whether two paths are of one file, there or to be.
fn is_same(a: &Path, b: &Path) -> bool {
    if is_stdout(a) || is_stdout(b) {
        return a == b;
    }
    let whole = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path.canonicalize()
            .or_else(|_| Ok::<_, std::io::Error>(folder.canonicalize()?.join(path.file_name().unwrap_or_default())))
    };
    whole(a).ok().zip(whole(b).ok()).is_some_and(|(a, b)| a == b)
}

/// Writes text to `path`, or to standard output if it is `-`.
fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    match is_stdout(path) {
        true => print(text),
        false => Ok(crate::aside::write(path, text.as_bytes())?),
    }
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}
