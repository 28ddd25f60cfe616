//! `annals backup`: a copy of an embedded store, also while it is written to. To restore one is to open
//! it.

use annals::Error;
use annals::embedded::EmbeddedStore;
use serde_json::json;

use crate::args::Backup;
use crate::output::{Output, Row};
use crate::record::object;
use crate::report::{Outcome, Report};
use crate::session::Session;

pub(crate) async fn run(
    args: Backup,
    session: &Session,
    output: &mut Output,
    report: &mut Report,
) -> Outcome {
    session
        .reading(async |store| {
            let Some(embedded) = store.embedded() else {
                let message = format!(
                    "backup is for embedded stores, and this one is of {}: a copy into an embedded store \
                     does the same",
                    store.capabilities().name
                );
                return Err(Error::unsupported(message).into());
            };
            let made = embedded.backup(&args.dir).await?;
            if args.verify {
                verify(&args).await?;
            }
            let verified = args.verify;
            output.row(Row {
                json: object(json!({
                    "directory": args.dir.display().to_string(), "segments": made.segments,
                    "files_linked": made.files_linked, "files_copied": made.files_copied,
                    "bytes_copied": made.bytes_copied, "verified": verified,
                })),
                cells: vec![
                    ("DIRECTORY", args.dir.display().to_string()),
                    ("SEGMENTS", made.segments.to_string()),
                    ("LINKED", made.files_linked.to_string()),
                    ("COPIED", made.files_copied.to_string()),
                    ("BYTES COPIED", made.bytes_copied.to_string()),
                    ("VERIFIED", if verified { "yes" } else { "no" }.to_owned()),
                ],
            })?;
            if made.files_linked > 0 {
                report.note(
                    "note: the backup shares files with the store, in the same file system: copy it \
                     elsewhere against damage of the disk",
                );
            }
            Ok(())
        })
        .await
}

/// Opens the backup as a restore would, and checks every byte.
async fn verify(args: &Backup) -> annals::Result<()> {
    let dir = args.dir.clone();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::builder(dir).open_read_only());
    let backup = opened
        .await
        .map_err(|error| Error::internal("opening the backup panicked").with_source(error))??;
    backup.verify().await.map_err(|error| error.context("the backup is not whole"))?;
    backup.store().close().await
}
