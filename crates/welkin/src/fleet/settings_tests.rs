//! Each key that is missing or wrong, and what is said about it.

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("welkin-keys-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        fs::write(
            path.join("nodes"),
            "__nowaiting = true\nmaster = \"127.0.0.1:11888\"\nslave_1 = \"127.0.0.1:12888\"\ndown = false",
        )
        .unwrap();
        Self(path)
    }

    fn check(&self, pairs: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        let nodes = self.0.join("nodes").display().to_string();
        let mut environment = Environment::new();
        for (key, value) in pairs {
            let value = value.replace("NODES", &nodes);
            environment.insert(key.as_bytes().to_vec(), value.into_bytes());
        }
        check(&environment, "config").map_err(|failure| {
            assert_eq!(failure.status, CONFIG);
            failure.to_string()
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MASTER: [(&str, &str); 3] = [
    ("master_flag", "true"),
    ("cluster", "NODES"),
    ("cluster_node", "master"),
];

#[test]
fn without_master_flag_the_keys_are_the_programs_own() {
    let folder = Folder::new("none");
    let own = [
        ("cluster", "no such file"),
        ("fleet_secret", "love"),
        ("fleet_listen", "?"),
    ];
    assert_eq!(folder.check(&own), Ok(None));
}

#[test]
fn a_master_needs_no_more_than_the_notes_three_keys() {
    let folder = Folder::new("three");
    let settings = folder.check(&MASTER).unwrap().unwrap();
    assert_eq!(
        (settings.part, settings.node.as_str()),
        (Part::Master, "master")
    );
    assert_eq!((settings.listen, settings.dir), (None, "fleet".into()));
}

#[test]
fn what_is_missing_is_named() {
    let folder = Folder::new("missing");
    let error = folder.check(&MASTER[..2]).unwrap_err();
    assert!(
        error.contains("cluster_node") && error.contains("missing"),
        "{error}"
    );
    let error = folder.check(&[MASTER[0], MASTER[2]]).unwrap_err();
    assert!(error.contains("config key cluster is missing"), "{error}");
    let error = folder.check(&[("master_flag", "yes")]).unwrap_err();
    assert!(error.contains("master_flag = \"yes\""), "{error}");
}

#[test]
fn a_name_that_is_not_in_the_file_is_named_with_the_file() {
    let folder = Folder::new("unknown");
    for name in ["slave_9", "__nowaiting", "down"] {
        let error = folder
            .check(&[MASTER[0], MASTER[1], ("cluster_node", name)])
            .unwrap_err();
        let nodes = folder.0.join("nodes").display().to_string();
        assert!(error.contains(name) && error.contains(&nodes), "{error}");
        assert!(error.contains("down, master, slave_1."), "{error}");
    }
    let error = folder
        .check(&[MASTER[0], ("cluster", "/none"), MASTER[2]])
        .unwrap_err();
    assert!(error.contains("/none"), "{error}");
}

#[test]
fn a_secret_is_for_its_owner_alone_and_opens_the_port() {
    let folder = Folder::new("secret");
    let file = folder.0.join("secret");
    let shown = file.display().to_string();
    let with = |extra: (&'static str, &str)| {
        let pairs = [
            MASTER[0],
            MASTER[1],
            MASTER[2],
            ("fleet_secret", &shown),
            extra,
        ];
        folder.check(&pairs)
    };
    let none = ("unused", "");
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    assert!(with(none).unwrap_err().contains(&shown), "it is not there");
    fs::write(&file, "a5".repeat(32) + "\n").unwrap();
    mode(0o640);
    let error = with(none).unwrap_err();
    assert!(error.contains(&shown) && error.contains("0640"), "{error}");
    mode(0o600);
    assert_eq!(with(none).unwrap().unwrap().listen.as_deref(), Some(LISTEN));
    let own = with(("fleet_listen", "10.0.0.1:7951")).unwrap().unwrap();
    assert_eq!(own.listen.as_deref(), Some("10.0.0.1:7951"));
    assert!(
        with(("fleet_master", "nowhere"))
            .unwrap_err()
            .contains("host:port")
    );
    fs::write(&file, "short").unwrap();
    assert!(with(none).unwrap_err().contains("64 hex digits"));
}

#[test]
fn a_debug_port_that_is_none_is_said() {
    let said = |port: &str| {
        let environment = Environment::from([(b"debug_port".to_vec(), port.into())]);
        strange_debug_port(&environment, "config").is_some()
    };
    assert!(!said("8000") && !said("0") && !said("8000.0"));
    assert!(said("0.0.0.0:8000") && said("65536") && said("-1") && said(""));
}
