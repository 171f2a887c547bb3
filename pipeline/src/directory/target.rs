//! *Does*: turns the plan of a restore into paths, and refuses what no directory tree can hold.
//!
//! *Invariants*: below an empty name every further name is empty, and the segment is a plain file name;
//! so no two objects share a path. Every path stays inside the warehouse and outside of `.cairn`.

use std::collections::{BTreeMap, BTreeSet};

use cairn_actors::tablet::{RestoreObject, RestorePlan, SegmentTarget, TabletError};

use super::attributes::Definition;
use super::failure::invalid;
use super::name::{check_name, check_segment, check_top_name};
use super::root::join;

/// An object of a plan, as directories.
#[derive(Debug)]
pub(super) struct Target {
    /// First directory level; empty for the loose files of the warehouse.
    pub(super) database: String,
    /// Second directory level; empty for the loose files of a database.
    pub(super) table: String,
    /// Whether nothing but the snapshot's content may remain.
    pub(super) is_whole: bool,
    /// The partitions to make.
    pub(super) partitions: Vec<String>,
    /// Modes of the directories of database and table, where they are not usual.
    pub(super) modes: [Option<u32>; 2],
    nested: BTreeMap<(String, String), u32>,
}

impl Target {
    /// The path of its directory.
    pub(super) fn path(&self) -> String {
        join(&[&self.database, &self.table])
    }

    /// The object as errors name it.
    pub(super) fn shown(&self) -> String {
        let level = |name: &str| {
            if name.is_empty() { "-".to_owned() } else { name.to_owned() }
        };
        format!("{}.{}", level(&self.database), level(&self.table))
    }

    /// The mode of the directory of a partition (tablet "") or a tablet, where it is not usual.
    pub(super) fn mode(&self, partition: &str, tablet: &str) -> Option<u32> {
        self.nested.get(&(partition.to_owned(), tablet.to_owned())).copied()
    }

    /// The mode of a tablet's directory, where it is not usual.
    pub(super) fn tablet_mode(&self, partition: u32, tablet: &str) -> Option<u32> {
        let partition = self.partition(partition).ok()?;
        if tablet.is_empty() { None } else { self.mode(partition, tablet) }
    }

    /// The path of a tablet's directory.
    pub(super) fn tablet_path(
        &self,
        partition: u32,
        index: &str,
        tablet: &str,
    ) -> Result<String, TabletError> {
        let partition = self.partition(partition)?;
        if !index.is_empty() {
            let problem = "a directory tree has no place for an index";
            return Err(invalid(format!("index {index:?} of {}", self.shown()), problem));
        }
        if !tablet.is_empty() {
            check_name("tablet", tablet)?;
            if partition.is_empty() {
                let problem = "a tablet outside of a partition";
                return Err(invalid(format!("tablet {tablet:?} of {}", self.shown()), problem));
            }
        }
        Ok(join(&[&self.database, &self.table, partition, tablet]))
    }

    /// Refuses a segment's name that does not fit its tablet.
    pub(super) fn check_segment(&self, target: &SegmentTarget<'_>) -> Result<(), TabletError> {
        match (self.database.is_empty(), target.tablet.is_empty()) {
            (true, _) => check_top_name("segment", target.segment),
            (false, true) => check_name("segment", target.segment),
            (false, false) => check_segment(target.segment),
        }
    }

    /// Whether the loose files of this directory become exactly those of the snapshot.
    pub(super) fn replaces_loose(&self) -> bool {
        self.is_whole || self.partitions.iter().any(String::is_empty)
    }

    /// Whether the loose files of a partition are moved one by one, not with their directory.
    pub(super) fn moves_loose(&self, partition: u32) -> bool {
        let is_loose = self.partition(partition).is_ok_and(str::is_empty);
        is_loose && (self.table.is_empty() || !self.is_whole)
    }

    fn partition(&self, position: u32) -> Result<&str, TabletError> {
        let name = usize::try_from(position).ok().and_then(|at| self.partitions.get(at));
        let unplanned =
            || invalid(format!("partition {position} of {}", self.shown()), "unplanned");
        name.map(String::as_str).ok_or_else(unplanned)
    }
}

/// The objects of a plan, as directories.
pub(super) fn targets_of(plan: &RestorePlan) -> Result<Vec<Target>, TabletError> {
    check_name("job", &plan.job)?;
    let targets: Result<Vec<_>, _> = plan.objects.iter().map(target_of).collect();
    let targets = targets?;
    let mut seen = BTreeSet::new();
    for target in &targets {
        if !seen.insert((&target.database, &target.table)) {
            return Err(invalid(target.shown(), "is twice in the plan"));
        }
    }
    Ok(targets)
}

fn target_of(object: &RestoreObject) -> Result<Target, TabletError> {
    let key = &object.spec.key;
    let (database, table) = (key.database.to_string(), key.name.to_string());
    let shown = key.to_string();
    match (database.is_empty(), table.is_empty()) {
        (true, true) => {}
        (true, false) => return Err(invalid(shown, "a table outside of a database")),
        (false, true) => check_top_name("database", &database)?,
        (false, false) => {
            check_top_name("database", &database)?;
            check_name("table", &table)?;
        }
    }
    check_partitions(&object.spec.partitions, table.is_empty(), &shown)?;
    let definition = Definition::decode(&object.spec.definition, &shown)?;
    let nested = definition.nested.unwrap_or_default();
    Ok(Target {
        database,
        table,
        is_whole: object.whole,
        partitions: object.spec.partitions.clone(),
        modes: [definition.database, definition.table],
        nested: nested.into_iter().map(|(outer, inner, mode)| ((outer, inner), mode)).collect(),
    })
}

fn check_partitions(names: &[String], is_loose: bool, shown: &str) -> Result<(), TabletError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(invalid(format!("partition {name:?} of {shown}"), "is twice in the plan"));
        }
        if !name.is_empty() {
            check_name("partition", name)?;
            if is_loose {
                let problem = "a partition outside of a table";
                return Err(invalid(format!("partition {name:?} of {shown}"), problem));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cairn_actors::tablet::{ObjectKey, ObjectSpec, TabletErrorKind};

    use super::*;

    fn plan(objects: &[(&str, &str, &[&str])]) -> RestorePlan {
        let object = |(database, table, partitions): &(&str, &str, &[&str])| RestoreObject {
            spec: ObjectSpec {
                key: ObjectKey::table(database, table),
                depends_on: Vec::new(),
                fingerprint: Vec::new(),
                definition: Vec::new(),
                partitions: partitions.iter().map(ToString::to_string).collect(),
            },
            whole: true,
        };
        RestorePlan { job: "j".to_owned(), objects: objects.iter().map(object).collect() }
    }

    #[test]
    fn plans_that_no_tree_can_hold_are_invalid_and_named() {
        let long = "x".repeat(256);
        for (objects, what) in [
            (&[("", "t", &[][..])][..], "-.t"),
            (&[(".cairn", "t", &[])], "database \".cairn\""),
            (&[("..", "t", &[])], "database \"..\""),
            (&[("d", "a/b", &[])], "table \"a/b\""),
            (&[("d", "a\0", &[])], "table \"a\\0\""),
            (&[("d", "t", &[long.as_str()])], &format!("partition {long:?}")),
            (&[("d", "", &["p"])], "partition \"p\" of d.-"),
            (&[("d", "t", &["p", "p"])], "partition \"p\" of d.t"),
            (&[("d", "t", &[]), ("d", "t", &[])], "d.t"),
        ] {
            let error = targets_of(&plan(objects)).unwrap_err();
            assert_eq!((error.kind(), error.what()), (TabletErrorKind::Invalid, what));
        }
    }

    #[test]
    fn loose_levels_take_no_deeper_names() {
        let targets = targets_of(&plan(&[("d", "t", &["", "p"]), ("", "", &[""])])).unwrap();
        assert_eq!(targets[0].tablet_path(1, "", "b").unwrap(), "d/t/p/b");
        assert_eq!(targets[0].tablet_path(0, "", "").unwrap(), "d/t");
        assert_eq!(targets[1].tablet_path(0, "", "").unwrap(), "");
        let error = |result: Result<String, TabletError>| result.unwrap_err().what().to_owned();
        assert_eq!(error(targets[0].tablet_path(0, "", "b")), "tablet \"b\" of d.t");
        assert_eq!(error(targets[0].tablet_path(1, "i", "b")), "index \"i\" of d.t");
        assert_eq!(error(targets[0].tablet_path(2, "", "b")), "partition 2 of d.t");
        let segment = |tablet, segment| SegmentTarget {
            object: 0,
            partition: 0,
            index: "",
            tablet,
            segment,
            len: 0,
            attributes: &[],
        };
        targets[0].check_segment(&segment("b", "x/y")).unwrap();
        targets[0].check_segment(&segment("", "x/y")).unwrap_err();
        targets[0].check_segment(&segment("", ".cairn")).unwrap();
        targets[1].check_segment(&segment("", ".cairn")).unwrap_err();
    }
}
