//! `ncut data list|fetch|build|show`.

use super::{Global, print, write_json};
use crate::InputError;
use crate::data::fetch::{Outcome, Progress, fetch};
use crate::data::{
    Description, Origin, Task, build::build, catalogue, contact_sheet::contact_sheet, contact_sheet::target_maps,
    describe, generated::SEED, is_drawn, load,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// List, download, generate and look at data sets.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What there is, and what is on this machine
    List {
        /// Write the list as JSON; - for standard output
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Download a data set, or what it is generated from, and check it
    Fetch {
        /// Its name
        name: String,
        /// A folder or web address that holds its files, instead of the public mirrors
        #[arg(long, value_name = "DIR|URL")]
        from: Option<String>,
    },
    /// Write a generated data set as files for other programs: IDX of pixels, NPY of reals. Runs do not read them: they
    /// generate what they need, for their data_seed
    #[command(allow_negative_numbers = true)]
    Build {
        /// Its name
        name: String,
        /// Seed of what is written, if something in it is drawn [default: 42]
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Folder to write into [default: that of its name in the data directory]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Write a picture of samples, a row a class; of functions, a map each
    #[command(allow_negative_numbers = true)]
    Show {
        /// Its name
        name: String,
        /// Seed of what is generated, if something in it is drawn [default: 42]
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Where to; .png
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

impl Data {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let dir = global.data_dir();
        match &self.command {
            Command::List { json: Some(path) } => write_json(path, &catalogue(&dir))?,
            Command::List { json: None } => {
                let mut text = format!("data directory: {}\n", dir.display());
                for info in catalogue(&dir) {
                    let d = info.description;
                    let state = match (d.origin, info.present) {
                        (Origin::Shipped, _) => "shipped".into(),
                        (Origin::Fetched, true) => "here".into(),
                        (Origin::Fetched, false) => "to fetch".into(),
                        (Origin::Generated, true) => "generated".into(),
                        (Origin::Generated, false) => format!("needs {}", info.missing.join(", ")),
                    };
                    let size = format!("{} + {}", d.train, d.test);
                    text.push_str(&format!(
                        "{:<20} {state:<19} {size:<15} {:<8} {} ({})\n",
                        d.name,
                        shape(&d),
                        d.what,
                        d.licence
                    ));
                }
                print(&text)?;
            }
            Command::Fetch { name, from } => {
                let mut show = |event: Progress| {
                    if let Progress::Wrong { path, problem } = event {
                        super::note(&format!("{}: {problem}; it is replaced", path.display()));
                    }
                };
                let report = fetch(name, &dir, from.as_deref(), &mut show)?;
                if report.files.is_empty() {
                    let why = match describe(name)?.origin {
                        Origin::Generated => "generated when it is used",
                        _ => "part of the program",
                    };
                    print(&format!("{name} is {why}: there is nothing to fetch\n"))?;
                }
                for file in &report.files {
                    let what = match &file.outcome {
                        Outcome::Kept => "already there, checked".to_string(),
                        Outcome::Fetched { from } => format!("from {from}, checked"),
                        Outcome::Replaced { from, wrong } => {
                            format!("from {from}, checked; what was there was wrong: {wrong}")
                        }
                    };
                    print(&format!("{}: {what}\n", file.path.display()))?;
                }
            }
            Command::Build { name, seed, output } => {
                for file in build(name, &dir, seed_for(name, *seed)?, output.as_deref())? {
                    print(&format!("{}: SHA-256 {}\n", file.path.display(), file.sha256))?;
                }
            }
            Command::Show { name, seed, output } => {
                let path = output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.png")));
                if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("png")) {
                    let problem = "the picture is a PNG file, and the name does not say so";
                    return Err(InputError::new(path.display(), problem, "let it end in .png").into());
                }
                let dataset = load(name, &dir, seed_for(name, *seed)?)?;
                let (picture, what) = match dataset.task {
                    Task::Classification { classes } => {
                        let sheet = contact_sheet(&dataset.train, 10, classes);
                        // small images are seen better so
                        let sheet = sheet.enlarged((SHOWN / dataset.train.height).max(1));
                        (sheet, "the first 10 training images of each class".to_string())
                    }
                    Task::Regression { outputs } => {
                        let what = format!("{outputs} targets over inputs from -2 to 2; grey is 0, white the largest");
                        (target_maps(&dataset.train, 32).enlarged(2), what)
                    }
                };
                picture.write_png(&path)?;
                print(&format!("{}: {what}\n", path.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The seed that was asked for, if data set `name` has one.
fn seed_for(name: &str, asked: Option<u64>) -> Result<u64, InputError> {
    match asked {
        Some(_) if !is_drawn(name)? => {
            let remedy = "leave it out, or name a data set that is (lines, random, …)";
            Err(InputError::new("--seed", format!("nothing in {name} is drawn"), remedy))
        }
        asked => Ok(asked.unwrap_or(SEED)),
    }
}

/// Least height that an image is shown with, in pixels.
const SHOWN: usize = 28;

/// What a network is given, and how many functions it learns.
fn shape(d: &Description) -> String {
    match d.task {
        Task::Classification { .. } if d.channels > 1 => format!("{}x{}x{}", d.channels, d.height, d.width),
        Task::Classification { .. } => format!("{}x{}", d.height, d.width),
        Task::Regression { outputs } => format!("{} to {outputs}", d.inputs()),
    }
}
