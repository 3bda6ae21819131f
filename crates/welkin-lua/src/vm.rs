//! One VM: the Lua state of a service and all that Rust keeps beside it.
//!
//! The state's extra space holds a pointer to the [`Vm`], so every native function finds its service
//! from the thread it was called with. Native functions run inside the dispatcher's own calls, so the
//! VM is reached through [`VmPtr`], a copyable pointer whose borrows last for one expression: nobody
//! may hold a reference into the VM across a call into Lua. Only the worker that runs the service
//! touches any of it.

use std::collections::HashMap;
use std::ffi::c_int;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use mlua_sys as ffi;
use welkin_net::Net;
use welkin_runtime::{Address, Context, Node, Payload, Slot};

use crate::alloc::region::Region;
use crate::alloc::{Heap, allocate};
use crate::codecache::CacheHold;
use crate::control::LuaControl;
use crate::coroutines::Coroutines;
use crate::module::Shared;
use crate::sharetable::Held;
use crate::state::{Name, State};
use crate::trace::Tracing;
use crate::waits::Waits;

/// How messages reach the program.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The main file has not begun.
    Fresh,
    /// No callback: messages are freed unseen.
    Silent,
    /// The native dispatcher.
    Native,
    /// A function given to `skynet.core.callback`: the classic path.
    Callback {
        /// The function, in the registry.
        function: c_int,
        /// The function keeps the message's memory.
        forward: bool,
    },
}

/// The message in work, for error lines and accounts.
#[derive(Debug)]
pub struct Current {
    /// Sender.
    pub source: Address,
    /// Session, with the sign it came with.
    pub session: i32,
    /// Type.
    pub kind: u8,
    /// Bytes of the payload.
    pub size: usize,
    /// The payload; freed when the message is over.
    pub payload: Payload,
}

/// A request taken over by `skynet.response`, not answered yet.
#[derive(Copy, Clone, Debug)]
pub struct OpenResponse {
    /// Session of the requester.
    pub session: i32,
    /// The requester.
    pub source: Address,
}

/// Registry numbers of this VM's own tables.
#[derive(Copy, Clone, Debug, Default)]
pub struct Refs {
    /// The `skynet` table; 0 until it is made.
    pub skynet: c_int,
    /// `skynet._proto`.
    pub proto: c_int,
    /// Tokens of sleeping coroutines -> index; 0 until one is used.
    pub tokens: c_int,
    /// Coroutines by index.
    pub threads: c_int,
    /// Threads -> functions of the debugger's hooks; 0 until one is set.
    pub hooks: c_int,
    /// Handler of unknown requests, of unknown responses; 0: the default.
    pub unknown_request: c_int,
    /// See above.
    pub unknown_response: c_int,
}

/// The fields of a protocol that are looked at for every message.
#[derive(Copy, Clone, Debug, Default)]
pub struct Names {
    /// `id`
    pub id: Name,
    /// `pack`
    pub pack: Name,
    /// `unpack`
    pub unpack: Name,
    /// `dispatch`
    pub dispatch: Name,
}

impl Names {
    fn make(state: State) -> Self {
        Self {
            id: state.make_name(c"id"),
            pack: state.make_name(c"pack"),
            unpack: state.make_name(c"unpack"),
            dispatch: state.make_name(c"dispatch"),
        }
    }

    /// The same in a VM whose memory lies that much further on.
    pub fn moved(self, by: usize) -> Self {
        let moved = |name: Name| Name(name.0.wrapping_add(by));
        Self {
            id: moved(self.id),
            pack: moved(self.pack),
            unpack: moved(self.unpack),
            dispatch: moved(self.dispatch),
        }
    }
}

/// One VM.
pub struct Vm {
    /// Main thread.
    pub main: State,
    /// Memory accounts; Lua's allocator writes them.
    pub heap: Heap,
    /// The node.
    pub node: Arc<Node>,
    /// The service's own slot.
    pub slot: Arc<Slot>,
    /// What all VMs of the node share.
    pub shared: Arc<Shared>,
    /// Where a long message was.
    pub slow: Option<Box<crate::slow::Sample>>,
    /// Deadline of calls without an own, in milliseconds; 0 = none.
    pub call_timeout_ms: u32,
    /// Signals from other threads.
    pub control: Arc<LuaControl>,
    /// How messages reach the program.
    pub mode: Mode,
    /// How they did before the debugger was attached.
    pub undebugged: Option<Mode>,
    /// The message in work.
    pub current: Current,
    /// Service coroutines.
    pub cos: Coroutines,
    /// Open sessions, sleepers, forks.
    pub waits: Waits,
    /// Requests taken over by `skynet.response`.
    pub responses: HashMap<u64, OpenResponse>,
    /// Key of the next one.
    pub response_next: u64,
    /// Registry numbers.
    pub refs: Refs,
    /// Names of fields.
    pub names: Names,
    /// Requests that could not be unpacked: answered with an error when the service exits.
    pub unread: Vec<(Address, i32)>,
    /// Errors of the present message, joined by newlines.
    pub errors: Vec<u8>,
    /// The main file has not ended.
    pub loading: bool,
    /// A native wait is under way: tells its yield from the program's own.
    pub suspending: bool,
    /// The coroutine resumed last came back by a native wait.
    pub inner_suspended: bool,
    /// The protocol table holds all classes.
    pub protocols_full: bool,
    /// A hook yielded: tells that yield from all others.
    pub preempted: bool,
    /// `skynet.exit` was called, or the service was told to end.
    pub dying: bool,
    /// A panic went through the VM: it is not used again.
    pub broken: bool,
    /// Lua of the cold half of `skynet` is loaded.
    pub cold: bool,
    /// Limit to apply when the main file has ended, in bytes; 0 = none.
    pub memory_limit: usize,
    /// `skynet.memlimit` was called and is gone.
    pub memlimit_used: bool,
    /// Bytes on their way into a Lua string.
    pub scratch: Vec<u8>,
    /// Compiled files this VM runs.
    pub cache: CacheHold,
    /// Versions of shared tables that this VM may have values of.
    pub tables: Vec<Held>,
    /// Trace tags and their switches.
    pub tracing: Tracing,
    /// CPU time measured by `skynet.profile`, by thread.
    pub profiles: HashMap<usize, crate::bindings::profile::Profile>,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("address", &self.slot.address())
            .finish_non_exhaustive()
    }
}

/// A VM, for the worker that runs it.
#[derive(Copy, Clone, Debug)]
pub struct VmPtr(NonNull<Vm>);

impl Deref for VmPtr {
    type Target = Vm;
    #[inline]
    fn deref(&self) -> &Vm {
        // SAFETY: made from a box that lives until `close`; one worker at a time (runtime's invariant
        // 4), and borrows last one expression by the rule at the top of the file.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for VmPtr {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vm {
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

/// The VM that `state` belongs to.
#[inline]
pub fn vm(state: impl IntoState) -> VmPtr {
    let l = state.pointer();
    // SAFETY: `open` stored the pointer in the main thread's extra space, and Lua copies that space
    // into every thread it makes.
    unsafe {
        VmPtr(NonNull::new_unchecked(
            *ffi::lua_getextraspace(l).cast::<*mut Vm>(),
        ))
    }
}

/// As [`vm()`]; `None` in the plain interpreter, whose state belongs to no service.
#[inline]
pub fn try_vm(state: impl IntoState) -> Option<VmPtr> {
    let l = state.pointer();
    // SAFETY: as `vm`; the plain interpreter stores null (`plain.rs`).
    let pointer = unsafe { *ffi::lua_getextraspace(l).cast::<*mut Vm>() };
    NonNull::new(pointer).map(VmPtr)
}

/// What names a thread: a [`State`] or Lua's own pointer.
pub trait IntoState {
    /// Lua's pointer.
    fn pointer(self) -> *mut ffi::lua_State;
}

impl IntoState for State {
    #[inline]
    fn pointer(self) -> *mut ffi::lua_State {
        self.ptr()
    }
}

impl IntoState for *mut ffi::lua_State {
    #[inline]
    fn pointer(self) -> *mut ffi::lua_State {
        self
    }
}

impl VmPtr {
    /// Field of a protocol's class, which is a table of this VM at `index` of `state`.
    #[inline]
    pub fn push_class_field(self, state: State, index: c_int, name: Name) -> c_int {
        // SAFETY: the names are this VM's, anchored in its registry.
        unsafe { state.raw_get_name(index, name) }
    }
}

impl Vm {
    /// The node.
    #[inline]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Own address.
    #[inline]
    pub fn address(&self) -> Address {
        self.slot.address()
    }

    /// The socket engine.
    #[inline]
    pub fn net(&self) -> &Arc<Net> {
        &self.shared.net
    }

    /// A log line of this service.
    pub fn log(&self, text: impl Into<Vec<u8>>) {
        self.node.log(self.address(), text);
    }
}

/// Makes a VM with base library and the rest on demand; its memory comes from `region` first.
pub fn open(
    cx: &Context<'_>,
    shared: &Arc<Shared>,
    control: Arc<LuaControl>,
    region: Region,
) -> Option<VmPtr> {
    let mut memory = Box::<Vm>::new_uninit();
    // The heap's account must exist before the state that is counted in it.
    let place = memory.as_mut_ptr();
    // SAFETY: each field is written before it is read: the heap now, the whole struct (with the same
    // heap value) once the state exists; the box does not move.
    unsafe {
        (&raw mut (*place).heap).write(Heap::within(region, 0));
        let l = ffi::lua_newstate(allocate, (&raw mut (*place).heap).cast(), shared.seed);
        if l.is_null() {
            return None;
        }
        ffi::lua_atpanic(l, at_panic);
        let main = State::new(l);
        let heap_now = (&raw const (*place).heap).read();
        place.write(fresh(main, heap_now, cx, shared, control));
        *ffi::lua_getextraspace(l).cast::<*mut Vm>() = place;
        let mut vm = VmPtr::own(memory.assume_init());
        ffi::lua_gc(l, ffi::LUA_GCSTOP);
        vm.names = Names::make(main);
        crate::library_setup::install(vm);
        Some(vm)
    }
}

/// A VM around the state of `main`, before anything has run in it.
pub fn fresh(
    main: State,
    heap: Heap,
    cx: &Context<'_>,
    shared: &Arc<Shared>,
    control: Arc<LuaControl>,
) -> Vm {
    Vm {
        main,
        heap,
        node: cx.node.clone(),
        slot: cx.slot.clone(),
        shared: shared.clone(),
        slow: None,
        call_timeout_ms: shared.options.call_timeout_ms,
        control,
        mode: Mode::Fresh,
        undebugged: None,
        current: Current {
            source: Address::NONE,
            session: 0,
            kind: 0,
            size: 0,
            payload: Payload::empty(),
        },
        cos: Coroutines::default(),
        waits: Waits::default(),
        responses: HashMap::new(),
        response_next: 0,
        refs: Refs::default(),
        names: Names::default(),
        unread: Vec::new(),
        errors: Vec::new(),
        loading: true,
        suspending: false,
        inner_suspended: false,
        protocols_full: false,
        preempted: false,
        dying: false,
        broken: false,
        cold: false,
        memory_limit: shared.options.memory_max,
        memlimit_used: false,
        scratch: Vec::new(),
        cache: CacheHold::default(),
        tables: Vec::new(),
        tracing: Tracing::default(),
        profiles: HashMap::new(),
    }
}

impl VmPtr {
    /// Of a VM that [`close`] will free.
    pub fn own(vm: Box<Vm>) -> Self {
        Self(NonNull::from(Box::leak(vm)))
    }

    /// Where the VM lies.
    pub fn place(self) -> *mut Vm {
        self.0.as_ptr()
    }
}

/// Closes the VM: finalizers run, all memory goes back. The pointer is dead after it. Gives what its
/// region lay in, which is nobody's now; null: it had none.
pub fn close(mut vm: VmPtr) -> *mut u8 {
    vm.heap.lifted = true;
    vm.heap.limit = 0;
    let broken = vm.broken;
    let l = vm.main.ptr();
    // SAFETY: the service has ended, so no other `VmPtr` of it is in use. A VM that a panic went
    // through has stale records: it is left alone, as its memory may not be walked.
    unsafe {
        if broken {
            return std::ptr::null_mut();
        }
        ffi::lua_close(l);
        let region = vm.heap.region.base();
        drop(Box::from_raw(vm.0.as_ptr()));
        region
    }
}

/// Lua is out of memory outside of a protected call: nothing can go on.
unsafe extern "C-unwind" fn at_panic(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua passes its thread.
    let text = unsafe { State::new(l) }
        .text(-1)
        .map(|t| String::from_utf8_lossy(t).into_owned());
    eprintln!(
        "welkin: a Lua error outside of every protected call ({}): memory is exhausted, the node ends",
        text.unwrap_or_default()
    );
    0
}
