//! Why a command came to nothing, before or beside what the master says.

use welkin_fleet_model::wire::client::{Outcome, Status, Trouble};
use welkin_fleet_trust::LinkError;

/// One reason, its word for programs, and the exit status that goes with it.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub code: &'static str,
    pub text: String,
}

impl Failure {
    /// The command line is wrong.
    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Status::Usage, "usage", text)
    }

    /// Something of this machine: a file, the terminal.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(Status::Failed, "failed", text)
    }

    /// There is no master to talk to.
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self::new(Status::Unreachable, "unreachable", text)
    }

    /// Any other.
    pub fn new(status: Status, code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, code, text }
    }

    /// As an answer of the master would say it.
    pub fn into_outcome(self) -> Outcome {
        Outcome {
            status: self.status,
            errors: vec![Trouble {
                node: String::new(),
                code: self.code.to_owned(),
                text: self.text,
            }],
            ..Outcome::default()
        }
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        let text = error.to_string();
        match error {
            LinkError::Expired | LinkError::Revoked | LinkError::Refused(_) => {
                Self::new(Status::Forbidden, "not-permitted", text)
            }
            LinkError::Local(_) | LinkError::TooLong(_) => Self::failed(text),
            _ => Self::unreachable(text),
        }
    }
}
