//! What a client asks for after its login: one packet, whose first byte says what it is.

use super::packet::{Fields, Malformed};

/// A command and its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Quit,
    InitDb(&'a [u8]),
    Query(&'a [u8]),
    /// The columns of a table.
    FieldList(&'a [u8]),
    Statistics,
    Ping,
    ChangeUser,
    ResetConnection,
    /// Turns several statements in one query on or off.
    SetMultiStatements(bool),
    Prepare(&'a [u8]),
    /// The statement and how its parameters are bound.
    Execute {
        statement: u32,
        parameters: &'a [u8],
    },
    SendLongData {
        statement: u32,
        parameter: u16,
        data: &'a [u8],
    },
    CloseStatement(u32),
    ResetStatement(u32),
    Unknown(u8),
}

impl<'a> Command<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(payload);
        Ok(match fields.u8("the command")? {
            1 => Self::Quit,
            2 => Self::InitDb(fields.rest()),
            3 => Self::Query(fields.rest()),
            4 => Self::FieldList(fields.until_nul()),
            9 => Self::Statistics,
            14 => Self::Ping,
            17 => Self::ChangeUser,
            22 => Self::Prepare(fields.rest()),
            23 => {
                let statement = fields.u32("the statement")?;
                // Which cursor is wanted, and the constant 1. Rows are always sent as they come.
                fields.bytes(5, "the flags")?;
                Self::Execute { statement, parameters: fields.rest() }
            }
            24 => Self::SendLongData {
                statement: fields.u32("the statement")?,
                parameter: fields.u16("the parameter")?,
                data: fields.rest(),
            },
            25 => Self::CloseStatement(fields.u32("the statement")?),
            26 => Self::ResetStatement(fields.u32("the statement")?),
            27 => match fields.u16("the option")? {
                0 => Self::SetMultiStatements(true),
                1 => Self::SetMultiStatements(false),
                _ => return Err(Malformed("the option is unknown")),
            },
            31 => Self::ResetConnection,
            other => Self::Unknown(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_read_with_their_operands() {
        let of = |payload: &'static [u8]| Command::parse(payload);
        assert_eq!(of(b"\x03SELECT 1"), Ok(Command::Query(b"SELECT 1")));
        assert_eq!(of(b"\x04t\0x%"), Ok(Command::FieldList(b"t")));
        assert_eq!(
            of(b"\x17\x02\0\0\0\0\x01\0\0\0rest"),
            Ok(Command::Execute { statement: 2, parameters: b"rest" })
        );
        assert_eq!(
            of(b"\x18\x02\0\0\0\x01\0data"),
            Ok(Command::SendLongData { statement: 2, parameter: 1, data: b"data" })
        );
        assert_eq!(of(b"\x1b\x00\0"), Ok(Command::SetMultiStatements(true)));
        assert_eq!(of(b"\x12"), Ok(Command::Unknown(18)));
        assert_eq!(of(b""), Err(Malformed("the command")));
        assert_eq!(of(b"\x19\x01"), Err(Malformed("the statement")));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(payload: Vec<u8>, command in 0..40u8) {
            let _ = Command::parse(&payload);
            let _ = Command::parse(&[&[command], payload.as_slice()].concat());
        }
    }
}
