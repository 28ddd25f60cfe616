//! Encrypted connections.

use annals_core::{Error, Result};
use scylla::client::session_builder::SessionBuilder;

use crate::settings::TlsSettings;

/// The same session, encrypted.
pub(crate) fn encrypted(_: SessionBuilder, _: &TlsSettings) -> Result<SessionBuilder> {
    Err(Error::unsupported("encrypted connections to Cassandra are not in this build"))
}
