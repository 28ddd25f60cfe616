//! The workspace's packages and their dependencies, as `cargo metadata` tells them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Result, command};

/// What the rules look at.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of ours.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A package that one of ours names in its manifest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    kind: Option<String>,
}

impl Dependency {
    /// Whether only the package's tests, examples and benchmarks see it.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[derive(Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    packages: Vec<Package>,
}

impl Workspace {
    /// The workspace that this program was compiled in.
    pub(crate) fn load() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let metadata = command::output(here, &command::cargo_program(), &arguments)?;
        Self::parse(&metadata)
    }

    fn parse(metadata: &[u8]) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(metadata).map_err(|error| {
            format!("the answer of `cargo metadata` is not understood: {error}")
        })?;
        Ok(Self { root: metadata.workspace_root, packages: metadata.packages })
    }
}

#[cfg(test)]
impl Package {
    /// A package for the tests of the rules; `dependencies` are (name, is it a dev-dependency).
    pub(crate) fn sample(name: &str, dependencies: &[(&str, bool)]) -> Self {
        let dependency = |&(name, dev): &(&str, bool)| Dependency {
            name: name.to_owned(),
            kind: dev.then(|| "dev".to_owned()),
        };
        Self {
            name: name.to_owned(),
            description: Some("a sample".to_owned()),
            license: Some("MIT OR Apache-2.0".to_owned()),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_tells_dev_dependencies_apart() {
        let metadata = br#"{"workspace_root":"/w","packages":[{"name":"a","description":null,
            "license":"MIT","dependencies":[{"name":"b","kind":null},{"name":"c","kind":"dev"},
            {"name":"d","kind":"build"}]}]}"#;

        let workspace = Workspace::parse(metadata).unwrap();

        let package = &workspace.packages[0];
        let dev: Vec<bool> = package.dependencies.iter().map(Dependency::is_dev).collect();
        assert_eq!((package.description.as_deref(), dev), (None, vec![false, true, false]));
    }

    #[test]
    fn metadata_that_is_not_understood_is_an_error() {
        assert!(Workspace::parse(b"[]").unwrap_err().contains("not understood"));
    }
}
