//! Which columns the table of a command has: master and client agree on them here.

use crate::wire::client::{Command, Figures};

/// The columns of a command's table.
pub fn columns(command: &Command) -> &'static [&'static str] {
    match command {
        Command::List { .. } => &[
            "node", "machine", "address", "group", "state", "release", "since",
        ],
        Command::Status { .. } => &[
            "node", "state", "ready", "pid", "uptime", "restarts", "cpu", "mem", "online",
            "release", "reason",
        ],
        Command::Machines => &[
            "machine",
            "address",
            "agent_version",
            "seen",
            "nodes",
            "cpu",
            "mem",
            "disk",
            "clock_offset",
        ],
        Command::Start { .. } | Command::Stop { .. } | Command::Restart { .. } => {
            &["node", "result", "seconds"]
        }
        Command::Drain { .. } => &["node", "result", "online"],
        Command::Update { .. }
        | Command::UpdateScript { .. }
        | Command::UpdateContinue
        | Command::UpdateCancel
        | Command::Rollback { .. } => &["step", "node", "result"],
        Command::Releases { .. } => &["id", "label", "size", "uploaded", "by", "used_by"],
        Command::Figures { kind, .. } => figures(*kind),
        Command::Online { .. } => &["node", "online"],
        Command::Apply { .. } => &["node", "result"],
        Command::SecretSet { .. } | Command::SecretList | Command::SecretDrop { .. } => {
            &["name", "set", "by", "used_by"]
        }
        Command::Certs { .. } | Command::Revoke { .. } => {
            &["name", "role", "until", "last_seen", "CA"]
        }
        Command::Upgrade { .. } => &["machine", "result", "version"],
        Command::Audit { .. } => &["time", "who", "from", "command", "target", "result"],
        Command::History { .. } => &["time", "from", "to", "reason"],
        _ => &[],
    }
}

fn figures(kind: Figures) -> &'static [&'static str] {
    match kind {
        Figures::Cpu => &["node", "cpu", "threads", "machine_cpu"],
        Figures::Mem => &["node", "rss", "share", "limit"],
        Figures::Vmstat => &[
            "machine", "r", "b", "free", "buff", "cache", "swap", "bi", "bo", "in", "cs", "us",
            "sy", "id", "wa",
        ],
        Figures::Netstat => &[
            "node",
            "established",
            "listen",
            "closing",
            "rx/s",
            "tx/s",
            "online",
        ],
        Figures::Free => &[
            "machine",
            "total",
            "used",
            "free",
            "available",
            "swap_used",
            "swap_total",
        ],
        Figures::Disc => &[
            "machine", "mount", "type", "total", "used", "free", "percent",
        ],
    }
}
