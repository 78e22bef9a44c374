use std::str::FromStr;

use edge_protocol::command::Role;
use edge_protocol::sign::{Chain, Root, Subject as Signer};

use super::*;

/// 2026-11-21T00:00:00Z.
const NOW_US: i64 = 1_795_219_200_000_000;

fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn a_second_root_in_the_same_folder_is_refused_and_the_first_stays() {
    let folder = tempfile::tempdir().unwrap();
    let first = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let again = Authority::create(folder.path(), &name("metro"), NOW_US);
    assert!(matches!(again, Err(PkiError::Exists { .. })));
    let opened = Authority::open(folder.path()).unwrap();
    assert_eq!(opened.certificate_pem, first.certificate_pem);
    assert_eq!(opened.agency(), &name("metro"));
}

#[test]
fn keys_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let issued = authority.issue(&Subject::Unit(name("gate-1")), NOW_US).unwrap();
    for key in [issued.key, folder.path().join("root.key")] {
        let mode = std::fs::metadata(&key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn a_receiver_gets_no_files_of_others_and_no_unit_the_name_of_a_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    authority.write_broker_files(18883, &[name("center-1")], NOW_US).unwrap();
    for taken in ["root", "broker", "unit-gate-1"] {
        let refused = authority.issue(&Subject::Center(name(taken)), NOW_US);
        assert!(matches!(refused, Err(PkiError::Taken { .. })), "{taken}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("root.pem")).unwrap(), authority.certificate_pem);
    let refused = authority.issue(&Subject::Unit(name("center-1")), NOW_US);
    assert!(matches!(refused, Err(PkiError::Receiver { .. })));
}

#[test]
fn a_further_receiver_is_let_in_once_and_what_else_stands_in_the_list_stays() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let third: CenterId = name("center-3");
    let Ok(LetIn::Nowhere(lines)) = authority.let_in_also(&third) else { panic!("there is no list") };
    authority.write_broker_files(18883, &[name("center-1")], NOW_US).unwrap();
    let list = folder.path().join("acl");
    let before = std::fs::read_to_string(&list).unwrap() + "user metro/monitor\ntopic read $SYS/#";
    files::replace(&list, before.as_bytes(), Access::Owner).unwrap();
    assert_eq!(authority.let_in_also(&third).unwrap(), LetIn::Now(list.clone()));
    let now = std::fs::read_to_string(&list).unwrap();
    assert_eq!(now, format!("{before}\n{lines}"));
    assert!(lines.contains("user metro/center-3\ntopic read rtcc/v1/metro/+/up/#\n"), "{lines}");
    assert_eq!(authority.let_in_also(&third).unwrap(), LetIn::Before(list.clone()));
    assert_eq!(std::fs::read_to_string(&list).unwrap(), now);
    assert_eq!(authority.let_in().unwrap(), ["center-1", "center-3"].map(name::<CenterId>));
}

/// Changes whose files somebody else may be given, so it shows nothing where root does not run it.
#[test]
fn an_access_list_stays_whose_it_is_and_is_left_alone_by_whoever_cannot_keep_it_so() {
    use nix::unistd::{Uid, setfsuid};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: only root can give a file to somebody else");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    authority.write_broker_files(18883, &[name("center-1")], NOW_US).unwrap();
    let list = folder.path().join("acl");
    let (broker, somebody) = (12_345, 23_456);
    chown(&list, Some(broker), Some(broker)).unwrap();
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o644)).unwrap();
    let whose = || std::fs::metadata(&list).map(|file| (file.uid(), file.gid(), file.mode() & 0o7777)).unwrap();
    authority.let_in_also(&name("center-3")).unwrap();
    assert_eq!(whose(), (broker, broker, 0o644), "rtcc pki center");
    authority.write_broker_files(18883, &[name("center-1")], NOW_US).unwrap();
    assert_eq!(whose(), (broker, broker, 0o644), "rtcc pki broker");
    // The folder is somebody's who may write into it, and give nothing away.
    chown(folder.path(), Some(somebody), Some(somebody)).unwrap();
    let before = std::fs::read_to_string(&list).unwrap();
    let refused = std::thread::scope(|scope| {
        let as_somebody = || {
            // Of this thread alone.
            setfsuid(Uid::from_raw(somebody));
            authority.let_in_also(&name("center-4")).unwrap_err()
        };
        scope.spawn(as_somebody).join().unwrap()
    });
    let PkiError::File { path, source } = refused else { panic!("{refused}") };
    assert_eq!(path, list);
    assert!(source.to_string().starts_with("it is user 12345's and group 12345's"), "{source}");
    assert_eq!((whose(), std::fs::read_to_string(&list).unwrap()), ((broker, broker, 0o644), before));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn every_subject_gets_a_certificate_that_the_root_signed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let root = rustls_pem(&authority.certificate_pem);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(std::sync::Arc::new(roots), provider)
        .build()
        .unwrap();
    let now = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_micros(NOW_US.unsigned_abs()));
    for subject in [Subject::Unit(name("gate-1")), Subject::Center(name("center-1"))] {
        let issued = authority.issue(&subject, NOW_US).unwrap();
        let pem = std::fs::read_to_string(issued.certificate).unwrap();
        let leaf = rustls_pem(&pem);
        verifier.verify_client_cert(&leaf, &[], now).unwrap();
        let text = String::from_utf8_lossy(&leaf).into_owned();
        assert!(text.contains("metro/"), "the name carries the agency");
    }
}

#[test]
fn units_receivers_and_persons_are_to_the_contract_who_they_were_issued_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let root = Root::from_pem(authority.certificate_pem.as_bytes()).unwrap();
    let now = edge_protocol::time::WallTime::from_micros(NOW_US);
    let subject = |subject: &Subject| {
        let issued = authority.issue(subject, NOW_US).unwrap();
        let chain = Chain::from_pem(&std::fs::read(issued.certificate).unwrap()).unwrap();
        root.check(&chain, Some(now)).unwrap()
    };
    for role in Role::ALL.iter().copied() {
        let person = Signer::Person("metro".parse().unwrap(), "ada".parse().unwrap(), role);
        assert_eq!(subject(&Subject::Person(name("ada"), role)), person);
    }
    let unit = Signer::Unit("metro".parse().unwrap(), "gate-1".parse().unwrap());
    assert_eq!(subject(&Subject::Unit(name("gate-1"))), unit);
    let center = Signer::Center("metro".parse().unwrap(), "center-1".parse().unwrap());
    assert_eq!(subject(&Subject::Center(name("center-1"))), center);
}

#[test]
fn the_broker_takes_identity_from_the_certificate_and_only_tls_1_3() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::create(folder.path(), &name("metro"), NOW_US).unwrap();
    let path = authority.write_broker_files(18883, &[name("center-1"), name("center-2")], NOW_US).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    for line in [
        "tls_version tlsv1.3",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "allow_anonymous false",
        "listener 18883 127.0.0.1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}");
    }
    let acl = std::fs::read_to_string(folder.path().join("acl")).unwrap();
    assert!(acl.contains("pattern write rtcc/v1/%u/up/#\n"));
    assert!(acl.contains("user metro/center-2\ntopic read rtcc/v1/metro/+/up/#\n"));
}

fn rustls_pem(pem: &str) -> rustls_pki_types::CertificateDer<'static> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}
