//! Which stage holds a job back, and in words. Pure.
//!
//! It is the last stage that has work: those behind it wait for input, those before it for room. The committer takes what is
//! stored in its stride until all of it is, so it is asked last of all, and is it only while the job commits.

use cairn_pipeline::{EdgeId, StageId, StageReading};

use super::pace::{EdgePace, Pace, StagePace};
use crate::ui::duration;

/// The share of its time above which a worker that waits is said to wait.
const WAITS: f64 = 0.5;

/// What a stage is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    HoldsBack,
    Works,
    WaitsForInput,
    WaitsForRoom,
    Done,
}

impl Doing {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::HoldsBack => "sets the pace",
            Self::Works => "works",
            Self::WaitsForInput => "waits for input",
            Self::WaitsForRoom => "waits for room",
            Self::Done => "done",
        }
    }
}

/// The edge that a stage takes its work from.
pub(super) fn edge_to(stage: StageId) -> Option<EdgeId> {
    match stage {
        StageId::Snapshot | StageId::Fetcher => None,
        StageId::Chunker => Some(EdgeId::SnapshotChunker),
        StageId::Checksum => Some(EdgeId::ChunkerChecksum),
        StageId::Uploader => Some(EdgeId::ChecksumUploader),
        StageId::Committer => Some(EdgeId::UploaderCommitter),
        StageId::Verifier => Some(EdgeId::FetcherVerifier),
        StageId::Installer => Some(EdgeId::VerifierInstaller),
        StageId::Tally => Some(EdgeId::VerifierTally),
    }
}

/// The stage that holds a job back.
pub(super) fn holds_back(pace: &Pace, is_committing: bool) -> Option<StageId> {
    let stages = || pace.stages.iter();
    if is_committing {
        return stages().next_back().map(|last| last.reading.stage);
    }
    let has_work = |stage: &&StagePace| {
        let StageReading { stage: id, working, .. } = stage.reading;
        id != StageId::Committer && working > 0 && !waits_for_input(pace, stage)
    };
    let at_work = || stages().find(|stage| stage.reading.working > 0);
    let last = stages().rev().find(has_work).or_else(at_work);
    last.map(|stage| stage.reading.stage)
}

/// What each stage is about.
pub(super) fn doing(pace: &Pace, stage: &StagePace, holds_back: Option<StageId>) -> Doing {
    if Some(stage.reading.stage) == holds_back {
        return Doing::HoldsBack;
    }
    if stage.reading.working == 0 {
        return Doing::Done;
    }
    let behind = pace.stages.iter().skip_while(|it| it.reading.stage != stage.reading.stage).nth(1);
    let outlet = behind.and_then(|next| edge(pace, edge_to(next.reading.stage)?));
    let waits_for_room =
        outlet.is_some_and(|edge| share(edge.senders_waiting, stage.reading.workers) >= WAITS);
    if waits_for_input(pace, stage) {
        Doing::WaitsForInput
    } else if waits_for_room {
        Doing::WaitsForRoom
    } else {
        Doing::Works
    }
}

/// The share of time above which a speed limit is what holds a job back.
const LIMITED: f64 = 0.5;

/// What a person may do about it.
pub(super) fn words(pace: &Pace, holds_back: Option<StageId>) -> String {
    let why = match holds_back {
        None => return "It prepares.".to_owned(),
        Some(StageId::Snapshot) => {
            "The source sets the pace: the other stages wait for segments to be read."
        }
        Some(StageId::Chunker) => {
            "The chunker sets the pace: cutting segments takes the processors."
        }
        Some(StageId::Checksum) => {
            "The checksum stage sets the pace: hashing and compressing take the processors that the engine has."
        }
        Some(StageId::Uploader) if pace.upload_limited >= LIMITED => {
            "max_upload_speed_kbps sets the pace: packs wait for it before they are stored."
        }
        Some(StageId::Fetcher) if pace.download_limited >= LIMITED => {
            "max_download_speed_kbps sets the pace: what was read from the repository waits for it."
        }
        Some(StageId::Uploader) => {
            "The repository sets the pace: the uploader waits for packs to be stored."
        }
        Some(StageId::Committer) => "The committer writes index, manifests and record.",
        Some(StageId::Fetcher) => {
            "The repository sets the pace: the fetcher waits for packs to be read."
        }
        Some(StageId::Verifier) => {
            "The verifier sets the pace: decoding and checking take the processors that the engine has."
        }
        Some(StageId::Installer) => {
            "The target sets the pace: the installer waits for it to take segments."
        }
        Some(StageId::Tally) => "The tally sets the pace.",
    };
    match pace.stalled {
        Some(since) => format!("{why} Nothing has moved for {}.", duration(since)),
        None => why.to_owned(),
    }
}

pub(super) fn edge(pace: &Pace, edge: EdgeId) -> Option<&EdgePace> {
    pace.edges.iter().find(|it| it.reading.edge == edge)
}

fn waits_for_input(pace: &Pace, stage: &StagePace) -> bool {
    let inlet = edge_to(stage.reading.stage).and_then(|inlet| edge(pace, inlet));
    inlet.is_some_and(|edge| share(edge.receivers_waiting, stage.reading.workers) >= WAITS)
}

fn share(waiting: f64, workers: u64) -> f64 {
    waiting / workers.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_pipeline::EdgeReading;

    use super::*;

    /// A backup with the share of time that each edge kept its receivers waiting, and its senders.
    fn backup(edges: [(EdgeId, f64, f64); 4]) -> Pace {
        use StageId::{Checksum, Chunker, Committer, Snapshot, Uploader};
        let stage = |stage| StagePace {
            reading: StageReading { stage, workers: 1, working: 1, items: 1, bytes: 1 },
            bytes_per_second: 1,
            items_per_second: 1.0,
        };
        let edge = |(edge, receivers_waiting, senders_waiting)| EdgePace {
            reading: EdgeReading {
                edge,
                items: 0,
                max_items: 1,
                bytes: 0,
                max_bytes: None,
                send_wait: Duration::ZERO,
                recv_wait: Duration::ZERO,
            },
            senders_waiting,
            receivers_waiting,
        };
        let stages = [Snapshot, Chunker, Checksum, Uploader, Committer].map(stage).to_vec();
        Pace { stages, edges: edges.map(edge).to_vec(), ..Pace::default() }
    }

    fn waits(to_chunker: f64, to_checksum: f64, to_uploader: f64) -> Pace {
        use EdgeId::{ChecksumUploader, ChunkerChecksum, SnapshotChunker, UploaderCommitter};
        backup([
            (SnapshotChunker, to_chunker, 1.0 - to_chunker),
            (ChunkerChecksum, to_checksum, 1.0 - to_checksum),
            (ChecksumUploader, to_uploader, 1.0 - to_uploader),
            (UploaderCommitter, 0.99, 0.0),
        ])
    }

    #[test]
    fn the_last_stage_that_has_work_sets_the_pace() {
        for (pace, expected) in [
            (waits(0.9, 0.9, 0.9), StageId::Snapshot),
            (waits(0.1, 0.9, 0.9), StageId::Chunker),
            (waits(0.1, 0.1, 0.9), StageId::Checksum),
            (waits(0.1, 0.1, 0.1), StageId::Uploader),
        ] {
            assert_eq!(holds_back(&pace, false), Some(expected));
            assert_eq!(holds_back(&pace, true), Some(StageId::Committer));
        }
        assert_eq!(holds_back(&Pace::default(), false), None);
    }

    #[test]
    fn those_before_it_wait_for_room_and_those_behind_it_for_input() {
        let pace = waits(0.1, 0.1, 0.9);
        let slow = holds_back(&pace, false);
        let seen: Vec<Doing> = pace.stages.iter().map(|stage| doing(&pace, stage, slow)).collect();
        let (room, input) = (Doing::WaitsForRoom, Doing::WaitsForInput);
        assert_eq!(seen, [room, room, Doing::HoldsBack, input, input]);
    }

    #[test]
    fn a_stage_that_has_ended_holds_nothing_back() {
        let mut pace = waits(0.1, 0.1, 0.9);
        pace.stages.iter_mut().take(3).for_each(|stage| stage.reading.working = 0);
        let slow = holds_back(&pace, false);
        assert_eq!(slow, Some(StageId::Uploader), "what it has left");
        assert_eq!(doing(&pace, &pace.stages[0], slow), Doing::Done);
    }

    #[test]
    fn a_speed_limit_is_named_where_it_is_what_holds_back() {
        let limited = Pace { upload_limited: 0.9, ..waits(0.1, 0.1, 0.1) };
        assert!(words(&limited, Some(StageId::Uploader)).starts_with("max_upload_speed_kbps sets"));
        assert!(words(&limited, Some(StageId::Chunker)).starts_with("The chunker sets"));
        assert!(words(&limited, Some(StageId::Fetcher)).starts_with("The repository sets"));
        let limited = Pace { download_limited: 0.9, ..limited };
        assert!(words(&limited, Some(StageId::Fetcher)).starts_with("max_download_speed_kbps"));
    }

    #[test]
    fn a_standstill_is_said() {
        let pace = Pace { stalled: Some(Duration::from_secs(90)), ..waits(0.1, 0.1, 0.1) };
        let words = words(&pace, holds_back(&pace, false));
        assert!(words.contains("repository sets the pace"), "{words}");
        assert!(words.ends_with("Nothing has moved for 1 min 30 s."), "{words}");
    }
}
