//! What must never be printed.

use std::fmt;

/// What stands in a secret's place.
pub(super) const REDACTED: &str = "<redacted>";

/// Parts of keys whose values are secrets.
const PARTS: [&str; 7] =
    ["password", "passphrase", "secret", "token", "credential", "access-key", "private-key"];

/// A secret of a configuration. Printing it shows that there is one, not what it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The secret itself, for whoever has to present it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is set to nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Whether the value at `path` is a secret, by the last key of its path or the one above that.
pub(super) fn is_secret<'a>(path: impl DoubleEndedIterator<Item = &'a str>) -> bool {
    path.rev().take(2).any(|key| {
        let key = key.to_ascii_lowercase().replace('_', "-");
        PARTS.iter().any(|part| key.contains(part))
    })
}

/// `text` as it may be shown: what stands between a scheme and `@` in it is left out, since URLs carry
/// passwords.
pub(super) fn shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => {
            let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{REDACTED}@{host}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_secrets() {
        let is_secret = |path: &str| is_secret(path.split('.'));
        for path in [
            "dynamodb-journal.aws-secret-access-key",
            "dynamodb-journal.aws-access-key-id",
            "a.aws-client-config.proxy-password",
            "datastax-java-driver.advanced.auth-provider.password",
            "x.AUTH_TOKEN",
            "x.credentials.value",
        ] {
            assert!(is_secret(path), "{path}");
        }
        for path in ["dynamodb-journal.journal-table", "a.keyspace", "secret.section.table"] {
            assert!(!is_secret(path), "{path}");
        }
        assert_eq!(format!("{:?}", Secret::new("s3cret")), REDACTED);
    }

    #[test]
    fn urls_are_shown_without_their_passwords() {
        assert_eq!(shown("http://user:pw@host:80/x"), "http://<redacted>@host:80/x");
        assert_eq!(shown("http://host:80/a"), "http://host:80/a");
        assert_eq!(shown("a@b"), "a@b");
    }
}
