//! What the connections of a client, or of a server, have in common.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};

use crate::trust::{self, Anybody};
use crate::{TlsError, provider};

/// How a client connects.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// File (PEM) with those who may issue the server's certificate. `None`: whom the system trusts.
    pub ca: Option<String>,
    /// Files (PEM) with the client's own certificate and its key, for servers that ask for one.
    pub identity: Option<(String, String)>,
    /// Believe any certificate, of any name.
    pub believe_anybody: bool,
}

/// What the connections of a client share. Sessions are resumed among those made from one of these.
#[derive(Clone, Debug)]
pub struct Client(pub(crate) Arc<ClientConfig>);

impl Client {
    /// Reads the files; a wrong one is an error here and not at the first connection.
    pub fn new(options: &ClientOptions) -> Result<Self, TlsError> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?;
        let builder = if options.believe_anybody {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        } else {
            builder.with_root_certificates(match &options.ca {
                Some(path) => Arc::new(trust::of_file(path)?),
                None => trust::of_system()?,
            })
        };
        let config = match &options.identity {
            Some((certificate, key)) => {
                let (chain, key) = read_identity(certificate, key)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(TlsError::Identity)?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self(Arc::new(config)))
    }
}

/// What the connections of a server share.
#[derive(Clone, Debug)]
pub struct Server(pub(crate) Arc<ServerConfig>);

impl Server {
    /// With the certificate (and those between it and its root) and the key in these files (PEM).
    pub fn new(certificate: &str, key: &str) -> Result<Self, TlsError> {
        let (chain, key) = read_identity(certificate, key)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Identity)?;
        Ok(Self(Arc::new(config)))
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read_identity(certificate: &str, key: &str) -> Result<Identity, TlsError> {
    let chain = trust::certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File {
        path: key.to_string(),
        cause: error.to_string(),
    })?;
    Ok((chain, key))
}
