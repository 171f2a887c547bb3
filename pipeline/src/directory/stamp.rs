//! *Does*: what `stat` says of a file, the identity made of it, and when that can be trusted.
//!
//! # The racily clean rule
//! A file system counts time in ticks. A write in the tick of the last `stat` leaves the times as they
//! were, so times that are about as young as the `stat` vouch for nothing: such an identity is recorded
//! as empty, and the segment is read again next time. Ticks are taken to be shorter than
//! [`FINE_TICK_NANOS`], or than [`COARSE_TICK_NANOS`] where the change time shows whole seconds.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;

/// Twice the longest tick of Linux (10 ms at HZ=100).
const FINE_TICK_NANOS: i64 = 20_000_000;
/// The modification times of FAT count in two seconds, those of older file systems in one.
const COARSE_TICK_NANOS: i64 = 2_000_000_000;
const NANOS_PER_SEC: i64 = 1_000_000_000;

/// A point in time as `stat` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since 1970, rounded down.
    pub(super) secs: i64,
    /// Nanoseconds after that, below 1 000 000 000.
    pub(super) nanos: u32,
}

impl Moment {
    /// Nanoseconds since 1970; the nearest that fits beyond the years 1677 and 2262.
    pub(super) fn as_nanos(self) -> i64 {
        self.secs.saturating_mul(NANOS_PER_SEC).saturating_add(i64::from(self.nanos))
    }

    /// Nanoseconds since 1970 now, by the clock that file systems use.
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with what the file system's clock wrote"
    )]
    pub(super) fn now() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// What `stat` says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Type and permissions.
    pub(super) mode: u32,
    /// Length in bytes; 0 for all but regular files.
    pub(super) len: u64,
    /// Inode number.
    pub(super) inode: u64,
    /// When the content changed.
    pub(super) mtime: Moment,
    /// When anything changed.
    pub(super) ctime: Moment,
    /// Whether the file has other names.
    pub(super) many_links: bool,
    /// User and group.
    pub(super) owner: (u32, u32),
    /// Device of the file system.
    pub(super) device: u64,
}

impl From<Stat> for Stamp {
    fn from(stat: Stat) -> Self {
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let len = if regular { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        Self {
            mode: stat.st_mode,
            len,
            inode: stat.st_ino,
            mtime: Moment {
                secs: stat.st_mtime,
                nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            },
            ctime: Moment {
                secs: stat.st_ctime,
                nanos: u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
            },
            many_links: stat.st_nlink > 1,
            owner: (stat.st_uid, stat.st_gid),
            device: stat.st_dev,
        }
    }
}

impl Stamp {
    /// What an open file is.
    pub(super) fn of_open(file: impl AsFd) -> Result<Self, Errno> {
        fstat(file).map(Self::from)
    }

    /// Its type.
    pub(super) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// Whether it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.file_type() == FileType::Directory
    }

    /// Its permissions with the set-ID and sticky bits.
    pub(super) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Inode, modification time and change time, 8 bytes each, little-endian.
    pub(super) fn identity(&self) -> Box<[u8]> {
        identity_of(self.inode, self.mtime.as_nanos(), self.ctime.as_nanos())
    }

    /// Whether a write at `now` or later might leave the modification time as it is.
    pub(super) fn has_recent_mtime(&self, now: i64) -> bool {
        self.until_settled(now) > 0
    }

    /// Whether the identity cannot be trusted, for a `stat` made at `now` or later. A change time in
    /// the future comes from another clock and is not trusted either.
    pub(super) fn is_racy(&self, now: i64) -> bool {
        self.has_recent_mtime(now) || self.ctime.as_nanos() > now.saturating_sub(self.tick_nanos())
    }

    /// Waits until every further write gives another modification time than this one. At most two
    /// ticks, and no time at all for a file that has rested.
    pub(super) fn settle(&self) {
        loop {
            let nanos = u64::try_from(self.until_settled(Moment::now())).unwrap_or(0);
            if nanos == 0 {
                return;
            }
            thread::park_timeout(Duration::from_nanos(nanos));
        }
    }

    fn until_settled(&self, now: i64) -> i64 {
        let age = now.saturating_sub(self.mtime.as_nanos());
        let tick = self.tick_nanos();
        if age.saturating_abs() < tick { tick - age } else { 0 }
    }

    fn tick_nanos(&self) -> i64 {
        if self.ctime.nanos == 0 { COARSE_TICK_NANOS } else { FINE_TICK_NANOS }
    }
}

/// The identity made of inode, modification time and change time.
pub(super) fn identity_of(inode: u64, mtime_nanos: i64, ctime_nanos: i64) -> Box<[u8]> {
    let mut identity = [0; 24];
    identity[..8].copy_from_slice(&inode.to_le_bytes());
    identity[8..16].copy_from_slice(&mtime_nanos.to_le_bytes());
    identity[16..].copy_from_slice(&ctime_nanos.to_le_bytes());
    Box::new(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000 * NANOS_PER_SEC + 5;

    fn moment(nanos: i64) -> Moment {
        Moment {
            secs: nanos.div_euclid(NANOS_PER_SEC),
            nanos: u32::try_from(nanos.rem_euclid(NANOS_PER_SEC)).unwrap(),
        }
    }

    fn stamp(mtime: i64, ctime: i64) -> Stamp {
        Stamp {
            mode: 0o100_644,
            len: 1,
            inode: 7,
            mtime: moment(mtime),
            ctime: moment(ctime),
            many_links: false,
            owner: (0, 0),
            device: 1,
        }
    }

    #[test]
    fn rested_file_is_trusted_and_needs_no_wait() {
        let rested = stamp(NOW - FINE_TICK_NANOS, NOW - FINE_TICK_NANOS);
        assert!(!rested.is_racy(NOW));
        assert_eq!(rested.until_settled(NOW), 0);
    }

    #[test]
    fn young_mtime_or_ctime_is_racy() {
        let old = NOW - NANOS_PER_SEC;
        assert!(stamp(NOW - FINE_TICK_NANOS + 1, old).is_racy(NOW));
        assert!(stamp(old, NOW - FINE_TICK_NANOS + 1).is_racy(NOW));
        assert!(!stamp(old, NOW - FINE_TICK_NANOS + 1).has_recent_mtime(NOW));
    }

    #[test]
    fn future_mtime_set_by_hand_is_trusted_but_future_ctime_is_not() {
        let old = NOW - NANOS_PER_SEC;
        assert!(!stamp(NOW + 3600 * NANOS_PER_SEC, old).is_racy(NOW));
        assert!(stamp(old, NOW + 3600 * NANOS_PER_SEC).is_racy(NOW));
    }

    #[test]
    fn whole_second_times_rest_for_two_seconds() {
        let whole = NOW - NOW.rem_euclid(NANOS_PER_SEC);
        assert!(stamp(whole, whole - NANOS_PER_SEC).is_racy(NOW));
        assert!(!stamp(whole - 3 * NANOS_PER_SEC, whole - 3 * NANOS_PER_SEC).is_racy(NOW));
    }

    #[test]
    fn settling_waits_until_the_tick_is_over() {
        let file = tempfile::tempfile().unwrap();
        let fresh = Stamp::of_open(&file).unwrap();
        assert!(fresh.has_recent_mtime(fresh.mtime.as_nanos()));
        fresh.settle();
        assert!(!fresh.has_recent_mtime(Moment::now()));
    }

    #[test]
    fn times_beyond_the_range_saturate() {
        assert_eq!(Moment { secs: i64::MAX, nanos: 1 }.as_nanos(), i64::MAX);
        assert_eq!(Moment { secs: i64::MIN, nanos: 1 }.as_nanos(), i64::MIN + 1);
        assert!(!stamp(i64::MIN, 0).is_racy(NOW));
    }

    #[test]
    fn identity_is_24_bytes_little_endian() {
        let identity = identity_of(0x0102, -1, 3);
        assert_eq!(identity[..3], [2, 1, 0]);
        assert_eq!(identity[8..16], [0xff; 8]);
        assert_eq!(identity[16..], [3, 0, 0, 0, 0, 0, 0, 0]);
    }
}
