//! Where results are: a run's identity and its directory.
//!
//! ```text
//! OUT/<experiment>/<readable>-<hash8>/r<replicate>/
//!     config.yaml              every setting, as resolved
//!     metrics.jsonl            one line an epoch
//!     attempt-N.json           while a process does the run (see `claim`)
//!     checkpoint.safetensors   while training
//!     unpruned.shuffles/, …    while measuring (see `shuffles`)
//!     epoch-5.safetensors, …   until the run is done: networks on the way, where `measure_at` asks for them
//!     training.jsonl           while measuring: their measurements (see `training_curve`)
//!     unpruned.safetensors, pruned.safetensors
//!     result.json              written last: the run is done
//!     error.json               if the last attempt failed: why
//!     log.txt
//! ```

use super::claim::attempt_number;
use super::grid::{Run, readable};
use super::settings::Settings;
use super::{shuffles, training_curve};
use crate::{InputError, aside};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The first 8 hexadecimal digits of the SHA-256 of the settings that differ from their defaults. Order of keys and
/// settings at their default do not enter, so a new setting or a value added to a grid changes no other run.
pub fn identity(settings: &Settings) -> String {
    hash(settings)[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(settings: &Settings) -> [u8; 32] {
    // serde_json's map is sorted by key
    let canonical = serde_json::Value::Object(settings.non_default()).to_string();
    Sha256::digest(canonical).into()
}

/// The seed of a run: 48 bits of a hash of the settings that concern training, and the replicate. Runs that differ only
/// in how they are measured train the same network; those that differ only in the data set's seed begin alike.
pub fn seed(run: &Run) -> u64 {
    let data_seed = Settings::default().data_seed;
    of_replicate(&Settings { data_seed, ..run.settings().training_only() }, run.replicate)
}

/// What runs have in common that train the same network: 48 bits of a hash as [`seed`]'s, of the data set's seed too.
pub fn network_key(run: &Run) -> u64 {
    of_replicate(&run.settings().training_only(), run.replicate)
}

fn of_replicate(settings: &Settings, replicate: u64) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(hash(settings));
    hasher.update(replicate.to_le_bytes());
    hasher.finalize()[..6].iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// What a condition is called: the settings that differ from their defaults, or `default`, and its identity. However the
/// grid file is written, the same settings have the same name.
pub fn condition_name(settings: &Settings) -> String {
    let given = settings.non_default();
    let named: Vec<String> = given.iter().map(|(name, value)| format!("{name}={}", readable(value))).collect();
    let readable = if named.is_empty() { "default".to_string() } else { named.join(",") };
    // long lists of settings would exceed what file systems allow for a name
    const LONGEST: usize = 100;
    let readable: String = readable.chars().take(LONGEST).collect();
    format!("{readable}-{}", identity(settings))
}

/// What follows the name of a run's directory that was put aside, before its number.
pub const REPLACED: &str = ".replaced-";

/// The files of a run.
#[derive(Debug, Clone)]
pub struct RunDirectory(PathBuf);

impl RunDirectory {
    /// The directory of `run` below `out`; nothing is made.
    pub fn new(out: &Path, run: &Run) -> Self {
        Self(out.join(&*run.experiment).join(&run.condition.name).join(format!("r{}", run.replicate)))
    }

    /// A directory that was found.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The name of the directory of the run's condition.
    pub fn condition(&self) -> String {
        let folder = self.0.parent().and_then(Path::file_name);
        folder.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The settings.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.yaml")
    }

    /// The epochs.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// The state of training.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// What is measured of networks on the way.
    pub fn training(&self) -> PathBuf {
        self.0.join("training.jsonl")
    }

    /// The network before pruning (`unpruned`), at the end (`pruned`), or after an epoch ([`training_curve::state`]).
    pub fn network(&self, state: &str) -> PathBuf {
        self.0.join(format!("{state}.safetensors"))
    }

    /// Why the last attempt failed.
    pub fn error(&self) -> PathBuf {
        self.0.join("error.json")
    }

    /// The result.
    pub fn result(&self) -> PathBuf {
        self.0.join("result.json")
    }

    /// What happened when.
    pub fn log(&self) -> PathBuf {
        self.0.join("log.txt")
    }

    /// Removes what only an unfinished run needs, and what killed attempts left of files that never got their name.
    pub fn tidy(&self) {
        let _ = std::fs::remove_file(self.checkpoint());
        let _ = std::fs::remove_file(self.training());
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(aside::PREFIX) || attempt_number(&name).is_some() || training_curve::is_network(&name) {
                let _ = std::fs::remove_file(entry.path());
            } else if name.ends_with(shuffles::SUFFIX) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Puts what is there aside, as `r<replicate>.replaced-<n>`, so that the run begins anew, and says where. Nothing is
    /// deleted.
    ///
    /// # Errors
    ///
    /// The directory cannot be renamed.
    pub fn set_aside(&self) -> Result<Option<PathBuf>, InputError> {
        let name = self.0.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let free = (1..).map(|n| self.0.with_file_name(format!("{name}{REPLACED}{n}"))).find(|path| !path.exists());
        match free {
            Some(path) if self.0.exists() => match std::fs::rename(&self.0, &path) {
                Ok(()) => Ok(Some(path)),
                // somebody else did
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(InputError::io(&self.0, &e)),
            },
            _ => Ok(None),
        }
    }

    /// Whether the result is there.
    pub fn is_done(&self) -> bool {
        self.result().exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::Setting;
    use crate::experiment::yaml;

    fn settings(yaml: &str) -> Settings {
        let mut settings = Settings::default();
        for (key, node) in yaml::parse("", yaml).unwrap().map("").unwrap() {
            Setting::read(&key.name, node.value()).unwrap().apply(&mut settings);
        }
        settings
    }

    fn run(yaml: &str) -> Run {
        Run::new("e", settings(yaml), 3)
    }

    /// Names on disk: if this fails, everybody's finished runs are lost to them.
    #[test]
    fn names_are_pinned() {
        assert_eq!(identity(&Settings::default()), "44136fa3");
        assert_eq!(condition_name(&settings("{}")), "default-44136fa3");
        assert_eq!(condition_name(&settings("{epochs: 2, dropout: 0.5}")), "dropout=0.5,epochs=2-f0f88542");
        let directory = RunDirectory::new(Path::new("runs"), &run("{dropout: 0.5, epochs: 2}"));
        assert_eq!(directory.result(), Path::new("runs/e/dropout=0.5,epochs=2-f0f88542/r3/result.json"));
    }

    #[test]
    fn identity_depends_on_values_alone() {
        assert_eq!(identity(&settings("{epochs: 2, dropout: 0.5}")), identity(&settings("{dropout: 5e-1, epochs: 2}")));
        assert_eq!(identity(&settings("{epochs: 20}")), identity(&Settings::default()));
        assert_ne!(identity(&settings("{epochs: 21}")), identity(&Settings::default()));
        assert_eq!(seed(&run("{shuffles: 7, lesions: 5, measure_at: [3]}")), seed(&run("{clusters: 4}")));
        assert_ne!(seed(&run("{dropout: 0.5}")), seed(&run("{}")));
        let [one, other] = ["{dataset: lines, data_seed: 1}", "{dataset: lines}"].map(run);
        assert!(seed(&one) == seed(&other) && identity(one.settings()) != identity(other.settings()));
        for idle in ["tags: 12", "block_share_power: square", "penalty_step: decoupled", "loop_penalty_kind: trace-s4"]
        {
            assert_eq!(seed(&run(&format!("{{{idle}}}"))), seed(&run("{}")), "{idle}");
        }
        assert_ne!(seed(&run("{clusterable_init: true, tags: 12}")), seed(&run("{clusterable_init: true}")));
        assert!(network_key(&one) != network_key(&other) && network_key(&run("{}")) == seed(&run("{}")));
        assert!(seed(&run("{}")) < 1 << 48);
    }
}
