//! Writes the index file of a segment that is sealed.

use annals_core::{Error, Result};

use super::block_writer::BlockWriter;
use super::blocks::Stream;
use super::bytes::to_u64;
use super::hash::text_hash;
use super::header::{Header, KIND, SegmentMeta};
use super::items::{Beginning, TagFrame};
use super::list::{ListSink, write_list};
use super::previous::PreviousSegments;
use super::record::{IdFields, TextRef};
use super::segment::SegmentIndex;
use super::summary::{IdSummary, SegmentSummary, TagSummary};
use super::table::TableBuilder;
use crate::storage::Storage;

impl SegmentSummary {
    /// The hashes of the segment's ids, ascending, each once.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = self.ids.iter().map(|id| text_hash(id.id.as_str())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes
    }
}

impl SegmentIndex {
    /// Writes the index of a segment, durable when it returns; an older index of the segment is
    /// replaced. `previous` says where each hash was met last before this segment.
    ///
    /// # Errors
    /// `Unavailable`: nothing of the log is lost, and it can be tried again; `Internal` if `summary`
    /// contradicts itself.
    pub(crate) fn write(
        storage: &dyn Storage,
        summary: &SegmentSummary,
        previous: &PreviousSegments,
    ) -> Result<()> {
        let mut identity = summary.store_id.to_le_bytes().to_vec();
        for part in [summary.segment.get(), summary.end, summary.last_checksum] {
            identity.extend_from_slice(&part.to_le_bytes());
        }
        if let Some(decided) = summary.decided {
            identity.extend_from_slice(&decided.to_u64().to_le_bytes());
        }
        let name = Self::file_name(summary.segment);
        let mut file = BlockWriter::create(storage, name, crc32c::crc32c(&identity))?;

        let first = file.end_section()?;
        let mut lists = Lists { file: &mut file, bytes: 0 };
        let ids = id_table(&mut lists, summary, previous)?;
        let tags = tag_table(&mut lists, summary)?;
        let beginnings = write_list(&mut lists, beginnings(summary))?;
        let mut offsets = summary.offsets.clone();
        offsets.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        let offsets = write_list(&mut lists, offsets)?;
        let dead = write_list(&mut lists, summary.dead.iter().copied())?;
        let lists = Stream { first, bytes: lists.bytes };

        let first_id_block = file.put_stream(&ids.payloads)?.first;
        let first_tag_block = file.put_stream(&tags.payloads)?.first;
        let fences: Vec<u8> =
            ids.fences.iter().chain(&tags.fences).flat_map(|fence| fence.to_le_bytes()).collect();
        let first_fence_block = file.put_stream(&fences)?.first;

        let header = Header {
            meta: SegmentMeta {
                store_id: summary.store_id,
                segment: summary.segment,
                end: summary.end,
                last_checksum: summary.last_checksum,
                events: summary.events,
                ids: to_u64(summary.ids.len()),
                tags: to_u64(summary.tags.len()),
                decided: summary.decided,
            },
            lists,
            first_id_block,
            id_blocks: count(&ids.fences)?,
            first_tag_block,
            tag_blocks: count(&tags.fences)?,
            first_fence_block,
            beginnings,
            offsets,
            dead,
        };
        let mut body = Vec::new();
        header.put(&mut body);
        file.finish(&KIND, header.version(), &body)
    }
}

fn count(fences: &[u64]) -> Result<u32> {
    u32::try_from(fences.len())
        .map_err(|_| Error::internal("a segment's index has too many blocks"))
}

/// The stream of lists, open in the file.
struct Lists<'a, 'b> {
    file: &'a mut BlockWriter<'b>,
    bytes: u64,
}

impl ListSink for Lists<'_, '_> {
    fn put_list(&mut self, bytes: &[u8]) -> Result<u64> {
        let offset = self.bytes;
        self.file.put(bytes)?;
        self.bytes += to_u64(bytes.len());
        Ok(offset)
    }
}

fn id_table(
    lists: &mut Lists<'_, '_>,
    summary: &SegmentSummary,
    previous: &PreviousSegments,
) -> Result<TableBuilder> {
    let mut ids: Vec<(u64, &IdSummary)> =
        summary.ids.iter().map(|id| (text_hash(id.id.as_str()), id)).collect();
    ids.sort_unstable_by(|(left, left_id), (right, right_id)| {
        left.cmp(right).then_with(|| left_id.id.cmp(&right_id.id))
    });
    let mut table = TableBuilder::default();
    let mut record = Vec::new();
    let mut before = None;
    for (hash, id) in ids {
        if before.replace(&id.id) == Some(&id.id) {
            return Err(Error::internal(format!("a segment's summary names {} twice", id.id)));
        }
        if id.frames.iter().any(|frame| frame.count == 0 || frame.first.is_zero()) {
            let message = format!("a segment's summary names a frame of {} without events", id.id);
            return Err(Error::internal(message));
        }
        let before_this = previous.of(hash);
        if before_this.is_some_and(|before| before >= summary.segment)
            || id.state.snapshots_in.is_some_and(|newest| newest > summary.segment)
        {
            let message = format!("the index of segment {} leads to newer ones", summary.segment);
            return Err(Error::internal(message));
        }
        record.clear();
        TextRef::put(&mut record, lists, id.id.as_str())?;
        let frames = write_list(lists, id.frames.iter().copied())?;
        let snapshots = match &id.snapshots {
            Some(snapshots) => Some(write_list(lists, snapshots.iter().copied())?),
            None => None,
        };
        let fields = IdFields {
            state: id.state.clone(),
            previous: before_this,
            begins_at: id.begins_at,
            frames,
            snapshots,
        };
        fields.put(&mut record);
        table.push(hash, &record)?;
    }
    Ok(table.finish())
}

fn tag_table(lists: &mut Lists<'_, '_>, summary: &SegmentSummary) -> Result<TableBuilder> {
    let mut tags: Vec<(u64, &TagSummary)> =
        summary.tags.iter().map(|tag| (text_hash(tag.tag.as_str()), tag)).collect();
    tags.sort_unstable_by(|(left, left_tag), (right, right_tag)| {
        left.cmp(right).then_with(|| left_tag.tag.cmp(&right_tag.tag))
    });
    let mut table = TableBuilder::default();
    let mut record = Vec::new();
    let mut before = None;
    for (hash, tag) in tags {
        if before.replace(&tag.tag) == Some(&tag.tag) {
            return Err(Error::internal(format!("a segment's summary names {} twice", tag.tag)));
        }
        record.clear();
        TextRef::put(&mut record, lists, tag.tag.as_str())?;
        write_list(lists, tag.frames.iter().copied().map(TagFrame))?.put(&mut record);
        table.push(hash, &record)?;
    }
    Ok(table.finish())
}

fn beginnings(summary: &SegmentSummary) -> Vec<Beginning> {
    let begins = |id: &IdSummary| Some(Beginning { id: id.id.clone(), byte: id.begins_at? });
    let mut beginnings: Vec<Beginning> = summary.ids.iter().filter_map(begins).collect();
    beginnings.sort_unstable_by_key(|beginning| beginning.byte);
    beginnings
}
