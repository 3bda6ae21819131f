//! Message dumps: everything one service receives, as text, in `<logpath>/%08x.log`.
//!
//! Switched on by the command `LOGON`. Each message is one line, written at once, so that the file is
//! whole up to the message on which a node died.

#![allow(unsafe_code)]

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use welkin_net::event;
use welkin_runtime::{Address, Message, Node, Tap, TapFactory, kind};

use crate::os::clock;

/// Opens dumps below the folder of the config key `logpath`.
pub struct Dumps;

impl Dumps {
    fn file(node: &Node, of: Address) -> Option<PathBuf> {
        let folder = PathBuf::from(std::ffi::OsString::from_vec(node.env_get(b"logpath")?));
        Some(folder.join(format!("{:08x}.log", of.0)))
    }
}

impl TapFactory for Dumps {
    fn path(&self, node: &Node, to: Address) -> Option<String> {
        Some(Self::file(node, to)?.to_string_lossy().into_owned())
    }

    fn open(&self, node: &Node, to: Address) -> Result<Box<dyn Tap>, String> {
        let path = Self::file(node, to).unwrap_or_default();
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        let file = opened.map_err(|_| path.to_string_lossy().into_owned())?;
        let mut dump = Dump {
            file,
            line: String::new(),
        };
        let now = node.now();
        let time = clock::ctime(node.start_time() + now / 100);
        let _ = write!(dump.line, "open time: {now} {time}");
        dump.end_line();
        Ok(Box::new(dump))
    }
}

struct Dump {
    file: File,
    line: String,
}

impl Tap for Dump {
    fn message(&mut self, node: &Node, _to: Address, message: &Message) {
        if message.kind == kind::SOCKET {
            self.socket(message);
        } else {
            let Message {
                source,
                session,
                kind,
                ..
            } = message;
            let _ = write!(self.line, "{source} {kind} {session} {} ", node.now());
            self.hex(message.payload.as_bytes());
        }
        self.end_line();
    }

    fn close(&mut self, node: &Node) {
        let _ = write!(self.line, "close time: {}", node.now());
        self.end_line();
    }
}

impl Dump {
    fn socket(&mut self, message: &Message) {
        let Some(event) = event::decode(message.payload.as_bytes()) else {
            self.line.push_str("[socket] ");
            self.hex(message.payload.as_bytes());
            return;
        };
        let event::Event { kind, id, ud, .. } = event;
        let _ = write!(self.line, "[socket] {kind} {id} {ud} ");
        let attached = message.payload.attached_ptr().cast::<u8>();
        // A service may send another one a socket message of its own making: only a buffer that
        // travels with this message is looked into.
        if event.buffer.is_null() || event.buffer != attached {
            let text = event.text.strip_suffix(b"\0").unwrap_or(event.text);
            let _ = write!(self.line, "[{}]", String::from_utf8_lossy(text));
            return;
        }
        let len = usize::try_from(ud).unwrap_or(0);
        // SAFETY: the buffer is attached to the message, which is borrowed, so it is alive; an attached
        // buffer is only made by the socket engine, which writes its length into `ud`.
        let data = unsafe { std::slice::from_raw_parts(event.buffer, len) };
        self.hex(data);
    }

    fn hex(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.line.reserve(bytes.len() * 2 + 1);
        for byte in bytes {
            self.line.push(DIGITS[usize::from(byte >> 4)].into());
            self.line.push(DIGITS[usize::from(byte & 15)].into());
        }
    }

    /// A full disk must not stop the service: what cannot be written is missing.
    fn end_line(&mut self) {
        self.line.push('\n');
        let _ = self.file.write_all(self.line.as_bytes());
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use welkin_runtime::Payload;

    fn dumped(message: &Message) -> String {
        let name = format!(
            "welkin-dump-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let path = std::env::temp_dir().join(name);
        let node = Node::builder().build();
        let mut dump = Dump {
            file: File::create(&path).unwrap(),
            line: String::new(),
        };
        dump.message(&node, Address(2), message);
        let text = std::fs::read_to_string(&path).unwrap();
        let _ = std::fs::remove_file(&path);
        text
    }

    #[test]
    fn a_message_is_a_line_of_hex() {
        let text = dumped(&Message {
            source: Address(0x0100_000a),
            session: 7,
            kind: kind::LUA,
            payload: Payload::copy_from(b"\x00a\xff"),
        });
        assert!(text.starts_with(":0100000a 10 7 "), "{text}");
        assert!(text.ends_with(" 0061ff\n"), "{text}");
    }

    #[test]
    fn a_message_without_bytes_ends_with_a_blank() {
        let text = dumped(&Message::bare(Address(1), 3, kind::RESPONSE));
        assert!(text.starts_with(":00000001 1 3 ") && text.ends_with(" \n"));
    }

    fn socket_event(ud: i32, buffer: usize, text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for int in [1, 3, ud, 0] {
            bytes.extend_from_slice(&i32::to_ne_bytes(int));
        }
        bytes.extend_from_slice(&buffer.to_ne_bytes());
        bytes.extend_from_slice(text);
        bytes
    }

    fn socket_message(payload: Payload) -> Message {
        Message {
            source: Address::NONE,
            session: 0,
            kind: kind::SOCKET,
            payload,
        }
    }

    #[test]
    fn a_socket_event_shows_its_data_or_its_text() {
        let data = Payload::copy_from(b"hi");
        let head = socket_event(2, data.as_ptr() as usize, b"");
        let payload = Payload::copy_from(&head).attach(data);
        assert_eq!(dumped(&socket_message(payload)), "[socket] 1 3 2 6869\n");
        let payload = Payload::copy_from(&socket_event(0, 0, b"127.0.0.1"));
        assert_eq!(
            dumped(&socket_message(payload)),
            "[socket] 1 3 0 [127.0.0.1]\n"
        );
    }

    #[test]
    fn a_forged_pointer_is_not_followed() {
        let payload = Payload::copy_from(&socket_event(100, 0x1000, b""));
        assert_eq!(dumped(&socket_message(payload)), "[socket] 1 3 100 []\n");
    }
}
