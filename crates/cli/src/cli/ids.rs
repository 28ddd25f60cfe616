//! `annals ids`.

use annals::query::{Extent, Query};

use super::stream;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::Outcome;
use crate::session::Session;

pub(crate) async fn list(
    prefix: Option<String>,
    follow: bool,
    session: &Session,
    output: &mut Output,
) -> Outcome {
    let prefix = prefix.unwrap_or_default();
    session
        .reading(async |store| {
            let extent = if follow { Extent::Live } else { Extent::Current };
            let ids = Query::new(store.read_journal.clone()).ids(extent, None);
            stream::print(ids, follow, None, session, output, |entry| {
                let id = entry.persistence_id.as_str();
                id.starts_with(&prefix).then(|| Row {
                    json: object(serde_json::json!({ "persistence_id": id })),
                    cells: vec![("PERSISTENCE ID", id.to_owned())],
                })
            })
            .await
        })
        .await
}
