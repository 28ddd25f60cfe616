//! `annals offsets`.

use crate::output::{Output, Row};
use crate::record::object;
use crate::report::Outcome;
use crate::session::Session;

pub(crate) async fn list(session: &Session, output: &mut Output) -> Outcome {
    session
        .reading(async |store| {
            for stored in store.offsets.list_offsets().await? {
                let (offset, revision) = (stored.offset.to_string(), stored.revision.get());
                output.row(Row {
                    json: object(serde_json::json!({
                        "name": stored.name, "offset": offset, "revision": revision,
                    })),
                    cells: vec![
                        ("NAME", stored.name),
                        ("OFFSET", offset),
                        ("REVISION", revision.to_string()),
                    ],
                })?;
            }
            Ok(())
        })
        .await
}
