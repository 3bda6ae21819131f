//! Stands in for `sqlite.rs` in a build without SQLite: the service is there and refuses every request, so
//! that a program learns where it asks why there is no database.

use welkin_codec::seri::Writer;
use welkin_runtime::{
    Context, Flow, LaunchError, Message, Module, NewService, Payload, Service, built_without, kind,
};

/// The local name, without dot.
const NAME: &[u8] = b"sqlite";

/// The module `sqlite`. A second launch gives no service: the first one has the name.
#[derive(Debug, Default)]
pub struct SqliteModule;

impl Module for SqliteModule {
    fn create(&self, cx: &Context<'_>, _args: &[u8]) -> Result<NewService, LaunchError> {
        if !cx.node.name_register(NAME, cx.slot.address()) {
            return Err(LaunchError::Silent);
        }
        Ok(NewService {
            service: Box::new(Refusal),
            control: None,
        })
    }

    fn background(&self) -> bool {
        true
    }
}

struct Refusal;

impl Service for Refusal {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        if message.kind == kind::LUA && message.session != 0 {
            let answer = Message {
                source: cx.slot.address(),
                session: message.session,
                kind: kind::RESPONSE,
                payload: Payload::copy_from(&refusal()),
            };
            // Who asked may have ended meanwhile.
            drop(cx.node.post(message.source, answer));
        }
        Flow::Done
    }
}

/// As `skynet.db.sqlite` expects what went wrong: `{err = text}`.
fn refusal() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.table(0);
    for text in ["err", &built_without("SQLite", "sqlite")] {
        writer
            .string(text.as_bytes())
            .expect("a text of this file is short enough");
    }
    writer.end_table();
    bytes
}
