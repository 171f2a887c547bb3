//! Every metric of the stages and edges, by name.
//!
//! Handles are resolved once, when a pipeline is wired, on the thread that wires it: the recorder in force
//! there receives everything.

use cairn_storage::metrics::{MetricKind, MetricSpec};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

macro_rules! names {
    ($($(#[$doc:meta])* $id:ident = $name:literal;)*) => { $($(#[$doc])* pub const $id: &str = $name;)* };
}

names! {
    /// Items that a stage finished.
    STAGE_ITEMS = "cairn_stage_items_total";
    /// Bytes that a stage finished.
    STAGE_BYTES = "cairn_stage_bytes_total";
    /// Time a stage worked on an item.
    STAGE_BUSY = "cairn_stage_busy_seconds";
    /// Workers that ended in an error or a panic.
    STAGE_ERRORS = "cairn_stage_errors_total";
    /// Items that wait on an edge.
    EDGE_DEPTH = "cairn_edge_depth_items";
    /// Time a sender waited because an edge was full.
    EDGE_SEND_WAIT = "cairn_edge_send_wait_seconds";
    /// Time a receiver waited because an edge was empty.
    EDGE_RECV_WAIT = "cairn_edge_recv_wait_seconds";
    /// Chunks by whether the repository had them.
    CHUNKS = "cairn_chunks_total";
    /// Plaintext bytes of chunks by whether the repository had them.
    CHUNK_RAW_BYTES = "cairn_chunk_raw_bytes_total";
    /// Bytes of new chunks as stored.
    CHUNK_STORED_BYTES = "cairn_chunk_stored_bytes_total";
}

/// The metrics of this crate.
pub const ALL: &[MetricSpec] = &[
    spec(STAGE_ITEMS, MetricKind::Counter, &["stage"], "Items that a stage finished."),
    spec(STAGE_BYTES, MetricKind::Counter, &["stage"], "Bytes that a stage finished."),
    spec(STAGE_BUSY, MetricKind::Histogram, &["stage"], "Time a stage worked on an item."),
    spec(STAGE_ERRORS, MetricKind::Counter, &["stage"], "Workers that ended in a fault."),
    spec(EDGE_DEPTH, MetricKind::Gauge, &["edge"], "Items that wait on an edge."),
    spec(
        EDGE_SEND_WAIT,
        MetricKind::Histogram,
        &["edge"],
        "Time a sender waited because an edge was full.",
    ),
    spec(
        EDGE_RECV_WAIT,
        MetricKind::Histogram,
        &["edge"],
        "Time a receiver waited because an edge was empty.",
    ),
    spec(CHUNKS, MetricKind::Counter, &["outcome"], "Chunks: new to the repository, or known."),
    spec(
        CHUNK_RAW_BYTES,
        MetricKind::Counter,
        &["outcome"],
        "Plaintext bytes of chunks: new to the repository, or known.",
    ),
    spec(
        CHUNK_STORED_BYTES,
        MetricKind::Counter,
        &[],
        "Bytes of new chunks in the form in which they are stored.",
    ),
];

const fn spec(
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricSpec {
    MetricSpec { name, kind, labels, help }
}

/// The stages, as metrics, logs and errors name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StageId {
    /// Lists, compares, pins and reads segments.
    Snapshot,
    /// Cuts segments into chunks.
    Chunker,
    /// Hashes, looks up, compresses chunks.
    Checksum,
    /// Fills packs and stores them.
    Uploader,
    /// Writes index, manifests and record.
    Committer,
    /// Plans and reads spans of packs.
    Fetcher,
    /// Decodes chunks and checks their hash.
    Verifier,
    /// Writes segments and makes them live.
    Installer,
    /// Counts what a check read.
    Tally,
}

impl StageId {
    /// All stages in the order of their pipelines.
    pub const ALL: [Self; 9] = [
        Self::Snapshot,
        Self::Chunker,
        Self::Checksum,
        Self::Uploader,
        Self::Committer,
        Self::Fetcher,
        Self::Verifier,
        Self::Installer,
        Self::Tally,
    ];

    /// Label value and word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Chunker => "chunker",
            Self::Checksum => "checksum",
            Self::Uploader => "uploader",
            Self::Committer => "committer",
            Self::Fetcher => "fetcher",
            Self::Verifier => "verifier",
            Self::Installer => "installer",
            Self::Tally => "tally",
        }
    }
}

/// The edges, named by the stages they join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeId {
    /// Segments to read, from the planner to the readers of the snapshot stage.
    SnapshotReader,
    /// Windows of segment bytes.
    SnapshotChunker,
    /// Plans of partitions.
    SnapshotCommitter,
    /// Chunks as cut.
    ChunkerChecksum,
    /// Chunks with their ids, new ones with their stored form.
    ChecksumUploader,
    /// What is durable.
    UploaderCommitter,
    /// Spans of packs.
    FetcherVerifier,
    /// Plaintext pieces of segments.
    VerifierInstaller,
    /// Outcomes of a check.
    VerifierTally,
}

impl EdgeId {
    /// All edges.
    pub const ALL: [Self; 9] = [
        Self::SnapshotReader,
        Self::SnapshotChunker,
        Self::SnapshotCommitter,
        Self::ChunkerChecksum,
        Self::ChecksumUploader,
        Self::UploaderCommitter,
        Self::FetcherVerifier,
        Self::VerifierInstaller,
        Self::VerifierTally,
    ];

    /// Label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SnapshotReader => "snapshot-reader",
            Self::SnapshotChunker => "snapshot-chunker",
            Self::SnapshotCommitter => "snapshot-committer",
            Self::ChunkerChecksum => "chunker-checksum",
            Self::ChecksumUploader => "checksum-uploader",
            Self::UploaderCommitter => "uploader-committer",
            Self::FetcherVerifier => "fetcher-verifier",
            Self::VerifierInstaller => "verifier-installer",
            Self::VerifierTally => "verifier-tally",
        }
    }
}

/// Handles of one stage.
#[derive(Clone)]
pub struct StageMetrics {
    pub(crate) items: Counter,
    pub(crate) bytes: Counter,
    pub(crate) busy: Histogram,
    pub(crate) errors: Counter,
}

impl std::fmt::Debug for StageMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StageMetrics")
    }
}

impl StageMetrics {
    pub(crate) fn new(stage: StageId) -> Self {
        let stage = stage.as_str();
        Self {
            items: counter!(STAGE_ITEMS, "stage" => stage),
            bytes: counter!(STAGE_BYTES, "stage" => stage),
            busy: histogram!(STAGE_BUSY, "stage" => stage),
            errors: counter!(STAGE_ERRORS, "stage" => stage),
        }
    }
}

/// Handles of one edge.
pub(crate) struct EdgeMetrics {
    pub(crate) depth: Gauge,
    pub(crate) send_wait: Histogram,
    pub(crate) recv_wait: Histogram,
}

impl std::fmt::Debug for EdgeMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EdgeMetrics")
    }
}

impl EdgeMetrics {
    pub(crate) fn new(edge: EdgeId) -> Self {
        let edge = edge.as_str();
        Self {
            depth: gauge!(EDGE_DEPTH, "edge" => edge),
            send_wait: histogram!(EDGE_SEND_WAIT, "edge" => edge),
            recv_wait: histogram!(EDGE_RECV_WAIT, "edge" => edge),
        }
    }
}

/// Handles of the dedupe counters.
#[derive(Clone)]
pub(crate) struct ChunkMetrics {
    pub(crate) new: Counter,
    pub(crate) known: Counter,
    pub(crate) new_raw_bytes: Counter,
    pub(crate) known_raw_bytes: Counter,
    pub(crate) stored_bytes: Counter,
}

impl ChunkMetrics {
    pub(crate) fn new() -> Self {
        Self {
            new: counter!(CHUNKS, "outcome" => "new"),
            known: counter!(CHUNKS, "outcome" => "known"),
            new_raw_bytes: counter!(CHUNK_RAW_BYTES, "outcome" => "new"),
            known_raw_bytes: counter!(CHUNK_RAW_BYTES, "outcome" => "known"),
            stored_bytes: counter!(CHUNK_STORED_BYTES),
        }
    }
}
