//! Renewal, and the change from one authority to the next.

use welkin_fleet_model::wire::Purpose;

use super::*;
use crate::enrol::with_token;

/// What agent and master do when the master asks for it.
async fn renew(world: &mut World, identity: &Identity) -> Identity {
    let (ours, theirs) = world.link(identity, Purpose::Agent).await;
    assert!(theirs.hello().renew);
    let issued = world
        .authority
        .renew(ours.peer(), &identity.request().unwrap())
        .unwrap();
    identity
        .renewed(&issued.certificate, &issued.authorities)
        .unwrap()
}

#[tokio::test]
async fn a_certificate_is_renewed_at_two_thirds_and_keeps_its_enrolment() {
    let mut world = World::new(GateOptions::default()).await;
    let past = now_unix_ms() - LEAF_MS * 7 / 10;
    let old = world.enrolled_at("m1", Role::Agent, past, LEAF_MS);
    assert!(old.renewal_due());
    let new = renew(&mut world, &old).await;
    assert!(!new.renewal_due());
    assert_eq!(new.subject(), old.subject());
    assert!(new.until_unix_ms() > old.until_unix_ms());
    let loaded = Identity::load(&world.place("m1")).unwrap().unwrap();
    assert_eq!(loaded.until_unix_ms(), new.until_unix_ms());
    // The answer may be lost: the old one goes on until its end, and both end with the enrolment.
    let (ours, _theirs) = world.link(&old, Purpose::Agent).await;
    world.authority.revoke("m1").unwrap();
    assert_eq!(ours.split().1.next().await, Err(LinkError::Revoked));
    let result = world.connect(&new, Purpose::Agent).await;
    assert!(matches!(result, Err(LinkError::Revoked)), "{result:?}");
}

#[tokio::test]
async fn two_authorities_are_trusted_until_everybody_has_shown_the_new_one() {
    let mut world = World::new(GateOptions::default()).await;
    let (one, two) = (
        world.enrolled("m1", Role::Agent),
        world.enrolled("m2", Role::Agent),
    );
    let first = world.authority.newest();
    let second = world.authority.rotate().unwrap();
    assert_ne!(first, second);
    assert_eq!(world.authority.fingerprints(), [first, second.clone()]);
    assert!(world.authority.rotate().is_err());
    let one = renew(&mut world, &one).await;
    world.link(&one, Purpose::Agent).await;
    assert_eq!(world.authority.settle(), Ok(false));
    // Newcomers come in meanwhile.
    let ttl = Duration::from_secs(60);
    let token = world
        .authority
        .token("m3", Role::Agent, ttl, false)
        .unwrap();
    let place = world.place("m3");
    let three = with_token(&world.master(), &token, &place, &world.limits)
        .await
        .unwrap();
    world.link(&three, Purpose::Agent).await;
    let two = renew(&mut world, &two).await;
    // It has the certificate, but nobody knows yet that it arrived.
    assert_eq!(world.authority.settle(), Ok(false));
    world.link(&two, Purpose::Agent).await;
    assert_eq!(world.authority.settle(), Ok(true));
    assert_eq!(world.authority.fingerprints(), [second]);
    for identity in [&one, &two, &three] {
        let (_ours, theirs) = world.link(identity, Purpose::Agent).await;
        assert!(!theirs.hello().renew);
    }
}

#[test]
fn an_authority_survives_the_master_and_a_rotation_cut_short() {
    let folder = Folder::new();
    let records = Arc::new(MemoryRecords::default());
    let open = || Authority::open(folder.path(), records.clone());
    let first = open().unwrap().newest();
    assert_eq!(open().unwrap().newest(), first);
    let before = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let both = open().unwrap();
    both.rotate().unwrap();
    assert_eq!(open().unwrap().fingerprints(), both.fingerprints());
    std::fs::write(folder.path().join("ca.pem"), before).unwrap();
    assert_eq!(open().unwrap().fingerprints(), [first]);
    std::fs::remove_file(folder.path().join("ca.key")).unwrap();
    let error = open().unwrap_err();
    assert!(
        error.contains("ca.key") && error.contains("restore"),
        "{error}"
    );
}

#[test]
fn a_store_that_fails_changes_nothing() {
    struct Full;
    impl crate::records::Records for Full {
        fn load(&self) -> Result<crate::records::Kept, String> {
            Ok(crate::records::Kept::default())
        }
        fn commit(&self, _: &[crate::records::Change]) -> Result<(), String> {
            Err("no space left on device".to_owned())
        }
    }
    let folder = Folder::new();
    let authority = Authority::open(folder.path(), Arc::new(Full)).unwrap();
    let ttl = Duration::from_secs(60);
    let error = authority.token("m1", Role::View, ttl, false).unwrap_err();
    assert!(error.contains("no space"), "{error}");
    assert!(authority.certificates().is_empty());
}
