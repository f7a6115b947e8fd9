//! A site's own settings, apart from experiments: its partition, account, spelling of GPUs, limits.
//!
//! ```yaml
//! partition: short            # every key of a `slurm` section, for experiments that do not say otherwise
//! account: physics
//! setup: [module load cuda]
//! gpu_option: gres            # --gres=gpu:N; or gpus-per-node, gpus
//! max_array_size: 1001        # asked of Slurm if not given
//! ```
//!
//! Read from `--profile FILE`, else `NCUT_CLUSTER`, else `~/.config/ncut/cluster.yaml`.

use crate::InputError;
use crate::experiment::file::unknown_key;
use crate::experiment::resources::{Resources, count};
use crate::experiment::yaml;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a site wants GPUs asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GpuOption {
    /// `--gres=gpu:N`
    #[default]
    Gres,
    /// `--gpus-per-node=N`
    GpusPerNode,
    /// `--gpus=N`
    Gpus,
}

/// A site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// What jobs ask for if their experiment does not say.
    pub resources: Resources,
    /// How GPUs are asked for.
    pub gpu_option: GpuOption,
    /// Slurm's MaxArraySize: indices of an array are below it.
    pub max_array_size: Option<u32>,
}

/// MaxArraySize of Slurm as it comes.
pub const MAX_ARRAY_SIZE: u32 = 1001;

impl Profile {
    /// The site's profile; an empty one if none is named and none is where it is looked for.
    ///
    /// # Errors
    ///
    /// The file that is named is not there; a file says what no profile says.
    pub fn load(named: Option<&Path>) -> Result<Self, InputError> {
        let from_environment = std::env::var_os("NCUT_CLUSTER").filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = match named.map(Path::to_path_buf).or(from_environment) {
            Some(path) => path,
            None => {
                let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
                let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or(home);
                match config.map(|config| config.join("ncut/cluster.yaml")).filter(|path| path.exists()) {
                    Some(path) => path,
                    None => return Ok(Self::default()),
                }
            }
        };
        let mut profile = Self::default();
        let root = yaml::read(&path)?;
        for (key, node) in root.map("a map of resources")? {
            match key.name.as_str() {
                "gpu_option" => {
                    profile.gpu_option = match node.text().as_deref() {
                        Some("gres") => GpuOption::Gres,
                        Some("gpus-per-node") => GpuOption::GpusPerNode,
                        Some("gpus") => GpuOption::Gpus,
                        _ => return Err(node.error("no spelling of GPUs", "write gres, gpus-per-node or gpus")),
                    };
                }
                "max_array_size" => profile.max_array_size = Some(count(node, 1, 10_000_000)?),
                _ if profile.resources.set(key, node)? => {}
                _ => {
                    let known =
                        ["gpu_option", "max_array_size", "partition", "account", "qos", "time", "cpus", "mem", "setup"];
                    return Err(unknown_key(key, "a cluster's profile", &known));
                }
            }
        }
        Ok(profile)
    }

    /// MaxArraySize: the profile's, else Slurm's where there is one, else [`MAX_ARRAY_SIZE`].
    pub fn array_size(&self) -> u32 {
        self.max_array_size.or_else(asked_of_slurm).unwrap_or(MAX_ARRAY_SIZE)
    }
}

fn asked_of_slurm() -> Option<u32> {
    let output = Command::new("scontrol").args(["show", "config"]).stdin(Stdio::null()).output().ok()?;
    max_array_size(&String::from_utf8_lossy(&output.stdout))
}

fn max_array_size(config: &str) -> Option<u32> {
    let line = config.lines().find(|line| line.starts_with("MaxArraySize"))?;
    line.split_once('=')?.1.trim().parse().ok().filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_and_its_mistakes_are_placed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.yaml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Profile::load(Some(&path)).map_err(|e| e.to_string())
        };
        let profile = load("partition: short\ngpu_option: gpus-per-node\nmax_array_size: 5\n").unwrap();
        assert_eq!(profile.resources.partition.as_deref(), Some("short"));
        assert_eq!((profile.gpu_option, profile.array_size()), (GpuOption::GpusPerNode, 5));
        let error = load("partition: short\nacount: x\n").expect_err("acount");
        assert!(error.contains("cluster.yaml:2:1: ") && error.contains("did you mean 'account'?"), "{error}");
        assert!(Profile::load(Some(Path::new("no/such.yaml"))).is_err());
    }

    #[test]
    fn slurms_own_limit_is_understood() {
        assert_eq!(
            max_array_size("MailProg                = /bin/mail\nMaxArraySize            = 5\nMaxJobCount = 7\n"),
            Some(5)
        );
        assert_eq!(max_array_size(""), None);
    }
}
