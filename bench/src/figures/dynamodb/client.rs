//! The client alone: against a server that answers at once, and what it asks of one.

use std::sync::Arc;

use super::super::beside::cpu_micros;
use super::bare::{Bare, Template, sdk};
use super::{Server, WRITERS, open, target};
use crate::Result;
use crate::answer::Answering;
use crate::child::Running;
use crate::driver::{Entity, drive};
use crate::figures::Bench;
use crate::number::float;
use crate::payload::payload;
use crate::report::Reach;
use crate::turns::in_turns;

/// The events of which requests are counted.
const COUNTED: u64 = 1_000;

impl Bench {
    pub(super) async fn dynamodb_client(&mut self) -> Result<()> {
        let load = self.load(WRITERS);
        let template = {
            let mut server = Server::start()?;
            let store = server.fresh().await?;
            Template::of(&store, server.local.endpoint(), load.payload_bytes).await?
        };
        // A process of its own, so that its work is not counted as the client's.
        let answering = Running::start(&["answer"])?;
        let endpoint = format!("http://127.0.0.1:{}", answering.answer());
        let (mut rates, mut cpu) = (vec![], vec![]);
        for round in 0..=self.plan.rounds {
            let store = open(&endpoint, "journal").await?;
            let (sdk, journal) = (sdk(&endpoint), "journal".to_owned());
            let bare = Bare { sdk, template: template.clone(), journal, conditional: false };
            let bare = drive(Arc::new(bare), load);
            let (bare, ours) = in_turns(round, bare, drive(target(&store), load)).await?;
            if round > 0 {
                self.report.note(format!("client {round}, annals: {}", ours.summary()));
                self.report.note(format!("client {round}, bare SDK: {}", bare.summary()));
                self.report.value("client_cpu_micros_per_event", cpu_micros(&ours));
                self.report.value("bare_sdk_cpu_micros_per_event", cpu_micros(&bare));
                rates.push(ours.rate() / bare.rate());
                cpu.push(cpu_micros(&ours) / cpu_micros(&bare));
            }
        }
        let what = "where the server answers at once: share of the SDK's rate";
        self.report.figure("client", what, "", rates, Reach::None);
        let what = "where the server answers at once: CPU an event / the SDK's";
        self.report.figure("client", what, "", cpu, Reach::None);
        Ok(())
    }

    pub(super) async fn dynamodb_requests(&mut self) -> Result<()> {
        for (events, most) in [(1, 1_010.0), (10, 110.0)] {
            let answering = Answering::start().await?;
            let store = open(&format!("http://127.0.0.1:{}", answering.port()), "journal").await?;
            let (target, entity) = (target(&store), Entity::new(1));
            let before = answering.requests();
            for first in (1..=COUNTED).step_by(usize::try_from(events)?) {
                let bytes = self.plan.payload_bytes;
                let payloads = (first..first + events).map(|seq_nr| payload(1, seq_nr, bytes));
                target.append_all(&entity, first, payloads).await?;
            }
            let requests = float(answering.requests() - before);
            let what = format!("requests of {COUNTED} events, {events} in an append");
            self.report.figure("requests", &what, "", vec![requests], Reach::AtMost(most));
        }
        Ok(())
    }
}
