//! Values as plain Rust data, and what must hold for every input. The property tests and the fuzz
//! target share this file, so what fuzzing looks for is also looked for on every change.

use welkin_codec::seri::{READ_DEPTH_MAX, Reader, SeriError, Token, Writer};

/// A value as the format has it: of a table, the order of its pairs and a key twice are kept.
#[derive(Clone, Debug)]
pub enum Value {
    Nil,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Pointer(usize),
    String(Vec<u8>),
    Table {
        array: Vec<Value>,
        pairs: Vec<(Value, Value)>,
    },
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Pointer(a), Self::Pointer(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Table { array: a, pairs: p }, Self::Table { array: b, pairs: q }) => {
                a == b && p == q
            }
            _ => false,
        }
    }
}

/// Appends `value`.
pub fn write(writer: &mut Writer<'_, Vec<u8>>, value: &Value) {
    match value {
        Value::Nil => writer.nil(),
        Value::Boolean(value) => writer.boolean(*value),
        Value::Integer(value) => writer.integer(*value),
        Value::Float(value) => writer.float(*value),
        Value::Pointer(value) => writer.pointer(*value),
        Value::String(value) => writer.string(value).expect("shorter than 4 GB"),
        Value::Table { array, pairs } => {
            writer.table(array.len());
            array.iter().for_each(|item| write(writer, item));
            for (key, value) in pairs {
                write(writer, key);
                write(writer, value);
            }
            writer.end_table();
        }
    }
}

/// The bytes of `values`, one after the other.
pub fn pack(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    values.iter().for_each(|value| write(&mut writer, value));
    bytes
}

/// All values of `bytes`.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Value>, SeriError> {
    let mut reader = Reader::new(bytes);
    let mut values = Vec::new();
    while let Some(token) = reader.next()? {
        values.push(build(&mut reader, token, 0)?);
    }
    Ok(values)
}

fn build(reader: &mut Reader<'_>, token: Token<'_>, depth: u32) -> Result<Value, SeriError> {
    Ok(match token {
        Token::Nil => Value::Nil,
        Token::Boolean(value) => Value::Boolean(value),
        Token::Integer(value) => Value::Integer(value),
        Token::Float(value) => Value::Float(value),
        Token::Pointer(value) => Value::Pointer(value),
        Token::String(value) => Value::String(value.to_vec()),
        Token::Table { .. } if depth == READ_DEPTH_MAX => return Err(reader.fault(line!())),
        Token::Table { array: announced } => {
            let mut array = Vec::with_capacity(reader.room(announced));
            for _ in 0..announced {
                let token = reader.value()?;
                array.push(build(reader, token, depth + 1)?);
            }
            let mut pairs = Vec::new();
            loop {
                let token = reader.value()?;
                let key = build(reader, token, depth + 1)?;
                if key == Value::Nil {
                    break Value::Table { array, pairs };
                }
                let token = reader.value()?;
                pairs.push((key, build(reader, token, depth + 1)?));
            }
        }
    })
}

/// What must hold for any bytes: reading them ends without a panic, tokens point into them, room
/// granted is no more than their length; and if they are values, packing these and reading them again
/// gives the same, in no more bytes.
pub fn check_any_bytes(bytes: &[u8]) {
    check_tokens(bytes);
    if let Ok(values) = unpack(bytes) {
        let packed = pack(&values);
        assert!(
            packed.len() <= bytes.len(),
            "{} bytes became {}",
            bytes.len(),
            packed.len()
        );
        assert_eq!(unpack(&packed).as_deref(), Ok(&values[..]));
        assert_eq!(pack(&values), packed);
    }
}

fn check_tokens(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut granted = 0;
    loop {
        let before = reader.left();
        match reader.next() {
            Ok(None) => return assert_eq!(before, 0),
            Err(error) => {
                return assert!(error.left < before, "an error consumes at least the tag");
            }
            Ok(Some(token)) => {
                assert!(reader.left() < before, "a token consumes at least its tag");
                match token {
                    Token::String(string) => assert!(string.len() < before - reader.left()),
                    Token::Table { array } => granted += reader.room(array),
                    _ => {}
                }
            }
        }
        assert!(granted <= bytes.len());
    }
}
