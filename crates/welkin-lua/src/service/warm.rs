//! What a Lua service's messages touch, told to the runtime, which has it in the processor's cache when
//! the next message is handled.
//!
//! Told again whenever the number of messages has doubled: stacks and tables move while a program comes
//! to its shape, and hardly ever after that.

use std::sync::Arc;

use welkin_runtime::Context;

use super::LuaService;
use crate::control::LuaControl;
use crate::coroutines::Coroutine;
use crate::vm::{Vm, VmPtr};

/// From so many messages on: most services that only start and wait are never told of.
const MESSAGES_MIN: u64 = 4;

impl LuaService {
    /// After a message.
    #[inline]
    pub(super) fn note_warm(&self, cx: &Context<'_>, vm: VmPtr) {
        let messages = cx.slot.messages();
        if messages.is_power_of_two() && messages >= MESSAGES_MIN {
            self.tell_warm(cx, vm);
        }
    }

    #[cold]
    fn tell_warm(&self, cx: &Context<'_>, vm: VmPtr) {
        let mut stretches = vec![
            (std::ptr::from_ref(self).addr(), size_of::<LuaService>()),
            (vm.place().addr(), size_of::<Vm>()),
            (Arc::as_ptr(&self.control).addr(), size_of::<LuaControl>()),
            (vm.cos.all.as_ptr().addr(), size_of::<Coroutine>()),
        ];
        if let (Some(thread), protocols @ 1..) = (vm.next_thread(), vm.refs.proto) {
            let (kind, dispatch) = (vm.current.kind, vm.names.dispatch);
            let each = |at, bytes| stretches.push((at, bytes));
            // SAFETY: the name is this VM's, anchored in its registry, and so is the table.
            unsafe { thread.warm(protocols, kind, dispatch, each) };
        }
        cx.slot.note_warm(&mut stretches);
    }
}
