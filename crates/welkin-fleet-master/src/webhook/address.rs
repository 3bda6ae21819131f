//! The address of a webhook, in its parts.

/// `http://host[:port][/path][?query]`, or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub tls: bool,
    /// Without the brackets of an address of IPv6.
    pub host: String,
    pub port: u16,
    /// Host and port as they stand in the address.
    pub authority: String,
    /// With what is asked of it.
    pub path: String,
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| Err(format!("{url:?} is no address for a webhook: {what}"));
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return wrong("it begins with neither https:// nor http://"),
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return wrong("it has characters that must be written as %xx");
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return wrong("a name and password in it are not sent");
        }
        let (host, port) = match authority
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or("wrong"))),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let Ok(port) = port.map_or(Ok(if tls { 443 } else { 80 }), str::parse) else {
            return wrong("its port is no number from 0 to 65535");
        };
        if host.is_empty() {
            return wrong("it names no host");
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: format!("{slash}{path}"),
        })
    }

    /// For the log: what is asked may hold a key.
    pub(super) fn shown(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}
