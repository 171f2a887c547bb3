//! Prepared statements: the text of one, and the text with its parameters in it.
//!
//! Pure. A statement is run by writing its parameters into its text as literals, so the service sees plain SQL. Whatever
//! a parameter holds, its literal is one token: text is quoted, its quotes doubled, its backslashes and line ends
//! escaped; a number has blanks around it. So a parameter can neither end its literal nor join what stands beside it.

use std::collections::BTreeMap;

use super::error;
use super::packet::{Fields, Malformed};
use super::parameter::{ParameterType, put_literal, put_text_literal};
use super::service::SqlError;

/// Statements that a connection may keep.
const MOST: usize = 1024;

/// What a placeholder takes beside its `?`: where it is, and of which type.
const PLACEHOLDER_BYTES: usize = size_of::<usize>() + size_of::<ParameterType>();

/// What a value in pieces takes beside its bytes, also when there are none.
const LONG_ENTRY_BYTES: usize = 64;

/// The prepared statements of a connection.
#[derive(Debug)]
pub(super) struct PreparedStatements {
    by_id: BTreeMap<u32, Prepared>,
    next_id: u32,
    /// What all that takes together.
    bytes: usize,
    /// What they may take.
    limit: usize,
}

#[derive(Debug)]
struct Prepared {
    sql: String,
    /// Offsets in `sql`.
    placeholders: Vec<usize>,
    /// As told by the last execution that told them.
    types: Vec<ParameterType>,
    /// Values that came in pieces, until the next execution.
    long: BTreeMap<u16, Vec<u8>>,
    /// A piece was too much; the next execution says so.
    overflown: bool,
}

impl PreparedStatements {
    /// `limit` bounds the bytes of what is kept, and those of a statement with its parameters.
    pub(super) const fn new(limit: usize) -> Self {
        Self { by_id: BTreeMap::new(), next_id: 1, bytes: 0, limit }
    }

    /// Keeps a statement; answers its id and how many parameters it has.
    pub(super) fn prepare(&mut self, sql: &str) -> Result<(u32, u16), SqlError> {
        if cairn_sql::split(sql).is_empty() {
            return Err(error::empty_query());
        }
        if self.by_id.len() >= MOST || self.bytes + sql.len() > self.limit {
            return Err(error::too_many_statements(MOST));
        }
        let placeholders = cairn_sql::placeholders(sql);
        let count =
            u16::try_from(placeholders.len()).map_err(|_| error::too_many_placeholders())?;
        let bytes = sql.len() + placeholders.len() * PLACEHOLDER_BYTES;
        if self.bytes + bytes > self.limit {
            return Err(error::too_many_statements(MOST));
        }
        let id = self.next_id;
        // An id that is still in use after four billion others is passed over.
        self.next_id = (id.wrapping_add(1)..=u32::MAX)
            .chain(1..=id)
            .find(|next| *next != id && !self.by_id.contains_key(next))
            .unwrap_or(1);
        self.bytes += bytes;
        self.by_id.insert(
            id,
            Prepared {
                sql: sql.to_owned(),
                placeholders,
                types: Vec::new(),
                long: BTreeMap::new(),
                overflown: false,
            },
        );
        Ok((id, count))
    }

    /// The text of a statement with its parameters in it. What came in pieces is used up.
    pub(super) fn bind(&mut self, id: u32, parameters: &[u8]) -> Result<String, SqlError> {
        let prepared =
            self.by_id.get_mut(&id).ok_or_else(|| error::unknown_statement(id, "EXECUTE"))?;
        let long = prepared.take_long();
        self.bytes -= long_bytes(&long);
        if std::mem::take(&mut prepared.overflown) {
            return Err(error::packet_too_large(self.limit));
        }
        let sql = prepared.bind(parameters, &long).map_err(error::wrong_arguments)?;
        if sql.len() > self.limit { Err(error::packet_too_large(self.limit)) } else { Ok(sql) }
    }

    /// Adds a piece to a value. Nobody waits for an answer: what is wrong is said by the next execution.
    pub(super) fn add_long_data(&mut self, id: u32, parameter: u16, data: &[u8]) {
        let room = self.limit.saturating_sub(self.bytes);
        let Some(prepared) = self.by_id.get_mut(&id) else { return };
        if usize::from(parameter) >= prepared.placeholders.len() {
            return;
        }
        let entry = if prepared.long.contains_key(&parameter) { 0 } else { LONG_ENTRY_BYTES };
        let bytes = entry + data.len();
        if bytes > room {
            prepared.overflown = true;
            return;
        }
        self.bytes += bytes;
        prepared.long.entry(parameter).or_default().extend_from_slice(data);
    }

    /// Forgets what came in pieces.
    pub(super) fn reset(&mut self, id: u32) -> Result<(), SqlError> {
        let prepared =
            self.by_id.get_mut(&id).ok_or_else(|| error::unknown_statement(id, "RESET"))?;
        let long = prepared.take_long();
        self.bytes -= long_bytes(&long);
        prepared.overflown = false;
        Ok(())
    }

    /// Forgets a statement.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(prepared) = self.by_id.remove(&id) {
            self.bytes -= prepared.bytes();
        }
    }
}

fn long_bytes(long: &BTreeMap<u16, Vec<u8>>) -> usize {
    long.values().map(|data| LONG_ENTRY_BYTES + data.len()).sum()
}

impl Prepared {
    /// What it takes.
    fn bytes(&self) -> usize {
        let placeholders = self.placeholders.len() * PLACEHOLDER_BYTES;
        self.sql.len() + placeholders + long_bytes(&self.long)
    }

    fn take_long(&mut self) -> BTreeMap<u16, Vec<u8>> {
        std::mem::take(&mut self.long)
    }

    fn bind(
        &mut self,
        parameters: &[u8],
        long: &BTreeMap<u16, Vec<u8>>,
    ) -> Result<String, Malformed> {
        let mut fields = Fields::new(parameters);
        let nulls = self.read_types(&mut fields)?;
        let mut bound = String::with_capacity(self.sql.len() + parameters.len());
        let mut behind = 0;
        for (index, (at, kind)) in self.placeholders.iter().zip(&self.types).enumerate() {
            bound.push_str(&self.sql[behind..*at]);
            behind = at + 1;
            let piecewise = u16::try_from(index).ok().and_then(|index| long.get(&index));
            if let Some(bytes) = piecewise {
                put_text_literal(&mut bound, bytes);
            } else if nulls.get(index / 8).is_some_and(|bits| bits >> (index % 8) & 1 == 1) {
                bound.push_str(" NULL ");
            } else {
                put_literal(&mut bound, *kind, &mut fields)?;
            }
        }
        bound.push_str(&self.sql[behind..]);
        Ok(bound)
    }

    /// Reads which parameters are NULL, and their types, which a client may leave out when it has told them before.
    fn read_types<'a>(&mut self, fields: &mut Fields<'a>) -> Result<&'a [u8], Malformed> {
        let count = self.placeholders.len();
        if count == 0 {
            return Ok(&[]);
        }
        let nulls = fields.bytes(count.div_ceil(8), "the bits of NULLs are missing")?;
        if fields.u8("the types of parameters are missing")? != 0 {
            self.types = (0..count)
                .map(|_| fields.u16("the types of parameters are missing").map(ParameterType))
                .collect::<Result<_, _>>()?;
        }
        if self.types.len() == count {
            Ok(nulls)
        } else {
            Err(Malformed("the types of parameters were never told"))
        }
    }
}

#[cfg(test)]
mod tests;
