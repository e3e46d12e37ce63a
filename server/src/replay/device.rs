//! The devices on which a run is repeated: as many as it was trained on, of the same kind.

use engine::compute::Machine;
use shared::{DeviceKind, api::DeviceInfo};

use crate::queue::executor::Resources;

/// Devices of this machine of the kind and number of those that a run was trained on, given by their names, separated by commas.
///
/// # Errors
/// A sentence that says that there are none, and what that means.
pub(super) fn like(machine: &Machine, trained_on: &str) -> Result<Resources, String> {
    let (devices, list) = (machine.devices(), machine.device_list());
    if let Some(device) = chosen(&devices, trained_on) {
        return Ok(Resources { device, devices: list });
    }
    // GPUs that the queue has not been given, because nobody named them.
    let able = machine.gpus().unwrap_or_default().iter();
    let able = able.filter(|gpu| list.is_none() && Machine::can_train_on(gpu).is_ok());
    let names: Vec<String> = able.map(|gpu| format!("cuda:{}", gpu.ordinal)).collect();
    let named = machine.clone().with_devices(&names.join(","));
    if let Some(named) = named.ok().filter(|_| !names.is_empty())
        && let Some(device) = chosen(&named.devices(), trained_on)
    {
        return Ok(Resources { device, devices: named.device_list() });
    }
    Err(format!(
        "The run was trained on {trained_on}, and this machine has no such devices to offer: it was repeated on {}, whose results differ by rounding",
        machine.device_name()
    ))
}

fn kind(name: &str) -> DeviceKind {
    if name.starts_with("cuda") { DeviceKind::Cuda } else { DeviceKind::Cpu }
}

/// The names of devices like those that a run was trained on: the same ones where they are there, otherwise the first of their kind.
fn chosen(devices: &[DeviceInfo], trained_on: &str) -> Option<String> {
    let wanted: Vec<&str> = trained_on.split(',').collect();
    let able = devices.iter().filter(|device| device.refusal.is_none());
    let mut able: Vec<&str> = able
        .filter(|device| device.kind == kind(wanted[0]))
        .map(|device| device.name.as_str())
        .collect();
    able.sort_by_key(|name| !wanted.contains(name));
    able.truncate(wanted.len());
    (able.len() == wanted.len()).then(|| able.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(list: &str) -> Machine {
        Machine::with_threads(2).with_devices(list).unwrap()
    }

    #[test]
    fn a_run_is_repeated_on_the_kind_of_device_that_it_was_trained_on() {
        let several = machine("cpu,pretend:80GiB,pretend:80GiB,pretend:80GiB");
        let on = |trained_on| like(&several, trained_on).unwrap().device;
        assert_eq!(on("cpu"), "cpu");
        assert_eq!(on("cuda:1"), "cuda:1", "the same one");
        assert_eq!(on("cuda:7"), "cuda:0", "another one of the kind");
        assert_eq!(on("cuda:2,cuda:7"), "cuda:2,cuda:0", "as many");
        assert_eq!(like(&several, "cuda:0").unwrap().devices, several.device_list());
        assert_eq!(like(&machine("cpu,cpu"), "cpu").unwrap().device, "cpu:0");
    }

    #[test]
    fn a_machine_without_such_devices_says_so() {
        for (list, trained_on) in
            [("cpu", "cuda:0"), ("pretend:8GiB", "cpu"), ("cpu,pretend:8GiB", "cuda:0,cuda:1")]
        {
            let told = like(&machine(list), trained_on).unwrap_err();
            let start =
                format!("The run was trained on {trained_on}, and this machine has no such");
            assert!(told.starts_with(&start) && told.contains("differ by rounding"), "{told}");
        }
    }
}
