//! Which master a command means, and the link to it.
//!
//! A master on this machine is found by its folder, whose socket only its user can open; one on another
//! machine by `--master`, with the certificate that `enrol` put below `~/.config/welkin`: a folder for
//! each master, as who looks after two fleets must not mix them up.

use std::env;
use std::path::{Path, PathBuf};

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::Status;
use welkin_fleet_trust::{Identity, Limits, Link, connect, connect_local};

use crate::failure::Failure;
use crate::words::How;

/// Folder of the master on this machine, where no option says it.
const FOLDER: &str = "WELKIN_FLEET_DIR";
/// Where the nodes of the founding note keep it.
const USUAL: &str = "fleet/master";

/// A master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Master {
    /// By its socket.
    Local(PathBuf),
    /// By host and port.
    Remote(String),
}

impl Master {
    /// The one that the options, the environment or the working folder name.
    pub fn find(how: &How) -> Result<Master, Failure> {
        match (&how.master, &how.dir) {
            (Some(_), Some(_)) => Err(Failure::usage("give --master or --dir, not both")),
            (Some(path), None) if path.contains('/') => Ok(Master::Local(path.into())),
            (Some(address), None) => Ok(Master::Remote(with_port(address))),
            (None, Some(folder)) => Ok(Master::Local(folder.join("fleet.sock"))),
            (None, None) => Self::of_this_machine(),
        }
    }

    fn of_this_machine() -> Result<Master, Failure> {
        let named = env::var_os(FOLDER).map(PathBuf::from);
        let folders = match named {
            Some(folder) => vec![folder],
            None => vec![
                PathBuf::from("."),
                PathBuf::from(USUAL),
                PathBuf::from("master"),
            ],
        };
        let sockets: Vec<PathBuf> = folders
            .iter()
            .map(|folder| folder.join("fleet.sock"))
            .collect();
        match sockets.iter().find(|socket| socket.exists()) {
            Some(socket) => Ok(Master::Local(socket.clone())),
            None => {
                let looked: Vec<String> = sockets
                    .iter()
                    .map(|socket| socket.display().to_string())
                    .collect();
                Err(Failure::unreachable(format!(
                    "no master runs here (looked for {}). Start one (welkin fleet master --dir DIR), or name it: --dir DIR, {FOLDER}, or --master HOST:PORT",
                    looked.join(", ")
                )))
            }
        }
    }

    /// Connects. The identity is there for a remote master.
    pub async fn connect(&self) -> Result<(Link, Option<Identity>), Failure> {
        let limits = Limits::default();
        match self {
            Master::Local(socket) => {
                let link = connect_local(socket, Purpose::Client, None, &limits).await;
                let explained = |failure: Failure| match failure.status {
                    Status::Unreachable => Failure::unreachable(format!(
                        "{}. Is it running? welkin fleet master --dir {}",
                        failure.text,
                        socket.parent().unwrap_or(Path::new(".")).display()
                    )),
                    _ => failure,
                };
                Ok((link.map_err(|error| explained(error.into()))?, None))
            }
            Master::Remote(address) => {
                let folder = identity_folder(address)?;
                let identity = Identity::load(&folder).map_err(Failure::failed)?;
                let Some(identity) = identity else {
                    return Err(Failure::new(
                        Status::Forbidden,
                        "not-permitted",
                        format!(
                            "there is no certificate for the master {address} in {}. Get one: welkin fleet --master {address} enrol --token-file F (the token: welkin fleet token NAME --role ROLE, on the master's machine)",
                            folder.display()
                        ),
                    ));
                };
                let link = connect(address, &identity, Purpose::Client, &limits).await?;
                Ok((link, Some(identity)))
            }
        }
    }
}

/// Where key and certificate for a master are kept.
pub fn identity_folder(address: &str) -> Result<PathBuf, Failure> {
    let config =
        match env::var_os("XDG_CONFIG_HOME").filter(|folder| Path::new(folder).is_absolute()) {
            Some(folder) => PathBuf::from(folder),
            None => match env::var_os("HOME").filter(|home| !home.is_empty()) {
                Some(home) => Path::new(&home).join(".config"),
                None => {
                    return Err(Failure::failed(
                        "HOME is not set, so there is no place for a certificate",
                    ));
                }
            },
        };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name: String = address
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    Ok(config.join("welkin").join(name))
}

/// The address with the port of agents and clients, if it has none.
fn with_port(address: &str) -> String {
    let bare = address.starts_with('[') && address.ends_with(']');
    match address.contains(':') && !bare {
        true => address.to_owned(),
        false => format!("{address}:7950"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_named_by_address_or_by_path() {
        let of = |master: &str| {
            let how = How {
                master: Some(master.to_owned()),
                ..How::default()
            };
            Master::find(&how).unwrap()
        };
        assert_eq!(of("ops"), Master::Remote("ops:7950".to_owned()));
        assert_eq!(of("[::1]"), Master::Remote("[::1]:7950".to_owned()));
        assert_eq!(of("10.0.0.1:1"), Master::Remote("10.0.0.1:1".to_owned()));
        assert_eq!(of("run/fleet.sock"), Master::Local("run/fleet.sock".into()));
    }
}
