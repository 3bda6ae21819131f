//! Results as packed values, in the form that `skynet.db.mysql` gives them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Statement};
use welkin_codec::seri::Writer;

/// The two general codes of SQLite: an error, and a value or statement that cannot be.
const GENERAL: i32 = 1;
const MISUSE: i32 = 21;
/// `SQLITE_CONSTRAINT`, the low byte of its extended codes.
const CONSTRAINT: i32 = 19;

/// Longest packed result; longer ones would hold up the service that gets them.
const RESULT_BYTES_MAX: usize = 1 << 30;

/// What went wrong, packed.
pub fn failure(errno: i32, sqlstate: &str, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.table(0);
    put_text(&mut writer, "badresult");
    writer.boolean(true);
    put_text(&mut writer, "errno");
    writer.integer(errno.into());
    put_text(&mut writer, "sqlstate");
    put_text(&mut writer, sqlstate);
    put_text(&mut writer, "err");
    put_text(&mut writer, text);
    writer.end_table();
    bytes
}

/// The same for an error of the library.
pub fn failure_of(error: &Error) -> Vec<u8> {
    let (code, text) = match error {
        Error::SqliteFailure(failure, Some(text)) => (failure.extended_code, text.clone()),
        Error::SqliteFailure(failure, None) => (failure.extended_code, error.to_string()),
        Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
        Error::InvalidParameterCount(given, wanted) => {
            let text = format!("the statement has {wanted} parameters, {given} values were given");
            (MISUSE, text)
        }
        other => (GENERAL, other.to_string()),
    };
    let sqlstate = match code & 0xff {
        CONSTRAINT => "23000",
        _ => "HY000",
    };
    failure(code, sqlstate, &text)
}

// A text of ours is never too long.
fn put_text(writer: &mut Writer<'_, Vec<u8>>, text: &str) {
    let _ = writer.string(text.as_bytes());
}

/// What a statement did that gives no rows.
pub fn write_outcome(bytes: &mut Vec<u8>, connection: &Connection, affected: u64) {
    let mut writer = Writer::new(bytes);
    let id = if affected > 0 {
        connection.last_insert_rowid()
    } else {
        0
    };
    writer.table(0);
    put_text(&mut writer, "affected_rows");
    writer.integer(affected.cast_signed());
    put_text(&mut writer, "insert_id");
    writer.integer(id);
    writer.end_table();
}

/// Runs a statement whose values are bound and writes its rows.
pub fn write_rows(bytes: &mut Vec<u8>, statement: &mut Statement<'_>) -> Result<(), Error> {
    let labels: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    // How many there are stands before them, and is not known before.
    let mut rows = Vec::new();
    let mut count = 0;
    let mut found = statement.raw_query();
    while let Some(row) = found.next()? {
        count += 1;
        let mut writer = Writer::new(&mut rows);
        writer.table(0);
        for (index, label) in labels.iter().enumerate() {
            // The last of equal labels counts.
            if labels[index + 1..].contains(label) {
                continue;
            }
            let value = row.get_ref(index)?;
            if value != ValueRef::Null {
                put_text(&mut writer, label);
                put_value(&mut writer, value)?;
            }
        }
        writer.end_table();
        if rows.len() > RESULT_BYTES_MAX {
            return Err(too_big());
        }
    }
    Writer::new(bytes).table(count);
    bytes.extend(rows);
    Writer::new(bytes).end_table();
    Ok(())
}

fn put_value(writer: &mut Writer<'_, Vec<u8>>, value: ValueRef<'_>) -> Result<(), Error> {
    match value {
        ValueRef::Null => writer.nil(),
        ValueRef::Integer(number) => writer.integer(number),
        ValueRef::Real(number) => writer.float(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            writer.string(text).map_err(|_| too_big())?;
        }
    }
    Ok(())
}

fn too_big() -> Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG);
    let text = "the result is larger than 1 GiB: ask for fewer rows at a time".to_owned();
    Error::SqliteFailure(code, Some(text))
}
