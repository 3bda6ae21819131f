//! Just enough of Rust's and Lua's lexical rules to tell code from comments and from quoted text.
//!
//! A check that looks for `unsafe` or counts braces must not be misled by a string or a comment that
//! holds one. So a file is split into two copies of the same shape: one with only its code, one with
//! only its comments; everything else is blank, and line N of each is line N of the file.

/// The two copies.
pub struct Layers {
    pub code: String,
    pub comments: String,
}

/// A word (letters, digits, `_`) or a single other character of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    /// Counted from 1.
    pub line: usize,
}

impl Token<'_> {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The tokens of a code layer.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            found.push(Token {
                text,
                line: index + 1,
            });
            rest = after.trim_start();
        }
    }
    found
}

/// Splits a Rust file.
pub fn rust(text: &str) -> Layers {
    let mut painter = Painter::new(text);
    while let Some(first) = painter.rest().chars().next() {
        let rest = painter.rest();
        if rest.starts_with("//") {
            painter.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            painter.comment(nested_comment(rest));
        } else if first == '"' {
            painter.quoted(quoted(rest, '"'));
        } else if first == '\'' {
            match char_literal(rest) {
                Some(length) => painter.quoted(length),
                None => painter.code(1),
            }
        } else if is_word(first) {
            rust_word(&mut painter);
        } else {
            painter.code(first.len_utf8());
        }
    }
    painter.done()
}

/// A word, and the literal that it may be the prefix of (`r#"..."#`, `b'x'`, `c"..."`).
fn rust_word(painter: &mut Painter<'_>) {
    let rest = painter.rest();
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(length);
    painter.code(length);
    match word {
        "r" | "br" | "cr" => {
            if let Some(length) = raw_string(after) {
                painter.quoted(length);
            }
        }
        "b" | "c" if after.starts_with('"') => painter.quoted(quoted(after, '"')),
        "b" if after.starts_with('\'') => painter.quoted(quoted(after, '\'')),
        _ => {}
    }
}

/// Splits a Lua file.
pub fn lua(text: &str) -> Layers {
    let mut painter = Painter::new(text);
    if text.starts_with("#!") {
        painter.quoted(text.find('\n').unwrap_or(text.len()));
    }
    while let Some(first) = painter.rest().chars().next() {
        let rest = painter.rest();
        if let Some(after) = rest.strip_prefix("--") {
            let line = rest.find('\n').unwrap_or(rest.len());
            painter.comment(long_bracket(after).map_or(line, |length| length + 2));
        } else if first == '"' || first == '\'' {
            painter.quoted(quoted(rest, first));
        } else if let Some(length) = long_bracket(rest) {
            painter.quoted(length);
        } else {
            painter.code(first.len_utf8());
        }
    }
    painter.done()
}

/// Length of the nested comment that `text` begins with.
fn nested_comment(text: &str) -> usize {
    let mut depth = 0_u32;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Length of the literal that begins with `quote`, its backslashes understood.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Length of a char literal, or `None` where the `'` begins a lifetime or a label.
fn char_literal(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

/// Length of what follows the `r` of a raw string, or `None` for a raw identifier or a plain word.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let body = text[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", &text[..hashes]);
    let length = body
        .find(&close)
        .map_or(body.len(), |end| end + close.len());
    Some(hashes + 1 + length)
}

/// Length of the `[[...]]` or `[=[...]=]` that `text` begins with.
fn long_bracket(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('[')?;
    let level = inner.len() - inner.trim_start_matches('=').len();
    if !inner[level..].starts_with('[') {
        return None;
    }
    let close = format!("]{}]", &inner[..level]);
    Some(text.find(&close).map_or(text.len(), |at| at + close.len()))
}

/// Walks over a text and copies each part to the layer it belongs to.
struct Painter<'a> {
    text: &'a str,
    at: usize,
    layers: Layers,
}

impl<'a> Painter<'a> {
    fn new(text: &'a str) -> Self {
        let layers = Layers {
            code: String::with_capacity(text.len()),
            comments: String::with_capacity(text.len()),
        };
        Self {
            text,
            at: 0,
            layers,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn code(&mut self, length: usize) {
        let part = self.take(length);
        self.layers.code.push_str(part);
        blank(&mut self.layers.comments, part);
    }

    fn comment(&mut self, length: usize) {
        let part = self.take(length);
        self.layers.comments.push_str(part);
        blank(&mut self.layers.code, part);
    }

    fn quoted(&mut self, length: usize) {
        let part = self.take(length);
        blank(&mut self.layers.code, part);
        blank(&mut self.layers.comments, part);
    }

    fn take(&mut self, length: usize) -> &'a str {
        let part = &self.rest()[..length];
        self.at += length;
        part
    }

    fn done(self) -> Layers {
        self.layers
    }
}

/// Blanks stand for the part, its line ends stay.
fn blank(layer: &mut String, part: &str) {
    layer.extend(part.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(layers: &Layers) -> Vec<&str> {
        tokens(&layers.code)
            .into_iter()
            .filter(Token::is_word)
            .map(|t| t.text)
            .collect()
    }

    #[test]
    fn rust_text_in_quotes_is_no_code() {
        let source = r##"a("b \" c", 'd', '\'', b'e', r#"f " g"#, br"h", c"i"); 'j: loop {}"##;
        assert_eq!(
            words(&rust(source)),
            ["a", "b", "r", "br", "c", "j", "loop"]
        );
    }

    #[test]
    fn rust_comments_nest_and_keep_their_lines() {
        let layers = rust("a /* b /* c */ d */ e\n// f 'g \"h\ni");
        assert_eq!(words(&layers), ["a", "e", "i"]);
        assert_eq!(layers.comments.lines().nth(1), Some("// f 'g \"h"));
        assert_eq!(tokens(&layers.code).last().map(|t| t.line), Some(3));
    }

    #[test]
    fn a_lifetime_is_no_open_quote() {
        assert_eq!(
            words(&rust("fn f<'a>(x: &'a str, y: char) { y == 'x' }")),
            ["fn", "f", "a", "x", "a", "str", "y", "char", "y"]
        );
    }

    #[test]
    fn a_raw_identifier_is_no_raw_string() {
        assert_eq!(words(&rust("r#fn \"x\" y")), ["r", "fn", "y"]);
    }

    #[test]
    fn lua_text_in_brackets_and_quotes_is_no_code() {
        let source = "a = [[ end ]] .. 'b' -- c\n--[==[ d ]] \n ]==] e = t[f[1]] \"g\\\"h\" i";
        assert_eq!(words(&lua(source)), ["a", "e", "t", "f", "1", "i"]);
    }
}
