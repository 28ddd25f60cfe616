//! Opening a DynamoDB store: settings out of a URL, or out of the sections of an `application.conf`.

use std::collections::HashMap;

use annals_core::{Error, Result};
use annals_dynamodb::{Meaning, Section, Settings, is_secret};
use annals_pekko::config::{Config, DynamoDbSections, KeyReport, KeyState, Section as Keys};

use crate::url::StoreUrl;

/// What stands in the place of a secret.
const REDACTED: &str = "<redacted>";

/// What servers that are not AWS's get for credentials, unless the URL names some: they check none.
const PLACEHOLDER: &str = "annals";

/// The settings of a `dynamodb:` URL, and what became of each of its parameters.
///
/// # Errors
/// `Invalid` for a place that is no `//HOST:PORT`, and for values that are none of their kind.
pub(crate) fn of_url(mut url: StoreUrl<'_>) -> Result<(Settings, Vec<KeyReport>)> {
    let mut settings = Settings::default();
    match url.place.strip_prefix("//") {
        Some(host) if !host.is_empty() && !host.contains(['/', '@']) => {
            settings.client.endpoint = Some(format!("http://{host}"));
            for key in ["aws-access-key-id", "aws-secret-access-key"] {
                settings.set(Section::Url, key, PLACEHOLDER)?;
            }
        }
        None if url.place.is_empty() => settings.client.region = region_of_environment(),
        _ => {
            let message = "a DynamoDB store is dynamodb://HOST:PORT (plain HTTP), or dynamodb: for AWS itself";
            return Err(Error::invalid(message));
        }
    }
    let mut reports = Vec::new();
    let mut given = url.take_all();
    // What is not said of the snapshots' server is as the journal's.
    given.sort_by_key(|(key, _)| key.starts_with("snapshot."));
    for (key, value) in given {
        let meaning = settings.set(Section::Url, key, value)?;
        reports.push(KeyReport {
            key: key.to_owned(),
            value: if is_secret(key) { REDACTED.to_owned() } else { value.to_owned() },
            is_default: meaning == Meaning::Default,
            state: state(meaning),
        });
    }
    Ok((settings, reports))
}

/// The settings that the sections of a configuration make, and what became of each key.
///
/// # Errors
/// `Invalid` for values that are none of their kind.
pub(crate) fn of_config(
    config: &Config,
    sections: &DynamoDbSections,
) -> Result<(Settings, Vec<KeyReport>)> {
    let mut settings = Settings::default();
    settings.client.region = region_of_environment();
    let mut reports = taken(&mut settings, Section::Journal, &sections.journal)?;
    if let Some(snapshots) = &sections.snapshot_store {
        settings.separate_snapshots();
        reports.extend(taken(&mut settings, Section::Snapshots, snapshots)?);
    }
    reports.extend(taken(&mut settings, Section::ReadJournal, &sections.read_journal)?);
    const NAMES: &str = "auto-migrate-manifest";
    if let Some(names) = config.persistence().get_str(&format!("snapshot-store.{NAMES}"))? {
        settings.set(Section::Snapshots, NAMES, names)?;
    }
    Ok((settings, reports))
}

fn taken(settings: &mut Settings, section: Section, keys: &Keys) -> Result<Vec<KeyReport>> {
    let mut overruled = HashMap::new();
    for key in keys.keys() {
        // Asked with nothing first, since what has no meaning need not be a text.
        match settings.set(section, &key, "")? {
            Meaning::Unknown => {}
            Meaning::Nothing(reason) => keys.ignore(&key, reason),
            Meaning::Taken | Meaning::Default => {
                let Some(value) = keys.get_str(&key)? else { continue };
                if let Meaning::Nothing(reason) = settings.set(section, &key, value)? {
                    overruled.insert(format!("{}.{key}", keys.path()), reason);
                }
            }
        }
    }
    let mut reports = keys.report();
    for report in &mut reports {
        if let Some(reason) = overruled.get(&report.key) {
            report.state = KeyState::NotHonoured((*reason).to_owned());
        }
    }
    Ok(reports)
}

fn state(meaning: Meaning) -> KeyState {
    match meaning {
        Meaning::Taken | Meaning::Default => KeyState::Honoured,
        Meaning::Nothing(reason) => KeyState::NotHonoured(reason.to_owned()),
        Meaning::Unknown => KeyState::Unknown,
    }
}

/// The region that the SDK's own variables name; us-east-1 without.
fn region_of_environment() -> String {
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|region| !region.is_empty()));
    named.unwrap_or_else(|| Settings::default().client.region)
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;
    use annals_dynamodb::Credentials;

    use super::*;

    fn url(text: &str) -> Result<(Settings, Vec<KeyReport>)> {
        of_url(StoreUrl::parse(text).unwrap())
    }

    #[test]
    fn a_url_names_a_server_and_its_settings() {
        let (settings, reports) = url(
            "dynamodb://127.0.0.1:8000?journal-table=t&sequence-shards=3&fixes.high-distrust=on",
        )
        .unwrap();
        assert_eq!(settings.client.endpoint.as_deref(), Some("http://127.0.0.1:8000"));
        assert_eq!((settings.journal_table.as_str(), settings.sequence_shards), ("t", 3));
        assert!(matches!(settings.client.credentials, Credentials::Static { .. }));
        assert_eq!(reports[0].state, KeyState::Honoured);
        assert!(matches!(reports[2].state, KeyState::NotHonoured(_)));
    }

    #[test]
    fn a_url_without_a_server_is_aws_itself() {
        let (settings, _) = url("dynamodb:?region=eu-west-1").unwrap();
        assert_eq!(
            (settings.client.endpoint, settings.client.region.as_str()),
            (None, "eu-west-1")
        );
        assert_eq!(settings.client.credentials, Credentials::Chain);
    }

    #[test]
    fn a_server_may_check_credentials() {
        let (settings, reports) =
            url("dynamodb://h:1?aws-access-key-id=me&aws-secret-access-key=hidden").unwrap();
        assert!(matches!(&settings.client.credentials, Credentials::Static { access_key_id, .. }
            if access_key_id == "me"));
        assert!(!format!("{settings:?}{reports:?}").contains("hidden"));
        let (settings, _) = url("dynamodb://h:1?credentials=chain").unwrap();
        assert_eq!(settings.client.credentials, Credentials::Chain);
    }

    #[test]
    fn a_url_may_name_a_server_of_the_snapshots() {
        let (settings, reports) = url(
            "dynamodb://here:1?snapshot.endpoint=http://there:2&journal-table=t&sequence-shards=3&region=r\
             &snapshot.aws-secret-access-key=hidden",
        )
        .unwrap();
        let snapshots = settings.snapshot_client.as_ref().unwrap();
        assert_eq!(snapshots.endpoint.as_deref(), Some("http://there:2"));
        assert_eq!((snapshots.region.as_str(), settings.client.region.as_str()), ("r", "r"));
        assert_eq!(settings.client.endpoint.as_deref(), Some("http://here:1"));
        assert!(reports.iter().all(|report| report.state == KeyState::Honoured), "{reports:?}");
        assert!(!format!("{settings:?}{reports:?}").contains("hidden"));
    }

    #[test]
    fn another_place_is_refused() {
        for text in ["dynamodb:here", "dynamodb://", "dynamodb://user@host", "dynamodb://host/path"]
        {
            assert_eq!(url(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn the_form_of_the_seeds_works() {
        let config = Config::parse(
            r#"
            pekko.persistence.journal.plugin = "my-dynamodb-journal"
            pekko.persistence.snapshot-store.plugin = "my-dynamodb-snapshot-store"
            pekko.persistence.snapshot-store.auto-migrate-manifest = akka
            my-dynamodb-journal = ${dynamodb-journal} {
              journal-table = events, journal-name = j2, endpoint = "http://localhost:1"
              aws-access-key-id = me, aws-secret-access-key = hidden
              aws-client-config.request-timeout = 250 ms, replay-dispatcher = x, typo = 1
              event-adapter-bindings { "java.lang.String" = [a, b] }
            }
            my-dynamodb-snapshot-store = ${dynamodb-snapshot-store} {
              snapshot-table = states, aws-api-limits.max-item-size = 300 kB
            }
            "#,
        )
        .unwrap();
        let annals_pekko::config::StoreSections::DynamoDb(sections) = config.store().unwrap()
        else {
            panic!("it is DynamoDB")
        };
        let (settings, reports) = of_config(&config, &sections).unwrap();
        assert_eq!(settings.journal_table, "events");
        assert_eq!(settings.journal_name, "j2");
        assert_eq!(settings.snapshot_table, "states");
        assert_eq!(settings.snapshot_journal_name.as_deref(), Some("journal"));
        assert_eq!(settings.client.request_timeout.as_millis(), 250);
        assert_eq!(settings.client.limits.max_item_size, 400_000);
        // Its section stands for itself, as with Pekko.
        let snapshots = settings.snapshot_client.as_ref().unwrap();
        assert_eq!((snapshots.limits.max_item_size, &snapshots.endpoint), (300_000, &None));
        assert_eq!(snapshots.credentials, Credentials::Chain);
        let notable: Vec<String> =
            reports.iter().filter(|key| key.is_notable()).map(ToString::to_string).collect();
        let told = notable.join("\n");
        for key in ["typo", "replay-dispatcher", "event-adapter-bindings"] {
            assert!(told.contains(key), "{key} is not in {told}");
        }
        assert!(!format!("{settings:?}{reports:?}").contains("hidden"));
    }
}
