//! Files of certificates and keys, in PEM. The JVM's key stores are told apart, for a message that says how to
//! make PEM of them.

use std::path::Path;

use annals_core::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Settings of files, by ours and the Java driver's name.
pub(super) const CA_FILE: &str = "tls-ca-file (truststore-path)";
pub(super) const CERTIFICATE_FILE: &str = "tls-certificate-file (keystore-path)";
pub(super) const KEY_FILE: &str = "tls-key-file";

/// All certificates of the file that `setting` names; at least one.
pub(super) fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(setting, file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| malformed(setting, file, error))?;
    if certificates.is_empty() {
        let file = file.display();
        return Err(Error::invalid(format!("{setting}: {file} holds no certificate in PEM")));
    }
    Ok(certificates)
}

/// The private key of the file that `setting` names.
pub(super) fn key(setting: &str, file: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read(setting, file)?;
    if contains(&bytes, b"ENCRYPTED") {
        let file = file.display();
        return Err(Error::unsupported(format!(
            "{setting}: the key in {file} is encrypted, and only plain ones are read: \
             `openssl pkey -in {file} -out key.pem` writes it so; let nobody else read that file"
        )));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            let file = file.display();
            Error::invalid(format!(
                "{setting}: {file} holds no private key in PEM; tls-key-file names its file"
            ))
        }
        error => malformed(setting, file, error),
    })
}

fn read(setting: &str, file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file).map_err(|error| {
        let message = format!("{setting}: {} cannot be read: {error}", file.display());
        Error::invalid(message).with_source(error)
    })?;
    checked(setting, file, bytes)
}

/// The bytes, if they are PEM.
fn checked(setting: &str, file: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if contains(&bytes, b"-----BEGIN ") {
        return Ok(bytes);
    }
    let file = file.display();
    let way = if setting == CA_FILE {
        format!("`keytool -list -rfc -keystore {file} > ca.pem` writes its certificates")
    } else {
        format!(
            "`keytool -importkeystore -srckeystore {file} -destkeystore key.p12 -deststoretype PKCS12` and \
             `openssl pkcs12 -in key.p12 -nodes -out key.pem` write its key and certificates"
        )
    };
    match bytes.as_slice() {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] | [0x30, ..] => {
            Err(Error::unsupported(format!(
                "{setting}: {file} is a key store (JKS or PKCS #12), and PEM is read here: {way}. Beside a JVM, \
                 which needs the key store, name the PEM file in the plugin's own section"
            )))
        }
        _ => Err(Error::invalid(format!("{setting}: {file} is not in PEM"))),
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn malformed(setting: &str, file: &Path, error: rustls::pki_types::pem::Error) -> Error {
    Error::invalid(format!("{setting}: {} is malformed: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

    #[test]
    fn key_stores_are_refused_with_the_way_to_pem() {
        let file = Path::new("/keys/store");
        for (setting, bytes, kind, way) in [
            (
                CA_FILE,
                &[0xfe, 0xed, 0xfe, 0xed, 0][..],
                ErrorKind::Unsupported,
                "keytool -list -rfc",
            ),
            (CA_FILE, &[0x30, 0x82], ErrorKind::Unsupported, "/keys/store > ca.pem"),
            (CERTIFICATE_FILE, &[0x30, 0x82], ErrorKind::Unsupported, "openssl pkcs12"),
            (KEY_FILE, b"words", ErrorKind::Invalid, "not in PEM"),
        ] {
            let refused = checked(setting, file, bytes.to_vec()).unwrap_err();
            assert_eq!(refused.kind(), kind);
            let text = refused.to_string();
            assert!(text.contains(way) && text.contains(setting), "{text}");
        }
        assert!(checked(CA_FILE, file, b"A\n-----BEGIN CERTIFICATE-----\n".to_vec()).is_ok());
    }
}
