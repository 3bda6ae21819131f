//! `cargo xtask tidy`: what a machine can check about how this tree reads.
//!
//! Each check is one file, takes the files of the tree and returns findings; a finding names the
//! place, what is wrong, and how to mend it. The same checks run as a test, so nobody has to think
//! of them.

mod functions;
mod header;
mod layers;
mod lengths;
mod lexer;
mod unsafety;
mod words;

use crate::tree::{self, File};
use std::fmt;

/// One thing to mend.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    what: String,
    mend: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            what,
            mend,
        } = self;
        write!(f, "{path}:{line}: {what}\n    {mend}")
    }
}

/// A file of the tree and its code, split once for all checks.
struct Source {
    file: File,
    layers: lexer::Layers,
}

impl Source {
    fn new(file: File) -> Self {
        let layers = if file.is_rust() {
            lexer::rust(&file.text)
        } else if file.is_lua() {
            lexer::lua(&file.text)
        } else {
            lexer::Layers {
                code: String::new(),
                comments: String::new(),
            }
        };
        Self { file, layers }
    }

    fn finding(&self, line: usize, what: impl Into<String>, mend: &'static str) -> Finding {
        Finding {
            path: self.file.path.clone(),
            line,
            what: what.into(),
            mend,
        }
    }
}

pub fn command() -> Result<(), String> {
    let (findings, count) = check()?;
    if findings.is_empty() {
        println!("tidy: {count} files, nothing to mend");
        return Ok(());
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    Err(format!("tidy: {} to mend in {count} files", findings.len()))
}

/// All findings, by file and line, and how many files were looked at.
fn check() -> Result<(Vec<Finding>, usize), String> {
    let sources: Vec<Source> = tree::files()?.into_iter().map(Source::new).collect();
    let exceptions = lengths::Exceptions::read(&sources)?;
    let mut findings = lengths::check(&sources, &exceptions);
    findings.extend(functions::check(&sources, &exceptions));
    findings.extend(header::check(&sources));
    findings.extend(unsafety::check(&sources));
    findings.extend(words::check(&sources));
    findings.extend(layers::check()?);
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok((findings, sources.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file made up for a test.
    pub(super) fn source(path: &str, text: &str) -> Source {
        Source::new(File {
            path: path.to_string(),
            text: text.to_string(),
        })
    }

    #[test]
    fn the_tree_is_tidy() {
        let (findings, count) = check().expect("the checks run");
        assert!(count > 0, "git lists no file");
        let report: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(report.is_empty(), "\n{}", report.join("\n"));
    }
}
