//! Which runs a submission takes, and with what: more memory after too little, more time after too little, other nodes than
//! those that failed, and none that would only fail again.

use super::array::resolve;
use super::history::{Ended, History, name};
use super::profile::Profile;
use super::queue::Reason;
use crate::experiment::grid::Run;
use crate::experiment::resources::Resources;
use crate::experiment::status::Status;

/// What to do about a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Submit it with these resources.
    Submit(Box<Resources>),
    /// It is done, somebody is doing it, or it is in the queue.
    Leave,
    /// It failed too often: why.
    GiveUp(String),
}

/// What to do about `run`, which is as far as `status`. With `again`, earlier failures do not count.
pub fn choose(run: &Run, status: Status, history: &History, profile: &Profile, again: bool) -> Choice {
    let name = name(run);
    if matches!(status, Status::Done | Status::Running) || history.queued.contains_key(&name) {
        return Choice::Leave;
    }
    let mut resources = resolve(&run.condition.resources, profile);
    let ended: &[Ended] = if again { &[] } else { history.ended.get(&name).map_or(&[], Vec::as_slice) };
    let count = |reason: Reason| ended.iter().filter(|ended| ended.reason == Some(reason)).count();
    let grown = |value: Option<u64>, before: u64, percent: Option<u32>| {
        let grown = (before as u128 * u128::from(percent.unwrap_or(100))).div_ceil(100) as u64;
        Some(value.unwrap_or(0).max(grown))
    };
    let retry = resources.retry;
    for ended in ended {
        match ended.reason {
            Some(Reason::OutOfMemory) => resources.mem = grown(resources.mem, ended.mem, retry.oom),
            Some(Reason::Timeout) => resources.time = grown(resources.time, ended.time, retry.timeout),
            Some(Reason::NodeFail) => {
                let bad = resources.exclude.iter().chain(&ended.node).cloned().collect::<Vec<_>>();
                resources.exclude = (!bad.is_empty()).then(|| bad.join(","));
            }
            _ => {}
        }
    }
    let failed = count(Reason::Code).max(usize::from(status == Status::Failed && !again));
    if failed > retry.code.unwrap_or(0) as usize {
        return Choice::GiveUp(format!("failed {failed} times; mend the cause and submit with --rerun failed"));
    }
    let nodes = count(Reason::NodeFail);
    if nodes > retry.node_fail.unwrap_or(0) as usize {
        return Choice::GiveUp(format!(
            "its node failed {nodes} times; exclude bad nodes and submit with --rerun failed"
        ));
    }
    Choice::Submit(Box::new(resources))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Settings;
    use crate::slurm::queue::ElementState;

    fn after(reasons: &[Reason], status: Status, again: bool) -> Choice {
        let run = Run::new("e", Settings::default(), 0);
        let (mut mem, mut time, mut ended) = (1000, 600, Vec::new());
        for reason in reasons {
            let (log, last_line, node) = ("".into(), String::new(), Some("n17".to_string()));
            ended.push(Ended { reason: Some(*reason), mem, time, log, last_line, node });
            mem *= if *reason == Reason::OutOfMemory { 2 } else { 1 };
            time = if *reason == Reason::Timeout { time * 3 / 2 } else { time };
        }
        let history = History { ended: [(name(&run), ended)].into(), ..History::default() };
        let profile = Profile {
            resources: Resources { mem: Some(1000), time: Some(600), ..Resources::default() },
            ..Profile::default()
        };
        choose(&run, status, &history, &profile, again)
    }

    #[test]
    fn memory_and_time_grow_and_hopeless_runs_are_given_up() {
        use Reason::*;
        let size = |choice| match choice {
            Choice::Submit(resources) => (resources.mem.unwrap(), resources.time.unwrap()),
            other => panic!("{other:?}"),
        };
        assert_eq!(size(after(&[], Status::Missing, false)), (1000, 600));
        assert_eq!(size(after(&[OutOfMemory], Status::Partial, false)), (2000, 600));
        assert_eq!(size(after(&[OutOfMemory, Timeout, OutOfMemory], Status::Partial, false)), (4000, 900));
        assert_eq!(size(after(&[Cancelled, NodeFail], Status::Partial, false)), (1000, 600));
        let Choice::Submit(resources) = after(&[NodeFail], Status::Partial, false) else { panic!("left out") };
        assert_eq!(resources.exclude.as_deref(), Some("n17"));
        assert!(matches!(after(&[NodeFail; 4], Status::Partial, false), Choice::GiveUp(_)));
        assert!(matches!(after(&[], Status::Failed, false), Choice::GiveUp(_)));
        assert!(matches!(after(&[Code], Status::Partial, false), Choice::GiveUp(_)));
        assert_eq!(size(after(&[Code, OutOfMemory], Status::Failed, true)), (1000, 600));
        assert_eq!(after(&[], Status::Done, false), Choice::Leave);
        let run = Run::new("e", Settings::default(), 0);
        let queued = [(name(&run), ElementState::Pending("Priority".into()))].into();
        let history = History { queued, ..History::default() };
        assert_eq!(choose(&run, Status::Missing, &history, &Profile::default(), false), Choice::Leave);
    }
}
