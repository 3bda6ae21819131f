//! The native half of `welkin.on_exit`, `on_drain`, `online`, `ready` and `draining`: what
//! `lualib/welkin/hooks.lua` tells the node. What it is for: `hooks.rs` of this crate.

use super::skynet::Entry;
use crate::border::LuaError;
use crate::hooks::Hook;
use crate::lua_fn;

/// Their names in `welkin.native`.
pub const FUNCTIONS: &[Entry] = &[
    (c"draining", draining),
    (c"hook", hook),
    (c"hook_at", hook_at),
    (c"hook_done", hook_done),
    (c"ready", ready),
    (c"start_failed", start_failed),
];

lua_fn! {
    /// `native.hook("exit" or "drain" or "online")`: this service has functions for it.
    fn hook(call: &mut Call) -> LuaResult {
        let vm = call.vm();
        let name = call.state.check_text(1);
        let Some(hook) = Hook::named(name) else {
            return Err(LuaError::Argument(1, c"exit, drain or online expected"));
        };
        vm.shared.options.hooks.register(vm.address(), hook);
        Ok(0)
    }

    /// `native.hook_at(ticket, function[, place])`: which function runs, and where it is.
    fn hook_at(call: &mut Call) -> LuaResult {
        let state = call.state;
        let ticket = state.to_int(1).unwrap_or(0).cast_unsigned();
        let function = String::from_utf8_lossy(state.string(2).unwrap_or_default());
        let at = state.string(3).map(String::from_utf8_lossy);
        call.vm().shared.options.hooks.note(ticket, &function, at.as_deref());
        Ok(0)
    }

    /// `native.hook_done(ticket[, number])`: the functions are through.
    fn hook_done(call: &mut Call) -> LuaResult {
        let ticket = call.state.to_int(1).unwrap_or(0).cast_unsigned();
        let number = call.state.to_int(2).and_then(|number| u64::try_from(number).ok());
        call.vm().shared.options.hooks.done(ticket, number);
        Ok(0)
    }

    /// `native.ready()`.
    fn ready(call: &mut Call) -> LuaResult {
        call.vm().shared.options.hooks.set_ready();
        Ok(0)
    }

    /// `native.draining() -> boolean`.
    fn draining(call: &mut Call) -> LuaResult {
        let draining = call.vm().shared.options.hooks.is_draining();
        call.state.push_bool(draining);
        Ok(1)
    }

    /// `native.start_failed()`: of bootstrap, when the start service did not start.
    fn start_failed(call: &mut Call) -> LuaResult {
        call.vm().shared.options.hooks.set_start_failed();
        Ok(0)
    }
}
