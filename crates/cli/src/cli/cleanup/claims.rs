//! `annals cleanup --claims DAYS`: what `fencing = claims` leaves behind in a store on Cassandra.

use annals::{Error, PersistenceId, Store};

use crate::output::Output;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(super) async fn run(
    ids: Vec<PersistenceId>,
    days: u32,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let work = async |store: Store| of(&store, ids, days, session, output, report).await;
    session.applying(work).await
}

#[cfg_attr(not(feature = "cassandra"), allow(unused_variables))]
async fn of(
    store: &Store,
    ids: Vec<PersistenceId>,
    days: u32,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    #[cfg(feature = "cassandra")]
    if let Some(tables) = store.cassandra() {
        // Boxed: the futures of requests are deep.
        let cleanup = cassandra::Cleanup::new(tables, session, output, report);
        return Box::pin(cleanup.run(store, ids, days)).await;
    }
    let name = store.capabilities().name;
    let message = format!(
        "a store of kind {name} has no claims to clean up behind: `annals cleanup --claims` is for stores on \
         Cassandra"
    );
    Err(Error::unsupported(message).into())
}

#[cfg(feature = "cassandra")]
mod cassandra {
    use std::time::Duration;

    use annals::cassandra::{CassandraStore, Execution};
    use annals::query::{Extent, Query};
    use annals::{Error, ErrorKind, PersistenceId, Store};
    use futures_util::StreamExt;
    use serde_json::{Map, Value, json};

    use crate::output::{Output, Row, done};
    use crate::record::object;
    use crate::report::{Outcome, Report, describe};
    use crate::session::Session;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    pub(super) struct Cleanup<'a> {
        tables: &'a CassandraStore,
        execution: Execution,
        output: &'a mut Output,
        report: &'a mut Report,
        /// Why the first entity that was refused was.
        refused: Option<Error>,
    }

    impl<'a> Cleanup<'a> {
        pub(super) fn new(
            tables: &'a CassandraStore,
            session: &Session,
            output: &'a mut Output,
            report: &'a mut Report,
        ) -> Self {
            Self { tables, execution: session.execution(), output, report, refused: None }
        }

        pub(super) async fn run(
            mut self,
            store: &Store,
            ids: Vec<PersistenceId>,
            days: u32,
        ) -> Outcome {
            if ids.is_empty() {
                let mut ids = Query::new(store.read_journal.clone()).ids(Extent::Current, None);
                while let Some(entry) = ids.next().await {
                    self.entity(&entry?.persistence_id).await?;
                }
                self.processes(DAY.saturating_mul(days)).await?;
            }
            for id in ids {
                self.entity(&id).await?;
            }
            if self.execution == Execution::DryRun {
                self.report.note("dry run: nothing was removed; give --yes to do it");
            }
            self.refused.map_or(Ok(()), |error| Err(error.into()))
        }

        async fn entity(&mut self, id: &PersistenceId) -> Outcome {
            let rows = match self.tables.clean_void_rows(id, self.execution).await {
                Ok(rows) => rows,
                // The others can be cleaned all the same.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    self.report.note(format!("not cleaned: {}", describe(&error)));
                    self.refused.get_or_insert(error);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            if rows == 0 {
                return Ok(());
            }
            let fields = object(json!({"persistence_id": id.as_str(), "void_rows": rows}));
            self.row(fields, "void rows", id.to_string(), rows.to_string())
        }

        async fn processes(&mut self, age: Duration) -> Outcome {
            let mut cleanup = self.tables.clean_processes(age, self.execution);
            while let Some(processes) = cleanup.next().await? {
                for process in processes {
                    let fields = object(json!({"process": process}));
                    self.row(fields, "process", process, String::new())?;
                }
            }
            Ok(())
        }

        fn row(
            &mut self,
            mut json: Map<String, Value>,
            what: &str,
            of: String,
            rows: String,
        ) -> Outcome {
            let dry_run = self.execution == Execution::DryRun;
            json.insert("dry_run".to_owned(), dry_run.into());
            let what = what.to_owned();
            let cells = vec![("WHAT", what), ("OF", of), ("ROWS", rows), ("DONE", done(dry_run))];
            self.output.row(Row { json, cells })?;
            Ok(self.output.flush()?)
        }
    }
}
