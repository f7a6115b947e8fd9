//! What Slurm knows of jobs: one `squeue` and at most one `sacct` a call, and what it wrote into a job's output.
//!
//! An element that `squeue` does not list is not therefore lost: it may have ended well, or be too new. What ended a job
//! is taken from accounting where that is on, else from the last lines of the job's own output.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// State of an element, by Slurm's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElementState {
    /// It waits: why.
    Pending(String),
    /// It runs, or is being ended.
    Running,
    /// It has ended otherwise than well: why.
    Ended(Reason),
}

/// What ended a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It ran out of memory.
    OutOfMemory,
    /// It ran out of time.
    Timeout,
    /// Its node failed.
    NodeFail,
    /// Somebody cancelled it.
    Cancelled,
    /// The program ended with an exit code.
    Code,
}

impl Reason {
    /// As in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out of memory",
            Self::Timeout => "out of time",
            Self::NodeFail => "node failed",
            Self::Cancelled => "cancelled",
            Self::Code => "failed",
        }
    }
}

/// An element: the number of its array and its index.
pub type Element = (String, u32);

/// What `squeue` says of this user's jobs; `None` if there is no Slurm or it does not answer.
pub fn squeue() -> Option<HashMap<Element, ElementState>> {
    let mut command = Command::new("squeue");
    command.args(["--me", "--noheader", "--array", "--format=%F|%K|%T|%r"]).stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(parse_squeue(&String::from_utf8_lossy(&output.stdout)))
}

fn parse_squeue(text: &str) -> HashMap<Element, ElementState> {
    let element = |line: &str| {
        let mut parts = line.splitn(4, '|');
        let (job, index, state, reason) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let state = match state {
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
                ElementState::Pending(reason.to_string())
            }
            _ => ElementState::Running,
        };
        Some(((job.to_string(), index.parse().ok()?), state))
    };
    text.lines().filter_map(element).collect()
}

/// What accounting says of jobs that have ended; empty if it is off.
pub fn sacct(jobs: &[String]) -> HashMap<Element, ElementState> {
    if jobs.is_empty() {
        return HashMap::new();
    }
    let mut command = Command::new("sacct");
    command.args(["--noheader", "--parsable2", "--allocations", "--array", "--format=JobID,State"]);
    command.arg(format!("--jobs={}", jobs.join(","))).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => parse_sacct(&String::from_utf8_lossy(&output.stdout)),
        _ => HashMap::new(),
    }
}

fn parse_sacct(text: &str) -> HashMap<Element, ElementState> {
    let element = |line: &str| {
        let (id, state) = line.split_once('|')?;
        let (job, index) = id.split_once('_')?;
        // CANCELLED by 1000
        let state = match state.split_whitespace().next()? {
            "OUT_OF_MEMORY" => ElementState::Ended(Reason::OutOfMemory),
            "TIMEOUT" | "DEADLINE" => ElementState::Ended(Reason::Timeout),
            "NODE_FAIL" | "BOOT_FAIL" => ElementState::Ended(Reason::NodeFail),
            "CANCELLED" | "REVOKED" => ElementState::Ended(Reason::Cancelled),
            "FAILED" => ElementState::Ended(Reason::Code),
            "RUNNING" | "COMPLETING" => ElementState::Running,
            // PREEMPTED too: it comes back
            "PENDING" | "REQUEUED" | "PREEMPTED" | "SUSPENDED" => ElementState::Pending(String::new()),
            _ => return None,
        };
        Some(((job.to_string(), index.parse().ok()?), state))
    };
    text.lines().filter_map(element).collect()
}

/// The end of a job's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastWords {
    /// What ended the job, if it says so.
    pub reason: Option<Reason>,
    /// Its last line that says something.
    pub line: String,
    /// The node of the last attempt.
    pub node: Option<String>,
}

/// What the end of a job's output says; `None` if it has none.
pub fn last_words(path: &Path) -> Option<LastWords> {
    const TAIL: u64 = 8192;
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(words(&String::from_utf8_lossy(&bytes)))
}

fn words(text: &str) -> LastWords {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // lines of earlier attempts stand above; the last attempt begins with what the worker says first
    let begin = lines.iter().rposition(|line| line.starts_with(ATTEMPT)).unwrap_or(0);
    let own = &lines[begin..];
    let reason = own.iter().rev().find_map(|line| {
        let is = |parts: &[&str]| parts.iter().any(|part| line.contains(part));
        if is(&["oom-kill", "exceeded memory limit", "Out Of Memory", "out-of-memory"]) {
            Some(Reason::OutOfMemory)
        } else if is(&["DUE TO TIME LIMIT", "its time is up"]) {
            Some(Reason::Timeout)
        } else if is(&["DUE TO NODE FAILURE"]) {
            Some(Reason::NodeFail)
        } else if line.contains("*** JOB")
            && line.contains("CANCELLED AT")
            && !is(&["DUE TO JOB REQUEUE", "DUE TO PREEMPTION"])
        {
            Some(Reason::Cancelled)
        } else if line.starts_with("ncut: ") && line.contains("failed") {
            Some(Reason::Code)
        } else {
            None
        }
    });
    // Slurm prints the cancellation after the kill for memory
    let memory = own.iter().any(|line| line.contains("exceeded memory limit") || line.contains("oom-kill"));
    let reason = if memory { Some(Reason::OutOfMemory) } else { reason };
    // the program was never reached: a line of the shell before it failed
    let reason =
        if reason.is_none() && !own.is_empty() && !own[0].starts_with(ATTEMPT) { Some(Reason::Code) } else { reason };
    let first = own.first().filter(|line| line.starts_with(ATTEMPT));
    let node = first.and_then(|line| Some(line.split(", on ").nth(1)?.split(',').next()?.to_string()));
    LastWords { reason, line: own.last().map(|line| line.to_string()).unwrap_or_default(), node }
}

/// How the first line of an attempt's output begins.
pub const ATTEMPT: &str = "ncut worker:";

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of Slurm 22.05.
    #[test]
    fn listings_of_slurm_are_understood() {
        let found = parse_squeue(
            "1|2|PENDING|JobArrayTaskLimit\n1|0|RUNNING|None\n3|N/A|RUNNING|None\n1|3|PENDING|Nodes required, or DOWN\n1|4|COMPLETING|None\n",
        );
        let of = |index| found.get(&("1".to_string(), index)).cloned();
        assert_eq!(of(2), Some(ElementState::Pending("JobArrayTaskLimit".into())));
        assert_eq!((of(0), of(4)), (Some(ElementState::Running), Some(ElementState::Running)));
        assert_eq!(of(3), Some(ElementState::Pending("Nodes required, or DOWN".into())));
        assert_eq!((found.len(), of(1)), (4, None));
        let found = parse_sacct(
            "7_0|COMPLETED\n7_1|CANCELLED by 1000\n7_2|TIMEOUT\n7_3|OUT_OF_MEMORY\n7_4|PREEMPTED\n7_[5-9]|PENDING\n",
        );
        let of = |index| found.get(&("7".to_string(), index)).cloned();
        assert_eq!((of(0), of(1)), (None, Some(ElementState::Ended(Reason::Cancelled))));
        assert_eq!(of(2), Some(ElementState::Ended(Reason::Timeout)));
        assert_eq!(of(3), Some(ElementState::Ended(Reason::OutOfMemory)));
        assert_eq!(of(4), Some(ElementState::Pending(String::new())));
    }

    #[test]
    fn the_end_of_an_output_says_what_ended_it() {
        let cancelled = "slurmstepd-node: error: *** JOB 2 ON node CANCELLED AT 2026-11-21T15:36:56 ***";
        for (text, reason) in [
            (
                "slurmstepd: error: *** JOB 14 ON node CANCELLED AT 2026-11-21T15:41:11 DUE TO TIME LIMIT ***",
                Some(Reason::Timeout),
            ),
            (cancelled, Some(Reason::Cancelled)),
            (
                "ncut worker: array 0\nslurmstepd: error: *** JOB 2 ON node CANCELLED AT 2026 DUE TO JOB REQUEUE ***",
                None,
            ),
            ("bash: module: command not found", Some(Reason::Code)),
            (
                "slurmstepd: error: *** JOB 2 ON node CANCELLED AT 2026 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
                Some(Reason::NodeFail),
            ),
            (
                "StepId=2.batch exceeded memory limit (328314880 > 52428800), being killed\nError: Exceeded job memory limit\n*** JOB 2 ON node CANCELLED AT 2026 ***",
                Some(Reason::OutOfMemory),
            ),
            ("error: Detected 1 oom-kill event(s) in StepId=5.batch.", Some(Reason::OutOfMemory)),
            ("ncut: 1 of 2 runs failed", Some(Reason::Code)),
            ("ncut worker: array 0\ne r0: epoch 3/40", None),
            ("", None),
        ] {
            assert_eq!(words(text).reason, reason, "{text}");
        }
        // of an earlier attempt
        let text = format!("{cancelled}\n{ATTEMPT} array 3, restart 1, on n17, 0.1.0\ne r0: done in 3 s");
        let expected = LastWords { reason: None, line: "e r0: done in 3 s".into(), node: Some("n17".into()) };
        assert_eq!(words(&text), expected);
    }
}
