//! A storage that takes nothing stops the source, after no more bytes than the settings allow.
//!
//! A binary of its own: to know that a pipeline stands still it looks at the threads of the process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod place;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use cairn_pipeline::storage::{MemoryStorage, Operation, Storage};
use cairn_pipeline::{
    BackupRequest, Compression, Engine, EngineConfig, RepositorySettings, RestoreRequest,
};
use tokio::sync::watch;

use place::content::Content;
use place::hooked::{Halt, HookedStorage};
use place::rig::{small_config, small_settings};
use place::source::{ToySink, ToySource};
use place::{DEADLINE, ends_within, observe, wait_until};

/// Buffers of a lane: one is filled, one is cut, of one the chunks are on their way.
const BUFFERS_PER_LANE: u64 = 3;

/// What the source may have been read when no pack can be put.
///
/// Chunks that do not compress stay slices of their windows until they are copied into a pack. So a byte that was
/// read is in a buffer of its lane (a window, and before it up to one chunk that began in an earlier
/// window) or in a pack: one on its way per permit, and the one that is filled. Edges add nothing: what waits
/// there are the same slices.
fn most_bytes(config: &EngineConfig, settings: &RepositorySettings) -> u64 {
    let buffer = config.window_bytes as u64 + u64::from(settings.chunking.max());
    let packs = (config.upload_worker_count as u64 + 1) * u64::from(settings.pack_bytes);
    config.reader_count as u64 * BUFFERS_PER_LANE * buffer + packs
}

/// For each thread of the engine, by its id: how often it was switched off the processor, and whether it sleeps.
fn threads() -> BTreeMap<String, (String, bool)> {
    let mut found = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap();
        // A thread that ends meanwhile is gone in the next picture too.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        if !status.lines().any(|line| line.starts_with("Name:\tcairn-")) {
            continue;
        }
        let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
        let switches = switches.collect::<Vec<_>>().join(" ");
        let sleeps = status.lines().any(|line| line.starts_with("State:\tS"));
        found.insert(task.file_name().into_string().unwrap(), (switches, sleeps));
    }
    found
}

/// Whether every thread of the engine slept from one look to the next: then none of them can wake another, and
/// nothing moves until somebody outside does something.
fn stands_still() -> bool {
    let before = threads();
    let all_sleep = before.values().all(|(_, sleeps)| *sleeps);
    all_sleep && !before.is_empty() && threads() == before
}

#[test]
fn a_stalled_storage_stops_the_source_and_a_released_one_ends_the_job() {
    let settings = RepositorySettings { compression: Compression::Off, ..small_settings() };
    let memory = MemoryStorage::new();
    let storage = HookedStorage::new(Arc::new(memory.clone()));
    for (readers, uploads) in [(1, 1), (2, 3)] {
        let config =
            EngineConfig { reader_count: readers, upload_worker_count: uploads, ..small_config() };
        let engine = Engine::builder().config(config.clone()).start().unwrap();
        let label = format!("{readers}-{uploads}");
        let repository = match readers {
            1 => engine.create_repository_on(Arc::clone(&storage) as Arc<dyn Storage>, settings),
            _ => engine.open_repository_on(Arc::clone(&storage) as Arc<dyn Storage>),
        };
        let repository = repository.unwrap();
        let most = most_bytes(&config, &settings);
        let source = ToySource::new();
        for number in 0..4 {
            let key = format!("shop/orders/p1/t1/{number}.dat");
            source.put(&key, Content::noise(100 * readers as u64 + number, most));
        }

        let (release, released) = watch::channel(false);
        storage.set(move |operation, path| {
            let is_pack = operation == Operation::Put && path.as_str().starts_with("packs");
            is_pack.then(|| Halt::Wait(released.clone()))
        });
        let request = BackupRequest::new(&label).unwrap();
        let job = engine.backup(&repository, Arc::clone(&source) as _, request);
        // One receiver lives in the hook, one in each put that waits.
        wait_until("every upload waits", || release.receiver_count() == 1 + uploads);
        wait_until("the pipeline stands still", stands_still);
        let read = source.bytes_read();
        let least = uploads as u64 * u64::from(settings.pack_bytes) * 3 / 4;
        assert!((least..=most).contains(&read), "{label}: {least} <= {read} <= {most}");
        assert!(observe(&job).iter().all(|stage| stage.working > 0), "no stage has ended");
        wait_until("it still stands", stands_still);
        assert_eq!(source.bytes_read(), read, "{label}");

        release.send(true).unwrap();
        ends_within(DEADLINE, job).unwrap();
        storage.unset();
        assert_eq!(source.bytes_read(), 4 * most);
        let (sink, request) = (ToySink::new(), RestoreRequest::new(&label).unwrap());
        engine.restore(&repository, Arc::clone(&sink) as _, request).wait().unwrap();
        assert_eq!(sink.contents(), source.contents());
    }
}
