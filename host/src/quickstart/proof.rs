//! [`Proof`]: what tables hold, row by row, as queries tell it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use anyhow::bail;
use blake3::Hasher;
use cairn_frontend::mysql::{SqlType, TextRow};

use crate::shell::{Sink, Statements};

/// Digits of a hash that people are shown.
const SHOWN_DIGITS: usize = 16;

/// Everything that two states of tables must have in common to be the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) tables: BTreeMap<String, RowsProof>,
}

/// Rows in any order: how many there are, and the sum of their hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RowsProof {
    pub(super) count: u64,
    columns: Vec<String>,
    sum: u128,
}

impl Proof {
    /// Reads all rows of tables.
    pub(super) fn of(statements: &mut Statements<'_>, tables: &[&str]) -> anyhow::Result<Self> {
        let mut proof = Self { tables: BTreeMap::new() };
        for table in tables {
            let mut rows = RowsProof::default();
            statements.run(&format!("SELECT * FROM {table}"), &mut rows)?;
            proof.tables.insert((*table).to_owned(), rows);
        }
        Ok(proof)
    }

    pub(super) fn num_rows(&self) -> u64 {
        self.tables.values().map(|rows| rows.count).sum()
    }

    /// Fails with the first table that is not the same.
    pub(super) fn assert_same(&self, other: &Self) -> anyhow::Result<()> {
        for (name, before) in &self.tables {
            match other.tables.get(name) {
                Some(after) if before == after => {}
                Some(after) => bail!(
                    "table {name} differs: it had {} rows with hash {before} and has {} with {after}",
                    before.count,
                    after.count
                ),
                None => bail!("table {name} is missing"),
            }
        }
        Ok(())
    }
}

impl Sink for RowsProof {
    fn columns(&mut self, columns: &[(String, SqlType)]) -> io::Result<()> {
        self.columns = columns.iter().map(|(name, _)| name.clone()).collect();
        Ok(())
    }

    fn rows(&mut self, rows: Vec<TextRow>) -> io::Result<()> {
        self.count += rows.len() as u64;
        for row in &rows {
            let hash = hash(row);
            // Half of a hash is plenty; the sum of a wrong set of rows is right once in 2^128.
            let half = hash.as_bytes().first_chunk().copied().unwrap_or_default();
            self.sum = self.sum.wrapping_add(u128::from_le_bytes(half));
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// No two rows of different values are the same bytes: each value follows its length, and NULL has one that no text has.
fn hash(row: &TextRow) -> blake3::Hash {
    let mut hasher = Hasher::new();
    for value in row {
        let length = value.as_ref().map_or(u64::MAX, |value| value.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(value.as_deref().unwrap_or_default().as_bytes());
    }
    hasher.finalize()
}

impl fmt::Display for RowsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:032x}", self.sum)[..SHOWN_DIGITS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: [Option<&str>; 2]) -> TextRow {
        values.map(|value| value.map(str::to_owned)).to_vec()
    }

    fn proof_of(batches: &[&[[Option<&str>; 2]]]) -> RowsProof {
        let mut proof = RowsProof::default();
        for batch in batches {
            proof.rows(batch.iter().map(|values| row(*values)).collect()).unwrap();
        }
        proof
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_their_number_does() {
        let (a, b) = ([Some("1"), Some("x")], [Some("2"), None]);
        assert_eq!(proof_of(&[&[a, b]]), proof_of(&[&[b], &[a]]));
        assert_ne!(proof_of(&[&[a, b]]), proof_of(&[&[a, b, b]]));
        assert_ne!(proof_of(&[&[a, a]]), proof_of(&[&[b, b]]));
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let one = |values| proof_of(&[&[values]]);
        assert_ne!(one([Some("ab"), Some("c")]), one([Some("a"), Some("bc")]));
        assert_ne!(one([Some(""), Some("x")]), one([None, Some("x")]));
    }

    #[test]
    fn a_difference_is_named() {
        let proof = |values| Proof {
            tables: BTreeMap::from([("orders".to_owned(), proof_of(&[&[values]]))]),
        };
        let (one, other) = ([Some("1"), None], [Some("2"), None]);
        assert!(proof(one).assert_same(&proof(one)).is_ok());
        let error = proof(one).assert_same(&proof(other)).unwrap_err().to_string();
        assert!(error.starts_with("table orders differs: it had 1 rows"), "{error}");
        let error = proof(one).assert_same(&Proof { tables: BTreeMap::new() }).unwrap_err();
        assert_eq!(error.to_string(), "table orders is missing");
    }
}
