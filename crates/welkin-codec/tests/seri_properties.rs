//! Packed values come back as they were, and no bytes whatever do harm.

#[path = "support/seri.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Value, check_any_bytes, pack, unpack};

fn scalar() -> impl Strategy<Value = Value> + Clone {
    let edge = prop_oneof![
        Just(0),
        Just(255),
        Just(256),
        Just(65535),
        Just(65536),
        Just(i64::from(i32::MAX)),
        Just(i64::from(i32::MIN)),
        Just(i64::MAX),
        Just(i64::MIN),
    ];
    prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (edge, -1..=1i64).prop_map(|(edge, step)| Value::Integer(edge.wrapping_add(step))),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        any::<usize>().prop_map(Value::Pointer),
        vec(any::<u8>(), 0..40).prop_map(Value::String),
        (65530..65540usize).prop_map(|length| Value::String(vec![b'x'; length])),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let key = scalar();
    prop_oneof![Just(Value::Nil), scalar()].prop_recursive(6, 60, 40, move |inner| {
        let pairs = vec(
            (
                prop_oneof![
                    key.clone(),
                    inner.clone().prop_filter("no nil", |v| *v != Value::Nil)
                ],
                inner.clone(),
            ),
            0..6,
        );
        (vec(inner, 0..40), pairs).prop_map(|(array, pairs)| Value::Table { array, pairs })
    })
}

/// Bytes that get further than noise: mostly tags with meaning.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let tag = prop_oneof![
        Just(0x00),
        Just(0x01),
        Just(0x02),
        Just(0x04),
        Just(0x06),
        Just(0x0a),
        Just(0x0c),
        Just(0x0e),
        Just(0x12),
        Just(0x15),
        Just(0x16),
        Just(0x22),
        Just(0x25),
        Just(0x42),
        Just(0xfe),
        any::<u8>(),
    ];
    vec(tag, 0..200)
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(values in vec(value(), 0..6)) {
        let bytes = pack(&values);
        prop_assert_eq!(unpack(&bytes).unwrap(), values);
        check_any_bytes(&bytes);
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
    fn one_wrong_byte_does_no_harm(values in vec(value(), 1..4), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = pack(&values);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check_any_bytes(&bytes);
    }

    #[test]
    fn what_is_cut_inside_a_value_is_refused(value in value(), at in any::<prop::sample::Index>()) {
        let bytes = pack(&[value]);
        let at = at.index(bytes.len());
        if at > 0 {
            prop_assert!(unpack(&bytes[..at]).is_err());
        }
    }
}

#[test]
fn a_million_levels_are_refused() {
    let mut bytes = vec![0x0e; 1_000_000];
    check_any_bytes(&bytes);
    assert!(unpack(&bytes).is_err());
    bytes.fill(0x06);
    assert!(unpack(&bytes).is_err());
}

#[test]
fn announced_gigabytes_are_not_made_ready() {
    for width in [0x22, 0x32] {
        let mut bytes = vec![0xfe, width];
        bytes.extend([0xff; 7]);
        bytes.push(0x7f);
        check_any_bytes(&bytes);
        assert!(unpack(&bytes[..bytes.len() - 1]).is_err());
    }
}
