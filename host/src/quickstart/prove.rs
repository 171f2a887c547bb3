//! [`Proof`]: what a database holds, byte by byte and row by row.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use blake3::{Hash, Hasher};
use tpchgen_arrow::arrow::array::RecordBatch;
use tpchgen_arrow::arrow::row::{RowConverter, SortField};

use super::mutate::{children, name_of};
use super::segment;

/// Digits of a hash that people are shown.
const SHOWN_DIGITS: usize = 16;

/// Everything that two states of a database must have in common to be the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) tables: BTreeMap<String, TableProof>,
}

/// A table: each file by its BLAKE3, and all of its rows.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct TableProof {
    pub(super) files: BTreeMap<PathBuf, Hash>,
    pub(super) rows: RowsProof,
}

/// Rows in any order: how many there are, and the sum of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct RowsProof {
    pub(super) count: u64,
    sum: u128,
}

impl Proof {
    /// Reads every file of every table, twice: as bytes and as Parquet.
    pub(super) fn of(database: &Path) -> anyhow::Result<Self> {
        let mut tables = BTreeMap::new();
        for table in children(database)? {
            tables.insert(name_of(&table), TableProof::of(&table)?);
        }
        Ok(Self { tables })
    }

    pub(super) fn num_rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows.count).sum()
    }

    pub(super) fn num_files(&self) -> usize {
        self.tables.values().map(|table| table.files.len()).sum()
    }

    /// Fails with the first table, and the first file of it, that is not the same.
    pub(super) fn assert_same(&self, other: &Self) -> anyhow::Result<()> {
        for name in self.tables.keys().chain(other.tables.keys()) {
            match (self.tables.get(name), other.tables.get(name)) {
                (Some(before), Some(after)) if before == after => {}
                (Some(before), Some(after)) => {
                    bail!("table {name} differs{}", before.first_difference(after))
                }
                (Some(_), None) => bail!("table {name} is missing"),
                (None, _) => bail!("table {name} was not there before"),
            }
        }
        Ok(())
    }
}

impl TableProof {
    fn of(table: &Path) -> anyhow::Result<Self> {
        let mut proof = Self::default();
        for path in files(table)? {
            let about = || format!("cannot read {}", path.display());
            let mut hasher = Hasher::new();
            hasher.update_reader(File::open(&path).with_context(about)?).with_context(about)?;
            for rows in segment::read(&path)? {
                proof.rows.add(&rows?)?;
            }
            let name = path.strip_prefix(table).unwrap_or(&path).to_owned();
            proof.files.insert(name, hasher.finalize());
        }
        Ok(proof)
    }

    /// One hash for all names and contents, cut to what people compare.
    pub(super) fn content(&self) -> String {
        let mut hasher = Hasher::new();
        for (name, hash) in &self.files {
            hasher.update(name.as_os_str().as_encoded_bytes()).update(hash.as_bytes());
        }
        hasher.finalize().to_hex()[..SHOWN_DIGITS].to_owned()
    }

    fn first_difference(&self, other: &Self) -> String {
        let names = self.files.keys().chain(other.files.keys());
        let mut differing = names.filter(|name| self.files.get(*name) != other.files.get(*name));
        differing.next().map(|name| format!(" in {}", name.display())).unwrap_or_default()
    }
}

impl RowsProof {
    fn add(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
        let schema = rows.schema();
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        for row in &converter.convert_columns(rows.columns())? {
            let hash = blake3::hash(row.data());
            let (low, _) = hash.as_bytes().split_first_chunk().context("a hash is 32 bytes")?;
            self.sum = self.sum.wrapping_add(u128::from_le_bytes(*low));
        }
        self.count += rows.num_rows() as u64;
        Ok(())
    }
}

impl fmt::Display for RowsProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format!("{:032x}", self.sum)[..SHOWN_DIGITS])
    }
}

/// All files below a directory.
fn files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut found, mut waiting) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for path in children(&directory)? {
            let kind = fs::symlink_metadata(&path);
            match kind.with_context(|| format!("cannot read {}", path.display()))?.is_dir() {
                true => waiting.push(path),
                false => found.push(path),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use tpchgen::generators::NationGenerator;
    use tpchgen_arrow::NationArrow;

    use super::*;

    fn proof_of(batch_rows: usize, reversed: bool) -> RowsProof {
        let rows = NationArrow::new(NationGenerator::new(1.0, 1, 1)).with_batch_size(batch_rows);
        let mut batches: Vec<_> = rows.map(Result::unwrap).collect();
        if reversed {
            batches.reverse();
        }
        let mut proof = RowsProof::default();
        batches.iter().for_each(|rows| proof.add(rows).unwrap());
        proof
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_their_number_does() {
        assert_eq!(proof_of(25, false), proof_of(3, true));
        assert_eq!(proof_of(25, false).count, 25);
        let mut twice = proof_of(25, false);
        let rows = NationArrow::new(NationGenerator::new(1.0, 1, 1)).next().unwrap().unwrap();
        twice.add(&rows.slice(0, 1)).unwrap();
        assert_ne!(twice, proof_of(25, false));
    }

    #[test]
    fn a_difference_is_named() {
        let table = |byte: u8| TableProof {
            files: BTreeMap::from([("p/0.parquet".into(), blake3::hash(&[byte]))]),
            rows: RowsProof::default(),
        };
        let proof = |byte| Proof { tables: BTreeMap::from([("orders".to_owned(), table(byte))]) };
        assert!(proof(1).assert_same(&proof(1)).is_ok());
        let error = proof(1).assert_same(&proof(2)).unwrap_err();
        assert_eq!(error.to_string(), "table orders differs in p/0.parquet");
        let empty = Proof { tables: BTreeMap::new() };
        assert_eq!(
            proof(1).assert_same(&empty).unwrap_err().to_string(),
            "table orders is missing"
        );
        assert!(empty.assert_same(&proof(1)).is_err());
    }
}
