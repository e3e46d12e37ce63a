//! The cluster that trains the runs: its partitions, and this server's jobs in it.

use leptos::prelude::*;
use shared::api::{ClusterInfo, Partition};

use crate::components::{Glyph, Icon, format};

/// `12 jobs run, 30 wait; 8 commands in the last minute`.
fn told(cluster: &ClusterInfo) -> String {
    let ClusterInfo { running, waiting, calls_per_minute, .. } = cluster;
    let jobs = match (running, waiting) {
        (0, 0) => "no jobs".to_owned(),
        (running, waiting) => format!("{running} running, {waiting} waiting"),
    };
    let calls = format::things(u64::from(*calls_per_minute), "command", "commands");
    format!("{jobs}; {calls} in the last minute")
}

#[component]
pub fn Cluster(cluster: ClusterInfo) -> impl IntoView {
    let told = told(&cluster);
    let ClusterInfo { name, partitions, error, .. } = cluster;
    let error = error.map(|error| {
        view! {
            <p class="notice notice-warn" role="status">
                <Icon glyph=Glyph::Alert/>
                <span>"The cluster cannot be asked now. Jobs that it has go on. "{error}</span>
            </p>
        }
    });
    let rows = partitions.into_iter().map(row).collect_view();
    view! {
        <section class="panel" aria-labelledby="cluster-title">
            <header class="panel-head">
                <h2 id="cluster-title">{name}</h2>
                <span class="muted small">{told}</span>
            </header>
            {error}
            <div class="table-box table-plain">
                <table class="table table-cards">
                    <thead>
                        <tr>
                            <th scope="col">"Partition"</th>
                            <th scope="col" class="number">"Nodes free"</th>
                            <th scope="col" class="number">"Processors of a node"</th>
                            <th scope="col" class="number">"Memory of a node"</th>
                            <th scope="col">"GPUs"</th>
                            <th scope="col" class="number">"Time limit"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </section>
    }
}

fn row(partition: Partition) -> impl IntoView {
    let Partition { name, up, idle, nodes, limit, cpus, memory, gres, .. } = partition;
    let state = (!up).then(|| view! { <span class="sub warn">"takes no jobs"</span> });
    let memory = match memory.parse::<u64>() {
        Ok(megabytes) => format::bytes(megabytes * 1024 * 1024),
        Err(_) => format!("{memory} MB"),
    };
    let gres = if gres.is_empty() { "none".to_owned() } else { gres };
    view! {
        <tr>
            <th scope="row">{name}{state}</th>
            <td class="number" data-label="Nodes free">{format!("{idle} of {nodes}")}</td>
            <td class="number" data-label="Processors of a node">{cpus}</td>
            <td class="number" data-label="Memory of a node">{memory}</td>
            <td data-label="GPUs">{gres}</td>
            <td class="number" data-label="Time limit">{limit}</td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_commands_are_told() {
        let cluster =
            ClusterInfo { running: 2, waiting: 30, calls_per_minute: 1, ..ClusterInfo::default() };
        assert_eq!(told(&cluster), "2 running, 30 waiting; 1 command in the last minute");
        assert_eq!(told(&ClusterInfo::default()), "no jobs; 0 commands in the last minute");
    }
}
