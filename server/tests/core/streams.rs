//! Many live streams at the real server: they lock nobody out, and take little memory.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use crate::support::{PATIENCE, served_at};

struct Server {
    process: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Server {
    fn start(open_files: u32) -> Self {
        let data = tempfile::tempdir().unwrap();
        let script = "ulimit -n \"$1\"; exec \"$0\" serve --without-token --addr 127.0.0.1:0 --data-dir \"$2\"";
        let mut process = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_maskdoor"), &open_files.to_string()])
            .arg(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = served_at(&mut process);
        Self { process, address, _data: data }
    }

    fn ask(&self, path: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /api/v1{path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        BufReader::new(stream)
    }

    /// A stream that has begun, or the answer that refuses it.
    fn stream(&self) -> Result<BufReader<TcpStream>, String> {
        let mut stream = self.ask("/events");
        let mut text = String::new();
        while !text.contains("hello") {
            if stream.read_line(&mut text).unwrap() == 0 {
                return Err(text);
            }
        }
        Ok(stream)
    }

    /// Resident memory in bytes.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn streams_leave_connections_for_requests() {
    // 64 connections, of which 48 may be streams.
    let server = Server::start(256);
    let asked: Vec<_> = (0..100).map(|_| server.stream()).collect();
    let (streams, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    assert_eq!(streams.len(), 48);
    for answer in refused {
        let answer = answer.unwrap_err();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("there are 48 live streams"), "{answer}");
    }
    let mut answer = [0; 12];
    server.ask("/studies").read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[test]
#[cfg(target_os = "linux")]
fn a_stream_takes_little_memory() {
    let server = Server::start(1024);
    // What is made at the first requests is no part of it.
    let first: Vec<_> = (0..50).map(|_| server.stream().unwrap()).collect();
    let before = server.memory();
    let more: Vec<_> = (0..200).map(|_| server.stream().unwrap()).collect();
    let each = server.memory().saturating_sub(before) / more.len() as u64;
    assert!(each < 150_000, "{each} bytes");
    drop(first);
}
