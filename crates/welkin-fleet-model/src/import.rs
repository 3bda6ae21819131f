//! From the note's files to a fleet file: one node for each line of the cluster config.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::cluster::{self, split_address};
use crate::file::Faults;

/// The text of a fleet file for the nodes of a cluster config. `path`: what `cluster =` is to say.
///
/// One machine for each ip, named `m1`, `m2`, ... in the order of the addresses. The line `master` is
/// left out, with a comment: that node runs the master and is not started by it.
pub fn fleet_file(cluster: &str, path: &str) -> Result<String, Faults> {
    let nodes = cluster::parse(cluster)?;
    let ips: BTreeSet<&str> = nodes
        .values()
        .filter_map(|at| Some(split_address(at)?.0))
        .collect();
    let machines: BTreeMap<&str, String> = ips
        .into_iter()
        .enumerate()
        .map(|(index, ip)| (ip, format!("m{}", index + 1)))
        .collect();
    let mut text = format!(
        "# Made from {path} by welkin fleet import. Check it, then: welkin fleet apply FILE\n\n\
         [fleet]\nname = \"game\"\ncluster = {}\n\n\
         [defaults]\nconfig = \"game/config.{{node}}\"   # the note's start.sh: ./skynet game/config\n",
        quoted(path)
    );
    // Writing to a text does not fail.
    for (ip, name) in &machines {
        let _ = write!(
            text,
            "\n[machine.{name}]            # enrol the agent there under this name, or change it\naddress = {}\n",
            quoted(ip)
        );
    }
    for (name, address) in &nodes {
        if name == "master" {
            text += "\n# master: the node of cluster_master is not started by the fleet.\n";
            continue;
        }
        let Some(machine) = split_address(address).and_then(|(ip, _)| machines.get(ip)) else {
            continue;
        };
        let _ = write!(text, "\n[node.{}]\nmachine = \"{machine}\"\n", key(name));
        // `login_1` and `login_2` are most likely of one kind.
        if let Some((kind, number)) = name.rsplit_once('_')
            && !kind.is_empty()
            && number.chars().all(|c| c.is_ascii_digit())
        {
            let _ = writeln!(text, "group = {}", quoted(kind));
        }
    }
    Ok(text)
}

/// A text in TOML. What comes here holds no control characters but may hold quotes, in a path.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn key(name: &str) -> String {
    match name.contains('.') {
        true => quoted(name),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Fleet;

    #[test]
    fn what_is_imported_can_be_applied() {
        let cluster = "master = '10.0.0.1:1'\nlogin_1 = '10.0.0.1:2'\nscene_1 = '10.0.0.2:2'\na.b = '10.0.0.2:3'\n";
        let text = fleet_file(cluster, "game/cluster_config").unwrap();
        let fleet =
            Fleet::parse(&text, Some(cluster)).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        let scene = &fleet.nodes["scene_1"];
        assert_eq!(
            (scene.machine.as_str(), scene.group.as_deref()),
            ("m2", Some("scene"))
        );
        assert_eq!(scene.config.as_deref(), Some("game/config.scene_1"));
        assert_eq!(scene.address.as_deref(), Some("10.0.0.2:2"));
        assert!(fleet.nodes["master"].scripted);
        assert_eq!(fleet.nodes["a.b"].machine, "m2");
    }
}
