//! [`Comparison`]: what two snapshots of a repository differ in.
//!
//! Documents are compared by their references first: what is the same is the same reference and is not read. So two
//! snapshots of which one partition changed cost a few documents, however large they are. Segments are compared by
//! their chunks: one that was only written down anew is no difference.
//!
//! *Memory*: the lists of objects of databases that differ, and the lists of tablets of 32 partitions at a time.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::browse::{Extent, Level, shown_name, tablet_name};
use crate::index::Index;
use crate::manifest::{
    Database, DocumentRef, Object, ObjectList, Partition, Root, Segment, Tablet, TabletList,
};
use crate::record::Record;
use crate::{Repository, Result};

/// Partitions whose lists are read in one go.
const PARTITIONS_PER_READ: usize = 32;

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the second snapshot has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and it is not the same.
    Changed,
}

/// Something that two snapshots do not have alike. What is below something that was added or removed is not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What became of it.
    pub change: Change,
    /// What it is.
    pub level: Level,
    /// Of an object, its kind in the words of its source; else the word of its level.
    pub kind: String,
    /// Where it is.
    pub path: String,
    /// How much the first snapshot has of it.
    pub before: Extent,
    /// How much the second has.
    pub after: Extent,
    /// Whether an object has another definition.
    pub is_redefined: bool,
}

/// A difference to tell, or where to go on.
#[derive(Debug)]
enum Step {
    /// Something that is told only if something below it is.
    Enter(Difference),
    Tell(Difference),
    /// The tablets of a partition.
    Open {
        path: String,
        before: DocumentRef,
        after: DocumentRef,
    },
}

/// Two snapshots that are being compared.
#[derive(Debug)]
pub struct Comparison {
    steps: VecDeque<Step>,
    /// What was entered, and whether that was told.
    entered: Vec<(Difference, bool)>,
}

impl Comparison {
    /// Compares the databases and objects of two snapshots. Nothing is read where they are the same.
    pub async fn new(
        repository: &Repository,
        index: &Index,
        before: &Record,
        after: &Record,
    ) -> Result<Self> {
        let mut comparison = Self { steps: VecDeque::new(), entered: Vec::new() };
        if before.root == after.root {
            return Ok(comparison);
        }
        let root = async |record: &Record| -> Result<Vec<Database>> {
            Ok(repository.read_document::<Root>(index, &record.root).await?.into_databases())
        };
        let (before, after) = (root(before).await?, root(after).await?);
        let objects = async |database: &Option<Database>| -> Result<Vec<Object>> {
            let Some(database) = database else { return Ok(Vec::new()) };
            let list: ObjectList = repository.read_document(index, &database.objects).await?;
            Ok(list.into_objects())
        };
        for pair in pairs(before, after, |a, b| a.name.cmp(&b.name)) {
            if is_same(&pair, |a, b| a.objects == b.objects) {
                continue;
            }
            let (before, after) = (objects(&pair.0).await?, objects(&pair.1).await?);
            let Some(name) = pair.0.as_ref().or(pair.1.as_ref()).map(|it| shown_name(&it.name))
            else {
                continue;
            };
            let extents = (Extent::of_objects(&before), Extent::of_objects(&after));
            if comparison.step(Level::Database, "database", &name, change(&pair), extents, false) {
                comparison.objects(&name, before, after);
            }
        }
        Ok(comparison)
    }

    /// The next differences, a whole before its parts; none is the end.
    pub async fn next_batch(
        &mut self,
        repository: &Repository,
        index: &Index,
    ) -> Result<Option<Vec<Difference>>> {
        let mut told = Vec::new();
        while !self.steps.is_empty() && told.is_empty() {
            let count = self.steps.len().min(PARTITIONS_PER_READ);
            let steps: Vec<Step> = self.steps.drain(..count).collect();
            let opened = steps.iter().flat_map(|step| match step {
                Step::Open { before, after, .. } => vec![before.clone(), after.clone()],
                _ => Vec::new(),
            });
            let opened: Vec<DocumentRef> = opened.collect();
            let mut lists =
                repository.read_documents::<TabletList>(index, &opened).await?.into_iter();
            for step in steps {
                match step {
                    Step::Enter(difference) => self.enter(difference),
                    Step::Tell(difference) => self.tell(difference, &mut told),
                    Step::Open { path, .. } => {
                        if let Some((before, after)) = lists.next().zip(lists.next()) {
                            self.tablets(&path, before, after, &mut told);
                        }
                    }
                }
            }
        }
        Ok(if told.is_empty() { None } else { Some(told) })
    }

    /// Plans to tell a difference; whether both snapshots have it, so that one goes on below.
    fn step(
        &mut self,
        level: Level,
        kind: &str,
        path: &str,
        change: Change,
        (before, after): (Extent, Extent),
        is_redefined: bool,
    ) -> bool {
        let (kind, path) = (kind.to_owned(), path.to_owned());
        let difference = Difference { change, level, kind, path, before, after, is_redefined };
        let goes_on = change == Change::Changed;
        self.steps.push_back(match goes_on && !is_redefined {
            true => Step::Enter(difference),
            false => Step::Tell(difference),
        });
        goes_on
    }

    fn objects(&mut self, database: &str, before: Vec<Object>, after: Vec<Object>) {
        let order = |a: &Object, b: &Object| (&a.kind, &a.name).cmp(&(&b.kind, &b.name));
        for pair in pairs(before, after, order) {
            if is_same(&pair, |a, b| a == b) {
                continue;
            }
            let Some(one) = pair.0.as_ref().or(pair.1.as_ref()) else { continue };
            let path = format!("{database}/{}", shown_name(&one.name));
            let is_redefined = !is_same(&pair, |a, b| {
                (&a.definition, &a.fingerprint, &a.depends_on)
                    == (&b.definition, &b.fingerprint, &b.depends_on)
            });
            let is_redefined = is_redefined && change(&pair) == Change::Changed;
            let extents = extents(&pair, Extent::of_object);
            let kind = one.kind.clone();
            if self.step(Level::Object, &kind, &path, change(&pair), extents, is_redefined)
                && let (Some(before), Some(after)) = pair
            {
                self.partitions(&path, before.partitions, after.partitions);
            }
        }
    }

    fn partitions(&mut self, object: &str, before: Vec<Partition>, after: Vec<Partition>) {
        for pair in pairs(before, after, |a, b| a.name.cmp(&b.name)) {
            if is_same(&pair, |a, b| a.tablets == b.tablets) {
                continue;
            }
            let Some(one) = pair.0.as_ref().or(pair.1.as_ref()) else { continue };
            let path = format!("{object}/{}", shown_name(&one.name));
            let extents = extents(&pair, Extent::of_partition);
            if self.step(Level::Partition, "partition", &path, change(&pair), extents, false)
                && let (Some(before), Some(after)) = pair
            {
                let (before, after) = (before.tablets, after.tablets);
                self.steps.push_back(Step::Open { path, before, after });
            }
        }
    }

    fn tablets(
        &mut self,
        partition: &str,
        before: TabletList,
        after: TabletList,
        told: &mut Vec<Difference>,
    ) {
        let order = |a: &Tablet, b: &Tablet| (&a.index, &a.name).cmp(&(&b.index, &b.name));
        for pair in pairs(before.into_tablets(), after.into_tablets(), order) {
            let Some(one) = pair.0.as_ref().or(pair.1.as_ref()) else { continue };
            let difference = Difference {
                change: change(&pair),
                level: Level::Tablet,
                kind: "tablet".to_owned(),
                path: format!("{partition}/{}", tablet_name(one)),
                before: extents(&pair, Extent::of_tablet).0,
                after: extents(&pair, Extent::of_tablet).1,
                is_redefined: false,
            };
            match pair {
                (Some(before), Some(after)) => {
                    let path = difference.path.clone();
                    self.enter(difference);
                    self.segments(&path, before.segments, after.segments, told);
                }
                _ => self.tell(difference, told),
            }
        }
    }

    fn segments(
        &mut self,
        tablet: &str,
        before: Vec<Segment>,
        after: Vec<Segment>,
        told: &mut Vec<Difference>,
    ) {
        for pair in pairs(before, after, |a, b| a.name.cmp(&b.name)) {
            if is_same(&pair, |a, b| a.chunks == b.chunks) {
                continue;
            }
            let Some(one) = pair.0.as_ref().or(pair.1.as_ref()) else { continue };
            let (before, after) = extents(&pair, Extent::of_segment);
            let difference = Difference {
                change: change(&pair),
                level: Level::Segment,
                kind: "segment".to_owned(),
                path: format!("{tablet}/{}", shown_name(&one.name)),
                before,
                after,
                is_redefined: false,
            };
            self.tell(difference, told);
        }
    }

    fn enter(&mut self, difference: Difference) {
        self.leave(difference.level);
        self.entered.push((difference, false));
    }

    /// Tells a difference, after what it is in.
    fn tell(&mut self, difference: Difference, told: &mut Vec<Difference>) {
        self.leave(difference.level);
        for (above, is_told) in &mut self.entered {
            if !std::mem::replace(is_told, true) {
                told.push(above.clone());
            }
        }
        self.entered.push((difference.clone(), true));
        told.push(difference);
    }

    fn leave(&mut self, level: Level) {
        self.entered.retain(|(above, _)| above.level < level);
    }
}

/// Of each key what one list and the other have, both ascending.
fn pairs<T>(
    before: Vec<T>,
    after: Vec<T>,
    order: impl Fn(&T, &T) -> Ordering,
) -> Vec<(Option<T>, Option<T>)> {
    let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order(a, b),
        };
        let first = if order.is_le() { before.next() } else { None };
        let second = if order.is_ge() { after.next() } else { None };
        pairs.push((first, second));
    }
}

fn is_same<T>(pair: &(Option<T>, Option<T>), same: impl Fn(&T, &T) -> bool) -> bool {
    matches!(pair, (Some(a), Some(b)) if same(a, b))
}

fn change<T>(pair: &(Option<T>, Option<T>)) -> Change {
    match pair {
        (None, _) => Change::Added,
        (_, None) => Change::Removed,
        _ => Change::Changed,
    }
}

fn extents<T>(pair: &(Option<T>, Option<T>), of: impl Fn(&T) -> Extent) -> (Extent, Extent) {
    (pair.0.as_ref().map(&of).unwrap_or_default(), pair.1.as_ref().map(&of).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_paired_by_key() {
        let paired = pairs(vec![1, 3, 4], vec![2, 3, 5], Ord::cmp);
        let expected = [
            (Some(1), None),
            (None, Some(2)),
            (Some(3), Some(3)),
            (Some(4), None),
            (None, Some(5)),
        ];
        assert_eq!(paired, expected);
    }
}
