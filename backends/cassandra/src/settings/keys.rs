//! The keys of `pekko.persistence.cassandra`, one by one: taken, or reported with the reason.

use std::num::NonZeroUsize;
use std::time::Duration;

use annals_core::Result;

use super::parse::{
    boolean, bucket_size, data_centres, duration, first_time_bucket, name, number, refused,
};
use super::{
    AfterJvm, CassandraSettings, Compression, ConsistencyLevel, CreationSettings, Credentials,
    Fencing, Flavour, TagWriters, TlsSettings,
};
use crate::partition::PartitionSize;
use crate::replay_filter::ReplayFilterMode;

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It has its effect.
    Honoured,
    /// It is known and has no effect; why.
    Without(&'static str),
    /// There is no such key.
    Unknown,
}

pub(super) fn set(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<Taken> {
    let taken = match key.split_once('.') {
        None => top(settings, key, value)?,
        Some(("journal", rest)) => journal(settings, key, rest, value)?,
        Some(("events-by-tag", rest)) => events_by_tag(settings, key, rest, value)?,
        Some(("query", rest)) => query(settings, key, rest, value)?,
        Some(("snapshot", rest)) => snapshot(settings, key, rest, value)?,
        Some(_) => false,
    };
    if taken {
        return Ok(Taken::Honoured);
    }
    Ok(without(key).map_or(Taken::Unknown, Taken::Without))
}

fn top(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<bool> {
    match key {
        "flavour" => settings.flavour = Flavour::of_name(value)?,
        "fencing" => settings.fencing = Some(Fencing::of_name(value)?),
        "consistency" => settings.consistency = consistency(key, value)?,
        "local-datacenter" => settings.local_datacenter = Some(value.to_owned()),
        "local-rack" => settings.local_rack = Some(value.to_owned()),
        "username" => credentials(settings).username = value.to_owned(),
        "password" => credentials(settings).password = value.to_owned(),
        "request-timeout" => settings.request_timeout = duration(key, value)?,
        "group-writes" => settings.group_writes = boolean(key, value)?,
        "append-bytes-max" => settings.append_bytes_max = number(key, value)?,
        "tag-writers" => {
            settings.tag_writers = match value {
                "any" => TagWriters::Any,
                "own" => TagWriters::Own,
                _ => return Err(refused(key, value, "any or own")),
            }
        }
        "after-jvm" => {
            settings.after_jvm = match value {
                "all" => AfterJvm::All,
                "quorum" => AfterJvm::Quorum,
                _ => return Err(refused(key, value, "all or quorum")),
            }
        }
        _ => return connections(settings, key, value),
    }
    Ok(true)
}

fn connections(settings: &mut CassandraSettings, key: &str, value: &str) -> Result<bool> {
    let driver = &mut settings.driver;
    match key {
        "connect-timeout" => driver.connect_timeout = duration(key, value)?,
        "connections-per-node" => {
            driver.connections_per_node = number::<NonZeroUsize>(key, value)?.get();
        }
        "reconnect-on-init" => driver.reconnect_on_init = boolean(key, value)?,
        "reconnect-first" => driver.reconnect_first = duration(key, value)?,
        "reconnect-max" => driver.reconnect_max = duration(key, value)?,
        "heartbeat-interval" => driver.heartbeat_interval = duration(key, value)?,
        "heartbeat-timeout" => driver.heartbeat_timeout = duration(key, value)?,
        "tcp-no-delay" => driver.tcp_no_delay = boolean(key, value)?,
        "compression" => {
            driver.compression = match value {
                "lz4" => Some(Compression::Lz4),
                "snappy" => Some(Compression::Snappy),
                "none" => None,
                _ => return Err(refused(key, value, "lz4, snappy or none")),
            }
        }
        "datacenter-failover" => driver.datacenter_failover = boolean(key, value)?,
        "read-timeout" => driver.read_timeout = Some(duration(key, value)?),
        "write-timeout" => driver.write_timeout = Some(duration(key, value)?),
        "speculative-executions" => {
            let executions = number::<NonZeroUsize>(key, value)?.get();
            driver.speculative.get_or_insert_default().executions_max = executions;
        }
        "speculative-delay" => {
            driver.speculative.get_or_insert_default().delay = duration(key, value)?;
        }
        "tls" => {
            let files = driver.tls.take().unwrap_or_default();
            driver.tls = boolean(key, value)?.then_some(files);
        }
        _ => match key.strip_prefix("tls-") {
            Some(rest) => return tls(driver.tls.get_or_insert_default(), key, rest, value),
            None => return Ok(false),
        },
    }
    Ok(true)
}

fn tls(tls: &mut TlsSettings, key: &str, rest: &str, value: &str) -> Result<bool> {
    match rest {
        "ca-file" => tls.ca_file = Some(value.into()),
        "certificate-file" => tls.certificate_file = Some(value.into()),
        "key-file" => tls.key_file = Some(value.into()),
        "check-host" => tls.check_host = boolean(key, value)?,
        "ciphers" => tls.ciphers = value.split(',').map(str::to_owned).collect(),
        _ => return Ok(false),
    }
    Ok(true)
}

pub(super) fn credentials(settings: &mut CassandraSettings) -> &mut Credentials {
    let empty = || Credentials { username: String::new(), password: String::new() };
    settings.credentials.get_or_insert_with(empty)
}

fn journal(settings: &mut CassandraSettings, key: &str, rest: &str, value: &str) -> Result<bool> {
    let journal = &mut settings.journal;
    match rest {
        "keyspace" => journal.keyspace = name(key, value)?,
        "table" => journal.table = name(key, value)?,
        "metadata-table" => journal.metadata_table = name(key, value)?,
        "all-persistence-ids-table" => journal.all_persistence_ids_table = name(key, value)?,
        "target-partition-size" => {
            journal.target_partition_size = PartitionSize::new(number(key, value)?)?;
        }
        "max-concurrent-deletes" => journal.max_concurrent_deletes = number(key, value)?,
        "support-deletes" => journal.support_deletes = boolean(key, value)?,
        "support-all-persistence-ids" => {
            journal.support_all_persistence_ids = boolean(key, value)?;
        }
        "replay-filter.mode" => {
            journal.replay_filter.mode = ReplayFilterMode::of_name(value)?;
        }
        "replay-filter.window-size" => journal.replay_filter.window_size = number(key, value)?,
        "replay-filter.max-old-writers" => {
            journal.replay_filter.max_old_writers = number(key, value)?;
        }
        _ => return creation(&mut journal.creation, key, rest, value),
    }
    Ok(true)
}

fn creation(creation: &mut CreationSettings, key: &str, rest: &str, value: &str) -> Result<bool> {
    match rest {
        "keyspace-autocreate" => creation.keyspace_autocreate = boolean(key, value)?,
        "tables-autocreate" => creation.tables_autocreate = boolean(key, value)?,
        "replication-strategy" => creation.replication_strategy = name(key, value)?,
        "replication-factor" => creation.replication_factor = number(key, value)?,
        "data-center-replication-factors" => {
            creation.data_center_replication_factors = data_centres(key, value)?;
        }
        "gc-grace-seconds" => creation.gc_grace_seconds = number(key, value)?,
        // A list as HOCON also takes it: each entry under its index.
        _ if rest.starts_with("data-center-replication-factors.") => {
            creation.data_center_replication_factors.extend(data_centres(key, value)?);
        }
        _ => match rest.strip_prefix("table-compaction-strategy.") {
            Some(option) => compaction(&mut creation.compaction, key, option, value)?,
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// Sets an option of a compaction; its class is the option `class`, which replaces all others.
fn compaction(
    options: &mut Vec<(String, String)>,
    key: &str,
    option: &str,
    value: &str,
) -> Result<()> {
    let option = name(key, option)?;
    if value.contains('\'') {
        return Err(refused(key, value, "an option of a compaction strategy"));
    }
    if option == "class" {
        let same = options.iter().any(|(known, class)| known == "class" && class == value);
        if !same {
            options.clear();
        }
    }
    match options.iter_mut().find(|(known, _)| *known == option) {
        Some((_, known)) => value.clone_into(known),
        None => options.push((option, value.to_owned())),
    }
    Ok(())
}

fn events_by_tag(
    settings: &mut CassandraSettings,
    key: &str,
    rest: &str,
    value: &str,
) -> Result<bool> {
    let tags = &mut settings.events_by_tag;
    match rest {
        "enabled" => tags.enabled = boolean(key, value)?,
        "table" => tags.table = name(key, value)?,
        "bucket-size" => tags.bucket_size = bucket_size(key, value)?,
        "first-time-bucket" => tags.first_time_bucket_millis = first_time_bucket(key, value)?,
        "max-message-batch-size" => tags.max_message_batch_size = number(key, value)?,
        "tag-write-timeout" => tags.tag_write_timeout = duration(key, value)?,
        "scanning-flush-interval" => tags.scanning_flush_interval = duration(key, value)?,
        "eventual-consistency-delay" => tags.eventual_consistency_delay = duration(key, value)?,
        "gap-timeout" => tags.gap_timeout = duration(key, value)?,
        "max-missing-to-search" => tags.max_missing_to_search = number(key, value)?,
        "time-to-live" => tags.time_to_live = Some(duration(key, value)?),
        "gc-grace-seconds" => tags.gc_grace_seconds = number(key, value)?,
        "back-track.interval" => tags.back_track.interval = unless("off", key, value)?,
        "back-track.period" => tags.back_track.period = unless("max", key, value)?,
        "back-track.long-interval" => tags.back_track.long_interval = unless("off", key, value)?,
        "back-track.long-period" => tags.back_track.long_period = unless("max", key, value)?,
        _ => match rest.strip_prefix("compaction-strategy.") {
            Some(option) => compaction(&mut tags.compaction, key, option, value)?,
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// A duration, or none where `word` stands.
fn unless(word: &str, key: &str, value: &str) -> Result<Option<Duration>> {
    if value == word || word == "off" && value == "false" {
        return Ok(None);
    }
    duration(key, value).map(Some)
}

fn query(settings: &mut CassandraSettings, key: &str, rest: &str, value: &str) -> Result<bool> {
    let query = &mut settings.query;
    match rest {
        "refresh-interval" => query.refresh_interval = duration(key, value)?,
        "events-by-persistence-id-gap-timeout" => query.gap_timeout = duration(key, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn snapshot(settings: &mut CassandraSettings, key: &str, rest: &str, value: &str) -> Result<bool> {
    let snapshot = &mut settings.snapshot;
    match rest {
        "keyspace" => snapshot.keyspace = name(key, value)?,
        "table" => snapshot.table = name(key, value)?,
        "consistency" => snapshot.consistency = consistency(key, value)?,
        _ => return creation(&mut snapshot.creation, key, rest, value),
    }
    Ok(true)
}

fn consistency(key: &str, value: &str) -> Result<ConsistencyLevel> {
    match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "quorum" => Ok(ConsistencyLevel::Quorum),
        "local-quorum" => Ok(ConsistencyLevel::LocalQuorum),
        "one" if key.starts_with("snapshot.") => Ok(ConsistencyLevel::One),
        _ => Err(refused(key, value, "quorum or local-quorum")),
    }
}

/// Why a key of the plugin has no effect here.
pub(super) fn without(key: &str) -> Option<&'static str> {
    const PROFILE: &str = "a URL names no profiles of the Java driver: set `consistency`, \
                           `read-timeout` and `write-timeout`";
    const ONE_PROFILE: &str = "events are read in the profile that `read-profile` names";
    const JVM: &str = "it configures the actors and threads of the JVM";
    const UNUSED: &str = "the plugin reads it and does nothing with it either";
    const ENTITY: &str = "a choice of the entities' settings";
    const TOOL: &str =
        "the command says it: `annals cleanup` tells what it would do, unless --yes is given";
    const OWN_SECTION: &str = "the tools work on the store that the journal's section describes";
    let reason = match key {
        "read-profile" | "write-profile" | "snapshot.read-profile" | "snapshot.write-profile" => {
            PROFILE
        }
        "query.read-profile" | "reconciler.read-profile" => ONE_PROFILE,
        "reconciler.write-profile" => {
            "events are written in the profile that `write-profile` names"
        }
        "session-provider"
        | "session-dispatcher"
        | "journal.class"
        | "journal.plugin-dispatcher"
        | "journal.replay-dispatcher"
        | "query.class"
        | "query.plugin-dispatcher"
        | "snapshot.class"
        | "snapshot.plugin-dispatcher" => JVM,
        "coordinated-shutdown-on-error" => "there is no actor system to shut down",
        "cleanup.plugin-location"
        | "reconciler.plugin-location"
        | "healthcheck.plugin-location" => OWN_SECTION,
        "service-discovery.name" | "service-discovery.lookup-timeout" => {
            "nodes are named by the store's URL, or by `basic.contact-points`"
        }
        "datastax-java-driver-config" => {
            "it names the section of the driver, which is read as it says"
        }
        "meta-in-events-by-tag-view"
        | "query.max-buffer-size"
        | "events-by-tag.max-buffer-size" => UNUSED,
        "compatibility.cosmosdb" => "Azure Cosmos DB is not supported",
        "journal.max-message-batch-size" | "journal.replay-batch-size" => {
            "an append is one batch and a replay is read in pages, with limits of their own"
        }
        "journal.recovery-event-timeout" => {
            "requests have deadlines, and a recovery is as long as its history"
        }
        "journal.write-response-global-order" => "replies of one entity are in order by themselves",
        "journal.replay-filter.debug" => {
            "what the filter leaves out is always logged, as a warning"
        }
        "query.gap-free-sequence-numbers" => "a hole is never skipped",
        "query.deserialization-parallelism" => "payloads are decoded by their readers",
        "snapshot.max-load-attempts" => "the entity's recovery has `load_attempts`",
        "snapshot.snapshot-is-optional" | "snapshot.only-one-snapshot" => ENTITY,
        "cleanup.dry-run" | "cleanup.operation-timeout" | "cleanup.log-progress-every" => TOOL,
        "healthcheck.timeout" => "`annals health` has --deadline",
        "healthcheck.health-check-cql" => "`annals health` reads an id and its history",
        _ => return without_of_tags(key).or_else(|| without_below(key)),
    };
    Some(reason)
}

/// Why a key of `events-by-tag` has no effect here.
fn without_of_tags(key: &str) -> Option<&'static str> {
    let reason = match key {
        "events-by-tag.flush-interval" | "events-by-tag.stop-tag-writer-when-idle" => {
            "tag rows are written with their append, by no writer of their own"
        }
        "events-by-tag.pubsub-notification" => "there is no Pekko cluster to notify",
        "events-by-tag.new-persistence-id-scan-timeout" => {
            "the first events of an entity are always searched, never accepted without"
        }
        "events-by-tag.offset-scanning-period" => {
            "counters before an offset are read when they are needed"
        }
        "events-by-tag.verbose-debug-logging" => "a subscriber chooses what is logged",
        "events-by-tag.cleanup-old-persistence-ids" => {
            "what a reader remembers is bounded by itself"
        }
        _ => return None,
    };
    Some(reason)
}

/// Why a whole section has no effect.
fn without_below(key: &str) -> Option<&'static str> {
    const SECTIONS: [(&str, &str); 7] = [
        ("default-dispatcher.", "thread pools are those of the runtime"),
        ("events-by-tag.retries.", "reads are retried by their readers"),
        ("journal.circuit-breaker.", "errors are returned at once, and retried where that is safe"),
        (
            "snapshot.circuit-breaker.",
            "errors are returned at once, and retried where that is safe",
        ),
        ("journal.event-adapters", "JVM classes: register adapters with the entities instead"),
        (
            "journal.event-adapter-bindings",
            "JVM classes: register adapters with the entities instead",
        ),
        ("query.event-adapters", "JVM classes: register adapters with the entities instead"),
    ];
    SECTIONS.iter().find(|(section, _)| key.starts_with(section)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_honoured_reported_or_unknown() {
        let mut settings = CassandraSettings::default();
        let mut set = |key, value| settings.set(key, value).unwrap();
        assert_eq!(set("journal.keyspace", "ks"), Taken::Honoured);
        assert_eq!(set("journal.target-partition-size", "40"), Taken::Honoured);
        assert_eq!(set("events-by-tag.bucket-size", "minute"), Taken::Honoured);
        assert_eq!(set("snapshot.consistency", "ONE"), Taken::Honoured);
        assert_eq!(set("fencing", "off"), Taken::Honoured);
        assert_eq!(set("username", "u"), Taken::Honoured);
        assert_eq!(set("password", "secret"), Taken::Honoured);
        assert_eq!(set("journal.table-compaction-strategy.class", "X"), Taken::Honoured);
        assert!(matches!(set("read-profile", "x"), Taken::Without(_)));
        assert_eq!(set("journal.keyspaces", "x"), Taken::Unknown);
        assert_eq!(settings.journal.keyspace, "ks");
        assert_eq!(settings.journal.target_partition_size.get(), 40);
        assert_eq!(settings.journal.creation.compaction, [("class".to_owned(), "X".to_owned())]);
        assert!(!format!("{settings:?}").contains("secret"));
        assert!(settings.set("consistency", "one").is_err());
    }
}
