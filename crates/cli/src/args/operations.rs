//! The command line of what runs a store: offsets, health, and what a shell and a reader of manuals need.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

#[derive(Debug, Subcommand)]
pub(crate) enum Offsets {
    /// The saved offsets.
    List,
    /// Move the offset of a projection, which must not run meanwhile; a dry run without --yes.
    Set(OffsetsSet),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TagsVerb {
    /// Write the tag rows that interrupted writers left out.
    Repair {
        /// The entities.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All entities of the store.
        #[arg(long)]
        all: bool,
    },
    /// Make tag rows what the events of entities say: those that are missing, different, or of no event,
    /// and how far each tag has come; a dry run without --yes. Entities must not run meanwhile, but for
    /// those under `fencing = claims`, which are taken and start again. Run again after an interruption.
    Rebuild(TagsRebuild),
}

#[derive(Debug, Args)]
#[cfg_attr(not(feature = "cassandra"), allow(dead_code))]
pub(crate) struct TagsRebuild {
    /// The entities. What is of no event is found by one pass over the keys of all tag rows.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All entities that the store lists (`annals ids rebuild` mends the list).
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: go on after this offset, which the last entity of an interrupted run had.
    #[arg(long, value_name = "OFFSET", requires = "all")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OffsetsSet {
    /// The projection.
    pub(crate) name: String,
    /// Where it resumes: an offset that this store gave, as `events all` prints it.
    pub(crate) offset: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schema {
    /// What the tables are like.
    Show,
    /// What differs from the tables as they should be; exit code 3 when the store cannot work with them.
    Check,
    /// Make what is missing; without --yes, print the statements that would.
    Create(SchemaCreate),
}

/// How new tables are made.
#[derive(Debug, Args)]
#[cfg_attr(not(feature = "dynamodb"), allow(dead_code))]
pub(crate) struct SchemaCreate {
    /// How capacity is paid for.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) billing: Billing,
    /// Read capacity units of a table and of its index each, with `provisioned`.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) read_units: u32,
    /// Write capacity units, likewise.
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) write_units: u32,
    /// The index that lists persistence ids.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) id_index: IdIndex,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Billing {
    /// By request.
    #[default]
    OnDemand,
    /// By what is set aside.
    Provisioned,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum IdIndex {
    /// Ids come by name.
    #[default]
    Alphabetical,
    /// Ids come in no order, as with the helper of Pekko's plugin.
    Plain,
    /// No index: ids are listed by scanning the table.
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// What becomes of each setting; exit code 3 when one is unknown.
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The store to read, which another process may write to.
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// The store to write, which is made if nothing is there.
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// The most appends that are unacknowledged at a time; with 1, the order of events across entities
    /// is exactly that of the source. Events appended together stay so up to 256 events or 256 KiB.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The directory of the backup: absent, empty, or of a backup that was interrupted.
    pub(crate) dir: PathBuf,
    /// Read the whole backup afterwards and check every byte.
    #[arg(long)]
    pub(crate) verify: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// The entities.
    #[arg(required_unless_present = "claims", value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) mode: CleanupMode,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CleanupMode {
    /// The newest snapshot stays, and the events after it.
    #[arg(long)]
    pub(crate) before_snapshot: bool,
    /// The N newest snapshots stay, and the events after the oldest of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: Option<u32>,
    /// Nothing stays.
    #[arg(long)]
    pub(crate) all: bool,
    /// Events and snapshots stay; what deletes left behind more than DAYS days ago goes: tombstones, which
    /// protect the places of deleted events from writers that slept for so long, and intents of large
    /// appends, which takes a scan of the table for each ID. For stores on DynamoDB.
    #[arg(long, value_name = "DAYS")]
    pub(crate) tombstones: Option<u32>,
    /// Events and snapshots stay; what `fencing = claims` left behind goes, beside running services too: rows
    /// of appends that no history has, of the entities, or without ID of all; and without ID the rows of
    /// processes that were opened more than DAYS days ago and own no entity (one that still runs must then
    /// open its store anew to be quick). For stores on Cassandra.
    #[arg(long, value_name = "DAYS")]
    pub(crate) claims: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The most seconds until the store must have answered.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) deadline: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for each command into this directory; otherwise the main page goes to stdout.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let malformed = || "not a number of seconds above 0".to_owned();
    let seconds: f64 = text.parse().map_err(|_| malformed())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|_| malformed())?;
    if duration.is_zero() { Err(malformed()) } else { Ok(duration) }
}
