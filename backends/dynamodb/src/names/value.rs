//! How the values of settings are read.

use std::str::FromStr;
use std::time::Duration;

use annals_core::{Error, Result};

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

/// Milliseconds, as a number or with a unit.
pub(super) fn millis(into: &mut Duration, value: &str) -> Result<()> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = parse(digits)?;
    let unit = value.get(digits.len()..).unwrap_or_default().trim();
    *into = match unit {
        "" | "ms" | "millis" | "milliseconds" => Duration::from_millis(number),
        "s" | "second" | "seconds" => Duration::from_secs(number),
        "m" | "minute" | "minutes" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(Error::invalid(format!("{value:?} is no duration: give milliseconds"))),
    };
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
