//! The requests of a claim.

use annals_cassandra::{CassandraBuilder, CassandraStore, Fencing};
use scylla::client::session::Session;

use super::bare::connect;
use super::requests::{Client, requests_of};
use super::{Server, settings, target};
use crate::Result;
use crate::driver::Entity;
use crate::figures::Bench;
use crate::number::float;
use crate::payload::payload;
use crate::report::Reach;

const ENTITIES: std::ops::Range<u64> = 1_000..1_050;
/// What makes the statements known to the servers.
const WARMING_UP: std::ops::Range<u64> = 900..902;

impl Bench {
    pub(super) async fn cassandra_claims(&mut self, server: &Server) -> Result<()> {
        let address = server.node.address();
        let session = connect(address).await?;
        let builder = || -> CassandraBuilder {
            let mut settings = settings("bench_claim_requests", Fencing::Claims);
            // The recovery of tags has requests of its own.
            settings.events_by_tag.enabled = false;
            CassandraStore::builder([address]).settings(settings)
        };
        builder().create_schema().await?;
        let (first, second) = (builder().open().await?, builder().open().await?);
        for store in [&first, &second] {
            begin(store, WARMING_UP).await?;
        }
        let new = begin_counted(&session, &first, ENTITIES).await?;
        for number in ENTITIES {
            let event = payload(number, 1, self.plan.payload_bytes);
            target(&first).append_all(&Entity::new(number), 1, [event]).await?;
        }
        let back = begin_counted(&session, &first, ENTITIES).await?;
        let taken = begin_counted(&session, &second, ENTITIES).await?;
        for (what, requests) in [
            ("requests of a first begin of a new entity", new),
            ("requests of a begin in the process that holds the claim", back),
            ("requests of a begin in another process", taken),
        ] {
            let what = format!("{what}, its search for the end included");
            self.report.figure("claims", &what, "", vec![requests], Reach::None);
        }
        Ok(())
    }
}

async fn begin(store: &CassandraStore, numbers: std::ops::Range<u64>) -> Result<()> {
    let journal = store.store().journal;
    for number in numbers {
        let entity = Entity::new(number);
        journal.begin(&entity.id, &entity.writer).await?;
    }
    Ok(())
}

/// The requests of one begin, on average.
async fn begin_counted(
    session: &Session,
    store: &CassandraStore,
    numbers: std::ops::Range<u64>,
) -> Result<f64> {
    let entities = numbers.end - numbers.start;
    let before = requests_of(session, Client::Rust).await?;
    begin(store, numbers).await?;
    let after = requests_of(session, Client::Rust).await?;
    Ok(float((after - before).saturating_sub(1)) / float(entities))
}
