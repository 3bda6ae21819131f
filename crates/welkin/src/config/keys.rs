//! The config keys that begin with `welkin_`: their names, what they may hold, and whether this
//! version does something with them.

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// A whole number in this range; the text names its unit.
    Number(u64, u64, &'static str),
    /// `true` or `false`.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `host:port`.
    HostPort,
    /// Any text but the empty one; what it is.
    Text(&'static str),
    /// `builtin`, `path`, or module names with blanks between.
    Library,
    /// `table`, or one of the prefixes with something behind it.
    Discovery,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub allowed: Allowed,
    /// What it is when it is not set; `None`: nothing.
    pub default: Option<&'static str>,
    /// False while it has no effect; then a value other than the default is said at boot.
    pub works: bool,
}

const fn works(name: &'static str, allowed: Allowed, default: &'static str) -> Key {
    Key {
        name,
        allowed,
        default: Some(default),
        works: true,
    }
}

const fn later(name: &'static str, allowed: Allowed, default: Option<&'static str>) -> Key {
    Key {
        name,
        allowed,
        default,
        works: false,
    }
}

const MS: &str = "milliseconds";
const MB: &str = "megabytes";
/// A day, the longest wait that makes sense in milliseconds here.
const DAY_MS: u64 = 86_400_000;

use Allowed::{Boolean, Discovery, HostPort, Library, Number, Text, Word};

/// All keys, by name.
pub static KEYS: &[Key] = &[
    later("welkin_admin", HostPort, None),
    works("welkin_call_timeout_ms", Number(0, DAY_MS, MS), "0"),
    later(
        "welkin_cluster_accept",
        Word(&["plain", "secure", "both"]),
        Some("plain"),
    ),
    later("welkin_cluster_allow", Text("addresses or networks"), None),
    later("welkin_cluster_ca", Text("a file"), None),
    later("welkin_cluster_cert", Text("a file"), None),
    later("welkin_cluster_cert_key", Text("a file"), None),
    later("welkin_cluster_discovery", Discovery, Some("table")),
    later(
        "welkin_cluster_export",
        Word(&["all", "registered"]),
        Some("all"),
    ),
    later(
        "welkin_cluster_heartbeat_ms",
        Number(1, DAY_MS, MS),
        Some("2000"),
    ),
    later("welkin_cluster_key", Text("one or more files"), None),
    works("welkin_cluster_queue_max_mb", Number(1, 1 << 20, MB), "64"),
    Key {
        name: "welkin_console_password",
        allowed: Text("a text"),
        default: None,
        works: true,
    },
    Key {
        name: "welkin_control",
        allowed: Text("the path of a socket"),
        default: None,
        works: true,
    },
    works("welkin_crash_dir", Text("a folder, or -"), "."),
    works("welkin_exit_ms", Number(0, DAY_MS, MS), "10000"),
    works("welkin_harbor_rejoin", Boolean, "false"),
    works(
        "welkin_log_format",
        Word(&["skynet", "text", "json"]),
        "skynet",
    ),
    works("welkin_login_timeout_ms", Number(1, DAY_MS, MS), "30000"),
    works("welkin_lualib", Library, "builtin"),
    works("welkin_mailbox_max", Number(0, 1 << 30, "messages"), "0"),
    works("welkin_memory_max_mb", Number(0, 1 << 20, MB), "0"),
    works("welkin_preempt_ms", Number(0, 60_000, MS), "5"),
    works("welkin_ready", Word(&["auto", "manual"]), "auto"),
    works("welkin_slow_ms", Number(0, DAY_MS, MS), "0"),
    Key {
        name: "welkin_tls_ca",
        allowed: Text("a file"),
        default: None,
        works: true,
    },
    later("welkin_tls_verify", Boolean, Some("false")),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.binary_search_by(|key| key.name.cmp(name))
        .ok()
        .map(|at| &KEYS[at])
}

impl Allowed {
    /// Whether `value` is one of the allowed ones.
    pub fn holds(self, value: &str) -> bool {
        match self {
            Number(least, most, _) => number(value).is_some_and(|n| (least..=most).contains(&n)),
            Boolean => matches!(value, "true" | "false"),
            Word(words) => words.contains(&value),
            HostPort => value.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && number(port).is_some_and(|n| (1..=65_535).contains(&n))
            }),
            Text(_) => !value.is_empty(),
            Library => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
                let mut words = value.split_ascii_whitespace().peekable();
                words.peek().is_some() && words.all(|word| word.chars().all(is_name))
            }
            Discovery => {
                value == "table"
                    || ["dns:", "etcd:", "zookeeper:"]
                        .iter()
                        .any(|prefix| value.len() > prefix.len() && value.starts_with(prefix))
            }
        }
    }

    /// What is allowed, for people.
    pub fn describe(self) -> String {
        match self {
            Number(least, most, unit) => format!("a whole number from {least} to {most} ({unit})"),
            Boolean => "true or false".to_owned(),
            Word(words) => words.join(", "),
            HostPort => "host:port".to_owned(),
            Text(what) => what.to_owned(),
            Library => "builtin, path, or names of modules with blanks between".to_owned(),
            Discovery => {
                "table, dns:<name>, etcd:<url,...> or zookeeper:<host:port,...>".to_owned()
            }
        }
    }
}

/// Decimal digits only: a sign, a blank or a point is a mistake worth hearing of.
pub fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The known name that is nearest to a wrong one, counted in letters to change.
pub fn nearest(name: &str) -> &'static str {
    KEYS.iter()
        .map(|key| key.name)
        .min_by_key(|known| distance(known.as_bytes(), name.as_bytes()))
        .expect("there are keys")
}

/// How many letters must be put in, taken out or changed to make `b` of `a`.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let changed = diagonal + usize::from(*letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_their_defaults_allowed() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in KEYS {
            assert!(
                key.default.is_none_or(|value| key.allowed.holds(value)),
                "{key:?}"
            );
            assert_eq!(find(key.name).map(|found| found.name), Some(key.name));
        }
    }

    #[test]
    fn a_slip_of_the_hand_is_understood() {
        assert_eq!(nearest("welkin_premept_ms"), "welkin_preempt_ms");
        assert_eq!(nearest("welkin_slow"), "welkin_slow_ms");
        assert_eq!(nearest("welkin_memory_max"), "welkin_memory_max_mb");
    }

    #[test]
    fn values_are_checked_as_written() {
        let ms = Number(0, 10, MS);
        assert!(ms.holds("0") && ms.holds("10"));
        for wrong in [
            "",
            "11",
            "-1",
            "1.0",
            " 1",
            "1e1",
            "fast",
            "99999999999999999999",
        ] {
            assert!(!ms.holds(wrong), "{wrong:?}");
        }
        assert!(HostPort.holds("0.0.0.0:80") && HostPort.holds("[::1]:80"));
        assert!(!HostPort.holds("80") && !HostPort.holds(":80") && !HostPort.holds("h:0"));
        assert!(Library.holds("builtin") && Library.holds("skynet.queue  http.httpc"));
        assert!(!Library.holds("") && !Library.holds(" ") && !Library.holds("a/b"));
        assert!(Discovery.holds("dns:nodes") && !Discovery.holds("dns:"));
    }
}
