//! A store that knows no order of all events: it is exported entity by entity.

use std::sync::Arc;

use annals::memory::MemoryStore;
use annals_core::{Capabilities, Error, IdPage, Offset, Page, ReadJournal, Result, Scope, Wakeup};
use serde_json::{Value, json};

use crate::support::Program;

#[derive(Debug)]
struct ById(Arc<dyn ReadJournal>);

#[async_trait::async_trait]
impl ReadJournal for ById {
    fn capabilities(&self) -> Capabilities {
        let limits = self.0.capabilities();
        Capabilities { all_events: false, ids_in_order: false, ..limits }
    }

    async fn end(&self, scope: &Scope) -> Result<Option<Offset>> {
        match scope {
            Scope::Id(..) => self.0.end(scope).await,
            _ => Err(Error::unsupported("by id only")),
        }
    }

    async fn page(
        &self,
        scope: &Scope,
        after: Option<&Offset>,
        until: Option<&Offset>,
        events_max: usize,
    ) -> Result<Page> {
        match scope {
            Scope::Id(..) => self.0.page(scope, after, until, events_max).await,
            _ => Err(Error::unsupported("by id only")),
        }
    }

    async fn ids(&self, after: Option<&Offset>, ids_max: usize) -> Result<IdPage> {
        self.0.ids(after, ids_max).await
    }

    fn changed(&self) -> Wakeup {
        self.0.changed()
    }
}

/// A store whose capabilities are those of its read journal.
fn by_id() -> Program {
    let mut store = MemoryStore::new().store();
    store.read_journal = Arc::new(ById(store.read_journal));
    Program::on(store)
}

fn without_offset(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("offset");
    }
    lines
}

#[test]
fn a_store_without_an_order_is_exported_id_by_id() {
    let program = by_id();
    for (id, payload) in [("a", "1"), ("b", "2"), ("a", "3"), ("gone", "4"), ("b", "5")] {
        program.append(id, &[payload]);
    }
    program.run("snapshots save b --at 2", "7").rows();
    program.run("events delete b --to 1 --yes", "").rows();
    program.run("events delete gone --to 1 --yes", "").rows();

    let export = program.run("export", "");

    let exported = without_offset(export.rows());
    let told: Vec<Value> = exported
        .iter()
        .map(|line| json!([line["type"], line["persistence_id"], line["sequence_nr"]]))
        .collect();
    let wanted = [
        json!(["entity", "b", null]),
        json!(["entity", "gone", null]),
        json!(["event", "a", 1]),
        json!(["event", "a", 2]),
        json!(["event", "b", 2]),
        json!(["snapshot", "b", 2]),
    ];
    assert_eq!(told, wanted);

    let copy = Program::new();
    copy.run("import", export.stdout.clone()).rows();
    let sorted = |mut lines: Vec<Value>| {
        lines.sort_by_key(Value::to_string);
        lines
    };
    assert_eq!(sorted(without_offset(copy.run("export", "").rows())), sorted(exported));
}

#[test]
fn nothing_goes_on_after_an_offset_where_there_is_no_order() {
    let program = by_id();
    program.append("a", &["1"]);
    program.run("export --after 01", "").failed(3, &["begin anew"]);
}
