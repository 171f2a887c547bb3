//! Dynamic partitions: which must be there, and which go, at an instant. The arithmetic is pure;
//! [`Warehouse::maintain`] applies it.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::catalog::calendar::TimeUnit;
use crate::catalog::model::{
    ColumnType, Id, PartitionBounds, PartitionRow, PartitionValue, Partitioning, Properties,
    TableRow,
};
use crate::catalog::{Table, overlap};
use crate::store::Transaction;
use crate::{Error, ErrorKind, Result, Subject, Warehouse};

use super::definition::NewPartition;
use super::every::{self, MAX_AT_ONCE};
use super::partition::{check_buckets, partition_row};
use super::property::DYNAMIC_PARTITION;
use super::{dependent, name};

/// What the properties say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    unit: TimeUnit,
    column_type: ColumnType,
    /// Units back from now that stay; none keeps all.
    start: Option<i64>,
    /// Units ahead that are made.
    end: i64,
    prefix: String,
    buckets: Option<u32>,
    zone: TimeZone,
}

/// What is to be done to the partitions of a table.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    add: Vec<NewPartition>,
    remove: Vec<Id>,
}

/// What [`Warehouse::maintain`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Partitions that were made.
    pub added: usize,
    /// Partitions that went.
    pub removed: usize,
}

/// Refuses properties that do not make a rule, also one that is switched off.
pub(crate) fn check(table: &TableRow) -> Result<()> {
    rule(table).map(drop)
}

/// The rule of a table, and whether it is switched on; none where nothing is said.
fn rule(table: &TableRow) -> Result<Option<(Rule, bool)>> {
    let properties = &table.properties;
    if !properties.keys().any(|key| key.starts_with(DYNAMIC_PARTITION)) {
        return Ok(None);
    }
    check_names(properties)?;
    let column_type = partition_type(table)?;
    let enabled = match text(properties, "enable").map(str::to_ascii_lowercase).as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(refused(format!("Invalid dynamic partition enable: {other}"))),
    };
    let unit = required(properties, "time_unit")?;
    let prefix = text(properties, "prefix").unwrap_or("p");
    name::check_common("partition", prefix)?;
    let rule = Rule {
        unit: every::time_unit(unit, column_type)?,
        column_type,
        start: start(properties)?,
        end: end(properties)?,
        prefix: prefix.to_owned(),
        buckets: buckets(properties)?,
        zone: zone(properties)?,
    };
    Ok(Some((rule, enabled)))
}

fn check_names(properties: &Properties) -> Result<()> {
    for (key, value) in properties {
        let Some(name) = key.strip_prefix(DYNAMIC_PARTITION) else { continue };
        match (name, value.trim()) {
            ("enable" | "time_unit" | "start" | "end" | "prefix" | "buckets" | "time_zone", _)
            // What StarRocks shows where nothing is said.
            | ("history_partition_num", "0")
            | ("start_day_of_week" | "start_day_of_month", "1") => {}
            ("history_partition_num" | "start_day_of_week" | "start_day_of_month", _) => {
                return Err(Error::unsupported(format!("{key} cannot be {value} here: leave it out")));
            }
            _ => return Err(Error::invalid(format!("Unknown properties: {{{key}={value}}}"))),
        }
    }
    Ok(())
}

fn partition_type(table: &TableRow) -> Result<ColumnType> {
    let message = "Dynamic partition only support single-column range partition";
    let column = match &table.partitioning {
        Partitioning::Range { columns, automatic: None } => match columns.as_slice() {
            [name] => table.column(name),
            _ => None,
        },
        _ => None,
    };
    column.map(|column| column.column_type).ok_or_else(|| refused(message))
}

fn start(properties: &Properties) -> Result<Option<i64>> {
    let Some(text) = text(properties, "start") else { return Ok(None) };
    let units: i32 =
        text.parse().map_err(|_| refused(format!("Invalid dynamic partition start {text}")))?;
    match units {
        // How StarRocks shows that nothing is said.
        i32::MIN => Ok(None),
        0.. => Err(refused("Dynamic partition start must less than 0")),
        _ => Ok(Some(units.into())),
    }
}

fn end(properties: &Properties) -> Result<i64> {
    let text = required(properties, "end")?;
    let units: u16 =
        text.parse().map_err(|_| refused(format!("Invalid dynamic partition end {text}")))?;
    match usize::from(units) {
        0 => Err(refused("Dynamic partition end must greater than 0")),
        ahead if ahead >= MAX_AT_ONCE => Err(refused(format!(
            "Invalid dynamic partition end {text}: at most {} are made ahead",
            MAX_AT_ONCE - 1
        ))),
        _ => Ok(units.into()),
    }
}

fn buckets(properties: &Properties) -> Result<Option<u32>> {
    let Some(text) = text(properties, "buckets") else { return Ok(None) };
    match text.parse() {
        // How StarRocks shows that nothing is said.
        Ok(0) => Ok(None),
        Ok(buckets) => check_buckets(buckets).map(Some),
        Err(_) => Err(refused(format!("Invalid dynamic partition buckets {text}"))),
    }
}

/// `UTC` or an offset such as `+08:00`: names of places need a database that this program does not carry.
fn zone(properties: &Properties) -> Result<TimeZone> {
    let Some(text) = text(properties, "time_zone") else { return Ok(TimeZone::UTC) };
    if ["UTC", "GMT", "Z"].contains(&text) {
        return Ok(TimeZone::UTC);
    }
    let offset = || {
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let seconds = hours.parse::<u8>().ok().map(i32::from)? * 3600
            + minutes.parse::<u8>().ok().filter(|minutes| *minutes < 60).map(i32::from)? * 60;
        match text.get(..1)? {
            "+" => Offset::from_seconds(seconds).ok(),
            "-" => Offset::from_seconds(-seconds).ok(),
            _ => None,
        }
    };
    let message = || format!("Unsupported time zone {text}: write UTC or an offset such as +08:00");
    offset().map(TimeZone::fixed).ok_or_else(|| Error::unsupported(message()))
}

fn text<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    let value = properties.get(&format!("{DYNAMIC_PARTITION}{name}"))?.trim();
    (!value.is_empty()).then_some(value)
}

fn required<'a>(properties: &'a Properties, name: &str) -> Result<&'a str> {
    text(properties, name)
        .ok_or_else(|| refused(format!("Must assign {DYNAMIC_PARTITION}{name} properties")))
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid(message).about(Subject::Partition)
}

impl Rule {
    fn plan(&self, partitions: &[&Arc<PartitionRow>], now: Timestamp) -> Plan {
        let now = self.unit.begin(now.to_zoned(self.zone.clone()).datetime());
        let pieces = (0..=self.end).filter_map(|units| self.piece(self.unit.add(now, units)?));
        // Where somebody made another partition, that one serves.
        let is_free = |new: &NewPartition| {
            !partitions.iter().any(|old| old.name == new.name || overlap(&old.bounds, &new.bounds))
        };
        let border = self.start.and_then(|units| self.value(self.unit.add(now, units)?));
        let is_past = |row: &&&Arc<PartitionRow>| match (&row.bounds, &border) {
            (PartitionBounds::Range { to, .. }, Some(border)) => to.first() <= Some(border),
            _ => false,
        };
        Plan {
            add: pieces.filter(is_free).collect(),
            remove: partitions.iter().filter(is_past).map(|row| row.id).collect(),
        }
    }

    fn piece(&self, begin: DateTime) -> Option<NewPartition> {
        Some(NewPartition {
            name: format!("{}{}", self.prefix, self.unit.name(begin)),
            bounds: PartitionBounds::Range {
                from: vec![self.value(begin)?],
                to: vec![self.value(self.unit.add(begin, 1)?)?],
            },
        })
    }

    fn value(&self, at: DateTime) -> Option<PartitionValue> {
        PartitionValue::of_time(at, self.column_type)
    }
}

/// The rule that is switched on, and what it asks for now.
fn plan(table: &Table, now: Timestamp) -> Result<Option<(Rule, Plan)>> {
    Ok(match rule(table.row())? {
        Some((rule, true)) => {
            let plan = rule.plan(&table.partitions().collect::<Vec<_>>(), now);
            (plan != Plan::default()).then_some((rule, plan))
        }
        _ => None,
    })
}

/// Whether partitions of a table would go at `now`.
pub(crate) fn would_remove(table: &Table, now: Timestamp) -> Result<bool> {
    Ok(plan(table, now)?.is_some_and(|(_, plan)| !plan.remove.is_empty()))
}

/// Makes and removes the partitions of one table.
pub(crate) fn apply(
    transaction: &mut Transaction<'_>,
    id: Id,
    now: Timestamp,
) -> Result<Maintenance> {
    let Some(table) = transaction.catalog().table_by_id(id).map(Arc::clone) else {
        return Ok(Maintenance::default());
    };
    let Some((rule, plan)) = plan(&table, now)? else { return Ok(Maintenance::default()) };
    let done = Maintenance { added: plan.add.len(), removed: plan.remove.len() };
    for partition in plan.remove {
        dependent::remove_partition(transaction, &table, partition)?;
    }
    for partition in plan.add {
        let row =
            partition_row(table.row(), partition, rule.buckets, &mut || transaction.next_id())?;
        transaction.put_partition(id, row)?;
    }
    Ok(done)
}

impl Warehouse {
    /// Makes the dynamic partitions that are due at `now` and removes those whose time is over. A table that fails does
    /// not stop the others, nor does one that is being loaded into; the first failure is the answer.
    pub async fn maintain(&self, now: Timestamp) -> Result<Maintenance> {
        let catalog = self.catalog();
        let mut running = FuturesUnordered::new();
        for database in catalog.databases() {
            let tables = database.tables().filter(|table| !table.row().restoring);
            running
                .extend(tables.map(|table| self.maintain_table(&database.row().name, table, now)));
        }
        let mut done = Ok(Maintenance::default());
        while let Some(one) = running.next().await {
            done = match (done, one) {
                (Ok(all), Ok(one)) => Ok(Maintenance {
                    added: all.added + one.added,
                    removed: all.removed + one.removed,
                }),
                // Dropped, or taken by a restore, since the catalog was read.
                (done, Err(error))
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Busy) =>
                {
                    done
                }
                (Err(error), _) | (_, Err(error)) => Err(error),
            };
        }
        done
    }

    async fn maintain_table(
        &self,
        database: &str,
        table: &Arc<Table>,
        now: Timestamp,
    ) -> Result<Maintenance> {
        if plan(table, now)?.is_none() {
            return Ok(Maintenance::default());
        }
        self.change_table(database, &table.row().name, move |transaction, table| {
            apply(transaction, table.row().id, now)
        })
        .await
    }
}

#[cfg(test)]
mod tests;
