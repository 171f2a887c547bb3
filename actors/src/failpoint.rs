//! Named points at which a crash test ends the process.
//!
//! Only under the feature `failpoints`, which no shipped build has. A point is armed with
//! `arm`; when the process reaches it for the n-th time it aborts, without unwinding and without
//! flushing anything: as close to `kill -9` as a process can do to itself.

/// Every point, in the order in which a backup and then a restore passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failpoint {
    /// A view was taken, segments are pinned.
    SnapshotPinned,
    /// A segment was read and its hold released.
    SnapshotSegmentRead,
    /// A pack is complete in memory.
    UploaderBeforePack,
    /// A pack is durable, nobody knows yet.
    UploaderAfterPack,
    /// Packs are durable, their index run is not.
    CommitterBeforeIndex,
    /// An index run is durable.
    CommitterAfterIndex,
    /// Packs of documents are durable, their run is not.
    CommitterAfterDocuments,
    /// Everything but the record is durable.
    CommitterBeforeRecord,
    /// The record is durable, the job has not ended.
    CommitterAfterRecord,
    /// A restore has its reservation and its plan.
    FetcherPlanned,
    /// A segment is complete in the staging place.
    InstallerSegmentStaged,
    /// Everything is staged and verified.
    InstallerBeforeSwitch,
    /// Everything is live, the job has not ended.
    InstallerAfterSwitch,
}

impl Failpoint {
    /// All points.
    pub const ALL: [Self; 13] = [
        Self::SnapshotPinned,
        Self::SnapshotSegmentRead,
        Self::UploaderBeforePack,
        Self::UploaderAfterPack,
        Self::CommitterBeforeIndex,
        Self::CommitterAfterIndex,
        Self::CommitterAfterDocuments,
        Self::CommitterBeforeRecord,
        Self::CommitterAfterRecord,
        Self::FetcherPlanned,
        Self::InstallerSegmentStaged,
        Self::InstallerBeforeSwitch,
        Self::InstallerAfterSwitch,
    ];

    /// Its name, as a test gives it to a process.
    pub fn name(self) -> &'static str {
        match self {
            Self::SnapshotPinned => "snapshot-pinned",
            Self::SnapshotSegmentRead => "snapshot-segment-read",
            Self::UploaderBeforePack => "uploader-before-pack",
            Self::UploaderAfterPack => "uploader-after-pack",
            Self::CommitterBeforeIndex => "committer-before-index",
            Self::CommitterAfterIndex => "committer-after-index",
            Self::CommitterAfterDocuments => "committer-after-documents",
            Self::CommitterBeforeRecord => "committer-before-record",
            Self::CommitterAfterRecord => "committer-after-record",
            Self::FetcherPlanned => "fetcher-planned",
            Self::InstallerSegmentStaged => "installer-segment-staged",
            Self::InstallerBeforeSwitch => "installer-before-switch",
            Self::InstallerAfterSwitch => "installer-after-switch",
        }
    }
}

#[cfg(feature = "failpoints")]
static ARMED: std::sync::OnceLock<(Failpoint, std::sync::atomic::AtomicU32)> =
    std::sync::OnceLock::new();

/// Arms a point by name: the process aborts when it passes it for the `nth` time (1 is the first).
/// `None` when no point has the name.
#[cfg(feature = "failpoints")]
pub fn arm(name: &str, nth: u32) -> Option<Failpoint> {
    let point = Failpoint::ALL.into_iter().find(|point| point.name() == name)?;
    ARMED.get_or_init(|| (point, nth.into()));
    Some(point)
}

/// Passes a point.
#[inline]
pub fn hit(point: Failpoint) {
    #[cfg(feature = "failpoints")]
    if let Some((armed, left)) = ARMED.get()
        && *armed == point
        && left.fetch_sub(1, std::sync::atomic::Ordering::AcqRel) == 1
    {
        std::process::abort();
    }
    #[cfg(not(feature = "failpoints"))]
    let _ = point;
}
