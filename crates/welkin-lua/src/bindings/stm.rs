//! The Lua module `skynet.stm`: bytes with one writer and many readers in other services.
//!
//! A writer and its readers share a [`Cell`] with the newest version. A reader sees by a number whether there is
//! something new, and takes no lock when there is not; the lock is held to take or put a version, never while
//! Lua runs. Each reader keeps the version it read last, so its bytes stay where they are until the reader is
//! called again.
//!
//! What `copy` gives is a light userdata, as programs send it in messages, and names an entry of
//! [`References`]. It is no address of anything: made up, it is known to nobody, and used twice, it is gone.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mlua_sys as ffi;
use parking_lot::Mutex;
use welkin_runtime::Payload;

use super::object;
use super::send::payload_arg;
use super::skynet::Entry;
use crate::border::{LuaError, LuaResult};
use crate::lua_fn;
use crate::state::State;

const FUNCTIONS: &[Entry] = &[(c"copy", copy), (c"new", new), (c"newcopy", newcopy)];
const EVENTS: &[Entry] = &[(c"__call", run)];

/// References count from here. No address is so high, so one that is taken for memory (by `skynet.trash`,
/// say) is refused.
const REFERENCE_FIRST: u64 = 1 << 56;

/// What the writer has written.
#[derive(Debug)]
struct Cell {
    /// The number of the newest version, or one more when the writer is gone. Changed under the lock.
    serial: AtomicU64,
    /// `None`: the writer is gone.
    newest: Mutex<Option<Arc<Payload>>>,
}

impl Cell {
    fn new(first: Payload) -> Self {
        Self {
            serial: AtomicU64::new(1),
            newest: Mutex::new(Some(Arc::new(first))),
        }
    }

    fn put(&self, version: Option<Arc<Payload>>) {
        let mut newest = self.newest.lock();
        self.serial.fetch_add(1, Ordering::Release);
        let old = std::mem::replace(&mut *newest, version);
        drop(newest);
        drop(old);
    }
}

/// Its end ends the versions: readers that have not seen the last one never will.
#[derive(Debug)]
struct Writer(Arc<Cell>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.put(None);
    }
}

#[derive(Debug)]
struct Reader {
    cell: Arc<Cell>,
    /// The number of the last version read.
    seen: u64,
    /// That version: the program may still look at it.
    version: Option<Arc<Payload>>,
}

impl Reader {
    /// The newest version, if it was not read before.
    fn news(&mut self) -> Option<&Payload> {
        if self.cell.serial.load(Ordering::Acquire) == self.seen {
            return None;
        }
        let newest = self.cell.newest.lock();
        self.seen = self.cell.serial.load(Ordering::Relaxed);
        let version = newest.clone();
        drop(newest);
        self.version = version;
        self.version.as_deref()
    }
}

/// What a program holds.
#[derive(Debug, Default)]
enum End {
    #[default]
    Gone,
    Writer(Writer),
    Reader(Reader),
}

/// References handed out by `copy` and not yet taken by `newcopy`, of one node.
///
/// There is no limit: programs rely on it that a reference is good for as long as it is under way. One that is
/// never taken stays, at some hundred bytes; the versions are freed with the writer all the same.
#[derive(Debug, Default)]
pub struct References(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    cells: HashMap<u64, Arc<Cell>>,
}

impl References {
    fn give(&self, cell: &Arc<Cell>) -> u64 {
        let mut entries = self.0.lock();
        entries.last += 1;
        let reference = REFERENCE_FIRST + entries.last;
        entries.cells.insert(reference, cell.clone());
        reference
    }

    fn take(&self, reference: u64) -> Option<Arc<Cell>> {
        self.0.lock().cells.remove(&reference)
    }
}

lua_fn! {
    /// Pushes the module's table.
    fn open(call: &mut Call) -> LuaResult {
        object::push_module_with::<End>(call.state, FUNCTIONS, EVENTS);
        Ok(1)
    }

    /// `new(pointer, size)`, `new(text)` `-> writer`: with this first version. A pointer's memory is taken over.
    fn new(call: &mut Call) -> LuaResult {
        let state = call.state;
        if state.type_of(1) != ffi::LUA_TLIGHTUSERDATA {
            // Raises before there is an object, which would be taken for the argument.
            state.check_text(1);
        }
        object::push::<End>(state, 0);
        let end = object::check::<End>(state, -1, c"writer expected")?;
        let first = version(state, 1)?;
        // SAFETY: the object that was made just now.
        unsafe { *end = End::Writer(Writer(Arc::new(Cell::new(first)))) };
        Ok(1)
    }

    /// `copy(writer) -> lightuserdata`: a reference for one `newcopy`, here or in another service.
    fn copy(call: &mut Call) -> LuaResult {
        let end = object::check::<End>(call.state, 1, c"writer of stm.new expected")?;
        // SAFETY: a live object; Lua is not called while it is borrowed.
        let End::Writer(Writer(cell)) = (unsafe { &*end }) else {
            return Err(LuaError::Argument(1, c"writer of stm.new expected"));
        };
        let reference = call.vm().shared.stm.give(cell);
        call.state.push_light(std::ptr::without_provenance_mut::<c_void>(reference as usize));
        Ok(1)
    }

    /// `newcopy(reference) -> reader`
    fn newcopy(call: &mut Call) -> LuaResult {
        let (vm, state) = (call.vm(), call.state);
        if state.type_of(1) != ffi::LUA_TLIGHTUSERDATA {
            return Err(LuaError::Argument(1, c"reference of stm.copy expected"));
        }
        let reference = state.to_userdata(1).addr() as u64;
        object::push::<End>(state, 0);
        let end = object::check::<End>(state, -1, c"reader expected")?;
        let Some(cell) = vm.shared.stm.take(reference) else {
            let why = c"reference of stm.copy expected, this is none, or was used before";
            return Err(LuaError::Argument(1, why));
        };
        // SAFETY: the object that was made just now.
        unsafe { *end = End::Reader(Reader { cell, seen: 0, version: None }) };
        Ok(1)
    }

    /// `writer(pointer, size)`, `writer(text)`: the next version.
    ///
    /// `reader(f, ud) -> true, ...` or `false`: `f(pointer, size, ud)` and its results, if there is a new
    /// version. It counts as read when `f` is called.
    fn run(call: &mut Call) -> LuaResult {
        let state = call.state;
        let end = object::check::<End>(state, 1, c"writer or reader expected")?;
        // SAFETY: a live object. The borrows end before Lua is called.
        match unsafe { &mut *end } {
            End::Writer(_) => write(state, end),
            End::Reader(_) => read(state, end),
            End::Gone => Err(LuaError::Argument(1, c"it was collected")),
        }
    }
}

fn write(state: State, end: *mut End) -> LuaResult {
    let next = version(state, 2)?;
    // SAFETY: a live object, on the stack; Lua is not called while it is borrowed.
    if let End::Writer(Writer(cell)) = unsafe { &*end } {
        cell.put(Some(Arc::new(next)));
    }
    Ok(0)
}

fn read(state: State, end: *mut End) -> LuaResult {
    if state.type_of(2) != ffi::LUA_TFUNCTION {
        // Raises.
        state.check_type(2, ffi::LUA_TFUNCTION);
    }
    // SAFETY: as in `write`.
    let news = match unsafe { &mut *end } {
        End::Reader(reader) => reader.news().map(|new| (new.as_ptr(), new.len())),
        _ => None,
    };
    let Some((pointer, size)) = news else {
        state.push_bool(false);
        return Ok(1);
    };
    state.set_top(3);
    state.push_bool(true);
    state.push_value(2);
    state.push_light(pointer.cast_mut().cast());
    state.push_int(size as i64);
    state.push_value(3);
    // The reader stays at index 1 and keeps the version. `f` cannot yield: there is no continuation.
    state.call(3, ffi::LUA_MULTRET);
    Ok(state.top() - 3)
}

/// The version at `index`, a pointer and the size behind it or a text; a number becomes its text.
fn version(state: State, index: i32) -> Result<Payload, LuaError> {
    if state.type_of(index) != ffi::LUA_TLIGHTUSERDATA {
        return Ok(Payload::copy_from(state.check_text(index)));
    }
    payload_arg(state, index)?.ok_or(LuaError::Argument(index + 1, c"negative or too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Writer, Reader) {
        let cell = Arc::new(Cell::new(Payload::copy_from(b"first")));
        let reader = Reader {
            cell: cell.clone(),
            seen: 0,
            version: None,
        };
        (Writer(cell), reader)
    }

    fn news(reader: &mut Reader) -> Option<Vec<u8>> {
        reader.news().map(|new| new.as_bytes().to_vec())
    }

    fn put(writer: &Writer, text: &[u8]) {
        writer.0.put(Some(Arc::new(Payload::copy_from(text))));
    }

    #[test]
    fn a_reader_sees_the_newest_version_once() {
        let (writer, mut reader) = pair();
        assert_eq!(news(&mut reader).as_deref(), Some(&b"first"[..]));
        assert_eq!(news(&mut reader), None);
        put(&writer, b"second");
        put(&writer, b"third");
        assert_eq!(news(&mut reader).as_deref(), Some(&b"third"[..]));
        assert_eq!(news(&mut reader), None);
    }

    #[test]
    fn without_its_writer_there_is_nothing_new_and_nothing_kept() {
        let (writer, mut reader) = pair();
        assert!(reader.news().is_some());
        put(&writer, b"unseen");
        drop(writer);
        assert_eq!(news(&mut reader), None);
        assert!(reader.version.is_none());
        assert_eq!(news(&mut reader), None);
    }

    #[test]
    fn a_version_lives_as_long_as_one_reader_keeps_it() {
        let (writer, mut reader) = pair();
        let first = Arc::downgrade(writer.0.newest.lock().as_ref().unwrap());
        reader.news();
        put(&writer, b"second");
        assert!(first.upgrade().is_some());
        reader.news();
        assert!(first.upgrade().is_none());
    }

    #[test]
    fn a_reference_is_taken_once_and_looks_like_no_memory() {
        let references = References::default();
        let (writer, _) = pair();
        let (one, other) = (references.give(&writer.0), references.give(&writer.0));
        assert_ne!(one, other);
        assert!(references.take(one).is_some());
        assert!(references.take(one).is_none());
        assert!(references.take(0).is_none());
        let place = std::ptr::without_provenance::<c_void>(other as usize);
        assert!(!welkin_runtime::is_possible(place, 0));
    }

    #[test]
    fn readers_on_other_threads_see_versions_in_order() {
        let (writer, reader) = pair();
        let cell = reader.cell.clone();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let mut reader = Reader {
                    cell: cell.clone(),
                    seen: 0,
                    version: None,
                };
                scope.spawn(move || {
                    let mut last = 0;
                    while last < 999 {
                        let Some(new) = reader.news() else { continue };
                        let text = std::str::from_utf8(new.as_bytes()).unwrap();
                        let number = text.parse().unwrap_or(0);
                        assert!(number >= last);
                        last = number;
                    }
                });
            }
            for number in 0..1000 {
                put(&writer, number.to_string().as_bytes());
            }
        });
    }
}
