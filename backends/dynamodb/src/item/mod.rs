//! The items of the journal table: pure functions between attributes and events.
//!
//! | attribute | type | value |
//! | --- | --- | --- |
//! | `par`, `num` | S, N | the key |
//! | `persistence_id`, `seq` | S, N | whose event, and its number |
//! | `event`, `ev_ser_id`, `ev_ser_manifest` | B, N, S | the payload; no manifest attribute for "" |
//! | `writer_uuid`, `manifest` | S, S | the writer; the event adapter's manifest, absent for "" |
//! | `idx`, `cnt` | N, N | place in an append of several events, and the last such place |
//! | `pay` | B | instead of all these: Pekko's old form |
//! | `annals_append` | B | the append's id: who finds the item there knows whose it is |
//! | `annals_ts`, `annals_tags` | N, SS | time and tags |
//! | `annals_meta`, `annals_meta_ser_id`, `annals_meta_ser_manifest` | B, N, S | metadata |
//! | `annals_intent` | BOOL | the append is larger than a transaction: it is stored if its intent says so |
//! | `annals_swept` | N | in a low mark: up to where deleted events are emptied |
//! | `annals_purged` | N | in a low mark: up to where the emptied items are removed as well |
//! | `annals_deleted` | N | the item is a tombstone, made at this time; nothing but the key is left |

mod attributes;
mod event;
mod marks;
mod size;
mod stored;

pub(crate) use attributes::{Item, names, number, number_of};
pub(crate) use event::{Position, encode_event};
pub(crate) use marks::{COMMITTED, PENDING, VOID, intent_state, key, mark, mark_value, tombstone};
pub(crate) use size::{ItemSizes, TEXT_BYTES_MAX, item_bytes};
pub(crate) use stored::{Header, Stored, StoredItem, decode, header};
