//! Stands in for `tls.rs` in a build without TLS: who requires the module learns what to do.

use welkin_runtime::built_without;

use crate::border::LuaError;
use crate::lua_fn;

lua_fn! {
    /// Raises.
    fn open(_call: &mut Call) -> LuaResult {
        Err(LuaError::plain(built_without("TLS", "tls")))
    }
}
