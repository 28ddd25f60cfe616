//! Encrypted requests through a proxy: it is asked for a tunnel and sees nothing else, and the server at its end
//! is trusted if its authority is one of the system's, or of the file that `SSL_CERT_FILE` names.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::Arc;
use std::{fs, io, thread};

use annals_servers::{Behind, Front, relay};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::directory::{ended, lines, stderr};
use crate::dynamodb::Tables;

/// A name that no resolver knows, by RFC 2606: only a proxy can make anything of it.
const NOWHERE: &str = "dynamodb.invalid";

/// Speaks TLS as [`NOWHERE`] before the server of the tests.
struct Encrypted {
    address: String,
    /// The certificate of the authority that vouches for it, which nobody knows.
    authority: String,
}

impl Encrypted {
    fn start() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new([NOWHERE.to_owned()]).unwrap();
        let own = own.signed_by(&key, &issuer).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![own.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(io::Result::ok) {
                let config = config.clone();
                // A connection that breaks off is the client's affair, and shows there.
                thread::spawn(move || serve(stream, config).unwrap_or_default());
            }
        });
        Self { address, authority: pem }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    relay(&mut stream, annals_servers::dynamodb().trim_start_matches("http://"))?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// How the program is told of the proxy.
#[derive(Debug, Clone, Copy)]
enum Told {
    BySettings,
    ByEnvironment,
}

/// Runs `command` on `tables` at [`NOWHERE`], trusting `authority`.
fn run(tables: &Tables, proxy: &Front, told: Told, authority: &str, command: &str) -> Output {
    let (_, settings) = tables.url.split_once('?').unwrap();
    let mut url = format!(
        "dynamodb:?endpoint=https://{NOWHERE}:8443&aws-access-key-id=a&aws-secret-access-key=b&{settings}"
    );
    let file = tables.directory.path().with_extension("pem");
    fs::write(&file, authority).unwrap();
    let mut annals = tables.directory.command(command);
    annals.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        annals.env_remove(name);
    }
    match told {
        Told::BySettings => {
            let (host, port) = proxy.address().split_once(':').unwrap();
            url += &format!(
                "&aws-client-config.proxy-host={host}&aws-client-config.proxy-port={port}"
            );
        }
        Told::ByEnvironment => {
            annals.env("HTTPS_PROXY", format!("http://{}", proxy.address()));
        }
    }
    annals.env("ANNALS_STORE", url);
    ended(annals, "{\"payload\":\"1\"}\n{\"payload\":\"2\"}\n")
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_and_sees_nothing_else() {
    let server = Encrypted::start();
    for told in [Told::BySettings, Told::ByEnvironment] {
        let tables = Tables::new();
        let proxy = Front::start(Behind::Tunnel(server.address.clone())).unwrap();
        for command in ["events append a", "events list a"] {
            let output = run(&tables, &proxy, told, &server.authority, command);
            assert_eq!(output.status.code(), Some(0), "{told:?}: {}", stderr(&output));
            assert_eq!(lines(&output.stdout).len(), 2, "{told:?}");
        }
        // By the plain way it is there as well.
        assert_eq!(tables.rows("events list a", "").len(), 2);
        let heads = proxy.heads();
        assert!(!heads.is_empty());
        for head in heads {
            assert!(head.starts_with(&format!("CONNECT {NOWHERE}:8443 ")), "{head}");
        }
    }
}

#[test]
fn a_server_that_nobody_vouches_for_gets_no_request() {
    let (server, stranger) = (Encrypted::start(), Encrypted::start());
    let tables = Tables::new();
    let proxy = Front::start(Behind::Tunnel(server.address)).unwrap();
    let output = run(&tables, &proxy, Told::BySettings, &stranger.authority, "events append a");
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{told}");
    for words in ["no line was appended", "not trusted", "SSL_CERT_FILE"] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    // Two requests begin an append, at the same time.
    assert!(proxy.heads().len() <= 2, "it is tried again: {:?}", proxy.heads());
    assert_eq!(tables.rows("events list a", "").len(), 0);
}
