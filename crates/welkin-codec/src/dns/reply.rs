//! The reply to a query: whose addresses were asked for, and which there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{CLASS_IN, Cursor, DnsError, TYPE_A, TYPE_AAAA, name};

/// What a name server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The number that the query had.
    pub id: u16,
    /// The name that was asked for, in small letters.
    pub name: Vec<u8>,
    /// The type that was asked for.
    pub kind: u16,
    /// The addresses of both families, whatever names they belong to: those of an alias belong to its
    /// target.
    pub addresses: Vec<IpAddr>,
    /// How long the addresses may be kept, in seconds; 0 without addresses.
    pub ttl_s: u32,
}

/// Reads a message from a name server. What follows the answers is not looked at.
pub fn read_reply(message: &[u8]) -> Result<Reply, DnsError> {
    let mut from = Cursor { message, at: 0 };
    let id = from.u16()?;
    let _flags = from.u16()?;
    let questions = from.u16()?;
    let answers = from.u16()?;
    let _others = from.u32()?;
    if questions != 1 {
        return Err(DnsError::Questions);
    }
    let name = name::read(&mut from)?;
    let kind = from.u16()?;
    let _class = from.u16()?;
    let mut addresses = Vec::new();
    let mut shortest = None;
    for _ in 0..answers {
        if let Some((address, ttl_s)) = read_record(&mut from)? {
            addresses.push(address);
            shortest = Some(shortest.map_or(ttl_s, |before: u32| before.min(ttl_s)));
        }
    }
    Ok(Reply {
        id,
        name,
        kind,
        addresses,
        ttl_s: shortest.unwrap_or(0),
    })
}

/// Goes behind the record; its address and time to live, if it has an address.
fn read_record(from: &mut Cursor<'_>) -> Result<Option<(IpAddr, u32)>, DnsError> {
    name::read(from)?;
    let kind = from.u16()?;
    let class = from.u16()?;
    let ttl_s = from.u32()?;
    let length = from.u16()?;
    let data = from.take(length.into())?;
    if class != CLASS_IN {
        return Ok(None);
    }
    let address = match kind {
        TYPE_A => Ipv4Addr::from(exactly::<4>(data)?).into(),
        TYPE_AAAA => Ipv6Addr::from(exactly::<16>(data)?).into(),
        _ => return Ok(None),
    };
    // The highest bit is never to be set; if it is, the time is 0 (RFC 2181, section 8).
    let ttl_s = if ttl_s > i32::MAX.cast_unsigned() {
        0
    } else {
        ttl_s
    };
    Ok(Some((address, ttl_s)))
}

fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], DnsError> {
    data.try_into().map_err(|_| DnsError::Address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::write_query;

    fn message(answers: u16, records: &[&[u8]]) -> Vec<u8> {
        let mut message = write_query(7, b"a.test", TYPE_A).unwrap();
        message[6..8].copy_from_slice(&answers.to_be_bytes());
        [&message[..], &records.concat()].concat()
    }

    const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x01\0\x02\xc0\x0c";
    const FIRST: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01";
    const SECOND: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04\x0a\0\0\x02";
    const CHAOS: &[u8] = b"\xc0\x0c\0\x01\0\x03\0\0\0\x01\0\x04\x0a\0\0\x03";

    #[test]
    fn addresses_are_collected_and_the_shortest_time_counts() {
        let reply = read_reply(&message(4, &[ALIAS, FIRST, SECOND, CHAOS])).unwrap();
        assert_eq!(
            (reply.id, &reply.name[..], reply.kind),
            (7, &b"a.test"[..], TYPE_A)
        );
        let addresses: Vec<_> = reply.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(reply.ttl_s, 10);
    }

    #[test]
    fn a_reply_may_be_empty() {
        let reply = read_reply(&message(0, &[])).unwrap();
        assert!(reply.addresses.is_empty());
        assert_eq!(reply.ttl_s, 0);
    }

    #[test]
    fn more_records_announced_than_there_are_is_an_error() {
        assert_eq!(read_reply(&message(u16::MAX, &[FIRST])), Err(DnsError::Cut));
        let whole = message(1, &[FIRST]);
        for length in 0..whole.len() {
            assert_eq!(read_reply(&whole[..length]), Err(DnsError::Cut), "{length}");
        }
    }

    #[test]
    fn wrong_counts_and_lengths_are_errors() {
        let mut two = message(0, &[]);
        two[5] = 2;
        assert_eq!(read_reply(&two), Err(DnsError::Questions));
        let long = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x05\x0a\0\0\x01\0";
        assert_eq!(read_reply(&message(1, &[long])), Err(DnsError::Address));
    }

    #[test]
    fn a_time_with_the_highest_bit_is_none() {
        let record = b"\xc0\x0c\0\x01\0\x01\x80\0\0\0\0\x04\x0a\0\0\x01";
        assert_eq!(read_reply(&message(1, &[record])).unwrap().ttl_s, 0);
    }
}
