//! A database of one's own: what it takes to back up a toy key-value store and to restore it.
//!
//! ```sh
//! cargo run -p cairn-pipeline --example custom_source
//! ```
//!
//! The toy keeps each table as sorted runs in memory. A run never changes once it is written: it is our
//! *segment*. A table has one *partition* and one *tablet* here; a larger database has more of both.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use cairn_pipeline::storage::MemoryStorage;
use cairn_pipeline::tablet::{
    ObjectKey, ObjectSpec, RestorePlan, SegmentAddress, SegmentReader, SegmentSpec, SegmentTarget,
    SegmentWriter, Skipped, StagedRestore, TabletError, TabletErrorKind, TabletSpec,
};
use cairn_pipeline::{
    BackupRequest, Engine, RepositorySettings, RestoreRequest, Selection, TabletSink,
    TabletSnapshot, TabletSource,
};

/// Runs by name.
type Table = BTreeMap<String, Bytes>;

/// The database. A clone is another handle of the same one.
#[derive(Debug, Clone, Default)]
struct Toy(Arc<Mutex<BTreeMap<String, Table>>>);

impl Toy {
    fn tables(&self) -> MutexGuard<'_, BTreeMap<String, Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ---- backup: a source gives views, a view gives readers ----

impl TabletSource for Toy {
    /// Which database this is: identities of segments are compared only within one origin.
    fn origin(&self) -> String {
        "toy".to_owned()
    }

    /// A view must stay as it is while the database goes on. Here a clone of the map does it, for runs are
    /// shared and immutable; a real engine takes a reference on its current version.
    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        let tables = self.tables().clone();
        let tables: Vec<(String, Table)> =
            tables.into_iter().filter(|(name, _)| selection.has_object("toy", name)).collect();
        let spec = |(name, _): &(String, Table)| ObjectSpec {
            key: ObjectKey::table("toy", name),
            depends_on: Vec::new(),
            fingerprint: Vec::new(),
            definition: format!("CREATE TABLE {name} (k, v)").into_bytes(),
            partitions: vec!["all".to_owned()],
        };
        Ok(Box::new(View { objects: tables.iter().map(spec).collect(), tables }))
    }
}

#[derive(Debug)]
struct View {
    objects: Vec<ObjectSpec>,
    tables: Vec<(String, Table)>,
}

impl TabletSnapshot for View {
    fn objects(&self) -> &[ObjectSpec] {
        &self.objects
    }

    fn skipped(&self) -> &[Skipped] {
        &[]
    }

    /// A run never changes, so its name is its identity: a run that an earlier backup has is not read again.
    fn tablets(&self, object: u32, _partition: u32) -> Result<Vec<TabletSpec>, TabletError> {
        let (_, runs) = &self.tables[object as usize];
        let segment = |(name, run): (&String, &Bytes)| SegmentSpec {
            name: name.clone(),
            len: run.len() as u64,
            identity: name.as_bytes().into(),
            attributes: Box::default(),
        };
        let segments = runs.iter().map(segment).collect();
        Ok(vec![TabletSpec { index: String::new(), name: "t0".to_owned(), segments }])
    }

    /// The view owns its runs: there is nothing to hold.
    fn pin(&self, _segments: &[SegmentAddress]) -> Result<(), TabletError> {
        Ok(())
    }

    fn open(&self, at: SegmentAddress) -> Result<Box<dyn SegmentReader>, TabletError> {
        let (table, runs) = &self.tables[at.object as usize];
        let run =
            runs.iter().nth(at.segment as usize).map(|(name, run)| (name.clone(), run.clone()));
        let missing = || TabletError::new(TabletErrorKind::NotFound, table, "has no such run");
        let (name, run) = run.ok_or_else(missing)?;
        Ok(Box::new(Run { name, left: run }))
    }
}

struct Run {
    name: String,
    left: Bytes,
}

impl SegmentReader for Run {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TabletError> {
        let len = buffer.len().min(self.left.len());
        self.left.split_to(len).copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }

    /// Vouches for what was read, and says how to recognise it next time.
    fn finish(self: Box<Self>) -> Result<Box<[u8]>, TabletError> {
        Ok(self.name.into_bytes().into())
    }
}

// ---- restore: a sink gives a staging place, and that gives writers ----

impl TabletSink for Toy {
    fn begin(&self, plan: RestorePlan) -> Result<Box<dyn StagedRestore>, TabletError> {
        Ok(Box::new(Staging { plan, toy: self.clone(), staged: Self::default() }))
    }
}

/// Tables beside the live ones. Dropped without an installation it is simply gone.
#[derive(Debug)]
struct Staging {
    plan: RestorePlan,
    toy: Toy,
    staged: Toy,
}

impl StagedRestore for Staging {
    /// Told for every partition, also an empty one: the table exists from here on.
    fn prepare(&self, object: u32, _: u32, _: &[(String, String)]) -> Result<(), TabletError> {
        let table = self.plan.objects[object as usize].spec.key.name.to_string();
        self.staged.tables().entry(table).or_default();
        Ok(())
    }

    fn create(&self, target: SegmentTarget<'_>) -> Result<Box<dyn SegmentWriter>, TabletError> {
        let table = self.plan.objects[target.object as usize].spec.key.name.to_string();
        let (name, staged) = (target.segment.to_owned(), self.staged.clone());
        Ok(Box::new(NewRun { table, name, pieces: Mutex::default(), staged }))
    }

    /// Everything at once, under one lock: nobody sees half of it.
    fn install(&self) -> Result<(), TabletError> {
        let mut staged = self.staged.tables();
        self.toy.tables().append(&mut staged);
        Ok(())
    }

    fn abort(&self) {}
}

struct NewRun {
    table: String,
    name: String,
    /// By offset.
    pieces: Mutex<BTreeMap<u64, Vec<u8>>>,
    staged: Toy,
}

impl SegmentWriter for NewRun {
    /// Pieces come in any order, from several threads, and cover the run.
    fn write_at(&self, offset: u64, piece: &[u8]) -> Result<(), TabletError> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.insert(offset, piece.to_vec());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TabletError> {
        let pieces = self.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        let run: Vec<u8> = pieces.into_values().flatten().collect();
        self.staged.tables().entry(self.table).or_default().insert(self.name, run.into());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let toy = Toy::default();
    let first = Table::from([("run-1".to_owned(), Bytes::from("a=1 b=2"))]);
    toy.tables().insert("accounts".to_owned(), first);

    let engine = Engine::start()?;
    let storage = Arc::new(MemoryStorage::new());
    let repository = engine.create_repository_on(storage, RepositorySettings::default())?;
    let source = || Arc::new(toy.clone());
    engine.backup(&repository, source(), BackupRequest::new("monday")?).wait()?;

    // The database goes on: the second backup reads the new run only.
    toy.tables().entry("accounts".to_owned()).or_default().insert("run-2".into(), "b=3".into());
    let report = engine.backup(&repository, source(), BackupRequest::new("tuesday")?).wait()?;
    println!("tuesday has read {} segment", report.progress.segments_read);

    toy.tables().clear();
    engine.restore(&repository, source(), RestoreRequest::new("tuesday")?).wait()?;
    println!("restored: {:?}", toy.tables());
    Ok(())
}
