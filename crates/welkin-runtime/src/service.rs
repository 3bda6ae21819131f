//! The interfaces between the runtime and what lives in it or feeds it.
//!
//! The runtime knows services only as [`Service`], their makers as [`Module`], sockets as a
//! [`Driver`], other nodes as a [`Remote`] and message dumps as a [`Tap`]. Nothing here names Lua,
//! files or sockets.

use std::sync::Arc;
use std::time::Duration;

use crate::message::{Address, Message};
use crate::node::Node;
use crate::slot::Slot;

/// How a visit to a service ended.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum Flow {
    /// The message is done with.
    Done,
    /// The service gave its worker up in the middle; `resume` goes on with it.
    Preempted,
}

/// The behaviour of one service. Runs on one worker at a time, no lock of the runtime's that another
/// service could wait for is held.
pub trait Service: Send {
    /// One message.
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow;

    /// Goes on with a message whose `handle` or `resume` returned [`Flow::Preempted`]; always before
    /// any later message.
    fn resume(&mut self, _cx: &Context<'_>) -> Flow {
        Flow::Done
    }

    /// Called once by a worker when the service has ended, before it is dropped. Not after a panic.
    fn ended(&mut self, _cx: &Context<'_>) {}
}

/// Where a service runs: its node and its slot.
pub struct Context<'a> {
    /// The node.
    pub node: &'a Arc<Node>,
    /// The service's own slot.
    pub slot: &'a Arc<Slot>,
}

/// What other threads may do to a service while it runs.
pub trait Control: Send + Sync {
    /// The module's signal function; from any thread, also while a message is handled.
    fn signal(&self, node: &Node, n: i32);

    /// The service has ended but does not come back: make it stop at its next instruction. May be
    /// called again and again.
    fn kill(&self);

    /// A signal waits to reach the code that runs. The worker is interrupted until it has.
    fn has_signal(&self) -> bool {
        false
    }

    /// What the service is called, for people: its program's name, or nothing.
    fn name(&self) -> &str {
        ""
    }

    /// Where the service is, for people: `chat.lua:88`, or nothing.
    fn describe(&self) -> String {
        String::new()
    }

    /// The function there, and the number of the message in which it was seen.
    fn function(&self) -> (String, u64) {
        (String::new(), 0)
    }

    /// Memory of the service as of its last message, in bytes; 0 when it is not counted.
    fn memory(&self) -> usize {
        0
    }
}

/// What a [`Module`] makes.
pub struct NewService {
    /// Its behaviour.
    pub service: Box<dyn Service>,
    /// Its handle for other threads, if it has one.
    pub control: Option<Arc<dyn Control>>,
}

/// Why a module made no service.
#[derive(Copy, Clone, Eq, PartialEq, Debug)]
pub enum LaunchError {
    /// Its init failed: the launch is logged as `error: launch <module> FAILED`.
    Failed,
    /// No instance could be made: no line, as in skynet.
    Silent,
}

/// A kind of service that can be launched by name.
pub trait Module: Send + Sync {
    /// Makes one service; `cx.slot` is its slot, which takes messages already (they wait). Runs on
    /// the launching thread.
    fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError>;

    /// Services of this kind do not keep the node alive.
    fn background(&self) -> bool {
        false
    }

    /// Messages to services of this kind wait for a worker that is awake anyway: none is woken for
    /// them. They wait a millisecond at most unless all workers are busy.
    fn patient(&self) -> bool {
        false
    }
}

/// A source of events from outside (sockets). One thread at a time is in `poll`.
pub trait Driver: Send + Sync {
    /// Waits for events for at most `timeout` (`None`: until there is one or `wake` is called; zero:
    /// only looks), and posts them. A timeout must not be cut short by rounding, or the caller spins.
    fn poll(&self, node: &Node, timeout: Option<Duration>);

    /// Makes a `poll` that waits, or the next one, return at once. From any thread.
    fn wake(&self);

    /// A service is gone; close what it owned.
    fn service_ended(&self, _node: &Node, _address: Address) {}
}

/// The way to other nodes.
pub trait Remote: Send + Sync {
    /// Sends to an address of another node.
    fn post(&self, node: &Node, to: Address, message: Message);

    /// Sends to a global name (at most 16 bytes).
    fn post_name(&self, node: &Node, name: &[u8], message: Message);
}

/// A message dump of one service.
pub trait Tap: Send {
    /// A message that is about to be handled by `to`.
    fn message(&mut self, node: &Node, to: Address, message: &Message);

    /// The dump is switched off (`LOGOFF`). When the service ends the tap is only dropped.
    fn close(&mut self, node: &Node);
}

/// Opens message dumps.
pub trait TapFactory: Send + Sync {
    /// Where the dump of `to` goes; `None`: dumps are not configured and `LOGON` does nothing.
    fn path(&self, node: &Node, to: Address) -> Option<String>;

    /// Opens the dump of `to`. The error is the path that could not be opened.
    fn open(&self, node: &Node, to: Address) -> Result<Box<dyn Tap>, String>;
}
