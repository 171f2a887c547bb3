//! Tables and asynchronous materialized views: from a definition to rows (pure), and making, copying, emptying and
//! dropping them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::model::{
    Column, Distribution, Id, KeysKind, PartitionBounds, PartitionRow, Partitioning, TableRow,
};
use crate::catalog::{Database, PartitionSet, Table};
use crate::store::Transaction;
use crate::{Error, ErrorKind, Result, Subject, Warehouse};

use super::definition::{
    DistributionDefinition, NewPartition, PartitionBy, PartitionSpec, TableDefinition,
};
use super::partition::{self, partition_row};
use super::{column, dependent, dynamic, every, name, property};

/// Tablets of a partition where nothing is said: what StarRocks chooses for one node.
pub(crate) const DEFAULT_BUCKETS: u32 = 2;

/// The row and the first partitions of a new table of `database`.
pub(crate) fn build(
    definition: TableDefinition,
    database: &Database,
    next_id: &mut dyn FnMut() -> Result<Id>,
) -> Result<(TableRow, Vec<PartitionRow>)> {
    let TableDefinition { name, comment, mut columns, keys, partition_by, distribution, .. } =
        definition;
    name::check_table(&name)?;
    column::check_columns(&columns)?;
    for column in &mut columns {
        (column.stored_as, column.initial) = (None, None);
    }
    let chosen = || (KeysKind::Duplicate, column::choose_keys(&columns));
    let (keys, key_columns) = keys.unwrap_or_else(chosen);
    // A view of totals alone has nothing to sort by.
    if definition.materialized_view.is_none() || !key_columns.is_empty() {
        column::check_keys(keys, &key_columns, &mut columns)?;
    }
    property::check(&definition.properties)?;
    let (partitioning, specs) = partitioning(partition_by, &columns)?;
    let distribution = distribute(distribution, keys, &key_columns, &columns)?;
    let mut properties = definition.properties;
    let copies = property::replication_num(&properties).to_string();
    properties.entry(property::REPLICATION_NUM.to_owned()).or_insert(copies);
    let row = TableRow {
        id: next_id()?,
        database: database.row().id,
        name,
        comment,
        key_columns: canonical(&key_columns, &columns)?,
        order_by: canonical(&definition.order_by, &columns)?,
        columns,
        keys,
        partitioning,
        distribution,
        index: next_id()?,
        rollups: Vec::new(),
        properties,
        next_auto_increment: 1,
        materialized_view: definition.materialized_view,
        restoring: false,
    };
    check(&row, database)?;
    let partitions = first_partitions(&row, &specs)?;
    let rows = partitions.into_iter().map(|new| partition_row(&row, new, None, next_id));
    let rows = rows.collect::<Result<_>>()?;
    Ok((row, rows))
}

/// What no table of `database` may be, however it came to be.
pub(crate) fn check(row: &TableRow, database: &Database) -> Result<()> {
    check_sort(row)?;
    if row.keys == KeysKind::Primary {
        let is_key =
            |name: &String| row.key_columns.iter().any(|key| key.eq_ignore_ascii_case(name));
        if let Some(name) = row.distribution.columns().iter().find(|name| !is_key(name)) {
            return Err(Error::invalid(format!("Distribution column[{name}] is not key column")));
        }
        if !row.partitioning.columns().iter().all(is_key) {
            let message = "The partition column could not be aggregated column and unique table's partition column must be \
                           key column";
            return Err(Error::invalid(message).about(Subject::Partition));
        }
    }
    dynamic::check(row)?;
    check_colocation(row, database)
}

fn check_sort(row: &TableRow) -> Result<()> {
    let of = |name: &String| row.column(name).map(|column| column.column_type);
    match row.order_by.iter().find(|name| !of(name).is_some_and(column::is_sortable)) {
        Some(name) => Err(Error::invalid(format!(
            "Sort key column '{name}' does not exist or cannot be sorted"
        ))),
        None => Ok(()),
    }
}

/// The names as the columns have them.
fn canonical(names: &[String], columns: &[Column]) -> Result<Vec<String>> {
    let find = |name: &String| {
        let column = columns.iter().find(|column| column.is_named(name));
        column.map(|column| column.name.clone()).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("Unknown column '{name}'"))
                .about(Subject::Column)
        })
    };
    names.iter().map(find).collect()
}

fn partitioning(by: PartitionBy, columns: &[Column]) -> Result<(Partitioning, Vec<PartitionSpec>)> {
    let (mut partitioning, specs) = match by {
        PartitionBy::Nothing => (Partitioning::Single, Vec::new()),
        PartitionBy::Range { columns, partitions } => {
            (Partitioning::Range { columns, automatic: None }, partitions)
        }
        PartitionBy::List { columns, partitions } => {
            (Partitioning::List { columns, automatic: false }, partitions)
        }
        PartitionBy::Automatic { unit: None, columns } => {
            (Partitioning::List { columns, automatic: true }, Vec::new())
        }
        PartitionBy::Automatic { unit, columns } => {
            (Partitioning::Range { columns, automatic: unit }, Vec::new())
        }
    };
    let keys = partition::key_columns(&partitioning, columns)?;
    let names: Vec<_> = keys.iter().map(|key| key.name.clone()).collect();
    let is_single = matches!(partitioning, Partitioning::Single);
    if names.is_empty() && !is_single {
        return Err(Error::invalid("A partitioned table needs a partition column"));
    }
    if let Partitioning::Range { automatic: Some(unit), .. } = &partitioning {
        let [key] = keys.as_slice() else {
            return Err(Error::invalid("Partitioning by date_trunc takes one column"));
        };
        every::time_unit(unit, key.column_type)?;
    }
    match &mut partitioning {
        Partitioning::Single => {}
        Partitioning::Range { columns, .. } | Partitioning::List { columns, .. } => {
            *columns = names
        }
    }
    Ok((partitioning, specs))
}

fn first_partitions(row: &TableRow, specs: &[PartitionSpec]) -> Result<Vec<NewPartition>> {
    if matches!(row.partitioning, Partitioning::Single) {
        let name = single_partition_name(&row.name);
        return Ok(vec![NewPartition { name, bounds: PartitionBounds::All }]);
    }
    let mut set = PartitionSet::default();
    let mut partitions = Vec::new();
    for spec in specs {
        for new in partition::expand(spec, &row.partitioning, &row.columns, &set)? {
            set.insert(&new.name, &new.bounds)?;
            partitions.push(new);
        }
    }
    Ok(partitions)
}

/// The only partition is called as its table.
fn single_partition_name(table: &str) -> String {
    table.to_owned()
}

fn distribute(
    definition: Option<DistributionDefinition>,
    keys: KeysKind,
    key_columns: &[String],
    columns: &[Column],
) -> Result<Distribution> {
    let default = || DistributionDefinition {
        hash: (keys == KeysKind::Primary).then(|| key_columns.to_vec()),
        buckets: None,
    };
    let DistributionDefinition { hash, buckets } = definition.unwrap_or_else(default);
    let buckets = partition::check_buckets(buckets.unwrap_or(DEFAULT_BUCKETS))?;
    let Some(names) = hash else {
        return match keys {
            KeysKind::Duplicate => Ok(Distribution::Random { buckets }),
            KeysKind::Primary => Err(Error::invalid("PRIMARY KEY must use hash distribution")),
        };
    };
    let find = |name: &String| {
        let column = columns
            .iter()
            .find(|column| column.is_named(name))
            .ok_or_else(|| Error::invalid(format!("Distribution column({name}) doesn't exist")))?;
        if column::is_sortable(column.column_type) {
            return Ok(column.name.clone());
        }
        let message = format!("{} column can not be distribution column", column.column_type);
        Err(Error::invalid(message))
    };
    let columns = names.iter().map(find).collect::<Result<Vec<_>>>()?;
    if columns.is_empty() {
        return Err(Error::invalid("Number of hash column is zero."));
    }
    Ok(Distribution::Hash { columns, buckets })
}

/// Tables of a group are joined tablet by tablet: they must be distributed alike.
pub(crate) fn check_colocation(row: &TableRow, database: &Database) -> Result<()> {
    let Some(group) = row.properties.get(property::COLOCATE_WITH) else { return Ok(()) };
    name::check_common("colocate group", group)?;
    let Distribution::Hash { columns, buckets } = &row.distribution else {
        return Err(Error::invalid("Colocate table must use hash distribution"));
    };
    let Some(other) = database.colocated(group).find(|other| other.row().id != row.id) else {
        return Ok(());
    };
    let other = other.row();
    let theirs = other.distribution.buckets();
    if *buckets != theirs {
        let message =
            format!("Colocate tables must have same bucket num: {buckets} should be {theirs}");
        return Err(Error::invalid(message));
    }
    let types = |row: &TableRow, names: &[String]| {
        names.iter().filter_map(|name| row.column(name)).map(|column| column.column_type).collect()
    };
    let ours: Vec<_> = types(row, columns);
    let theirs: Vec<_> = types(other, other.distribution.columns());
    if ours.len() != theirs.len() {
        return Err(Error::invalid(format!(
            "Colocate tables distribution columns size must be same: {} should be {}",
            ours.len(),
            theirs.len()
        )));
    }
    match ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs) {
        Some((ours, theirs)) => Err(Error::invalid(format!(
            "Colocate tables distribution columns must have the same data type: {ours} should be {theirs}"
        ))),
        None => Ok(()),
    }
}

/// Refuses a materialized view where a table is meant.
pub(crate) fn check_base_table(table: &Table) -> Result<()> {
    match table.row().materialized_view {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!(
            "'{}' is a materialized view, not a table: use the statements of MATERIALIZED VIEW",
            table.row().name
        ))
        .about(Subject::Table)),
    }
}

impl Warehouse {
    /// Makes a table or an asynchronous materialized view, with the dynamic partitions that are due at `now`.
    pub async fn create_table(
        &self,
        database: &str,
        definition: TableDefinition,
        now: Timestamp,
    ) -> Result<Id> {
        let database = database.to_owned();
        self.transact(move |transaction| {
            let database = Arc::clone(transaction.catalog().database(&database)?);
            if database.relation(&definition.name).is_some() {
                return Err(Error::table_exists(&definition.name));
            }
            let (row, partitions) = build(definition, &database, &mut || transaction.next_id())?;
            insert(transaction, row, partitions, now)
        })
        .await
    }

    /// Makes an empty table with the columns, partitions and properties of another.
    pub async fn create_table_like(
        &self,
        database: &str,
        name: &str,
        like: (&str, &str),
        now: Timestamp,
    ) -> Result<Id> {
        name::check_table(name)?;
        let (database, name) = (database.to_owned(), name.to_owned());
        let like = (like.0.to_owned(), like.1.to_owned());
        self.transact(move |transaction| {
            let model = Arc::clone(transaction.catalog().table(&like.0, &like.1)?);
            check_base_table(&model)?;
            let database = Arc::clone(transaction.catalog().database(&database)?);
            let (row, partitions) = copy(&model, name, &database, &mut || transaction.next_id())?;
            insert(transaction, row, partitions, now)
        })
        .await
    }

    /// Drops a table.
    pub async fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        self.change_table(database, name, |transaction, table| {
            check_base_table(table)?;
            dependent::base_dropped(transaction, table)?;
            transaction.remove_table(table.row().id);
            Ok(())
        })
        .await
    }

    /// Removes the rows of a table, or of some of its partitions.
    pub async fn truncate_table(
        &self,
        database: &str,
        name: &str,
        partitions: &[String],
    ) -> Result<()> {
        let partitions = partitions.to_vec();
        self.change_table(database, name, move |transaction, table| {
            check_base_table(table)?;
            let rows: Vec<_> = if partitions.is_empty() {
                table.partitions().map(Arc::clone).collect()
            } else {
                let find = |name: &String| table.partition(name).map(Arc::clone);
                partitions.iter().map(find).collect::<Result<_>>()?
            };
            rows.iter().try_for_each(|row| transaction.put_partition(table.row().id, emptied(row)))
        })
        .await
    }
}

fn insert(
    transaction: &mut Transaction<'_>,
    row: TableRow,
    partitions: Vec<PartitionRow>,
    now: Timestamp,
) -> Result<Id> {
    let id = row.id;
    transaction.put_table(row)?;
    for partition in partitions {
        transaction.put_partition(id, partition)?;
    }
    dynamic::apply(transaction, id, now)?;
    Ok(id)
}

fn copy(
    model: &Table,
    name: String,
    database: &Database,
    next_id: &mut dyn FnMut() -> Result<Id>,
) -> Result<(TableRow, Vec<PartitionRow>)> {
    let mut columns = model.row().columns.clone();
    for column in &mut columns {
        (column.stored_as, column.initial) = (None, None);
    }
    let row = TableRow {
        id: next_id()?,
        database: database.row().id,
        columns,
        index: next_id()?,
        rollups: Vec::new(),
        next_auto_increment: 1,
        restoring: false,
        name,
        ..TableRow::clone(model.row())
    };
    check(&row, database)?;
    let is_single = matches!(row.partitioning, Partitioning::Single);
    let partitions = model.partitions().map(|partition| {
        let name =
            if is_single { single_partition_name(&row.name) } else { partition.name.clone() };
        let new = NewPartition { name, bounds: partition.bounds.clone() };
        let buckets = partition.indexes.first().map(|index| index.tablets.len());
        let buckets = buckets.and_then(|buckets| u32::try_from(buckets).ok());
        partition_row(&row, new, buckets, next_id)
    });
    let partitions = partitions.collect::<Result<_>>()?;
    Ok((row, partitions))
}

/// The partition without its rows. Its version says that it is another one now.
fn emptied(row: &PartitionRow) -> PartitionRow {
    let mut row = row.clone();
    row.version += 1;
    for tablet in row.indexes.iter_mut().flat_map(|index| &mut index.tablets) {
        tablet.segments.clear();
    }
    row
}

#[cfg(test)]
mod tests;
