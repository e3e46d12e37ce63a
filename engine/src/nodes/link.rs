//! Frames between nodes, signs of life, and the sums.
//!
//! A frame is a byte for its kind, its length in eight bytes, and its content, all numbers little-endian. The first node has a connection
//! to each of the others, which have one each.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::NodesError;

/// Signs of life that may be missing before a node counts as lost.
const MISSING: u32 = 5;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sign of life.
    Alive = 1,
    /// Numbers of a sum.
    Sum = 2,
    /// What the first node tells.
    Bytes = 3,
    /// Why the sender ends.
    End = 4,
    /// The sender has done its part.
    Left = 5,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Alive, Self::Sum, Self::Bytes, Self::End, Self::Left]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Writes a frame.
pub(super) fn write_frame(stream: &mut impl Write, kind: Kind, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut head = [0; 9];
    head[0] = kind as u8;
    head[1..].copy_from_slice(&(length as u64).to_le_bytes());
    stream.write_all(&head)?;
    parts.iter().try_for_each(|part| stream.write_all(part))?;
    stream.flush()
}

/// Reads a frame of at most `most` bytes.
pub(super) fn read_frame(stream: &mut impl Read, most: u64) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let kind = Kind::of(head[0]).ok_or_else(|| wrong("not a frame of a node"))?;
    let length = u64::from_le_bytes(head[1..].try_into().expect("eight bytes"));
    if length > most {
        return Err(wrong("a frame is too long"));
    }
    // Memory grows with what really arrives.
    let mut content = Vec::new();
    if stream.take(length).read_to_end(&mut content)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((kind, content))
}

/// Another node.
#[derive(Debug)]
pub(super) struct Peer {
    /// Its number, counted from 0.
    pub node: usize,
    /// Its machine's name.
    pub host: String,
    /// The connection to it.
    pub stream: TcpStream,
}

/// A connection's other end, and where it is written to.
#[derive(Debug)]
struct Other {
    node: usize,
    host: String,
    writer: Mutex<TcpStream>,
}

type Watcher = Box<dyn Fn(&str) + Send>;

/// What has arrived.
#[derive(Default)]
struct Inbox {
    /// Frames of each other node.
    frames: Vec<VecDeque<(Kind, Vec<u8>)>>,
    /// The nodes that have done their part.
    left: Vec<bool>,
    /// Why this node cannot go on.
    ended: Option<NodesError>,
    watchers: Vec<Watcher>,
}

struct Shared {
    nodes: usize,
    node: usize,
    others: Vec<Other>,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    /// Whether this node is done: what happens to the others is no longer its business.
    done: AtomicBool,
}

/// The connections of a node.
pub(super) struct Link {
    shared: Arc<Shared>,
    host: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.shared.others).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// The connections of node `node` of `nodes`, which are silent for `silence` at most.
    ///
    /// # Errors
    /// When a connection cannot be prepared, or a thread not be started.
    pub fn new(
        (node, nodes): (usize, usize),
        host: String,
        peers: Vec<Peer>,
        silence: Duration,
    ) -> io::Result<Self> {
        let beat = silence / MISSING;
        let mut readers = Vec::new();
        let mut others = Vec::new();
        for Peer { node, host, stream } in peers {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(beat))?;
            stream.set_write_timeout(Some(silence))?;
            readers.push(stream.try_clone()?);
            others.push(Other { node, host, writer: Mutex::new(stream) });
        }
        let inbox = Inbox {
            frames: others.iter().map(|_| VecDeque::new()).collect(),
            left: vec![false; others.len()],
            ..Inbox::default()
        };
        let shared = Arc::new(Shared {
            nodes,
            node,
            others,
            inbox: Mutex::new(inbox),
            arrived: Condvar::new(),
            done: AtomicBool::new(false),
        });
        for (at, stream) in readers.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("node {}", shared.others[at].node + 1))
                .spawn(move || shared.read(at, stream))?;
        }
        let beating = Arc::downgrade(&shared);
        thread::Builder::new().name("signs of life".into()).spawn(move || {
            loop {
                thread::sleep(beat);
                let Some(shared) = beating.upgrade().filter(|shared| !shared.is_over()) else {
                    return;
                };
                for at in 0..shared.others.len() {
                    // Whoever writes more at this moment lives.
                    if let Ok(mut writer) = shared.others[at].writer.try_lock() {
                        // A reader notices what is wrong with a connection.
                        let _ = write_frame(&mut *writer, Kind::Alive, &[]);
                    }
                }
            }
        })?;
        Ok(Self { shared, host })
    }

    pub fn hosts(&self) -> Vec<String> {
        let Shared { node, others, .. } = &*self.shared;
        let mut hosts: Vec<(usize, &str)> =
            others.iter().map(|other| (other.node, other.host.as_str())).collect();
        hosts.push((*node, &self.host));
        hosts.sort_unstable();
        hosts.into_iter().map(|(_, host)| host.to_owned()).collect()
    }

    pub fn ended(&self) -> Option<NodesError> {
        lock(&self.shared.inbox).ended.clone()
    }

    pub fn tell(&self, bytes: Vec<u8>) -> Result<Vec<u8>, NodesError> {
        if self.shared.node > 0 {
            return self.shared.take(0, Kind::Bytes);
        }
        for at in 0..self.shared.others.len() {
            self.shared.send(at, Kind::Bytes, &[&bytes])?;
        }
        Ok(bytes)
    }

    pub fn sum(&self, values: &mut [f32], number: f64) -> Result<f64, NodesError> {
        let shared = &*self.shared;
        if shared.node > 0 {
            shared.send(0, Kind::Sum, &[&number.to_le_bytes(), &bytes_of(values)])?;
            let mut sum = None;
            shared.numbers(0, values.len(), |number, values_sum| {
                values.iter_mut().zip(values_sum).for_each(|(value, sum)| *value = sum);
                sum = Some(number);
            })?;
            return Ok(sum.expect("numbers were there"));
        }
        let mut total = number;
        for at in 0..shared.others.len() {
            shared.numbers(at, values.len(), |number, theirs| {
                values.iter_mut().zip(theirs).for_each(|(value, its)| *value += its);
                total += number;
            })?;
        }
        let bytes = bytes_of(values);
        for at in 0..shared.others.len() {
            shared.send(at, Kind::Sum, &[&total.to_le_bytes(), &bytes])?;
        }
        Ok(total)
    }

    pub fn watch(&self, then: Watcher) {
        let mut inbox = lock(&self.shared.inbox);
        match inbox.ended.clone() {
            None => inbox.watchers.push(then),
            Some(ended) => {
                drop(inbox);
                then(&ended.to_string());
            }
        }
    }

    pub fn end(&self, why: &str) {
        let mine = format!("{}: {why}", self.shared.name(self.shared.node, &self.host));
        let mut inbox = lock(&self.shared.inbox);
        // Who ends because of another's end passes on the first reason.
        let words = inbox.ended.as_ref().map_or(mine, ToString::to_string);
        inbox.ended.get_or_insert_with(|| NodesError::Ended(words.clone()));
        self.shared.arrived.notify_all();
        drop(inbox);
        self.shared.say(Kind::End, words.as_bytes());
    }

    pub fn leave(&self) {
        self.shared.say(Kind::Left, &[]);
    }

    /// Closes the connections as the system does when a process is killed.
    #[cfg(test)]
    pub fn cut(&self) {
        self.shared.done.store(true, Ordering::Release);
        for other in &self.shared.others {
            let _ = lock(&other.writer).shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end("it stopped without a reason");
    }
}

impl Shared {
    /// `node 2 of 3 (gpu17)`.
    fn name(&self, node: usize, host: &str) -> String {
        format!("node {} of {} ({host})", node + 1, self.nodes)
    }

    fn is_over(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Says the last word to all others, once.
    fn say(&self, kind: Kind, words: &[u8]) {
        if self.done.swap(true, Ordering::AcqRel) {
            return;
        }
        for other in &self.others {
            let mut writer = lock(&other.writer);
            let _ = write_frame(&mut *writer, kind, &[words]);
            let _ = writer.shutdown(Shutdown::Write);
        }
    }

    /// Notes why this node cannot go on, and tells the others.
    fn fail(&self, error: &NodesError) {
        let mut inbox = lock(&self.inbox);
        if inbox.ended.is_some() || self.is_over() {
            return;
        }
        inbox.ended = Some(error.clone());
        let watchers = std::mem::take(&mut inbox.watchers);
        self.arrived.notify_all();
        drop(inbox);
        let words = error.to_string();
        for watcher in &watchers {
            watcher(&words);
        }
        self.say(Kind::End, words.as_bytes());
    }

    /// Takes in what another node sends, until it ends.
    fn read(&self, at: usize, stream: TcpStream) {
        let Other { node, host, .. } = &self.others[at];
        let name = self.name(*node, host);
        let mut stream = Patient { stream, missing: 0, is_over: || self.is_over() };
        loop {
            match read_frame(&mut stream, u64::MAX) {
                Ok((Kind::Alive, _)) => {}
                Ok((Kind::Left, _)) => {
                    lock(&self.inbox).left[at] = true;
                    self.arrived.notify_all();
                    return;
                }
                Ok((Kind::End, words)) => {
                    let words = String::from_utf8_lossy(&words);
                    // What it passes on names a node already.
                    let words = if words.starts_with("node ") {
                        words.into_owned()
                    } else {
                        format!("{name}: {words}")
                    };
                    return self.fail(&NodesError::Ended(words));
                }
                Ok(frame) => {
                    lock(&self.inbox).frames[at].push_back(frame);
                    self.arrived.notify_all();
                }
                Err(error) => return self.fail(&lost(&name, &error)),
            }
        }
    }

    fn send(&self, at: usize, kind: Kind, parts: &[&[u8]]) -> Result<(), NodesError> {
        if let Some(ended) = &lock(&self.inbox).ended {
            return Err(ended.clone());
        }
        let Other { node, host, writer } = &self.others[at];
        let sent = write_frame(&mut *lock(writer), kind, parts);
        sent.map_err(|error| {
            let lost = lost(&self.name(*node, host), &error);
            self.fail(&lost);
            // Its reader may have learnt why.
            lock(&self.inbox).ended.clone().unwrap_or(lost)
        })
    }

    /// Waits for another node's next frame, which is of this kind.
    fn take(&self, at: usize, kind: Kind) -> Result<Vec<u8>, NodesError> {
        let mut inbox = lock(&self.inbox);
        loop {
            if let Some((came, content)) = inbox.frames[at].pop_front() {
                if came == kind {
                    return Ok(content);
                }
                drop(inbox);
                return Err(self.out_of_step(at));
            }
            if let Some(ended) = &inbox.ended {
                return Err(ended.clone());
            }
            if inbox.left[at] {
                drop(inbox);
                return Err(self.out_of_step(at));
            }
            inbox = self.arrived.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn out_of_step(&self, at: usize) -> NodesError {
        let Other { node, host, .. } = &self.others[at];
        let name = self.name(*node, host);
        let error = NodesError::Ended(format!(
            "{name} does other work than this one: a mistake of this program"
        ));
        self.fail(&error);
        error
    }

    /// Waits for the numbers of another node: one, and as many as this node has.
    fn numbers(
        &self,
        at: usize,
        count: usize,
        take: impl FnOnce(f64, &mut dyn Iterator<Item = f32>),
    ) -> Result<(), NodesError> {
        let content = self.take(at, Kind::Sum)?;
        let Some((number, values)) = content.split_first_chunk::<8>() else {
            return Err(self.out_of_step(at));
        };
        if values.len() != 4 * count {
            return Err(self.out_of_step(at));
        }
        let mut values = values.as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it));
        take(f64::from_le_bytes(*number), &mut values);
        Ok(())
    }
}

/// What the error of a connection says of the node at its other end, whether it was read from or written to.
fn lost(name: &str, error: &io::Error) -> NodesError {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    NodesError::Lost(match error.kind() {
        TimedOut | WouldBlock => format!("{name} is silent: it or the network has failed"),
        UnexpectedEof | ConnectionReset | BrokenPipe => format!("{name} has ended without a word"),
        _ => format!("{name} cannot be reached any more: {error}"),
    })
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A connection on which something arrives at least every few waits. A process that was stopped for a while has waited once, however
/// long that was.
struct Patient<F> {
    stream: TcpStream,
    missing: u32,
    is_over: F,
}

impl<F: Fn() -> bool> Read for Patient<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    self.missing += 1;
                    if self.missing >= MISSING || (self.is_over)() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                other => {
                    self.missing = 0;
                    return other;
                }
            }
        }
    }
}
