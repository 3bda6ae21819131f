//! Arguments of `welkin fleet master`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

const USAGE: &str = "usage: welkin fleet master --dir DIR [--listen IP:PORT|off] [--http IP:PORT|off] \
     [--http-host NAME]... [--http-token-file FILE] [--http-tls] [--secret-file FILE] [--end] [--install]";

/// Where a port is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// Nobody said; if it is taken, the master goes on without.
    Usual(SocketAddr),
    /// There, or not at all.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Where its state is.
    pub dir: PathBuf,
    /// For agents and clients of other machines.
    pub listen: Port,
    /// The page.
    pub http: Port,
    /// Names by which the page may be asked for.
    pub http_hosts: Vec<String>,
    /// Holds the token for the page.
    pub http_token: Option<PathBuf>,
    /// TLS on loopback too.
    pub http_tls: bool,
    /// Lets agents in that know it.
    pub secret: Option<PathBuf>,
    /// End the master of that folder.
    pub end: bool,
    /// Write a systemd unit.
    pub install: bool,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            listen: Port::Usual(([0, 0, 0, 0], 7950).into()),
            http: Port::Usual(([127, 0, 0, 1], 7947).into()),
            http_hosts: Vec::new(),
            http_token: None,
            http_tls: false,
            secret: None,
            end: false,
            install: false,
        }
    }
}

impl Arguments {
    pub(crate) fn read(given: &[OsString]) -> Result<Self, String> {
        let mut read = Self::default();
        let mut words = given.iter();
        while let Some(word) = words.next() {
            let word = word.to_str().ok_or("an argument is not text")?;
            let (name, joined) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word, None),
            };
            let mut value = || -> Result<String, String> {
                if let Some(value) = &joined {
                    return Ok(value.clone());
                }
                let next = words.next().and_then(|next| next.to_str());
                next.map(str::to_owned)
                    .ok_or(format!("{name} needs a value; {USAGE}"))
            };
            match name {
                "--dir" => read.dir = value()?.into(),
                "--listen" => read.listen = port(name, &value()?)?,
                "--http" => read.http = port(name, &value()?)?,
                "--http-host" => read.http_hosts.push(value()?),
                "--http-token-file" => read.http_token = Some(value()?.into()),
                "--http-tls" => read.http_tls = true,
                "--secret-file" => read.secret = Some(value()?.into()),
                "--end" => read.end = true,
                "--install" => read.install = true,
                _ => return Err(format!("unknown argument {word}; {USAGE}")),
            }
        }
        if read.dir.as_os_str().is_empty() {
            return Err(format!("--dir is missing; {USAGE}"));
        }
        Ok(read)
    }
}

fn port(name: &str, text: &str) -> Result<Port, String> {
    if text == "off" {
        return Ok(Port::Off);
    }
    let address = text.parse().map(Port::At);
    address.map_err(|_| format!("{name}: {text:?} is no IP:PORT, like 0.0.0.0:7950, and not off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Arguments, String> {
        Arguments::read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = read(&[
            "--dir",
            "x",
            "--listen=127.0.0.1:0",
            "--http",
            "off",
            "--http-host",
            "a",
        ])
        .unwrap();
        assert_eq!(
            (good.listen, good.http),
            (Port::At(([127, 0, 0, 1], 0).into()), Port::Off)
        );
        assert_eq!(good.http_hosts, ["a"]);
        assert!(read(&[]).unwrap_err().contains("--dir is missing"));
        assert!(
            read(&["--dir", "x", "--http", "7947"])
                .unwrap_err()
                .contains("IP:PORT")
        );
        assert!(
            read(&["--dir", "x", "--lsten", "a"])
                .unwrap_err()
                .contains("--lsten")
        );
    }
}
