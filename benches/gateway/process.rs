//! What processes take.

use std::fs;

/// The processor time of these processes so far, in seconds.
pub fn seconds(pids: &[u32]) -> f64 {
    let ticks = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let fields: Vec<_> = rest.split_whitespace().collect();
        fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
    };
    // Linux counts in hundredths wherever we run.
    pids.iter().map(ticks).sum::<f64>() / 100.0
}

/// The memory of these processes, in MiB; what they share counts for each.
pub fn mebibytes(pids: &[u32]) -> f64 {
    let resident = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap()
    };
    pids.iter().map(resident).sum::<f64>() / 1024.0
}
