//! Documents come out as they went in, and no bytes whatever do harm.

#[path = "support/bson.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::check_any_bytes;
use welkin_codec::bson::{Document, IndexName, Special, Value, Writer};

/// A value, owned.
#[derive(Clone, Debug)]
enum Model {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    String(String),
    Binary(u8, Vec<u8>),
    ObjectId([u8; 12]),
    Timestamp([u8; 8]),
    Date(i32),
    Regex(String, String),
    Null,
    Document(Vec<(String, Model)>),
    Array(Vec<Model>),
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Model::Integer),
        any::<i32>().prop_map(|n| Model::Integer(n.into())),
        any::<f64>().prop_map(Model::Double),
        any::<bool>().prop_map(Model::Boolean),
        ".{0,20}".prop_map(Model::String),
        (any::<u8>(), vec(any::<u8>(), 0..20)).prop_map(|(s, b)| Model::Binary(s, b)),
        any::<[u8; 12]>().prop_map(Model::ObjectId),
        any::<[u8; 8]>().prop_map(Model::Timestamp),
        (0..=i32::MAX).prop_map(Model::Date),
        ("[^\0]{0,8}", "[a-z]{0,4}").prop_map(|(p, o)| Model::Regex(p, o)),
        Just(Model::Null),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            vec(("[^\0]{0,12}", inner.clone()), 0..8).prop_map(Model::Document),
            vec(inner, 0..12).prop_map(Model::Array),
        ]
    })
}

fn write(name: &[u8], value: &Model, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    let special = match value {
        Model::Integer(value) => return writer.integer(name, *value),
        Model::Double(value) => return writer.double(name, *value),
        Model::Boolean(value) => return writer.boolean(name, *value),
        Model::String(text) => return writer.string(name, text.as_bytes()).unwrap(),
        Model::Document(fields) => {
            let start = writer.begin_document(name);
            return write_fields(fields, start, out);
        }
        Model::Array(items) => {
            let start = writer.begin_array(name);
            let mut index = IndexName::default();
            for item in items {
                write(index.name(), item, out);
                index.advance();
            }
            return Writer::new(out).end(start).unwrap();
        }
        Model::Binary(subtype, bytes) => Special::Binary {
            subtype: *subtype,
            bytes,
        },
        Model::ObjectId(bytes) => Special::ObjectId(bytes),
        Model::Timestamp(bytes) => Special::Timestamp(bytes),
        Model::Date(seconds) => Special::Date(*seconds),
        Model::Regex(pattern, options) => Special::Regex {
            pattern: pattern.as_bytes(),
            options: options.as_bytes(),
        },
        Model::Null => Special::Null,
    };
    writer.special(name, special).unwrap();
}

fn write_fields(fields: &[(String, Model)], start: usize, out: &mut Vec<u8>) {
    for (name, value) in fields {
        write(name.as_bytes(), value, out);
    }
    Writer::new(out).end(start).unwrap();
}

fn encode(fields: &[(String, Model)]) -> Vec<u8> {
    let mut out = Vec::new();
    let start = Writer::new(&mut out).begin();
    write_fields(fields, start, &mut out);
    out
}

fn is_same(value: Value<'_>, model: &Model) -> bool {
    match (value, model) {
        (Value::Int32(a), Model::Integer(b)) => i64::from(a) == *b,
        (Value::Int64(a), Model::Integer(b)) => a == *b && i32::try_from(a).is_err(),
        (Value::Double(a), Model::Double(b)) => a.to_bits() == b.to_bits(),
        (Value::Boolean(a), Model::Boolean(b)) => a == *b,
        (Value::String(a), Model::String(b)) => a == b.as_bytes(),
        (Value::Binary { subtype, bytes }, Model::Binary(s, b)) => subtype == *s && bytes == b,
        (Value::ObjectId(a), Model::ObjectId(b)) => a == b,
        (Value::Timestamp(a), Model::Timestamp(b)) => a == b,
        (Value::Date(a), Model::Date(b)) => a == i64::from(*b) * 1000,
        (Value::Regex { pattern, options }, Model::Regex(p, o)) => {
            pattern == p.as_bytes() && options == o.as_bytes()
        }
        (Value::Null, Model::Null) => true,
        (Value::Document(document), Model::Document(fields)) => are_same(document, fields),
        (Value::Array(mut document), Model::Array(items)) => {
            let all = items.iter().enumerate().all(|(index, item)| {
                let element = document.next().unwrap().unwrap();
                element.name == index.to_string().as_bytes() && is_same(element.value, item)
            });
            all && document.next() == Ok(None)
        }
        _ => false,
    }
}

fn are_same(mut document: Document<'_>, fields: &[(String, Model)]) -> bool {
    let all = fields.iter().all(|(name, model)| {
        let element = document.next().unwrap().unwrap();
        element.name == name.as_bytes() && is_same(element.value, model)
    });
    all && document.next() == Ok(None)
}

proptest! {
    #[test]
    fn documents_come_out_as_they_went_in(fields in vec(("[^\0]{0,12}", model()), 0..8)) {
        let bytes = encode(&fields);
        check_any_bytes(&bytes);
        prop_assert_eq!(Document::announced_len(&bytes), Some(bytes.len()));
        let document = Document::new(&bytes).unwrap();
        prop_assert_eq!(document.elements_ahead(), fields.len());
        prop_assert!(are_same(document, &fields));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..300)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn special_texts_are_read_without_harm(
        kind in prop_oneof![0u8..0x14, Just(0x7f), Just(0xff)],
        content in vec(prop_oneof![3 => 0u8..8, 1 => any::<u8>()], 0..40),
    ) {
        check_any_bytes(&[&[0, kind], &content[..]].concat());
    }

    #[test]
    fn one_wrong_byte_does_no_harm(
        fields in vec(("[^\0]{0,12}", model()), 1..8),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = encode(&fields);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_any_bytes(&bytes);
    }

    #[test]
    fn a_cut_document_is_refused(
        fields in vec(("[^\0]{0,12}", model()), 1..8),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = encode(&fields);
        let at = at.index(bytes.len());
        check_any_bytes(&bytes[..at]);
        prop_assert!(Document::new(&bytes[..at]).is_err());
    }
}
