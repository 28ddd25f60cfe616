//! The measures of the plugin do what they say, on a run that is too short to tell anything.

use annals_interop::Appends;

use crate::sides::Sides;

pub(crate) async fn counts_what_is_stored(sides: &Sides) {
    let appends = Appends {
        prefix: "bench|".to_owned(),
        entities: 4,
        events: 48,
        batch: 3,
        event_bytes: 100,
        tags: vec![],
    };

    let figures = sides.pekko.bench_append(&appends).await.unwrap();

    let [p50, p99] = figures.latencies;
    assert_eq!(figures.events, 48);
    assert!(!p50.is_zero() && p50 <= p99 && p99 <= figures.time, "{figures:?}");
    assert!(!figures.cpu.is_zero());
    for entity in 0..4 {
        assert_eq!(sides.annals.bounds(&format!("bench|{entity}")).await.highest.get(), 12);
    }
    let recoveries = sides.pekko.bench_recover("bench|3", 2).await.unwrap();
    assert_eq!(recoveries.iter().map(|figures| figures.events).collect::<Vec<_>>(), [12, 12]);
    assert!(recoveries.iter().all(|figures| !figures.time.is_zero()));
    sides.pekko.bench_recover("nobody", 1).await.unwrap_err();
}
