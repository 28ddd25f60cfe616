//! Serializer 7: Pekko's own persistence messages, in protobuf.

mod payload;
mod repr;

pub use repr::{AtomicWrite, PersistentRepr};
