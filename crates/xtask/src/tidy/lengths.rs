//! A file is read in one sitting: 600 lines at most, ARCHITECTURE.md less than 400.
//!
//! What is longer for a reason stands in `exceptions.txt` with its present length as the ceiling and
//! the reason beside it. A ceiling may only sink: when the file has become shorter, the entry must
//! follow, so that the gain is kept.

use super::{Finding, Source};

const FILE_LINES_MAX: usize = 600;
const ARCHITECTURE_LINES_MAX: usize = 399;

/// Where the exceptions stand, from the root.
const EXCEPTIONS: &str = "crates/xtask/exceptions.txt";

const LOWER: &str = "write the new number there, so that it stays so short";

/// The lines `PATH LINES REASON` or `PATH:FUNCTION LINES REASON` of the exceptions file.
pub(super) struct Exceptions(Vec<Exception>);

struct Exception {
    what: String,
    ceiling: usize,
    /// In the exceptions file.
    line: usize,
}

impl Exceptions {
    pub(super) fn read(sources: &[Source]) -> Result<Self, String> {
        match sources.iter().find(|s| s.file.path == EXCEPTIONS) {
            Some(source) => Self::parse(&source.file.text),
            None => Ok(Self(Vec::new())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (what, ceiling) = (words.next(), words.next().and_then(|n| n.parse().ok()));
            match (what, ceiling, words.next()) {
                (Some(what), Some(ceiling), Some(_reason)) => list.push(Exception {
                    what: what.to_string(),
                    ceiling,
                    line: index + 1,
                }),
                _ => {
                    let line = index + 1;
                    return Err(format!(
                        "{EXCEPTIONS}:{line}: expected PATH LINES REASON or PATH:FUNCTION LINES REASON"
                    ));
                }
            }
        }
        Ok(Self(list))
    }

    fn find(&self, what: &str) -> Option<&Exception> {
        self.0.iter().find(|e| e.what == what)
    }

    /// Judges a thing named `what` of `lines` lines that begins in `source` at `line`.
    pub(super) fn judge(
        &self,
        source: &Source,
        what: &str,
        (line, lines): (usize, usize),
        max: usize,
        mend: &'static str,
    ) -> Option<Finding> {
        let Some(exception) = self.find(what) else {
            return (lines > max)
                .then(|| source.finding(line, format!("{lines} lines, {max} are allowed"), mend));
        };
        if lines > exception.ceiling {
            let what = format!("{lines} lines, its exception allows {}", exception.ceiling);
            return Some(source.finding(line, what, mend));
        }
        if lines <= max {
            let text = format!("{what} has {lines} lines and needs no exception any more");
            return Some(at_entry(exception, text, "take this line out"));
        }
        (lines < exception.ceiling).then(|| {
            let text = format!("{what} has {lines} lines now, not {}", exception.ceiling);
            at_entry(exception, text, LOWER)
        })
    }
}

fn at_entry(exception: &Exception, what: String, mend: &'static str) -> Finding {
    Finding {
        path: EXCEPTIONS.to_string(),
        line: exception.line,
        what,
        mend,
    }
}

pub(super) fn check(sources: &[Source], exceptions: &Exceptions) -> Vec<Finding> {
    let mut findings: Vec<Finding> = sources
        .iter()
        .filter_map(|source| {
            let file = &source.file;
            let max = match file.path.as_str() {
                "ARCHITECTURE.md" => ARCHITECTURE_LINES_MAX,
                _ if file.is_rust() || file.is_lua() => FILE_LINES_MAX,
                _ => return None,
            };
            let mend = "split it where a second idea begins";
            exceptions.judge(
                source,
                &file.path,
                (1, file.text.lines().count()),
                max,
                mend,
            )
        })
        .collect();
    for exception in &exceptions.0 {
        let path = exception.what.split(':').next().unwrap_or_default();
        if sources.iter().all(|s| s.file.path != path) {
            let what = format!("{path} does not exist");
            findings.push(at_entry(exception, what, "take this line out"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;

    fn check_lines(lines: usize, exceptions: &str) -> Vec<String> {
        let sources = [source("a.rs", &"x\n".repeat(lines))];
        let exceptions = Exceptions::parse(exceptions).expect("a good list");
        check(&sources, &exceptions)
            .iter()
            .map(|f| format!("{}:{}: {}", f.path, f.line, f.what))
            .collect()
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_excepted() {
        assert!(check_lines(600, "").is_empty());
        assert_eq!(check_lines(601, ""), ["a.rs:1: 601 lines, 600 are allowed"]);
        assert!(check_lines(610, "# list\na.rs 610 one table").is_empty());
        assert_eq!(
            check_lines(611, "a.rs 610 one table"),
            ["a.rs:1: 611 lines, its exception allows 610"]
        );
    }

    #[test]
    fn a_ceiling_only_sinks() {
        assert_eq!(
            check_lines(605, "a.rs 610 one table"),
            ["crates/xtask/exceptions.txt:1: a.rs has 605 lines now, not 610"]
        );
        assert_eq!(
            check_lines(5, "a.rs 610 one table"),
            ["crates/xtask/exceptions.txt:1: a.rs has 5 lines and needs no exception any more"]
        );
        assert_eq!(
            check_lines(5, "b.rs 610 gone"),
            ["crates/xtask/exceptions.txt:1: b.rs does not exist"]
        );
    }

    #[test]
    fn an_exception_without_a_reason_is_refused() {
        assert!(Exceptions::parse("a.rs 610").is_err());
    }
}
