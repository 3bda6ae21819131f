//! Stands in for `service.rs` in a build without SQLite: the service is there and refuses every request, so
//! that a program learns where it asks why there is no database.

use welkin_codec::seri::Writer;
use welkin_runtime::{Context, Flow, Message, Service, built_without, kind};

use super::{Asker, post};

pub(super) struct Sqlite;

impl Sqlite {
    pub fn new() -> Self {
        Self
    }
}

impl Service for Sqlite {
    fn handle(&mut self, cx: &Context<'_>, message: Message) -> Flow {
        if message.kind == kind::LUA {
            let asker = Asker {
                source: message.source,
                session: message.session,
            };
            post(cx.node, cx.slot.address(), asker, refusal());
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
