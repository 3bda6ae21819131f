//! The first packet of an answer, and what ends its parts.

use super::{Cursor, MysqlError};

/// In [`Outcome::status`]: another result follows.
pub const MORE_RESULTS: u16 = 8;

const OK: u8 = 0;
const LOCAL_FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const FAILURE: u8 = 0xff;
/// A packet that begins like an end but is not shorter than this is none.
const END_BYTES_MAX: usize = 9;

/// Done, without rows.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Outcome<'a> {
    /// Rows that were changed, or that fitted.
    pub affected_rows: u64,
    /// The first generated id.
    pub insert_id: u64,
    /// Bits, see [`MORE_RESULTS`].
    pub status: u16,
    /// How many there are to be asked for.
    pub warnings: u16,
    /// What else the server says, raw.
    pub message: &'a [u8],
}

/// Refused.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Failure<'a> {
    /// The number of the error.
    pub errno: u16,
    /// Five characters, when the server tells them.
    pub sqlstate: Option<&'a [u8]>,
    /// The text.
    pub message: &'a [u8],
}

/// What a packet says.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Reply<'a> {
    /// Done.
    Outcome(Outcome<'a>),
    /// Refused.
    Failure(Failure<'a>),
    /// The end of columns or rows; the status as in [`Outcome`].
    End(u16),
    /// Neither: a row, a column, or the number of columns.
    Other,
}

/// Reads the body of a packet that may begin an answer (`first`), or stand among its columns or rows.
pub fn read_reply(body: &[u8], first: bool) -> Result<Reply<'_>, MysqlError> {
    let mut cursor = Cursor(body);
    match cursor.u8()? {
        OK if first => read_outcome(cursor).map(Reply::Outcome),
        LOCAL_FILE if first => Err(MysqlError::LocalFile),
        FAILURE => read_failure(cursor).map(Reply::Failure),
        END if body.len() < END_BYTES_MAX => {
            let status = match cursor.u16() {
                Ok(_warnings) => cursor.u16()?,
                // As old servers end a login.
                Err(_) => 0,
            };
            Ok(Reply::End(status))
        }
        _ => Ok(Reply::Other),
    }
}

fn read_outcome(mut cursor: Cursor<'_>) -> Result<Outcome<'_>, MysqlError> {
    Ok(Outcome {
        affected_rows: cursor.number()?,
        insert_id: cursor.number()?,
        status: cursor.u16()?,
        warnings: cursor.u16()?,
        message: cursor.0,
    })
}

fn read_failure(mut cursor: Cursor<'_>) -> Result<Failure<'_>, MysqlError> {
    let errno = cursor.u16()?;
    let sqlstate = match cursor.0.split_first() {
        Some((b'#', state)) if state.len() >= 5 => {
            cursor.0 = &state[5..];
            Some(&state[..5])
        }
        _ => None,
    };
    Ok(Failure {
        errno,
        sqlstate,
        message: cursor.0,
    })
}

/// The first packet about a statement that was prepared.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Prepared {
    /// Its number on this connection.
    pub id: u32,
    /// Columns of its rows.
    pub columns: u16,
    /// Question marks.
    pub parameters: u16,
    /// How many there are to be asked for.
    pub warnings: u16,
}

/// Reads the body of a packet that is no [`Failure`].
pub fn read_prepared(body: &[u8]) -> Result<Prepared, MysqlError> {
    let mut cursor = Cursor(body);
    match cursor.u8()? {
        OK => {}
        other => return Err(MysqlError::Unexpected(other)),
    }
    let (id, columns, parameters) = (cursor.u32()?, cursor.u16()?, cursor.u16()?);
    cursor.u8()?;
    // Left out by old servers.
    let warnings = cursor.u16().unwrap_or(0);
    Ok(Prepared {
        id,
        columns,
        parameters,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_or_refused_is_told() {
        let done = Outcome {
            affected_rows: 3,
            insert_id: 300,
            status: 10,
            warnings: 1,
            message: b"\x02hi",
        };
        let body = b"\0\x03\xfc\x2c\x01\x0a\0\x01\0\x02hi";
        assert_eq!(read_reply(body, true), Ok(Reply::Outcome(done)));
        assert_eq!(read_reply(body, false), Ok(Reply::Other));
        let failure = Failure {
            errno: 1146,
            sqlstate: Some(b"42S02"),
            message: b"no table",
        };
        let body = b"\xff\x7a\x04#42S02no table";
        assert_eq!(read_reply(body, false), Ok(Reply::Failure(failure)));
        let early = Failure {
            errno: 1040,
            sqlstate: None,
            message: b"Too many",
        };
        assert_eq!(
            read_reply(b"\xff\x10\x04Too many", true),
            Ok(Reply::Failure(early))
        );
    }

    #[test]
    fn ends_are_short() {
        assert_eq!(
            read_reply(b"\xfe\0\0\x08\0", false),
            Ok(Reply::End(MORE_RESULTS))
        );
        assert_eq!(
            read_reply(b"\xfe\0\0\0\x01\0\0\0\0", false),
            Ok(Reply::Other)
        );
        assert_eq!(read_reply(b"\xfbname", true), Err(MysqlError::LocalFile));
        assert_eq!(read_reply(b"", true), Err(MysqlError::Short));
    }

    #[test]
    fn a_prepared_statement_has_its_counts() {
        let prepared = Prepared {
            id: 7,
            columns: 2,
            parameters: 1,
            warnings: 0,
        };
        assert_eq!(
            read_prepared(b"\0\x07\0\0\0\x02\0\x01\0\0\0\0"),
            Ok(prepared)
        );
        assert_eq!(read_prepared(b"\x01"), Err(MysqlError::Unexpected(1)));
    }
}
