//! One run on several machines: how they meet, and what they tell each other.
//!
//! A node is a machine of a run, with a process of its own. All nodes take the same steps of the same run, each with its part of every
//! batch; the first one also evaluates and writes the run's files. Nodes meet by way of a folder that all of them see, then talk by TCP:
//!
//! ```text
//! node 1  listens, writes `first` (address, secret) ──> the folder ──> nodes 2, 3, … read it, connect and say who they are
//!         ├── sums: each sends its numbers, the first adds them up in the order of the nodes and sends the sum back
//!         ├── what the first has to tell: where to resume, which data set, NCCL's number of the group
//!         └── a sign of life every few seconds, and the reason when a node ends
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `meeting` | [`Meeting`]: who is expected where; the nodes' way to each other |
//! | `link` | frames, signs of life, and the sums |

mod link;
mod meeting;
#[cfg(test)]
mod tests;

use std::{
    ops::Range,
    sync::{Arc, OnceLock},
};

use link::Link;
pub use meeting::Meeting;

/// Why the nodes of a run cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodesError {
    /// They do not come together, or one has ended and said why.
    #[error("{0}")]
    Ended(String),
    /// One is gone without a word.
    #[error("{0}")]
    Lost(String),
}

/// The nodes of a run, seen from one of them.
#[derive(Debug)]
pub struct Nodes {
    meeting: Meeting,
    link: OnceLock<Link>,
}

impl Nodes {
    /// Nodes that have not met yet.
    pub fn new(meeting: Meeting) -> Arc<Self> {
        Arc::new(Self { meeting, link: OnceLock::new() })
    }

    /// This node, counted from 0.
    pub fn node(&self) -> usize {
        self.meeting.node
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.meeting.nodes
    }

    /// Whether this is the node that evaluates and writes.
    pub fn is_first(&self) -> bool {
        self.node() == 0
    }

    /// Which of a batch's images this node processes. All nodes have equal parts, or differ by one image.
    pub fn share(&self, images: usize) -> Range<usize> {
        let (node, nodes) = (self.node(), self.count());
        images * node / nodes..images * (node + 1) / nodes
    }

    /// Waits for all nodes. Each must be the same `program` and compute with the same `arithmetic`.
    ///
    /// # Errors
    /// Which node has not come or does not fit, and what to do.
    pub fn meet(&self, program: &str, arithmetic: &str) -> Result<(), NodesError> {
        let link = self.meeting.meet(program, arithmetic)?;
        self.link.set(link).map_err(|_| NodesError::Ended("the nodes have met before".into()))
    }

    fn link(&self) -> Result<&Link, NodesError> {
        self.link.get().ok_or_else(|| NodesError::Ended("the nodes have not met".into()))
    }

    /// The machines' names in the order of the nodes, as far as this node knows them.
    pub fn hosts(&self) -> Vec<String> {
        self.link.get().map(Link::hosts).unwrap_or_default()
    }

    /// What the first node has to tell: its own bytes, on all nodes.
    ///
    /// # Errors
    /// When a node has ended.
    pub fn tell(&self, bytes: Vec<u8>) -> Result<Vec<u8>, NodesError> {
        self.link()?.tell(bytes)
    }

    /// Replaces numbers by their sum over all nodes, the same bits on each. Also gives the sum of `number`.
    ///
    /// # Errors
    /// When a node has ended.
    pub fn sum(&self, values: &mut [f32], number: f64) -> Result<f64, NodesError> {
        self.link()?.sum(values, number)
    }

    /// Calls `then` with the reason when another node has ended, at once if it has.
    pub fn watch(&self, then: Box<dyn Fn(&str) + Send>) {
        if let Some(link) = self.link.get() {
            link.watch(then);
        }
    }

    /// Why another node has ended, if one has.
    pub fn ended(&self) -> Option<NodesError> {
        self.link.get().and_then(Link::ended)
    }

    /// Whether all nodes have met.
    pub fn have_met(&self) -> bool {
        self.link.get().is_some()
    }

    /// Tells the other nodes that this one ends because of an error.
    pub fn end(&self, why: &str) {
        if let Some(link) = self.link.get() {
            link.end(why);
        }
    }

    /// Tells the other nodes that this one has done its part.
    pub fn leave(&self) {
        if let Some(link) = self.link.get() {
            link.leave();
        }
    }
}
