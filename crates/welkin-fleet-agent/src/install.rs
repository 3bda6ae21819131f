//! The systemd unit of an agent.
//!
//! `KillMode=process`: a restart of the agent leaves keepers and nodes alone. With systemd 254 or later
//! the unit's cgroup is delegated and the agent lives in a leaf of its own beside those of the nodes;
//! before, a restart would fail on the living children, so there are no cgroups of nodes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::agent::upgrade::{LINK, link};
use crate::args::{Args, Master};
use crate::settings::Settings;

/// First version that knows `DelegateSubgroup`.
const SUBGROUP_SINCE: u32 = 254;
const NAME: &str = "welkin-agent.service";

/// Writes the unit; what to do next, for people.
pub fn install(args: &Args, settings: &Settings) -> Result<String, String> {
    let dir = settings.folders.dir();
    link(dir, &settings.program).map_err(|error| format!("{}: {error}", dir.display()))?;
    let version = systemd_version();
    let text = unit(
        args,
        settings,
        version.is_some_and(|version| version >= SUBGROUP_SINCE),
    );
    let (folder, user) = match settings.user {
        0 => (PathBuf::from("/etc/systemd/system"), ""),
        _ => {
            let home = std::env::var_os("HOME").ok_or("HOME is not set")?;
            (Path::new(&home).join(".config/systemd/user"), " --user")
        }
    };
    let path = folder.join(NAME);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let mut next = format!(
        "{} written. Enable it with:\n  systemctl{user} daemon-reload && systemctl{user} enable --now {NAME}",
        path.display()
    );
    if user.contains("user") {
        next.push_str("\nSo that it runs without a login too: loginctl enable-linger");
    }
    Ok(next)
}

fn unit(args: &Args, settings: &Settings, subgroup: bool) -> String {
    let absolute = |path: &Path| settings.base.join(path).to_string_lossy().into_owned();
    let mut words = vec![
        settings
            .folders
            .dir()
            .join(LINK)
            .to_string_lossy()
            .into_owned(),
    ];
    words.extend(["fleet", "agent", "--master"].map(str::to_owned));
    words.push(match &args.master {
        Master::Tcp(address) => address.clone(),
        Master::Local(path) => absolute(path),
    });
    words.extend([
        "--dir".to_owned(),
        settings.folders.dir().to_string_lossy().into_owned(),
    ]);
    for (option, path) in [
        ("--token-file", &args.token_file),
        ("--secret-file", &args.secret_file),
        ("--trusted-keys", &args.trusted_keys),
    ] {
        if let Some(path) = path.as_ref().filter(|path| path.as_os_str() != "-") {
            words.extend([option.to_owned(), absolute(path)]);
        }
    }
    if let Some(machine) = &args.machine {
        words.extend(["--machine".to_owned(), machine.clone()]);
    }
    for path in &args.allow_paths {
        words.extend(["--allow-path".to_owned(), absolute(path)]);
    }
    if args.allow_root {
        words.extend(["--allow-user".to_owned(), "root".to_owned()]);
    }
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    let delegate = match subgroup {
        true => "Delegate=yes\nDelegateSubgroup=agent\n",
        false => "",
    };
    format!(
        "[Unit]\n\
         Description=Welkin fleet agent\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         ExecStart={}\n\
         WorkingDirectory={}\n\
         Restart=always\n\
         RestartSec=1\n\
         KillMode=process\n\
         {delegate}\
         \n\
         [Install]\n\
         WantedBy={}\n",
        words.join(" "),
        settings.base.to_string_lossy().replace('%', "%%"),
        match settings.user {
            0 => "multi-user.target",
            _ => "default.target",
        }
    )
}

/// A word of `ExecStart`, as systemd reads it.
fn quote(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('%', "%%").replace('$', "$$"))
}

fn systemd_version() -> Option<u32> {
    let output = Command::new("systemctl").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        assert_eq!(quote("/a/b-1"), "/a/b-1");
        assert_eq!(quote("a b\"$%"), "\"a b\\\"$$%%\"");
    }
}
