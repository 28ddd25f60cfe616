//! Limits on a file before it is parsed: what the parser follows by recursion, or in time that grows
//! with the square, is refused here. Real configurations stay far below.

use annals_core::{Error, Result};

/// The largest file that is read: 1 MiB.
pub(super) const FILE_BYTES_MAX: usize = 1 << 20;
/// The most keys that one path may have.
const PATH_KEYS_MAX: usize = 128;
/// The most substitutions that a file may hold, and so the longest chain of them.
const SUBSTITUTIONS_MAX: usize = 4096;

/// Checks the configuration `name`.
pub(super) fn check(name: &str, text: &str) -> Result<()> {
    let refuse = |what: String| Err(Error::invalid(format!("the configuration {name} {what}")));
    if text.len() > FILE_BYTES_MAX {
        return refuse(format!("has {} bytes, more than {FILE_BYTES_MAX}", text.len()));
    }
    let (mut dots, mut substitutions) = (0_usize, 0_usize);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => string(rest),
            '#' => line(rest),
            '/' if rest.starts_with("//") => line(rest),
            '$' if rest.starts_with("${") => {
                substitutions += 1;
                // Its path is counted for itself.
                dots = 0;
                2
            }
            '.' => {
                dots += 1;
                1
            }
            '\n' | '{' | '}' | '[' | ']' | ',' | '=' | ':' => {
                dots = 0;
                1
            }
            other => other.len_utf8(),
        };
        if dots >= PATH_KEYS_MAX {
            return refuse(format!("has a path of more than {PATH_KEYS_MAX} keys"));
        }
        if substitutions > SUBSTITUTIONS_MAX {
            return refuse(format!("has more than {SUBSTITUTIONS_MAX} substitutions"));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// The length of the string that `text` begins with, or of all if it has no end.
fn string(text: &str) -> usize {
    if let Some(inside) = text.strip_prefix(r#"""""#) {
        return inside.find(r#"""""#).map_or(text.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\n' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the line that `text` begins with.
fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_passes() {
        let dots = ".".repeat(500);
        let long_list = "a.b = [1.0, 2.0]\n".repeat(1000);
        for text in [
            "",
            &format!(
                "a = \"{dots}\" # {dots}\n// {dots}\nb = \"\"\"\n{dots}\n\"\"\"\nurl = \"http://x\\\"{dots}\""
            ),
            &long_list,
            &"a = ${x.y.z}${?b}\n".repeat(2000),
            &vec!["a"; PATH_KEYS_MAX].join("."),
        ] {
            check("text", text).unwrap();
        }
    }

    #[test]
    fn what_the_parser_would_choke_on_is_refused() {
        let path = vec!["a"; PATH_KEYS_MAX + 1].join(".");
        for text in [
            path.clone(),
            format!("\"//\".{path} = 1"),
            format!("x = ${{{path}}}"),
            format!("a = \"\\\\\".{path}"),
            "a = ${b}\n".repeat(SUBSTITUTIONS_MAX + 1),
            " ".repeat(FILE_BYTES_MAX + 1),
        ] {
            assert!(check("text", &text).is_err());
        }
    }
}
