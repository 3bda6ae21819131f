//! What must hold for all bytes of a MySQL server, shared by the property tests and the fuzz target.

use welkin_codec::mysql::{
    self, BinaryRow, Column, Reply, TextRow, Value, encrypt_password, read_greeting, read_prepared,
    read_reply,
};

/// Most columns that are tried on a row.
const COLUMNS_MAX: u8 = 32;

/// Reads any bytes as each thing they could be; what comes out must have been in them.
pub fn check_any_bytes(bytes: &[u8]) {
    if let Ok(Some(packet)) = mysql::packet(bytes) {
        assert_eq!(packet.size(), mysql::HEADER_BYTES + packet.body.len());
        assert!(packet.size() <= bytes.len());
        check_body(packet.body);
    }
    check_body(bytes);
}

fn check_body(body: &[u8]) {
    for first in [true, false] {
        match read_reply(body, first) {
            Ok(Reply::Outcome(outcome)) => assert!(outcome.message.len() < body.len()),
            Ok(Reply::Failure(failure)) => assert!(failure.message.len() < body.len()),
            Ok(Reply::End(_) | Reply::Other) | Err(_) => {}
        }
    }
    if let Ok(column) = Column::read(body) {
        assert!(column.name.len() < body.len());
    }
    if let Ok(greeting) = read_greeting(body) {
        assert!(greeting.version.len() + greeting.plugin.len() < body.len());
    }
    let _ = read_prepared(body);
    let _ = encrypt_password(b"password", &[7; 20], body, [1; 20]);
    check_rows(body);
}

/// The first byte says how many columns, each byte behind it the type of one.
fn check_rows(body: &[u8]) {
    let Some((&count, body)) = body.split_first() else {
        return;
    };
    let count = usize::from(count % COLUMNS_MAX).min(body.len());
    let (kinds, row) = body.split_at(count);
    let columns: Vec<_> = kinds
        .iter()
        .map(|&kind| Column {
            name: b"",
            kind,
            signed: kind % 2 == 0,
            decimals: kind / 8,
        })
        .collect();
    let mut text = TextRow::new(row);
    check_values(
        row,
        columns.iter().map_while(|column| text.next(column).ok()),
    );
    if let Ok(mut binary) = BinaryRow::new(row, count) {
        check_values(
            row,
            columns.iter().map_while(|column| binary.next(column).ok()),
        );
    }
}

fn check_values<'a>(row: &[u8], values: impl Iterator<Item = Value<'a>>) {
    let mut bytes = 0;
    for value in values {
        if let Value::Bytes(text) = value {
            bytes += text.len();
        }
    }
    assert!(bytes <= row.len());
}
