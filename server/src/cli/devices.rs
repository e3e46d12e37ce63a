//! `maskdoor devices`: what trains here, and with which instructions.

use engine::device;
use kernel::{Path, Precision};

use crate::terminal::{Align, say, table};

pub fn run() {
    for device in device::devices() {
        say(format_args!("{}: {}, {} threads", device.name, device.description, device.threads));
    }
    let used = Path::chosen().unwrap_or(Path::Portable);
    let rows: Vec<_> = Path::ALL.into_iter().map(|path| row(path, used)).collect();
    let columns = ["kernels", "here", "f32", "bf16"].map(|name| (name, Align::Left));
    say(table(&columns, &rows));
    say(format_args!("Another choice: {}=NAME.", kernel::KERNELS_VARIABLE));
}

fn row(path: Path, used: Path) -> Vec<String> {
    let here = match (path.is_here(), path == used) {
        (_, true) => "used",
        (true, false) => "yes",
        (false, false) => "no",
    };
    let [single, half] = [Precision::F32, Precision::Bf16].map(|precision| path.tells(precision));
    [path.name(), here, single, half].map(str::to_owned).to_vec()
}
