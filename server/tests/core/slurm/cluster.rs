//! A real Slurm of this machine: munge, a database, accounting, a controller, and a `slurmd` for each of three pretended nodes.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest wait for a daemon.
const PATIENCE: Duration = Duration::from_mins(1);
/// What has to be installed (Debian: slurm-wlm, slurmdbd, munge, mariadb-server).
const NEEDED: [&str; 8] = [
    "slurmctld",
    "slurmd",
    "slurmdbd",
    "sbatch",
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "mariadb",
];
/// The pretended nodes.
pub const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// The cluster; it ends with this value.
pub struct Cluster {
    folder: tempfile::TempDir,
    daemons: BTreeMap<String, Child>,
}

impl Cluster {
    /// Starts a cluster; `None` where Slurm is not installed.
    pub fn start() -> Option<Self> {
        if let Some(lacking) = NEEDED.iter().find(|program| !is_installed(program)) {
            eprintln!(
                "skipped: there is no {lacking}; `scripts/slurm.sh` installs what this test needs"
            );
            return None;
        }
        // Paths of sockets are short.
        let folder = tempfile::Builder::new().prefix("slurm").tempdir_in("/tmp").unwrap();
        let mut cluster = Self { folder, daemons: BTreeMap::new() };
        cluster.configure();
        cluster.begin();
        Some(cluster)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configure(&self) {
        let ports: Vec<u16> = free_ports(3 + NODES.len());
        let user = output(Command::new("id").arg("-un")).trim().to_owned();
        let root = self.folder.path().display().to_string();
        for folder in ["munge", "state", "db"] {
            fs::create_dir(self.path(folder)).unwrap();
        }
        fs::set_permissions(self.path("munge"), fs::Permissions::from_mode(0o700)).unwrap();
        let key: Vec<u8> = (0..1024u32).map(|i| (i * 7919 % 251) as u8).collect();
        private(&self.path("munge/key"), &key);
        let [database, accounting, controller, nodes @ ..] = &ports[..] else { unreachable!() };
        let mut lines = String::new();
        for (node, port) in NODES.iter().zip(nodes) {
            fs::create_dir(self.path(&format!("spool-{node}"))).unwrap();
            let at =
                format!("NodeHostname=localhost Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN");
            writeln!(lines, "NodeName={node} {at}").unwrap();
        }
        let settings = format!(
            "ClusterName=test\nSlurmctldHost=localhost\nSlurmUser={user}\nSlurmdUser={user}\nSlurmctldPort={controller}\n\
             AuthType=auth/munge\nAuthInfo=socket={root}/munge/socket\nCredType=cred/munge\nStateSaveLocation={root}/state\n\
             SlurmctldPidFile={root}/slurmctld.pid\nSlurmdPidFile={root}/slurmd-%n.pid\nSlurmdSpoolDir={root}/spool-%n\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\nReturnToService=2\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nSchedulerType=sched/backfill\n\
             SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1\nMaxArraySize=1001\n\
             SlurmdTimeout=10\nKillWait=2\nMinJobAge=10\nJobAcctGatherType=jobacct_gather/linux\n\
             AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost\nAccountingStoragePort={accounting}\n\
             AccountingStoragePass={root}/munge/socket\n{lines}PartitionName=main Nodes=n1,n2 Default=YES MaxTime=1:00:00 State=UP\n\
             PartitionName=spare Nodes=n3 MaxTime=1:00:00 State=UP\nPartitionName=all Nodes=n1,n2,n3 MaxTime=1:00:00 State=UP\n"
        );
        fs::write(self.path("slurm.conf"), settings).unwrap();
        let settings = format!(
            "AuthType=auth/munge\nAuthInfo=socket={root}/munge/socket\nDbdHost=localhost\nDbdPort={accounting}\nSlurmUser={user}\n\
             PidFile={root}/slurmdbd.pid\nStorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={database}\n\
             StorageUser=slurm\nStorageLoc=slurm_acct\n"
        );
        private(&self.path("slurmdbd.conf"), settings.as_bytes());
        fs::write(self.path("database.port"), database.to_string()).unwrap();
        let mut install = Command::new("mariadb-install-db");
        install.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]);
        // Temporary tables of several databases have the same names.
        install.env("TMPDIR", self.folder.path());
        output(install.arg(format!("--user={user}")).arg(format!("--datadir={root}/db")));
    }

    fn begin(&mut self) {
        let root = self.folder.path().display().to_string();
        let munge = |option: &str, file: &str| format!("--{option}={root}/munge/{file}");
        let mut munged = Command::new("munged");
        munged.args([
            "--foreground",
            "--force",
            &munge("key-file", "key"),
            &munge("socket", "socket"),
        ]);
        munged.args([
            munge("pid-file", "pid"),
            munge("log-file", "log"),
            munge("seed-file", "seed"),
        ]);
        self.spawn("munged", munged);
        let user = output(Command::new("id").arg("-un")).trim().to_owned();
        let port = fs::read_to_string(self.path("database.port")).unwrap();
        let mut database = Command::new("mariadbd");
        database.env("TMPDIR", self.folder.path());
        database.args([
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=64M",
        ]);
        database.args([
            format!("--user={user}"),
            format!("--port={port}"),
            format!("--datadir={root}/db"),
        ]);
        database.args([format!("--socket={root}/db.sock"), format!("--pid-file={root}/db.pid")]);
        self.spawn("mariadbd", database);
        let sql = "CREATE DATABASE slurm_acct; CREATE USER slurm@'127.0.0.1'; GRANT ALL ON slurm_acct.* TO slurm@'127.0.0.1'; \
                   CREATE USER slurm@localhost; GRANT ALL ON slurm_acct.* TO slurm@localhost;";
        let socket = format!("--socket={root}/db.sock");
        wait("the database", || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", &socket, "--user=root", "--execute", sql]);
            quiet(&mut client)
        });
        self.spawn_slurm("slurmdbd", &["-D"]);
        wait("the accounting", || {
            quiet(&mut self.command("sacctmgr", &["-i", "add", "cluster", "test"]))
        });
        for args in
            [&["-i", "add", "account", "lab"][..], &["-i", "add", "user", &user, "account=lab"]]
        {
            output(&mut self.command("sacctmgr", args));
        }
        self.start_controller();
        for node in NODES {
            self.start_node(node);
        }
        wait("the nodes", || {
            let found = self
                .command("sinfo", &["--noheader", "--Node", "--partition=all", "--format=%t"])
                .output()
                .unwrap();
            String::from_utf8_lossy(&found.stdout).lines().filter(|state| *state == "idle").count()
                == NODES.len()
        });
    }

    /// Starts the controller, again.
    pub fn start_controller(&mut self) {
        self.spawn_slurm("slurmctld", &["-D"]);
    }

    /// Starts a node, again.
    pub fn start_node(&mut self, node: &str) {
        let command = self.command("slurmd", &["-D", "-N", node]);
        self.spawn(node, command);
    }

    fn spawn_slurm(&mut self, program: &str, args: &[&str]) {
        let command = self.command(program, args);
        self.spawn(program, command);
    }

    fn spawn(&mut self, name: &str, mut command: Command) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path(&format!("{name}.log")))
            .unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // In a group of its own, so that a node's jobs do not end with it.
        let child =
            command.process_group(0).spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        self.daemons.insert(name.into(), child);
    }

    /// A command of Slurm that speaks to this cluster.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.path("slurm.conf")).args(args);
        command
    }

    /// Resumes nodes that take no jobs, as an administrator does: a controller that was killed gives a number twice, and a node that still
    /// knows the number's first job is drained.
    pub fn resume_nodes(&self) {
        for node in NODES {
            let node = format!("NodeName={node}");
            // Refused where it is not drained.
            quiet(&mut self.command("scontrol", &["update", &node, "State=RESUME"]));
        }
    }

    /// Kills a daemon.
    pub fn kill(&mut self, name: &str) {
        let mut child = self.daemons.remove(name).expect("a daemon of this name");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Lets a node go down with everything that runs on it.
    pub fn kill_node(&mut self, node: &str) {
        self.kill(node);
        // What belongs to a job has its node in its environment.
        let mark = format!("SLURMD_NODENAME={node}");
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let of_cluster = self.path("slurm.conf").display().to_string();
            let has =
                |text: &str| environment.split(|byte| *byte == 0).any(|it| it == text.as_bytes());
            let stepd = fs::read(process.path().join("cmdline"))
                .unwrap_or_default()
                .starts_with(b"slurmstepd");
            if (has(&mark) || stepd) && has(&format!("SLURM_CONF={of_cluster}")) {
                let pid = process.file_name().to_string_lossy().into_owned();
                let _ = Command::new("kill").args(["-9", &pid]).status();
            }
        }
    }
}

impl Cluster {
    /// Prints what the cluster knows, for whoever reads why a test failed.
    fn report(&self) {
        for (program, args) in [
            ("squeue", &["--all", "--array", "--format=%i|%T|%r|%N|%E|%j"][..]),
            ("sinfo", &["--Node", "--long"][..]),
            (
                "sacct",
                &[
                    "--allocations",
                    "--parsable2",
                    "--format=JobID,State,ExitCode,NodeList,JobName,Submit",
                ][..],
            ),
        ] {
            match self.command(program, args).output() {
                Ok(said) => eprintln!(
                    "{program}:\n{}{}",
                    String::from_utf8_lossy(&said.stdout),
                    String::from_utf8_lossy(&said.stderr)
                ),
                Err(error) => eprintln!("{program}: {error}"),
            }
        }
        for name in ["slurmctld", "n1", "n2"] {
            let log = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{name}:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report();
        }
        let _ = self.command("scancel", &["--me"]).status();
        for name in ["n1", "n2", "n3", "slurmctld", "slurmdbd", "mariadbd", "munged"] {
            if let Some(mut child) = self.daemons.remove(name) {
                let _ = Command::new("kill").arg(child.id().to_string()).status();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_secs(5)
                    && matches!(child.try_wait(), Ok(None))
                {
                    std::thread::yield_now();
                }
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Ports that are free now. They are held until all are found, so that they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|held| held.local_addr().unwrap().port()).collect()
}

fn private(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tries until it succeeds.
pub fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
