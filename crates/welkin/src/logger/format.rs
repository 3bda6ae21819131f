//! The form of log lines: `welkin_log_format`.
//!
//! `skynet` is `[:%08x] text`, in a file with the time before it; tools know that form, so nothing is
//! added. `text` and `json` say time, level, service and address of each line, in a file or not. Both
//! leave out the colour codes that skynet puts around errors. skynet's lines have no level: it is read
//! from how the line begins.

use std::collections::HashMap;
use std::io::Write;

use welkin_runtime::{Address, Node};

use crate::os::clock;

/// Names kept, so that a service's last lines have its name too. Beyond it they are looked up anew.
const NAMES_MAX: usize = 4096;

/// How lines look.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// As skynet writes them.
    Skynet,
    /// For people: `2026-11-21 16:33:52.12 error chat :0000000a text`.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Format {
    /// By the value of `welkin_log_format`, which was checked before.
    pub fn named(name: &str) -> Format {
        match name {
            "text" => Format::Text,
            "json" => Format::Json,
            _ => Format::Skynet,
        }
    }
}

/// What is kept from line to line.
pub struct Writer {
    format: Format,
    /// Whether skynet's form has the time.
    timed: bool,
    /// The time's text up to the second, and that second: most lines share it.
    stamp: (i64, String),
    names: HashMap<Address, String>,
}

impl Writer {
    /// `timed`: skynet's form has the time before it.
    pub fn new(format: Format, timed: bool) -> Writer {
        Writer {
            format,
            timed,
            stamp: (i64::MIN, String::new()),
            names: HashMap::new(),
        }
    }

    /// Appends one line to `to`.
    pub fn line(&mut self, to: &mut Vec<u8>, node: &Node, source: Address, text: &[u8]) {
        // Writing to a Vec does not fail.
        let _ = match self.format {
            Format::Skynet => self.skynet(to, node, source, text),
            Format::Text => self.text(to, node, source, text),
            Format::Json => self.json(to, node, source, text),
        };
        to.push(b'\n');
    }

    fn skynet(
        &mut self,
        to: &mut Vec<u8>,
        node: &Node,
        source: Address,
        text: &[u8],
    ) -> std::io::Result<()> {
        if self.timed {
            let hundredths = self.stamp(node);
            write!(to, "{}.{hundredths:02} ", self.stamp.1)?;
        }
        write!(to, "[{source}] ")?;
        to.write_all(text)
    }

    fn text(
        &mut self,
        to: &mut Vec<u8>,
        node: &Node,
        source: Address,
        text: &[u8],
    ) -> std::io::Result<()> {
        let hundredths = self.stamp(node);
        let plain = without_colours(text);
        let level = level(&plain);
        write!(to, "{}.{hundredths:02} {level:<5} ", self.stamp.1)?;
        write!(to, "{} {source} ", self.name(node, source))?;
        to.write_all(&plain)
    }

    fn json(
        &mut self,
        to: &mut Vec<u8>,
        node: &Node,
        source: Address,
        text: &[u8],
    ) -> std::io::Result<()> {
        let hundredths = self.stamp(node);
        let plain = without_colours(text);
        // The date and the time, then the zone.
        let (time, zone) = self.stamp.1.split_at(19);
        write!(to, "{{\"time\":\"{time}.{hundredths:02}{zone}\",")?;
        write!(to, "\"level\":\"{}\",\"service\":", level(&plain))?;
        quote(to, self.name(node, source).as_bytes())?;
        write!(to, ",\"address\":\"{source}\",\"text\":")?;
        quote(to, &plain)?;
        to.write_all(b"}")
    }

    /// Brings the stamp up to date; the hundredths of the second.
    fn stamp(&mut self, node: &Node) -> i64 {
        let now = node.now();
        let second = node.start_time() + now.div_euclid(100);
        if self.stamp.0 != second {
            let text = match self.format {
                Format::Skynet => clock::log_stamp(second),
                Format::Text => clock::sortable(second),
                Format::Json => clock::iso(second),
            };
            self.stamp = (second, text);
        }
        now.rem_euclid(100)
    }

    fn name(&mut self, node: &Node, source: Address) -> &str {
        if source.is_none() {
            return "node";
        }
        if self.names.len() >= NAMES_MAX {
            self.names.clear();
        }
        let name = self.names.entry(source);
        name.or_insert_with(|| node.service_name(source).unwrap_or_else(|| "-".to_owned()))
    }
}

/// How bad a line is: `error`, `warn` or `info`.
fn level(text: &[u8]) -> &'static str {
    const ERRORS: [&[u8]; 3] = [b"error: ", b"lua call [", b"init service failed"];
    const WARNINGS: [&[u8]; 4] = [
        b"slow message: ",
        b"Memory warning ",
        b"Maybe forgot response ",
        b"log: ",
    ];
    if ERRORS.iter().any(|begin| text.starts_with(begin)) {
        "error"
    } else if WARNINGS.iter().any(|begin| text.starts_with(begin)) {
        "warn"
    } else {
        "info"
    }
}

/// The text without `ESC [ ... m`.
fn without_colours(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|two| two == b"\x1b[") {
        plain.extend_from_slice(&rest[..at]);
        let code = &rest[at + 2..];
        let digits = code
            .iter()
            .take_while(|c| c.is_ascii_digit() || **c == b';');
        let end = digits.count();
        if code.get(end) == Some(&b'm') {
            rest = &code[end + 1..];
        } else {
            plain.extend_from_slice(b"\x1b[");
            rest = code;
        }
    }
    plain.extend_from_slice(rest);
    plain
}

/// A JSON string. What is no UTF-8 becomes U+FFFD.
fn quote(to: &mut Vec<u8>, text: &[u8]) -> std::io::Result<()> {
    to.push(b'"');
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' => to.write_all(b"\\\"")?,
            '\\' => to.write_all(b"\\\\")?,
            '\n' => to.write_all(b"\\n")?,
            '\t' => to.write_all(b"\\t")?,
            c if c < ' ' => write!(to, "\\u{:04x}", u32::from(c))?,
            c => write!(to, "{c}")?,
        }
    }
    to.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, text: &[u8]) -> String {
        let node = Node::builder().build();
        assert!(node.name_register(b"chat", Address(0xa)));
        let mut to = Vec::new();
        Writer::new(format, false).line(&mut to, &node, Address(0), text);
        String::from_utf8(to).expect("a line is UTF-8")
    }

    fn zeros(text: &str) -> String {
        let zero = |c: char| if c.is_ascii_digit() { '0' } else { c };
        text.chars().map(zero).collect()
    }

    #[test]
    fn a_text_line_has_time_level_service_and_address() {
        let line = line(Format::Text, b"error: no \x1b[31mred\x1b[0m");
        let (time, rest) = line.split_at(23);
        assert_eq!(zeros(time), "0000-00-00 00:00:00.00 ");
        assert_eq!(rest, "error node :00000000 error: no red\n");
    }

    #[test]
    fn a_json_line_is_one_object_whatever_is_in_the_text() {
        let line = line(Format::Json, b"a \"quote\"\\\n\t\x01\xff \x1b[x");
        let (time, rest) = line.split_at(31);
        assert!(
            zeros(time).starts_with("{\"time\":\"0000-00-00T00:00:00.00"),
            "{time}"
        );
        let (_, rest) = rest.split_once(',').expect("the zone ends");
        assert_eq!(
            rest,
            "\"level\":\"info\",\"service\":\"node\",\"address\":\":00000000\",\
             \"text\":\"a \\\"quote\\\"\\\\\\n\\t\\u0001\u{fffd} \\u001b[x\"}\n"
        );
    }

    #[test]
    fn levels_are_read_from_the_beginning() {
        let table: [(&[u8], &str); 4] = [
            (b"lua call [a to :b : 1 msgsz = 1] error : x", "error"),
            (b"Memory warning 32.00 M", "warn"),
            (b"LAUNCH snlua main", "info"),
            (b"no error: here", "info"),
        ];
        for (text, expected) in table {
            assert_eq!(level(text), expected);
        }
    }
}
