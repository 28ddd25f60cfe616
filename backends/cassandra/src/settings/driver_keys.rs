//! The keys of the Java driver (`datastax-java-driver`, and its execution profiles) that an
//! `application.conf` carries: taken, or reported with the reason.

use annals_core::{Error, Result};

use super::keys::{Taken, credentials};
use super::parse::{boolean, duration, number, refused};
use super::{CassandraSettings, Compression, ConsistencyLevel, TlsSettings};

/// Which of the driver's execution profiles a key stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriverProfile {
    /// The driver's own settings, which apply where a profile says nothing.
    Base,
    /// The one that `read-profile` names.
    Read,
    /// The one that `write-profile` names.
    Write,
    /// The one that `snapshot.read-profile` names.
    SnapshotRead,
    /// The one that `snapshot.write-profile` names.
    SnapshotWrite,
}

/// Takes the driver's setting `key`.
pub(super) fn set(
    settings: &mut CassandraSettings,
    profile: DriverProfile,
    key: &str,
    value: &str,
) -> Result<Taken> {
    if let Some(reason) = without(key) {
        return Ok(Taken::Without(reason));
    }
    if profile == DriverProfile::Base {
        return base(settings, key, value);
    }
    let driver = &mut settings.driver;
    match (profile, key) {
        (_, "basic.request.consistency") => return consistency(settings, profile, key, value),
        (_, "basic.request.serial-consistency") => return Ok(serial(settings, value)),
        (DriverProfile::Read, "basic.request.timeout") => {
            driver.read_timeout = Some(duration(key, value)?);
        }
        (DriverProfile::Write, "basic.request.timeout") => {
            driver.write_timeout = Some(duration(key, value)?);
        }
        (DriverProfile::Read, _) if key.starts_with(SPECULATIVE) => {
            return speculative(settings, key, value);
        }
        (_, _) if key.starts_with(SPECULATIVE) => {
            return Ok(Taken::Without("only reads of events are asked of a second node"));
        }
        (_, "basic.request.timeout") => {
            return Ok(Taken::Without("snapshots have the deadlines of events"));
        }
        _ if is_base(key) => {
            return Ok(Taken::Without("it is the same for all requests: set it for the driver"));
        }
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Honoured)
}

const SPECULATIVE: &str = "advanced.speculative-execution-policy.";
const TLS: &str = "advanced.ssl-engine-factory.";

/// Whether `key` is one of the driver's own that has a meaning here.
fn is_base(key: &str) -> bool {
    let tried = base(&mut CassandraSettings::default(), key, "");
    !matches!(tried, Ok(Taken::Unknown))
}

fn base(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<Taken> {
    let driver = &mut settings.driver;
    match key {
        "basic.contact-points" => {
            driver.contact_points = value.split(',').map(str::to_owned).collect();
            driver.contact_points.retain(|node| !node.is_empty());
        }
        "basic.request.timeout" => settings.request_timeout = duration(key, value)?,
        // The profiles have their own, and no request is made without one.
        "basic.request.consistency" => {
            return Ok(Taken::Without("all requests are made in a profile, which names its own"));
        }
        "basic.request.serial-consistency" => return Ok(serial(settings, value)),
        "basic.load-balancing-policy.local-datacenter" => {
            settings.local_datacenter = Some(value.to_owned());
        }
        "advanced.load-balancing-policy.dc-failover.max-nodes-per-remote-dc" => {
            driver.datacenter_failover = number::<u32>(key, value)? > 0;
        }
        "advanced.connection.connect-timeout" => driver.connect_timeout = duration(key, value)?,
        "advanced.connection.pool.local.size" => {
            driver.connections_per_node = number::<usize>(key, value)?.max(1);
        }
        "advanced.reconnect-on-init" => driver.reconnect_on_init = boolean(key, value)?,
        "advanced.reconnection-policy.base-delay" => driver.reconnect_first = duration(key, value)?,
        "advanced.reconnection-policy.max-delay" => driver.reconnect_max = duration(key, value)?,
        "advanced.heartbeat.interval" => driver.heartbeat_interval = duration(key, value)?,
        "advanced.heartbeat.timeout" => driver.heartbeat_timeout = duration(key, value)?,
        "advanced.socket.tcp-no-delay" => driver.tcp_no_delay = boolean(key, value)?,
        "advanced.protocol.compression" => driver.compression = compression(key, value)?,
        "advanced.auth-provider.class" => {
            return class(key, value, &["PlainTextAuthProvider"], "username and password");
        }
        "advanced.auth-provider.username" => {
            credentials(settings).username = value.to_owned();
        }
        "advanced.auth-provider.password" => {
            credentials(settings).password = value.to_owned();
        }
        _ if key.starts_with(SPECULATIVE) => return speculative(settings, key, value),
        _ if key.starts_with(TLS) => return tls(settings, key, value),
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Honoured)
}

/// Events need majorities that overlap, so weaker levels are raised; snapshots follow.
fn consistency(
    settings: &mut CassandraSettings,
    profile: DriverProfile,
    key: &str,
    value: &str,
) -> Result<Taken> {
    let (level, exact) = match value.to_ascii_uppercase().as_str() {
        "QUORUM" => (ConsistencyLevel::Quorum, true),
        "LOCAL_QUORUM" => (ConsistencyLevel::LocalQuorum, true),
        "LOCAL_ONE" => (ConsistencyLevel::LocalQuorum, false),
        "ANY" | "ONE" | "TWO" | "THREE" | "EACH_QUORUM" | "ALL" => {
            (ConsistencyLevel::Quorum, false)
        }
        _ => return Err(refused(key, value, "a consistency level")),
    };
    match profile {
        DriverProfile::Write if level != settings.consistency => {
            return Err(Error::invalid(format!(
                "events are read at {} and written at {value}, which need not meet in any replica: give both \
                 profiles the same level, QUORUM or LOCAL_QUORUM",
                settings.consistency.name()
            )));
        }
        DriverProfile::SnapshotRead | DriverProfile::SnapshotWrite => {
            // As far as events do: what stands for deleted events must be found like them.
            settings.snapshot.consistency = settings.consistency;
            if level == settings.consistency && exact {
                return Ok(Taken::Honoured);
            }
            return Ok(Taken::Without(
                "snapshots are as safe as events, whose level is taken: a snapshot stands for events that are \
                 deleted",
            ));
        }
        DriverProfile::Base | DriverProfile::Read | DriverProfile::Write => {
            settings.consistency = level;
        }
    }
    Ok(if exact {
        Taken::Honoured
    } else {
        Taken::Without(
            "a majority is asked (QUORUM, for LOCAL_ONE LOCAL_QUORUM): fewer lose acknowledged events, more \
             add nothing",
        )
    })
}

/// Conditional writes agree where plain ones are read.
fn serial(settings: &CassandraSettings, value: &str) -> Taken {
    let local = settings.consistency == ConsistencyLevel::LocalQuorum;
    if value.eq_ignore_ascii_case(if local { "LOCAL_SERIAL" } else { "SERIAL" }) {
        Taken::Honoured
    } else {
        Taken::Without(
            "it matches the consistency: LOCAL_SERIAL with LOCAL_QUORUM, SERIAL with QUORUM",
        )
    }
}

fn speculative(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<Taken> {
    let name = key.strip_prefix(SPECULATIVE).unwrap_or_default();
    match name {
        "class" if value.ends_with("NoSpeculativeExecutionPolicy") => {
            settings.driver.speculative = None;
            return Ok(Taken::Honoured);
        }
        "class" => {
            let taken =
                class(key, value, &["ConstantSpeculativeExecutionPolicy"], "a constant delay")?;
            settings.driver.speculative.get_or_insert_default();
            return Ok(taken);
        }
        _ => {}
    }
    // Without a policy its parameters mean nothing, in the Java driver neither.
    let Some(policy) = &mut settings.driver.speculative else {
        return match name {
            "max-executions" | "delay" => Ok(Taken::Honoured),
            _ => Ok(Taken::Unknown),
        };
    };
    match name {
        "max-executions" => policy.executions_max = number::<usize>(key, value)?.max(1),
        "delay" => policy.delay = duration(key, value)?,
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Honoured)
}

fn tls(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<Taken> {
    let name = key.strip_prefix(TLS).unwrap_or_default();
    if name == "class" {
        let taken = class(key, value, &["DefaultSslEngineFactory"], "files of keys")?;
        settings.driver.tls.get_or_insert_default();
        return Ok(taken);
    }
    // The class is what turns encryption on; files alone do nothing, in the Java driver neither.
    let mut unused = TlsSettings::default();
    let tls = settings.driver.tls.as_mut().unwrap_or(&mut unused);
    match name {
        "truststore-path" => {
            tls.ca_file = Some(value.into());
            if is_key_store(value) {
                return Ok(Taken::Without(
                    "it is a key store of the JVM: `keytool -list -rfc -keystore FILE > ca.pem` makes the PEM that \
                     is read here, which `tls-ca-file` in the plugin's section names",
                ));
            }
        }
        "keystore-path" => {
            tls.certificate_file = Some(value.into());
            if is_key_store(value) {
                return Ok(Taken::Without(
                    "it is a key store of the JVM: `openssl pkcs12 -in FILE -nodes -out key.pem` (of a JKS first \
                     `keytool -importkeystore … -deststoretype PKCS12`) makes the PEM that is read here, which \
                     `tls-certificate-file` in the plugin's section names",
                ));
            }
        }
        "truststore-password" | "keystore-password" => {
            return Ok(Taken::Without("files in PEM, which are read here, have no passwords"));
        }
        "hostname-validation" => tls.check_host = boolean(key, value)?,
        "cipher-suites" => {
            tls.ciphers = value.split(',').map(str::to_owned).collect();
            tls.ciphers.retain(|cipher| !cipher.is_empty());
        }
        _ => return Ok(Taken::Unknown),
    }
    Ok(Taken::Honoured)
}

/// By its name; what the file holds is looked at when the store is opened.
fn is_key_store(path: &str) -> bool {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let extension = extension.unwrap_or_default();
    ["jceks", "jks", "keystore", "p12", "pfx", "pkcs12", "truststore"].contains(&&*extension)
}

fn compression(key: &str, value: &str) -> Result<Option<Compression>> {
    match value.to_ascii_lowercase().as_str() {
        "lz4" => Ok(Some(Compression::Lz4)),
        "snappy" => Ok(Some(Compression::Snappy)),
        "none" => Ok(None),
        _ => Err(refused(key, value, "lz4, snappy or none")),
    }
}

/// Whether `value` is one of the classes whose job is done here.
fn class(key: &str, value: &str, known: &[&str], what: &str) -> Result<Taken> {
    let name = value.rsplit('.').next().unwrap_or(value);
    if known.contains(&name) {
        return Ok(Taken::Honoured);
    }
    Err(Error::unsupported(format!(
        "{key} is {value}, a class of the JVM: here is {}, with {what}",
        known.join(" or ")
    )))
}

/// Why a key of the driver has no effect here.
pub(super) fn without(key: &str) -> Option<&'static str> {
    const FIXED: &str = "the driver here takes care of it by itself";
    let reason = match key {
        "basic.session-name" => "sessions have no names here",
        "basic.session-keyspace" => "statements name their keyspace",
        "basic.config-reload-interval" => "the configuration is read once",
        "basic.request.page-size" => "pages are as large as their readers need them",
        "basic.request.default-idempotence" => {
            "each statement says itself whether it may be repeated"
        }
        "basic.load-balancing-policy.class" => {
            "nodes that hold the data are asked first, those of the local data centre and rack before others"
        }
        "basic.load-balancing-policy.slow-replica-avoidance" => FIXED,
        "basic.cloud.secure-connect-bundle" => {
            "Astra's bundles are not read: name its nodes and files"
        }
        "advanced.retry-policy.class" => {
            "reads are retried by the driver; a write is repeated only where its outcome is known"
        }
        "advanced.reconnection-policy.class" => {
            "waits grow from base-delay to max-delay when a store is opened, and by the driver's own rule later"
        }
        "advanced.timestamp-generator.class" => {
            "the servers give writes their times, whatever this machine's clock says"
        }
        "advanced.throttler.class" => "callers wait where too many requests are under way",
        "advanced.address-translator.class" => "nodes are reached at the addresses that they give",
        "advanced.connection.pool.remote.size" => "other data centres get as many connections",
        "advanced.protocol.version" => "version 4 is spoken",
        "advanced.socket.keep-alive" => "idle connections are watched by heartbeats",
        "advanced.resolve-contact-points"
        | "advanced.connection.init-query-timeout"
        | "advanced.connection.set-keyspace-timeout"
        | "advanced.connection.max-requests-per-connection"
        | "advanced.connection.max-orphan-requests"
        | "advanced.connection.warn-on-init-error"
        | "advanced.protocol.max-frame-length" => FIXED,
        _ => return None,
    };
    Some(reason)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use annals_core::ErrorKind;

    use super::*;

    fn set(settings: &mut CassandraSettings, key: &str, value: &str) -> Taken {
        settings.set_driver(DriverProfile::Base, key, value).unwrap()
    }

    #[test]
    fn connections_are_set_by_the_names_of_the_java_driver() {
        let mut settings = CassandraSettings::default();
        for (key, value) in [
            ("basic.contact-points", "a:1,b:2"),
            ("basic.request.timeout", "3 seconds"),
            ("basic.load-balancing-policy.local-datacenter", "dc1"),
            ("advanced.connection.pool.local.size", "4"),
            ("advanced.reconnect-on-init", "true"),
            ("advanced.protocol.compression", "lz4"),
            ("advanced.auth-provider.class", "PlainTextAuthProvider"),
            ("advanced.auth-provider.username", "u"),
            ("advanced.auth-provider.password", "hidden"),
            ("advanced.ssl-engine-factory.class", "x.DefaultSslEngineFactory"),
            ("advanced.ssl-engine-factory.truststore-path", "/trust.pem"),
            ("advanced.ssl-engine-factory.keystore-path", "/key.pem"),
            ("advanced.ssl-engine-factory.hostname-validation", "false"),
            ("advanced.speculative-execution-policy.class", "ConstantSpeculativeExecutionPolicy"),
            ("advanced.speculative-execution-policy.max-executions", "3"),
            ("advanced.speculative-execution-policy.delay", "50 ms"),
        ] {
            assert_eq!(set(&mut settings, key, value), Taken::Honoured, "{key}");
        }
        let driver = &settings.driver;
        assert_eq!(driver.contact_points, ["a:1", "b:2"]);
        assert_eq!(settings.request_timeout, Duration::from_secs(3));
        assert_eq!(driver.connections_per_node, 4);
        let speculative = driver.speculative.unwrap();
        assert_eq!((speculative.executions_max, speculative.delay.as_millis()), (3, 50));
        let tls = driver.tls.as_ref().unwrap();
        assert!(!tls.check_host && tls.ca_file.as_deref() == Some("/trust.pem".as_ref()));
        assert_eq!(tls.certificate_file.as_deref(), Some("/key.pem".as_ref()));
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn key_stores_of_the_jvm_are_reported_with_the_way_to_pem() {
        let mut settings = CassandraSettings::default();
        set(&mut settings, "advanced.ssl-engine-factory.class", "DefaultSslEngineFactory");
        for (key, value, way) in [
            ("truststore-path", "/trust.JKS", "keytool"),
            ("keystore-path", "/key.p12", "openssl"),
            ("truststore-password", "hidden", "no passwords"),
        ] {
            let taken = set(&mut settings, &format!("advanced.ssl-engine-factory.{key}"), value);
            assert!(matches!(taken, Taken::Without(reason) if reason.contains(way)), "{taken:?}");
        }
        // It is refused when the store is opened, and not left out, unless our own key names another.
        let file = |settings: &CassandraSettings| settings.driver.tls.clone().unwrap().ca_file;
        assert_eq!(file(&settings), Some("/trust.JKS".into()));
        assert_eq!(settings.set("tls-ca-file", "/ca.pem").unwrap(), Taken::Honoured);
        assert_eq!(settings.set("tls", "on").unwrap(), Taken::Honoured);
        assert_eq!(file(&settings), Some("/ca.pem".into()));
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn classes_of_the_jvm_that_nothing_here_replaces_are_refused() {
        let mut settings = CassandraSettings::default();
        for (key, value) in [
            ("advanced.auth-provider.class", "software.aws.mcs.auth.SigV4AuthProvider"),
            ("advanced.ssl-engine-factory.class", "com.example.Factory"),
            ("advanced.speculative-execution-policy.class", "com.example.Policy"),
        ] {
            let error = settings.set_driver(DriverProfile::Base, key, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{key}");
        }
    }

    #[test]
    fn events_are_read_and_written_at_levels_that_meet() {
        let level = |read: &str, write: &str| {
            let mut settings = CassandraSettings::default();
            let key = "basic.request.consistency";
            let read = settings.set_driver(DriverProfile::Read, key, read)?;
            let write = settings.set_driver(DriverProfile::Write, key, write)?;
            Ok::<_, Error>((
                settings.consistency,
                read == Taken::Honoured,
                write == Taken::Honoured,
            ))
        };
        let local = ConsistencyLevel::LocalQuorum;
        assert_eq!(level("LOCAL_QUORUM", "local_quorum").unwrap(), (local, true, true));
        assert_eq!(level("LOCAL_ONE", "LOCAL_QUORUM").unwrap(), (local, false, true));
        assert_eq!(level("ONE", "ALL").unwrap(), (ConsistencyLevel::Quorum, false, false));
        assert_eq!(level("QUORUM", "LOCAL_QUORUM").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(level("MANY", "QUORUM").unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn profiles_have_their_deadlines() {
        let mut settings = CassandraSettings::default();
        let key = "basic.request.timeout";
        settings.set_driver(DriverProfile::Read, key, "1s").unwrap();
        settings.set_driver(DriverProfile::Write, key, "7s").unwrap();
        let other = settings.set_driver(DriverProfile::SnapshotRead, key, "9s").unwrap();
        assert!(matches!(other, Taken::Without(_)));
        assert_eq!(settings.driver.read_timeout, Some(Duration::from_secs(1)));
        assert_eq!(settings.driver.write_timeout, Some(Duration::from_secs(7)));
        let pool =
            settings.set_driver(DriverProfile::Read, "advanced.connection.pool.local.size", "3");
        assert!(matches!(pool.unwrap(), Taken::Without(_)));
        assert_eq!(
            settings.set_driver(DriverProfile::Read, "basic.x", "3").unwrap(),
            Taken::Unknown
        );
    }
}
