//! What holds for any bytes that are read as a document; shared with the fuzz target.

use welkin_codec::bson::{Document, Place, READ_DEPTH_MAX, Special, Value, Writer};
use welkin_codec::mongo::{self, Reply};

/// Reads `bytes` in every way, and writes what was read. What comes out of writing is read as the same.
pub fn check_any_bytes(bytes: &[u8]) {
    if let Some(Ok(Reply { document, .. })) = mongo::read_reply(bytes) {
        check_document(document);
    }
    check_document(bytes);
    if let Some((kind, content)) = Special::split(bytes) {
        check_special(kind, content);
    }
}

fn check_document(bytes: &[u8]) {
    let Ok(document) = Document::new(bytes) else {
        return;
    };
    let len = Document::announced_len(bytes).expect("it has been read");
    assert!(len <= bytes.len(), "a document lies within the bytes");
    let mut again = Vec::new();
    if rewrite(document, &mut again, None, 0) {
        let second = Document::new(&again).expect("what is written can be read");
        let mut third = Vec::new();
        assert!(rewrite(second, &mut third, None, 0));
        assert_eq!(again, third);
    }
}

/// Writes the rest of a document; false: something in it cannot be read or written.
fn rewrite(
    mut document: Document<'_>,
    out: &mut Vec<u8>,
    place: Option<(&[u8], bool)>,
    depth: u32,
) -> bool {
    if depth > READ_DEPTH_MAX {
        return false;
    }
    let ahead = document.elements_ahead();
    assert!(ahead * 2 <= document.bytes_ahead(), "each takes two bytes");
    check_items(document);
    let start = match place {
        None => Writer::new(out).begin(),
        Some((name, false)) => Writer::new(out).begin_document(name),
        Some((name, true)) => Writer::new(out).begin_array(name),
    };
    let mut count = 0;
    loop {
        match document.next() {
            Ok(None) => break,
            Err(_) => return false,
            Ok(Some(element)) => {
                count += 1;
                let name = element.name;
                if Writer::<Vec<u8>>::check_name(name).is_err()
                    || !rewrite_value(name, element.value, out, depth)
                {
                    return false;
                }
            }
        }
    }
    assert_eq!(count, ahead, "all of them were counted");
    Writer::new(out).end(start).is_ok()
}

/// An array is read as a document is: only its names become numbers.
fn check_items(mut document: Document<'_>) {
    let ahead = document.items_ahead();
    assert!(ahead * 2 <= document.bytes_ahead(), "each takes two bytes");
    let (mut items, mut place) = (document, Place::default());
    loop {
        match (document.next(), items.next_item(&mut place)) {
            (Ok(Some(element)), Ok(Some((number, _)))) => {
                let digits = element.name.iter().take_while(|b| b.is_ascii_digit());
                let wanted = digits.fold(0, |number: i64, digit| {
                    number.wrapping_mul(10).wrapping_add((digit - b'0').into())
                });
                assert_eq!(number, wanted);
                assert_eq!(document.bytes_ahead(), items.bytes_ahead());
            }
            (Ok(None), Ok(None)) => break,
            (Err(wrong), Err(same)) => {
                assert_eq!(wrong, same);
                break;
            }
            _ => panic!("they do not agree"),
        }
    }
}

fn rewrite_value(name: &[u8], value: Value<'_>, out: &mut Vec<u8>, depth: u32) -> bool {
    let mut writer = Writer::new(out);
    let special = match value {
        Value::Document(inner) => return rewrite(inner, out, Some((name, false)), depth + 1),
        Value::Array(inner) => return rewrite(inner, out, Some((name, true)), depth + 1),
        Value::String(text) => return writer.string(name, text).is_ok(),
        Value::Double(value) => {
            writer.double(name, value);
            return true;
        }
        Value::Boolean(value) => {
            writer.boolean(name, value);
            return true;
        }
        Value::Int32(value) => {
            writer.integer(name, value.into());
            return true;
        }
        Value::Int64(value) => Special::Int64(value),
        Value::Date(ms) => Special::Date((ms / 1000) as i32),
        Value::ObjectId(bytes) => Special::ObjectId(bytes),
        Value::Timestamp(bytes) => Special::Timestamp(bytes),
        Value::Binary { subtype, bytes } => Special::Binary { subtype, bytes },
        Value::Regex { pattern, options } => Special::Regex { pattern, options },
        Value::Raw { kind, bytes } => {
            assert!(
                Special::parse_to_write(kind, bytes).is_ok(),
                "as it was read"
            );
            Special::Raw { kind, bytes }
        }
        Value::Null => Special::Null,
        Value::MinKey => Special::MinKey,
        Value::MaxKey => Special::MaxKey,
    };
    writer.special(name, special).is_ok()
}

/// A special value that may be written does not change what stands behind it.
fn check_special(kind: u8, content: &[u8]) {
    let Ok(special) = Special::parse_to_write(kind, content) else {
        return;
    };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    let start = writer.begin();
    writer.special(b"first", special).expect("it is short");
    writer.boolean(b"second", true);
    writer.end(start).expect("it is short");
    let mut document = Document::new(&bytes).expect("a document");
    let first = document.next().expect("can be read").expect("is there");
    let second = document.next().expect("can be read").expect("is there");
    assert_eq!((first.name, second.name), (&b"first"[..], &b"second"[..]));
    assert_eq!(second.value, Value::Boolean(true));
    assert_eq!(document.next(), Ok(None));
}
