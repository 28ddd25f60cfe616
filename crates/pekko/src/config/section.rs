//! One section of a configuration, read key by key with types.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use annals_core::{Error, Result};

use super::node::{Node, join};
use super::report::{KeyReport, report};
use super::secret::{REDACTED, Secret, is_secret, shown};
use crate::units;

/// A section of a configuration: a plugin's settings over their defaults.
///
/// Keys are relative to the section, with dots for nesting (`aws-api-limits.max-item-size`). A key
/// that is not there, or is null, reads as `None`; one of the wrong type is an error that names it
/// whole. The section remembers which keys were asked for: [`report`](Self::report) lists the others
/// that the configuration sets, so that none is passed over in silence.
///
/// Clones and [subsections](Self::section) share what they remember.
#[derive(Clone)]
pub struct Section {
    tree: Arc<Tree>,
    /// Where this section begins in the tree.
    prefix: Vec<String>,
}

/// A section's values, with all that is known about them.
pub(super) struct Tree {
    /// The path of the section in the configuration.
    pub(super) path: String,
    /// The values, defaults included.
    pub(super) values: Node,
    /// The defaults alone.
    pub(super) defaults: Node,
    /// Why a key that the defaults do not have is not honoured, where they are only a part of all keys.
    pub(super) others: Option<&'static str>,
    pub(super) remembered: Mutex<Remembered>,
}

#[derive(Default)]
pub(super) struct Remembered {
    /// The keys that were read.
    pub(super) read: BTreeSet<Vec<String>>,
    /// The keys that are not honoured, and why.
    pub(super) ignored: BTreeMap<Vec<String>, String>,
}

/// A length of time that can also be switched on or off, or be without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// `off`, `false`, `no`, `never`.
    Off,
    /// `on`, `true`, `yes`: as long as is usual.
    On,
    /// So long.
    Of(Duration),
    /// `max`, `infinite`, `infinity`: without end.
    Max,
}

impl Section {
    pub(super) fn new(path: &str, values: Node, defaults: Node) -> Self {
        Self::of(Tree {
            path: path.to_owned(),
            values,
            defaults,
            others: None,
            remembered: Mutex::default(),
        })
    }

    pub(super) fn of(tree: Tree) -> Self {
        Self { tree: Arc::new(tree), prefix: Vec::new() }
    }

    /// A section without anything set.
    pub fn empty(path: &str) -> Self {
        Self::new(path, Node::EMPTY, Node::EMPTY)
    }

    /// The path of this section in the configuration.
    pub fn path(&self) -> String {
        self.full_path("")
    }

    /// The text at `key`; numbers and booleans as they are written.
    ///
    /// # Errors
    /// `Invalid` if a list or a section stands there, or a substitution that nothing resolves.
    pub fn get_str(&self, key: &str) -> Result<Option<&str>> {
        match self.read(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(node) => Err(self.wrong(key, node, "a text")),
        }
    }

    /// The secret at `key`.
    ///
    /// # Errors
    /// As [`Self::get_str`].
    pub fn get_secret(&self, key: &str) -> Result<Option<Secret>> {
        Ok(self.get_str(key)?.map(Secret::new))
    }

    /// The truth at `key`: `on`, `true` or `yes`, or their opposites.
    ///
    /// # Errors
    /// `Invalid` if it is none of them.
    pub fn get_bool(&self, key: &str) -> Result<Option<bool>> {
        self.parsed(key, "on or off", boolean)
    }

    /// The number at `key`.
    ///
    /// # Errors
    /// `Invalid` if it is none, or negative.
    pub fn get_u64(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, "a whole number that is not negative", |text| text.parse().ok())
    }

    /// The number at `key`.
    ///
    /// # Errors
    /// `Invalid` if it is none, or negative.
    pub fn get_usize(&self, key: &str) -> Result<Option<usize>> {
        self.parsed(key, "a whole number that is not negative", |text| text.parse().ok())
    }

    /// The number at `key`.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn get_i64(&self, key: &str) -> Result<Option<i64>> {
        self.parsed(key, "a whole number", |text| text.parse().ok())
    }

    /// The number at `key`, which may have decimals.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn get_f64(&self, key: &str) -> Result<Option<f64>> {
        let finite = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        self.parsed(key, "a number", finite)
    }

    /// The duration at `key` (`30s`, `200 ms`); a number alone counts milliseconds.
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn get_duration(&self, key: &str) -> Result<Option<Duration>> {
        self.parsed(key, "a duration, such as 30s or 200 ms", units::duration)
    }

    /// The duration at `key`, where it can also be switched off or be without end.
    ///
    /// # Errors
    /// `Invalid` if it is neither.
    pub fn get_span(&self, key: &str) -> Result<Option<Span>> {
        self.parsed(key, "a duration, on, off or max", |text| match boolean(text) {
            Some(true) => Some(Span::On),
            Some(false) => Some(Span::Off),
            None => match text.to_ascii_lowercase().as_str() {
                "never" => Some(Span::Off),
                "max" | "infinite" | "infinity" => Some(Span::Max),
                _ => units::duration(text).map(Span::Of),
            },
        })
    }

    /// The number of bytes at `key` (`400000`, `32 KiB`).
    ///
    /// # Errors
    /// `Invalid` if it is none.
    pub fn get_bytes(&self, key: &str) -> Result<Option<u64>> {
        self.parsed(key, "a size, such as 32 KiB", units::bytes)
    }

    /// The texts at `key`: a list, or one text with commas between them.
    ///
    /// # Errors
    /// `Invalid` if it is neither.
    pub fn get_list(&self, key: &str) -> Result<Option<Vec<&str>>> {
        match self.read(key) {
            None => Ok(None),
            Some(Node::Text(text)) => {
                Ok(Some(text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect()))
            }
            Some(node @ Node::List(items)) => {
                let texts = items.iter().map(|item| item.as_text());
                texts
                    .collect::<Option<_>>()
                    .ok_or_else(|| self.wrong(key, node, "a list of texts"))
                    .map(Some)
            }
            Some(node) => Err(self.wrong(key, node, "a list of texts")),
        }
    }

    /// The section at `key`.
    ///
    /// # Errors
    /// `Invalid` if something else stands there.
    pub fn section(&self, key: &str) -> Result<Option<Self>> {
        match self.node(key) {
            None => Ok(None),
            Some(Node::Object(_)) => {
                let prefix = self.keys_of(key);
                Ok(Some(Self { tree: self.tree.clone(), prefix }))
            }
            Some(node) => Err(self.wrong(key, node, "a section")),
        }
    }

    /// Whether something stands at `key`; this does not count as having read it.
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// The paths of everything that is set in this section, in order. Where a key of its own holds a
    /// dot, it stands in quotes.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        if let Some(node) = self.node("") {
            node.leaves(&mut |path, value| {
                if !matches!(value, Node::Null | Node::Object(_)) {
                    keys.push(join(path.iter().map(String::as_str)));
                }
            });
        }
        keys
    }

    /// The keys directly in this section, as they are.
    pub fn names(&self) -> Vec<&str> {
        match self.node("") {
            Some(Node::Object(object)) => object.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Says that `key`, and all below it, is not honoured, and why.
    pub fn ignore(&self, key: &str, reason: impl Into<String>) {
        let keys = self.keys_of(key);
        self.remembered(|remembered| remembered.ignored.insert(keys, reason.into()));
    }

    /// What became of each key of the whole section, however it was reached.
    pub fn report(&self) -> Vec<KeyReport> {
        self.remembered(|remembered| report(&self.tree, remembered))
    }

    /// An error about the value of `key`.
    pub fn invalid(&self, key: &str, what: impl fmt::Display) -> Error {
        Error::invalid(format!("the setting {} {what}", self.full_path(key)))
    }

    fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let node = self.read(key);
        let text = match node {
            None => return Ok(None),
            Some(node) => node.as_text().ok_or_else(|| self.wrong(key, node, expected))?,
        };
        match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(key, &Node::Text(text.to_owned()), expected)),
        }
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str) -> Error {
        let keys = self.keys_of(key);
        let found = match node {
            Node::Unresolved => {
                return self.invalid(
                    key,
                    "holds a substitution that nothing resolves: a variable that is not set, or a \
                     default of a library that is not here",
                );
            }
            Node::Text(_) if is_secret(keys.iter().map(String::as_str)) => REDACTED.to_owned(),
            Node::Text(text) => format!("{:?}", shown(text)),
            Node::List(_) => "a list".to_owned(),
            Node::Object(_) => "a section".to_owned(),
            Node::Null => "null".to_owned(),
        };
        self.invalid(key, format_args!("is {found} instead of {expected}"))
    }

    fn read(&self, key: &str) -> Option<&Node> {
        let keys = self.keys_of(key);
        self.remembered(|remembered| remembered.read.insert(keys));
        self.node(key)
    }

    fn node(&self, key: &str) -> Option<&Node> {
        let keys = self.keys_of(key);
        self.tree.values.get(keys.iter().map(String::as_str))
    }

    fn keys_of(&self, key: &str) -> Vec<String> {
        let keys = key.split('.').filter(|key| !key.is_empty()).map(str::to_owned);
        self.prefix.iter().cloned().chain(keys).collect()
    }

    fn full_path(&self, key: &str) -> String {
        let keys = self.keys_of(key);
        let below = join(keys.iter().map(String::as_str));
        if below.is_empty() {
            self.tree.path.clone()
        } else {
            format!("{}.{below}", self.tree.path)
        }
    }

    fn remembered<T>(&self, act: impl FnOnce(&mut Remembered) -> T) -> T {
        act(&mut self.tree.remembered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => Some(true),
        "false" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// Shows what is set, but no secrets.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        if let Some(node) = self.node("") {
            node.leaves(&mut |path, value| {
                let keys = self.prefix.iter().chain(path).map(String::as_str);
                let shown = super::report::shown_value(keys, value);
                map.entry(&join(path.iter().map(String::as_str)), &shown);
            });
        }
        map.finish()
    }
}
