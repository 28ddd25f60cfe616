//! The keys of `pekko.persistence.cassandra`, one by one: taken, or reported with the reason.

use annals_core::Result;

use super::parse::{
    boolean, bucket_size, data_centres, duration, first_time_bucket, name, number, refused,
};
use super::{
    CassandraSettings, ConsistencyLevel, CreationSettings, Credentials, Fencing, TagWriters,
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
    let credentials = |settings: &CassandraSettings| {
        let empty = Credentials { username: String::new(), password: String::new() };
        settings.credentials.clone().unwrap_or(empty)
    };
    match key {
        "fencing" => settings.fencing = Some(Fencing::of_name(value)?),
        "consistency" => settings.consistency = consistency(key, value)?,
        "local-datacenter" => settings.local_datacenter = Some(value.to_owned()),
        "local-rack" => settings.local_rack = Some(value.to_owned()),
        "username" => {
            let username = value.to_owned();
            settings.credentials = Some(Credentials { username, ..credentials(settings) });
        }
        "password" => {
            let password = value.to_owned();
            settings.credentials = Some(Credentials { password, ..credentials(settings) });
        }
        "request-timeout" => settings.request_timeout = duration(key, value)?,
        "append-bytes-max" => settings.append_bytes_max = number(key, value)?,
        "tag-writers" => {
            settings.tag_writers = match value {
                "any" => TagWriters::Any,
                "own" => TagWriters::Own,
                _ => return Err(refused(key, value, "any or own")),
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
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
    options.retain(|(known, _)| *known != option);
    options.push((option, value.to_owned()));
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
        _ => match rest.strip_prefix("compaction-strategy.") {
            Some(option) => compaction(&mut tags.compaction, key, option, value)?,
            None => return Ok(false),
        },
    }
    Ok(true)
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
fn without(key: &str) -> Option<&'static str> {
    const PROFILE: &str = "profiles of the Java driver: set `consistency` instead";
    const ACTORS: &str = "it configures the actors and threads of the JVM";
    const UNUSED: &str = "the plugin reads it and does nothing with it either";
    const ONE_ROW: &str = "an append is one batch; its limits are those of the capabilities";
    const BACK_TRACK: &str = "what a reader looks back for is decided by the gaps it sees";
    const TOOL: &str = "it configures a tool, whose options say it here";
    const PER_QUERY: &str = "the pages of this store need no such pause";
    let reason = match key {
        "read-profile"
        | "write-profile"
        | "query.read-profile"
        | "snapshot.read-profile"
        | "snapshot.write-profile"
        | "reconciler.read-profile"
        | "reconciler.write-profile" => PROFILE,
        "session-provider"
        | "session-dispatcher"
        | "default-dispatcher"
        | "coordinated-shutdown-on-error"
        | "cleanup.plugin-location"
        | "reconciler.plugin-location"
        | "healthcheck.plugin-location" => ACTORS,
        "service-discovery.name" | "service-discovery.lookup-timeout" => {
            "nodes are named by the store's URL"
        }
        "datastax-java-driver-config" => "it names a section of the Java driver",
        "meta-in-events-by-tag-view" | "query.max-buffer-size" => UNUSED,
        "compatibility.cosmosdb" => "Azure Cosmos DB is not supported",
        "journal.max-message-batch-size" => ONE_ROW,
        "query.gap-free-sequence-numbers" => "a hole is never skipped",
        "query.deserialization-parallelism" => "payloads are decoded by their readers",
        "snapshot.max-load-attempts" => "the entity's recovery has `load_attempts`",
        "events-by-tag.flush-interval" | "events-by-tag.stop-tag-writer-when-idle" => {
            "tag rows are written with their append, by no writer of their own"
        }
        "events-by-tag.pubsub-notification" => "there is no Pekko cluster to notify",
        "events-by-tag.new-persistence-id-scan-timeout"
        | "events-by-tag.offset-scanning-period"
        | "events-by-tag.verbose-debug-logging" => PER_QUERY,
        "cleanup.dry-run"
        | "cleanup.operation-timeout"
        | "cleanup.log-progress-every"
        | "healthcheck.timeout"
        | "healthcheck.health-check-cql" => TOOL,
        _ if key.starts_with("events-by-tag.retries.") => "reads are retried by their readers",
        _ if key.starts_with("events-by-tag.back-track.") => BACK_TRACK,
        "events-by-tag.cleanup-old-persistence-ids" => BACK_TRACK,
        _ => return None,
    };
    Some(reason)
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
