//! The service `.fleet` of a program that was built without the fleet: it counts players, as a node may be
//! under the agent of a whole program, and refuses everything else.

use std::sync::Arc;

use welkin_runtime::{Context, Flow, Message, Payload, Service, built_without, kind};

use super::settings::Settings;
use super::{Players, packed};
use crate::control::Control;

pub(super) struct Fleet(Arc<Players>);

impl Fleet {
    pub fn new(
        _cx: &Context<'_>,
        _settings: Option<&Arc<Settings>>,
        control: &Arc<Control>,
    ) -> Self {
        Self(control.players())
    }
}

impl Service for Fleet {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        match message.kind {
            kind::LUA if message.session != 0 => {
                let answer = Message {
                    source: cx.slot.address(),
                    session: message.session,
                    kind: kind::RESPONSE,
                    payload: Payload::copy_from(&packed(&built_without("the fleet", "fleet"))),
                };
                // Who asked may have ended meanwhile.
                drop(cx.node.post(message.source, answer));
            }
            kind::RESPONSE => self.0.answered(message.session, Some(&message.payload)),
            kind::ERROR => self.0.answered(message.session, None),
            _ => {}
        }
        Flow::Done
    }
}
