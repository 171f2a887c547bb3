//! Labels of loads: a database takes each of them once.
//!
//! A label is written in the transaction of its load (W1). So a client that does not know whether its load arrived says it
//! again with the same label, and it is loaded once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::catalog::model::Id;
use crate::store::Transaction;
use crate::{Error, ErrorKind, Result, Warehouse};

/// The collection of documents that holds them.
const COLLECTION: &str = "load_labels";
/// How long a label is kept: three days, as StarRocks does.
const KEPT: SignedDuration = SignedDuration::from_hours(72);
/// The longest label.
const MAX_BYTES: usize = 128;

/// A label that a load brings.
#[derive(Debug)]
pub(crate) struct Label {
    name: String,
    /// The time of the load.
    micros: i64,
}

impl Label {
    /// Refuses a label that cannot be one, or that a load has had.
    pub(super) fn new(
        warehouse: &Warehouse,
        database: Id,
        name: String,
        micros: i64,
    ) -> Result<Self> {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-');
        if name.is_empty() || name.len() > MAX_BYTES || !name.chars().all(is_plain) {
            return Err(Error::invalid(format!(
                "Incorrect label name '{name}': 1 to {MAX_BYTES} letters, digits, '_' and '-'"
            )));
        }
        match warehouse.store().document(COLLECTION, &key(database, &name))? {
            Some(_) => Err(used(&name)),
            None => Ok(Self { name, micros }),
        }
    }

    /// Makes the label that of this transaction.
    pub(super) fn take(self, transaction: &mut Transaction<'_>, database: Id) -> Result<()> {
        let key = key(database, &self.name);
        match transaction.document(COLLECTION, &key)? {
            Some(_) => Err(used(&self.name)),
            None => transaction.put_document(COLLECTION, &key, &json!(self.micros)),
        }
    }
}

fn key(database: Id, name: &str) -> String {
    format!("{database}/{name}")
}

fn used(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("Label [{name}] has already been used"))
}

impl Warehouse {
    /// Forgets labels of loads of long ago. Blocks.
    pub fn forget_labels(&self, now: Timestamp) -> Result<()> {
        let border = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
        let is_old = |value: &Value| value.as_i64().is_none_or(|micros| micros < border);
        let labels = self.store().documents(COLLECTION)?;
        let old: Vec<String> =
            labels.into_iter().filter(|(_, value)| is_old(value)).map(|(key, _)| key).collect();
        if old.is_empty() {
            return Ok(());
        }
        self.store().transact(|transaction| {
            old.iter().for_each(|key| transaction.remove_document(COLLECTION, key));
            Ok(())
        })
    }
}
