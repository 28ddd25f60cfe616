//! Appends, tagged appends and recoveries against Pekko's plugin, in an application that is warm, on the
//! same server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use annals_cassandra::{CassandraStore, Fencing};
use annals_core::{Tag, Tags};
use annals_interop::{App, Appends, Figures, Keyspaces, PekkoSystem};
use scylla::client::session::Session;

use super::super::beside::{cpu_micros, their_cpu_micros, their_p99_millis};
use super::bare::connect;
use super::requests::{Client, requests_of};
use super::{Run, Server, open, settings};
use crate::Result;
use crate::figures::Bench;
use crate::number::{count, float, rate};
use crate::report::Reach;
use crate::subject::JournalTarget;
use crate::turns::in_turns;

const TAGS: [&str; 3] = ["red", "green", "blue"];

/// What is compared: how many entities, of how many events for the plugin, with which tags.
struct Comparison {
    name: &'static str,
    entities: u64,
    events: u64,
    tags: &'static [&'static str],
    reach: f64,
}

impl Bench {
    pub(super) async fn cassandra_pekko(&mut self, server: &Server) -> Result<()> {
        let address = server.node.address().to_owned();
        let app = Arc::new(App::start(&[])?);
        let keyspaces = Keyspaces::create(app, &address, "").await?;
        let pekko = keyspaces.pekko("").await?;
        let store = open(&address, "bench_beside", Fencing::Claims).await?;
        let session = connect(&address).await?;
        let sizes = if self.plan.quick { [640, 640, 50] } else { [25_600, 38_400, 1_000] };
        let [some, many, one] = sizes;
        for comparison in [
            Comparison { name: "64 in flight", entities: 64, events: some, tags: &[], reach: 1.8 },
            Comparison {
                name: "256 in flight",
                entities: 256,
                events: many,
                tags: &[],
                reach: 1.5,
            },
            Comparison { name: "one by one", entities: 1, events: one, tags: &[], reach: 1.0 },
            Comparison {
                name: "3 tags, 64 in flight",
                entities: 64,
                events: some,
                tags: &TAGS,
                reach: 1.0,
            },
        ] {
            self.beside_pekko(server, &store, &pekko, &session, &comparison).await?;
        }
        let mut settings = settings(&keyspaces.journal, Fencing::Claims);
        settings.snapshot.keyspace = keyspaces.snapshots.clone();
        let builder = CassandraStore::builder([address.as_str()]).settings(settings);
        builder.create_schema().await?;
        self.recoveries_beside_pekko(&builder.open().await?.store(), &pekko, 2, 3.0).await
    }

    async fn beside_pekko(
        &mut self,
        server: &Server,
        store: &CassandraStore,
        pekko: &PekkoSystem,
        session: &Session,
        comparison: &Comparison,
    ) -> Result<()> {
        let Comparison { name, entities, events, tags, reach } = comparison;
        let load = self.cassandra_load(*entities);
        let tag_set: Result<Tags, _> = tags.iter().map(|tag| Tag::new(*tag)).collect();
        let journal = JournalTarget::new(store.store().journal, tag_set?);
        let (mut rates, mut cpu, mut slowest, mut requests) = (vec![], vec![], vec![], vec![]);
        // The first rounds warm the application's compilers.
        for round in 0..self.plan.rounds + 2 {
            let ours = async {
                let before = requests_of(session, Client::Rust).await?;
                let ours = server.drive(journal.clone(), load).await?;
                Ok((ours, requests_of(session, Client::Rust).await? - before))
            };
            let appends = Appends {
                prefix: format!("run{}-{round}-", server.runs.load(Ordering::Relaxed)),
                entities: *entities,
                events: *events,
                batch: 1,
                event_bytes: count(load.payload_bytes),
                tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            };
            let theirs = async {
                let before = requests_of(session, Client::Java).await?;
                let theirs = pekko.bench_append(&appends).await?;
                // Tag writes of the plugin are on their way when the append is acknowledged.
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok((theirs, requests_of(session, Client::Java).await? - before))
            };
            let ((ours, our_requests), (theirs, their_requests)) =
                in_turns(round, ours, theirs).await?;
            if our_requests == 0 || their_requests == 0 {
                return Err("the server did not count the requests of both drivers".into());
            }
            if round < 2 {
                continue;
            }
            let pair = (
                float(our_requests) / float(ours.appends),
                float(their_requests) / float(theirs.events),
            );
            self.tell_round(name, round, &ours, &theirs, pair);
            rates.push(ours.outcome.rate() / rate(theirs.events, theirs.time));
            cpu.push(cpu_micros(&ours.outcome) / their_cpu_micros(&theirs));
            slowest.push(ours.outcome.millis(0.99) / their_p99_millis(&theirs));
            requests.push(pair.0 / pair.1);
        }
        let what = format!("claims, {name}, rate / Pekko's plugin's");
        self.report.figure("pekko", &what, "", rates, Reach::AtLeast(*reach));
        let what = format!("claims, {name}, client CPU an event / Pekko's");
        self.report.figure("pekko", &what, "", cpu, Reach::AtMost(0.25));
        let what = format!("claims, {name}, p99 / Pekko's");
        self.report.figure("pekko", &what, "", slowest, Reach::AtMost(1.0));
        let reach = if tags.is_empty() { Reach::None } else { Reach::AtMost(1.0) };
        let what = format!("claims, {name}, server requests an event / Pekko's");
        self.report.figure("pekko", &what, "", requests, reach);
        Ok(())
    }

    fn tell_round(
        &mut self,
        name: &str,
        round: usize,
        ours: &Run,
        theirs: &Figures,
        requests: (f64, f64),
    ) {
        self.report.note(format!(
            "Pekko, {name} {round}, annals: {}, {:.2} requests an event",
            ours.outcome.summary(),
            requests.0
        ));
        self.report.note(format!(
            "Pekko, {name} {round}, the plugin: {:.0} events/s, p99 {:.2} ms, {:.2} µs CPU an event, {:.2} \
             requests an event",
            rate(theirs.events, theirs.time),
            their_p99_millis(theirs),
            their_cpu_micros(theirs),
            requests.1
        ));
    }
}
