//! Appends of one event under each fencing, against what the bare driver does.

use annals_cassandra::Fencing;

use super::super::beside::cpu_micros;
use super::bare::{Conditional, Plain};
use super::{Run, Server, open, target};
use crate::Result;
use crate::figures::Bench;
use crate::report::Reach;
use crate::turns::in_turns;

/// The ratios of the rounds.
#[derive(Default)]
struct Ratios {
    off: Vec<f64>,
    off_cpu: Vec<f64>,
    claims: Vec<f64>,
    claims_cpu: Vec<f64>,
    claims_many: Vec<f64>,
    lwt: Vec<f64>,
    lwt_cpu: Vec<f64>,
}

impl Bench {
    pub(super) async fn cassandra_appends(&mut self, server: &Server) -> Result<()> {
        let address = server.node.address().to_owned();
        let off = open(&address, "bench_off", Fencing::Off).await?;
        let claims = open(&address, "bench_claims", Fencing::Claims).await?;
        let lwt = open(&address, "bench_lwt", Fencing::Lwt).await?;
        let (some, many) = (self.cassandra_load(64), self.cassandra_load(256));
        let mut ratios = Ratios::default();
        // The first round warms the server's compilers.
        for round in 0..=self.plan.rounds {
            let plain = |load| {
                let address = &address;
                async move { server.drive(Plain::new(address, "bench_off").await?, load).await }
            };
            let (unfenced, claimed) =
                (server.drive(target(&off), some), server.drive(target(&claims), some));
            let ours = in_turns(round, unfenced, claimed);
            let (plain_some, (unfenced, claimed)) = in_turns(round, plain(some), ours).await?;
            let claimed_many = server.drive(target(&claims), many);
            let (plain_many, claimed_many) = in_turns(round, plain(many), claimed_many).await?;
            let batches =
                async { server.drive(Conditional::new(&address, "bench_lwt").await?, some).await };
            let conditional = server.drive(target(&lwt), some);
            let (batches, conditional) = in_turns(round, batches, conditional).await?;
            if round == 0 {
                continue;
            }
            for (name, run) in [
                ("bare insert, 64", &plain_some),
                ("off, 64", &unfenced),
                ("claims, 64", &claimed),
                ("bare insert, 256", &plain_many),
                ("claims, 256", &claimed_many),
                ("bare conditional batch, 64", &batches),
                ("lwt, 64", &conditional),
            ] {
                self.report.note(format!("appends {round}, {name}: {}", run.outcome.summary()));
                let name = name.replace(", ", "_").replace(' ', "_");
                self.report.value(&format!("{name}_events_per_second"), run.outcome.rate());
                let cpu = cpu_micros(&run.outcome);
                self.report.value(&format!("{name}_cpu_micros_per_event"), cpu);
            }
            ratios.off.push(rates(&unfenced, &plain_some));
            ratios.off_cpu.push(cpus(&unfenced, &plain_some));
            ratios.claims.push(rates(&claimed, &plain_some));
            ratios.claims_cpu.push(cpus(&claimed, &plain_some));
            ratios.claims_many.push(rates(&claimed_many, &plain_many));
            ratios.lwt.push(rates(&conditional, &batches));
            ratios.lwt_cpu.push(cpus(&conditional, &batches));
        }
        self.tell_appends(ratios);
        Ok(())
    }

    fn tell_appends(&mut self, ratios: Ratios) {
        use Reach::{AtLeast, AtMost};
        let rows = [
            ("off, 64 in flight, share of the driver's insert rate", ratios.off, AtLeast(0.95)),
            ("off, 64 in flight, client CPU an event / the driver's", ratios.off_cpu, AtMost(1.2)),
            (
                "claims, 256 in flight, share of that insert's rate",
                ratios.claims_many,
                AtLeast(0.9),
            ),
            ("claims, 64 in flight, share of that insert's rate", ratios.claims, AtLeast(0.8)),
            ("claims, 64 in flight, client CPU / the insert's", ratios.claims_cpu, Reach::None),
            ("lwt, 64 in flight, share of the conditional batch's rate", ratios.lwt, AtLeast(0.95)),
            ("lwt, 64 in flight, client CPU / the batch's", ratios.lwt_cpu, Reach::None),
        ];
        for (what, rounds, reach) in rows {
            self.report.figure("appends", what, "", rounds, reach);
        }
    }
}

fn rates(ours: &Run, theirs: &Run) -> f64 {
    ours.outcome.rate() / theirs.outcome.rate()
}

fn cpus(ours: &Run, theirs: &Run) -> f64 {
    cpu_micros(&ours.outcome) / cpu_micros(&theirs.outcome)
}
