//! Events and snapshots of state machines (`PersistentFSM`).

use std::sync::Arc;
use std::time::Duration;

use annals_core::{Payload, Result};
use bytes::Bytes;

use crate::payload_message::Form::Persistence;
use crate::primitive::text;
use crate::protobuf::{Fields, Value, Writer};

const STATE_CHANGE: &str = "PersistentStateChangeEvent";
const SNAPSHOT: &str = "PersistentFSMSnapshot";

/// A state machine went to another state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsmStateChange {
    /// The new state.
    pub state: Arc<str>,
    /// How long it stays there at most.
    pub timeout: Option<Duration>,
}

/// A state machine as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsmSnapshot {
    /// The state.
    pub state: Arc<str>,
    /// The data that goes with it.
    pub data: Payload,
    /// How long it stays there at most.
    pub timeout: Option<Duration>,
}

impl FsmStateChange {
    /// The change that `bytes` hold.
    ///
    /// # Errors
    /// `Corrupt` if they are no such message.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let (mut state, mut timeout, mut old_timeout) = (None, None, None);
        let mut fields = Fields::new(STATE_CHANGE, bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(value)) => state = Some(text(value)?.into()),
                (2, Value::Bytes(value)) => {
                    let parsed = scala_duration(text(value)?);
                    old_timeout = Some(fields.required(parsed, "timeout that can be read")?);
                }
                (3, Value::Varint(value)) => timeout = Some(nanos(&fields, value)?),
                (1..=3, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        Ok(Self { state: fields.required(state, "state")?, timeout: timeout.or(old_timeout) })
    }

    /// The message, byte for byte as Pekko writes it.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.bytes(1, self.state.as_bytes());
        write_timeout(&mut writer, self.timeout);
        writer.finish().into()
    }
}

impl FsmSnapshot {
    /// The snapshot that `bytes` hold; its data shares them.
    ///
    /// # Errors
    /// `Corrupt` if they are no such message.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let (mut state, mut data, mut timeout) = (None, None, None);
        let mut fields = Fields::new(SNAPSHOT, bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(value)) => state = Some(text(value)?.into()),
                (2, Value::Bytes(value)) => data = Some(Persistence.decode(bytes, value)?),
                (3, Value::Varint(value)) => timeout = Some(nanos(&fields, value)?),
                (1..=3, _) => return Err(fields.wrong_kind()),
                _ => {}
            }
        }
        let state = fields.required(state, "state")?;
        Ok(Self { state, data: fields.required(data, "data")?, timeout })
    }

    /// The message, byte for byte as Pekko writes it.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.bytes(1, self.state.as_bytes());
        writer.bytes(2, &Persistence.encode(&self.data));
        write_timeout(&mut writer, self.timeout);
        writer.finish().into()
    }
}

fn nanos(fields: &Fields<'_>, value: u64) -> Result<Duration> {
    // An int64 on the wire: the upper half are negative ones.
    let nanos = i64::try_from(value).map_err(|_| fields.malformed("a negative timeout"))?;
    Ok(Duration::from_nanos(nanos.unsigned_abs()))
}

/// A timeout past 292 years, the most that Scala's durations hold, is written as that.
fn write_timeout(writer: &mut Writer, timeout: Option<Duration>) {
    if let Some(timeout) = timeout {
        writer.int64(3, i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX));
    }
}

/// A duration as Scala prints it, which old messages hold: `10 seconds`, `1 minute`.
fn scala_duration(text: &str) -> Option<Duration> {
    let (length, unit) = text.trim().split_once(' ')?;
    let length: u64 = length.parse().ok()?;
    let nanos = match unit.trim().trim_end_matches('s') {
        "nanosecond" => 1,
        "microsecond" => 1_000,
        "millisecond" => 1_000_000,
        "second" => 1_000_000_000,
        "minute" => 60_000_000_000,
        "hour" => 3_600_000_000_000,
        "day" => 86_400_000_000_000,
        _ => return None,
    };
    length.checked_mul(nanos).map(Duration::from_nanos)
}
