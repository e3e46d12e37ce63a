//! Fixtures for the tests of several pages: studies and their runs as the server returns them.

use std::collections::BTreeMap;

use shared::{
    DeviceKind, Digest, Progress, Ratio, RunId, RunKind, RunState, StudyId, StudySpec,
    api::{CheckpointInfo, ColumnKind, DeviceInfo, ResultColumn, RunRow, StudyDetail},
    metric::Metrics,
    run::RunPoint,
    study::{Content, Graph, HeadInit, ProbeOptimizer},
};

/// A queued run at a point.
pub fn row(point: RunPoint) -> RunRow {
    RunRow {
        id: RunId::from_parts(1, [1; 10]),
        digest: Digest::stored("0"),
        study: StudyId::from_parts(1, [0; 10]),
        study_name: "s".into(),
        dataset: "shapes".into(),
        trigger: "blended stripes 0.40".into(),
        trigger_kind: "blended".into(),
        strength: 0.4,
        optimizer: Some(ProbeOptimizer::Lars),
        head_init: Some(HeadInit::Normal),
        point,
        varied: BTreeMap::new(),
        reused: false,
        parent: None,
        restorer: None,
        state: RunState::Queued,
        progress: Progress::default(),
        metrics: None,
        created_at: 0,
        started_at: None,
        ended_at: None,
        error: None,
        paused: None,
        job: None,
        wish: shared::DeviceWish::default(),
        held: false,
        waits: None,
        tidied: None,
        device: None,
    }
}

/// The run, finished with these shares of 1,000 images.
pub fn done(run: RunRow, ca: f64, asr: f64) -> RunRow {
    let of = |share: f64| Ratio { hits: (share * 1000.0).round() as u32, total: 1000 };
    let metrics = Metrics { ca: of(ca), asr: of(asr), ra: of(1.0 - asr), ..Metrics::default() };
    RunRow { state: RunState::Done, metrics: Some(metrics), ..run }
}

/// A device of this name that trains one run at a time.
pub fn device(name: &str) -> DeviceInfo {
    let is_gpu = name.starts_with("cuda");
    DeviceInfo {
        name: name.into(),
        description: if is_gpu { "NVIDIA H200, 132 multiprocessors" } else { "a CPU" }.into(),
        kind: if is_gpu { DeviceKind::Cuda } else { DeviceKind::Cpu },
        capability: is_gpu.then(|| "9.0".into()),
        threads: 2,
        memory_bytes: 80_000_000_000,
        slots: 1,
        running: 0,
        refusal: None,
        pace: shared::study::Pace::default(),
    }
}

/// A study whose runs are all queued.
pub fn study(spec: StudySpec) -> StudyDetail {
    let graph = Graph::of(&spec, &Content::default()).expect("a sound study");
    let id = |at: usize| RunId::from_parts(1, [at as u8; 10]);
    let varies = |path: &String| spec.axes.iter().any(|axis| axis.paths.contains(path));
    let run = |(at, node): (usize, &shared::study::Node)| {
        let mut varied = node.described();
        varied.retain(|path, _| varies(path));
        RunRow {
            id: id(at),
            digest: node.digest.clone(),
            varied,
            parent: node.start().map(id),
            restorer: node.restorer.map(id),
            ..row(RunPoint::of(node.kind, &node.settings))
        }
    };
    let runs = graph.nodes.iter().enumerate().map(run).collect();
    let classes = vec!["a".into(), "b".into()];
    StudyDetail {
        id: StudyId::from_parts(1, [0; 10]),
        created_at: 0,
        classes,
        runs,
        spec,
        starred: false,
        archived: false,
        notes: String::new(),
    }
}

/// A checkpoint of a pre-training.
pub fn checkpoint(study: u64, run: u8, ppr: u32, epoch: u32) -> CheckpointInfo {
    CheckpointInfo {
        run: RunId::from_parts(1, [run; 10]),
        study: StudyId::from_parts(study, [0; 10]),
        study_name: format!("study {study}"),
        point: RunPoint {
            kind: RunKind::Pretrain,
            ppr,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        },
        varied: BTreeMap::new(),
        state: RunState::Done,
        file: format!("checkpoint-{epoch}.safetensors"),
        epoch,
        bytes: 1,
        created_at: 0,
    }
}

/// A column of numbers in six runs.
pub fn column(name: &str, kind: ColumnKind, distinct: u64) -> ResultColumn {
    ResultColumn {
        name: name.into(),
        title: name.into(),
        unit: String::new(),
        kind,
        number: true,
        runs: 6,
        distinct,
        values: vec![],
    }
}
