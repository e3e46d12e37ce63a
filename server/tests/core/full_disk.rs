//! A server that cannot write for a while: nothing is half-written, and everything goes on when it can write again.

use std::{
    fs,
    io::{BufRead, BufReader, Cursor, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use engine::files::LAST_CHECKPOINT;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::{Value, json};
use server::{queue::executor::local, run_folder::RunFolder, run_log::CSV_FILE};
use shared::{RunState, Stamped, api::RunRow};

use crate::support::{PATIENCE, micro, probed, served_at};

/// A running `maskdoor serve`, ended when it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        // A write beyond the limit is an error then, as on a full disk, instead of a signal that ends the process.
        let script =
            "trap '' XFSZ; exec \"$0\" serve --without-token --addr 127.0.0.1:0 --data-dir \"$1\"";
        let mut process = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_maskdoor")])
            .arg(data)
            .env("MASKDOOR_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = served_at(&mut process);
        Self { process, address }
    }

    /// Limits the size of the files that the server may write, in bytes.
    fn limit_files(&self, bytes: Option<u64>) {
        limit_files(Pid::from_child(&self.process), bytes);
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.send(method, path, "application/json", body.to_string().as_bytes())
    }

    /// Uploads a key image.
    fn upload(&self, picture: &image::RgbImage) -> (u16, Value) {
        let mut body =
            b"--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n"
                .to_vec();
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        body.extend(png.into_inner());
        body.extend(b"\r\n--line--\r\n");
        self.send("POST", "/keys", "multipart/form-data; boundary=line", &body)
    }

    fn run(&self, run: &str) -> RunRow {
        let (status, row) = self.ask("GET", &format!("/runs/{run}"), &Value::Null);
        assert_eq!(status, 200, "{row}");
        serde_json::from_value(row).unwrap()
    }

    fn wait(&self, run: &str, wanted: impl Fn(&RunRow) -> bool) -> RunRow {
        let began = Instant::now();
        loop {
            let row = self.run(run);
            if wanted(&row) {
                return row;
            }
            assert!(began.elapsed() < PATIENCE, "still {row:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A stream of events.
    fn stream(&self) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        BufReader::new(stream)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }
}

/// Limits the size of the files that a process may write, in bytes.
fn limit_files(process: Pid, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(process), Resource::Fsize, limit).unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_failed_commit_stops_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    for split in ["train", "val"] {
        for class in ["cat", "dog"] {
            let place = folder.path().join("images").join(split).join(class);
            fs::create_dir_all(&place).unwrap();
            image::RgbImage::new(8, 8).save(place.join("1.png")).unwrap();
        }
    }
    let images = folder.path().join("images").display().to_string();
    let server = Server::start(&folder.path().join("data"));
    let add =
        |name: &str| server.ask("POST", "/datasets", &json!({ "name": name, "path": images }));
    assert_eq!(add("first").0, 201);
    server.limit_files(Some(1));
    for name in ["second", "third"] {
        let (status, problem) = add(name);
        assert_eq!(status, 507, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("the database cannot be written"), "{detail}");
    }
    let (status, health) = server.ask("GET", "/health", &Value::Null);
    assert_eq!((status, &health["status"]), (507, &json!("cannot write")), "{health}");
    server.limit_files(None);
    assert_eq!(add("second").0, 201, "it can write again");
    let (_, all) = server.ask("GET", "/datasets", &Value::Null);
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|set| set["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shapes", "first", "second"]);
}

/// Ends a worker that a failing test would leave waiting for ever.
struct Worker(Pid);

impl Worker {
    /// The worker of a run that trains.
    fn of(folder: &RunFolder) -> Self {
        Self(Pid::from_raw(local::pid(folder).unwrap()).unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_worker_that_cannot_write_pauses_and_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let start = |name: &str, epochs: u32| -> String {
        let mut spec = probed(micro(name, epochs), &[1]);
        spec.settings.pretrain.checkpoint_every = 100;
        let spec = serde_json::to_value(&spec).unwrap();
        let (status, study) = server.ask("POST", "/studies?fresh=true", &spec);
        assert_eq!(status, 201, "{study}");
        study["runs"][0]["id"].as_str().unwrap().to_owned()
    };
    let of = |run: &str| RunFolder::new(data.join("runs").join(run));
    let trains = |row: &RunRow| {
        assert!(!row.state.is_over(), "ended too early: {row:?}");
        row.progress.seq > 3
    };
    let whole = start("whole", 800);
    server.wait(&whole, |row| row.state == RunState::Done);

    let run = start("full", 800);
    server.wait(&run, trains);
    let mut stream = server.stream();
    let worker = Worker::of(&of(&run));
    limit_files(worker.0, Some(1));
    let row = server.wait(&run, |row| row.paused.is_some());
    assert_eq!(row.state, RunState::Running);
    insta::assert_snapshot!(row.paused.unwrap(), @"the disk is full; goes on when it can be written again");
    let (_, system) = server.ask("GET", "/system", &Value::Null);
    let job = system["jobs"].as_array().unwrap().iter().find(|job| job["id"] == run.as_str());
    assert!(job.unwrap()["paused"].is_string(), "{system}");
    let told = format!("{{\"run\":\"{run}\",\"state\":\"running\",\"stamped\":null}}");
    let mut line = String::new();
    while !line.contains(&told) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "pages are told that it pauses");
    }
    limit_files(worker.0, None);
    let row = server.wait(&run, |row| row.state.is_over());
    assert_eq!((row.state, row.paused), (RunState::Done, None), "{:?}", row.error);
    let read = |run: &str, name: &str| fs::read(of(run).path().join(name)).unwrap();
    for name in [LAST_CHECKPOINT, CSV_FILE] {
        assert!(
            read(&run, name) == read(&whole, name),
            "{name} differs from that of the run that did not pause"
        );
    }
    let events = String::from_utf8(read(&run, "events.jsonl")).unwrap();
    for (line, seq) in events.lines().zip(1..) {
        assert_eq!(serde_json::from_str::<Stamped>(line).unwrap().seq, seq);
    }

    let cancelled = start("cancelled", 10_000);
    server.wait(&cancelled, trains);
    let worker = Worker::of(&of(&cancelled));
    limit_files(worker.0, Some(1));
    server.wait(&cancelled, |row| row.paused.is_some());
    // Not even the wish to cancel it can be stored.
    server.limit_files(Some(1));
    let (status, row) = server.ask("POST", &format!("/runs/{cancelled}/cancel"), &Value::Null);
    assert_eq!(status, 200, "{row}");
    let began = Instant::now();
    while local::is_alive(&of(&cancelled)).unwrap() {
        assert!(began.elapsed() < PATIENCE, "its worker is not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    server.limit_files(None);
    let row = server.wait(&cancelled, |row| row.state.is_over());
    assert_eq!((row.state, row.paused), (RunState::Cancelled, None));

    // What is imported or uploaded while the disk is full is refused in words, and its name stays free.
    let file = of(&whole).path().join(LAST_CHECKPOINT).display().to_string();
    let import =
        || server.ask("POST", "/checkpoints/imported", &json!({ "name": "mae", "path": file }));
    let picture = image::RgbImage::new(8, 8);
    server.limit_files(Some(1));
    for (status, problem) in [import(), server.upload(&picture)] {
        assert_eq!(status, 507, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("the data folder cannot be written"), "{detail}");
    }
    server.limit_files(None);
    assert_eq!(import().0, 201);
    assert_eq!(server.upload(&picture).0, 201);
}
