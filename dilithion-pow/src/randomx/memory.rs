//! How much memory this process may still take.

use std::fs;
use std::path::Path;

/// Bytes available for a large allocation, where the system tells: what the kernel deems available, within
/// the limit of the process's control group, or the free reserved huge pages if those are more.
pub(super) fn available_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let available = kib_of(&meminfo, "MemAvailable:")?;
    let within = group_bytes().map_or(available, |left| available.min(left));
    Some(within.max(reserved_huge_bytes(&meminfo).unwrap_or(0)))
}

/// A value in kB from the text of `/proc/meminfo`, in bytes.
fn kib_of(meminfo: &str, name: &str) -> Option<u64> {
    value_of(meminfo, name)?.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn reserved_huge_bytes(meminfo: &str) -> Option<u64> {
    let free: u64 = value_of(meminfo, "HugePages_Free:")?.parse().ok()?;
    free.checked_mul(kib_of(meminfo, "Hugepagesize:")?)
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// What the control group (v2) of this process leaves it, if it has a limit.
fn group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = Path::new("/sys/fs/cgroup").join(value_of(&groups, "0::/")?);
    let limit = fs::read_to_string(group.join("memory.max")).ok()?;
    let stat = fs::read_to_string(group.join("memory.stat")).ok()?;
    group_rest(&limit, &stat)
}

/// The limit less what cannot be given back; the rest of the usage is file cache. `None` without a limit.
fn group_rest(limit: &str, stat: &str) -> Option<u64> {
    let limit: u64 = limit.trim().parse().ok()?;
    let anonymous: u64 = value_of(stat, "anon ")?.parse().ok()?;
    Some(limit.saturating_sub(anonymous))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "\
MemTotal:       24605032 kB\n\
MemFree:        24000000 kB\n\
MemAvailable:    1000000 kB\n\
HugePages_Total:    1300\n\
HugePages_Free:     1200\n\
Hugepagesize:       2048 kB\n";

    #[test]
    fn reads_what_the_kernel_tells() {
        assert_eq!(kib_of(MEMINFO, "MemAvailable:"), Some(1_000_000 * 1024));
        assert_eq!(reserved_huge_bytes(MEMINFO), Some(1200 * 2048 * 1024));
        assert_eq!(kib_of("MemTotal: many kB", "MemAvailable:"), None);
    }

    #[test]
    fn a_control_group_leaves_its_limit_less_what_is_in_use() {
        let stat = "anon 3000\nfile 90000\nanon_thp 5\n";
        assert_eq!(group_rest("10000\n", stat), Some(7000));
        assert_eq!(group_rest("2000\n", stat), Some(0));
        assert_eq!(group_rest("max\n", stat), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_tells() {
        assert!(available_bytes().is_some_and(|bytes| bytes > 0));
    }
}
