//! The configuration file: Lua text, run once in a Lua state of its own that has no libraries.
//!
//! The file sees one function, `include`, and string methods; the globals it sets become the node's
//! keys, all as text. `$NAME` is replaced in the text, before it is compiled, by the environment
//! variable, also in comments. The state is closed before this returns; no service ever sees it.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, c_int, c_void};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use mlua_sys as ffi;

/// Why a configuration file gives no configuration. `Display` is the line skynet prints for it, where
/// it prints one that programs can know.
#[derive(Debug)]
pub enum ConfigError {
    /// A file cannot be read: the main file, or one named by `include`.
    File {
        /// The path as it was opened.
        path: String,
        /// Why.
        error: io::Error,
        /// Where the `include` stands, `file:line`; `None` for the main file.
        included_at: Option<String>,
    },
    /// `$NAME` of an environment variable that is not set.
    Unset {
        /// The variable.
        name: String,
        /// The file, as it was named.
        file: String,
        /// Its line, from 1.
        line: usize,
    },
    /// Lua could not compile or run the text; the message begins with `file:line:`.
    Lua(String),
    /// A key that is not a text.
    Key(String),
    /// A value that is neither boolean, number nor text.
    Value {
        /// The key.
        key: String,
        /// Lua's name of the value's type.
        kind: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                error,
                included_at,
            } => {
                let line = included_at.as_deref().and_then(|at| at.rsplit(':').next());
                let line = line.unwrap_or("1");
                write!(f, "[skynet config]:{line}: {path}: {}", reason(error))
            }
            Self::Unset { name, line, .. } => {
                write!(f, "[skynet config]:{line}: os.getenv() failed: {name}")
            }
            Self::Lua(message) => f.write_str(message),
            Self::Key(_) => f.write_str("Invalid config table"),
            Self::Value { key, .. } => write!(f, "Invalid config table key = {key}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The system's text of an error, without Rust's `(os error 2)`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Keys and values of the file at `path`, every value as text.
///
/// `path` relative to the working directory; files named by `include` are relative to the folder of
/// the file that includes them. The environment variables are read at this moment.
pub fn load_config(path: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ConfigError> {
    let state = State::new();
    let mut loader = Loader {
        folder: b"./".to_vec(),
        failure: None,
    };
    let l = state.0;
    // SAFETY: `l` is a fresh state used by this thread alone. Everything that can raise here does so
    // only when memory is short, where Lua's panic ends the process; nothing else is running yet.
    // `loader` outlives every use of the state's pointer to it: the state is run only inside this call.
    unsafe {
        open_environment(l, &raw mut loader);
        let done = run_file(l, &raw mut loader, path.as_os_str().as_bytes(), None);
        if done.is_err() {
            return Err(match loader.failure.take() {
                Some(error) => error,
                None => ConfigError::Lua(text_at(l, -1)),
            });
        }
        collect(l)
    }
}

/// The node table in the file of the config key `cluster`: name to `host:port`, `None` where it has
/// something else (`false`: the node is down). Options, whose names begin with `__`, are left out.
///
/// As `clusterd` reads it: text only, an empty environment, nothing replaced.
pub fn load_nodes(path: &Path) -> Result<BTreeMap<String, Option<String>>, ConfigError> {
    let name = path.as_os_str().as_bytes();
    let text = read(name, None)?;
    let state = State::new();
    let l = state.0;
    let mut nodes = BTreeMap::new();
    // SAFETY: as in `load_config`; the walk is that of `collect`.
    unsafe {
        ffi::lua_createtable(l, 0, 0);
        ffi::lua_setfield(l, ffi::LUA_REGISTRYINDEX, ENVIRONMENT.as_ptr());
        run_text(l, &text, name).map_err(|()| ConfigError::Lua(text_at(l, -1)))?;
        ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, ENVIRONMENT.as_ptr());
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, -2) != 0 {
            let is_text = ffi::lua_type(l, -1) == ffi::LUA_TSTRING;
            let address = is_text.then(|| text_at(l, -1));
            ffi::lua_pop(l, 1);
            if ffi::lua_type(l, -1) == ffi::LUA_TSTRING {
                nodes.insert(text_at(l, -1), address);
            }
        }
    }
    nodes.retain(|name, _| !name.starts_with("__"));
    Ok(nodes)
}

/// Owns the state, so that every way out closes it.
struct State(*mut ffi::lua_State);

impl State {
    fn new() -> Self {
        // SAFETY: no precondition; a null state means that memory is exhausted.
        let state = unsafe { ffi::luaL_newstate() };
        assert!(!state.is_null(), "no memory for a Lua state");
        Self(state)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: made by luaL_newstate, closed only here, and no Lua code is running any more.
        unsafe { ffi::lua_close(self.0) }
    }
}

/// What `include` needs to know; the file's environment keeps a pointer to it.
struct Loader {
    /// Folder of the file that runs now, with a slash at its end.
    folder: Vec<u8>,
    /// The first error that is not Lua's own; what was raised for it is only a stand-in.
    failure: Option<ConfigError>,
}

const ENVIRONMENT: &std::ffi::CStr = c"welkin.config.environment";

/// Puts the environment table into the registry: empty, and through its metatable `include` is seen
/// but is not a key of it. String methods work as the string library sets the metatable of strings.
///
/// # Safety
/// `l` is a live state with nothing running; `loader` lives as long as code runs in it.
unsafe fn open_environment(l: *mut ffi::lua_State, loader: *mut Loader) {
    // SAFETY: plain stack use within the caller's promise; no more than five slots of the twenty.
    unsafe {
        ffi::luaL_requiref(l, c"string".as_ptr(), ffi::luaopen_string, 0);
        ffi::lua_pop(l, 1);
        ffi::lua_createtable(l, 0, 0);
        ffi::lua_createtable(l, 0, 1);
        ffi::lua_createtable(l, 0, 1);
        ffi::lua_pushlightuserdata(l, loader.cast::<c_void>());
        ffi::lua_pushcclosure(l, include, 1);
        ffi::lua_setfield(l, -2, c"include".as_ptr());
        ffi::lua_setfield(l, -2, c"__index".as_ptr());
        ffi::lua_setmetatable(l, -2);
        ffi::lua_setfield(l, ffi::LUA_REGISTRYINDEX, ENVIRONMENT.as_ptr());
    }
}

/// `include(name)`: runs another file in the same environment; gives nothing back.
unsafe extern "C-unwind" fn include(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua with the upvalue that `open_environment` gave, whose target is alive while
    // code runs. Nothing with a destructor is alive in this frame when `lua_error` leaves it.
    unsafe {
        let mut len = 0;
        let name = ffi::luaL_checklstring(l, 1, &raw mut len);
        let loader = ffi::lua_touserdata(l, ffi::lua_upvalueindex(1)).cast::<Loader>();
        ffi::luaL_checkstack(l, 8, c"include".as_ptr());
        let name = std::slice::from_raw_parts(name.cast::<u8>(), len);
        let failed = run_include(l, loader, name).is_err();
        if failed {
            ffi::lua_error(l)
        }
    }
    0
}

/// # Safety
/// As `run_file`, and `name` is the text at index 1 of `l`.
unsafe fn run_include(l: *mut ffi::lua_State, loader: *mut Loader, name: &[u8]) -> Result<(), ()> {
    // SAFETY: luaL_where only reads the call stack and pushes a text, which is read and taken off.
    let at = unsafe {
        ffi::luaL_where(l, 1);
        let at = text_at(l, -1);
        ffi::lua_pop(l, 1);
        at
    };
    let at = at.trim_end_matches([' ', ':']).to_owned();
    // SAFETY: the caller's promise.
    unsafe { run_file(l, loader, name, Some(at)) }
}

/// Reads, substitutes, compiles and runs one file. `Err`: an error value is on top of the stack.
///
/// # Safety
/// `l` was prepared by `open_environment` with this `loader`; four stack slots are free.
unsafe fn run_file(
    l: *mut ffi::lua_State,
    loader: *mut Loader,
    name: &[u8],
    included_at: Option<String>,
) -> Result<(), ()> {
    // SAFETY: `loader` is alive and only this thread reaches it; no reference to it is kept over the
    // call into Lua, which may come here again through `include`.
    let outer = unsafe { (*loader).folder.clone() };
    let folder = folder_of(name, &outer);
    let file = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    let path = [folder.as_slice(), file].concat();
    let text = read(&path, included_at).and_then(|text| substitute(&text, name));
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            // SAFETY: as above; the push can raise only for want of memory.
            unsafe {
                (*loader).failure = Some(error);
                ffi::lua_pushnil(l);
            }
            return Err(());
        }
    };
    // SAFETY: as above. Compiling and calling are protected: errors come back as a status, so the
    // texts alive in this frame are dropped as usual.
    unsafe {
        (*loader).folder = folder;
        let ran = run_text(l, &text, name);
        (*loader).folder = outer;
        ran
    }
}

/// # Safety
/// As `run_file`.
unsafe fn run_text(l: *mut ffi::lua_State, text: &[u8], name: &[u8]) -> Result<(), ()> {
    let chunk: Vec<u8> = [b"@".as_slice(), name].concat();
    let chunk = CString::new(chunk).unwrap_or_else(|_| c"@config".to_owned());
    // SAFETY: `text` and `chunk` outlive the load; the loaded main function has its environment as
    // first upvalue, always.
    unsafe {
        let status = ffi::luaL_loadbufferx(
            l,
            text.as_ptr().cast(),
            text.len(),
            chunk.as_ptr(),
            c"t".as_ptr(),
        );
        if status != ffi::LUA_OK {
            return Err(());
        }
        ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, ENVIRONMENT.as_ptr());
        ffi::lua_setupvalue(l, -2, 1);
        match ffi::lua_pcall(l, 0, 0, 0) {
            ffi::LUA_OK => Ok(()),
            _ => Err(()),
        }
    }
}

/// The folder of a file named `name` by one whose folder is `outer`; both end with a slash.
fn folder_of(name: &[u8], outer: &[u8]) -> Vec<u8> {
    match name.iter().rposition(|&byte| byte == b'/') {
        Some(end) if name[0] == b'/' => name[..=end].to_vec(),
        Some(end) => [outer, &name[..=end]].concat(),
        None => outer.to_vec(),
    }
}

fn read(path: &[u8], included_at: Option<String>) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(OsStr::from_bytes(path)).map_err(|error| ConfigError::File {
        path: lossy(path),
        error,
        included_at,
    })
}

/// Replaces every `$NAME` by the environment variable; a `$` before anything else stays.
fn substitute(text: &[u8], file: &[u8]) -> Result<Vec<u8>, ConfigError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.iter().position(|&byte| byte == b'$') {
        out.extend_from_slice(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let len = after
            .iter()
            .position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
            .unwrap_or(after.len());
        if len == 0 {
            out.push(b'$');
        } else {
            let name = &after[..len];
            let Some(value) = std::env::var_os(OsStr::from_bytes(name)) else {
                let before = text.len() - rest.len() + dollar;
                let newlines = text[..before].iter().filter(|&&b| b == b'\n').count();
                return Err(ConfigError::Unset {
                    name: lossy(name),
                    file: lossy(file),
                    line: newlines + 1,
                });
            };
            out.extend_from_slice(value.as_bytes());
        }
        rest = &after[len..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// Reads the environment table into Rust.
///
/// # Safety
/// `l` was prepared by `open_environment` and runs nothing.
unsafe fn collect(l: *mut ffi::lua_State) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, ConfigError> {
    let mut keys = BTreeMap::new();
    // SAFETY: the walk changes neither the table nor the key on the stack (only a copy of the value is
    // turned into text), so `lua_next` gives each pair once; it raises for no key it gave itself.
    unsafe {
        ffi::lua_getfield(l, ffi::LUA_REGISTRYINDEX, ENVIRONMENT.as_ptr());
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, -2) != 0 {
            if ffi::lua_type(l, -2) != ffi::LUA_TSTRING {
                let kind = type_name(l, -2);
                return Err(ConfigError::Key(kind));
            }
            let key = bytes_at(l, -2);
            let value = match ffi::lua_type(l, -1) {
                ffi::LUA_TBOOLEAN if ffi::lua_toboolean(l, -1) != 0 => b"true".to_vec(),
                ffi::LUA_TBOOLEAN => b"false".to_vec(),
                ffi::LUA_TNUMBER | ffi::LUA_TSTRING => bytes_at(l, -1),
                _ => {
                    return Err(ConfigError::Value {
                        key: lossy(&key),
                        kind: type_name(l, -1),
                    });
                }
            };
            ffi::lua_pop(l, 1);
            keys.insert(key, value);
        }
    }
    Ok(keys)
}

/// The text (or number as text) at `index`; empty when it is neither.
///
/// # Safety
/// `index` is valid in `l`. A number there becomes a text.
unsafe fn bytes_at(l: *mut ffi::lua_State, index: c_int) -> Vec<u8> {
    let mut len = 0;
    // SAFETY: the pointer is valid while the value stays on the stack, and is copied from at once.
    unsafe {
        let text = ffi::lua_tolstring(l, index, &raw mut len);
        if text.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts(text.cast::<u8>(), len).to_vec()
    }
}

/// # Safety
/// As `bytes_at`.
unsafe fn text_at(l: *mut ffi::lua_State, index: c_int) -> String {
    // SAFETY: the caller's promise.
    lossy(&unsafe { bytes_at(l, index) })
}

/// # Safety
/// `index` is valid in `l`.
unsafe fn type_name(l: *mut ffi::lua_State, index: c_int) -> String {
    // SAFETY: lua_typename gives a static C text for every type that lua_type gives.
    let name = unsafe { std::ffi::CStr::from_ptr(ffi::lua_typename(l, ffi::lua_type(l, index))) };
    name.to_string_lossy().into_owned()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "config_lua_tests.rs"]
mod tests;
