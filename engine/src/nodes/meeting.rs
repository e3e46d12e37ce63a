//! How nodes find each other.

use std::{
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rand::{TryRngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};

use super::{
    NodesError,
    link::{Kind, Link, Peer, read_frame, write_frame},
};
use crate::hash::hex;

/// The first node's file.
const FIRST: &str = "first";
/// Interval between looks at the folder, and at new connections.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for an address to answer, and for somebody who connected to say who it is.
const ANSWER: Duration = Duration::from_secs(2);
/// How much longer than itself a node waits for the first one, so that the words of the first one arrive.
const GRACE: Duration = Duration::from_secs(5);
/// Longest introduction in bytes.
const LONGEST: u64 = 1 << 16;

/// Who is expected where.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// A folder that all nodes see, for this attempt of the run alone.
    pub folder: PathBuf,
    /// This node, counted from 0.
    pub node: usize,
    /// How many there are.
    pub nodes: usize,
    /// The name of this machine.
    pub host: String,
    /// Longest wait for the others.
    pub patience: Duration,
    /// Longest silence of a node before it counts as lost.
    pub silence: Duration,
}

/// Where the first node is. The secret keeps out who cannot read the folder.
#[derive(Debug, Serialize, Deserialize)]
struct First {
    addresses: Vec<SocketAddr>,
    secret: String,
}

/// What a node says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    secret: String,
    node: usize,
    nodes: usize,
    host: String,
    program: String,
    arithmetic: String,
}

impl Meeting {
    pub(super) fn meet(&self, program: &str, arithmetic: &str) -> Result<Link, NodesError> {
        let until = Instant::now() + self.patience;
        let hello = self.hello(program, arithmetic);
        let peers = if self.node == 0 {
            self.receive(until, &hello)?
        } else {
            vec![self.join(until, &hello)?]
        };
        let place = (self.node, self.nodes);
        Link::new(place, self.host.clone(), peers, self.silence)
            .map_err(|error| NodesError::Ended(format!("the nodes cannot be connected: {error}")))
    }

    /// What this node says of itself to who knows a secret.
    fn hello(&self, program: &str, arithmetic: &str) -> impl Fn(String) -> Hello {
        move |secret| Hello {
            secret,
            node: self.node,
            nodes: self.nodes,
            host: self.host.clone(),
            program: program.into(),
            arithmetic: arithmetic.into(),
        }
    }

    /// `node 2 of 3`.
    fn name(&self, node: usize) -> String {
        format!("node {} of {}", node + 1, self.nodes)
    }

    /// The first node: waits for all others.
    fn receive(
        &self,
        until: Instant,
        hello: &dyn Fn(String) -> Hello,
    ) -> Result<Vec<Peer>, NodesError> {
        let failed = |error: io::Error| {
            let folder = self.folder.display();
            NodesError::Ended(format!("the nodes cannot meet by way of {folder}: {error}"))
        };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let own = hello(secret().map_err(failed)?);
        let addresses = addresses().map_err(failed)?;
        let addresses = addresses.into_iter().map(|address| (address, port).into()).collect();
        let first = First { addresses, secret: own.secret.clone() };
        self.publish(&first).map_err(failed)?;
        let outcome = self.gather(&listener, &own, until);
        // The secret is no longer of use.
        let _ = fs::remove_dir_all(&self.folder);
        outcome
    }

    fn gather(
        &self,
        listener: &TcpListener,
        own: &Hello,
        until: Instant,
    ) -> Result<Vec<Peer>, NodesError> {
        let mut peers: Vec<Peer> = Vec::new();
        let refuse = |peers: &mut Vec<Peer>, words: String| {
            for Peer { stream, .. } in peers {
                let _ = write_frame(stream, Kind::End, &[words.as_bytes()]);
            }
            Err(NodesError::Ended(words))
        };
        while peers.len() + 1 < self.nodes {
            match listener.accept() {
                Ok((stream, _)) => {
                    let Some((hello, stream)) = introduced(stream, &own.secret) else { continue };
                    let misfit = self.misfit(own, &hello).or_else(|| {
                        let twice = peers.iter().any(|peer| peer.node == hello.node);
                        twice.then(|| format!("{} has come twice", self.name(hello.node)))
                    });
                    peers.push(Peer { node: hello.node, host: hello.host, stream });
                    if let Some(words) = misfit {
                        return refuse(&mut peers, words);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if Instant::now() >= until {
                        let words = self.late(&peers);
                        return refuse(&mut peers, words);
                    }
                    thread::sleep(LOOK);
                }
                Err(error) => {
                    return refuse(&mut peers, format!("{} hears nobody: {error}", self.name(0)));
                }
            }
        }
        peers.sort_by_key(|peer| peer.node);
        for at in 0..peers.len() {
            if let Err(error) =
                write_frame(&mut peers[at].stream, Kind::Bytes, &[own.host.as_bytes()])
            {
                let Peer { node, host, .. } = &peers[at];
                let words = format!("{} ({host}) is gone again: {error}", self.name(*node));
                return refuse(&mut peers, words);
            }
        }
        Ok(peers)
    }

    /// Why a node cannot take part.
    fn misfit(&self, own: &Hello, other: &Hello) -> Option<String> {
        if other.nodes != self.nodes || other.node == 0 || other.node >= self.nodes {
            return Some(format!(
                "{} was started as node {} of {}: all nodes take the same number of nodes, each its own place",
                other.host,
                other.node + 1,
                other.nodes
            ));
        }
        let told = |what: &str, its: &str, mine: &str, remedy: &str| {
            let (node, host) = (self.name(other.node), &other.host);
            format!("{node} ({host}) {what} {its}, node 1 ({}) {what} {mine}: {remedy}", own.host)
        };
        if other.program != own.program {
            let remedy = "start the same program on all nodes";
            return Some(told("runs", &other.program, &own.program, remedy));
        }
        (other.arithmetic != own.arithmetic).then(|| {
            let remedy = "take nodes of one kind, with the same number of devices";
            told("computes with", &other.arithmetic, &own.arithmetic, remedy)
        })
    }

    /// Which nodes have not come.
    fn late(&self, peers: &[Peer]) -> String {
        let is_here = |node: &usize| peers.iter().any(|peer| peer.node == *node);
        let missing = (1..self.nodes).filter(|node| !is_here(node));
        let missing: Vec<String> = missing.map(|node| (node + 1).to_string()).collect();
        let (noun, verb) = if missing.len() == 1 { ("node", "has") } else { ("nodes", "have") };
        format!(
            "{noun} {} of {} {verb} not come within {} s",
            missing.join(", "),
            self.nodes,
            self.patience.as_secs_f64()
        )
    }

    /// Another node: looks for the first one.
    fn join(&self, until: Instant, hello: &dyn Fn(String) -> Hello) -> Result<Peer, NodesError> {
        let mut why = None;
        loop {
            if let Some(first) = self.found() {
                match self.introduce(&first, hello) {
                    Ok(Ok(peer)) => return Ok(peer),
                    Ok(Err(refused)) => return Err(refused),
                    Err(unreachable) => why = Some(unreachable),
                }
            }
            if Instant::now() >= until {
                let seconds = self.patience.as_secs_f64();
                return Err(NodesError::Ended(match why {
                    None => format!("{} has not come within {seconds} s", self.name(0)),
                    Some(why) => format!("{} cannot be reached: {why}", self.name(0)),
                }));
            }
            thread::sleep(LOOK);
        }
    }

    /// The first node's file. The whole folder is listed: a network file system may remember for long that a file was not there.
    fn found(&self) -> Option<First> {
        let mut entries = fs::read_dir(&self.folder).ok()?.flatten();
        let entry = entries.find(|entry| entry.file_name() == FIRST)?;
        serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()
    }

    /// Connects to the first node. The outer error says why nobody answers, the inner one why this node may not take part.
    fn introduce(
        &self,
        first: &First,
        hello: &dyn Fn(String) -> Hello,
    ) -> Result<Result<Peer, NodesError>, String> {
        let hello =
            serde_json::to_vec(&hello(first.secret.clone())).expect("it has text keys only");
        let mut why = Vec::new();
        for address in &first.addresses {
            let answered = || -> io::Result<(Kind, Vec<u8>, TcpStream)> {
                let mut stream = TcpStream::connect_timeout(address, ANSWER)?;
                stream.set_read_timeout(Some(self.patience + GRACE))?;
                write_frame(&mut stream, Kind::Bytes, &[&hello])?;
                let (kind, words) = read_frame(&mut stream, LONGEST)?;
                Ok((kind, words, stream))
            };
            match answered() {
                Ok((Kind::Bytes, host, stream)) => {
                    let host = String::from_utf8_lossy(&host).into_owned();
                    return Ok(Ok(Peer { node: 0, host, stream }));
                }
                Ok((_, words, _)) => {
                    let words = String::from_utf8_lossy(&words).into_owned();
                    return Ok(Err(NodesError::Ended(words)));
                }
                Err(error) => why.push(format!("{address}: {error}")),
            }
        }
        Err(why.join("; "))
    }

    /// Writes the first node's file, whole and readable by this user alone.
    fn publish(&self, first: &First) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let (path, part) = (self.folder.join(FIRST), self.folder.join("first.part"));
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(first)?)?;
        file.sync_all()?;
        fs::rename(part, path)
    }
}

#[cfg(test)]
impl Meeting {
    /// Connects as this node and is welcomed.
    pub(super) fn connected(&self, program: &str, arithmetic: &str) -> TcpStream {
        let hello = self.hello(program, arithmetic);
        self.join(Instant::now() + self.patience, &hello).expect("it fits").stream
    }

    /// Where the first node listens, once it does.
    pub(super) fn address_of_first(&self) -> Option<SocketAddr> {
        self.found()?.addresses.first().copied()
    }
}

/// Who has connected, if it knows the secret.
fn introduced(mut stream: TcpStream, secret: &str) -> Option<(Hello, TcpStream)> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    let (kind, hello) = read_frame(&mut stream, LONGEST).ok()?;
    let hello: Hello = serde_json::from_slice(&hello).ok()?;
    (kind == Kind::Bytes && hello.secret == secret).then_some((hello, stream))
}

fn secret() -> io::Result<String> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}

/// The addresses of this machine, those that others can reach first.
fn addresses() -> io::Result<Vec<IpAddr>> {
    let all = if_addrs::get_if_addrs()?;
    let mut addresses: Vec<IpAddr> =
        all.iter().map(if_addrs::Interface::ip).filter(IpAddr::is_ipv4).collect();
    addresses.sort_by_key(IpAddr::is_loopback);
    Ok(addresses)
}
