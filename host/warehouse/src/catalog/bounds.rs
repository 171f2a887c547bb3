//! Which partition holds a row, and whether two partitions could hold the same one. Pure.
//!
//! Values compare as [`PartitionValue`] orders them: MIN, NULL, the values, MAX. A row never has MIN or MAX.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::model::{PartitionBounds, PartitionRow, PartitionValue};
use crate::{Error, ErrorKind, Result, Subject};

/// Finds the partition of a row in logarithmic time.
#[derive(Debug, Clone, Default)]
pub struct PartitionIndex {
    all: Option<Arc<PartitionRow>>,
    /// Ranges do not overlap, so they are ordered by their beginnings.
    ranges: Vec<Arc<PartitionRow>>,
    lists: HashMap<Vec<PartitionValue>, Arc<PartitionRow>>,
}

impl PartitionIndex {
    /// Over these partitions, no two of which overlap.
    pub fn new(partitions: impl IntoIterator<Item = Arc<PartitionRow>>) -> Self {
        let mut index = Self::default();
        partitions.into_iter().for_each(|partition| index.add(partition));
        index
    }

    /// Adds one that overlaps none of them.
    pub fn add(&mut self, partition: Arc<PartitionRow>) {
        match &partition.bounds {
            PartitionBounds::All => self.all = Some(partition),
            PartitionBounds::Range { from, .. } => {
                let place = self.ranges.partition_point(|range| begin(range) <= from.as_slice());
                self.ranges.insert(place, partition);
            }
            PartitionBounds::List(tuples) => {
                for tuple in tuples {
                    self.lists.insert(tuple.clone(), Arc::clone(&partition));
                }
            }
        }
    }

    /// The partition of a row with these values of the partition columns.
    pub fn find(&self, values: &[PartitionValue]) -> Option<&Arc<PartitionRow>> {
        if let Some(all) = &self.all {
            return Some(all);
        }
        let after = self.ranges.partition_point(|range| begin(range) <= values);
        let range = after.checked_sub(1).and_then(|last| self.ranges.get(last));
        range.filter(|range| range.bounds.contains(values)).or_else(|| self.lists.get(values))
    }
}

fn begin(partition: &PartitionRow) -> &[PartitionValue] {
    match &partition.bounds {
        PartitionBounds::Range { from, .. } => from,
        PartitionBounds::All | PartitionBounds::List(_) => &[],
    }
}

impl PartitionBounds {
    /// Whether a row with these values of the partition columns is inside.
    pub fn contains(&self, values: &[PartitionValue]) -> bool {
        match self {
            Self::All => true,
            Self::Range { from, to } => from.as_slice() <= values && values < to.as_slice(),
            Self::List(tuples) => tuples.iter().any(|tuple| tuple == values),
        }
    }
}

impl fmt::Display for PartitionBounds {
    /// As in a definition.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all rows"),
            Self::Range { from, to } => write!(f, "[{}, {})", tuple(from), tuple(to)),
            Self::List(tuples) => {
                let tuples: Vec<_> = tuples.iter().map(|values| tuple(values)).collect();
                write!(f, "({})", tuples.join(", "))
            }
        }
    }
}

/// Values in brackets, quoted where they are values.
pub(crate) fn tuple(values: &[PartitionValue]) -> String {
    let shown = |value: &PartitionValue| match value {
        PartitionValue::Min | PartitionValue::Max | PartitionValue::Null => value.to_string(),
        value => format!("\"{value}\""),
    };
    format!("({})", values.iter().map(shown).collect::<Vec<_>>().join(", "))
}

/// Partitions that will be those of one table: no two of the same name, no two that overlap.
#[derive(Debug, Default)]
pub(crate) struct PartitionSet {
    names: HashSet<String>,
    has_all: bool,
    /// End and name by beginning.
    ranges: BTreeMap<Vec<PartitionValue>, (Vec<PartitionValue>, String)>,
    /// Names by values.
    lists: HashMap<Vec<PartitionValue>, String>,
}

impl PartitionSet {
    /// The partitions of a table.
    pub(crate) fn of(partitions: impl IntoIterator<Item = Arc<PartitionRow>>) -> Result<Self> {
        let mut set = Self::default();
        for partition in partitions {
            set.insert(&partition.name, &partition.bounds)?;
        }
        Ok(set)
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Where the last range ends that ends at or before `bound`.
    pub(crate) fn end_below(&self, bound: &[PartitionValue]) -> Option<&[PartitionValue]> {
        let mut ends = self.beginning_before(bound).map(|(_, (end, _))| end.as_slice());
        ends.find(|end| *end <= bound)
    }

    /// Adds one, or refuses.
    pub(crate) fn insert(&mut self, name: &str, bounds: &PartitionBounds) -> Result<()> {
        if self.has(name) {
            return Err(duplicate(name));
        }
        let is_taken = self.has_all || (*bounds == PartitionBounds::All && !self.names.is_empty());
        if is_taken {
            return Err(intersected(bounds, &PartitionBounds::All, name));
        }
        match bounds {
            PartitionBounds::All => self.has_all = true,
            PartitionBounds::Range { from, to } => self.insert_range(name, from, to)?,
            PartitionBounds::List(tuples) => {
                if let Some(other) = tuples.iter().find_map(|values| self.lists.get(values)) {
                    let message = format!("Values {bounds} are also in partition {other}");
                    return Err(Error::invalid(message).about(Subject::Partition));
                }
                let entries = tuples.iter().map(|values| (values.clone(), name.to_owned()));
                self.lists.extend(entries);
            }
        }
        self.names.insert(name.to_owned());
        Ok(())
    }

    /// The ranges that begin before `bound`, the last one first.
    fn beginning_before(
        &self,
        bound: &[PartitionValue],
    ) -> impl Iterator<Item = (&Vec<PartitionValue>, &(Vec<PartitionValue>, String))> {
        self.ranges.range::<[_], _>((Bound::Unbounded, Bound::Excluded(bound))).rev()
    }

    fn insert_range(
        &mut self,
        name: &str,
        from: &[PartitionValue],
        to: &[PartitionValue],
    ) -> Result<()> {
        // The last one that begins before `to` is the only one that can reach behind `from`.
        let below = self.beginning_before(to).next();
        if let Some((begin, (end, other))) = below.filter(|(_, (end, _))| from < end.as_slice()) {
            let bounds = PartitionBounds::Range { from: from.to_vec(), to: to.to_vec() };
            let theirs = PartitionBounds::Range { from: begin.clone(), to: end.clone() };
            return Err(intersected(&bounds, &theirs, other));
        }
        self.ranges.insert(from.to_vec(), (to.to_vec(), name.to_owned()));
        Ok(())
    }
}

/// A name that another partition has.
pub(crate) fn duplicate(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("Duplicate partition name {name}"))
        .about(Subject::Partition)
}

/// Bounds that share rows with those of another partition.
pub(crate) fn intersected(ours: &PartitionBounds, theirs: &PartitionBounds, name: &str) -> Error {
    let message = format!("Range {ours} is intersected with range: {theirs} of partition {name}");
    Error::invalid(message).about(Subject::Partition)
}

/// Whether a row could be inside both.
pub(crate) fn overlap(a: &PartitionBounds, b: &PartitionBounds) -> bool {
    use PartitionBounds::{All, List, Range};
    match (a, b) {
        (All, _) | (_, All) => true,
        (Range { from, to }, Range { from: other_from, to: other_to }) => {
            from < other_to && other_from < to
        }
        (List(tuples), other @ (List(_) | Range { .. })) | (other, List(tuples)) => {
            tuples.iter().any(|tuple| other.contains(tuple))
        }
    }
}

#[cfg(test)]
mod tests;
