//! Opening a store on Cassandra: settings out of a URL, or out of the sections of an `application.conf`.

use std::collections::HashMap;

use annals_cassandra::{CassandraBuilder, CassandraSettings, CassandraStore, DriverProfile, Taken};
use annals_core::{Error, Result};
use annals_pekko::config::{CassandraSections, KeyReport, KeyState, Section};

use crate::url::StoreUrl;

/// What stands in the place of a secret.
const REDACTED: &str = "<redacted>";

/// Where the Java driver looks for a node when nothing names one.
const DEFAULT_NODE: &str = "127.0.0.1:9042";

/// `cassandra://HOST:PORT[,HOST:PORT …][?KEY=VALUE …]`, and what became of each of its parameters.
///
/// # Errors
/// `Invalid` without a node, and for values that are none of their kind.
pub(crate) fn of_url(mut url: StoreUrl<'_>) -> Result<(CassandraBuilder, Vec<KeyReport>)> {
    let nodes = url.place.strip_prefix("//").unwrap_or_default();
    let nodes: Vec<&str> = nodes.split(',').filter(|node| !node.is_empty()).collect();
    if nodes.is_empty() || nodes.iter().any(|node| node.contains(['/', '@'])) {
        return Err(Error::invalid("cassandra: names no node: expected cassandra://HOST:PORT"));
    }
    let mut settings = CassandraSettings::new();
    let mut reports = Vec::new();
    for (key, value) in url.take_all() {
        let state = match settings.set(key, value)? {
            Taken::Honoured => KeyState::Honoured,
            Taken::Without(reason) => KeyState::NotHonoured(reason.to_owned()),
            Taken::Unknown => KeyState::Unknown,
        };
        let value = if key.contains("password") { REDACTED } else { value };
        reports.push(KeyReport {
            key: key.to_owned(),
            value: value.to_owned(),
            is_default: false,
            state,
        });
    }
    Ok((CassandraStore::builder(nodes).settings(settings), reports))
}

/// The settings that the sections of a configuration make, and what became of each key.
///
/// # Errors
/// `Invalid` for values that are none of their kind, and for profiles whose levels do not meet;
/// `Unsupported` for classes of the JVM that nothing here stands for.
pub(crate) fn of_config(
    sections: &CassandraSections,
) -> Result<(CassandraSettings, Vec<KeyReport>)> {
    let mut settings = CassandraSettings::new();
    let mut overruled = Overruled::default();
    driver(&mut settings, sections, &mut overruled)?;
    let mut keys = sections.plugin.keys();
    // The class of a compaction first: another one has other options.
    keys.sort_by_key(|key| !key.ends_with(".class"));
    for key in keys {
        // These name the profiles that were read.
        if PROFILES.iter().any(|(name, _)| *name == key) {
            continue;
        }
        let plugin = &sections.plugin;
        if let Some(reason) = CassandraSettings::without(&key) {
            plugin.ignore(&key, reason);
        } else if settings.clone().set(&key, "").ok() != Some(Taken::Unknown) {
            let value = text(plugin, &key)?;
            let taken = settings.set(&key, &value).map_err(|error| at(plugin, error))?;
            overruled.note(plugin, &key, taken);
        }
    }
    if settings.driver.contact_points.is_empty() {
        settings.driver.contact_points.push(DEFAULT_NODE.to_owned());
    }
    let reports = [sections.plugin.report(), sections.driver.report()].concat();
    Ok((settings, overruled.applied_to(reports)))
}

/// The keys of the plugin that name a profile of the driver, in the order in which profiles are taken.
const PROFILES: [(&str, DriverProfile); 4] = [
    ("read-profile", DriverProfile::Read),
    ("write-profile", DriverProfile::Write),
    ("snapshot.read-profile", DriverProfile::SnapshotRead),
    ("snapshot.write-profile", DriverProfile::SnapshotWrite),
];

const CONSISTENCY: &str = "basic.request.consistency";
const SERIAL_CONSISTENCY: &str = "basic.request.serial-consistency";

fn driver(
    settings: &mut CassandraSettings,
    sections: &CassandraSections,
    overruled: &mut Overruled,
) -> Result<()> {
    let base = &sections.driver;
    let is_base = |key: &str| !key.starts_with("profiles.") && key != SERIAL_CONSISTENCY;
    take(settings, base, DriverProfile::Base, is_base, overruled)?;
    for (key, profile) in PROFILES {
        let name = text(&sections.plugin, key)?;
        let Some(section) = base.section(&format!("profiles.{name}"))? else {
            return Err(sections.plugin.invalid(
                key,
                format_args!("is {name:?}, but {}.profiles has no such profile", base.path()),
            ));
        };
        if !section.has(CONSISTENCY) {
            // What the driver itself is set to counts.
            let level = text(base, CONSISTENCY)?;
            settings.set_driver(profile, CONSISTENCY, &level).map_err(|error| at(base, error))?;
        }
        take(settings, &section, profile, |_| true, overruled)?;
    }
    take(settings, base, DriverProfile::Base, |key| key == SERIAL_CONSISTENCY, overruled)
}

/// Takes the keys of one profile. Classes first: they say whether what stands beside them means anything.
fn take(
    settings: &mut CassandraSettings,
    keys: &Section,
    profile: DriverProfile,
    wanted: impl Fn(&str) -> bool,
    overruled: &mut Overruled,
) -> Result<()> {
    let mut names = keys.keys();
    names.sort_by_key(|name| !name.ends_with(".class"));
    for key in names.iter().filter(|key| wanted(key)) {
        if let Some(reason) = CassandraSettings::without_driver(key) {
            keys.ignore(key, reason);
        } else if settings.clone().set_driver(profile, key, "").ok() != Some(Taken::Unknown) {
            let value = text(keys, key)?;
            let taken = settings.set_driver(profile, key, &value);
            overruled.note(keys, key, taken.map_err(|error| at(keys, error))?);
        }
    }
    Ok(())
}

/// A text, or a list with commas between its texts.
fn text(keys: &Section, key: &str) -> Result<String> {
    Ok(keys.get_list(key)?.unwrap_or_default().join(","))
}

fn at(keys: &Section, error: Error) -> Error {
    error.context(format_args!("in the section {}", keys.path()))
}

/// What was read, and then had no effect.
#[derive(Default)]
struct Overruled(HashMap<String, KeyState>);

impl Overruled {
    fn note(&mut self, keys: &Section, key: &str, taken: Taken) {
        let state = match taken {
            Taken::Honoured => return,
            Taken::Without(reason) => KeyState::NotHonoured(reason.to_owned()),
            Taken::Unknown => KeyState::Unknown,
        };
        self.0.insert(format!("{}.{key}", keys.path()), state);
    }

    fn applied_to(mut self, mut reports: Vec<KeyReport>) -> Vec<KeyReport> {
        for report in &mut reports {
            if let Some(state) = self.0.remove(&report.key) {
                report.state = state;
            }
        }
        reports
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use annals_cassandra::{ConsistencyLevel, Fencing};
    use annals_core::ErrorKind;
    use annals_pekko::config::{Config, StoreSections};

    use super::*;

    fn taken(text: &str) -> Result<(CassandraSettings, Vec<KeyReport>)> {
        let StoreSections::Cassandra(sections) = Config::parse(text)?.store()? else {
            panic!("it is Cassandra")
        };
        of_config(&sections)
    }

    const PLUGIN: &str = r#"
        pekko.persistence.journal.plugin = "pekko.persistence.cassandra.journal"
        pekko.persistence.snapshot-store.plugin = "pekko.persistence.cassandra.snapshot"
    "#;

    fn state<'a>(reports: &'a [KeyReport], key: &str) -> &'a KeyState {
        &reports.iter().find(|report| report.key.ends_with(key)).unwrap().state
    }

    #[test]
    fn every_key_of_the_plugin_has_an_effect_or_a_reason() {
        let (settings, reports) = taken(PLUGIN).unwrap();
        for report in &reports {
            match &report.state {
                KeyState::Honoured => {}
                KeyState::NotHonoured(reason) => {
                    assert_ne!(reason, "it has no meaning here", "{report}");
                }
                KeyState::Unknown => panic!("{report}"),
            }
            assert!(report.is_default, "{report}");
        }
        assert!(reports.len() > 100, "{}", reports.len());
        assert_eq!(settings.driver.contact_points, [DEFAULT_NODE]);
        assert_eq!(settings.consistency, ConsistencyLevel::Quorum);
        assert_eq!(settings.snapshot.consistency, ConsistencyLevel::Quorum);
        assert_eq!(settings.request_timeout, Duration::from_secs(2));
        // But for the driver's own defaults, these are the defaults of a URL.
        let mut by_url = CassandraSettings::new();
        by_url.driver = settings.driver.clone();
        by_url.request_timeout = settings.request_timeout;
        assert_eq!(settings, by_url);
    }

    #[test]
    fn a_copy_under_another_name_has_its_own_driver_and_profiles() {
        let (settings, reports) = taken(
            r#"
            pekko.persistence.journal.plugin = "my-cassandra.journal"
            pekko.persistence.snapshot-store.plugin = "my-cassandra.snapshot"
            my-cassandra = ${pekko.persistence.cassandra} {
              fencing = claims
              journal { keyspace = bank, data-center-replication-factors = ["a:3", "b:2"], typo = 1 }
              snapshot.keyspace = bank_s
              read-profile = fast, write-profile = slow
              datastax-java-driver-config = my-driver
              events-by-tag.pubsub-notification = on
              events-by-tag.compaction-strategy { class = LeveledCompactionStrategy, a = 1 }
            }
            my-driver = ${datastax-java-driver} {
              basic.contact-points = ["10.0.0.1:9042", "10.0.0.2:9042"]
              basic.load-balancing-policy.local-datacenter = a
              basic.unheard-of = 1
              advanced.auth-provider { class = PlainTextAuthProvider, username = me, password = hidden }
              advanced.ssl-engine-factory {
                cipher-suites = [TLS_AES_128_GCM_SHA256], class = DefaultSslEngineFactory
                truststore-path = /t.p12, truststore-password = hidden
              }
              profiles.fast {
                basic.request { consistency = LOCAL_QUORUM, timeout = 300 ms }
                advanced.speculative-execution-policy {
                  class = ConstantSpeculativeExecutionPolicy, max-executions = 3, delay = 20 ms
                }
              }
              profiles.slow.basic.request { consistency = LOCAL_QUORUM, serial-consistency = SERIAL }
            }
            "#,
        )
        .unwrap();
        assert_eq!(settings.fencing, Some(Fencing::Claims));
        assert_eq!(settings.journal.keyspace, "bank");
        let factors = &settings.journal.creation.data_center_replication_factors;
        assert_eq!(factors.as_slice(), [("a".to_owned(), 3), ("b".to_owned(), 2)]);
        let compaction = &settings.events_by_tag.compaction;
        let wanted = [("class", "LeveledCompactionStrategy"), ("a", "1")];
        assert_eq!(compaction.as_slice(), wanted.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(settings.driver.contact_points, ["10.0.0.1:9042", "10.0.0.2:9042"]);
        assert_eq!(settings.local_datacenter.as_deref(), Some("a"));
        assert_eq!(settings.consistency, ConsistencyLevel::LocalQuorum);
        assert_eq!(settings.snapshot.consistency, ConsistencyLevel::LocalQuorum);
        assert_eq!(settings.driver.read_timeout, Some(Duration::from_millis(300)));
        assert_eq!(settings.driver.speculative.unwrap().executions_max, 3);
        assert_eq!(settings.driver.tls.as_ref().unwrap().ciphers.len(), 1);
        let (user, password) =
            settings.credentials.as_ref().map(|c| (&*c.username, &*c.password)).unwrap();
        assert_eq!((user, password), ("me", "hidden"));

        assert_eq!(state(&reports, "my-cassandra.journal.typo"), &KeyState::Unknown);
        for key in
            ["pubsub-notification", "basic.unheard-of", "slow.basic.request.serial-consistency"]
        {
            assert!(matches!(state(&reports, key), KeyState::NotHonoured(_)), "{key}");
        }
        assert_eq!(state(&reports, "fast.basic.request.timeout"), &KeyState::Honoured);
        assert!(!format!("{settings:?}{reports:?}").contains("hidden"));
    }

    #[test]
    fn akkas_names_are_read() {
        let (settings, _) = taken(
            r#"
            akka.persistence.journal.plugin = "akka.persistence.cassandra.journal"
            akka.persistence.cassandra.events-by-tag.bucket-size = Day
            "#,
        )
        .unwrap();
        assert_eq!(settings.journal.keyspace, "akka");
        assert_eq!(settings.snapshot.keyspace, "akka_snapshot");
        assert_eq!(settings.events_by_tag.bucket_size, annals_cassandra::BucketSize::Day);
    }

    #[test]
    fn what_cannot_be_honoured_safely_is_refused() {
        for (text, kind, told) in [
            (
                "datastax-java-driver.profiles.x.basic.request.consistency = LOCAL_QUORUM
              pekko.persistence.cassandra.write-profile = x",
                ErrorKind::Invalid,
                "need not meet",
            ),
            (
                "pekko.persistence.cassandra.read-profile = none",
                ErrorKind::Invalid,
                "no such profile",
            ),
            (
                "datastax-java-driver.advanced.auth-provider.class = SigV4AuthProvider",
                ErrorKind::Unsupported,
                "SigV4AuthProvider",
            ),
            (
                "pekko.persistence.cassandra.journal.keyspace = \"a b\"",
                ErrorKind::Invalid,
                "journal.keyspace",
            ),
        ] {
            let error = taken(&format!("{PLUGIN}\n{text}")).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn a_url_reports_its_parameters_and_no_secret() {
        let url = "cassandra://a:1,b:2?journal.keyspace=k&password=hidden&read-profile=x&typo=1";
        let (builder, reports) = of_url(StoreUrl::parse(url).unwrap()).unwrap();
        assert_eq!(reports[0].state, KeyState::Honoured);
        assert!(matches!(reports[2].state, KeyState::NotHonoured(_)));
        assert_eq!(reports[3].state, KeyState::Unknown);
        assert!(!format!("{builder:?}{reports:?}").contains("hidden"));
        for place in ["cassandra:", "cassandra://", "cassandra://me@host:1"] {
            assert_eq!(
                of_url(StoreUrl::parse(place).unwrap()).unwrap_err().kind(),
                ErrorKind::Invalid
            );
        }
    }
}
