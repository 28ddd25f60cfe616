//! Settings by their names in Pekko's `reference.conf`, dots for nesting, and our own beside them: what
//! each one does here, or why it does nothing.
//!
//! Pekko has three sections. `dynamodb-journal` holds nearly everything; `dynamodb-snapshot-store` has a table,
//! a journal name and a server of its own; `dynamodb-read-journal` is a copy of the journal's with a key
//! more. See [`Section`].

mod value;

use annals_core::{Error, Result};
use annals_pekko::ManifestNames;

use crate::settings::{ClientSettings, Settings};

use value::{
    bytes, credentials, endpoint, flag, holes, ids, key, millis, parse, parsed, protocol, text,
};

/// Where a setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `dynamodb-journal`: everything but what the other two have of their own.
    Journal,
    /// `dynamodb-snapshot-store`: `snapshot-table`, `journal-name`, and how the server of the snapshots is
    /// reached ([`Settings::snapshot_client`]): as the journal's, but for what is set here.
    Snapshots,
    /// `dynamodb-read-journal`: of its own it has `persistence-ids-index-name`. The rest is the journal's.
    ReadJournal,
    /// A store's URL: all of them, and ours. What begins with `snapshot.` is the snapshot store's, and comes
    /// behind the journal's.
    Url,
}

/// What a setting does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It was taken.
    Taken,
    /// It says nothing, as an empty text or `default` does.
    Default,
    /// It has no meaning here, and why.
    Nothing(&'static str),
    /// There is no such setting.
    Unknown,
}

/// What a name does.
enum Effect {
    /// It is put into the settings of the store.
    Sets(fn(&mut Settings, &str) -> Result<()>),
    /// It says how a server is reached: that of the journal, and that of the snapshots, have each its own.
    Reaches(fn(&mut ClientSettings, &str) -> Result<()>),
    Nothing(&'static str),
}

use Effect::{Nothing, Reaches, Sets};

const NO_DISPATCHERS: &str =
    "annals has no dispatchers: tasks run on the tokio runtime that the store is opened on";
const ENTITY_SIDE: &str = "it is a choice of the entities' settings, not of the store";
const NTLM: &str =
    "proxies are spoken to with basic authentication, which has no domain or workstation";

/// The names, with what each one does.
const NAMES: &[(&str, Effect)] = &[
    ("endpoint", Reaches(endpoint)),
    ("journal-table", Sets(|s, v| text(&mut s.journal_table, v))),
    ("journal-name", Sets(|s, v| text(&mut s.journal_name, v))),
    (SNAPSHOT_NAME, Sets(snapshot_name)),
    ("snapshot-table", Sets(|s, v| text(&mut s.snapshot_table, v))),
    ("sequence-shards", Sets(|s, v| parsed(&mut s.sequence_shards, v))),
    ("replay-parallelism", Sets(|s, v| parsed(&mut s.replay_parallelism, v))),
    ("persistence-ids-index-name", Sets(|s, v| text(&mut s.persistence_ids_index_name, v))),
    ("aws-access-key-id", Reaches(|c, v| key(c, |id, _| v.clone_into(id)))),
    ("aws-secret-access-key", Reaches(|c, v| key(c, |_, secret| v.clone_into(secret)))),
    ("aws-api-limits.max-batch-get", Reaches(|c, v| parsed(&mut c.limits.max_batch_get, v))),
    ("aws-api-limits.max-batch-write", Reaches(|c, v| parsed(&mut c.limits.max_batch_write, v))),
    ("aws-api-limits.max-item-size", Reaches(|c, v| bytes(&mut c.limits.max_item_size, v))),
    ("log-config", Sets(|s, v| flag(&mut s.log_config, v))),
    (
        "aws-client-config.client-execution-timeout",
        Reaches(|c, v| millis(&mut c.operation_timeout, v)),
    ),
    (
        "aws-client-config.connection-max-idle-millis",
        Reaches(|c, v| millis(&mut c.idle_timeout, v)),
    ),
    ("aws-client-config.connection-timeout", Reaches(|c, v| millis(&mut c.connect_timeout, v))),
    ("aws-client-config.max-connections", Reaches(|c, v| parsed(&mut c.requests_max, v))),
    ("aws-client-config.max-error-retry", Reaches(|c, v| parsed(&mut c.retry.retries_max, v))),
    ("aws-client-config.protocol", Reaches(protocol)),
    ("aws-client-config.proxy-host", Reaches(|c, v| text(&mut c.proxy.host, v))),
    ("aws-client-config.proxy-port", Reaches(|c, v| parsed(&mut c.proxy.port, v))),
    ("aws-client-config.proxy-username", Reaches(|c, v| text(&mut c.proxy.username, v))),
    ("aws-client-config.proxy-password", Reaches(|c, v| text(&mut c.proxy.password, v))),
    ("aws-client-config.request-timeout", Reaches(|c, v| millis(&mut c.request_timeout, v))),
    ("aws-client-config.socket-timeout", Reaches(|c, v| millis(&mut c.socket_timeout, v))),
    ("aws-client-config.user-agent", Reaches(|c, v| text(&mut c.user_agent, v))),
    (
        "aws-client-config.connection-ttl",
        Nothing(
            "connections are closed when they are idle (connection-max-idle-millis), at no fixed age",
        ),
    ),
    (
        "aws-client-config.local-address",
        Nothing("the operating system chooses the address that connections come from"),
    ),
    (
        "aws-client-config.preemptive-basic-proxy-auth",
        Nothing("a proxy gets its user and password with the first request, always"),
    ),
    ("aws-client-config.proxy-domain", Nothing(NTLM)),
    ("aws-client-config.proxy-workstation", Nothing(NTLM)),
    (
        "aws-client-config.response-metadata-cache-size",
        Nothing("the metadata of replies is not kept"),
    ),
    (
        "aws-client-config.signer-override",
        Nothing("requests are signed with version 4, the only one that DynamoDB takes"),
    ),
    (
        "aws-client-config.socket-buffer-size-hints",
        Nothing("the operating system sizes the buffers of connections"),
    ),
    (
        "aws-client-config.use-expect-continue",
        Nothing("requests are small and sent at once, without asking first"),
    ),
    (
        "aws-client-config.use-gzip",
        Nothing(
            "requests and replies are not compressed (Pekko's plugin sets expect-continue by this)",
        ),
    ),
    ("aws-client-config.use-reaper", Nothing("idle connections are always closed")),
    (
        "aws-client-config.use-tcp-keepalive",
        Nothing("idle connections are closed before keep-alives would matter"),
    ),
    ("fixes.high-distrust", Nothing("it is always on: a high mark alone is never trusted")),
    (
        "tracing",
        Nothing(
            "requests are always traced, at the level debug: a subscriber chooses what it records",
        ),
    ),
    ("class", Nothing("it names the JVM's plugin")),
    ("dispatcher", Nothing(NO_DISPATCHERS)),
    ("client-dispatcher", Nothing(NO_DISPATCHERS)),
    ("plugin-dispatcher", Nothing(NO_DISPATCHERS)),
    ("replay-dispatcher", Nothing(NO_DISPATCHERS)),
    (
        "event-adapters",
        Nothing("JVM classes: register serializers and adapters with the entities instead"),
    ),
    (
        "event-adapter-bindings",
        Nothing("JVM classes: register serializers and adapters with the entities instead"),
    ),
    (
        "circuit-breaker",
        Nothing(
            "requests are retried with back-off and limited by throttling; callers get each error",
        ),
    ),
    ("replay-filter", Nothing("a second writer is refused, so there is nothing to filter")),
    ("recovery-event-timeout", Nothing(ENTITY_SIDE)),
    ("snapshot-is-optional", Nothing(ENTITY_SIDE)),
    ("only-one-snapshot", Nothing(ENTITY_SIDE)),
    (
        "auto-migrate-manifest",
        Sets(|s, v| parse(v).map(|names: ManifestNames| s.manifest_names = names)),
    ),
];

/// Ours, at top level of a URL.
const OWN: &[(&str, Effect)] = &[
    ("region", Reaches(|c, v| text(&mut c.region, v))),
    ("offset-table", Sets(|s, v| text(&mut s.offset_table, v))),
    ("holes", Sets(holes)),
    ("check-deletes", Sets(|s, v| flag(&mut s.check_deletes, v))),
    ("credentials", Reaches(credentials)),
    ("ids", Sets(ids)),
    ("requests-max", Reaches(|c, v| parsed(&mut c.requests_max, v))),
    ("poll-first", Sets(|s, v| millis(&mut s.poll_first, v))),
    ("poll-max", Sets(|s, v| millis(&mut s.poll_max, v))),
];

/// What a setting of the snapshot store begins with, in a URL.
const OF_SNAPSHOTS: &str = "snapshot.";

/// The snapshot store's `journal-name`, in a URL.
const SNAPSHOT_NAME: &str = "snapshot-journal-name";

fn snapshot_name(settings: &mut Settings, value: &str) -> Result<()> {
    text(settings.snapshot_journal_name.get_or_insert_default(), value)
}

impl Settings {
    /// Takes the setting `key`, which stands in `section`. The journal's section comes first.
    ///
    /// # Errors
    /// `Invalid` if the value is none of its kind; the message names the key, and no secret.
    pub fn set(&mut self, section: Section, key: &str, value: &str) -> Result<Meaning> {
        let (section, key, own) = match (section, key.strip_prefix(OF_SNAPSHOTS)) {
            (Section::Url, Some(key)) => (Section::Snapshots, key, OWN),
            (Section::Url, None) => (section, key, OWN),
            _ => (section, key, [].as_slice()),
        };
        let Some(effect) = effect(own, key) else { return Ok(Meaning::Unknown) };
        let put = match (section, effect, key) {
            (_, Nothing(why), _) => return Ok(Meaning::Nothing(why)),
            _ if value.is_empty() || value == "default" => return Ok(Meaning::Default),
            (Section::Journal, _, "snapshot-table" | SNAPSHOT_NAME) => return Ok(Meaning::Unknown),
            (Section::Snapshots, _, "journal-name") => snapshot_name(self, value),
            (Section::Journal | Section::Url, Reaches(put), _) => put(&mut self.client, value),
            (Section::Journal | Section::Url, Sets(put), _)
            | (Section::Snapshots, Sets(put), "snapshot-table" | "auto-migrate-manifest")
            | (Section::ReadJournal, Sets(put), "persistence-ids-index-name") => put(self, value),
            (Section::Snapshots, ..) => return self.set_of_snapshots(effect, key, value),
            (Section::ReadJournal, ..) => {
                return Ok(Meaning::Nothing("events are read as the journal's section says"));
            }
        };
        put.map_err(|error| error.context(format!("setting {key}")))?;
        Ok(Meaning::Taken)
    }

    /// Takes how the server of the snapshots is reached. Of everything else the journal's section counts.
    fn set_of_snapshots(&mut self, effect: &Effect, key: &str, value: &str) -> Result<Meaning> {
        let context = |error: Error| error.context(format!("setting {key} of the snapshots"));
        match effect {
            Reaches(put) => {
                let mut client = self.snapshots().clone();
                put(&mut client, value).map_err(context)?;
                if client != *self.snapshots() {
                    self.snapshot_client = Some(client);
                }
            }
            Sets(put) => {
                let mut changed = self.clone();
                put(&mut changed, value).map_err(context)?;
                if changed != *self {
                    return Ok(Meaning::Nothing("it is a setting of the journal, which counts"));
                }
            }
            Nothing(why) => return Ok(Meaning::Nothing(why)),
        }
        Ok(Meaning::Taken)
    }

    /// The names of all settings that a URL takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OWN.iter().chain(NAMES).map(|(name, _)| *name)
    }
}

/// Whether the value of `key` must not be shown.
pub fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    ["secret", "password", "access-key-id", "token"].iter().any(|word| last.contains(word))
}

fn effect(own: &'static [(&str, Effect)], key: &str) -> Option<&'static Effect> {
    // A name also stands for what is nested below it, where that has no meaning.
    let covers = |name: &str, effect: &Effect| {
        let below = key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        name == key || below && matches!(effect, Nothing(_))
    };
    own.iter().chain(NAMES).find(|(name, effect)| covers(name, effect)).map(|(_, effect)| effect)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use annals_core::ErrorKind;

    use super::*;
    use crate::settings::{Credentials, Holes, IdListing};

    fn taken(settings: &mut Settings, section: Section, key: &str, value: &str) {
        assert_eq!(settings.set(section, key, value).unwrap(), Meaning::Taken, "{key}");
    }

    #[test]
    fn settings_are_taken_by_their_names() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("journal-table", "events"),
            ("sequence-shards", "3"),
            ("aws-api-limits.max-item-size", "1000"),
            ("aws-client-config.request-timeout", "250"),
            ("aws-client-config.client-execution-timeout", "2 seconds"),
            ("aws-client-config.proxy-port", "3128"),
            ("aws-access-key-id", "id"),
            ("aws-secret-access-key", "secret"),
            ("region", "eu-west-1"),
            ("holes", "skip"),
            ("check-deletes", "on"),
            ("ids", "scan"),
        ] {
            taken(&mut settings, Section::Url, key, value);
        }
        assert_eq!((settings.journal_table.as_str(), settings.sequence_shards), ("events", 3));
        assert_eq!(settings.client.limits.max_item_size, 1000);
        assert_eq!(settings.client.request_timeout, Duration::from_millis(250));
        assert_eq!(settings.client.operation_timeout, Duration::from_secs(2));
        assert_eq!((settings.holes, settings.ids), (Holes::Skip, IdListing::Scan));
        assert!(settings.check_deletes);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_has_no_meaning_says_why() {
        let mut settings = Settings::default();
        for key in [
            "dispatcher.fork-join-executor.parallelism-max",
            "circuit-breaker.max-failures",
            "fixes.high-distrust",
            "aws-client-config.use-gzip",
            "event-adapters.a",
            "tracing",
        ] {
            let meaning = settings.set(Section::Journal, key, "x").unwrap();
            assert!(matches!(meaning, Meaning::Nothing(_)), "{key}: {meaning:?}");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn an_unknown_name_is_unknown_in_its_section() {
        let mut settings = Settings::default();
        for (section, key) in [
            (Section::Url, "jurnal-table"),
            (Section::Journal, "region"),
            (Section::Journal, "snapshot-table"),
            (Section::Journal, "aws-client-config"),
            (Section::Url, "endpoint.x"),
        ] {
            assert_eq!(settings.set(section, key, "x").unwrap(), Meaning::Unknown, "{key}");
        }
    }

    #[test]
    fn a_default_changes_nothing() {
        let mut settings = Settings::default();
        for key in ["endpoint", "aws-client-config.proxy-port", "aws-access-key-id"] {
            for value in ["", "default"] {
                assert_eq!(settings.set(Section::Journal, key, value).unwrap(), Meaning::Default);
            }
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn a_value_of_another_kind_is_invalid_and_no_secret_is_told() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("sequence-shards", "-1"),
            ("replay-parallelism", "many"),
            ("log-config", "maybe"),
            ("aws-client-config.request-timeout", "5 fortnights"),
            ("auto-migrate-manifest", "x"),
        ] {
            let error = settings.set(Section::Url, key, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(key), "{error}");
        }
    }

    #[test]
    fn the_snapshot_store_has_its_table_and_name_and_may_have_its_server() {
        let mut settings = Settings::default();
        taken(&mut settings, Section::Journal, "endpoint", "http://here:1");
        taken(&mut settings, Section::Journal, "journal-name", "j2");
        taken(&mut settings, Section::Snapshots, "snapshot-table", "states");
        taken(&mut settings, Section::Snapshots, "journal-name", "journal");
        taken(&mut settings, Section::Snapshots, "endpoint", "http://here:1");
        assert_eq!(settings.snapshot_table, "states");
        assert_eq!(settings.journal_name, "j2");
        assert_eq!(settings.snapshot_journal_name.as_deref(), Some("journal"));
        assert_eq!(settings.snapshot_client, None, "it says what the journal's says");
        for (key, value) in [
            ("endpoint", "http://there:1"),
            ("aws-api-limits.max-item-size", "7"),
            ("aws-access-key-id", "other"),
            ("aws-secret-access-key", "hidden"),
            ("aws-client-config.request-timeout", "250"),
        ] {
            taken(&mut settings, Section::Snapshots, key, value);
        }
        let snapshots = settings.snapshots();
        assert_eq!(snapshots.endpoint.as_deref(), Some("http://there:1"));
        assert_eq!(snapshots.limits.max_item_size, 7);
        assert_eq!(snapshots.request_timeout, Duration::from_millis(250));
        assert!(matches!(snapshots.credentials, Credentials::Static { .. }));
        assert_eq!(settings.client.endpoint.as_deref(), Some("http://here:1"));
        assert_eq!(settings.client.limits, Settings::default().client.limits);
        assert_eq!(settings.client.credentials, Credentials::Chain);
        assert!(!format!("{settings:?}").contains("hidden"));
        let other = settings.set(Section::Snapshots, "sequence-shards", "3").unwrap();
        assert!(matches!(other, Meaning::Nothing(_)));
        assert_eq!(settings.sequence_shards, 10);
    }

    #[test]
    fn a_url_names_the_server_of_the_snapshots_too() {
        let mut settings = Settings::default();
        taken(&mut settings, Section::Url, "region", "eu-west-1");
        taken(&mut settings, Section::Url, "snapshot.region", "eu-west-2");
        taken(&mut settings, Section::Url, "snapshot.snapshot-table", "states");
        assert_eq!(settings.client.region, "eu-west-1");
        assert_eq!(settings.snapshots().region, "eu-west-2");
        assert_eq!(settings.snapshot_table, "states");
        let unknown = settings.set(Section::Url, "snapshot.regoin", "x").unwrap();
        assert_eq!(unknown, Meaning::Unknown);
        let error = settings.set(Section::Url, "snapshot.aws-client-config.proxy-port", "x");
        assert!(error.unwrap_err().message().contains("of the snapshots"));
    }

    #[test]
    fn the_read_journal_has_its_index() {
        let mut settings = Settings::default();
        taken(&mut settings, Section::ReadJournal, "persistence-ids-index-name", "by-num");
        let other = settings.set(Section::ReadJournal, "journal-table", "other").unwrap();
        assert!(matches!(other, Meaning::Nothing(_)));
        assert_eq!(settings.persistence_ids_index_name, "by-num");
        assert_eq!(settings.journal_table, Settings::default().journal_table);
    }

    #[test]
    fn secrets_are_told_by_their_names() {
        for key in
            ["aws-access-key-id", "aws-secret-access-key", "aws-client-config.proxy-password"]
        {
            assert!(is_secret(key), "{key}");
        }
        for key in ["journal-table", "aws-client-config.proxy-username"] {
            assert!(!is_secret(key), "{key}");
        }
    }
}
