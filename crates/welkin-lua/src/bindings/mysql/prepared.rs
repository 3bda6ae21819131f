//! What a server says about a statement that it has prepared. It is short, so it is awaited whole.

use std::ffi::CStr;

use welkin_codec::mysql::{self, Column, MysqlError, Packet, Reply, read_prepared, read_reply};

use super::raise;
use super::result::Results;
use super::tables::push_failure;
use crate::border::LuaResult;
use crate::state::State;

/// Pushes the statement, or the failure; nothing if it is not whole.
pub fn push_next(state: State, reader: *mut Results) -> LuaResult {
    // SAFETY: a live object, an argument of this call; its bytes do not change while it is busy.
    unsafe {
        (*reader).inbox.enter()?;
        let unread: *const [u8] = (*reader).inbox.unread();
        let result = push_statement(state, &*unread);
        (*reader).inbox.leave();
        match result.map_err(raise)? {
            None => Ok(0),
            Some(used) => {
                (*reader).inbox.skip(used);
                Ok(1)
            }
        }
    }
}

/// Gives the bytes that were used.
fn push_statement(state: State, bytes: &[u8]) -> Result<Option<usize>, MysqlError> {
    let Some(first) = mysql::packet(bytes)? else {
        return Ok(None);
    };
    if let Reply::Failure(failure) = read_reply(first.body, false)? {
        push_failure(state, &failure);
        return Ok(Some(first.size()));
    }
    let prepared = read_prepared(first.body)?;
    let Some(parameters) = columns_end(bytes, first.size(), prepared.parameters)? else {
        return Ok(None);
    };
    let Some(columns) = columns_end(bytes, parameters, prepared.columns)? else {
        return Ok(None);
    };
    state.create_table(0, 6);
    for (name, value) in [
        (c"prepare_id", i64::from(prepared.id)),
        (c"field_count", prepared.columns.into()),
        (c"param_count", prepared.parameters.into()),
        (c"warning_count", prepared.warnings.into()),
    ] {
        state.push_int(value);
        state.raw_set_lit(-2, name);
    }
    push_columns(
        state,
        c"params",
        &bytes[first.size()..],
        prepared.parameters,
    )?;
    push_columns(state, c"fields", &bytes[parameters..], prepared.columns)?;
    Ok(Some(columns))
}

/// Where so many columns end that begin at `from`, with the packet that ends them.
fn columns_end(bytes: &[u8], from: usize, count: u16) -> Result<Option<usize>, MysqlError> {
    let mut at = from;
    let packets = if count == 0 { 0 } else { u32::from(count) + 1 };
    for _ in 0..packets {
        let Some(packet) = mysql::packet(&bytes[at..])? else {
            return Ok(None);
        };
        at += packet.size();
    }
    Ok(Some(at))
}

fn push_columns(
    state: State,
    name: &'static CStr,
    bytes: &[u8],
    count: u16,
) -> Result<(), MysqlError> {
    state.create_table(count.into(), 0);
    let mut rest = bytes;
    for index in 1..=count {
        // They are all there, `columns_end` has counted them.
        let Some(Packet { body, .. }) = mysql::packet(rest)? else {
            return Err(MysqlError::Short);
        };
        rest = &rest[mysql::HEADER_BYTES + body.len()..];
        let column = Column::read(body)?;
        state.create_table(0, 3);
        state.push_bytes(column.name);
        state.raw_set_lit(-2, c"name");
        state.push_int(column.kind.into());
        state.raw_set_lit(-2, c"type");
        if column.signed {
            state.push_bool(true);
            state.raw_set_lit(-2, c"is_signed");
        }
        state.raw_set_i(-2, index.into());
    }
    state.raw_set_lit(-2, name);
    Ok(())
}
