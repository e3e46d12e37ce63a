//! The end of a server at Ctrl-C: what is in progress is finished, what would go on for ever ends, and a second one waits for nothing.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{PATIENCE, served_at};

/// Less than the time that requests in progress are given.
const AT_ONCE: Duration = Duration::from_secs(8);

struct Server {
    process: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_maskdoor"))
            .args(["serve", "--without-token", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = served_at(&mut process);
        Self { process, address, _data: data }
    }

    /// Sends the head of a request.
    fn ask(&self, head: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{head}\r\nHost: {}\r\n\r\n", self.address).unwrap();
        BufReader::new(stream)
    }

    /// A request that the server has begun to answer and whose body it waits for.
    fn half_a_request(&self) -> BufReader<TcpStream> {
        let mut stream = self.ask(
            "POST /api/v1/plans HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue",
        );
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "HTTP/1.1 100 Continue");
        stream.read_line(&mut line).unwrap();
        stream
    }

    /// A stream of events that has begun.
    fn stream(&self) -> BufReader<TcpStream> {
        let mut stream = self.ask("GET /api/v1/events HTTP/1.1");
        let mut line = String::new();
        while !line.contains("hello") {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended too early");
        }
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn rest(mut stream: BufReader<TcpStream>) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn requests_in_progress_are_answered_and_streams_are_closed() {
    let mut server = Server::start();
    let (stream, mut request) = (server.stream(), server.half_a_request());
    let idle = TcpStream::connect(&server.address).unwrap();
    server.signal(Signal::TERM);
    rest(stream);
    let began = Instant::now();
    while TcpStream::connect(&server.address).is_ok() {
        assert!(began.elapsed() < PATIENCE, "new connections are still accepted");
        std::thread::sleep(Duration::from_millis(5));
    }
    request.get_mut().write_all(b"{}").unwrap();
    let answer = rest(request);
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(answer.contains("problem+json"), "{answer}");
    assert!(server.end().success());
    assert!(began.elapsed() < AT_ONCE, "the idle connection held it up: {:?}", began.elapsed());
    drop(idle);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start();
    let (stream, _request) = (server.stream(), server.half_a_request());
    let began = Instant::now();
    server.signal(Signal::INT);
    rest(stream);
    assert!(server.process.try_wait().unwrap().is_none(), "it waits for the request");
    server.signal(Signal::INT);
    server.end();
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}
