use edge_protocol::command::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;
use crate::broker::tls::Identity;
use crate::clock::wall_us;
use crate::pki::{Authority, Subject};

/// What somebody with this certificate gets: true where the other side answers.
async fn is_let_in(address: SocketAddr, identity: &Identity) -> bool {
    let configuration = identity.client_configuration().unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let Ok(mut stream) = TlsConnector::from(configuration).connect(name, stream).await else { return false };
    let mut answer = [0; 2];
    stream.write_all(b"hi").await.is_ok() && stream.read_exact(&mut answer).await.is_ok()
}

#[tokio::test]
async fn persons_of_the_agency_are_let_in_and_nobody_else_not_even_its_units() {
    let folder = tempfile::tempdir().unwrap();
    let issue = |agency: &str, subject: Subject| {
        let path = folder.path().join(agency);
        let authority = Authority::open(&path)
            .unwrap_or_else(|_| Authority::create(&path, &agency.parse().unwrap(), wall_us()).unwrap());
        let issued = authority.issue(&subject, wall_us()).unwrap();
        // Everybody here trusts the interface; the question is whom it trusts.
        let root = folder.path().join("metro/root.pem");
        Identity { root, certificate: issued.certificate, key: issued.key }
    };
    let own = issue("metro", Subject::Interface(vec!["localhost".into()]));
    let interface = InterfaceIdentity { root: own.root, certificate: own.certificate, key: own.key };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut persons = PersonListener::new(listener, interface.server_configuration().unwrap(), "metro");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = persons.accept().await;
            let mut said = [0; 2];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
        }
    });
    // A connection that never speaks keeps nobody waiting.
    let _silent = TcpStream::connect(address).await.unwrap();
    let ada = |role| Subject::Person("ada".parse().unwrap(), role);
    assert!(is_let_in(address, &issue("metro", ada(Role::Viewer))).await);
    assert!(!is_let_in(address, &issue("metro", Subject::Unit("gate-1".parse().unwrap()))).await);
    assert!(!is_let_in(address, &issue("metro", Subject::Center("center-1".parse().unwrap()))).await);
    assert!(!is_let_in(address, &issue("town", ada(Role::Viewer))).await);
    assert!(is_let_in(address, &issue("metro", ada(Role::Auditor))).await);
}
