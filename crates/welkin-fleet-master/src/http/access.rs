//! Who may ask: by which name, and with what.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use welkin_fleet_trust::{Role, Subject};

/// Whether the port may be opened on `address` at all.
pub fn check(address: SocketAddr, tls: bool, token: bool) -> Result<(), String> {
    if address.ip().is_loopback() || tls || token {
        return Ok(());
    }
    Err(format!(
        "--http {address} is not loopback: everybody who reaches it could read the fleet's state. \
         With --http-tls it asks for a certificate of the role view, with --http-token-file FILE for that \
         token (both over TLS); or take 127.0.0.1:{}",
        address.port()
    ))
}

/// Whether the `Host` of a request means us: the address that is bound (or, where all are, the one that
/// was connected to), `localhost` on loopback, or one of `hosts`. The port may be left out where it is
/// the scheme's own, and is the proxy's business for `hosts`.
pub(super) fn is_our_host(
    host: Option<&str>,
    bound: SocketAddr,
    connected: SocketAddr,
    hosts: &[String],
    tls: bool,
) -> bool {
    let Some(host) = host else {
        return false;
    };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return port.is_none_or(|port| port.parse::<u16>().is_ok());
    }
    let usual = if tls { 443 } else { 80 };
    if port.map_or(Some(usual), |port| port.parse().ok()) != Some(bound.port()) {
        return false;
    }
    let address = match bound.ip().is_unspecified() {
        true => connected.ip(),
        false => bound.ip(),
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip == address.to_canonical());
    let is_localhost =
        address.to_canonical().is_loopback() && name.eq_ignore_ascii_case("localhost");
    is_address || is_localhost
}

/// Whether a request may see the fleet.
pub(super) fn is_permitted(
    subject: Option<&Subject>,
    authorization: Option<&str>,
    token: Option<&str>,
    tls: bool,
) -> bool {
    if subject.is_some_and(|subject| subject.role.includes(Role::View)) {
        return true;
    }
    match token {
        Some(token) => authorization.is_some_and(|given| shows(given, token)),
        None => !tls,
    }
}

/// `Bearer TOKEN`; or `Basic`, as a browser sends when it has asked, with the token as password.
fn shows(authorization: &str, token: &str) -> bool {
    let Some((scheme, value)) = authorization.split_once(' ') else {
        return false;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return is_same(value.trim().as_bytes(), token.as_bytes());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let pair = STANDARD.decode(value.trim()).unwrap_or_default();
    let password = pair
        .splitn(2, |byte| *byte == b':')
        .nth(1)
        .unwrap_or_default();
    is_same(password, token.as_bytes())
}

/// Takes the same time wherever the difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differ = one
        .iter()
        .zip(other)
        .fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && !other.is_empty() && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(host: &str, bound: &str, connected: &str) -> bool {
        let hosts = ["fleet.example".to_owned()];
        is_our_host(
            Some(host),
            bound.parse().unwrap(),
            connected.parse().unwrap(),
            &hosts,
            false,
        )
    }

    #[test]
    fn a_name_that_is_not_ours_is_not_answered() {
        let bound = "127.0.0.1:7947";
        for host in [
            "127.0.0.1:7947",
            "localhost:7947",
            "LOCALHOST:7947",
            "fleet.example",
            "Fleet.Example:9",
        ] {
            assert!(ours(host, bound, bound), "{host}");
        }
        for host in [
            "",
            "evil.example:7947",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.evil:7947",
            "[::1]:7947",
            "fleet.example:x",
        ] {
            assert!(!ours(host, bound, bound), "{host}");
        }
        assert!(ours("127.0.0.1", "127.0.0.1:80", "127.0.0.1:80"));
        assert!(ours("[::1]:7947", "[::1]:7947", "[::1]:7947"));
        assert!(ours("10.0.0.5:7947", "0.0.0.0:7947", "10.0.0.5:7947"));
        assert!(!ours("10.0.0.6:7947", "0.0.0.0:7947", "10.0.0.5:7947"));
        assert!(!ours("localhost:7947", "10.0.0.5:7947", "10.0.0.5:7947"));
        let address = bound.parse().unwrap();
        assert!(!is_our_host(None, address, address, &[], false));
    }

    #[test]
    fn beyond_loopback_a_certificate_or_the_token_is_needed() {
        let given = |text: &str| is_permitted(None, Some(text), Some("secret"), true);
        assert!(given("Bearer secret") && given("bearer secret"));
        assert!(given(&format!("Basic {}", STANDARD.encode("any:secret"))));
        for wrong in [
            "Bearer secre",
            "Bearer secrets",
            "Bearer",
            "secret",
            "Basic secret",
            "Digest secret",
        ] {
            assert!(!given(wrong), "{wrong}");
        }
        assert!(!is_permitted(None, Some("Bearer "), Some(""), true));
        assert!(!is_permitted(None, None, None, true));
        assert!(is_permitted(None, None, None, false));
        let subject = |role| Subject {
            name: "x".into(),
            role,
            enrolment: String::new(),
        };
        assert!(is_permitted(
            Some(&subject(Role::View)),
            None,
            Some("secret"),
            true
        ));
        assert!(!is_permitted(
            Some(&subject(Role::Agent)),
            None,
            Some("secret"),
            true
        ));
    }

    #[test]
    fn an_open_address_is_refused_before_it_is_bound() {
        let open = "0.0.0.0:7947".parse().unwrap();
        let error = check(open, false, false).unwrap_err();
        assert!(error.contains("--http-token-file") && error.contains("--http-tls"));
        assert_eq!(check(open, false, true), Ok(()));
        assert_eq!(
            check("127.0.0.1:7947".parse().unwrap(), false, false),
            Ok(())
        );
    }
}
