//! The client's side of TLS: whom it trusts, who it is, what it speaks.

use std::sync::Arc;

use annals_core::{Error, Result};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};

use super::verifier::Servers;
use super::{ciphers, pem};
use crate::settings::TlsSettings;

/// TLS 1.2 and 1.3 as `settings` ask for, with servers that are known as `nodes`, `HOST:PORT` each.
pub(super) fn config(nodes: &[String], settings: &TlsSettings) -> Result<ClientConfig> {
    let failed = |error: rustls::Error| {
        Error::invalid(format!("the TLS settings do not fit together: {error}")).with_source(error)
    };
    let mut provider = aws_lc_rs::default_provider();
    if !settings.ciphers.is_empty() {
        provider.cipher_suites = ciphers::choose(&provider.cipher_suites, &settings.ciphers)?;
    }
    let servers = servers(&provider, nodes, settings)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(servers));
    let Some(file) = &settings.certificate_file else {
        if let Some(key) = &settings.key_file {
            return Err(Error::invalid(format!(
                "tls-key-file is {} and there is no tls-certificate-file, whose key it would be",
                key.display()
            )));
        }
        return Ok(builder.with_no_client_auth());
    };
    let chain = pem::certificates(pem::CERTIFICATE_FILE, file)?;
    let key = match &settings.key_file {
        Some(key) => pem::key(pem::KEY_FILE, key)?,
        None => pem::key(pem::CERTIFICATE_FILE, file)?,
    };
    builder.with_client_auth_cert(chain, key).map_err(failed)
}

fn servers(provider: &CryptoProvider, nodes: &[String], settings: &TlsSettings) -> Result<Servers> {
    let mut authorities = RootCertStore::empty();
    if let Some(file) = &settings.ca_file {
        for certificate in pem::certificates(pem::CA_FILE, file)? {
            authorities.add(certificate).map_err(|error| {
                let message = format!("{}: a certificate is malformed: {error}", file.display());
                Error::invalid(message).with_source(error)
            })?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        authorities.add_parsable_certificates(found.certs);
        if authorities.is_empty() {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(Error::invalid(format!(
                "the operating system names no authority that vouches for servers ({}): give tls-ca-file",
                errors.join("; ")
            )));
        }
    }
    let algorithms = provider.signature_verification_algorithms;
    Ok(Servers::new(authorities, algorithms, nodes, settings.check_host))
}
