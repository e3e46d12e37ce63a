//! Settings of the cluster: `[executors.slurm]` in `maskdoor.toml`.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, path::Path, time::Duration};

use serde::Deserialize;
use shared::RunKind;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct SettingsError {
    path: String,
    reason: String,
}

/// What `maskdoor.toml` holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    executors: Executors,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Executors {
    slurm: SlurmSettings,
}

/// How runs become jobs of a Slurm cluster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSettings {
    /// What every job asks for.
    pub job: JobSettings,
    /// What jobs of a kind of run ask for instead.
    pub kinds: BTreeMap<RunKind, JobSettings>,
    /// Lines of shell before the worker starts, such as `module load cuda`.
    pub setup: Vec<String>,
    /// A command, in parts, that starts the worker's, such as `["apptainer", "exec", "--nv", "/shared/maskdoor.sif"]`.
    pub launcher: Vec<String>,
    /// The program on the nodes; the server's own by default.
    pub program: Option<String>,
    /// Most jobs at a time, waiting ones included.
    pub most_jobs: u32,
    /// Seconds between questions to the controller.
    pub poll_seconds: u32,
    /// How many seconds before its time limit a job is warned, so that it saves its state and ends.
    pub notice_seconds: u32,
    /// Seconds for which the nodes of a run wait for each other.
    pub meet_seconds: u32,
    /// Seconds for which the last events of a job that has ended may be late, as on a network file system.
    pub late_seconds: u32,
}

impl Default for SlurmSettings {
    fn default() -> Self {
        Self {
            job: JobSettings::default(),
            kinds: BTreeMap::new(),
            setup: Vec::new(),
            launcher: Vec::new(),
            program: None,
            most_jobs: 1000,
            poll_seconds: 10,
            notice_seconds: 600,
            meet_seconds: 30,
            late_seconds: 60,
        }
    }
}

/// What a job asks for. What is absent is the cluster's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobSettings {
    /// Partition.
    pub partition: Option<String>,
    /// Account that pays.
    pub account: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Time limit as Slurm writes it: `30`, `2:00:00`, `1-12:00:00`.
    pub time: Option<String>,
    /// Processors.
    pub cpus: Option<u32>,
    /// Memory of the node, such as `64G`.
    pub memory: Option<String>,
    /// GPUs, unless the study asks for another number.
    pub gpus: Option<u32>,
    /// Further options of `sbatch`, such as `--exclude=n7`.
    pub extra: Vec<String>,
}

impl SlurmSettings {
    /// Reads the settings of the Slurm executor from a file; the defaults where there is none.
    ///
    /// # Errors
    /// When the file cannot be read, or a value in it cannot be an option of `sbatch`.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let failed = |reason: String| SettingsError { path: path.display().to_string(), reason };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error.to_string())),
        };
        Self::of(&text).map_err(failed)
    }

    fn of(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let settings = file.executors.slurm;
        for (name, job) in settings.jobs() {
            job.check().map_err(|reason| format!("{name}.{reason}"))?;
        }
        if settings.most_jobs == 0 || settings.poll_seconds == 0 {
            return Err("executors.slurm: most_jobs and poll_seconds are at least 1".into());
        }
        if settings.setup.iter().any(|line| line.contains(['\n', '\0'])) {
            return Err("executors.slurm.setup: each entry is one line of shell".into());
        }
        Ok(settings)
    }

    fn jobs(&self) -> impl Iterator<Item = (String, &JobSettings)> {
        let kinds = self.kinds.iter();
        let kinds =
            kinds.map(|(kind, job)| (format!("executors.slurm.kinds.{}", kind.as_str()), job));
        std::iter::once(("executors.slurm.job".to_owned(), &self.job)).chain(kinds)
    }

    /// What a job of this kind asks for.
    pub fn of_kind(&self, kind: RunKind) -> JobSettings {
        let base = self.job.clone();
        let Some(own) = self.kinds.get(&kind).cloned() else { return base };
        JobSettings {
            partition: own.partition.or(base.partition),
            account: own.account.or(base.account),
            qos: own.qos.or(base.qos),
            time: own.time.or(base.time),
            cpus: own.cpus.or(base.cpus),
            memory: own.memory.or(base.memory),
            gpus: own.gpus.or(base.gpus),
            extra: [base.extra, own.extra].concat(),
        }
    }

    /// Time between questions to the controller. It grows with the number of jobs, so that the controller lists at most 200 a second.
    pub fn poll(&self, jobs: usize) -> Duration {
        Duration::from_secs(u64::from(self.poll_seconds).max(jobs as u64 / 200))
    }
}

impl JobSettings {
    /// Each value is a word, so that it can be nothing but the value of its option.
    fn check(&self) -> Result<(), String> {
        let words = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("time", &self.time),
            ("memory", &self.memory),
        ];
        for (name, value) in words {
            let is_word = |value: &String| {
                !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && c != '#')
            };
            if !value.as_ref().is_none_or(is_word) {
                return Err(format!("{name} is one word without blanks"));
            }
        }
        let is_time =
            |time: &String| time.chars().all(|c| c.is_ascii_digit() || c == ':' || c == '-');
        if !self.time.as_ref().is_none_or(is_time) {
            return Err(
                "time is minutes, hours:minutes:seconds or days-hours:minutes:seconds".into()
            );
        }
        if self.extra.iter().any(|it| !it.starts_with("--") || it.contains(['\n', '\0'])) {
            return Err("extra holds options of sbatch that begin with `--`, one an entry".into());
        }
        Ok(())
    }

    /// The lines of a batch script that ask for it.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        let mut add = |option: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(lines, "#SBATCH --{option}={value}");
            }
        };
        add("partition", self.partition.clone());
        add("account", self.account.clone());
        add("qos", self.qos.clone());
        add("time", self.time.clone());
        add("cpus-per-task", self.cpus.map(|count| count.to_string()));
        add("mem", self.memory.clone());
        add("gpus-per-node", self.gpus.filter(|count| *count > 0).map(|count| count.to_string()));
        for option in &self.extra {
            let _ = writeln!(lines, "#SBATCH {option}");
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_replaces_what_it_names() {
        let settings = SlurmSettings::of(
            "[executors.slurm]\nsetup = [\"module load cuda\"]\npoll_seconds = 2\n\
             [executors.slurm.job]\npartition = \"gpu\"\ntime = \"1-00:00:00\"\ngpus = 1\nextra = [\"--exclude=n7\"]\n\
             [executors.slurm.kinds.probe]\ntime = \"30\"\ngpus = 0\nextra = [\"--nice\"]\n",
        )
        .unwrap();
        assert_eq!(
            settings.of_kind(RunKind::Pretrain).lines(),
            "#SBATCH --partition=gpu\n#SBATCH --time=1-00:00:00\n#SBATCH --gpus-per-node=1\n#SBATCH --exclude=n7\n"
        );
        assert_eq!(
            settings.of_kind(RunKind::Probe).lines(),
            "#SBATCH --partition=gpu\n#SBATCH --time=30\n#SBATCH --exclude=n7\n#SBATCH --nice\n"
        );
        assert_eq!(settings.most_jobs, 1000);
    }

    #[test]
    fn many_jobs_are_asked_for_less_often() {
        let settings = SlurmSettings::default();
        assert_eq!(settings.poll(1000), Duration::from_secs(10));
        assert_eq!(settings.poll(10_000), Duration::from_secs(50));
    }

    #[test]
    fn what_is_no_option_is_refused_with_its_name() {
        let reason = |text: &str| SlurmSettings::of(text).unwrap_err();
        for (text, name) in [
            (
                "[executors.slurm.job]\npartition = \"a b\"",
                "executors.slurm.job.partition is one word",
            ),
            (
                "[executors.slurm.kinds.knn]\ntime = \"soon\"",
                "executors.slurm.kinds.knn.time is minutes",
            ),
            (
                "[executors.slurm.job]\nextra = [\"rm -r /\"]",
                "executors.slurm.job.extra holds options",
            ),
            ("[executors.slurm]\nmost_jobs = 0", "most_jobs and poll_seconds"),
            ("[executors.slurm]\nsetup = [\"a\\nb\"]", "one line of shell"),
        ] {
            assert!(reason(text).contains(name), "{}", reason(text));
        }
        let unknown = reason("[executors.slurm.job]\ngpu = 1");
        assert!(unknown.contains("unknown field `gpu`") && unknown.contains("gpus"), "{unknown}");
    }
}
