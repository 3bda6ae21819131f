//! Results: where the reader stands in one, and its rows as Lua tables.
//!
//! A result that is not whole lies in the reader's user values: the labels of its columns and the rows so
//! far. Both are on the stack while packets are read.

use mlua_sys as ffi;
use welkin_codec::mysql::{
    self, BinaryRow, Column, Cursor, MORE_RESULTS, MysqlError, Reply, TextRow, Value, read_reply,
};

use super::raise;
use super::tables::{describe, push_failure, push_outcome};
use crate::bindings::inbox::Inbox;
use crate::border::LuaResult;
use crate::state::State;

/// User values of a reader.
pub const VALUES: i32 = 2;
const LABELS: i32 = 1;
const ROWS: i32 = 2;

/// Columns that a result can have; the server's own limit is 4096.
const COLUMNS_MAX: u64 = 65_535;

/// Reads the answers of one connection.
#[derive(Debug, Default)]
pub struct Results {
    pub inbox: Inbox,
    stage: Stage,
    /// Without their labels. At most [`COLUMNS_MAX`].
    columns: Vec<Column<'static>>,
    /// Rows so far.
    rows: i64,
    binary: bool,
    compact: bool,
}

#[derive(Copy, Clone, Debug, Default, PartialEq)]
enum Stage {
    /// Before the first packet of a result.
    #[default]
    Head,
    /// So many columns are still to come.
    Columns(u64),
    /// What ends the columns.
    ColumnsEnd,
    /// Rows, or their end.
    Rows,
}

/// What a packet did.
enum Step {
    /// Go on.
    More,
    /// A result is on the stack; true: another one follows.
    Whole(bool),
}

/// Pushes the next result and whether another one follows; nothing if it is not whole.
pub fn push_next(state: State, reader: *mut Results, binary: bool, compact: bool) -> LuaResult {
    // SAFETY: a live object, at index 1 of this call; only this function works on it while it is busy.
    unsafe {
        (*reader).inbox.enter()?;
        if (*reader).stage == Stage::Head {
            (*reader).binary = binary;
            (*reader).compact = compact;
        }
        let result = run(state, reader);
        (*reader).inbox.leave();
        match result.map_err(raise)? {
            Step::More => Ok(0),
            Step::Whole(more) => {
                state.push_bool(more);
                Ok(2)
            }
        }
    }
}

/// Stack places of the two user values.
#[derive(Copy, Clone)]
struct Place {
    labels: i32,
    rows: i32,
}

/// # Safety
/// `reader` is the live and busy object at index 1.
unsafe fn run(state: State, reader: *mut Results) -> Result<Step, MysqlError> {
    let place = Place {
        labels: state.top() + 1,
        rows: state.top() + 2,
    };
    // SAFETY: the object has these user values. References to it end before Lua is called, except to
    // its bytes and columns, which nobody changes while it is busy.
    unsafe {
        ffi::lua_getiuservalue(state.ptr(), 1, LABELS);
        ffi::lua_getiuservalue(state.ptr(), 1, ROWS);
        loop {
            let unread: *const [u8] = (*reader).inbox.unread();
            let Some(packet) = mysql::packet(&*unread)? else {
                return Ok(Step::More);
            };
            (*reader).inbox.skip(packet.size());
            let step = match (*reader).stage {
                Stage::Head => head(state, &mut *reader, packet.body, place)?,
                Stage::Columns(left) => column(state, reader, packet.body, left, place)?,
                Stage::ColumnsEnd => columns_end(&mut *reader, packet.body)?,
                Stage::Rows => row(state, reader, packet.body, place)?,
            };
            if let Step::Whole(_) = step {
                (*reader).stage = Stage::Head;
                state.push_nil();
                ffi::lua_setiuservalue(state.ptr(), 1, ROWS);
                return Ok(step);
            }
        }
    }
}

fn head(state: State, reader: &mut Results, body: &[u8], place: Place) -> Result<Step, MysqlError> {
    match read_reply(body, true)? {
        Reply::Outcome(outcome) => {
            push_outcome(state, &outcome);
            Ok(Step::Whole(outcome.status & MORE_RESULTS != 0))
        }
        Reply::Failure(failure) => {
            push_failure(state, &failure);
            Ok(Step::Whole(false))
        }
        Reply::End(_) => Err(MysqlError::Unexpected(body[0])),
        Reply::Other => {
            let columns = Cursor(body).number()?;
            if columns == 0 || columns > COLUMNS_MAX {
                return Err(MysqlError::Length);
            }
            reader.stage = Stage::Columns(columns);
            reader.columns.clear();
            reader.rows = 0;
            push_new(state, LABELS, place.labels);
            push_new(state, ROWS, place.rows);
            Ok(Step::More)
        }
    }
}

/// Makes a new table for one of the reader's user values and puts it to its place.
fn push_new(state: State, value: i32, place: i32) {
    state.create_table(0, 0);
    state.push_value(-1);
    // SAFETY: the reader is at index 1 and has this user value; takes the table on top.
    unsafe { ffi::lua_setiuservalue(state.ptr(), 1, value) };
    state.replace(place);
}

/// # Safety
/// As [`run`].
unsafe fn column(
    state: State,
    reader: *mut Results,
    body: &[u8],
    left: u64,
    place: Place,
) -> Result<Step, MysqlError> {
    let column = Column::read(body)?;
    // SAFETY: by the promise; the reference ends before Lua is called.
    let count = unsafe {
        let reader = &mut *reader;
        reader.columns.push(Column {
            name: &[],
            ..column
        });
        reader.stage = match left {
            1 => Stage::ColumnsEnd,
            _ => Stage::Columns(left - 1),
        };
        reader.columns.len()
    };
    state.push_bytes(column.name);
    state.raw_set_i(place.labels, count as i64);
    Ok(Step::More)
}

fn columns_end(reader: &mut Results, body: &[u8]) -> Result<Step, MysqlError> {
    match read_reply(body, false)? {
        Reply::End(_) => {
            reader.stage = Stage::Rows;
            Ok(Step::More)
        }
        _ => Err(MysqlError::Unexpected(body[0])),
    }
}

/// # Safety
/// As [`run`].
unsafe fn row(
    state: State,
    reader: *mut Results,
    body: &[u8],
    place: Place,
) -> Result<Step, MysqlError> {
    match read_reply(body, false)? {
        Reply::End(status) => {
            state.push_value(place.rows);
            return Ok(Step::Whole(status & MORE_RESULTS != 0));
        }
        Reply::Failure(failure) => {
            push_failure(state, &failure);
            return Ok(Step::Whole(false));
        }
        Reply::Outcome(_) | Reply::Other => {}
    }
    // SAFETY: by the promise; the columns do not change while the reader is busy.
    let (columns, binary, compact, rows) = unsafe {
        (*reader).rows += 1;
        let reader = &*reader;
        (
            &reader.columns[..],
            reader.binary,
            reader.compact,
            reader.rows,
        )
    };
    let labels = (!compact).then_some(place.labels);
    if binary {
        let mut row = BinaryRow::new(body, columns.len())?;
        push_row(state, columns, labels, |column| row.next(column))?;
    } else {
        let mut row = TextRow::new(body);
        push_row(state, columns, labels, |column| row.next(column))?;
    }
    state.raw_set_i(place.rows, rows);
    Ok(Step::More)
}

/// Pushes a row, by the labels at this place, of which the last of equal ones counts, or without them by
/// position.
fn push_row<'a>(
    state: State,
    columns: &[Column<'_>],
    labels: Option<i32>,
    mut next: impl FnMut(&Column<'_>) -> Result<Value<'a>, MysqlError>,
) -> Result<(), MysqlError> {
    let count = columns.len() as i32;
    match labels {
        Some(_) => state.create_table(0, count),
        None => state.create_table(count, 0),
    }
    let table = state.top();
    for (index, column) in (1..).zip(columns) {
        let value = next(column)?;
        if let Some(labels) = labels {
            state.store_named(table, labels, index, &describe(&value));
        } else if value != Value::Null {
            state.store_item(table, index, &describe(&value));
        }
    }
    Ok(())
}
