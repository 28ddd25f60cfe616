//! The engines that a user would otherwise pick, each durable and with group commit: the same
//! thread as the limit's, one commit with one sync for all that wait. 256 MiB of cache each,
//! otherwise their defaults; the key is id, zero byte, number (big-endian).

mod fjall;
mod redb;
mod sqlite;

pub(crate) use self::fjall::FjallSink;
pub(crate) use self::redb::RedbSink;
pub(crate) use self::sqlite::SqliteSink;

/// The cache of each engine.
const CACHE_BYTES: u32 = 256 << 20;
