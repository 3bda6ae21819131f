//! The cluster config as the fleet reads it: the simple form of the founding note, no Lua.
//!
//! ```lua
//! -- a comment
//! master = "127.0.0.1:11888"
//! login_1 = "127.0.0.1:13888",   -- a comma or semicolon may follow
//! __nowaiting = true             -- keys that begin with __ are cluster's own
//! ```
//!
//! A node runs such a file as Lua. The master does not: it would run what any holder of `deploy` sends
//! it. Anything beyond this form is an error that says what would be right.

use std::collections::BTreeMap;

use crate::file::{Fault, Faults, is_name};

/// Names and their `ip:port`, without keys that begin with `__`.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, Faults> {
    let mut nodes = BTreeMap::new();
    let mut faults = Vec::new();
    let mut rest = Lines::new(text);
    for (line, code) in rest.by_ref() {
        match assignment(code) {
            Ok(None) => {}
            Ok(Some((name, address))) => {
                if nodes.insert(name.to_owned(), address.to_owned()).is_some() {
                    let text = format!("{name} stands here a second time");
                    faults.push(Fault { line, text });
                }
            }
            Err(text) => faults.push(Fault { line, text }),
        }
    }
    if let Some(line) = rest.open_comment {
        let text = "the comment that begins here has no end".to_owned();
        faults.push(Fault { line, text });
    }
    match faults.is_empty() {
        true => Ok(nodes),
        false => Err(Faults(faults)),
    }
}

/// The lines with code on them, numbered, without comments.
struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
    /// The line that began the `--[[` comment we are in.
    open_comment: Option<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.trim_start_matches('\u{feff}').lines().enumerate(),
            open_comment: None,
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (index, mut code) = self.lines.next()?;
            if self.open_comment.is_some() {
                let Some((_, behind)) = code.split_once("]]") else {
                    continue;
                };
                self.open_comment = None;
                code = behind;
            }
            // No value of the known form holds two dashes.
            if let Some((before, comment)) = code.split_once("--") {
                code = before;
                if comment.starts_with("[[") && !comment.contains("]]") {
                    self.open_comment = Some(index + 1);
                }
            }
            let code = code.trim();
            if !code.is_empty() {
                return Some((index + 1, code));
            }
        }
    }
}

/// `name = "ip:port"`, or nothing of interest.
fn assignment(code: &str) -> Result<Option<(&str, &str)>, String> {
    let form = || {
        format!(
            "{code:?} is not understood; the fleet reads only lines of the form name = \"ip:port\""
        )
    };
    let (name, value) = code.split_once('=').ok_or_else(form)?;
    let name = name.trim();
    let name = name
        .strip_prefix("[\"")
        .and_then(|name| name.strip_suffix("\"]"))
        .unwrap_or(name);
    if !is_name(name) {
        return Err(form());
    }
    if name.starts_with("__") {
        return Ok(None);
    }
    if name == "all" {
        return Err("all cannot be the name of a node: it selects every node".to_owned());
    }
    let value = value.trim().trim_end_matches([',', ';']).trim_end();
    // `false` says that there is no such node now.
    if value == "false" {
        return Ok(None);
    }
    let address = ["\"", "'"]
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .ok_or_else(form)?;
    match split_address(address) {
        Some(_) => Ok(Some((name, address))),
        None => Err(format!(
            "{address:?} of {name} is not an address; give \"ip:port\""
        )),
    }
}

/// Host and port of `host:port` or `[v6]:port`.
pub fn split_address(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '*');
    let port = port.parse::<u16>().ok()?;
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_file_of_the_note_is_read() {
        let text = "-- game\n--[[ old:\nx = \"1.1.1.1:1\"\n]] master = \"127.0.0.1:11888\"\n__nowaiting = true\n\nlogin_1 = '10.0.0.2:13888', -- first\ngone = false\n";
        let nodes = parse(text).unwrap();
        let shown: Vec<String> = nodes
            .iter()
            .map(|(name, at)| format!("{name}={at}"))
            .collect();
        assert_eq!(shown, ["login_1=10.0.0.2:13888", "master=127.0.0.1:11888"]);
    }

    #[test]
    fn anything_else_is_refused_with_its_line() {
        let faults = parse("a = \"1.2.3.4:5\"\nb = 5\nc = \"1.2.3.4\"\nlocal x = \"1.2.3.4:5\"\na = '1.1.1.1:1'\n--[[ x").unwrap_err();
        let lines: Vec<usize> = faults.0.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        assert!(
            faults
                .to_string()
                .contains("line 3: \"1.2.3.4\" of c is not an address"),
            "{faults}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z_=\"'\\[\\]\n .:0-9-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
