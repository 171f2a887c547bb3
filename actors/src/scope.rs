//! [`RestoreScope`]: what of a snapshot to restore and under which names; resolved against its manifest, and what of it is lost,
//! found by reading it.

use std::collections::{HashMap, HashSet};

use cairn_repository::Repository;
use cairn_repository::index::Index;
use cairn_repository::manifest::{
    Database, DocumentRef, Object, ObjectList, Partition, Root, TabletList,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::Fault;
use crate::losses::Losses;
use crate::tablet::{ObjectKey, ObjectSpec, RestoreObject, TabletError, TabletErrorKind};

/// Documents read at once in search of losses.
const MAX_DOCUMENTS: usize = 16;

/// What to restore. No items means everything, under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestoreScope {
    /// The items; of an object that several of them cover, everything that any of them names is restored.
    pub items: Vec<RestoreItem>,
}

impl RestoreScope {
    /// What of it is lost, by reading all that a restore of it reads, `max_reads` chunks at once.
    ///
    /// *Memory*: 32 bytes for each distinct chunk.
    pub async fn find_losses(
        &self,
        repository: &Repository,
        index: &Index,
        root: &DocumentRef,
        max_reads: usize,
    ) -> Result<Losses, Fault> {
        // What is lost of manifests is told by the restore itself.
        let manifests = Losses::default();
        let mut wanted = HashSet::new();
        let objects = resolve(repository, index, root, self, Some(&manifests)).await?;
        let partitions = objects.iter().flat_map(|object| &object.partitions);
        let reads = partitions
            .map(|partition| manifests.read::<TabletList>(repository, index, &partition.tablets));
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(MAX_DOCUMENTS);
        while let Some(tablets) = reads.try_next().await? {
            let Ok(tablets) = tablets else { continue };
            let segments = tablets.tablets().iter().flat_map(|tablet| &tablet.segments);
            wanted.extend(segments.flat_map(|segment| segment.chunks.iter()));
        }
        let reads =
            wanted.into_iter().map(async |id| match repository.read_chunk(index, &id).await {
                Ok(_) => Ok(None),
                Err(error) if error.damage().is_some() => Ok(Some(id)),
                Err(error) => Err(Fault::from(error)),
            });
        let reads = stream::iter(reads).buffer_unordered(max_reads);
        let chunks = reads.try_filter_map(async |lost| Ok(lost)).try_collect().await?;
        Ok(Losses::of(chunks))
    }
}

/// One database, one object, or some partitions of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreItem {
    /// The database in the snapshot.
    pub database: String,
    /// The object in it; `None` is the whole database.
    pub object: Option<String>,
    /// Its partitions; `None` is all of them.
    pub partitions: Option<Vec<String>>,
    /// The database to restore into; `None` is the same.
    pub as_database: Option<String>,
    /// The new name of the object; `None` is the same. Only with `object`.
    pub as_object: Option<String>,
}

/// An object to restore.
#[derive(Debug)]
pub(crate) struct ResolvedObject {
    /// Its name in the snapshot.
    pub(crate) source: ObjectKey,
    /// What the sink shall make.
    pub(crate) target: RestoreObject,
    /// The partitions to restore.
    pub(crate) partitions: Vec<Partition>,
}

/// Finds the objects of a scope in a manifest. [`TabletErrorKind::NotFound`] names an item that is not there. A database of which the
/// objects cannot be read is noted among the losses, where those are asked for.
pub(crate) async fn resolve(
    repository: &Repository,
    index: &Index,
    root: &DocumentRef,
    scope: &RestoreScope,
    losses: Option<&Losses>,
) -> Result<Vec<ResolvedObject>, Fault> {
    let root: Root = repository.read_document(index, root).await?;
    let is_named = |database: &Database| {
        scope.items.is_empty() || scope.items.iter().any(|item| item.database == database.name)
    };
    let named: Vec<Database> = root.into_databases().into_iter().filter(is_named).collect();
    let lists: Vec<DocumentRef> = named.iter().map(|database| database.objects.clone()).collect();
    let lists = match losses {
        None => repository.read_documents(index, &lists).await?.into_iter().map(Some).collect(),
        Some(losses) => read_what_is_left(repository, index, &named, losses).await?,
    };
    let objects = |list: Option<ObjectList>| list.map(ObjectList::into_objects);
    let names = named.into_iter().map(|database| database.name);
    let (databases, lost): (Vec<_>, Vec<_>) =
        names.zip(lists.into_iter().map(objects)).partition(|(_, objects)| objects.is_some());
    let databases: Vec<_> =
        databases.into_iter().map(|(name, objects)| (name, objects.unwrap_or_default())).collect();
    for item in &scope.items {
        if lost.iter().all(|(name, _)| *name != item.database) {
            check_item(item, &databases)?;
        }
    }
    let mut resolved: Vec<ResolvedObject> = Vec::new();
    for (database, objects) in databases {
        for object in objects {
            resolved.extend(select(&database, object, scope)?);
        }
    }
    refuse_shared_targets(&resolved)?;
    Ok(order_by_dependency(resolved))
}

async fn read_what_is_left(
    repository: &Repository,
    index: &Index,
    databases: &[Database],
    losses: &Losses,
) -> Result<Vec<Option<ObjectList>>, Fault> {
    let mut lists = Vec::with_capacity(databases.len());
    for database in databases {
        lists.push(match losses.read(repository, index, &database.objects).await? {
            Ok(list) => Some(list),
            Err(reason) => {
                losses.note(database.name.clone(), None, reason);
                None
            }
        });
    }
    Ok(lists)
}

fn invalid(what: impl ToString, problem: impl Into<String>) -> Fault {
    TabletError::new(TabletErrorKind::Invalid, what.to_string(), problem).into()
}

/// The part of an object that the scope covers: the union of what its items ask for.
fn select(
    database: &str,
    object: Object,
    scope: &RestoreScope,
) -> Result<Option<ResolvedObject>, Fault> {
    let key = |database: &str, name: &str| ObjectKey {
        database: database.into(),
        kind: object.kind.as_str().into(),
        name: name.into(),
    };
    let source = key(database, &object.name);
    let covers = |item: &&RestoreItem| {
        item.database == database && item.object.as_deref().is_none_or(|name| *name == *object.name)
    };
    let items: Vec<&RestoreItem> = scope.items.iter().filter(covers).collect();
    if items.is_empty() && !scope.items.is_empty() {
        return Ok(None);
    }
    let target_of = |item: &&RestoreItem| {
        let database = item.as_database.as_deref().unwrap_or(database);
        key(database, item.as_object.as_deref().unwrap_or(&object.name))
    };
    let mut targets = items.iter().map(target_of);
    let target = targets.next().unwrap_or_else(|| source.clone());
    if let Some(other) = targets.find(|other| *other != target) {
        return Err(invalid(&source, format!("asked for as {target} and as {other}")));
    }
    let is_wanted = |partition: &Partition| {
        let names = |item: &&RestoreItem| match &item.partitions {
            Some(names) => names.contains(&partition.name),
            None => true,
        };
        items.is_empty() || items.iter().any(names)
    };
    let whole = !object.is_partial && items.iter().all(|item| item.partitions.is_none());
    let partitions: Vec<_> = object.partitions.into_iter().filter(is_wanted).collect();
    let spec = ObjectSpec {
        key: target,
        depends_on: object.depends_on,
        fingerprint: object.fingerprint,
        definition: object.definition,
        partitions: partitions.iter().map(|partition| partition.name.clone()).collect(),
    };
    Ok(Some(ResolvedObject { source, target: RestoreObject { spec, whole }, partitions }))
}

/// Two objects cannot become one.
fn refuse_shared_targets(objects: &[ResolvedObject]) -> Result<(), Fault> {
    let mut taken = HashMap::new();
    for object in objects {
        let target = &object.target.spec.key;
        if let Some(other) = taken.insert(target, &object.source) {
            let problem = format!("both {other} and {} are to become it", object.source);
            return Err(invalid(target, problem));
        }
    }
    Ok(())
}

/// Whether everything that an item names exists.
fn check_item(item: &RestoreItem, databases: &[(String, Vec<Object>)]) -> Result<(), Fault> {
    let missing = |what: String| {
        Err(TabletError::new(TabletErrorKind::NotFound, what, "not in the snapshot").into())
    };
    let Some((_, objects)) = databases.iter().find(|(name, _)| *name == item.database) else {
        return missing(format!("database {:?}", item.database));
    };
    let Some(name) = &item.object else {
        if item.as_object.is_some() || item.partitions.is_some() {
            let what = format!("database {:?}", item.database);
            return Err(invalid(
                what,
                "a new name and partitions belong to one object, not to all",
            ));
        }
        return Ok(());
    };
    let Some(object) = objects.iter().find(|object| *object.name == **name) else {
        return missing(format!("{}.{name}", item.database));
    };
    for wanted in item.partitions.iter().flatten() {
        if !object.partitions.iter().any(|partition| *partition.name == **wanted) {
            return missing(format!("partition {wanted:?} of {}.{name}", item.database));
        }
    }
    Ok(())
}

/// Puts each object behind those of the same database that it depends on; a cycle keeps its order.
fn order_by_dependency(mut waiting: Vec<ResolvedObject>) -> Vec<ResolvedObject> {
    let mut ordered: Vec<ResolvedObject> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_ready = |object: &ResolvedObject| {
            object.target.spec.depends_on.iter().all(|name| {
                !waiting.iter().any(|other| {
                    *other.source.name == **name
                        && other.source.database == object.source.database
                        && other.source != object.source
                })
            })
        };
        let ready: Vec<bool> = waiting.iter().map(is_ready).collect();
        let is_stuck = !ready.contains(&true);
        let mut ready = ready.into_iter();
        let (now, later): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|_| is_stuck || ready.next().unwrap_or(true));
        ordered.extend(now);
        waiting = later;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, depends_on: &[&str]) -> ResolvedObject {
        let source = ObjectKey::table("shop", name);
        let spec = ObjectSpec {
            key: source.clone(),
            depends_on: depends_on.iter().map(ToString::to_string).collect(),
            fingerprint: Vec::new(),
            definition: Vec::new(),
            partitions: Vec::new(),
        };
        ResolvedObject { source, target: RestoreObject { spec, whole: true }, partitions: vec![] }
    }

    fn names(objects: &[ResolvedObject]) -> Vec<&str> {
        objects.iter().map(|object| &*object.source.name).collect()
    }

    #[test]
    fn what_is_depended_on_comes_first_and_cycles_end() {
        let objects = vec![object("c", &["b", "elsewhere"]), object("b", &["a"]), object("a", &[])];
        assert_eq!(names(&order_by_dependency(objects)), ["a", "b", "c"]);
        let objects = vec![object("x", &["y"]), object("y", &["x"]), object("z", &["z"])];
        assert_eq!(order_by_dependency(objects).len(), 3);
    }

    #[test]
    fn an_item_that_is_not_there_is_named() {
        let item = RestoreItem {
            database: "shop".into(),
            object: Some("orders".into()),
            partitions: None,
            as_database: None,
            as_object: None,
        };
        let error = check_item(&item, &[("shop".into(), Vec::new())]).unwrap_err();
        assert_eq!(error.to_string(), "shop.orders: not in the snapshot");
    }
}
