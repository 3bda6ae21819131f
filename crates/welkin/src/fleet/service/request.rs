//! What Lua asks of `.fleet`, out of packed values, and answers into them.

use std::collections::BTreeMap;

use welkin_codec::seri::{Reader, Token, Writer};

/// What `cluster_master` or `cluster_slave` wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// `"begin"`: the service has started.
    Begin,
    /// `"note", command, node or nil, name, address, ...`: a command of the console, and all nodes of the
    /// cluster config.
    Note {
        command: String,
        node: Option<String>,
        nodes: BTreeMap<String, String>,
    },
}

/// `None`: these bytes are no request.
pub fn read(bytes: &[u8]) -> Option<Request> {
    let mut reader = Reader::new(bytes);
    match next_text(&mut reader)??.as_str() {
        "begin" => Some(Request::Begin),
        "note" => {
            let command = next_text(&mut reader)??;
            let node = next_text(&mut reader)?;
            let mut nodes = BTreeMap::new();
            while let Some(token) = reader.next().ok()? {
                let name = word(&token)??;
                nodes.insert(name, next_text(&mut reader)??);
            }
            Some(Request::Note {
                command,
                node,
                nodes,
            })
        }
        _ => None,
    }
}

/// The next value, a text or nil.
fn next_text(reader: &mut Reader<'_>) -> Option<Option<String>> {
    word(&reader.value().ok()?)
}

fn word(token: &Token<'_>) -> Option<Option<String>> {
    match token {
        Token::String(bytes) => Some(Some(String::from_utf8_lossy(bytes).into_owned())),
        Token::Nil => Some(None),
        _ => None,
    }
}

/// A table of texts by name.
pub fn table(texts: &BTreeMap<String, String>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.table(0);
    for (name, text) in texts {
        put(&mut writer, name);
        put(&mut writer, text);
    }
    writer.end_table();
    bytes
}

// A text of ours is never too long.
fn put(writer: &mut Writer<'_, Vec<u8>>, text: &str) {
    let _ = writer.string(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::packed;

    #[test]
    fn a_command_comes_with_all_nodes() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for text in ["note", "cpu"] {
            put(&mut writer, text);
        }
        writer.nil();
        for text in ["a", "h:1", "b", "h:2"] {
            put(&mut writer, text);
        }
        let request = Request::Note {
            command: "cpu".into(),
            node: None,
            nodes: [("a", "h:1"), ("b", "h:2")]
                .map(|(n, a)| (n.into(), a.into()))
                .into(),
        };
        assert_eq!(read(&bytes), Some(request));
        for cut in 0..bytes.len() {
            // Any result, no panic.
            let _ = read(&bytes[..cut]);
        }
        assert_eq!(read(&packed("begin")), Some(Request::Begin));
        assert_eq!(read(b"\xff"), None);
    }
}
