//! S2-S5: a snapshot that cannot be read, saved or trusted never makes a state silently wrong.

use annals_core::{
    Bounds, DeletedPrefix, Error, ErrorKind, Payload, PersistenceId, SeqNr, SerializerId, Snapshot,
    SnapshotCriteria, SnapshotStoreExt,
};

use crate::Missing;
use crate::context::{Context, Subject, nr, snapshot};
use crate::verdict::{Outcome, ensure, ensure_eq, expect_kind};

const ALL: SnapshotCriteria = SnapshotCriteria::ALL;

async fn save_three(subject: &Subject, id: &PersistenceId) -> annals_core::Result<()> {
    for seq_nr in [10, 20, 30] {
        subject.store.snapshots.save(snapshot(id, seq_nr, 0, seq_nr)).await?;
    }
    Ok(())
}

/// Reads snapshots up to number `readable`.
fn reads_up_to(readable: u64) -> impl Fn(&Snapshot) -> annals_core::Result<u64> + Send + Sync {
    move |snapshot| {
        let seq_nr = snapshot.seq_nr.get();
        if seq_nr > readable { Err(Error::corrupt("not readable")) } else { Ok(seq_nr) }
    }
}

pub(crate) async fn s2_unreadable_falls_back(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_three(&subject, &id).await?;
    let snapshots = &subject.store.snapshots;
    for (readable, attempts, wanted) in [(30, 1, 30), (29, 2, 20), (19, 3, 10), (19, 9, 10)] {
        let found = snapshots.load_readable(&id, &ALL, attempts, reads_up_to(readable)).await?;
        let found = found.map(|(snapshot, read)| (snapshot.seq_nr.get(), read));
        ensure_eq!(found, Some((wanted, wanted)), "readable up to {readable}");
    }
    for (readable, attempts) in [(29, 1), (19, 2), (9, 3), (0, 99)] {
        let answer = snapshots.load_readable(&id, &ALL, attempts, reads_up_to(readable)).await;
        expect_kind(answer, ErrorKind::Corrupt, "no readable snapshot within the attempts")?;
    }
    let none = snapshots.load_readable(&cx.id("never"), &ALL, 3, reads_up_to(99)).await?;
    ensure!(none.is_none(), "an unknown id has a snapshot");
    Ok(())
}

pub(crate) async fn s2_damaged_falls_back(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_three(&subject, &id).await?;
    let damaged = cx.fixture().damage_snapshot(&subject.place, &id, nr(30)).await;
    subject.needs(damaged, Missing::SnapshotDamage)?;
    let snapshots = &subject.store.snapshots;
    let answer = snapshots.load(&id, &ALL).await;
    expect_kind(answer, ErrorKind::Corrupt, "the load of a damaged snapshot")?;
    let found = snapshots.load_readable(&id, &ALL, 2, reads_up_to(99)).await?;
    ensure_eq!(found.map(|(_, read)| read), Some(20), "the next older snapshot");
    let answer = snapshots.load_readable(&id, &ALL, 1, reads_up_to(99)).await;
    expect_kind(answer, ErrorKind::Corrupt, "one attempt at a damaged snapshot")?;
    snapshots.save(snapshot(&id, 30, 0, "again")).await?;
    let found = snapshots.load(&id, &ALL).await?;
    ensure_eq!(found, Some(snapshot(&id, 30, 0, "again")), "the snapshot, saved again");
    Ok(())
}

pub(crate) async fn s3_refused_save_keeps_the_older(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_three(&subject, &id).await?;
    let limits = subject.capabilities();
    let mut large = snapshot(&id, 30, 9, "");
    large.payload =
        Payload::new(SerializerId::BYTES, "", vec![7_u8; limits.snapshot_bytes_max + 1]);
    let mut long = snapshot(&id, 30, 9, "x");
    long.payload.manifest = "x".repeat(limits.text_bytes_max + 1).into();
    for refused in [large, long] {
        let refused = subject.store.snapshots.save(refused).await;
        expect_kind(refused, ErrorKind::Invalid, "a snapshot beyond the limits")?;
        let found = subject.store.snapshots.load(&id, &ALL).await?;
        ensure_eq!(found, Some(snapshot(&id, 30, 0, 30)), "the older one of the same number");
    }
    Ok(())
}

pub(crate) async fn s3_failed_save_keeps_the_older(cx: Context) -> Outcome {
    let mut subject = cx.open().await?;
    let id = cx.id("a");
    save_three(&subject, &id).await?;
    let broken = cx.fixture().fail_next_snapshot_save(&subject.place).await;
    subject.needs(broken, Missing::SnapshotSaveFailure)?;
    let failed = subject.store.snapshots.save(snapshot(&id, 30, 9, "lost")).await;
    let Err(error) = failed else {
        return Err(crate::verdict::Stop::Failed("the failed save was acknowledged".to_owned()));
    };
    // A store may have closed itself; the older snapshot is there when it is open again.
    if error.kind() == ErrorKind::Closed || subject.store.journal.bounds(&id).await.is_err() {
        subject = subject.crash().await?;
    }
    let found = subject.store.snapshots.load(&id, &ALL).await?;
    let older = Some(snapshot(&id, 30, 0, 30));
    let newer = Some(snapshot(&id, 30, 9, "lost"));
    let unknown = error.kind() == ErrorKind::OutcomeUnknown;
    ensure!(found == older || unknown && found == newer, "after a failed save: {found:?}");
    Ok(())
}

/// What a recovery checks, on the bounds and snapshots that the store gives.
async fn check(subject: &Subject, id: &PersistenceId) -> Outcome<annals_core::Result<()>> {
    let bounds: Bounds = subject.store.journal.bounds(id).await?;
    let found = subject.store.snapshots.load(id, &ALL).await?;
    let seq_nr = found.map_or(SeqNr::ZERO, |snapshot| snapshot.seq_nr);
    DeletedPrefix::Allow.check(id, seq_nr, bounds)?;
    Ok(DeletedPrefix::RequireSnapshot.check(id, seq_nr, bounds))
}

pub(crate) async fn s4_deleted_prefix_needs_a_snapshot(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    check(&subject, &id).await??;
    subject.store.snapshots.save(snapshot(&id, 2, 0, "s-2")).await?;
    subject.delete_to(&id, 2).await?;
    check(&subject, &id).await??;
    subject.delete_to(&id, 3).await?;
    let answer = check(&subject, &id).await?;
    expect_kind(answer, ErrorKind::Corrupt, "a snapshot older than the deleted prefix")?;
    subject.store.snapshots.delete(&id, &ALL).await?;
    let answer = check(&subject, &id).await?;
    expect_kind(answer, ErrorKind::Corrupt, "a deleted prefix without a snapshot")?;
    subject.store.snapshots.save(snapshot(&id, 3, 0, "s-3")).await?;
    check(&subject, &id).await??;
    Ok(())
}

pub(crate) async fn s5_snapshot_above_the_highest_is_corrupt(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.store.snapshots.save(snapshot(&id, 5, 0, "s-5")).await?;
    check(&subject, &id).await??;
    subject.store.snapshots.save(snapshot(&id, 6, 0, "s-6")).await?;
    let answer = check(&subject, &id).await?;
    expect_kind(answer, ErrorKind::Corrupt, "a snapshot above the highest number")?;
    subject.write(&id, 5, &["a-6"]).await?;
    check(&subject, &id).await??;
    Ok(())
}
