//! `AtLeastOnceDeliverySnapshot`: what an entity has sent and not seen confirmed.

use std::sync::Arc;

use annals_core::{Payload, Result};
use bytes::Bytes;

use crate::payload_message::Form::Persistence;
use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer};

const SNAPSHOT: &str = "AtLeastOnceDeliverySnapshot";
const UNCONFIRMED: &str = "UnconfirmedDelivery";

/// The deliveries of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySnapshot {
    /// The number of the latest delivery.
    pub current_delivery_id: i64,
    /// Those that nobody confirmed yet.
    pub unconfirmed: Vec<UnconfirmedDelivery>,
}

/// A delivery that nobody confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedDelivery {
    /// The delivery's number.
    pub delivery_id: i64,
    /// The path of the actor that it is for.
    pub destination: Arc<str>,
    /// What is delivered.
    pub payload: Payload,
}

impl DeliverySnapshot {
    /// The snapshot that `bytes` hold; its payloads share them.
    ///
    /// # Errors
    /// `Corrupt` if they are no such message.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let (mut current, mut unconfirmed) = (None, Vec::new());
        let mut fields = Fields::new(SNAPSHOT, bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(value)) => current = Some(value.cast_signed()),
                (2, Value::Bytes(part)) => {
                    unconfirmed.push(UnconfirmedDelivery::decode(bytes, part)?);
                }
                (1..=2, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        let current_delivery_id = fields.required(current, "current delivery id")?;
        Ok(Self { current_delivery_id, unconfirmed })
    }

    /// The message, byte for byte as Pekko writes it.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.int64(1, self.current_delivery_id);
        for delivery in &self.unconfirmed {
            writer.bytes(2, &delivery.encode());
        }
        writer.finish().into()
    }
}

impl UnconfirmedDelivery {
    fn decode(whole: &Bytes, part: &[u8]) -> Result<Self> {
        let (mut id, mut destination, mut payload) = (None, None, None);
        let mut fields = Fields::new(UNCONFIRMED, part);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(value)) => id = Some(value.cast_signed()),
                (2, Value::Bytes(value)) => destination = Some(text(value)?.into()),
                (3, Value::Bytes(value)) => payload = Some(Persistence.decode(whole, value)?),
                (1..=3, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(Self {
            delivery_id: fields.required(id, "delivery id")?,
            destination: fields.required(destination, "destination")?,
            payload: fields.required(payload, "payload")?,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.int64(1, self.delivery_id);
        writer.bytes(2, self.destination.as_bytes());
        writer.bytes(3, &Persistence.encode(&self.payload));
        writer.finish()
    }
}
