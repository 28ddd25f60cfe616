//! Conditional appends of one event against plain puts of the same items.

use std::sync::Arc;

use super::super::beside::cpu_micros;
use super::bare::{Bare, Template, sdk};
use super::{Server, WRITERS, target};
use crate::Result;
use crate::driver::drive;
use crate::figures::Bench;
use crate::report::Reach;

impl Bench {
    pub(super) async fn dynamodb_appends(&mut self, server: &mut Server) -> Result<()> {
        let load = self.load(WRITERS);
        let endpoint = server.local.endpoint().to_owned();
        let first = server.fresh().await?;
        let template = Template::of(&first, &endpoint, load.payload_bytes).await?;
        let (mut rates, mut cpu) = (vec![], vec![]);
        // The first round warms the server's compilers.
        for round in 0..=self.plan.rounds {
            let ours = drive(target(&server.fresh().await?), load).await?;
            let bare = Bare {
                sdk: sdk(&endpoint),
                template: template.clone(),
                journal: format!("bare{round}"),
            };
            let bare = drive(Arc::new(bare), load).await?;
            if round > 0 {
                self.report.note(format!("appends {round}, annals: {}", ours.summary()));
                self.report.note(format!("appends {round}, bare SDK: {}", bare.summary()));
                self.report.value("appends_64_in_flight_events_per_second", ours.rate());
                self.report.value("appends_64_in_flight_p99_millis", ours.millis(0.99));
                rates.push(ours.rate() / bare.rate());
                cpu.push(cpu_micros(&ours) / cpu_micros(&bare));
            }
        }
        let what = "64 in flight, 256 B, share of the SDK's plain PutItem rate";
        self.report.figure("appends", what, "", rates, Reach::AtLeast(0.95));
        let what = "64 in flight, client CPU an event / the SDK's";
        self.report.figure("appends", what, "", cpu, Reach::AtMost(1.15));
        Ok(())
    }
}
