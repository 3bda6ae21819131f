//! What services see of the code cache, each test with files of its own.

use std::mem::MaybeUninit;
use std::path::PathBuf;

use super::*;

/// A state as a service has it: `extra` is run first (to open libraries).
pub(crate) struct TestVm {
    pub(crate) l: *mut ffi::lua_State,
    vm: Box<MaybeUninit<Vm>>,
}

impl TestVm {
    pub(crate) fn new(open: unsafe fn(*mut ffi::lua_State)) -> Self {
        let mut vm = Box::new(MaybeUninit::<Vm>::uninit());
        // SAFETY: the only field that the functions under test reach is written first.
        unsafe {
            (&raw mut (*vm.as_mut_ptr()).cache).write(CacheHold::default());
            let l = ffi::luaL_newstate();
            assert!(!l.is_null());
            *ffi::lua_getextraspace(l).cast::<*mut Vm>() = vm.as_mut_ptr();
            open(l);
            ffi::lua_pushcfunction(l, luaopen_codecache);
            ffi::lua_call(l, 0, 1);
            ffi::lua_setglobal(l, c"cache".as_ptr());
            ffi::lua_settop(l, 0);
            Self { l, vm }
        }
    }

    /// Runs `code` as `t.lua`; its results as texts, or the error.
    pub(crate) fn eval(&self, code: &str) -> String {
        // SAFETY: the state is alive and nothing is owned across its calls.
        unsafe {
            let (l, name) = (self.l, c"@t.lua".as_ptr());
            let status =
                ffi::luaL_loadbufferx(l, code.as_ptr().cast(), code.len(), name, ptr::null());
            if status == ffi::LUA_OK {
                ffi::lua_pcall(l, 0, ffi::LUA_MULTRET, 0);
            }
            let count = ffi::lua_gettop(l);
            let mut texts = Vec::new();
            for at in 1..=count {
                let text = CStr::from_ptr(ffi::luaL_tolstring(l, at, ptr::null_mut()));
                texts.push(text.to_string_lossy().into_owned());
            }
            ffi::lua_settop(l, 0);
            texts.join(" ")
        }
    }

    fn held(&self) -> &[Arc<Chunk>] {
        // SAFETY: written by `new`; no call is under way while a test looks.
        unsafe {
            let cache = &raw const (*self.vm.as_ptr()).cache;
            &(*cache).chunks
        }
    }
}

impl Drop for TestVm {
    fn drop(&mut self) {
        // SAFETY: the state first, for finalizers run code of the held buffers.
        unsafe {
            ffi::lua_close(self.l);
            ptr::drop_in_place(&raw mut (*self.vm.as_mut_ptr()).cache);
        }
    }
}

/// Tests that clear the cache, or see that nobody did, run one at a time.
fn alone() -> parking_lot::MutexGuard<'static, ()> {
    static ALONE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    ALONE.lock()
}

/// All libraries, with what is ours.
pub(crate) unsafe fn eager(l: *mut ffi::lua_State) {
    // SAFETY: a fresh state.
    unsafe {
        ffi::luaL_openlibs(l);
        for name in [c"loadfile", c"dofile"] {
            ffi::lua_pushcfunction(l, global(name).expect("one of ours"));
            ffi::lua_setglobal(l, name.as_ptr());
        }
        ffi::lua_getglobal(l, c"package".as_ptr());
        install_searcher(l);
        ffi::lua_pop(l, 1);
    }
}

/// A file in a folder of its own, removed at the end.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("welkin-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let file = Self(folder.join("file.lua"));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("temporary file");
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a temporary path is UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().expect("made in a folder"));
    }
}

#[test]
fn a_changed_file_is_not_seen_until_clear() {
    let _alone = alone();
    let file = File::new("clear", "return 1, ...");
    let (a, b) = (TestVm::new(eager), TestVm::new(eager));
    let run = format!("return loadfile('{}')(5)", file.path());
    assert_eq!(a.eval(&run), "1 5");
    file.write("return 2, ...");
    assert_eq!(a.eval(&run), "1 5");
    assert_eq!(b.eval(&run), "1 5");
    assert_eq!(
        (a.held().len(), b.held().len()),
        (1, 1),
        "each VM holds a buffer once"
    );
    assert_eq!(b.eval("return cache.clear()"), "");
    assert_eq!(b.eval(&run), "2 5");
    assert_eq!(
        (a.held().len(), b.held().len()),
        (1, 2),
        "the old code may still run"
    );
    assert_eq!(a.eval(&format!("return dofile('{}')", file.path())), "2");
}

#[test]
fn a_buffer_is_freed_with_the_last_vm_that_loaded_it() {
    let _alone = alone();
    let file = File::new(
        "freed",
        "return 'a long text, which Lua leaves in the buffer it is loaded from'",
    );
    let vm = TestVm::new(eager);
    vm.eval(&format!("f = loadfile('{}')", file.path()));
    let chunk = Arc::downgrade(&vm.held()[0]);
    vm.eval("cache.clear()");
    assert_eq!(vm.eval("return #f()"), "61");
    assert!(chunk.upgrade().is_some());
    drop(vm);
    assert!(chunk.upgrade().is_none());
}

#[test]
fn modes_are_the_services_own() {
    let _alone = alone();
    let file = File::new("modes", "return 1");
    let (a, b) = (TestVm::new(eager), TestVm::new(eager));
    let run = format!("return loadfile('{}')()", file.path());
    assert_eq!(a.eval("return cache.mode()"), "ON");
    assert_eq!(a.eval("cache.mode 'EXIST' return cache.mode()"), "EXIST");
    assert_eq!(b.eval("return cache.mode(nil)"), "ON");
    assert_eq!(a.eval(&run), "1");
    file.write("return 2");
    assert_eq!(a.eval(&run), "2", "EXIST adds nothing");
    assert_eq!(b.eval(&run), "2");
    file.write("return 3");
    assert_eq!(a.eval(&run), "2", "EXIST uses what is there");
    assert_eq!(a.eval("cache.mode 'OFF' return cache.mode()"), "OFF");
    assert_eq!(a.eval(&run), "3");
    assert_eq!(
        a.eval("cache.mode 'on'"),
        "t.lua:1: bad argument #1 to 'mode' (invalid option 'on')"
    );
}

#[test]
fn errors_have_luas_own_texts() {
    let _alone = alone();
    let file = File::new("errors", "#!shebang\nlocal = 3");
    let vm = TestVm::new(eager);
    let path = file.path();
    let missing = "cannot open /no/such.lua: No such file or directory";
    assert_eq!(
        vm.eval("return loadfile '/no/such.lua'"),
        format!("nil {missing}")
    );
    assert_eq!(vm.eval("dofile '/no/such.lua'"), missing);
    let syntax = format!("{path}:2: <name> expected near '='");
    assert_eq!(
        vm.eval(&format!("return loadfile '{path}'")),
        format!("nil {syntax}")
    );
    assert_eq!(
        vm.eval(&format!("package.path = '{path}' require 'm'")),
        format!("error loading module 'm' from file '{path}':\n\t{syntax}")
    );
    file.write("return 1");
    assert_eq!(
        vm.eval(&format!("return loadfile('{path}', 'b')")),
        "nil attempt to load a text chunk (mode is 'b')"
    );
    assert_eq!(vm.eval(&format!("return loadfile('{path}')()")), "1");
    assert_eq!(
        vm.eval(&format!("return loadfile('{path}', 'b')()")),
        "1",
        "the mode is ignored now"
    );
    assert_eq!(
        vm.eval(&format!("return loadfile('{path}', 'bB')")),
        "t.lua:1: bad argument #2 to 'loadfile' (invalid mode)"
    );
}

#[test]
fn functions_from_the_cache_have_names_lines_and_their_own_globals() {
    let file = File::new(
        "debug",
        "x = (x or 0) + 1\nfunction fail() error 'oops' end\nlocal up = {}\nreturn function() up[1] = x return up[1] end",
    );
    let vm = TestVm::new(eager);
    let path = file.path();
    assert_eq!(
        vm.eval(&format!("dofile '{path}' fail()")),
        format!("{path}:2: oops")
    );
    assert_eq!(
        vm.eval(&format!(
            "local e = {{error=error}} loadfile('{path}', 't', e)() return e.x, x"
        )),
        "1 1"
    );
    assert_eq!(
        vm.eval(&format!("return loadfile('{path}', nil, nil) ~= nil")),
        "true"
    );
    assert_eq!(
        vm.eval(&format!(
            "package.path = '{path}' local f, n = require 'm' return f(), n"
        )),
        format!("2 {path}")
    );
    assert_eq!(
        vm.eval(&format!(
            "local f = loadfile '{path}' return load(string.dump(f), 'd', 'b')()()"
        )),
        "3"
    );
}

#[test]
fn dofile_may_yield() {
    let file = File::new("yield", "return coroutine.yield(...), 2");
    let vm = TestVm::new(eager);
    let code = format!(
        "local co = coroutine.wrap(dofile) co('{}') return co(1)",
        file.path()
    );
    assert_eq!(vm.eval(&code), "1 2");
}

#[test]
fn built_in_files_are_compiled_once_and_named() {
    let (a, b) = (TestVm::new(eager), TestVm::new(eager));
    for vm in [&a, &b] {
        // SAFETY: a live VM; nothing is owned.
        unsafe {
            let source = "return (debug.getinfo(1, 'Sl').source)";
            assert_eq!(load_embedded(vm.l, "built/in.lua", source), ffi::LUA_OK);
            ffi::lua_setglobal(vm.l, c"f".as_ptr());
            assert_eq!(vm.eval("return f()"), "@built/in.lua");
            assert_eq!(
                load_embedded(vm.l, "built/bad.lua", "x ="),
                ffi::LUA_ERRSYNTAX
            );
            assert_eq!(ffi::lua_gettop(vm.l), 1);
            assert_eq!(
                vm.eval("return ..."),
                "built/bad.lua:1: unexpected symbol near <eof>"
            );
        }
    }
}
