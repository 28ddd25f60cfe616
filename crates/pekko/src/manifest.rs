//! A Jackson manifest: the class name, and `#version` where the class has migrations.

use std::fmt;
use std::sync::Arc;

/// The version of a class's form; 1 where a manifest names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestVersion(u32);

impl ManifestVersion {
    /// The version of a manifest that names none.
    pub const FIRST: Self = Self(1);

    /// Version `number`.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The version as an integer.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A manifest taken apart. What follows the last `#` is the version, if it is a number; otherwise
/// the whole text is the class name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// The class name; any text.
    pub class: Arc<str>,
    /// The version, if the text names one.
    pub version: Option<ManifestVersion>,
}

impl Manifest {
    /// Takes `text` apart.
    pub fn parse(text: &str) -> Self {
        if let Some((class, version)) = text.rsplit_once('#')
            && let Ok(version) = version.parse()
        {
            return Self { class: class.into(), version: Some(ManifestVersion(version)) };
        }
        Self { class: text.into(), version: None }
    }

    /// The version, 1 if the text names none.
    pub fn version_or_first(&self) -> ManifestVersion {
        self.version.unwrap_or(ManifestVersion::FIRST)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}#{}", self.class, version.get()),
            None => f.write_str(&self.class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_follows_the_last_hash() {
        let parsed = |text| {
            let manifest = Manifest::parse(text);
            (manifest.class.to_string(), manifest.version_or_first().get())
        };
        assert_eq!(parsed("com.example.Deposited"), ("com.example.Deposited".into(), 1));
        assert_eq!(parsed("com.example.Deposited#3"), ("com.example.Deposited".into(), 3));
        assert_eq!(parsed("a#b#2"), ("a#b".into(), 2));
        assert_eq!(parsed("a#b"), ("a#b".into(), 1));
        assert_eq!(parsed("#7"), (String::new(), 7));
        assert_eq!(parsed(""), (String::new(), 1));
    }
}
