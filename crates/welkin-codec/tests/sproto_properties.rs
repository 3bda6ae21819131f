//! Messages of any schema come back as they were, and no bytes whatever do harm.

#[path = "support/sproto.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{FieldPlan, Plan, Value, check_any_bytes, decode, encode, every_kind, schema};
use welkin_codec::sproto::{Kind, Schema, Shape};

fn plan() -> impl Strategy<Value = Plan> {
    let gap = prop_oneof![Just(0), 0..3u16, 0..5000u16];
    let field = (gap, any::<u8>(), any::<bool>()).prop_map(|(gap, kind, is_array)| FieldPlan {
        gap,
        kind,
        is_array,
    });
    vec(vec(field, 0..7), 1..4)
}

/// Numbers without end from one.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }
}

/// A message of the type, made up from `seed`.
fn made_up(schema: &Schema, ty: usize, seed: &mut impl FnMut() -> u64, depth: u32) -> Value {
    let fields = schema.types[ty].fields.iter().enumerate();
    let fields = fields.filter_map(|(place, field)| {
        if seed().is_multiple_of(4) {
            return None;
        }
        let mut one = || made_up_value(schema, field.kind, seed, depth);
        let value = match field.shape {
            Shape::Single => one()?,
            _ => Value::Array((0..=place % 5).map_while(|_| one()).collect()),
        };
        Some((place, value))
    });
    Value::Message(fields.collect())
}

fn made_up_value(
    schema: &Schema,
    kind: Kind,
    seed: &mut impl FnMut() -> u64,
    depth: u32,
) -> Option<Value> {
    let bits = seed();
    Some(match kind {
        Kind::Integer | Kind::Decimal(_) => Value::Integer(bits.cast_signed() >> (seed() % 64)),
        Kind::Boolean => Value::Boolean(bits.is_multiple_of(2)),
        Kind::Double => Value::Double(f64::from_bits(bits)),
        Kind::String | Kind::Binary => Value::Text(vec![bits as u8; bits as usize % 20]),
        Kind::Struct(_) if depth == 4 => return None,
        Kind::Struct(ty) => made_up(schema, ty, seed, depth + 1),
    })
}

/// A message of the first type, encoded.
fn message(schema: &Schema, seed: u64) -> Vec<u8> {
    encode(schema, 0, &made_up(schema, 0, &mut numbers(seed), 0))
}

/// Bytes that get further than noise: mostly entries, small lengths and widths.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(0),
        Just(0),
        Just(1),
        Just(2),
        Just(4),
        Just(8),
        Just(255),
        any::<u8>()
    ];
    vec(byte, 0..200)
}

proptest! {
    #[test]
    fn messages_of_any_schema_come_back(plan in plan(), seed: u64) {
        let schema = schema(&plan);
        let value = made_up(&schema, 0, &mut numbers(seed), 0);
        let bytes = encode(&schema, 0, &value);
        prop_assert_eq!(decode(&schema, 0, &bytes, 0), Ok((value, &[][..])));
        check_any_bytes(&bytes);
    }

    #[test]
    fn a_message_of_one_schema_read_by_another_does_no_harm(a in plan(), b in plan(), seed: u64) {
        let bytes = message(&schema(&a), seed);
        let _ = decode(&schema(&b), 0, &bytes, 0);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..300)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn likely_bytes_are_read_without_harm(bytes in likely_bytes()) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn one_wrong_byte_does_no_harm(seed: u64, at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = message(&every_kind(), seed);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_any_bytes(&bytes);
    }

    #[test]
    fn what_is_cut_is_refused(seed: u64, at in any::<prop::sample::Index>()) {
        let schema = every_kind();
        let bytes = message(&schema, seed);
        let at = at.index(bytes.len());
        prop_assert!(decode(&schema, 0, &bytes[..at], 0).is_err());
    }
}
