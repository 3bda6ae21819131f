//! `skynet.core`: the raw interface for programs and libraries that dispatch for themselves.

use super::skynet::Entry;
use super::{info, lifecycle, send, seri};
use crate::lua_fn;

const FUNCTIONS: &[Entry] = &[
    (c"send", send::core_send),
    (c"genid", send::genid),
    (c"redirect", send::core_redirect),
    (c"command", info::command),
    (c"intcommand", info::intcommand),
    (c"addresscommand", info::addresscommand),
    (c"error", info::error),
    (c"harbor", info::harbor),
    (c"callback", lifecycle::callback),
    (c"trace", info::trace),
    (c"tostring", seri::tostring),
    (c"pack", seri::pack),
    (c"unpack", seri::unpack),
    (c"packstring", seri::packstring),
    (c"trash", seri::trash),
    (c"now", info::now),
    (c"hpc", info::hpc),
];

lua_fn! {
    /// Opens the module.
    fn open(call: &mut Call) -> LuaResult {
        super::push_functions(call.state, FUNCTIONS);
        Ok(1)
    }
}
