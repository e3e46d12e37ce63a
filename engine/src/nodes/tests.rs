//! Nodes that meet, add up and fail, each on a thread of its own, by way of this machine's network.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use super::*;

fn meeting(folder: &Path, node: usize, nodes: usize) -> Meeting {
    Meeting {
        folder: folder.join("7"),
        node,
        nodes,
        host: format!("host{}", node + 1),
        patience: Duration::from_secs(20),
        silence: Duration::from_secs(20),
    }
}

/// Does something on each of these nodes, once they have met.
fn each<R: Send>(nodes: usize, work: impl Fn(Arc<Nodes>) -> R + Sync) -> Vec<R> {
    let folder = tempfile::tempdir().unwrap();
    thread::scope(|scope| {
        let threads = (0..nodes).map(|node| {
            let nodes = Nodes::new(meeting(folder.path(), node, nodes));
            let work = &work;
            scope.spawn(move || {
                nodes.meet("p", "a").unwrap();
                work(nodes)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn all_nodes_get_what_the_first_tells_and_the_same_sums() {
    let seen = each(3, |nodes| {
        let mine = if nodes.is_first() { b"from 3".to_vec() } else { Vec::new() };
        assert_eq!(nodes.tell(mine).unwrap(), b"from 3");
        assert_eq!(nodes.hosts().len(), if nodes.is_first() { 3 } else { 2 });
        let mut all = Vec::new();
        for round in 0..20 {
            // In single precision (1e8 + 1) + -1e8 is 0: the order of the nodes decides.
            let own = [1e8, 1.0, -1e8][nodes.node()];
            let mut values = vec![own, (round * nodes.node()) as f32];
            let number = nodes.sum(&mut values, 0.5).unwrap();
            assert_eq!((values[0], values[1], number), (0.0, 3.0 * round as f32, 1.5));
            all.extend(values);
        }
        nodes.leave();
        all
    });
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
}

#[test]
fn images_are_divided_without_a_gap() {
    let folder = Path::new("nowhere");
    let parts: Vec<_> = (0..3).map(|node| Nodes::new(meeting(folder, node, 3)).share(8)).collect();
    assert_eq!(parts, [0..2, 2..5, 5..8]);
}

#[test]
fn a_node_that_fails_tells_all_others_why() {
    let told = each(3, |nodes| {
        if nodes.node() == 1 {
            nodes.end("its disk is full");
            return nodes.sum(&mut [1.0], 0.0).unwrap_err().to_string();
        }
        let (tell, heard) = std::sync::mpsc::channel();
        nodes.watch(Box::new(move |why| tell.send(why.to_owned()).unwrap()));
        let error = nodes.sum(&mut [1.0], 0.0).unwrap_err();
        assert!(matches!(error, NodesError::Ended(_)));
        // Whoever waits for the sum may hear of it first.
        let why = heard.recv_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(why, error.to_string());
        error.to_string()
    });
    assert_eq!(told, ["node 2 of 3 (host2): its disk is full"; 3]);
}

#[test]
fn a_node_that_stops_because_of_another_passes_on_the_first_reason() {
    let (stopped, has_stopped) = std::sync::mpsc::channel();
    let has_stopped = std::sync::Mutex::new(Some(has_stopped));
    // Who watches too late is called at once, on its own thread.
    let watched = std::sync::Barrier::new(3);
    let told = each(3, |nodes| {
        match nodes.node() {
            0 => {
                // The thread that learnt why cannot tell it before the rest of this node is gone.
                let has_stopped = has_stopped.lock().unwrap().take().unwrap();
                nodes.watch(Box::new(move |_| has_stopped.recv().unwrap()));
                watched.wait();
            }
            1 => {
                watched.wait();
                nodes.end("its disk is full");
            }
            _ => {
                watched.wait();
            }
        }
        let node = nodes.node();
        let error = nodes.sum(&mut [1.0], 0.0).unwrap_err().to_string();
        drop(nodes);
        if node == 0 {
            stopped.send(()).unwrap();
        }
        error
    });
    assert_eq!(told, ["node 2 of 3 (host2): its disk is full"; 3]);
}

#[test]
fn a_node_that_is_gone_is_named_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let begin = |node| {
        let nodes = Nodes::new(meeting(folder.path(), node, 2));
        thread::spawn(move || {
            nodes.meet("p", "a").unwrap();
            nodes
        })
    };
    let (first, second) = (begin(0), begin(1));
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    // As the system does when a process is killed: the connection is closed, and nothing was said.
    second.link.get().unwrap().cut();
    let error = first.sum(&mut [1.0], 0.0).unwrap_err();
    let words = "node 2 of 2 (host2) has ended without a word";
    assert_eq!(error, NodesError::Lost(words.into()));
}

#[test]
fn a_node_that_is_silent_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let silence = Duration::from_millis(500);
    let first = Nodes::new(Meeting { silence, ..meeting(folder.path(), 0, 2) });
    thread::scope(|scope| {
        // Another end that says who it is, and then nothing.
        scope.spawn(|| {
            let other = meeting(folder.path(), 1, 2);
            let stream = other.connected("p", "a");
            let begun = std::time::Instant::now();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut stream = stream;
            // It hears signs of life, then the end.
            while let Ok((kind, _)) = link::read_frame(&mut stream, 1 << 16) {
                if kind == link::Kind::End {
                    break;
                }
            }
            assert!(begun.elapsed() >= silence);
        });
        first.meet("p", "a").unwrap();
        let error = first.sum(&mut [1.0], 0.0).unwrap_err();
        let words = "node 2 of 2 (host2) is silent: it or the network has failed";
        assert_eq!(error, NodesError::Lost(words.into()));
    });
}

/// The errors of two nodes that do not match.
fn misfit(second: Meeting, program: &str, arithmetic: &str) -> [String; 2] {
    let folder = second.folder.parent().unwrap().to_owned();
    let first = Nodes::new(meeting(&folder, 0, 2));
    let second = Nodes::new(second);
    thread::scope(|scope| {
        let one = scope.spawn(|| first.meet("maskdoor 1", "cpu").unwrap_err().to_string());
        let other = scope.spawn(|| second.meet(program, arithmetic).unwrap_err().to_string());
        [one.join().unwrap(), other.join().unwrap()]
    })
}

#[test]
fn nodes_that_do_not_fit_are_told_on_both_sides() {
    let place = tempfile::tempdir().unwrap();
    let second = || meeting(place.path(), 1, 2);
    let words = "node 2 of 2 (host2) runs maskdoor 2, node 1 (host1) runs maskdoor 1: start the same program on all nodes";
    assert_eq!(misfit(second(), "maskdoor 2", "cpu"), [words; 2]);
    let told = misfit(second(), "maskdoor 1", "2 x H200");
    assert!(
        told[0].contains("computes with 2 x H200, node 1 (host1) computes with cpu"),
        "{told:?}"
    );
    assert_eq!(told[0], told[1]);
    let told = misfit(Meeting { nodes: 3, ..second() }, "maskdoor 1", "cpu");
    assert!(told[0].starts_with("host2 was started as node 2 of 3: "), "{told:?}");
}

#[test]
fn nodes_that_are_late_are_named() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(300);
    let of = |node| Nodes::new(Meeting { patience, ..meeting(place.path(), node, 3) });
    let alone = of(2).meet("p", "a").unwrap_err().to_string();
    assert_eq!(alone, "node 1 of 3 has not come within 0.3 s");
    thread::scope(|scope| {
        let third = scope.spawn(|| of(2).meet("p", "a").unwrap_err().to_string());
        let patience = Duration::from_secs(2);
        let first = Nodes::new(Meeting { patience, ..meeting(place.path(), 0, 3) });
        let told = first.meet("p", "a").unwrap_err().to_string();
        assert_eq!(told, "node 2 of 3 has not come within 2 s");
        // It may have given up before the first one was there.
        let third = third.join().unwrap();
        assert!(third == told || third == alone, "{third}");
    });
}

#[test]
fn who_does_not_know_the_secret_is_not_let_in() {
    let place = tempfile::tempdir().unwrap();
    let patience = Duration::from_secs(2);
    let first = Nodes::new(Meeting { patience, ..meeting(place.path(), 0, 2) });
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = meeting(place.path(), 1, 2);
            other.host = "stranger".into();
            let address = loop {
                if let Some(address) = other.address_of_first() {
                    break address;
                }
                thread::yield_now();
            };
            let port = SocketAddr::port(&address);
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let hello = br#"{"secret":"guess","node":1,"nodes":2,"host":"stranger","program":"p","arithmetic":"a"}"#;
            link::write_frame(&mut stream, link::Kind::Bytes, &[hello]).unwrap();
            let answer = link::read_frame(&mut stream, 1 << 16);
            assert!(answer.is_err(), "the connection is closed: {answer:?}");
        });
        let told = first.meet("p", "a").unwrap_err().to_string();
        assert_eq!(told, "node 2 of 2 has not come within 2 s");
    });
}
