//! The master's side of an enrolment.

use std::sync::Arc;

use super::{Answer, Request};
use crate::authority::{Authority, Issued, Right};
use crate::name::MASTER;
use crate::secret::FleetSecret;

/// What came of a request, for log and audit.
pub(crate) struct Served {
    /// Whom it was about; of a token that is not known nobody.
    pub(crate) name: String,
    pub(crate) role: String,
    /// `token` or `secret`.
    pub(crate) by: &'static str,
    /// The enrolment, or why not.
    pub(crate) result: Result<String, String>,
}

/// Decides on a request; the answer is still to be sent.
pub(crate) async fn serve(
    request: Request,
    authority: &Arc<Authority>,
    secret: Option<&FleetSecret>,
    exporter: &[u8; 32],
) -> (Served, Answer) {
    let (claimed, by) = match &request {
        Request::Token { .. } => (String::new(), "token"),
        Request::Secret { name, .. } => (name.clone(), "secret"),
    };
    let result = match check(&request, secret, exporter) {
        Ok(()) => decide(authority.clone(), request).await,
        Err(text) => Err(text),
    };
    match result {
        Ok(issued) => {
            let prove = |secret: &FleetSecret| secret.prove(exporter, "master", MASTER);
            let answer = Answer::Granted {
                certificate: issued.certificate,
                authorities: issued.authorities,
                proof: secret.filter(|_| by == "secret").map(prove),
            };
            let served = Served {
                name: issued.record.name,
                role: issued.record.role.to_string(),
                by,
                result: Ok(issued.record.enrolment),
            };
            (served, answer)
        }
        Err(text) => {
            let served = Served {
                name: claimed,
                role: String::new(),
                by,
                result: Err(text.clone()),
            };
            (served, Answer::Refused(text))
        }
    }
}

fn check(
    request: &Request,
    secret: Option<&FleetSecret>,
    exporter: &[u8; 32],
) -> Result<(), String> {
    let Request::Secret { name, proof, .. } = request else {
        return Ok(());
    };
    let secret = secret.ok_or("this master has no fleet_secret; ask with a token")?;
    if secret.is_proof(exporter, "agent", name, proof) {
        Ok(())
    } else {
        Err("the fleet_secret of this machine is not the master's".to_owned())
    }
}

/// On a thread that may wait for the disk.
async fn decide(authority: Arc<Authority>, request: Request) -> Result<Issued, String> {
    tokio::task::spawn_blocking(move || match &request {
        Request::Token { secret, request } => authority.enrol(Right::Token(secret), request),
        Request::Secret { name, request, .. } => authority.enrol(Right::Secret(name), request),
    })
    .await
    .unwrap_or_else(|_| Err("the master failed at it; its log says more".to_owned()))
}
