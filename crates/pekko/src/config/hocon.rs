//! HOCON to a resolved tree, by the crate `hocon-parser`.
//!
//! It covers the language (includes, substitutions, merging, `+=`) and limits how deep a document
//! nests, but not how long a path or a chain of substitutions is, which it follows by recursion. So
//! [`limits`](super::limits) come first, and it runs on a stack that is large enough for what they let
//! through.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

use annals_core::{Error, Result};
use hocon::{Config, HoconValue, ParseOptions, ResolveOptions, ScalarType};

use super::limits::{self, FILE_BYTES_MAX};
use super::node::{DEPTH_MAX, Node};

/// Reserved as addresses, and taken from memory only where the depth of the file asks for it.
const STACK_BYTES: usize = 256 << 20;

/// Where the text of a configuration comes from, and what its `${?VARIABLE}`s are.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The text.
    pub(super) text: String,
    /// What errors call it.
    pub(super) name: String,
    /// Where its includes are looked for.
    pub(super) directory: Option<PathBuf>,
    /// The variables, if not the process's own.
    pub(super) environment: Option<HashMap<String, String>>,
}

impl Source {
    /// The file at `path`.
    pub(super) fn file(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |error: std::io::Error| {
            Error::invalid(format!("the configuration {name} cannot be read")).with_source(error)
        };
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut text = String::new();
        // One byte more than may be, so that a larger file is seen to be one.
        let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        file.take(limit).read_to_string(&mut text).map_err(failed)?;
        let directory = path.parent().map(Path::to_path_buf);
        Ok(Self { text, name, directory, environment: None })
    }

    /// The configuration over `defaults`, resolved as one. What cannot be resolved is marked, since
    /// much of an application's file concerns libraries whose defaults are not here.
    pub(super) fn resolve(&self, defaults: &str) -> Result<Node> {
        limits::check(&self.name, &self.text)?;
        let (source, defaults) = (self.clone(), defaults.to_owned());
        let read = move || source.resolve_here(&defaults);
        std::thread::Builder::new()
            .name("annals-hocon".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(read)
            .map_err(|error| Error::unavailable("no thread could be started").with_source(error))?
            .join()
            .unwrap_or_else(|_| Err(Error::invalid(format!("{}: it cannot be read", self.name))))
    }

    fn resolve_here(&self, defaults: &str) -> Result<Node> {
        let invalid = |error: hocon::HoconError| {
            let reason = without_quoted(&error.to_string());
            Error::invalid(format!("the configuration {} is not valid: {reason}", self.name))
        };
        let mut options = ParseOptions::defaults()
            .with_resolve_substitutions(false)
            .with_origin_description(self.name.clone());
        if let Some(directory) = &self.directory {
            options = options.with_base_dir(directory.clone());
        }
        let text = beside(&self.text);
        let application = hocon::parse_string_with_options(&text, options).map_err(invalid)?;
        let below = |text: &str| {
            let options = ParseOptions::defaults().with_resolve_substitutions(false);
            hocon::parse_string_with_options(text, options).map_err(invalid)
        };
        let options = ResolveOptions::defaults()
            .with_allow_unresolved(true)
            .with_use_system_environment(self.environment.is_none());
        let resolved = application
            .with_fallback(&below(defaults)?)
            .with_fallback(&below(&self.variables())?)
            .resolve(options)
            .map_err(invalid)?;
        self.object(&resolved)
    }

    /// Given variables as a document below all others: there a substitution finds them last, as it finds
    /// those of the process.
    fn variables(&self) -> String {
        let given = self.environment.iter().flatten();
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        given.map(|(name, value)| format!("{} = {}\n", quoted(name), quoted(value))).collect()
    }

    fn object(&self, config: &Config) -> Result<Node> {
        let mut object = BTreeMap::new();
        for key in config.keys() {
            // Asked for as one key, not as a path.
            let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
            let value = config.get(&quoted).or_else(|| config.get(key));
            let value = value.map_or(Ok(Node::Null), |value| self.node(value, DEPTH_MAX))?;
            object.insert(key.to_owned(), value);
        }
        Ok(Node::Object(object))
    }

    fn node(&self, value: &HoconValue, depth: usize) -> Result<Node> {
        let Some(depth) = depth.checked_sub(1) else {
            let message = format!("the configuration {} nests deeper than {DEPTH_MAX}", self.name);
            return Err(Error::invalid(message));
        };
        Ok(match value {
            HoconValue::Object(object) => Node::Object(
                object
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.node(value, depth)?)))
                    .collect::<Result<_>>()?,
            ),
            HoconValue::Array(items) => {
                Node::List(items.iter().map(|item| self.node(item, depth)).collect::<Result<_>>()?)
            }
            HoconValue::Scalar(scalar) if scalar.value_type == ScalarType::Null => Node::Null,
            HoconValue::Scalar(scalar) => Node::Text(scalar.raw.clone()),
            _ => Node::Unresolved,
        })
    }
}

/// What the parser says, without the text that it quotes: that may be of a secret.
fn without_quoted(message: &str) -> String {
    match (message.split_once('"'), message.rsplit_once('"')) {
        (Some((before, _)), Some((_, after))) => format!("{before}…{after}"),
        _ => message.to_owned(),
    }
}

/// `text` with its includes from the class path taken from beside the file, where they lie in the
/// sources of a service (`src/main/resources`). A missing one is skipped, as it is on the class path.
fn beside(text: &str) -> String {
    let is_include = |line: &str| {
        let rest = line.trim_start().strip_prefix("include");
        rest.is_some_and(|rest| {
            rest.trim_start().starts_with("classpath(") || rest.contains("(classpath(")
        })
    };
    let lines = text.split_inclusive('\n').map(|line| {
        if !is_include(line) {
            return line.to_owned();
        }
        match line
            .split_once("classpath(")
            .and_then(|(before, rest)| Some((before, rest.split_once(')')?)))
        {
            Some((before, (file, after))) if before.contains('(') => {
                format!("{before}file({file}){after}")
            }
            Some((before, (file, after))) => format!("{before}{file}{after}"),
            None => line.to_owned(),
        }
    });
    lines.collect()
}
