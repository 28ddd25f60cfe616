//! What became of each key of a section.

use std::fmt;

use super::node::{Node, join};
use super::secret::{REDACTED, is_secret, shown};
use super::section::{Remembered, Tree};

/// A key of a section, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// Its path in the configuration.
    pub key: String,
    /// Its value as text, secrets left out.
    pub value: String,
    /// Whether the value is the default.
    pub is_default: bool,
    /// What became of it.
    pub state: KeyState,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// It was read, and takes effect.
    Honoured,
    /// It is known, but has no effect here, for this reason.
    NotHonoured(String),
    /// No such key is known: perhaps it is misspelt.
    Unknown,
}

impl KeyReport {
    /// Whether someone should be told: it was set, and has no effect.
    pub fn is_notable(&self) -> bool {
        self.state != KeyState::Honoured && !self.is_default
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: ", self.key, self.value)?;
        match &self.state {
            KeyState::Honoured => f.write_str("honoured"),
            KeyState::NotHonoured(reason) => write!(f, "not honoured: {reason}"),
            KeyState::Unknown => f.write_str("unknown"),
        }
    }
}

/// Why keys of Pekko have no effect in any program that is not a JVM, by the last of their names or a
/// name above.
const REASONS: [(&str, &str); 15] = [
    ("class", "it names a class of the JVM"),
    ("plugin-dispatcher", THREADS),
    ("replay-dispatcher", THREADS),
    ("client-dispatcher", THREADS),
    ("session-dispatcher", THREADS),
    ("default-dispatcher", THREADS),
    ("dispatcher", THREADS),
    ("dispatchers", THREADS),
    ("session-provider", "it names a class of the JVM"),
    ("circuit-breaker", "errors are returned at once, and retried where that is safe"),
    ("write-response-global-order", "replies of one entity are in order by themselves"),
    ("meta-in-events-by-tag-view", "Pekko reads it nowhere either"),
    ("coordinated-shutdown-on-error", "there is no actor system to shut down"),
    ("event-adapters", "adapters are given in code"),
    ("event-adapter-bindings", "adapters are given in code"),
];

const THREADS: &str = "thread pools are those of the runtime";
const NOT_READ: &str = "it has no meaning here";

/// All keys of `tree` in order.
pub(super) fn report(tree: &Tree, remembered: &Remembered) -> Vec<KeyReport> {
    let mut reports = Vec::new();
    tree.values.leaves(&mut |path, value| {
        if matches!(value, Node::Null | Node::Object(_)) {
            return;
        }
        let keys = || path.iter().map(String::as_str);
        let default = tree.defaults.get(keys());
        let state = if remembered.read.contains(path) {
            KeyState::Honoured
        } else if let Some(reason) = reason(path, remembered) {
            KeyState::NotHonoured(reason)
        } else if is_known(&tree.defaults, path) {
            KeyState::NotHonoured(NOT_READ.to_owned())
        } else if let Some(reason) = tree.others {
            KeyState::NotHonoured(reason.to_owned())
        } else {
            KeyState::Unknown
        };
        reports.push(KeyReport {
            key: format!("{}.{}", tree.path, join(keys())),
            value: shown_value(keys(), value),
            is_default: default == Some(value),
            state,
        });
    });
    reports
}

/// The reason given for a key or for a section above it; the nearest one counts.
fn reason(path: &[String], remembered: &Remembered) -> Option<String> {
    let above = (0..=path.len()).rev().filter_map(|length| path.get(..length));
    let given = above.filter_map(|above| remembered.ignored.get(above)).next();
    given.cloned().or_else(|| {
        let general = REASONS.iter().find(|(name, _)| path.iter().any(|key| key == name));
        general.map(|(_, reason)| (*reason).to_owned())
    })
}

/// Whether the defaults have the key, be it null, or leave what is in its section to the user.
fn is_known(defaults: &Node, path: &[String]) -> bool {
    let mut node = defaults;
    for key in path {
        node = match node {
            Node::Object(object) if object.is_empty() => return true,
            Node::Object(object) => match object.get(key) {
                Some(below) => below,
                None => return false,
            },
            _ => return false,
        };
    }
    true
}

/// A value as text, unless its path says that it is a secret.
pub(super) fn shown_value<'a>(
    path: impl DoubleEndedIterator<Item = &'a str>,
    value: &Node,
) -> String {
    match value {
        Node::Null => "null".to_owned(),
        Node::Unresolved => "<unresolved>".to_owned(),
        Node::Object(_) => "{}".to_owned(),
        _ if is_secret(path) => REDACTED.to_owned(),
        Node::Text(text) => shown(text),
        Node::List(items) => {
            // Keys inside lists can name secrets as well: only texts are shown.
            let texts: Vec<_> =
                items.iter().map(|item| item.as_text().map_or("…".to_owned(), shown)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}
