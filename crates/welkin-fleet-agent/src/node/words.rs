//! A command of the fleet file, from one text to words.
//!
//! It is split as a shell does it - blanks, `'...'`, `"..."`, `\` - and nothing else of a shell happens.
//! Placeholders are put in afterwards, so a value with blanks stays one word.

/// What the placeholders stand for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `{node}`
    pub node: String,
    /// `{config}`
    pub config: String,
    /// `{release}`
    pub release: String,
    /// `{dir}`
    pub dir: String,
    /// `{secrets}`
    pub secrets: String,
}

impl Places {
    /// The words of `command`; the error says what is wrong with it.
    pub fn words(&self, command: &str) -> Result<Vec<String>, String> {
        let words = split(command)?;
        if words.is_empty() {
            return Err("the command is empty".to_owned());
        }
        Ok(words.iter().map(|word| self.fill(word)).collect())
    }

    /// Braces that are none of ours stay.
    fn fill(&self, word: &str) -> String {
        let mut filled = String::new();
        let mut rest = word;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let known = [
                ("{node}", &self.node),
                ("{config}", &self.config),
                ("{release}", &self.release),
                ("{dir}", &self.dir),
                ("{secrets}", &self.secrets),
            ];
            match known.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    filled.push_str(value);
                    rest = &rest[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled + rest
    }
}

fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    let unclosed = |quote: char| format!("the command has a {quote} that is not closed: {command}");
    while let Some(next) = chars.next() {
        match next {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| unclosed('\''))? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| unclosed('"'))? {
                        '"' => break,
                        '\\' => match chars.next().ok_or_else(|| unclosed('"'))? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(other) => word.get_or_insert_default().push(other),
                None => return Err(format!("the command ends in a \\: {command}")),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_by_a_shell() {
        for (command, words) in [
            ("a  b\tc", vec!["a", "b", "c"]),
            ("'a b' \"c d\"e", vec!["a b", "c de"]),
            (r#"a\ b "x\"y\n" 'p\q'"#, vec!["a b", "x\"y\\n", "p\\q"]),
            ("'' x", vec!["", "x"]),
            ("echo $HOME *", vec!["echo", "$HOME", "*"]),
        ] {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        for command in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(command).is_err(), "{command}");
        }
        assert!(Places::default().words(" ").is_err());
    }

    #[test]
    fn placeholders_never_make_further_words() {
        let places = Places {
            node: "n 1".to_owned(),
            config: "{dir}".to_owned(),
            dir: "/d".to_owned(),
            ..Places::default()
        };
        assert_eq!(
            places
                .words("x{node} {config} {x} {\"a\":1} {dir}/y")
                .unwrap(),
            ["xn 1", "{dir}", "{x}", "{a:1}", "/d/y"]
        );
    }
}
