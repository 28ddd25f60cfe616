//! A server that is asked too much: requests wait and are fewer for a while, none is lost, and when it is
//! over, there are as many as before.

use std::time::Duration;

use annals_core::{JournalExt, SeqRange};
use annals_dynamodb::DynamoDb;

use crate::support::{append, id, open, runtime, settings};
use crate::wire::{Act, Wire, cancelled, error};

/// All that DynamoDB answers to too many requests: to one item's, and to transactions.
fn answers() -> Vec<(usize, Act)> {
    let items =
        ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"];
    let items = items.map(|name| (1, error(400, name)));
    let whole = ["ProvisionedThroughputExceededException", "ThrottlingException"];
    let whole = whole.map(|name| (3, error(400, name)));
    let reasons = ["ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"];
    let reasons = reasons.map(|code| (3, cancelled(&["None", code, "None"])));
    items.into_iter().chain(whole).chain(reasons).collect()
}

#[test]
fn a_throttled_client_slows_down_and_is_as_fast_as_before_afterwards() {
    const WRITERS: usize = 12;
    const THROTTLED: usize = 20;
    const REQUESTS_MAX: u64 = 8;
    runtime().block_on(async {
        for (count, act) in answers() {
            let mut settings = settings();
            settings.client.requests_max = REQUESTS_MAX.try_into().unwrap();
            settings.client.retry.first = Duration::from_millis(1);
            let plain = open(settings.clone()).await.unwrap().store();
            let shown = format!("{act:?}");
            let wire = Wire::new(move |number, _| match number {
                ..THROTTLED => act.clone(),
                _ => Act::Pass,
            });
            let builder = DynamoDb::builder().settings(settings).http_client(wire.client());
            let store = builder.open().await.unwrap();
            let ids: Vec<_> = (0..WRITERS).map(|number| id(&format!("e{number}"))).collect();
            let journal = &store.store().journal;
            let appends = ids.iter().map(|id| journal.append(append("first", id, 0, count)));
            for done in futures_util::future::join_all(appends).await {
                done.unwrap();
            }
            let stats = store.stats();
            assert_eq!(stats.throttled, THROTTLED as u64, "{shown}");
            assert_eq!(
                stats.requests,
                (THROTTLED + WRITERS) as u64,
                "{shown}: no request too many"
            );
            assert!(stats.requests_max < REQUESTS_MAX, "{shown}: {stats:?}");
            for id in &ids {
                let events = plain.journal.read_all(id, SeqRange::ALL).await.unwrap();
                assert_eq!(events.len(), count, "{shown}: {id} is stored once");
            }
            // One more with each round of answers: 1 + 2 + … + 7 of them are enough.
            for _ in 0..28 {
                journal.bounds(&ids[0]).await.unwrap();
            }
            assert_eq!(store.stats().requests_max, REQUESTS_MAX, "{shown}");
        }
    });
}
