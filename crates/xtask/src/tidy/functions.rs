//! A function is read without scrolling: less than 70 lines, from its first line to its last.
//!
//! Rust functions are found by `fn NAME` and their braces, also inside macros; Lua functions by the
//! words that open and close blocks. One kind is not measured: `return function` on the outermost
//! level of a Lua file, which is how a module takes parameters; what it holds is.

use super::lengths::Exceptions;
use super::lexer::{Token, tokens};
use super::{Finding, Source};

const FUNCTION_LINES_MAX: usize = 69;

#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    line: usize,
    lines: usize,
}

pub(super) fn check(sources: &[Source], exceptions: &Exceptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let code = tokens(&source.layers.code);
        let functions = if source.file.is_rust() {
            rust(&code)
        } else {
            lua(&code)
        };
        for function in functions {
            let what = format!("{}:{}", source.file.path, function.name);
            let mend = "take a step of it out and give that step a name";
            let extent = (function.line, function.lines);
            let found = exceptions.judge(source, &what, extent, FUNCTION_LINES_MAX, mend);
            findings.extend(found.map(|mut f| {
                if f.path == source.file.path {
                    f.what = format!("function {}: {}", function.name, f.what);
                }
                f
            }));
        }
    }
    findings
}

fn rust(code: &[Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in code.iter().enumerate() {
        // `fn(` is a type; a macro's `fn $name` is a function like any other.
        let Some(name) = code.get(at + 1) else { break };
        if token.text != "fn" || !(name.is_word() || name.text == "$") {
            continue;
        }
        if let Some(end) = rust_body(&code[at..]) {
            found.push(Function {
                name: name.text.to_string(),
                line: token.line,
                lines: end + 1 - token.line,
            });
        }
    }
    found
}

/// The last line of the body that follows a signature; `None`: it has no body.
fn rust_body(signature: &[Token<'_>]) -> Option<usize> {
    let mut brackets = 0_i32;
    for (at, token) in signature.iter().enumerate() {
        match token.text {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            "{" if brackets == 0 => return closing_brace(&signature[at..]),
            ";" if brackets == 0 => return None,
            _ => {}
        }
        // The bracket around it ends: a macro's pattern, no function.
        if brackets < 0 {
            return None;
        }
    }
    None
}

fn closing_brace(block: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_i32;
    for token in block {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(token.line);
        }
    }
    None
}

fn lua(code: &[Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    // Blocks that are open, with the place in `code` where a function begins.
    let mut open: Vec<Option<usize>> = Vec::new();
    for (at, token) in code.iter().enumerate() {
        match token.text {
            "function" => {
                let wraps_the_file = open.is_empty() && at > 0 && code[at - 1].text == "return";
                open.push((!wraps_the_file).then_some(at));
            }
            // `while` and `for` open their block by `do`.
            "if" | "do" | "repeat" => open.push(None),
            "end" | "until" => {
                if let Some(Some(first)) = open.pop() {
                    found.push(Function {
                        name: lua_name(&code[first + 1..]),
                        line: code[first].line,
                        lines: token.line + 1 - code[first].line,
                    });
                }
            }
            _ => {}
        }
    }
    found
}

/// `a.b:c` in front of the parameters, or `?` for a function without a name.
fn lua_name(after: &[Token<'_>]) -> String {
    let name: String = after
        .iter()
        .take_while(|t| t.text != "(")
        .map(|t| t.text)
        .collect();
    if name.is_empty() {
        "?".to_string()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::*;

    fn named(found: &[Function]) -> Vec<(&str, usize, usize)> {
        found
            .iter()
            .map(|f| (f.name.as_str(), f.line, f.lines))
            .collect()
    }

    #[test]
    fn rust_functions_end_at_their_own_brace() {
        let layers = lexer::rust(
            "trait T {\n  fn a(x: [u8; 4]);\n  fn b() -> fn(i32) -> i32 {\n    '}'\n  }\n}\nlua_fn! {\n  fn c(call: &mut Call) -> R {\n    fn d() {}\n    \"}\"\n  }\n}\n",
        );
        assert_eq!(
            named(&rust(&tokens(&layers.code))),
            [("b", 3, 3), ("c", 8, 4), ("d", 9, 1)]
        );
    }

    #[test]
    fn the_pattern_of_a_macro_is_no_function() {
        let layers = lexer::rust(
            "macro_rules! m {\n ($v:vis fn $name:ident()) => {\n  fn $name() {\n  }\n }\n}\n",
        );
        assert_eq!(named(&rust(&tokens(&layers.code))), [("$", 3, 2)]);
    }

    #[test]
    fn lua_blocks_do_not_end_the_function_around_them() {
        let layers = lexer::lua(
            "local function a(x)\n  for i = 1, 2 do\n    if x then\n    elseif y then\n    end\n  end\n  repeat\n  until x\nend\nfunction b.c:d() end\nf(function()\nend)\n",
        );
        assert_eq!(
            named(&lua(&tokens(&layers.code))),
            [("a", 1, 9), ("b.c:d", 10, 1), ("?", 11, 2)]
        );
    }

    #[test]
    fn a_function_that_is_the_module_is_not_measured_but_its_parts_are() {
        let layers =
            lexer::lua("return function(skynet)\n  local function a()\n  end\n  return a\nend\n");
        assert_eq!(named(&lua(&tokens(&layers.code))), [("a", 2, 2)]);
    }
}
