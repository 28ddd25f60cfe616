//! `annals tags rebuild`: tag rows as the events of entities say.

use annals::Store;

use super::nothing_to;
use crate::args::TagsRebuild;
use crate::output::Output;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(super) async fn run(
    args: TagsRebuild,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    let work = async |store: Store| of(&store, args, session, output, report).await;
    session.applying(work).await
}

#[cfg_attr(not(feature = "cassandra"), allow(unused_variables))]
async fn of(
    store: &Store,
    args: TagsRebuild,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    #[cfg(feature = "cassandra")]
    if let Some(tables) = store.cassandra() {
        // Boxed: the futures of requests are deep.
        return Box::pin(cassandra::rebuild(tables, store, args, session, output, report)).await;
    }
    Err(nothing_to("rebuild").into())
}

#[cfg(feature = "cassandra")]
mod cassandra {
    use std::collections::HashMap;

    use annals::cassandra::{CassandraStore, RebuiltTags, TagRebuild};
    use annals::query::{Extent, Query};
    use annals::{Error, ErrorKind, Offset, PersistenceId, Result, Store};
    use futures_util::StreamExt;
    use indicatif::ProgressBar;
    use serde_json::json;

    use crate::args::TagsRebuild;
    use crate::output::{Output, Row, done};
    use crate::record::object;
    use crate::report::{Outcome, Report, describe};
    use crate::session::Session;

    pub(super) async fn rebuild(
        tables: &CassandraStore,
        store: &Store,
        args: TagsRebuild,
        session: &Session,
        output: &mut Output,
        report: &mut Report,
    ) -> Outcome {
        let ids: Vec<PersistenceId> =
            args.ids.into_iter().map(PersistenceId::new).collect::<Result<_>>()?;
        let after = args.after.map(|after| after.parse::<Offset>()).transpose()?;
        let dry_run = !session.yes();
        let (entities, offsets) = (report.progress("entities", None), HashMap::new());
        let rebuild = tables.rebuild_tags(session.execution());
        let mut run = Run { rebuild, offsets, entities, dry_run, refused: None };
        for id in ids {
            run.entity(&id, None, output, report).await?;
        }
        if args.all {
            let mut ids = Query::new(store.read_journal.clone()).ids(Extent::Current, after);
            while let Some(entry) = ids.next().await {
                let entry = entry?;
                run.entity(&entry.persistence_id, Some(entry.offset), output, report).await?;
            }
        }
        run.sweep(output, report).await?;
        run.entities.finish_and_clear();
        if dry_run {
            report.note("dry run: nothing was written or removed; give --yes to do it");
        }
        run.refused.map_or(Ok(()), |error| Err(error.into()))
    }

    struct Run {
        rebuild: TagRebuild,
        offsets: HashMap<PersistenceId, Offset>,
        entities: ProgressBar,
        dry_run: bool,
        /// Why the first entity that was refused was.
        refused: Option<Error>,
    }

    impl Run {
        async fn entity(
            &mut self,
            id: &PersistenceId,
            offset: Option<Offset>,
            output: &mut Output,
            report: &mut Report,
        ) -> Outcome {
            match self.rebuild.entity(id).await {
                Ok(()) => {}
                // The others can be rebuilt all the same.
                Err(error) if is_of_one(&error) => {
                    report.note(format!("not rebuilt: {}", describe(&error)));
                    self.refused.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
            self.entities.inc(1);
            if let Some(offset) = offset {
                self.offsets.insert(id.clone(), offset);
            }
            if self.rebuild.is_full() { self.sweep(output, report).await } else { Ok(()) }
        }

        async fn sweep(&mut self, output: &mut Output, report: &mut Report) -> Outcome {
            let rows = report.progress("tag rows", None);
            let rebuilt = self.rebuild.sweep(|looked_at| rows.inc(looked_at)).await?;
            rows.finish_and_clear();
            for tags in rebuilt {
                let offset = self.offsets.remove(&tags.persistence_id);
                output.row(row(&tags, offset, self.dry_run))?;
            }
            self.offsets.clear();
            Ok(output.flush()?)
        }
    }

    /// Whether something is the matter with one entity alone.
    fn is_of_one(error: &Error) -> bool {
        matches!(error.kind(), ErrorKind::Conflict { .. } | ErrorKind::Fenced | ErrorKind::Corrupt)
    }

    fn row(tags: &RebuiltTags, offset: Option<Offset>, dry_run: bool) -> Row {
        let mut json = object(json!({
            "persistence_id": tags.persistence_id.as_str(), "highest": tags.highest.get(),
            "rows": tags.rows, "written": tags.written, "removed": tags.removed,
            "progress": tags.progress, "dry_run": dry_run,
        }));
        if let Some(offset) = offset {
            json.insert("offset".to_owned(), offset.to_string().into());
        }
        Row {
            json,
            cells: vec![
                ("PERSISTENCE ID", tags.persistence_id.to_string()),
                ("ROWS", tags.rows.to_string()),
                ("WRITTEN", tags.written.to_string()),
                ("REMOVED", tags.removed.to_string()),
                ("PROGRESS", tags.progress.to_string()),
                ("DONE", done(dry_run)),
            ],
        }
    }
}
