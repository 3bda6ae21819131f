//! Roles, and what each may ask of the master.
//!
//! The four of people include each other upward. `Agent` is beside them: it may say what an agent says
//! of its own machine, and nothing else. `Master` is what agents and clients look for in the
//! certificate of the side that they connected to; nobody can be enrolled as such.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use welkin_fleet_model::wire::client::Command;

/// What a certificate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// To look.
    View,
    /// To start and stop, and harmless words to a node's console.
    Operate,
    /// To bring releases and the fleet file: code.
    Deploy,
    /// Everything.
    Admin,
    /// The messages of one machine.
    Agent,
    /// The master itself.
    Master,
}

/// Console commands that only show, or only wait. Everything else runs or reveals code.
const CONSOLE: [&str; 7] = ["list", "mem", "stat", "netstat", "task", "uniqtask", "ping"];

impl Role {
    /// Those that a token can give.
    pub const GRANTED: [Role; 5] = [
        Role::View,
        Role::Operate,
        Role::Deploy,
        Role::Admin,
        Role::Agent,
    ];

    /// The word for it in certificates, tokens and tables.
    pub fn word(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Operate => "operate",
            Role::Deploy => "deploy",
            Role::Admin => "admin",
            Role::Agent => "agent",
            Role::Master => "master",
        }
    }

    /// Whether it is `needed` or includes it.
    pub fn includes(self, needed: Role) -> bool {
        match (self.rank(), needed.rank()) {
            (Some(own), Some(needed)) => own >= needed,
            _ => self == needed,
        }
    }

    /// Whether a client of this role may give `command`.
    pub fn permits(self, command: &Command) -> bool {
        self.includes(Self::needed(command))
    }

    /// The least role that may give `command`.
    pub fn needed(command: &Command) -> Role {
        match command {
            Command::List { .. }
            | Command::Status { .. }
            | Command::Machines
            | Command::History { .. }
            | Command::Releases { prune: None }
            | Command::Export
            | Command::Audit { .. }
            | Command::Figures { .. }
            | Command::Online { .. }
            | Command::Snapshot => Role::View,
            Command::Start { .. }
            | Command::Stop { .. }
            | Command::Restart { .. }
            | Command::Drain { .. }
            | Command::Logs { .. } => Role::Operate,
            Command::Exec { line, .. } => Self::needed_for_line(line),
            Command::Apply { .. }
            | Command::Update { .. }
            | Command::UpdateScript { .. }
            | Command::UpdateContinue
            | Command::UpdateCancel
            | Command::Rollback { .. }
            | Command::Releases { prune: Some(_) } => Role::Deploy,
            _ => Role::Admin,
        }
    }

    /// The least role that may send `line` to a node's debug console. A line that is more than one, or
    /// that holds anything but printable text, is nobody's but the administrator's.
    pub fn needed_for_line(line: &str) -> Role {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        let plain = line
            .bytes()
            .all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte));
        if plain && CONSOLE.contains(&word) {
            Role::Operate
        } else {
            Role::Admin
        }
    }

    fn rank(self) -> Option<u8> {
        match self {
            Role::View => Some(0),
            Role::Operate => Some(1),
            Role::Deploy => Some(2),
            Role::Admin => Some(3),
            Role::Agent | Role::Master => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    /// The words of [`Role::GRANTED`].
    fn from_str(word: &str) -> Result<Self, String> {
        Self::GRANTED
            .into_iter()
            .find(|role| role.word() == word)
            .ok_or_else(|| {
                let words = Self::GRANTED.map(Self::word).join(" ");
                format!("{word:?} is no role, one of: {words}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_people_include_those_below_and_an_agent_is_none_of_them() {
        assert!(Role::Admin.includes(Role::View));
        assert!(Role::Operate.includes(Role::Operate));
        assert!(!Role::View.includes(Role::Operate));
        for role in [Role::View, Role::Operate, Role::Deploy, Role::Admin] {
            assert!(!Role::Agent.includes(role));
            assert!(!role.includes(Role::Agent));
            assert!(!Role::Master.includes(role));
        }
    }

    #[test]
    fn a_console_line_that_could_run_code_needs_the_administrator() {
        for line in ["list", "  task :8", "ping 9", "netstat"] {
            assert_eq!(Role::needed_for_line(line), Role::Operate, "{line}");
        }
        for line in [
            "",
            "call 8 x",
            "info 8 x",
            "inject 8 f",
            "list\ncall 8 x",
            "list\rexit",
            "LIST",
            "new",
        ] {
            assert_eq!(Role::needed_for_line(line), Role::Admin, "{line:?}");
        }
    }

    #[test]
    fn commands_need_the_role_of_their_kind() {
        let release = Command::Releases { prune: None };
        assert!(Role::View.permits(&release));
        let prune = Command::Releases { prune: Some(1) };
        assert!(!Role::Operate.permits(&prune) && Role::Deploy.permits(&prune));
        let revoke = Command::Revoke { name: "m".into() };
        assert!(!Role::Deploy.permits(&revoke) && Role::Admin.permits(&revoke));
        assert!(!Role::Agent.permits(&release));
    }

    #[test]
    fn nobody_can_ask_to_be_the_master() {
        assert_eq!("agent".parse(), Ok(Role::Agent));
        assert!("master".parse::<Role>().is_err());
    }
}
