//! Whether a server is one of those that were asked for.
//!
//! The driver knows a server by its address alone: those beside the contact points are told by the others. A
//! certificate may also name the host of a contact point, as those of clusters behind one name do, since the
//! user wrote that name. So a server that an authority vouches for under a contact point's name may stand for
//! any node of that cluster, and none of another.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The servers of one cluster.
#[derive(Debug)]
pub(super) struct Servers {
    authorities: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    /// The hosts of the contact points that are given by name.
    names: Vec<ServerName<'static>>,
    check_host: bool,
}

impl Servers {
    /// Those that `authorities` vouch for, known as `nodes`, `HOST:PORT` each.
    pub(super) fn new(
        authorities: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
        nodes: &[String],
        check_host: bool,
    ) -> Self {
        let hosts =
            nodes.iter().map(|node| node.rsplit_once(':').map_or(&**node, |(host, _)| host));
        let names = hosts.filter_map(|host| ServerName::try_from(host.to_owned()).ok());
        let names = names.filter(|name| matches!(name, ServerName::DnsName(_))).collect();
        Self { authorities, algorithms, names, check_host }
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        address: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.authorities,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        if self.check_host
            && let Err(error) = verify_server_name(&certificate, address)
            && !self.names.iter().any(|name| verify_server_name(&certificate, name).is_ok())
        {
            return Err(error);
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::CertificateError;
    use rustls::crypto::aws_lc_rs;

    use super::*;

    /// An authority, and a certificate that it gave for `names`.
    fn certificate(authority: &str, names: &[&str]) -> (RootCertStore, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer_key = KeyPair::generate().unwrap();
        let mut authorities = RootCertStore::empty();
        authorities.add(params.self_signed(&issuer_key).unwrap().into()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params_of_server = CertificateParams::new(names).unwrap();
        let issuer = Issuer::new(params, issuer_key);
        let signed = params_of_server.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        (authorities, signed.into())
    }

    fn verify(
        (authorities, certificate): &(RootCertStore, CertificateDer<'static>),
        nodes: &[&str],
        check_host: bool,
        address: &str,
    ) -> Result<(), Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        let servers = Servers::new(authorities.clone(), algorithms, &nodes, check_host);
        let address = ServerName::try_from(address).unwrap();
        let verified = servers.verify_server_cert(certificate, &[], &address, &[], UnixTime::now());
        verified.map(drop)
    }

    #[test]
    fn a_certificate_names_the_address_or_a_contact_point() {
        let of_address = certificate("A", &["10.0.0.1"]);
        verify(&of_address, &["10.0.0.1:9042"], true, "10.0.0.1").unwrap();
        let other = verify(&of_address, &["10.0.0.1:9042"], true, "10.0.0.2").unwrap_err();
        assert!(other.to_string().contains("not valid for name"), "{other}");
        verify(&of_address, &["10.0.0.1:9042"], false, "10.0.0.2").unwrap();

        let of_name = certificate("A", &["*.bank.example"]);
        verify(&of_name, &["10.0.0.1:9042", "db.bank.example:9142"], true, "10.0.0.2").unwrap();
        verify(&of_name, &["db.example:9142"], true, "10.0.0.2").unwrap_err();
        verify(&of_name, &["10.0.0.2:9042"], true, "10.0.0.2").unwrap_err();
    }

    #[test]
    fn who_vouches_is_checked_also_where_names_are_not() {
        let (_, certificate_of_one) = certificate("A", &["10.0.0.1"]);
        let (another, _) = certificate("B", &["10.0.0.1"]);
        for check_host in [true, false] {
            let mixed = (another.clone(), certificate_of_one.clone());
            let refused = verify(&mixed, &[], check_host, "10.0.0.1").unwrap_err();
            let wanted = CertificateError::UnknownIssuer;
            assert!(
                matches!(&refused, Error::InvalidCertificate(error) if *error == wanted),
                "{refused}"
            );
        }
    }
}
