//! `maskdoor devices`: the devices that train here, and their instruction sets.

use engine::compute::{InstructionSet, KERNELS_VARIABLE, Machine};

use crate::terminal::{Align, say, table};

pub fn run(machine: &Machine) {
    for device in machine.devices() {
        say(format_args!("{}: {}, {} threads", device.name, device.description, device.threads));
    }
    let rows: Vec<_> = machine.instruction_sets().iter().map(row).collect();
    let columns = ["kernels", "here", "f32", "bf16"].map(|name| (name, Align::Left));
    say(table(&columns, &rows));
    say(format_args!("Choose another with {KERNELS_VARIABLE}=NAME."));
}

fn row(set: &InstructionSet) -> Vec<String> {
    let here = match (set.is_here, set.is_used) {
        (_, true) => "used",
        (true, false) => "yes",
        (false, false) => "no",
    };
    [set.name, here, set.single, set.half].map(str::to_owned).to_vec()
}
