//! `welkin.inspect`: what the debug console asks of the runtime itself, not of the services.

use welkin_runtime::{Stuck, kind};

use super::skynet::Entry;
use super::socketdriver::info::push_owned;
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[(c"stop_briefly", stop_briefly), (c"stuck", stuck)];

const NS_PER_MS: i64 = 1_000_000;

lua_fn! {
    /// Opens the module.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        Ok(1)
    }

    /// `stop_briefly(ms) -> boolean`: services in one message for so long note where they are, in a
    /// moment. False: there is none.
    fn stop_briefly(call: &mut Call) -> LuaResult {
        let ms = call.state.check_int(1);
        let any = call.vm().node.stop_briefly(ms.saturating_mul(NS_PER_MS));
        call.state.push_bool(any);
        Ok(1)
    }

    /// `stuck(ms) -> {{address = , age = seconds, source = , type = , waiting = , place = ,
    /// ["function"] = }, ...}`: services in one message for so long.
    fn stuck(call: &mut Call) -> LuaResult {
        let ms = call.state.check_int(1);
        let rows = call.vm().node.stuck(ms.saturating_mul(NS_PER_MS));
        push_owned(call.state, rows, |state, rows| {
            state.create_table(rows.len() as i32, 0);
            for (index, row) in (1..).zip(rows) {
                push_row(state, row);
                state.raw_set_i(-2, index);
            }
        })
    }
}

fn push_row(state: State, row: &Stuck) {
    state.create_table(0, 7);
    for (name, value) in [
        (c"address", i64::from(row.address.0)),
        (c"source", row.source.0.into()),
        (c"waiting", row.waiting as i64),
    ] {
        state.push_int(value);
        state.raw_set_lit(-2, name);
    }
    state.push_num(row.age_ns as f64 / 1e9);
    state.raw_set_lit(-2, c"age");
    for (name, text) in [
        (c"type", kind_name(row.kind)),
        (c"place", &row.place),
        (c"function", &row.function),
    ] {
        state.push_bytes(text.as_bytes());
        state.raw_set_lit(-2, name);
    }
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        kind::TEXT => "text",
        kind::RESPONSE => "response",
        kind::MULTICAST => "multicast",
        kind::CLIENT => "client",
        kind::SYSTEM => "system",
        kind::HARBOR => "harbor",
        kind::SOCKET => "socket",
        kind::ERROR => "error",
        kind::QUEUE => "queue",
        kind::DEBUG => "debug",
        kind::LUA => "lua",
        kind::SNAX => "snax",
        kind::TRACE => "trace",
        _ => "other",
    }
}
