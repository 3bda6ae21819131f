//! Dependencies point down, and the crates that touch sockets or Lua are one each.
//!
//! Read from `cargo metadata`, so that a dependency for tests or for a build script counts too.

use super::Finding;
use crate::process;
use serde_json::Value;

/// Our crates, and which of ours each may use.
const EDGES: [(&str, &[&str]); 18] = [
    ("welkin-codec", &[]),
    ("welkin-lua-vm", &[]),
    ("welkin-runtime", &["welkin-codec"]),
    ("welkin-tls", &[]),
    ("welkin-net", &["welkin-runtime", "welkin-codec"]),
    (
        "welkin-cluster",
        &["welkin-net", "welkin-runtime", "welkin-codec"],
    ),
    ("welkin-drivers", &["welkin-runtime", "welkin-codec"]),
    ("welkin-fleet-model", &[]),
    ("welkin-fleet-trust", &["welkin-fleet-model"]),
    ("welkin-fleet-store", &["welkin-fleet-model"]),
    ("welkin-fleet-release", &["welkin-fleet-model"]),
    ("welkin-fleet-keeper", &[]),
    (
        "welkin-fleet-agent",
        &[
            "welkin-codec",
            "welkin-fleet-keeper",
            "welkin-fleet-model",
            "welkin-fleet-release",
            "welkin-fleet-trust",
        ],
    ),
    (
        "welkin-fleet-master",
        &[
            "welkin-fleet-model",
            "welkin-fleet-release",
            "welkin-fleet-store",
            "welkin-fleet-trust",
        ],
    ),
    (
        "welkin-fleet-client",
        &[
            "welkin-fleet-model",
            "welkin-fleet-release",
            "welkin-fleet-trust",
        ],
    ),
    (
        "welkin-lua",
        &[
            "welkin-net",
            "welkin-runtime",
            "welkin-codec",
            "welkin-lua-vm",
            "welkin-tls",
        ],
    ),
    (
        "welkin",
        &[
            "welkin-cluster",
            "welkin-drivers",
            "welkin-fleet-agent",
            "welkin-fleet-client",
            "welkin-fleet-keeper",
            "welkin-fleet-master",
            "welkin-fleet-model",
            "welkin-lua",
            "welkin-net",
            "welkin-runtime",
            "welkin-codec",
            "welkin-lua-vm",
        ],
    ),
    ("xtask", &[]),
];

/// Crates of others, and which of ours alone may use them.
const RESERVED: [(&str, &[&str]); 7] = [
    ("mlua-sys", &["welkin-lua", "welkin-lua-vm"]),
    ("lua-src", &["welkin-lua-vm"]),
    ("mio", &["welkin-net"]),
    ("redb", &["welkin-fleet-store"]),
    ("rusqlite", &["welkin-drivers"]),
    ("socket2", &["welkin-net"]),
    (
        "tokio",
        &[
            "welkin-fleet-agent",
            "welkin-fleet-client",
            "welkin-fleet-master",
            "welkin-fleet-trust",
        ],
    ),
];

const UPWARD: &str =
    "dependencies point down (ARCHITECTURE.md): move what is shared to a lower crate";
const OWNER: &str = "go through the crate that owns it (ARCHITECTURE.md, invariants)";
const TABLE: &str = "give it a row in crates/xtask/src/tidy/layers.rs and in ARCHITECTURE.md";

/// A crate of the workspace and the names it depends on, for whatever purpose.
struct Package {
    name: String,
    depends: Vec<String>,
}

pub(super) fn check() -> Result<Vec<Finding>, String> {
    let metadata = process::output(process::cargo().args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]))?;
    Ok(packages(&metadata)?.iter().flat_map(judge).collect())
}

fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let strange = || "cargo metadata answered in an unknown form".to_string();
    let metadata: Value = serde_json::from_str(metadata).map_err(|_| strange())?;
    let packages = metadata["packages"].as_array().ok_or_else(strange)?;
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().ok_or_else(strange)?;
            let depends = package["dependencies"].as_array().ok_or_else(strange)?;
            Ok(Package {
                name: name.to_string(),
                depends: depends
                    .iter()
                    .filter_map(|d| d["name"].as_str().map(str::to_string))
                    .collect(),
            })
        })
        .collect()
}

fn judge(package: &Package) -> Vec<Finding> {
    let finding = |what: String, mend| Finding {
        path: format!("crates/{}/Cargo.toml", package.name),
        line: 1,
        what,
        mend,
    };
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
        return vec![finding(
            "a crate without a place in the layers".into(),
            TABLE,
        )];
    };
    let mut findings = Vec::new();
    for name in &package.depends {
        let ours = EDGES.iter().any(|(ours, _)| ours == name);
        if ours && !allowed.contains(&name.as_str()) {
            findings.push(finding(format!("depends on {name}"), UPWARD));
        }
        let owners = RESERVED.iter().find(|(reserved, _)| reserved == name);
        if let Some((_, owners)) = owners
            && !owners.contains(&package.name.as_str())
        {
            let what = format!("depends on {name}, which is for {}", owners.join(", "));
            findings.push(finding(what, OWNER));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(name: &str, depends: &[&str]) -> Vec<String> {
        let package = Package {
            name: name.to_string(),
            depends: depends.iter().map(|d| (*d).to_string()).collect(),
        };
        judge(&package).into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn a_dependency_upward_is_found() {
        assert_eq!(
            whats("welkin-runtime", &["libc", "welkin-codec", "welkin-net"]),
            ["depends on welkin-net"]
        );
    }

    #[test]
    fn sockets_and_lua_have_one_owner_each() {
        assert_eq!(
            whats("welkin-runtime", &["mio"]),
            ["depends on mio, which is for welkin-net"]
        );
        assert!(whats("welkin-net", &["mio", "socket2"]).is_empty());
    }

    #[test]
    fn a_crate_outside_of_the_table_is_found() {
        assert_eq!(whats("welkin-new", &[]).len(), 1);
    }
}
