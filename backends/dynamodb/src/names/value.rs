//! How the values of settings are read.

use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};
use annals_pekko::units;

use crate::settings::{ClientSettings, Credentials, Holes, IdListing, Settings};

pub(super) fn text(into: &mut String, value: &str) -> Result<()> {
    value.clone_into(into);
    Ok(())
}

pub(super) fn parse<T: FromStr>(value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::invalid(format!("{value:?} is not a value that it takes")))
}

pub(super) fn parsed<T: FromStr>(into: &mut T, value: &str) -> Result<()> {
    *into = parse(value)?;
    Ok(())
}

/// HOCON's words for yes and no.
pub(super) fn flag(into: &mut bool, value: &str) -> Result<()> {
    *into = match value {
        "on" | "true" | "yes" => true,
        "off" | "false" | "no" => false,
        _ => return Err(Error::invalid(format!("{value:?} is neither on nor off"))),
    };
    Ok(())
}

/// A duration as HOCON writes it; a number alone counts milliseconds.
pub(super) fn millis(into: &mut Duration, value: &str) -> Result<()> {
    *into = units::duration(value).ok_or_else(|| {
        Error::invalid(format!(
            "{value:?} is no duration: give milliseconds, or a unit as in \"10 s\""
        ))
    })?;
    Ok(())
}

/// A number of bytes as HOCON writes it.
pub(super) fn bytes(into: &mut usize, value: &str) -> Result<()> {
    let bytes = units::bytes(value).and_then(|bytes| usize::try_from(bytes).ok());
    *into = bytes.ok_or_else(|| {
        Error::invalid(format!("{value:?} is no size: give bytes, or a unit as in \"300 kB\""))
    })?;
    Ok(())
}

/// A URL, or a host with the protocol that `aws-client-config.protocol` says.
pub(super) fn endpoint(client: &mut ClientSettings, value: &str) -> Result<()> {
    client.endpoint = Some(value.to_owned());
    Ok(())
}

pub(super) fn protocol(client: &mut ClientSettings, value: &str) -> Result<()> {
    client.plain_http = match value.to_ascii_uppercase().as_str() {
        "HTTP" => true,
        "HTTPS" => false,
        _ => return Err(Error::invalid(format!("{value:?} is neither HTTP nor HTTPS"))),
    };
    Ok(())
}

pub(super) fn key(
    client: &mut ClientSettings,
    put: impl FnOnce(&mut String, &mut String),
) -> Result<()> {
    let (mut id, mut secret) = match std::mem::take(&mut client.credentials) {
        Credentials::Static { access_key_id, secret_access_key } => {
            (access_key_id, secret_access_key)
        }
        Credentials::Chain => Default::default(),
    };
    put(&mut id, &mut secret);
    client.credentials = Credentials::Static { access_key_id: id, secret_access_key: secret };
    Ok(())
}

pub(super) fn credentials(client: &mut ClientSettings, value: &str) -> Result<()> {
    if value != "chain" {
        return Err(Error::invalid(format!("{value:?} is not \"chain\"")));
    }
    client.credentials = Credentials::Chain;
    Ok(())
}

pub(super) fn holes(settings: &mut Settings, value: &str) -> Result<()> {
    settings.holes = match value {
        "refuse" => Holes::Refuse,
        "skip" => Holes::Skip,
        _ => return Err(Error::invalid(format!("{value:?} is neither refuse nor skip"))),
    };
    Ok(())
}

pub(super) fn ids(settings: &mut Settings, value: &str) -> Result<()> {
    settings.ids = match value {
        "auto" => IdListing::Auto,
        "scan" => IdListing::Scan,
        _ => return Err(Error::invalid(format!("{value:?} is neither auto nor scan"))),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use annals_core::ErrorKind;

    use super::*;
    use crate::names::{Meaning, Section};

    fn taken(settings: &mut Settings, section: Section, key: &str, value: &str) {
        assert_eq!(settings.set(section, key, value).unwrap(), Meaning::Taken, "{key}");
    }

    #[test]
    fn sizes_and_durations_take_the_units_of_hocon() {
        let mut settings = Settings::default();
        for (size, bytes) in
            [("300 kB", 300_000), ("300kB", 300_000), ("256 KiB", 262_144), ("7", 7)]
        {
            taken(&mut settings, Section::Journal, "aws-api-limits.max-item-size", size);
            assert_eq!(settings.client.limits.max_item_size, bytes, "{size}");
        }
        type Read = fn(&Settings) -> Duration;
        let durations: [(&str, Read); 7] = [
            ("aws-client-config.client-execution-timeout", |s| s.client.operation_timeout),
            ("aws-client-config.connection-max-idle-millis", |s| s.client.idle_timeout),
            ("aws-client-config.connection-timeout", |s| s.client.connect_timeout),
            ("aws-client-config.request-timeout", |s| s.client.request_timeout),
            ("aws-client-config.socket-timeout", |s| s.client.socket_timeout),
            ("poll-first", |s| s.poll_first),
            ("poll-max", |s| s.poll_max),
        ];
        for (key, read) in durations {
            for (text, millis) in [
                ("1500 ms", 1_500),
                ("1.5s", 1_500),
                ("2 minutes", 120_000),
                ("1h", 3_600_000),
                ("8", 8),
            ] {
                taken(&mut settings, Section::Url, key, text);
                assert_eq!(read(&settings), Duration::from_millis(millis), "{key} = {text}");
            }
        }
    }

    #[test]
    fn what_is_no_size_and_no_duration_is_refused_by_its_key() {
        let mut settings = Settings::default();
        for (key, value, kind) in [
            ("aws-api-limits.max-item-size", "300 seconds", "size"),
            ("aws-api-limits.max-item-size", "-1", "size"),
            ("aws-client-config.request-timeout", "10 kB", "duration"),
            ("poll-max", "soon", "duration"),
        ] {
            let error = settings.set(Section::Url, key, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let told = error.to_string();
            for part in [key, value, kind] {
                assert!(told.contains(part), "{part} is not in {told}");
            }
        }
        assert_eq!(settings, Settings::default());
    }
}
