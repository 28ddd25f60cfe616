//! The command line.

mod operations;

use std::path::PathBuf;

use annals::{SeqNr, SerializerId};
use clap::{Args, Parser, Subcommand};

pub(crate) use operations::{
    Backup, Cleanup, CleanupMode, Completions, Config, Copy, Health, Man, Offsets, OffsetsSet,
    Schema, TagsRebuild, TagsVerb,
};
#[cfg(feature = "dynamodb")]
pub(crate) use operations::{Billing, IdIndex, SchemaCreate};

/// Look into a store of events, and run it.
#[derive(Debug, Parser)]
#[command(name = "annals", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The store: `embedded:PATH`, `memory:`, `dynamodb://HOST:PORT` (`dynamodb:` for AWS), or
    /// `cassandra://HOST:PORT?journal.keyspace=K`.
    #[arg(long, global = true, env = "ANNALS_STORE", value_name = "URL")]
    pub(crate) store: Option<String>,
    /// A Pekko configuration file that names the store.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Do what destructive commands otherwise only tell.
    #[arg(long, global = true)]
    pub(crate) yes: bool,
}

/// What a command is about.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Append, read and delete events.
    #[command(subcommand)]
    Events(Events),
    /// The persistence ids that hold or held events.
    #[command(subcommand)]
    Ids(Ids),
    /// Saved states of entities.
    #[command(subcommand)]
    Snapshots(Snapshots),
    /// Write events and snapshots as JSON lines to stdout.
    Export(Export),
    /// Store what `export` wrote; what is there already is compared, never overwritten.
    Import(Import),
    /// Read everything and check that it is whole; exit code 7 when something is wrong.
    Verify,
    /// Look at stored bytes.
    #[command(subcommand)]
    Payload(PayloadVerb),
    /// Projection offsets.
    #[command(subcommand)]
    Offsets(Offsets),
    /// Copy everything between stores, also while the source is live; what is there is compared.
    Copy(Copy),
    /// Back up an embedded store, also while it is written to; to restore a backup is to open it.
    Backup(Backup),
    /// The tables of a server store.
    #[command(subcommand)]
    Schema(Schema),
    /// The settings of a server store.
    #[command(name = "config", subcommand)]
    Config(Config),
    /// Delete old events and snapshots of entities together; a dry run without --yes.
    Cleanup(Cleanup),
    /// The tag views of a store on Cassandra.
    #[command(subcommand)]
    Tags(TagsVerb),
    /// Whether the store answers in time; the exit code says so.
    Health(Health),
    /// What a shell needs to complete commands, on stdout.
    Completions(Completions),
    /// The manual page.
    Man(Man),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Append the JSON lines of stdin.
    Append(EventsAppend),
    /// The events of one entity.
    List(EventsList),
    /// The events that carry a tag.
    Tag {
        /// The tag.
        tag: String,
        #[command(flatten)]
        follow: Follow,
    },
    /// The events of entities in a range of slices.
    Slices {
        /// The slices, both ends included, within 0-1023.
        #[arg(value_name = "MIN-MAX")]
        range: String,
        #[command(flatten)]
        follow: Follow,
    },
    /// All events, in the order of commits.
    All {
        #[command(flatten)]
        follow: Follow,
    },
    /// Delete the events of one entity up to a number; a dry run without --yes.
    Delete {
        /// The entity.
        id: String,
        /// The last number to delete.
        #[arg(long, value_name = "N", value_parser = seq_nr)]
        to: SeqNr,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EventsAppend {
    /// The entity; may be absent when every line has `persistence_id`.
    pub(crate) id: Option<String>,
    /// The highest number must be N; otherwise nothing is appended (conflict).
    #[arg(long, value_name = "N", value_parser = seq_nr)]
    pub(crate) after: Option<SeqNr>,
    /// All lines are one append of one entity.
    #[arg(long)]
    pub(crate) atomic: bool,
    /// The most lines that are unacknowledged at a time.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
}

#[derive(Debug, Args)]
pub(crate) struct EventsList {
    /// The entity.
    pub(crate) id: String,
    /// The lowest number.
    #[arg(long, value_name = "N", value_parser = seq_nr)]
    pub(crate) from: Option<SeqNr>,
    /// The highest number.
    #[arg(long, value_name = "N", value_parser = seq_nr)]
    pub(crate) to: Option<SeqNr>,
    /// The most events.
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u64>,
    /// The newest first.
    #[arg(long)]
    pub(crate) reverse: bool,
}

/// How far a reader across entities goes.
#[derive(Debug, Args)]
pub(crate) struct Follow {
    /// Go on after this offset, which the last event printed had.
    #[arg(long, value_name = "OFFSET")]
    pub(crate) after: Option<String>,
    /// Wait for more, until interrupted.
    #[arg(long)]
    pub(crate) follow: bool,
    /// The most events.
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ids {
    /// The ids, in the order of their first event.
    List {
        /// Only those that begin so.
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
        /// Wait for more, until interrupted.
        #[arg(long)]
        follow: bool,
    },
    /// List the ids of a store on Cassandra that its events name and its list lacks; a dry run without --yes.
    Rebuild,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Snapshots {
    /// The snapshots of one entity, newest first.
    List {
        /// The entity.
        id: String,
    },
    /// One snapshot with its payload.
    Show {
        /// The entity.
        id: String,
        /// The one at this number; otherwise the newest.
        #[arg(long, value_name = "N", value_parser = seq_nr)]
        at: Option<SeqNr>,
    },
    /// Save the JSON value on stdin as a snapshot.
    Save(SnapshotsSave),
    /// Delete snapshots; a dry run without --yes.
    Delete {
        /// The entity.
        id: String,
        /// The one at this number.
        #[arg(long, value_name = "N", value_parser = seq_nr, conflicts_with = "to")]
        at: Option<SeqNr>,
        /// Those up to this number; without either, all.
        #[arg(long, value_name = "N", value_parser = seq_nr)]
        to: Option<SeqNr>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotsSave {
    /// The entity.
    pub(crate) id: String,
    /// The last event that the state includes.
    #[arg(long, value_name = "N", value_parser = seq_nr)]
    pub(crate) at: SeqNr,
    /// The serializer; otherwise 20 for a JSON string, 31 for any other value.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = serializer)]
    pub(crate) serializer: Option<SerializerId>,
    /// The manifest.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) manifest: String,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Go on after this offset, which the last event of an earlier export had.
    #[arg(long, value_name = "OFFSET")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The most appends that are unacknowledged at a time; with 1, the order of events across entities
    /// is exactly that of the export.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PayloadVerb {
    /// The JSON value of the stored bytes on stdin.
    Decode(PayloadFormat),
    /// The stored bytes of the JSON value on stdin.
    Encode(PayloadFormat),
}

#[derive(Debug, Args)]
pub(crate) struct PayloadFormat {
    /// The serializer.
    #[arg(long, value_name = "ID", allow_hyphen_values = true, value_parser = serializer)]
    pub(crate) serializer: SerializerId,
    /// The manifest.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) manifest: String,
}

fn seq_nr(text: &str) -> Result<SeqNr, String> {
    let number = text.parse().map_err(|_| "not a sequence number".to_owned())?;
    SeqNr::new(number).ok_or_else(|| format!("sequence numbers end at {}", SeqNr::MAX))
}

fn serializer(text: &str) -> Result<SerializerId, String> {
    text.parse().map(SerializerId::new).map_err(|_| "not a serializer id".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
