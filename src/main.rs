//! The `ncut` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ncut::cli::main()
}
