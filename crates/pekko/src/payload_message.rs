//! The triple of serializer id, manifest and bytes as a message of protobuf. Persistence and remoting
//! have one each, of the same fields under other numbers.

use annals_core::{Payload, Result, SerializerId};
use bytes::Bytes;

use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer, int32};

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `PersistentPayload`, in messages of serializer 7.
    Persistence,
    /// `Payload`, in messages of serializers 16 and 40.
    Remoting,
}

impl Form {
    /// The payload that `part` of `whole` holds; its bytes are shared with `whole`.
    pub(crate) fn decode(self, whole: &Bytes, part: &[u8]) -> Result<Payload> {
        let (id_at, bytes_at, manifest_at) = self.numbers();
        let (mut id, mut bytes, mut manifest) = (None, None, "");
        let mut fields = Fields::new(self.name(), part);
        while let Some((number, value)) = fields.next()? {
            match value {
                Value::Varint(value) if number == id_at => id = Some(int32(value)),
                Value::Bytes(value) if number == bytes_at => bytes = Some(value),
                Value::Bytes(value) if number == manifest_at => manifest = text(value)?,
                _ if [id_at, bytes_at, manifest_at].contains(&number) => {
                    return Err(fields.wrong_kind());
                }
                _ => {}
            }
        }
        let id = fields.required(id, "serializer id")?;
        let bytes = fields.required(bytes, "bytes")?;
        Ok(Payload::new(SerializerId::new(id), manifest, whole.slice_ref(bytes)))
    }

    /// The message that `payload` makes, its fields in ascending order.
    pub(crate) fn encode(self, payload: &Payload) -> Vec<u8> {
        let mut writer = Writer::default();
        let (id_at, bytes_at, manifest_at) = self.numbers();
        if bytes_at < id_at {
            writer.bytes(bytes_at, &payload.bytes);
        }
        writer.int64(id_at, payload.serializer.get().into());
        if bytes_at > id_at {
            writer.bytes(bytes_at, &payload.bytes);
        }
        writer.text(manifest_at, &payload.manifest);
        writer.finish()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Persistence => "PersistentPayload",
            Self::Remoting => "Payload",
        }
    }

    /// The numbers of id, bytes and manifest.
    fn numbers(self) -> (u32, u32, u32) {
        match self {
            Self::Persistence => (1, 2, 3),
            Self::Remoting => (2, 1, 4),
        }
    }
}
