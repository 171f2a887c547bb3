//! The file system of the scratch directory: its kind, its room, its memory, and the times of its files.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
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
    Ok(rustix::fs::statfs(path)?.f_type == TMPFS)
}

/// Bytes that can be written below `path`: what the file system has, and for tmpfs what memory has.
pub(crate) fn available(path: &Path) -> io::Result<u64> {
    let file_system = rustix::fs::statvfs(path)?;
    let free = file_system.f_bavail.saturating_mul(file_system.f_frsize);
    if !is_in_memory(path)? {
        return Ok(free);
    }
    let memory = fs::read_to_string("/proc/meminfo")?;
    Ok(free.min(available_memory(&memory).unwrap_or(u64::MAX)))
}

/// Fills `bytes` of memory through a file and gives them back. Nothing is done where `folder` is on disk.
///
/// A virtual machine gets a page of memory from its host when it touches it first, which costs seconds
/// for each GiB, and may give it back while it is idle. Without this the tool that comes first pays for all.
pub(crate) fn warm_memory(folder: &Path, bytes: u64) -> io::Result<()> {
    if !is_in_memory(folder)? {
        return Ok(());
    }
    let path = folder.join("warm");
    let mut file = File::create(&path)?;
    let block = vec![1; 1 << 20];
    let mut left = bytes.min(available(folder)? / 2);
    while left > 0 {
        let length = left.min(block.len() as u64);
        file.write_all(block.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default())?;
        left -= length;
    }
    drop(file);
    fs::remove_file(path)
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
