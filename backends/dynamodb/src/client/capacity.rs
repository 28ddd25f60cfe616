//! What requests cost, for the `metrics` crate; nothing without the feature `metrics`.

use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

/// What a request asks for.
pub(super) fn wanted() -> Option<ReturnConsumedCapacity> {
    cfg!(feature = "metrics").then_some(ReturnConsumedCapacity::Total)
}

/// Records what `operation` consumed, of each table: capacity units, which may be halves.
pub(super) fn consumed(operation: &'static str, consumed: &[ConsumedCapacity]) {
    #[cfg(feature = "metrics")]
    for consumed in consumed {
        let table = consumed.table_name.clone().unwrap_or_default();
        let units = consumed.capacity_units.unwrap_or_default();
        let labels = [("operation", operation.to_owned()), ("table", table)];
        metrics::histogram!("annals_dynamodb_consumed_capacity_units", &labels).record(units);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (operation, consumed);
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use std::sync::{Arc, Mutex};

    use metrics::{
        Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit,
    };

    use super::*;

    /// Keeps what is recorded: the key and the value.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, f64)>>>);

    struct KeptAt(Kept, String);

    impl HistogramFn for KeptAt {
        fn record(&self, value: f64) {
            self.0.0.lock().expect("no test panics with it").push((self.1.clone(), value));
        }
    }

    impl Recorder for Kept {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(KeptAt(self.clone(), key.to_string())))
        }
    }

    #[test]
    fn consumed_units_are_recorded_by_table_and_operation() {
        let kept = Kept::default();
        let one = ConsumedCapacity::builder().table_name("t").capacity_units(0.5).build();
        metrics::with_local_recorder(&kept, || consumed("Query", &[one]));
        let kept = kept.0.lock().unwrap();
        let [(key, units)] = kept.as_slice() else { panic!("one record: {kept:?}") };
        assert_eq!(*units, 0.5);
        for part in ["annals_dynamodb_consumed_capacity_units", "Query", "t"] {
            assert!(key.contains(part), "{part} is not in {key}");
        }
    }
}
