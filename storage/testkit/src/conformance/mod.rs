//! The contract of [`Storage`] as named cases.
//!
//! - [`storage_conformance!`](crate::storage_conformance) makes one test of each case for a backend.
//! - [`run_all`] runs them on a location of a user's and reports; nothing stays behind.
//!
//! A case is a plain async function over a storage that is empty when it begins. It reports a broken rule as
//! a [`CaseFailure`] and never panics, for it runs in production too.

mod delete;
mod expect;
mod list;
mod put;
mod race;
mod read;
mod report;

use std::any::Any;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cairn_storage::layer::Prefix;
use cairn_storage::{Capabilities, ErrorKind, ObjectPath, Storage};
use futures::StreamExt;
use futures::future::BoxFuture;

pub use expect::CaseFailure;
pub use report::{CaseReport, Report, Verdict};

/// What a storage must be able to do for a case to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Only to answer.
    Reading,
    /// To put and delete.
    Writing,
    /// To put and delete, and to choose one winner of concurrent puts.
    AtomicCreate,
}

impl Needs {
    /// What is missing for it, if anything.
    fn missing(self, capabilities: Capabilities) -> Option<&'static str> {
        match self {
            Self::Reading => None,
            _ if !capabilities.put => Some("the storage cannot put"),
            _ if !capabilities.delete => Some("the storage cannot delete"),
            Self::AtomicCreate if !capabilities.atomic_create => {
                Some("the storage cannot put-if-absent")
            }
            Self::Writing | Self::AtomicCreate => None,
        }
    }
}

/// The function of a case.
pub type CaseFn = for<'a> fn(&'a Arc<dyn Storage>) -> BoxFuture<'a, Result<(), CaseFailure>>;

/// One rule of the contract and how it is checked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Case {
    /// The name of its test.
    pub name: &'static str,
    /// What it needs to make sense.
    pub needs: Needs,
    /// Checks the rule on an empty storage.
    pub run: CaseFn,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// Calls the macro named first with the list of all cases and the tokens that follow.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_conformance_cases {
    ($then:path { $($argument:tt)* }) => {
        $then! {
            { $($argument)* }
            put: put_then_get_gives_the_same_bytes Writing,
            put: an_empty_object_is_an_object Writing,
            put: a_large_object_in_pieces_is_joined Writing,
            put: odd_names_are_kept_apart Writing,
            put: the_root_is_not_an_object Writing,
            put: create_refuses_a_taken_path_and_changes_nothing AtomicCreate,
            put: overwrite_replaces_the_object Writing,
            put: a_put_is_seen_through_a_clone_at_once Writing,
            put: a_cancelled_put_leaves_no_part Writing,
            race: an_object_appears_whole_or_not_at_all Writing,
            race: overwrite_is_atomic_for_readers Writing,
            race: one_of_many_creates_wins AtomicCreate,
            race: a_list_survives_concurrent_deletes Writing,
            read: absent_objects_are_not_found Reading,
            read: a_prefix_of_objects_is_not_found Writing,
            read: a_full_range_is_the_object Writing,
            read: a_span_is_exact Writing,
            read: an_empty_span_is_empty Writing,
            read: a_span_beyond_the_end_is_refused Writing,
            read: a_suffix_is_the_end_of_the_object Writing,
            read: head_tells_path_size_and_time Writing,
            list: a_list_of_nothing_is_empty Reading,
            list: a_list_covers_whole_segments Writing,
            list: a_list_goes_into_nested_prefixes Writing,
            list: a_list_tells_sizes Writing,
            list: many_objects_are_listed_once_each Writing,
            delete: deleting_an_absent_object_succeeds Writing,
            delete: a_deleted_object_is_gone Writing,
            delete: a_deleted_path_can_be_created_again AtomicCreate,
            delete: a_delete_leaves_the_neighbours Writing,
        }
    };
}

macro_rules! case_list {
    ({} $($module:ident: $name:ident $needs:ident,)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            needs: Needs::$needs,
            run: |storage| Box::pin($module::$name(storage)),
        }),*];
    };
}
__with_conformance_cases!(case_list {});

/// Makes a module `$name` with one `#[test]` for each case of the contract.
///
/// `$constructor` is evaluated for each test, inside an async block; its value is an `Arc<dyn Storage>` or a
/// [`Fixture`](crate::conformance::Fixture).
///
/// ```
/// # use std::sync::Arc;
/// use cairn_storage::{MemoryStorage, Storage};
/// use cairn_testkit::storage_conformance;
///
/// fn memory_storage() -> Arc<dyn Storage> {
///     Arc::new(MemoryStorage::new())
/// }
/// storage_conformance!(memory, memory_storage());
/// ```
#[macro_export]
macro_rules! storage_conformance {
    ($name:ident, $constructor:expr) => {
        $crate::__with_conformance_cases!($crate::__conformance_tests { $name, $constructor });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ $name:ident, $constructor:expr } $($module:ident: $case:ident $needs:ident,)*) => {
        mod $name {
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::conformance::check(stringify!($case), async {
                        $crate::conformance::Fixture::from($constructor)
                    });
                }
            )*
        }
    };
}

/// A storage under test and what must live as long as it, such as a temporary directory or a server.
pub struct Fixture {
    storage: Arc<dyn Storage>,
    guard: Option<Box<dyn Any + Send>>,
}

impl Fixture {
    /// A storage that needs `guard` to live.
    pub fn new(storage: Arc<dyn Storage>, guard: impl Any + Send) -> Self {
        Self { storage, guard: Some(Box::new(guard)) }
    }
}

impl From<Arc<dyn Storage>> for Fixture {
    fn from(storage: Arc<dyn Storage>) -> Self {
        Self { storage, guard: None }
    }
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("storage", &self.storage).finish_non_exhaustive()
    }
}

/// Runs one case as a test, on a runtime of its own.
///
/// # Panics
/// When the case fails, or has no such name.
#[doc(hidden)]
pub fn check(name: &str, fixture: impl Future<Output = Fixture>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
            let Fixture { storage, guard } = fixture.await;
            let verdict = run_case(&storage, &ObjectPath::root(), case).await;
            drop(guard);
            match verdict {
                Verdict::Passed => Ok(()),
                // Straight to the error stream: the test harness would keep the line to itself.
                Verdict::Skipped(reason) => {
                    writeln!(std::io::stderr(), "skipped {name} on {storage}: {reason}")
                        .map_err(|error| error.to_string())
                }
                Verdict::Failed(failure) => Err(failure.with_causes()),
            }
        })
    });
    if let Err(message) = outcome {
        panic!("{name}: {message}");
    }
}

/// Longer than any case takes on the slowest storage that is of use.
const CASE_DEADLINE: Duration = Duration::from_secs(300);

/// Deletes at once when a case is cleaned up.
const CLEAN_UP_CONCURRENCY: usize = 32;

/// Runs every case on `storage`, below a new name below `prefix`, and deletes what it made.
///
/// Needs a tokio runtime with time; on several threads its races are real.
pub async fn run_all(storage: &Arc<dyn Storage>, prefix: &ObjectPath) -> Report {
    let mut cases = Vec::with_capacity(CASES.len());
    for case in CASES {
        let verdict = run_case(storage, prefix, case).await;
        cases.push(CaseReport { name: case.name, verdict });
    }
    Report { storage: storage.to_string(), cases }
}

async fn run_case(storage: &Arc<dyn Storage>, prefix: &ObjectPath, case: &Case) -> Verdict {
    if let Some(reason) = case.needs.missing(storage.capabilities()) {
        return Verdict::Skipped(reason);
    }
    let home = format!("validate-{:016x}/{}", rand::random::<u64>(), case.name);
    let home = match prefix.join(&home) {
        Ok(home) => home,
        Err(error) => return Verdict::Failed(error.into()),
    };
    let storage: Arc<dyn Storage> = Arc::new(Prefix::new(Arc::clone(storage), home));
    let checked = match tokio::time::timeout(CASE_DEADLINE, (case.run)(&storage)).await {
        Ok(checked) => checked,
        Err(_) => Err(CaseFailure::new(format!("no end within {CASE_DEADLINE:?}"))),
    };
    let cleaned = match case.needs {
        Needs::Reading => Ok(()),
        Needs::Writing | Needs::AtomicCreate => clean_up(&storage).await,
    };
    match checked.and(cleaned) {
        Ok(()) => Verdict::Passed,
        Err(failure) => Verdict::Failed(failure),
    }
}

async fn clean_up(storage: &Arc<dyn Storage>) -> Result<(), CaseFailure> {
    let paths = list::paths(storage, &ObjectPath::root()).await?;
    let deletes: Vec<_> = paths.iter().map(|path| storage.delete(path)).collect();
    let deletes = futures::stream::iter(deletes).buffer_unordered(CLEAN_UP_CONCURRENCY);
    for deleted in deletes.collect::<Vec<_>>().await {
        deleted.map_err(|error| CaseFailure::caused("the case could not clean up", error))?;
    }
    let left = list::paths(storage, &ObjectPath::root()).await?;
    expect::equal("objects left after all were deleted", &left, &Vec::new())
}

/// Kinds that a refusal of a nonsensical call may have.
const REFUSALS: [ErrorKind; 2] = [ErrorKind::Unsupported, ErrorKind::Other];
