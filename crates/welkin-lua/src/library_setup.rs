//! The libraries of a fresh VM: Lua's own, `require` with the built-in modules, the code cache.
//!
//! `require` finds what is loaded already and what is native without looking anywhere else. A module
//! of the built-in library wins over a file of its name, unless `welkin_lualib` says otherwise. In a
//! coroutine, where a module may block while it loads, the work is `skynet.require`'s; in the main file
//! it is the standard function's.

use mlua_sys as ffi;

use crate::lazylib::{self, Setup};
use crate::state::State;
use crate::vm::{self, VmPtr};
use crate::{bindings, codecache, library, lua_fn, preempt};

static SETUP: Setup = Setup {
    overrides: bindings::coroutine::OVERRIDES,
    package_opened,
};

/// `package.path` without a configuration key.
pub const PATH_DEFAULT: &[u8] = b"./lualib/?.lua;./lualib/?/init.lua";
/// `package.cpath` without a configuration key.
pub const CPATH_DEFAULT: &[u8] = b"./luaclib/?.so";

/// Opens everything. Runs outside of protected mode, with the limit lifted and the collector stopped.
pub fn install(vm: VmPtr) {
    let main = vm.main;
    // SAFETY: the main thread of a fresh VM.
    unsafe { lazylib::open_lazy(main.ptr(), &SETUP) };
    main.push_fn(require);
    main.set_global(c"require");
    bindings::skynet::open_protocols(vm, main);
    main.set_top(0);
}

/// When `package` is opened, with the table on top: paths of the configuration, and the searcher for
/// built-in modules.
unsafe fn package_opened(l: *mut ffi::lua_State) {
    // SAFETY: lazylib passes a thread of a VM of this crate.
    let state = unsafe { State::new(l) };
    let vm = vm::vm(state);
    let env = |key: &[u8], default: &[u8]| vm.node.env_get(key).unwrap_or_else(|| default.to_vec());
    bindings::info::push_owned(state, env(b"lua_path", PATH_DEFAULT));
    state.raw_set_lit(-2, c"path");
    bindings::info::push_owned(state, env(b"lua_cpath", CPATH_DEFAULT));
    state.raw_set_lit(-2, c"cpath");
    state.raw_get_lit(-1, c"searchers");
    put_second(state, search_built_in);
    state.pop(1);
}

/// Puts a searcher behind the first one, `package.preload`, into the list on top.
pub fn put_second(state: State, searcher: ffi::lua_CFunction) {
    let count = state.raw_len(-1) as i64;
    for at in (2..=count).rev() {
        state.raw_get_i(-1, at);
        state.raw_set_i(-2, at + 1);
    }
    state.push_fn(searcher);
    state.raw_set_i(-2, 2);
}

/// Puts `<folder>?.lua;` before `package.path`.
pub fn prefix_path(state: State, folder: &[u8]) {
    // SAFETY: a thread of a VM that `install` prepared.
    unsafe { lazylib::push_package(state.ptr()) };
    state.push_bytes(folder);
    state.push_lit(c"?.lua;");
    state.raw_get_lit(-3, c"path");
    state.concat(3);
    state.raw_set_lit(-2, c"path");
    state.pop(1);
}

/// Lets the collector work, in the way that suits many small live services.
pub fn start_collector(state: State) {
    // SAFETY: the main thread of a VM run by this worker.
    unsafe {
        ffi::lua_gc(state.ptr(), ffi::LUA_GCRESTART);
        ffi::lua_gc(state.ptr(), ffi::LUA_GCGEN);
    }
}

/// Frees what loading has left behind.
pub fn collect(state: State) {
    // SAFETY: as above; there are no finalizers yet that could fail.
    unsafe { ffi::lua_gc(state.ptr(), ffi::LUA_GCCOLLECT) };
}

/// Pushes the chunk of a module of the built-in library; a name without one raises.
pub fn load_module(state: State, name: &str) {
    let status = match library::module(name) {
        // SAFETY: called in protected mode by a native function; owns nothing.
        Some((path, source)) => unsafe { codecache::load_embedded(state.ptr(), path, source) },
        None => {
            state.push_lit(c"a file of the built-in library is missing");
            ffi::LUA_ERRRUN
        }
    };
    if status != ffi::LUA_OK {
        // SAFETY: nothing is owned.
        unsafe { ffi::lua_error(state.ptr()) };
    }
}

/// Whether the built-in module `name` stands back for a file on `package.path`. `name` is on the stack.
fn is_file_first(vm: VmPtr, state: State, name: &[u8]) -> bool {
    if !vm.shared.options.library.is_file_first(name) {
        return false;
    }
    // SAFETY: a thread of a VM that `install` prepared.
    unsafe { lazylib::push_package(state.ptr()) };
    if state.type_of(-1) != ffi::LUA_TTABLE {
        // The program has taken it away.
        state.pop(1);
        return false;
    }
    state.raw_get_lit(-1, c"path");
    let path = state.string(-1).unwrap_or_default();
    let head = library::head_of(name);
    let found = library::has_module_file(path, name)
        && (head == name || library::has_module_file(path, head));
    state.pop(2);
    found
}

/// When `skynet` is the project's own file, `require` in coroutines is the business of the module
/// `skynet.require` beside it, which must be loaded by the main thread. Skynet's own loader does the
/// same. The error is the text for the log.
pub fn follow_skynet(vm: VmPtr) -> Result<(), Vec<u8>> {
    let main = vm.main;
    if !is_file_first(vm, main, b"skynet.require") {
        return Ok(());
    }
    main.push_fn(require_of_skynet);
    if preempt::within(main, || main.pcall(0, 0, 0)) != ffi::LUA_OK {
        let text = main.text(-1).unwrap_or_default().to_vec();
        main.pop(1);
        return Err(text);
    }
    Ok(())
}

lua_fn! {
    /// Makes [`require_by_file`] the global `require`.
    fn require_of_skynet(call: &mut Call) -> LuaResult {
        let state = call.state;
        state.push_fn(require);
        state.push_lit(c"skynet.require");
        state.call(1, 1);
        state.get_field(-1, c"require");
        state.push_closure(require_by_file, 1);
        state.set_global(c"require");
        Ok(0)
    }

    /// `require(name)` where `skynet` is a file; its upvalue is what that library has for it.
    fn require_by_file(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let name = state.check_text(1);
        state.set_top(1);
        if library::is_module(name) && !is_file_first(vm, state, name) {
            state.push_fn(require);
        } else {
            state.push_value(state.upvalue(1));
        }
        state.insert(1);
        state.call_k(1, ffi::LUA_MULTRET, 0, bindings::results_above);
        Ok(state.top())
    }

    /// `require(name)`.
    fn require(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let name = state.check_text(1);
        state.set_top(1);
        // SAFETY: a registry field that the package library, or this function, made.
        unsafe { ffi::luaL_getsubtable(state.ptr(), ffi::LUA_REGISTRYINDEX, c"_LOADED".as_ptr()) };
        state.push_value(1);
        state.get(2);
        if state.to_bool(-1) {
            return Ok(1);
        }
        state.pop(1);
        if let Some(open) = bindings::opener(name)
            && !is_file_first(vm, state, name)
        {
            state.push_fn(open);
            state.push_value(1);
            state.call(1, 1);
            state.push_value(1);
            state.push_value(-2);
            state.raw_set(2);
            return Ok(1);
        }
        if vm.running().is_none() || name == b"skynet.require" || name == b"skynet.debug" {
            state.set_top(1);
            // SAFETY: as above.
            unsafe { lazylib::push_require(state.ptr()) };
            state.insert(1);
            state.call(1, ffi::LUA_MULTRET);
            return Ok(state.top());
        }
        state.set_top(1);
        state.push_fn(require);
        state.push_lit(c"skynet.require");
        state.call(1, 1);
        state.get_field(-1, c"require");
        state.replace(-2);
        state.insert(1);
        state.call_k(1, ffi::LUA_MULTRET, 0, bindings::results_above);
        Ok(state.top())
    }

    /// A searcher: built-in modules, native and Lua.
    fn search_built_in(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        let name = state.check_text(1);
        if is_file_first(vm, state, name) {
            state.push_lit(c"a file comes before the built-in module");
            return Ok(1);
        }
        if let Some(open) = bindings::opener(name) {
            state.push_fn(open);
            state.push_lit(c":builtin:");
            return Ok(2);
        }
        let name = std::str::from_utf8(name).unwrap_or_default();
        let Some((path, _)) = library::module(name) else {
            state.push_lit(c"no built-in module of that name");
            return Ok(1);
        };
        load_module(state, name);
        state.push_bytes(path.as_bytes());
        Ok(2)
    }
}
