//! The debug protocol, as far as it means something for a native service: consoles ask every service.

use welkin_codec::seri::{Reader, Token};
use welkin_runtime::{Context, Message, kind};

use crate::message::{Asker, nil, packed, word};

/// Most requests `LINK` that wait at one service.
const LINKS_MAX: usize = 1 << 16;

/// What a service does with messages that none of its own kinds is.
#[derive(Default, Debug)]
pub struct Debug {
    /// Who is told, by an error, when the service ends.
    links: Vec<Asker>,
}

impl Debug {
    /// Handles one: debug requests are answered, other requests fail, the rest is nobody's. `waiting` is
    /// how many requests the service works on.
    pub fn other(&mut self, cx: &Context<'_>, message: &Message, waiting: usize) {
        let Some(asker) = Asker::of(message) else {
            return;
        };
        match message.kind {
            kind::DEBUG if is_link(message) && self.links.len() < LINKS_MAX => {
                self.links.push(asker);
            }
            kind::DEBUG => debug(cx, asker, message, waiting),
            kind::RESPONSE | kind::ERROR => {}
            _ => asker.fail(cx),
        }
    }

    /// The service ends.
    pub fn ended(&mut self, cx: &Context<'_>) {
        for asker in self.links.drain(..) {
            asker.fail(cx);
        }
    }
}

fn is_link(message: &Message) -> bool {
    let command = Reader::new(message.payload.as_bytes()).next();
    command == Ok(Some(Token::String(b"LINK")))
}

fn debug(cx: &Context<'_>, asker: Asker, message: &Message, waiting: usize) {
    let Ok(Some(Token::String(command))) = Reader::new(message.payload.as_bytes()).next() else {
        return asker.fail(cx);
    };
    let answer = match command {
        b"PING" => packed(|_| {}),
        b"MEM" => packed(|writer| writer.float(0.0)),
        b"INFO" => nil(),
        b"STAT" => packed(|writer| {
            let slot = cx.slot;
            writer.table(0);
            word(writer, b"cpu");
            writer.float(slot.cpu_ns() as f64 / 1e9);
            word(writer, b"message");
            writer.integer(slot.messages() as i64);
            word(writer, b"mqlen");
            writer.integer(slot.mailbox_len() as i64);
            word(writer, b"task");
            writer.integer(waiting as i64);
            writer.end_table();
        }),
        // These are not answered by anybody.
        b"GC" | b"TERM" => return,
        _ => return asker.fail(cx),
    };
    asker.answer(cx, answer);
}
