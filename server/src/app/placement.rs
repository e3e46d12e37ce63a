//! Which devices a run gets: those that it asks for, as soon as they are free.

use std::collections::BTreeSet;

use shared::{DeviceKind, DeviceWish, api::DeviceInfo};

/// The devices of a queue during one pass over its runs.
#[derive(Debug)]
pub struct Placement<'a> {
    devices: &'a mut Vec<DeviceInfo>,
    /// Devices that are kept for a run that waits for several.
    reserved: BTreeSet<usize>,
}

impl<'a> Placement<'a> {
    /// All free devices can be assigned.
    pub fn new(devices: &'a mut Vec<DeviceInfo>) -> Self {
        Self { devices, reserved: BTreeSet::new() }
    }

    /// Whether a device is free.
    pub fn any_free(&self) -> bool {
        (0..self.devices.len()).any(|at| self.is_free(at))
    }

    /// The free devices for a run, by name and separated by commas; `None` while there are too few. The devices with the fewest runs
    /// come first, so that runs spread. A run that waits for several devices keeps those that are free, or smaller runs would take
    /// each of them before it gets all.
    pub fn place(&mut self, wish: DeviceWish) -> Option<String> {
        // With a GPU in the queue a run on the processor would take many times as long as its wait.
        let has_gpu = self.devices.iter().any(|it| it.refusal.is_none() && is_gpu(it));
        let fits = |device: &DeviceInfo| {
            wish.takes(&device.name, device.kind)
                && (!matches!(wish, DeviceWish::Auto | DeviceWish::Here)
                    || is_gpu(device) == has_gpu)
        };
        let fitting = (0..self.devices.len()).filter(|&at| fits(&self.devices[at]));
        let (able, mut free): (usize, Vec<usize>) = (
            fitting.clone().filter(|&at| self.devices[at].refusal.is_none()).count(),
            fitting.filter(|&at| self.is_free(at)).collect(),
        );
        free.sort_by_key(|&at| self.devices[at].running);
        free.truncate(wish.count());
        if free.len() < wish.count() {
            if able >= wish.count() {
                self.reserved.extend(free);
            }
            return None;
        }
        free.sort_unstable();
        let names: Vec<&str> = free.iter().map(|&at| self.devices[at].name.as_str()).collect();
        Some(names.join(","))
    }

    /// Counts a run for its devices. A run on a device that the queue does not know still uses this machine, and counts for the first
    /// device.
    pub fn count(&mut self, devices: Option<&str>) {
        for name in devices.unwrap_or_default().split(',') {
            let known = self.devices.iter().position(|known| known.name == name);
            if let Some(device) = self.devices.get_mut(known.unwrap_or(0)) {
                device.running += 1;
            }
        }
    }

    fn is_free(&self, at: usize) -> bool {
        let device = &self.devices[at];
        device.refusal.is_none() && device.running < device.slots && !self.reserved.contains(&at)
    }
}

fn is_gpu(device: &DeviceInfo) -> bool {
    device.kind == DeviceKind::Cuda
}

/// Why a queued run that asks for a device has to wait for more than its turn.
pub fn waits(wish: DeviceWish, devices: &[DeviceInfo]) -> Option<String> {
    if wish == DeviceWish::Auto || devices.is_empty() {
        return None;
    }
    let fits = |device: &&DeviceInfo| wish.takes(&device.name, device.kind);
    let words = wish.in_words();
    if let Some(unmet) = unmet(wish, devices) {
        let lost = devices.iter().filter(fits).find_map(|device| device.refusal.as_ref());
        return Some(format!("waits for {words}: {}", lost.unwrap_or(&unmet)));
    }
    if devices.iter().filter(fits).any(|device| device.kind == DeviceKind::Cluster) {
        return None;
    }
    let free = |device: &&DeviceInfo| device.refusal.is_none() && device.running < device.slots;
    let free = devices.iter().filter(fits).filter(free).count();
    (free < wish.count()).then(|| format!("waits for {words}"))
}

/// Why no set of these devices can fulfil a wish, however long a run waits.
pub fn unmet(wish: DeviceWish, devices: &[DeviceInfo]) -> Option<String> {
    let able = devices.iter().filter(|device| device.refusal.is_none());
    wish.unmet(able.map(|device| (device.name.as_str(), device.kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, running: u32) -> DeviceInfo {
        DeviceInfo {
            name: name.into(),
            description: String::new(),
            kind: if name.starts_with("cuda") { DeviceKind::Cuda } else { DeviceKind::Cpu },
            capability: None,
            threads: 1,
            memory_bytes: 0,
            slots: 2,
            running,
            refusal: None,
            pace: shared::study::Pace::default(),
        }
    }

    fn wish(text: &str) -> DeviceWish {
        text.parse().unwrap()
    }

    /// Places these wishes in order, counting each run that got a device.
    fn placed(devices: &[(&str, u32)], wishes: &[&str]) -> Vec<Option<String>> {
        let mut devices = devices.iter().map(|&(name, running)| device(name, running)).collect();
        let mut placement = Placement::new(&mut devices);
        let place = |text: &&str| {
            let place = placement.place(wish(text));
            if place.is_some() {
                placement.count(place.as_deref());
            }
            place
        };
        wishes.iter().map(place).collect()
    }

    #[test]
    fn runs_spread_over_the_devices_that_they_ask_for() {
        let devices = [("cpu", 0), ("cuda:0", 0), ("cuda:1", 0)];
        let auto = placed(&devices, &["auto"; 5]);
        // Two on each GPU; the processor stays free for what asks for it.
        assert_eq!(
            auto,
            [
                Some("cuda:0".to_owned()),
                Some("cuda:1".to_owned()),
                Some("cuda:0".to_owned()),
                Some("cuda:1".to_owned()),
                None
            ]
        );
        let mixed = placed(&devices, &["cuda:1", "cpu", "auto", "2", "cuda:7", "1"]);
        assert_eq!(
            mixed,
            [
                Some("cuda:1".to_owned()),
                Some("cpu".to_owned()),
                Some("cuda:0".to_owned()),
                Some("cuda:0,cuda:1".to_owned()),
                None,
                None
            ]
        );
        assert_eq!(placed(&[("cpu", 0)], &["auto", "1"]), [Some("cpu".to_owned()), None]);
    }

    #[test]
    fn who_waits_for_several_keeps_what_is_free() {
        let devices = [("cpu", 0), ("cuda:0", 2), ("cuda:1", 1)];
        assert_eq!(
            placed(&devices, &["2", "auto", "cuda:1", "cpu"]),
            [None, None, None, Some("cpu".to_owned())]
        );
        // Three GPUs will never be there, so nothing is kept for them.
        assert_eq!(placed(&devices, &["3", "auto"]), [None, Some("cuda:1".to_owned())]);
    }

    #[test]
    fn a_lost_device_gets_no_run() {
        let mut devices = vec![device("cpu", 0), device("cuda:0", 0), device("cuda:1", 0)];
        devices[1].refusal = Some("the GPU has fallen off the bus".into());
        let mut placement = Placement::new(&mut devices);
        assert_eq!(placement.place(wish("auto")), Some("cuda:1".to_owned()));
        assert_eq!(placement.place(wish("cuda:0")), None);
        assert_eq!(placement.place(wish("2")), None);
        devices[2].refusal = Some("gone, too".into());
        let mut placement = Placement::new(&mut devices);
        assert_eq!(placement.place(wish("auto")), Some("cpu".to_owned()), "no GPU is left");
    }

    #[test]
    fn waiting_is_told_in_words() {
        let mut devices = vec![device("cpu", 0), device("cuda:0", 2), device("cuda:1", 1)];
        let told = |text, devices: &[DeviceInfo]| waits(wish(text), devices);
        assert_eq!(told("auto", &devices), None);
        assert_eq!(told("cpu", &devices), None);
        assert_eq!(told("cuda:0", &devices).as_deref(), Some("waits for cuda:0"));
        assert_eq!(told("2", &devices).as_deref(), Some("waits for 2 GPUs"));
        assert_eq!(
            told("cuda:7", &devices).as_deref(),
            Some(
                "waits for cuda:7: there is no device cuda:7 on this machine; there are: cpu, cuda:0, cuda:1"
            )
        );
        devices[2].refusal = Some("the GPU has fallen off the bus".into());
        let lost = Some("waits for cuda:1: the GPU has fallen off the bus");
        assert_eq!(told("cuda:1", &devices).as_deref(), lost);
        assert_eq!(told("cpu", &[]), None, "nothing is known before the queue has started");
    }
}
