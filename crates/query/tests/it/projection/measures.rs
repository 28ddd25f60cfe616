//! What is counted with the feature `metrics`, under the documented names.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_memory::MemoryStore;
use annals_query::{OnFailure, Projection, Source};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parking_lot::Mutex;

use super::world::{self, Reaches, components, eager, write_rounds};

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

/// Counters as they stand, gauges as they were set, and how many values a histogram got; by name and
/// labels, but for the projection, which all have.
#[derive(Debug, Default, Clone)]
struct Counting(Values);

struct Value(Values, String);

impl Value {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.0.lock();
        let value = values.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Value {
    fn increment(&self, by: u64) {
        self.change(|value| value + by as f64);
    }

    fn absolute(&self, _: u64) {
        panic!("nothing is counted so");
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        panic!("nothing is counted so");
    }

    fn decrement(&self, _: f64) {
        panic!("nothing is counted so");
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl HistogramFn for Value {
    fn record(&self, _: f64) {
        self.change(|value| value + 1.0);
    }
}

impl Counting {
    fn value(&self, key: &Key) -> Arc<Value> {
        let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
        assert!(labels.contains(&("projection", "p")), "{key}");
        let others = labels.iter().filter(|label| label.0 != "projection");
        let name = others.fold(key.name().to_owned(), |name, label| name + " " + label.1);
        Arc::new(Value(self.0.clone(), name))
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

#[tokio::test]
async fn events_calls_saves_and_retries_are_counted() {
    let counting = Counting::default();
    let _guard = metrics::set_default_local_recorder(&counting);
    let store = MemoryStore::new().store();
    write_rounds(&store, &["a", "b"], 2).await;
    let recorder = world::Recorder::failing_on(&["a:1"]);
    let projection = Projection::new("p", Source::All, store.clone(), components());
    let projection = projection.with_settings(eager(OnFailure::PARK));
    let (runner, handle) = projection.at_least_once(recorder.clone()).unwrap();
    let running = tokio::spawn(runner.run());
    handle.reaches(|status| status.handled == 2 && status.parked == 2).await.unwrap();
    assert_eq!(counting.0.lock()["annals_projection_parked"], 2.0);
    recorder.heal();
    handle.skip_parked(world::id("a")).await.unwrap();
    handle.stop().await;
    running.await.unwrap().unwrap();

    let values = counting.0.lock().clone();
    let expected = [
        // The newest event says that it happened a minute ago.
        ("annals_projection_behind_seconds", 60.0),
        ("annals_projection_events_total handled", 3.0),
        ("annals_projection_events_total skipped", 1.0),
        ("annals_projection_handle_seconds failed", 3.0),
        ("annals_projection_handle_seconds ok", 3.0),
        ("annals_projection_parked", 0.0),
        ("annals_projection_retries_total", 2.0),
    ];
    for (name, value) in expected {
        assert_eq!(values.get(name).copied(), Some(value), "{name} in {values:?}");
    }
    assert!(values["annals_projection_save_seconds ok"] >= 4.0, "{values:?}");
    assert_eq!(values.len(), expected.len() + 1, "{values:?}");
}
