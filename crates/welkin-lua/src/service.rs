//! A Lua service as the runtime sees it: one message at a time into a VM.
//!
//! The VM is made by the first message, on the worker that runs it, so a launch costs its caller
//! little. Everything that a message leaves behind (errors, a memory warning, a wish to end) is said
//! when it is over, also when it took several turns.

mod warm;

use std::sync::Arc;

use welkin_runtime::{Context, Flow, Message, Service, preempt as runtime_preempt};

use crate::alloc::give_region;
use crate::alloc::passing::Passing;
use crate::alloc::region::Region;
use crate::control::LuaControl;
use crate::dispatch::Incoming;
use crate::module::Shared;
use crate::state::Resumed;
use crate::vm::{self, Current, Mode, VmPtr};
use crate::{image, loader, preempt};

/// What goes on after a preemption.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Paused {
    Nothing,
    /// The main thread, in the main file or a callback.
    Main,
    /// A coroutine of the native dispatcher.
    Coroutine,
}

/// One Lua service.
pub struct LuaService {
    shared: Arc<Shared>,
    control: Arc<LuaControl>,
    vm: Option<VmPtr>,
    paused: Paused,
    /// It was cloned: one of many that come and go.
    cloned: bool,
}

// SAFETY: the VM is reached only through this value, which one worker at a time holds (`&mut`).
unsafe impl Send for LuaService {}

impl LuaService {
    /// A service whose VM is made later.
    pub fn new(shared: Arc<Shared>, control: Arc<LuaControl>) -> Self {
        Self {
            shared,
            control,
            vm: None,
            paused: Paused::Nothing,
            cloned: false,
        }
    }

    /// Where the service's blocks come from until the value's end.
    fn heap(&self) -> Option<Passing> {
        self.cloned.then(Passing::begin)
    }

    fn first_message(&mut self, cx: &Context<'_>, message: &Message) -> Flow {
        let text = message.payload.as_bytes();
        let name = loader::usual_name(cx.node, &self.shared, text);
        let image = name.and_then(|name| self.shared.images.get(name));
        self.cloned = image.is_some();
        let _apart = self.heap();
        let control = self.control.clone();
        let opened = match &image {
            Some(image) => image.open(cx, &self.shared, control),
            None => vm::open(cx, &self.shared, control, Region::NONE),
        };
        let Some(vm) = opened else {
            cx.node.log(
                cx.slot.address(),
                "no memory for a Lua state: the service ends",
            );
            cx.node.kill(cx.slot.address());
            return Flow::Done;
        };
        self.vm = Some(vm);
        let prepared = if image.is_some() {
            loader::push_arguments(vm, text)
        } else {
            loader::prepare(vm, text)
        };
        match prepared {
            Ok(args) => {
                if let (Some(name), None) = (name, &image) {
                    image::consider(cx, &self.shared, &self.control, name);
                }
                self.run_main(vm, args)
            }
            Err(mut text) => {
                vm.main.set_top(0);
                text.extend_from_slice(b"\nstack traceback:\n\t[C]: in ?");
                loader::failed(vm, &text);
                Flow::Done
            }
        }
    }

    /// Runs what is prepared on the main thread, or goes on with it.
    fn run_main(&mut self, mut vm: VmPtr, args: i32) -> Flow {
        let resumed = preempt::run(vm, vm.main, None, args);
        if matches!(resumed, Resumed::Yielded(_)) && std::mem::take(&mut vm.preempted) {
            self.paused = Paused::Main;
            return Flow::Preempted;
        }
        self.paused = Paused::Nothing;
        let error = match resumed {
            Resumed::Finished(_) => {
                vm.main.set_top(0);
                if vm.loading {
                    loader::loaded(vm);
                }
                return Flow::Done;
            }
            Resumed::Failed => vm.traceback_of(vm.main),
            Resumed::Yielded(_) => {
                vm.suspending = false;
                b"attempt to yield from outside a coroutine".to_vec()
            }
        };
        reset_main(vm);
        if vm.loading {
            loader::failed(vm, &error);
        } else {
            vm.note_error(&error);
        }
        Flow::Done
    }

    fn callback(&mut self, vm: VmPtr, function: i32, message: &Incoming) -> Flow {
        let main = vm.main;
        main.set_top(0);
        main.push_ref(function);
        main.push_int(message.kind.into());
        main.push_light(message.ptr);
        main.push_int(message.len as i64);
        main.push_int(message.session.into());
        main.push_int(message.source.0.into());
        self.run_main(vm, 5)
    }

    /// The message is over: says what it left behind.
    fn finish(&mut self, cx: &Context<'_>, flow: Flow) -> Flow {
        let Some(mut vm) = self.vm else {
            return Flow::Done;
        };
        if flow == Flow::Preempted && !vm.broken {
            return Flow::Preempted;
        }
        preempt::disarm(vm.main);
        if !vm.errors.is_empty() {
            report(vm);
        }
        if let Some(bytes) = vm.heap.take_warning() {
            vm.log(format!(
                "Memory warning {:.2} M",
                bytes as f64 / (1024.0 * 1024.0)
            ));
        }
        self.control.note_memory(vm.heap.used);
        self.note_warm(cx, vm);
        if self.shared.options.slow_ns != 0 {
            crate::slow::check(vm);
        }
        vm.current.payload = welkin_runtime::Payload::empty();
        if vm.broken {
            cx.node.log(
                vm.address(),
                "the service ends after an internal error; others go on. Please report the lines above",
            );
            cx.node.kill(vm.address());
        }
        Flow::Done
    }
}

/// Makes the main thread usable again after an error or a yield.
fn reset_main(vm: VmPtr) {
    preempt::within(vm.main, || vm.main.close_thread(None));
    vm.main.set_top(0);
}

fn report(mut vm: VmPtr) {
    let errors = std::mem::take(&mut vm.errors);
    let current = &vm.current;
    let head = format!(
        "lua call [{:x} to :{:x} : {} msgsz = {}] error : \x1b[31m",
        current.source.0,
        vm.address().0,
        current.session,
        current.size
    );
    let mut line = head.into_bytes();
    line.extend_from_slice(&errors);
    line.extend_from_slice(b"\x1b[0m");
    vm.log(line);
}

impl Service for LuaService {
    fn handle(&mut self, cx: &Context<'_>, mut message: Message) -> Flow {
        let _apart = self.heap();
        runtime_preempt::enter_lua();
        let flow = match self.vm {
            None => self.first_message(cx, &message),
            Some(mut vm) => {
                if matches!(vm.mode, Mode::Callback { forward: true, .. }) {
                    // The callback will own it, which nobody can of what others have too.
                    message.payload = message.payload.into_own();
                }
                let incoming = Incoming {
                    kind: message.kind,
                    session: message.session,
                    source: message.source,
                    ptr: message.payload.as_ptr().cast_mut().cast(),
                    len: message.payload.len(),
                };
                vm.current = Current {
                    source: message.source,
                    session: message.session,
                    kind: message.kind,
                    size: message.payload.len(),
                    payload: message.payload,
                };
                match vm.mode {
                    Mode::Native => {
                        if incoming.kind == welkin_runtime::kind::SOCKET {
                            // The program's unpack takes the data buffer over.
                            crate::bindings::hand_over_attached(vm);
                        }
                        let flow = vm.dispatch(&incoming, None);
                        if flow == Flow::Preempted {
                            self.paused = Paused::Coroutine;
                        }
                        flow
                    }
                    Mode::Callback { function, forward } => {
                        if forward || incoming.kind == welkin_runtime::kind::SOCKET {
                            crate::bindings::hand_over(vm, forward);
                        }
                        self.callback(vm, function, &incoming)
                    }
                    Mode::Fresh | Mode::Silent => Flow::Done,
                }
            }
        };
        let flow = self.finish(cx, flow);
        runtime_preempt::leave_lua();
        flow
    }

    fn resume(&mut self, cx: &Context<'_>) -> Flow {
        let _apart = self.heap();
        runtime_preempt::enter_lua();
        let flow = match (self.vm, self.paused) {
            (Some(vm), Paused::Main) => self.run_main(vm, 0),
            (Some(vm), Paused::Coroutine) => vm.go_on(None),
            _ => Flow::Done,
        };
        let flow = self.finish(cx, flow);
        runtime_preempt::leave_lua();
        flow
    }
}

impl Drop for LuaService {
    fn drop(&mut self) {
        if let Some(vm) = self.vm.take() {
            self.shared.options.hooks.forget(vm.address());
            // Finalizers run Lua: the hook of a service that was killed in a loop ends them too.
            let region = vm::close(vm);
            // SAFETY: the VM that it was the region of is closed; null is nothing.
            unsafe { give_region(region) };
        }
    }
}
