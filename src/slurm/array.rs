//! Which job arrays do which runs.
//!
//! All elements of an array ask for the same, so there is an array for each class of resources; its indices are below
//! MaxArraySize, so there may be several. With shards, training, shuffles and the finish are arrays of their own, element
//! by element after one another.

use super::profile::Profile;
use crate::experiment::grid::Run;
use crate::experiment::resources::{Resources, Retry};
use crate::experiment::run::Stage;

/// What a job asks for if nobody says.
pub const DEFAULTS: Resources = Resources {
    time: Some(3600),
    cpus: Some(1),
    mem: Some(4096),
    gpus: None,
    partition: None,
    account: None,
    qos: None,
    constraint: None,
    exclude: None,
    max_running: None,
    pack: Some(1),
    shards: Some(1),
    signal: Some(120),
    timeouts: Some(3),
    retry: Retry { oom: Some(200), timeout: Some(150), node_fail: Some(3), code: Some(0) },
    options: None,
    setup: None,
};

/// A job array: `elements` jobs, element i of which does runs `first + i · pack ..` of the submission's list.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// What it is called in the queue.
    pub name: String,
    /// What is done with its runs.
    pub stage: ArrayStage,
    /// What an element asks for.
    pub resources: Resources,
    /// Number of its first run in the submission's list.
    pub first: usize,
    /// Runs that it does.
    pub runs: usize,
    /// Arrays that come before, element by element, by their number in the list of arrays.
    pub after: Vec<usize>,
}

/// What an array does with its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayStage {
    /// A stage of each run.
    Run(Stage),
    /// A report of all of them, once whatever comes before has ended.
    Collect,
}

impl Array {
    /// Runs of an element.
    pub fn pack(&self) -> usize {
        self.resources.pack.unwrap_or(1) as usize
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        match self.stage {
            ArrayStage::Run(_) => self.runs.div_ceil(self.pack()),
            ArrayStage::Collect => 1,
        }
    }

    /// The runs that element `index` does, by their number in the submission's list.
    pub fn runs_of(&self, index: usize) -> std::ops::Range<usize> {
        match self.stage {
            ArrayStage::Run(_) => {
                let end = self.first + self.runs;
                (self.first + index * self.pack()).min(end)..(self.first + (index + 1) * self.pack()).min(end)
            }
            ArrayStage::Collect => self.first..self.first + self.runs,
        }
    }
}

/// The arrays for `runs`, and the runs in the order in which the arrays number them. `resources` are those of each run,
/// resolved ([`resolve`]).
pub fn arrays(runs: Vec<(Run, Resources)>, max_array_size: u32) -> (Vec<Array>, Vec<Run>) {
    // classes in the order in which they come first
    let mut classes: Vec<(Resources, Vec<Run>)> = Vec::new();
    for (run, resources) in runs {
        match classes.iter_mut().find(|(class, _)| *class == resources) {
            Some((_, runs)) => runs.push(run),
            None => classes.push((resources, vec![run])),
        }
    }
    let (mut arrays, mut list) = (Vec::new(), Vec::new());
    for (resources, runs) in classes {
        let pack = resources.pack.unwrap_or(1) as usize;
        for part in runs.chunks(max_array_size.max(1) as usize * pack) {
            let (first, count) = (list.len(), part.len());
            let experiment = &part[0].experiment;
            let same = part.iter().all(|run| run.experiment == *experiment);
            let name = if same { format!("ncut-{experiment}") } else { "ncut".to_string() };
            let array = |suffix: &str, stage, after| Array {
                name: format!("{name}{suffix}"),
                stage: ArrayStage::Run(stage),
                resources: resources.clone(),
                first,
                runs: count,
                after,
            };
            match u64::from(resources.shards.unwrap_or(1)) {
                1 => arrays.push(array("", Stage::All, Vec::new())),
                of => {
                    let train = arrays.len();
                    arrays.push(array("-train", Stage::Train, Vec::new()));
                    for shard in 0..of {
                        arrays.push(array("-shuffle", Stage::Shuffles { shard, of }, vec![train]));
                    }
                    arrays.push(array("-finish", Stage::All, (train + 1..arrays.len()).collect()));
                }
            }
            list.extend(part.iter().cloned());
        }
    }
    if !arrays.is_empty() {
        // it reads results and draws: little, and not for long
        let of_all = arrays[0].resources.clone();
        let (time, mem) = (Some(600), Some(2048));
        let resources = Resources { time, mem, cpus: Some(1), gpus: None, max_running: None, ..of_all };
        let (runs, after) = (list.len(), (0..arrays.len()).collect());
        arrays.push(Array { name: "ncut-report".into(), stage: ArrayStage::Collect, resources, first: 0, runs, after });
    }
    (arrays, list)
}

/// What jobs of an experiment ask for: its own `slurm` section, then the site's, then [`DEFAULTS`].
pub fn resolve(own: &Resources, profile: &Profile) -> Resources {
    own.or(&profile.resources).or(&DEFAULTS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Settings;

    fn runs(count: u64, resources: &Resources) -> Vec<(Run, Resources)> {
        let resources = resolve(resources, &Profile::default());
        (0..count).map(|replicate| (Run::new("e", Settings::default(), replicate), resources.clone())).collect()
    }

    /// However it is split, every run is in exactly one element, and no index reaches MaxArraySize.
    #[test]
    fn elements_are_a_partition_of_the_runs() {
        for (count, size, pack) in [(1, 5, 1), (5, 5, 1), (12, 5, 1), (12, 5, 3), (1001, 1001, 1), (2503, 1001, 2)] {
            let resources = Resources { pack: Some(pack), ..Resources::default() };
            let (arrays, list) = arrays(runs(count, &resources), size);
            assert_eq!(list.len(), count as usize);
            let mut seen = vec![0; list.len()];
            for array in arrays.iter().filter(|array| array.stage == ArrayStage::Run(Stage::All)) {
                assert!(array.elements() <= size as usize);
                for index in 0..array.elements() {
                    let runs = array.runs_of(index);
                    assert!(!runs.is_empty() && runs.len() <= pack as usize);
                    runs.for_each(|run| seen[run] += 1);
                }
            }
            assert!(seen.iter().all(|seen| *seen == 1), "{count} {size} {pack}: {seen:?}");
            assert_eq!(arrays.last().map(|array| array.elements()), Some(1));
        }
    }

    #[test]
    fn classes_have_arrays_of_their_own_and_stages_follow_each_other() {
        let small = Resources { mem: Some(1024), ..Resources::default() };
        let sharded = Resources { shards: Some(2), ..Resources::default() };
        let all = [runs(2, &small), runs(3, &sharded), runs(1, &small)].concat();
        let (arrays, list) = arrays(all, 1001);
        let shape: Vec<(&str, usize, usize, &[usize])> =
            arrays.iter().map(|a| (a.name.as_str(), a.first, a.runs, a.after.as_slice())).collect();
        assert_eq!(
            shape,
            [
                ("ncut-e", 0, 3, &[][..]),
                ("ncut-e-train", 3, 3, &[]),
                ("ncut-e-shuffle", 3, 3, &[1]),
                ("ncut-e-shuffle", 3, 3, &[1]),
                ("ncut-e-finish", 3, 3, &[2, 3]),
                ("ncut-report", 0, 6, &[0, 1, 2, 3, 4]),
            ]
        );
        assert_eq!(list.iter().map(|run| run.replicate).collect::<Vec<_>>(), [0, 1, 0, 0, 1, 2]);
        assert!(super::arrays(Vec::new(), 10).0.is_empty());
    }
}
