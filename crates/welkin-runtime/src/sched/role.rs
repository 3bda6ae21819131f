//! Which worker the calling thread is.
//!
//! A *role* is a place among the workers: a run queue and what the monitor watches. Threads take
//! roles and may change them (`handover.rs`), so nobody keeps a role's number over a call into a
//! service.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::node::Node;
use crate::os::ThreadHandle;
use crate::sched::handover::Seat;

/// The calling thread's role.
#[derive(Copy, Clone)]
pub(crate) struct Role {
    /// `Sched::id`; 0: the thread is no worker.
    pub(crate) node: u64,
    /// The place among its workers.
    pub(crate) index: usize,
    /// Whether a service runs (and not the timers or the driver).
    pub(crate) in_service: bool,
}

/// What belongs to a worker thread as long as it lives.
#[derive(Clone)]
pub(crate) struct Here {
    pub(crate) node: Arc<Node>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) handle: Arc<ThreadHandle>,
}

const NO_ROLE: Role = Role {
    node: 0,
    index: 0,
    in_service: false,
};

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(NO_ROLE) };
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

pub(crate) fn get() -> Role {
    ROLE.get()
}

pub(crate) fn set(role: Role) {
    ROLE.set(role);
}

pub(crate) fn clear() {
    ROLE.set(NO_ROLE);
}

pub(crate) fn set_in_service(in_service: bool) {
    ROLE.set(Role {
        in_service,
        ..ROLE.get()
    });
}

pub(crate) fn set_here(here: Option<Here>) {
    HERE.set(here);
}

/// `None`: not a worker thread.
pub(crate) fn here() -> Option<Here> {
    HERE.with_borrow(Clone::clone)
}

/// See [`crate::preempt::others_wait`].
pub(crate) fn others_wait() -> bool {
    let role = get();
    role.node != 0
        && HERE.with_borrow(|here| {
            here.as_ref()
                .is_some_and(|here| here.node.sched.others_wait(role.index))
        })
}
