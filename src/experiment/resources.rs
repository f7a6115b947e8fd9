//! What a job of a cluster asks for: the `slurm` section of a grid file, and of a site's profile.

use super::file::unknown_key;
use super::yaml::{Content, Key, Node};
use crate::InputError;
use serde_json::{Value, json};

/// Resources of one element of a job array. What is not given is the site's, or [`Resources::or`]'s default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Wall-clock limit of an element, in seconds.
    pub time: Option<u64>,
    /// CPU cores.
    pub cpus: Option<u32>,
    /// Memory of an element, in MiB.
    pub mem: Option<u64>,
    /// GPUs.
    pub gpus: Option<u32>,
    /// Partition.
    pub partition: Option<String>,
    /// Account to charge.
    pub account: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Features of the nodes.
    pub constraint: Option<String>,
    /// Nodes to avoid.
    pub exclude: Option<String>,
    /// Elements of an array that may run at once.
    pub max_running: Option<u32>,
    /// Runs that one element does, `cpus` at a time.
    pub pack: Option<u32>,
    /// Jobs that share the shuffles of a run.
    pub shards: Option<u32>,
    /// Seconds before the time limit at which a job saves its state and goes back into the queue.
    pub signal: Option<u32>,
    /// How often a job may go back into the queue because its time is up.
    pub timeouts: Option<u32>,
    /// What to do about failures.
    pub retry: Retry,
    /// Further options of `sbatch`, each as `--name=value`.
    pub options: Option<Vec<String>>,
    /// Lines of shell before the program, as `module load …`.
    pub setup: Option<Vec<String>>,
}

/// What `submit` does with runs that failed before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Retry {
    /// Memory of the next attempt after one that ran out of it, in percent of that.
    pub oom: Option<u32>,
    /// Time limit of the next attempt after one that ran out of time too often, in percent of that.
    pub timeout: Option<u32>,
    /// Attempts after a node failed.
    pub node_fail: Option<u32>,
    /// Attempts after the program itself reported a fault.
    pub code: Option<u32>,
}

const NAMES: [&str; 17] = [
    "time",
    "cpus",
    "mem",
    "gpus",
    "partition",
    "account",
    "qos",
    "constraint",
    "exclude",
    "max_running",
    "pack",
    "shards",
    "signal",
    "timeouts",
    "retry",
    "options",
    "setup",
];
const RETRY_NAMES: [&str; 4] = ["oom", "timeout", "node_fail", "code"];

impl Resources {
    /// Reads a `slurm` section.
    ///
    /// # Errors
    ///
    /// A key that there is not, or a value that does not fit.
    pub fn read(node: &Node) -> Result<Self, InputError> {
        let mut resources = Self::default();
        for (key, value) in node.map("a map of resources")? {
            if !resources.set(key, value)? {
                return Err(unknown_key(key, "'slurm'", &NAMES));
            }
        }
        Ok(resources)
    }

    /// Takes one key; false if it is none of a `slurm` section.
    pub(crate) fn set(&mut self, key: &Key, node: &Node) -> Result<bool, InputError> {
        match key.name.as_str() {
            "time" => self.time = Some(seconds(node)?),
            "cpus" => self.cpus = Some(count(node, 1, 4096)?),
            "mem" => self.mem = Some(mebibytes(node)?),
            "gpus" => self.gpus = Some(count(node, 0, 64)?),
            "partition" => self.partition = Some(word(node)?),
            "account" => self.account = Some(word(node)?),
            "qos" => self.qos = Some(word(node)?),
            "constraint" => self.constraint = Some(word(node)?),
            "exclude" => self.exclude = Some(word(node)?),
            "max_running" => self.max_running = Some(count(node, 1, 1_000_000)?),
            "pack" => self.pack = Some(count(node, 1, 100_000)?),
            "shards" => self.shards = Some(count(node, 1, 1000)?),
            "signal" => self.signal = Some(count(node, 1, 65_535)?),
            "timeouts" => self.timeouts = Some(count(node, 0, 1000)?),
            "retry" => self.retry = Retry::read(node)?,
            "options" => self.options = Some(lines(node, Some("--"))?),
            "setup" => self.setup = Some(lines(node, None)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// This, and where it says nothing, `other`.
    pub fn or(&self, other: &Self) -> Self {
        let (a, b) = (self.clone(), other.clone());
        Self {
            time: a.time.or(b.time),
            cpus: a.cpus.or(b.cpus),
            mem: a.mem.or(b.mem),
            gpus: a.gpus.or(b.gpus),
            partition: a.partition.or(b.partition),
            account: a.account.or(b.account),
            qos: a.qos.or(b.qos),
            constraint: a.constraint.or(b.constraint),
            exclude: a.exclude.or(b.exclude),
            max_running: a.max_running.or(b.max_running),
            pack: a.pack.or(b.pack),
            shards: a.shards.or(b.shards),
            signal: a.signal.or(b.signal),
            timeouts: a.timeouts.or(b.timeouts),
            retry: Retry {
                oom: a.retry.oom.or(b.retry.oom),
                timeout: a.retry.timeout.or(b.retry.timeout),
                node_fail: a.retry.node_fail.or(b.retry.node_fail),
                code: a.retry.code.or(b.retry.code),
            },
            options: a.options.or(b.options),
            setup: a.setup.or(b.setup),
        }
    }

    /// JSON Schema of the section.
    pub fn schema() -> Value {
        let whole = |least: u64| json!({"type": "integer", "minimum": least});
        let text = json!({"type": "string"});
        let texts = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
        let factor = json!({"type": "string", "pattern": r"^(mem|time) ?\* ?[0-9.]+$"});
        json!({"type": "object", "additionalProperties": false, "properties": {
            "time": {"anyOf": [text, whole(1)], "description": "wall-clock limit: minutes, MM:SS, HH:MM:SS or D-HH:MM:SS"},
            "cpus": whole(1),
            "mem": {"anyOf": [text, whole(1)], "description": "memory, as 4G; a bare number is MiB"},
            "gpus": whole(0), "partition": text, "account": text, "qos": text, "constraint": text, "exclude": text,
            "max_running": whole(1), "pack": whole(1), "shards": whole(1), "signal": whole(1), "timeouts": whole(0),
            "retry": {"type": "object", "additionalProperties": false,
                "properties": {"oom": factor, "timeout": factor, "node_fail": whole(0), "code": whole(0)}},
            "options": texts, "setup": texts
        }})
    }
}

impl Retry {
    fn read(node: &Node) -> Result<Self, InputError> {
        let mut retry = Self::default();
        for (key, value) in node.map("a map")? {
            match key.name.as_str() {
                "oom" => retry.oom = Some(factor(value, "mem")?),
                "timeout" => retry.timeout = Some(factor(value, "time")?),
                "node_fail" => retry.node_fail = Some(count(value, 0, 1000)?),
                "code" => retry.code = Some(count(value, 0, 1000)?),
                _ => return Err(unknown_key(key, "'retry'", &RETRY_NAMES)),
            }
        }
        Ok(retry)
    }
}

/// `mem*2`, in percent.
fn factor(node: &Node, what: &str) -> Result<u32, InputError> {
    let text = node.text().unwrap_or_default();
    let number = text.strip_prefix(what).map(str::trim_start).and_then(|rest| rest.strip_prefix('*'));
    match number.and_then(|number| number.trim().parse::<f64>().ok()) {
        Some(factor) if (1.0..=100.0).contains(&factor) => Ok((100.0 * factor).round() as u32),
        _ => Err(node.error(format!("'{text}' is no factor from 1 to 100"), format!("write it as {what}*2"))),
    }
}

pub(crate) fn count(node: &Node, least: u32, most: u32) -> Result<u32, InputError> {
    let number = match &node.content {
        Content::Scalar(value) => value.as_u64(),
        _ => None,
    };
    let number = number.and_then(|number| u32::try_from(number).ok()).filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| node.error(format!("not a whole number from {least} to {most}"), "correct it there"))
}

/// A value of an option: no spaces or quotes that would end it.
fn word(node: &Node) -> Result<String, InputError> {
    let text = node.text().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '\\' | '`' | '$' | ';');
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(text),
        false => {
            Err(node.error("not a name that Slurm could have", "write letters, digits, '-', '_', ',' and the like"))
        }
    }
}

fn lines(node: &Node, prefix: Option<&str>) -> Result<Vec<String>, InputError> {
    let line = |node: &Node| match node.text() {
        Some(text) if text.contains('\n') => Err(node.error("more than one line", "write one element a line")),
        Some(text) if prefix.is_none_or(|prefix| text.starts_with(prefix)) => Ok(text),
        _ => Err(node.error(
            format!("not a line{}", prefix.map(|p| format!(" that begins with {p}")).unwrap_or_default()),
            "write it as text",
        )),
    };
    node.list().iter().map(line).collect()
}

/// The forms of `sbatch --time`: minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and
/// days-hours:minutes:seconds.
fn seconds(node: &Node) -> Result<u64, InputError> {
    let text = node.text().unwrap_or_default();
    let wrong = || node.error(format!("'{text}' is no time limit"), "write minutes, HH:MM:SS or D-HH:MM:SS");
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days.parse::<u64>().map_err(|_| wrong())?), rest),
        None => (None, text.as_str()),
    };
    let parts: Vec<u64> = rest.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
    let units: &[u64] = match (days, parts.len()) {
        (None, 1) => &[60],
        (None, 2) => &[60, 1],
        (_, 3) => &[3600, 60, 1],
        (Some(_), 1) => &[3600],
        (Some(_), 2) => &[3600, 60],
        _ => return Err(wrong()),
    };
    let counted = parts.iter().zip(units).chain(days.iter().zip(&[86_400]));
    let seconds = counted.fold(0u64, |sum, (count, unit)| sum.saturating_add(count.saturating_mul(*unit)));
    const YEAR: u64 = 366 * 86_400;
    if (1..=YEAR).contains(&seconds) { Ok(seconds) } else { Err(wrong()) }
}

/// `4G`, `4000M`, `1T`, `500000K`; a bare number is MiB, as for `sbatch --mem`.
fn mebibytes(node: &Node) -> Result<u64, InputError> {
    let text = node.text().unwrap_or_default();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: Option<f64> = digits.trim().parse().ok();
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "M" | "MB" | "MIB" => Some(1.0),
        "K" | "KB" | "KIB" => Some(1.0 / 1024.0),
        "G" | "GB" | "GIB" => Some(1024.0),
        "T" | "TB" | "TIB" => Some(1024.0 * 1024.0),
        _ => None,
    };
    const MOST: f64 = 1e9;
    match number.zip(unit).map(|(number, unit)| (number * unit).ceil()) {
        Some(size) if (1.0..=MOST).contains(&size) => Ok(size as u64),
        _ => Err(node.error(format!("'{text}' is no size of memory"), "write it as 4G or 500M")),
    }
}

/// As `sbatch --time` reads it.
pub fn time_text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let of_day = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}-{of_day}") } else { of_day }
}

/// As `sbatch --mem` reads it.
pub fn memory_text(mebibytes: u64) -> String {
    match mebibytes % 1024 {
        0 => format!("{}G", mebibytes / 1024),
        _ => format!("{mebibytes}M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::yaml::parse;

    fn read(text: &str) -> Result<Resources, String> {
        Resources::read(&parse("f", text).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_forms_of_sbatch_are_read() {
        for (text, seconds) in [
            ("30", 1800),
            ("90:30", 5430),
            ("00:30:00", 1800),
            ("1-0", 86_400),
            ("1-12:30", 131_400),
            ("2-00:00:01", 172_801),
        ] {
            let time = read(&format!("{{time: {text}}}")).unwrap().time.unwrap();
            assert_eq!(time, seconds, "{text}");
        }
        assert_eq!((time_text(131_400), time_text(59)), ("1-12:30:00".into(), "00:00:59".into()));
        for (text, size) in [("4G", 4096), ("4000", 4000), ("512M", 512), ("1T", 1 << 20), ("1.5G", 1536), ("100K", 1)]
        {
            assert_eq!(read(&format!("{{mem: {text}}}")).unwrap().mem, Some(size), "{text}");
        }
        assert_eq!((memory_text(4096), memory_text(1000)), ("4G".into(), "1000M".into()));
        let retry = read("{retry: {oom: mem*2, timeout: time * 1.5, node_fail: 3, code: 0}}").unwrap().retry;
        assert_eq!(retry, Retry { oom: Some(200), timeout: Some(150), node_fail: Some(3), code: Some(0) });
    }

    #[test]
    fn what_slurm_would_refuse_is_refused_here() {
        for (text, part) in [
            ("{tiem: 30}", "did you mean 'time'?"),
            ("{time: soon}", "no time limit"),
            ("{time: 0}", "no time limit"),
            ("{mem: lots}", "no size of memory"),
            ("{cpus: 0}", "from 1 to 4096"),
            ("{partition: 'a b'}", "no"),
            ("{partition: '$(reboot)'}", "no"),
            ("{retry: {oom: twice}}", "mem*2"),
            ("{retry: {oomm: mem*2}}", "did you mean 'oom'?"),
            ("{options: [partition=x]}", "--"),
            ("4G", "a map of resources"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with("f:1:") && error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_schema_knows_every_key() {
        let schema = Resources::schema();
        let known: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut names = NAMES;
        names.sort_unstable();
        assert_eq!(known, names);
    }
}
