//! Schemas and messages as plain Rust data, and what must hold for every input. The property tests and
//! the fuzz target share this file, so what fuzzing looks for is also looked for on every change.

use welkin_codec::sproto::{
    Block, Blocks, BrokenStream, DEPTH_MAX, DecodeError, Fields, Integers, Kind, Message, Packer,
    Schema, Shape, Type, Wire, doubles,
};

/// A value of a field. A decimal is its integer, a map the array that it is on the wire.
#[derive(Clone, Debug)]
pub enum Value {
    Integer(i64),
    Boolean(bool),
    Double(f64),
    Text(Vec<u8>),
    /// Fields by their place in the type.
    Message(Vec<(usize, Value)>),
    Array(Vec<Value>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Message(a), Self::Message(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            _ => false,
        }
    }
}

/// What a schema is made from: for each type its fields.
pub type Plan = Vec<Vec<FieldPlan>>;

/// A field: how far its tag is from the one before, a number for its kind, and whether it is an array.
#[derive(Clone, Debug)]
pub struct FieldPlan {
    pub gap: u16,
    pub kind: u8,
    pub is_array: bool,
}

/// The schema of a plan, by way of a bundle.
pub fn schema(plan: &Plan) -> Schema {
    let bundle = written(1, |out, group| {
        let block = group.block(out, 0);
        for (number, fields) in plan.iter().enumerate() {
            element(out, 2, |out, ty| {
                ty.text(out, 0, format!("type{number}").as_bytes()).unwrap();
                let list = ty.block(out, 1);
                write_fields(out, fields, plan.len());
                list.close(out).unwrap();
            });
        }
        block.close(out).unwrap();
    });
    Schema::from_bundle(&bundle).expect("a plan gives a good bundle")
}

fn write_fields(out: &mut Vec<u8>, fields: &[FieldPlan], types: usize) {
    let mut tag = 0;
    for field in fields {
        tag += field.gap;
        element(out, 10, |out, message| {
            message
                .text(out, 0, format!("field{tag}").as_bytes())
                .unwrap();
            let (built_in, extra) = match field.kind % 8 {
                0 => (Some(0), None),
                1 => (Some(0), Some(2)),
                2 => (Some(1), None),
                3 => (Some(2), None),
                4 => (Some(2), Some(1)),
                5 => (Some(3), None),
                _ => (None, Some(i64::from(field.kind) % types as i64)),
            };
            for (tag, value) in [(1, built_in), (2, extra), (3, Some(tag.into()))] {
                if let Some(value) = value {
                    message.integer(out, tag, value);
                }
            }
            message.boolean(out, 4, field.is_array);
        });
        tag += 1;
    }
}

fn element(out: &mut Vec<u8>, entries_max: usize, fill: impl FnOnce(&mut Vec<u8>, &mut Message)) {
    let block = Block::open(out);
    let mut message = Message::open(out, entries_max);
    fill(out, &mut message);
    message.close(out);
    block.close(out).unwrap();
}

fn written(entries_max: usize, fill: impl FnOnce(&mut Vec<u8>, &mut Message)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = Message::open(&mut out, entries_max);
    fill(&mut out, &mut message);
    message.close(&mut out);
    out
}

/// The bytes of a message of the type.
pub fn encode(schema: &Schema, ty: usize, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(schema, ty, value, &mut out);
    out
}

fn write(schema: &Schema, ty: usize, value: &Value, out: &mut Vec<u8>) {
    let ty = &schema.types[ty];
    let Value::Message(fields) = value else {
        panic!("a message");
    };
    let mut message = Message::open(out, ty.entries_max);
    for (place, value) in fields {
        let field = &ty.fields[*place];
        match (value, field.kind) {
            (Value::Array(items), kind) => {
                let block = message.block(out, field.tag);
                write_items(schema, kind, items, block, out);
                block.close(out).unwrap();
            }
            (Value::Integer(value), _) => message.integer(out, field.tag, *value),
            (Value::Boolean(value), _) => message.boolean(out, field.tag, *value),
            (Value::Double(value), _) => message.double(out, field.tag, *value),
            (Value::Text(text), _) => message.text(out, field.tag, text).unwrap(),
            (Value::Message(_), Kind::Struct(ty)) => {
                let block = message.block(out, field.tag);
                write(schema, ty, value, out);
                block.close(out).unwrap();
            }
            (Value::Message(_), _) => panic!("a message in the place of {:?}", field.kind),
        }
    }
    message.close(out);
}

fn write_items(schema: &Schema, kind: Kind, items: &[Value], block: Block, out: &mut Vec<u8>) {
    let mut integers = block.integers();
    for item in items {
        match (item, kind) {
            (Value::Integer(value), _) => integers.push(out, *value).unwrap(),
            (Value::Boolean(value), _) => block.boolean(out, *value).unwrap(),
            (Value::Double(value), _) => block.double(out, *value).unwrap(),
            (Value::Text(text), _) => block.text(out, text).unwrap(),
            (Value::Message(_), Kind::Struct(ty)) => {
                let element = Block::open(out);
                write(schema, ty, item, out);
                element.close(out).unwrap();
            }
            _ => panic!("an item in the place of {kind:?}"),
        }
    }
}

/// The message at the front of `bytes`, and what lies behind it.
pub fn decode<'a>(
    schema: &Schema,
    ty: usize,
    bytes: &'a [u8],
    depth: u32,
) -> Result<(Value, &'a [u8]), DecodeError> {
    if depth >= DEPTH_MAX {
        return Err(DecodeError);
    }
    let ty: &Type = &schema.types[ty];
    let mut fields = Fields::open(bytes)?;
    let (announced, mut seen) = (fields.announced(), 0);
    let mut values = Vec::new();
    while let Some((tag, wire)) = fields.next()? {
        seen += 1;
        let place = u16::try_from(tag).ok().and_then(|tag| ty.place(tag));
        if let Some(place) = place {
            let field = &ty.fields[place];
            let value = match field.shape {
                Shape::Single => single(schema, field.kind, wire, depth)?,
                _ => Value::Array(items(schema, field.kind, wire.block()?, depth)?),
            };
            values.push((place, value));
        }
    }
    assert_eq!(seen, announced);
    Ok((Value::Message(values), fields.rest()))
}

fn single(schema: &Schema, kind: Kind, wire: Wire<'_>, depth: u32) -> Result<Value, DecodeError> {
    Ok(match kind {
        Kind::Integer | Kind::Decimal(_) => Value::Integer(wire.integer()?),
        Kind::Boolean => Value::Boolean(wire.boolean()?),
        Kind::Double => Value::Double(wire.double()?),
        Kind::String | Kind::Binary => Value::Text(wire.block()?.to_vec()),
        Kind::Struct(ty) => match decode(schema, ty, wire.block()?, depth + 1)? {
            (value, []) => value,
            _ => return Err(DecodeError),
        },
    })
}

fn items(schema: &Schema, kind: Kind, block: &[u8], depth: u32) -> Result<Vec<Value>, DecodeError> {
    match kind {
        Kind::Integer | Kind::Decimal(_) => Ok(Integers::of(block)?.map(Value::Integer).collect()),
        Kind::Boolean => Ok(block
            .iter()
            .map(|byte| Value::Boolean(*byte != 0))
            .collect()),
        Kind::Double => Ok(doubles(block)?.map(Value::Double).collect()),
        Kind::String | Kind::Binary | Kind::Struct(_) => {
            let blocks = Blocks::of(block);
            assert!(blocks.ahead() <= block.len() / 4);
            blocks
                .map(|item| single(schema, kind, Wire::Block(item?), depth))
                .collect()
        }
    }
}

/// A schema with a field of every kind, single and as an array.
pub fn every_kind() -> Schema {
    let field = |number: u8| FieldPlan {
        gap: u16::from(number / 5),
        kind: number % 8,
        is_array: number >= 8,
    };
    schema(&vec![(0..16).map(field).collect()])
}

/// What must hold for any bytes, as a bundle, as a message, as packed and as unpacked: reading ends
/// without a panic, and what was read comes back when it is written.
pub fn check_any_bytes(bytes: &[u8]) {
    if let Ok(schema) = Schema::from_bundle(bytes) {
        let _ = schema.to_string();
        for ty in 0..schema.types.len() {
            let _ = decode(&schema, ty, bytes, 0);
        }
    }
    check_message(&every_kind(), bytes);
    let packed = packed(bytes);
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(8), 0);
    assert_eq!(unpacked(&packed), Ok(padded));
    if let Ok(bytes) = unpacked(bytes) {
        assert_eq!(unpacked(&self::packed(&bytes)), Ok(bytes));
    }
}

fn check_message(schema: &Schema, bytes: &[u8]) {
    if let Ok((value, rest)) = decode(schema, 0, bytes, 0) {
        assert!(rest.len() <= bytes.len());
        let again = encode(schema, 0, &value);
        assert_eq!(decode(schema, 0, &again, 0), Ok((value, &[][..])));
    }
}

/// `bytes` with zeros left out.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    Packer::new().pack(bytes).to_vec()
}

/// The opposite of [`packed`], but for zeros that fill the last word. What a packer held before makes
/// no difference.
pub fn unpacked(packed: &[u8]) -> Result<Vec<u8>, BrokenStream> {
    let fresh = Packer::new().unpack(packed).map(<[u8]>::to_vec);
    let mut used = Packer::new();
    used.pack(&[b'x'; 500]);
    assert_eq!(
        used.unpack(packed),
        fresh.as_deref().map_err(|error| *error)
    );
    let len = fresh.as_ref().map_or(0, Vec::len);
    assert!(len.is_multiple_of(8) && len <= packed.len() * 8);
    fresh
}
