//! Tracing of requests: which request a coroutine works for, followed through calls.
//!
//! A tag belongs to the request in work. A call made under a tag is announced to its target by a
//! TRACE message, which the target remembers for the next request of that sender. Services that never
//! trace pay one comparison a message.

use std::collections::HashMap;

use welkin_runtime::{Address, Message, Node, Payload, kind};

use crate::state::State;
use crate::vm::VmPtr;

/// Tag of a coroutine's request.
#[derive(Debug, Clone, Default)]
pub enum Tag {
    /// No tag.
    #[default]
    None,
    /// Tracing is switched off for the protocol.
    Off,
    /// This tag.
    On(Box<[u8]>),
}

/// A service's tags.
#[derive(Debug, Default)]
pub struct Tracing {
    /// Tags announced by senders, for their next request.
    pub announced: HashMap<Address, Box<[u8]>>,
    /// Some protocol has a switch: requests look at it.
    pub switched: bool,
    /// Number of the last own tag.
    pub last: u64,
}

impl VmPtr {
    /// Tag of the running coroutine, if one is on.
    #[inline]
    pub fn tag(mut self) -> Option<Box<[u8]>> {
        match self.running().map(|i| &self.co(i).tag) {
            Some(Tag::On(tag)) => Some(tag.clone()),
            _ => None,
        }
    }

    /// Whether a call made now is traced.
    #[inline]
    pub fn tracing_call(mut self) -> bool {
        self.running()
            .is_some_and(|i| matches!(self.co(i).tag, Tag::On(_)))
    }

    /// A fresh tag, `:<address>-<n>`.
    pub fn fresh_tag(mut self) -> Box<[u8]> {
        self.tracing.last += 1;
        format!("{}-{}", self.address(), self.tracing.last)
            .into_bytes()
            .into()
    }

    /// A trace line without stack.
    pub fn trace_line(self, tag: &[u8], text: &str) {
        let mut line = b"<TRACE ".to_vec();
        line.extend_from_slice(tag);
        line.extend_from_slice(format!("> {} {text}", Node::hpc()).as_bytes());
        self.log(line);
    }

    /// A trace line with up to three positions of `of`, from `level` on.
    pub fn trace_stack(self, tag: &[u8], text: &[u8], of: State, level: i32) {
        let mut line = b"<TRACE ".to_vec();
        line.extend_from_slice(tag);
        line.extend_from_slice(format!("> {} ", Node::hpc()).as_bytes());
        line.extend_from_slice(text);
        let mut shown = 0;
        for at in level.. {
            let Some(position) = crate::control::position(of, at) else {
                break;
            };
            let Some(position) = position else { continue };
            line.extend_from_slice(if shown == 0 { b" : " } else { b" " });
            line.extend_from_slice(position.as_bytes());
            shown += 1;
            if shown == 3 {
                break;
            }
        }
        self.log(line);
    }

    /// Before a traced call: announces the tag to the target and says so in the log.
    pub fn trace_call(self, to: Address, text: &[u8], of: State, level: i32) {
        let Some(tag) = self.tag() else { return };
        self.trace_stack(&tag, text, of, level);
        let announce = Message {
            source: self.address(),
            session: 0,
            kind: kind::TRACE,
            payload: Payload::copy_from(&tag),
        };
        // A target that is gone is found out by the call itself.
        let _ = self.node.post(to, announce);
    }
}
