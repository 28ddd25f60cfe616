//! Serializer 7: Pekko's own persistence messages, in protobuf. The manifest, a class name, says which.

mod delivery;
mod fsm;
mod repr;

use annals_core::{Error, Payload, Result, SerializerId};

pub use delivery::{DeliverySnapshot, UnconfirmedDelivery};
pub use fsm::{FsmSnapshot, FsmStateChange};
pub use repr::{AtomicWrite, PersistentRepr};

use crate::manifest::own_class;

/// The serializer of these messages.
const ID: SerializerId = SerializerId::new(7);

/// Behind Pekko's prefix, or Akka's.
const REPR: &str = "persistence.PersistentImpl";
const REPR_TRAIT: &str = "persistence.PersistentRepr";
const ATOMIC_WRITE: &str = "persistence.AtomicWrite";
const DELIVERY_SNAPSHOT: &str = "persistence.AtLeastOnceDelivery$AtLeastOnceDeliverySnapshot";
const STATE_CHANGE: &str = "persistence.fsm.PersistentFSM$StateChangeEvent";
const FSM_SNAPSHOT: &str = "persistence.fsm.PersistentFSM$PersistentFSMSnapshot";

/// A payload of serializer 7. Applications keep the last three as their own events and snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// An event.
    Repr(PersistentRepr),
    /// Events that were written together.
    AtomicWrite(AtomicWrite),
    /// The deliveries that an entity awaits confirmation of.
    Delivery(DeliverySnapshot),
    /// An event of a state machine (`PersistentFSM`).
    StateChange(FsmStateChange),
    /// A snapshot of a state machine.
    FsmSnapshot(FsmSnapshot),
}

impl Message {
    /// The message that `payload` holds, under a manifest of Pekko's or of Akka's.
    ///
    /// # Errors
    /// `Unsupported` if serializer or manifest is another one, `Corrupt` if the bytes are not what the
    /// manifest says.
    pub fn from_payload(payload: &Payload) -> Result<Self> {
        let bytes = &payload.bytes;
        let class = own_class(&payload.manifest);
        match class {
            _ if payload.serializer != ID => Err(unknown(payload)),
            _ if payload.manifest.is_empty() => PersistentRepr::decode(bytes).map(Self::Repr),
            Some(REPR | REPR_TRAIT) => PersistentRepr::decode(bytes).map(Self::Repr),
            Some(ATOMIC_WRITE) => AtomicWrite::decode(bytes).map(Self::AtomicWrite),
            Some(DELIVERY_SNAPSHOT) => DeliverySnapshot::decode(bytes).map(Self::Delivery),
            Some(STATE_CHANGE) => FsmStateChange::decode(bytes).map(Self::StateChange),
            Some(FSM_SNAPSHOT) => FsmSnapshot::decode(bytes).map(Self::FsmSnapshot),
            _ => Err(unknown(payload)),
        }
    }

    /// The payload that holds the message, under the manifest that Pekko gives it.
    pub fn to_payload(&self) -> Payload {
        let (class, bytes) = match self {
            Self::Repr(repr) => (REPR, repr.encode()),
            Self::AtomicWrite(write) => (ATOMIC_WRITE, write.encode()),
            Self::Delivery(snapshot) => (DELIVERY_SNAPSHOT, snapshot.encode()),
            Self::StateChange(change) => (STATE_CHANGE, change.encode()),
            Self::FsmSnapshot(snapshot) => (FSM_SNAPSHOT, snapshot.encode()),
        };
        Payload::new(ID, format!("org.apache.pekko.{class}"), bytes)
    }
}

fn unknown(payload: &Payload) -> Error {
    Error::unsupported(format!(
        "a payload of serializer {} with manifest {:?} is no message of serializer 7; it is kept as it is",
        payload.serializer, payload.manifest
    ))
}
