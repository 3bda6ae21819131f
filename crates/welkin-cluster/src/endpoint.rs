//! `host:port`, as node tables have it.

/// Where a node listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// As it was written; for people.
    pub text: String,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// Reads `host:port` or `[v6]:port`. What is neither becomes a place that cannot be reached, whose
    /// text says why.
    pub fn read(text: &str) -> Self {
        let parts = text.rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.trim().parse().ok()?)));
        let (host, port) = parts.unwrap_or(("", 0));
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Self {
            text: text.to_owned(),
            host: bare.unwrap_or(host).to_owned(),
            port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_colon_counts() {
        let read = |text| {
            let Endpoint { host, port, .. } = Endpoint::read(text);
            (host, port)
        };
        assert_eq!(read("127.0.0.1:7000"), ("127.0.0.1".into(), 7000));
        assert_eq!(read("[::1]:7000"), ("::1".into(), 7000));
        assert_eq!(read("::1:7000"), ("::1".into(), 7000));
        for bad in ["host", "host:", "host:x", "host:70000", ""] {
            assert_eq!(read(bad), (String::new(), 0), "{bad}");
        }
    }
}
