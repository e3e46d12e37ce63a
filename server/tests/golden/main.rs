//! Checks the files that other programs read against independent implementations, with cases made by `tests/golden/generate.py`.
//!
//! `MASKDOOR_GOLDEN` names a folder of fresh cases; without it, the few cases in the repository are used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use serde::Deserialize;
use server::run_log::{RunLog, TENSORBOARD_FILE};
use shared::{RunKind, Stamped};

#[derive(Deserialize)]
struct Config {
    events: Vec<Stamped>,
}

/// The event file has the same bytes as one by `TensorBoard`'s own writer, whether it is written in one go or continued after an
/// interruption. For fresh cases it is kept under `written/` for `TensorBoard` to read.
#[test]
fn an_event_file_is_tensorboards() {
    let fresh = std::env::var_os("MASKDOOR_GOLDEN").map(PathBuf::from);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases");
    let folder = fresh.clone().unwrap_or(committed);
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("events-") {
            continue;
        }
        cases += 1;
        let bytes = fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let config = &header.metadata().as_ref().unwrap()["config"];
        let Config { events } = serde_json::from_str(config).unwrap();
        let case = SafeTensors::deserialize(&bytes).unwrap();
        let expected = case.tensor("file").unwrap().data().to_vec();

        let temporary = tempfile::tempdir().unwrap();
        let out = fresh.as_ref().map(|folder| folder.join("written").join(&name));
        let out = out.unwrap_or_else(|| temporary.path().to_owned());
        fs::create_dir_all(&out).unwrap();
        for kept in [events.len() / 2, events.len(), 0] {
            let mut log = RunLog::begin(&out, RunKind::Probe, &events[..kept]).unwrap();
            for event in &events[kept..] {
                log.take(event);
                log.write().unwrap();
            }
            let written = fs::read(out.join(TENSORBOARD_FILE)).unwrap();
            assert!(written == expected, "{name}, continued after {kept} events");
        }
    }
    assert!(cases > 0, "{} has no case events-*.safetensors", folder.display());
}
