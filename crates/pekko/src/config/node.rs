//! A resolved configuration: objects, lists and texts.

use std::collections::BTreeMap;

/// How deep objects and lists may nest.
pub(super) const DEPTH_MAX: usize = 128;

/// A value. Numbers and booleans are the texts that were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Set to nothing: as if it were not there, but known.
    Null,
    Text(String),
    List(Vec<Node>),
    Object(BTreeMap<String, Node>),
    /// Holds a substitution that nothing resolves.
    Unresolved,
}

impl Node {
    /// An object without keys.
    pub(super) const EMPTY: Self = Self::Object(BTreeMap::new());

    /// The value at `path`; `None` also where it is null.
    pub(super) fn get<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        let mut node = self;
        for key in path {
            node = match node {
                Self::Object(object) => object.get(key)?,
                // What is inside is unknown as well.
                Self::Unresolved => return Some(node),
                _ => return None,
            };
        }
        if *node == Self::Null { None } else { Some(node) }
    }

    /// The text, if it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// This value over `other`: what is not set here is taken from there.
    pub(super) fn over(self, other: Self) -> Self {
        match (self, other) {
            (Self::Object(mut object), Self::Object(below)) => {
                for (key, below) in below {
                    let value = match object.remove(&key) {
                        Some(value) => value.over(below),
                        None => below,
                    };
                    object.insert(key, value);
                }
                Self::Object(object)
            }
            (value, _) => value,
        }
    }

    /// Calls `visit` with the path of each value that is no object, or an empty one.
    pub(super) fn leaves(&self, visit: &mut impl FnMut(&[String], &Self)) {
        self.walk(&mut Vec::new(), visit);
    }

    /// Recursion ends where `DEPTH_MAX` ended the reading.
    fn walk(&self, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Self)) {
        match self {
            Self::Object(object) if !object.is_empty() => {
                for (key, value) in object {
                    path.push(key.clone());
                    value.walk(path, visit);
                    path.pop();
                }
            }
            _ => visit(path, self),
        }
    }
}

/// Keys joined to a path; those that hold a dot or a blank stand in quotes.
pub(super) fn join<'a>(keys: impl IntoIterator<Item = &'a str>) -> String {
    let mut path = String::new();
    for key in keys {
        if !path.is_empty() {
            path.push('.');
        }
        let plain = !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if plain {
            path.push_str(key);
        } else {
            path.push_str(&format!("{key:?}"));
        }
    }
    path
}
