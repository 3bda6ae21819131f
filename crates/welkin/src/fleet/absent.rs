//! The service `.fleet` of a program that was built without the fleet: it counts players, as a node may be
//! under the agent of a whole program, and refuses everything else.

use std::sync::Arc;

use welkin_runtime::{
    Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, built_without, kind,
};

use super::settings::Settings;
use super::{NAME, Players, packed};
use crate::control::Control;

/// The module `fleet`. A second launch gives no service: the first one has the name.
pub struct FleetModule(Arc<Players>);

impl FleetModule {
    /// For a node with these settings.
    pub fn new(_settings: Option<Settings>, control: &Arc<Control>) -> Self {
        Self(control.players())
    }
}

impl Module for FleetModule {
    fn create(&self, cx: &Context<'_>, _args: &[u8]) -> Result<NewService, LaunchError> {
        if !cx.node.name_register(NAME, cx.slot.address()) {
            return Err(LaunchError::Silent);
        }
        Ok(NewService {
            service: Box::new(Fleet(Arc::clone(&self.0))),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}

struct Fleet(Arc<Players>);

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
