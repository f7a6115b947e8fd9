//! `ncut report FILE`.

use super::run::GridOptions;
use super::{print, write_json, write_text};
use crate::report;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Collect the results of a grid file's runs: one line a condition and state, with published values where there are.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Report {
    #[command(flatten)]
    grid: GridOptions,
    /// Write one object a condition as JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write Markdown; - for standard output
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a page with null distributions
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let runs = self.grid.runs()?;
        let conditions = report::collect(&runs, &self.grid.out)?;
        if let Some(path) = &self.json {
            write_json(path, &conditions)?;
        }
        if let Some(path) = &self.markdown {
            write_text(path, &report::text::markdown(&conditions))?;
        }
        if let Some(path) = &self.html {
            write_text(path, &report::html::grid(&conditions, &report::results(&runs, &self.grid.out)?))?;
        }
        if self.json.is_none() && self.markdown.is_none() && self.html.is_none() {
            print(&report::text::conditions(&conditions))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
