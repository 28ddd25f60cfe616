//! A reader of the log that was written from `docs/format/log.md` alone: it shares no code with the
//! engine, so that the page is all that another language needs.

use std::collections::BTreeMap;
use std::path::Path;

const BLOCK: usize = 4096;

/// CRC-32C, bit by bit.
fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn block_boundary(byte: usize) -> usize {
    byte.div_ceil(BLOCK) * BLOCK
}

fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// What `end` says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) closed: bool,
    pub(crate) store: u64,
    pub(crate) position: u64,
    pub(crate) checksum: u32,
}

pub(crate) fn end_file(bytes: &[u8]) -> Result<End, String> {
    ensure(bytes.len() == 40 && bytes.starts_with(b"ANNALEND"), "not an end file")?;
    ensure(bytes[8..10] == [1, 0], "another version")?;
    ensure(checksum(&[&bytes[..36]]) == u32_at(bytes, 36), "the checksum of the end file")?;
    Ok(End {
        closed: bytes[10] == 2,
        store: u64_at(bytes, 16),
        position: u64_at(bytes, 24),
        checksum: u32_at(bytes, 32),
    })
}

/// A segment's file, and what its header says.
struct Segment {
    bytes: Vec<u8>,
    number: u32,
    store: u64,
    epoch: [u8; 8],
    previous_end: u64,
    previous_checksum: u32,
    checksum: u32,
    /// If it is compacted, how many bytes its pieces have.
    compacted: Option<usize>,
}

fn segment(file: Vec<u8>) -> Result<Segment, String> {
    ensure(file.len() >= BLOCK && file.starts_with(b"ANNALSEG"), "not a segment")?;
    ensure([[1, 0], [2, 0]].contains(&[file[8], file[9]]), "another version")?;
    ensure(checksum(&[&file[..4092]]) == u32_at(&file, 4092), "the checksum of a segment header")?;
    let compacted = (file[8] == 2).then(|| u32_at(&file, 60) as usize);
    let bytes = if compacted.is_some() { unpack(&file)? } else { file };
    ensure(u32_at(&bytes, 44) as usize == bytes.len(), "the length of a segment")?;
    let checksum = checksum(&[&bytes[..4092]]);
    Ok(Segment {
        compacted,
        number: u32_at(&bytes, 12),
        store: u64_at(&bytes, 16),
        epoch: bytes[24..32].try_into().unwrap(),
        previous_end: u64_at(&bytes, 32),
        previous_checksum: u32_at(&bytes, 40),
        checksum,
        bytes,
    })
}

/// The segment of a compacted file, with the header as it was before.
fn unpack(file: &[u8]) -> Result<Vec<u8>, String> {
    let (pieces, total) = (u32_at(file, 56) as usize, u32_at(file, 60) as usize);
    let mut from = BLOCK + 8 * pieces;
    ensure(block_boundary(from + total) == file.len(), "the length of a compacted file")?;
    ensure(checksum(&[&file[BLOCK..from]]) == u32_at(file, 64), "the checksum of the table")?;
    ensure(is_zero(&file[from + total..]), "the end of a compacted file")?;
    let mut bytes = vec![0; u32_at(file, 44) as usize];
    bytes[..48].copy_from_slice(&file[..48]);
    bytes[8] = 1;
    for piece in 0..pieces {
        let byte = u32_at(file, BLOCK + 8 * piece) as usize / 8 * 8;
        let length = u32_at(file, BLOCK + 8 * piece + 4) as usize;
        bytes[byte..byte + length].copy_from_slice(&file[from..from + length]);
        from += length;
    }
    Ok(bytes)
}

/// A valid frame. A gap is as long as its run, and has the checksum that the next frame is chained to.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) segment: u32,
    pub(crate) byte: usize,
    pub(crate) durable: u64,
    pub(crate) kind: u8,
    pub(crate) body: Vec<u8>,
    length: usize,
    /// What it takes itself.
    own_length: usize,
    pub(crate) checksum: u32,
}

/// The header at `at`, if one is there: length, checksum of the frame before, position durable before.
fn frame_header(segment: &Segment, at: usize) -> Option<(usize, u32, u64)> {
    let header = segment.bytes.get(at..at + 32)?;
    let (length, padded) =
        (u32_at(header, 0) as usize, (u32_at(header, 28) as usize + 32).div_ceil(8) * 8);
    let own = checksum(&[&segment.epoch, &header[..4], &header[8..]]);
    let valid = own == u32_at(header, 4)
        && length == padded
        && is_zero(&header[25..28])
        && (1..=if segment.compacted.is_some() { 6 } else { 5 }).contains(&header[24]);
    valid.then(|| (length, u32_at(header, 8), u64_at(header, 16)))
}

fn frame(segment: &Segment, at: usize, before: u32) -> Option<Frame> {
    let (length, previous, durable) = frame_header(segment, at)?;
    let bytes = segment.bytes.get(at..at + length)?;
    let body = 32..32 + u32_at(bytes, 28) as usize;
    let valid = previous == before
        && checksum(&[&bytes[32..]]) == u32_at(bytes, 12)
        && is_zero(&bytes[body.end..]);
    let body = bytes[body].to_vec();
    let mut found = Frame {
        segment: segment.number,
        byte: at,
        durable,
        kind: bytes[24],
        body: body.clone(),
        length,
        own_length: length,
        checksum: u32_at(bytes, 4),
    };
    if valid && found.kind == 6 {
        let fields = &mut Fields(&body);
        found.length = fields.varint() as usize;
        found.checksum = u32_at(fields.take(4), 0);
    }
    valid.then_some(found)
}

/// The frames of a segment; where the last one ends; the place that is invalid, if there is one.
fn frames(segment: &Segment) -> (Vec<Frame>, usize, Option<usize>) {
    let (mut found, mut end, mut before) = (Vec::new(), BLOCK, segment.checksum);
    loop {
        let boundary = block_boundary(end);
        let mut at = end;
        if end != boundary && is_zero(&segment.bytes[end..(end + 4).min(boundary)]) {
            if !is_zero(&segment.bytes[end..boundary]) {
                return (found, end, Some(end));
            }
            at = boundary;
        }
        if at == segment.bytes.len() || segment.bytes.get(at..at + 32).is_some_and(is_zero) {
            return (found, end, None);
        }
        let Some(frame) = frame(segment, at, before) else { return (found, end, Some(at)) };
        (end, before) = (frame.byte + frame.length, frame.checksum);
        found.push(frame);
    }
}

/// Rule 3 of "Recovery": whether the end of the newest segment is damage.
fn is_damage(segment: &Segment, end: End, last: usize, invalid: Option<usize>) -> bool {
    let place = invalid.unwrap_or(block_boundary(last));
    let of_segment = u64::from(segment.number) << 32;
    let named = end.position >> 32 == u64::from(segment.number);
    let named_byte = (end.position & u64::from(u32::MAX)) as usize;
    if named && place < block_boundary(named_byte) {
        return true;
    }
    let rest = &segment.bytes[last..];
    if end.closed && (!named || named_byte != last || invalid.is_some() || !is_zero(rest)) {
        return true;
    }
    (place + 1..segment.bytes.len()).filter(|at| at.is_multiple_of(BLOCK)).any(|at| {
        frame_header(segment, at).is_some_and(|(_, _, durable)| durable > of_segment + place as u64)
    })
}

/// All frames of the store in `directory`, in the order of the log.
pub(crate) fn read_log(directory: &Path) -> Result<Vec<Frame>, String> {
    let end = end_file(&std::fs::read(directory.join("end")).unwrap())?;
    let (mut all, mut previous) = (Vec::new(), (0, 0));
    for number in 1.. {
        let path = |number: u32| directory.join(format!("{number:010}.seg"));
        let segment = segment(std::fs::read(path(number)).map_err(|error| error.to_string())?)?;
        ensure(segment.number == number && segment.store == end.store, "another store")?;
        ensure(
            (segment.previous_end, segment.previous_checksum) == previous,
            "the order of segments",
        )?;
        let (found, last, invalid) = frames(&segment);
        previous = ((u64::from(number) << 32) + last as u64, segment.checksum);
        if let Some(frame) = found.last() {
            previous.1 = frame.checksum;
        }
        if let Some(pieces) = segment.compacted {
            let frames: usize = found.iter().map(|frame| frame.own_length).sum();
            ensure(frames == pieces, "more than frames in a compacted file")?;
        }
        all.extend(found);
        if path(number + 1).exists() {
            let zero = is_zero(&segment.bytes[last..]);
            ensure(invalid.is_none() && zero, "the end of a full segment")?;
            continue;
        }
        ensure(u64::from(number) >= end.position >> 32, "a segment is missing")?;
        ensure(!is_damage(&segment, end, last, invalid), "the log is damaged")?;
        return Ok(all);
    }
    unreachable!("a log ends")
}

/// Takes fields off a body.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> i64 {
        let value = self.varint();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let count = self.varint() as usize;
        self.take(count).to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    fn payload(&mut self) -> DecodedPayload {
        DecodedPayload { serializer: self.signed(), manifest: self.text(), bytes: self.bytes() }
    }

    fn metadata(&mut self) -> Option<DecodedPayload> {
        (self.byte() == 1).then(|| self.payload())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodedPayload {
    pub(crate) serializer: i64,
    pub(crate) manifest: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodedEvent {
    pub(crate) id: String,
    pub(crate) number: u64,
    pub(crate) writer: String,
    pub(crate) time: i64,
    pub(crate) event_manifest: String,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Option<DecodedPayload>,
    pub(crate) payload: DecodedPayload,
    /// The offset behind it, as text.
    pub(crate) offset: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodedSnapshot {
    pub(crate) time: i64,
    pub(crate) metadata: Option<DecodedPayload>,
    pub(crate) payload: DecodedPayload,
}

/// What the frames of a store mean.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Those that are not hidden.
    pub(crate) events: Vec<DecodedEvent>,
    /// Of each id: deleted to, highest.
    pub(crate) bounds: BTreeMap<String, (u64, u64)>,
    pub(crate) snapshots: BTreeMap<(String, u64), DecodedSnapshot>,
    /// Of each projection: revision, offset as text.
    pub(crate) offsets: BTreeMap<String, (u64, String)>,
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn writer(fields: &mut Fields<'_>) -> String {
    if fields.byte() == 1 {
        return fields.text();
    }
    let digits = hexadecimal(fields.take(16));
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// Reads the store in `directory`.
pub(crate) fn read_store(directory: &Path) -> Result<Decoded, String> {
    let store = end_file(&std::fs::read(directory.join("end")).unwrap())?.store;
    let mut decoded = Decoded::default();
    for frame in read_log(directory)? {
        let fields = &mut Fields(&frame.body);
        match frame.kind {
            1 => add_events(&mut decoded, fields, &frame, store)?,
            2 => {
                let bounds = decoded.bounds.entry(fields.text()).or_default();
                bounds.0 = bounds.0.max(fields.varint());
            }
            3 => {
                let key = (fields.text(), fields.varint());
                let (time, metadata, payload) =
                    (fields.signed(), fields.metadata(), fields.payload());
                decoded.snapshots.insert(key, DecodedSnapshot { time, metadata, payload });
            }
            4 => {
                let of = fields.text();
                let numbers = fields.varint()..=fields.varint();
                let times = fields.signed()..=fields.signed();
                decoded.snapshots.retain(|(id, number), snapshot| {
                    *id != of || !numbers.contains(number) || !times.contains(&snapshot.time)
                });
            }
            5 => add_offset(&mut decoded, fields),
            _ => add_gap(&mut decoded, fields)?,
        }
        ensure(fields.0.is_empty(), "bytes follow the last field")?;
    }
    let Decoded { events, bounds, .. } = &mut decoded;
    events.retain(|event| event.number > bounds[&event.id].0);
    Ok(decoded)
}

fn add_gap(decoded: &mut Decoded, fields: &mut Fields<'_>) -> Result<(), String> {
    fields.varint();
    fields.take(4);
    for _ in 0..fields.varint() {
        let (id, first) = (fields.text(), fields.varint());
        if first > 0 {
            let last = first + fields.varint() - 1;
            let begins = fields.varint() > 0;
            let bounds = decoded.bounds.entry(id).or_default();
            ensure(begins || first == bounds.1 + 1, "a gap in the numbers")?;
            *bounds = (last, last);
        }
    }
    Ok(())
}

fn add_offset(decoded: &mut Decoded, fields: &mut Fields<'_>) {
    let name = fields.text();
    let offset = (fields.varint(), hexadecimal(&fields.bytes()));
    decoded.offsets.insert(name, offset);
}

fn add_events(
    decoded: &mut Decoded,
    fields: &mut Fields<'_>,
    frame: &Frame,
    store: u64,
) -> Result<(), String> {
    fields.take(16);
    let (id, first, _, flags) = (fields.text(), fields.varint(), fields.varint(), fields.byte());
    let (writer, count) = (writer(fields), fields.varint());
    let known = decoded.bounds.contains_key(&id);
    let bounds = decoded.bounds.entry(id.clone()).or_default();
    if flags & 1 == 1 {
        ensure(!known, "an import of an id that is there")?;
        bounds.0 = first - 1;
    } else {
        ensure(first == bounds.1 + 1, "a gap in the numbers")?;
    }
    bounds.1 = first + count - 1;
    if flags & 2 == 2 {
        add_offset(decoded, fields);
    }
    for seen in 1..=count {
        let (time, serializer, manifest) = (fields.signed(), fields.signed(), fields.text());
        let event_manifest = fields.text();
        let tags = (0..fields.varint()).map(|_| fields.text()).collect();
        let metadata = fields.metadata();
        let payload = DecodedPayload { serializer, manifest, bytes: fields.bytes() };
        let offset = format!("{store:016x}{:08x}{:08x}{seen:08x}", frame.segment, frame.byte);
        let (id, number, writer) = (id.clone(), first + seen - 1, writer.clone());
        decoded.events.push(DecodedEvent {
            id,
            number,
            writer,
            time,
            event_manifest,
            tags,
            metadata,
            payload,
            offset,
        });
    }
    Ok(())
}
