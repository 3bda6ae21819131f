//! Schemas from bundles: a message of a fixed type, whose fields the constants here name.
//!
//! A bundle may come from anywhere. It is refused as a whole if anything in it is missing, out of
//! range or not unique; what is accepted needs no checks later on.

use super::TAG_MAX;
use super::array::Blocks;
use super::reader::{DecodeError, Fields, Wire};
use super::schema::{Field, Kind, Protocol, Schema, Shape, Type};

mod tag {
    pub mod group {
        pub const TYPES: u32 = 0;
        pub const PROTOCOLS: u32 = 1;
    }
    pub mod ty {
        pub const NAME: u32 = 0;
        pub const FIELDS: u32 = 1;
    }
    pub mod field {
        pub const NAME: u32 = 0;
        pub const BUILT_IN: u32 = 1;
        pub const TYPE: u32 = 2;
        pub const TAG: u32 = 3;
        pub const IS_ARRAY: u32 = 4;
        pub const KEY: u32 = 5;
        pub const IS_MAP: u32 = 6;
    }
    pub mod protocol {
        pub const NAME: u32 = 0;
        pub const TAG: u32 = 1;
        pub const REQUEST: u32 = 2;
        pub const RESPONSE: u32 = 3;
        pub const CONFIRM: u32 = 4;
    }
}

impl Schema {
    /// Reads a bundle.
    pub fn from_bundle(bundle: &[u8]) -> Result<Self, DecodeError> {
        let mut types = None;
        let mut protocols = Blocks::of(&[]);
        let mut fields = Fields::open(bundle)?;
        while let Some((tag, wire)) = fields.next()? {
            match tag {
                tag::group::TYPES => types = Some(Blocks::of(wire.block()?)),
                tag::group::PROTOCOLS => protocols = Blocks::of(wire.block()?),
                _ => return Err(DecodeError),
            }
        }
        let types = types.ok_or(DecodeError)?;
        let mut schema = Self {
            types: types.map(|ty| read_type(ty?)).collect::<Result<_, _>>()?,
            protocols: protocols
                .map(|protocol| read_protocol(protocol?))
                .collect::<Result<_, _>>()?,
        };
        schema.protocols.sort_by_key(|protocol| protocol.tag);
        schema.check_protocols()?;
        schema.number_fields();
        schema.resolve_keys()?;
        Ok(schema)
    }

    fn check_protocols(&self) -> Result<(), DecodeError> {
        let unique = self.protocols.windows(2).all(|two| two[0].tag < two[1].tag);
        let mut indexes = self.protocols.iter().flat_map(|p| [p.request, p.response]);
        let known = indexes.all(|index| index.is_none_or(|index| index < self.types.len()));
        (unique && known).then_some(()).ok_or(DecodeError)
    }

    fn number_fields(&mut self) {
        let mut count = 0;
        for ty in &mut self.types {
            ty.first_field = count;
            count += ty.fields.len();
        }
    }

    /// Finds the key fields, which may belong to types that come later.
    fn resolve_keys(&mut self) -> Result<(), DecodeError> {
        for ty in 0..self.types.len() {
            for field in 0..self.types[ty].fields.len() {
                let Field { kind, shape, .. } = self.types[ty].fields[field];
                if let Kind::Struct(element) = kind {
                    let element = self.types.get(element).ok_or(DecodeError)?;
                    self.types[ty].fields[field].shape = resolve(shape, element)?;
                }
            }
        }
        Ok(())
    }
}

fn resolve(shape: Shape, element: &Type) -> Result<Shape, DecodeError> {
    match shape {
        Shape::Keyed { tag, .. } => {
            let key = element.place(tag);
            Ok(Shape::Keyed { tag, key })
        }
        // Until here the key is a tag.
        Shape::Pairs { key } if element.fields.len() == 2 => {
            let key = element.place(key as u16).ok_or(DecodeError)?;
            Ok(Shape::Pairs { key })
        }
        Shape::Pairs { .. } => Err(DecodeError),
        other => Ok(other),
    }
}

fn small(wire: Wire<'_>) -> Result<u16, DecodeError> {
    match wire {
        Wire::Inline(value) => Ok(value),
        Wire::Block(_) => Err(DecodeError),
    }
}

fn read_type(bytes: &[u8]) -> Result<Type, DecodeError> {
    let (mut name, mut list) = (None, Blocks::of(&[]));
    let mut fields = Fields::open(bytes)?;
    while let Some((tag, wire)) = fields.next()? {
        match tag {
            tag::ty::NAME => name = Some(wire.block()?.into()),
            tag::ty::FIELDS => list = Blocks::of(wire.block()?),
            _ => return Err(DecodeError),
        }
    }
    let list: Vec<Field> = list
        .map(|field| read_field(field?))
        .collect::<Result<_, _>>()?;
    if !list.windows(2).all(|two| two[0].tag < two[1].tag) {
        return Err(DecodeError);
    }
    Ok(Type::new(name.ok_or(DecodeError)?, list))
}

/// A field's own fields: the numbers by tag, and its name.
fn read_field(bytes: &[u8]) -> Result<Field, DecodeError> {
    let (mut name, mut numbers) = (None, [None; 7]);
    let mut fields = Fields::open(bytes)?;
    while let Some((tag, wire)) = fields.next()? {
        match tag {
            tag::field::NAME => name = Some(wire.block()?.into()),
            tag::field::BUILT_IN..=tag::field::IS_MAP => numbers[tag as usize] = Some(small(wire)?),
            _ => return Err(DecodeError),
        }
    }
    let number = |tag: u32| numbers[tag as usize];
    let is = |tag: u32| number(tag).is_some_and(|value| value != 0);
    let kind = kind(number(tag::field::BUILT_IN), number(tag::field::TYPE))?;
    let is_struct = matches!(kind, Kind::Struct(_));
    let shape = match number(tag::field::KEY).filter(|_| is_struct) {
        _ if !is(tag::field::IS_ARRAY) => Shape::Single,
        Some(key) if is(tag::field::IS_MAP) => Shape::Pairs { key: key.into() },
        Some(tag) => Shape::Keyed { tag, key: None },
        None => Shape::Array,
    };
    Ok(Field {
        name: name.ok_or(DecodeError)?,
        tag: number(tag::field::TAG)
            .filter(|tag| *tag <= TAG_MAX)
            .ok_or(DecodeError)?,
        kind,
        shape,
    })
}

/// Built-in types have numbers; `extra` is the digits of a decimal, or 1 for a binary. Of other types
/// it is the index.
fn kind(built_in: Option<u16>, extra: Option<u16>) -> Result<Kind, DecodeError> {
    Ok(match (built_in, extra) {
        (Some(0), None) => Kind::Integer,
        (Some(0), Some(digits)) => match 10i32.wrapping_pow(digits.into()) {
            // From 32 digits on the power is zero in 32 bits.
            0 => Kind::Integer,
            scale => Kind::Decimal(scale),
        },
        (Some(1), _) => Kind::Boolean,
        (Some(2), Some(1)) => Kind::Binary,
        (Some(2), _) => Kind::String,
        (Some(3), _) => Kind::Double,
        (None, Some(index)) => Kind::Struct(index.into()),
        _ => return Err(DecodeError),
    })
}

fn read_protocol(bytes: &[u8]) -> Result<Protocol, DecodeError> {
    let (mut name, mut number) = (None, None);
    let (mut request, mut response, mut confirm) = (None, None, false);
    let mut fields = Fields::open(bytes)?;
    while let Some((tag, wire)) = fields.next()? {
        match tag {
            tag::protocol::NAME => name = Some(wire.block()?.into()),
            tag::protocol::TAG => number = Some(small(wire)?),
            tag::protocol::REQUEST => request = Some(small(wire)?.into()),
            tag::protocol::RESPONSE => response = Some(small(wire)?.into()),
            tag::protocol::CONFIRM => confirm = wire.boolean()?,
            _ => return Err(DecodeError),
        }
    }
    Ok(Protocol {
        name: name.ok_or(DecodeError)?,
        tag: number.filter(|tag| *tag <= TAG_MAX).ok_or(DecodeError)?,
        request,
        response,
        confirm,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.a { x 0 : *b() } .b { id 0 : integer v 1 : string }`
    const BUNDLE: &[u8] = b"\x01\0\0\0\x66\0\0\0\x28\0\0\0\x02\0\0\0\0\0\x01\0\0\0a\
        \x19\0\0\0\x15\0\0\0\x07\0\0\0\x01\0\x04\0\x02\0\x04\0\x02\0\x04\0\x01\0\0\0x\
        \x36\0\0\0\x02\0\0\0\0\0\x01\0\0\0b\x27\0\0\0\x10\0\0\0\x04\0\0\0\x02\0\x01\0\x02\0\x02\0\0\0id\
        \x0f\0\0\0\x04\0\0\0\x06\0\x01\0\x04\0\x01\0\0\0v";

    #[test]
    fn a_bundle_gives_types_and_their_keys() {
        let schema = Schema::from_bundle(BUNDLE).unwrap();
        assert_eq!(schema.type_index(b"b"), Some(1));
        assert_eq!(schema.types[0].fields[0].shape, Shape::Pairs { key: 0 });
        assert_eq!(schema.types[1].first_field, 1);
        let fields: Vec<_> = schema.fields().map(|field| &*field.name).collect();
        assert_eq!(fields, [&b"x"[..], b"id", b"v"]);
        assert_eq!(
            schema.to_string(),
            "=== 2 types ===\na\n\tx (0) *b key[0] value[1]\nb\n\tid (0) integer\n\tv (1) string\n=== 0 protocol ===\n"
        );
    }

    #[test]
    fn a_cut_bundle_is_refused() {
        for len in 0..BUNDLE.len() {
            assert_eq!(
                Schema::from_bundle(&BUNDLE[..len]),
                Err(DecodeError),
                "{len}"
            );
        }
    }

    #[test]
    fn no_types_are_no_schema() {
        assert_eq!(Schema::from_bundle(b"\0\0"), Err(DecodeError));
    }

    #[test]
    fn powers_of_ten_wrap_in_32_bits() {
        assert_eq!(kind(Some(0), Some(2)), Ok(Kind::Decimal(100)));
        assert_eq!(kind(Some(0), Some(12)), Ok(Kind::Decimal(-727_379_968)));
        assert_eq!(kind(Some(0), Some(32)), Ok(Kind::Integer));
        assert_eq!(kind(Some(4), None), Err(DecodeError));
    }
}
