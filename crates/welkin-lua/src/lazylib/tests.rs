//! A program cannot tell a VM with lazy libraries from one with all of them.

use std::ffi::c_void;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::codecache::tests::{File, TestVm};

unsafe extern "C-unwind" fn overridden(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua.
    unsafe { ffi::lua_pushstring(l, c"ours".as_ptr()) };
    1
}

static SETUP: Setup = Setup {
    overrides: &[
        (c"coroutine", c"running", overridden),
        (c"_G", c"warn", overridden),
    ],
    package_opened,
};

unsafe fn package_opened(l: *mut ffi::lua_State) {
    // SAFETY: `package` is on top.
    unsafe {
        ffi::lua_pushstring(l, c"./?.lua".as_ptr());
        ffi::lua_setfield(l, -2, c"path".as_ptr());
    }
}

unsafe fn lazy(l: *mut ffi::lua_State) {
    // SAFETY: a fresh state.
    unsafe { open_lazy(l, &SETUP) }
}

/// The same from start to end, eager.
unsafe fn eager(l: *mut ffi::lua_State) {
    // SAFETY: a fresh state.
    unsafe {
        codecache::tests::eager(l);
        ffi::lua_pushcfunction(l, overridden);
        ffi::lua_setglobal(l, c"warn".as_ptr());
        ffi::lua_getglobal(l, c"coroutine".as_ptr());
        put(l, c"running", overridden);
        ffi::lua_getglobal(l, c"package".as_ptr());
        package_opened(l);
    }
}

/// How many libraries are open.
fn opened(vm: &TestVm) -> usize {
    // SAFETY: a live state, nothing owned.
    unsafe {
        push_loaded(vm.l);
        let mut count = 0;
        for (name, _) in LIBRARIES {
            ffi::lua_pushstring(vm.l, name.as_ptr());
            count += usize::from(ffi::lua_rawget(vm.l, -2) != ffi::LUA_TNIL);
            ffi::lua_pop(vm.l, 1);
        }
        ffi::lua_settop(vm.l, 0);
        count
    }
}

/// What each program says in a lazy and in an eager VM must be the same.
#[test]
fn programs_cannot_tell() {
    let names = "local n = {} for k in pairs(t) do n[#n + 1] = tostring(k) end table.sort(n) return table.concat(n, ' ')";
    let programs = [
        format!("local t = _G {names}"),
        format!("local t = package.loaded {names}"),
        format!("local t = require 'package'.loaded {names}"),
        format!("local t = {{}} for k, v in next, _G do t[k] = v end {names}"),
        format!("local t = debug.getregistry()._LOADED {names}"),
        format!("local t = string {names}"),
        format!("local t = package {names}"),
        format!("local t = coroutine {names}"),
        format!("local t = debug.getmetatable('') {names}"),
        "return getmetatable(_G), debug.getmetatable(_G), getmetatable(package.loaded)".into(),
        "setmetatable(_G, { __index = function(_, k) return k end }) return string.rep('x', 2), other, math.pi".into(),
        "debug.setmetatable('', { __index = function() return 7 end }) string.rep('x', 2) return ('x').rep".into(),
        "return type(rawget(_G, 'io')), rawget(_G, 'nothing'), rawlen(_G)".into(),
        "rawset(_G, 'string', 5) string = nil return string, type(require 'string')".into(),
        "string = 5 string = nil return string, ('x'):rep(3)".into(),
        "os = nil io = nil package = nil return os, io, package, type(require 'os'), rawget(_G, 'os')".into(),
        "debug = nil for k in pairs(_G) do if k == 'debug' then return k end end return debug".into(),
        "require = nil local p = package return require, type(p.loaded)".into(),
        "require = 3 local p = package.path return require".into(),
        "return ('x'):rep(3), #('abc'), ('%d'):format(3), ('x').nothing".into(),
        "return '10' + 1, 2 * '3', -'4', '7' // 2, '7' % 4, '2' ^ 2, '1' - 1, '8' / 2".into(),
        "return pcall(function() return 'a' + 1 end)".into(),
        "return pcall(function() return {} .. 'x' end)".into(),
        "return pcall(function() return -'x' end)".into(),
        "return pcall(function() return 'x' < 1 end)".into(),
        "return pcall(string.rep)".into(),
        "return pcall(function() string.rep() end)".into(),
        "return pcall(function() ('x'):rep({}) end)".into(),
        "return getmetatable('').__index == string, string.format == ('x').format".into(),
        "return require 'string' == string, package.loaded.table == table, require 'math' == math".into(),
        "return pcall(require, 'no.such.module')".into(),
        "return pairs {} == next, (pairs(_G)) == next".into(),
        "return coroutine.running(), warn(), require 'coroutine'.running()".into(),
        "local e = setmetatable({}, { __index = _G }) return load('return type(utf8.char), table == nil', 't', 't', e)()".into(),
        "_ENV = { g = _G } return g.table.concat { 1, 2 }".into(),
        "local f <close> = setmetatable({}, { __close = function() end }) return type(utf8)".into(),
        "return select('#', table.unpack({}, 1, 3)), nothing, _G._G == _G, _VERSION".into(),
        "global_name = 1 return global_name, rawget(_G, 'global_name')".into(),
        "package.preload.m = function(...) return { ... } end return table.concat(require 'm', ' ')".into(),
        "return debug.traceback('x')".into(),
        "return package.searchpath('a.b', './?.lua;/x/?.lua')".into(),
        "package.path = 5 return pcall(require, 'x')".into(),
        "package.path = {} return pcall(require, 'x')".into(),
        "return (package.config:gsub('\\n', ' '))".into(),
        "return #package.searchers, package.cpath ~= nil".into(),
        "return next(_G, 'utf8') == next(_G, 'utf8'), pcall(next, _G, 'no such key')".into(),
        "for i = 1, 3 do local s = 'x' .. i; if s:sub(2) ~= tostring(i) then return s end end return 'ok'".into(),
        "local co = coroutine.wrap(function() return ('x'):rep(2), os ~= nil end) return co()".into(),
        "return io.write, os.time ~= nil".replace("io.write", "type(io.write)"),
        "collectgarbage() collectgarbage() return math.type(1), table.concat({ 1 }), ('x'):upper()".into(),
    ];
    for program in &programs {
        let (a, b) = (TestVm::new(lazy), TestVm::new(eager));
        let (mut said, mut expected) = (a.eval(program), b.eval(program));
        // Addresses differ between any two VMs.
        for text in [&mut said, &mut expected] {
            if let Some(at) = text.find("0x") {
                text.truncate(at);
            }
        }
        assert_eq!(said, expected, "{program}");
    }
}

#[test]
fn only_what_is_used_is_opened() {
    let vm = TestVm::new(lazy);
    assert_eq!(opened(&vm), 0);
    vm.eval("local x = nothing; y = 1; z = tostring('x') .. 1; print_ = print; return pcall(error, 'e')");
    assert_eq!(opened(&vm), 0);
    vm.eval("return table.concat {}, require 'table'");
    assert_eq!(opened(&vm), 1);
    vm.eval("return ('x'):rep(2)");
    assert_eq!(opened(&vm), 2);
    assert!(
        vm.eval("local t = {} for k in pairs(t) do end return debug.traceback('x')")
            .starts_with("x\n")
    );
    assert_eq!(opened(&vm), 3);
    vm.eval("error({})");
    vm.eval("string.rep()");
    assert_eq!(
        opened(&vm),
        3,
        "naming a function in an error opens nothing"
    );
    vm.eval("for k in pairs(_G) do end");
    assert_eq!(opened(&vm), 9);
}

#[test]
fn modules_are_found_by_require_without_opening_everything() {
    let file = File::new("lazy-require", "return { ... }");
    let vm = TestVm::new(lazy);
    // SAFETY: a live state; nothing is owned.
    unsafe {
        push_package(vm.l);
        ffi::lua_pushstring(vm.l, c"path".as_ptr());
        ffi::lua_pushlstring(vm.l, file.path().as_ptr().cast(), file.path().len());
        ffi::lua_rawset(vm.l, -3);
        ffi::lua_settop(vm.l, 0);
    }
    assert_eq!(
        vm.eval("return require 'm'[1], require 'm' == require 'm'"),
        "m true"
    );
    assert_eq!(opened(&vm), 0);
    assert_eq!(vm.eval("return package.loaded.m[1]"), "m");
    assert_eq!(opened(&vm), 9);
    assert_eq!(vm.eval("return package.path"), file.path());
}

#[test]
fn a_native_require_stays_and_finds_the_standard_one() {
    unsafe extern "C-unwind" fn ours(l: *mut ffi::lua_State) -> c_int {
        // SAFETY: called by Lua.
        unsafe {
            push_require(l);
            ffi::lua_insert(l, 1);
            ffi::lua_call(l, ffi::lua_gettop(l) - 1, 1);
        }
        1
    }
    let vm = TestVm::new(lazy);
    // SAFETY: a live state; nothing is owned.
    unsafe {
        ffi::lua_pushcfunction(vm.l, ours);
        ffi::lua_setglobal(vm.l, c"require".as_ptr());
    }
    assert_eq!(
        vm.eval("r = require return require 'string'.rep('x', 3)"),
        "xxx"
    );
    assert_eq!(opened(&vm), 1);
    assert_eq!(
        vm.eval("return require 'package' == package, require == r, require 'os' == os"),
        "true true true"
    );
    assert_eq!(
        vm.eval("require = nil return require, r 'os' == os"),
        "nil true"
    );
}

/// Bytes that the state of the next test may still take.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

unsafe extern "C-unwind" fn set_left(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by Lua.
    let left = unsafe { ffi::luaL_checkinteger(l, 1) };
    LEFT.store(left as usize, Relaxed);
    0
}

unsafe extern "C" fn limited(
    ud: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `ud` is the test's, alive while this allocator is set.
    let inner = unsafe { *ud.cast::<(ffi::lua_Alloc, *mut c_void)>() };
    let grown = new.saturating_sub(if block.is_null() { 0 } else { old });
    let left = LEFT.load(Relaxed);
    if grown > left {
        return std::ptr::null_mut();
    }
    LEFT.store(left - grown, Relaxed);
    // SAFETY: the allocator that the state was made with.
    unsafe { (inner.0)(inner.1, block, old, new) }
}

#[test]
fn memory_that_runs_out_while_filling_leaves_it_to_the_next_look() {
    let count = "local n = 0 for k in pairs(_G) do n = n + 1 end
        package.path = '/other/?.lua' local _, e = pcall(require, 'm')
        return n, getmetatable(_G), getmetatable(''), e";
    let expected = {
        let full = TestVm::new(eager);
        full.eval(&format!(
            "left = 1 {}",
            count.replace("getmetatable('')", "'table:'")
        ))
    };
    for bytes in (0..12_000).step_by(61) {
        let vm = TestVm::new(lazy);
        // SAFETY: a live state; nothing is owned; the inner allocator is put back before it is closed.
        unsafe {
            let mut inner = (limited as ffi::lua_Alloc, std::ptr::null_mut());
            inner.0 = ffi::lua_getallocf(vm.l, &raw mut inner.1);
            ffi::lua_pushcfunction(vm.l, set_left);
            ffi::lua_setglobal(vm.l, c"left".as_ptr());
            ffi::lua_setallocf(vm.l, limited, (&raw mut inner).cast());
            let fail = format!(
                "local ok, e = pcall(function() left({bytes}) pairs(_G)(_G) end) left(-1) return e"
            );
            let error = vm.eval(&fail);
            assert!(
                error == "not enough memory" || bytes > 9_000,
                "{bytes}: {error}"
            );
            let counted =
                vm.eval(&count.replace("getmetatable('')", "tostring(getmetatable('')):sub(1, 6)"));
            assert_eq!(counted, expected, "{bytes}");
            ffi::lua_setallocf(vm.l, inner.0, inner.1);
        }
    }
}
