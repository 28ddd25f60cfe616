//! Settings by their names in Pekko's `reference.conf`, dots for nesting, and our own beside them: what
//! each one does here, or why it does nothing.
//!
//! Pekko has three sections. `dynamodb-journal` holds nearly everything; `dynamodb-snapshot-store` and
//! `dynamodb-read-journal` are copies of it with a key more. A store here is one, so what the sections
//! share must agree; see [`Section`].

use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use annals_pekko::ManifestNames;

use crate::settings::{Credentials, Holes, IdListing, Settings};

/// Where a setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `dynamodb-journal`: everything but what the other two have of their own.
    Journal,
    /// `dynamodb-snapshot-store`: of its own it has `snapshot-table` and `journal-name`. The server and the
    /// credentials must be the journal's; of everything else the journal's counts.
    Snapshots,
    /// `dynamodb-read-journal`: of its own it has `persistence-ids-index-name`. The rest is the journal's.
    ReadJournal,
    /// A store's URL: all of them, and ours.
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

/// How a value is put into the settings.
type Put = fn(&mut Settings, &str) -> Result<()>;

enum Effect {
    Put(Put),
    Nothing(&'static str),
}

use Effect::{Nothing, Put as Sets};

const NO_DISPATCHERS: &str =
    "annals has no dispatchers: tasks run on the tokio runtime that the store is opened on";
const ENTITY_SIDE: &str = "it is a choice of the entities' settings, not of the store";
const NTLM: &str =
    "proxies are spoken to with basic authentication, which has no domain or workstation";

/// The names, with what each one does.
const NAMES: &[(&str, Effect)] = &[
    ("endpoint", Sets(endpoint)),
    ("journal-table", Sets(|s, v| text(&mut s.journal_table, v))),
    ("journal-name", Sets(|s, v| text(&mut s.journal_name, v))),
    (SNAPSHOT_NAME, Sets(SNAPSHOT_NAME_PUT)),
    ("snapshot-table", Sets(|s, v| text(&mut s.snapshot_table, v))),
    ("sequence-shards", Sets(|s, v| parsed(&mut s.sequence_shards, v))),
    ("replay-parallelism", Sets(|s, v| parsed(&mut s.replay_parallelism, v))),
    ("persistence-ids-index-name", Sets(|s, v| text(&mut s.persistence_ids_index_name, v))),
    ("aws-access-key-id", Sets(|s, v| key(s, |id, _| v.clone_into(id)))),
    ("aws-secret-access-key", Sets(|s, v| key(s, |_, secret| v.clone_into(secret)))),
    ("aws-api-limits.max-batch-get", Sets(|s, v| parsed(&mut s.limits.max_batch_get, v))),
    ("aws-api-limits.max-batch-write", Sets(|s, v| parsed(&mut s.limits.max_batch_write, v))),
    ("aws-api-limits.max-item-size", Sets(|s, v| parsed(&mut s.limits.max_item_size, v))),
    ("log-config", Sets(|s, v| flag(&mut s.log_config, v))),
    (
        "aws-client-config.client-execution-timeout",
        Sets(|s, v| millis(&mut s.operation_timeout, v)),
    ),
    ("aws-client-config.connection-max-idle-millis", Sets(|s, v| millis(&mut s.idle_timeout, v))),
    ("aws-client-config.connection-timeout", Sets(|s, v| millis(&mut s.connect_timeout, v))),
    ("aws-client-config.max-connections", Sets(|s, v| parsed(&mut s.requests_max, v))),
    ("aws-client-config.max-error-retry", Sets(|s, v| parsed(&mut s.retry.retries_max, v))),
    ("aws-client-config.protocol", Sets(protocol)),
    ("aws-client-config.proxy-host", Sets(|s, v| text(&mut s.proxy.host, v))),
    ("aws-client-config.proxy-port", Sets(|s, v| parsed(&mut s.proxy.port, v))),
    ("aws-client-config.proxy-username", Sets(|s, v| text(&mut s.proxy.username, v))),
    ("aws-client-config.proxy-password", Sets(|s, v| text(&mut s.proxy.password, v))),
    ("aws-client-config.request-timeout", Sets(|s, v| millis(&mut s.request_timeout, v))),
    ("aws-client-config.socket-timeout", Sets(|s, v| millis(&mut s.socket_timeout, v))),
    ("aws-client-config.user-agent", Sets(|s, v| text(&mut s.user_agent, v))),
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
    ("region", Sets(|s, v| text(&mut s.region, v))),
    ("offset-table", Sets(|s, v| text(&mut s.offset_table, v))),
    ("holes", Sets(holes)),
    ("check-deletes", Sets(|s, v| flag(&mut s.check_deletes, v))),
    ("credentials", Sets(credentials)),
    ("ids", Sets(ids)),
    ("requests-max", Sets(|s, v| parsed(&mut s.requests_max, v))),
    ("poll-first", Sets(|s, v| millis(&mut s.poll_first, v))),
    ("poll-max", Sets(|s, v| millis(&mut s.poll_max, v))),
];

/// What says on which server the tables are, and who we are there.
const WHERE: &[&str] = &["endpoint", "aws-access-key-id", "aws-secret-access-key"];

/// The snapshot store's `journal-name`, in a URL.
const SNAPSHOT_NAME: &str = "snapshot-journal-name";

const SNAPSHOT_NAME_PUT: Put =
    |settings, value| text(settings.snapshot_journal_name.get_or_insert_default(), value);

impl Settings {
    /// Takes the setting `key`, which stands in `section`. The journal's section comes first.
    ///
    /// # Errors
    /// `Invalid` if the value is none of its kind; the message names the key, and no secret.
    /// `Unsupported` if the snapshot store is to be reached in another way than the journal.
    pub fn set(&mut self, section: Section, key: &str, value: &str) -> Result<Meaning> {
        let Some(effect) = effect(section, key) else { return Ok(Meaning::Unknown) };
        let put = match effect {
            Nothing(why) => return Ok(Meaning::Nothing(why)),
            Sets(put) => put,
        };
        if value.is_empty() || value == "default" {
            return Ok(Meaning::Default);
        }
        let put = match (section, key) {
            (Section::Journal, "snapshot-table" | SNAPSHOT_NAME) => return Ok(Meaning::Unknown),
            (Section::Journal | Section::Url, _) => put,
            (Section::Snapshots, "snapshot-table" | "auto-migrate-manifest") => put,
            (Section::Snapshots, "journal-name") => &SNAPSHOT_NAME_PUT,
            (Section::Snapshots, _) => return self.shared(*put, key, value),
            (Section::ReadJournal, "persistence-ids-index-name") => put,
            (Section::ReadJournal, _) => {
                return Ok(Meaning::Nothing("events are read as the journal's section says"));
            }
        };
        put(self, value).map_err(|error| error.context(format!("setting {key}")))?;
        Ok(Meaning::Taken)
    }

    /// What becomes of a setting of the snapshot store that is the journal's here.
    fn shared(&self, put: Put, key: &str, value: &str) -> Result<Meaning> {
        let mut changed = self.clone();
        put(&mut changed, value).map_err(|error| error.context(format!("setting {key}")))?;
        if changed == *self {
            return Ok(Meaning::Taken);
        }
        if !WHERE.contains(&key) {
            return Ok(Meaning::Nothing("the journal's counts for snapshots too"));
        }
        Err(Error::unsupported(format!(
            "the snapshot store's {key} differs from the journal's: a store of annals is on one server, so \
             open two"
        )))
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

fn effect(section: Section, key: &str) -> Option<&'static Effect> {
    let own = if section == Section::Url { OWN } else { &[] };
    // A name also stands for what is nested below it, where that has no meaning.
    let covers = |name: &str, effect: &Effect| {
        let below = key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        name == key || below && matches!(effect, Nothing(_))
    };
    own.iter().chain(NAMES).find(|(name, effect)| covers(name, effect)).map(|(_, effect)| effect)
}

fn text(into: &mut String, value: &str) -> Result<()> {
    value.clone_into(into);
    Ok(())
}

fn parse<T: FromStr>(value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::invalid(format!("{value:?} is not a value that it takes")))
}

fn parsed<T: FromStr>(into: &mut T, value: &str) -> Result<()> {
    *into = parse(value)?;
    Ok(())
}

/// HOCON's words for yes and no.
fn flag(into: &mut bool, value: &str) -> Result<()> {
    *into = match value {
        "on" | "true" | "yes" => true,
        "off" | "false" | "no" => false,
        _ => return Err(Error::invalid(format!("{value:?} is neither on nor off"))),
    };
    Ok(())
}

/// Milliseconds, as a number or with a unit.
fn millis(into: &mut Duration, value: &str) -> Result<()> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = parse(digits)?;
    let unit = value.get(digits.len()..).unwrap_or_default().trim();
    *into = match unit {
        "" | "ms" | "millis" | "milliseconds" => Duration::from_millis(number),
        "s" | "second" | "seconds" => Duration::from_secs(number),
        "m" | "minute" | "minutes" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(Error::invalid(format!("{value:?} is no duration: give milliseconds"))),
    };
    Ok(())
}

/// A URL, or a host with the protocol that `aws-client-config.protocol` says.
fn endpoint(settings: &mut Settings, value: &str) -> Result<()> {
    settings.endpoint = Some(value.to_owned());
    Ok(())
}

fn protocol(settings: &mut Settings, value: &str) -> Result<()> {
    settings.plain_http = match value.to_ascii_uppercase().as_str() {
        "HTTP" => true,
        "HTTPS" => false,
        _ => return Err(Error::invalid(format!("{value:?} is neither HTTP nor HTTPS"))),
    };
    Ok(())
}

fn key(settings: &mut Settings, put: impl FnOnce(&mut String, &mut String)) -> Result<()> {
    let (mut id, mut secret) = match std::mem::take(&mut settings.credentials) {
        Credentials::Static { access_key_id, secret_access_key } => {
            (access_key_id, secret_access_key)
        }
        Credentials::Chain => Default::default(),
    };
    put(&mut id, &mut secret);
    settings.credentials = Credentials::Static { access_key_id: id, secret_access_key: secret };
    Ok(())
}

fn credentials(settings: &mut Settings, value: &str) -> Result<()> {
    if value != "chain" {
        return Err(Error::invalid(format!("{value:?} is not \"chain\"")));
    }
    settings.credentials = Credentials::Chain;
    Ok(())
}

fn holes(settings: &mut Settings, value: &str) -> Result<()> {
    settings.holes = match value {
        "refuse" => Holes::Refuse,
        "skip" => Holes::Skip,
        _ => return Err(Error::invalid(format!("{value:?} is neither refuse nor skip"))),
    };
    Ok(())
}

fn ids(settings: &mut Settings, value: &str) -> Result<()> {
    settings.ids = match value {
        "auto" => IdListing::Auto,
        "scan" => IdListing::Scan,
        _ => return Err(Error::invalid(format!("{value:?} is neither auto nor scan"))),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;

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
        assert_eq!(settings.limits.max_item_size, 1000);
        assert_eq!(settings.request_timeout, Duration::from_millis(250));
        assert_eq!(settings.operation_timeout, Duration::from_secs(2));
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
    fn the_snapshot_store_has_its_table_and_name_and_shares_the_server() {
        let mut settings = Settings::default();
        taken(&mut settings, Section::Journal, "endpoint", "http://here:1");
        taken(&mut settings, Section::Journal, "journal-name", "j2");
        taken(&mut settings, Section::Snapshots, "snapshot-table", "states");
        taken(&mut settings, Section::Snapshots, "journal-name", "journal");
        taken(&mut settings, Section::Snapshots, "endpoint", "http://here:1");
        assert_eq!(settings.snapshot_table, "states");
        assert_eq!(settings.journal_name, "j2");
        assert_eq!(settings.snapshot_journal_name.as_deref(), Some("journal"));
        let other = settings.set(Section::Snapshots, "aws-api-limits.max-item-size", "7").unwrap();
        assert!(matches!(other, Meaning::Nothing(_)));
        let error = settings.set(Section::Snapshots, "endpoint", "http://there:1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
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
