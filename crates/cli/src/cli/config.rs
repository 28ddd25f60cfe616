//! `annals config check`: what becomes of each setting of a server store.

use crate::output::Output;
use crate::report::Outcome;
use crate::session::Session;

#[cfg(any(feature = "cassandra", feature = "dynamodb"))]
pub(crate) fn check(session: &Session, output: &mut Output) -> Outcome {
    use annals::Error;
    use annals_pekko::config::KeyState;
    use serde_json::json;

    use crate::output::Row;
    use crate::record::object;
    use crate::session::Place;

    let reports = match session.place()? {
        Place::Url(url) => annals::check_url(url)?,
        Place::Config(path) => annals::check_config(path)?,
    };
    let mut unknown = Vec::new();
    for report in reports {
        let (state, reason) = match report.state {
            KeyState::Honoured => ("honoured", None),
            KeyState::NotHonoured(reason) => ("not honoured", Some(reason)),
            KeyState::Unknown => {
                unknown.push(report.key.clone());
                ("unknown", None)
            }
        };
        output.row(Row {
            json: object(json!({
                "key": report.key, "value": report.value, "default": report.is_default,
                "state": state, "reason": reason,
            })),
            cells: vec![
                ("KEY", report.key),
                ("VALUE", report.value),
                ("DEFAULT", if report.is_default { "yes" } else { "no" }.to_owned()),
                ("STATE", state.to_owned()),
                ("REASON", reason.unwrap_or_default()),
            ],
        })?;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!("unknown settings: {}", unknown.join(", "))).into())
}

#[cfg(not(any(feature = "cassandra", feature = "dynamodb")))]
pub(crate) fn check(session: &Session, _: &mut Output) -> Outcome {
    session.place()?;
    let message =
        "the settings of server stores need the feature `cassandra` or `dynamodb` of annals-cli";
    Err(annals::Error::unsupported(message).into())
}
