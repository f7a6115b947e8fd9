//! The text that `sbatch` is given: a function of the array and where things are, and nothing else.
//!
//! The script ends in `exec`, so that the program is the process that Slurm signals with `--signal=B:`, and no shell
//! stands between.

use super::array::{Array, ArrayStage};
use super::profile::GpuOption;
use super::submission::Frozen;
use crate::experiment::resources::{memory_text, time_text};
use crate::experiment::run::Stage;
use std::fmt::Write;
use std::path::Path;

/// The batch script of array `number` of a submission.
pub fn script(array: &Array, number: usize, frozen: &Frozen, gpu_option: GpuOption) -> String {
    let r = &array.resources;
    let mut text = String::from("#!/bin/bash\n");
    let mut option = |name: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "#SBATCH --{name}={value}");
    };
    option("job-name", &array.name);
    let last = array.elements().saturating_sub(1);
    match r.max_running {
        Some(most) => option("array", &format_args!("0-{last}%{most}")),
        None => option("array", &format_args!("0-{last}")),
    }
    let words = [
        ("partition", &r.partition),
        ("account", &r.account),
        ("qos", &r.qos),
        ("constraint", &r.constraint),
        ("exclude", &r.exclude),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            option(name, value);
        }
    }
    option("time", &time_text(r.time.unwrap_or(3600)));
    option("nodes", &1);
    option("ntasks", &1);
    option("cpus-per-task", &r.cpus.unwrap_or(1));
    option("mem", &memory_text(r.mem.unwrap_or(4096)));
    if let Some(gpus) = r.gpus.filter(|gpus| *gpus > 0) {
        match gpu_option {
            GpuOption::Gres => option("gres", &format_args!("gpu:{gpus}")),
            GpuOption::GpusPerNode => option("gpus-per-node", &gpus),
            GpuOption::Gpus => option("gpus", &gpus),
        }
    }
    option("output", &quoted(&frozen.directory.join("logs/%A_%a.out")));
    option("open-mode", &"append");
    text.push_str("#SBATCH --requeue\n");
    let mut option = |line: &str| {
        let _ = writeln!(text, "#SBATCH {line}");
    };
    option(&format!("--signal=B:USR1@{}", r.signal.unwrap_or(120)));
    if !array.after.is_empty() {
        option("--kill-on-invalid-dep=yes");
    }
    r.options.iter().flatten().for_each(|line| option(line));
    for line in r.setup.iter().flatten() {
        let _ = writeln!(text, "{line}");
    }
    let stage = match array.stage {
        ArrayStage::Run(Stage::All) => "all".to_string(),
        ArrayStage::Run(Stage::Train) => "train".to_string(),
        ArrayStage::Run(Stage::Shuffles { shard, of }) => format!("shuffles:{shard}/{of}"),
        ArrayStage::Collect => "collect".to_string(),
    };
    let _ = write!(
        text,
        "exec {} worker {} --array {number} --stage {stage} --first {} --runs {} --pack {} --timeouts {}",
        shell(&frozen.binary),
        shell(&frozen.directory),
        array.first,
        array.runs,
        array.pack(),
        r.timeouts.unwrap_or(0),
    );
    let device = if r.gpus.unwrap_or(0) > 0 && frozen.device == "cpu" { "cuda" } else { &frozen.device };
    let _ =
        writeln!(text, " --threads {} --device {device} --data-dir {}", r.cpus.unwrap_or(1), shell(&frozen.data_dir));
    text
}

/// The options that say what the array waits for; they stand on the command line, since the numbers of jobs are known only
/// then. `jobs` are those of the arrays before, in their order, `None` for one that is not in the queue.
pub fn dependency(array: &Array, jobs: &[Option<String>]) -> Option<String> {
    let before: Vec<&str> = array.after.iter().filter_map(|i| jobs.get(*i)?.as_deref()).collect();
    let kind = match array.stage {
        // element by element: each begins as soon as its own run is that far
        ArrayStage::Run(_) => "aftercorr",
        // also of what failed
        ArrayStage::Collect => "afterany",
    };
    (!before.is_empty()).then(|| format!("--dependency={kind}:{}", before.join(":")))
}

/// In single quotes, as the shell reads it.
pub fn shell(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// As `#SBATCH` lines read it: quotes only where they are needed.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-%+=:,@".contains(c);
    if text.chars().all(plain) { text } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::resources::Resources;
    use crate::slurm::array::{DEFAULTS, arrays};

    fn frozen() -> Frozen {
        Frozen {
            directory: "/home/me/my runs/.slurm/0123abcd".into(),
            binary: "/home/me/my runs/.slurm/bin/ncut-89ef".into(),
            data_dir: "/data".into(),
            device: "cpu".into(),
        }
    }

    /// The whole text: what Slurm is asked must never change unseen.
    #[test]
    fn text_is_pinned() {
        let resources = Resources {
            time: Some(1800),
            cpus: Some(2),
            gpus: Some(1),
            partition: Some("short".into()),
            account: Some("physics".into()),
            max_running: Some(4),
            pack: Some(3),
            options: Some(vec!["--mail-type=FAIL".into()]),
            setup: Some(vec!["module load cuda".into()]),
            ..DEFAULTS
        };
        let array = Array {
            name: "ncut-mnist".into(),
            stage: ArrayStage::Run(Stage::All),
            resources,
            first: 12,
            runs: 10,
            after: vec![],
        };
        let expected = "#!/bin/bash
#SBATCH --job-name=ncut-mnist
#SBATCH --array=0-3%4
#SBATCH --partition=short
#SBATCH --account=physics
#SBATCH --time=00:30:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --gres=gpu:1
#SBATCH --output=\"/home/me/my runs/.slurm/0123abcd/logs/%A_%a.out\"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --mail-type=FAIL
module load cuda
exec '/home/me/my runs/.slurm/bin/ncut-89ef' worker '/home/me/my runs/.slurm/0123abcd' --array 2 --stage all --first 12 \
--runs 10 --pack 3 --timeouts 3 --threads 2 --device cuda --data-dir '/data'
";
        assert_eq!(script(&array, 2, &frozen(), GpuOption::Gres), expected);
        assert_eq!(dependency(&array, &[]), None);
    }

    #[test]
    fn dependencies_name_the_jobs_before() {
        let resources = Resources { shards: Some(2), ..DEFAULTS };
        let run = crate::experiment::grid::Run::new("e", Default::default(), 0);
        let (arrays, _) = arrays(vec![(run, resources)], 1001);
        let jobs = ["10", "11", "12", "13"].map(|job| Some(job.to_string()));
        let found: Vec<Option<String>> = arrays.iter().map(|array| dependency(array, &jobs)).collect();
        let expected = [
            None,
            Some("--dependency=aftercorr:10".to_string()),
            Some("--dependency=aftercorr:10".to_string()),
            Some("--dependency=aftercorr:11:12".to_string()),
            Some("--dependency=afterany:10:11:12:13".to_string()),
        ];
        assert_eq!(found, expected);
        assert!(script(&arrays[1], 1, &frozen(), GpuOption::Gres).contains("--stage shuffles:0/2 "));
        assert!(script(&arrays[1], 1, &frozen(), GpuOption::Gres).contains("\n#SBATCH --kill-on-invalid-dep=yes\n"));
        assert_eq!(shell(Path::new("it's")), r"'it'\''s'");
    }
}
