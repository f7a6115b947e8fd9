//! The one place that hands scripts over: to `sbatch`, or, to try them without a cluster, to the shell.

use crate::InputError;
use std::path::Path;
use std::process::{Command, Stdio};

/// Who takes a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// Slurm.
    Slurm,
    /// This machine: each element runs to its end, one after the other. For tests.
    Fake,
}

/// Finds out before anything is written whether there is somebody to hand scripts to.
///
/// # Errors
///
/// There is no `sbatch`.
pub fn check(taker: Taker) -> Result<(), InputError> {
    if taker == Taker::Fake {
        return Ok(());
    }
    let found = Command::new("sbatch").arg("--version").stdin(Stdio::null()).output();
    found.map(drop).map_err(|e| absent(&e))
}

fn absent(error: &std::io::Error) -> InputError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            InputError::new("sbatch", "is not on PATH", "submit where Slurm is, or use 'ncut run' here")
        }
        _ => InputError::io(Path::new("sbatch"), error),
    }
}

/// Hands `script` over and returns the number of its job. `elements` and `number` serve [`Taker::Fake`].
///
/// # Errors
///
/// `sbatch` is not there, or refuses: in its own words.
pub fn submit(
    taker: Taker,
    script: &Path,
    dependency: Option<&str>,
    elements: usize,
    number: usize,
) -> Result<String, InputError> {
    if taker == Taker::Fake {
        return fake(script, elements, number);
    }
    let mut command = Command::new("sbatch");
    command.arg("--parsable").args(dependency).arg(script).stdin(Stdio::null());
    let output = command.output().map_err(|e| absent(&e))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // --parsable: the number, and after a semicolon the cluster
    let job = String::from_utf8_lossy(&output.stdout).trim().split(';').next().unwrap_or_default().to_string();
    if !output.status.success() || job.is_empty() || !job.chars().all(|c| c.is_ascii_digit()) {
        let said = said.lines().map(|line| line.trim_start_matches("sbatch: error: ")).collect::<Vec<_>>().join(" ");
        let said = if said.is_empty() { "gave no reason".to_string() } else { said };
        return Err(InputError::new(format!("sbatch {}", script.display()), refusal(&said), remedy(&said)));
    }
    Ok(job)
}

fn refusal(said: &str) -> String {
    format!("refused: {said}")
}

fn remedy(said: &str) -> &'static str {
    if said.contains("ontact slurm") || said.contains("configuration file") {
        "ask whether Slurm is up (scontrol ping)"
    } else if said.contains("array specification") {
        "set max_array_size in the cluster's profile to Slurm's MaxArraySize"
    } else if said.contains("MaxSubmit") || said.contains("job submit limit") {
        "wait until some jobs are through and submit again, or put more runs into a job with slurm: {pack: N}"
    } else if said.contains("partition") {
        "correct 'partition' (sinfo lists them)"
    } else if said.contains("Memory") || said.contains("node configuration") {
        "ask for what a node has (sinfo -o '%c %m %G')"
    } else {
        "correct the 'slurm' section or the cluster's profile"
    }
}

fn fake(script: &Path, elements: usize, number: usize) -> Result<String, InputError> {
    let job = format!("fake-{number}");
    for index in 0..elements {
        // its exit code is the element's own: as with Slurm, it does not stop the others
        let status = Command::new("bash")
            .arg(script)
            .env("SLURM_ARRAY_TASK_ID", index.to_string())
            .env("SLURM_ARRAY_JOB_ID", &job)
            .stdin(Stdio::null())
            .status();
        status.map_err(|e| InputError::io(Path::new("bash"), &e))?;
    }
    Ok(job)
}
