//! A plain Lua interpreter: one script with Lua's standard libraries and no node around it.
//!
//! It runs client programs of skynet projects, which talk to a node from outside. Of the built-in
//! modules it has those that need no node ([`plain_opener`], and what is written in Lua alone); the
//! others raise an error that says so, unless the program has a file of that name on its own paths.
//! Everything else is as in Lua's own `lua`: environment variables, `arg`, the text of errors.
//!
//! The state belongs to no service. The pointer to a VM that services keep in the state is null here
//! (`vm::try_vm`), and nothing that is not in [`plain_opener`] may be reached.

use std::ffi::{CStr, CString, OsString, c_int};
use std::os::unix::ffi::OsStrExt;

use mlua_sys as ffi;

use crate::bindings::{opener, plain_opener};
use crate::border::LuaError;
use crate::library;
use crate::library_setup::put_second;
use crate::state::State;
use crate::{lua_fn, vm};

/// What to run.
#[derive(Debug)]
pub struct Program {
    /// The command line that becomes `arg`, the program's name and the command among it.
    pub words: Vec<OsString>,
    /// Which word is `arg[0]`; those behind it are the script's arguments.
    pub script: usize,
    /// The file; `None` is standard input.
    pub file: Option<CString>,
}

/// Owns the state. Dropping it runs the script's finalizers.
#[derive(Debug)]
pub struct Interpreter(State);

impl Interpreter {
    /// A state without libraries; `None` if there is no memory.
    pub fn new() -> Option<Self> {
        // SAFETY: the state is fresh and only ours; its extra space holds one pointer.
        unsafe {
            let l = ffi::luaL_newstate();
            if l.is_null() {
                return None;
            }
            *ffi::lua_getextraspace(l).cast::<*mut vm::Vm>() = std::ptr::null_mut();
            Some(Self(State::new(l)))
        }
    }

    /// Runs the program to its end. The error is the text to show, with a traceback.
    pub fn run(&mut self, program: &Program) -> Result<(), Vec<u8>> {
        let state = self.0;
        state.push_fn(run_protected);
        state.push_light((&raw const *program).cast_mut().cast());
        if state.pcall(1, 0, 0) == ffi::LUA_OK {
            return Ok(());
        }
        let text = state.text(-1).unwrap_or_default().to_vec();
        state.set_top(0);
        Err(text)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // SAFETY: made in `new`, closed only here, and no Lua code is running any more.
        unsafe { ffi::lua_close(self.0.ptr()) }
    }
}

lua_fn! {
    /// `run_protected(program)`: all that may raise.
    fn run_protected(call: &mut Call) -> LuaResult {
        let state = call.state;
        // SAFETY: `Interpreter::run` passes its borrowed argument, which outlives this call.
        let program = unsafe { &*state.to_userdata(1).cast::<Program>() };
        // SAFETY: protected, as all of this function; nothing is owned.
        unsafe {
            ffi::luaL_openlibs(call.L);
            ffi::lua_gc(call.L, ffi::LUA_GCGEN);
        }
        install_searchers(state);
        set_arg(state, program);
        state.push_fn(explain);
        let handler = state.top();
        load(state, program)?;
        let arguments = &program.words[program.script + 1..];
        if !state.check_stack(arguments.len() as c_int + 8) {
            return Err(LuaError::plain("too many arguments to script"));
        }
        for word in arguments {
            state.push_bytes(word.as_bytes());
        }
        match state.pcall(arguments.len() as c_int, 0, handler) {
            ffi::LUA_OK => Ok(0),
            _ => Err(LuaError::Raise),
        }
    }

    /// The message handler: a text with the way to the error; other values as they describe themselves.
    fn explain(call: &mut Call) -> LuaResult {
        let state = call.state;
        if state.text(1).is_none() {
            // SAFETY: what the metamethod raises leaves this function; nothing is owned.
            let has_text = unsafe { ffi::luaL_callmeta(call.L, 1, c"__tostring".as_ptr()) } != 0;
            if has_text && state.type_of(-1) == ffi::LUA_TSTRING {
                return Ok(1);
            }
            state.push_lit(c"(error object is a ");
            state.push_bytes(state.type_name(1).as_bytes());
            state.push_lit(c" value)");
            state.concat(3);
            state.replace(1);
        }
        // SAFETY: the text at 1 ends with a zero byte and stays meanwhile.
        let text = unsafe { CStr::from_ptr(ffi::lua_tostring(call.L, 1)) };
        state.push_traceback(state, Some(text), 1);
        Ok(1)
    }

    /// The second searcher: what is built in and needs no node.
    fn search_built_in(call: &mut Call) -> LuaResult {
        let state = call.state;
        let name = state.check_text(1);
        if let Some(open) = plain_opener(name) {
            state.push_fn(open);
            state.push_lit(c":builtin:");
            return Ok(2);
        }
        let module = std::str::from_utf8(name).ok().and_then(library::module);
        let Some((path, source)) = module.filter(|_| !is_of_node(name)) else {
            return Ok(0);
        };
        let chunk = CString::new(format!("@{path}")).unwrap_or_default();
        // SAFETY: loading is protected: an error is a status, and the names are dropped as usual.
        let status = unsafe {
            ffi::luaL_loadbufferx(
                call.L,
                source.as_ptr().cast(),
                source.len(),
                chunk.as_ptr(),
                c"t".as_ptr(),
            )
        };
        drop(chunk);
        if status != ffi::LUA_OK {
            return Err(LuaError::Raise);
        }
        state.push_bytes(path.as_bytes());
        Ok(2)
    }

    /// The last searcher, when no file was found: says what the program is missing.
    fn refuse_of_node(call: &mut Call) -> LuaResult {
        let name = call.state.check_text(1);
        if !is_of_node(name) {
            return Ok(0);
        }
        let name = String::from_utf8_lossy(name);
        Err(LuaError::new(format!(
            "module '{name}' works only inside a node, and welkin lua runs none: start this program by welkin run FILE.lua"
        )))
    }
}

/// Whether the module is built in and stands on a node.
fn is_of_node(name: &[u8]) -> bool {
    let of_skynet = |head: &[u8]| {
        let rest = name.strip_prefix(head);
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'.')
    };
    let in_lua = || library::is_module(name) && (of_skynet(b"skynet") || of_skynet(b"snax"));
    plain_opener(name).is_none() && (opener(name).is_some() || in_lua())
}

fn install_searchers(state: State) {
    state.get_global(c"package");
    state.get_field(-1, c"searchers");
    put_second(state, search_built_in);
    let last = state.raw_len(-1) as i64 + 1;
    state.push_fn(refuse_of_node);
    state.raw_set_i(-2, last);
    state.pop(2);
}

/// Sets `arg`: the script at 0, its arguments from 1, what stands before it below 0.
fn set_arg(state: State, program: &Program) {
    let script = program.script as i64;
    state.create_table(program.words.len() as c_int, program.script as c_int + 1);
    for (at, word) in program.words.iter().enumerate() {
        state.push_bytes(word.as_bytes());
        state.raw_set_i(-2, at as i64 - script);
    }
    state.set_global(c"arg");
}

/// Pushes the compiled script. A first line that begins with `#` is skipped.
fn load(state: State, program: &Program) -> Result<(), LuaError> {
    let file = program.file.as_ref();
    let file = file.map_or(std::ptr::null(), |file| file.as_ptr());
    // SAFETY: the name outlives the call; null is standard input.
    match unsafe { ffi::luaL_loadfilex(state.ptr(), file, std::ptr::null()) } {
        ffi::LUA_OK => Ok(()),
        _ => Err(LuaError::Raise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_node_is_told_from_what_does_not() {
        for name in [
            "skynet",
            "skynet.core",
            "skynet.socketdriver",
            "skynet.queue",
        ] {
            assert!(is_of_node(name.as_bytes()), "{name}");
        }
        for name in [
            "skynet.crypt",
            "client.socket",
            "md5",
            "skynet.of_a_project",
            "skynets",
            "",
        ] {
            assert!(!is_of_node(name.as_bytes()), "{name}");
        }
    }
}
