//! Columns of a table in segments that are older than the table is now: under another name, of a dropped column's name, or
//! not there at all.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column as ColumnExpr, lit};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapter, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

use crate::arrow_types::query_type;
use crate::catalog::model::Column;
use crate::load::literal;
use crate::query::failure::external;
use crate::{Error, ErrorKind};

/// In the metadata of a schema whose columns are not those of a file with the same names.
const ADAPTED: &str = "cairn.adapted";

/// Where the values of columns are.
#[derive(Debug)]
pub(crate) struct StoredColumns {
    columns: Vec<StoredColumn>,
}

#[derive(Debug)]
struct StoredColumn {
    /// For queries, in lower case.
    name: String,
    /// In segments, in lower case.
    stored: String,
    /// In segments that do not have it; none where the text in the catalog is no value of the column.
    initial: Option<ScalarValue>,
}

impl StoredColumns {
    pub(crate) fn new(columns: &[Column]) -> Self {
        let stored = |column: &Column| StoredColumn {
            name: column.name.to_lowercase(),
            stored: column.stored_name().to_lowercase(),
            initial: initial_value(column),
        };
        Self { columns: columns.iter().map(stored).collect() }
    }

    /// Whether every name is its own and NULL stands for what is missing, which is what a scan does by itself.
    fn is_plain(&self) -> bool {
        self.columns.iter().all(|column| {
            let is_null = column.initial.as_ref().is_some_and(ScalarValue::is_null);
            column.name == column.stored && is_null
        })
    }

    /// What makes expressions over a table of those over a file; none where nothing needs it.
    pub(crate) fn adapter(this: &Arc<Self>) -> Option<Arc<dyn PhysicalExprAdapterFactory>> {
        (!this.is_plain()).then(|| Arc::new(Factory { columns: Arc::clone(this) }) as _)
    }

    /// The schema of a table as a scan is told it. One that needs the adapter equals that of no file: a scan without a
    /// filter asks no adapter for a file of the same schema, and would take the names in it for the table's.
    pub(crate) fn scanned(&self, table: SchemaRef) -> SchemaRef {
        if self.is_plain() {
            return table;
        }
        let mark = (ADAPTED.to_owned(), String::new());
        Arc::new(Schema::clone(&table).with_metadata(HashMap::from([mark])))
    }

    fn find(&self, name: &str) -> Option<&StoredColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of a file under the names of the table. A column of the file that the table has no more gets a name
    /// that no table column has.
    fn renamed(&self, file: &Schema) -> Schema {
        let rename = |field: &Arc<Field>| {
            let owner = self.columns.iter().find(|column| column.stored == *field.name());
            let name =
                owner.map_or_else(|| format!("<{}>", field.name()), |owner| owner.name.clone());
            field.as_ref().clone().with_name(name)
        };
        Schema::new(file.fields().iter().map(rename).collect::<Vec<_>>())
    }
}

/// What a row has that was loaded before the column was added.
fn initial_value(column: &Column) -> Option<ScalarValue> {
    match &column.initial {
        Some(text) => literal::scalar(text, column.column_type),
        None => ScalarValue::try_from(&query_type(column.column_type)).ok(),
    }
}

#[derive(Debug)]
struct Factory {
    columns: Arc<StoredColumns>,
}

impl PhysicalExprAdapterFactory for Factory {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let renamed = Arc::new(self.columns.renamed(&file));
        Ok(Arc::new(Adapter {
            columns: Arc::clone(&self.columns),
            inner: DefaultPhysicalExprAdapter::new(table, Arc::clone(&renamed)),
            renamed,
            file,
        }))
    }
}

#[derive(Debug)]
struct Adapter {
    columns: Arc<StoredColumns>,
    /// Casts, and finds columns by their place in the file.
    inner: DefaultPhysicalExprAdapter,
    renamed: SchemaRef,
    file: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let filled = expr.transform(|expr| self.fill(expr)).data()?;
        let placed = self.inner.rewrite(filled)?;
        placed.transform(|expr| Ok(self.rename(expr))).data()
    }
}

impl Adapter {
    /// A column that the file lacks becomes its initial value.
    fn fill(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Transformed<Arc<dyn PhysicalExpr>>> {
        let missing = expr.downcast_ref::<ColumnExpr>().and_then(|column| {
            let is_missing = self.renamed.index_of(column.name()).is_err();
            self.columns.find(column.name()).filter(|_| is_missing)
        });
        let Some(column) = missing else { return Ok(Transformed::no(expr)) };
        match &column.initial {
            Some(initial) => Ok(Transformed::yes(lit(initial.clone()))),
            None => {
                let message = format!(
                    "rows that are older than column '{}' have a default that it cannot hold; drop the column",
                    column.name
                );
                Err(external(Error::new(ErrorKind::Corrupt, message)))
            }
        }
    }

    /// The file's own name, by which its statistics are found.
    fn rename(&self, expr: Arc<dyn PhysicalExpr>) -> Transformed<Arc<dyn PhysicalExpr>> {
        let found = expr.downcast_ref::<ColumnExpr>().and_then(|column| {
            let field = self.file.fields().get(column.index())?;
            (field.name() != column.name()).then(|| ColumnExpr::new(field.name(), column.index()))
        });
        match found {
            Some(column) => Transformed::yes(Arc::new(column) as _),
            None => Transformed::no(expr),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;

    use super::*;
    use crate::catalog::model::ColumnType;

    fn column(name: &str, stored_as: Option<&str>, initial: Option<&str>) -> Column {
        Column {
            name: name.to_owned(),
            column_type: ColumnType::Int,
            nullable: true,
            default: None,
            auto_increment: false,
            comment: String::new(),
            stored_as: stored_as.map(str::to_owned),
            initial: initial.map(str::to_owned),
        }
    }

    fn rewritten(columns: &[Column], name: &str, file: &[&str]) -> String {
        let stored = Arc::new(StoredColumns::new(columns));
        let table = crate::arrow_types::query_schema(columns);
        let fields = file.iter().map(|name| Field::new(*name, DataType::Int32, true));
        let file = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let factory = StoredColumns::adapter(&stored).expect("it is needed");
        let adapter = factory.create(Arc::clone(&table), file).expect("an adapter");
        let expr = Arc::new(ColumnExpr::new(name, table.index_of(name).expect("a column")));
        adapter.rewrite(expr).expect("rewrites").to_string()
    }

    #[test]
    fn a_column_finds_its_values_by_its_stored_name() {
        let columns = [column("Id", None, None), column("a", Some("a#2"), Some("7"))];
        assert_eq!(rewritten(&columns, "a", &["a", "a#2", "id"]), "a#2@1");
        assert_eq!(rewritten(&columns, "id", &["a", "a#2", "id"]), "id@2");
        // The file is older than the column: its `a` was another one.
        assert_eq!(rewritten(&columns, "a", &["a", "id"]), "7");
    }

    #[test]
    fn plain_columns_need_nothing() {
        let columns = Arc::new(StoredColumns::new(&[column("Id", None, None)]));
        assert!(StoredColumns::adapter(&columns).is_none());
    }
}
