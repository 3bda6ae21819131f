//! Replies of a name server come out as they went in, and no bytes whatever do harm.

#[path = "support/dns.rs"]
mod support;

use std::net::{IpAddr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use support::check_any_bytes;
use welkin_codec::dns::{TYPE_A, TYPE_AAAA, read_reply, write_query};

fn name() -> impl Strategy<Value = String> {
    vec("[a-z0-9_-]{1,20}", 1..8).prop_map(|labels| labels.join("."))
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

/// A reply with these addresses, every name in it shortened.
fn reply(id: u16, name: &str, addresses: &[IpAddr], ttl_s: u32) -> Vec<u8> {
    let mut message = write_query(id, name.as_bytes(), TYPE_A).unwrap();
    message[6..8].copy_from_slice(&(addresses.len() as u16).to_be_bytes());
    for address in addresses {
        let (kind, data) = match address {
            IpAddr::V4(ip) => (TYPE_A, ip.octets().to_vec()),
            IpAddr::V6(ip) => (TYPE_AAAA, ip.octets().to_vec()),
        };
        message.extend([0xc0, 0x0c]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl_s.to_be_bytes());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

/// Bytes that get further than noise: a header that promises little, then mostly short labels,
/// pointers and small numbers.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(0x00),
        2 => Just(0x01),
        1 => Just(0x04),
        1 => Just(0x0c),
        1 => Just(0x10),
        1 => Just(0x1c),
        2 => Just(0xc0),
        1 => any::<u8>(),
    ];
    vec(byte, 0..120).prop_map(|rest| [&b"\0\x01\x81\x80\0\x01\0\x02\0\0\0\0"[..], &rest].concat())
}

proptest! {
    #[test]
    fn addresses_come_out_as_they_went_in(
        id: u16, name in name(), addresses in vec(address(), 0..20), ttl_s in 0..=i32::MAX.cast_unsigned(),
    ) {
        let message = reply(id, &name, &addresses, ttl_s);
        check_any_bytes(&message);
        let got = read_reply(&message).unwrap();
        prop_assert_eq!(got.ttl_s, if addresses.is_empty() { 0 } else { ttl_s });
        prop_assert_eq!((got.id, got.name, got.addresses), (id, name.into_bytes(), addresses));
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
    fn one_wrong_byte_does_no_harm(
        name in name(), addresses in vec(address(), 1..5), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut message = reply(1, &name, &addresses, 60);
        let at = at.index(message.len());
        message[at] = byte;
        check_any_bytes(&message);
    }

    #[test]
    fn a_cut_reply_is_refused(
        name in name(), addresses in vec(address(), 1..5), at in any::<prop::sample::Index>(),
    ) {
        let message = reply(1, &name, &addresses, 60);
        let at = at.index(message.len());
        prop_assert!(read_reply(&message[..at]).is_err());
    }
}
