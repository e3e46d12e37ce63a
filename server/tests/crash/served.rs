//! The real server on a data folder, and what a client of it sees.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::shim::Shim;

/// Longer than any answer takes on a busy machine.
const ANSWER: Duration = Duration::from_secs(30);

/// A running `maskdoor serve`, killed when it is dropped.
pub struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it; an error holds what it printed if it ends at once.
    pub fn start(data: &Path, shim: Option<&Shim<'_>>) -> Result<Self, String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maskdoor"));
        command
            .args(["serve", "--without-token", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .env("MASKDOOR_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(shim) = shim {
            shim.load(&mut command, data);
        }
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut errors = process.stderr.take().unwrap();
        let mut line = String::new();
        let read = output.read_line(&mut line);
        if read.unwrap_or(0) == 0 {
            let _ = process.wait();
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            return Err(text);
        }
        // Nobody may wait for a full pipe.
        std::thread::spawn(move || io::copy(&mut errors, &mut io::sink()));
        let address = line.trim().rsplit_once("http://").unwrap().1.to_owned();
        Ok(Self { process, address })
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub fn kill(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(mut self) {
        let _ = kill_process(self.pid(), Signal::TERM);
        let _ = self.process.wait();
    }

    /// An answer's status and body; an error if the server ends before it.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", body.as_bytes())
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
        Ok((status, serde_json::from_str(body).unwrap_or_else(|_| json!(body))))
    }

    /// A successful answer.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        match self.ask("GET", path, &Value::Null) {
            Ok((200, value)) => Ok(value),
            Ok((status, value)) => Err(format!("GET {path}: {status} {value}")),
            Err(error) => Err(format!("GET {path}: {error}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
