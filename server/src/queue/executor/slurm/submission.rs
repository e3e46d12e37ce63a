//! Runs that are submitted together, as one array of jobs, and their files.
//!
//! | file | holds |
//! |---|---|
//! | `tasks` | a line for each run: its handle, its folder, and the handles that it comes after |
//! | `job.sh` | the batch script |
//! | `job` | the number of the array, once the cluster has it |
//! | `0.out`, … | what Slurm itself says of each job |
//!
//! The name of the array in the cluster is unique, so that whoever finds these files without a number can ask for it.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use engine::files::{create_folder, write};

use super::settings::{JobSettings, SlurmSettings};

const TASKS: &str = "tasks";
const SCRIPT: &str = "job.sh";
const NUMBER: &str = "job";

/// A run that is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its handle.
    pub handle: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The handles that it comes after; `None` in files that an older program wrote.
    pub after: Option<Vec<String>>,
}

/// An array of jobs that differ in their run's folder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its own folder.
    pub path: PathBuf,
    /// The runs, in the order of the array.
    pub entries: Vec<Entry>,
    /// The array's number.
    pub number: Option<String>,
}

/// What the jobs of a submission have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Common {
    /// What each asks for.
    pub job: JobSettings,
    /// Nodes of each.
    pub nodes: u32,
    /// The devices that a worker trains on, such as `cuda:0,cuda:1`.
    pub device: String,
    /// The jobs that have to succeed before.
    pub after: Vec<String>,
}

impl Submission {
    /// Its name in the cluster.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        format!("maskdoor-{}", name.to_string_lossy())
    }

    /// The job of the entry with this index.
    pub fn job(&self, index: usize) -> Option<String> {
        self.number.as_ref().map(|number| format!("{number}_{index}"))
    }

    /// Where Slurm writes what it says of the job with this index.
    pub fn output(&self, index: usize) -> PathBuf {
        self.path.join(format!("{index}.out"))
    }

    /// Writes the files of a submission below `root`. It is named for the handle of its first run, which is in no other one.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(
        root: &Path,
        entries: Vec<Entry>,
        common: &Common,
        settings: &SlurmSettings,
        program: &str,
    ) -> io::Result<Self> {
        let path = root.join(&entries[0].handle);
        create_folder(&path)?;
        let new = Self { path, entries, number: None };
        let line = |entry: &Entry| {
            let after = entry
                .after
                .as_ref()
                .map_or_else(String::new, |after| format!("\t{}", after.join(" ")));
            format!("{}\t{}{after}\n", entry.handle, entry.folder.display())
        };
        let tasks: String = new.entries.iter().map(line).collect();
        write(&new.path.join(SCRIPT), new.script(common, settings, program).as_bytes())?;
        // The last one: a submission exists when its tasks are there.
        write(&new.path.join(TASKS), tasks.as_bytes())?;
        Ok(new)
    }

    /// Reads a submission; `None` for a folder that was not written completely.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(tasks) = read_if_there(&path.join(TASKS))? else { return Ok(None) };
        let entry = |line: &str| {
            let mut parts = line.split('\t');
            let (handle, folder) = (parts.next()?, parts.next()?);
            let after =
                parts.next().map(|after| after.split_whitespace().map(str::to_owned).collect());
            Some(Entry { handle: handle.into(), folder: folder.into(), after })
        };
        let entries: Vec<Entry> = tasks.lines().filter_map(entry).collect();
        let number = read_if_there(&path.join(NUMBER))?.map(|text| text.trim().to_owned());
        Ok((!entries.is_empty()).then(|| Self { path: path.into(), entries, number }))
    }

    /// Keeps the array's number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&mut self, number: &str) -> io::Result<()> {
        write(&self.path.join(NUMBER), number.as_bytes())?;
        self.number = Some(number.to_owned());
        Ok(())
    }

    /// The arguments of `sbatch`. Paths are arguments, because lines of a script would have to quote them.
    pub fn arguments(&self) -> Vec<String> {
        let folder = self.path.display().to_string();
        let out = self.path.join("%a.out").display().to_string();
        // Slurm takes a percent sign for a pattern.
        let out = match out.strip_suffix("%a.out") {
            Some(folder) => format!("{}%a.out", folder.replace('%', "%%")),
            None => out,
        };
        let script = self.path.join(SCRIPT).display().to_string();
        vec!["--parsable".into(), format!("--output={out}"), format!("--chdir={folder}"), script]
    }

    fn script(&self, common: &Common, settings: &SlurmSettings, program: &str) -> String {
        let mut text = String::from("#!/bin/sh\n");
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("#SBATCH --job-name={}", self.name()));
        line(format!("#SBATCH --array=0-{}", self.entries.len() - 1));
        // Whether a run goes on in another job is decided by the server, which knows what it has taken in of it.
        line("#SBATCH --no-requeue".into());
        if common.nodes > 1 {
            line(format!("#SBATCH --nodes={}", common.nodes));
            line("#SBATCH --ntasks-per-node=1".into());
            // To every worker, not to the shell alone.
            line(format!("#SBATCH --signal=USR1@{}", settings.notice_seconds));
        } else {
            line(format!("#SBATCH --signal=B:USR1@{}", settings.notice_seconds));
        }
        if !common.after.is_empty() {
            line(format!("#SBATCH --dependency=afterok:{}", common.after.join(":")));
            line("#SBATCH --kill-on-invalid-dep=yes".into());
        }
        for option in common.job.lines().lines() {
            line(option.to_owned());
        }
        for setup in &settings.setup {
            line(setup.clone());
        }
        if let Some(cpus) = common.job.cpus {
            line(format!("export MASKDOOR_THREADS={cpus}"));
        }
        let tasks = quoted(&self.path.join(TASKS).display().to_string());
        line(format!(
            "folder=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" {tasks} | cut -f 2) || exit"
        ));
        let mut command = String::from("exec");
        let mut beside = String::new();
        if common.nodes > 1 {
            // `srun` does not take the number of processors from the job.
            let cpus =
                common.job.cpus.map_or_else(String::new, |cpus| format!(" --cpus-per-task={cpus}"));
            let _ =
                write!(command, " srun --nodes={} --ntasks-per-node=1{cpus} --label", common.nodes);
            beside = format!(" --nodes {} --meet-seconds {}", common.nodes, settings.meet_seconds);
        }
        for part in settings.launcher.iter().map(String::as_str).chain([program]) {
            let _ = write!(command, " {}", quoted(part));
        }
        let device = quoted(&common.device);
        line(format!(
            "{command} worker \"$folder\" --job --device {device} --devices {device}{beside} > \"$folder/worker.log\" 2>&1"
        ));
        text
    }
}

/// A word of shell that stands for this text.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn entries(count: usize, root: &Path) -> Vec<Entry> {
        let entry = |i| Entry {
            handle: format!("run{i}.1"),
            folder: root.join(format!("it's run {i}")),
            after: Some((0..i).map(|before| format!("run{before}.1")).collect()),
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn a_script_asks_for_what_was_set() {
        let place = tempfile::tempdir().unwrap();
        let settings = SlurmSettings {
            setup: vec!["module load cuda".into()],
            launcher: vec!["apptainer".into(), "exec".into(), "a b.sif".into()],
            notice_seconds: 300,
            ..SlurmSettings::default()
        };
        let job =
            JobSettings { partition: Some("gpu".into()), gpus: Some(2), ..JobSettings::default() };
        let common = Common {
            job,
            nodes: 1,
            device: "cuda:0,cuda:1".into(),
            after: vec!["7_0".into(), "9_4".into()],
        };
        let new = Submission::write(
            place.path(),
            entries(3, place.path()),
            &common,
            &settings,
            "/bin/maskdoor",
        )
        .unwrap();
        let script = fs::read_to_string(new.path.join(SCRIPT)).unwrap();
        let root = place.path().display().to_string();
        assert_eq!(
            script.replace(&root, "ROOT"),
            "#!/bin/sh\n#SBATCH --job-name=maskdoor-run0.1\n#SBATCH --array=0-2\n#SBATCH --no-requeue\n\
             #SBATCH --signal=B:USR1@300\n#SBATCH --dependency=afterok:7_0:9_4\n#SBATCH --kill-on-invalid-dep=yes\n\
             #SBATCH --partition=gpu\n#SBATCH --gpus-per-node=2\nmodule load cuda\n\
             folder=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" 'ROOT/run0.1/tasks' | cut -f 2) || exit\n\
             exec 'apptainer' 'exec' 'a b.sif' '/bin/maskdoor' worker \"$folder\" --job --device 'cuda:0,cuda:1' --devices \
             'cuda:0,cuda:1' > \"$folder/worker.log\" 2>&1\n"
        );
    }

    #[test]
    fn a_run_on_several_nodes_has_a_worker_on_each() {
        let place = tempfile::tempdir().unwrap();
        let job = JobSettings { cpus: Some(8), ..JobSettings::default() };
        let common = Common { job, nodes: 2, device: "cuda:0".into(), after: Vec::new() };
        let entries = entries(1, place.path());
        let settings = SlurmSettings::default();
        let new = Submission::write(place.path(), entries, &common, &settings, "/bin/maskdoor");
        let script = fs::read_to_string(new.unwrap().path.join(SCRIPT)).unwrap();
        let asked = "#SBATCH --nodes=2\n#SBATCH --ntasks-per-node=1\n#SBATCH --signal=USR1@600\n";
        assert!(script.contains(asked), "{script}");
        let command = "exec srun --nodes=2 --ntasks-per-node=1 --cpus-per-task=8 --label '/bin/maskdoor' worker \"$folder\" --job";
        assert!(script.contains(command), "{script}");
        assert!(
            script.contains(" --nodes 2 --meet-seconds 30 > \"$folder/worker.log\" 2>&1\n"),
            "{script}"
        );
    }

    #[test]
    fn the_shell_finds_each_runs_folder() {
        let place = tempfile::tempdir().unwrap();
        let common = Common {
            job: JobSettings::default(),
            nodes: 1,
            device: "cpu".into(),
            after: Vec::new(),
        };
        let entries = entries(2, place.path());
        for entry in &entries {
            fs::create_dir(&entry.folder).unwrap();
        }
        let program = place.path().join("it's a program");
        fs::write(&program, "#!/bin/sh\necho \"$@\"\n").unwrap();
        let mut permissions = fs::metadata(&program).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&program, permissions).unwrap();
        let program = program.display().to_string();
        let new = Submission::write(
            place.path(),
            entries.clone(),
            &common,
            &SlurmSettings::default(),
            &program,
        )
        .unwrap();
        let ran = Command::new("sh")
            .arg(new.path.join(SCRIPT))
            .env("SLURM_ARRAY_TASK_ID", "1")
            .status()
            .unwrap();
        assert!(ran.success());
        let said = fs::read_to_string(entries[1].folder.join("worker.log")).unwrap();
        assert_eq!(
            said,
            format!("worker {} --job --device cpu --devices cpu\n", entries[1].folder.display())
        );
    }

    #[test]
    fn it_comes_back_from_its_files() {
        let place = tempfile::tempdir().unwrap();
        let common = Common {
            job: JobSettings::default(),
            nodes: 1,
            device: "cpu".into(),
            after: Vec::new(),
        };
        let settings = SlurmSettings::default();
        let mut new = Submission::write(
            place.path(),
            entries(2, place.path()),
            &common,
            &settings,
            "maskdoor",
        )
        .unwrap();
        assert_eq!(Submission::read(&new.path).unwrap(), Some(new.clone()));
        assert_eq!(new.job(1), None);
        new.keep("123").unwrap();
        assert_eq!(Submission::read(&new.path).unwrap(), Some(new.clone()));
        assert_eq!(new.job(1).as_deref(), Some("123_1"));
        // Files of a program that did not keep what comes before.
        let tasks = fs::read_to_string(new.path.join(TASKS)).unwrap();
        let older = tasks.replace("\t\n", "\n").replace("\trun0.1\n", "\n");
        fs::write(new.path.join(TASKS), older).unwrap();
        for entry in &mut new.entries {
            entry.after = None;
        }
        assert_eq!(Submission::read(&new.path).unwrap(), Some(new.clone()));
        fs::remove_file(new.path.join(TASKS)).unwrap();
        assert_eq!(Submission::read(&new.path).unwrap(), None);
    }
}
