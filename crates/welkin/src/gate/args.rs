//! The argument text of a gate: `<S|L> <watchdog> <address> <type> <max>`.
//!
//! What is wrong is checked in a fixed order, and the log line of the first fault is part of the
//! contract with programs.

use welkin_codec::frame::Header;
use welkin_runtime::{Address, Node, kind};

use super::text::{number, service, words};

/// What a gate is launched with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Args {
    /// How packages are framed.
    pub header: Header,
    /// Who hears of connections; nobody: [`Address::NONE`].
    pub watchdog: Address,
    /// Where to listen; empty: every IPv4 address.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// Message kind of packages.
    pub kind: u8,
    /// Most connections at a time, at least 1.
    pub connections_max: usize,
}

/// Reads the text; the error is the line to log.
pub fn parse(node: &Node, text: &[u8]) -> Result<Args, Vec<u8>> {
    let invalid = || [b"Invalid gate parm ", text].concat();
    let (style, rest) = text.split_first().ok_or_else(invalid)?;
    let mut words = words(rest);
    let mut word = || words.next().ok_or_else(invalid);
    let (watchdog, address) = (word()?, word()?);
    let kind = match number(word()?) {
        Some(0) => kind::CLIENT,
        Some(kind) => u8::try_from(kind).map_err(|_| invalid())?,
        None => return Err(invalid()),
    };
    let connections_max = words
        .next()
        .and_then(number)
        .and_then(|max| usize::try_from(max).ok())
        .filter(|&max| max > 0)
        .ok_or(b"Need max connection")?;
    let header = match style {
        b'S' => Header::Short,
        b'L' => Header::Long,
        _ => return Err(b"Invalid data header style".into()),
    };
    let watchdog = match watchdog {
        b"!" => Address::NONE,
        name => service(node, name).ok_or_else(|| [b"Invalid watchdog ", name].concat())?,
    };
    let (host, port) =
        endpoint(address).ok_or_else(|| [b"Invalid gate address ", address].concat())?;
    Ok(Args {
        header,
        watchdog,
        host,
        port,
        kind,
        connections_max,
    })
}

/// `host:port` or `port`. The last colon counts, so that an IPv6 address may stand before it.
fn endpoint(address: &[u8]) -> Option<(String, u16)> {
    let address = std::str::from_utf8(address).ok()?;
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    let port = u16::try_from(number(port.as_bytes())?).ok()?;
    (port > 0).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let node = Node::builder().build();
        String::from_utf8(parse(&node, text.as_bytes()).unwrap_err()).unwrap()
    }

    #[test]
    fn all_fields_are_read() {
        let args = parse(&Node::builder().build(), b"L :a 127.0.0.1:8888 120 64").unwrap();
        let expected = Args {
            header: Header::Long,
            watchdog: Address(10),
            host: "127.0.0.1".into(),
            port: 8888,
            kind: 120,
            connections_max: 64,
        };
        assert_eq!(args, expected);
    }

    #[test]
    fn no_watchdog_no_host_and_the_usual_kind_may_be_said_shortly() {
        let args = parse(&Node::builder().build(), b"S ! 8888 0 1").unwrap();
        assert_eq!((args.watchdog, args.kind), (Address::NONE, kind::CLIENT));
        assert_eq!((args.host.as_str(), args.port), ("", 8888));
    }

    #[test]
    fn the_first_fault_is_named() {
        for text in ["", "nonsense", "S ! 8888", "S ! 8888 x 1", "S ! 8888 256 1"] {
            assert_eq!(fault(text), format!("Invalid gate parm {text}"));
        }
        for text in ["S ! 8888 0", "S ! 8888 0 0", "X ! 0 0 -1", "S ! 8888 0 x"] {
            assert_eq!(fault(text), "Need max connection");
        }
        assert_eq!(fault("X .no 0 0 1"), "Invalid data header style");
        assert_eq!(fault("S .no 0 0 1"), "Invalid watchdog .no");
        for address in ["0", "h:0", "h:", "h:x", "65536", "h:-1"] {
            let line = format!("Invalid gate address {address}");
            assert_eq!(fault(&format!("S ! {address} 0 1")), line);
        }
    }
}
