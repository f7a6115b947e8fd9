//! `ncut report FILE`.

use super::run::GridOptions;
use super::{is_stdout, note, print, write_json, write_text};
use crate::experiment::grid::Grid;
use crate::report::columns::{columns, condition_columns};
use crate::report::pictures::{NotDrawn, pictures};
use crate::report::pivot::pivots;
use crate::report::record::records;
use crate::{InputError, aside, report};
use anyhow::Context as _;
use clap::Args;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Collect the results of a grid file's runs: one line a condition and state, with published values where there are.
/// Pictures are written among the results, as SVG and PNG.
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
    /// Write tables in LaTeX; - for standard output
    #[arg(long, value_name = "FILE")]
    latex: Option<PathBuf>,
    /// Write a page with null distributions
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the table of conditions as CSV, a row a condition and end state; - for standard output
    #[arg(long, value_name = "FILE")]
    conditions: Option<PathBuf>,
    /// Write one row a run, done or not, with all settings; - for standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the same as Parquet; - for standard output
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Write one row a run and epoch at which it was measured in training (measure_at), as CSV; - for standard output
    #[arg(long, value_name = "FILE")]
    training: Option<PathBuf>,
    /// Write one row a run, end state and silenced cluster (lesions), with what each class loses, as CSV; - for standard output
    #[arg(long, value_name = "FILE")]
    lesions: Option<PathBuf>,
    /// Write event files for TensorBoard, also of runs in progress
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(path) = self.parquet.as_deref().filter(|path| is_stdout(path))
            && std::io::stdout().is_terminal()
        {
            let problem = "a Parquet file is not text, and standard output is a terminal";
            return Err(InputError::new(
                format!("--parquet {}", path.display()),
                problem,
                "name a file, or use a pipe",
            )
            .into());
        }
        let summaries = [&self.json, &self.markdown, &self.latex, &self.html, &self.conditions];
        let rows = [&self.csv, &self.parquet, &self.training, &self.lesions];
        let files: Vec<&Path> = [&summaries[..], &rows].concat().into_iter().flatten().map(PathBuf::as_path).collect();
        let grid = self.grid.grid()?;
        self.grid.check_outputs(&grid, &[], &files)?;
        let Grid { runs, tables, .. } = grid;
        let command = self.grid.run_command();
        let records = records(&runs, &self.grid.out)?;
        records
            .iter()
            .filter_map(|record| record.damage.as_deref())
            .for_each(|damage| note(&format!("ncut: {damage}")));
        let conditions = report::conditions(&records);
        let results: Vec<_> = records.iter().filter_map(|r| Some((&r.run, r.result.as_ref()?))).collect();
        let (tables, (pictures, lacking)) = (pivots(&tables, &conditions), pictures(&tables, &conditions, &results));
        if let Some(path) = &self.json {
            write_json(path, &conditions)?;
        }
        if let Some(path) = &self.markdown {
            let tables: String = tables.iter().map(|table| format!("\n{}", table.markdown())).collect();
            write_text(path, &(report::text::markdown(&conditions, &command) + &tables))?;
        }
        if let Some(path) = &self.latex {
            write_text(path, &report::latex::latex(&conditions, &tables))?;
        }
        if let Some(path) = &self.html {
            write_text(path, &report::page::grid(&conditions, &command, &tables, &pictures, &results))?;
        }
        if let Some(path) = &self.conditions {
            write_text(path, &report::csv::csv(&condition_columns(&conditions)).context("failed to write CSV")?)?;
        }
        let table = if self.csv.is_some() || self.parquet.is_some() { columns(&records) } else { Vec::new() };
        if let Some(path) = &self.csv {
            write_text(path, &report::csv::csv(&table).context("failed to write CSV")?)?;
        }
        if let Some(path) = &self.parquet {
            write_bytes(path, &report::parquet::parquet(&table).context("failed to write Parquet")?)?;
        }
        if let Some(path) = &self.training {
            let points = report::training::columns(&records);
            write_text(path, &report::csv::csv(&points).context("failed to write CSV")?)?;
        }
        if let Some(path) = &self.lesions {
            let lesions = report::lesions::columns(&records);
            write_text(path, &report::csv::csv(&lesions).context("failed to write CSV")?)?;
        }
        if let Some(dir) = &self.tensorboard {
            let count = report::tensorboard::write(&records, dir)?;
            note(&format!("{}: event files of {count} of {} runs", dir.display(), records.len()));
        }
        if files.is_empty() && self.tensorboard.is_none() {
            let tables: String = tables.iter().map(|table| format!("\n{}", table.text())).collect();
            print(&(report::text::conditions(&conditions, &command) + &tables))?;
        }
        for NotDrawn { experiment, name, reason } in lacking {
            note(&format!("{experiment}: {name} is not drawn: {reason}"));
        }
        // last, so that a folder that cannot be written to costs nothing but them
        for path in report::write_pictures(&pictures, &self.grid.out)? {
            note(&format!("picture: {}, .png", path.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes bytes to `path`, or to standard output if it is `-`.
fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if !is_stdout(path) {
        return Ok(aside::write(path, bytes)?);
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(InputError::io(Path::new("standard output"), &e).into()),
        printed => Ok(printed?),
    }
}
