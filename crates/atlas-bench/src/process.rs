//! Running programs and what they cost: processor time and memory of a process and its children, from `/proc`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

/// A program that ends when this is dropped: asked first, killed if it does not.
pub struct Running {
    name: String,
    child: Child,
}

/// Memory of a process tree, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident set, summed over the processes (shared pages count in each).
    pub resident: u64,
    /// Proportional set: shared pages divided among those who share them.
    pub proportional: u64,
    /// Pages that only one process has and wrote to.
    pub private_dirty: u64,
}

impl Running {
    /// Starts a program whose output goes to `log`.
    ///
    /// # Errors
    /// If the file cannot be made or the program cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, Error> {
        let file = fs::File::create(log).map_err(|source| Error::File {
            action: "create",
            path: log.into(),
            source,
        })?;
        let other = file
            .try_clone()
            .map_err(Error::system("duplicate a log's descriptor"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(other)
            .spawn()
            .map_err(Error::system(format!("start {name}")))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if the program has ended although it should run.
    ///
    /// # Errors
    /// If it has ended.
    pub fn still_runs(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Error::peer(&self.name, format!("ended at once: {status}"))),
            Err(source) => Err(Error::System {
                action: format!("ask for {}", self.name),
                source,
            }),
        }
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let all = tree(self.child.id());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        if !self.ends_within(Duration::from_secs(3)) {
            for id in all {
                if let Some(pid) = Pid::from_raw(id.cast_signed()) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let _ = self.child.wait();
        }
    }
}

/// The ids of a process and of all that it started.
pub fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let tasks = format!("/proc/{}/task", all[at]);
        for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
        at += 1;
    }
    all
}

/// The processor time (user and system) that a process and its children have used so far.
pub fn cpu_time(root: u32) -> Duration {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let ticks: u64 = tree(root)
        .into_iter()
        .filter_map(|id| cpu_ticks(&read_stat(id)?))
        .sum();
    Duration::from_nanos(ticks * (1_000_000_000 / ticks_per_second))
}

fn read_stat(id: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{id}/stat")).ok()
}

/// `utime + stime`, the 14th and 15th field of `/proc/PID/stat`; the second may itself contain blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The memory of a process and its children.
pub fn memory(root: u32) -> Memory {
    let mut sum = Memory::default();
    for id in tree(root) {
        let Ok(rollup) = fs::read_to_string(format!("/proc/{id}/smaps_rollup")) else {
            continue;
        };
        sum.resident += kilobytes(&rollup, "Rss:");
        sum.proportional += kilobytes(&rollup, "Pss:");
        sum.private_dirty += kilobytes(&rollup, "Private_Dirty:");
    }
    sum
}

fn kilobytes(rollup: &str, name: &str) -> u64 {
    rollup
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_name_with_brackets() {
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 70 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_ticks(stat), Some(100));
        assert_eq!(cpu_ticks("12 (a"), None);
    }

    #[test]
    fn this_process_has_memory_and_a_tree() {
        let own = std::process::id();
        assert!(tree(own).contains(&own));
        let memory = memory(own);
        assert!(
            memory.resident >= memory.private_dirty && memory.private_dirty > 0,
            "{memory:?}"
        );
    }

    #[test]
    fn kilobytes_become_bytes() {
        let rollup = "Rss:      1712 kB\nPss:       330 kB\nPss_Dirty:  112 kB\n";
        assert_eq!(kilobytes(rollup, "Rss:"), 1712 * 1024);
        assert_eq!(kilobytes(rollup, "Pss:"), 330 * 1024);
        assert_eq!(kilobytes(rollup, "None:"), 0);
    }
}
