//! The node, its certificates, and its roles.

use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_cassandra::{CassandraSettings, CassandraStore, Credentials, Fencing, TlsSettings};
use annals_servers::{Cassandra, CassandraOptions};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tokio::sync::OnceCell;

pub(super) const KEYSPACE: &str = "secured";
pub(super) const SNAPSHOTS: &str = "secured_s";
/// Of every role.
pub(super) const PASSWORD: &str = "not-to-be-seen";

/// The node. Its folder holds the files that clients need.
pub(super) struct Node(Cassandra);

impl Node {
    pub(super) fn address(&self) -> &str {
        self.0.address()
    }

    /// A file of the node's folder.
    pub(super) fn file(&self, name: &str) -> String {
        self.0.directory().join(name).to_str().unwrap().to_owned()
    }

    /// A store of this role.
    pub(super) fn settings(&self, role: &str) -> CassandraSettings {
        let mut settings = CassandraSettings::new().with_keyspaces(KEYSPACE, SNAPSHOTS);
        let credentials = Credentials { username: role.to_owned(), password: PASSWORD.to_owned() };
        settings.credentials = Some(credentials);
        settings.fencing = Some(Fencing::Lwt);
        settings.driver.tls = Some(TlsSettings {
            ca_file: Some(self.file("ca.pem").into()),
            certificate_file: Some(self.file("client.pem").into()),
            ..TlsSettings::default()
        });
        settings
    }
}

/// The node of these tests. Like every static it is never dropped: its guard ends it with this process.
pub(super) async fn node() -> &'static Node {
    static NODE: OnceCell<Node> = OnceCell::const_new();
    NODE.get_or_init(start).await
}

async fn start() -> Node {
    let authority = Authority::new("ours");
    let other = Authority::new("another");
    let client = authority.certificate("client", ExtendedKeyUsagePurpose::ClientAuth);
    let stranger = other.certificate("client", ExtendedKeyUsagePurpose::ClientAuth);
    let options = CassandraOptions::default()
        .with_heap("512M")
        .with_file("ca.pem", &authority.pem)
        .with_file("other-ca.pem", &other.pem)
        .with_file("client.pem", client)
        .with_file("other-client.pem", stranger)
        .with_file(
            "server.pem",
            authority.certificate("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
        )
        .with_setting(
            "client_encryption_options",
            "{enabled: true, optional: false, require_client_auth: true, keystore: '@DIR@/server.pem', \
             truststore: '@DIR@/ca.pem', ssl_context_factory: \
             {class_name: org.apache.cassandra.security.PEMBasedSslContextFactory}}",
        )
        .with_setting("authenticator", "PasswordAuthenticator")
        .with_setting("authorizer", "CassandraAuthorizer");
    let node = tokio::task::spawn_blocking(move || Cassandra::start(&options)).await;
    let node = Node(node.unwrap().unwrap());
    make_roles(&node).await;
    node
}

/// `annals` may do all with the keyspaces, `reader` read them, `stranger` nothing.
async fn make_roles(node: &Node) {
    let session = superuser(node).await;
    let mut as_superuser = node.settings("cassandra");
    as_superuser.credentials.as_mut().unwrap().password = "cassandra".to_owned();
    let builder = CassandraStore::builder([node.address()]).settings(as_superuser);
    builder.create_schema().await.unwrap();
    // Records what the tables are for.
    builder.open().await.unwrap();
    for role in ["annals", "reader", "stranger"] {
        let make = format!("CREATE ROLE {role} WITH PASSWORD = '{PASSWORD}' AND LOGIN = true");
        session.query_unpaged(make, ()).await.unwrap();
    }
    for keyspace in [KEYSPACE, SNAPSHOTS] {
        for (permission, role) in [("ALL PERMISSIONS", "annals"), ("SELECT", "reader")] {
            let grant = format!("GRANT {permission} ON KEYSPACE {keyspace} TO {role}");
            session.query_unpaged(grant, ()).await.unwrap();
        }
    }
}

/// A session of the role that each cluster has at first, which the node makes some time after it answers.
async fn superuser(node: &Node) -> Session {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let builder = SessionBuilder::new().known_node(node.address());
        let builder = builder.user("cassandra", "cassandra").tls_context(Some(client(node)));
        match builder.build().await {
            Ok(session) => return session,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the driver itself needs for an encrypted connection.
fn client(node: &Node) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(node.file("ca.pem")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(node.file("client.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(node.file("client.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder =
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    Arc::new(builder.with_client_auth_cert(chain, key).unwrap())
}

/// Who vouches for servers and clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A key and its certificate, in one file.
    fn certificate(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", key.serialize_pem(), certificate.pem())
    }
}
