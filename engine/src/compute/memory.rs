//! How much memory the program may take.

/// Memory in bytes that the program may take: the machine's, or less where its control group has a limit. 0 where the system does not
/// report it.
pub(super) fn memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let limits = limit_files(&read("/proc/self/cgroup"));
    let limits: Vec<String> = limits.iter().map(|path| read(path)).collect();
    least_memory(&read("/proc/meminfo"), &limits)
}

/// The files with the limits of a process's control group and of those above it, from the text of `/proc/self/cgroup`.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        // Version 2 has one tree for all controllers, version 1 one for memory.
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut group = group.trim_end_matches('/');
        loop {
            files.push(format!("{root}{group}/{name}"));
            let Some(end) = group.rfind('/') else { break };
            group = &group[..end];
        }
    }
    files
}

/// The memory from the text of `meminfo` and of the files of a control group.
fn least_memory(machine: &str, limits: &[String]) -> u64 {
    let all = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map_or(0, |kibibytes: u64| kibibytes * 1024);
    // A group without a limit says "max" or a number beyond any memory.
    let limits = limits.iter().filter_map(|limit| limit.trim().parse().ok());
    limits.filter(|limit| (1..all).contains(limit)).min().unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_all_groups_above_count() {
        assert_eq!(
            limit_files("0::/system.slice/maskdoor.service\n"),
            [
                "/sys/fs/cgroup/system.slice/maskdoor.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        let old = "5:cpu,cpuacct:/a\n4:memory:/slurm\n0::/\n";
        assert_eq!(
            limit_files(old),
            [
                "/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max",
            ]
        );
    }

    #[test]
    fn a_container_has_no_more_memory_than_its_limit() {
        let machine = "MemTotal:       1000 kB\nMemFree: 10 kB\n";
        let least = |limits: [&str; 2]| least_memory(machine, &limits.map(str::to_owned));
        assert_eq!(least(["max\n", ""]), 1_024_000);
        assert_eq!(least(["4096\n", ""]), 4096);
        assert_eq!(least(["", "9223372036854771712\n"]), 1_024_000);
        assert_eq!(least_memory("", &["4096".into(), String::new()]), 0);
    }
}
