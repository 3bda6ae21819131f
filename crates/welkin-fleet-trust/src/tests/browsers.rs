//! TLS as a browser speaks it, which knows host names and no roles.

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::browse::Browsers;
use crate::certificate::Subject;
use crate::crypto;
use crate::tls::{self, Expect};

/// What the port sees of somebody who connects like that.
async fn accepted(world: &World, config: Arc<ClientConfig>) -> Result<Option<Subject>, LinkError> {
    let names = ["fleet.example".to_owned(), "127.0.0.1".to_owned()];
    let browsers = Browsers::new(world.authority.clone(), &names, &world.limits).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("fleet.example").unwrap();
        TlsConnector::from(config).connect(name, stream).await
    };
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        browsers.accept(stream).await.map(|(_, subject)| subject)
    };
    let (connected, accepted) = tokio::join!(connect, accept);
    if accepted.is_ok() {
        connected.unwrap();
    }
    accepted
}

#[tokio::test]
async fn a_browser_that_trusts_the_authority_finds_the_host_it_asked_for() {
    let world = World::new(GateOptions::default()).await;
    let roots = world.authority.keys().roots.clone();
    let config = ClientConfig::builder_with_provider(crypto::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert_eq!(accepted(&world, Arc::new(config)).await, Ok(None));
}

#[tokio::test]
async fn a_certificate_of_the_fleet_tells_who_looks_and_another_is_refused() {
    let world = World::new(GateOptions::default()).await;
    let viewer = world.enrolled("ops", Role::View);
    let config = |identity: &Identity| {
        tls::client(Expect::Proof, Some(identity.certified().unwrap())).unwrap()
    };
    let subject = accepted(&world, config(&viewer)).await.unwrap().unwrap();
    assert_eq!((subject.name.as_str(), subject.role), ("ops", Role::View));
    let other = World::new(GateOptions::default()).await;
    let stranger = other.enrolled("ops", Role::Admin);
    assert!(accepted(&world, config(&stranger)).await.is_err());
    world.authority.revoke("ops").unwrap();
    assert_eq!(
        accepted(&world, config(&viewer)).await,
        Err(LinkError::Revoked)
    );
}
