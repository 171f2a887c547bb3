//! What the file system of the scratch directory is, and the times that generated files get.

use std::fs::{File, FileTimes};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// 2025-01-01: old enough that no tool distrusts the time of a file.
const FIRST_DAY: Duration = Duration::from_secs(1_735_689_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Dates a file `day` days after the first state.
pub(crate) fn set_modified(file: &File, day: u64) -> io::Result<()> {
    let after = FIRST_DAY + DAY * u32::try_from(day).unwrap_or(0);
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + after))
}

/// Whether `path` lies in memory, on tmpfs.
pub(crate) fn is_in_memory(path: &Path) -> io::Result<bool> {
    /// `TMPFS_MAGIC` of linux/magic.h.
    const TMPFS: i64 = 0x0102_1994;
    Ok(i64::try_from(rustix::fs::statfs(path)?.f_type) == Ok(TMPFS))
}

/// Bytes that can be written below `path`: what the file system has, and for tmpfs what memory has.
pub(crate) fn available(path: &Path) -> io::Result<u64> {
    let file_system = rustix::fs::statvfs(path)?;
    let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
    if !is_in_memory(path)? {
        return Ok(free);
    }
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    Ok(free.min(available_memory(&memory).unwrap_or(u64::MAX)))
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let text = "MemTotal: 8 kB\nMemAvailable:    3145728 kB\nBuffers: 1 kB\n";
        assert_eq!(available_memory(text), Some(3 << 30));
        assert_eq!(available_memory("MemTotal: 8 kB"), None);
    }
}
