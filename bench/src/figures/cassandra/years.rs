//! A finite query by tag without an offset, where nothing was tagged for years.

use std::time::Instant;

use annals_cassandra::{CassandraStore, Fencing};
use annals_core::{Scope, Tag, Tags};
use annals_query::{Extent, Query};
use futures_util::TryStreamExt;

use super::{Server, settings};
use crate::Result;
use crate::figures::Bench;
use crate::payload::payload;
use crate::report::Reach;
use crate::subject::JournalTarget;

impl Bench {
    /// The first bucket is Pekko's default, an hour of 2015, so that the empty years are eleven or more.
    pub(super) async fn cassandra_empty_years(&mut self, server: &Server) -> Result<()> {
        let builder = CassandraStore::builder([server.node.address()])
            .settings(settings("bench_years", Fencing::Claims));
        builder.create_schema().await?;
        let store = builder.open().await?.store();
        let mut seconds = Vec::new();
        for (round, entity) in (1..).zip(server.entities(u64::try_from(self.plan.rounds)?)) {
            let tag = Tag::new(format!("seldom {round}"))?;
            let target = JournalTarget::new(store.journal.clone(), Tags::from_iter([tag.clone()]));
            let event = payload(entity.number, 1, self.plan.payload_bytes);
            target.append_all(&entity, 1, [event]).await?;
            let begin = Instant::now();
            let query = Query::new(store.read_journal.clone());
            let pages: Vec<_> =
                query.pages(Scope::Tag(tag), Extent::Current, None).try_collect().await?;
            let took = begin.elapsed();
            let found: usize = pages.iter().map(|page| page.events().len()).sum();
            if found != 1 {
                return Err(format!("{found} events were found where there is one").into());
            }
            self.report.note(format!("empty years {round}: the one event was found in {took:.1?}"));
            seconds.push(took.as_secs_f64());
        }
        store.close().await?;
        self.report.figure(
            "years",
            "a finite query by tag without an offset, over the empty hours since 2015",
            " s",
            seconds,
            Reach::AtMost(20.0),
        );
        Ok(())
    }
}
