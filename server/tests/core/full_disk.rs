//! A server that cannot write for a while: nothing is half-written, and everything goes on when it can write again.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

/// A running `maskdoor serve`, ended when it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        // A write beyond the limit is an error then, as on a full disk, instead of a signal that ends the process.
        let script = "trap '' XFSZ; exec \"$0\" serve --addr 127.0.0.1:0 --data-dir \"$1\"";
        let mut process = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_maskdoor")])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
        Self { process, address }
    }

    /// Limits the size of the files that the server may write, in bytes.
    fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_child(&self.process);
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }
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
