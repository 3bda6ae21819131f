//! The service `.fleet` of a program that was built without the fleet: it counts players, as a node may be
//! under the agent of a whole program, and refuses everything else.

use std::sync::Arc;

use welkin_runtime::{Context, Flow, Message, Service, built_without, kind};

use super::settings::Settings;
use super::{Players, answer, packed};
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
            kind::LUA => {
                let (asker, text) = (
                    (message.source, message.session),
                    built_without("the fleet", "fleet"),
                );
                answer(cx.node, cx.slot.address(), asker, &packed(&text));
            }
            kind::RESPONSE => self.0.answered(message.session, Some(&message.payload)),
            kind::ERROR => self.0.answered(message.session, None),
            _ => {}
        }
        Flow::Done
    }
}
