//! Looking at a node from outside: its debug console, and the probes of `ready`.
//!
//! The console is a line protocol on 127.0.0.1: a greeting, then for each line its output and a last line
//! `<CMD OK>` or `<CMD Error>`.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use welkin_fleet_model::entry::Probe;

/// Most output of one line.
const OUTPUT_MAX: u64 = 1 << 20;
/// Longest first line of an HTTP answer.
const STATUS_LINE_MAX: u64 = 1 << 10;
const GREETING: &str = "Welcome to skynet console";

/// What a console answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it ended with `<CMD OK>`.
    pub ok: bool,
    /// The lines before that.
    pub output: String,
}

/// Sends one line to the debug console on that port of 127.0.0.1. An error is for people.
pub async fn exec(port: u16, line: &str, limit: Duration) -> Result<Answer, String> {
    // A second line would be a second command, which nobody has permitted.
    if line.contains(['\n', '\r', '\0']) || line.trim().is_empty() {
        return Err("a console command is one line that is not empty".to_owned());
    }
    let asked = async {
        let stream = local(port).await?;
        let mut stream = BufReader::new(stream);
        let request = format!("{line}\n");
        let sent = stream.get_mut().write_all(request.as_bytes()).await;
        sent.map_err(|error| format!("console on port {port}: {error}"))?;
        answer(&mut stream)
            .await
            .map_err(|error| format!("console on port {port}: {error}"))
    };
    within(limit, asked, || format!("console on port {port}")).await
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Result<Answer, String> {
    let mut stream = stream.take(OUTPUT_MAX);
    let mut answer = Answer::default();
    let mut greeted = false;
    loop {
        let mut line = Vec::new();
        let read = stream.read_until(b'\n', &mut line).await;
        read.map_err(|error| error.to_string())?;
        if !line.ends_with(b"\n") {
            return Err(match stream.limit() {
                0 => format!("more than {OUTPUT_MAX} bytes of output"),
                _ => format!("it closed the connection; before: {:?}", answer.output),
            });
        }
        let line = String::from_utf8_lossy(&line);
        match line.trim_end() {
            GREETING if !greeted => greeted = true,
            "<CMD OK>" => {
                answer.ok = true;
                return Ok(answer);
            }
            "<CMD Error>" => return Ok(answer),
            _ => answer.output.push_str(&line),
        }
    }
}

/// Asks a probe once. The error is its words for people. [`Probe::Control`] and [`Probe::After`] ask nobody
/// here and succeed.
pub async fn probe(probe: &Probe, limit: Duration) -> Result<(), String> {
    match probe {
        Probe::Control | Probe::After(_) => Ok(()),
        Probe::Tcp(port) => {
            let connected = async { local(*port).await.map(drop) };
            within(limit, connected, || format!("tcp port {port}")).await
        }
        Probe::Console(port) => match exec(*port, "list", limit).await? {
            Answer { ok: true, .. } => Ok(()),
            Answer { output, .. } => Err(format!(
                "console on port {port}: list failed: {}",
                output.lines().next().unwrap_or_default()
            )),
        },
        Probe::Http(url) => within(limit, http(url), || url.clone()).await,
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, String>>,
    what: impl Fn() -> String,
) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("{}: no answer in {limit:?}", what())),
    }
}

async fn local(port: u16) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(("127.0.0.1", port)).await;
    connected.map_err(|error| format!("127.0.0.1:{port}: {error}"))
}

/// `http://host[:port][/path]` answers with a status from 200 to 299.
async fn http(url: &str) -> Result<(), String> {
    let (host, path) = parts(url)?;
    let address = if has_port(host) {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let say = |error: std::io::Error| format!("{url}: {error}");
    let mut stream = TcpStream::connect(address).await.map_err(say)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: welkin-fleet\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(say)?;
    let mut line = Vec::new();
    let mut stream = BufReader::new(stream).take(STATUS_LINE_MAX);
    stream.read_until(b'\n', &mut line).await.map_err(say)?;
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_end();
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(status) => Err(format!("{url}: status {status}")),
        None => Err(format!("{url}: no HTTP answer: {line:?}")),
    }
}

fn parts(url: &str) -> Result<(&str, &str), String> {
    let rest = url.strip_prefix("http://");
    let rest = rest.ok_or_else(|| format!("{url}: only http:// can be asked"))?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let odd = |text: &str| text.bytes().any(|byte| byte <= b' ' || byte == 127);
    if host.is_empty() || odd(rest) {
        return Err(format!("{url}: not an address"));
    }
    Ok((host, if path.is_empty() { "/" } else { path }))
}

fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand in brackets.
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    after.contains(':')
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A server that reads a line of each connection, answers that, and closes.
    async fn server(says: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut line = String::new();
                let (read, mut write) = stream.split();
                let _ = BufReader::new(read).read_line(&mut line).await;
                let _ = write.write_all(says.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn a_console_is_read_to_its_end() {
        let port = server("Welcome to skynet console\na\tb\n\nc\n<CMD OK>\nnext").await;
        let answer = exec(port, "list", LONG).await.unwrap();
        assert_eq!((answer.ok, answer.output.as_str()), (true, "a\tb\n\nc\n"));
        let port = server("Welcome to skynet console\nbad\n<CMD Error>\n").await;
        let answer = exec(port, "x", LONG).await.unwrap();
        assert_eq!((answer.ok, answer.output.as_str()), (false, "bad\n"));
        let words = probe(&Probe::Console(port), LONG).await.unwrap_err();
        assert!(words.ends_with("list failed: bad"), "{words}");
    }

    #[tokio::test]
    async fn a_console_that_is_none_gives_words() {
        let port = server("Welcome to skynet console\nhalf").await;
        let words = exec(port, "list", LONG).await.unwrap_err();
        assert!(words.contains("it closed the connection"), "{words}");
        let two = exec(port, "list\nexit a", LONG).await.unwrap_err();
        assert!(two.contains("one line"), "{two}");
        assert!(exec(port, " ", LONG).await.is_err());
    }

    #[tokio::test]
    async fn a_probe_tells_what_is_wrong() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(probe(&Probe::Tcp(port), LONG).await, Ok(()));
        // It accepts and says nothing.
        let soon = Duration::from_millis(50);
        let words = probe(&Probe::Console(port), soon).await.unwrap_err();
        assert!(words.contains("no answer in 50ms"), "{words}");
        drop(listener);
        let words = probe(&Probe::Tcp(port), LONG).await.unwrap_err();
        assert!(words.contains("refused"), "{words}");
    }

    #[tokio::test]
    async fn http_counts_from_200_to_299() {
        let url = |port| Probe::Http(format!("http://127.0.0.1:{port}/ready"));
        let port = server("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(probe(&url(port), LONG).await, Ok(()));
        let port = server("HTTP/1.0 503 Busy\r\n\r\n").await;
        let words = probe(&url(port), LONG).await.unwrap_err();
        assert!(words.ends_with("/ready: status 503"), "{words}");
        let port = server("SSH-2.0\r\n").await;
        assert!(
            probe(&url(port), LONG)
                .await
                .unwrap_err()
                .contains("no HTTP answer")
        );
        assert!(
            probe(&Probe::Http("https://x/".into()), LONG)
                .await
                .is_err()
        );
    }

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        assert_eq!(parts("http://a:1/b?c"), Ok(("a:1", "/b?c")));
        assert_eq!(parts("http://a"), Ok(("a", "/")));
        assert!(parts("http:///x").is_err());
        assert!(parts("http://a/b c").is_err());
        assert!(has_port("[::1]:80") && !has_port("[::1]"));
    }
}
