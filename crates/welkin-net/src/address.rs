//! UDP peer addresses as programs keep them, and how addresses are written for people.
//!
//! The byte layout is fixed because some programs store it: byte 1 = family (1: IPv4, 2: IPv6), bytes
//! 2-3 the port, big endian, then 4 or 16 address bytes. The scope of a link-local IPv6 address has no
//! place in it.

use std::net::{IpAddr, SocketAddr};

const V4: u8 = 1;
const V6: u8 = 2;

/// The bytes of `address`: 7 for IPv4, 19 for IPv6.
pub fn encode(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(19);
    bytes.push(if address.is_ipv4() { V4 } else { V6 });
    bytes.extend(address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => bytes.extend(ip.octets()),
        IpAddr::V6(ip) => bytes.extend(ip.octets()),
    }
    bytes
}

/// Reads what [`encode`] wrote. `None`: not such an address.
pub fn decode(bytes: &[u8]) -> Option<SocketAddr> {
    let (&family, rest) = bytes.split_first()?;
    let (port, ip) = rest.split_first_chunk::<2>()?;
    let ip = match family {
        V4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        V6 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// `ip:port`, IPv6 without brackets, as in skynet.
pub(crate) fn text(address: SocketAddr) -> String {
    format!("{}:{}", address.ip(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_trip() {
        for text in ["127.0.0.1:8001", "[::1]:57050"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(decode(&encode(address)), Some(address));
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = encode("1.2.3.4:258".parse().unwrap());
        assert_eq!(bytes, [1, 1, 2, 1, 2, 3, 4]);
        assert_eq!(encode("[::1]:1".parse().unwrap()).len(), 19);
    }

    #[test]
    fn garbage_is_no_address() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x03\0\0\0\0\0\0",
            b"\x01\0\0\0\0\0",
            b"\x02\0\0\0\0\0\0",
        ] {
            assert_eq!(decode(bytes), None);
        }
    }

    #[test]
    fn ipv6_is_written_without_brackets() {
        assert_eq!(text("[::1]:57050".parse().unwrap()), "::1:57050");
    }
}
