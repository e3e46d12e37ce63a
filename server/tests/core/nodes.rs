//! Workers of one run on several nodes: processes of the real program, each in a network of its own where the system allows that.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use engine::files::{EVENTS, LAST_CHECKPOINT, ORDER};
use shared::{Digest, RunEvent, RunId, RunKind, RunOrder, Stamped, dataset::DataSource};

use crate::support::{PATIENCE, micro};

/// A failure is reported within this time.
const TOLD: Duration = Duration::from_secs(30);
/// Epochs of a run that lasts until it is stopped.
const LONG: u32 = 100_000;

/// Two networks that reach each other and nothing else: a namespace a node, and a cable between them.
struct Networks {
    names: [String; 2],
}

impl Networks {
    /// Lays them out; `None` where the system does not allow it.
    fn new(word: &str) -> Option<Self> {
        let names = [1, 2].map(|node| format!("maskdoor{}{word}{node}", std::process::id()));
        let networks = Self { names };
        let ip = |args: &str| {
            let done = Command::new("ip").args(args.split(' ')).stderr(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        let [one, two] = &networks.names;
        let made = ip(&format!("netns add {one}"))
            && ip(&format!("netns add {two}"))
            && ip(&format!("-n {one} link add cable type veth peer name cable netns {two}"))
            && networks.names.iter().zip(1..).all(|(name, node)| {
                ip(&format!("-n {name} addr add 10.77.0.{node}/24 dev cable"))
                    && ip(&format!("-n {name} link set cable up"))
                    && ip(&format!("-n {name} link set lo up"))
            });
        if !made {
            eprintln!(
                "skipped: network namespaces need the right to make them (root) and `ip` (iproute2)"
            );
            return None;
        }
        Some(networks)
    }

    /// Pulls the cable.
    fn cut(&self) {
        let args = ["-n", &self.names[0], "link", "set", "cable", "down"];
        assert!(Command::new("ip").args(args).status().unwrap().success());
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

/// A run's folder with the order of a pre-training.
fn ordered(epochs: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let order = RunOrder {
        run: RunId::from_parts(1, [1; 10]),
        kind: RunKind::Pretrain,
        digest: Digest::stored("digest"),
        settings: micro("nodes", epochs).settings,
        source: DataSource::Builtin,
        encoder: None,
        restorer: None,
        program: "test".into(),
    };
    let text = serde_json::to_vec(&order).unwrap();
    fs::write(folder.path().join(ORDER), text).unwrap();
    folder
}

/// Starts the worker of a node in its network.
fn start(networks: &Networks, folder: &Path, node: usize, more: &[&str]) -> Child {
    let program = env!("CARGO_BIN_EXE_maskdoor");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &networks.names[node], program, "worker"]).arg(folder);
    let place = node.to_string();
    command.args(["--job", "--nodes", "2", "--node", &place, "--meeting", "7"]).args(more);
    command.env("MASKDOOR_THREADS", "1").env("SLURMD_NODENAME", ["alpha", "beta"][node]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn events(folder: &Path) -> Vec<RunEvent> {
    let text = fs::read_to_string(folder.join(EVENTS)).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str::<Stamped>(line).unwrap().event).collect()
}

fn last_words(folder: &Path) -> String {
    match events(folder).pop() {
        Some(RunEvent::Failed { message } | RunEvent::Log { message }) => message,
        other => panic!("its last event is {other:?}"),
    }
}

fn wait_for_epochs(folder: &Path) {
    let begun = Instant::now();
    while !events(folder).iter().any(|event| matches!(event, RunEvent::Epoch { .. })) {
        assert!(begun.elapsed() < PATIENCE, "nothing is trained");
        std::thread::yield_now();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn two_nodes_train_one_run_over_their_network() {
    let Some(networks) = Networks::new("a") else { return };
    let folder = ordered(3);
    let workers = [0, 1].map(|node| start(&networks, folder.path(), node, &[]));
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let events = events(folder.path());
    let told = |event: &RunEvent| matches!(event, RunEvent::Log { message } if message == "trains on alpha, beta");
    assert!(events.iter().any(told), "{events:?}");
    assert!(matches!(events.last(), Some(RunEvent::Finished { .. })), "{events:?}");
    assert!(folder.path().join(LAST_CHECKPOINT).exists());
}

#[test]
fn a_node_that_is_late_is_told() {
    let Some(networks) = Networks::new("b") else { return };
    for node in [0, 1] {
        let folder = ordered(3);
        let begun = Instant::now();
        let alone = start(&networks, folder.path(), node, &["--meet-seconds", "2"]);
        let output = alone.wait_with_output().unwrap();
        assert!(begun.elapsed() < TOLD);
        let words = format!("node {} of 2 has not come within 2 s", 2 - node);
        assert!(!output.status.success() && said(&output).contains(&words), "{}", said(&output));
        if node == 0 {
            assert_eq!(last_words(folder.path()), words);
        }
    }
}

#[test]
fn a_node_that_dies_is_told() {
    let Some(networks) = Networks::new("c") else { return };
    let folder = ordered(LONG);
    let first = start(&networks, folder.path(), 0, &[]);
    let mut second = start(&networks, folder.path(), 1, &[]);
    wait_for_epochs(folder.path());
    second.kill().unwrap();
    second.wait().unwrap();
    let begun = Instant::now();
    let output = first.wait_with_output().unwrap();
    assert!(begun.elapsed() < TOLD);
    // Its own code: the run goes on in another attempt.
    assert_eq!(output.status.code(), Some(76), "{}", said(&output));
    assert_eq!(last_words(folder.path()), "node 2 of 2 (beta) has ended without a word");

    // The first one dies, so that nobody can write what happened; the other does not wait for it.
    let folder = ordered(LONG);
    let mut first = start(&networks, folder.path(), 0, &[]);
    let second = start(&networks, folder.path(), 1, &[]);
    wait_for_epochs(folder.path());
    first.kill().unwrap();
    first.wait().unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(
        said(&output).contains("node 1 of 2 (alpha) has ended without a word"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_network_that_fails_is_told() {
    let Some(networks) = Networks::new("d") else { return };
    let folder = ordered(LONG);
    let first = start(&networks, folder.path(), 0, &[]);
    let second = start(&networks, folder.path(), 1, &[]);
    wait_for_epochs(folder.path());
    networks.cut();
    let begun = Instant::now();
    let outputs = [first, second].map(|worker| worker.wait_with_output().unwrap());
    assert!(begun.elapsed() < TOLD, "{:?}", begun.elapsed());
    assert_eq!(outputs[0].status.code(), Some(76), "{}", said(&outputs[0]));
    let words = last_words(folder.path());
    assert!(
        words.starts_with("node 2 of 2 (beta) is silent")
            || words.contains("cannot be reached any more"),
        "{words}"
    );
    assert!(said(&outputs[1]).contains("node 1 of 2 (alpha)"), "{}", said(&outputs[1]));
}

#[test]
fn nodes_of_other_arithmetic_are_refused_on_both_sides() {
    let Some(networks) = Networks::new("e") else { return };
    let folder = ordered(3);
    let first = start(&networks, folder.path(), 0, &[]);
    let program = env!("CARGO_BIN_EXE_maskdoor");
    let mut second = Command::new("ip");
    second.args(["netns", "exec", &networks.names[1], program, "worker"]).arg(folder.path());
    second.args(["--job", "--nodes", "2", "--node", "1", "--meeting", "7"]);
    second.env("MASKDOOR_KERNELS", "portable").env("SLURMD_NODENAME", "beta");
    let second = second.output().unwrap();
    let output = first.wait_with_output().unwrap();
    let words = "take nodes of one kind, with the same number of devices";
    assert!(last_words(folder.path()).starts_with("node 2 of 2 (beta) computes with cpu"));
    for output in [&output, &second] {
        assert!(!output.status.success() && said(output).contains(words), "{}", said(output));
    }
}
