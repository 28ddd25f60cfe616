//! Encrypted connections: what the settings ask for, as the driver wants it.

#[cfg(feature = "tls")]
mod ciphers;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod verifier;

use annals_core::Result;
use scylla::client::session_builder::SessionBuilder;

use crate::settings::TlsSettings;

/// The same session, encrypted; `nodes` are its contact points, `HOST:PORT` each.
#[cfg(feature = "tls")]
pub(crate) fn encrypted(
    builder: SessionBuilder,
    nodes: &[String],
    settings: &TlsSettings,
) -> Result<SessionBuilder> {
    let config = client::config(nodes, settings)?;
    Ok(builder.tls_context(Some(std::sync::Arc::new(config))))
}

/// The same session, encrypted.
#[cfg(not(feature = "tls"))]
pub(crate) fn encrypted(
    _: SessionBuilder,
    _: &[String],
    _: &TlsSettings,
) -> Result<SessionBuilder> {
    Err(annals_core::Error::unsupported(
        "encrypted connections to Cassandra are not in this build: they are in one with the feature \
         `cassandra-tls` of annals or annals-cli (`tls` of annals-cassandra)",
    ))
}

#[cfg(all(test, not(feature = "tls")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_encryption_names_the_feature() {
        let refused = encrypted(SessionBuilder::new(), &[], &TlsSettings::default());
        let refused = refused.err().unwrap();
        assert_eq!(refused.kind(), annals_core::ErrorKind::Unsupported);
        assert!(refused.message().contains("`cassandra-tls`"), "{refused}");
    }
}
