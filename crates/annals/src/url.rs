//! Store URLs: `SCHEME:PLACE[?KEY=VALUE[&KEY=VALUE …]]`.

#[cfg(any(test, feature = "embedded"))]
use std::str::FromStr;

use annals_core::{Error, Result};

/// A store's URL, taken apart. The place stands as it is given (nothing is percent-decoded), up to the
/// first `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreUrl<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) place: &'a str,
    settings: Vec<(&'a str, &'a str)>,
}

impl<'a> StoreUrl<'a> {
    /// # Errors
    /// `Invalid` if there is no scheme, or if a setting has no key or stands twice.
    pub(crate) fn parse(url: &'a str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once(':') else {
            let message = format!("{url:?} is not a store URL: expected memory: or embedded:PATH");
            return Err(Error::invalid(message));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // Without the settings, which may be secrets.
        let shown = format!("{scheme}:{place}");
        let mut settings: Vec<(&str, &str)> = Vec::new();
        for setting in query.split('&').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            if key.is_empty() {
                return Err(Error::invalid(format!("store URL {shown}: a setting has no key")));
            }
            if settings.iter().any(|(known, _)| *known == key) {
                return Err(Error::invalid(format!("store URL {shown}: {key} is set twice")));
            }
            settings.push((key, value));
        }
        Ok(Self { scheme, place, settings })
    }

    /// Takes the setting `key` out, so that [`StoreUrl::finish`] does not call it unknown.
    #[cfg(any(test, feature = "embedded"))]
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a str> {
        let index = self.settings.iter().position(|(known, _)| *known == key)?;
        Some(self.settings.remove(index).1)
    }

    /// Takes the setting `key` out and reads it.
    ///
    /// # Errors
    /// `Invalid` if its value is none of its kind.
    #[cfg(any(test, feature = "embedded"))]
    pub(crate) fn take_parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>> {
        let scheme = self.scheme;
        let parsed = |value: &str| {
            value
                .parse()
                .map_err(|_| Error::invalid(format!("{scheme}: stores take no {key} of {value:?}")))
        };
        self.take(key).map(parsed).transpose()
    }

    /// Takes all settings out, for a store that knows many.
    #[cfg(any(feature = "cassandra", feature = "dynamodb"))]
    pub(crate) fn take_all(&mut self) -> Vec<(&'a str, &'a str)> {
        std::mem::take(&mut self.settings)
    }

    /// Checks that every setting was understood: a misspelt one must not be dropped in silence.
    ///
    /// # Errors
    /// `Invalid`, naming those that are left.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.settings.is_empty() {
            return Ok(());
        }
        let keys: Vec<&str> = self.settings.iter().map(|(key, _)| *key).collect();
        let scheme = self.scheme;
        let message = format!("{scheme}: stores have no setting named {}", keys.join(", "));
        Err(Error::invalid(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_scheme_place_and_settings() {
        let mut url = StoreUrl::parse("embedded:./my data%20?a=1&b=x=y").unwrap();
        assert_eq!((url.scheme, url.place), ("embedded", "./my data%20"));
        assert_eq!(url.take("b"), Some("x=y"));
        assert_eq!(url.take("c"), None);
        let error = url.finish().unwrap_err();
        assert_eq!(error.message(), "embedded: stores have no setting named a");
    }

    #[test]
    fn a_setting_of_another_kind_is_named() {
        let mut url = StoreUrl::parse("embedded:x?size=12&flag=yes").unwrap();
        assert_eq!(url.take_parsed::<u32>("size").unwrap(), Some(12));
        assert_eq!(url.take_parsed::<u32>("other").unwrap(), None);
        let error = url.take_parsed::<bool>("flag").unwrap_err();
        assert_eq!(error.message(), "embedded: stores take no flag of \"yes\"");
    }

    #[test]
    fn a_place_may_hold_colons() {
        let url = StoreUrl::parse("embedded:C:\\data").unwrap();
        assert_eq!((url.scheme, url.place), ("embedded", "C:\\data"));
    }

    #[test]
    fn malformed_settings_are_named() {
        for (url, expected) in [("memory:?=1", "has no key"), ("memory:?a=1&a=2", "a is set twice")]
        {
            let error = StoreUrl::parse(url).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_path_alone_is_no_url() {
        let error = StoreUrl::parse("./data").unwrap_err();
        assert!(error.message().contains("is not a store URL"), "{error}");
    }
}
