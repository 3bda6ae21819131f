//! From a service's text (`name arg arg ...`) to its running main file.
//!
//! What skynet leaves to `lualib/loader.lua` is done here: the service's file is searched along
//! `luaservice`, globals and paths are set, the preload file is run, the main file becomes the first
//! thing the VM's main thread runs. A built-in service wins over a file, so configurations that name
//! skynet's own folders work where these are absent; `welkin_lualib` turns that round. A project's own
//! loader (a file named by `lualoader` other than skynet's) is run as it stands, and so is skynet's
//! where files come first.

use std::sync::Arc;

use mlua_sys as ffi;
use welkin_runtime::{Message, Node, Payload, kind};

use crate::bindings::info::push_owned;
use crate::module::Shared;
use crate::state::State;
use crate::vm::{Mode, VmPtr};
use crate::{codecache, library, library_setup, preempt};

/// Where the program of a service lies.
#[derive(Debug, Clone)]
pub struct Found {
    /// The file, or a built-in service.
    pub place: Place,
    /// `SERVICE_PATH`.
    pub folder: Vec<u8>,
    /// Put before `package.path`: the service has a folder of its own.
    pub own_path: bool,
}

/// See [`Found`].
#[derive(Debug, Clone)]
pub enum Place {
    /// Built in: its source.
    BuiltIn(&'static str),
    /// A file.
    File(Vec<u8>),
}

const SERVICE_DEFAULT: &[u8] = b"./service/?.lua";
const LOADER_DEFAULT: &[u8] = b"./lualib/loader.lua";

/// Puts the main file and its arguments on the main thread's stack; the number of arguments. The
/// error is the text for the log.
pub fn prepare(mut vm: VmPtr, text: &[u8]) -> Result<i32, Vec<u8>> {
    vm.loading = true;
    if let Some(loader) = own_loader(&vm.node, &vm.shared) {
        return prepare_own(vm, &loader, text);
    }
    let Some(name) = words(text).next() else {
        return Err(b"no service name: launch it as `snlua NAME ARGUMENTS`".to_vec());
    };
    let found = locate(vm, name)?;
    set_place(vm, name, &found);
    if let Some(preload) = vm.node.env_get(b"preload") {
        let words: Vec<&[u8]> = words(text).collect();
        run_preload(vm.main, &preload, &words)?;
    }
    library_setup::follow_skynet(vm)?;
    load_place(vm.main, &found.place, name)?;
    push_arguments(vm, text)
}

/// Pushes the arguments of `text`, all words but the first; their number.
pub fn push_arguments(vm: VmPtr, text: &[u8]) -> Result<i32, Vec<u8>> {
    let main = vm.main;
    let count = words(text).skip(1).count() as i32;
    if !main.check_stack(count + 8) {
        return Err(b"too many arguments".to_vec());
    }
    for word in words(text).skip(1) {
        main.push_bytes(word);
    }
    Ok(count)
}

/// The words of a launch: a name and its arguments.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|c| c.is_ascii_whitespace() || *c == 0x0b)
        .filter(|w| !w.is_empty())
}

/// What a program is told about where it lies.
fn set_place(vm: VmPtr, name: &[u8], found: &Found) {
    let main = vm.main;
    main.push_bytes(name);
    main.set_global(c"SERVICE_NAME");
    main.push_bytes(&found.folder);
    main.set_global(c"SERVICE_PATH");
    if found.own_path {
        library_setup::prefix_path(main, &found.folder);
    }
}

/// Name of the service that `text` launches, if nothing but its main file decides what its VM is like
/// before that runs.
pub fn usual_name<'a>(node: &Node, shared: &Shared, text: &'a [u8]) -> Option<&'a [u8]> {
    let usual = !shared.options.library.is_file_first(b"skynet.require")
        && node.env_get(b"preload").is_none()
        && own_loader(node, shared).is_none();
    words(text).next().filter(|_| usual)
}

/// As [`prepare`], without arguments, for a service of which [`usual_name`] gave the name; whether it is
/// the same each time.
pub fn prepare_image(vm: VmPtr, name: &[u8]) -> bool {
    let Ok(found) = locate(vm, name) else {
        return false;
    };
    set_place(vm, name, &found);
    let loaded = !found.own_path && load_place(vm.main, &found.place, name).is_ok();
    library_setup::collect(vm.main);
    loaded
}

/// The loader file to run, when `lualoader` names one that is there.
fn own_loader(node: &Node, shared: &Shared) -> Option<Vec<u8>> {
    let path = node.env_get(b"lualoader")?;
    let text = String::from_utf8_lossy(&path).into_owned();
    let skynets = path == LOADER_DEFAULT || text.ends_with("lualib/loader.lua");
    let wanted = !skynets || shared.options.library.is_file_first(b"loader");
    (wanted && std::path::Path::new(&text).is_file()).then_some(path)
}

fn prepare_own(vm: VmPtr, loader: &[u8], text: &[u8]) -> Result<i32, Vec<u8>> {
    let main = vm.main;
    let env = |key: &[u8], default: &[u8]| vm.node.env_get(key).unwrap_or_else(|| default.to_vec());
    push_owned(main, env(b"lua_path", library_setup::PATH_DEFAULT));
    main.set_global(c"LUA_PATH");
    push_owned(main, env(b"lua_cpath", library_setup::CPATH_DEFAULT));
    main.set_global(c"LUA_CPATH");
    push_owned(main, env(b"luaservice", SERVICE_DEFAULT));
    main.set_global(c"LUA_SERVICE");
    if let Some(preload) = vm.node.env_get(b"preload") {
        push_owned(main, preload);
        main.set_global(c"LUA_PRELOAD");
    }
    load_file(main, loader)?;
    main.push_bytes(text);
    Ok(1)
}

/// Finds the program of `name`, remembering it for the next service of that name.
fn locate(vm: VmPtr, name: &[u8]) -> Result<Arc<Found>, Vec<u8>> {
    if let Some(found) = vm.shared.found.read().get(name) {
        return Ok(found.clone());
    }
    let built_in = std::str::from_utf8(name).ok().and_then(library::service);
    let is_file = || library::has_file(&patterns(vm), name);
    let found = match built_in {
        Some(source) if !(vm.shared.options.library.is_file_first(name) && is_file()) => Found {
            place: Place::BuiltIn(source),
            folder: b"./service/".to_vec(),
            own_path: false,
        },
        _ => search(vm, name)?,
    };
    let found = Arc::new(found);
    vm.shared.found.write().insert(name.to_vec(), found.clone());
    Ok(found)
}

/// Value of `luaservice`.
fn patterns(vm: VmPtr) -> Vec<u8> {
    let value = vm.node.env_get(b"luaservice");
    value.unwrap_or_else(|| SERVICE_DEFAULT.to_vec())
}

/// Tries the patterns of `luaservice` in order; the first file that loads is used.
fn search(vm: VmPtr, name: &[u8]) -> Result<Found, Vec<u8>> {
    let patterns = patterns(vm);
    let mut messages = Vec::new();
    for pattern in patterns.split(|c| *c == b';').filter(|p| !p.is_empty()) {
        let path = library::substitute(pattern, name);
        match load_file(vm.main, &path) {
            Ok(()) => {
                vm.main.pop(1);
                let cut = pattern
                    .iter()
                    .rposition(|c| *c == b'/')
                    .map_or(0, |at| at + 1);
                let own_path = !pattern[cut..].contains(&b'?');
                let folder =
                    library::substitute(&pattern[..cut], if own_path { name } else { b"" });
                return Ok(Found {
                    place: Place::File(path),
                    folder,
                    own_path,
                });
            }
            Err(message) => messages.push(message),
        }
    }
    Err(messages.join(&b'\n'))
}

fn load_place(main: State, place: &Place, name: &[u8]) -> Result<(), Vec<u8>> {
    match place {
        Place::BuiltIn(source) => {
            let chunk = format!("service/{}.lua", String::from_utf8_lossy(name));
            // SAFETY: the main thread, with the limit lifted.
            let status = unsafe { codecache::load_embedded(main.ptr(), &chunk, source) };
            loaded_or_text(main, status)
        }
        Place::File(path) => load_file(main, path),
    }
}

/// Pushes the compiled file, or gives Lua's text.
fn load_file(main: State, path: &[u8]) -> Result<(), Vec<u8>> {
    // SAFETY: the main thread, with the limit lifted.
    let status = unsafe { codecache::load_file(main.ptr(), path) };
    loaded_or_text(main, status)
}

fn loaded_or_text(main: State, status: i32) -> Result<(), Vec<u8>> {
    if status == ffi::LUA_OK {
        return Ok(());
    }
    let text = main.text(-1).unwrap_or_default().to_vec();
    main.pop(1);
    Err(text)
}

fn run_preload(main: State, path: &[u8], words: &[&[u8]]) -> Result<(), Vec<u8>> {
    load_file(main, path)?;
    for word in words {
        main.push_bytes(word);
    }
    let status = preempt::within(main, || main.pcall(words.len() as i32, 0, 0));
    loaded_or_text(main, status)
}

/// The main file could not be run: log line, word to the launcher, end.
pub fn failed(mut vm: VmPtr, text: &[u8]) {
    vm.loading = false;
    let mut line = b"lua loader error : ".to_vec();
    line.extend_from_slice(text);
    vm.log(line);
    vm.dying = true;
    vm.node.command(&vm.slot, b"EXIT", None);
    // After its end, so that who is told of the failure finds no such service any more.
    if let Some(launcher) = vm.node.name_query(b"launcher") {
        let message = Message {
            source: vm.address(),
            session: 0,
            kind: kind::TEXT,
            payload: Payload::copy_from(b"ERROR"),
        };
        // A node without launcher has nobody to tell.
        let _ = vm.node.post(launcher, message);
    }
}

/// The main file has ended well.
pub fn loaded(mut vm: VmPtr) {
    vm.loading = false;
    if vm.mode == Mode::Fresh {
        vm.mode = Mode::Silent;
    }
    if let Some(limit) = registry_limit(vm.main) {
        vm.memory_limit = limit;
    }
    if vm.memory_limit != 0 {
        vm.heap.limit = vm.memory_limit;
        vm.log(format!(
            "Set memory limit to {:.2} M",
            vm.memory_limit as f64 / (1024.0 * 1024.0)
        ));
    }
    library_setup::start_collector(vm.main);
}

/// The limit that skynet's own Lua library leaves in the registry, in bytes; it is taken out.
fn registry_limit(main: State) -> Option<usize> {
    main.push_value(ffi::LUA_REGISTRYINDEX);
    let set = main.raw_get_lit(-1, c"memlimit") == ffi::LUA_TNUMBER;
    let bytes = main.to_int(-1).filter(|_| set);
    main.pop(1);
    if set {
        main.push_nil();
        main.raw_set_lit(-2, c"memlimit");
    }
    main.pop(1);
    bytes.map(|bytes| bytes.max(0) as usize)
}
