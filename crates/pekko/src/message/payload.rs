//! `PersistentPayload`: the triple of serializer id, manifest and bytes inside a message.

use annals_core::{Payload, Result, SerializerId};
use bytes::Bytes;

use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer, int32, malformed};

const NAME: &str = "PersistentPayload";

/// The payload that `field`, a part of `whole`, holds; its bytes are shared with `whole`.
pub(super) fn decode(whole: &Bytes, field: &[u8]) -> Result<Payload> {
    let (mut id, mut bytes, mut manifest) = (None, None, "");
    let mut fields = Fields::new(NAME, field);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Varint(value)) => id = Some(int32(value)),
            (2, Value::Bytes(value)) => bytes = Some(value),
            (3, Value::Bytes(value)) => manifest = text(value)?,
            (1..=3, _) => return Err(fields.malformed("a field of the wrong kind")),
            _ => {}
        }
    }
    let id = id.ok_or_else(|| malformed(NAME, "no serializer id"))?;
    let bytes = bytes.ok_or_else(|| malformed(NAME, "no bytes"))?;
    Ok(Payload::new(SerializerId::new(id), manifest, whole.slice_ref(bytes)))
}

/// The message that `payload` makes.
pub(super) fn encode(payload: &Payload) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.int64(1, payload.serializer.get().into());
    writer.bytes(2, &payload.bytes);
    writer.text(3, &payload.manifest);
    writer.finish()
}
