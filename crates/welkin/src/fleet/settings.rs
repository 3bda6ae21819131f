//! The config keys by which a node belongs to a fleet in the way of the founding note: `master_flag`,
//! `cluster`, `cluster_node`, and those that begin with `fleet_`.
//!
//! Without `master_flag` none of them is looked at: a program may use such names for itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use welkin_lua::config_lua;

use crate::config::Environment;
use crate::failure::{CONFIG, Failure};

/// Hex digits of a secret: 32 bytes.
const SECRET_DIGITS: usize = 64;
/// Where the master listens for agents when the config does not say it.
const LISTEN: &str = "0.0.0.0:7950";

/// Which of the two services the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `cluster_master`.
    Master,
    /// `cluster_slave`.
    Slave,
}

/// A node's place in its fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its service.
    pub part: Part,
    /// Its name in the cluster config.
    pub node: String,
    /// Where master and agent keep their state.
    pub dir: PathBuf,
    /// The file with the fleet's secret.
    pub secret: Option<PathBuf>,
    /// `host:port` of the master.
    pub master: Option<String>,
    /// Where the master listens for agents; `None`: nowhere.
    pub listen: Option<String>,
    /// The name to enrol by.
    pub machine: Option<String>,
}

/// Checks the keys. `None`: the node belongs to no fleet.
pub fn check(environment: &Environment, origin: &str) -> Result<Option<Settings>, Failure> {
    let keys = Keys {
        environment,
        origin,
    };
    let part = match keys.text("master_flag").as_deref() {
        None => return Ok(None),
        Some("true") => Part::Master,
        Some("false") => Part::Slave,
        Some(other) => {
            return Err(keys.wrong("master_flag", other, "true (the master's node) or false"));
        }
    };
    let node = keys.needed("cluster_node", "the node's name in the cluster config")?;
    let cluster = keys.needed("cluster", "the path of the cluster config")?;
    keys.find_node(&node, &cluster)?;
    let secret = keys.path("fleet_secret");
    if let Some(file) = &secret {
        check_secret(file)?;
    }
    let listen = keys.host_port("fleet_listen")?;
    Ok(Some(Settings {
        part,
        node,
        dir: keys.path("fleet_dir").unwrap_or_else(|| "fleet".into()),
        master: keys.host_port("fleet_master")?,
        listen: listen.or_else(|| secret.as_ref().map(|_| LISTEN.to_owned())),
        machine: keys.text("fleet_machine"),
        secret,
    }))
}

/// Said before the boot when `debug_port` is no port: no console is started then.
pub fn strange_debug_port(environment: &Environment, origin: &str) -> Option<String> {
    let keys = Keys {
        environment,
        origin,
    };
    let port = keys.text("debug_port")?;
    let is_port = port
        .parse::<f64>()
        .is_ok_and(|number| number.fract() == 0.0 && (0.0..=f64::from(u16::MAX)).contains(&number));
    (!is_port).then(|| {
        format!("config key debug_port = \"{port}\" of {origin} is no port (0 to 65535): no debug console is started")
    })
}

struct Keys<'a> {
    environment: &'a Environment,
    origin: &'a str,
}

impl Keys<'_> {
    fn text(&self, key: &str) -> Option<String> {
        let value = self.environment.get(key.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let value = self.environment.get(key.as_bytes());
        value.map(|path| PathBuf::from(OsStr::from_bytes(path)))
    }

    fn needed(&self, key: &str, what: &str) -> Result<String, Failure> {
        let value = self.text(key).filter(|value| !value.is_empty());
        value.ok_or_else(|| {
            Failure::new(
                CONFIG,
                format_args!(
                    "config key {key} is missing: with master_flag it is {what}. Set it in {}",
                    self.origin
                ),
            )
        })
    }

    fn wrong(&self, key: &str, value: &str, allowed: &str) -> Failure {
        Failure::new(
            CONFIG,
            format_args!(
                "config key {key} = \"{value}\" is wrong; allowed: {allowed}. Correct it in {}",
                self.origin
            ),
        )
    }

    fn host_port(&self, key: &str) -> Result<Option<String>, Failure> {
        let Some(value) = self.text(key) else {
            return Ok(None);
        };
        let is_address = value.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        match is_address {
            true => Ok(Some(value)),
            false => Err(self.wrong(key, &value, "host:port")),
        }
    }

    fn find_node(&self, node: &str, cluster: &str) -> Result<(), Failure> {
        let nodes: BTreeMap<String, Option<String>> = config_lua::load_nodes(Path::new(cluster))
            .map_err(|error| {
                Failure::new(
                    CONFIG,
                    format_args!(
                        "the cluster config {cluster} (config key cluster of {}) cannot be read: {error}. It has lines like login_1 = \"10.0.0.1:13888\"",
                        self.origin
                    ),
                )
            })?;
        if nodes.get(node).is_some_and(Option::is_some) {
            return Ok(());
        }
        let known: Vec<&str> = nodes.keys().map(String::as_str).collect();
        Err(Failure::new(
            CONFIG,
            format_args!(
                "cluster_node = \"{node}\" of {} has no address in the cluster config {cluster}, which has: {}. Correct one of the two",
                self.origin,
                known.join(", ")
            ),
        ))
    }
}

/// The secret is for the node's user alone, and is what `welkin fleet secret-file` makes.
fn check_secret(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    let refused = |why: String| Err(Failure::new(CONFIG, why));
    let read = fs::metadata(file).and_then(|about| Ok((about, fs::read(file)?)));
    let (about, text) = match read {
        Ok(found) => found,
        Err(error) => {
            return refused(format!(
                "config key fleet_secret: {shown} cannot be read: {error}. Make it once by welkin fleet secret-file {shown} and copy it to every machine"
            ));
        }
    };
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o177 != 0 {
        return refused(format!(
            "config key fleet_secret: {shown} has mode {mode:04o}, so others may know it. Make it 0600: chmod 600 {shown}"
        ));
    }
    let digits = text.trim_ascii();
    if digits.len() != SECRET_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
        return refused(format!(
            "config key fleet_secret: {shown} is no secret: it holds {SECRET_DIGITS} hex digits. Make one by welkin fleet secret-file FILE"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
