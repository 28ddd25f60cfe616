//! Serializer 8: one blob that holds a snapshot's serializer id, manifest and bytes.
//!
//! Old rows keep snapshots so (Cassandra's column `snapshot`, DynamoDB's attribute `pay`); today's rows
//! have a column for each of the three and need nothing of this.
//!
//! ```text
//! length of id and manifest | serializer id | manifest (UTF-8) | bytes, to the end
//!        4, little-endian   | 4, little-endian
//! ```

use annals_core::{Error, Payload, Result, SerializerId};
use bytes::{BufMut, Bytes};

use crate::manifest::ManifestNames;
use crate::primitive::text;

/// Java's serialization begins with `ac ed`, which a reader meets where the serializer id should be.
const JAVA_MAGIC: i32 = 0xEDAC;

/// The snapshot that `container` holds, its bytes shared, and its manifest as `names` says.
///
/// ```
/// use annals_core::{Payload, SerializerId};
/// use annals_pekko::{ManifestNames, read_snapshot};
/// use bytes::Bytes;
///
/// let column = Bytes::from_static(b"\x04\0\0\0\x14\0\0\0hello");
/// let state = read_snapshot(&column, ManifestNames::default())?;
/// assert_eq!(state, Payload::new(SerializerId::STRING, "", "hello"));
/// # Ok::<(), annals_core::Error>(())
/// ```
///
/// # Errors
/// `Corrupt` if it is cut short or no such blob; `Unsupported` if Akka 2.3 wrote it, by Java's
/// serialization.
pub fn read_snapshot(container: &Bytes, names: ManifestNames) -> Result<Payload> {
    let cut = || {
        let length = container.len();
        Error::corrupt(format!("the header of a snapshot does not fit its {length} bytes"))
    };
    let (length, rest) = container.split_first_chunk().ok_or_else(cut)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| cut())?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let (id, manifest) = header.split_first_chunk().ok_or_else(cut)?;
    let id = i32::from_le_bytes(*id);
    if is_java(id) {
        return Err(Error::unsupported(
            "a snapshot has a header in Java's serialization, as Akka 2.3 wrote it; it is kept as it is",
        ));
    }
    let manifest = names.read(text(manifest)?);
    Ok(Payload::new(SerializerId::new(id), manifest, container.slice_ref(data)))
}

/// The container of `snapshot`, its manifest as `names` says.
///
/// # Errors
/// `Invalid` if its serializer id is one of those that readers take for Java's serialization.
pub fn write_snapshot(snapshot: &Payload, names: ManifestNames) -> Result<Bytes> {
    let id = snapshot.serializer.get();
    if is_java(id) {
        let message =
            format!("a snapshot of serializer {id} could not be read back from this format");
        return Err(Error::invalid(message));
    }
    let manifest = names.write(&snapshot.manifest);
    let length = i32::try_from(manifest.len().saturating_add(size_of::<i32>()))
        .map_err(|_| Error::invalid("the manifest of a snapshot is too long"))?;
    let mut container = Vec::with_capacity(manifest.len() + snapshot.bytes.len() + 8);
    container.put_i32_le(length);
    container.put_i32_le(id);
    container.put_slice(manifest.as_bytes());
    container.put_slice(&snapshot.bytes);
    Ok(container.into())
}

/// Whether readers take `id` for the beginning of Java's serialization: all bits of its magic are set.
fn is_java(id: i32) -> bool {
    id & JAVA_MAGIC == JAVA_MAGIC
}
