//! Manifests: a class name, `#version` where Jackson has migrations of the class, and the names that
//! Pekko's own classes had in Akka.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use annals_core::{Error, Result};

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

/// The prefix of Pekko's own classes.
const PEKKO: &str = "org.apache.pekko";
/// What it was in Akka.
const AKKA: &str = "akka";

/// The name of one of Pekko's own classes without its prefix, be it Pekko's or Akka's.
pub(crate) fn own_class(manifest: &str) -> Option<&str> {
    let rest = manifest.strip_prefix(PEKKO).or_else(|| manifest.strip_prefix(AKKA))?;
    rest.strip_prefix('.')
}

/// Which names the classes of Pekko and Akka get in the manifests of snapshots (Pekko's setting
/// `pekko.persistence.snapshot-store.auto-migrate-manifest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ManifestNames {
    /// Pekko's, whichever were given: `pekko`, the default.
    #[default]
    Pekko,
    /// Akka's are written, for services that still run on it; Pekko's are read: `akka`.
    Akka,
    /// Those that were given: `no-migration`.
    AsGiven,
}

impl ManifestNames {
    pub(crate) fn read(self, manifest: &str) -> Cow<'_, str> {
        match self {
            Self::Pekko | Self::Akka => renamed(manifest, AKKA, PEKKO),
            Self::AsGiven => manifest.into(),
        }
    }

    pub(crate) fn write(self, manifest: &str) -> Cow<'_, str> {
        match self {
            Self::Pekko => renamed(manifest, AKKA, PEKKO),
            Self::Akka => renamed(manifest, PEKKO, AKKA),
            Self::AsGiven => manifest.into(),
        }
    }
}

impl FromStr for ManifestNames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pekko" => Ok(Self::Pekko),
            "akka" => Ok(Self::Akka),
            "no-migration" => Ok(Self::AsGiven),
            _ => Err(Error::invalid(format!(
                "auto-migrate-manifest is {text:?} instead of pekko, akka or no-migration"
            ))),
        }
    }
}

fn renamed<'a>(manifest: &'a str, from: &str, to: &str) -> Cow<'a, str> {
    match manifest.strip_prefix(from) {
        Some(rest) => format!("{to}{rest}").into(),
        None => manifest.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_akka_become_names_of_pekko() {
        let akka = "akka.persistence.fsm.PersistentFSM$PersistentFSMSnapshot";
        let pekko = "org.apache.pekko.persistence.fsm.PersistentFSM$PersistentFSMSnapshot";
        for (names, setting, read, written_akka, written_pekko) in [
            (ManifestNames::Pekko, "pekko", pekko, pekko, pekko),
            (ManifestNames::Akka, "akka", pekko, akka, akka),
            (ManifestNames::AsGiven, "no-migration", akka, akka, pekko),
        ] {
            assert_eq!(setting.parse::<ManifestNames>().unwrap(), names);
            assert_eq!(names.read(akka), read);
            assert_eq!(names.read(pekko), pekko);
            assert_eq!(names.write(akka), written_akka);
            assert_eq!(names.write(pekko), written_pekko);
            assert_eq!(names.read("com.example.State"), "com.example.State");
        }
        assert_eq!(own_class(akka), Some("persistence.fsm.PersistentFSM$PersistentFSMSnapshot"));
        assert_eq!(own_class(pekko), own_class(akka));
        assert_eq!((own_class("akkad.X"), own_class("com.akka.X")), (None, None));
        assert!("other".parse::<ManifestNames>().is_err());
    }

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
