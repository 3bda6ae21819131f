//! How somebody without a certificate gets one.
//!
//! On a TLS connection that shows no certificate, greeted with the purpose `enrol`, the newcomer sends
//! one [`Request`] and hears one [`Answer`]. With a token it knows the master by the fingerprint in it,
//! before it says anything. With the fleet's secret it knows nothing of the master before the answer:
//! both proofs are about this very connection (its TLS exporter), so nobody in the middle can pass them
//! on, and an answer without the right proof is thrown away.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, ConnectionCommon};
use serde::{Deserialize, Serialize};
use welkin_fleet_model::wire::Purpose;

use crate::error::LinkError;
use crate::identity::{Identity, Newcomer};
use crate::link::{Framed, Limits, dial, hello, reach, within};
use crate::name::{MASTER, check_name};
use crate::secret::FleetSecret;
use crate::tls::{self, Expect};
use crate::token::Token;

pub(crate) use serve::{Served, serve};

mod serve;

/// What the exporter is for; both sides of a connection get the same 32 bytes.
const EXPORTER: &[u8] = b"EXPORTER-welkin-fleet-enrol";

/// What a newcomer asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// With a token's secret part; the name is the token's.
    Token {
        /// Hex.
        secret: String,
        /// Signing request, PEM.
        request: String,
    },
    /// With the fleet's secret.
    Secret {
        /// What the machine wants to be called.
        name: String,
        /// That it knows the secret, hex.
        proof: String,
        /// Signing request, PEM.
        request: String,
    },
}

/// What the master answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Come in.
    Granted {
        /// PEM.
        certificate: String,
        /// PEM.
        authorities: String,
        /// To a request with the fleet's secret: that the master knows it too.
        proof: Option<String>,
    },
    /// No, and why.
    Refused(String),
}

/// Enrols by a token. The key is made in `folder`, or is the one that lies there.
pub async fn with_token(
    master: &str,
    token: &Token,
    folder: &Path,
    limits: &Limits,
) -> Result<Identity, LinkError> {
    let newcomer = Newcomer::open(folder).map_err(LinkError::Local)?;
    let request = Request::Token {
        secret: token.secret(),
        request: newcomer.request().map_err(LinkError::Local)?,
    };
    let expect = Expect::Fingerprint(token.fingerprint.clone());
    let exchange = async {
        let (mut framed, _) = open(master, expect).await?;
        ask(&mut framed, &request).await
    };
    let (certificate, authorities, _) = within(limits, exchange).await?;
    newcomer
        .enrolled(&certificate, &authorities)
        .map_err(LinkError::Garbage)
}

/// Enrols the agent of the machine `name` by the fleet's secret.
pub async fn with_secret(
    master: &str,
    secret: &FleetSecret,
    name: &str,
    folder: &Path,
    limits: &Limits,
) -> Result<Identity, LinkError> {
    check_name(name).map_err(LinkError::Local)?;
    let newcomer = Newcomer::open(folder).map_err(LinkError::Local)?;
    let request = newcomer.request().map_err(LinkError::Local)?;
    let exchange = async {
        let (mut framed, exporter) = open(master, Expect::Proof).await?;
        let request = Request::Secret {
            name: name.to_owned(),
            proof: secret.prove(&exporter, "agent", name),
            request,
        };
        let (certificate, authorities, proof) = ask(&mut framed, &request).await?;
        if !secret.is_proof(&exporter, "master", MASTER, &proof.unwrap_or_default()) {
            let text = "it does not know the fleet's secret".to_owned();
            return Err(LinkError::NotMaster(text));
        }
        Ok((certificate, authorities))
    };
    let (certificate, authorities) = within(limits, exchange).await?;
    newcomer
        .enrolled(&certificate, &authorities)
        .map_err(LinkError::Garbage)
}

async fn open(master: &str, expect: Expect) -> Result<(Framed, [u8; 32]), LinkError> {
    let config: Arc<ClientConfig> = tls::client(expect, None).map_err(LinkError::Local)?;
    let (stream, _) = dial(master, config).await?;
    let exporter = exporter_of(stream.get_ref().1)?;
    let mut framed = Framed::new(stream);
    reach(&mut framed, hello(Purpose::Enrol)).await?;
    Ok((framed, exporter))
}

/// Certificate, authorities, proof.
type Granted = (String, String, Option<String>);

async fn ask(framed: &mut Framed, request: &Request) -> Result<Granted, LinkError> {
    framed.send(request).await?;
    match framed.receive().await? {
        Answer::Granted {
            certificate,
            authorities,
            proof,
        } => Ok((certificate, authorities, proof)),
        Answer::Refused(text) => Err(LinkError::Refused(text)),
    }
}

/// 32 bytes that only the two ends of this connection know.
pub(crate) fn exporter_of<D>(connection: &ConnectionCommon<D>) -> Result<[u8; 32], LinkError> {
    connection
        .export_keying_material([0; 32], EXPORTER, None)
        .map_err(|error| LinkError::Local(error.to_string()))
}
