//! `ncut data list|fetch|show`.

use super::{Global, print, write_json};
use crate::data::fetch::{Outcome, Progress, fetch};
use crate::data::{Origin, catalogue, contact_sheet::contact_sheet, load};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// List, download and look at data sets.
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
    /// Download a data set and check it
    Fetch {
        /// Its name
        name: String,
        /// A folder or web address that holds its files, instead of the public mirrors
        #[arg(long, value_name = "DIR|URL")]
        from: Option<String>,
    },
    /// Write a picture of samples, a row a class
    Show {
        /// Its name
        name: String,
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
                        (Origin::Shipped, _) => "shipped",
                        (Origin::Fetched, true) => "here",
                        (Origin::Fetched, false) => "to fetch",
                    };
                    let size = format!("{} + {}", d.train, d.test);
                    text.push_str(&format!(
                        "{:<15} {state:<9} {size:<15} {}x{}  {} ({})\n",
                        d.name, d.height, d.width, d.what, d.licence
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
                    print(&format!("{name} is part of the program: there is nothing to fetch\n"))?;
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
            Command::Show { name, output } => {
                let dataset = load(name, &dir)?;
                let path = output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.png")));
                contact_sheet(&dataset.train, 10, dataset.classes).write_png(&path)?;
                print(&format!("{}: the first 10 training images of each class\n", path.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
