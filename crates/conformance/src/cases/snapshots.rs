//! S1: the newest by number that meets the criteria; S01-S13 of Pekko's snapshot suite.

use annals_core::{
    ErrorKind, Payload, PersistenceId, SerializerId, Snapshot, SnapshotCriteria, Timestamp,
};

use crate::context::{Context, Subject, at, nr, snapshot};
use crate::verdict::{Outcome, ensure_eq, expect_kind};

/// s-1 … s-5 at the numbers 11 to 15, a second apart.
async fn save_five(subject: &Subject, id: &PersistenceId) -> annals_core::Result<()> {
    for number in 1..=5_u64 {
        let millis = i64::try_from(number).unwrap_or(0) * 1000;
        let snapshot = snapshot(id, 10 + number, millis, format!("s-{number}"));
        subject.store.snapshots.save(snapshot).await?;
    }
    Ok(())
}

/// Loads by `criteria`; gives the number and the text.
async fn load(
    subject: &Subject,
    id: &PersistenceId,
    criteria: &SnapshotCriteria,
) -> annals_core::Result<Option<(u64, String)>> {
    let found = subject.store.snapshots.load(id, criteria).await?;
    Ok(found.map(|snapshot| {
        let text = String::from_utf8_lossy(&snapshot.payload.bytes).into_owned();
        (snapshot.seq_nr.get(), text)
    }))
}

async fn numbers(
    subject: &Subject,
    id: &PersistenceId,
    criteria: &SnapshotCriteria,
    infos_max: usize,
) -> annals_core::Result<Vec<u64>> {
    let infos = subject.store.snapshots.list(id, criteria, infos_max).await?;
    Ok(infos.into_iter().map(|info| info.seq_nr.get()).collect())
}

fn s(number: u64) -> Option<(u64, String)> {
    Some((10 + number, format!("s-{number}")))
}

pub(crate) async fn s1_unknown_id_has_none(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    save_five(&subject, &cx.id("a")).await?;
    for name in ["never", "a-", "A"] {
        let id = cx.id(name);
        ensure_eq!(load(&subject, &id, &SnapshotCriteria::ALL).await?, None, "a load of {name}");
        let found = numbers(&subject, &id, &SnapshotCriteria::ALL, 10).await?;
        ensure_eq!(found, Vec::<u64>::new(), "the list of {name}");
        subject.store.snapshots.delete(&id, &SnapshotCriteria::ALL).await?;
    }
    ensure_eq!(load(&subject, &cx.id("a"), &SnapshotCriteria::ALL).await?, s(5), "a load of a");
    Ok(())
}

pub(crate) async fn s1_newest_is_by_number(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    // The higher the number, the older by time; and saved in no order.
    for (seq_nr, millis) in [(20, 2_000), (30, 1_000), (10, 3_000)] {
        subject.store.snapshots.save(snapshot(&id, seq_nr, millis, seq_nr)).await?;
    }
    let all = SnapshotCriteria::ALL;
    ensure_eq!(load(&subject, &id, &all).await?, Some((30, "30".to_owned())), "the newest");
    ensure_eq!(numbers(&subject, &id, &all, 10).await?, vec![30, 20, 10], "newest first");
    let late = all.with_min_timestamp(at(1_500));
    ensure_eq!(
        load(&subject, &id, &late).await?,
        Some((20, "20".to_owned())),
        "newest of the late"
    );
    Ok(())
}

pub(crate) async fn s1_number_bounds_are_honoured(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_five(&subject, &id).await?;
    let all = SnapshotCriteria::ALL;
    let cases = [
        (SnapshotCriteria::up_to(nr(7)), None),
        (SnapshotCriteria::up_to(nr(10)), None),
        (SnapshotCriteria::up_to(nr(11)), s(1)),
        (SnapshotCriteria::up_to(nr(13)), s(3)),
        (SnapshotCriteria::up_to(nr(100)), s(5)),
        (SnapshotCriteria::at(nr(12)), s(2)),
        (SnapshotCriteria::at(nr(16)), None),
        (all.with_min_seq_nr(nr(15)), s(5)),
        (all.with_min_seq_nr(nr(16)), None),
        (SnapshotCriteria::up_to(nr(13)).with_min_seq_nr(nr(13)), s(3)),
        (SnapshotCriteria::up_to(nr(13)).with_min_seq_nr(nr(14)), None),
        (SnapshotCriteria::at(nr(0)), None),
    ];
    for (criteria, wanted) in cases {
        ensure_eq!(load(&subject, &id, &criteria).await?, wanted, "a load by {criteria:?}");
    }
    Ok(())
}

pub(crate) async fn s1_time_bounds_are_honoured(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_five(&subject, &id).await?;
    let all = SnapshotCriteria::ALL;
    let cases = [
        (all.with_max_timestamp(Timestamp::from_millis(100)), None),
        (all.with_max_timestamp(at(999)), None),
        (all.with_max_timestamp(at(1000)), s(1)),
        (all.with_max_timestamp(at(3000)), s(3)),
        (all.with_max_timestamp(at(3999)), s(3)),
        (all.with_min_timestamp(at(5000)), s(5)),
        (all.with_min_timestamp(at(5001)), None),
        (SnapshotCriteria::up_to(nr(13)).with_max_timestamp(at(3000)), s(3)),
        (SnapshotCriteria::up_to(nr(14)).with_max_timestamp(at(2500)), s(2)),
        (SnapshotCriteria::up_to(nr(12)).with_min_timestamp(at(2000)), s(2)),
        (SnapshotCriteria::up_to(nr(12)).with_min_timestamp(at(2001)), None),
        (SnapshotCriteria::at(nr(13)).with_max_timestamp(at(2999)), None),
    ];
    for (criteria, wanted) in cases {
        ensure_eq!(load(&subject, &id, &criteria).await?, wanted, "a load by {criteria:?}");
    }
    Ok(())
}

pub(crate) async fn s1_list_is_newest_first_and_bounded(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_five(&subject, &id).await?;
    let all = SnapshotCriteria::ALL;
    ensure_eq!(numbers(&subject, &id, &all, 10).await?, vec![15, 14, 13, 12, 11], "all");
    ensure_eq!(numbers(&subject, &id, &all, 2).await?, vec![15, 14], "the newest two");
    let middle = SnapshotCriteria::up_to(nr(14)).with_min_timestamp(at(2000));
    ensure_eq!(numbers(&subject, &id, &middle, 10).await?, vec![14, 13, 12], "by criteria");
    let infos = subject.store.snapshots.list(&id, &SnapshotCriteria::at(nr(13)), 1).await?;
    let times: Vec<Timestamp> = infos.iter().map(|info| info.timestamp).collect();
    ensure_eq!(times, vec![at(3000)], "the time of the third");
    Ok(())
}

pub(crate) async fn s1_saving_again_replaces(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    save_five(&subject, &id).await?;
    let all = SnapshotCriteria::ALL;
    // Also when the new one is older by time.
    for (millis, text) in [(6_000, "s-5-modified"), (10, "s-5-again")] {
        subject.store.snapshots.save(snapshot(&id, 15, millis, text)).await?;
        let found = subject.store.snapshots.load(&id, &all).await?;
        ensure_eq!(found, Some(snapshot(&id, 15, millis, text)), "the newest snapshot");
        let found = numbers(&subject, &id, &all, 10).await?;
        ensure_eq!(found, vec![15, 14, 13, 12, 11], "the snapshots that are left");
    }
    Ok(())
}

pub(crate) async fn s1_delete_by_number(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let (id, other) = (cx.id("a"), cx.id("a-1"));
    save_five(&subject, &id).await?;
    save_five(&subject, &other).await?;
    subject.store.snapshots.delete(&id, &SnapshotCriteria::at(nr(13))).await?;
    let found = load(&subject, &id, &SnapshotCriteria::up_to(nr(13))).await?;
    ensure_eq!(found, s(2), "the newest up to the deleted one");
    let all = SnapshotCriteria::ALL;
    ensure_eq!(numbers(&subject, &id, &all, 9).await?, vec![15, 14, 12, 11], "what is left");
    subject.store.snapshots.delete(&id, &SnapshotCriteria::at(nr(13))).await?;
    subject.store.snapshots.delete(&id, &all).await?;
    ensure_eq!(load(&subject, &id, &all).await?, None, "a load after all were deleted");
    ensure_eq!(numbers(&subject, &other, &all, 9).await?.len(), 5, "another entity's snapshots");
    Ok(())
}

pub(crate) async fn s1_delete_by_bounds(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let all = SnapshotCriteria::ALL;
    let up_to_third = SnapshotCriteria::up_to(nr(13)).with_max_timestamp(at(3000));
    let cases = [
        ("third", up_to_third, vec![15, 14]),
        (
            "before the fourth's time",
            SnapshotCriteria::up_to(nr(14)).with_max_timestamp(at(3999)),
            vec![15, 14],
        ),
        ("late", all.with_min_timestamp(at(4000)), vec![13, 12, 11]),
        ("high", all.with_min_seq_nr(nr(15)), vec![14, 13, 12, 11]),
        (
            "inside",
            SnapshotCriteria::up_to(nr(14)).with_min_seq_nr(nr(12)).with_min_timestamp(at(2500)),
            vec![15, 12, 11],
        ),
        ("nothing", SnapshotCriteria::up_to(nr(10)), vec![15, 14, 13, 12, 11]),
    ];
    for (name, criteria, wanted) in cases {
        let id = cx.id(name);
        save_five(&subject, &id).await?;
        subject.store.snapshots.delete(&id, &criteria).await?;
        ensure_eq!(numbers(&subject, &id, &all, 9).await?, wanted, "left after deleting {name}");
    }
    Ok(())
}

pub(crate) async fn s1_every_field_comes_back(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("Ünïcödé|\u{1F600}");
    let all_bytes: Vec<u8> = (0..=255).collect();
    let saved = Snapshot {
        persistence_id: id.clone(),
        seq_nr: nr(1_000_000_000_000),
        timestamp: Timestamp::from_millis(1),
        payload: Payload::new(SerializerId::new(-5), "com.example.State#3", all_bytes.clone()),
        metadata: Some(Payload::new(SerializerId::new(9001), "meta", all_bytes)),
    };
    subject.store.snapshots.save(saved.clone()).await?;
    let found = subject.store.snapshots.load(&id, &SnapshotCriteria::ALL).await?;
    ensure_eq!(found, Some(saved), "the snapshot");
    Ok(())
}

pub(crate) async fn s1_large_snapshot(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    let bytes_max = subject.capabilities().snapshot_bytes_max;
    let sized = |seq_nr, bytes| {
        let mut snapshot = snapshot(&id, seq_nr, 0, "");
        snapshot.payload = Payload::new(SerializerId::BYTES, "", vec![7_u8; bytes]);
        snapshot
    };
    for (seq_nr, bytes) in [(100, 10_000.min(bytes_max)), (101, bytes_max)] {
        subject.store.snapshots.save(sized(seq_nr, bytes)).await?;
        let found = subject.store.snapshots.load(&id, &SnapshotCriteria::ALL).await?;
        let size = found.map(|snapshot| snapshot.payload.bytes.len());
        ensure_eq!(size, Some(bytes), "the bytes that come back");
    }
    let refused = subject.store.snapshots.save(sized(102, bytes_max + 1)).await;
    expect_kind(refused, ErrorKind::Invalid, "a snapshot that is too large")?;
    let found = numbers(&subject, &id, &SnapshotCriteria::ALL, 9).await?;
    ensure_eq!(found, vec![101, 100], "the snapshots that are left");
    Ok(())
}

pub(crate) async fn s1_events_and_snapshots_are_apart(cx: Context) -> Outcome {
    let subject = cx.open().await?;
    let id = cx.id("a");
    subject.write_five(&id).await?;
    subject.store.snapshots.save(snapshot(&id, 5, 0, "s")).await?;
    subject.expect_history(&id, 0, &["a-1", "a-2", "a-3", "a-4", "a-5"]).await?;
    subject.delete_to(&id, 5).await?;
    let found = load(&subject, &id, &SnapshotCriteria::ALL).await?;
    ensure_eq!(found, Some((5, "s".to_owned())), "the snapshot after the events were deleted");
    subject.store.snapshots.delete(&id, &SnapshotCriteria::ALL).await?;
    subject.expect_history(&id, 5, &[]).await?;
    subject.write(&id, 5, &["a-6"]).await?;
    subject.expect_history(&id, 5, &["a-6"]).await
}
