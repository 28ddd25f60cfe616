//! Conditional appends of one event against plain puts of the same items, and against puts under the same
//! condition: the one is what there is to reach, the other tells what of the difference is the server's.

use std::sync::Arc;

use super::super::beside::cpu_micros;
use super::bare::{Bare, Template, sdk};
use super::{Server, WARMED, WRITERS, target};
use crate::Result;
use crate::driver::drive;
use crate::figures::Bench;
use crate::report::Reach;
use crate::turns::in_turns;

/// The ratios of the rounds.
#[derive(Default)]
struct Ratios {
    plain: Vec<f64>,
    plain_cpu: Vec<f64>,
    conditional: Vec<f64>,
    conditional_cpu: Vec<f64>,
}

impl Bench {
    pub(super) async fn dynamodb_appends(&mut self, server: &mut Server) -> Result<()> {
        let load = self.load(WRITERS);
        let endpoint = server.local.endpoint().to_owned();
        let first = server.fresh().await?;
        let template = Template::of(&first, &endpoint, load.payload_bytes).await?;
        let mut ratios = Ratios::default();
        for round in 0..self.plan.rounds + WARMED {
            let bare = |conditional| {
                let journal = format!("bare{round}{conditional}");
                let bare =
                    Bare { sdk: sdk(&endpoint), template: template.clone(), journal, conditional };
                drive(Arc::new(bare), load)
            };
            let store = target(&server.fresh().await?);
            let ours = in_turns(round, bare(true), drive(store, load));
            let (plain, (conditional, ours)) = in_turns(round, bare(false), ours).await?;
            if round < WARMED {
                continue;
            }
            for (name, outcome) in [
                ("annals", &ours),
                ("bare SDK", &plain),
                ("bare SDK under the condition", &conditional),
            ] {
                self.report.note(format!("appends {round}, {name}: {}", outcome.summary()));
            }
            self.report.value("appends_64_in_flight_events_per_second", ours.rate());
            self.report.value("appends_64_in_flight_p99_millis", ours.millis(0.99));
            ratios.plain.push(ours.rate() / plain.rate());
            ratios.plain_cpu.push(cpu_micros(&ours) / cpu_micros(&plain));
            ratios.conditional.push(ours.rate() / conditional.rate());
            ratios.conditional_cpu.push(cpu_micros(&ours) / cpu_micros(&conditional));
        }
        self.tell_dynamodb_appends(ratios);
        Ok(())
    }

    fn tell_dynamodb_appends(&mut self, ratios: Ratios) {
        let what = "64 in flight, 256 B, share of the SDK's plain PutItem rate";
        self.report.figure("appends", what, "", ratios.plain, Reach::AtLeast(0.95));
        let what = "64 in flight, client CPU an event / the SDK's";
        self.report.figure("appends", what, "", ratios.plain_cpu, Reach::AtMost(1.15));
        let what = "64 in flight, share of the SDK's rate under the same condition";
        self.report.figure("appends", what, "", ratios.conditional, Reach::None);
        let what = "64 in flight, client CPU an event / the SDK's under the same condition";
        self.report.figure("appends", what, "", ratios.conditional_cpu, Reach::None);
    }
}
