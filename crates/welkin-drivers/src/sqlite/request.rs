//! Requests out of packed values.

use rusqlite::types::Value;
use welkin_codec::seri::{Reader, Token};

/// What a service wants.
#[derive(Debug, PartialEq)]
pub enum Request {
    Open {
        path: String,
        wal: bool,
    },
    Query {
        id: i64,
        sql: String,
        values: Vec<Value>,
    },
    Close {
        id: i64,
    },
}

/// `None`: these bytes are no request.
pub fn read(bytes: &[u8]) -> Option<Request> {
    let mut reader = Reader::new(bytes);
    match text(&mut reader)?.as_str() {
        "open" => Some(Request::Open {
            path: text(&mut reader)?,
            wal: matches!(reader.next(), Ok(Some(Token::Boolean(true)))),
        }),
        "query" => Some(Request::Query {
            id: integer(&mut reader)?,
            sql: text(&mut reader)?,
            values: values(&mut reader)?,
        }),
        "close" => Some(Request::Close {
            id: integer(&mut reader)?,
        }),
        _ => None,
    }
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    match reader.value() {
        Ok(Token::String(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

fn integer(reader: &mut Reader<'_>) -> Option<i64> {
    match reader.value() {
        Ok(Token::Integer(number)) => Some(number),
        _ => None,
    }
}

fn values(reader: &mut Reader<'_>) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while let Some(token) = reader.next().ok()? {
        values.push(match token {
            Token::Nil => Value::Null,
            Token::Boolean(value) => Value::Integer(value.into()),
            Token::Integer(value) => Value::Integer(value),
            Token::Float(value) => Value::Real(value),
            Token::String(bytes) => plain_or_blob(bytes),
            Token::Pointer(_) | Token::Table { .. } => return None,
        });
    }
    Some(values)
}

/// SQLite's texts are UTF-8 and end at a zero byte for some of its functions; anything else is kept byte
/// for byte as a blob.
fn plain_or_blob(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Value::Text(text.to_owned()),
        _ => Value::Blob(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use welkin_codec::seri::Writer;

    #[test]
    fn a_query_has_values_of_each_type() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.string(b"query").unwrap();
        writer.integer(7);
        writer.string(b"select ?").unwrap();
        writer.nil();
        writer.boolean(true);
        writer.float(1.5);
        writer.string("é".as_bytes()).unwrap();
        writer.string(b"a\0b").unwrap();
        writer.string(b"\xff").unwrap();
        let values = vec![
            Value::Null,
            Value::Integer(1),
            Value::Real(1.5),
            Value::Text("é".into()),
            Value::Blob(b"a\0b".into()),
            Value::Blob(b"\xff".into()),
        ];
        let sql = "select ?".to_owned();
        assert_eq!(read(&bytes), Some(Request::Query { id: 7, sql, values }));
        for cut in 0..bytes.len() {
            // Any result, no panic.
            let _ = read(&bytes[..cut]);
        }
    }

    #[test]
    fn other_bytes_are_no_request() {
        assert_eq!(read(b""), None);
        assert_eq!(read(b"\xff\xff\xff"), None);
    }
}
