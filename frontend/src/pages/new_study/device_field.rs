//! Which device the study's runs ask for.

use leptos::{ev, prelude::*};
use shared::{
    DeviceKind, DeviceWish,
    api::DeviceInfo,
    param::{self, Value},
};

use super::draft::Draft;
use crate::components::{Field, format};

/// The path of the setting.
const PATH: &str = "device";

/// GPUs of a node, and numbers of nodes, that a cluster is asked for here; a study's file takes any.
const GPUS: [u32; 4] = [1, 2, 4, 8];
const NODES: [u32; 2] = [2, 4];

/// What a cluster can be asked for.
fn of_cluster() -> impl Iterator<Item = DeviceWish> {
    let one = std::iter::once(DeviceWish::Cpu).chain(GPUS.map(DeviceWish::Gpus));
    let several = NODES.into_iter().flat_map(|nodes| {
        [0, 1, 4, 8].into_iter().map(move |gpus| DeviceWish::Nodes { nodes, gpus })
    });
    one.chain(several)
}

/// What can be asked for on these devices, and what is asked for although it is not there.
fn wishes(devices: &[DeviceInfo], chosen: DeviceWish) -> Vec<DeviceWish> {
    let able = || devices.iter().filter(|device| device.refusal.is_none());
    let mut wishes = vec![DeviceWish::Auto];
    if able().any(|device| device.kind == DeviceKind::Cpu) {
        wishes.push(DeviceWish::Cpu);
    }
    let gpus: Vec<DeviceWish> = able()
        .filter(|device| device.kind == DeviceKind::Cuda)
        .filter_map(|device| device.name.parse().ok())
        .collect();
    let count = gpus.len() as u32;
    wishes.extend(gpus);
    wishes.extend((2..=count).map(DeviceWish::Gpus));
    if able().any(|device| device.kind == DeviceKind::Cluster) {
        // What this machine has is asked for as a whole: a cluster's nodes have devices of the same names.
        let here = able().any(|device| device.kind != DeviceKind::Cluster);
        wishes.truncate(1);
        wishes.extend(of_cluster());
        wishes.extend(here.then_some(DeviceWish::Here));
    }
    if !wishes.contains(&chosen) {
        wishes.push(chosen);
    }
    wishes
}

/// `any free device`, `cuda:0, NVIDIA H200, 151.4 GB`, `2 GPUs at once`; what is not there is marked.
fn label(wish: DeviceWish, devices: &[DeviceInfo]) -> String {
    let able = devices.iter().filter(|device| device.refusal.is_none());
    let is_cluster = able.clone().any(|device| device.kind == DeviceKind::Cluster);
    let named = able.clone().find(|device| device.name == wish.to_string());
    let missing = wish.unmet(able.map(|device| (device.name.as_str(), device.kind))).is_some();
    let text = match (wish, named) {
        (DeviceWish::Auto, _) if is_cluster => return "as maskdoor.toml says".into(),
        (DeviceWish::Auto, _) => return "any free device".into(),
        (DeviceWish::Cuda(_), Some(device)) => {
            let model = device.description.split(',').next().unwrap_or_default();
            format!("{wish}, {model}, {}", format::bytes(device.memory_bytes))
        }
        (DeviceWish::Here, _) if is_cluster => "this machine, not the cluster".into(),
        (DeviceWish::Gpus(2..), _) => format!("{} at once", wish.in_words()),
        (wish, _) => wish.in_words(),
    };
    if missing { format!("{text} (missing)") } else { text }
}

/// The field.
#[component]
pub fn DeviceField(
    /// The devices that runs are assigned to.
    devices: Signal<Vec<DeviceInfo>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(|spec| spec.settings.device);
    let setting = draft.spec.with_untracked(|spec| param::find(PATH, &spec.settings));
    let why = setting.map(|setting| setting.why).unwrap_or_default();
    let options = move || {
        let chosen = chosen.get();
        devices.with(|devices| {
            let option = |wish: DeviceWish| {
                let text = label(wish, devices);
                view! { <option value=wish.to_string() selected=wish == chosen>{text}</option> }
            };
            wishes(devices, chosen).into_iter().map(option).collect_view()
        })
    };
    let changed = move |event: ev::Event| {
        // The options are values that the setting takes.
        let _ = draft.set(PATH, &Value::Text(event_target_value(&event)), None);
    };
    view! {
        <Field
            path=PATH
            label="Device"
            why
            error=draft.error_at(PATH)
            control=move |id, about| {
                view! {
                    <span class="select">
                        <select id=id aria-describedby=about on:change=changed>
                            {options}
                        </select>
                    </span>
                }
            }
        />
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::device;

    #[test]
    fn what_there_is_can_be_asked_for() {
        let told = |devices: &[DeviceInfo], chosen| -> Vec<String> {
            let wishes = wishes(devices, chosen);
            wishes.into_iter().map(|wish| label(wish, devices)).collect()
        };
        let cpu = [device("cpu")];
        assert_eq!(told(&cpu, DeviceWish::Auto), ["any free device", "the processor"]);
        let mut gpus = [device("cpu"), device("cuda:0"), device("cuda:1"), device("cuda:2")];
        gpus[3].refusal = Some("gone".into());
        assert_eq!(
            told(&gpus, DeviceWish::Cuda(2)),
            [
                "any free device",
                "the processor",
                "cuda:0, NVIDIA H200, 80.0 GB",
                "cuda:1, NVIDIA H200, 80.0 GB",
                "2 GPUs at once",
                "cuda:2 (missing)",
            ]
        );
        assert_eq!(
            told(&cpu, DeviceWish::Gpus(4)).last().expect("one"),
            "4 GPUs at once (missing)"
        );
        let mut cluster = [device("slurm"), device("cpu")];
        cluster[0].kind = DeviceKind::Cluster;
        assert_eq!(
            told(&cluster, DeviceWish::Auto).last().expect("one"),
            "this machine, not the cluster"
        );
        let wishes = told(&cluster, DeviceWish::Nodes { nodes: 3, gpus: 4 });
        assert_eq!(wishes[..3], ["as maskdoor.toml says", "the processor", "a GPU"]);
        assert!(wishes.contains(&"the processors of 2 nodes".into()));
        assert_eq!(wishes.last().expect("one"), "3 nodes with 4 GPUs each");
    }
}
