//! `ncut schema`: the JSON Schema of grid files, for editors.

use super::write_json;
use crate::experiment::schema;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the JSON Schema of grid files, with which editors complete and check them.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

impl Schema {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        write_json(&self.output, &schema::schema())?;
        Ok(ExitCode::SUCCESS)
    }
}
