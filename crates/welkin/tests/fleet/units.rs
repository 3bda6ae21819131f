//! The systemd units that `--install` writes, as systemd itself reads them where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::fleet::Said;
use crate::processes::Swept;
use crate::support::welkin;

/// Somebody without privileges: root's units would go to the real machine's /etc.
const NOBODY: u32 = 65_534;

struct Home(Swept);

impl Home {
    /// `systemd`: the version that `systemctl` tells of, if there is one.
    fn new(systemd: Option<u32>) -> Self {
        let folder = Swept::new();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder.path(), open).expect("it is ours");
        fs::create_dir(folder.path().join("bin")).expect("folders can be made");
        let text = match systemd {
            Some(version) => format!("#!/bin/sh\necho \"systemd {version} ({version}.1)\"\n"),
            None => "#!/bin/sh\nexit 1\n".to_owned(),
        };
        let program = folder.file("bin/systemctl", &text);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = welkin(self.0.path(), &["fleet"]);
        let path = format!("{}/bin:/usr/bin:/bin", self.0.path().display());
        command
            .args(arguments)
            .env("HOME", self.0.path().join("home 1"))
            .env("PATH", path);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        Said::of(&command.output().expect("it starts"))
    }

    fn unit(&self, name: &str) -> PathBuf {
        let units = "home 1/.config/systemd/user";
        self.0.path().join(units).join(name)
    }

    /// What systemd has to say of the unit; nothing where it is not installed.
    fn judge(&self, name: &str) {
        let verify = Command::new("systemd-analyze")
            .args(["verify", "--user", "--man=no"])
            .arg(self.unit(name))
            .env("XDG_RUNTIME_DIR", self.0.path())
            .env("HOME", self.0.path())
            .output();
        let Ok(output) = verify else {
            return eprintln!("systemd-analyze is not installed: not tested");
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let about: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("welkin"))
            .collect();
        assert!(about.is_empty(), "{said}");
    }
}

const AGENT: [&str; 10] = [
    "agent",
    "--master",
    "m.example:7950",
    "--dir",
    "state 100%",
    "--token-file",
    "m1.token",
    "--machine",
    "m1",
    "--install",
];

#[test]
fn the_agents_unit_leaves_its_nodes_alone_and_starts_the_link() {
    let home = Home::new(Some(252));
    home.0.file("m1.token", "any");
    let said = home.run(&AGENT);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(
        said.out
            .contains("systemctl --user enable --now welkin-agent"),
        "{said:?}"
    );
    assert!(said.out.contains("loginctl enable-linger"), "{said:?}");
    let unit = fs::read_to_string(home.unit("welkin-agent.service")).expect("it was written");
    let folder = home.0.path().display();
    let state = format!("{folder}/state 100%%");
    for line in [
        format!(
            "ExecStart=\"{state}/welkin\" fleet agent --master m.example:7950 --dir \"{state}\" \
             --token-file {folder}/m1.token --machine m1"
        ),
        format!("WorkingDirectory={folder}"),
        "Restart=always".to_owned(),
        "KillMode=process".to_owned(),
        "OOMPolicy=continue".to_owned(),
        "WantedBy=default.target".to_owned(),
    ] {
        assert!(unit.lines().any(|of| of == line), "{line}: {unit}");
    }
    assert!(!unit.contains("Delegate"), "252 knows no subgroup: {unit}");
    let link = fs::read_link(home.0.path().join("state 100%/welkin")).expect("it is a link");
    assert_eq!(
        link,
        fs::canonicalize(env!("CARGO_BIN_EXE_welkin")).expect("it is there")
    );
    home.judge("welkin-agent.service");
    // Once more changes nothing.
    let again = home.run(&AGENT);
    assert_eq!(again.status, 0, "{again:?}");
    assert!(again.out.contains("is there already"), "{again:?}");
    let after = fs::read_to_string(home.unit("welkin-agent.service")).expect("it is there");
    assert_eq!(after, unit);
}

#[test]
fn from_systemd_254_on_each_node_gets_a_cgroup_of_its_own() {
    let home = Home::new(Some(254));
    let said = home.run(&["agent", "--local", "master", "--dir", "agent", "--install"]);
    assert_eq!(said.status, 0, "{said:?}");
    let unit = fs::read_to_string(home.unit("welkin-agent.service")).expect("it was written");
    for line in ["Delegate=yes", "DelegateSubgroup=agent", "KillMode=process"] {
        assert!(unit.lines().any(|of| of == line), "{line}: {unit}");
    }
    let socket = format!("--master {}/master/fleet.sock", home.0.path().display());
    assert!(unit.contains(&socket), "{unit}");
}

#[test]
fn without_systemd_the_unit_is_written_all_the_same() {
    let home = Home::new(None);
    let said = home.run(&["agent", "--local", "master", "--dir", "agent", "--install"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(home.unit("welkin-agent.service").is_file());
}

#[test]
fn the_masters_unit_starts_what_was_asked_for() {
    let home = Home::new(Some(252));
    let words = [
        "master",
        "--dir",
        "state",
        "--listen",
        "0.0.0.0:7951",
        "--http",
        "off",
    ];
    let said = home.run(&[&words[..], &["--install"]].concat());
    assert_eq!(said.status, 0, "{said:?}");
    let unit = fs::read_to_string(home.unit("welkin-master.service")).expect("it was written");
    let program = fs::canonicalize(env!("CARGO_BIN_EXE_welkin")).expect("it is there");
    let line = format!(
        "ExecStart={} fleet master --dir {}/state --listen 0.0.0.0:7951 --http off",
        program.display(),
        home.0.path().display()
    );
    assert!(unit.lines().any(|of| of == line), "{line}: {unit}");
    assert!(
        unit.contains("Restart=always") && !unit.contains("Delegate"),
        "{unit}"
    );
    home.judge("welkin-master.service");
    let again = home.run(&[&words[..], &["--install"]].concat());
    assert!(again.out.contains("is there already"), "{again:?}");
    assert!(!home.0.path().join("state").exists(), "nothing was started");
}
