//! The ciphers that are offered to servers, by the names that people know them under.

use annals_core::{Error, Result};
use rustls::SupportedCipherSuite;

/// Those of `known` that `names` have, in the order of `known`; at least one.
pub(super) fn choose(
    known: &[SupportedCipherSuite],
    names: &[String],
) -> Result<Vec<SupportedCipherSuite>> {
    let (there, missing): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| known.iter().any(|suite| plain(name) == plain_name(suite)));
    let chosen =
        known.iter().filter(|suite| there.iter().any(|name| plain(name) == plain_name(suite)));
    let chosen: Vec<SupportedCipherSuite> = chosen.copied().collect();
    if chosen.is_empty() {
        let known: Vec<String> = known.iter().map(name).collect();
        return Err(Error::unsupported(format!(
            "tls-ciphers (cipher-suites): none of {} is there, but these are: {}",
            names.join(", "),
            known.join(", ")
        )));
    }
    if !missing.is_empty() {
        tracing::warn!(?missing, "ciphers that are asked for and not there are left out");
    }
    Ok(chosen)
}

fn name(suite: &SupportedCipherSuite) -> String {
    // As IANA writes it, which marks those of TLS 1.3 by nothing.
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn plain_name(suite: &SupportedCipherSuite) -> String {
    plain(&name(suite))
}

/// One spelling for IANA's and Java's `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` and OpenSSL's
/// `ECDHE-RSA-AES128-GCM-SHA256`.
fn plain(name: &str) -> String {
    let name = name.trim().to_ascii_uppercase();
    let name = name.strip_prefix("TLS_").unwrap_or(&name).replace("WITH_", "");
    let name = name.replace(['_', '-'], "");
    // OpenSSL leaves out the hash of these.
    name.strip_suffix("POLY1305SHA256").map(|name| format!("{name}POLY1305")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs;

    use super::*;

    fn chosen(names: &[&str]) -> Result<Vec<String>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = choose(&aws_lc_rs::default_provider().cipher_suites, &names)?;
        Ok(chosen.iter().map(name).collect())
    }

    #[test]
    fn ciphers_have_the_names_of_java_and_of_openssl() {
        let wanted = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(chosen(&wanted).unwrap(), wanted);
        assert_eq!(chosen(&["ECDHE-RSA-AES128-GCM-SHA256"]).unwrap(), wanted);
        assert_eq!(chosen(&["TLS_AES_256_GCM_SHA384"]).unwrap(), ["TLS_AES_256_GCM_SHA384"]);
        let chacha = ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"];
        assert_eq!(chosen(&["ECDHE-ECDSA-CHACHA20-POLY1305"]).unwrap(), chacha);
    }

    #[test]
    fn missing_ciphers_are_left_out_unless_none_is_left() {
        let mixed = ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_AES_128_GCM_SHA256"];
        assert_eq!(chosen(&mixed).unwrap(), ["TLS_AES_128_GCM_SHA256"]);
        let refused = chosen(&["TLS_RSA_WITH_AES_128_CBC_SHA"]).unwrap_err();
        assert_eq!(refused.kind(), annals_core::ErrorKind::Unsupported);
        assert!(refused.to_string().contains("TLS_AES_128_GCM_SHA256"), "{refused}");
    }
}
