//! The machine and the processes on it, as `/proc` tells: time used, memory held, and whether somebody else was busy
//! meanwhile. Never changes anything but the cores this process may use.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// `/proc` counts time in these, on every Linux there is.
const TICKS: f64 = 100.0;
/// A step is disturbed if others, or the host, used more than this part of one core.
pub const DISTURBED: f64 = 0.10;

/// Nanoseconds since the epoch: the only clock that two processes share.
#[expect(clippy::disallowed_methods, reason = "the benchmark's own clock; nothing is decided by it")]
pub fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// How many cores there are; those that a pinned thread may not use count as well.
pub fn cores() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count().max(1)
}

// --- cores ---

/// Keeps the calling thread on one core.
#[cfg(target_os = "linux")]
pub fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    // Without it the figures are noisier.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Lets the calling thread, and what it starts, use every core again.
#[cfg(target_os = "linux")]
pub fn unpin() {
    let mut set = rustix::thread::CpuSet::new();
    (0..cores()).for_each(|core| set.set(core));
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// There is no such call here.
#[cfg(not(target_os = "linux"))]
pub fn pin(_: usize) {}

/// There is no such call here.
#[cfg(not(target_os = "linux"))]
pub fn unpin() {}

// --- processes ---

/// Processor time used so far by these processes together, in seconds.
pub fn time_used(pids: &[u32]) -> f64 {
    let ticks = pids.iter().filter_map(|pid| ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?));
    ticks.sum::<u64>() as f64 / TICKS
}

/// User and system time of a line of `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = fields(stat)?.skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The fields behind the name, which may hold spaces and brackets.
fn fields(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace())
}

/// The process and its children.
pub fn family(parent: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        fields(&stat).and_then(|mut fields| fields.nth(1)?.parse::<u32>().ok()) == Some(parent)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    std::iter::once(parent).chain(all.filter(is_child)).collect()
}

/// Memory of these processes in MB, shared pages counted in proportion; `None` if it cannot be told.
pub fn memory(pids: &[u32]) -> Option<f64> {
    let one = |pid: &u32| proportional(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?);
    pids.iter().map(one).sum()
}

/// The `Pss` of a `smaps_rollup`, in MB.
fn proportional(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

/// Open descriptors of a process; `None` if it cannot be told.
pub fn descriptors(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count)
}

/// Bytes of a file.
pub fn size(file: &Path) -> std::io::Result<u64> {
    Ok(fs::metadata(file)?.len())
}

// --- others ---

/// Time used on the whole machine so far, in seconds of one core.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Busy {
    /// By programs and the kernel on their behalf; interrupts (which loopback traffic is) are nobody's.
    programs: f64,
    /// By the host.
    stolen: f64,
}

fn busy(stat: &str) -> Option<Busy> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, _irq, _softirq, stolen, ..] = ticks[..] else { return None };
    Some(Busy { programs: (user + nice + system) / TICKS, stolen: stolen / TICKS })
}

/// Watches from its making whether somebody else is busy.
pub struct Watch {
    since: std::time::Instant,
    machine: Option<Busy>,
    own: Vec<u32>,
    own_time: f64,
}

impl Watch {
    /// `own`: the processes that take part.
    pub fn new(own: Vec<u32>) -> Self {
        let machine = fs::read_to_string("/proc/stat").ok().as_deref().and_then(busy);
        Self { since: std::time::Instant::now(), machine, own_time: time_used(&own), own }
    }

    /// The part of one core that others and the host have used since; 0 if it cannot be told.
    pub fn others(&self) -> f64 {
        let now = fs::read_to_string("/proc/stat").ok().as_deref().and_then(busy);
        let (Some(now), Some(then)) = (now, self.machine) else { return 0.0 };
        let programs = now.programs - then.programs - (time_used(&self.own) - self.own_time);
        (programs.max(0.0) + now.stolen - then.stolen) / self.since.elapsed().as_secs_f64()
    }
}

// --- facts ---

/// What the figures were taken on, a fact a line.
pub fn facts() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(Path::new(path)).unwrap_or_default();
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        // nginx says its version on stderr.
        let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    vec![
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        ("cores", format!("{} × {}", cores(), cpu.map_or("unknown", |(_, name)| name))),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("rustc", said("rustc", "--version").unwrap_or_else(unknown)),
        (
            "nginx",
            crate::nginx::program().and_then(|nginx| said(nginx, "-v")).unwrap_or_else(|| "none".into()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_behind_its_name() {
        let stat = "812 (a b) c) S 1 812 812 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 3 0 99 1 2";
        assert_eq!(ticks(stat), Some(175));
        assert_eq!(fields(stat).unwrap().nth(1), Some("1"));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn memory_is_the_proportional_share() {
        let rollup = "00400000-7fff [rollup]\nRss:      9000 kB\nPss:      5000 kB\nPss_Dirty:  1 kB\n";
        assert_eq!(proportional(rollup), Some(5.12));
        assert_eq!(proportional("Rss: 1 kB\n"), None);
    }

    #[test]
    fn interrupts_and_waiting_are_nobodys_work() {
        let stat = "cpu  100 20 30 4000 500 6 70 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(busy(stat), Some(Busy { programs: 1.5, stolen: 0.08 }));
        assert_eq!(busy("cpu  1 2\n"), None);
    }
}
