//! The head of a request: what is asked, of whom, by whom. Everything else is passed over.

/// Longest head in bytes.
pub(super) const HEAD_MAX: usize = 16 << 10;

/// What is looked at of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `HEAD`: the answer has no body.
    pub(super) head: bool,
    /// Path without the query.
    pub(super) path: String,
    /// Absent in HTTP/1.0.
    pub(super) host: Option<String>,
    /// As it stands.
    pub(super) authorization: Option<String>,
}

/// Why a request is not one that we answer: the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// 400.
    Malformed,
    /// 405.
    Method,
    /// 413: it has a body.
    Body,
    /// 431.
    TooLong,
    /// 505.
    Version,
}

/// Takes the head out of what was read so far. `None`: it is not all here.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Request>, Wrong> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return match bytes.len() {
            length if length >= HEAD_MAX => Err(Wrong::TooLong),
            _ => Ok(None),
        };
    };
    if end > HEAD_MAX {
        return Err(Wrong::TooLong);
    }
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Wrong::Malformed)?;
    let mut lines = head.split("\r\n");
    let mut request = first_line(lines.next().unwrap_or_default())?;
    for line in lines {
        header(&mut request, line)?;
    }
    Ok(Some(request))
}

fn first_line(line: &str) -> Result<Request, Wrong> {
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return Err(Wrong::Malformed);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(match version.starts_with("HTTP/") {
            true => Wrong::Version,
            false => Wrong::Malformed,
        });
    }
    let head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Wrong::Method),
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain {
        return Err(Wrong::Malformed);
    }
    Ok(Request {
        head,
        path: path.to_owned(),
        host: None,
        authorization: None,
    })
}

fn header(request: &mut Request, line: &str) -> Result<(), Wrong> {
    let (name, value) = line.split_once(':').ok_or(Wrong::Malformed)?;
    let token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) || value.contains(['\r', '\n', '\0']) {
        return Err(Wrong::Malformed);
    }
    let value = value.trim_matches([' ', '\t']);
    let place = match name.to_ascii_lowercase().as_str() {
        "host" => &mut request.host,
        "authorization" => &mut request.authorization,
        "transfer-encoding" => return Err(Wrong::Body),
        "content-length" if value != "0" => return Err(Wrong::Body),
        _ => return Ok(()),
    };
    // Two of one are two that somebody between us may read differently.
    match place.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err(Wrong::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Request>, Wrong> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_request_is_read_when_all_of_its_head_is_here() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a:1\r\nX-Y: z\r\n\r\n";
        let expected = Request {
            head: false,
            path: "/metrics".into(),
            host: Some("a:1".into()),
            authorization: None,
        };
        assert_eq!(read(text), Ok(Some(expected)));
        for cut in 0..text.len() {
            assert_eq!(read(&text[..cut]), Ok(None), "{cut}");
        }
    }

    #[test]
    fn what_is_no_request_of_ours_is_named() {
        let cases = [
            ("POST / HTTP/1.1\r\n\r\n", Wrong::Method),
            ("GET / HTTP/2.0\r\n\r\n", Wrong::Version),
            ("GET / SPDY\r\n\r\n", Wrong::Malformed),
            ("GET  / HTTP/1.1\r\n\r\n", Wrong::Malformed),
            ("GET http://a/ HTTP/1.1\r\n\r\n", Wrong::Malformed),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                Wrong::Malformed,
            ),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Wrong::Malformed),
            ("GET / HTTP/1.1\r\n folded\r\n\r\n", Wrong::Malformed),
            ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Wrong::Malformed),
            ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", Wrong::Body),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Wrong::Body,
            ),
        ];
        for (text, wrong) in cases {
            assert_eq!(read(text), Err(wrong), "{text:?}");
        }
        assert_eq!(read(&"x".repeat(HEAD_MAX)), Err(Wrong::TooLong));
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(HEAD_MAX));
        assert_eq!(read(&long), Err(Wrong::TooLong));
        assert_eq!(parse(b"GET /\xff HTTP/1.1\r\n\r\n"), Err(Wrong::Malformed));
    }
}
