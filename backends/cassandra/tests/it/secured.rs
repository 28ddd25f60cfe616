//! A node that takes encrypted connections only, asks its clients for a certificate and a password, and looks
//! at what they may do: started once, by the first of these tests.

mod node;

use annals_cassandra::{CassandraBuilder, CassandraSettings, CassandraStore, TlsSettings};
use annals_core::{ErrorKind, PersistenceId};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{append, texts, unique};
use node::{KEYSPACE, Node, PASSWORD};

fn id() -> PersistenceId {
    PersistenceId::new(format!("secured|{}", unique())).unwrap()
}

/// Opens the store, which must fail; gives what it says.
async fn refused(settings: CassandraSettings, address: &str, kind: ErrorKind) -> String {
    let opened = CassandraStore::builder([address]).settings(settings).open().await;
    let error = opened.expect_err("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(!text.contains(PASSWORD) && !format!("{error:?}").contains(PASSWORD), "{text}");
    assert!(text.contains(address), "{text}");
    text
}

fn with_tls(node: &Node, change: impl FnOnce(&mut TlsSettings)) -> CassandraSettings {
    let mut settings = node.settings("annals");
    change(settings.driver.tls.as_mut().unwrap());
    settings
}

#[tokio::test]
async fn a_journal_goes_over_encrypted_connections() {
    let node = node::node().await;
    let builder = || -> CassandraBuilder {
        CassandraStore::builder([node.address()]).settings(node.settings("annals"))
    };
    let id = id();
    let store = builder().open().await.unwrap().store();
    store.journal.append(append(&id, 0, "w", &["a", "b"], &["tag"])).await.unwrap();
    store.journal.append(append(&id, 2, "w", &["c"], &[])).await.unwrap();

    // By the names of the settings too.
    let mut named = CassandraSettings::new().with_keyspaces(KEYSPACE, node::SNAPSHOTS);
    for (key, value) in [
        ("username", "annals".to_owned()),
        ("password", PASSWORD.to_owned()),
        ("tls", "on".to_owned()),
        ("tls-ca-file", node.file("ca.pem")),
        ("tls-certificate-file", node.file("client.pem")),
        ("tls-key-file", node.file("client.pem")),
        ("tls-ciphers", "TLS_AES_128_GCM_SHA256,ECDHE-ECDSA-AES128-GCM-SHA256".to_owned()),
    ] {
        named.set(key, &value).unwrap();
    }
    let other = CassandraStore::builder([node.address()]).settings(named);
    let other = other.open_read_only().await.unwrap().store();
    assert_eq!(texts(&other, &id).await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_server_of_another_authority_is_refused() {
    let node = node::node().await;
    let settings = with_tls(node, |tls| tls.ca_file = Some(node.file("other-ca.pem").into()));
    let text = refused(settings, node.address(), ErrorKind::Invalid).await;
    assert!(text.contains("UnknownIssuer") && text.contains("`tls-ca-file`"), "{text}");
}

#[tokio::test]
async fn a_server_whose_certificate_names_another_address_is_refused() {
    let node = node::node().await;
    let address = forward(node.address()).await;
    let text = refused(node.settings("annals"), &address, ErrorKind::Invalid).await;
    assert!(text.contains("not valid for name") && text.contains("`tls-check-host"), "{text}");

    let settings = with_tls(node, |tls| tls.check_host = false);
    let store = CassandraStore::builder([&address]).settings(settings).open().await.unwrap();
    let id = id();
    store.store().journal.append(append(&id, 0, "w", &["a"], &[])).await.unwrap();
    assert_eq!(texts(&store.store(), &id).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn either_side_without_encryption_is_told_so() {
    let node = node::node().await;
    let mut plain = node.settings("annals");
    plain.driver.tls = None;
    let text = refused(plain, node.address(), ErrorKind::Unavailable).await;
    assert!(text.contains("the setting `tls` asks for them"), "{text}");

    let server = crate::support::server().await;
    let text = refused(node.settings("annals"), server, ErrorKind::Invalid).await;
    assert!(text.contains("the server answers without encryption"), "{text}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_to_bring_one() {
    let node = node::node().await;
    let settings = with_tls(node, |tls| (tls.certificate_file, tls.key_file) = (None, None));
    let text = refused(settings, node.address(), ErrorKind::Invalid).await;
    assert!(text.contains("`tls-certificate-file`"), "{text}");
    // Of the other authority: the server does not trust it.
    let stranger = node.file("other-client.pem");
    let settings = with_tls(node, |tls| tls.certificate_file = Some(stranger.into()));
    let text = refused(settings, node.address(), ErrorKind::Invalid).await;
    assert!(text.contains("`tls-certificate-file`"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated_to_anybody() {
    let node = node::node().await;
    let mut settings = node.settings("annals");
    let credentials = settings.credentials.as_mut().unwrap();
    credentials.password = format!("{PASSWORD}, but wrong");
    let text = refused(settings, node.address(), ErrorKind::Invalid).await;
    assert!(text.contains("check `username` and `password`"), "{text}");

    let mut nobody = node.settings("annals");
    nobody.credentials = None;
    let text = refused(nobody, node.address(), ErrorKind::Invalid).await;
    assert!(text.contains("the servers want a `username` and a `password`"), "{text}");
}

#[tokio::test]
async fn a_role_without_permission_is_told_which_and_loses_nothing() {
    let node = node::node().await;
    let text = CassandraStore::builder([node.address()]).settings(node.settings("stranger"));
    let text = text.open().await.unwrap_err();
    assert_eq!(text.kind(), ErrorKind::Invalid);
    let text = text.to_string();
    assert!(text.contains("SELECT") && text.contains(&format!("<table {KEYSPACE}.")), "{text}");

    // It may read everything, and write the claim but no event.
    let store = CassandraStore::builder([node.address()]).settings(node.settings("reader"));
    let reader = store.open().await.unwrap().store();
    let owner = CassandraStore::builder([node.address()]).settings(node.settings("annals"));
    let owner = owner.open().await.unwrap().store();
    let id = id();
    owner.journal.append(append(&id, 0, "w", &["a"], &[])).await.unwrap();
    let denied = reader.journal.append(append(&id, 1, "r", &["lost"], &[])).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Invalid, "{denied}");
    let text = denied.to_string();
    for part in
        ["MODIFY", &format!("<table {KEYSPACE}.messages>"), "nothing was changed", id.as_str()]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(texts(&owner, &id).await.unwrap(), ["a"]);
    owner.journal.append(append(&id, 1, "w", &["b"], &[])).await.unwrap();
    assert_eq!(texts(&reader, &id).await.unwrap(), ["a", "b"]);
}

/// Another loopback address with the same port, at which the node is reached too.
async fn forward(to: &str) -> String {
    let port = to.rsplit_once(':').unwrap().1;
    let mut listener = None;
    for last in 2..=250 {
        let address = format!("127.0.9.{last}:{port}");
        if let Ok(bound) = TcpListener::bind(&address).await {
            listener = Some((bound, address));
            break;
        }
    }
    let (listener, address) = listener.expect("the port is free on one of so many addresses");
    let to = to.to_owned();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = to.clone();
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(to).await {
                    // Ends when either side does.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    address
}
