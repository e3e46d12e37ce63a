//! Studies as people write them. The first byte chooses what the text is: a study in TOML or in JSON, a setting or an axis of the
//! command line.

use std::{str, sync::LazyLock};

use server::cli::spec_file::parse;
use shared::{
    RunKind, StudySpec,
    api::DatasetInfo,
    param::parse_assignment,
    study::{Axis, Content, Graph, Speed, presets, run_cost, run_memory},
};

use crate::bound::Bound;

/// As in `server/tests/untrusted`: a study has up to 4,000 points and 2,000 runs.
const BOUND: Bound = Bound { times: 512, beside: 16 << 20 };
/// Memory that the machine has for images.
const IMAGES: u64 = 1 << 30;

static DATASET: LazyLock<DatasetInfo> = LazyLock::new(|| DatasetInfo {
    name: "shapes".into(),
    classes: (0..10).map(|class| class.to_string()).collect(),
    train_counts: vec![500; 10],
    test_counts: vec![100; 10],
    ..DatasetInfo::default()
});
static FIRST: LazyLock<StudySpec> = LazyLock::new(|| presets().remove(0).spec);

/// Reads, checks and plans a study as the server does. A study that can be started is the same in TOML and in JSON, and so are the
/// digests of its runs.
pub fn one(bytes: &[u8]) {
    let Some((&kind, text)) = bytes.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let _ = (&*DATASET, &*FIRST);
    BOUND.hold(text.len(), || match kind % 4 {
        0 => parse::<StudySpec>(text)
            .map_or_else(|why| assert!(!why.is_empty()), |it| looked_at(&it)),
        1 => {
            if let Ok(spec) = serde_json::from_str(text) {
                looked_at(&spec);
            }
        }
        2 => {
            if let Ok((path, value)) = parse_assignment(text, &FIRST.settings) {
                let mut spec = FIRST.clone();
                if spec.vary(path, vec![value]).is_ok() {
                    looked_at(&spec);
                }
            }
        }
        _ => {
            if let Ok(axis) = Axis::parse(text, &FIRST.settings) {
                let mut spec = FIRST.clone();
                spec.axes = vec![axis];
                looked_at(&spec);
            }
        }
    });
}

fn looked_at(spec: &StudySpec) {
    let errors = spec.validate_with(std::slice::from_ref(&*DATASET));
    if !errors.is_empty() {
        assert!(errors.iter().all(|error| !error.message.is_empty()));
        return;
    }
    let graph = Graph::of(spec, &Content::default()).expect("a valid study has valid axes");
    assert!(!graph.nodes.is_empty() && graph.nodes.len() <= 2_000, "{}", graph.nodes.len());
    for node in graph.nodes.iter().take(8) {
        let cost = run_cost(node.kind, &node.settings, &DATASET, &Speed::of_threads(2), true);
        assert!(cost.seconds.is_finite() && cost.seconds >= 0.0, "{} s", cost.seconds);
        let memory = run_memory(node.kind, &node.settings, &DATASET, 2, IMAGES);
        assert!(memory.total() > 0.0);
        assert!(!node.described().is_empty());
    }
    for kind in RunKind::ALL {
        assert!(graph.count(kind) <= graph.nodes.len());
    }
    let text = toml::to_string(spec).expect("a study has text keys only");
    let from_toml: StudySpec = parse(&text).expect("own TOML");
    assert_eq!(&from_toml, spec, "TOML");
    let text = serde_json::to_string(spec).expect("a study has text keys only");
    let from_json: StudySpec = serde_json::from_str(&text).expect("own JSON");
    assert_eq!(&from_json, spec, "JSON");
    // Equal studies, whose digests differ if a value's bits did not survive.
    for again in [from_toml, from_json] {
        let again = Graph::of(&again, &Content::default()).expect("a valid study");
        let digests =
            |graph: &Graph| graph.nodes.iter().map(|it| it.digest.clone()).collect::<Vec<_>>();
        assert_eq!(digests(&again), digests(&graph));
    }
}
