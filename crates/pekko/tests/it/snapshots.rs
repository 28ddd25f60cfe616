//! Serializer 8 against published bytes.

use annals_core::{ErrorKind, Payload, SerializerId};
use annals_pekko::{ManifestNames, read_snapshot, write_snapshot};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::hex;

const NAMES: ManifestNames = ManifestNames::Pekko;

#[test]
fn a_container_holds_the_triple() {
    for (bytes, id, manifest, data) in [
        ("0400000004000000616263", 4, "", &b"abc"[..]),
        ("040000001400000068656c6c6f", 20, "", b"hello"),
        (
            "1500000021000000636f6d2e6578616d706c652e5374617465bf616101ff",
            33,
            "com.example.State",
            b"\xbfaa\x01\xff",
        ),
        ("05000000fbffffff6d7a", -5, "m", b"z"),
        ("0400000000000000", 0, "", b""),
    ] {
        let payload = Payload::new(SerializerId::new(id), manifest, data.to_vec());
        assert_eq!(read_snapshot(&hex(bytes).into(), NAMES).unwrap(), payload, "{bytes}");
        assert_eq!(write_snapshot(&payload, NAMES).unwrap(), hex(bytes), "{bytes}");
    }
}

#[test]
fn a_header_of_akka_2_3_is_refused() {
    let java = "a8000000aced000573720007";
    let java = Bytes::from([hex(java), vec![0; 200]].concat());
    assert_eq!(read_snapshot(&java, NAMES).unwrap_err().kind(), ErrorKind::Unsupported);
    for id in [0xEDAC_i32, -1] {
        let bytes = [&4_i32.to_le_bytes()[..], &id.to_le_bytes()].concat();
        let error = read_snapshot(&bytes.into(), NAMES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let payload = Payload::new(SerializerId::new(id), "", Bytes::new());
        assert_eq!(write_snapshot(&payload, NAMES).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_header_that_does_not_fit_is_corrupt() {
    for bytes in [
        "",
        "040000",
        "0300000004000000",
        "0500000004000000",
        "ffffffff04000000",
        "ffffff7f04000000",
    ] {
        let error = read_snapshot(&hex(bytes).into(), NAMES).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes}");
    }
    // A manifest that is no UTF-8.
    let error = read_snapshot(&hex("0600000004000000c328").into(), NAMES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn manifests_of_akka_get_pekkos_name() {
    let akka = "PAAAAAcAAABha2thLnBlcnNpc3RlbmNlLmZzbS5QZXJzaXN0ZW50RlNNJFBlcnNpc3RlbnRGU01TbmFwc2hvdAoPdGVzdC1pZGVudGlmaWVyEg0IFBIJdGVzdC1kYXRh";
    let bytes = Bytes::from(STANDARD.decode(akka).unwrap());
    let migrated = read_snapshot(&bytes, NAMES).unwrap();
    let class = "persistence.fsm.PersistentFSM$PersistentFSMSnapshot";
    assert_eq!(migrated.manifest.as_ref(), format!("org.apache.pekko.{class}"));
    let kept = read_snapshot(&bytes, ManifestNames::AsGiven).unwrap();
    assert_eq!(kept.manifest.as_ref(), format!("akka.{class}"));
    assert_eq!(kept.bytes, migrated.bytes);

    let pekko = write_snapshot(&migrated, NAMES).unwrap();
    assert_eq!(pekko[..4], 72_i32.to_le_bytes());
    assert_eq!(read_snapshot(&pekko, NAMES).unwrap(), migrated);
    assert_eq!(write_snapshot(&migrated, ManifestNames::Akka).unwrap(), bytes);
}
