//! What is counted with the feature `metrics`, under the documented names.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_core::ErrorKind;
use annals_entity::keep;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;

use crate::faulty::Fault;
use crate::world::{World, deposit, settle};

type Sums = Arc<Mutex<BTreeMap<String, f64>>>;

/// The sum of every measure, by name and labels (but for the entity type, which all have).
#[derive(Debug, Default, Clone)]
struct Summing(Sums);

struct Sum(Sums, String);

impl Sum {
    fn add(&self, value: f64) {
        *self.0.lock().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Sum {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _value: u64) {
        panic!("nothing is counted so");
    }
}

impl GaugeFn for Sum {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _value: f64) {
        panic!("nothing is counted so");
    }
}

/// Histograms count their values, and sum them under another name.
struct Values(Sum, Sum);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.0.add(1.0);
        self.1.add(value);
    }
}

impl Summing {
    fn sum(&self, key: &Key, suffix: &str) -> Sum {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert!(labels.contains(&("entity_type", "account")), "{key}");
        let others = labels.iter().filter(|label| label.0 != "entity_type");
        let name = others.fold(key.name().to_owned(), |name, label| name + " " + label.1);
        Sum(self.0.clone(), name + suffix)
    }
}

impl Recorder for Summing {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.sum(key, "")))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.sum(key, "")))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.sum(key, ""), self.sum(key, " (sum)"))))
    }
}

#[tokio::test(start_paused = true)]
async fn commands_appends_recoveries_and_snapshots_are_counted() {
    let summing = Summing::default();
    let _guard = metrics::set_default_local_recorder(&summing);
    let world = World::new();
    let region = world.builder_with_snapshots().snapshot_every(2, keep(1)).start();
    let alice = region.entity("alice");
    deposit(&alice, 1).await.unwrap();
    world.faults.on_append([
        Fault::Fails(ErrorKind::Unavailable),
        Fault::Fails(ErrorKind::Unavailable),
        Fault::Fails(ErrorKind::Invalid),
    ]);
    deposit(&alice, 1).await.unwrap_err();
    deposit(&alice, 1).await.unwrap();
    settle().await;
    let sums = summing.0.lock().clone();
    let expected = [
        ("annals_entity_active", 1.0),
        ("annals_entity_append_events", 3.0),
        ("annals_entity_append_events (sum)", 3.0),
        ("annals_entity_append_repeats_total", 2.0),
        ("annals_entity_append_seconds invalid", 1.0),
        ("annals_entity_append_seconds ok", 2.0),
        ("annals_entity_commands_total invalid", 1.0),
        ("annals_entity_commands_total ok", 2.0),
        ("annals_entity_recovery_events", 2.0),
        ("annals_entity_recovery_events (sum)", 1.0),
        ("annals_entity_recovery_seconds ok", 2.0),
        ("annals_entity_snapshots_total ok", 1.0),
    ];
    let counted: Vec<_> = sums
        .iter()
        .filter(|(name, _)| !name.contains("seconds") || !name.ends_with("(sum)"))
        .map(|(name, sum)| (name.as_str(), *sum))
        .collect();
    assert_eq!(counted, expected);
    // Its repetitions took their time.
    assert!(sums["annals_entity_append_seconds invalid (sum)"] > 0.0);
    region.stop().await.unwrap();
    assert_eq!(summing.0.lock()["annals_entity_active"], 0.0);
}
